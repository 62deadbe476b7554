"""Very many pending entries whose time is over in one millisecond: how long that takes, and how
long others wait meanwhile.

    cargo build --release && python3 tests/policy_load.py target/release/millstream [ENTRIES]

First with eight blocked readers that take the entries over and acknowledge them, then with
MAXDELIVERIES 1, where all become dead letters. Another client goes round XADD, XREADGROUP and XACK
on another stream, one command after the other, from a second before. Clients run on the processors
of the server, so waits are what a client saw; how long the engine was held is what INFO says.
"""

import multiprocessing
import re
import selectors
import shutil
import signal
import sys
import tempfile
import time

from measured_server import MeasuredServer, command, percentile, send

VISIBILITY_MS = 2000
READERS = 8
READ_COUNT = 100
BATCH = 2000
LIMIT_S = 60
HOLDS = ("millstream_longest_timer_hold_us", "millstream_longest_timer_hold_cpu_us")


class Client:
    """One command after the other."""

    def __init__(self, server):
        self.connection = server.connect()
        self.replies = self.connection.makefile("rb")

    def ask(self, *words):
        self.connection.sendall(command(*words))
        return self.reply()

    def reply(self):
        line = self.replies.readline()
        if line[:1] == b"-":
            raise RuntimeError(line.decode())
        size = int(line[1:]) if line[:1] in b"$*:" else 0
        if line[:1] == b"$":
            return self.replies.read(size + 2)[:-2] if size >= 0 else None
        if line[:1] == b"*":
            return [self.reply() for _ in range(size)] if size >= 0 else None
        return size if line[:1] == b":" else line[1:-2]


def fill(client, count, *policy):
    """All delivered by one read, so all are due together; returns when they are."""
    client.ask(b"XGROUP", b"CREATE", b"s", b"g", b"0", b"MKSTREAM", b"CFG", *policy)
    for first in range(0, count, BATCH):
        many = min(BATCH, count - first)
        add = b"".join(command(b"XADD", b"s", b"*", b"order", b"ORD-%08d" % n) for n in range(first, first + many))
        send(client.connection, add, 2 * many)
    read = (b"XREADGROUP", b"GROUP", b"g", b"first", b"COUNT", b"%d" % count, b"STREAMS", b"s", b">")
    begun = time.monotonic()
    entries = client.ask(*read)[0][1]
    assert len(entries) == count
    return begun + VISIBILITY_MS / 1000


def probe(server, pipe):
    """Rounds on another stream until told to stop; sends when each command began, and its wait."""
    client = Client(server)
    client.ask(b"XGROUP", b"CREATE", b"other", b"w", b"0", b"MKSTREAM")
    seen = []

    def timed(*words):
        begun = time.monotonic()
        reply = client.ask(*words)
        seen.append((begun, (time.monotonic() - begun) * 1000))
        return reply

    while not pipe.poll():
        timed(b"XADD", b"other", b"*", b"f", b"v")
        read = timed(b"XREADGROUP", b"GROUP", b"w", b"c", b"COUNT", b"1", b"STREAMS", b"other", b">")
        timed(b"XACK", b"other", b"w", read[0][1][0][0])
    pipe.recv()
    pipe.send(seen)


def read_all(server, count, pipe):
    """Blocked readers that acknowledge what they get; sends when they had all of it."""
    ready = selectors.DefaultSelector()
    for number in range(READERS):
        client = Client(server)
        words = (b"XREADGROUP", b"GROUP", b"g", b"r%d" % number, b"COUNT", b"%d" % READ_COUNT)
        client.read = command(*words, b"BLOCK", b"0", b"STREAMS", b"s", b">")
        client.connection.sendall(client.read)
        ready.register(client.connection, selectors.EVENT_READ, client)
    pipe.send("blocked")
    taken = 0
    while taken < count:
        for key, _ in ready.select(LIMIT_S):
            client = key.data
            entries = [entry[0] for entry in client.reply()[0][1]]
            taken += len(entries)
            client.ask(b"XACK", b"s", b"g", *entries)
            client.connection.sendall(client.read)
    pipe.send(time.monotonic())


def wait_for_letters(client, count):
    deadline = time.monotonic() + LIMIT_S
    while client.ask(b"XLEN", b"s:dlq") < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return time.monotonic()


def percentiles(values):
    values = sorted(values)
    at = lambda share: f"{percentile(values, share):.2f}"
    return f"{at(0.5)} | {at(0.99)} | {at(0.999)} | {values[-1]:.2f} | {len(values)}"


def holds(client):
    said = client.ask(b"INFO", b"persistence").decode()
    return [int(re.search(rf"{name}:(\d+)", said)[1]) for name in HOLDS]


def start(work, *arguments):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=work, args=(*arguments, theirs), daemon=True)
    process.start()
    return process, ours


def measure(name, binary, count, policy, has_readers):
    directory = tempfile.mkdtemp(prefix="millstream-policies-")
    server = MeasuredServer(binary, directory)
    client = Client(server)
    due = fill(client, count, b"VISIBILITY", b"%d" % VISIBILITY_MS, *policy)
    if has_readers:
        readers, from_readers = start(read_all, server, count)
        from_readers.recv()
    time.sleep(max(0, due - 1 - time.monotonic()))
    before = holds(client)
    other, to_probe = start(probe, server)
    done = from_readers.recv() if has_readers else wait_for_letters(client, count)
    to_probe.send("stop")
    seen = to_probe.recv()
    assert client.ask(b"XPENDING", b"s", b"g")[0] == 0
    assert client.ask(b"XLEN", b"s:dlq") == (0 if has_readers else count)
    print(f"| {name} | before | {percentiles([ms for at, ms in seen if at < due])} | | {before[0]} | {before[1]} |")
    during = percentiles([ms for at, ms in seen if due <= at < done])
    wall, cpu = holds(client)
    print(f"| {name} | during | {during} | {(done - due) * 1000:.0f} | {wall} | {cpu} |")
    for process in (other, *([readers] if has_readers else [])):
        process.join()
    server.end(signal.SIGTERM)
    shutil.rmtree(directory)


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    print("| what | when | p50 ms | p99 | p99.9 | max | commands | took ms | longest hold us | of it work us |")
    print("|---|---|" + "---:|" * 8)
    measure("taken over", binary, count, (), True)
    measure("dead letters", binary, count, (b"MAXDELIVERIES", b"1", b"DEADLETTER", b"s:dlq"), False)


if __name__ == "__main__":
    main()
