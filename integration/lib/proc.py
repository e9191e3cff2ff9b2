"""Processes by pid, readiness by polling, ports and files.

Nothing here sleeps and hopes: every wait polls a condition under a deadline and says what it waited for.
"""
import os
import signal
import socket
import subprocess
import time


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait_for(condition, what, seconds=20, step=0.02):
    """Polls `condition` until it gives something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise Timeout(f"not within {seconds} s: {what}")
        time.sleep(step)


_handed_out = set()


def free_port():
    """A port that nobody listens on now, never the same one twice in a run.

    Taken below the range of ephemeral ports, so that no outgoing connection picks it before its server binds.
    """
    start = os.getpid() * 379 % 12000  # runs beside each other keep apart
    for port in ((start + n) % 12000 + 20000 for n in range(12000)):
        if port in _handed_out:
            continue
        _handed_out.add(port)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port left")


def banner(port, host="127.0.0.1", timeout=2):
    """The greeting line on a port, or b"" when nobody answers (yet). Leaves politely."""
    try:
        with socket.create_connection((host, port), timeout) as s:
            s.settimeout(timeout)
            line = b""
            while not line.endswith(b"\n"):
                piece = s.recv(512)
                if not piece:
                    break
                line += piece
            s.sendall(b"QUIT\r\n")
            s.recv(512)
            return line
    except OSError:
        return b""


def listening(port, host="127.0.0.1"):
    """Whether a connection is taken on the port."""
    try:
        socket.create_connection((host, port), 2).close()
        return True
    except OSError:
        return False


def tail(path, lines=40):
    """The last lines of a file, for a failure report."""
    try:
        with open(path, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 16000))
            text = f.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])
    except OSError:
        return ""


class Process:
    """One process of ours in its own process group, its output in a file."""

    def __init__(self, name, argv, log, cwd=None, env=None, pass_fds=(), preexec=None):
        self.name, self.argv, self.log_path = name, argv, log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=env,
                start_new_session=True, pass_fds=pass_fds, preexec_fn=preexec)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def ready(self, condition, seconds=30):
        """Waits for the condition; a process that ends before is reported with its output."""
        def look():
            if not self.running():
                raise AssertionError(f"{self.name} ended with {self.popen.returncode} before it was ready:\n{tail(self.log_path)}")
            return condition()
        return wait_for(look, f"{self.name} is ready\n{tail(self.log_path)}", seconds, 0.05)

    def signal(self, number):
        if self.running():
            os.kill(self.pid, number)

    def wait(self, seconds=20):
        """The exit status (negative: the signal)."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} (pid {self.pid}) did not end within {seconds} s") from None

    def stop(self, seconds=10):
        """TERM, then KILL; then whatever it left behind in its own group."""
        self.signal(signal.SIGTERM)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.popen.returncode

    def kill9(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait()
