"""The observing modes of redis-cli: --stat, --bigkeys, --memkeys, --latency, --hotkeys, MONITOR.

With MILLSTREAM_TEST_SOCKET set it is only asked over that unix socket.
"""

import json
import os
import re
import subprocess
import sys

from cli_tools import ADDRESS, LIMIT_S, cli, fresh
from harness.checks import Reporter, equal, holds

SOCKET = os.environ.get("MILLSTREAM_TEST_SOCKET")
N_ENTRIES = 50


def fill():
    fresh()
    script = "".join(f"XADD orders * n {n}\n" for n in range(N_ENTRIES))
    cli(stdin=script + "XADD other * n 1\nSET text hello\nSET short x EX 100\n")


class Watching:
    """redis-cli in a mode that goes on until it is ended."""

    def __init__(self, *words):
        self.words = words

    def __enter__(self):
        command = ["redis-cli", *ADDRESS, *self.words]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, **pipes)
        return self.process.stdout

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait(LIMIT_S)
        self.process.stdout.close()


def stat():
    fill()
    # Its lines come when a buffer of theirs is full, so they must be many.
    with Watching("--stat", "-i", "0.005") as lines:
        holds("keys" in lines.readline() + lines.readline(), "a head")
        first, second = lines.readline().split(), lines.readline().split()
    equal((first[0], second[0]), ("4", "4"), "keys")
    holds(re.fullmatch(r"[\d.]+[BKMG]", first[1]), f"memory {first[1]}")
    equal(second[3], "0", "blocked clients")
    holds(int(second[4]) > int(first[4]) > N_ENTRIES, f"requests {first[4]} and {second[4]}")
    holds(int(second[-1]) >= 2, f"connections {second[-1]}")


def biggest_keys():
    fill()
    output = cli("--bigkeys")
    holds(re.search(rf"Biggest stream found '\"orders\"' has {N_ENTRIES} entries", output), output)
    holds(re.search(r"Biggest string found '\"text\"' has 5 bytes", output), output)
    holds(f"2 streams with {N_ENTRIES + 1} entries" in output, output)
    holds("Sampled 4 keys" in output, output)


def memory_of_keys():
    fill()
    for words in (["--memkeys"], ["--memkeys-samples", "0"]):
        output = cli(*words)
        found = re.search(r"Biggest stream found '\"orders\"' has (\d+) bytes", output)
        holds(found and int(found.group(1)) > N_ENTRIES, output)
        total = re.search(r"^2 streams with (\d+) bytes", output, re.MULTILINE)
        holds(total and int(total.group(1)) > int(found.group(1)), output)


def hottest_keys():
    """Only with an LFU policy, which is never set here; the refusal is Redis's own."""
    fill()
    done = subprocess.run(
        ["redis-cli", *ADDRESS, "--hotkeys"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    equal(done.returncode, 1, "exit code")
    holds("An LFU maxmemory policy is not selected" in done.stderr, done.stderr)


def latency():
    found = json.loads(cli("--latency", "-i", "0.2", "--json"))
    holds(found["count"] >= 5 and found["max"] < 5000, f"{found}")
    lowest, highest, average, count = cli("--latency", "-i", "0.1", "--csv").split(",")
    holds(float(lowest) <= float(average) <= float(highest) and int(count) > 0, "as CSV, too")


def monitor():
    fresh()
    with Watching("MONITOR") as lines:
        equal(lines.readline().strip(), "OK")
        cli("-n", "3", "XADD", "orders", "1-0", "text", 'a "quoted"\nline')
        seen = [lines.readline()]
        while "XADD" not in seen[-1]:
            seen.append(lines.readline())
    pattern = r'\d{10}\.\d{6} \[3 127\.0\.0\.1:\d+\] "XADD" "orders" "1-0" "text" '
    holds(re.match(pattern + r'"a \\"quoted\\"\\nline"$', seen[-1]), seen[-1])


def over_a_unix_socket():
    def near(*words):
        command = ["redis-cli", "-s", SOCKET, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        return done.stdout.strip()

    equal(near("PING"), "PONG")
    equal(near("XADD", "s", "1-0", "a", "1"), "1-0")
    equal(cli("XLEN", "s"), "1")
    equal(near("CONFIG", "GET", "unixsocket").splitlines(), ["unixsocket", SOCKET])


CHECKS = [stat, biggest_keys, memory_of_keys, hottest_keys, latency, monitor]


def main():
    report = Reporter()
    for check in [over_a_unix_socket] if SOCKET else CHECKS:
        report.run(check.__name__.replace("_", " "), check)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
