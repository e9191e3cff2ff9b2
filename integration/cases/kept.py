"""What becomes ours: quarantine by rule, copies, discard, mail of an outage, full disks, and kill -9 in the middle of it."""
import json
import os
import random
import re
import subprocess

from cases.survival import Tmpfs, fill
from lib import proc
from lib.client import send, text

SUSPECTS = """
[[rule]]
id = "suspects"
action = "quarantine"
folder = "policy"
sender = "*@suspect.example"
"""
QUICK = '[spool]\nretry = ["1s"]\nwarn = "never"\n[hold]\nretry = "1s"\n'


def gateway(env, behind, protocol=SUSPECTS, quarantine=QUICK, **kw):
    return env.gateway(behind, files={"protocol.toml": protocol, "quarantine.toml": quarantine}, **kw)


def items(gate, noun="quarantine", *query):
    """What the command line lists, all pages of it."""
    out, more = [], []
    while True:
        done = gate.command(noun, "list", *query, "--json", "--rows", "500", *more)
        assert done.returncode in (0, 1), done
        out += [json.loads(line) for line in done.stdout.splitlines()]
        found = re.search(r"more: --after (\S+)", done.stderr)
        if not found:
            return out
        more = ["--after", found.group(1)]


def reference(reply):
    found = re.search(r"queued as ([0-9A-Z]{8})$", reply.text)
    assert found, reply
    return found.group(1)


def status(gate):
    return json.loads(gate.command("status", "--json").stdout)


def swaks(gate, sender, subject, *options):
    argv = ["swaks", "--server", "127.0.0.1", "--port", str(gate.port), "--ehlo", "client.example.com", "--from", sender,
            "--header", f"Subject: {subject}", *options]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_quarantine_by_rule_and_release_into_postfix(env):
    """From swaks into the folder, onto the list, and released into Postfix as it came."""
    postfix = env.postfix()
    gate = gateway(env, postfix)
    done = swaks(gate, "a@suspect.example", "odd", "--to", "alice@example.net,nobody-here@example.net", "--body", "look at me")
    assert done.returncode == 0 and "550 5.1.1" in done.stdout, done.stdout
    ref = re.search(r"250 2\.0\.0 Ok: queued as ([0-9A-Z]{8})", done.stdout).group(1)
    assert swaks(gate, "a@friend.example", "even", "--to", "alice@example.net").returncode == 0
    postfix.message("even")
    line = gate.wait_audit("message", lambda r: r["verdict"] == "quarantine")[0]
    assert line["folder"] == "policy" and line["message"] == ref and line["downstream_reply"] is None, line
    assert line["findings"][0]["id"] == "suspects" and line["findings"][0]["file"] == "protocol.toml", line
    proc.wait_for(lambda: len(items(gate)) == 1, "the list has it")
    row = items(gate)[0]
    assert row["id"] == ref and row["folder"] == "policy" and row["to"] == ["alice@example.net"], row
    assert row["subject"] == "odd" and row["rule"] == "suspects", row
    assert "policy" in gate.command("explain", ref).stdout
    assert len(postfix.messages()) == 1
    assert gate.command("quarantine", "release", ref).returncode == 0
    got = postfix.message("odd")
    assert b"look at me" in got.body and got.fields("X-Portcullis-Released")[0].startswith(ref), got.raw
    assert got.recipient() == "alice@example.net"
    # released again only where that is asked for
    assert gate.command("quarantine", "release", ref).returncode != 0
    assert len(postfix.messages()) == 2


def test_discard(env):
    down = env.downstream()
    gate = gateway(env, down, SUSPECTS.replace('action = "quarantine"\nfolder = "policy"', 'action = "discard"'))
    with gate.client() as c:
        c.ehlo()
        got = c.mail(sender="a@suspect.example", subject="noise")
        assert got.code == 250, got
        ref = reference(got)
        # the session goes on, downstream too
        assert c.mail(subject="signal").code == 250
    assert [m.fields("Subject")[0] for m in down.accepted] == ["signal"]
    assert gate.wait_audit("message", lambda r: r["message"] == ref)[0]["verdict"] == "discard"
    proc.wait_for(lambda: [i["folder"] for i in items(gate)] == ["discarded"], "a copy is there")


def test_copy_of_a_refusal(env):
    down = env.downstream()
    rule = '[[rule]]\nid = "boss"\naction = "reject"\nheader_from = "boss@example.net"\ncopy = "policy"\n'
    gate = gateway(env, down, rule)
    message = text("pay now").replace(b"From: <sender@example.com>", b"From: <boss@example.net>")
    got = send(gate.address, message)
    assert got.code == 550 and got.enhanced == "5.7.1", got
    assert not down.accepted
    line = gate.wait_audit("message")[0]
    assert line["verdict"] == "reject" and line["copy"] == "policy", line
    proc.wait_for(lambda: len(items(gate)) == 1, "the copy is there")
    ref = items(gate)[0]["id"]
    assert ref == line["message"]
    assert gate.command("quarantine", "release", ref).returncode != 0, "it was refused: nobody waits for it"
    assert gate.command("quarantine", "release", ref, "--again").returncode == 0
    proc.wait_for(lambda: [m.fields("Subject")[0] for m in down.accepted] == ["pay now"], "released all the same")


def test_mixed_recipients_have_their_own_ends(env):
    """One message to a real server: delivered to the one, in quarantine for the other."""
    postfix = env.postfix()
    rule = '[[rule]]\nid = "box"\naction = "quarantine"\nfolder = "policy"\nrecipient = "bob@example.net"\n'
    gate = gateway(env, postfix, rule)
    with gate.client() as c:
        c.ehlo()
        assert c.mail(rcpt=["bob@example.net", "alice@example.net"], subject="both").code == 250
        c.quit()
    assert postfix.message("both").recipient() == "alice@example.net"
    proc.wait_for(lambda: [i["to"] for i in items(gate)] == [["bob@example.net"]], "and the other in quarantine")
    assert len(postfix.messages()) == 1


def test_mixed_recipients_come_in_two_messages(env):
    """A queueing client sends the message again for those that heard 452: both get theirs, by their own way."""
    postfix = env.postfix()
    rule = '[[rule]]\nid = "box"\naction = "quarantine"\nfolder = "policy"\nrecipient = "bob@example.net"\n'
    gate = gateway(env, postfix, rule)
    gate.put("policies.toml", 'mixed = "defer"\n')
    assert gate.command("reload").returncode == 0
    with gate.client() as c:
        c.ehlo()
        c.envelope(["alice@example.net"])
        got = c.cmd("RCPT TO:<bob@example.net>")
        assert got.code == 452 and got.enhanced == "4.5.3", got
        assert c.data(text("both")).code == 250
        assert c.mail(rcpt=["bob@example.net"], subject="both").code == 250
        c.quit()
    assert postfix.message("both").recipient() == "alice@example.net"
    proc.wait_for(lambda: [i["to"] for i in items(gate)] == [["bob@example.net"]], "and the other in quarantine")
    assert len(postfix.messages()) == 1


def test_outage_is_bridged(env):
    """Postfix stops: mail for whom it accepted before, or who is listed, is taken; it starts: the mail arrives by itself."""
    postfix = env.postfix()
    gate = gateway(env, postfix, down={"on_outage": "queue"},
                   relay={"domains": ["example.net", "example.org"], "recipients": {"example.org": ["carol"]}})
    assert send(gate.address, text("before")).code == 250
    postfix.message("before")
    postfix.stop()

    def taken():
        with gate.client() as c:
            c.ehlo()
            return c.mail(subject="during").code == 250
    assert taken()
    with gate.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        got = c.cmd("RCPT TO:<never-seen@example.net>")
        assert got.code == 451 and got.enhanced == "4.4.1", got
        c.must("RCPT TO:<carol@example.org>", 250)
        assert c.data(text("during, listed")).code == 250
    lines = gate.wait_audit("message", lambda r: r["verdict"] == "queue", count=2)
    assert all(r["folder"] == "spool" and r["downstream_reply"] is None for r in lines), lines
    proc.wait_for(lambda: status(gate)["vault"]["spooled"] == 2, "two in the spool")
    # it survives a crash
    gate.kill9()
    gate.start()
    assert status(gate)["vault"]["spooled"] == 2
    postfix.start()
    postfix.message("during", seconds=90)
    postfix.message("during, listed", seconds=90)
    proc.wait_for(lambda: status(gate)["vault"]["spooled"] == 0, "the spool is empty", 30)
    assert len(postfix.messages()) == 3
    assert send(gate.address, text("after")).code == 250


def test_without_on_outage_nothing_is_taken(env):
    gate = gateway(env, f"127.0.0.1:{proc.free_port()}", relay={"recipients": {"example.net": ["alice"]}})
    with gate.client() as c:
        c.ehlo()
        got = c.cmd("MAIL FROM:<sender@example.com>")
        assert got.code == 451 and got.enhanced == "4.4.1", got
    assert items(gate, "spool") == []


def test_full_folder_puts_off(env):
    gate = gateway(env, env.downstream(), quarantine='[[folder]]\nname = "policy"\nmax_messages = 2\n')
    with gate.client() as c:
        c.ehlo()
        codes = [c.mail(sender="a@suspect.example", subject=f"m{n}").code for n in range(3)]
        assert codes == [250, 250, 452], codes
        assert c.mail(subject="others go on").code == 250
    near = proc.wait_for(lambda: status(gate)["near_full"], "status names the folder")
    assert near[0]["folder"] == "policy" and near[0]["percent"] == 100, near
    assert "folder policy is 100 % full for" in gate.command("status").stdout


def test_full_disk_refuses_and_resumes(env):
    """Below the watermark MAIL hears 452; the command line still works; with space again mail flows by itself."""
    down = env.downstream()
    gate = env.rules(down, files={"protocol.toml": SUSPECTS, "quarantine.toml": '[disk]\nwarn = "30M"\nfull = "10M"\n'})
    with Tmpfs(gate.state, "40M"):
        gate.start()
        assert send(gate.address, text("kept"), sender="a@suspect.example").code == 250
        rubbish = os.path.join(gate.state, "rubbish")
        with open(rubbish, "wb") as f:
            f.write(bytes(15 << 20))
        proc.wait_for(lambda: any(v["level"] == "low" for v in status(gate)["volumes"]), "status warns")
        assert "is low on space" in gate.command("status").stdout
        assert send(gate.address, text("still")).code == 250
        fill(rubbish)

        def refused():
            with gate.client() as c:
                c.ehlo()
                got = c.cmd("MAIL FROM:<sender@example.com>")
                return got.code == 452 and got.enhanced == "4.3.1"
        proc.wait_for(refused, "452 at MAIL")
        assert "FULL, mail is put off (452)" in gate.command("status").stdout
        assert len(items(gate)) == 1
        os.unlink(rubbish)
        proc.wait_for(lambda: not refused(), "mail is taken again")
        assert send(gate.address, text("again"), sender="a@suspect.example").code == 250
        proc.wait_for(lambda: len(items(gate)) == 2, "and kept")
        gate.stop()


def test_disk_that_fills_up_under_quarantine(env):
    """No watermark: the disk is full while messages are put. Told 250 is kept, the rest hears 452, and it ends by itself."""
    gate = env.rules(env.downstream(), memory="8M",
                     files={"protocol.toml": SUSPECTS, "quarantine.toml": '[disk]\nwarn = "0"\nfull = "0"\n'})
    with Tmpfs(gate.state, "40M"):
        gate.start()
        rubbish = os.path.join(gate.state, "rubbish")
        told, codes = [], set()
        with gate.client() as c:
            c.ehlo()
            for n in range(40):
                if n == 5:
                    fill(rubbish)
                subject = f"m{n}"
                noise = b"X-Noise: " + random.randbytes(30_000).hex().encode().replace(b"0", b"\r\n z") + b"\r\n"
                got = c.mail(message=text(subject, extra=noise), sender="a@suspect.example")
                codes.add((got.code, got.enhanced))
                if got.code == 250:
                    told.append(subject)
        assert codes <= {(250, "2.0.0"), (452, "4.3.1"), (451, "4.3.0")} and (452, "4.3.1") in codes, codes
        os.unlink(rubbish)
        proc.wait_for(lambda: send(gate.address, text("again"), sender="a@suspect.example").code == 250, "mail is kept again", 30)
        gate.stop()
        gate.start()
        there = {i["subject"] for i in items(gate)}
        assert set(told) <= there, set(told) - there
        gate.stop()
