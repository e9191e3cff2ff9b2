"""What a machine does to a gateway: a full disk, no file descriptors, and the way back from there."""
import os
import subprocess

from lib import proc
from lib.client import Client, Closed, dot_stuff, send, text


# These are about what happens when a write finds no room; cases/quarantine.py has the watermarks.
NO_WATERMARK = {"quarantine.toml": '[disk]\nwarn = "0"\nfull = "0"\n'}


class Tmpfs:
    """A small disk at `path`."""

    def __init__(self, path, size):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=750", "portcullis-test", path], check=True)
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)


def fill(path):
    """Takes every octet that is left."""
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(64 * 1024))
        except OSError:
            pass


def test_full_disk(env):
    """Bodies that do not fit hear 452, small mail goes on from memory, nothing half-written arrives, and it ends by itself."""
    down = env.downstream()
    gate = env.rules(down, memory="1M", disk="1G", max_message_size="20M", files=NO_WATERMARK)
    with Tmpfs(gate.state, "6M"):
        gate.start()
        rubbish = os.path.join(gate.state, "rubbish")
        fill(rubbish)
        for _ in range(3):
            with gate.client() as c:
                c.ehlo()
                c.envelope()
                got = c.data(text("does not fit", size=4_000_000))
                assert got.code == 452 and got.enhanced == "4.3.1", got
                # the session goes on, and what fits in memory is served
                assert c.mail(subject="small").code == 250
        assert len(down.messages) == 3 and all(b"small" in m.message for m in down.messages)
        os.unlink(rubbish)
        assert send(gate.address, text("fits again", size=3_000_000)).code == 250
        assert any(len(m.message) > 3_000_000 for m in down.messages)
        assert os.listdir(os.path.join(gate.state, "tmp")) == []
        gate.stop()


def test_full_disk_while_mail_is_on_its_way(env):
    """The disk fills up in the middle of an upload: 452, and the client's connection lives on."""
    down = env.downstream()
    gate = env.rules(down, memory="1M", disk="1G", max_message_size="20M", files=NO_WATERMARK)
    with Tmpfs(gate.state, "8M"):
        gate.start()
        wire = dot_stuff(text("half", size=6_000_000))
        with gate.client() as c:
            c.ehlo()
            c.envelope()
            c.must("DATA", 354)
            c.send(wire[:3_000_000])
            proc.wait_for(lambda: used(gate.state) > 1_000_000, "the body is on disk")
            fill(os.path.join(gate.state, "rubbish"))
            c.send(wire[3_000_000:])
            got = c.reply()
            assert got.code == 452 and got.enhanced == "4.3.1", got
            c.must("NOOP", 250)
        assert down.messages == []
        gate.stop()


def used(path):
    s = os.statvfs(path)
    return (s.f_blocks - s.f_bfree) * s.f_frsize


def test_no_file_descriptors(env):
    """All descriptors are taken: who is in is served, who waits is served when one is free, and nobody is lost."""
    down = env.downstream()
    gate = env.gateway(down)
    assert send(gate.address).code == 250
    pid = gate.process.popen.pid
    taken = len(os.listdir(f"/proc/{pid}/fd"))
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={taken + 6}:{taken + 6}"], check=True)
    held = []
    try:
        for _ in range(6):
            held.append(Client(gate.address))
        late = [Client(gate.address, greet=False) for _ in range(5)]
        gate.wait_log("cannot accept", "open files")
        held[0].must("NOOP", 250)
        for c in held:
            c.close()
        for c in late:
            assert c.reply().code == 220
            c.ehlo()
        # one after the other: the downstream's connections need descriptors too
        for c in late:
            got = c.cmd("MAIL FROM:<sender@example.com>")
            assert got.code in (250, 451), got
            c.cmd("RSET")
            c.close()
    finally:
        for c in held:
            c.close()
    proc.wait_for(lambda: served(gate), "mail flows again")


def served(gate):
    try:
        return send(gate.address).code == 250
    except (Closed, AssertionError, OSError):
        return False
