"""OpenSMTPD behind: relay in front of a server without PIPELINING, CHUNKING and SMTPUTF8."""
from lib.client import dot_stuff, text


def backend(env):
    return env.once("opensmtpd", lambda e: e.opensmtpd())


def test_relay(env):
    message = text("opensmtpd") + b"..\r\n.x\r\n"
    front = env.gateway(backend(env))
    with front.client() as c:
        c.ehlo()
        assert "SMTPUTF8" not in c.keywords, "not offered behind"
        assert {"PIPELINING", "CHUNKING", "DSN", "8BITMIME"} <= set(c.keywords), c.keywords
        c.send(b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<alice@example.net>\r\nRCPT TO:<nobody-here@example.net>\r\nDATA\r\n")
        codes = [r.code for r in c.replies(4)]
        assert codes[:2] == [250, 250] and codes[2] // 100 == 5 and codes[3] == 354, codes
        c.send(dot_stuff(message))
        assert c.reply().code == 250
        got = c.cmd("MAIL FROM:<sender@example.com> SMTPUTF8")
        assert got.code == 555 and got.enhanced == "5.5.4", got
    assert backend(env).message("opensmtpd").raw.endswith(message)


def test_bdat_becomes_data(env):
    message = text("bdat to opensmtpd") + b".\r\n.\r\n..\r\n"
    front = env.gateway(backend(env))
    with front.client() as c:
        c.ehlo()
        c.envelope()
        c.send(b"BDAT %d LAST\r\n" % len(message) + message)
        assert c.reply().code == 250
    assert backend(env).message("bdat to opensmtpd").raw.endswith(message)


def test_broken_starttls_behind(env):
    # Debian 12's OpenSMTPD offers STARTTLS and then fails every handshake: opportunistic TLS goes on in the clear
    mta = env.opensmtpd(cert=env.cert("backend.example.net", kind="rsa"))
    front = env.gateway(mta)
    with front.client() as c:
        c.ehlo()
        assert c.mail(subject="no tls after all").code == 250
    assert mta.message("no tls after all")
    front = env.gateway(mta, down={"tls": "required"})
    with front.client() as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<sender@example.com>").code in (451, 454, 421)
