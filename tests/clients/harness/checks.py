"""Checks and how they are told.

A client program prints one line per check and a closing line; whoever runs it counts the lines.
That way a program in any language can take part:

    ok - NAME
    not ok - NAME: reason
    skip - NAME: reason
    done N            (N = lines above; a program that dies before this line has failed)
"""

import re
import sys
import time
import traceback

LINE = re.compile(r"^(ok|not ok|skip) - (.*)$")
DONE = re.compile(r"^done (\d+)$")


class Skip(Exception):
    """Raised inside a check that cannot run here, with the reason."""


class Tally:
    """Counts of checks, and the lines of those that failed."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.failures = []

    def add(self, outcome, text):
        """Counts one check and prints it. `outcome` is one of `ok`, `not ok`, `skip`."""
        print(f"{outcome} - {text}", flush=True)
        if outcome == "ok":
            self.passed += 1
        elif outcome == "skip":
            self.skipped += 1
        else:
            self.failed += 1
            self.failures.append(text)

    def take_output(self, program, output):
        """Counts the lines a program printed; a missing or wrong closing line is a failure."""
        seen = 0
        closed = None
        for line in output.splitlines():
            check = LINE.match(line)
            if check:
                seen += 1
                self.add(check.group(1), f"{program}: {check.group(2)}")
            end = DONE.match(line)
            if end:
                closed = int(end.group(1))
        if closed != seen or seen == 0:
            self.add("not ok", f"{program}: printed {seen} checks, closing line says {closed}")

    def summary(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Reporter:
    """The writing side of the protocol, for programs in Python."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def line(self, outcome, text):
        self.count += 1
        self.failed += outcome == "not ok"
        print(f"{outcome} - {text}".replace("\n", " | "), flush=True)

    def run(self, name, check):
        """Runs `check()`; its exception, if any, is the reason of the failure."""
        begin = time.monotonic()
        try:
            check()
        except Skip as reason:
            self.line("skip", f"{name}: {reason}")
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__}: {error} [{place.name}, line {place.lineno}]"
            self.line("not ok", f"{name}: {detail}")
            traceback.print_exc(file=sys.stderr)
        else:
            self.line("ok", f"{name} ({time.monotonic() - begin:.2f} s)")

    def close(self):
        """Prints the closing line; returns the exit code."""
        print(f"done {self.count}", flush=True)
        return 1 if self.failed else 0


def equal(found, expected, what="value"):
    """Fails unless the two are equal, showing both."""
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")


def holds(condition, what):
    """Fails with `what` unless the condition is true."""
    if not condition:
        raise AssertionError(what)
