"""What the flows share: the address, a plain client to look at the server, worker processes.

Each flow is a program of its own: without arguments it checks, with arguments it is one of the
workers that the check starts.
"""

import os
import signal
import subprocess
import sys

import redis

from harness import waiting
from harness.checks import Skip, equal

HOST = os.environ["MILLSTREAM_TEST_HOST"]
PORT = int(os.environ["MILLSTREAM_TEST_PORT"])
URL = f"redis://{HOST}:{PORT}/0"
LIMIT_S = 120


def connect():
    """A plain client, to look at what a library left on the server."""
    # Some libraries store bytes that are no text; they are not looked at here.
    text = {"decode_responses": True, "encoding_errors": "replace"}
    return redis.Redis(host=HOST, port=PORT, **text)


def numbers(store, stream, field="number"):
    """The field of every entry of a stream, as sorted numbers: what was done, how often."""
    return sorted(int(fields[field]) for _, fields in store.xrange(stream))


def is_settled(store, stream, group):
    """Whether the group has been given every entry and has acknowledged each."""
    last = store.xinfo_stream(stream)["last-generated-id"]
    row = next((row for row in store.xinfo_groups(stream) if row["name"] == group), None)
    return bool(row) and row["pending"] == 0 and row["last-delivered-id"] == last


def until_settled(store, stream, group, limit_s=LIMIT_S):
    waiting.until(lambda: is_settled(store, stream, group), limit_s, f"{group} is done")


def until_reads(store, stream, group, consumer):
    """Returns when the consumer has sent its first read."""

    def is_known():
        try:
            rows = store.xinfo_consumers(stream, group)
        except redis.ResponseError:
            return False
        return any(row["name"] == consumer for row in rows)

    waiting.until(is_known, LIMIT_S, f"{consumer} reads")


def until_owns(store, stream, group, count):
    """Returns when `count` entries are pending; tells who owns them."""

    def owners():
        try:
            rows = store.xpending_range(stream, group, "-", "+", 1000)
        except redis.ResponseError:
            # The worker has not made its group yet.
            return None
        return {row["consumer"] for row in rows} if len(rows) == count else None

    return waiting.until(owners, LIMIT_S, f"{count} pending entries of {group}")


def needs_claim_option(store):
    """XREADGROUP … CLAIM is of Redis 8.4; Valkey does not have it."""
    if "valkey_version" in store.info("server"):
        raise Skip("Valkey has no CLAIM option of XREADGROUP")


class Workers:
    """Processes of one check; ends those that it started, and those that these have started."""

    def __init__(self, script):
        self.script = script
        self.processes = {}

    def start(self, name, *arguments, command=None):
        command = command or [sys.executable, self.script]
        self.processes[name] = subprocess.Popen(
            [*command, *arguments], stdout=sys.stderr, env=os.environ
        )

    def kill(self, name):
        process = self.processes[name]
        if process.poll() is None:
            for pid in [*children(process.pid), process.pid]:
                os.kill(pid, signal.SIGKILL)
        process.wait(10)

    def stop(self, name, while_it_ends=lambda: None):
        """Asks the worker to end, as an operator would, and expects it to end well."""
        process = self.processes[name]
        process.send_signal(signal.SIGTERM)

        def has_ended():
            while_it_ends()
            return process.poll() is not None

        waiting.until(has_ended, LIMIT_S, f"{name} ends")
        equal(process.returncode, 0, f"exit code of {name}")

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for name in self.processes:
            self.kill(name)


def children(pid):
    """The direct children of a process that is ours."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]
