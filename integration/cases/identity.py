"""Who the client is: PROXY and XCLIENT in from listed peers only; XCLIENT, XFORWARD and PROXY v2 out."""
import ipaddress
import socket
import ssl
import struct

from lib.certs import client_context
from lib.client import Client, Closed, send
from lib.downstream import KEYWORDS
from cases.reuse import XCLIENT, XFORWARD

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source=None, port=4711, command=1, dest=None, tlv=b""):
    """A PROXY v2 header; without a source the family is UNSPEC."""
    if source is None:
        return SIGNATURE + bytes([0x20 | command, 0]) + struct.pack(">H", len(tlv)) + tlv
    address = ipaddress.ip_address(source)
    dest = ipaddress.ip_address(dest or ("127.0.0.1" if address.version == 4 else "::1"))
    body = address.packed + dest.packed + struct.pack(">HH", port, 25) + tlv
    return SIGNATURE + bytes([0x20 | command, 0x11 if address.version == 4 else 0x21]) + struct.pack(">H", len(body)) + body


def gate(env, down, **kw):
    return env.gateway(down, listener={"proxy_protocol": ["127.0.0.1/32"], **kw}, timeouts={"greeting_tls": "3s"}, ready="connect")


def test_proxy_in(env):
    down = env.downstream({"keywords": [*KEYWORDS, XCLIENT]})
    front = gate(env, down)
    rows = [(b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 25\r\n", "192.0.2.1"), (b"PROXY TCP6 2001:db8::7 ::1 4711 25\r\n", "2001:db8::7"),
            (b"PROXY TCP6 ::ffff:192.0.2.2 ::1 4711 25\r\n", "192.0.2.2"),
            (v2("192.0.2.3"), "192.0.2.3"), (v2("2001:db8::8"), "2001:db8::8"), (v2("::ffff:192.0.2.4"), "192.0.2.4"),
            (v2("192.0.2.5", tlv=b"\x04\x00\x03abc"), "192.0.2.5")]
    for n, (header, client) in enumerate(rows):
        assert send(front.address, prelude=header, subject=f"{n}").code == 250, header
        row = front.wait_audit("message", count=n + 1)[-1]
        assert row["client"] == client, (header, row)
        facts = down.messages[-1].facts
        assert facts["XCLIENT ADDR"].lower() in (client, "ipv6:" + client), facts
        assert client in down.messages[-1].fields("Received")[0]


def test_proxy_header_in_pieces(env):
    front = gate(env, env.downstream())
    for header in (b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 25\r\n", v2("192.0.2.3")):
        with Client(front.address, greet=False) as c:
            for i in range(len(header)):
                c.send(header[i:i + 1])
            assert c.reply().code == 220
            c.ehlo()
            assert c.mail().code == 250


def test_proxy_local_and_unknown(env):
    front = gate(env, env.downstream())
    for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", v2(command=0), v2("192.0.2.9", command=0)):
        with Client(front.address, prelude=header, greet=False) as c:
            # the balancer itself: it is greeted (a health check), or closed; it is never taken for 192.0.2.9
            try:
                assert c.reply().code in (220, 421)
            except Closed:
                pass
    # ... and never relays
    with Client(front.address, prelude=v2(command=0)) as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        assert c.cmd("RCPT TO:<x@elsewhere.test>").code == 550
    assert not [r for r in front.audit() if r["client"] == "192.0.2.9"]


def test_balancer_never_relays(env):
    front = env.gateway(env.downstream(), listener={"proxy_protocol": ["127.0.0.1/32"]}, relay={"from": ["127.0.0.0/8", "192.0.2.0/24"]},
                        ready="connect")
    for header, code in ((v2(command=0), 550), (v2("192.0.2.9"), 250)):
        with Client(front.address, prelude=header) as c:
            c.ehlo()
            c.must("MAIL FROM:<sender@example.com>", 250)
            assert c.cmd("RCPT TO:<x@elsewhere.test>").code == code, header


def test_proxy_header_missing_or_bad(env):
    front = gate(env, env.downstream())
    for first in (b"EHLO client.example.com\r\n", b"PROXY TCP4 192.0.2.1\r\n", b"PROXY TCP4 999.0.2.1 127.0.0.1 1 2\r\n",
                  b"PROXY " + b"x" * 200 + b"\r\n", SIGNATURE + b"\x31\x11\0\x0c" + b"\0" * 12, SIGNATURE + b"\x21\x11\0\x02ab",
                  b"\r\n\r\n\0\r\nQUIX\n"):
        with Client(front.address, prelude=first, greet=False) as c:
            assert c.rest()[:3] in (b"", b"421", b"554", b"500", b"501"), first
    # from a peer that is not listed there is no header, and one that it sends is no command
    assert send(front.address, source="127.0.0.2").code == 250
    with Client(front.address, source="127.0.0.2", timeout=10) as c:
        c.send(b"PROXY TCP4 192.0.2.66 127.0.0.1 4711 25\r\n")
        try:
            assert c.reply().code // 100 in (4, 5)
        except AssertionError as e:
            assert "closed" in str(e), e
    assert not [r for r in front.audit() if r["client"] == "192.0.2.66"]


def test_xclient_in(env):
    down = env.downstream()
    front = env.gateway(down, listener={"xclient": ["127.0.0.5/32"]})
    with front.client(source="127.0.0.5") as c:
        c.ehlo()
        assert "XCLIENT" in c.keywords, c.keywords
        assert c.cmd("XCLIENT ADDR=192.0.2.33 NAME=real.example.com PORT=4711 HELO=real.example.com PROTO=ESMTP").code == 220
        # a new session: EHLO again
        c.ehlo("real.example.com")
        assert c.mail(subject="by xclient").code == 250
        got = c.cmd("XCLIENT ADDR=IPV6:2001:db8::99 NAME=[UNAVAILABLE]")
        assert got.code == 220, got
        c.ehlo("six.example.com")
        assert c.mail(subject="by xclient 6").code == 250
        assert c.cmd("XCLIENT ADDR=not-an-address").code // 100 == 5
    rows = front.wait_audit("message", count=2)
    assert [r["client"] for r in rows] == ["192.0.2.33", "2001:db8::99"], rows
    assert "192.0.2.33" in down.messages[0].fields("Received")[0]
    with front.client(source="127.0.0.6") as c:
        c.ehlo()
        assert "XCLIENT" not in c.keywords
        assert c.cmd("XCLIENT ADDR=192.0.2.66").code // 100 == 5
        assert c.mail().code == 250
    assert not [r for r in front.audit() if r["client"] == "192.0.2.66"]


def test_xclient_login_needs_its_own_consent(env):
    down = env.downstream()
    for consent, code in ((False, 550), (True, 250)):
        front = env.gateway(down, listener={"xclient": ["127.0.0.5/32"], "xclient_login": consent})
        with front.client(source="127.0.0.5") as c:
            c.ehlo()
            c.cmd("XCLIENT ADDR=192.0.2.33 LOGIN=boss")
            c.ehlo()
            c.must("MAIL FROM:<sender@example.com>", 250)
            got = c.cmd("RCPT TO:<x@elsewhere.test>")
            assert got.code == code, (consent, got)
        front.stop()


def test_auto_identity_out(env):
    """XCLIENT where it is offered, else XFORWARD, else only our Received header."""
    for words, kind in (([XCLIENT, XFORWARD], "XCLIENT"), ([XFORWARD], "XFORWARD"), ([], None)):
        down = env.downstream({"keywords": [*KEYWORDS, *words]})
        front = env.gateway(down)
        assert send(front.address, source="127.0.0.5").code == 250
        got = down.messages[0]
        kinds = {k.split()[0] for k in got.facts}
        assert kinds == ({kind} if kind else set()), got.facts
        if kind:
            assert got.facts[f"{kind} ADDR"] == "127.0.0.5" and got.facts[f"{kind} HELO"] == "client.example.com", got.facts
        front.stop()
    down = env.downstream({"keywords": [*KEYWORDS, XCLIENT, XFORWARD]})
    front = env.gateway(down, down={"identity": "none"})
    assert send(front.address).code == 250 and down.messages[0].facts == {}


def test_proxy_v2_out(env):
    down = env.downstream({"proxy": True})
    front = env.gateway(
        down, listener={"proxy_protocol": ["127.0.0.1/32"]}, down={"identity": "proxy"}, ready="connect")
    for source in ("192.0.2.3", "2001:db8::8"):
        assert send(front.address, prelude=v2(source, port=4711)).code == 250
        header = down.messages[-1].connection.proxy
        assert header.startswith(SIGNATURE) and header[12] == 0x21, header
        size = 4 if header[13] == 0x11 else 16
        assert header[13] == (0x11 if "." in source else 0x21), header
        family = socket.AF_INET if size == 4 else socket.AF_INET6
        assert socket.inet_ntop(family, header[16:16 + size]) == source, header
        assert struct.unpack(">H", header[16 + 2 * size:18 + 2 * size]) == (4711,), header
    # a session whose first octets named one client is never another's
    assert all(len(s.transactions) == 1 for s in down.sessions())


def test_awkward_helo_in_identity(env):
    """xtext, bounds, and no way to forge an attribute through the HELO name."""
    down = env.downstream({"keywords": [*KEYWORDS, XCLIENT]})
    lax = '[hello]\nsyntax = "off"\nbare_address = "off"\nwrong_literal = "off"\nliteral = "off"\n'
    front = env.gateway(down, files={"protocol.toml": lax})
    for name in ("[192.0.2.1]", "a=b", "x" * 250, "plus+sign.example.com", "_under.example.com"):
        with front.client() as c:
            got = c.cmd(f"EHLO {name}")
            if got.code == 250:
                assert c.mail().code == 250, name
    for line in down.commands("XCLIENT"):
        assert len(line) <= 510
        words = [w.split(b"=")[0] for w in line.split()[1:]]
        assert len(words) == len(set(words)), line
        assert all(w.count(b"=") == 1 for w in line.split()[1:]), line


def test_nothing_of_the_client_before_stays(env):
    """One session for several clients: neither address nor login of one gives the next a right."""
    down = env.downstream()
    front = env.gateway(down, listener={"xclient": ["127.0.0.5/32"], "xclient_login": True}, relay={"from": ["192.0.2.33/32", "127.0.0.5/32"]})
    for first, second, code in (("ADDR=192.0.2.44 LOGIN=boss", "ADDR=192.0.2.55 LOGIN=[UNAVAILABLE]", 550),
                                ("ADDR=192.0.2.44 LOGIN=boss", "ADDR=192.0.2.55", 550),
                                ("ADDR=192.0.2.44 LOGIN=boss", "HELO=client.example.com", 250),
                                ("ADDR=192.0.2.33", "ADDR=[UNAVAILABLE]", 550), ("ADDR=192.0.2.33", "ADDR=[TEMPUNAVAIL]", 550),
                                ("ADDR=192.0.2.33", "ADDR=192.0.2.34", 550), ("NAME=x.example.com", "ADDR=[UNAVAILABLE]", 550)):
        with front.client(source="127.0.0.5") as c:
            for words, want in ((first, 250), (second, code)):
                c.must("XCLIENT " + words, 220)
                c.ehlo()
                c.must("MAIL FROM:<sender@example.com>", 250)
                c.must("RCPT TO:<x@elsewhere.test>", want)
                c.must("RSET", 250)


def test_proxy_header_and_tls_hello_in_one_piece(env):
    """A balancer sends its header with the first octets of its client."""
    cert = env.cert()
    front = gate(env, env.downstream(), tls="implicit", certificate=cert.cert, key=cert.key)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing, server_hostname="mx.example.net")
    with socket.create_connection(("127.0.0.1", front.port), 10) as sock:
        first, got = v2("192.0.2.1"), None
        while got is None:
            try:
                tls.do_handshake()
                got = tls.read(1000)
            except ssl.SSLWantReadError:
                sock.sendall(first + outgoing.read())
                first = b""
                piece = sock.recv(65536)
                assert piece, "closed in the handshake"
                incoming.write(piece)
        assert got.startswith(b"220 "), got
    assert front.wait_audit("connection", lambda row: row["client"] == "192.0.2.1")
