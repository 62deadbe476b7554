"""walrus: its containers for streams and consumer groups (Open edX's event bus is built on them).

The flows of the chapter "Streams" of its documentation: a stream as a container, a consumer group
over three streams, a time series. `walrus_flow.py stalling NAME` reads as consumer NAME and never
acknowledges.
"""

import datetime
import signal
import sys

from walrus import Database

import common
from common import Workers
from harness.checks import Reporter, equal, holds

STREAMS = ["stream-a", "stream-b", "stream-c"]
GROUP = "cg-abc"


def database():
    return Database(host=common.HOST, port=common.PORT, db=0)


def messages(pairs):
    return [(key.decode(), [fields for _, fields in entries]) for key, entries in pairs]


def a_stream_as_a_container(_store):
    stream = database().Stream("stream-a")
    first = stream.add({"message": "hello streams"})
    ids = [stream.add({"key": f"v{number}"}) for number in range(9)]
    equal(len(stream), 10)
    equal(stream[first], (first, {b"message": b"hello streams"}))
    equal([id for id, _ in stream[ids[0]:ids[4]:3]], ids[:3])
    equal([id for id, _ in stream.revrange(count=2)], [ids[8], ids[7]])
    equal([id for id, _ in stream.read(last_id=ids[6])], ids[7:])
    del stream[first, ids[8]]
    stream.trim(4, approximate=False)
    equal([id for id, _ in stream], ids[4:8])
    equal(stream.info()["length"], 4)


def a_group_over_three_streams(store):
    db = database()
    group = db.consumer_group(GROUP, STREAMS)
    equal(group.create(), dict.fromkeys(STREAMS, True))
    equal(group.create(), dict.fromkeys(STREAMS, False), "creating it again")
    for name in STREAMS:
        db.Stream(name).add({"from": name})
    group.reset()
    found = messages(group.read())
    equal(found, [(name, [{b"from": name.encode()}]) for name in STREAMS])
    holds(not group.read(), "nothing is left to read")

    (pending,) = group.stream_a.pending()
    equal((pending["consumer"], pending["times_delivered"]), (b"cg-abc.c1", 1))
    equal(group.stream_a.ack(pending["message_id"]), 1)
    equal(group.stream_a.pending(), [])

    other = group.consumer("cg-abc.c2")
    (pending,) = other.stream_b.pending()
    claimed = other.stream_b.claim(pending["message_id"])
    equal(claimed, [(pending["message_id"], {b"from": b"stream-b"})])
    equal(other.stream_b.pending()[0]["consumer"], b"cg-abc.c2")
    owners = {row["name"]: row["pending"] for row in other.stream_b.consumers_info()}
    equal(owners, {b"cg-abc.c1": 0, b"cg-abc.c2": 1})
    equal(group.destroy(), dict.fromkeys(STREAMS, 1))
    equal(store.xinfo_groups("stream-a"), [])


def a_dead_consumers_messages_are_claimed(store):
    db = database()
    group = db.consumer_group("jobs-group", ["jobs"], consumer="living")
    group.create()
    with Workers(__file__) as workers:
        for number in range(30):
            db.Stream("jobs").add({"number": number})
        group.reset()
        workers.start("dead", "stalling", "dead")
        equal(common.until_owns(store, "jobs", "jobs-group", 10), {"dead"}, "owners")
        workers.kill("dead")
    _, taken, *_ = group.jobs.autoclaim("living", min_idle_time=0, count=100)
    done = list(taken)
    while batch := group.jobs.read(count=7):
        done += batch
    for id, _ in done:
        equal(group.jobs.ack(id), 1)
    equal(sorted(int(fields[b"number"]) for _, fields in done), list(range(30)))
    common.until_settled(store, "jobs", "jobs-group")


def a_time_series(_store):
    db = database()
    series = db.time_series("demo-ts", ["s1", "s2"])
    series.create()
    series.set_id("$")
    start = datetime.datetime(2026, 1, 1)
    for day in range(6):
        moment = start + datetime.timedelta(days=day)
        series.streams[f"s{day % 2 + 1}"].add({"day": day}, id=moment)
    found = series.read()
    equal([message.data["day"] for message in found], [str(day) for day in range(6)])
    equal([message.timestamp for message in found[:2]], [start, start + datetime.timedelta(days=1)])
    later = series.s1[start + datetime.timedelta(days=1):]
    equal([message.data["day"] for message in later], ["2", "4"])
    equal(series.s1.ack(*[message for message in found if message.stream == "s1"]), 3)
    equal(len(series.s2.pending()), 3)


def stalling(name):
    database().consumer_group("jobs-group", ["jobs"], consumer=name).read(count=10, block=5000)
    signal.pause()


CHECKS = [
    a_stream_as_a_container, a_group_over_three_streams, a_dead_consumers_messages_are_claimed,
    a_time_series,
]


def main():
    if len(sys.argv) > 1:
        stalling(sys.argv[2])
    report = Reporter()
    store = common.connect()
    for check in CHECKS:
        store.flushall()
        report.run(check.__name__.replace("_", " "), lambda: check(store))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
