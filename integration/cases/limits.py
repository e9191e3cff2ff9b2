"""Everything is bounded: lines, errors, sizes, recipients, connections, time."""
import resource
import time

from lib import proc
from lib.client import Client, Closed, dot_stuff, send, text
from lib.downstream import Delay
from lib.runner import nightly, slow


def test_line_too_long(env):
    gate = env.gateway(env.downstream())
    with gate.client() as c:
        c.ehlo()
        for size in (15_000, 100_000):
            c.send(b"NOOP " + b"x" * size + b"\r\nNOOP\r\n")
            first, second = c.replies(2)
            assert first.code == 500 and first.enhanced == "5.5.2", first
            assert second.code == 250, "the session goes on at the next line"
        assert c.mail().code == 250


def test_endless_line(env):
    gate = env.gateway(env.downstream())
    before = gate.memory()[0]
    with gate.client() as c:
        c.ehlo()
        for _ in range(200):
            if not c.try_send(b"x" * 100_000):
                break
        assert gate.memory()[0] - before < 8 * 1024 * 1024


def test_unknown_commands_are_not_handed_on(env):
    down = env.downstream()
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        for line in ("XYZZY", "SEND FROM:<a@b>", "XEXCH50 1 2", "MAILFROM:<a@example.com>"):
            got = c.cmd(line)
            assert got.code in (500, 502, 501) and got.enhanced.startswith("5.5."), (line, got)
        assert c.cmd("HELP").code in (211, 214)
        assert c.cmd("RCPT TO:<alice@example.net>").code == 503
        assert c.cmd("DATA").code == 503
        assert c.mail().code == 250
    assert not down.commands("XYZZY") and not down.commands("SEND") and not down.commands("XEXCH50")


def test_other_protocols_end_the_session(env):
    gate = env.gateway(env.downstream())
    for first in (b"GET / HTTP/1.1\r\nHost: mx\r\n\r\nEHLO x\r\n", b"POST / HTTP/1.0\r\n\r\nMAIL FROM:<evil@example.com>\r\n",
                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n"):
        with gate.client() as c:
            c.send(first)
            rest = c.rest()
            assert rest == b"" or rest[:1] in b"45" and rest.count(b"\r\n") == 1, (first, rest)


def test_too_many_errors(env):
    gate = env.gateway(env.downstream(), listener={"max_errors": 4})
    with gate.client() as c:
        c.ehlo()
        codes = []
        while 421 not in codes:
            got = c.cmd("BOGUS")
            codes.append(got.code)
            assert len(codes) < 8, codes
        assert got.enhanced == "4.7.0" and set(codes[:-1]) == {500}, (codes, got)
        assert c.closed()
    assert gate.wait_audit("connection", lambda r: r["end"] == "errors")


def test_too_many_commands(env):
    gate = env.gateway(env.downstream(), listener={"max_commands": 50})
    with gate.client() as c:
        c.ehlo()
        codes = []
        while len(codes) < 60 and 421 not in codes:
            codes.append(c.cmd("NOOP").code)
        assert 421 in codes and len(codes) >= 45, len(codes)


def test_max_recipients(env):
    gate = env.gateway(env.downstream(), listener={"max_recipients": 3})
    with gate.client() as c:
        c.ehlo()
        c.envelope([f"r{i}@example.net" for i in range(3)])
        got = c.cmd("RCPT TO:<r3@example.net>")
        assert got.code == 452 and got.enhanced == "4.5.3", got
        assert c.data(text()).code == 250


def test_one_recipient_per_transaction(env):
    gate = env.gateway(env.downstream(), listener={"one_recipient_per_transaction": True})
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        got = c.cmd("RCPT TO:<bob@example.net>")
        assert got.code == 452 and got.enhanced == "4.5.3", got
        assert c.data(text()).code == 250


def test_oversize(env):
    down = env.downstream()
    gate = env.gateway(down, max_message_size="100K")
    with gate.client() as c:
        c.ehlo()
        assert int(c.keywords["SIZE"]) == 100 * 1024, c.keywords
        got = c.cmd("MAIL FROM:<sender@example.com> SIZE=200000")
        assert got.code == 552 and got.enhanced == "5.3.4", got
        c.envelope()
        got = c.data(text(size=150_000))
        assert got.code == 552 and got.enhanced == "5.3.4", got
        assert c.mail(text("fits", size=90_000)).code == 250, "the session goes on"
        c.envelope()
        big = text(size=150_000)
        c.send(b"BDAT 70000\r\n" + big[:70_000] + b"BDAT %d LAST\r\n" % (len(big) - 70_000) + big[70_000:])
        got = c.replies(2)
        assert got[-1].code == 552 and got[-1].enhanced == "5.3.4", got
        c.must("RSET", 250)
        assert c.mail(text("fits again")).code == 250
    assert len(down.messages) == 2


def test_many_chunks(env):
    """Exim sends a large message in chunks of 8 KB: their number is no abuse."""
    down = env.downstream()
    gate = env.gateway(down, listener={"max_commands": 50})
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        for _ in range(200):
            c.send(b"BDAT 1024\r\n" + b"x" * 1022 + b"\r\n")
            got = c.reply()
            assert got.code == 250, got
        assert c.cmd("BDAT 0 LAST").code == 250
        c.envelope()
        # those that carry next to nothing lead nowhere
        c.send(b"BDAT 1\r\nx" * 60)
        assert 421 in [c.reply().code for _ in range(50)]
    assert len(down.messages) == 1


@nightly
def test_slow_chunk_that_is_refused(env):
    """What is thrown away earns time too: the refusal is 552, not a timeout."""
    gate = env.gateway(env.downstream(), max_message_size="64K")
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        c.send(b"BDAT 100000 LAST\r\n")
        for _ in range(70):
            assert c.silent(1)
            c.send(b"x" * 1000)
        c.send(b"x" * 30_000)
        assert c.reply().code == 552


def test_far_oversize_is_closed(env):
    down = env.downstream()
    gate = env.gateway(down, max_message_size="100K")
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        sent = 0
        while sent < 20_000_000 and c.try_send(b"x" * 998 + b"\r\n"):
            sent += 1000
        assert sent < 20_000_000, "it consumes without end"
    assert not down.messages
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        c.send(text(size=205_000))
        assert c.reply().code == 552, "no temporary trouble"


def test_client_gone_in_data(env):
    down = env.downstream()
    gate = env.gateway(down)
    for leave in ("close", "reset"):
        with gate.client() as c:
            c.ehlo()
            c.envelope()
            c.must("DATA", 354)
            c.send(text("gone", size=100_000))
            getattr(c, leave)()
    for leave in ("close", "reset"):
        with gate.client() as c:
            c.ehlo()
            c.envelope()
            c.send(b"BDAT 100000 LAST\r\n" + b"x" * 5000)
            getattr(c, leave)()
    gate.wait_audit("connection", lambda r: r["messages"] == 0 and r["helo"] == "client.example.com", 4)
    assert not down.messages and not down.commands("DATA") and not down.commands("BDAT")
    assert send(gate.address).code == 250


def test_one_deadline_per_command_line(env):
    gate = env.gateway(env.downstream(), timeouts={"command": "2s"})
    with gate.client() as c:
        c.ehlo()
        began = time.monotonic()
        # an octet at a time does not prolong it
        while time.monotonic() - began < 8 and c.silent(0.4):
            c.try_send(b"N")
        got = c.reply()
        assert got.code == 421 and got.enhanced == "4.4.2", got
        assert 1.5 < time.monotonic() - began < 5
        assert c.closed()
    assert gate.wait_audit("connection", lambda r: r["end"] == "timeout")


def test_silence_in_data(env):
    down = env.downstream()
    gate = env.gateway(down, timeouts={"data": "2s"})
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        c.send(b"Subject: half")
        got = c.reply()
        assert got.code == 421 and got.enhanced == "4.4.2", got
        assert c.closed()
    assert not down.messages


@nightly
@slow(200)
def test_minimum_data_rate(env):
    down = env.downstream()
    gate = env.gateway(down, timeouts={"min_rate": "500"})
    with gate.client(timeout=150) as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        began = time.monotonic()
        while time.monotonic() - began < 150 and c.silent(1):
            c.try_send(b"x")
        assert c.reply().code == 421 and 55 < time.monotonic() - began < 130
    assert not down.messages


def test_tls_handshake_deadline(env):
    cert = env.cert()
    gate = env.gateway(env.downstream(), listener={"tls": "starttls", "certificate": cert.cert, "key": cert.key},
                       timeouts={"greeting_tls": "2s"})
    with gate.client() as c:
        c.ehlo()
        c.must("STARTTLS", 220)
        began = time.monotonic()
        c.rest()
        assert time.monotonic() - began < 8


def test_max_connections(env):
    gate = env.gateway(env.downstream(), max_connections=5)
    proc.wait_for(lambda: gate.audit("connection"), "the probe of the start is over")
    held = [gate.client() for _ in range(5)]
    with gate.client(greet=False) as c:
        got = c.reply()
        assert got.code == 421 and got.enhanced == "4.3.2", got
        assert c.closed()
    held.pop().quit()
    proc.wait_for(lambda: proc.banner(gate.port).startswith(b"220"), "a place is free again")
    for c in held:
        c.must("NOOP", 250)
        c.close()


def test_downstream_connections_are_bounded(env):
    down = env.downstream({"dot": Delay(1, "250 2.0.0 Ok")})
    gate = env.gateway(down, down={"max_connections": 2}, timeouts={"downstream_wait": "500ms"})
    clients = [gate.client() for _ in range(3)]
    for c in clients:
        c.ehlo()
    for c in clients[:2]:
        c.envelope()
        c.must("DATA", 354)
    got = clients[2].cmd("MAIL FROM:<sender@example.com>")
    assert got.code == 451 and got.enhanced == "4.3.2", got
    for c in clients[:2]:
        c.send(dot_stuff(text()))
        assert c.reply().code == 250
    assert clients[2].mail().code == 250
    for c in clients:
        c.close()


def test_client_that_never_reads(env):
    gate = env.gateway(env.downstream(), listener={"max_commands": 1_000_000}, timeouts={"command": "3s"})
    before = gate.memory()[0]
    with gate.client() as c:
        c.ehlo()
        c.sock.settimeout(2)
        sent = 0
        while sent < 30_000_000 and c.try_send(b"NOOP\r\n" * 1000):
            sent += 6000
        assert sent < 30_000_000, "replies pile up without end"
        assert gate.memory()[0] - before < 8 * 1024 * 1024
        # others are served meanwhile
        assert send(gate.address).code == 250


def test_body_budget(env):
    down = env.downstream()
    gate = env.gateway(down, memory="1M", disk="2M", max_message_size="10M")
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        got = c.data(text(size=6_000_000))
        assert got.code == 452 and got.enhanced == "4.3.1", got
    assert send(gate.address, text("on disk", size=1_500_000)).code == 250
    assert [len(t.message) > 1_500_000 for t in down.messages] == [True]


def test_many_idle_connections(env):
    count = 5000 if env.nightly else 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    gate = env.gateway(env.downstream())
    before = gate.memory()[0]
    idle = [Client(gate.address) for _ in range(count)]
    each = (gate.memory()[0] - before) / count
    assert send(gate.address).code == 250
    for c in idle:
        c.close()
    assert each < 32 * 1024, f"{each:.0f} octets each"


def test_loop_guard(env):
    down = env.downstream()
    gate = env.gateway(down)
    got = send(gate.address, text("loop", extra=b"Received: from a by b; Mon, 20 Nov 2023 10:00:00 +0000\r\n" * 101))
    assert got.code == 554 and got.enhanced == "5.4.6", got
    assert send(gate.address, text("no loop", extra=b"Received: from a by b; Mon, 20 Nov 2023 10:00:00 +0000\r\n" * 50)).code == 250
    assert len(down.messages) == 1


def test_a_real_loop_ends(env):
    """Two gateways, each behind the other (one behind itself is refused at start): our own mark ends it."""
    front = env.rules("127.0.0.1:1")
    back = env.rules(front.address)
    front.downstreams[0]["addresses"] = [back.address]
    back.write().start()
    front.write().start()
    try:
        got = send(front.address, timeout=60)
        assert got.code // 100 in (4, 5), got
    except (Closed, AssertionError) as e:
        assert "expected 250, got" in str(e), e
    assert len(front.audit("message")) < 120


def test_idle_strangers_keep_nobody_waiting(env):
    """All connections to the downstream are held by clients that say MAIL, or upload slowly, and wait."""
    down = env.downstream()
    gate = env.gateway(down, down={"max_connections": 3})
    idle = [gate.client() for _ in range(3)]
    for n, c in enumerate(idle):
        c.ehlo()
        c.envelope(sender=f"idle{n}@example.com")
    idle[0].must("DATA", 354)
    idle[0].send(b"Subject: slow\r\n")
    with gate.client() as c:
        c.ehlo()
        began = time.monotonic()
        assert c.mail(subject="quick").code == 250
        assert time.monotonic() - began < 10
    idle[0].send(b"\r\nslow\r\n.\r\n")
    assert idle[0].reply().code == 250
    for c in idle[1:]:
        c.must("DATA", 354)
        c.send(dot_stuff(text("late")))
        assert c.reply().code == 250
        c.close()
    assert len(down.accepted) == 4
