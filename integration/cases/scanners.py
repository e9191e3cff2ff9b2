"""Scanning engines: the real ones, and a clamd that misbehaves in every way there is; lanes, switches, holds."""
import base64
import io
import json
import os
import time
import zipfile

from cases.kept import QUICK, items, status
from lib import proc
from lib.client import send, text
from lib.engines import EICAR
from lib.runner import nightly

TROUBLES = ["hang", "deaf", "close", "close-early", "cut", "garbage", "endless", "error", "limit", "limit-open"]
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def gateway(env, behind, scanners, **kw):
    return env.gateway(behind, files={"scanners.toml": scanners, "quarantine.toml": QUICK}, **kw)


def words(subject, line):
    return text(subject, line=line.encode())


def attached(subject, name, octets):
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return (text(subject).split(b"\r\n\r\n", 1)[0] + b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/plain\r\n\r\nlook\r\n--b\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Disposition: attachment; filename=" + name.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + encoded + b"--b--\r\n")


def zipped(octets):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("inside.txt", octets)
    return out.getvalue()


def clamd(env):
    return env.once("clamd", lambda home: home.clamd())


def test_clamd_finds_and_passes(env):
    """The real one, over its socket: clean mail goes on octet for octet, malware is refused or kept, and told of."""
    engine, down = clamd(env), env.downstream()
    gate = gateway(env, down, engine.scanner())
    assert send(gate.address, attached("fine", "a.zip", zipped(b"harmless " * 1000))).code == 250
    got = send(gate.address, attached("bad", "a.zip", zipped(EICAR.encode())))
    assert got.code == 550 and got.enhanced == "5.7.1", got
    assert "icar" not in got.text.lower() and "clam" not in got.text.lower(), got
    line = gate.wait_audit("message", lambda r: r["verdict"] == "reject")[0]
    assert [(f["id"], f["file"], f["line"]) for f in line["findings"]] == [("clamav", "scanners.toml", 2)], line
    assert "infected: Test.Eicar" in gate.command("explain", line["message"]).stdout
    assert [m.fields("Subject")[0] for m in down.accepted] == ["fine"]
    # kept instead of refused
    gate.put("scanners.toml", engine.scanner(on_infected="quarantine"))
    assert gate.command("reload").returncode == 0
    assert send(gate.address, attached("bad", "a.zip", zipped(EICAR.encode()))).code == 250
    proc.wait_for(lambda: [(i["folder"], i["rule"]) for i in items(gate)] == [("virus", "clamav")], "it is in virus")
    tried = gate.command("scanners", "test", "clamav")
    assert tried.returncode == 0 and "infected: Test.Eicar" in tried.stdout and "ClamAV " in tried.stdout, tried
    assert "clamav" in gate.command("status").stdout


def test_clamd_over_its_limit(env):
    """StreamMaxLength is said in the middle of the message: no error, the lane of what is too large."""
    engine, down = env.clamd(StreamMaxLength="1M"), env.downstream()
    gate = gateway(env, down, engine.scanner())
    big = attached("big", "a.bin", os.urandom(4 << 20))
    assert send(gate.address, big).code == 250
    proc.wait_for(lambda: [i["folder"] for i in items(gate)] == ["unscanned"], "it is in unscanned")
    gate.put("scanners.toml", engine.scanner(max_size="1M", on_too_large="tempfail"))
    assert gate.command("reload").returncode == 0
    assert send(gate.address, big).code == 451
    assert not down.messages


def test_clamd_new_signatures_look_anew(env):
    """What was clean is remembered, and not beyond the signatures."""
    engine, down = env.clamd(), env.downstream()
    gate = gateway(env, down, engine.scanner())
    for _ in range(2):
        assert send(gate.address, words("again", "a peculiar phrase\r\n")).code == 250
    engine.stop()
    engine.signatures({"Test.Phrase": "a peculiar phrase"})
    engine.start()
    # Signatures of one's own have no number in the version, so nothing is remembered under it.
    assert send(gate.address, words("again", "a peculiar phrase\r\n")).code == 550


def test_trouble_is_never_a_pass(env):
    """Every way in which a scanner can fail, in every lane."""
    down = env.downstream()
    fake = env.fake_clamd()
    lanes = {"tempfail": 451, "quarantine": 250, "hold": 250, "pass-tagged": 250}
    gate = gateway(env, down, "")
    for lane, code in lanes.items():
        # what is too large would be held for ever
        large = "quarantine" if lane == "hold" else lane
        table = fake.scanner(name=lane, timeout="1s", breaker_failures=1000, on_error=lane, on_too_large=large)
        gate.put("scanners.toml", "cache = 0\n" + table)
        assert gate.command("reload").returncode == 0
        for mode in TROUBLES:
            fake.mode = mode
            before = len(down.messages)
            began = time.monotonic()
            got = send(gate.address, words(f"{lane} {mode}", "x" * 60 + "\r\n"))
            assert got.code == code, (lane, mode, got)
            assert time.monotonic() - began < 5, (lane, mode)
            passed = len(down.messages) - before
            assert passed == (lane == "pass-tagged"), (lane, mode, passed)
    assert [i["folder"] for i in items(gate)].count("unscanned") == len(TROUBLES) + 2, items(gate)
    assert "pass-tagged" in [f["id"] for f in gate.audit("message")[-1]["findings"]], gate.audit("message")[-1]


LANES = """
[[policy]]
name = "keep"
recipient = "keep@example.net"
on_error = "hold"
[[policy]]
name = "keep-too"
recipient = "two@example.net"
on_error = "hold"
[[policy]]
name = "late"
recipient = "late@example.net"
on_error = "tempfail"
[[policy]]
name = "aside"
recipient = "aside@example.net"
on_error = "quarantine"
"""


def to_each(gate, subject, *names):
    with gate.client() as c:
        c.ehlo("client.example.com")
        c.must("MAIL FROM:<sender@example.com>", 250)
        codes = [c.cmd(f"RCPT TO:<{name}@example.net>").code for name in names]
        return codes, c.data(text(subject))


def test_lanes_of_policies(env):
    """One scanner that fails, and recipients with lanes of their own: each its end; where one is put off all are."""
    down, fake = env.downstream(), env.fake_clamd("error")
    gate = gateway(env, down, "cache = 0\n" + fake.scanner(on_error="pass-tagged", breaker_failures=1000))
    gate.put("policies.toml", LANES)
    assert gate.command("reload").returncode == 0

    def where(subject):
        return sorted({(i["folder"], " ".join(i["to"])) for i in items(gate) + items(gate, "held") if i["subject"] == subject})

    # the scanner's own lane, and each of the others by itself
    assert to_each(gate, "own", "bob")[1].code == 250
    assert down.accepted[-1].fields("X-Portcullis-Unscanned") == ["fake"], down.accepted[-1].message
    assert to_each(gate, "one late", "late")[1].code == 451
    # hold beside tempfail: all of it comes again, and nothing was done
    codes, got = to_each(gate, "put off", "keep", "late")
    assert codes == [250, 250] and got.code == 451, (codes, got)
    assert where("put off") == [] and len(down.accepted) == 1
    # hold, quarantine and pass-tagged
    codes, got = to_each(gate, "three", "keep", "bob", "aside", "carol")
    assert got.code == 250, got
    assert sorted(r.split("<")[1].split("@")[0] for r in map(str, down.accepted[-1].rcpt)) == ["bob", "carol"], down.accepted[-1].rcpt
    proc.wait_for(lambda: len(where("three")) == 2, "two are kept")
    assert where("three") == [("held", "keep@example.net"), ("unscanned", "aside@example.net")], where("three")
    # what is held is judged again by its policy: one item for each
    assert to_each(gate, "held", "keep", "two")[1].code == 250
    proc.wait_for(lambda: len(where("held")) == 2, "two are held")
    assert where("held") == [("held", "keep@example.net"), ("held", "two@example.net")], where("held")
    # one after the other
    gate.put("policies.toml", 'mixed = "defer"\n' + LANES)
    assert gate.command("reload").returncode == 0
    codes, got = to_each(gate, "deferred", "keep", "late")
    assert codes == [250, 452] and got.code == 250, (codes, got)
    assert to_each(gate, "deferred", "late")[1].code == 451
    fake.mode = "ok"
    assert to_each(gate, "deferred", "late")[1].code == 250
    proc.wait_for(lambda: sorted(m.fields("Subject")[0] for m in down.accepted) ==
                  ["deferred", "deferred", "held", "held", "own", "three", "three"], "what was held is delivered", 60)


def test_hung_scanner_is_answered_in_time(env):
    """With the rules as they are: within twenty seconds."""
    down, fake = env.downstream(), env.fake_clamd("hang")
    gate = gateway(env, down, fake.scanner())
    began = time.monotonic()
    assert send(gate.address, timeout=40).code == 451
    assert time.monotonic() - began < 20, time.monotonic() - began
    assert not down.messages


def test_late_answer_is_one(env):
    down, fake = env.downstream(), env.fake_clamd("late", delay=2)
    gate = gateway(env, down, fake.scanner())
    assert send(gate.address).code == 250
    assert len(down.messages) == 1


def test_breaker_opens_and_closes_by_itself(env):
    down, fake = env.downstream(), env.fake_clamd("close")
    gate = gateway(env, down, fake.scanner(breaker_failures=2, breaker_pause="1s"))
    for n in range(2):
        assert send(gate.address, text(f"m{n}")).code == 451
    shown = gate.command("scanners", "list").stdout
    assert "DOWN" in shown and "FAILED for" in shown, shown
    scans = fake.scans
    fake.stop()
    assert send(gate.address, text("while open")).code == 451
    assert fake.scans == scans
    fake.mode = "ok"
    fake.start()
    proc.wait_for(lambda: "DOWN" not in gate.command("scanners", "list").stdout, "it answers again", 10)
    assert send(gate.address, text("after")).code == 250


def test_several_addresses_stand_in(env):
    down = env.downstream()
    one, two = env.fake_clamd("ok"), env.fake_clamd("hang")
    gate = gateway(env, down, one.scanner(addresses=[two.address, one.address], timeout="4s"))
    assert gate.command("scanners", "list").stdout.count("not asked yet") == 2
    for n in range(4):
        assert send(gate.address, text(f"m{n}")).code == 250
    shown = gate.command("scanners", "list").stdout
    assert "not asked yet" not in shown and "not asked yet" not in gate.command("status").stdout, shown
    assert one.scans >= 4 and len(down.messages) == 4


def test_scanners_are_switched_at_once_and_for_good(env):
    down, fake = env.downstream(), env.fake_clamd("found")
    gate = gateway(env, down, fake.scanner())
    with gate.client() as c:
        c.ehlo()
        assert c.mail(subject="one").code == 550
        assert gate.command("scanners", "disable", "fake").returncode == 0
        assert c.mail(subject="two").code == 250, "also in a session that is open"
        gate.stop()
    gate.start()
    listed = json.loads(gate.command("scanners", "list", "--json").stdout)
    assert listed[0]["disabled_unix_ms"], listed
    assert send(gate.address, text("three")).code == 250
    line = gate.wait_audit("message", lambda r: r["verdict"] != "reject", count=2)[-1]
    assert "switched off by an admin" in json.dumps(line), line
    assert gate.command("scanners", "enable", "fake").returncode == 0
    assert send(gate.address, text("four")).code == 550
    wrong = gate.command("scanners", "disable", "fkae")
    assert wrong.returncode == 2 and 'did you mean "fake"' in wrong.stderr, wrong


def test_hold_is_scanned_again_by_itself(env):
    """Taken while the scanner is away; it comes back: the clean one is delivered, the other one is malware."""
    engine, down = env.clamd(), env.downstream()
    gate = gateway(env, down, engine.scanner(on_error="hold", breaker_pause="1s"))
    engine.stop()
    assert send(gate.address, text("clean")).code == 250
    assert send(gate.address, attached("bad", "a.txt", EICAR.encode())).code == 250
    assert not down.messages
    proc.wait_for(lambda: status(gate)["vault"]["held"] == 2, "two are held")
    # it survives a crash
    gate.kill9()
    gate.start()
    engine.start()
    proc.wait_for(lambda: [m.fields("Subject")[0] for m in down.accepted] == ["clean"], "the clean one is delivered", 60)
    proc.wait_for(lambda: [i["folder"] for i in items(gate)] == ["virus"], "the other one is in virus", 60)
    assert status(gate)["vault"]["held"] == 0


def test_held_mail_is_judged_as_a_whole(env):
    """Taken while the scanner fails; when it answers, attachments, score and policies of then decide, and dress what goes on."""
    down, fake = env.downstream(), env.fake_clamd("error")
    gate = gateway(env, down, fake.scanner(on_error="hold", breaker_failures=1000))
    assert send(gate.address, words("plain", "hello\r\n")).code == 250
    assert send(gate.address, words("prize", "You have won\r\n")).code == 250
    assert send(gate.address, attached("list", "a.zip", zipped(b"words"))).code == 250
    assert send(gate.address, attached("tool", "a.js", b"harmless")).code == 250
    proc.wait_for(lambda: status(gate)["vault"]["held"] == 4, "four are held")
    gate.put("content.toml", '[[rule]]\nid = "prize"\nscore = 9.0\ntext = "you have won"\n')
    gate.put("attachments.toml", '[[rule]]\nid = "no-zip"\naction = "strip"\nextension = "zip"\n'
                                 '[[rule]]\nid = "no-js"\naction = "reject"\nextension = "js"\n')
    assert gate.command("reload").returncode == 0
    fake.mode = "ok"
    proc.wait_for(lambda: status(gate)["vault"]["held"] == 0, "none is held", 60)
    proc.wait_for(lambda: sorted(m.fields("Subject")[0] for m in down.accepted) == ["list", "plain"], "two are delivered", 60)
    out = {m.fields("Subject")[0]: m for m in down.accepted}
    assert b"no-zip" in out["list"].message and b"UEsDB" not in out["list"].message, out["list"].message
    assert out["plain"].fields("X-Spam-Score") == ["0.0"], out["plain"].message
    kept = sorted((i["subject"], i["folder"], i["rule"]) for i in items(gate))
    assert kept == [("list", "policy", kept[0][2]), ("prize", "spam", "score"), ("tool", "policy", "no-js")], kept
    # what is kept is looked at in the same way, and stays where it is
    done = gate.command("quarantine", "rescan", "subject:prize")
    assert "the rules of now: score" in done.stdout + done.stderr, done


def test_clamd_that_hangs_and_dies(env):
    """The real one, stopped in the middle, then killed: tempfail each time, and mail flows by itself when it is back."""
    engine, down = env.clamd(), env.downstream()
    gate = gateway(env, down, engine.scanner(timeout="2s", breaker_pause="1s"))
    engine.pause()
    began = time.monotonic()
    assert send(gate.address, text("hangs")).code == 451
    assert time.monotonic() - began < 6
    engine.resume()
    engine.process.kill9()
    assert send(gate.address, text("dead")).code == 451
    engine.start()
    proc.wait_for(lambda: send(gate.address, text("back")).code == 250, "it is back", 20)
    assert not [m for m in down.accepted if m.fields("Subject")[0] != "back"]


def test_rspamd_gives_symbols(env):
    engine, down = env.rspamd(), env.downstream()
    gate = gateway(env, down, engine.scanner(on_error="tempfail"))
    assert send(gate.address, words("spam", GTUBE + "\r\n")).code in (250, 550)
    line = gate.wait_audit("message")[0]
    ids = [f["id"] for f in line["findings"]]
    assert "rspamd" in ids and any(i.startswith("rspamd/GTUBE") for i in ids), line
    tried = gate.command("scanners", "test")
    assert tried.returncode == 0 and "score " in tried.stdout, tried
    engine.stop()
    assert send(gate.address, text("away")).code == 451


def test_spamd_gives_points(env):
    engine, down = env.spamd(), env.downstream()
    gate = gateway(env, down, engine.scanner(on_error="tempfail"))
    send(gate.address, words("spam", GTUBE + "\r\n"), timeout=60)
    line = gate.wait_audit("message")[0]
    ids = [f["id"] for f in line["findings"]]
    assert "spamassassin" in ids and "spamassassin/GTUBE" in ids, line
    assert "it would: spam" in json.dumps(line), line
    # it knows the client from the header that it is given on top
    assert "spamassassin/NO_RECEIVED" not in ids, ids
    assert gate.command("scanners", "test").returncode == 0


def test_command(env):
    path = os.path.join(env.folder("own"), "look")
    with open(path, "w") as f:
        f.write("#!/bin/sh\nif grep -q 'bad words'; then echo Own.Rule; exit 1; fi\n[ \"$PORTCULLIS_CLIENT\" = 127.0.0.1 ]\n")
    os.chmod(path, 0o755)
    down = env.downstream()
    gate = gateway(env, down, f'[[scanner]]\nname = "own"\nengine = "command"\ncommand = ["{path}"]\nexit_infected = ["1"]\n')
    assert send(gate.address, words("a", "good words\r\n")).code == 250
    assert send(gate.address, words("b", "bad words\r\n")).code == 550
    assert "Own.Rule" in json.dumps(gate.wait_audit("message", lambda r: r["verdict"] == "reject")[0])


def test_check_and_doctor_tell(env):
    fake = env.fake_clamd()
    gate = env.rules(env.downstream(), files={"scanners.toml": fake.scanner(on_eror="hold")})
    done = gate.check()
    assert done.returncode == 2 and "did you mean `on_error`" in done.stdout + done.stderr, done
    gate.put("scanners.toml", fake.scanner(mode="on"))
    done = gate.check()
    assert done.returncode == 0 and f'"fake": {fake.address} answers: ' in done.stdout, done
    fake.stop()
    done = gate.check()
    assert done.returncode == 0 and f'warning  "fake": {fake.address}: cannot connect' in done.stdout, done
    assert 'on_error = "tempfail"' in done.stdout and gate.check("--strict").returncode == 2, done
    gate.put("scanners.toml", fake.scanner(mode="off"))
    assert fake.address not in gate.check().stdout
    gate.put("scanners.toml", fake.scanner(mode="on"))
    done = gate.command("doctor")
    assert f'"fake": {fake.address}: cannot connect' in done.stdout, done


@nightly
def test_clamd_under_load(env):
    """Eight sessions for a minute, clamd away for a moment every ten seconds: what passed was scanned, nothing is lost."""
    import threading
    engine, down = env.clamd(), env.downstream()
    gate = gateway(env, down, engine.scanner(breaker_pause="1s"))
    end, codes = time.monotonic() + 60, []

    def work(n):
        m = 0
        while time.monotonic() < end:
            m += 1
            bad = m % 5 == 0
            got = send(gate.address, attached(f"{n}-{m}-{'bad' if bad else 'fine'}", "a.txt", EICAR.encode() if bad else b"x" * 3000))
            codes.append((bad, got.code))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    while time.monotonic() < end:
        time.sleep(8)
        engine.process.kill9()
        time.sleep(2)
        engine.start()
    for t in threads:
        t.join()
    assert {code for bad, code in codes if bad} <= {550, 451} and {code for bad, code in codes if not bad} == {250, 451}
    assert len(down.accepted) == sum(code == 250 for _, code in codes)
    assert not [m for m in down.accepted if "bad" in m.fields("Subject")[0]]
