"""Instructions of one call of a consumer group, by policy and by how much is pending.

    cargo build --release -p millstream-engine --example policy_cost
    python3 tests/policy_cost.py target/release/examples/policy_cost [POLICY ...]

Needs valgrind. Counts what the engine does, without sockets and grammar; what the processor makes of
it is another matter (`tests/policy_load.py`).
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

POLICIES = ["none", "visibility", "max-deliveries", "last-delivery", "backoff", "in-flight", "order-by"]
MANY = 1_000_000
LINE = re.compile(r"^\s*([\d,]+) \([^=\n]*policy_cost.rs:policy_cost::measured_(\w+)", re.MULTILINE)


def count(binary, policy, pending):
    """Instructions of one call, by its name."""
    with tempfile.TemporaryDirectory() as directory:
        profile = os.path.join(directory, "profile")
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=*measured_*"]
        command += [f"--callgrind-out-file={profile}", binary, policy, str(pending)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        calls = {name: int(number) for name, number in re.findall(r"measured_(\w+) (\d+)", said)}
        annotate = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", profile]
        table = subprocess.run(annotate, check=True, capture_output=True, text=True).stdout
    totals = {}
    for number, name in LINE.findall(table):
        totals[name] = totals.get(name, 0) + int(number.replace(",", ""))
    return {name: total // calls[name] for name, total in totals.items()}


def main():
    binary, policies = sys.argv[1], sys.argv[2:] or POLICIES
    runs = [(policy, pending) for policy in policies for pending in (0, MANY)]
    with ThreadPoolExecutor(2) as pool:
        counted = list(pool.map(lambda run: count(binary, *run), runs))
    names = [name for name in counted[0]]
    print("| call | " + " | ".join(f"{policy} {pending}" for policy, pending in runs) + " |")
    print("|---|" + "---:|" * len(runs))
    for name in sorted(names):
        print(f"| {name} | " + " | ".join(f"{numbers.get(name, 0)}" for numbers in counted) + " |")


if __name__ == "__main__":
    main()
