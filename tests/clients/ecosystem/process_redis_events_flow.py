"""process-redis-events: streams with leases, retries and a dead letter queue.

The flow of its README ("Quick Start", "Advanced Usage", "Error Handling and Retries"), with worker
processes: `process_redis_events_flow.py work|stall NAME`.
"""

import asyncio
import collections
import json
import signal
import sys

from process_redis_events import ProcessOptions, QueueItem, StartFrom, Stream
from redis.asyncio import Redis

import common
from common import Workers
from harness.checks import Reporter, equal, holds

N_JOBS = 60
GROUP = "my-group"
LEASE_MS = 1100
BROKEN = {7, 23}


def jobs():
    return Stream[dict](
        name="jobs", create_redis=lambda: Redis.from_url(common.URL), produce_events=True
    )


async def work(kind, name):
    """A worker until SIGTERM; it notes what it has done in a stream of its own."""
    shutdown = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, shutdown.set)
    results = Redis.from_url(common.URL)

    async def handle(item: QueueItem[dict]):
        if kind == "stall":
            # The process hangs, its heartbeats included.
            signal.pause()
        number = item.data["number"]
        await item.report_progress(0.5, "halfway")
        if number in BROKEN:
            raise ValueError(f"job {number} is broken")
        await results.xadd("done", {"number": number, "worker": name})

    options = ProcessOptions(
        consumer_group=GROUP,
        consumer_id=name,
        start_from=StartFrom.OLDEST,
        batch_size=5,
        concurrency=5,
        lease_ms=LEASE_MS,
        should_retry=lambda attempt, _data: attempt < 3,
        signal=shutdown,
    )
    await jobs().process(options=options, callback=handle)


async def add(count):
    stream = jobs()
    for number in range(count):
        await stream.add({"number": number})
    return stream.stream_key


def data_of(store, stream):
    return [json.loads(fields["data"]) for _, fields in store.xrange(stream.stream_key)]


def a_hung_worker_is_replaced(store):
    """It is killed with its jobs; two others finish all of them, the broken ones three times."""
    key = asyncio.run(add(N_JOBS))
    with Workers(__file__) as workers:
        workers.start("victim", "stall", "victim")
        equal(common.until_owns(store, key, GROUP, 5), {"victim"}, "owners")
        workers.kill("victim")
        for name in ("one", "two"):
            workers.start(name, "work", name)
        common.until_settled(store, key, GROUP, limit_s=30)
        for name in ("one", "two"):
            workers.stop(name)
    good = [number for number in range(N_JOBS) if number not in BROKEN]
    equal(common.numbers(store, "done"), good)

    letters = data_of(store, jobs().create_dead_letter_queue_stream())
    equal(sorted(letter["number"] for letter in letters), sorted(BROKEN), "dead letters")
    for letter in letters:
        original = store.xrange(key, letter["_dlqMetadata"]["originalId"], count=1)
        equal(json.loads(original[0][1]["data"])["number"], letter["number"])


def what_the_stream_tells(store):
    async def look():
        stream = jobs()
        info = await stream.get_stream_info()
        (group,) = await stream.get_consumer_groups_info()
        equal((info.length, info.groups), (N_JOBS, 1))
        # A lag of 0 becomes None in this version of the library.
        equal((group.name, group.pending, group.lag or 0), (GROUP, 0, 0))

    asyncio.run(look())
    events = data_of(store, jobs().create_event_stream())
    kinds = collections.Counter(event["type"] for event in events)
    equal(kinds["completed"], N_JOBS - len(BROKEN))
    # The hung worker started up to five that it never reported on.
    holds(0 <= kinds["started"] - kinds["progress"] <= 5, f"events: {kinds}")
    failed = [event["error"] for event in events if event["type"] == "failed"]
    given_up = failed.count("Exceeded retry limit")
    equal(given_up, len(BROKEN), "given up once each")
    # After a claim the library reads its history from the oldest entry on, so a worker that claims
    # one broken job may try the other once more, before the lease of that is over.
    for number in BROKEN:
        tries = failed.count(f"job {number} is broken")
        holds(3 <= tries <= 6, f"job {number} was tried {tries} times")


def main():
    if len(sys.argv) > 1:
        asyncio.run(work(*sys.argv[1:]))
        return 0
    report = Reporter()
    store = common.connect()
    store.flushall()
    for check in [a_hung_worker_is_replaced, what_the_stream_tells]:
        report.run(check.__name__.replace("_", " "), lambda: check(store))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
