"""What pages of the dashboard cost over one stream of ten million entries, a million of them pending.

    cargo build --release && python3 tests/dashboard_pages.py target/release/millstream \
        [ENTRIES [PENDING [LETTERS]]]
"""

import re
import shutil
import signal
import sys
import tempfile
import time
import urllib.request

from measured_server import MeasuredServer, command, resident_kb, send

BATCH = 5000
FIRST_MS = 1_700_000_000_000
BILLING = "/streams/orders/groups/billing"
LETTERS = "/dead-letters/orders%3Adlq"


def entry_id(number):
    return b"%d-0" % (FIRST_MS + number)


def read(replies):
    """One reply of any kind; texts as bytes, the rest as they are of no interest."""
    line = replies.readline()
    if line[:1] == b"*":
        return [read(replies) for _ in range(int(line[1:]))]
    if line[:1] == b"$" and line != b"$-1\r\n":
        return replies.read(int(line[1:]) + 2)[:-2]
    return line[1:-2]


def fill(connection, entries, pending, letters):
    replies = connection.makefile("rb")
    for first in range(0, entries, BATCH):
        batch = [
            command(
                b"XADD", b"orders", entry_id(n), b"order_id", b"%d" % n, b"amount", b"12.00",
                b"customer", b"customer-%d" % (n % 1000),
            )
            for n in range(first, first + BATCH)
        ]
        send(connection, b"".join(batch), 2 * len(batch))
    words = b"XGROUP CREATE orders billing 0 CFG VISIBILITY 86400000 DEADLETTER orders:dlq".split()
    connection.sendall(command(*words))
    read(replies)
    for first in range(0, pending + letters, 1000):
        worker = b"worker-%d" % (first // 1000 % 50)
        words = [b"XREADGROUP", b"GROUP", b"billing", worker, b"COUNT", b"1000", b"STREAMS"]
        connection.sendall(command(*words, b"orders", b">"))
        read(replies)
    for first in range(0, letters, 1000):
        ids = [entry_id(n) for n in range(first, first + 1000)]
        words = [b"XNACK", b"orders", b"billing", b"FATAL", b"IDS", b"1000", *ids]
        connection.sendall(command(*words, b"ERROR", b"the card was declined"))
        read(replies)
    # Letters are written as the log has room for them.
    while letters:
        connection.sendall(command(b"XLEN", b"orders:dlq"))
        if int(read(replies)) >= letters:
            break
        time.sleep(0.1)


def pages(entries, pending, letters):
    middle, last = (entry_id(n).decode() for n in (letters + pending // 2, letters + pending - 100))
    listed = f"{BILLING}/pending"
    yield from ("/", "/streams", "/streams/orders")
    yield f"/streams/orders?from={entry_id(entries // 2).decode()}"
    yield f"/streams/orders/entries/{middle}"
    yield from (BILLING, f"{BILLING}/consumers/worker-7", listed)
    yield from (f"{listed}?after={middle}", f"{listed}?after={last}")
    yield from (f"{listed}?consumer=nobody", f"{listed}?idle=20h", f"{listed}?deliveries=2")
    yield from (f"{listed}/all?what=acknowledge", f"{listed}/all?what=acknowledge&deliveries=2")
    yield f"/api/v1{listed}?limit=1000"
    if letters:
        yield from ("/dead-letters", LETTERS, f"{LETTERS}?error=nothing")
        yield from (f"{LETTERS}/bulk?verb=requeue", f"{LETTERS}/bulk?verb=purge&error=nothing")
        yield from (f"/api/v1{LETTERS}?limit=1000", f"/api/v1{LETTERS}?error=nothing")
    yield from ("/server", "/metrics")


def calls(connection, replies):
    connection.sendall(command(b"INFO", b"commandstats"))
    lines = re.findall(r"cmdstat_([^:]+):calls=(\d+),usec=(\d+)", read(replies).decode())
    return {name: (int(count), int(usec)) for name, count, usec in lines if name != "info"}


def main():
    binary = sys.argv[1]
    numbers = [int(number) for number in sys.argv[2:]] + [10_000_000, 1_000_000, 0][len(sys.argv) - 2:]
    directory = tempfile.mkdtemp(prefix="millstream-pages-")
    server = MeasuredServer(binary, directory, "--admin-port", "0", "--admin-write")
    found = [re.search(r"dashboard on (http://\S+)", line) for line in server.said]
    url = next(match.group(1) for match in found if match)
    connection = server.connect()
    replies = connection.makefile("rb")
    begun = time.monotonic()
    fill(connection, *numbers)
    print(f"filled in {time.monotonic() - begun:.0f} s, {resident_kb(server.process) >> 10} MiB resident")
    for path in pages(*numbers):
        before, begun = calls(connection, replies), time.monotonic()
        with urllib.request.urlopen(url + path, timeout=60) as answer:
            size = len(answer.read())
        took = time.monotonic() - begun
        spent = {
            name: (count - before.get(name, (0, 0))[0], usec - before.get(name, (0, 0))[1])
            for name, (count, usec) in calls(connection, replies).items()
        }
        asked = sorted(((n, name) for name, (n, _) in spent.items() if n), reverse=True)
        told = ", ".join(f"{n} {name}" for n, name in asked[:4])
        busy = sum(usec for _, usec in spent.values()) / 1000
        print(f"{took * 1000:6.0f} ms {busy:6.1f} ms of the server {size >> 10:4} KiB  {path}  ({told})")
    print(f"{resident_kb(server.process) >> 10} MiB resident")
    server.end(signal.SIGKILL)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
