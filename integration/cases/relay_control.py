"""It is no open relay, whatever stands behind: here stands a server that takes anything."""
import os

from lib.client import send


def answers(gateway, rcpts, **kw):
    """The reply to each recipient, each in a transaction of its own."""
    got = []
    for i in range(0, len(rcpts), 5):  # refusals count as errors: not too many in one session
        with gateway.client(**kw) as c:
            c.ehlo()
            for rcpt in rcpts[i:i + 5]:
                c.must("MAIL FROM:<sender@example.com>", 250)
                got.append(c.cmd(b"RCPT TO:" + rcpt))
                c.must("RSET", 250)
    return got


OURS = [b"<alice@example.net>", b"<alice@EXAMPLE.NET>", b"<a+b@example.net>", b"<postmaster>", b"<Postmaster>", b"<PostMaster@example.net>",
        b'<"quoted name"@example.net>', b"<o'brien@example.net>"]
REFUSED = [b"<x@elsewhere.test>", b"<x@sub.example.net>", b"<x@notexample.net>", b"<x@example.net.elsewhere.test>", b"<x@example.ne>",
           # source routes
           b"<@elsewhere.test:x@example.net>", b"<@example.net:x@elsewhere.test>", b"<@example.net,@elsewhere.test:x@example.net>",
           # the percent hack, bang paths, a quoted address: the server behind might route them on
           b"<user%elsewhere.test@example.net>", b"<elsewhere.test!user@example.net>", b'<"user@elsewhere.test"@example.net>',
           b'<"user%elsewhere.test"@example.net>', b'<"elsewhere.test!user"@example.net>', b"<user%elsewhere.test%example.net@example.net>",
           b'<"x\\@elsewhere.test"@example.net>', b"<user@elsewhere.test@example.net>",
           b"<IMCEASMTP-user+40elsewhere+2Etest@example.net>",
           # foreign literals, unqualified names
           b"<x@[192.0.2.1]>", b"<x@[127.0.0.1]>", b"<x@[IPv6:2001:db8::1]>", b"<alice>", b"<root>", b'<"x@elsewhere.test">', b"<user%elsewhere.test>"]


def test_table(env):
    down = env.downstream()
    front = env.gateway(down)
    for rcpt, reply in zip(OURS, answers(front, OURS)):
        assert reply.code == 250, (rcpt, reply)
    before = len(down.commands("RCPT"))
    assert before == len(OURS)
    for rcpt, reply in zip(REFUSED, answers(front, REFUSED)):
        assert reply.code in (550, 553, 501) and reply.enhanced in ("5.7.1", "5.1.3"), (rcpt, reply)
        if rcpt == b"<x@elsewhere.test>":
            assert reply.code == 550 and reply.enhanced == "5.7.1", reply
            assert "[ref " in reply.text, reply
    assert len(down.commands("RCPT")) == before, "a refused recipient went down"


def test_loopback_and_trusted_get_no_relay_right(env):
    down = env.downstream()
    front = env.gateway(down, trusted={"clients": ["127.0.0.0/8"]})
    assert answers(front, [b"<x@elsewhere.test>"])[0].enhanced == "5.7.1"


def test_relay_from(env):
    down = env.downstream()
    front = env.gateway(down, relay={"from": ["127.0.0.7/32", "::1/128"]})
    assert answers(front, [b"<x@elsewhere.test>", b"<x@[192.0.2.1]>"], source="127.0.0.7")[0].code == 250
    assert answers(front, [b"<x@elsewhere.test>"], source="127.0.0.8")[0].enhanced == "5.7.1"
    assert send(front.address, rcpt=["x@elsewhere.test"], source="127.0.0.7").code == 250
    assert down.messages[0].rcpt == [b"RCPT TO:<x@elsewhere.test>"]


def test_subdomains(env):
    down = env.downstream()
    front = env.gateway(down, relay={"domains": ["example.net", ".example.org"]})
    got = answers(front, [b"<x@sub.example.org>", b"<x@a.b.example.org>", b"<x@xexample.org>", b"<x@sub.example.net>"])
    assert [r.code for r in got] == [250, 250, 550, 550], got


def test_recipient_lists(env):
    names = os.path.join(env.dir, "names")
    with open(names, "w") as f:
        f.write("# people\nfilia\npeter@example.org\n")
    down = env.downstream()
    front = env.gateway(down, relay={"domains": ["example.net", "example.org"],
                                     "recipients": {"example.net": ["alice", "bob@example.net"], "example.org": f"@file:{names}"}})
    got = answers(front, [b"<alice@example.net>", b"<BOB@example.net>", b"<carol@example.net>", b"<filia@example.org>",
                          b"<peter@example.org>", b"<carol@example.org>"])
    assert [r.code // 100 for r in got] == [2, 2, 5, 2, 2, 5], got
    assert answers(front, [b"<postmaster@example.net>"])[0].code == 250, "postmaster is always there (RFC 5321 4.5.1)"
    assert not [l for l in down.commands("RCPT") if b"carol" in l]


def test_international_domain(env):
    down = env.downstream()
    front = env.gateway(down, relay={"domains": ["bücher.example"]})
    got = answers(front, [b"<x@xn--bcher-kva.example>", b"<x@XN--BCHER-KVA.example>", b"<x@xn--bcher-kvb.example>"])
    assert [r.code for r in got] == [250, 250, 550], got
    with front.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com> SMTPUTF8", 250)
        c.must("RCPT TO:<x@bücher.example>", 250)


def test_mixed_recipients(env):
    """The refused one is not in the message's envelope, the accepted ones are."""
    down = env.downstream()
    front = env.gateway(down)
    with front.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<alice@example.net>", 250)
        c.must("RCPT TO:<x@elsewhere.test>", 550)
        c.must("RCPT TO:<bob@example.net>", 250)
        assert c.data(b"Subject: mixed\r\n\r\nx\r\n").code == 250
    assert down.messages[0].rcpt == [b"RCPT TO:<alice@example.net>", b"RCPT TO:<bob@example.net>"]
    row = front.wait_audit("message")[0]
    assert [f["stage"].lower() for f in row["findings"]] == ["rcpt"], row["findings"]
    assert [t["reply"][:3] for t in row["to"]] == ["250", "550", "250"], row["to"]


def test_only_refused_recipients_cost_the_downstream_nothing(env):
    down = env.downstream()
    front = env.gateway(down)
    with front.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<x@elsewhere.test>", 550)
        assert c.cmd("DATA").code in (503, 554)
    assert not down.messages and not down.commands("RCPT")
