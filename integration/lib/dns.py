"""A name server on loopback: real packets over UDP and TCP, answers from a dictionary, well or badly as told.

    dns = env.dns({"mx.example.com": {"A": "192.0.2.1", "MX": (10, "a.example.com")},
                   "null.example.com": {"MX": (0, "")},
                   arpa("127.0.0.5"): {"PTR": ["a.example.com", "b.example.com"]},
                   "*.bl.example": {"A": "127.0.0.2"},            # every name below that has no row of its own
                   "sick.example": {"*": Code("SERVFAIL")}})      # every kind of record
    env.gateway(down, dns={"servers": [dns.address]}, trusted={"clients": []})
    dns.rows["new.example"] = {"TXT": "text"}                     # at any time
    dns.count("mx.example.com", "A")                              # packets that asked for it

A name without a row does not exist (NXDOMAIN with an SOA), unless there is one below it; a row without the kind is NODATA.
An answer that is larger than the client takes over UDP is cut, as everywhere. A value may be an action in place of data:
Code, Drop, Delay, Cut, WrongId, WrongName, Garbage.
"""
import ipaddress
import socket
import struct
import threading

KINDS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "OPT": 41}
CODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
TTL = 300


# actions
class Code:
    """An empty answer with this code: NOERROR, SERVFAIL, REFUSED, NXDOMAIN (without an SOA), ..."""

    def __init__(self, name):
        self.code = CODES[name]


class Drop:
    """No answer at all."""


class Delay:
    """`then` (data or an action) after so many seconds; others are served meanwhile."""

    def __init__(self, seconds, then):
        self.seconds, self.then = seconds, then


class Cut:
    """Over UDP nothing but the mark that the answer is cut; whole over TCP. `Cut(data, tcp=False)`: cut there too."""

    def __init__(self, data, tcp=True):
        self.data, self.tcp = data, tcp


class WrongId:
    """An answer to another question, by its number."""

    def __init__(self, data):
        self.data = data


class WrongName:
    """An answer to another question, by its name."""

    def __init__(self, data):
        self.data = data


class Garbage:
    """Octets that are no message."""


def arpa(address):
    """The name of the PTR record of an address."""
    return ipaddress.ip_address(address).reverse_pointer


def listed(address, zone):
    """The name that a DNS list is asked about an address."""
    return arpa(address).rsplit(".", 2)[0] + "." + zone


def _name(text):
    labels = [l.encode() for l in text.split(".")] if text.strip(".") else []
    return b"".join(bytes([len(l)]) + l for l in labels) + b"\0"


def _read_name(octets, at):
    labels = []
    while octets[at]:
        if octets[at] >= 0xC0:  # a pointer: only in answers, read by `ask`
            more, _ = _read_name(octets, (octets[at] & 0x3F) << 8 | octets[at + 1])
            return ".".join(labels + ([more] if more else [])), at + 2
        labels.append(octets[at + 1:at + 1 + octets[at]].decode("ascii", "replace"))
        at += 1 + octets[at]
    return ".".join(labels), at + 1


def _data(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "MX":
        return struct.pack("!H", value[0]) + _name(value[1])
    if kind == "TXT":
        octets = value.encode()
        return b"".join(bytes([len(p)]) + p for p in (octets[i:i + 255] for i in range(0, len(octets) or 1, 255)))
    return _name(value)


def _record(owner, kind, data, ttl=TTL, klass=1):
    return _name(owner) + struct.pack("!HHIH", KINDS[kind], klass, ttl, len(data)) + data


class Dns:
    """The server. `rows` may be changed while it runs."""

    def __init__(self, rows=None, negative_ttl=TTL):
        self.rows, self.negative_ttl = dict(rows or {}), negative_ttl
        self.queries = []          # (name, kind, "udp" or "tcp") as they came
        self.lock, self.halt, self.timers = threading.Lock(), threading.Event(), set()
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(self.tcp.getsockname())
                break
            except OSError:  # somebody has this number over UDP
                self.tcp.close()
                self.udp.close()
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.port = self.tcp.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._serve_udp, self._serve_tcp)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.halt.set()
        with self.lock:
            timers, self.timers = self.timers, set()
        for timer in timers:
            timer.cancel()
        # a thread in recvfrom or accept does not see close(); shutdown() wakes it
        for sock in (self.tcp, self.udp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)
        self.tcp.close()
        self.udp.close()

    # what was asked
    def count(self, name=None, kind=None, over=None):
        """How many queries there were, retries among them."""
        with self.lock:
            return sum((name is None or n == name.lower()) and (kind is None or k == kind) and (over is None or o == over)
                       for n, k, o in self.queries)

    def transcript(self):
        with self.lock:
            return "\n".join(" ".join(q) for q in self.queries[-200:])

    # the wires
    def _serve_udp(self):
        while not self.halt.is_set():
            try:
                octets, peer = self.udp.recvfrom(65535)
            except OSError:
                return
            if octets:
                self._handle(octets, "udp", lambda answer, peer=peer: self.udp.sendto(answer, peer))

    def _serve_tcp(self):
        while not self.halt.is_set():
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._tcp_connection, args=(sock,), daemon=True).start()

    def _tcp_connection(self, sock):
        with sock, sock.makefile("rb") as stream:
            sock.settimeout(60)
            try:
                while len(head := stream.read(2)) == 2:
                    octets = stream.read(struct.unpack("!H", head)[0])
                    self._handle(octets, "tcp", lambda answer: sock.sendall(struct.pack("!H", len(answer)) + answer))
            except OSError:
                pass

    # the answers
    def _find(self, name, kind):
        row = self.rows.get(name)
        labels = name.split(".")
        if row is None and any(n.endswith("." + name) for n in list(self.rows)):
            return None      # only names below it: it is there, with nothing
        for i in range(1, len(labels) + 1):
            if row is not None:
                break
            row = self.rows.get(".".join(["*"] + labels[i:]))
        if row is None:
            return Ellipsis  # no such name
        return row.get(kind, row.get("CNAME", row.get("*")))

    def _handle(self, octets, over, send):
        try:
            name, end = _read_name(octets, 12)
            number, klass = struct.unpack_from("!HH", octets, end)
        except (IndexError, struct.error):
            return
        kind = next((k for k, n in KINDS.items() if n == number), f"TYPE{number}")
        with self.lock:
            self.queries.append((name.lower(), kind, over))
        self._say(_Query(octets, name, kind, end + 4, over), self._find(name.lower(), kind), send)

    def _say(self, query, value, send):
        if isinstance(value, Delay):
            timer = threading.Timer(value.seconds, self._say, (query, value.then, send))
            timer.daemon = True
            with self.lock:
                self.timers = {t for t in self.timers if t.is_alive()} | {timer}
            timer.start()
            return
        if isinstance(value, Drop):
            return
        answer = self._answer(query, value)
        try:
            send(answer)
        except OSError:
            pass

    def _answer(self, query, value):
        if isinstance(value, Code):
            return query.answer(value.code)
        if isinstance(value, Garbage):
            return query.octets[:2] + b"\xff" * 40
        if isinstance(value, WrongId):
            answer = self._answer(query, value.data)
            return bytes([answer[0] ^ 0xFF]) + answer[1:]
        if isinstance(value, WrongName):
            other = _Query(query.octets[:12] + _name("other.example") + struct.pack("!HH", KINDS[query.kind], 1),
                           "other.example", query.kind, 12 + len(_name("other.example")) + 4, query.over)
            return self._answer(other, value.data)
        if isinstance(value, Cut):
            if query.over == "udp" or not value.tcp:
                return query.answer(0, cut=True)
            value = value.data
        if value is None or value is Ellipsis:
            soa = _name("ns.example") + _name("hostmaster.example") + struct.pack("!5I", 1, 60, 60, 60, self.negative_ttl)
            zone = ".".join(query.name.split(".")[-2:])
            return query.answer(3 if value is Ellipsis else 0, authority=[_record(zone, "SOA", soa)])
        return query.answer(0, answers=self._records(query.name, query.kind, value))

    def _records(self, name, kind, value):
        """The records, behind the aliases that lead there."""
        records = []
        for _ in range(8):
            row = self.rows.get(name.lower(), {})
            if kind == "CNAME" or kind in row or "CNAME" not in row:
                break
            target = row["CNAME"]
            records.append(_record(name, "CNAME", _data("CNAME", target)))
            name, value = target, self._find(target.lower(), kind)
        if value is None or value is Ellipsis or isinstance(value, (Code, Drop, Garbage)):
            return records
        for one in value if isinstance(value, list) else [value]:
            records.append(_record(name, kind, _data(kind, one)))
        return records


class _Query:
    """One question, and the frame of its answer."""

    def __init__(self, octets, name, kind, end, over):
        self.octets, self.name, self.kind, self.end, self.over = octets, name, kind, end, over
        # EDNS (RFC 6891): the size that the client takes stands where others have the class
        rest = octets[end:]
        self.edns = len(rest) >= 11 and rest[0] == 0 and struct.unpack_from("!H", rest, 1)[0] == KINDS["OPT"]
        self.room = max(512, struct.unpack_from("!H", rest, 3)[0]) if self.edns else 512

    def answer(self, code, answers=(), authority=(), cut=False):
        flags = 0x8480 | (self.octets[2] & 1) << 8 | code | (0x0200 if cut else 0)   # QR AA RD RA
        extra = [b"\0" + struct.pack("!HHIH", KINDS["OPT"], 1232, 0, 0)] if self.edns else []
        head = self.octets[:2] + struct.pack("!HHHHH", flags, 1, len(answers), len(authority), len(extra))
        whole = head + self.octets[12:self.end] + b"".join([*answers, *authority, *extra])
        if self.over == "udp" and len(whole) > self.room and not cut:
            return self.answer(code, cut=True)
        return whole


def ask(address, name, kind, tcp=False, timeout=2):
    """A client for the server's own tests: (code, cut, [(owner, kind, data octets)]), or None for silence."""
    host, port = address.rsplit(":", 1)
    query = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 1) + _name(name) + struct.pack("!HH", KINDS[kind], 1)
    query += b"\0" + struct.pack("!HHIH", KINDS["OPT"], 1232, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((host, int(port)))
        sock.sendall((struct.pack("!H", len(query)) if tcp else b"") + query)
        try:
            if tcp:
                stream = sock.makefile("rb")
                octets = stream.read(struct.unpack("!H", stream.read(2))[0])
            else:
                octets = sock.recv(65535)
        except TimeoutError:
            return None
    number, flags, _, answers = struct.unpack_from("!HHHH", octets)
    if number != 4711:
        return "wrong id"
    _, at = _read_name(octets, 12)
    at, found = at + 4, []
    for _ in range(answers):
        owner, at = _read_name(octets, at)
        kind_number, _, _, length = struct.unpack_from("!HHIH", octets, at)
        at += 10 + length
        found.append((owner, next(k for k, n in KINDS.items() if n == kind_number), octets[at - length:at]))
    return flags & 15, bool(flags & 0x0200), found
