"""Every look-alike of the end of data: never a second message, and nothing goes down that a lenient server ends at."""
import itertools
import time

from lib import lenient
from lib.client import Client, Closed, text

ENDS = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "LFCR": b"\n\r", "CRCR": b"\r\r", "CRCRLF": b"\r\r\n", "CRNULLF": b"\r\0\n",
        "NUL": b"\0", "CRLFNUL": b"\r\n\0", "NULCRLF": b"\0\r\n"}
LOOKALIKES = {f"{a}.{b}": ENDS[a] + b"." + ENDS[b] for a, b in itertools.product(ENDS, ENDS) 
              # these two hold the true end and nothing bad before it
              if (a, b) not in (("CRLF", "CRLF"), ("CRLF", "CRLFNUL"))}
EVIL = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\nQUIT\r\n"
HEAD = text("carrier") + b"last line"
assert EVIL.count(b"\r\n.\r\n") == 1


def pieces(client, *parts):
    """Sends the parts as reads of their own; a close in between is the server's right."""
    for i, part in enumerate(parts):
        if i:
            time.sleep(0.002)
        if not client.try_send(part):
            return


def session(gate, *parts):
    """One DATA transaction with these octets after 354; every reply that came, until the server closed or fell silent."""
    replies = []
    with Client(gate.address, timeout=15) as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        pieces(c, *parts)
        try:
            replies.append(c.reply())
            c.try_send(b"QUIT\r\n")
            while True:
                replies.append(c.reply())
        except Closed:
            pass
    return replies


def judge(what, down, replies, refused=True):
    """No smuggled command or message below; nothing that a lenient server would end at; the right answer above."""
    assert not [l for l in down.commands("MAIL") if b"evil" in l], (what, "smuggled MAIL went down", down.transcript())
    assert not [t for t in down.messages if b"smuggled" in t.message.partition(b"\r\n\r\n")[0]], (what, down.transcript())
    for t in down.messages:
        assert t.early_end() is None, (what, t.early_end())
        assert lenient.bare(t.wire) is None, (what, lenient.bare(t.wire))
    if refused:
        assert not down.messages, (what, down.messages[0].wire)
        assert replies[0].code // 100 == 5, (what, replies)
        assert not [r for r in replies[1:] if r.code not in (221, 421)], (what, "read on after untrusted data", replies)
    down.connections[:] = down.connections[-50:]


def test_control(env):
    """After the true end the same octets are commands: the table would notice."""
    down = env.downstream()
    gate = env.gateway(down)
    replies = session(gate, HEAD + b"\r\n.\r\n" + EVIL)
    # its DATA has octets before our 354, so there is no second message all the same
    assert [r.code for r in replies][:3] == [250, 250, 250], replies
    assert [l for l in down.commands("MAIL") if b"evil" in l] and len(down.messages) == 1


def test_reject_every_lookalike(env):
    down = env.downstream()
    gate = env.gateway(down)
    for what, end in LOOKALIKES.items():
        judge(what, down, session(gate, HEAD + end + EVIL))
        if not what.startswith("CRLF."):
            continue
        # after 354 a line starts: the dot may be the very first octet
        judge(what + ", first octets", down, session(gate, end[2:] + EVIL))


def test_reject_split_anywhere(env):
    down = env.downstream()
    gate = env.gateway(down)
    every = LOOKALIKES if env.nightly else {k: v for k, v in LOOKALIKES.items() if "NUL" not in k}
    for what, end in every.items():
        whole = HEAD + end + EVIL
        for at in range(len(HEAD) - 1, len(HEAD) + len(end) + 2):
            judge(f"{what} split at {at - len(HEAD)}", down, session(gate, whole[:at], whole[at:]))


def test_octet_by_octet(env):
    down = env.downstream()
    gate = env.gateway(down)
    for what in ("LF.LF", "LF.CRLF", "CRLF.LF", "CRLF.CR", "CR.CR", "CRCRLF.CRLF", "CRLFNUL.CRLF", "CRLF.CRNULLF"):
        around = b"x" + LOOKALIKES[what] + b"MAIL FROM:<evil@example.com>"
        rest = b"\r\n" + EVIL
        judge(what, down, session(gate, HEAD, *[around[i:i + 1] for i in range(len(around))], rest))


def test_true_end_split_anywhere(env):
    down = env.downstream()
    gate = env.gateway(down)
    whole = HEAD + b"\r\n..\r\n.\r\n"
    for at in range(len(HEAD) - 1, len(whole) + 1):
        before = len(down.messages)
        assert session(gate, *[p for p in (whole[:at], whole[at:]) if p])[0].code == 250
        assert len(down.messages) == before + 1 and down.messages[-1].message.endswith(HEAD + b"\r\n.\r\n"), at


def test_normalize(env):
    """Repaired to CRLF before anything else: one message, whose wire form every server reads alike."""
    down = env.downstream()
    gate = env.gateway(down, listener={"bare_newline": "normalize"})
    for what, end in LOOKALIKES.items():
        if b"\r\n.\r\n" in end:
            continue  # the true end is in it: what follows is honestly a second transaction
        before = len(down.messages)
        replies = session(gate, HEAD + end + EVIL)
        judge(what, down, replies, refused=False)
        assert len(down.messages) <= before + 1, what
        if replies[0].code == 250:
            got = down.messages[-1]
            assert got.message.endswith(b"Subject: smuggled\r\n\r\nevil\r\n"), (what, got.message)
        else:
            # a NUL cannot be repaired
            assert b"\0" in end and replies[0].code // 100 == 5, (what, replies)


def test_normalize_from_a_list(env):
    down = env.downstream()
    gate = env.gateway(down, listener={"normalize_from": ["127.0.0.9/32"]})
    for source, code in (("127.0.0.9", 250), ("127.0.0.1", 550)):
        with gate.client(source=source) as c:
            c.ehlo()
            c.envelope()
            c.must("DATA", 354)
            c.send(text("repaired") + b"a\nb\n\r\n.\r\n")
            got = c.reply()
            assert got.code == code, (source, got)
    assert down.messages[0].message.endswith(b"a\r\nb\r\n\r\n") and len(down.messages) == 1


def test_bare_ends_in_bdat(env):
    for offered in (True, False):
        down = env.downstream({} if offered else {"keywords": ["PIPELINING", "8BITMIME"]})
        gate = env.gateway(down)
        for what, end in LOOKALIKES.items():
            message = HEAD + end + EVIL
            with gate.client() as c:
                c.ehlo()
                c.envelope()
                c.send(b"BDAT %d LAST\r\n" % len(message) + message)
                replies = [c.reply()]
            judge(f"BDAT {what}", down, replies)
        gate.stop()


def test_dots_in_bdat_are_text(env):
    """CRLF.CRLF inside a chunk is text: in DATA downstream it must be stuffed, also across chunk borders."""
    message = HEAD + b"\r\n.\r\n" + EVIL
    for offered in (True, False):
        down = env.downstream({} if offered else {"keywords": ["PIPELINING", "8BITMIME"]})
        gate = env.gateway(down)
        for at in [0, *range(len(HEAD), len(HEAD) + 6)]:
            with gate.client() as c:
                c.ehlo()
                c.envelope()
                c.send((b"BDAT %d\r\n" % at + message[:at] if at else b"") + b"BDAT %d LAST\r\n" % (len(message) - at) + message[at:])
                for _ in range(2 if at else 1):
                    assert c.reply().code == 250
            got = down.messages[-1]
            assert got.message.endswith(message), got.wire
            assert got.early_end() is None
            assert not [l for l in down.commands("MAIL") if b"evil" in l]
        assert len(down.messages) == 7
        gate.stop()


def test_pipelined_before_354(env):
    """Octets of data before our 354 are a violation: never are they a message, never commands."""
    down = env.downstream()
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        c.send(b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<alice@example.net>\r\nDATA\r\n" + HEAD + b"\n.\n" + EVIL)
        assert [r.code for r in c.replies(2)] == [250, 250]
        assert not c.rest().startswith(b"250")
    judge("early data", down, [], refused=False)
    assert not down.messages


def test_refused_data_command(env):
    """DATA that we refuse has no data: what follows is not taken for a message."""
    down = env.downstream({"RCPT": "550 5.1.1 no"})
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<alice@example.net>", 550)
        got = c.cmd("DATA")
        assert got.code in (503, 554), got
    assert not down.messages and not down.commands("DATA")


def test_bare_ends_in_commands(env):
    down = env.downstream()
    gate = env.gateway(down)
    for line in (b"NOOP\nMAIL FROM:<evil@example.com>\r\n", b"NOOP\rMAIL FROM:<evil@example.com>\r\n", b"NO\0OP\r\n",
                 b"MAIL FROM:<sender@example.com>\nRCPT TO:<evil@example.net>\r\n", b"MAIL FROM:<a@example.com>\r\r\n"):
        with gate.client() as c:
            c.ehlo()
            c.send(line)
            assert c.reply().code in (500, 501, 421, 554), line
    assert not [l for l in down.commands() if b"evil" in l]
    assert not down.messages
