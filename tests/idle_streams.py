"""What a small stream that nobody uses takes in memory and on disk.

    cargo build --release && python3 tests/idle_streams.py target/release/millstream [COUNT]
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def start(binary, directory):
    begun = time.monotonic()
    process = subprocess.Popen(
        [binary, "serve", "--port", "0", "--dir", directory, "--sync", "everysec"],
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if "listening on 127.0.0.1:" in line:
            port = int(line.rsplit(":", 1)[1])
            break
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process, port, time.monotonic() - begun


def resident(process):
    with open(f"/proc/{process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
    raise OSError("no resident size")


def used(directory, folder):
    path = os.path.join(directory, folder)
    return sum(os.stat(os.path.join(path, name)).st_blocks * 512 for name in os.listdir(path))


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    directory = tempfile.mkdtemp(prefix="millstream-idle-")
    process, port, _ = start(binary, directory)
    empty = resident(process)
    connection = socket.create_connection(("127.0.0.1", port))
    for first in range(0, count, 1000):
        batch = [
            command(b"XADD", b"stream:%d" % n, b"*", b"order", b"%d" % n, b"state", b"new")
            for n in range(first, first + 1000)
        ]
        connection.sendall(b"".join(batch))
        seen = 0
        while seen < 2000:
            seen += connection.recv(1 << 16).count(b"\r\n")
    filled = resident(process)
    connection.sendall(command(b"SHUTDOWN"))
    process.wait()
    process, port, seconds = start(binary, directory)
    again = resident(process)
    print(f"{count} streams of one entry")
    print(f"memory: {(filled - empty) / count:.0f} bytes each, after a restart {(again - empty) / count:.0f}")
    print(f"start: {seconds:.2f} s")
    for folder in ("checkpoints", "blocks"):
        print(f"{folder}: {used(directory, folder) / count:.0f} bytes each on disk")
    process.kill()
    process.wait()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
