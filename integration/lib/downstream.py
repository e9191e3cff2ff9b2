"""A scripted SMTP server that can misbehave, and that remembers every octet.

    Downstream()                                       accepts everything
    Downstream({"RCPT": ["250 ok", "550 5.1.1 no"]})   per occurrence in one connection; afterwards the default again
    Downstream({"MAIL": "451 4.3.0 later"})            always
    Downstream(first, second)                          one script per connection, the last one for all further ones

Keys of a script: banner, EHLO, HELO, MAIL, RCPT, DATA, dot (the reply to the end of data), BDAT (each chunk's), RSET,
NOOP, QUIT, VRFY, XCLIENT, XFORWARD, AUTH, STARTTLS; keywords (list of the EHLO keywords), tls (a certs.Certificate),
implicit (True: TLS from the first octet), connect (an action when a connection comes, before the banner), proxy (True:
a PROXY v2 header comes first).
A value is a text (CRLF is added, "\\n" makes several lines as they stand), bytes (sent as they are), an action, None
(silence), a function (connection, line) -> value, or a list of these.
"""
import base64
import re
import socket
import ssl
import struct
import threading
import time

from . import lenient, proc

KEYWORDS = ["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING"]


# actions
class Close:
    """Sends `first` (octets as they are) and closes; with `reset` by RST."""

    def __init__(self, first=b"", reset=False):
        self.first, self.reset = first, reset


class Delay:
    """Waits, then does `then`."""

    def __init__(self, seconds, then):
        self.seconds, self.then = seconds, then


class Hold:
    """Waits for the test to set `event`, then does `then`."""

    def __init__(self, event, then):
        self.event, self.then = event, then


class Endless:
    """Sends `piece` for ever (until the other side closes, 64 MB at most)."""

    def __init__(self, piece=b"250-more\r\n"):
        self.piece = piece


class Drip:
    """Sends the octets one by one."""

    def __init__(self, data, gap=0.005):
        self.data, self.gap = data, gap


class First:
    """Does `value` the first `n` times in the life of the server, afterwards what a good server does."""

    def __init__(self, value, n=1):
        self.value, self.left, self.lock = value, n, threading.Lock()

    def take(self, default):
        with self.lock:
            self.left -= 1
            return self.value if self.left >= 0 else default


class _Gone(Exception):
    pass


class Transaction:
    """What one MAIL began: its lines, the message, the facts that held, and what we answered at the end."""

    def __init__(self, connection, mail):
        self.connection, self.mail, self.rcpt, self.refused = connection, mail, [], []
        self.facts = dict(connection.facts)
        self.wire = b""        # DATA octets as they came, with the final dot; or the BDAT octets
        self.message = None    # what a strict server takes; None until the end of data came
        self.bdat = []         # the sizes of the chunks
        self.reply = None      # what was sent for the end of data

    @property
    def accepted(self):
        """Whether a whole, well-formed 250 went out for it (what follows that is surplus)."""
        return self.message is not None and bool(re.match(rb"(250-[^\r\n]{0,2000}\r\n)*250 [^\r\n]{0,2000}\r\n", self.reply or b""))

    def early_end(self):
        """Octets that a lenient server would have taken for the end (None in a BDAT message: no end is looked for)."""
        return None if self.bdat else lenient.early_end(self.wire)

    def fields(self, name):
        """Values of a header field of the message, unfolded."""
        header = self.message.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
        start = name.lower().encode() + b":"
        return [l[len(start):].strip().decode("utf-8", "replace") for l in header.split(b"\r\n") if l.lower().startswith(start)]


class Connection(threading.Thread):
    """One client of ours, i.e. one session of the gateway."""

    def __init__(self, server, sock, peer, script, number):
        super().__init__(daemon=True)
        self.server, self.sock, self.peer, self.script, self.number = server, sock, peer, script, number
        self.received, self.buffer, self.sent = bytearray(), b"", b""
        self.commands = []       # lines as they came, without CRLF
        self.transactions = []
        self.facts = {}          # XCLIENT and XFORWARD attributes in force
        self.current = None
        self.proxy = None        # the PROXY header's octets
        self.helo = None
        self.user = None
        self.tls = False
        self.ended = None        # how it ended: "quit", "closed", "ours"
        self.counts = {}

    # octets
    def _recv(self):
        try:
            piece = self.sock.recv(65536)
        except (OSError, ValueError):
            raise _Gone("closed") from None
        if not piece:
            raise _Gone("closed")
        self.received += piece
        self.buffer += piece

    def line(self):
        while b"\r\n" not in self.buffer:
            self._recv()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def octets(self, n):
        data = bytearray(self.buffer)
        self.buffer = b""
        while len(data) < n:
            self._recv()
            data += self.buffer
            self.buffer = b""
        self.buffer = bytes(data[n:])
        return bytes(data[:n])

    def to_dot(self):
        """DATA octets up to CRLF.CRLF, as a strict server reads."""
        data, at = bytearray(), 0
        while True:
            data += self.buffer
            self.buffer = b""
            end = 3 if data[:3] == b".\r\n" else data.find(b"\r\n.\r\n", max(0, at - 5)) + 5
            if end >= 5 or data[:3] == b".\r\n":
                self.buffer = bytes(data[end:])
                return bytes(data[:end])
            at = len(data)
            self._recv()

    def send(self, data):
        try:
            self.sock.sendall(data)
            self.sent += data[:100000]
        except OSError:
            raise _Gone("closed") from None

    # script
    def act(self, key, line=b"", default="250 2.0.0 Ok"):
        """Does what the script has for this key; gives the octets that were sent (or None)."""
        value = self.script.get(key, default)
        if isinstance(value, list):
            n = self.counts[key] = self.counts.get(key, -1) + 1
            value = value[n] if n < len(value) else default
        if isinstance(value, First):
            value = value.take(default)
        return self.perform(value, line)

    def perform(self, value, line):
        if callable(value):
            value = value(self, line)
        if value is None:
            return None
        if isinstance(value, Delay):
            self.server.halt.wait(value.seconds)
            return self.perform(value.then, line)
        if isinstance(value, Hold):
            while not value.event.wait(0.05):
                if self.server.halt.is_set():
                    raise _Gone("ours")
            return self.perform(value.then, line)
        if isinstance(value, Close):
            if value.first:
                self.send(value.first)
            if value.reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Gone("ours")
        if isinstance(value, Endless):
            for _ in range(64_000_000 // len(value.piece) // 100):
                self.send(value.piece * 100)
            raise _Gone("ours")
        if isinstance(value, Drip):
            for i in range(len(value.data)):
                self.send(value.data[i:i + 1])
                time.sleep(value.gap)
            return value.data
        if isinstance(value, str):
            value = value.replace("\n", "\r\n").encode() + b"\r\n"
        self.send(value)
        return value

    # the dialogue
    def run(self):
        try:
            if self.script.get("connect") is not None:
                self.perform(self.script["connect"], b"")
            if self.script.get("proxy"):
                self._proxy()
            if self.script.get("implicit"):
                self._handshake()
            self.act("banner", default="220 backend.test ESMTP")
            while True:
                line = self.line()
                self.commands.append(line)
                verb = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
                self._command(verb, line)
        except _Gone as how:
            self.ended = str(how)
        except Exception as e:  # a test should see it
            self.ended = f"{type(e).__name__}: {e}"
        finally:
            self.sock.close()

    def _proxy(self):
        head = self.octets(16)
        self.proxy = head + self.octets(struct.unpack(">H", head[14:16])[0])

    def _handshake(self):
        self.buffer = b""
        self.sock = self.script["tls"].server_context().wrap_socket(self.sock, server_side=True)
        self.tls = True

    def _command(self, verb, line):
        handler = getattr(self, "_" + verb.lower(), None)
        if verb in ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT", "XCLIENT", "XFORWARD", "AUTH", "STARTTLS"):
            handler(line)
        elif verb in ("NOOP", "VRFY"):
            self.act(verb, line)
        else:
            self.act("other", line, "500 5.5.2 unknown command")

    def keywords(self):
        words = self.script.get("keywords", KEYWORDS)
        if callable(words):
            words = words(self)
        if self.script.get("tls") and not self.tls and not self.script.get("implicit"):
            words = [*words, "STARTTLS"]
        return words

    def _ehlo(self, line):
        self.helo, self.current = line.split(b" ")[-1], None
        words = ["backend.test", *self.keywords()]
        self.act("EHLO", line, "\n".join(f"250{'-' if i < len(words) - 1 else ' '}{w}" for i, w in enumerate(words)))

    def _helo(self, line):
        self.helo, self.current = line.split(b" ")[-1], None
        self.act("HELO", line, "250 backend.test")

    def _mail(self, line):
        sent = self.act("MAIL", line, "250 2.1.0 Ok")
        if sent and sent[:1] == b"2":
            self.current = Transaction(self, line)
            self.transactions.append(self.current)

    def _rcpt(self, line):
        sent = self.act("RCPT", line, "250 2.1.5 Ok" if self.current else "503 5.5.1 MAIL first")
        if self.current:
            (self.current.rcpt if sent and sent[:1] == b"2" else self.current.refused).append(line)

    def _data(self, line):
        ok = self.current and self.current.rcpt
        sent = self.act("DATA", line, "354 go" if ok else "503 5.5.1 RCPT first")
        if sent is None or sent[:1] != b"3" or not ok:
            return
        self.current.wire = self.to_dot()
        self._complete(lenient.unstuff(self.current.wire), line)

    def _bdat(self, line):
        words = line.split()
        chunk = self.octets(int(words[1]))
        if not (self.current and self.current.rcpt):
            self.act("BDAT", line, "503 5.5.1 RCPT first")
            return
        self.current.bdat.append(len(chunk))
        self.current.wire += chunk
        if words[-1].upper() == b"LAST":
            self._complete(self.current.wire, line)
        else:
            self.act("BDAT", line, f"250 2.0.0 {len(chunk)} octets")

    def _complete(self, message, line):
        done, self.current = self.current, None
        done.message = message
        # counted as taken before the reply goes out: the reply may be the last thing that anybody sees
        done.reply = b"?"
        n = self.server.next_id()
        try:
            done.reply = self.act("dot", line, f"250 2.0.0 Ok: queued as T{n}")
        except _Gone:
            done.reply = None
            raise

    def _rset(self, line):
        self.current = None
        self.act("RSET", line)

    def _quit(self, line):
        self.act("QUIT", line, "221 2.0.0 Bye")
        raise _Gone("quit")

    def _xclient(self, line):
        self.facts.update({"XCLIENT " + k: v for k, v in _attributes(line).items()})
        self.current = None
        self.act("XCLIENT", line, "220 backend.test ESMTP")

    def _xforward(self, line):
        self.facts.update({"XFORWARD " + k: v for k, v in _attributes(line).items()})
        self.act("XFORWARD", line)

    def _auth(self, line):
        if "AUTH" in self.script:
            sent = self.act("AUTH", line)
            if sent and sent[:3] == b"235":
                self.user = "scripted"
            return
        words = line.split()
        if words[1].upper() == b"PLAIN":
            if len(words) == 3:
                answer = words[2]
            else:
                self.send(b"334 \r\n")
                answer = self.line()
            user, secret = base64.b64decode(answer).split(b"\0")[1:] if answer != b"*" else (b"", b"")
        else:
            self.send(b"334 VXNlcm5hbWU6\r\n")
            user = base64.b64decode(self.line())
            self.send(b"334 UGFzc3dvcmQ6\r\n")
            secret = base64.b64decode(self.line())
        if (user, secret) == (b"alice", b"secret"):
            self.user = "alice"
            self.send(b"235 2.7.0 Authentication successful\r\n")
        else:
            self.send(b"535 5.7.8 Authentication credentials invalid\r\n")

    def _starttls(self, line):
        sent = self.act("STARTTLS", line, "220 2.0.0 go" if self.script.get("tls") else "502 5.5.1 no TLS")
        if sent and sent[:3] == b"220" and self.script.get("tls"):
            self.facts, self.current = {}, None
            try:
                self._handshake()
            except (OSError, ssl.SSLError):
                raise _Gone("handshake") from None


def _attributes(line):
    return dict(w.split("=", 1) for w in line.decode("utf-8", "replace").split(" ")[1:] if "=" in w)


class Downstream:
    """The server. `connections` in the order they came."""

    def __init__(self, *scripts, port=None, host="127.0.0.1"):
        self.scripts = list(scripts) or [{}]
        self.host, self.port = host, port or proc.free_port()
        self.connections, self.halt = [], threading.Event()
        self._ids, self._lock, self._listener = 0, threading.Lock(), None
        self.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        """Listens (again, after stop)."""
        self.halt = threading.Event()
        self._listener = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.host, self.port))
        self._listener.listen(512)
        threading.Thread(target=self._accept, args=(self._listener, self.halt), daemon=True).start()
        return self

    def _accept(self, listener, halt):
        while not halt.is_set():
            try:
                sock, peer = listener.accept()
            except OSError:
                return
            if halt.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            n = len(self.connections)
            connection = Connection(self, sock, peer, self.scripts[min(n, len(self.scripts) - 1)], n)
            self.connections.append(connection)
            connection.start()

    def stop(self):
        """Stops listening and drops every connection."""
        self.halt.set()
        if self._listener:
            try:
                self._listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._listener.close()
        for c in self.connections:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def next_id(self):
        with self._lock:
            self._ids += 1
            return self._ids

    # what happened
    def sessions(self):
        """Connections that said MAIL (a gateway also probes)."""
        return [c for c in self.connections if any(l.upper().startswith(b"MAIL") for l in c.commands)]

    @property
    def transactions(self):
        return [t for c in self.connections for t in c.transactions]

    @property
    def messages(self):
        """Complete messages, whatever was answered to them."""
        return [t for t in self.transactions if t.message is not None]

    @property
    def accepted(self):
        self._settle()
        return [t for t in self.messages if t.accepted]

    def _settle(self):
        """A client may hear the reply before the thread that sent it has noted that it did."""
        give_up = time.monotonic() + 1
        while any(t.reply == b"?" for t in self.transactions) and time.monotonic() < give_up:
            time.sleep(0.005)

    def commands(self, verb=None):
        lines = [l for c in self.connections for l in c.commands]
        return lines if verb is None else [l for l in lines if l.upper().startswith(verb.encode())]

    def wait_messages(self, count, seconds=20):
        proc.wait_for(lambda: len(self.messages) >= count, f"{count} messages downstream, {len(self.messages)} came", seconds)
        return self.messages

    def transcript(self):
        """For a failure report."""
        text = ""
        for c in self.connections[-6:]:
            text += f"connection {c.number} from {c.peer}: ended {c.ended}\n  got  {bytes(c.received[-1500:])!r}\n  sent {c.sent[-800:]!r}\n"
        return text
