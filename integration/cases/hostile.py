"""Messages that are made to cost much, through the shipped rules: an answer in bounded time and memory, the right one, and
other mail flows meanwhile.

The bounds asserted are generous (a busy machine, a debug build); PORTCULLIS_FIGURES names a file for what was measured, one
line a message.
"""
import os
import threading
import time

from cases.content import shipped
from cases.quarantine import rows
from lib import bombs
from lib.bombs import M, attached, head
from lib.client import Client, send, text
from lib.engines import EICAR
from lib.runner import slow

NAMES = ("attachments.toml", "content.toml", "policies.toml", "protocol.toml", "scanners.toml", "signatures/test.yar")
# Clients come from one address here.
LIMITS = '[greeting]\ndelay = "0s"\n[bans]\nmode = "off"\n[rates]\nmode = "off"\n'
SECONDS = 30
BESIDE = 2.0
MEMORY = 200 * M


def gateway(env, scanners=None, **kw):
    """With all rules as they are shipped, and a name server that knows nothing."""
    down, dns = env.downstream(), env.dns()
    files = {name: shipped(name) for name in NAMES}
    files |= {"limits.toml": LIMITS, "lists/blocks.list": "", "lists/allow.list": ""}
    if scanners is not None:
        files["scanners.toml"] = scanners
    gate = env.gateway(down, files=files, dns={"servers": [dns.address], "timeout": "1s"}, trusted={"clients": []}, **kw)
    return gate, down


class Beside:
    """Small messages, one after the other, as long as it lasts; the longest answer."""

    def __init__(self, gate):
        self.gate, self.halt, self.worst, self.count, self.wrong = gate, threading.Event(), 0.0, 0, []
        self.thread = threading.Thread(target=self.work, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.halt.set()
        self.thread.join(60)

    def work(self):
        while True:
            began = time.monotonic()
            got = send(self.gate.address, text(f"beside {self.count}"), timeout=60)
            self.worst, self.count = max(self.worst, time.monotonic() - began), self.count + 1
            if got.code != 250:
                self.wrong.append(got)
            if self.halt.wait(0.05):
                return


def figures(lines):
    """For whoever asked for them by PORTCULLIS_FIGURES, a file."""
    if os.environ.get("PORTCULLIS_FIGURES"):
        with open(os.environ["PORTCULLIS_FIGURES"], "a") as out:
            out.write(lines)


def end_of(gate, message):
    """What becomes of a message: its reply, and the seconds from its last octet."""
    with Client(gate.address, timeout=120) as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        try:
            # what is too long or too much may be refused before it ends
            c.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        except OSError:
            pass
        began = time.monotonic()
        return c.reply(), time.monotonic() - began


def tried(env, gate, down, messages, seconds=SECONDS, memory=MEMORY):
    """Each is sent beside small ones. `messages`: name, octets, and what must become of it: "pass", "kept" (taken, and in the
    quarantine), "refused"."""
    path = os.path.join(env.folder("figures"), "figures")
    env.log("figures", path)
    for name, message, wanted in messages:
        before, accepted = len(rows(gate)), len(down.messages)
        gate.peak(forget=True)
        idle = gate.memory()[1]
        with Beside(gate) as beside:
            got, took = end_of(gate, message)
        kept = len(rows(gate)) - before
        passed = len(down.messages) - accepted - beside.count
        peak = gate.peak()
        ended = "refused" if got.code >= 500 else "kept" if kept else "pass" if passed else "nothing"
        with open(path, "a") as f:
            f.write(f"{name:28} {len(message) / M:6.1f} MB  {took:6.2f} s  peak {peak / M:5.0f} MB (before {idle / M:.0f})  beside "
                    f"{beside.count} worst {beside.worst:.2f} s  {ended}: {got.lines[0][:60]}\n")
        assert not beside.wrong, (name, beside.wrong)
        assert ended == wanted, (name, ended, got, gate.audit("message")[-2:])
        assert took < seconds, (name, took)
        assert beside.worst < BESIDE, (name, beside.worst)
        assert peak < memory, (name, peak / M)
    with open(path) as f:
        figures(f.read())


@slow(600)
def test_large(env):
    gate, down = gateway(env)
    file = bombs.noise(25 * M)
    tried(env, gate, down, [
        ("25 MB file", attached("large", "film.bin", file), "pass"),
        ("25 MB file, EICAR last", attached("large and bad", "film.bin", file[:-100] + EICAR.encode()), "refused"),
        ("10 MB of header fields", bombs.long_header(10 * M), "kept"),
        ("10 MB in one field", bombs.long_field(10 * M), "kept"),
        ("one line of 25 MB", bombs.one_line(25 * M), "pass"),
        ("a million lines of base64", bombs.line_ends(1_000_000), "pass"),
        ("10,000 Received", bombs.hops(10_000), "refused"),
        ("1,000 DKIM signatures", bombs.dkim(1_000), "pass"),
    ])


@slow(600)
def test_structures(env):
    gate, down = gateway(env)
    tried(env, gate, down, [
        ("100,000 parts", bombs.parts(100_000), "kept"),
        ("1,000 multiparts deep", bombs.deep_multiparts(1000), "kept"),
        ("1,000 messages deep", bombs.deep_messages(1000), "kept"),
        ("20 MB nearly boundaries", bombs.near_boundaries(20 * M), "pass"),
        ("20 MB beyond boundaries", bombs.long_boundaries(20 * M), "kept"),
    ])


@slow(600)
def test_archives(env):
    gate, down = gateway(env)
    tried(env, gate, down, [
        ("zip, 512 MB", attached("bomb", "zeros.zip", bombs.zip_bomb()), "kept"),
        ("zip, nested by 16", attached("nested", "42.zip", bombs.nested_bomb()), "kept"),
        ("zip, overlapping", attached("overlap", "overlap.zip", bombs.overlapping_bomb()), "kept"),
        ("zip that holds itself", attached("quine", "quine.zip", bombs.quine()), "kept"),
        ("gz, 512 MB", attached("gz", "zeros.gz", bombs.gzip_bomb()), "kept"),
        ("7z, 256 MB", attached("7z", "zeros.7z", bombs.seven_bomb()), "kept"),
        ("gz, 500,000 members", attached("gz members", "a.gz", bombs.gz_members(500_000)), "kept"),
        ("zip, 100,000 members", attached("zip members", "a.zip", bombs.empty_members(100_000)), "kept"),
        ("zip, one member 9,000 times", attached("zip again", "a.zip", bombs.same_again(9_000, 10 * M)), "kept"),
    ])


@slow(600)
def test_documents(env):
    """Nothing is in them that a rule keeps back: it is the time that counts."""
    gate, down = gateway(env)
    tried(env, gate, down, [
        ("RTF, a million groups", attached("rtf", "a.rtf", bombs.deep_rtf(1_000_000)), "pass"),
        ("RTF, 20 MB object", attached("rtf object", "a.rtf", bombs.long_rtf(20 * M)), "pass"),
        ("PDF, 20 MB of actions", attached("pdf", "a.pdf", bombs.wild_pdf(20 * M)), "pass"),
        ("OLE, loops", attached("ole", "a.doc", bombs.ole_loop(20_000)), "pass"),
        ("PPT, objects in objects", attached("ppt", "a.ppt", bombs.ppt_objects(500_000)), "pass"),
    ])


@slow(600)
def test_texts(env):
    """Files in texts, of which more would be made than there is."""
    gate, down = gateway(env)
    tried(env, gate, down, [
        ("page, 20 MB of addresses", bombs.endless_addresses(20 * M), "kept"),
        ("uuencode, 20 MB", bombs.short_uuencode(20 * M), "kept"),
    ])


@slow(600)
def test_many_parts_for_a_scanner(env):
    """A message of which a scanner is to see a thousand parts again leaves places to others."""
    gate, down = gateway(env, env.clamd().scanner())
    tried(env, gate, down, [("1,500 odd parts, clamd", bombs.odd_parts(1_500), "pass")])


def eight(gate, messages):
    """Eight sessions at once, each with one of these; the memory over idle at the worst moment, and the replies."""
    for n in range(20):
        assert send(gate.address, text(f"warm {n}")).code == 250
    gate.peak(forget=True)
    idle = gate.memory()[1]
    got = [None] * 8
    clients = [gate.client(timeout=120) for _ in range(8)]
    for c in clients:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)

    def work(n):
        clients[n].send(messages[n] + b".\r\n")
        got[n] = clients[n].reply()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for c in clients:
        c.close()
    return gate.peak() - idle, got


@slow(600)
def test_memory_of_eight_large_messages(env):
    """Eight messages of 10 MB in scan at once, with clamd and without: 60 MB over idle (here with some air)."""
    engine = env.clamd()
    files = [attached(f"m{n}", "a.bin", bombs.noise(10 * M * 100 // 137, n)) for n in range(8)]
    lines = [bombs.noise(10 * M // 2 * 38 // 39, n).hex(" ", 38).replace(" ", "\r\n").encode() for n in range(8)]
    texts = [head(f"t{n}") + b"\r\n" + body + b"\r\n" for n, body in enumerate(lines)]
    told = []
    for name, scanners in (("clamd", engine.scanner()), ("no scanner", None)):
        for kind, messages in (("files", files), ("text", texts)):
            gate, _ = gateway(env, scanners)
            over, got = eight(gate, messages)
            gate.finish()
            told.append(f"eight of {len(messages[0]) / M:.1f} MB, {kind}, {name}: {over / M:.1f} MB over idle\n")
            assert all(r.code == 250 for r in got), got
            assert over < 85 * M, told
    figures("".join(told))
