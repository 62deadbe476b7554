"""How soon a large store answers: after `kill -9`, and after a clean stop.

    cargo build --release && python3 tests/restart.py target/release/millstream [MILLIONS]

One stream of so many million entries (10), a tenth of them pending in a group. A time is from the
start of the process to its first answer.
"""

import shutil
import signal
import sys
import tempfile
import time

from measured_server import MeasuredServer, command, send, sizes

BATCH = 5000


class Server(MeasuredServer):
    """Answered once: `seconds` is the time until then."""

    def __init__(self, binary, directory):
        begun = time.monotonic()
        super().__init__(binary, directory)
        self.connection = self.connect()
        self.send(command(b"PING"), 1)
        self.seconds = time.monotonic() - begun

    def send(self, request, lines):
        send(self.connection, request, lines)

    def replayed(self):
        return next((line for line in self.said if "replayed" in line), "nothing replayed")


def fill(server, count):
    for first in range(0, count, BATCH):
        batch = [
            command(b"XADD", b"orders", b"*", b"order_id", b"ORD-%d" % n, b"state", b"new")
            for n in range(first, first + BATCH)
        ]
        server.send(b"".join(batch), 2 * BATCH)
    server.send(command(b"XGROUP", b"CREATE", b"orders", b"workers", b"0"), 1)
    for _ in range(count // 10 // BATCH):
        # Of each entry: its array, id with length, array of fields, four texts with lengths.
        # Around all of them five more.
        read = b"XREADGROUP GROUP workers one COUNT %d STREAMS orders >" % BATCH
        server.send(command(*read.split()), 5 + BATCH * 12)


def main():
    binary = sys.argv[1]
    count = int(float(sys.argv[2]) * 1_000_000) if len(sys.argv) > 2 else 10_000_000
    directory = tempfile.mkdtemp(prefix="millstream-restart-")
    server = Server(binary, directory)
    fill(server, count)
    time.sleep(2)
    server.end(signal.SIGKILL)
    server = Server(binary, directory)
    print(f"after kill -9: {server.seconds:.2f} s; {server.replayed()}")
    server.end(signal.SIGTERM)
    server = Server(binary, directory)
    print(f"after a clean stop: {server.seconds:.2f} s; {server.replayed()}")
    server.end(signal.SIGTERM)
    for folder in ("blocks", "checkpoints"):
        print(f"{folder}: {sum(file.st_size for file in sizes(directory, folder)) >> 20} MiB")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
