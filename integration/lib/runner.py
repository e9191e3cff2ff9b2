"""Finds the cases, runs them one after the other, and reports.

A case is a file in cases/ with functions test_*(env). `nightly(f)` keeps one for the nightly run, `slow(seconds)` is its
own deadline. Nothing is run twice: a case that fails has failed.
"""
import importlib
import os
import signal
import time
import traceback

from .env import Env

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEADLINE = 120


def nightly(f):
    """Only in the nightly run, or when named."""
    f.nightly = True
    return f


def slow(seconds):
    """The case may take this long."""
    def mark(f):
        f.deadline = seconds
        return f
    return mark


class Skip(Exception):
    """The surroundings do not allow this case (say which part)."""


class TooLong(BaseException):
    """The deadline of a case passed. No Exception, so that no test swallows it."""


class Report:
    """Counts and times."""

    def __init__(self):
        self.passed, self.failed, self.skipped, self.parts = 0, 0, 0, []
        self.names = []

    def ok(self, name, seconds):
        self.passed += 1
        print(f"ok      {name}  {seconds:.1f} s", flush=True)

    def bad(self, name, seconds, text):
        self.failed += 1
        self.names.append(name)
        print(f"FAILED  {name}  {seconds:.1f} s\n{text.rstrip()}\n", flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skipped {name}: {why}", flush=True)

    def part(self, name, seconds):
        self.parts.append((name, seconds))

    def close(self):
        """Prints the minutes of each part and the last line; gives the exit status."""
        print()
        for name, seconds in self.parts:
            print(f"{seconds / 60:6.2f} min  {name}")
        print(f"{sum(s for _, s in self.parts) / 60:6.2f} min  in all")
        for name in self.names:
            print(f"failed: {name}")
        tail = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{tail}", flush=True)
        return 1 if self.failed or not self.passed else 0


def modules():
    return sorted(n[:-3] for n in os.listdir(os.path.join(HERE, "cases")) if n.endswith(".py") and not n.startswith("_"))


def functions(name):
    module = importlib.import_module("cases." + name)
    found = [(n[5:], f) for n, f in vars(module).items() if n.startswith("test_") and callable(f)]
    return sorted(found, key=lambda p: p[1].__code__.co_firstlineno)


def run_module(name, wanted, report, binary, depth, keep):
    """Runs the chosen functions of one file, with one environment for what they share."""
    began = time.monotonic()
    home = Env(name, binary, depth, keep)
    try:
        for short, test in functions(name):
            full = f"{name}.{short}"
            named = wanted and any(w == full for w in wanted)
            if wanted and not named and name not in wanted:
                continue
            if getattr(test, "nightly", False) and depth != "nightly" and not named:
                continue
            run_one(full, test, report, home, binary, depth, keep)
    finally:
        trouble = home.close()
        for t in trouble:
            report.bad(name + " (closing)", 0, t)
    report.part("cases: " + name, time.monotonic() - began)


def run_one(full, test, report, home, binary, depth, keep):
    began = time.monotonic()
    env = Env(full, binary, depth, keep, parent=home)
    deadline = getattr(test, "deadline", DEADLINE)

    def late(*_):
        raise TooLong(f"took longer than {deadline} s")
    signal.signal(signal.SIGALRM, late)
    signal.alarm(deadline)
    trouble = None
    try:
        test(env)
    except Skip as why:
        signal.alarm(0)
        env.close()
        report.skip(full, str(why))
        return
    except (Exception, TooLong):
        signal.alarm(0)
        trouble = traceback.format_exc() + env.report()
    finally:
        signal.alarm(0)
        closing = env.close()
    if trouble is None and closing:
        trouble = "while closing: " + "\n".join(closing)
    if trouble is None:
        report.ok(full, time.monotonic() - began)
    else:
        report.bad(full, time.monotonic() - began, trouble + (f"\nkept: {env.dir}" if keep else ""))
