"""The rules directory: a save is a reload, and earlier rules come back."""
import json
import os
import shutil

from lib import proc
from lib.client import send


def status(gate):
    done = gate.command("status", "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def rules(gate):
    return os.path.dirname(gate.toml_path)


def wait_generation(gate, number, seconds=15):
    proc.wait_for(lambda: status(gate)["generation"] >= number, f"generation {number}; it is {status(gate)['generation']}", seconds)
    now = status(gate)
    assert now["generation"] == number, now
    return now


def takes(gate, recipient):
    with gate.client() as c:
        c.ehlo()
        c.must("MAIL FROM:<sender@example.com>", 250)
        return c.cmd(f"RCPT TO:<{recipient}>").code == 250


def save(path, text):
    """As editors do: another file in its place."""
    other = os.path.join(os.path.dirname(path), ".file.new")
    with open(other, "w") as f:
        f.write(text)
    os.rename(other, path)


def domains(gate, *names):
    gate.tables["relay"]["domains"] = ["example.net", *names]
    return gate.text()


def test_a_save_is_a_reload(env):
    gate = env.gateway(env.downstream())
    assert status(gate)["generation"] == 1
    # written in place
    gate.write(domains(gate, "one.example"))
    assert wait_generation(gate, 2)["last_reload_error"] is None
    assert takes(gate, "x@one.example")
    # another file in its place, with what an editor leaves beside it
    with open(gate.toml_path + "~", "w") as f:
        f.write(gate.text())
    save(gate.toml_path, domains(gate, "two.example"))
    wait_generation(gate, 3)
    assert takes(gate, "x@two.example") and not takes(gate, "x@one.example")
    # a folder of lists that was not there at the start, and a file in it
    os.mkdir(os.path.join(rules(gate), "lists"))
    people = os.path.join(rules(gate), "lists", "people.list")
    save(people, "info\n")
    gate.tables["relay"]["recipients"] = {"example.net": "@lists/people.list"}
    save(gate.toml_path, gate.text())
    proc.wait_for(lambda: not takes(gate, "nobody@example.net"), "the list holds")
    generation = status(gate)["generation"]
    save(people, "info\nalice\n")
    wait_generation(gate, generation + 1)
    assert takes(gate, "alice@example.net")


def test_a_save_with_mistakes(env):
    gate = env.gateway(env.downstream())
    good = gate.text()
    save(gate.toml_path, good.replace("hostname", "hostnme"))
    proc.wait_for(lambda: status(gate)["last_reload_error"], "status shows the mistake")
    assert "hostnme" in status(gate)["last_reload_error"], status(gate)
    # the same mistake again is not told again
    before = gate.log().count("reload refused")
    save(gate.toml_path, good.replace("hostname", "hostnme"))
    os.utime(gate.toml_path)
    # a file that nobody has to read yet makes the watch look, and find the mistake that it knows
    save(os.path.join(rules(gate), "note.txt.bak"), "x")
    proc.wait_for(lambda: send(gate.address).code == 250, "the old rules hold")
    save(gate.toml_path, domains(gate, "new.example"))
    wait_generation(gate, 2)
    assert gate.log().count("reload refused") == before == 1, gate.log()
    assert status(gate)["last_reload_error"] is None
    assert takes(gate, "x@new.example")


def test_a_directory_that_goes_and_comes_back(env):
    gate = env.gateway(env.downstream())
    away = rules(gate) + ".away"
    os.rename(rules(gate), away)
    proc.wait_for(lambda: "there is no directory" in gate.log(), "the log says so", 15)
    assert send(gate.address).code == 250
    shutil.copytree(away, rules(gate))
    save(gate.toml_path, domains(gate, "back.example"))
    proc.wait_for(lambda: takes(gate, "x@back.example"), "the new directory holds", 15)


def test_nothing_is_watched_where_nobody_wants_it(env):
    gate = env.gateway(env.downstream(), watch=False)
    save(gate.toml_path, domains(gate, "new.example"))
    # longer than a change takes to be noticed elsewhere, measured by one that is
    other = env.gateway(env.downstream())
    save(other.toml_path, domains(other, "new.example"))
    wait_generation(other, 2)
    assert status(gate)["generation"] == 1
    gate.reload()
    wait_generation(gate, 2)


def rollback(gate, *args, code=0):
    done = gate.command("rollback", *args)
    assert done.returncode == code, done
    return done


def kept(gate):
    return json.loads(rollback(gate, "--list", "--json").stdout)


def test_rollback(env):
    gate = env.gateway(env.downstream())
    # the first rules have no earlier ones
    assert "no earlier rules" in rollback(gate, code=1).stderr
    assert "generation 7 is not kept" in rollback(gate, "7", code=1).stderr
    limits = os.path.join(rules(gate), "lists", "people.list")
    os.mkdir(os.path.dirname(limits))
    save(limits, "alice\n")
    save(gate.toml_path, domains(gate, "two.example"))
    wait_generation(gate, 2)
    os.chmod(gate.toml_path, 0o604)
    assert "would be written" in rollback(gate, "--dry-run").stdout
    assert status(gate)["generation"] == 2 and takes(gate, "x@two.example")
    # back to the first: the list did not exist then
    said = rollback(gate).stdout
    assert "the rules of generation 1 are in force as generation 3" in said, said
    assert not takes(gate, "x@two.example")
    assert not os.path.exists(limits) and os.path.exists(limits + ".rolled-back")
    assert os.stat(gate.toml_path).st_mode & 0o777 == 0o604
    now = status(gate)
    assert (now["generation"], now["rules_of"]) == (3, 1), now
    assert "generation 3 (the rules of generation 1)" in gate.command("status").stdout
    # a rollback can be rolled back, by number or by itself; the watch makes no generation of its own of it
    rollback(gate, "2")
    assert takes(gate, "x@two.example") and os.path.exists(limits)
    rollback(gate)
    assert not takes(gate, "x@two.example")
    assert status(gate)["generation"] == 5
    with open(gate.toml_path) as f:
        assert "two.example" not in f.read()
    listed = kept(gate)
    assert [g["generation"] for g in listed] == [5, 4, 3, 2, 1], listed
    assert [g["rules_of"] for g in listed] == [1, 2, 1, None, None], listed
    assert [g["in_force"] for g in listed] == [True, False, False, False, False], listed
    assert listed[-2]["changed"] == ["gateway.toml", "lists/people.list"], listed
    # the numbers and the rules outlive the process
    gate.stop()
    gate.start()
    assert status(gate)["generation"] == 5
    rollback(gate, "2")
    assert wait_generation(gate, 6)["rules_of"] == 2


def test_rollback_of_edits(env):
    gate = env.gateway(env.downstream())
    save(gate.toml_path, domains(gate, "two.example"))
    wait_generation(gate, 2)
    # an edit with mistakes, never in force: a rollback takes it back and keeps it
    broken = gate.text().replace("hostname", "hostnme")
    save(gate.toml_path, broken)
    proc.wait_for(lambda: status(gate)["last_reload_error"], "the mistake is seen")
    said = rollback(gate).stdout
    assert "the rules of generation 2 are in force as generation 4; what was there is generation 3" in said, said
    assert status(gate)["last_reload_error"] is None and takes(gate, "x@two.example")
    assert [g["was_in_force"] for g in kept(gate)] == [True, False, True, True], kept(gate)
    # what does not load is refused, and everything stays
    refused = rollback(gate, "3", code=2)
    assert "hostnme" in refused.stderr and "do not load any more" in refused.stderr, refused
    # nor what only the gateway refuses
    other = gate.text().replace('name = "in"', 'name = "other"')
    save(gate.toml_path, other)
    proc.wait_for(lambda: status(gate)["last_reload_error"], "the listeners cannot change")
    rollback(gate)
    number = max(g["generation"] for g in kept(gate) if not g["was_in_force"])
    refused = rollback(gate, str(number), code=2)
    assert "listeners" in refused.stderr and "the files are as they were" in refused.stderr, refused
    with open(gate.toml_path) as f:
        assert f.read() == gate.text()
    assert status(gate)["last_reload_error"] is None and takes(gate, "x@two.example")


def test_rollback_of_a_stopped_gateway(env):
    gate = env.gateway(env.downstream())
    save(gate.toml_path, domains(gate, "two.example"))
    wait_generation(gate, 2)
    gate.stop()
    save(gate.toml_path, domains(gate, "three.example"))
    said = rollback(gate, "1").stdout
    assert "the gateway does not run; what was there is generation 3" in said, said
    gate.start()
    now = status(gate)
    assert (now["generation"], now["rules_of"]) == (4, 1), now
    assert not takes(gate, "x@three.example") and not takes(gate, "x@two.example")
    rollback(gate, "3")
    assert takes(gate, "x@three.example")
    # generations that are lost are said to be
    gate.stop()
    shutil.rmtree(os.path.join(gate.state, "generations"))
    assert "not kept" in rollback(gate, "1", code=1).stderr
    os.mkdir(os.path.join(gate.state, "generations"))
    with open(os.path.join(gate.state, "generations", "index"), "w") as f:
        f.write("{")
    assert "delete it" in rollback(gate, "--list", code=2).stderr
    gate.start()
    assert send(gate.address).code == 250
    gate.wait_log("no rollback")
