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
