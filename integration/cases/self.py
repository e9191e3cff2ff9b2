"""The servers and the tools of this folder themselves, without Portcullis: when this fails, look here first."""
import os

from lib import dns, lenient, proc
from lib.certs import Certificate
from lib.client import Client, dot_stuff, send, text
from lib.downstream import KEYWORDS, Close, Delay
from lib.mta import Postfix, smtp_source


def test_postfix(env):
    mta = env.postfix(cert=env.cert("backend.example.net"))
    message = text("direct") + b".leading dot\r\n..\r\n"
    with Client(mta.address) as c:
        c.ehlo()
        c.starttls().ehlo()
        c.envelope()
        assert c.cmd("RCPT TO:<nobody-here@example.net>").enhanced == "5.1.1"
        assert c.cmd("RCPT TO:<x@elsewhere.test>").code == 554
        assert c.data(message).code == 250
        c.quit()
    got = mta.messages(1)[0]
    assert got.raw.endswith(message), got.raw
    assert got.recipient() == "alice@example.net"
    smtp_source(env, mta.address, "-m", 40, "-s", 4, "-f", "sender@example.com", "-t", "bob@example.net")
    mta.messages(41)
    mta = env.postfix(proxy=True)
    assert send(mta.address, prelude=b"PROXY TCP4 192.0.2.77 127.0.0.1 4711 25\r\n").code == 250
    assert "[192.0.2.77]" in mta.messages(1)[0].fields("Received")[0]


def test_smtp_sink(env):
    port = proc.free_port()
    env.process("smtp-sink", Postfix.tool(env, "/usr/sbin/smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "50"),
                os.path.join(env.dir, "sink.log")).ready(lambda: proc.banner(port).startswith(b"220"))
    assert send(port).code == 250


def test_exim(env):
    mta = env.exim(cert=env.cert("backend.example.net"), auth=True)
    with Client(mta.address) as c:
        c.ehlo()
        assert c.keywords["AUTH"] == "PLAIN LOGIN", c.keywords
        c.must("AUTH PLAIN AGFsaWNlAHNlY3JldA==", 235)
        assert c.mail().code == 250
        c.quit()
    assert mta.messages(1)[0].raw.endswith(text())


def test_opensmtpd(env):
    mta = env.opensmtpd()
    with Client(mta.address) as c:
        c.ehlo()
        c.envelope()
        assert c.cmd("RCPT TO:<nobody-here@example.net>").code // 100 == 5
        assert c.data(text()).code == 250
        c.quit()
    assert mta.messages(1)[0].raw.endswith(text())


def test_scripted_downstream(env):
    down = env.downstream({"RCPT": ["250 2.1.5 Ok", "550 5.1.1 no"], "tls": env.cert(), "keywords": [*KEYWORDS, "AUTH PLAIN LOGIN"]},
                          {"dot": Close(b"250 2.0"), "MAIL": Delay(0.2, "250 ok")})
    with Client(down.address) as c:
        c.ehlo()
        c.starttls().ehlo()
        c.must("AUTH PLAIN AGFsaWNlAHNlY3JldA==", 235)
        c.must("XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]", 220)
        c.must("MAIL FROM:<a@b.test>", 250)
        c.must("RCPT TO:<c@d.test>", 250)
        c.must("RCPT TO:<e@d.test>", 550)
        assert c.data(b"a: b\r\n\r\n.x\r\n..\r\n.\r\n").code == 250
        c.envelope()
        c.send(b"BDAT 3\r\nabcBDAT 4 LAST\r\n\r\n.\n")
        assert [r.code for r in c.replies(2)] == [250, 250]
        c.quit()
    with Client(down.address) as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        c.send(dot_stuff(text()))
        assert c.rest() == b"250 2.0"
    one, two, three = down.messages
    assert one.message == b"a: b\r\n\r\n.x\r\n..\r\n.\r\n" and one.early_end() is None
    assert one.rcpt == [b"RCPT TO:<c@d.test>"] and one.refused == [b"RCPT TO:<e@d.test>"]
    assert one.facts == {"XCLIENT ADDR": "192.0.2.1", "XCLIENT NAME": "[UNAVAILABLE]"}
    assert two.message == b"abc\r\n.\n" and two.bdat == [3, 4]
    assert three.message == text() and not three.accepted
    assert down.connections[0].user == "alice" and down.connections[0].ended == "quit"


def test_lenient_reading(env):
    for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n\0.\r\n", b"\n\0.\n", b"\r\n.\r\n"):
        assert lenient.early_end(b"x" + end + b"MAIL FROM:<>\r\n.\r\n"), end
    for wire in (b".\r\n", b"x\r\n.\r\n", b"x\r\n..\r\ny\r\n.\r\n", b"..\r\n.\r\n", b"x .\r\n.y\r\n.\r\n"):
        assert lenient.early_end(wire) is None, wire
    assert lenient.bare(b"a\rb") and lenient.bare(b"\nb") and lenient.bare(b"a\0") and not lenient.bare(b"a\r\n\r\n")
    for message in (b"", b".\r\n", b"..\r\n.a\r\n", b"a\r\n.\r\nb\r\n"):
        assert lenient.unstuff(dot_stuff(message)) == message


def test_certificates(env):
    for kind in ("ec", "rsa"):
        made = Certificate(env.folder("c"), kind=kind)
        before = made.spki_pin()
        assert before.startswith("sha256:") and len(before) == 7 + 64
        made.make()
        assert made.spki_pin() != before


def test_name_server(env):
    """Every way to answer, and who asked for what."""
    server = env.dns({
        "mx.example.com": {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": "2001:db8::1", "MX": (10, "a.example.com"), "TXT": "x" * 300},
        "a.b.example.com": {"A": "192.0.2.3"},
        "alias.example.com": {"CNAME": "mx.example.com"},
        "lost.example.com": {"CNAME": "gone.example.com"},
        dns.arpa("127.0.0.5"): {"PTR": [f"{'x' * 50}{i}.example.com" for i in range(60)]},
        "*.bl.example": {"A": "127.0.0.2"},
        dns.listed("192.0.2.9", "bl.example"): {"A": "127.0.0.9"},
        "sick.example": {"*": dns.Code("SERVFAIL")},
        "dead.example": {"A": dns.Drop()},
        "slow.example": {"A": dns.Delay(0.3, "192.0.2.4")},
        "cut.example": {"A": dns.Cut("192.0.2.5")},
        "forged.example": {"A": dns.WrongId("192.0.2.6")},
        "garbage.example": {"A": dns.Garbage()},
    })

    def ask(name, kind, **kw):
        return dns.ask(server.address, name, kind, **kw)

    def addresses(name, **kw):
        return [".".join(map(str, d)) for _, kind, d in ask(name, "A", **kw)[2] if kind == "A"]

    assert addresses("mx.example.com") == addresses("MX.Example.COM", tcp=True) == ["192.0.2.1", "192.0.2.2"]
    assert ask("mx.example.com", "AAAA")[2][0][2].hex() == "20010db8000000000000000000000001"
    assert ask("mx.example.com", "MX")[2][0][2] == b"\0\x0a\1a\7example\3com\0"
    assert len(ask("mx.example.com", "TXT")[2][0][2]) == 302
    assert ask("mx.example.com", "PTR") == (0, False, []), "NODATA"
    assert ask("b.example.com", "A") == (0, False, []), "a name between"
    assert ask("nowhere.example.com", "A") == (3, False, [])
    assert addresses("alias.example.com") == ["192.0.2.1", "192.0.2.2"]
    assert [k for _, k, _ in ask("lost.example.com", "A")[2]] == ["CNAME"]
    assert ask("5.0.0.127.in-addr.arpa", "PTR") == (0, True, []), "too large for UDP"
    assert len(ask("5.0.0.127.in-addr.arpa", "PTR", tcp=True)[2]) == 60
    assert addresses("1.2.0.192.bl.example") == ["127.0.0.2"] and addresses("9.2.0.192.bl.example") == ["127.0.0.9"]
    assert ask("sick.example", "MX") == (2, False, [])
    assert ask("dead.example", "A", timeout=0.2) is None
    assert ask("slow.example", "A", timeout=0.1) is None
    assert addresses("slow.example") == ["192.0.2.4"]
    assert ask("cut.example", "A") == (0, True, []) and addresses("cut.example", tcp=True) == ["192.0.2.5"]
    assert ask("forged.example", "A") == "wrong id"
    assert server.count("cut.example", "A") == 2 and server.count("cut.example", over="tcp") == 1
    server.rows["new.example"] = {"A": "192.0.2.7"}
    assert addresses("new.example") == ["192.0.2.7"]
    six = dns.listed("2001:db8::1", "bl.example")
    assert six.startswith("1.0.0.0.") and six.endswith(".0.1.0.0.2.bl.example") and addresses(six) == ["127.0.0.2"]
