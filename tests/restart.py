"""How soon a large store answers: after `kill -9`, and after a clean stop.

    cargo build --release && python3 tests/restart.py target/release/millstream [MILLIONS]

One stream of so many million entries (10), a tenth of them pending in a group. A time is from the
start of the process to its first answer.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BATCH = 5000


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Server:
    def __init__(self, binary, directory):
        begun = time.monotonic()
        arguments = [binary, "serve", "--port", "0", "--dir", directory, "--sync", "everysec"]
        self.process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        self.said = []
        for line in self.process.stderr:
            self.said.append(line.strip())
            if "listening on 127.0.0.1:" in line:
                port = int(line.rsplit(":", 1)[1])
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.send(command(b"PING"), 1)
        self.seconds = time.monotonic() - begun

    def send(self, request, lines):
        """Returns once that many line ends came."""
        self.connection.sendall(request)
        seen = 0
        while seen < lines:
            seen += self.connection.recv(1 << 20).count(b"\r\n")

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait()

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


def used(directory, folder):
    path = os.path.join(directory, folder)
    return sum(os.stat(os.path.join(path, name)).st_size for name in os.listdir(path))


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
        print(f"{folder}: {used(directory, folder) >> 20} MiB")
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
