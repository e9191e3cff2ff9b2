"""The message itself: attachments, signatures, score, sender authentication, policies; what goes out and what is kept."""
import base64
import binascii
import io
import json
import os
import zipfile

from cases.kept import QUICK
from cases.quarantine import rows
from lib import proc
from lib.client import send
from lib.engines import EICAR

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
EXE = b"MZ" + bytes(58) + b"\x40\x00\x00\x00" + b"PE\x00\x00\x4c\x01" + bytes(200)
SCORE = """
[[rule]]
id = "prize"
score = 6.0
text = "you have won"

[[rule]]
id = "hurry"
score = 4.0
text = "act now"

[[rule]]
id = "known"
score = -9.0
subject = "minutes of the meeting"
"""


def shipped(name):
    """The text of a file of rules as it is shipped."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "rules", name)) as f:
        return f.read()


def message(subject, words="Hello.", name=None, octets=None, kind="application/octet-stream", extra=""):
    head = (f"From: Sender <sender@example.com>\r\nTo: alice@example.net\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject.replace(' ', '-')}@example.com>\r\nDate: Mon, 20 Nov 2023 10:00:00 +0000\r\n{extra}").encode()
    if name is None:
        return head + b"\r\n" + words.encode() + b"\r\n"
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return (head + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/plain\r\n\r\n" + words.encode() + b"\r\n--b\r\nContent-Type: " + kind.encode() +
            b"\r\nContent-Disposition: attachment; filename=\"" + name.encode() +
            b"\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded + b"--b--\r\n")


def zipped(name, octets):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, octets)
    return out.getvalue()


def ids(line):
    return {f["id"] for f in line["findings"]}


def test_shipped_rules_without_a_daemon(env):
    """A clean message, EICAR in a zip, a program that calls itself a document: with the shipped rules alone."""
    down = env.downstream()
    files = {f: shipped(f) for f in ("attachments.toml", "content.toml", "policies.toml", "signatures/test.yar")}
    gate = env.gateway(down, files=files)
    fine = message("report", name="report.pdf", octets=PDF, kind="application/pdf")
    assert send(gate.address, fine).code == 250
    assert down.accepted[0].message.endswith(fine), down.accepted[0].message
    got = send(gate.address, message("bad", name="a.zip", octets=zipped("inside.txt", EICAR.encode())))
    assert (got.code, got.enhanced) == (550, "5.7.1"), got
    assert "eicar" not in got.text.lower() and "signature" not in got.text.lower(), got
    line = gate.wait_audit("message", lambda r: r["verdict"] == "reject")[0]
    assert "signatures" in ids(line), line
    assert "test.yar" in gate.command("explain", line["message"]).stdout
    assert send(gate.address, message("bill", name="bill.pdf", octets=EXE, kind="application/pdf")).code == 250
    kept = rows(gate)
    assert [(r["subject"], r["folder"]) for r in kept] == [("bill", "policy")], kept
    assert "program" in gate.command("quarantine", "show", kept[0]["id"]).stdout
    assert [m.fields("Subject")[0] for m in down.accepted] == ["report"]
    told = gate.command("check")
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_place_of_a_program_is_seen(env):
    """Encodings and structures in which mail programs find a file."""
    down = env.downstream()
    gate = env.gateway(down, files={"attachments.toml": shipped("attachments.toml"), "signatures/test.yar": shipped("signatures/test.yar")})
    bad = EICAR.encode()
    b64 = base64.b64encode(bad).decode()
    part = "Content-Type: application/octet-stream; name=a.txt\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    inner = f"Subject: inner\r\nMIME-Version: 1.0\r\n{part}{b64}\r\n"
    packed = base64.b64encode(zipped("x.eml", inner.encode())).decode()
    qp = "".join(f"={b:02X}" for b in bad)

    def parts(body, boundary="b", end="--b--\r\n", first="--b\r\n"):
        return f"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n\r\n{first}{body}\r\n{end}"

    def as_zip(inside):
        return parts(part.replace("a.txt", "a.zip") + base64.b64encode(zipped("m.eml", inside.encode())).decode())

    def as_file(inside):
        return parts(part.replace("a.txt", "m.eml") + base64.b64encode(inside.encode()).decode())

    shapes = {
        "base64": parts(part + b64),
        "padded in the middle": parts(part + base64.b64encode(bad[:31]).decode() + base64.b64encode(bad[31:]).decode()),
        "foreign octets": parts(part + "!".join(b64[i:i + 7] for i in range(0, len(b64), 7))),
        "quoted-printable": parts(part.replace("base64", "quoted-printable") + qp),
        "encoding twice": parts(part.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: 7bit\r\n\r\n") + b64),
        "encoding with more": parts(part.replace("base64", "base64;") + b64),
        "nested": parts("Content-Type: message/rfc822\r\n\r\n" + inner),
        "nested in base64": parts("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                                  base64.b64encode(inner.encode()).decode()),
        "message in a zip": as_zip(inner),
        "message as a file": as_file(inner),
        "nested in a zip": parts(part.replace("a.txt", "a.zip") + packed),
        "in a zip in a message in a zip": parts(part.replace("a.txt", "a.zip") + base64.b64encode(zipped("x.eml", parts(
            part + base64.b64encode(zipped("y.txt", bad)).decode()).encode())).decode()),
        "no last delimiter": parts(part + b64, end=""),
        "behind the last delimiter": parts("\r\nfirst", end="--b--\r\n--b\r\n" + part + b64 + "\r\n--b--\r\n"),
        "blanks behind the delimiter": parts(part + b64, first="--b  \t\r\n"),
        "junk behind the delimiter": parts(part + b64, first="--bcd\r\n"),
        "two boundaries": parts(part + b64, boundary="x; boundary=b"),
        "preamble": parts("\r\nnothing", first=EICAR + "\r\n--b\r\n"),
        "no blank line": parts(part.replace("\r\n\r\n", "\r\n") + b64),
        "comment": parts(part.replace(": base64", ": (c) base64") + b64),
        "page": f"Content-Type: text/html\r\n\r\n<a download=x.exe href='data:x/y;base64,{b64}'>here</a>\r\n",
        "partial": "MIME-Version: 1.0\r\nContent-Type: message/partial; number=1; total=2; id=x\r\n\r\n" + inner,
    }
    passed = []
    for name, body in shapes.items():
        head = f"From: <a@example.com>\r\nTo: <alice@example.net>\r\nSubject: {name}\r\nDate: Mon, 20 Nov 2023 10:00:00 +0000\r\n"
        got = send(gate.address, (head + body).encode())
        if got.code == 250 and not any(r["subject"] == name for r in rows(gate)):
            passed.append((name, got.text))
    assert not passed and not down.accepted, (passed, [m.fields("Subject") for m in down.accepted])
    # the same shapes with nothing in them that anybody minds
    clean = base64.b64encode(b"nothing at all, and some more of it").decode()
    harmless = inner.replace(b64, clean).encode()
    for name in ("base64", "nested", "nested in base64", "nested in a zip", "comment", "page"):
        body = shapes[name].replace(b64, clean).replace(base64.b64encode(inner.encode()).decode(), base64.b64encode(harmless).decode())
        body = body.replace(packed, base64.b64encode(zipped("x.eml", harmless)).decode())
        head = f"From: <a@example.com>\r\nSubject: clean {name}\r\nDate: Mon, 20 Nov 2023 10:00:00 +0000\r\n"
        assert send(gate.address, (head + body).encode()).code == 250
    for name, shape in (("in a zip", as_zip), ("as a file", as_file)):
        head = f"From: <a@example.com>\r\nSubject: clean {name}\r\nDate: Mon, 20 Nov 2023 10:00:00 +0000\r\n"
        assert send(gate.address, (head + shape(inner.replace(b64, clean))).encode()).code == 250
    assert [m.fields("Subject")[0] for m in down.accepted] == [
        "clean base64", "clean nested", "clean nested in base64", "clean nested in a zip", "clean comment", "clean page",
        "clean in a zip", "clean as a file"]


def test_score_marks_keeps_and_refuses(env):
    down = env.downstream()
    gate = env.gateway(down, files={"content.toml": SCORE, "policies.toml": '[default]\nsubject_tag = "[SPAM]"\n'})
    forged = "X-Spam-Flag: NO\r\nX-Portcullis-Policy: mine\r\n"
    assert send(gate.address, message("a", "You have\r\nwon!", extra=forged)).code == 250
    m = down.accepted[0]
    assert m.fields("X-Spam-Flag") == ["YES"] and m.fields("X-Spam-Score") == ["6.0"], m.message
    assert m.fields("Subject") == ["[SPAM] a"] and m.fields("X-Portcullis-Policy") == ["default"], m.message
    assert "prize=6.0" in m.fields("X-Spam-Status")[0] and "required=5.0" in m.fields("X-Spam-Status")[0]
    assert send(gate.address, message("b", "You have won, act now")).code == 250
    assert [(r["subject"], r["folder"]) for r in rows(gate)] == [("b", "spam")]
    gate.put("policies.toml", "[default]\nreject = 9.5\n")
    assert gate.command("reload").returncode == 0
    got = send(gate.address, message("c", "You have won, act now"))
    assert (got.code, got.enhanced) == (550, "5.7.1"), got
    line = gate.wait_audit("message", lambda r: r["verdict"] == "reject")[0]
    assert {"prize", "hurry", "score"} <= ids(line), line
    assert "policies.toml" in gate.command("explain", line["message"]).stdout
    assert send(gate.address, message("minutes of the meeting", "You have won, act now")).code == 250
    assert down.accepted[1].fields("X-Spam-Flag") == [] and down.accepted[1].fields("X-Spam-Score") == ["1.0"]


def test_each_recipient_has_its_own_policy(env):
    """One message: delivered to whoever wants everything, kept for the others; marked for one, and not for the other."""
    down = env.downstream()
    rules = ('[[policy]]\nname = "abuse"\nrecipient = "abuse@example.net"\nscore = false\n'
             '[[policy]]\nname = "brave"\nrecipient = "bob@example.net"\ntag = 5.0\nquarantine = 100.0\nreject = 200.0\nsubject_tag = "[SPAM]"\n')
    gate = env.gateway(down, files={"content.toml": SCORE, "policies.toml": rules, "quarantine.toml": QUICK})
    with gate.client() as c:
        c.ehlo("client.example.com")
        c.must("MAIL FROM:<sender@example.com>", 250)
        for rcpt in ("alice", "abuse", "bob", "carol"):
            c.must(f"RCPT TO:<{rcpt}@example.net>", 250)
        got = c.data(message("four", "You have won, act now"))
        assert got.code == 250, got
    down.wait_messages(2)
    first, second = down.accepted
    assert "abuse@" in str(first.rcpt) and len(first.rcpt) == 1 and first.fields("X-Spam-Flag") == [], first.message
    assert "bob@" in str(second.rcpt) and len(second.rcpt) == 1 and second.fields("Subject") == ["[SPAM] four"], second.message
    kept = [r for r in rows(gate) if r["folder"] == "spam"]
    assert len(kept) == 1 and sorted(a.strip("<>") for a in kept[0]["to"]) == ["alice@example.net", "carol@example.net"], kept
    line = gate.wait_audit("message", lambda r: r["verdict"] == "mixed")[0]
    assert "spam" in line["note"], line


def test_a_rule_for_one_recipient_lets_nobody_else_off(env):
    """An accepted file, and points off, for one of two: the other is judged without them."""
    files = {"attachments.toml": '[[rule]]\nid = "ours"\naction = "accept"\nextension = "exe"\nrecipient = "bob@example.net"\n'
                                 '[[rule]]\nid = "no-exe"\naction = "quarantine"\nextension = "exe"\n',
             "content.toml": '[[rule]]\nid = "won"\nscore = 9.0\ntext = "you have won"\n'
                             '[[rule]]\nid = "likes-it"\nscore = -50.0\ntext = "you have won"\nrecipient = "bob@example.net"\n'}
    down = env.downstream()
    gate = env.gateway(down, files=files)
    both = ["alice@example.net", "bob@example.net"]
    assert send(gate.address, message("tool", name="tool.exe", octets=b"MZ nothing"), rcpt=both).code == 250
    assert send(gate.address, message("prize", "You have won."), rcpt=both).code == 250
    down.wait_messages(2)
    for got, subject in zip(down.accepted, ("tool", "prize")):
        assert len(got.rcpt) == 1 and "bob@" in str(got.rcpt) and got.fields("Subject") == [subject], (got.rcpt, got.message)
    kept = sorted((r["subject"], r["folder"], r["to"][0].strip("<>"), len(r["to"])) for r in rows(gate))
    assert kept == [("prize", "spam", "alice@example.net", 1), ("tool", "policy", "alice@example.net", 1)], kept


def test_what_a_policy_turns_off_counts_against_nobody(env):
    """Points of a refusal by attachment: none from mail to those whose policy has no such rules."""
    files = {"attachments.toml": '[[rule]]\nid = "no-zip"\naction = "reject"\nextension = "zip"\n',
             "policies.toml": '[[policy]]\nname = "all"\nrecipient = "bob@example.net"\nattachments = false\n',
             "limits.toml": '[greeting]\ndelay = "0s"\n[bans]\nlimit = 20\n[ban_points]\nrefused = 10\n'}
    gate = env.gateway(env.downstream(), files=files, trusted={"clients": []})
    carries = message("zip", name="a.zip", octets=zipped("a.txt", b"words"))

    def banned(source, rcpt):
        for _ in range(3):
            try:
                send(gate.address, carries, rcpt=[rcpt], source=source)
            except (OSError, AssertionError):
                break
        listed = gate.command("bans", "list", "--json").stdout
        return source in listed

    assert not banned("127.0.8.1", "bob@example.net")
    assert banned("127.0.8.2", "alice@example.net")


def test_a_part_is_taken_out_and_kept(env):
    down = env.downstream()
    rule = '[[rule]]\nid = "no-zip"\naction = "strip"\nextension = "zip"\ntext = "Send it by another way."\n'
    gate = env.gateway(down, files={"attachments.toml": rule})
    came = message("list", "See below.", name="list.zip", octets=zipped("list.txt", b"many words"))
    assert send(gate.address, came).code == 250
    out = down.accepted[0].message
    assert b"See below." in out and b"Send it by another way." in out and b"list.zip" in out, out
    assert base64.encodebytes(zipped("list.txt", b"many words")).split()[0] not in out
    kept = rows(gate)
    assert [(r["subject"], r["folder"], r["state"]) for r in kept] == [("list", "policy", "copy")], kept
    assert gate.command("quarantine", "raw", kept[0]["id"]).stdout.replace("\r\n", "\n").endswith(came.decode().replace("\r\n", "\n"))
    # What is no part of its own cannot be taken out, so nobody gets the rest with it.
    octets = zipped("list.txt", b"many words")
    lines = b"".join(binascii.b2a_uu(octets[i:i + 45]) for i in range(0, len(octets), 45)).decode().replace("\n", "\r\n")
    assert send(gate.address, message("inline", f"See below.\r\n\r\nbegin 644 list.zip\r\n{lines}`\r\nend\r\n")).code == 250
    kept = rows(gate)
    assert [(r["subject"], r["folder"], r["state"]) for r in kept if r["subject"] == "inline"] == [("inline", "policy", "kept")], kept
    assert len(down.accepted) == 1, "only the first one went out"


def test_what_is_left_is_scanned(env):
    """Only when a part is out does the engine find something in the rest: it is refused as any malware, kept where that is
    said, and delivered to whoever does not look for it, for whom the engine is not asked again."""
    down, fake = env.downstream(), env.fake_clamd("rest")
    engine = "cache = 0\n" + fake.scanner(on_error="hold", breaker_failures=1000)
    files = {"attachments.toml": '[[rule]]\nid = "no-zip"\naction = "strip"\nextension = "zip"\n', "scanners.toml": engine, "quarantine.toml": QUICK,
             "policies.toml": '[[policy]]\nname = "brave"\nrecipient = "bob@example.net"\nmalware = false\n'}
    gate = env.gateway(down, files=files)

    def carries(subject):
        return message(subject, name="a.zip", octets=zipped("a.txt", b"words"))

    got = send(gate.address, carries("refused"))
    assert (got.code, got.enhanced, fake.scans) == (550, "5.7.1", 2), (got, fake.scans)
    line = gate.wait_audit("message", lambda r: r["verdict"] == "reject")[0]
    assert any("without the parts" in f["text"] for f in line["findings"]), line
    assert send(gate.address, carries("brave"), rcpt=["bob@example.net"]).code == 250
    assert fake.scans == 3 and b"no-zip" in down.accepted[0].message, fake.scans
    # one message to both
    with gate.client() as c:
        c.ehlo("client.example.com")
        c.must("MAIL FROM:<sender@example.com>", 250)
        for rcpt in ("alice", "bob"):
            c.must(f"RCPT TO:<{rcpt}@example.net>", 250)
        assert c.data(carries("both")).code == 250
    assert len(down.accepted) == 2 and "bob@" in str(down.accepted[1].rcpt) and len(down.accepted[1].rcpt) == 1, down.accepted
    both = sorted((r["state"], r["to"][0].strip("<>")) for r in rows(gate) if r["subject"] == "both")
    assert both == [("copy", "bob@example.net"), ("kept", "alice@example.net")], both
    # what is held is looked at in the same way
    fake.mode = "error"
    assert send(gate.address, carries("held")).code == 250
    fake.mode = "rest"
    proc.wait_for(lambda: [r["folder"] for r in rows(gate) if r["subject"] == "held"] == ["virus"], "what was held is malware", 30)
    assert len(down.accepted) == 2


def test_senders_prove_themselves(env):
    """SPF and DMARC over real packets; a forged Authentication-Results is taken out."""
    dns = env.dns({"example.com": {"TXT": "v=spf1 ip4:127.0.0.5 -all"}, "_dmarc.example.com": {"TXT": "v=DMARC1; p=reject"}})
    down = env.downstream()
    files = {"content.toml": '[authentication]\ndmarc = "on"\n', "limits.toml": '[greeting]\ndelay = "0s"\n[bans]\nmode = "off"\n'}
    gate = env.gateway(down, files=files, dns={"servers": [dns.address], "timeout": "1s"}, trusted={"clients": []})
    forged = "Authentication-Results: mx.example.net; dkim=pass header.d=bank.example\r\n"

    def said(source):
        with gate.client(source=source) as c:
            c.ehlo("client.example.com")
            c.must("MAIL FROM:<sender@example.com>", 250)
            c.must("RCPT TO:<alice@example.net>", 250)
            return c.data(message("proof", extra=forged))

    assert said("127.0.0.5").code == 250
    told = down.accepted[0].fields("Authentication-Results")
    assert len(told) == 1 and "spf=pass" in told[0] and "dmarc=pass" in told[0] and "bank.example" not in told[0], told
    got = said("127.0.0.6")
    assert (got.code, got.enhanced[:4]) == (550, "5.7."), got
    line = gate.wait_audit("message", lambda r: r["verdict"] == "reject")[0]
    assert "dmarc" in ids(line), line
    # no name server: nobody is refused for that
    dns.stop()
    gate.stop()
    gate.start()
    assert said("127.0.0.6").code == 250
    assert "temperror" in down.accepted[-1].fields("Authentication-Results")[0]


def test_files_are_tried_with_engines_and_names(env):
    """`test message`: engines and name servers are asked, but for --no-network; one that is away is named and decides nothing."""
    dns = env.dns({"example.com": {"TXT": "v=spf1 ip4:192.0.2.5 -all"}, "_dmarc.example.com": {"TXT": "v=DMARC1; p=reject"}})
    fake, dead = env.fake_clamd("found"), env.fake_clamd()
    dead.stop()
    scanners = fake.scanner() + dead.scanner(name="away", timeout="2s")
    gate = env.gateway(env.downstream(), files={"content.toml": SCORE + '[authentication]\ndmarc = "on"\n', "scanners.toml": scanners},
                       dns={"servers": [dns.address], "timeout": "1s"})
    folder = env.folder("mail")
    for n in range(20):
        with open(os.path.join(folder, f"{n:02}.eml"), "wb") as f:
            f.write(message(f"m{n:02}", "You have won"))

    def tried(*options):
        got = gate.command("test", "message", "--json", "--from", "sender@example.com", *options, folder)
        lines = [json.loads(line) for line in got.stdout.splitlines()]
        for line in lines:
            line.update({"scanners": {s["name"]: s["result"] for s in line["scanners"]}} if "scanners" in line else {})
        assert [os.path.basename(line["file"]) for line in lines] == [f"{n:02}.eml" for n in range(20)], got
        assert all(line == {**lines[0], "file": line["file"]} for line in lines), lines
        return got.returncode, lines[0]

    asked, scans = len(dns.transcript()), fake.scans
    code, line = tried("--ip", "192.0.2.5", "--no-network")
    assert (code, line["verdict"], line["score"]) == (0, "tag", 6.0) and "scanners" not in line and "authentication" not in line, line
    assert (len(dns.transcript()), fake.scans) == (asked, scans)
    code, line = tried("--ip", "192.0.2.5")
    assert line["scanners"] == {"fake": "infected", "away": "unavailable"}, line
    assert (code, line["verdict"]) == (2, "reject") and line["authentication"]["spf"] == line["authentication"]["dmarc"] == "pass", line
    fake.mode = "ok"
    code, line = tried("--ip", "192.0.2.5")
    assert (code, line["verdict"]) == (0, "tag"), "who is away decides nothing"
    code, line = tried("--ip", "192.0.2.6")
    assert (code, line["verdict"], line["authentication"]["dmarc"]) == (2, "reject", "fail"), line
    code, line = tried()
    assert (code, line["verdict"]) == (0, "tag") and "authentication" not in line, "nobody knows who sent it"


def test_with_clamd_and_rspamd(env):
    """A clean message, EICAR in a zip, a program renamed .pdf, one spam, with both engines beside; what the admin sees."""
    clamd, rspamd = env.once("clamd", lambda home: home.clamd()), env.once("rspamd", lambda home: home.rspamd())
    down = env.downstream()
    names = ("attachments.toml", "content.toml", "policies.toml", "protocol.toml", "quarantine.toml")
    files = {f: shipped(f) for f in names}
    files["scanners.toml"] = clamd.scanner() + rspamd.scanner(on_error="pass-tagged")
    files.update({"lists/blocks.list": "", "lists/allow.list": ""})
    gate = env.gateway(down, files=files)
    assert send(gate.address, message("minutes", "See you on Tuesday.")).code == 250
    assert send(gate.address, message("eicar", name="a.zip", octets=zipped("inside.txt", EICAR.encode()))).code == 550
    assert send(gate.address, message("bill", name="bill.pdf", octets=EXE, kind="application/pdf")).code == 250
    spam = ("Dear friend, you have won 4,500,000 US dollars in our lottery! Act now and send your bank account number, your "
            "password and a fee by western union. http://192.0.2.7:8080/login.php CLICK HERE!!! Viagra, casino, no risk.")
    assert send(gate.address, message("URGENT!!! You WON the LOTTERY", spam)).code in (250, 550)
    listed = gate.command("quarantine", "list").stdout
    told = [gate.command("explain", line["message"]).stdout for line in gate.wait_audit("message", lambda r: r["verdict"] != "continue", count=2)]
    seen = os.path.join(env.folder("seen"), "by-the-admin")
    with open(seen, "w") as f:
        f.write(listed + "\n" + "\n".join(told))
    env.log("what the admin sees", seen)
    assert "bill" in listed and any("clamav" in text for text in told), (listed, told)
    assert [m.fields("Subject")[0] for m in down.accepted][0] == "minutes"
    assert "X-Portcullis-Id" in str(down.accepted[0].message)
