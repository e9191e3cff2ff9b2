"""How careless servers read message data: the oracle of the smuggling tests.

A strict server ends DATA at CRLF.CRLF only. Real ones have taken a dot between any two of CRLF, LF and CR for the end,
some after dropping NULs. What a proxy sends down must hold none of these before the true end.
"""
import re

_EOL = rb"(?:\r\n|\n|\r)"
_END = re.compile(_EOL + rb"\." + _EOL)


def early_end(wire):
    """Where a careless server would end this DATA stream before its true end: the octets there, or None.

    `wire` is what followed our 354, with the true final CRLF.CRLF. The stream starts at a line start.
    """
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n", f"no true end: {wire[-20:]!r}"
    body = b"\r\n" + wire
    for seen in (body, body.replace(b"\x00", b"")):
        at = _END.search(seen)
        # the first end found must be the last octets of all
        if at and at.end() != len(seen):
            return seen[max(0, at.start() - 10):at.end() + 30]
    return None


def bare(wire):
    """The first bare CR, bare LF or NUL with its surroundings, or None."""
    at = re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", wire)
    return wire[max(0, at.start() - 10):at.end() + 10] if at else None


def unstuff(wire):
    """The message that a strict server takes from DATA octets (with the final dot)."""
    body = wire[:-3]
    if body.startswith(b"."):
        body = body[1:]
    return body.replace(b"\r\n.", b"\r\n")
