"""redis-py's own tests of streams, each as a check: plain and asyncio, RESP2 and RESP3."""

import os
import pathlib
import sys

from harness.checks import Reporter
from harness.servers import Launcher
from suites import redis_py
from suites.judging import Result


def main():
    scratch = pathlib.Path(os.environ["MILLSTREAM_TEST_SCRATCH"])
    result = Result("redis-py", redis_py.LEFT_OUT)
    for protocol in (2, 3):
        redis_py.run(Launcher.from_environment(), scratch, protocol, result, streams_only=True)
    reporter = Reporter()
    for test in result.passed:
        reporter.line("ok", test)
    for test, text in result.failed:
        reporter.line("not ok", f"{test}: {text}")
    # Every test of streams has to run; that a few are for older servers is theirs to say.
    for reason, count in result.left_out.items():
        reporter.line("not ok", f"{count} are left out: {reason}")
    return reporter.close()


if __name__ == "__main__":
    sys.exit(main())
