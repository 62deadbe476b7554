"""What compression of blocks saves, for entries of three kinds.

    cargo build --release && python3 tests/compression.py target/release/millstream
"""

import json
import random
import shutil
import signal
import sys
import tempfile

from measured_server import MeasuredServer, command, send

COUNT = 300_000
STATES = [b"new", b"paid", b"packed", b"sent"]


def short_fields(dice, n):
    total = b"%d.%02d" % (dice.randrange(500), dice.randrange(100))
    customer = b"customer-%d" % dice.randrange(5000)
    return [b"order_id", b"ORD-%06d" % n, b"customer", customer, b"state", dice.choice(STATES), b"total", total]


def document(dice, n):
    def item():
        return {
            "sku": "SKU-%05d" % dice.randrange(99999),
            "quantity": dice.randrange(9),
            "price": dice.randrange(10000) / 100,
        }

    customer = {"id": dice.randrange(5000), "country": dice.choice(["DE", "FR", "IT"])}
    order = {"id": n, "type": "order.created", "customer": customer, "items": [item() for _ in range(3)]}
    return [b"data", json.dumps(order).encode()]


def noise(dice, n):
    return [b"data", dice.randbytes(200)]


def measure(binary, fields):
    directory = tempfile.mkdtemp(prefix="millstream-compression-")
    server = MeasuredServer(binary, directory, "--checkpoint-log-kb", "4096")
    connection = server.connect()
    dice = random.Random(1)
    for first in range(0, COUNT, 1000):
        batch = [command(b"XADD", b"s", b"*", *fields(dice, n)) for n in range(first, first + 1000)]
        send(connection, b"".join(batch), 2 * len(batch))
    connection.sendall(command(b"INFO", b"persistence"))
    text = b""
    while b"millstream_write_amplification" not in text:
        text += connection.recv(1 << 16)
    facts = dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
    raw = int(facts["millstream_block_raw_bytes_written"])
    stored = int(facts["millstream_block_bytes_written"])
    server.end(signal.SIGKILL)
    shutil.rmtree(directory)
    return raw, stored


def main():
    for fields in (short_fields, document, noise):
        raw, stored = measure(sys.argv[1], fields)
        print(f"{fields.__name__}: {raw} bytes as {stored}, {stored / raw:.2f}")


if __name__ == "__main__":
    main()
