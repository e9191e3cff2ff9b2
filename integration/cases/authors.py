"""Block lists of authors (From:): whoever writes what programs read differently does not get past them."""
import os

EVIL = [
    b"From: x@evil.example\r\n",
    b"From: \"a@b.example\" <x@evil.example>\r\n",
    b"From: a@b.example\r\nFrom: x@evil.example\r\n",
    b"From : Anna\r\n <x@\r\n evil.example>\r\n",
    b"From: a@b.example, Group: Anna (x) <x@EVIL.example>;\r\n",
    b"From: =?utf-8?q?x=40evil=2Eexample?=\r\n",
    b"From: \"Anna <x@evil.example>\r\n",
    b"From: x@evil.example. (a@b.example)\r\n",
    b"From: a@b.example <x @ evil . example>\r\n",
    b"Subject: a\r\nthis is no field\r\nFrom: x@evil.example\r\n",
]
GOOD = [
    b"From: a@b.example\r\n",
    b"From: \"x@evil.example\" <a@b.example>\r\n",
    b"From: a@b.example (not x@evil.example)\r\n",
    b"Subject: From: x@evil.example\r\nFrom: a@not-evil.example\r\n",
    b"Sender: x@evil.example\r\nFrom: a@sub.evil.example\r\n",
]


def test_block_list(env):
    down = env.downstream()
    gate = env.rules(down)
    rules = os.path.dirname(gate.toml_path)
    os.mkdir(os.path.join(rules, "lists"))
    with open(os.path.join(rules, "lists", "blocks.list"), "w") as f:
        f.write("header-from:evil.example\n")
    gate.start()
    with gate.client() as c:
        c.ehlo()
        for head in EVIL:
            got = c.mail(head + b"\r\nbody\r\n")
            assert got.code == 550, (head, got)
        for head in GOOD:
            got = c.mail(head + b"\r\nFrom: x@evil.example\r\n")
            assert got.code == 250, (head, got)
    assert len(down.messages) == len(GOOD)
