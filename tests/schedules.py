"""Many delayed entries on one stream: how late they fire, and what they take.

    cargo build --release && python3 tests/schedules.py target/release/millstream [MILLIONS]

Lateness is an entry's id, the millisecond in which it was appended, less the time it was due. While
entries fire another client sends a SET every millisecond; its longest waits are shown.
"""

import random
import shutil
import signal
import sys
import tempfile
import threading
import time

from measured_server import MeasuredServer, command, percentile, resident_kb, send, sizes

BATCH = 2000
PROBE = command(b"SET", b"probe", b"x")


def now_ms():
    return int(time.time() * 1000)


def add(connection, dues):
    """Pipelined, bounded; returns how long it took."""
    begun = time.monotonic()
    for first in range(0, len(dues), BATCH):
        batch = [
            command(b"XSCHEDULE", b"ADD", b"s", b"AT", b"%d" % due, b"due", b"%d" % due, b"order", b"ORD-%08d" % n)
            for n, due in enumerate(dues[first : first + BATCH], first)
        ]
        send(connection, b"".join(batch), 2 * len(batch))
    return time.monotonic() - begun


def ask(connection, *words):
    """One line of a reply."""
    connection.sendall(command(*words))
    return connection.recv(1 << 16).split(b"\r\n")[0]


def length(connection):
    return int(ask(connection, b"XLEN", b"s")[1:])


class Probe:
    """How long others wait meanwhile, in milliseconds."""

    def __init__(self, server):
        self.waits = []
        self.stops = False
        self.thread = threading.Thread(target=self.run, args=(server.connect(),))
        self.thread.start()

    def run(self, connection):
        while not self.stops:
            begun = time.monotonic()
            send(connection, PROBE, 1)
            self.waits.append((time.monotonic() - begun) * 1000)
            time.sleep(0.001)

    def end(self):
        self.stops = True
        self.thread.join()
        return percentiles(self.waits, "{:.2f}")


def percentiles(values, form="{}"):
    values = sorted(values)
    at = lambda share: form.format(percentile(values, share))
    return f"p50 {at(0.5)} p99 {at(0.99)} p99.9 {at(0.999)} max {form.format(values[-1])} ms"


def lateness(server):
    """Of all entries of the stream, by reading it."""
    reader = server.connect().makefile("rwb", buffering=1 << 20)
    late, cursor = [], b"-"
    while True:
        reader.write(command(b"XRANGE", b"s", cursor, b"+", b"COUNT", b"5000"))
        reader.flush()
        count = int(reader.readline()[1:])
        for _ in range(count):
            lines = [reader.readline() for _ in range(12)]
            cursor = lines[2].strip()
            late.append(int(cursor.split(b"-")[0]) - int(lines[7]))
        cursor = b"(" + cursor
        if count < 5000:
            return late


def wait_for(connection, count, limit_s):
    deadline = time.monotonic() + limit_s
    while length(connection) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return length(connection)


def spread(binary, count):
    directory = tempfile.mkdtemp(prefix="millstream-schedules-")
    server = MeasuredServer(binary, directory)
    connection = server.connect()
    send(connection, PROBE, 1)
    before = resident_kb(server.process)
    start = now_ms() + 1000 + count // 50
    dues = [start + random.randrange(count // 25) for _ in range(count)]
    seconds = add(connection, dues)
    print(f"{count} added in {seconds:.1f} s, {count / seconds:,.0f} per second")
    print(f"memory per delayed entry: {(resident_kb(server.process) - before) * 1024 / count:.0f} bytes")
    left = start - now_ms()
    print(f"the first is due {left} ms later, all within {count // 25} ms at random")
    probe = Probe(server)
    fired = wait_for(connection, count, 60 + (left + count / 25) / 1000)
    print(f"fired {fired}; SET meanwhile: {probe.end()}")
    print(f"lateness: {percentiles(lateness(server))}")
    server.end(signal.SIGTERM)
    shutil.rmtree(directory)


def together(binary, count):
    directory = tempfile.mkdtemp(prefix="millstream-schedules-")
    server = MeasuredServer(binary, directory)
    connection = server.connect()
    due = now_ms() + 5000 + count // 50
    add(connection, [due] * count)
    time.sleep(max(0, due - now_ms() - 200) / 1000)
    probe = Probe(server)
    wait_for(connection, count, 120)
    print(f"{count} due in one millisecond; SET meanwhile: {probe.end()}")
    print(f"lateness: {percentiles(lateness(server))}")
    server.end(signal.SIGTERM)
    shutil.rmtree(directory)


def restarted(binary, count):
    directory = tempfile.mkdtemp(prefix="millstream-schedules-")
    server = MeasuredServer(binary, directory)
    connection = server.connect()
    far = now_ms() + 3_600_000
    soon = now_ms() + 4000 + count // 50
    add(connection, [soon if n % 2 else far + n % 1000 for n in range(count)])
    time.sleep(1.5)
    server.end(signal.SIGKILL)
    time.sleep(max(0, soon - now_ms()) / 1000)
    for name, number in (("kill -9", signal.SIGKILL), ("a clean stop", signal.SIGTERM)):
        begun = time.monotonic()
        server = MeasuredServer(binary, directory)
        connection = server.connect()
        send(connection, PROBE, 1)
        answered = time.monotonic() - begun
        probe = Probe(server)
        fired = wait_for(connection, count // 2, 60)
        seconds = time.monotonic() - begun
        memory = resident_kb(server.process) >> 10
        print(
            f"after {name}: answers in {answered:.2f} s, {fired} fired by {seconds:.2f} s, "
            f"{memory} MiB; SET meanwhile: {probe.end()}"
        )
        if number == signal.SIGKILL:
            server.end(signal.SIGTERM)
    waits = ask(connection, b"XSCHEDULE", b"LIST", b"s", b"COUNT", b"1")
    print(f"the list answers {waits.decode()}")
    server.end(signal.SIGTERM)
    for folder in ("blocks", "checkpoints"):
        print(f"{folder}: {sum(file.st_size for file in sizes(directory, folder)) >> 20} MiB")
    shutil.rmtree(directory)


def main():
    binary = sys.argv[1]
    count = int(float(sys.argv[2]) * 1_000_000) if len(sys.argv) > 2 else 1_000_000
    spread(binary, count)
    together(binary, count)
    restarted(binary, count)


if __name__ == "__main__":
    main()
