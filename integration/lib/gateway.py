"""Portcullis itself: writes its rules folder, starts it, reads what it said."""
import json
import os
import signal
import subprocess

from . import proc
from .client import Client


def toml(value):
    """A value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(toml(v) for v in value) + "]"


def _table(head, values):
    return f"\n{head}\n" + "".join(f"{k} = {toml(v)}\n" for k, v in values.items() if v is not None)


def _addresses(downstream):
    many = downstream if isinstance(downstream, (list, tuple)) else [downstream]
    return [d if isinstance(d, str) else d.address for d in many]


class Gateway:
    """`listener`, `downstream_options`, `relay`, `timeouts`, `trusted`, `audit`, `log_options`: keys of these tables; other
    keywords are top-level keys. `listeners`/`downstreams`: further tables. The tables have the smallest values that run."""

    def __init__(self, env, downstream, listener=None, down=None, relay=None, timeouts=None, trusted=None, audit=None,
                 log=None, listeners=(), downstreams=(), environment=None, ready="banner", files=None, dns=None, **top):
        self.env, self.ready, self.environment = env, ready, environment or {}
        self.dir = env.folder("gateway")
        self.stderr = os.path.join(self.dir, "stderr")
        self.toml_path = os.path.join(self.dir, "rules", "gateway.toml")
        self.state = os.path.join(self.dir, "state")
        self.audit_path = os.path.join(self.state, "audit.jsonl")
        os.mkdir(os.path.join(self.dir, "rules"))
        self.process, self.starts = None, 0
        self.port = proc.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.top = {"hostname": "mx.example.net", "state_dir": self.state, **top}
        self.listeners = [{"name": "in", "address": self.address, "direction": "inbound", "downstream": "mx", **(listener or {})}, *listeners]
        self.downstreams = [{"name": "mx", "addresses": _addresses(downstream), **(down or {})}, *downstreams]
        self.tables = {"relay": {"domains": ["example.net"], **(relay or {})}, "timeouts": timeouts, "trusted": trusted,
                       "audit": audit, "log": log, "dns": dns}
        self.files = files or {}
        env.log("portcullis (stderr)", self.stderr)
        env.log("portcullis (audit)", self.audit_path)
        self.write()

    def text(self):
        out = "".join(f"{k} = {toml(v)}\n" for k, v in self.top.items() if v is not None)
        out += "".join(_table("[[listener]]", l) for l in self.listeners)
        out += "".join(_table("[[downstream]]", d) for d in self.downstreams)
        return out + "".join(_table(f"[{name}]", t) for name, t in self.tables.items() if t is not None)

    def write(self, text=None):
        """Writes gateway.toml: the tables, or a text as it is."""
        with open(self.toml_path, "w") as f:
            f.write(self.text() if text is None else text)
        for name, content in self.files.items():
            self.put(name, content)
        return self

    def put(self, name, content):
        """Writes another file of the rules folder, as an editor does: beside it, then renamed."""
        path = os.path.join(os.path.dirname(self.toml_path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new~", "w") as f:
            f.write(content)
        os.rename(path + ".new~", path)
        return path

    def rules(self, name):
        """The text of a file of the rules folder."""
        with open(os.path.join(os.path.dirname(self.toml_path), name)) as f:
            return f.read()

    # the process
    def start(self, **kw):
        env = dict(os.environ, RUST_BACKTRACE="1", **self.environment)
        env.pop("PORTCULLIS_RULES", None)
        self.process = self.env.process("portcullis", [self.env.binary, "run", "--rules", os.path.dirname(self.toml_path)],
                                        self.stderr, env=env, **kw)
        self.process.ready(self.greets)
        return self

    def greets(self):
        if self.ready == "banner":
            return proc.banner(self.port).startswith(b"220")
        return proc.listening(self.port)

    def stop(self, seconds=40):
        """TERM; the exit status. A gateway that dies by a signal or stays is a failure."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        if not process.running():
            return process.popen.returncode
        process.signal(signal.SIGTERM)
        try:
            return process.wait(seconds)
        finally:
            process.stop(1)

    def finish(self):
        """The end of a test: a gateway that ended badly or panicked fails it."""
        code = self.stop()
        assert code in (None, 0), f"portcullis ended with {code}"
        assert "panicked at" not in self.log(), "portcullis panicked"

    def kill9(self):
        process, self.process = self.process, None
        return process.kill9()

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def log(self):
        try:
            with open(self.stderr, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, *words, seconds=10):
        """Waits for a line on stderr with one of these words (any case)."""
        proc.wait_for(lambda: any(w.lower() in self.log().lower() for w in words), f"{words} on stderr", seconds)

    def memory(self):
        """(anonymous, resident) memory in bytes."""
        with open(f"/proc/{self.process.pid}/status") as f:
            rows = dict(l.split(":", 1) for l in f)
        return int(rows["RssAnon"].split()[0]) * 1024, int(rows["VmRSS"].split()[0]) * 1024

    def peak(self, forget=False):
        """The most memory that was ever resident, in bytes; `forget`: since now."""
        if forget:
            with open(f"/proc/{self.process.pid}/clear_refs", "w") as f:
                f.write("5")
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(l.split()[1]) for l in f if l.startswith("VmHWM:")) * 1024

    # other commands of the binary
    def command(self, *args, seconds=60):
        argv = [self.env.binary, args[0], "--rules", os.path.dirname(self.toml_path), *args[1:]]
        return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, env=dict(os.environ, **self.environment))

    def check(self, *args):
        return self.command("check", *args)

    # clients
    def client(self, **kw):
        return Client(self.address, **kw)

    # the audit file
    def audit(self, kind=None, torn=False):
        """Its lines; `torn`: a kill may have left one in the middle."""
        def row(line):
            try:
                return json.loads(line)
            except ValueError:
                if torn:
                    return None
                raise
        try:
            with open(self.audit_path, encoding="utf-8") as f:
                rows = [r for r in (row(l) for l in f if l.endswith("\n")) if r]
        except FileNotFoundError:
            return []
        return [r for r in rows if kind is None or r["kind"] == kind]

    def wait_audit(self, kind, condition=lambda row: True, count=1, seconds=10):
        """Waits for `count` audit lines of this kind that the condition holds for; gives them."""
        def look():
            rows = [r for r in self.audit(kind) if condition(r)]
            return rows if len(rows) >= count else None
        return proc.wait_for(look, f"{count} audit line(s) {kind}; there are {self.audit(kind)[-3:]}", seconds)
