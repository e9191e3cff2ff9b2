"""What a test is given: folders, processes, servers; all of it stopped and removed at the end of the test."""
import contextlib
import os
import shutil
import tempfile

from . import proc
from .certs import Certificate


class Env:
    """The surroundings of one test (or of one module, for what its tests share)."""

    def __init__(self, name, binary, depth="full", keep=False, parent=None):
        self.name, self.binary, self.depth, self.keep, self.parent = name, binary, depth, keep, parent
        self.dir = tempfile.mkdtemp(prefix=f"portcullis-{name.replace('.', '-')}-")
        os.chmod(self.dir, 0o711)
        self._stop, self._logs, self._count, self._shared = [], [], {}, {}

    # what is stopped at the end
    def defer(self, stop):
        """Runs `stop` at the end, last one first."""
        self._stop.append(stop)

    def close(self):
        trouble = []
        while self._stop:
            try:
                self._stop.pop()()
            except Exception as e:  # every other server still has to be stopped
                trouble.append(f"{type(e).__name__}: {e}")
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        return trouble

    def folder(self, name):
        """A new folder for one server."""
        n = self._count[name] = self._count.get(name, 0) + 1
        path = os.path.join(self.dir, name if n == 1 else f"{name}-{n}")
        os.mkdir(path, 0o711)
        os.chmod(path, 0o711)
        return path

    def log(self, title, path):
        """A log whose tail is printed when the test fails."""
        self._logs.append((title, path))

    def report(self):
        """The tails of all logs, of the module's servers too."""
        text = self.parent.report() if self.parent else ""
        for title, path in self._logs:
            tail = proc.tail(path) if isinstance(path, str) else path()
            if tail:
                text += f"--- {title} ({path if isinstance(path, str) else 'memory'})\n{tail}\n"
        return text

    def process(self, name, argv, log, **kw):
        started = proc.Process(name, argv, log, **kw)
        self.defer(started.stop)
        return started

    def once(self, key, make):
        """`make(module_env)` the first time a test of this module asks, then the same again."""
        home = self.parent or self
        if key not in home._shared:
            home._shared[key] = make(home)
        return home._shared[key]

    @property
    def nightly(self):
        return self.depth == "nightly"

    # servers
    def cert(self, name="mx.example.net", stem="tls", kind="ec"):
        return Certificate(self.folder("cert"), name, stem, kind)

    def postfix(self, **kw):
        from .mta import Postfix
        return Postfix(self, **kw).start()

    def exim(self, **kw):
        from .mta import Exim
        return Exim(self, **kw).start()

    def opensmtpd(self, **kw):
        from .mta import OpenSmtpd
        return OpenSmtpd(self, **kw).start()

    def clamd(self, **limits):
        """A real clamd with signatures of our own (lib/engines.py)."""
        from .engines import Clamd
        return Clamd(self, **limits).start()

    def rspamd(self):
        from .engines import Rspamd
        return Rspamd(self).start()

    def spamd(self):
        from .engines import Spamd
        return Spamd(self).start()

    def fake_clamd(self, mode="ok", **kw):
        """A clamd of our own that misbehaves as told."""
        from .engines import FakeClamd
        return FakeClamd(self, mode, **kw)

    def downstream(self, *scripts, **kw):
        from .downstream import Downstream
        down = Downstream(*scripts, **kw)
        self.defer(down.stop)
        self.log(f"scripted downstream {down.address}", down.transcript)
        return down

    def dns(self, rows=None, **kw):
        """A name server of our own: see lib/dns.py."""
        from .dns import Dns
        server = Dns(rows, **kw).start()
        self.defer(server.stop)
        self.log(f"name server {server.address}", server.transcript)
        return server

    def gateway(self, downstream, **kw):
        """A running gateway in front of `downstream` (anything with .address, an address, or a list of these)."""
        return self.rules(downstream, **kw).start()

    def rules(self, downstream, **kw):
        """The same, not started: only its rules folder."""
        from .gateway import Gateway
        gate = Gateway(self, downstream, **kw)
        self.defer(gate.finish)
        return gate

    @contextlib.contextmanager
    def client(self, target, **kw):
        from .client import Client
        with Client(target, **kw) as c:
            yield c
