"""portcullis check: every error at once with file, line and column, the nearest word, and the exit codes."""
import os
import re

from lib import proc

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


def said(done):
    return done.stdout + done.stderr


def test_good(env):
    rules = env.rules(env.downstream())
    done = rules.check()
    assert done.returncode == 0, done
    assert rules.check("--strict").returncode == 0, said(rules.check("--strict"))


def test_smallest_file(env):
    """hostname, state_dir, one listener, one downstream and relay.domains: every other key has a default."""
    rules = env.rules(env.downstream())
    assert rules.text().count("\n") < 20
    assert rules.check().returncode == 0
    rules.start()


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
    assert re.search(r"ourselves|itself|loop|own listener", said(done), re.I), said(done)
    assert rules.check("--strict").returncode == 2


def test_self_loop_of_a_running_daemon(env):
    """Through another gateway back to ourselves, or ourselves under another address: the running daemon answers."""
    rules = env.rules("127.0.0.1:1")
    rules.listeners[0]["address"] = f"0.0.0.0:{rules.port}"
    rules.downstreams[0]["addresses"] = [f"127.0.0.1:{rules.port}"]
    done = rules.write().check()
    assert re.search(r"ourselves|itself|loop|own listener", said(done), re.I), said(done)


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
    assert rules.command("status").returncode == 3
