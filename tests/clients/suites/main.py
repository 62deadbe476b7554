"""The tests that clients ship, against a server of ours.

    python3 tests/clients/suites/main.py                    all, as `cargo xtask long client-suites`
    python3 tests/clients/suites/main.py redis-py           one client
    python3 tests/clients/suites/main.py --server PROGRAM   a real Redis, to see what is true of it

Their sources come from the package registries and stay out of this repository. What cannot pass
stands in a list beside each suite, with the reason; everything else has to. MILLSTREAM_BIN names
the program, else it is the newest that cargo built. Where a package cannot be had that is said,
and is an error with CI=true.

Exit codes: 0 all passed or visibly skipped, 1 something failed.
"""

import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from harness import tooling
from harness.servers import Launcher
from suites import redis_py, redis_rs
from suites.judging import Result

SUITES = {"redis-py": redis_py, "redis-rs": redis_rs}


def run(name, launcher, scratch):
    """Runs a suite in both protocols; whether nothing failed."""
    suite = SUITES[name]
    # The list is of what Millstream does; a real Redis has to pass all or say why by itself.
    is_ours = launcher.kind == "millstream"
    result = Result(name, suite.LEFT_OUT if is_ours else [])
    begin = time.monotonic()
    for protocol in (2, 3):
        suite.run(launcher, scratch, protocol, result)
    if is_ours:
        result.close()
    result.tell()
    print(f"{name}: took {time.monotonic() - begin:.0f} s", flush=True)
    return not result.failed and bool(result.passed)


def main():
    parser = argparse.ArgumentParser(description="The tests that clients ship.")
    parser.add_argument("suite", nargs="*", choices=[[], *SUITES], help="only these")
    parser.add_argument("--server", help="a redis-server to test instead of Millstream")
    options = parser.parse_args()
    executable = options.server or tooling.millstream_binary()
    launcher = Launcher("redis" if options.server else "millstream", executable)
    succeeded = True
    for name in options.suite or SUITES:
        with tempfile.TemporaryDirectory(prefix="client-suites-") as scratch:
            try:
                succeeded &= run(name, launcher, pathlib.Path(scratch))
            except tooling.Missing as reason:
                print(f"SKIP: {name}: {reason}")
                succeeded &= not tooling.peers_required()
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
