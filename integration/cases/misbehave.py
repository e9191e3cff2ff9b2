"""A downstream that misbehaves in every way: the client gets the right temporary error, never a shifted reply."""
import threading

from lib.client import Closed, text
from lib.downstream import KEYWORDS, Close, Drip, Endless

# without CHUNKING, so that the message goes down by DATA
PLAIN = [k for k in KEYWORDS if k != "CHUNKING"]
SHORT = {"downstream_connect": "1s", "downstream_command": "2s", "downstream_data_reply": "2s", "after_data": "10s"}
LATER = {421, 451, 452}


def dialogue(gate):
    """One transaction as far as it goes: [(step, reply)], and whether the session was still in step afterwards."""
    steps = []
    with gate.client() as c:
        c.ehlo()
        try:
            for step, line in (("MAIL", "MAIL FROM:<sender@example.com>"), ("RCPT", "RCPT TO:<alice@example.net>"), ("DATA", "DATA")):
                steps.append((step, c.cmd(line)))
                if steps[-1][1].code >= 400:
                    break
            else:
                c.send(text("victim") + b".\r\n")
                steps.append(("dot", c.reply()))
        except Closed:
            steps.append(("closed", None))
            return steps
        last = steps[-1][1]
        try:
            # a shifted reply would show here
            assert c.cmd("NOOP").code in (250, 421), "NOOP after it"
            assert c.cmd("RSET").code in (250, 421)
            assert c.cmd("QUIT").code in (221, 421)
        except (Closed, OSError):
            assert last.code == 421 or last.code >= 500, f"closed after {last}"
    return steps


def run(env, script, **kw):
    down = env.downstream({"keywords": PLAIN, **script})
    gate = env.gateway(down, timeouts=SHORT, **kw)
    steps = dialogue(gate)
    return down, gate, steps


def each(env, rows):
    """rows: name -> (script, the step that fails, its codes)."""
    wrong = []
    for name, (script, step, codes) in rows.items():
        try:
            down, gate, steps = run(env, script)
        except AssertionError as e:  # the other rows still tell something
            wrong.append(f"{name}: {e}")
            continue
        at, reply = steps[-1]
        if at != step or reply is None or reply.code not in codes:
            wrong.append(f"{name}: expected {sorted(codes)} at {step}, got {steps}")
        elif reply.code < 400:
            if len(down.accepted) != 1:
                wrong.append(f"{name}: the client has {reply}, but {len(down.accepted)} messages were accepted")
        elif down.accepted:
            wrong.append(f"{name}: the client has {reply}, but downstream accepted it")
        if reply is not None and reply.code in LATER and not reply.enhanced.startswith("4."):
            wrong.append(f"{name}: no enhanced code: {reply}")
        gate.stop()
        down.stop()
    assert not wrong, "\n".join(wrong)


def test_greeting(env):
    each(env, {
        "421 banner": ({"banner": "421 4.3.2 busy"}, "MAIL", LATER),
        "554 banner": ({"banner": "554 5.3.2 no service"}, "MAIL", LATER | {554}),
        "garbage banner": ({"banner": "hello there"}, "MAIL", LATER),
        "closes at once": ({"connect": Close()}, "MAIL", LATER),
        "resets at once": ({"connect": Close(reset=True)}, "MAIL", LATER),
        "silent": ({"banner": None}, "MAIL", LATER),
        "closes in the banner": ({"banner": Close(b"220 back")}, "MAIL", LATER),
        "endless banner": ({"banner": Endless(b"220-x\r\n")}, "MAIL", LATER),
        "over-long banner line": ({"banner": b"220 " + b"x" * 200_000 + b"\r\n"}, "MAIL", LATER),
        "354 banner": ({"banner": "354 go"}, "MAIL", LATER),
    })


def test_ehlo(env):
    each(env, {
        "garbage": ({"EHLO": "so what"}, "MAIL", LATER),
        "closes": ({"EHLO": Close()}, "MAIL", LATER),
        "closes in it": ({"EHLO": Close(b"250-backend.test\r\n250-PIPE")}, "MAIL", LATER),
        "421": ({"EHLO": "421 4.3.2 busy"}, "MAIL", LATER),
        "endless": ({"EHLO": Endless(b"250-MORE\r\n")}, "MAIL", LATER),
        "mixed codes": ({"EHLO": "250-backend.test\n550 no"}, "MAIL", LATER),
        "silent": ({"EHLO": None}, "MAIL", LATER),
    })


def test_helo_only(env):
    """A server without EHLO is served by HELO (RFC 5321 section 3.2), or is away; it is never a permanent refusal."""
    down, gate, steps = run(env, {"EHLO": "502 5.5.1 what", "keywords": []})
    at, reply = steps[-1]
    assert (at == "dot" and reply.code == 250 and len(down.accepted) == 1) or (at == "MAIL" and reply.code in LATER), steps


def step_rows(key, step):
    """The ways to answer one command wrongly."""
    return {
        f"{key} closes": ({key: Close()}, step, LATER),
        f"{key} resets": ({key: Close(reset=True)}, step, LATER),
        f"{key} garbage": ({key: "banana"}, step, LATER),
        f"{key} empty line": ({key: b"\r\n"}, step, LATER),
        f"{key} 999": ({key: "999 what"}, step, LATER),
        f"{key} 099": ({key: "099 what"}, step, LATER),
        f"{key} short code": ({key: "25 ok"}, step, LATER),
        f"{key} over-long line": ({key: b"250 " + b"y" * 200_000 + b"\r\n"}, step, LATER),
        f"{key} endless lines": ({key: Endless(b"250-y\r\n")}, step, LATER),
        f"{key} endless line": ({key: Endless(b"250 yyyyyyyy")}, step, LATER),
        f"{key} mixed codes": ({key: "250-yes\n550 no"}, step, LATER),
        f"{key} silence": ({key: None}, step, LATER),
        f"{key} 421": ({key: "421 4.3.2 going down"}, step, LATER),
        f"{key} half a reply": ({key: Close(b"250 2.0.0 O")}, step, LATER),
        f"{key} half a multi-line reply": ({key: Close(b"250-2.0.0 O\r\n")}, step, LATER),
    }


def test_mail(env):
    each(env, {**step_rows("MAIL", "MAIL"), "MAIL 354": ({"MAIL": "354 go"}, "MAIL", LATER)})


def test_rcpt(env):
    each(env, {**step_rows("RCPT", "RCPT"), "RCPT 354": ({"RCPT": "354 go"}, "RCPT", LATER)})


def test_data(env):
    each(env, {**step_rows("DATA", "dot"), "250 to DATA": ({"DATA": "250 sure"}, "dot", LATER), "220 to DATA": ({"DATA": "220 hi"}, "dot", LATER)})


def test_end_of_data(env):
    each(env, {**step_rows("dot", "dot"), "354 to the dot": ({"dot": "354 more"}, "dot", LATER)})


def test_bdat(env):
    rows = {name: ({**script, "keywords": KEYWORDS, "BDAT": script.get("dot")}, step, codes)
            for name, (script, step, codes) in step_rows("dot", "dot").items()
            if name in ("dot closes", "dot garbage", "dot 999", "dot half a reply", "dot silence")}
    each(env, rows)


def test_honest_refusals_pass_as_they_are(env):
    rows = [("MAIL", "MAIL", "550 5.1.8 Sender rejected: bad domain"), ("MAIL", "MAIL", "451 4.7.1 Greylisted, try again"),
            ("RCPT", "RCPT", "550-5.1.1 two lines\n550 5.1.1 of text"), ("RCPT", "RCPT", "452 4.2.2 mailbox full"),
            ("RCPT", "RCPT", "550 no enhanced code"), ("DATA", "dot", "554 5.5.1 no valid recipients"), ("DATA", "dot", "451 4.3.0 later"),
            ("dot", "dot", "550-5.7.1 this is spam\n550 5.7.1 really"), ("dot", "dot", "452 4.3.1 disk full"), ("dot", "dot", "554 transaction failed")]
    for key, step, said in rows:
        down, gate, steps = run(env, {key: said})
        at, reply = steps[-1]
        assert at == step and reply.raw == said.replace("\n", "\r\n").encode() + b"\r\n", (key, said, steps)
        row = [r for r in gate.wait_audit("message") if r["reply"]][-1] if step == "dot" else None
        assert row is None or said.split("\n")[0][:20] in row["downstream_reply"], row
        gate.stop()


def test_hidden_text(env):
    down, gate, steps = run(env, {"RCPT": "550 5.1.1 internal-host-17 says no"}, down={"hide_text": True})
    reply = steps[-1][1]
    assert reply.code == 550 and reply.enhanced.startswith("5.") and "internal-host" not in reply.text, reply


def test_close_at_every_octet_of_the_last_reply(env):
    whole = b"250 2.0.0 Ok: queued as X\r\n"
    for n in range(0, len(whole)):
        if not env.nightly and 5 < n < len(whole) - 3:
            continue
        down, gate, steps = run(env, {"dot": Close(whole[:n])})
        assert steps[-1][0] == "dot" and steps[-1][1].code in LATER, (n, steps)
        row = gate.wait_audit("message")[-1]
        assert row["note"] == "may be delivered twice", (n, row)
        gate.stop()


def test_extra_replies_never_shift(env):
    """After one complete reply per command the rest is surplus: it never answers the next command."""
    for key in ("MAIL", "RCPT", "dot", "EHLO", "RSET", "NOOP"):
        good = {"EHLO": b"250-backend.test\r\n250 PIPELINING\r\n"}.get(key, b"250 2.0.0 Ok\r\n")
        down = env.downstream({"keywords": PLAIN, key: good + b"550 5.9.9 surplus\r\n"})
        gate = env.gateway(down, timeouts=SHORT)
        for _ in range(3):
            steps = dialogue(gate)
            for step, reply in steps:
                assert reply is None or b"surplus" not in reply.raw, (key, steps)
                assert reply is None or reply.code < 500, (key, steps)
        told = sum(1 for r in gate.audit("message") if (r["reply"] or "").startswith("250"))
        assert told <= len(down.accepted), (key, told, len(down.accepted))
        gate.stop()


def test_slow_reply_in_single_octets(env):
    down, gate, steps = run(env, {"MAIL": Drip(b"250-2.1.0 slow\r\n250 2.1.0 ly\r\n"), "dot": Drip(b"250 2.0.0 done\r\n")})
    assert steps[0][1].raw == b"250-2.1.0 slow\r\n250 2.1.0 ly\r\n" and steps[-1][1].raw == b"250 2.0.0 done\r\n", steps


def test_all_recipients_refused(env):
    down = env.downstream({"RCPT": "550 5.1.1 no"})
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        for name in "abc":
            c.must(f"RCPT TO:<{name}@example.net>", 550)
        assert c.cmd("DATA").code in (503, 554)
        c.must("RSET", 250)
    assert not down.messages


def test_client_lines_go_down_as_they_are(env):
    down = env.downstream({"keywords": [*KEYWORDS, "AUTH PLAIN"]})
    gate = env.gateway(down)
    mail, rcpt = b"mAiL FROM:<\"odd sender\"@example.com> body=8bitmime SIZE=100 RET=HDRS", b"rcpt to:<alice@EXAMPLE.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Alice+2Bx@example.net"
    with gate.client() as c:
        c.ehlo()
        c.must(mail, 250)
        c.must(rcpt, 250)
        assert c.data(text()).code == 250
    got = down.messages[0]
    assert got.mail == mail and got.rcpt == [rcpt], (got.mail, got.rcpt)


def test_parameters_that_were_not_offered(env):
    down = env.downstream({"keywords": ["PIPELINING", "SIZE 1000000"]})
    gate = env.gateway(down, listener={"hide": ["DSN"]})
    with gate.client() as c:
        c.ehlo()
        assert not {"8BITMIME", "SMTPUTF8", "DSN"} & set(c.keywords), c.keywords
        assert int(c.keywords["SIZE"]) <= 1000000 - 16 * 1024, c.keywords
        for line in ("MAIL FROM:<a@example.com> BODY=8BITMIME", "MAIL FROM:<a@example.com> SMTPUTF8", "MAIL FROM:<a@example.com> RET=FULL",
                     "MAIL FROM:<a@example.com> REQUIRETLS", "MAIL FROM:<a@example.com> BODY=BINARYMIME"):
            got = c.cmd(line)
            assert got.code == 555 and got.enhanced == "5.5.4", (line, got)
        c.must("MAIL FROM:<a@example.com>", 250)
        assert c.cmd("RCPT TO:<alice@example.net> NOTIFY=NEVER").code == 555


def test_limits_and_requiretls(env):
    behind, front = env.cert("backend.example.net"), env.cert()
    down = env.downstream({"keywords": [*KEYWORDS, "LIMITS RCPTMAX=7 MAILMAX=50"], "tls": behind,
                           "EHLO": ehlo_with_requiretls})
    listener = {"tls": "starttls", "certificate": front.cert, "key": front.key, "max_recipients": 100}
    gate = env.gateway(down, listener=listener, down={"tls": "required", "ca": behind.ca, "server_name": "backend.example.net"})
    with gate.client() as c:
        c.ehlo()
        assert "REQUIRETLS" not in c.keywords
        assert "RCPTMAX=7" in c.keywords.get("LIMITS", "").split(), c.keywords
        c.starttls().ehlo()
        assert "REQUIRETLS" in c.keywords, c.keywords
        assert c.mail(mail_params="REQUIRETLS").code == 250
    assert down.messages[0].mail.endswith(b"REQUIRETLS") and down.messages[0].connection.tls
    # not verified: not promised
    gate = env.gateway(down, listener=listener, down={"tls": "opportunistic"})
    with gate.client() as c:
        c.ehlo()
        c.starttls().ehlo()
        assert "REQUIRETLS" not in c.keywords


def ehlo_with_requiretls(connection, line):
    words = ["backend.test", *connection.keywords(), *(["REQUIRETLS"] if connection.tls else [])]
    return "\n".join(f"250{'-' if w is not words[-1] else ' '}{w}" for w in words)


def test_keeps_the_session_alive(env):
    """While the client uploads slowly, NOOP goes down below the downstream's idle time."""
    down = env.downstream({"keywords": PLAIN})
    gate = env.gateway(down, down={"idle_timeout": "2s"})
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        c.must("DATA", 354)
        wait = threading.Event()
        for _ in range(10):
            c.send(b"X-Slow: yes\r\n")
            wait.wait(0.3)
        c.send(b"\r\nslow\r\n.\r\n")
        assert c.reply().code == 250
    session = down.messages[0].connection
    assert any(l.upper().startswith(b"NOOP") for l in session.commands) or len(down.sessions()) > 1, session.commands


def test_session_lost_during_upload_is_replayed(env):
    """Died before our DATA went down: the envelope is replayed once on a fresh session."""
    lost = threading.Event()

    def rcpt(connection, line):
        if not lost.is_set():
            lost.set()
            connection.perform("250 2.1.5 Ok", line)
            return Close()
        return "250 2.1.5 Ok"
    down = env.downstream({"keywords": PLAIN, "RCPT": rcpt})
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        got = c.data(text("replayed"))
        assert got.code == 250, got
    assert len(down.accepted) == 1 and len(down.sessions()) == 2


def test_replay_in_the_middle_of_a_group(env):
    """Recipients that were accepted right before the session died, in the same pipelined group, are said again too."""
    for dies in ([Close()], ["250 2.1.5 Ok", Close()], ["550 5.1.1 no", "250 2.1.5 Ok", Close()]):
        keywords = {"keywords": [k for k in KEYWORDS if k != "PIPELINING"]}
        for script in ({}, keywords):
            # the first connection is the probe
            down = env.downstream({}, {**script, "RCPT": dies}, script)
            gate = env.gateway(down)
            with gate.client() as c:
                c.ehlo()
                names = [b"one", b"two", b"three", b"four"]
                c.send(b"MAIL FROM:<sender@example.com>\r\n" + b"".join(b"RCPT TO:<%s@example.net>\r\n" % n for n in names))
                mail, *rcpt = c.replies(5)
                assert mail.code == 250, mail
                assert c.data(text()).code == 250
            promised = [b"RCPT TO:<%s@example.net>" % n for n, r in zip(names, rcpt) if r.code == 250]
            assert len(promised) >= 3 and [t.rcpt for t in down.messages] == [promised], (dies, rcpt)
            gate.stop()


def test_replay_with_another_answer(env):
    """The replay is answered otherwise: 451 4.4.2, and no message."""
    seen = []

    def rcpt(connection, line):
        seen.append(line)
        if len(seen) == 1:
            connection.perform("250 2.1.5 Ok", line)
            return Close()
        return "550 5.1.1 changed my mind"
    down = env.downstream({"keywords": PLAIN, "RCPT": rcpt})
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        c.envelope()
        got = c.data(text())
        assert got.code in (451, 421) and got.enhanced.startswith("4.4."), got
    assert not down.messages


def test_reply_in_the_middle_of_the_message(env):
    """A 250 that comes before the end of data answers nothing, and the end is not sent after it; a refusal passes."""
    for reply, want, sessions in ((b"250 2.0.0 early\r\n", 451, 2), (b"552 5.3.4 too big\r\n", 552, 1)):
        ends = []

        def data(connection, line):
            connection.send(b"354 go\r\n")
            connection.octets(1_000_000)
            connection.send(reply)
            ends.append(b"")
            while True:
                connection._recv()
                connection.buffer = ends[-1] = connection.buffer[-5:]
        down = env.downstream({"keywords": PLAIN, "DATA": data})
        gate = env.gateway(down)
        with gate.client() as c:
            c.ehlo()
            got = c.mail(text(size=9_000_000))
            assert got.code == want, got
        gate.stop()
        assert len(ends) == sessions and b"\r\n.\r\n" not in ends, ends


def test_recipient_parameter_that_this_session_lacks(env):
    """DSN was offered to the client; the session that it got lacks it: another one, never its 555."""
    lacks = {"keywords": [k for k in KEYWORDS if k != "DSN"], "RCPT": "555 5.5.4 no DSN"}
    down = env.downstream({}, lacks, {})
    gate = env.gateway(down)
    with gate.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        c.must("RCPT TO:<alice@example.net> NOTIFY=NEVER", 250)
        assert c.data(text()).code == 250
    assert len(down.messages) == 1
