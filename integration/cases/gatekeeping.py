"""What decides before the body: limits, bans, blocks, rules, greylisting, throttles, with many client addresses."""
import json
import re
import socket
import time

from lib import proc
from lib.client import Client, text

NOBODY = {"clients": []}
QUIET = '[greeting]\ndelay = "0s"\n'


def reference(reply):
    """The reference at the end of a refusal."""
    found = re.search(r"\[ref ([0-9A-Z]{8})\]$", reply.text)
    assert found, reply
    return found.group(1)


def mail(c, sender="sender@example.com"):
    return c.cmd(f"MAIL FROM:<{sender}>")


def rcpt(c, recipient="alice@example.net"):
    return c.cmd(f"RCPT TO:<{recipient}>")


def gateway(env, limits=QUIET, protocol="", down=None, **kw):
    down = down or env.downstream()
    files = {"limits.toml": limits, "protocol.toml": protocol, **kw.pop("files", {})}
    return env.gateway(down, trusted=kw.pop("trusted", NOBODY), files=files, **kw), down


def refused_at_connect(gate, source, code, enhanced):
    with Client(gate.address, source=source) as c:
        assert c.greeting.code == code and c.greeting.enhanced == enhanced, c.greeting
        reference(c.greeting)
        assert c.rest() == b""


def test_connections_per_address_and_prefix(env):
    gate, _ = gateway(env, QUIET + "[connections]\nper_ip = 3\nper_prefix = 5\n[rates]\nconnections = \"off\"\n")
    held = [Client(gate.address, source="127.0.7.1") for _ in range(3)]
    refused_at_connect(gate, "127.0.7.1", 421, "4.7.0")
    held += [Client(gate.address, source="127.0.7.2") for _ in range(2)]
    refused_at_connect(gate, "127.0.7.3", 421, "4.7.0")
    with Client(gate.address, source="127.0.8.1") as other:
        assert other.greeting.code == 220, "another prefix is another's"
    held.pop().close()
    proc.wait_for(lambda: accepted(gate, "127.0.7.3"), "the place of a closed connection comes back")
    for c in held:
        c.close()


def accepted(gate, source):
    with Client(gate.address, source=source) as c:
        return c.greeting.code == 220


def test_trusted_clients_are_free_of_limits(env):
    gate, _ = gateway(env, '[connections]\nper_ip = 1\n[rates]\nconnections = "1/1h"\n', trusted=None)
    held = [Client(gate.address, source="127.0.7.1") for _ in range(8)]
    assert all(c.greeting.code == 220 for c in held)


def test_listener_has_its_own_limit(env):
    gate, _ = gateway(env, listener={"max_connections": 2})
    proc.wait_for(lambda: json.loads(gate.command("status", "--json").stdout)["sessions"] == 0, "the first look is over")
    held = [Client(gate.address, source=f"127.0.{n}.1") for n in range(2)]
    refused_at_connect(gate, "127.0.9.1", 421, "4.3.2")
    for c in held:
        c.close()


def test_connection_rate(env):
    gate, _ = gateway(env, QUIET + '[rates]\nconnections = "4/1h"\n')
    for _ in range(4):
        assert accepted(gate, "127.0.7.1")
    refused_at_connect(gate, "127.0.7.1", 421, "4.7.0")
    assert accepted(gate, "127.0.8.1")


def test_recipient_rate(env):
    gate, down = gateway(env, QUIET + '[rates]\nrecipients = "3/1h"\n')
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo()
        assert mail(c).code == 250
        got = [c.cmd(f"RCPT TO:<user{n}@example.net>") for n in range(4)]
        assert [r.code for r in got] == [250, 250, 250, 452], got
        reference(got[3])
        assert c.data(text()).code == 250, "the recipients before go on"
    assert len(down.messages) == 1


def test_proxied_address_counts(env):
    gate, _ = gateway(env, QUIET + "[connections]\nper_ip = 1\n", listener={"proxy_protocol": ["127.0.0.1/32"]}, ready="port")

    def proxied(ip):
        line = f"PROXY TCP4 {ip} 192.0.2.25 4711 25\r\n".encode()
        return Client(gate.address, prelude=line)

    with proxied("198.51.100.7") as a, proxied("198.51.100.8") as b:
        assert a.greeting.code == 220 and b.greeting.code == 220
        with proxied("198.51.100.7") as c:
            assert c.greeting.code == 421 and c.greeting.enhanced == "4.7.0", c.greeting


def test_ban_by_points_survives_a_restart_and_can_be_lifted(env):
    limits = QUIET + '[bans]\nlimit = 20\ntime = "1h"\n[ban_points]\nunknown_recipient = 5\n'
    gate, _ = gateway(env, limits, down=env.downstream({"RCPT": "550 5.1.1 no such user"}))
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo()
        mail(c)
        got = [c.cmd(f"RCPT TO:<guess{n}@example.net>").code for n in range(4)]
        assert got == [550] * 4, got
        assert c.cmd("RSET").code == 250
        # Bans hold from the next MAIL, also in open sessions.
        refused = mail(c)
        assert refused.code == 421, refused
    refused_at_connect(gate, "127.0.7.1", 421, "4.7.0")
    listed = json.loads(gate.command("bans", "list", "--json").stdout)
    assert "127.0.7.1" in json.dumps(listed) and "unknown" in json.dumps(listed), listed
    gate.kill9()
    gate.start()
    refused_at_connect(gate, "127.0.7.1", 421, "4.7.0")
    assert gate.command("bans", "lift", "127.0.7.1").returncode == 0
    assert accepted(gate, "127.0.7.1")
    assert gate.command("bans", "lift", "127.0.7.1").returncode == 1, "nothing matched"


def test_allow_beats_ban(env):
    gate, _ = gateway(env, files={"lists/allow.list": "127.0.7.1 ; note=\"partner\"\n"})
    assert gate.command("bans", "add", "127.0.7.1", "--for", "1h").returncode == 0
    assert gate.command("bans", "add", "127.0.7.2", "--for", "1h").returncode == 0
    assert accepted(gate, "127.0.7.1")
    refused_at_connect(gate, "127.0.7.2", 421, "4.7.0")


def test_greet_delay_and_early_talk(env):
    gate, down = gateway(env, '[greeting]\ndelay = "1s"\n')
    began = time.monotonic()
    with Client(gate.address, source="127.0.7.1") as c:
        assert c.greeting.code == 220 and time.monotonic() - began >= 0.9
        assert send_one(c) == 250
    with Client(gate.address, source="127.0.7.1") as c:
        assert time.monotonic() - began < 30 and c.greeting.code == 220
    began = time.monotonic()
    with Client(gate.address, source="127.0.7.1") as c:
        assert time.monotonic() - began < 0.8, "who delivered before does not wait"
    with Client(gate.address, source="127.0.7.2", prelude=b"EHLO early.example.com\r\n") as c:
        assert c.greeting.code == 220, "the refusal is said at RCPT"
        c.reply()
        assert mail(c).code == 250
        got = rcpt(c)
        assert got.code == 554, got
        reference(got)
    assert len(down.messages) == 1


def send_one(c, recipient="alice@example.net", sender="sender@example.com"):
    c.ehlo()
    for step, what in ((mail, sender), (rcpt, recipient)):
        reply = step(c, what)
        if reply.code != 250:
            return reply.code
    return c.data(text()).code


def test_tarpit(env):
    gate, _ = gateway(env, QUIET + '[tarpit]\nafter = 1\nstep = "400ms"\nmost = "1s"\n')
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo()
        times = []
        for _ in range(4):
            began = time.monotonic()
            assert c.cmd("XYZZY").code == 500
            times.append(time.monotonic() - began)
    assert times[0] < 0.3 and 0.35 < times[1] < 0.8 and times[2] > 0.75 and 0.9 < times[3] < 1.6, times


def test_blocked_address_at_connect(env):
    gate, down = gateway(env, files={"lists/blocks.list": "127.0.7.0/24\n!127.0.7.9\n127.0.8.1 ; action=drop\n127.0.9.1 ; action=tempfail\n"})
    refused_at_connect(gate, "127.0.7.1", 554, "5.7.1")
    assert accepted(gate, "127.0.7.9")
    try:
        # The reset may come before the connection is known to stand.
        with Client(gate.address, source="127.0.8.1", greet=False) as c:
            said = c.sock.recv(100)
    except ConnectionResetError:
        said = None
    assert said is None, f"reset without a word, got {said!r}"
    with Client(gate.address, source="127.0.9.1") as c:
        assert c.greeting.code // 100 == 4, c.greeting
    assert len(down.connections) <= 1, "only the probe"
    rows = [r for r in gate.wait_audit("refused") if r["client"] == "127.0.7.1"]
    assert rows and rows[0]["findings"][0]["file"] == "lists/blocks.list" and rows[0]["findings"][0]["line"] == 1, rows


def test_block_takes_effect_at_once_also_in_open_sessions(env):
    gate, _ = gateway(env)
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo()
        assert mail(c).code == 250 and rcpt(c).code == 250
        done = gate.command("block", "127.0.7.1", "--for", "2h", "--note", "flood")
        assert done.returncode == 0, done
        assert c.data(text()).code == 250, "a transaction keeps its generation"
        got = mail(c)
        assert got.code == 554, got
    refused_at_connect(gate, "127.0.7.1", 554, "5.7.1")
    line = [l for l in gate.rules("lists/blocks.list").splitlines() if "127.0.7.1" in l][0]
    assert "until=" in line and 'note="flood"' in line and "by=" in line, line
    assert gate.command("unblock", "127.0.7.1").returncode == 0
    assert accepted(gate, "127.0.7.1")
    assert gate.command("unblock", "127.0.7.1").returncode == 1


def test_blocks_by_kind(env):
    blocks = """\
from:*@bad.example
spam.example
rcpt:closed@example.net ; text="list closed"
ehlo:evil.host.example
header-from:boss@example.net
"""
    gate, down = gateway(env, files={"lists/blocks.list": blocks})

    def try_one(sender="a@good.example", recipient="alice@example.net", hello="client.example.com", message=text()):
        with Client(gate.address, source="127.0.7.1") as c:
            c.ehlo(hello)
            if (reply := mail(c, sender)).code != 250:
                return reply
            if (reply := rcpt(c, recipient)).code != 250:
                return reply
            return c.data(message)

    assert try_one().code == 250
    before = len(down.commands("MAIL"))
    for refused in (try_one(sender="x@bad.example"), try_one(sender="x@spam.example"), try_one(hello="evil.host.example"),
                    try_one(recipient="closed@example.net")):
        assert refused.code == 550, refused
        reference(refused)
    assert "list closed" in try_one(recipient="closed@example.net").text
    assert len(down.commands("MAIL")) <= before + 2, "only the refused recipients' transactions reach the downstream"
    forged = text().replace(b"From: <sender@example.com>", b"From: Boss <boss@example.net>")
    assert try_one(message=forged).code == 550
    assert len(down.messages) == 1


def test_pending_refusal_and_postmaster(env):
    protocol = '[[rule]]\nid = "no-local"\naction = "reject"\nhello = "localhost.localdomain"\ntext = "say your name"\n'
    gate, down = gateway(env, protocol=protocol)
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo("localhost.localdomain")
        assert mail(c).code == 250
        got = rcpt(c)
        assert got.code == 550 and "say your name" in got.text, got
        assert not down.commands("MAIL"), "the downstream heard nothing"
        assert c.cmd("RCPT TO:<postmaster@example.net>").code == 250
        assert down.commands("MAIL") and len(down.commands("RCPT")) == 1
        assert rcpt(c).code == 550, "still refused for the others"
        assert c.data(text()).code == 250
    assert len(down.messages) == 1
    # The same as one pipelined group.
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo("localhost.localdomain")
        c.send(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<alice@example.net>\r\nRCPT TO:<postmaster@example.net>\r\nRCPT TO:<bob@example.net>\r\n")
        assert [r.code for r in c.replies(4)] == [250, 550, 250, 550]


def test_rule_hides_keywords(env):
    protocol = '[[rule]]\nid = "plain"\naction = "hide"\nanswer_at = "helo"\nclient = "127.0.7.0/24"\nhide = ["CHUNKING", "DSN"]\n'
    gate, _ = gateway(env, protocol=protocol)
    for source, there in (("127.0.7.1", False), ("127.0.8.1", True)):
        with Client(gate.address, source=source) as c:
            c.ehlo()
            assert ("CHUNKING" in c.keywords) == there and ("DSN" in c.keywords) == there, c.keywords


def test_greylisting(env):
    limits = QUIET + '[rates]\nmode = "off"\n[greylist]\nmode = "on"\nonly = "all"\ndelay = "1s"\nproven_after = 2\n'
    gate, down = gateway(env, limits)

    def one(sender, source="127.0.7.1"):
        with Client(gate.address, source=source) as c:
            return send_one(c, sender=sender)

    assert one("a@example.com") == 450
    assert one("a@example.com") == 450, "too early"
    proc.wait_for(lambda: one("a@example.com") == 250, "the retry passes")
    assert one("a@example.com") == 250, "and is remembered"
    gate.kill9()
    gate.start()
    assert one("a@example.com") == 250, "also over a restart"
    proc.wait_for(lambda: one("b@example.com") == 250, "a proven sender passes unasked", 5)


def test_throttle_by_sender(env):
    limits = QUIET + '[[throttle]]\nname = "per-sender"\nby = "sender"\nmessages = "2/1h"\n'
    gate, down = gateway(env, limits)
    with Client(gate.address, source="127.0.7.1") as c:
        assert [send_one(c, sender="busy@example.com") for _ in range(3)] == [250, 250, 450]
        assert send_one(c, sender="other@example.com") == 250
    listed = gate.command("throttles", "list", "--json")
    assert "busy@example.com" in listed.stdout and "per-sender" in listed.stdout, listed
    assert gate.command("throttles", "lift", "busy@example.com").returncode == 0
    with Client(gate.address, source="127.0.7.1") as c:
        assert send_one(c, sender="busy@example.com") == 250


def test_throttle_holds_for_sessions_at_once(env):
    limits = QUIET + '[[throttle]]\nname = "per-sender"\nby = "sender"\nmessages = "2/1h"\n'
    gate, down = gateway(env, limits)
    many = [Client(gate.address, source=f"127.0.{n}.1") for n in range(7, 13)]
    for c in many:
        c.ehlo()
        assert mail(c, "busy@example.com").code == 250 and rcpt(c).code == 250
    got = [c.data(text()).code for c in many]
    assert got == [250, 250, 450, 450, 450, 450], got
    assert len(down.messages) == 2
    for c in many:
        c.close()


def test_explain_a_refusal(env):
    protocol = '# first line\n[[rule]]\nid = "no-local"\naction = "reject"\nhello = "localhost.localdomain"\n'
    gate, _ = gateway(env, protocol=protocol)
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo("localhost.localdomain")
        mail(c)
        ref = reference(rcpt(c))
    out = explained(gate, ref)
    for word in ("no-local", "protocol.toml:2", "127.0.7.1", "localhost.localdomain", "RCPT TO:<alice@example.net>", "EHLO"):
        assert word in out, (word, out)
    assert explained(gate, ref[:5]), "a prefix does"
    gate.put("protocol.toml", "# nothing any more\n")
    gate.reload()
    proc.wait_for(lambda: "generation 2" in gate.command("status").stdout or '"generation":2' in gate.command("status", "--json").stdout.replace(" ", ""), "the reload")
    out = explained(gate, ref)
    assert "pass" in out, out
    gate.stop()
    assert "no-local" in explained(gate, ref), "also with the daemon stopped"


def explained(gate, ref):
    """What explain says once the records are written: transcript and record come one after the other."""
    def look():
        done = gate.command("explain", ref)
        return done.stdout if done.returncode == 0 and "no record is left" not in done.stdout else None

    return proc.wait_for(look, f"explain {ref}")


def test_who_and_kick(env):
    gate, _ = gateway(env)
    with Client(gate.address, source="127.0.7.1") as c, Client(gate.address, source="127.0.8.1") as other:
        c.ehlo("mx7.example.com")
        who = json.loads(gate.command("who", "--json").stdout)
        assert {"127.0.7.1", "127.0.8.1"} <= {row["client"] for row in (who if isinstance(who, list) else who["sessions"])}, who
        assert gate.command("kick", "127.0.7.0/24").returncode == 0
        assert c.reply().code == 421
        assert c.rest() == b""
        assert other.cmd("NOOP").code == 250
        assert gate.command("kick", "127.0.7.1").returncode == 1


def test_top_and_loops(env):
    gate, _ = gateway(env, files={"lists/blocks.list": "from:spam@bad.example\n"})
    with Client(gate.address, source="127.0.7.1") as c:
        for n in range(6):
            assert send_one(c, sender="news@letters.example") == 250
    with Client(gate.address, source="127.0.8.1") as c:
        for _ in range(3):
            assert send_one(c, sender="spam@bad.example") == 550
            c.cmd("RSET")

    def top(by):
        out = gate.command("top", "--by", by, "--window", "5m", "--json")
        assert out.returncode == 0, out
        return out.stdout

    proc.wait_for(lambda: "127.0.7.1" in top("ip") and "letters.example" in top("sender-domain"), "top")
    assert "alice@example.net" in top("recipient")
    proc.wait_for(lambda: "block" in top("rule"), "the rule that refused")
    looped = gate.command("loops", "--json")
    assert "127.0.7.1" in looped.stdout, looped


def test_preview(env):
    gate, _ = gateway(env)
    with Client(gate.address, source="127.0.7.1") as c:
        for n in range(3):
            assert send_one(c, sender=f"n{n}@letters.example") == 250

    def preview(entry):
        return gate.command("blocks", "preview", entry).stdout

    proc.wait_for(lambda: "3" in preview("from:*@letters.example"), "the preview")
    assert gate.command("blocks", "preview", "203.0.113.0/24").returncode == 1


def test_bad_rules_keep_the_old_ones(env):
    gate, _ = gateway(env, files={"lists/blocks.list": "127.0.7.1\n"})
    refused_at_connect(gate, "127.0.7.1", 554, "5.7.1")
    gate.put("lists/blocks.list", "127.0.8.1\nnot an entry at all\n" * 30)
    gate.reload()
    gate.wait_log("blocks.list:2")
    status = gate.command("status").stdout
    assert "blocks.list" in status, status
    refused_at_connect(gate, "127.0.7.1", 554, "5.7.1")
    assert accepted(gate, "127.0.8.1")
    checked = gate.check()
    assert checked.returncode == 2 and "more" in checked.stdout + checked.stderr, checked


def test_expect_refuses_a_reload(env):
    good = '[[rule]]\nid = "r1"\naction = "reject"\nhello = "localhost"\n\n[[expect]]\nclient = "198.51.100.7"\nhello = "localhost"\nsender = "a@b.example"\nrecipient = "x@example.net"\nresult = "reject"\nrule = "r1"\n'
    gate, _ = gateway(env, protocol=good)
    assert gate.check().returncode == 0, gate.check()
    gate.put("protocol.toml", good.replace('action = "reject"', 'action = "accept"', 1))
    checked = gate.check()
    assert checked.returncode == 2 and "protocol.toml:6" in checked.stdout + checked.stderr, checked
    gate.reload()
    gate.wait_log("reload refused")
    with Client(gate.address, source="127.0.7.1") as c:
        c.ehlo("localhost")
        mail(c)
        assert rcpt(c).code == 550


def test_limits_under_many_addresses(env):
    """Thousands of attacking addresses: memory stays, the trusted pass."""
    gate, _ = gateway(env, QUIET + '[rates]\nconnections = "1/1h"\n', trusted={"clients": ["127.0.0.1/32"]})
    before = gate.memory()[0]
    for a in range(1, 41):
        for b in range(1, 51):
            for _ in range(2):
                s = socket.socket()
                s.bind((f"127.{a}.{b}.9", 0))
                s.connect(("127.0.0.1", gate.port))
                s.close()
    grown = gate.memory()[0] - before
    assert grown < 24 << 20, grown
    assert gate.client().greeting.code == 220
