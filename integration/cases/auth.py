"""AUTH against a scripted downstream: what stays of it, and what must not."""
import base64

from lib.client import text
from lib.downstream import KEYWORDS

AUTH = [*KEYWORDS, "AUTH PLAIN LOGIN"]
GOOD = "AUTH PLAIN " + base64.b64encode(b"\0alice\0secret").decode()
BAD = "AUTH PLAIN " + base64.b64encode(b"\0alice\0wrong").decode()


def test_no_recipient_of_a_refused_message_stays(env):
    """A message that we refuse leaves MAIL and RCPT open in the client's own downstream session."""
    down = env.downstream({"keywords": AUTH})
    gate = env.gateway(down, listener={"auth": "plaintext"}, max_message_size="64K")
    with gate.client() as c:
        c.ehlo()
        c.must(GOOD, 235)
        c.envelope(rcpt="one@example.net")
        assert c.data(text(size=90_000)).code == 552
        for name in ("two", "three"):
            assert c.mail(rcpt=f"{name}@example.net", subject=name).code == 250
    verbs = [l.split(b" ")[0] for l in down.sessions()[0].commands]
    assert verbs.count(b"RSET") == 1 and verbs.index(b"RSET") < len(verbs) - verbs[::-1].index(b"MAIL"), verbs
    assert [t.rcpt for t in down.messages] == [[b"RCPT TO:<two@example.net>"], [b"RCPT TO:<three@example.net>"]]


def test_starttls_forgets_it(env):
    """RFC 3207 section 4.2: what was said in clear, perhaps by somebody else, counts no more."""
    down, cert = env.downstream({"keywords": AUTH}), env.cert()
    gate = env.gateway(down, listener={"auth": "plaintext", "tls": "starttls", "certificate": cert.cert, "key": cert.key})
    with gate.client() as c:
        c.ehlo()
        c.must(GOOD, 235)
        c.starttls()
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<x@elsewhere.test>", 550)
        c.must("RSET", 250)
        assert "AUTH" in c.keywords, c.keywords
        c.must(GOOD, 235)
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<x@elsewhere.test>", 250)


def test_a_refused_one_keeps_no_connection(env):
    down = env.downstream({"keywords": AUTH})
    gate = env.gateway(down, listener={"auth": "plaintext"}, down={"max_connections": 1}, timeouts={"downstream_wait": "3s"})
    with gate.client() as c, gate.client() as other:
        c.ehlo()
        c.must(BAD, 535)
        other.ehlo()
        assert other.mail().code == 250
        # neither does it stand in the way of the same client
        c.must(BAD, 535)
        assert c.mail().code == 250


def test_the_password_is_never_the_user(env):
    """LOGIN with a user name that does not decode: the second response is not taken for one."""
    def login(connection, line):
        connection.send(b"334 VXNlcm5hbWU6\r\n")
        connection.line()
        connection.send(b"334 UGFzc3dvcmQ6\r\n")
        connection.line()
        return "235 2.7.0 ok"
    gate = env.gateway(env.downstream({"keywords": AUTH, "AUTH": login}), listener={"auth": "plaintext"})
    with gate.client() as c:
        c.ehlo()
        c.must("AUTH LOGIN", 334)
        c.must(base64.b64encode(b"a" * 300), 334)
        c.must(base64.b64encode(b"topsecret"), 235)
        c.quit()
    assert gate.wait_audit("connection", lambda row: row["helo"])[0]["user"] is None
    with open(gate.audit_path) as f:
        assert "topsecret" not in f.read() + gate.log()
