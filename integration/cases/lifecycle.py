"""Start, reload, drain, the lock, systemd, and kill -9 under load."""
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

from lib import proc
from lib.client import Client, dot_stuff, send, text
from lib.runner import slow


def test_drain(env):
    down = env.downstream()
    gate = env.gateway(down)
    idle, busy = gate.client(), gate.client()
    idle.ehlo()
    busy.ehlo()
    busy.envelope()
    busy.must("DATA", 354)
    process = gate.process
    process.signal(signal.SIGTERM)
    got = idle.reply()
    assert got.code == 421 and got.enhanced == "4.3.2", got
    assert idle.closed()
    # no new session
    try:
        with gate.client(greet=False, timeout=5) as late:
            rest = late.rest()
            assert rest == b"" or rest.startswith(b"421"), rest
    except OSError:
        pass
    busy.send(dot_stuff(text("the last one")))
    got = busy.reply()
    assert got.code == 250, got
    rest = busy.rest()
    assert rest == b"" or rest.startswith(b"421"), rest
    assert process.wait(15) == 0
    assert len(down.accepted) == 1
    ends = {r["end"] for r in gate.audit("connection") if r["helo"]}
    assert "shutdown" in ends, gate.audit("connection")


def test_drain_deadline(env):
    down = env.downstream()
    gate = env.gateway(down, drain="1s")
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        process = gate.process
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - began < 8
    assert not down.messages


def test_reload(env):
    down = env.downstream()
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<x@new.example>", 550)
        gate.tables["relay"]["domains"].append("new.example")
        gate.write().reload()

        def taken():
            with gate.client() as probe:
                probe.ehlo()
                probe.must("MAIL FROM:<sender@example.com>", 250)
                return probe.cmd("RCPT TO:<x@new.example>").code == 250
        proc.wait_for(taken, "new sessions see the new policy")
        # one transaction sees one policy; the next MAIL of the same session sees the new one
        c.must("RCPT TO:<x@new.example>", 550)
        c.must("RSET", 250)
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<x@new.example>", 250)


def test_broken_reload_changes_nothing(env):
    down = env.downstream()
    gate = env.gateway(down)
    good = gate.text()
    for bad in (good.replace("inbound", "sideways"), good + "[relay\n", good.replace("hostname", "hostnme"), ""):
        gate.write(bad)
        lines = gate.log().count("\n")
        gate.reload()
        proc.wait_for(lambda: gate.log().count("\n") > lines, "the log says that the reload was refused")
        assert send(gate.address).code == 250
    gate.write(good)
    gate.reload()
    assert send(gate.address).code == 250
    assert gate.process.running()


def test_audit_is_reopened(env):
    gate = env.gateway(env.downstream())
    send(gate.address, subject="before")
    gate.wait_audit("message")
    os.rename(gate.audit_path, gate.audit_path + ".1")
    gate.reload()
    proc.wait_for(lambda: os.path.exists(gate.audit_path), "a new audit file")
    send(gate.address, subject="after")
    assert gate.wait_audit("message")[0]["header"]["subject"] == "after"


def test_certificate_reload(env):
    cert = env.cert()
    gate = env.gateway(env.downstream(), listener={"tls": "starttls", "certificate": cert.cert, "key": cert.key})

    def shown():
        with gate.client() as c:
            c.ehlo()
            return c.starttls().sock.getpeercert(True)
    old = cert.der()
    assert shown() == old
    cert.make()
    gate.reload()
    proc.wait_for(lambda: shown() == cert.der(), "the new certificate is shown")
    assert cert.der() != old
    # a broken pair is refused, the old one stays
    with open(cert.key, "w") as f:
        f.write("no key\n")
    lines = gate.log().count("\n")
    gate.reload()
    proc.wait_for(lambda: gate.log().count("\n") > lines, "the log says so")
    assert shown() == cert.der()


def test_second_daemon_is_refused(env):
    down = env.downstream()
    gate = env.gateway(down)
    second = env.rules(down)
    second.top["state_dir"] = gate.state
    second.write()
    done = second.command("run", seconds=20)
    assert done.returncode not in (0, -9) and done.returncode < 128, done
    assert f"in use by process {gate.process.pid}" in done.stderr, done.stderr
    assert send(gate.address).code == 250
    # the lock dies with its holder
    gate.kill9()
    second.start()
    assert send(second.address).code == 250


def test_port_in_use(env):
    down = env.downstream()
    gate = env.gateway(down)
    second = env.rules(down)
    second.listeners[0]["address"] = gate.address
    second.write()
    done = second.command("run", seconds=20)
    assert done.returncode > 0 and str(gate.port) in done.stderr, done.stderr


def test_status(env):
    down = env.downstream()
    gate = env.gateway(down, down={"addresses": [down.address, f"127.0.0.1:{proc.free_port()}"]})
    assert send(gate.address).code == 250
    with gate.client() as c:
        c.ehlo()
        status = json.loads(gate.command("status", "--json").stdout)
        text = gate.command("status")
    assert status["pid"] == gate.process.pid and status["phase"] == "running" and status["generation"] == 1, status
    assert status["delivered"] == 1 and status["sessions"] == 1 and status["sessions_limit"] == 10000, status
    assert status["oldest"][0]["client"] == "127.0.0.1", status
    assert status["listeners"] == [{"name": "in", "address": gate.address}], status
    assert [a["healthy"] for a in status["downstreams"][0]["addresses"]] == [True, False], status
    assert text.returncode == 0 and gate.address in text.stdout and "healthy" in text.stdout, text
    assert "Connection refused" in text.stdout and "1 delivered" in text.stdout, text
    # mistakes elsewhere in the file do not hide the daemon
    gate.write(gate.text().replace("hostname", "hostnme"))
    done = gate.command("status")
    assert done.returncode == 0 and "healthy" in done.stdout, done
    gate.stop()
    assert gate.command("status").returncode == 3


def test_control_socket(env):
    gate = env.gateway(env.downstream())
    path = os.path.join(gate.state, "control.sock")
    assert os.stat(path).st_mode & 0o7777 == 0o660

    def ask(octets):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(path)
            s.sendall(octets)
            answer = b""
            while not answer.endswith(b"\n"):
                piece = s.recv(65536)
                if not piece:
                    break
                answer += piece
            return json.loads(answer)
    assert ask(b'{"request":"status"}\n')["status"]["pid"] == gate.process.pid
    for wrong in (b"help\n", b"{}\n", b'{"request":"status","dry_run":true}\n', b" " * 65536):
        assert "error" in ask(wrong), wrong
    # many that say nothing do not keep it from serving for longer than its deadline
    silent = []
    for _ in range(40):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        silent.append(s)
    assert send(gate.address).code == 250
    for s in silent:
        s.close()
    assert gate.command("status").returncode == 0
    # members of the socket's group may ask; others are kept out by the folder and by the mode of the socket
    os.chmod(gate.dir, 0o755)
    for group, folder, code in ((0, 0o750, 0), (65534, 0o750, 3), (65534, 0o755, 3)):
        os.chmod(gate.state, folder)
        done = subprocess.run(["setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups", gate.env.binary, "status",
                               "--rules", os.path.dirname(gate.toml_path)], capture_output=True, text=True)
        assert done.returncode == code and ("may not be used" in done.stderr) == (code == 3), done
    # a crash leaves the socket; the next start replaces it, a good end removes it
    gate.kill9()
    assert os.path.exists(path)
    done = gate.command("status")
    assert done.returncode == 3 and "does not run" in done.stderr, done
    gate.start()
    assert gate.command("status").returncode == 0
    gate.stop()
    assert not os.path.exists(path)


def test_reload_verb(env):
    gate = env.gateway(env.downstream())
    good = gate.text()
    done = gate.command("reload")
    assert done.returncode == 0 and "generation 2" in done.stdout, done
    gate.write(good.replace("inbound", "sideways").replace("hostname", "hostnme"))
    done = gate.command("reload")
    assert done.returncode == 2 and "sideways" in done.stdout and "hostnme" in done.stdout, done
    assert "generation 2 stays" in done.stdout, done
    assert "sideways" in gate.command("status").stdout
    gate.write(good)
    assert gate.command("reload").returncode == 0
    assert "sideways" not in gate.command("status").stdout
    assert send(gate.address).code == 250


def test_systemd_notify(env):
    path = os.path.join(env.dir, "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(15)
    gate = env.rules(env.downstream(), environment={"NOTIFY_SOCKET": path})
    gate.start()

    def heard(word):
        said = b""
        while word not in said:
            said = listener.recv(4096)
        return True
    assert heard(b"READY=1")
    gate.process.signal(signal.SIGTERM)
    assert heard(b"STOPPING=1")
    listener.close()


def test_socket_activation(env):
    gate = env.rules(env.downstream())
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", gate.port))
        s.listen(64)
        fd = fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 10)
        argv = ["bash", "-c", f'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=in; exec 3<&{fd} {fd}<&-; exec "$@"', "bash",
                env.binary, "run", "--rules", os.path.dirname(gate.toml_path)]
        gate.process = env.process("portcullis", argv, gate.stderr, pass_fds=(fd,), env=dict(os.environ))
        # the socket listens from the start: only a greeting shows that somebody serves it
        os.close(fd)
        gate.process.ready(gate.greets)
    assert send(gate.address).code == 250
    # and it is that very socket: a bind of its own would have failed, the port being taken
    assert gate.process.running()


def test_privileges_are_dropped(env):
    gate = env.rules(env.downstream(), user="nobody")
    os.chmod(env.dir, 0o755)
    os.chmod(gate.dir, 0o777)
    gate.start()
    with open(f"/proc/{gate.process.pid}/status") as f:
        rows = dict(l.split(":", 1) for l in f)
    assert set(rows["Uid"].split()) == {"65534"} and "0" not in rows["Uid"].split(), rows["Uid"]
    assert "0" not in rows["Groups"].split(), rows["Groups"]
    # the control socket belongs to that user, who may use it
    assert os.stat(os.path.join(gate.state, "control.sock")).st_uid == 65534
    own = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", gate.env.binary, "status", "--rules",
                          os.path.dirname(gate.toml_path)], capture_output=True, text=True)
    assert own.returncode == 0, own
    assert send(gate.address).code == 250
    gate.wait_audit("message")


class Load(threading.Thread):
    """One client that sends numbered messages until told to stop; remembers what it was told."""

    def __init__(self, gate, number):
        super().__init__(daemon=True)
        self.gate, self.number, self.told, self.halt, self.sent = gate, number, [], threading.Event(), 0

    def run(self):
        while not self.halt.is_set():
            try:
                with Client(self.gate.address, timeout=10) as c:
                    c.ehlo(f"load{self.number}.example.com")
                    for _ in range(5):
                        name = f"load-{self.number}-{self.sent}"
                        self.sent += 1
                        if c.mail(subject=name).code == 250:
                            self.told.append(name)
                        if self.halt.is_set():
                            break
            except (OSError, AssertionError):
                # the gateway is down: that is the test
                self.halt.wait(0.02)


@slow(600)
def test_kill9_under_load(env):
    """Every message that the client was told 250 for is below, none twice unless its audit line says so."""
    rounds = 100 if env.nightly else 12
    down = env.downstream()
    gate = env.gateway(down)
    clients = [Load(gate, n) for n in range(8)]
    for c in clients:
        c.start()
    for n in range(rounds):
        goal = sum(len(c.told) for c in clients) + 30
        proc.wait_for(lambda: sum(len(c.told) for c in clients) >= goal, "30 messages more", 60)
        # at any moment, not only just after a reply
        time.sleep(random.uniform(0, 0.05))
        gate.kill9()
        gate.start()
    for c in clients:
        c.halt.set()
    for c in clients:
        c.join(20)
    came = {}
    for t in down.accepted:
        name = t.fields("Subject")[0]
        came[name] = came.get(name, 0) + 1
    told = [name for c in clients for name in c.told]
    assert len(told) >= 30 * rounds
    missing = [n for n in told if n not in came]
    assert not missing, f"{len(missing)} lost, first {missing[:3]}"
    assert len(told) == len(set(told))
    noted = {r["header"]["subject"] for r in gate.audit("message", torn=True) if r["note"]}
    twice = [n for n, k in came.items() if k > 1 and n not in noted]
    assert not twice, f"twice: {twice[:3]}"
    # nothing is left behind in the state directory by the kills
    left = os.path.join(gate.state, "tmp")
    assert not os.path.isdir(left) or not os.listdir(left), os.listdir(left)


@slow(120)
def test_term_under_load(env):
    """A drain under load loses nothing either, and what was refused was not delivered."""
    down = env.downstream()
    gate = env.gateway(down)
    clients = [Load(gate, n) for n in range(4)]
    for c in clients:
        c.start()
    for n in range(3):
        goal = sum(len(c.told) for c in clients) + 30
        proc.wait_for(lambda: sum(len(c.told) for c in clients) >= goal, "30 messages more", 60)
        assert gate.stop() == 0
        gate.start()
    for c in clients:
        c.halt.set()
    for c in clients:
        c.join(20)
    told = {name for c in clients for name in c.told}
    came = [t.fields("Subject")[0] for t in down.accepted]
    assert len(came) == len(set(came)), "twice"
    assert told == set(came), (told ^ set(came))
