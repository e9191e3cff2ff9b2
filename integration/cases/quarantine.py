"""Quarantine, spool and holds with the real binary: kept, released, taken back, queued in an outage, through kills and a
full disk."""
import json
import os
import random
import subprocess
import threading
import time

from lib import proc
from lib.client import Client, send, text
from lib.runner import slow

from cases.survival import Tmpfs, fill

RULE = """
[[rule]]
id = "newsletters"
action = "quarantine"
folder = "spam"
sender = "*@news.example"
"""


def rows(gate, *words, noun="quarantine"):
    """What `list --json` tells."""
    done = gate.command(noun, "list", "--json", "--rows", "1000", *words)
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ids(gate, *words, **kw):
    return [row["id"] for row in rows(gate, *words, **kw)]


def done(gate, *words, code=0):
    """A command that ends with this code; what it said."""
    got = gate.command(*words)
    assert got.returncode == code, (words, got.returncode, got.stdout, got.stderr)
    return got.stdout + got.stderr


def count(gate, *words):
    got = gate.command("quarantine", "count", *words)
    assert got.returncode in (0, 1), got.stderr
    return int(got.stdout.split()[0])


def newsletter(gate, subject, **kw):
    return send(gate.address, text(subject), sender="promo@news.example", **kw)


def test_an_admins_morning(env):
    """Postfix behind, swaks in front: list, show, release once, delete a group, take it back, move, export, import."""
    mx = env.postfix()
    gate = env.gateway(mx, files={"protocol.toml": RULE})
    for n in range(3):
        argv = ["swaks", "--server", "127.0.0.1", "--port", str(gate.port), "--from", "promo@news.example", "--to",
                "alice@example.net", "--header", f"Subject: Win a prize {n}", "--body", f"Dear Alice, your number is {n}{n}{n}."]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert said.returncode == 0 and "250 2.0.0" in said.stdout, said.stdout
    assert send(gate.address, text("passes")).code == 250
    assert mx.message("passes")
    listed = rows(gate)
    assert [r["subject"] for r in listed] == ["Win a prize 2", "Win a prize 1", "Win a prize 0"], listed
    assert {r["folder"] for r in listed} == {"spam"} and {r["rule"] for r in listed} == {"newsletters"}
    first, second, third = (r["id"] for r in reversed(listed))
    line = gate.wait_audit("message", lambda r: r["message"] == first)[0]
    assert line["verdict"] == "quarantine" and line["folder"] == "spam", line
    shown = done(gate, "quarantine", "show", first[:5])
    assert "protocol.toml:" in shown and "your number is 000" in shown and "newsletters" in shown, shown
    # released once, with its own envelope and our mark
    assert "delivered: 250" in done(gate, "quarantine", "release", first, "--allow-sender", "--for", "7d")
    got = mx.message("Win a prize 0")
    assert got.recipient() == "alice@example.net" and first in got.fields("X-Portcullis-Released")[0], got.raw
    assert "promo@news.example" in gate.rules("lists/allow.list")
    assert "released by" in done(gate, "quarantine", "release", first, code=2)
    told = done(gate, "explain", first)
    assert "taken into the folder spam" in told and "decided by  newsletters" in told and "release by root" in told, told
    # a group goes, and comes back
    assert "3 x" in done(gate, "quarantine", "group")
    gone = done(gate, "quarantine", "delete", f"like:{second}", "--yes")
    assert ids(gate) == [] and len(ids(gate, "state:trash")) == 3, gone
    batch = gone.split("--batch ")[1].split()[0]
    done(gate, "quarantine", "undelete", "--batch", batch)
    assert len(ids(gate)) == 3
    done(gate, "quarantine", "move", third, "--to", "policy")
    assert ids(gate, "folder:policy") == [third]
    out = os.path.join(gate.dir, "out")
    done(gate, "quarantine", "export", "--format", "mbox", "--to", out, "folder:spam")
    # what is left works with the gateway stopped too
    gate.stop()
    done(gate, "quarantine", "import", "--folder", "unscanned", os.path.join(out, os.listdir(out)[0]))
    assert len(ids(gate, "folder:unscanned")) == 2
    assert "delivered: 250" in done(gate, "quarantine", "release", third)
    assert mx.message("Win a prize 2")
    assert "2 messages" in done(gate, "quarantine", "count", "folder:spam")


def test_bad_words(env):
    gate = env.gateway(env.downstream(), files={"protocol.toml": RULE})
    newsletter(gate, "one")
    told = done(gate, "quarantine", "list", "subjct:one", code=2)
    assert "did you mean" in told and "subject" in told and "^" in told, told
    assert "7F3K0000" in done(gate, "quarantine", "show", "7F3K0000", code=1)
    done(gate, "quarantine", "list", "from:nobody@else.example", code=1)
    # more than twenty are asked about, and nobody is here to answer
    for n in range(21):
        newsletter(gate, f"n{n}")
    assert "--yes" in done(gate, "quarantine", "delete", "folder:spam", code=2)
    assert count(gate) == 22
    assert "nothing was done" in done(gate, "quarantine", "delete", "folder:spam", "--dry-run")
    assert count(gate) == 22


def test_two_admins_release_one_message(env):
    down = env.downstream()
    gate = env.gateway(down, files={"protocol.toml": RULE})
    newsletter(gate, "wanted")
    (item,) = ids(gate)
    codes = []
    admins = [threading.Thread(target=lambda: codes.append(gate.command("quarantine", "release", item).returncode)) for _ in range(6)]
    for admin in admins:
        admin.start()
    for admin in admins:
        admin.join(60)
    assert codes.count(0) == 1 and len(codes) == 6, codes
    assert len(down.accepted) == 1


def test_released_while_the_downstream_is_away(env):
    """It waits in the spool, survives a kill, and is delivered by itself."""
    down = env.downstream()
    gate = env.gateway(down, files={"protocol.toml": RULE, "quarantine.toml": '[spool]\nretry = ["1s"]\n'})
    newsletter(gate, "later")
    (item,) = ids(gate)
    down.stop()
    assert "in the spool" in done(gate, "quarantine", "release", item)
    (waits,) = rows(gate, noun="spool")
    assert waits["id"] == item, waits
    gate.kill9()
    gate.start()
    assert ids(gate, noun="spool") == [item]
    down.start()
    down.wait_messages(1, seconds=60)
    proc.wait_for(lambda: not ids(gate, noun="spool"), "the spool is empty", 20)
    assert len(down.accepted) == 1
    assert rows(gate)[0]["state"] == "released"


def test_outage(env):
    """on_outage = "queue": mail for known recipients is taken while the downstream is away, others are put off."""
    down = env.downstream()
    gate = env.gateway(down, down={"on_outage": "queue"}, files={"quarantine.toml": '[spool]\nretry = ["1s"]\n'})
    assert send(gate.address, text("before")).code == 250
    down.stop()
    for n in range(5):
        assert send(gate.address, text(f"outage {n}")).code == 250
    with gate.client() as c:
        c.ehlo()
        assert c.cmd("MAIL FROM:<sender@example.com>").code in (250, 451)
        assert c.cmd("RCPT TO:<stranger@example.net>").code in (451, 503)
    assert len(ids(gate, noun="spool")) == 5
    gate.kill9()
    gate.start()
    down.start()
    down.wait_messages(6, seconds=60)
    proc.wait_for(lambda: not ids(gate, noun="spool"), "the spool is empty", 20)
    came = [t.fields("Subject")[0] for t in down.accepted]
    assert sorted(came) == ["before"] + [f"outage {n}" for n in range(5)], came


def test_copy_and_discard(env):
    gate = env.gateway(env.downstream(), files={"protocol.toml": """
        [[rule]]
        id = "evidence"
        action = "reject"
        copy = "policy"
        sender = "*@bad.example"
        [[rule]]
        id = "noise"
        action = "discard"
        sender = "*@noise.example"
    """})
    assert send(gate.address, text("evidence"), sender="x@bad.example").code >= 550
    assert send(gate.address, text("noise"), sender="x@noise.example").code == 250
    told = {r["subject"]: (r["folder"], r["state"]) for r in rows(gate)}
    assert told == {"evidence": ("policy", "copy"), "noise": ("discarded", "kept")}, told


def test_a_block_that_sweeps(env):
    """As long as it stands, what its source has here goes, also what comes later."""
    down = env.downstream()
    gate = env.gateway(down, files={"protocol.toml": RULE + """
        [[rule]]
        id = "evidence"
        action = "reject"
        copy = "policy"
        sender = "*@bad.example"
    """})
    assert send(gate.address, text("one"), sender="x@bad.example").code >= 550
    newsletter(gate, "keep")
    said = done(gate, "block", "news.example", "--sweep", "move=nowhere", code=2)
    assert "there is no folder nowhere" in said, said
    done(gate, "block", "bad.example", "--for", "2h", "--sweep", "delete", "--mode", "log")
    time.sleep(2)
    assert len(ids(gate)) == 2
    done(gate, "unblock", "bad.example")
    done(gate, "block", "ehlo:nobody.example", "--sweep", "delete")
    done(gate, "block", "promo@news.example", "--for", "2h", "--sweep", "move=unscanned")
    proc.wait_for(lambda: len(ids(gate, "folder:unscanned")) == 1, "it is swept", 20)
    listed = done(gate, "blocks", "list")
    assert "sweeps (move:unscanned)" in listed and "sweeps (delete)" in listed, listed
    assert "sweep=move:unscanned" in gate.rules("lists/blocks.list")
    # copies of what is refused are kept by the rule, and go with the block
    done(gate, "block", "x@bad.example", "--action", "quarantine", "--sweep", "delete")
    proc.wait_for(lambda: ids(gate, "from:bad.example") == [], "it is swept", 20)
    assert send(gate.address, text("two"), sender="x@bad.example").code
    gate.stop()
    gate.start()
    proc.wait_for(lambda: len(ids(gate, "from:bad.example", "state:trash")) == 2, "the later one too", 20)
    # it ends with the entry
    done(gate, "unblock", "x@bad.example")
    done(gate, "quarantine", "undelete", "from:bad.example")
    time.sleep(2)
    assert len(ids(gate, "from:bad.example")) == 2


def test_damaged_files(env):
    """A missing, cut or changed file is named and skipped; the rest goes on."""
    gate = env.gateway(env.downstream(), files={"protocol.toml": RULE})
    for n in range(4):
        newsletter(gate, f"number {n}")
    gone, cut, changed, whole = ids(gate)
    gate.stop()
    vault = os.path.join(gate.state, "vault", "items")
    path = {i: os.path.join(vault, i[0], i[1], i[2], i + ".item") for i in (gone, cut, changed)}
    os.unlink(path[gone])
    with open(path[cut], "r+b") as f:
        f.truncate(20)
    with open(path[changed], "r+b") as f:
        f.seek(60)
        octet = f.read(1)
        f.seek(60)
        f.write(bytes([octet[0] ^ 1]))
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(os.path.join(gate.state, "vault.db" + suffix)):
            os.unlink(os.path.join(gate.state, "vault.db" + suffix))
    gate.start()
    proc.wait_for(lambda: count(gate) == 1, "the index is made anew", 20)
    assert ids(gate) == [whole]
    told = done(gate, "status")
    assert "damaged" in told, told
    assert "number" in done(gate, "quarantine", "show", whole)


def test_full_disk(env):
    """A message that cannot be kept hears 452 and is not kept in part; the store goes on when there is room."""
    gate = env.rules(env.downstream(), files={"protocol.toml": RULE, "quarantine.toml": '[disk]\nwarn = "2M"\nfull = "64K"\n'})
    with Tmpfs(gate.state, "12M"):
        gate.start()
        assert newsletter(gate, "fits").code == 250
        rubbish = os.path.join(gate.state, "rubbish")
        fill(rubbish)
        for _ in range(3):
            reply = send(gate.address, text("does not", size=300_000), sender="promo@news.example")
            assert reply.code == 452 and reply.enhanced == "4.3.1", reply
        # the command line still works
        assert len(ids(gate)) == 1
        os.unlink(rubbish)
        proc.wait_for(lambda: newsletter(gate, "fits again").code == 250, "room is seen", 20)
        assert sorted(r["subject"] for r in rows(gate)) == ["fits", "fits again"]
        gate.kill9()
        gate.start()
        assert sorted(r["subject"] for r in rows(gate)) == ["fits", "fits again"]
        gate.stop()


class Load(threading.Thread):
    """Sends numbered messages, every other one into the quarantine, and remembers which were taken."""

    def __init__(self, gate, number):
        super().__init__(daemon=True)
        self.gate, self.number, self.told, self.halt, self.sent = gate, number, [], threading.Event(), 0

    def run(self):
        while not self.halt.is_set():
            try:
                with Client(self.gate.address, timeout=10) as c:
                    c.ehlo(f"load{self.number}.example.com")
                    for _ in range(6):
                        name = f"load-{self.number}-{self.sent}"
                        sender = "promo@news.example" if self.sent % 2 else "sender@example.com"
                        self.sent += 1
                        # some are too large for the journal
                        message = text(name, size=2_000_000 if self.sent % 37 == 0 else None)
                        if c.mail(message, sender=sender).code == 250:
                            self.told.append(name)
                        if self.halt.is_set():
                            break
            except (OSError, AssertionError):
                # the gateway is down: that is the test
                self.halt.wait(0.02)


@slow(900)
def test_kill9_under_load(env):
    """Every message that a client was told 250 for is below or in quarantine; none twice unless that was reported."""
    rounds = 100 if env.nightly else 10
    down = env.downstream()
    gate = env.gateway(down, files={"protocol.toml": RULE})
    clients = [Load(gate, n) for n in range(6)]
    for c in clients:
        c.start()
    released = set()
    for n in range(rounds):
        goal = sum(len(c.told) for c in clients) + 40
        proc.wait_for(lambda: sum(len(c.told) for c in clients) >= goal, "40 messages more", 60)
        # an admin at work when it happens
        fresh = [i for i in ids(gate, "state:kept") if i not in released]
        if waiting := fresh[:3]:
            released.update(waiting)
            admin = subprocess.Popen([env.binary, "quarantine", "--rules", os.path.dirname(gate.toml_path), "release", *waiting],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # and another one, who takes back what went before
        verb = ["undelete", "state:trash"] if n % 2 else ["delete", *fresh[3:40]]
        other = subprocess.Popen([env.binary, "quarantine", "--rules", os.path.dirname(gate.toml_path), *verb, "--yes"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 0.05))
        gate.kill9()
        admin.wait(60)
        other.wait(60)
        gate.start()
    for c in clients:
        c.halt.set()
    for c in clients:
        c.join(20)
    proc.wait_for(lambda: not ids(gate, noun="spool"), "what was released is delivered", 90)
    gate.command("quarantine", "undelete", "state:trash", "--yes")
    assert ids(gate, "state:trash") == []
    told = [name for c in clients for name in c.told]
    kept = {}
    after = []
    while True:
        got = gate.command("quarantine", "list", "--json", "--rows", "1000", *after)
        page = [json.loads(line) for line in got.stdout.splitlines()]
        for row in page:
            kept.setdefault(row["subject"], []).append(row)
        if "--after " not in got.stderr:
            break
        after = ["--after", got.stderr.split("--after ")[1].strip()]
    came = {}
    for t in down.accepted:
        name = t.fields("Subject")[0]
        came[name] = came.get(name, 0) + 1
    lost = [n for n in told if n not in came and n not in kept]
    assert not lost, f"{len(lost)} lost, first {lost[:3]}"
    assert len(told) == len(set(told)) and len(told) >= 40 * rounds
    doubled = [n for n, some in kept.items() if len(some) > 1 and n in told]
    assert not doubled, f"twice in quarantine: {doubled[:3]}"
    reported = {r["header"]["subject"] for r in gate.audit("message", torn=True) if r["note"]}
    for name in [n for n, k in came.items() if k > 1 and n not in reported]:
        shown = done(gate, "quarantine", "show", kept[name][0]["id"]) if name in kept else ""
        assert "may be delivered twice" in shown, f"twice and not reported: {name}"
    held = [n for n in kept if int(n.rsplit("-", 1)[1]) % 2 == 0]
    assert not held, f"in quarantine without a reason: {held[:3]}"
    gate.stop()
    files = sum(len(names) for _, _, names in os.walk(os.path.join(gate.state, "vault", "items")))
    total = sum(len(some) for some in kept.values())
    assert files == total, f"{files} files, {total} in the index"
    assert os.listdir(os.path.join(gate.state, "vault", "incoming")) == []
