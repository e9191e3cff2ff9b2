"""Scanning engines: clamd, rspamd and spamd as Debian has them, on sockets and in folders of their own, without network;
and a clamd of our own that misbehaves as told.

The signatures of clamd are one of ours, made here: the EICAR test file never lies whole in the repository.
"""
import os
import shutil
import socket
import struct
import threading
import time

from . import packages, proc

EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR" + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*"
# The modules of rspamd that ask the network or redis, or that would need either.
RSPAMD_OFF = ("rbl spf dkim dkim_signing dmarc arc asn fuzzy_check mx_check phishing greylist ratelimit replies reputation "
              "neural history_redis url_redirector surbl emails maillist metadata_exporter milter_headers antivirus "
              "external_services spamtrap clickhouse elastic bimi known_senders aws_s3 dcc contextal gpt mid whitelist "
              "once_received multimap").split()


class Engine:
    """One of them: `table` is its [[scanner]] in scanners.toml."""
    engine = name = None

    def __init__(self, env):
        packages.engine(self.engine)
        self.env, self.dir = env, env.folder(self.engine)
        os.chmod(self.dir, 0o755)
        self.log = os.path.join(self.dir, "log")
        self.process = None
        env.log(self.engine, self.log)

    def scanner(self, **keys):
        """Its table in scanners.toml."""
        from .gateway import toml
        values = {"name": self.name, "engine": self.engine, "addresses": [self.address], **keys}
        return "\n[[scanner]]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in values.items() if v is not None)

    def stop(self):
        if self.process:
            self.process.stop()

    def pause(self):
        """It hangs: it takes connections and says nothing."""
        self.process.signal(19)

    def resume(self):
        self.process.signal(18)


class Clamd(Engine):
    engine, name = "clamd", "clamav"

    def __init__(self, env, **limits):
        super().__init__(env)
        self.path = os.path.join(self.dir, "s")
        self.address = "unix:" + self.path
        self.database = os.path.join(self.dir, "db")
        os.mkdir(self.database)
        self.signatures({"Test.Eicar": EICAR})
        self.conf = os.path.join(self.dir, "clamd.conf")
        keys = {"DatabaseDirectory": self.database, "LocalSocket": self.path, "Foreground": "yes", "User": "root",
                "MaxThreads": "16", "MaxQueue": "64", "StreamMaxLength": "30M", "MaxScanSize": "100M", "MaxFileSize": "100M",
                **limits}
        with open(self.conf, "w") as f:
            f.write("".join(f"{k} {v}\n" for k, v in keys.items()))

    def signatures(self, texts):
        """Its whole database: name -> text that it finds anywhere."""
        with open(os.path.join(self.database, "own.ndb"), "w") as f:
            f.write("".join(f"{name}:0:*:{text.encode().hex()}\n" for name, text in texts.items()))

    def start(self):
        self.process = self.env.process("clamd", ["clamd", "-c", self.conf], self.log)
        self.process.ready(lambda: self.ask(b"zPING\0") == b"PONG\0", 60)
        return self

    def ask(self, command):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(self.path)
                s.sendall(command)
                return s.recv(4096)
        except OSError:
            return b""

    def reload(self):
        self.ask(b"zRELOAD\0")


class Rspamd(Engine):
    engine = name = "rspamd"

    def start(self):
        port, etc = proc.free_port(), os.path.join(self.dir, "etc")
        self.address = f"127.0.0.1:{port}"
        shutil.copytree("/etc/rspamd", etc)
        files = {f"local.d/{m}.conf": "enabled = false;\n" for m in RSPAMD_OFF}
        files |= {
            "override.d/statistic.conf": 'classifier "bayes" { enabled = false; }\n', "local.d/statistic.conf": "",
            "local.d/worker-normal.inc": f'bind_socket = "127.0.0.1:{port}";\ncount = 2;\n',
            "local.d/worker-controller.inc": f'bind_socket = "127.0.0.1:{proc.free_port()}";\n',
            "local.d/worker-proxy.inc": "enabled = false;\n", "local.d/worker-fuzzy.inc": "enabled = false;\n",
            "local.d/logging.inc": 'level = "error";\ntype = "console";\n',
            "local.d/options.inc": f'dns {{ nameserver = ["127.0.0.1:{proc.free_port()}"]; timeout = 100ms; retransmits = 1; }}\n'
                                   f'gtube_patterns = "all";\npidfile = "{self.dir}/pid"; tempdir = "{self.dir}"; control_socket = "{self.dir}/ctl mode=0600"; '
                                   f'hs_cache_dir = "{self.dir}"; rrd = ""; stats_file = "{self.dir}/stats"; '
                                   f'history_file = "{self.dir}/hist"; map_watch_interval = 1h;\n'}
        for name, text in files.items():
            path = os.path.join(etc, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(text)
        where = {"CONFDIR": etc, "LOCAL_CONFDIR": etc, "DBDIR": self.dir, "RUNDIR": self.dir, "LOGDIR": self.dir}
        argv = ["rspamd", "-i", "-f", "-u", "root", "-g", "root", "-c", os.path.join(etc, "rspamd.conf")]
        for name, value in where.items():
            argv += ["--var", f"{name}={value}"]
        self.process = self.env.process("rspamd", argv, self.log)
        self.process.ready(lambda: http_ping(port), 60)
        return self


class Spamd(Engine):
    engine, name = "spamd", "spamassassin"

    def start(self):
        port = proc.free_port()
        self.address = f"127.0.0.1:{port}"
        argv = ["spamd", "-L", "-i", "127.0.0.1", "-A", "127.0.0.1", "-p", str(port), "-m", "2", "-x", "-u", "nobody",
                "-s", "stderr", "-r", os.path.join(self.dir, "pid")]
        self.process = self.env.process("spamd", argv, self.log, env=dict(os.environ, HOME=self.dir))
        self.process.ready(lambda: proc.listening(port), 90)
        return self


def http_ping(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.settimeout(2)
            s.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
            return s.recv(100).startswith(b"HTTP/1.") and True
    except OSError:
        return False


class FakeClamd:
    """A clamd that does to a scan what `mode` says, from the next connection on:

    ok, found          an answer, and the right one
    hang               takes the message and says nothing
    deaf               takes connections and reads nothing
    close              closes after the message; close-early: after its first octets
    cut                half an answer
    garbage            octets that mean nothing; endless: without end
    late               an answer after `delay` seconds
    error              says that it failed
    rest               finds something where a note of a rule stands in place of a part, and nothing before
    limit              says that the message is too large, in the middle of it, and closes
    limit-open         the same, and stays without reading
    """
    engine, name = "clamd", "fake"

    def __init__(self, env, mode="ok", delay=1.0):
        self.mode, self.delay, self.scans, self.messages, self.open = mode, delay, 0, [], []
        self.path = os.path.join(env.folder("fake"), "s")
        self.address = "unix:" + self.path
        self.listener = None
        self.start()
        env.defer(self.stop)

    scanner = Engine.scanner

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(64)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def stop(self):
        """Nobody is there any more."""
        listener, self.listener = self.listener, None
        if listener:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        for s in self.open:
            s.close()

    def _serve(self, listener):
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            if self.mode == "deaf":
                self.open.append(s)
                continue
            threading.Thread(target=self._one, args=(s, self.mode), daemon=True).start()

    def _one(self, s, mode):
        try:
            self._talk(s, s.makefile("rb"), mode)
        except OSError:
            pass
        if mode not in ("hang", "limit-open"):
            s.close()

    def _talk(self, s, f, mode):
        command = b""
        while not command.endswith(b"\0"):
            octet = f.read(1)
            if not octet:
                return
            command += octet
        if command == b"zVERSION\0":
            s.sendall(b"ClamAV 1.0.0/1/Sat Nov 21 00:00:00 2026\0")
            return
        self.scans += 1
        if mode in ("close-early", "limit", "limit-open"):
            f.read(4)
            if mode != "close-early":
                s.sendall(b"INSTREAM size limit exceeded. ERROR\0")
            self.open.append(s)
            return
        message = b""
        while True:
            size = struct.unpack(">I", f.read(4))[0]
            if not size:
                break
            message += f.read(size)
        self.messages.append(message)
        if mode == "hang":
            self.open.append(s)
        elif mode == "late":
            time.sleep(self.delay)
            s.sendall(b"stream: OK\0")
        elif mode == "endless":
            while True:
                s.sendall(b"x" * 65536)
        elif mode == "rest":
            s.sendall(b"stream: Fake.Rest FOUND\0" if b"no-zip" in message else b"stream: OK\0")
        else:
            s.sendall({"ok": b"stream: OK\0", "found": b"stream: Fake.Thing FOUND\0", "cut": b"stream: O", "close": b"",
                       "garbage": b"\xff\xfe\x00\x01 stream: OK\n", "error": b"stream: Can't allocate memory ERROR\0"}[mode])
