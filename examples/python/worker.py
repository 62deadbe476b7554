"""Order processing on a managed group: read, process, acknowledge. The server does the rest.

    pip install redis
    python3 worker.py [NAME]

Start as many as you like, each with a name of its own. SIGTERM ends one after its present order.
"""

import os
import signal
import socket
import sys
import time

import redis

STREAM, GROUP = "orders:stream", "order-processors"
# An order that is not settled within 30 s goes to another worker. Each is tried four times, after
# 1, 2 and 4 s or a little less; when a fifth time would be due, it goes to orders:stream:dlq.
# Workers not seen for a day go.
POLICY = "VISIBILITY 30000 MAXDELIVERIES 4 BACKOFF 1000 2 60000 JITTER 20 CONSUMERTTL 86400000"
ORDER_SECONDS = float(os.environ.get("ORDER_SECONDS", 0.5))


def create_group(store):
    try:
        create = ("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM", "CFG")
        store.execute_command(*create, *POLICY.split())
    except redis.ResponseError as error:
        # It is there, with the policy that it has by now.
        if "BUSYGROUP" not in str(error):
            raise


def process_order(store, order):
    """Your own work, which must bear being done twice. An exception says that it failed."""
    print(f"Processing order {order['order_id']} for ${order['amount']}", flush=True)
    time.sleep(ORDER_SECONDS)
    # Stands for what goes wrong: an order fails as often as its field `fails` says.
    if store.incr(f"attempts:{order['order_id']}") <= int(order.get("fails", 0)):
        raise RuntimeError("payment service is down")


def process_next(store, name):
    reply = store.xreadgroup(GROUP, name, {STREAM: ">"}, count=1, block=1000)
    for id, order in reply[0][1] if reply else []:
        try:
            process_order(store, order)
        except Exception as error:
            nack = ("XNACK", STREAM, GROUP, "FAIL", "IDS", 1, id, "ERROR", str(error))
            store.execute_command(*nack)
            print(f"Failed order {order['order_id']}: {error}", flush=True)
        else:
            store.xack(STREAM, GROUP, id)
            print(f"Processed order {order['order_id']}", flush=True)


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else f"{socket.gethostname()}-{os.getpid()}"
    url = os.environ.get("REDIS_URL", "redis://localhost:6379")
    store = redis.Redis.from_url(url, decode_responses=True)
    stopping = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    while not stopping:
        try:
            create_group(store)
            while not stopping:
                process_next(store, name)
        except redis.RedisError as error:
            # The server is away. What this worker had comes again.
            print(f"Waiting: {error}", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main()
