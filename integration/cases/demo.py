"""portcullis demo: nothing but the binary; the samples' fate is printed, and it stays up for the user's own mail."""
import os
import re
import shutil
import signal
import subprocess

from cases.content import EXE, message, zipped
from lib import proc
from lib.client import send
from lib.engines import EICAR


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


def test_shipped_rules(env):
    """The demo filters with the shipped rules: EICAR in a zip is refused, a program that calls itself a document and spam
    are kept, and nothing of it is in mail/."""
    folder = os.path.join(env.folder("demo"), "kept")
    out = os.path.join(env.folder("out"), "out")
    env.log("demo", out)
    process = env.process("demo", [env.binary, "demo", "--dir", folder, "--listen", "127.0.0.1:0"], out)

    def text():
        with open(out, errors="replace") as f:
            return f.read()
    found = process.ready(lambda: re.search(r"--server (\S+) --port (\d+)", text()), 60)
    address = f"{found.group(1)}:{found.group(2)}"
    mail = sorted(os.listdir(os.path.join(folder, "mail")))
    spam = ("Dear winner,\r\n\r\nyour email address has won 5,000,000.00 United States dollars in the international\r\n"
            "lottery. To claim your prize, contact our claims agent Barrister John Smith urgently and\r\n"
            "send your full name, bank account details and phone number. The transfer\r\n"
            "fee has to be paid by Western Union. Act now, this is strictly confidential. God bless you.")
    assert send(address, message("bad", name="a.zip", octets=zipped("inside.txt", EICAR.encode()))).code == 550
    assert send(address, message("invoice", name="invoice.pdf", octets=EXE, kind="application/pdf")).code == 250
    assert send(address, message("CONGRATULATIONS!!! YOU HAVE WON $5,000,000 IN THE LOTTERY", spam)).code == 250
    assert send(address, message("clean")).code == 250
    assert len(os.listdir(os.path.join(folder, "mail"))) == len(mail) + 1, text()
    done = subprocess.run([env.binary, "quarantine", "list", "--json", "--rules", os.path.join(folder, "rules")],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and '"policy"' in done.stdout and '"spam"' in done.stdout, done
    process.signal(signal.SIGTERM)
    assert process.wait(30) == 0, text()
