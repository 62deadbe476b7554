"""What counts of tests that others wrote: passed, failed, or left out for a reason.

A test may fail for two reasons only. Either the server said that it does not know a command, and
COMPAT.md says that this command is not here; then the reason there is the reason here. Or the test
stands in a list of the suite, with a reason of its own. An entry of such a list that nothing needs
any more is a failure, so that the lists can only shrink.
"""

import collections
import re

from harness import tooling

UNKNOWN = re.compile(r"unknown command [`'](\w+)")


def absent_commands():
    """The commands that are not here by design, in capitals, each with the reason."""
    text = (tooling.WORKSPACE / "COMPAT.md").read_text()
    table = text.split("<!-- commands:")[1].split("<!-- end of commands -->")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    return {row[1]: row[3] for row in rows if len(row) == 5 and row[2] == "no"}


class Result:
    """The tests of one suite, over all of its runs."""

    def __init__(self, suite, listed):
        """`listed` is of pairs: a pattern that is looked for in `TEST: TEXT`, and a reason."""
        self.suite = suite
        self.listed = [(re.compile(pattern, re.DOTALL), reason) for pattern, reason in listed]
        self.absent = absent_commands()
        self.needed = set()
        self.passed = []
        self.failed = []
        self.left_out = collections.Counter()
        # Not judged by us: the suite itself says that it does not fit this server or machine.
        self.skipped = collections.Counter()

    def add(self, test, outcome, text=""):
        """Counts a test: `outcome` is `passed`, `failed` or `skipped`."""
        if outcome == "passed":
            self.passed.append(test)
        elif outcome == "skipped":
            self.skipped[text.removeprefix("Skipped: ") or "no reason given"] += 1
        elif reason := self.reason(test, text):
            self.left_out[reason] += 1
        else:
            self.failed.append((test, text))

    def reason(self, test, text):
        """Why this failure is none, or nothing."""
        unknown = (name.upper() for name in UNKNOWN.findall(text))
        why = next((self.absent[name] for name in unknown if name in self.absent), None)
        if why:
            return why
        for number, (pattern, reason) in enumerate(self.listed):
            if pattern.search(f"{test}: {text}"):
                self.needed.add(number)
                return reason
        return None

    def close(self):
        """To be called after the last run of the whole suite: looks for stale entries."""
        for number, (pattern, reason) in enumerate(self.listed):
            if number not in self.needed:
                why = f"nothing fails as {pattern.pattern!r} says ({reason}): take it away"
                self.failed.append(("list of what is left out", why))

    def tell(self):
        """Prints what failed, what was left out and why, and the numbers."""
        for test, text in self.failed:
            print(f"FAILED {test}\n{text}\n")
        for kind, reasons in [("left out", self.left_out), ("skips itself", self.skipped)]:
            for reason, count in reasons.most_common():
                print(f"{self.suite}: {count} {kind}: {reason}")
        left_out, skipped = self.left_out.total(), self.skipped.total()
        print(
            f"{self.suite}: {len(self.passed)} passed, {len(self.failed)} failed, "
            f"{left_out} left out, {skipped} skip themselves",
            flush=True,
        )
