"""Downstream sessions are reused, and never does one client's fact show in another's transaction."""
import threading
import time

from lib.client import Client, dot_stuff, send, text
from lib.downstream import KEYWORDS

XCLIENT = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME"
XFORWARD = "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"


def alternate(env, gate, rounds=20):
    """Two clients in turn, each with its own address and name."""
    for n in range(rounds):
        who = n % 2
        with gate.client(source=f"127.0.0.{5 + who}") as c:
            c.ehlo(f"client{who}.example.com")
            assert c.mail(sender=f"user{who}@example.com", subject=f"{n}").code == 250
            c.quit()


def check_facts(down, kind, rounds=20):
    assert len(down.accepted) == rounds
    for n, t in enumerate(sorted(down.accepted, key=lambda t: int(t.fields("Subject")[0]))):
        who = n % 2
        assert f"user{who}@".encode() in t.mail
        assert t.facts[f"{kind} ADDR"] == f"127.0.0.{5 + who}", (n, t.facts)
        assert t.facts[f"{kind} HELO"] == f"client{who}.example.com", (n, t.facts)
        assert f"client{who}.example.com" in t.fields("Received")[0] and f"127.0.0.{5 + who}" in t.fields("Received")[0]
        assert f"client{1 - who}" not in t.message.decode() and f"127.0.0.{6 - who}" not in t.message.decode()


def test_xclient(env):
    down = env.downstream({"keywords": [*KEYWORDS, XCLIENT]})
    gate = env.gateway(down)
    alternate(env, gate)
    check_facts(down, "XCLIENT")
    assert len(down.sessions()) < 20, "no session was reused"
    for session in down.sessions():
        verbs = [l.split()[0].upper() for l in session.commands]
        mails = [i for i, v in enumerate(verbs) if v == b"MAIL"]
        for i in mails[1:]:
            between = verbs[mails[mails.index(i) - 1] + 1:i]
            assert b"RSET" in between and b"XCLIENT" in between, verbs
            # XCLIENT begins a new session: EHLO again after it
            assert b"EHLO" in between[len(between) - 1 - between[::-1].index(b"XCLIENT"):], verbs


def test_xclient_names_every_attribute(env):
    """What is not known is [UNAVAILABLE], so that nothing of the one before remains."""
    down = env.downstream({"keywords": [*KEYWORDS, XCLIENT]})
    gate = env.gateway(down)
    alternate(env, gate, 2)
    names = {w.split("=")[0] for l in down.commands("XCLIENT") for w in l.decode().split()[1:]}
    assert {"NAME", "ADDR", "HELO", "PROTO"} <= names, names
    for line in down.commands("XCLIENT"):
        assert len(line) <= 510, line
    for t in down.accepted:
        assert t.facts.get("XCLIENT LOGIN", "[UNAVAILABLE]") == "[UNAVAILABLE]", t.facts


def test_xforward(env):
    down = env.downstream({"keywords": [*KEYWORDS, XFORWARD]})
    gate = env.gateway(down)
    alternate(env, gate)
    check_facts(down, "XFORWARD")
    assert len(down.sessions()) < 20


def test_no_identity(env):
    down = env.downstream()
    gate = env.gateway(down)
    alternate(env, gate)
    assert len(down.sessions()) < 20
    assert len(down.commands("RSET")) >= 20 - len(down.sessions())
    for t in down.accepted:
        assert t.facts == {}
    assert all(l.split(b" ")[1] == b"mx.example.net" for l in down.commands("EHLO")), "the EHLO name sent down is ours"


def test_silent_at_rest(env):
    """The host behind is gone without a word: the first client after it does not wait once for each session."""
    down = env.downstream({"MAIL": lambda c, line: None if c.transactions else "250 2.1.0 Ok"})
    gate = env.gateway(down)
    clients = [gate.client() for _ in range(3)]
    for c in clients:
        c.ehlo()
        c.envelope()
    for c in clients:
        assert c.data(text()).code == 250
        c.quit()
    began = time.monotonic()
    with gate.client(timeout=60) as c:
        c.ehlo()
        assert c.mail().code == 250
    assert time.monotonic() - began < 30


def test_off(env):
    down = env.downstream()
    gate = env.gateway(down, down={"reuse": False})
    alternate(env, gate, 6)
    assert len(down.sessions()) == 6


def test_not_after_a_refusal(env):
    down = env.downstream({"RCPT": lambda c, line: "550 5.1.1 no" if b"nobody" in line else "250 2.1.5 Ok"})
    gate = env.gateway(down)
    for n in range(3):
        with gate.client() as c:
            c.ehlo()
            c.must("MAIL FROM:<sender@example.com>", 250)
            c.must("RCPT TO:<nobody@example.net>", 550)
            c.quit()
        assert send(gate.address).code == 250
    for session in down.sessions():
        mails = [i for i, l in enumerate(session.commands) if l.startswith(b"MAIL")]
        refused = [i for i, l in enumerate(session.commands) if b"nobody" in l]
        assert not refused or not [m for m in mails if m > refused[0]], session.commands


def test_messages_per_connection(env):
    down = env.downstream()
    gate = env.gateway(down, down={"max_messages_per_connection": 3})
    for n in range(9):
        assert send(gate.address, subject=f"{n}").code == 250
    assert max(len(s.transactions) for s in down.sessions()) <= 3
    assert len(down.accepted) == 9


def test_listeners_do_not_share(env):
    down = env.downstream()
    gate = env.rules(down)
    gate.listeners.append({**gate.listeners[0], "name": "second", "address": (other := f"127.0.0.1:{gate.port + 1}")})
    gate.write().start()
    for n in range(6):
        target = gate.address if n % 2 else other
        with Client(target) as c:
            c.ehlo(f"at{n % 2}.example.com")
            assert c.mail(subject=f"{n}", sender=f"at{n % 2}@example.com").code == 250
    for s in down.sessions():
        assert len({t.mail for t in s.transactions}) == 1, s.commands


def test_concurrent_clients(env):
    """Many at once over few sessions: each message comes with its own envelope and text."""
    down = env.downstream({"keywords": [*KEYWORDS, XCLIENT]})
    gate = env.gateway(down, down={"max_connections": 4})
    count, wrong = (2000 if env.nightly else 200), []

    def work(who):
        try:
            for n in range(count // 10):
                with gate.client(source=f"127.0.1.{who}") as c:
                    c.ehlo(f"c{who}.example.com")
                    got = c.mail(sender=f"c{who}@example.com", rcpt=[f"r{who}@example.net"], subject=f"c{who}-{n}")
                    assert got.code == 250, got
                    c.quit()
        except BaseException as e:
            wrong.append(repr(e))
    threads = [threading.Thread(target=work, args=(who,)) for who in range(1, 11)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    assert len(down.accepted) == count
    for t in down.accepted:
        who = t.fields("Subject")[0].split("-")[0][1:]
        assert f"<c{who}@".encode() in t.mail and f"<r{who}@".encode() in t.rcpt[0], (t.mail, t.rcpt)
        assert t.facts["XCLIENT ADDR"] == f"127.0.1.{who}" and t.facts["XCLIENT HELO"] == f"c{who}.example.com"
    assert max(sum(1 for c in down.connections if c.ended is None), 0) <= 4


def test_not_where_xclient_is_offered_once(env):
    """A server that offers XCLIENT no more after the first: the next client cannot be named in that session."""
    def words(connection):
        return [*KEYWORDS, XFORWARD] if "XCLIENT ADDR" in connection.facts else [*KEYWORDS, XCLIENT, XFORWARD]
    down = env.downstream({"keywords": words})
    gate = env.gateway(down)
    alternate(env, gate, 6)
    check_facts(down, "XCLIENT", 6)


def test_no_recipient_of_a_refused_message_stays(env):
    """A message that we refuse leaves MAIL and RCPT open behind; the same client goes on at once."""
    down = env.downstream()
    gate = env.gateway(down, max_message_size="64K")
    with gate.client() as c:
        c.ehlo()
        for n in range(5):
            c.envelope(rcpt=f"refused{n}@example.net")
            c.must("DATA", 354)
            # the next MAIL is there when the refusal goes out
            c.send(dot_stuff(text(size=90_000)) + b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<taken%d@example.net>\r\n" % n)
            assert [r.code for r in c.replies(3)] == [552, 250, 250]
            assert c.data(text()).code == 250
    assert [t.rcpt for t in down.messages] == [[b"RCPT TO:<taken%d@example.net>" % n] for n in range(5)]
    for session in down.sessions():
        verbs = [l.split(b" ")[0] for l in session.commands]
        assert all(b"RSET" in verbs[i - 2:i] or b"BDAT" in verbs[i - 2:i] for i, v in enumerate(verbs) if v == b"MAIL" and i > 2), verbs
