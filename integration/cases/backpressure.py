"""A downstream that can take only so much: concurrency follows it, and the known come first."""
import itertools
import json
import threading
import time

from lib import proc
from lib.client import Client
from lib.downstream import First

KNOWN = "127.0.0.5"
# only the downstream's own trouble is looked at here
NO_LIMITS = """
[greeting]
delay = "0s"
[connections]
mode = "off"
[rates]
mode = "off"
[bans]
mode = "off"
"""


def strange(numbers=itertools.count(1)):
    """An address that nobody has seen: who delivered a message is no stranger any more."""
    n = next(numbers)
    return f"127.{100 + n // 65025 % 100}.{n // 255 % 255}.{n % 255 + 1}"


def known_address():
    return KNOWN


class Weak:
    """Takes `strength` messages at once, each in `seconds`; answers 452 to any more."""

    def __init__(self, strength, seconds=0.15):
        self.strength, self.seconds = strength, seconds
        self.active, self.seen, self.lock = 0, [], threading.Lock()

    def __call__(self, connection, line):
        with self.lock:
            self.active += 1
            self.seen.append((time.monotonic(), self.active))
            strong = self.active <= self.strength
        time.sleep(self.seconds)
        with self.lock:
            self.active -= 1
        return "250 2.0.0 Ok" if strong else "452 4.3.1 Insufficient system storage"

    def mean(self, since, until):
        """How many were there at once, as each message found it."""
        seen = [n for at, n in self.seen if since <= at < until]
        return sum(seen) / max(1, len(seen))


class Crowd:
    """Clients that send one message after the other, each over a connection of its own, until they are stopped."""

    def __init__(self, gate, source, count):
        self.gate, self.source, self.replies, self.halt = gate, source, [], threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for t in self.threads:
            t.start()

    def _run(self):
        while not self.halt.is_set():
            try:
                with Client(self.gate.address, source=self.source(), timeout=60) as c:
                    c.ehlo()
                    got = c.cmd("MAIL FROM:<sender@example.com>")
                    if got.code == 250:
                        got = c.cmd("RCPT TO:<alice@example.net>")
                    if got.code == 250:
                        c.must("DATA", 354)
                        c.send(b"Subject: crowd\r\n\r\nhello\r\n.\r\n")
                        got = c.reply()
                    self.replies.append((time.monotonic(), got.code, got.enhanced))
                    c.cmd("QUIT")
            except OSError as e:
                self.replies.append((time.monotonic(), 0, str(e)))
            if self.replies and self.replies[-1][1] != 250:
                self.halt.wait(0.05)

    def stop(self):
        self.halt.set()
        for t in self.threads:
            t.join(60)
        return self.replies

    def count(self, code, enhanced=None):
        return sum(1 for _, c, e in self.replies if c == code and enhanced in (None, e))


def mx(gate):
    done = gate.command("status", "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)["downstreams"][0]


def test_concurrency_follows_the_downstream(env):
    weak = Weak(strength=2)
    gate = env.gateway(env.downstream({"dot": weak}), down={"max_connections": 12}, trusted={"clients": [KNOWN]},
                       files={"limits.toml": NO_LIMITS})
    began = time.monotonic()
    strangers = Crowd(gate, strange, 16)
    proc.wait_for(lambda: mx(gate)["reduced"], "the limit falls", 10)
    reduced = mx(gate)["reduced"]
    assert "452 4.3.1" in reduced["why"] and reduced["limit"] < 12, reduced
    settled = time.monotonic() + 1
    time.sleep(1)
    known = Crowd(gate, known_address, 1)
    time.sleep(6)
    until = time.monotonic()
    assert "under pressure for" in gate.command("status").stdout
    told_known, told_strangers = known.stop(), strangers.stop()
    # fewer at once than came, and about what it can take
    first, then = weak.mean(began, began + 0.15), weak.mean(settled, until)
    assert then < 5 and then < first / 1.5, (first, then)
    # strangers are put off by us, the known never are; they get their places first
    assert strangers.count(451, "4.3.2") > 20, told_strangers
    assert known.count(451) == 0 and known.count(0) == 0, told_known
    assert known.count(250) >= 8 and known.count(250) > known.count(452), told_known
    assert strangers.count(0) == 0, told_strangers
    assert mx(gate)["shed"] >= strangers.count(451, "4.3.2")
    # well again: the limit rises with what is taken
    weak.strength, weak.seconds = 1000, 0
    others = Crowd(gate, known_address, 8)
    proc.wait_for(lambda: mx(gate)["reduced"] is None, "all connections again", 60)
    others.stop()
    assert others.count(250) == len(others.replies), others.replies
    gate.wait_log("well again")


def later(connection, line):
    """Greylisting: taken the first time only, to have a message."""
    return "250 2.1.5 Ok" if connection.number < 2 else "451 4.7.1 greylisted"


def test_one_refused_message_is_no_pressure(env):
    gate = env.gateway(env.downstream({"dot": First("452 4.3.1 full"), "RCPT": later}))
    with gate.client() as c:
        c.ehlo()
        assert c.mail().code == 452
    for _ in range(10):
        with gate.client() as c:
            c.ehlo()
            c.must("MAIL FROM:<sender@example.com>", 250)
            assert c.cmd("RCPT TO:<alice@example.net>").enhanced == "4.7.1"
    assert mx(gate)["reduced"] is None
