"""How much checkpoints cost the slowest requests.

Two servers take turns: one makes a checkpoint each 8 MiB of log, one makes none. Each gets 10,000
XADD of 1 KB a second, sent when they are due whether the ones before were answered or not, on a
stream of which 300,000 entries are pending. A time is from when a request was due to its answer.

    cargo build --release && python3 tests/checkpoint_latency.py target/release/millstream
"""

import shutil
import statistics
import sys
import tempfile
import threading
import time

from measured_server import MeasuredServer, command

PENDING = 300_000
PER_SECOND = 10_000
PER_TICK = 20
SECONDS = 10
ROUNDS = 5
VALUE = b"v" * 1000


class Server(MeasuredServer):
    def __init__(self, binary, options):
        self.directory = tempfile.mkdtemp(prefix="millstream-latency-")
        super().__init__(binary, self.directory, *options)

    def ask(self, *words):
        with self.connect() as connection:
            connection.sendall(command(*words))
            connection.settimeout(60)
            data = b""
            while not data.endswith(b"\r\n"):
                data += connection.recv(1 << 16)
            return data

    def info(self, field):
        for line in self.ask(b"INFO", b"persistence").decode().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value)
        raise KeyError(field)

    def fill(self):
        self.ask(b"XGROUP", b"CREATE", b"s", b"g", b"0", b"MKSTREAM")
        with self.connect() as connection:
            for _ in range(PENDING // 1000):
                connection.sendall(command(b"XADD", b"s", b"*", b"f", b"small") * 1000)
                read_replies(connection, 1000)
            for _ in range(PENDING // 1000):
                connection.sendall(
                    command(b"XREADGROUP", b"GROUP", b"g", b"c", b"COUNT", b"1000", b"STREAMS",
                            b"s", b">")
                )
                drain(connection)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory)


def read_replies(connection, count):
    """As many replies that are ids: two line ends each."""
    seen = 0
    while seen < 2 * count:
        seen += connection.recv(1 << 16).count(b"\r\n")


def drain(connection):
    """One reply of 1,000 entries: its last one is followed by nothing for a while."""
    seen = 0
    # Stream, entries: 2 + 1 + 2 lines; an entry: its head, id (2), fields' head, two strings (4).
    while seen < 5 + 1000 * 8:
        seen += connection.recv(1 << 20).count(b"\r\n")


def round_of(server):
    """Milliseconds of all requests of one round."""
    connection = server.connect()
    due = []
    times = []
    total = PER_SECOND * SECONDS

    def receive():
        at = 0
        half = 0
        while at < total:
            half += connection.recv(1 << 16).count(b"\r\n")
            now = time.perf_counter()
            while half >= 2 and at < total:
                times.append((now - due[at]) * 1000)
                half -= 2
                at += 1

    receiver = threading.Thread(target=receive)
    receiver.start()
    batch = command(b"XADD", b"s", b"*", b"f", VALUE) * PER_TICK
    begun = time.perf_counter()
    for tick in range(total // PER_TICK):
        at = begun + tick * PER_TICK / PER_SECOND
        pause = at - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        due.extend([at] * PER_TICK)
        connection.sendall(batch)
    receiver.join()
    connection.close()
    times.sort()
    return times


def main():
    binary = sys.argv[1]
    servers = {
        "checkpoints": Server(binary, ["--checkpoint-log-kb", "8192", "--cache-mb", "64"]),
        "none": Server(binary, ["--checkpoint-log-kb", "100000000", "--cache-mb", "4096"]),
    }
    figures = {name: [] for name in servers}
    for server in servers.values():
        server.fill()
    for number in range(ROUNDS):
        for name, server in servers.items():
            before = server.info("millstream_checkpoints")
            times = round_of(server)
            made = server.info("millstream_checkpoints") - before
            at = [times[int(len(times) * part) - 1] for part in (0.5, 0.99, 0.999)]
            figures[name].append(at[2])
            shown = ", ".join(f"{t:.2f}" for t in at)
            print(f"round {number + 1}, {name}: p50, p99, p99.9 {shown} ms; {made} checkpoints")
    middle = {name: statistics.median(found) for name, found in figures.items()}
    print(f"p99.9, median of {ROUNDS}: {middle}, ratio {middle['checkpoints'] / middle['none']:.2f}")
    holds = [servers["checkpoints"].info(f"millstream_longest_hold_{kind}us") for kind in ("", "cpu_")]
    print(f"longest hold: {holds[0]} us, of work {holds[1]} us")
    for server in servers.values():
        server.stop()


if __name__ == "__main__":
    main()
