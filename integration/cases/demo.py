"""portcullis demo: nothing but the binary; the samples' fate is printed, and it stays up for the user's own mail."""
import os
import re
import shutil
import signal
import subprocess

from lib import proc


def test_demo(env):
    # only the binary, in an empty folder: no rules, no source tree
    folder = env.folder("demo")
    binary = os.path.join(folder, "portcullis")
    shutil.copy(env.binary, binary)
    out = os.path.join(folder, "out")
    env.log("demo", out)
    process = env.process("demo", [binary, "demo"], out, cwd=folder, env={"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder})

    def text():
        with open(out, errors="replace") as f:
            return f.read()

    def address():
        for host, port in re.findall(r"(127\.0\.0\.1|localhost|\[::1\])[: ]+(?:port )?(\d{2,5})", text()):
            if proc.banner(int(port)).startswith(b"220"):
                return int(port)
        found = re.search(r"swaks .*?(?:--port|-p) (\d+)", text())
        return int(found.group(1)) if found and proc.banner(int(found.group(1))) else None
    port = process.ready(address, 60)
    proc.wait_for(lambda: re.search(r"\b250\b", text()) and re.search(r"\b5[05]\d\b", text()),
                  "it says which samples were delivered and which refused", 30)
    # the user's own mail, as the demo proposes it
    proposed = re.search(r"swaks [^\n]*", text())
    assert proposed, "it proposes a swaks command"
    own = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port), "--from", "me@example.com",
                          "--to", (re.search(r"--to[ =](\S+)", proposed.group(0)) or [0, "alice@example.net"])[1].strip("'\"`"),
                          "--header", "Subject: my own demo mail"], capture_output=True, text=True, timeout=60)
    assert own.returncode == 0, own.stdout + text()
    process.signal(signal.SIGTERM)
    assert process.wait(30) == 0, text()
    try:
        os.killpg(process.pid, 0)
        raise AssertionError("processes of the demo are left")
    except ProcessLookupError:
        pass


def test_once(env):
    """All samples go as they should; what is kept is kept, and a folder with something in it is left alone."""
    folder = os.path.join(env.folder("demo"), "kept")
    done = subprocess.run([env.binary, "demo", "--once", "--dir", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "went as they should" in done.stdout, done
    assert sorted(os.listdir(os.path.join(folder, "mail"))) == ["0001.eml", "0002.eml", "0003.eml"], done.stdout
    with open(os.path.join(folder, "mail", "0003.eml"), "rb") as f:
        kept = f.read()
    assert kept.startswith(b"Received: from sender.example.com") and "großen".encode() in kept, kept
    # the references are those of the audit log
    with open(os.path.join(folder, "state", "audit.jsonl")) as f:
        audit = f.read()
    references = re.findall(r"^  .{28} ([0-9A-Z]{8}) ", done.stdout, re.M)
    assert len(references) == 7 and all(r in audit for r in references), done.stdout
    again = subprocess.run([env.binary, "demo", "--once", "--dir", folder], capture_output=True, text=True, timeout=60)
    assert again.returncode == 2 and "not empty" in again.stderr, again
