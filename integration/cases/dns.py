"""Names: reverse names, DNS lists, HELO names and sender domains, with a name server that answers well, badly or not."""
import os
import time

from lib import mmdb
from lib.client import send
from lib.dns import Code, Cut, Delay, Drop, Garbage, WrongId, WrongName, arpa, listed


def gateway(env, server, protocol, timeout="1s", down=None):
    """A gateway that asks `server`, and to which loopback addresses are strangers. `server`: or an address."""
    address = getattr(server, "address", server)
    gate = env.rules(down or env.downstream(), dns={"servers": [address], "timeout": timeout}, trusted={"clients": []})
    for name, text in (("protocol.toml", protocol), ("limits.toml", '[greeting]\ndelay = "0s"\n[bans]\nmode = "off"\n')):
        with open(os.path.join(os.path.dirname(gate.toml_path), name), "w") as f:
            f.write(text)
    return gate.start()


def said(gate, source="127.0.0.5", hello="client.example.com", sender="sender@example.com", rcpt="alice@example.net"):
    """What a client from `source` hears to its first RCPT."""
    with gate.client(source=source) as c:
        c.ehlo(hello)
        c.must(f"MAIL FROM:<{sender}>", 250)
        return c.cmd(f"RCPT TO:<{rcpt}>")


def is_refused(reply, code, enhanced):
    assert (reply.code, reply.enhanced) == (code, enhanced), reply


def decided_by(gate, source):
    """Ids of the findings in the audit lines of a client, whichever line they stand in."""
    rows = gate.wait_audit("connection", lambda r: r.get("client") == source)
    rows += [r for r in gate.audit("message") if r.get("client") == source]
    return {f["id"] for r in rows for f in r.get("findings", ())}


REVERSE = {
    "mx.friend.example": {"A": ["192.0.2.1", "127.0.0.5"]},
    arpa("127.0.0.5"): {"PTR": ["MX.friend.example"]},
    arpa("127.0.0.6"): {"PTR": ["mx.friend.example"]},                    # says so, and the name does not agree
    arpa("127.0.0.8"): {"PTR": Code("SERVFAIL")},
    arpa("127.0.0.9"): {"PTR": ["slow.friend.example"]},
    "slow.friend.example": {"A": Drop()},
    arpa("127.0.0.10"): {"PTR": [f"n{i}.example" for i in range(40)]},    # over TCP; forty names for one address
    arpa("127.0.0.11"): {"PTR": Garbage()},
    arpa("127.0.0.12"): {"PTR": WrongId("mx.friend.example")},
    arpa("127.0.0.13"): {"PTR": Code("NXDOMAIN")},
}


def test_reverse_name(env):
    server = env.dns(REVERSE)
    gate = gateway(env, server, """
        [[rule]]
        id = "friends"
        action = "reject"
        reverse_name = ".friend.example"
    """)
    is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    assert "friends" in decided_by(gate, "127.0.0.5")
    for source in ("127.0.0.6", "127.0.0.7", "127.0.0.10", "127.0.0.13"):
        assert said(gate, source) == 250, f"{source}: no confirmed name, so the rule does not match"
    for source in ("127.0.0.8", "127.0.0.9", "127.0.0.11", "127.0.0.12"):
        is_refused(said(gate, source), 451, "4.4.3")
    assert server.count("n5.example") == 0, "a bounded number of names is confirmed"
    assert server.count(arpa("127.0.0.10"), over="tcp") == 1


def test_reverse_name_in_received(env):
    """No check asks for it, nobody waits for it, and it is there when the message is handed on."""
    server = env.dns({"mx.friend.example": {"A": ["198.51.100.7"]}, arpa("198.51.100.7"): {"PTR": ["mx.friend.example"]}})
    down = env.downstream()
    gate = env.rules(down, dns={"servers": [server.address]}, trusted={"clients": ["198.51.100.0/24"]},
                     listener={"proxy_protocol": ["127.0.0.1/32"]}, ready="port").start()
    with gate.client(prelude=b"PROXY TCP4 198.51.100.7 192.0.2.25 4711 25\r\n") as c:
        c.ehlo()
        time.sleep(0.5)
        assert c.mail().code == 250
    assert b"from client.example.com (mx.friend.example [198.51.100.7])" in down.messages[0].message, down.messages[0].message
    assert gate.wait_audit("message")[0]["name"] == "mx.friend.example"


def test_no_reverse_name(env):
    gate = gateway(env, env.dns(REVERSE), """
        [[rule]]
        id = "nameless"
        action = "reject"
        has_reverse_name = false
        on_unknown = "pass"
    """)
    assert said(gate, "127.0.0.5") == 250
    for source in ("127.0.0.6", "127.0.0.7", "127.0.0.13"):
        is_refused(said(gate, source), 550, "5.7.1")
    for source in ("127.0.0.8", "127.0.0.9"):
        assert said(gate, source) == 250, "on_unknown = pass"


LISTS = """
    [reputation]
    deadline = "1s"
    reject = 1.0
    tempfail = 0.5
    [[dnsbl]]
    zone = "bl.example"
    answers = ["127.0.0.2-127.0.0.9"]
    [[dnsbl]]
    zone = "half.example"
    weight = 0.6
    [[dnsbl]]
    zone = "good.example"
    weight = -0.7
    [[dnsbl]]
    zone = "dbl.example"
    of = "sender_domain"
    answers = ["127.0.1.2"]
"""


def lists(**rows):
    """Rows of a list: `one="127.0.0.2"` for the client 127.0.0.5 in the zone one.example."""
    return {listed("127.0.0.5", f"{zone}.example"): {"A": answer} for zone, answer in rows.items()}


def test_lists(env):
    server = env.dns({**lists(bl="127.0.0.4"),
                      listed("127.0.0.6", "half.example"): {"A": "127.0.0.2"},
                      listed("127.0.0.7", "bl.example"): {"A": "127.0.0.10"},       # not among the answers that count
                      listed("127.0.0.8", "bl.example"): {"A": "127.0.0.2"},
                      listed("127.0.0.8", "good.example"): {"A": "127.0.5.1"},
                      listed("127.0.0.9", "half.example"): {"A": "127.0.0.2"},
                      listed("127.0.0.9", "bl.example"): {"A": "127.0.0.2"},
                      "spam.example.dbl.example": {"A": "127.0.1.2"}})
    gate = gateway(env, server, LISTS)
    is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    is_refused(said(gate, "127.0.0.6"), 450, "4.7.1")
    assert said(gate, "127.0.0.7") == 250
    assert said(gate, "127.0.0.8") == 250, "1.0 - 0.7 is below both"
    is_refused(said(gate, "127.0.0.9"), 550, "5.7.1")
    assert said(gate, "127.0.0.10") == 250
    is_refused(said(gate, "127.0.0.10", sender="x@SPAM.example"), 550, "5.7.1")
    assert said(gate, "127.0.0.10", sender="x@sub.spam.example") == 250
    assert said(gate, "127.0.0.5", rcpt="postmaster@example.net") == 250, "whoever is listed may ask why"


def test_lists_of_names(env):
    text = "".join(f"""
        [[dnsbl]]
        zone = "{of}.example"
        of = "{of}"
    """ for of in ("hello", "reverse_name"))
    server = env.dns({"bad.example.com.hello.example": {"A": "127.0.0.2"}, **REVERSE,
                      "mx.friend.example.reverse_name.example": {"A": "127.0.0.2"}})
    gate = gateway(env, server, text)
    is_refused(said(gate, "127.0.0.7", hello="BAD.example.com"), 550, "5.7.1")
    assert said(gate, "127.0.0.7") == 250
    is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    assert said(gate, "127.0.0.6") == 250, "the name of another is not asked about"


def test_check(env):
    """`check` says who answers, and which list has its test entry."""
    server = env.dns({listed("127.0.0.2", "bl.example"): {"A": "127.0.0.2"}, listed("127.0.0.2", "half.example"): {"A": Drop()}})
    gate = gateway(env, server, LISTS.replace('of = "sender_domain"', ""))
    out = gate.check().stdout
    assert f"name server {server.address} answers" in out and "DNS list bl.example answers" in out, out
    assert "half.example: no usable answer" in out and "dbl.example does not list 127.0.0.2" in out, out
    server.stop()
    out = gate.check().stdout
    assert f"name server {server.address} does not answer" in out, out


def test_answers_are_remembered(env):
    server = env.dns(lists(bl="127.0.0.4"))
    gate = gateway(env, server, LISTS)
    for _ in range(5):
        is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    for zone in ("bl.example", "half.example", "good.example"):
        assert server.count(listed("127.0.0.5", zone), "A") == 1, "also that there is none"
    gate.reload()
    gate.wait_log("rules reloaded")
    is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    assert server.count(listed("127.0.0.5", "bl.example")) == 1, "a reload keeps what is remembered"


def test_no_error_is_a_listing(env):
    gate_rules = LISTS.replace('answers = ["127.0.0.2-127.0.0.9"]', "")
    cases = {
        "refused us": "127.255.255.254",
        "no more": "192.0.2.80",
        "blocked": "127.0.0.1",
        "servfail": Code("SERVFAIL"),
        "refused": Code("REFUSED"),
        "garbage": Garbage(),
        "forged": WrongId("127.0.0.2"),
        "stranger": WrongName("127.0.0.2"),
        "cut for ever": Cut("127.0.0.2", tcp=False),
        "silent": Drop(),
        "late": Delay(3, "127.0.0.2"),
    }
    server = env.dns({listed(f"127.0.0.{i}", "bl.example"): {"A": answer} for i, answer in enumerate(cases.values(), 20)})
    gate = gateway(env, server, gate_rules)
    for i, what in enumerate(cases, 20):
        assert said(gate, f"127.0.0.{i}") == 250, what
    server.rows[listed("127.0.0.60", "bl.example")] = {"A": Cut("127.0.0.2")}
    is_refused(said(gate, "127.0.0.60"), 550, "5.7.1")


def test_lists_share_one_deadline(env):
    """Ten dead lists and one that answers: the client waits for the deadline once, and the listing counts."""
    zones = [f"dead{i}" for i in range(10)]
    text = '[reputation]\ndeadline = "1s"\n' + "".join(f'[[dnsbl]]\nzone = "{z}.example"\n' for z in [*zones, "bl"])
    rows = {f"*.{z}.example": {"A": Drop()} for z in zones}
    gate = gateway(env, env.dns({**rows, **lists(bl="127.0.0.2")}), text, timeout="3s")
    began = time.monotonic()
    is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    assert said(gate, "127.0.0.6") == 250
    assert time.monotonic() - began < 4, "two clients, one second each"


def test_score_in_a_rule(env):
    gate = gateway(env, env.dns(lists(half="127.0.0.2")), LISTS.replace("tempfail = 0.5", "") + """
        [[rule]]
        id = "half-listed"
        action = "tempfail"
        listed_from = 0.5
        text = "Come again"
    """)
    got = said(gate, "127.0.0.5")
    assert got.code in (450, 451) and "Come again" in got.text, got
    assert said(gate, "127.0.0.6") == 250


def test_country(env):
    file = mmdb.write(os.path.join(env.dir, "countries.mmdb"), {"127.0.0.5/32": "DE", "127.0.0.6/31": "SE"})
    gate = gateway(env, env.dns(), f"""
        [country]
        database = "{file}"
        [[rule]]
        id = "sweden"
        action = "reject"
        country = "SE"
    """)
    assert said(gate, "127.0.0.5") == 250
    is_refused(said(gate, "127.0.0.7"), 550, "5.7.1")
    assert said(gate, "127.0.0.9") == 250, "the database does not know it"
    mmdb.write(file, {"127.0.0.5/32": "SE"})
    gate.reload()
    gate.wait_log("rules reloaded")
    is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    with open(file, "wb") as f:
        f.write(b"no database")
    gate.reload()
    gate.wait_log("countries.mmdb")
    is_refused(said(gate, "127.0.0.5"), 550, "5.7.1")
    checked = gate.check()
    assert checked.returncode != 0 and "countries.mmdb" in checked.stdout + checked.stderr, checked


def test_hello(env):
    server = env.dns({"a.example.com": {"A": "192.0.2.1"}, "six.example.com": {"AAAA": "2001:db8::1"},
                      "mx.example.com": {"MX": (10, "a.example.com")}, "text.example.com": {"TXT": "no host"},
                      "alias.example.com": {"CNAME": "a.example.com"}, "sick.example.com": {"*": Code("SERVFAIL")},
                      "dead.example.com": {"*": Drop()}})
    gate = gateway(env, server, '[hello]\nunresolvable = "on"\n')
    for hello in ("a.example.com", "A.EXAMPLE.COM", "six.example.com", "mx.example.com", "alias.example.com"):
        assert said(gate, hello=hello) == 250, hello
    for hello in ("nowhere.example.com", "text.example.com"):
        assert said(gate, hello=hello).code == 550, hello
    for hello in ("sick.example.com", "dead.example.com"):
        is_refused(said(gate, hello=hello), 451, "4.4.3")


def test_sender_domain(env):
    server = env.dns({"mx.example.com": {"MX": (10, "a.example.com")}, "a.example.com": {"A": "192.0.2.1"},
                      "six.example.com": {"AAAA": "2001:db8::1"}, "null.example.com": {"MX": (0, ""), "A": "192.0.2.1"},
                      "text.example.com": {"TXT": "takes no mail"}, "sick.example.com": {"MX": Code("SERVFAIL"), "A": "192.0.2.1"},
                      "half.example.com": {"AAAA": Code("SERVFAIL")}, "dead.example.com": {"MX": Drop()},
                      "cut.example.com": {"MX": Cut((10, "a.example.com"))},
                      "xn--bcher-kva.example": {"MX": (10, "a.example.com")}})
    down = env.downstream()
    gate = gateway(env, server, '[sender]\nunresolvable = "on"\n', down=down)
    for domain in ("mx.example.com", "a.example.com", "six.example.com", "cut.example.com", "xn--bcher-kva.example"):
        assert said(gate, sender=f"x@{domain}") == 250, domain
    assert said(gate, sender="") == 250, "the null sender has no domain"
    for domain in ("nowhere.example.com", "null.example.com", "text.example.com"):
        is_refused(said(gate, sender=f"x@{domain}"), 550, "5.1.8")
    for domain in ("sick.example.com", "half.example.com", "dead.example.com"):
        is_refused(said(gate, sender=f"x@{domain}"), 451, "4.4.3")
    told = [line for line in down.commands("MAIL") if b"nowhere" in line or b"sick" in line]
    assert not told, "who is refused is not told to the downstream"


def test_switched_on_in_an_open_session(env):
    """A reload gives rules that need names to a session that began without them: its next MAIL is judged with these."""
    server = env.dns({"a.example.com": {"A": "192.0.2.1"}, arpa("127.0.0.5"): {"PTR": "a.example.com"}})
    gate = gateway(env, server, '[sender]\nunresolvable = "off"\n')
    with gate.client(source="127.0.0.5") as c:
        c.ehlo("a.example.com")
        c.must("MAIL FROM:<x@nowhere.example.com>", 250)
        c.must("RSET", 250)
        gate.put("protocol.toml", '[sender]\nunresolvable = "on"\n[hello]\nunresolvable = "on"\n')
        assert gate.command("reload").returncode == 0
        c.must("MAIL FROM:<x@a.example.com>", 250)
        c.must("RCPT TO:<alice@example.net>", 250)
        c.must("RSET", 250)
        c.must("MAIL FROM:<x@nowhere.example.com>", 250)
        is_refused(c.cmd("RCPT TO:<alice@example.net>"), 550, "5.1.8")


def test_logged_only(env):
    gate = gateway(env, env.dns(lists(bl="127.0.0.2")), LISTS.replace("[reputation]", '[reputation]\nmode = "log"') +
                   '[sender]\nunresolvable = "log"\n[hello]\nunresolvable = "log"\n')
    assert said(gate, hello="nowhere.example.com", sender="x@nowhere.example.com") == 250


def test_without_a_name_server(env):
    """Nobody answers: mail passes where nothing depends on names, is put off where a refusal does, and is never refused."""
    server = env.dns()
    server.stop()
    plain = gateway(env, server, LISTS)
    began = time.monotonic()
    assert send(plain.address, source="127.0.0.5").code == 250
    assert time.monotonic() - began < 5
    strict = gateway(env, server, '[sender]\nunresolvable = "on"\n[hello]\nunresolvable = "on"\n')
    is_refused(said(strict), 451, "4.4.3")
    rule = '[[rule]]\nid = "r"\naction = "reject"\nreverse_name = ".example"\n'
    is_refused(said(gateway(env, server, rule)), 451, "4.4.3")
    assert said(gateway(env, server, rule + 'on_unknown = "pass"\n')) == 250


def test_recovers_by_itself(env):
    server = env.dns({"a.example.com": {"MX": Drop()}})
    gate = gateway(env, server, '[sender]\nunresolvable = "on"\n')
    is_refused(said(gate, sender="x@a.example.com"), 451, "4.4.3")
    server.rows["a.example.com"] = {"MX": (10, "mx.example.com")}
    give_up = time.monotonic() + 10
    while said(gate, sender="x@a.example.com") != 250:
        assert time.monotonic() < give_up, "a failure is not remembered for long"
        time.sleep(0.5)
    assert server.count("a.example.com", "MX") < 12, "nor is a dead server asked all the time"


def test_many_clients_one_question(env):
    """Fifteen clients of one address at once: every question goes out once."""
    server = env.dns({listed("127.0.0.5", "bl.example"): {"A": Delay(0.5, "127.0.0.2")}})
    gate = gateway(env, server, LISTS)
    clients = [gate.client(source="127.0.0.5", greet=False) for _ in range(15)]
    try:
        for c in clients:
            assert c.reply() == 220
        for c in clients:
            c.ehlo()
            c.must("MAIL FROM:<sender@example.com>", 250)
            is_refused(c.cmd("RCPT TO:<alice@example.net>"), 550, "5.7.1")
    finally:
        for c in clients:
            c.close()
    # the resolver may ask again while it waits
    assert server.count(listed("127.0.0.5", "bl.example")) <= 3
    assert server.count(listed("127.0.0.5", "half.example")) == 1
