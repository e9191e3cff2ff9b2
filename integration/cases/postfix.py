"""Postfix behind: plain relay, recipients, TLS on both legs, extensions, BDAT, size, many sessions, identity."""
import os
import subprocess

from lib import proc
from lib.client import Client, dot_stuff, send, text
from lib.mta import smtp_source


def backend(env):
    return env.once("postfix", lambda e: e.postfix(cert=e.cert("backend.example.net")))


def gate(env):
    def make(home):
        cert = home.once("cert", lambda h: h.cert())
        return home.gateway(backend(home), listener={"tls": "starttls", "certificate": cert.cert, "key": cert.key})
    return env.once("gate", make)


def swaks(gateway, *options, **kw):
    argv = ["swaks", "--server", "127.0.0.1", "--port", str(gateway.port), "--ehlo", "client.example.com",
            "--from", "sender@example.com", *options]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, **kw)


def test_plain_relay(env):
    message = text("plain relay") + b".a leading dot\r\n..two\r\n \t trailing blanks  \r\n\r\n\r\n"
    reply = send(gate(env).address, message)
    assert reply.code == 250 and "queued as" in reply.text, reply
    got = backend(env).message("plain relay")
    assert got.raw.endswith(message), got.raw
    hops = got.fields("Received")
    assert len(hops) == 2, hops
    assert "mx.example.net" in hops[1] and "client.example.com" in hops[1] and "127.0.0.1" in hops[1], hops[1]
    assert "for <alice@example.net>" in hops[1], hops[1]
    # between Postfix's own header and ours there is nothing, and below ours the message begins
    ours = got.raw[:-len(message)].split(b"\r\nReceived:")[-1]
    assert ours.endswith(b"\r\n") and b"\r\n\r\n" not in ours, ours


def test_audit_lines(env):
    with gate(env).client() as c:
        c.ehlo("audited.example.com")
        reply = c.mail(subject="audited")
        c.quit()
    line = gate(env).wait_audit("message", lambda r: r["helo"] == "audited.example.com")[0]
    assert line["from"] == "sender@example.com" and line["to"][0]["rcpt"] == "alice@example.net", line
    assert line["to"][0]["reply"].startswith("250 2.1.5"), line
    assert line["verdict"] == "continue" and line["downstream_reply"] == line["reply"] == "250 " + reply.text, line
    assert line["header"]["subject"] == "audited" and line["header"]["message_id"].strip("<>") == "audited@example.com", line
    assert line["client"] == "127.0.0.1" and line["note"] is None, line
    end = gate(env).wait_audit("connection", lambda r: r["session"] == line["session"])[0]
    assert end["messages"] == 1 and end["end"] == "quit" and end["listener"] == "in", end


def test_three_recipients_one_refused(env):
    with gate(env).client() as c:
        c.ehlo()
        c.envelope(["alice@example.net"])
        refused = c.cmd("RCPT TO:<nobody-here@example.net>")
        assert refused.code == 550 and refused.enhanced == "5.1.1" and "User unknown" in refused.text, refused
        c.must("RCPT TO:<bob@example.net>", 250)
        assert c.data(text("three recipients")).code == 250
        c.quit()
    proc.wait_for(lambda: sorted(m.recipient() for m in backend(env).messages() if m.fields("Subject") == ["three recipients"])
                  == ["alice@example.net", "bob@example.net"], "both recipients have it")
    got = backend(env).message("three recipients")
    assert " for <" not in got.fields("Received")[1], "a Received header must not tell one recipient of the others"
    line = gate(env).wait_audit("message", lambda r: r["header"]["subject"] == "three recipients")[0]
    assert [t["reply"][:3] for t in line["to"]] == ["250", "550", "250"], line


def test_swaks_starttls_three_recipients(env):
    done = swaks(gate(env), "--tls", "--to", "alice@example.net,nobody-here@example.net,bob@example.net",
                 "--header", "Subject: swaks over tls", "--body", "Hello from swaks.")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TLS started" in done.stdout and "550 5.1.1" in done.stdout and "queued as" in done.stdout, done.stdout
    got = backend(env).message("swaks over tls")
    assert b"Hello from swaks." in got.body
    assert "TLS" in got.fields("Received")[1].upper(), got.fields("Received")


def test_openssl_starttls(env):
    client = subprocess.Popen(["openssl", "s_client", "-quiet", "-starttls", "smtp", "-crlf", "-connect", gate(env).address],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    env.defer(client.kill)

    def say(line, code):
        client.stdin.write(line + "\n")
        client.stdin.flush()
        while True:
            got = client.stdout.readline()
            assert got, f"closed after {line!r}"
            # s_client shows the last line of the EHLO reply before TLS
            if got[:3] == code and got[3:4] == " " and "STARTTLS" not in got:
                return
            assert got[:3] == code or got.startswith("250"), f"{line!r}: {got!r}"
    say("EHLO openssl.example.com", "250")
    say("MAIL FROM:<sender@example.com>", "250")
    say("RCPT TO:<alice@example.net>", "250")
    say("DATA", "354")
    say("Subject: openssl\n\nby hand\n.", "250")
    say("QUIT", "221")
    assert b"by hand" in backend(env).message("openssl").body
    row = gate(env).wait_audit("message", lambda r: r["helo"] == "openssl.example.com")[0]
    assert row["tls"].startswith("TLSv1."), row


def test_input_before_the_handshake_is_thrown_away(env):
    with gate(env).client() as c:
        c.ehlo()
        c.send(b"STARTTLS\r\nMAIL FROM:<injected@example.com>\r\n")
        first = c.reply()
        assert first.code in (220, 421, 500, 501, 503, 554), first
        if first.code == 220:
            # thrown away: there is no transaction
            c.wrap().ehlo()
            assert c.cmd("RCPT TO:<alice@example.net>").code == 503


def test_pipelining(env):
    one, two = text("pipelined one"), text("pipelined two")
    envelope = b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<alice@example.net>\r\nRCPT TO:<nobody-here@example.net>\r\nDATA\r\n"
    with gate(env).client() as c:
        c.ehlo()
        assert "PIPELINING" in c.keywords
        c.send(envelope)
        assert [r.code for r in c.replies(4)] == [250, 250, 550, 354]
        c.send(dot_stuff(one) + b"RSET\r\n" + envelope)
        assert [r.code for r in c.replies(6)] == [250, 250, 250, 250, 550, 354]
        c.send(dot_stuff(two) + b"NOOP\r\nQUIT\r\n")
        assert [r.code for r in c.replies(3)] == [250, 250, 221]
    assert backend(env).message("pipelined one").raw.endswith(one)
    assert backend(env).message("pipelined two").raw.endswith(two)


def test_ehlo_mirror(env):
    with gate(env).client() as c:
        c.ehlo()
        assert {"PIPELINING", "SIZE", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "STARTTLS"} <= set(c.keywords)
        assert not {"ETRN", "VRFY", "XCLIENT", "XFORWARD", "BINARYMIME"} & set(c.keywords), c.keywords
        assert int(c.keywords["SIZE"]) <= 50 * 1024 * 1024
        assert c.cmd("VRFY alice").code == 252
        assert c.cmd("EXPN list").code == 502
        assert c.cmd("ETRN example.net").code == 502


def test_8bitmime_smtputf8_dsn(env):
    body = text("eight bits") + "Grüße aus Köln\r\n".encode() + b"\xff\xfe raw\r\n"
    with gate(env).client() as c:
        c.ehlo()
        assert c.mail(body, mail_params="BODY=8BITMIME RET=HDRS ENVID=QQ314159").code == 250
        c.must("MAIL FROM:<sänder@example.com> SMTPUTF8 BODY=8BITMIME", 250)
        c.must("RCPT TO:<jürgen@example.net>", 250)
        assert c.data(text("utf8 addresses")).code == 250
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<alice@example.net> NOTIFY=NEVER ORCPT=rfc822;alice+2Bx@example.net", 250)
        assert c.data(text("dsn")).code == 250
    got = backend(env).message("eight bits")
    assert got.raw.endswith(body)
    assert backend(env).message("utf8 addresses").recipient() == "jürgen@example.net"
    assert backend(env).message("dsn")


def bdat(client, *chunks):
    """Sends the chunks, each with its reply awaited; the replies."""
    got = []
    for i, chunk in enumerate(chunks):
        last = b" LAST" if i == len(chunks) - 1 else b""
        client.send(b"BDAT %d%s\r\n" % (len(chunk), last) + chunk)
        got.append(client.reply())
    return got


def test_bdat_in(env):
    message = text("bdat") + b".\r\n.dot\r\n"
    for keyword, verb in (("", None), ("chunking", "data=1")):
        mta = backend(env) if not keyword else env.postfix(main={"smtpd_discard_ehlo_keywords": "chunking"})
        front = gate(env) if not keyword else env.gateway(mta)
        with front.client() as c:
            c.ehlo("bdat.example.com")
            # CHUNKING is a matter of this hop: offered also in front of a server that has only DATA
            assert "CHUNKING" in c.keywords, (keyword, c.keywords)
            c.envelope()
            codes = [r.code for r in bdat(c, message[:7], message[7:100], message[100:], b"")]
            assert codes == [250] * 4, codes
            c.quit()
        assert mta.message("bdat").raw.endswith(message)
        if keyword:
            front.stop()
            mta.wait_log(verb)
    with gate(env).client() as c:
        c.ehlo()
        assert bdat(c, b"no envelope")[0].code == 503
        c.must("NOOP", 250)


def test_bdat_end_without_line_end(env):
    with gate(env).client() as c:
        c.ehlo()
        c.envelope()
        assert bdat(c, text("no line end") + b"last words")[0].code == 250
        c.quit()
    assert backend(env).message("no line end").body.endswith(b"last words\r\n")


def test_big_message(env):
    size = (40 if env.nightly else 10) * 1024 * 1024
    message = text("big", size=size)
    before = gate(env).memory()[0]
    assert send(gate(env).address, message, timeout=120).code == 250
    got = backend(env).message("big", 60)
    assert got.raw.endswith(message) and len(got.raw) > size
    grown = gate(env).memory()[0] - before
    assert grown < 40 * 1024 * 1024, f"{grown} octets of memory after it"
    os.unlink(got.path)


def test_many_messages(env):
    count = 5000 if env.nightly else 500
    mta = env.postfix()
    front = env.gateway(mta)
    smtp_source(env, front.address, "-m", count, "-s", 20, "-l", 4096, "-f", "sender@example.com", "-t", "load@example.net", seconds=110)
    assert len(mta.messages(count, 60)) == count
    rows = front.wait_audit("message", count=count)
    assert len(rows) == count and all(r["reply"].startswith("250") for r in rows)
    smtp_source(env, front.address, "-d", "-m", count, "-s", 20, "-l", 4096, "-f", "sender@example.com", "-t", "load@example.net", seconds=110)
    assert len(mta.messages(2 * count, 60)) == 2 * count


def test_xclient_and_xforward(env):
    for option in ("smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts"):
        mta = env.postfix(main={option: "127.0.0.0/8"})
        front = env.gateway(mta)
        assert send(front.address, source="127.0.0.5", subject=option).code == 250
        assert mta.message(option)
        # our own connection comes from 127.0.0.1: the log has the client's address by XCLIENT or XFORWARD only
        mta.wait_log("[127.0.0.5]")
        # the next client over a reused session is itself
        assert send(front.address, source="127.0.0.6").code == 250
        mta.wait_log("[127.0.0.6]")


def test_proxy_header_to_postfix(env):
    mta = env.postfix(proxy=True)
    front = env.gateway(mta, down={"identity": "proxy"})
    assert send(front.address, source="127.0.0.5").code == 250
    assert "[127.0.0.5]" in mta.messages(1)[0].fields("Received")[0]


def test_tls_to_the_downstream(env):
    mta = backend(env)
    pin = mta.cert.spki_pin()
    for down in ({"tls": "required", "ca": mta.cert.ca, "server_name": "backend.example.net"}, {"tls": "pinned", "pins": [pin]},
                 {"tls": "opportunistic"}, {"tls": "off"}):
        front = env.gateway(mta, down=down)
        assert send(front.address, subject="tls " + down["tls"]).code == 250, down
        own = mta.message("tls " + down["tls"]).fields("Received")[0]
        row = front.wait_audit("message")[0]
        assert ("TLSv1.3" in own) == (down["tls"] != "off"), own
        assert bool(row["downstream_tls"]) == (down["tls"] != "off"), row
        front.stop()


def test_wrong_certificate_of_the_downstream(env):
    mta = backend(env)
    other = env.cert("backend.example.net")
    for down in ({"tls": "required", "ca": other.ca, "server_name": "backend.example.net"},
                 {"tls": "required", "ca": mta.cert.ca, "server_name": "another.example.net"},
                 {"tls": "pinned", "pins": [other.spki_pin()]}):
        front = env.gateway(mta, down=down)
        with front.client() as c:
            c.ehlo()
            got = c.cmd("MAIL FROM:<sender@example.com>")
            if got.code == 250:
                got = c.cmd("RCPT TO:<alice@example.net>")
            assert got.code in (451, 454, 421), (down, got)
        front.stop()


def test_tls_required_but_not_offered(env):
    front = env.gateway(env.postfix(), down={"tls": "required"})
    with front.client() as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<sender@example.com>").code in (451, 454, 421)


def test_implicit_tls(env):
    cert = env.cert()
    front = env.gateway(backend(env), listener={"tls": "implicit", "certificate": cert.cert, "key": cert.key}, ready="connect")
    with Client(front.address, implicit=True) as c:
        assert c.sock.getpeercert(True) == cert.der()
        c.ehlo()
        assert "STARTTLS" not in c.keywords
        assert c.mail(subject="implicit").code == 250
    assert backend(env).message("implicit")
