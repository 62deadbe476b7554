"""What a small stream that nobody uses takes in memory and on disk.

    cargo build --release && python3 tests/idle_streams.py target/release/millstream [COUNT]
"""

import shutil
import signal
import sys
import tempfile

from measured_server import MeasuredServer, command, resident_kb, send, sizes


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    directory = tempfile.mkdtemp(prefix="millstream-idle-")
    server = MeasuredServer(binary, directory)
    empty = 1024 * resident_kb(server.process)
    connection = server.connect()
    for first in range(0, count, 1000):
        batch = [
            command(b"XADD", b"stream:%d" % n, b"*", b"order", b"%d" % n, b"state", b"new")
            for n in range(first, first + 1000)
        ]
        send(connection, b"".join(batch), 2 * len(batch))
    filled = 1024 * resident_kb(server.process)
    connection.sendall(command(b"SHUTDOWN"))
    server.process.wait()
    server = MeasuredServer(binary, directory)
    again = 1024 * resident_kb(server.process)
    print(f"{count} streams of one entry")
    print(f"memory: {(filled - empty) / count:.0f} bytes each, after a restart {(again - empty) / count:.0f}")
    print(f"start: {server.seconds:.2f} s")
    for folder in ("checkpoints", "blocks"):
        used = sum(file.st_blocks * 512 for file in sizes(directory, folder))
        print(f"{folder}: {used / count:.0f} bytes each on disk")
    server.end(signal.SIGKILL)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
