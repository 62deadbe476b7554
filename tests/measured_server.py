"""A `millstream serve` process for the scripts here that measure one."""

import os
import socket
import subprocess
import threading
import time


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class MeasuredServer:
    """Started on a free port with `--sync everysec`; `seconds` is the time until it listened."""

    def __init__(self, binary, directory, *options):
        begun = time.monotonic()
        arguments = [binary, "serve", "--port", "0", "--dir", directory, "--sync", "everysec"]
        self.process = subprocess.Popen(
            arguments + list(options), stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.said = []
        for line in self.process.stderr:
            self.said.append(line.strip())
            if "listening on 127.0.0.1:" in line:
                self.port = int(line.rsplit(":", 1)[1])
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.seconds = time.monotonic() - begun

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def end(self, number):
        """Sends a signal, and waits."""
        self.process.send_signal(number)
        self.process.wait()


def send(connection, request, lines):
    """Returns once that many line ends came."""
    connection.sendall(request)
    seen = 0
    while seen < lines:
        seen += connection.recv(1 << 20).count(b"\r\n")


def resident_kb(process):
    """Of a process that runs; 1 KB is 1024 bytes."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def percentile(values, share):
    """The value below which this share of the sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]


def sizes(directory, folder):
    """What `stat` says of the files of a folder."""
    path = os.path.join(directory, folder)
    return [os.stat(os.path.join(path, name)) for name in os.listdir(path)]
