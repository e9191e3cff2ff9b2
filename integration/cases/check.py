"""portcullis check: every error at once with file, line and column, the nearest word, and the exit codes."""
import json
import os
import re
import socket

from cases.content import shipped
from lib import proc
from lib.downstream import Close

# a change of the good file -> what the report must hold
BROKEN = [
    (("hostname = ", "hostnme = "), r"gateway\.toml:1:\d+(.|\n)*hostname"),
    (('direction = "inbound"', 'direction = "inbond"'), r"gateway\.toml:\d+:\d+(.|\n)*inbound"),
    (('downstream = "mx"', 'downstream = "mxx"'), r"gateway\.toml:\d+:\d+(.|\n)*mxx"),
    (('[relay]', '[relays]'), r"gateway\.toml:\d+:\d+(.|\n)*relay"),
    (('addresses = ["127', 'addresses = ["nowhere:nothing", "127'), r"gateway\.toml:\d+:\d+(.|\n)*nowhere:nothing"),
    (('[[listener]]', 'max_message_size = "lots"\n[[listener]]'), r"gateway\.toml:\d+:\d+(.|\n)*lots"),
    (('[[listener]]', 'drain = "30 parsecs"\n[[listener]]'), r"gateway\.toml:\d+:\d+(.|\n)*parsecs"),
    (('[relay]', '[trusted]\nclients = ["10.0.0.0/99"]\n[relay]'), r"gateway\.toml:\d+:\d+(.|\n)*10\.0\.0\.0/99"),
    (('direction = ', 'tls = "starttls"\ndirection = '), r"gateway\.toml:\d+(.|\n)*certificate"),
    (('direction = ', 'tls = "starttls"\ncertificate = "none.crt"\nkey = "none.key"\ndirection = '), r"none\.crt"),
    (('domains = ["example.net"]', 'domains = ["exa mple"]'), r"gateway\.toml:\d+:\d+(.|\n)*exa mple"),
    (('domains = ["example.net"]', 'domains = ["example.net"'), r"gateway\.toml:\d+:\d+"),
    (('[[listener]]', '[[listner]]'), r"gateway\.toml:\d+:\d+(.|\n)*listener"),
]


# a mail server that knows its recipients
KNOWS = {"RCPT": lambda connection, line: "550 5.1.1 no such user" if b"portcullis-check" in line else "250 2.1.5 Ok"}
LOOP = r"own \[\[listener\]\]|this gateway itself \(a loop\)"


def said(done):
    return done.stdout + done.stderr


def test_good(env):
    down = env.downstream(KNOWS)
    rules = env.rules(down)
    done = rules.check("--strict")
    assert done.returncode == 0, said(done)
    assert done.stdout.endswith("\n0 errors, 0 warnings\n"), said(done)
    assert "\x1b" not in done.stdout, "colour without a terminal"
    # nothing was ever sent
    assert not any(b"DATA" in c.received or b"BDAT" in c.received for c in down.connections)


def test_beside_a_running_gateway(env):
    gate = env.gateway(env.downstream(KNOWS))
    done = gate.check("--strict")
    assert done.returncode == 0 and f"process {gate.process.pid}" in done.stdout, said(done)
    assert "held by our own" in done.stdout, said(done)
    with gate.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)


def test_blind_recipients(env):
    rules = env.rules(env.downstream())
    done = rules.check()
    assert done.returncode == 0, said(done)
    for word in ("warning", "example.net", "relay.recipients", "one_recipient_per_transaction"):
        assert word in done.stdout, said(done)
    assert rules.check("--strict").returncode == 2
    rules.tables["relay"]["recipients"] = {"example.net": ["alice"]}
    assert rules.write().check("--strict").returncode == 0, said(rules.check())


def test_pin_to_paste(env):
    cert = env.cert()
    rules = env.rules(env.downstream({**KNOWS, "tls": cert}))
    done = rules.check("--strict")
    assert done.returncode == 0 and cert.spki_pin() in done.stdout, said(done)
    rules.downstreams[0].update(tls="pinned", pins=[cert.spki_pin()])
    done = rules.write().check("--strict")
    assert done.returncode == 0 and "certificate verified" in done.stdout, said(done)
    rules.downstreams[0].update(pins=["sha256:" + "0" * 64])
    done = rules.write().check()
    assert "warning" in done.stdout and cert.spki_pin() in done.stdout, said(done)


# a downstream that is odd -> what the report must say of it
ODD = {
    "TLS that fails": ({"keywords": ["PIPELINING", "STARTTLS"], "STARTTLS": Close(b"220 go on\r\n")}, r"handshake fails"),
    "our own name": ({"banner": "220 mx.example.net ESMTP"}, r"our own hostname"),
    "refuses us": ({"banner": "554 5.7.1 go away"}, r"554 5\.7\.1 go away.*does it let our address in"),
    "nonsense": ({"banner": "SSH-2.0-OpenSSH_9.6"}, r"greeting"),
    "HELO only": ({"EHLO": "502 5.5.1 what"}, r"no extensions"),
    "no bounces": ({"MAIL": "550 5.7.1 not from you"}, r"refuses the sender <>.*not from you"),
    "defers": ({"RCPT": "451 4.7.1 greylisted"}, r"temporary refusal: 451 4\.7\.1 greylisted"),
    "takes us down": ({"RCPT": Close()}, r"connection lost during RCPT"),
}


def test_odd_downstreams(env):
    wrong = []
    for name, (script, want) in ODD.items():
        down = env.downstream({**KNOWS, **script})
        done = env.rules(down).check()
        if done.returncode != 0 or not re.search(want, done.stdout):
            wrong.append(f"{name}: exit {done.returncode}, expected {want} in\n{said(done)}")
    assert not wrong, "\n".join(wrong)


def test_identity(env):
    rules = env.rules(env.downstream({**KNOWS, "keywords": ["PIPELINING", "XCLIENT NAME ADDR"]}))
    assert "by XCLIENT" in rules.check("--strict").stdout
    rules.downstreams[0]["identity"] = "xforward"
    done = rules.write().check()
    assert re.search(r"warning .*XFORWARD", done.stdout), said(done)


def test_json(env):
    rules = env.rules(env.downstream(KNOWS))
    report = json.loads(rules.check("--json").stdout)
    assert report["good"] and report["errors"] == 0 and report["sections"], report
    rules.write(rules.text().replace("hostname", "hostnme"))
    done = rules.check("--json")
    report = json.loads(done.stdout)
    assert done.returncode == 2 and not report["good"] and report["errors"] >= 1, report


def test_as_its_user(env):
    """As root with `user` set: what that user may not do is seen."""
    rules = env.rules(env.downstream(KNOWS), user="nobody")
    os.chmod(rules.dir, 0o755)
    done = rules.check("--strict")
    assert done.returncode == 0 and 'user "nobody"' in done.stdout, said(done)
    closed = os.path.join(rules.dir, "closed")
    os.mkdir(closed, 0o755)
    rules.tables["audit"] = {"file": os.path.join(closed, "audit.jsonl")}
    done = rules.write().check()
    assert "warning" in done.stdout and closed in done.stdout, said(done)
    assert rules.check("--strict").returncode == 2
    # what an earlier start as root left behind
    rules.tables["audit"] = None
    os.mkdir(rules.state, 0o750)
    with open(os.path.join(rules.state, "key"), "wb") as f:
        f.write(bytes(32))
    done = rules.write().check()
    assert "chown -R nobody" in done.stdout, said(done)


def test_key_that_a_reload_could_not_read(env):
    cert = env.cert()
    rules = env.rules(env.downstream(KNOWS), user="nobody",
                      listener={"tls": "starttls", "certificate": cert.cert, "key": cert.key})
    os.chmod(rules.dir, 0o755)
    assert rules.check("--strict").returncode == 0, said(rules.check())
    os.chmod(cert.key, 0o600)
    done = rules.check()
    assert done.returncode == 0 and "reload" in done.stdout and cert.key in done.stdout, said(done)


def test_port_in_use(env):
    rules = env.rules(env.downstream(KNOWS))
    with socket.create_server(("127.0.0.1", rules.port)):
        done = rules.check()
        assert done.returncode == 0 and "warning" in done.stdout and str(rules.port) in done.stdout, said(done)


def test_smallest_file(env):
    """hostname, state_dir, one listener, one downstream and relay.domains: every other key has a default."""
    rules = env.rules(env.downstream())
    assert rules.text().count("\n") < 20
    done = rules.check()
    assert done.returncode == 0, said(done)
    # what such a gateway does not look at is said, and no mistake
    unjudged = ("not judged: attachments (no attachments.toml), text (no content.toml), malware by signatures (no signatures/), "
                "malware by engines (no scanners.toml); copy the shipped ones into ")
    assert re.search(r"^  note +" + re.escape(unjudged), done.stdout, re.M), said(done)
    rules.start()
    assert unjudged in rules.log(), rules.log()
    assert "no content.toml" in rules.command("doctor").stdout


def test_shipped_files_are_there(env):
    """With all files that filter content there is nothing to be told."""
    rules = env.rules(env.downstream(KNOWS), files={name: shipped(name) for name in (
        "attachments.toml", "content.toml", "scanners.toml", "signatures/test.yar")})
    done = rules.check("--strict")
    assert done.returncode == 0 and "not judged" not in said(done), said(done)
    rules.start()
    assert "not judged" not in rules.log(), rules.log()


def test_every_mistake(env):
    rules = env.rules(env.downstream())
    good = rules.text()
    wrong = []
    for (old, new), want in BROKEN:
        assert old in good, old
        rules.write(good.replace(old, new, 1))
        done = rules.check()
        if done.returncode != 2:
            wrong.append(f"{new!r}: exit {done.returncode}: {said(done)}")
        elif not re.search(want, said(done)):
            wrong.append(f"{new!r}: expected {want} in\n{said(done)}")
        # run refuses it as well, and says the same
        ran = rules.command("run", seconds=20)
        if ran.returncode == 0:
            wrong.append(f"{new!r}: run took it")
    assert not wrong, "\n".join(wrong)


def test_all_errors_at_once(env):
    rules = env.rules(env.downstream())
    text = rules.text().replace('direction = "inbound"', 'direction = "inbond"').replace("[relay]", 'drain = 7.5\n[relay]')
    text = text.replace("hostname", "hostnme")
    done = rules.write(text).check()
    places = set(re.findall(r"gateway\.toml:(\d+):\d+", said(done)))
    assert done.returncode == 2 and len(places) >= 2, said(done)


def test_missing_folder(env):
    rules = env.rules(env.downstream())
    os.unlink(rules.toml_path)
    done = rules.check()
    assert done.returncode == 2 and "gateway.toml" in said(done), done


def test_downstream_away_is_a_warning(env):
    rules = env.rules(f"127.0.0.1:{proc.free_port()}")
    done = rules.check()
    assert done.returncode == 0 and "warning" in said(done).lower(), done
    assert rules.check("--strict").returncode == 2


def test_open_relay(env):
    rules = env.rules(env.downstream(), relay={"from": ["0.0.0.0/0"]})
    done = rules.check()
    assert "open relay" in said(done).lower(), said(done)
    assert rules.check("--strict").returncode == 2


def test_self_loop(env):
    rules = env.rules("127.0.0.1:1")
    rules.downstreams[0]["addresses"] = [rules.address]
    done = rules.write().check()
    assert done.returncode == 2 and re.search(LOOP, said(done)), said(done)


def local_address():
    """An address of this machine other than loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


def test_self_loop_through_a_wildcard(env):
    rules = env.rules("127.0.0.1:1")
    for own in filter(None, ("127.0.0.1", "127.0.0.2", local_address())):
        rules.listeners[0]["address"] = f"0.0.0.0:{rules.port}"
        rules.downstreams[0]["addresses"] = [f"{own}:{rules.port}"]
        done = rules.write().check()
        assert done.returncode == 2 and re.search(LOOP, said(done)), said(done)


def test_self_loop_of_a_running_daemon(env):
    """The files name another listener by now: the running daemon says where it listens."""
    gate = env.gateway(env.downstream(KNOWS))
    gate.listeners[0]["address"] = f"127.0.0.1:{proc.free_port()}"
    gate.downstreams[0]["addresses"] = [gate.address]
    done = gate.write().check()
    assert done.returncode == 2 and re.search(LOOP, said(done)), said(done)


def test_unwritable_state(env):
    rules = env.rules(env.downstream())
    with open(os.path.join(env.dir, "a-file"), "w"):
        pass
    rules.top["state_dir"] = os.path.join(env.dir, "a-file", "state")
    done = rules.write().check()
    assert "a-file" in said(done), said(done)
    assert rules.check("--strict").returncode == 2


def test_it_leaves_nothing_behind(env):
    rules = env.rules(env.downstream())
    rules.check()
    left = [n for _, _, names in os.walk(rules.dir) for n in names if n not in ("gateway.toml", "stderr")]
    assert not left, left


def test_unknown_words_on_the_command_line(env):
    rules = env.rules(env.downstream())
    assert rules.command("chek").returncode != 0
    for verb in ("status", "reload"):
        done = rules.command(verb)
        assert done.returncode == 3 and "control.sock" in done.stderr, said(done)
