"""A country database in MaxMind's format (MMDB 2.0), written from a dictionary: `write(path, {"127.0.0.5/32": "DE"})`."""
import ipaddress
import struct


def _text(text):
    return bytes([2 << 5 | len(text)]) + text.encode()


def _number(kind, value):
    octets = struct.pack("!H" if kind == 5 else "!I", value)
    return (bytes([kind << 5 | len(octets)]) if kind < 8 else bytes([len(octets), kind - 7])) + octets


def _map(pairs):
    return bytes([7 << 5 | len(pairs)]) + b"".join(_text(k) + v for k, v in pairs.items())


def database(countries):
    """The octets: networks of IPv4 and IPv6, each with its two letters."""
    nodes, data = [[None, None]], b""
    for net, code in countries.items():
        net = ipaddress.ip_network(net)
        bits, length = int(net.network_address), net.prefixlen + (96 if net.version == 4 else 0)
        node = 0
        for depth in range(length):
            side = bits >> (127 - depth) & 1
            if depth == length - 1:
                nodes[node][side] = ("data", len(data))
            else:
                if nodes[node][side] is None:
                    nodes.append([None, None])
                    nodes[node][side] = len(nodes) - 1
                node = nodes[node][side]
        data += _map({"country": _map({"iso_code": _text(code)})})

    def record(value):
        if value is None:
            return len(nodes)
        return value if isinstance(value, int) else len(nodes) + 16 + value[1]
    tree = b"".join(struct.pack("!I", record(value))[1:] for node in nodes for value in node)
    about = _map({"binary_format_major_version": _number(5, 2), "binary_format_minor_version": _number(5, 0),
                  "build_epoch": _number(9, 1700000000), "database_type": _text("Test-Country"), "description": _map({}),
                  "ip_version": _number(5, 6), "languages": b"\0\4", "node_count": _number(6, len(nodes)),
                  "record_size": _number(5, 24)})
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + about


def write(path, countries):
    with open(path, "wb") as f:
        f.write(database(countries))
    return path
