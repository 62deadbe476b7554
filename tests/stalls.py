#!/usr/bin/env python3
"""How long other clients wait while one client asks for much. Measures; asserts nothing.

    python3 tests/stalls.py target/release/millstream            a million keys, half of them streams
    python3 tests/stalls.py --keys 100000 .peers/redis-8.2       a real Redis

Starts the server on a free port of 127.0.0.1 with an empty directory (Redis without persistence,
Millstream with --sync no) and fills it. Then, for each command, another process sends a SET, waits
for its reply, pauses for 0.2 ms and sends the next, all the while. Shown are its longest waits.
"""

import argparse
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

PROBE_PAUSE_S = 0.0002
# Before and after the command: how long waits are without it.
QUIET_S = 0.3
BATCH = 5000


def encode(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), body)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb", buffering=1 << 20)

    def send(self, *words):
        self.socket.sendall(encode(*words))

    def reply(self):
        """A reply; of arrays only the number of elements."""
        line = self.input.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.input.read(int(rest) + 2)[:-2]
        if kind == b"*":
            count = max(int(rest), 0)
            for _ in range(count):
                self.reply()
            return count
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return rest.decode()

    def call(self, *words):
        self.send(*words)
        return self.reply()

    def pipeline(self, commands):
        self.socket.sendall(b"".join(encode(*words) for words in commands))
        for _ in commands:
            self.reply()


def fill(connection, keys):
    def command(number):
        if number % 2:
            return "SET", f"string:{number}", "value"
        return "XADD", f"stream:{number}", "*", "field", "value"

    for start in range(0, keys, BATCH):
        connection.pipeline([command(n) for n in range(start, min(start + BATCH, keys))])


def fill_one_stream(connection, entries):
    for start in range(0, entries, BATCH):
        count = min(BATCH, entries - start)
        connection.pipeline([("XADD", "large", "*", "field", "value")] * count)
    connection.call("XGROUP", "CREATE", "large", "group", "0")
    while connection.call("XREADGROUP", "GROUP", "group", "me", "COUNT", BATCH, "STREAMS", "large",
                          ">"):
        pass


def probe(port):
    """Sends SET after SET until standard input ends; prints all waits in microseconds, sorted."""
    import select

    connection = Connection(port)
    print("ready", flush=True)
    waits = []
    while not select.select([sys.stdin], [], [], 0)[0]:
        begun = time.perf_counter()
        connection.call("SET", "probe", "x")
        waits.append(int((time.perf_counter() - begun) * 1e6))
        time.sleep(PROBE_PAUSE_S)
    print(*sorted(waits))


def measure(port, name, work):
    command = [sys.executable, __file__, "--probe", str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as other:
        other.stdout.readline()
        time.sleep(QUIET_S)
        begun = time.perf_counter()
        work()
        took_ms = (time.perf_counter() - begun) * 1e3
        time.sleep(QUIET_S)
        output, _ = other.communicate("")
    waits = [int(word) for word in output.split()]
    p99 = waits[len(waits) * 99 // 100]
    print(f"| {name} | {took_ms:.0f} | {p99 / 1e3:.2f} | {waits[-1] / 1e3:.2f} |", flush=True)


def run(server, keys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        if "millstream" in pathlib.Path(server).name:
            arguments = ["serve", "--port", str(port), "--dir", directory, "--sync", "no"]
        else:
            arguments = ["--port", str(port), "--save", "", "--dir", directory]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([server, *arguments], **quiet)
        try:
            measure_all(port, keys)
        finally:
            process.kill()
            process.wait()


def connect(port):
    for _ in range(200):
        try:
            return Connection(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not listen")


def measure_all(port, keys):
    connection = connect(port)
    call = connection.call

    def transaction(*words):
        call("MULTI")
        call(*words)
        call("EXEC")

    print(f"| with {keys} keys | took, ms | others: p99, ms | longest, ms |\n|---|---:|---:|---:|")
    fill(connection, keys)
    measure(port, "nothing", lambda: time.sleep(1))
    measure(port, "KEYS *", lambda: call("KEYS", "*"))
    measure(port, "KEYS that match nothing", lambda: call("KEYS", "*nothing*else"))
    measure(port, "KEYS within MULTI", lambda: transaction("KEYS", "string:*"))
    measure(port, "SCAN 0 COUNT 1000000", lambda: call("SCAN", 0, "COUNT", 1_000_000))
    measure(port, "SWAPDB", lambda: call("SWAPDB", 0, 1))
    call("SWAPDB", 0, 1)
    measure(port, "FLUSHALL SYNC", lambda: call("FLUSHALL", "SYNC"))
    fill(connection, keys)
    measure(port, "FLUSHDB within MULTI", lambda: transaction("FLUSHDB", "SYNC"))
    fill_one_stream(connection, keys)
    measure(port, f"DEL of a stream with {keys} pending", lambda: call("DEL", "large"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--probe", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("server", nargs="?")
    options = parser.parse_args()
    if options.probe:
        probe(options.probe)
    elif options.server:
        run(options.server, options.keys)
    else:
        parser.error("name the server's binary")


if __name__ == "__main__":
    main()
