"""FastStream's Redis broker with stream subscribers.

The flows of its documentation, chapter "Redis": "Redis Streams" (subscribing, publishing),
"Batching", "Message acknowledgement" and "Claiming messages of dead consumers". Without arguments
this is the check; `faststream_flow.py worker|stalling|claiming NAME` is an application as the
documentation writes it, run until SIGTERM.
"""

import asyncio
import sys

from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, StreamSub
from pydantic import BaseModel

import common
from common import URL, Workers
from harness.checks import Reporter, equal

N_ORDERS = 120
ORDERS, RECEIPTS, GROUP = "orders", "receipts", "shop"
IDLE_MS = 200


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    number: int
    worker: str


def application(kind, name):
    """`claiming` and `reclaiming` take over what others left, by one of the two ways there are."""
    broker = RedisBroker(URL)
    idle = {"claim_min_idle_time": IDLE_MS} if kind == "reclaiming" else {}
    fresh = StreamSub(ORDERS, group=GROUP, consumer=name, polling_interval=50, **idle)
    left = StreamSub(
        ORDERS, group=GROUP, consumer=name, polling_interval=50, min_idle_time=IDLE_MS
    )

    async def handle(order: Order) -> Receipt:
        if kind == "stalling":
            await asyncio.Event().wait()
        return Receipt(number=order.number, worker=name)

    for stream in [fresh, left] if kind == "claiming" else [fresh]:
        subscriber = broker.subscriber(stream=stream, ack_policy=AckPolicy.NACK_ON_ERROR)
        subscriber(broker.publisher(stream=RECEIPTS)(handle))
    return FastStream(broker)


async def publish(*orders):
    async with RedisBroker(URL) as broker:
        for number in orders:
            await broker.publish(Order(number=number), stream=ORDERS)


async def receipts():
    """Every receipt, read by a subscriber without a handler from the first entry on."""
    broker = RedisBroker(URL)
    subscriber = broker.subscriber(stream=StreamSub(RECEIPTS, last_id="0"))
    found = []
    async with broker:
        await subscriber.start()
        while message := await subscriber.get_one(timeout=0.1):
            found.append(Receipt(**await message.decode()))
    return found


def check_receipts(wanted):
    """Each order once and no other; returns who handled them."""
    found = asyncio.run(receipts())
    equal(sorted(receipt.number for receipt in found), list(wanted), "receipts")
    return {receipt.worker for receipt in found}


def quick_start(_store):
    """One subscriber without a group, in the process that publishes."""

    async def flow():
        broker = RedisBroker(URL)
        arrived = asyncio.Queue()

        @broker.subscriber(stream="test-stream")
        async def handle(message: str):
            await arrived.put(message)

        async with broker:
            await broker.start()
            for text in ("Hi!", "h\u00e9", ""):
                await broker.publish(text, stream="test-stream")
            return [await asyncio.wait_for(arrived.get(), 10) for _ in range(3)]

    equal(asyncio.run(flow()), ["Hi!", "h\u00e9", ""])


def batches(store):
    async def flow():
        broker = RedisBroker(URL)
        arrived = []
        sub = StreamSub("numbers", batch=True, max_records=10, last_id="0", polling_interval=50)

        @broker.subscriber(stream=sub)
        async def handle(numbers: list[int]):
            arrived.append(numbers)

        async with broker:
            for number in range(35):
                await broker.publish(number, stream="numbers", maxlen=1000)
            await broker.start()
            async with asyncio.timeout(10):
                while sum(map(len, arrived)) < 35:
                    await asyncio.sleep(0.01)
        return arrived

    arrived = asyncio.run(flow())
    equal([len(batch) for batch in arrived], [10, 10, 10, 5])
    equal(sum(arrived, []), list(range(35)))
    equal(store.xlen("numbers"), 35)


def workers_share_a_group(store):
    with Workers(__file__) as workers:
        for name in ("one", "two"):
            workers.start(name, "worker", name)
            common.until_reads(store, ORDERS, GROUP, name)
        asyncio.run(publish(*range(N_ORDERS)))
        common.until_settled(store, ORDERS, GROUP)
        equal(check_receipts(range(N_ORDERS)), {"one", "two"}, "who worked")
        for name in ("one", "two"):
            workers.stop(name)


def recovered_by(store, kind):
    with Workers(__file__) as workers:
        workers.start("victim", "stalling", "victim")
        common.until_reads(store, ORDERS, GROUP, "victim")
        asyncio.run(publish(*range(5)))
        # A blocked read takes the first message alone; the others wait in the stream.
        equal(common.until_owns(store, ORDERS, GROUP, 1), {"victim"}, "owners")
        workers.kill("victim")
        workers.start("rescue", kind, "rescue")
        common.until_settled(store, ORDERS, GROUP)
        equal(check_receipts(range(5)), {"rescue"}, "who worked")
        workers.stop("rescue")


def a_killed_workers_messages_are_claimed(store):
    """`min_idle_time`: the subscriber sends XAUTOCLAIM."""
    recovered_by(store, "claiming")


def a_killed_workers_messages_come_with_new_ones(store):
    """`claim_min_idle_time`: the subscriber reads with the CLAIM option."""
    common.needs_claim_option(store)
    recovered_by(store, "reclaiming")


CHECKS = [
    quick_start, batches, workers_share_a_group, a_killed_workers_messages_are_claimed,
    a_killed_workers_messages_come_with_new_ones,
]


def main():
    if len(sys.argv) > 1:
        asyncio.run(application(*sys.argv[1:]).run())
        return 0
    report = Reporter()
    store = common.connect()
    for check in CHECKS:
        store.flushall()
        report.run(check.__name__.replace("_", " "), lambda: check(store))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
