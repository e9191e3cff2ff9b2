"""Several addresses behind, dead ones among them; a downstream that dies and comes back."""
from lib import proc
from lib.client import send, text
from lib.downstream import KEYWORDS, Close, First, Downstream

TIMES = {"downstream_connect": "1s", "downstream_command": "5s"}


def dead():
    return f"127.0.0.1:{proc.free_port()}"


def test_one_dead(env):
    for order in (0, 1):
        down = env.downstream()
        addresses = [dead(), down]
        gate = env.gateway(addresses if order else addresses[::-1], timeouts=TIMES)
        for n in range(6):
            got = send(gate.address, subject=f"{n}")
            assert got.code == 250, got
        assert len(down.accepted) == 6
        gate.stop()


def test_all_dead(env):
    gate = env.gateway([dead(), dead()], timeouts=TIMES)
    with gate.client() as c:
        c.ehlo()
        assert {"PIPELINING", "SIZE", "ENHANCEDSTATUSCODES"} <= set(c.keywords), c.keywords
        for _ in range(2):
            got = c.cmd("MAIL FROM:<sender@example.com>")
            assert got.code == 451 and got.enhanced == "4.4.1", got
            assert "127.0.0.1" not in got.text, "it tells where the downstream is"
        # the refused MAIL began nothing
        assert c.cmd("RCPT TO:<alice@example.net>").code == 503
        c.must("RSET", 250)
        c.must("NOOP", 250)
        c.quit()


def test_outage_is_no_permanent_refusal_of_others(env):
    """A recipient that is not ours stays refused for good, also when the downstream is away (or gets a 4xx at MAIL)."""
    gate = env.gateway(dead(), timeouts=TIMES)
    with gate.client() as c:
        c.ehlo()
        c.send(b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<alice@example.net>\r\nDATA\r\n")
        codes = [r.code for r in c.replies(3)]
        assert codes[0] == 451 and codes[1] in (503, 451) and codes[2] in (503, 554, 451), codes


def test_comes_back(env):
    down = env.downstream()
    gate = env.gateway(down, timeouts=TIMES)
    assert send(gate.address, subject="one").code == 250
    down.stop()
    with gate.client() as c:
        c.ehlo()
        got = c.cmd("MAIL FROM:<sender@example.com>")
        assert got.code == 451 and got.enhanced == "4.4.1", got
        down.start()

        def again():
            return c.cmd("MAIL FROM:<sender@example.com>").code == 250
        proc.wait_for(again, "mail flows again in the same session", 60, 0.3)
        c.must("RCPT TO:<alice@example.net>", 250)
        assert c.data(text("two")).code == 250
    assert [t.fields("Subject")[0] for t in down.accepted] == ["one", "two"]


def test_dies_between_two_messages(env):
    """A pooled session that died meanwhile is not noticed by anybody."""
    down = env.downstream()
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        assert c.mail(subject="one").code == 250
        down.stop()
        down.start()
        assert c.mail(subject="two").code == 250
        c.quit()
    assert [t.fields("Subject")[0] for t in down.accepted] == ["one", "two"]


def test_reused_session_fails_silently(env):
    """If a reused session fails at RSET or MAIL, a fresh one is opened and the client sees nothing of it."""
    for script in ({"RSET": First(Close())}, {"RSET": First("421 4.4.2 idle too long")}, {"RSET": First(Close(b"250 2"))},
                   {"MAIL": ["250 2.1.0 Ok", Close()]}, {"MAIL": ["250 2.1.0 Ok", "421 4.4.2 timeout"]}):
        down = env.downstream({"keywords": [k for k in KEYWORDS if k != "PIPELINING"], **script})
        gate = env.gateway(down)
        for n in range(3):
            got = send(gate.address, subject=f"{n}")
            assert got.code == 250, (script, n, got)
        assert [t.fields("Subject")[0] for t in down.accepted] == ["0", "1", "2"], script
        gate.stop()


def test_priority(env):
    first, second = env.downstream(), env.downstream()
    gate = env.gateway([f"{second.address};priority=20", f"{first.address};priority=10"], timeouts=TIMES, down={"reuse": False})
    for n in range(4):
        assert send(gate.address, subject=f"{n}").code == 250
    assert (len(first.accepted), len(second.accepted)) == (4, 0), "the lower number comes first"
    first.stop()
    assert send(gate.address, subject="4").code == 250
    assert len(second.accepted) == 1


def test_weight(env):
    first, second = env.downstream(), env.downstream()
    gate = env.gateway([f"{first.address};weight=1", f"{second.address};weight=3"], down={"reuse": False})
    for n in range(60):
        assert send(gate.address, subject=f"{n}").code == 250
    assert first.accepted and len(second.accepted) > len(first.accepted), (len(first.accepted), len(second.accepted))


def test_ehlo_is_the_intersection(env):
    first = env.downstream({"keywords": ["PIPELINING", "8BITMIME", "SIZE 5000000", "SMTPUTF8"]})
    second = env.downstream({"keywords": ["PIPELINING", "8BITMIME", "SIZE 9000000", "DSN"]})
    gate = env.gateway([first, second])

    def probed():
        with gate.client() as c:
            c.ehlo()
            return c.keywords if "8BITMIME" in c.keywords else None
    words = proc.wait_for(probed, "the probe of the start")
    assert not {"SMTPUTF8", "DSN"} & set(words), words
    assert int(words["SIZE"]) <= 5000000 - 16 * 1024, words


def test_listens_on_ipv6(env):
    try:
        down = Downstream(host="::1")
    except OSError:
        return
    env.defer(down.stop)
    gate = env.rules(f"[::1]:{down.port}")
    gate.listeners[0]["address"] = f"[::1]:{gate.port}"
    gate.write()
    gate.ready = "connect"
    gate.greets = lambda: proc.banner(gate.port, "::1").startswith(b"220")
    gate.start()
    assert send(f"[::1]:{gate.port}").code == 250
    assert "IPv6:::1" in down.messages[0].fields("Received")[0], down.messages[0].fields("Received")
