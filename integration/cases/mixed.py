"""One message, many ends, and kill -9 in the middle of it: delivered to one, kept for another, in another form through the
spool to a third. Nobody who was told of is lost, and nobody gets it twice unless that is reported."""
import base64
import random
import threading
import time

from cases.kept import QUICK, items
from lib import proc
from lib.client import Client
from lib.downstream import Close
from lib.runner import slow

FILES = {
    "quarantine.toml": QUICK,
    "content.toml": '[[rule]]\nid = "prize"\nscore = 6.0\ntext = "you have won"\n',
    "attachments.toml": '[[rule]]\nid = "no-zip"\naction = "strip"\nextension = "zip"\n',
    "policies.toml": """
[default]
quarantine = 50.0
reject = 100.0
[[policy]]
name = "whole"
recipient = "whole@example.net"
attachments = false
[[policy]]
name = "careful"
recipient = "careful@example.net"
quarantine = 5.0
folder = "spam"
[[policy]]
name = "never"
recipient = "never@example.net"
quarantine = 4.0
reject = 5.0
folder = "policy"
""",
}
# who gets it, and where from: below, or a folder
ENDS = {"alice": "down", "whole": "down", "careful": "spam", "never": "policy"}
ZIP = b"PK\x03\x04 not much of an archive"


def message(name):
    return (f"From: Sender <{name}@example.com>\r\nTo: all\r\nSubject: {name}\r\nMessage-ID: <{name}@example.com>\r\n"
            "Date: Mon, 20 Nov 2023 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            "--b\r\nContent-Type: text/plain\r\n\r\nYou have won.\r\n--b\r\nContent-Type: application/zip; name=a.zip\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n").encode() + base64.b64encode(ZIP) + b"\r\n--b--\r\n"


def deliver(gate, name):
    """Sends it to all of them; whether it was taken. Nothing where the gateway went away meanwhile."""
    try:
        with Client(gate.address, timeout=20) as c:
            c.ehlo("client.example.com")
            for line in (f"MAIL FROM:<{name}@example.com>", *(f"RCPT TO:<{who}@example.net>" for who in ENDS)):
                if c.cmd(line).code != 250:
                    return False
            return c.data(message(name)).code == 250
    except (OSError, AssertionError):
        return False


def everywhere(gate, down, answered):
    """Where each recipient's message is: {(name, who): [place, ...]}. `answered`: those whose 250 was the last thing that was said."""
    out = {}
    for t in [*down.accepted, *answered]:
        for line in t.rcpt:
            who = line.split(b"<")[1].split(b"@")[0].decode()
            stripped = b"no-zip" in t.message and base64.b64encode(ZIP) not in t.message
            assert stripped == (who == "alice"), t.message
            out.setdefault((t.fields("Subject")[0], who), []).append("down")
    for row in items(gate):
        for to in row["to"]:
            if row["state"] != "copy":
                out.setdefault((row["subject"], to.strip("<>").split("@")[0]), []).append(row["folder"])
    return out


def settled(gate):
    proc.wait_for(lambda: not items(gate, "spool"), "what is to follow has followed", 60)


def judge(gate, down, told, sent, answered=()):
    """Nobody who was told of is lost; nobody has it twice unless it was reported."""
    found = everywhere(gate, down, answered)
    reported = {r["from"].strip("<>").split("@")[0] for kind in ("delivery", "message") for r in gate.audit(kind, torn=True) if r.get("note") and "twice" in r["note"]}
    for name in sent:
        for who, place in ENDS.items():
            places = found.get((name, who), [])
            assert set(places) <= {place}, (name, who, places)
            assert places or name not in told, f"lost: {name} for {who}; there is {[k for k in found if k[0] == name]}"
            assert len(places) < 2 or name in reported, f"twice and not reported: {name} for {who}: {places}"
    return found


def test_each_has_its_own_end(env):
    """Without a kill: one message below, one through the spool in another form, two kept, and a copy of what was taken out."""
    down = env.downstream()
    gate = env.gateway(down, files=FILES)
    assert deliver(gate, "all")
    settled(gate)
    found = judge(gate, down, {"all"}, ["all"])
    assert found == {("all", who): [place] for who, place in ENDS.items()}, found
    assert [r["folder"] for r in items(gate, "quarantine", "state:copy")] == ["policy"], items(gate)


STEPS = [
    ("RSET", 1, "before"), ("MAIL", 2, "before"), ("MAIL", 2, "after"), ("RCPT", 5, "before"), ("dot", 1, "before"), ("dot", 1, "after"),
    ("MAIL", 3, "before"), ("RCPT", 6, "after"), ("dot", 2, "before"), ("dot", 2, "after"),
]


@slow(300)
def test_kill9_at_each_step(env):
    """The gateway dies when the downstream hears this line, or has answered it: of the envelope said again, of the end of
    data, and of the delivery that follows from the spool."""
    step, counts, kill, answered = [None], {}, [], []

    def hook(key, reply):
        def act(connection, line):
            counts[key] = counts.get(key, 0) + 1
            wanted = step[0] and step[0][:2] == (key, counts[key])
            if wanted and step[0][2] == "before":
                kill[0]()
                return Close()
            if wanted:
                connection.send(reply.encode() + b"\r\n")
                if key == "dot":
                    answered.append(connection.transactions[-1])
                kill[0]()
                return None
            return reply
        return act

    down = env.downstream({"RSET": hook("RSET", "250 2.0.0 Ok"), "MAIL": hook("MAIL", "250 2.1.0 Ok"),
                           "RCPT": hook("RCPT", "250 2.1.5 Ok"), "dot": hook("dot", "250 2.0.0 Ok: queued")})
    gate = env.gateway(down, files=FILES)
    told, sent = set(), []
    for n, wanted in enumerate(STEPS):
        name = f"step-{n}"
        died = threading.Event()

        def die():
            gate.kill9()
            died.set()

        kill[:] = [die]
        counts.clear()
        step[0] = wanted
        sent.append(name)
        if deliver(gate, name):
            told.add(name)
        assert died.wait(30), f"{wanted}: it was never there; {counts}"
        step[0] = None
        gate.start()
        settled(gate)
        judge(gate, down, told, sent, answered)
    # from the end of data in the spool on the client has its answer, or is about to
    assert told <= {f"step-{n}" for n in range(5, len(STEPS))}, told
    assert deliver(gate, "last")


@slow(900)
def test_kill9_under_load(env):
    """At any moment, with several clients."""
    rounds = 100 if env.nightly else 10
    down = env.downstream()
    gate = env.gateway(down, files=FILES)
    told, sent, halt, lock = set(), [], threading.Event(), threading.Lock()

    def load(number):
        n = 0
        while not halt.is_set():
            name = f"load-{number}-{n}"
            n += 1
            with lock:
                sent.append(name)
            if deliver(gate, name):
                with lock:
                    told.add(name)
            else:
                halt.wait(0.05)

    clients = [threading.Thread(target=load, args=(number,), daemon=True) for number in range(4)]
    for c in clients:
        c.start()
    for _ in range(rounds):
        goal = len(told) + 10
        proc.wait_for(lambda: len(told) >= goal, "ten messages more", 60)
        time.sleep(random.uniform(0, 0.1))
        gate.kill9()
        gate.start()
    halt.set()
    for c in clients:
        c.join(30)
    settled(gate)
    assert len(told) >= 10 * rounds
    judge(gate, down, told, sent)
