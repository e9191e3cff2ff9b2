"""Exim behind: relay, and AUTH passed through to its own authenticators."""
import base64

from lib.client import text


def backend(env):
    return env.once("exim", lambda e: e.exim(auth=True, cert=e.cert("backend.example.net", kind="rsa")))


def gate(env, **kw):
    cert = env.cert()
    return env.gateway(backend(env), listener={"tls": "starttls", "certificate": cert.cert, "key": cert.key, **kw})


def b64(words):
    return base64.b64encode(words.encode()).decode()


PLAIN = b64("\0alice\0secret")


def test_relay(env):
    message = text("exim relay") + b"..\r\n.x\r\n"
    with gate(env).client() as c:
        c.ehlo()
        c.envelope()
        # Exim has no enhanced codes here: its own words pass as they are
        assert c.cmd("RCPT TO:<nobody-here@example.net>").raw == b"550 unknown user\r\n"
        assert c.data(message).code == 250
        c.starttls().ehlo()
        assert c.mail(subject="exim over tls").code == 250
        c.quit()
    got = backend(env).message("exim relay")
    assert got.raw.endswith(message)
    assert "mx.example.net" in got.fields("Received")[1]
    assert backend(env).message("exim over tls")


def test_bdat_to_exim(env):
    message = text("exim bdat") + b".\r\n"
    with gate(env).client() as c:
        c.ehlo()
        c.envelope()
        c.send(b"BDAT 10\r\n" + message[:10] + b"BDAT %d LAST\r\n" % (len(message) - 10) + message[10:])
        assert [r.code for r in c.replies(2)] == [250, 250]
    assert backend(env).message("exim bdat").raw.endswith(message)


def test_auth_passes_through(env):
    front = gate(env, auth="tls", direction="outbound")
    for dialogue in ([f"AUTH PLAIN {PLAIN}"], ["AUTH PLAIN", PLAIN], ["AUTH LOGIN", b64("alice"), b64("secret")],
                     [f"AUTH LOGIN {b64('alice')}", b64("secret")]):
        with front.client() as c:
            c.ehlo()
            assert "AUTH" not in c.keywords, "AUTH is offered in the clear"
            refused = c.cmd(dialogue[0])
            assert refused.code in (538, 503, 502, 504, 530), refused
            c.starttls().ehlo()
            assert {"PLAIN", "LOGIN"} <= set(c.keywords["AUTH"].split()), c.keywords
            for line in dialogue[:-1]:
                c.must(line, 334)
            c.must(dialogue[-1], 235)
            # an authenticated client may send anywhere, as far as we are concerned: Exim has the last word
            assert c.mail(rcpt=["bob@example.org"], subject="authenticated").code == 250
            c.quit()
    row = front.wait_audit("message")[0]
    assert row["user"] == "alice", row
    assert "secret" not in front.log() and PLAIN not in front.log() and PLAIN not in str(front.audit())


def test_auth_refused(env):
    front = gate(env, auth="tls", direction="outbound")
    with front.client() as c:
        c.ehlo()
        c.starttls().ehlo()
        got = c.cmd("AUTH PLAIN " + b64("\0alice\0wrong"))
        assert got.code == 535, got
        c.must("AUTH LOGIN", 334)
        assert c.cmd("*").code == 501
        assert c.cmd("AUTH CRAM-MD5").code == 504
        assert c.cmd("AUTH GSSAPI").code == 504
        c.must("MAIL FROM:<sender@example.com>", 250)
        assert c.cmd("RCPT TO:<x@elsewhere.test>").raw.startswith(b"550 5.7.1"), "not authenticated, and relays"


def test_auth_off_on_inbound(env):
    with gate(env).client() as c:
        c.ehlo()
        c.starttls().ehlo()
        assert "AUTH" not in c.keywords
        assert c.cmd(f"AUTH PLAIN {PLAIN}").code in (502, 503, 504, 500)


def test_auth_parameter_of_mail(env):
    front = gate(env, auth="tls", direction="outbound")
    with front.client() as c:
        c.ehlo()
        c.starttls().ehlo()
        # from a peer that did not authenticate it goes down as AUTH=<> (RFC 4954 section 5)
        assert c.mail(mail_params="AUTH=boss@example.net", subject="auth parameter").code == 250
    assert backend(env).message("auth parameter")
