"""A raw SMTP client: what is given is what is sent, byte for byte."""
import socket
import ssl

from .certs import client_context

CRLF = b"\r\n"


class Reply:
    """One reply, all its lines."""

    def __init__(self, raw):
        self.raw = raw
        self.lines = [l.decode("utf-8", "replace") for l in raw.split(CRLF)[:-1]]
        self.code = int(raw[:3]) if raw[:3].isdigit() else 0
        self.text = "\n".join(l[4:] for l in self.lines)

    @property
    def enhanced(self):
        """The enhanced status code, or ""."""
        first = self.lines[0][4:].split(" ")[0] if self.lines else ""
        return first if first.count(".") == 2 and first.replace(".", "").isdigit() else ""

    def __eq__(self, other):
        return self.code == other if isinstance(other, int) else NotImplemented

    def __hash__(self):
        return hash(self.raw)

    def __repr__(self):
        return f"Reply({self.raw!r})"


class Closed(AssertionError):
    """The server closed where a reply was due."""


def dot_stuff(message):
    """The wire form of a message that ends in CRLF, with the final dot."""
    assert message == b"" or message.endswith(CRLF)
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def text(subject="test", size=None, line=b"The quick brown fox jumps over the lazy dog 0123456789.\r\n", extra=b""):
    """A small message; `size` fills its body up."""
    head = (b"From: <sender@example.com>\r\nTo: <alice@example.net>\r\nSubject: " + subject.encode() +
            b"\r\nMessage-ID: <" + subject.encode().replace(b" ", b"-") + b"@example.com>\r\nDate: Mon, 20 Nov 2023 10:00:00 +0000\r\n" + extra + b"\r\n")
    if size:
        return head + (line * (size // len(line) + 1))[:max(0, size - len(head) - 2)] + b"\r\n"
    return head + line


class Client:
    """A connection. Reads the greeting unless `greet` is False."""

    def __init__(self, target, source=None, timeout=30, prelude=b"", implicit=False, greet=True, sni="mx.example.net"):
        host, port = target.rsplit(":", 1) if isinstance(target, str) else ("127.0.0.1", target)
        host = host.strip("[]")
        self.sock = socket.create_connection((host, int(port)), timeout, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(timeout)
        self.buffer, self.sni, self.keywords = b"", sni, {}
        if prelude:
            self.sock.sendall(prelude)
        if implicit:
            self.sock = client_context().wrap_socket(self.sock, server_hostname=sni)
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # bytes
    def send(self, data):
        self.sock.sendall(data)

    def try_send(self, data):
        """Sends; a connection that the server closed meanwhile is no error."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def _line(self):
        while b"\n" not in self.buffer:
            try:
                piece = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
                piece = b""
            if not piece:
                raise Closed(f"closed; before it came {self.buffer!r}")
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def reply(self):
        raw = b""
        while True:
            line = self._line()
            assert line.endswith(CRLF), f"reply line without CRLF: {line!r}"
            assert len(line) < 3 or line[:3].isdigit(), f"no reply line: {line!r}"
            assert not raw or line[:3] == raw[:3], f"codes differ in one reply: {raw + line!r}"
            raw += line
            if line[3:4] != b"-":
                return Reply(raw)

    def replies(self, n):
        return [self.reply() for _ in range(n)]

    def rest(self):
        """Everything until the server closes."""
        got, self.buffer = self.buffer, b""
        try:
            while piece := self.sock.recv(65536):
                got += piece
        except (ConnectionResetError, ssl.SSLEOFError):
            pass
        return got

    def closed(self, seconds=10):
        """Whether the server closes, sending nothing more."""
        self.sock.settimeout(seconds)
        try:
            return self.rest() == b""
        except TimeoutError:
            return False

    def silent(self, seconds=0.3):
        """Whether nothing comes for a while."""
        if self.buffer:
            return False
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.buffer += self.sock.recv(65536)
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(old)

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    # commands
    def cmd(self, line):
        """One command line (CRLF is added), one reply."""
        self.send((line.encode() if isinstance(line, str) else line) + CRLF)
        return self.reply()

    def must(self, line, code):
        got = self.cmd(line)
        assert got.code == code, f"{line!r}: expected {code}, got {got}"
        return got

    def ehlo(self, name="client.example.com"):
        got = self.must(f"EHLO {name}", 250)
        self.keywords = {}
        for l in got.lines[1:]:
            word, _, value = l[4:].partition(" ")
            self.keywords[word.upper()] = value
        return got

    def starttls(self):
        self.must("STARTTLS", 220)
        assert not self.buffer, f"bytes after the reply to STARTTLS: {self.buffer!r}"
        return self.wrap()

    def wrap(self):
        """The TLS handshake, now."""
        self.sock = client_context().wrap_socket(self.sock, server_hostname=self.sni)
        return self

    def envelope(self, rcpt=("alice@example.net",), sender="sender@example.com", mail_params=""):
        self.must(f"MAIL FROM:<{sender}>{' ' + mail_params if mail_params else ''}", 250)
        for r in [rcpt] if isinstance(rcpt, str) else rcpt:
            self.must(f"RCPT TO:<{r}>", 250)

    def data(self, message):
        """DATA with a message (not yet dot-stuffed); the reply to the final dot."""
        self.must("DATA", 354)
        self.send(dot_stuff(message))
        return self.reply()

    def mail(self, message=None, rcpt=("alice@example.net",), sender="sender@example.com", mail_params="", subject="test"):
        """A whole transaction that must be accepted up to DATA; the reply to the final dot."""
        self.envelope(rcpt, sender, mail_params)
        return self.data(text(subject) if message is None else message)

    def quit(self):
        got = self.cmd("QUIT")
        assert got.code == 221, got
        assert self.closed(), "open after 221"


def send(target, message=None, **kw):
    """One message over a connection of its own; the final reply."""
    options = {k: kw.pop(k) for k in ("source", "prelude", "implicit", "timeout") if k in kw}
    with Client(target, **options) as c:
        c.ehlo()
        got = c.mail(message, **kw)
        c.cmd("QUIT")
        return got
