"""Resident bytes of a pending entry, plain and under each policy; of Redis, plain.

    cargo build --release && python3 tests/policy_memory.py target/release/millstream [PEER]

One stream; one group after the other reads all of it for four consumers. The first group is not
shown: with it buffers grow. Of each other one: what the process grew by, for each entry.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from measured_server import MeasuredServer, command, resident_kb, send

COUNT = 1_000_000
BATCH = 1000
POLICIES = {
    "plain": b"",
    "VISIBILITY": b"VISIBILITY 3600000",
    "MAXDELIVERIES": b"VISIBILITY 3600000 MAXDELIVERIES 5",
    "MAXDELIVERIES 1": b"VISIBILITY 3600000 MAXDELIVERIES 1",
    "BACKOFF": b"VISIBILITY 3600000 BACKOFF 1000 2 60000",
    "MAXINFLIGHT": b"VISIBILITY 3600000 MAXINFLIGHT 2000000",
    "ORDERBY": b"VISIBILITY 3600000 ORDERBY order",
}


class Peer:
    """A Redis without persistence."""

    def __init__(self, binary):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        arguments = [binary, "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        time.sleep(1)

    connect = MeasuredServer.connect
    end = MeasuredServer.end


def read_all(connection, group):
    """A reply has five lines at its head, and eight for each entry."""
    for first in range(0, COUNT, BATCH):
        consumer = b"c%d" % (first // BATCH % 4)
        words = (b"XREADGROUP", b"GROUP", group, consumer, b"COUNT", b"%d" % BATCH)
        send(connection, command(*words, b"STREAMS", b"s", b">"), 5 + 8 * BATCH)


def measure(server, policies):
    connection = server.connect()
    for first in range(0, COUNT, BATCH):
        add = [command(b"XADD", b"s", b"*", b"order", b"ORD-%08d" % n) for n in range(first, first + BATCH)]
        send(connection, b"".join(add), 2 * BATCH)
    before = None
    for name in ("warm", *policies):
        policy = POLICIES.get(name, b"").split()
        words = (b"XGROUP", b"CREATE", b"s", name.encode(), b"0")
        send(connection, command(*words, *((b"CFG", *policy) if policy else ())), 1)
        read_all(connection, name.encode())
        time.sleep(1.5)
        after = 1024 * resident_kb(server.process)
        if before is not None:
            print(f"| {name} | {(after - before) / COUNT:.1f} |", flush=True)
        before = after
    server.end(signal.SIGTERM)


def main():
    print("| group | bytes of a pending entry |\n|---|---:|")
    directory = tempfile.mkdtemp(prefix="millstream-policies-")
    measure(MeasuredServer(sys.argv[1], directory, "--cache-mb", "4096"), POLICIES)
    shutil.rmtree(directory)
    for peer in sys.argv[2:]:
        print("| peer | |")
        measure(Peer(peer), ["plain"])


if __name__ == "__main__":
    main()
