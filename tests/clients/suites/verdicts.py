"""A plugin of pytest: what became of each test, as a line of JSON.

MILLSTREAM_VERDICTS names the file. A line has `test` (its name), `outcome` (`passed`, `failed` or
`skipped`) and `text`: why it was skipped, or all that pytest says of the failure.
"""

import json
import os
import tracemalloc


class Verdicts:
    """Writes a line when a test is torn down; a failure before or after it counts, too."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.so_far = {}

    def pytest_runtest_logreport(self, report):
        outcome, text = self.so_far.get(report.nodeid, ("passed", ""))
        if report.failed:
            outcome, text = "failed", text + described(report)
        elif report.skipped and outcome == "passed":
            # Of a test that is expected to fail `longrepr` is the failure.
            reason = getattr(report, "wasxfail", None)
            outcome, text = "skipped", f"expected to fail: {reason}" if reason else ""
            if reason is None:
                text = str(report.longrepr[2])
        self.so_far[report.nodeid] = outcome, text
        if report.when == "teardown":
            self.write(report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.so_far[report.nodeid] = "failed", report.longreprtext
            self.write(report.nodeid)

    def write(self, test):
        outcome, text = self.so_far.pop(test)
        line = {"test": test, "outcome": outcome, "text": text}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()


def described(report):
    """Where it failed, and all exceptions with their causes."""
    crash = getattr(report.longrepr, "reprcrash", None)
    place = f"{crash.path}:{crash.lineno}\n" if crash else ""
    return place + report.longreprtext


def pytest_runtest_setup():
    # redis-py's tests note where memory comes from, which nobody reads here and takes most of
    # their time.
    tracemalloc.stop()


def pytest_configure(config):
    config.pluginmanager.register(Verdicts(os.environ["MILLSTREAM_VERDICTS"]))
