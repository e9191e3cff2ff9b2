"""Messages that are made to cost much: large ones, deep ones, archives that grow, archives that hold themselves.

Everything is made here at run time, the same octets each time, none of it harmful when it is only stored.
"""
import base64
import gzip
import io
import lzma
import random
import struct
import zipfile
import zlib

M = 1 << 20


def noise(octets, seed=1):
    """Octets that no program can make smaller."""
    return random.Random(seed).randbytes(octets)


def head(subject, extra=""):
    return (f"From: Sender <sender@example.com>\r\nTo: alice@example.net\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject.replace(' ', '-')}@example.com>\r\nDate: Mon, 20 Nov 2023 10:00:00 +0000\r\n{extra}").encode()


def attached(subject, name, octets):
    """A message with one file in base64."""
    code = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return (head(subject, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n") +
            b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nlook\r\n--b\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Disposition: attachment; filename=\"" + name.encode() +
            b"\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + code + b"--b--\r\n")


def zipped(name, octets):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(zipfile.ZipInfo(name), octets, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def zeros(octets, machine):
    """So many zeros through a compressor, without having them all."""
    out, piece = [], bytes(M)
    for _ in range(octets // M):
        out.append(machine.compress(piece))
    return b"".join(out) + machine.flush()


def raw_zip(name, packed, size, crc):
    """A zip file of one deflated member."""
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, crc, len(packed), size, len(name), 0)
    local = b"PK\3\4" + fields + name
    central = b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


def zip_bomb(octets=512 * M):
    """Zeros: about 1,000 to 1, as much as deflate gives."""
    crc = 0
    for _ in range(octets // M):
        crc = zlib.crc32(bytes(M), crc)
    return raw_zip(b"zeros.txt", zeros(octets, zlib.compressobj(6, zlib.DEFLATED, -15)), octets, crc)


def nested_bomb(levels=5, copies=16, octets=4 * M):
    """Sixteen zip files in each of sixteen, and so on, in the way of 42.zip."""
    inside = zipped("0.dll.txt", bytes(octets))
    for level in range(levels):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
            for copy in range(copies):
                z.writestr(zipfile.ZipInfo(f"lib {copy:x}.zip"), inside, zipfile.ZIP_DEFLATED)
        inside = out.getvalue()
    return inside


def overlapping_bomb(members=2000, octets=4 * M):
    """One body of zeros that every member of the directory names as its own (after David Fifield, "A better zip bomb",
    2019, without the quoting: each local header is the same one)."""
    crc, packed = zlib.crc32(bytes(octets)), zeros(octets, zlib.compressobj(6, zlib.DEFLATED, -15))
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, crc, len(packed), octets, 4, 0)
    body = b"PK\3\4" + fields + b"0000" + packed
    rows = b"".join(b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"%04d" % n
                    for n in range(members))
    return body + rows + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, members, members, len(rows), len(body), 0)


def gzip_bomb(octets=512 * M):
    machine = zlib.compressobj(6, zlib.DEFLATED, 31)
    return zeros(octets, machine)


def seven_bomb(octets=256 * M):
    """A 7z file of one member of zeros, by LZMA2 (7zFormat.txt of the LZMA SDK)."""
    machine = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 * M}])
    packed = zeros(octets, machine)

    def number(n):
        return b"\xff" + struct.pack("<Q", n)

    name = "zeros.txt\0".encode("utf-16-le")
    header = (b"\x01\x04" + b"\x06" + number(0) + number(1) + b"\x09" + number(len(packed)) + b"\x00"
              + b"\x07\x0b" + number(1) + b"\x00" + number(1) + b"\x21\x21\x01\x10" + b"\x0c" + number(octets) + b"\x00" + b"\x08\x00" + b"\x00"
              + b"\x05" + number(1) + b"\x11" + number(1 + len(name)) + b"\x00" + name + b"\x00\x00")
    start = struct.pack("<QQI", len(packed), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + packed + header


def quine(name=b"the-same-again-and-all-of-.zip"):
    """A zip file whose only member is itself, octet for octet.

    The construction is Russ Cox's ("Zip Files All The Way Down", 2010): in deflate, stored blocks are "print the next n
    octets" and matches are "repeat the last n", five octets each; a program of these prints itself around what stands in
    front (the local header) and behind it (the directory). The checksum, which stands in what it sums, is solved for: CRC-32
    is linear.
    """
    unit = 5

    def literal(octets):
        return struct.pack("<BHH", 0, octets, octets ^ 0xFFFF)

    def bits(*values):
        out = "".join(values)
        assert len(out) == 40
        return bytes(int(out[at:at + 8][::-1], 2) for at in range(0, 40, 8))

    def code(value, length):  # Huffman codes go in from their first bit
        return format(value, f"0{length}b")

    def extra(value, length):  # numbers from their last
        return format(value, f"0{length}b")[::-1] if length else ""

    fixed, end = "010", "0000000"
    # 20 octets: twice 10 from 20 back
    four = bits(fixed, *[code(264 - 256, 7) + code(8, 5) + extra(20 - 17, 3)] * 2, end)

    def repeat_start(n):  # one match from n back, and an empty block to fill five octets
        assert n in (65, 66)
        return bits(fixed, code(276 - 256, 7), extra(n - 59, 3), code(12, 5), extra(n - 65, 5), end, fixed, end)

    last = bits(fixed, code(285 - 280 + 0b11000000, 8), code(16, 5), extra(258 - 257, 7), end, fixed, end)
    first = 30 + len(name) + unit

    def build(crc, salt):
        blocks_end = b"\1\0\0\xff\xff"

        def around(packed, size):
            fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, crc, packed, size, len(name), 0)
            central = b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
            # filled up by a comment, so that what is behind is 253 octets
            comment = 253 - len(blocks_end) - len(central) - 22
            tail = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), 30 + len(name) + packed, comment)
            return b"PK\3\4" + fields + name, blocks_end + central + tail + (b"%08d" % salt).ljust(comment, b".")

        def stream(before, behind):
            start, r1, l1, l4, l0, lend = literal(first), repeat_start(first), literal(5), literal(20), literal(0), literal(258)
            return (start + before + start + r1 + l1 + r1 + l1 + l1 + l4 + r1 + l1 + l1 + l4 + four + l4 + four + l4 + four + l4
                    + four + l4 + four + l0 + l0 + lend + four + l0 + l0 + lend + last + behind + last)

        before, behind = around(0, 0)
        packed = len(stream(before, behind)) + len(blocks_end)
        size = 30 + len(name) + packed + len(behind) - len(blocks_end)
        before, behind = around(packed, size)
        return before + stream(before, behind) + behind

    for salt in range(10_000):
        crc = _own_checksum(lambda value: build(value, salt))
        if crc is not None:
            whole = build(crc, salt)
            assert zipfile.ZipFile(io.BytesIO(whole)).read(name.decode()) == whole
            return whole
    raise AssertionError("no checksum sums itself")


def _own_checksum(build):
    """The value c for which crc32(build(c)) == c; None where there is none. Both sides are linear over bits."""
    zero = zlib.crc32(build(0))
    rows = [(zlib.crc32(build(1 << bit)) ^ zero ^ (1 << bit), 1 << bit) for bit in range(32)]
    wanted, answer = zero, 0
    for bit in range(32):
        found = next((row for row in rows if row[0] >> bit & 1), None)
        if found is None:
            if wanted >> bit & 1:
                return None
            continue
        rows.remove(found)
        rows = [(a ^ found[0], b ^ found[1]) if a >> bit & 1 else (a, b) for a, b in rows]
        if wanted >> bit & 1:
            wanted, answer = wanted ^ found[0], answer ^ found[1]
    return answer


# structure
def parts(count):
    return (head("parts", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n") + b"\r\n" +
            b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * count + b"--b--\r\n")


def odd_parts(count):
    """Each part may be read in two ways, so that scanners get each by itself."""
    return (head("odd parts", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n") + b"\r\n" +
            b"".join(b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64;\r\n\r\n" +
                     base64.b64encode(b"part %d of many" % n) + b"\r\n" for n in range(count)) + b"--b--\r\n")


def deep_multiparts(levels):
    opening = "".join(f"Content-Type: multipart/mixed; boundary=l{n}x\r\n\r\n--l{n}x\r\n" for n in range(levels))
    closing = "".join(f"\r\n--l{n}x--\r\n" for n in reversed(range(levels)))
    return head("deep multiparts", "MIME-Version: 1.0\r\n") + (opening + "Content-Type: text/plain\r\n\r\nx" + closing).encode()


def deep_messages(levels):
    return head("deep messages", "MIME-Version: 1.0\r\n") + b"Content-Type: message/rfc822\r\n\r\n" * levels + b"Subject: x\r\n\r\nx\r\n"


def long_header(octets):
    field = b"X-Filler-%07d: " + b"x" * 60 + b"\r\n"
    return head("long header") + b"".join(field % n for n in range(octets // len(field % 0))) + b"\r\nx\r\n"


def long_field(octets):
    line = b" " + b"x" * 75 + b"\r\n"
    return head("long field") + b"X-Filler:" + line * (octets // len(line)) + b"\r\nx\r\n"


def near_boundaries(octets):
    """Lines that are the boundary but for their last octet."""
    boundary = "b" * 70
    lines = b"--" + boundary[:-1].encode() + b"c\r\n"
    return (head("near boundaries", f"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n") +
            f"\r\n--{boundary}\r\n\r\n".encode() + lines * (octets // len(lines)) + f"--{boundary}--\r\n".encode())


def long_boundaries(octets):
    """Lines that begin as the delimiter and go on."""
    boundary = "b" * 70
    line = b"--" + boundary.encode() + b"b\r\n"
    return (head("long boundaries", f"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n") +
            f"\r\n--{boundary}\r\n\r\n".encode() + line * (octets // len(line)) + f"--{boundary}--\r\n".encode())


def line_ends(count):
    """Base64 of one digit a line."""
    return (head("line ends", "MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=a.bin\r\n"
                 "Content-Transfer-Encoding: base64\r\n") + b"\r\n" + b"Q\r\n" * count)


def one_line(octets):
    return head("one line") + b"\r\n" + b"x" * octets + b"\r\n"


def hops(count):
    return b"Received: from a.example (a.example [192.0.2.1]) by b.example; Mon, 20 Nov 2023 10:00:00 +0000\r\n" * count + \
        head("hops") + b"\r\nx\r\n"


def dkim(count):
    return b"".join(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=d%d.example; s=s; h=from:to:subject; "
                    b"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=QUFB\r\n" % n for n in range(count)) + head("signatures") + b"\r\nx\r\n"


# documents
def deep_rtf(groups):
    return b"{\\rtf1" + b"{\\*\\objdata 0105" * groups


def long_rtf(octets):
    return b"{\\rtf1{\\object\\objemb{\\*\\objdata " + b"0 1\r\n" * (octets // 5) + b"}}}"


def wild_pdf(octets):
    one = b"%d 0 obj\n<< /Type /Action /S /J#61vaScript /JS (x) /Next %d 0 R /Filter [/FlateDecode /FlateDecode] >>\nstream\nendstream\nendobj\n"
    return b"%PDF-1.7\n" + b"".join(one % (n, n) for n in range(octets // 130)) + b"trailer\n<< /Root 1 0 R >>\n"


def ole_loop(sectors):
    """A compound file in which every chain of sectors leads to itself, and every entry of the directory to every other."""
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3e, 3, 0xfffe, 9, 6) + bytes(6))
    header += struct.pack("<IIIIIIIII", 0, 109, 1, 0, 4096, 2, sectors, 3, sectors)
    header += struct.pack("<109I", *[0] * 109)
    table = struct.pack("<128I", *[n if n > 1 else 1 for n in range(128)])
    entry = "Root Entry".encode("utf-16-le").ljust(64, b"\0") + struct.pack("<HBBIII", 22, 5, 1, 1, 2, 3) + bytes(36) + struct.pack("<IQ", 4, 1 << 40)
    stream = "WordDocument".encode("utf-16-le").ljust(64, b"\0") + struct.pack("<HBBIII", 26, 2, 1, 1, 1, 1) + bytes(36) + struct.pack("<IQ", 4, 1 << 40)
    return bytes(header) + table + entry + stream * 3 + (stream * 4) * sectors


def gz_members(count):
    return gzip.compress(b"", mtime=0) * count


def empty_members(count):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for n in range(count):
            z.writestr(zipfile.ZipInfo(f"{n}"), b"")
    return out.getvalue()


def same_again(members, octets):
    """A zip file of many entries of the directory that name one member, called encrypted: blocks of deflate with nothing in them."""
    packed = b"\0\0\0\xff\xff" * (octets // 5)
    fields = struct.pack("<HHHHHIIIHH", 20, 1, 8, 0, 0x21, 1, len(packed), 9, 1, 0)
    local = b"PK\3\4" + fields + b"a" + packed
    central = (b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"a") * members
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, members, members, len(central), len(local), 0)


def ppt_objects(records):
    """A presentation of objects that are containers too, each as long as all that is behind it."""
    octets = records * 8
    sectors = -(-octets // 512)
    tables = -(-(sectors + 1) // 127)
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3e, 3, 0xfffe, 9, 6) + bytes(6))
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, 0xfffffffe, 0, 0xfffffffe, 0)
    header += struct.pack("<109I", *[n if n < tables else 0xffffffff for n in range(109)])
    chain = [0xfffffffd] * tables + [0xfffffffe] + [tables + 2 + n for n in range(sectors - 1)] + [0xfffffffe]
    chain += [0xffffffff] * (tables * 128 - len(chain))
    root = "Root Entry".encode("utf-16-le").ljust(64, b"\0") + struct.pack("<HBBIII", 22, 5, 1, 0xffffffff, 0xffffffff, 1)
    stream = "PowerPoint Document".encode("utf-16-le").ljust(64, b"\0")
    stream += struct.pack("<HBBIII", 40, 2, 1, 0xffffffff, 0xffffffff, 0xffffffff)
    directory = root + bytes(36) + struct.pack("<IQ", 0xfffffffe, 0) + stream + bytes(36) + struct.pack("<IQ", tables + 1, octets)
    data = struct.pack("<HHI", 0x000f, 0x1011, octets) * records
    return bytes(header) + struct.pack(f"<{len(chain)}I", *chain) + directory.ljust(512, b"\0") + data.ljust(sectors * 512, b"\0")


def endless_addresses(octets):
    """A page of addresses that nothing ends."""
    one = b"data:,%41%42\r\n"
    return head("addresses", "MIME-Version: 1.0\r\nContent-Type: text/html\r\n") + b"\r\n" + one * (octets // len(one))


def short_uuencode(octets):
    """Lines of one digit that claim 63 octets each."""
    return head("uuencode") + b"\r\nbegin 644 a.bin\r\n" + b"_\r\n" * (octets // 3) + b"end\r\n"
