"""Delayed entries: appended by the server when their time has come.

What a crash in between changes, which is nothing, is in over_kill_9.py.
"""

import asyncio
import time

from harness.checks import equal, holds
from variants import newer_than_redis, streams_of

FAR = 4102444800000


def scheduled(api, *arguments):
    return api.execute_command("XSCHEDULE", *arguments)


async def values(api, key="s"):
    return [fields["v"] for _, fields in await api.xrange(key)]


async def appended_at_its_time_and_wakes_a_reader(variant, api):
    newer_than_redis()
    reader = variant.start(lambda own: own.xread({"s": "$"}, block=4000))
    await api.someone_waits()
    begun = time.monotonic()
    await scheduled(api, "ADD", "s", "DELAY", 200, "v", "later")
    equal(await api.xlen("s"), 0)
    [[_, entries]] = streams_of(await reader)
    equal([fields for _, fields in entries], [{"v": "later"}])
    holds(0.19 < time.monotonic() - begun < 2, "after its delay and soon then")


async def listed_cancelled_and_run(_variant, api):
    newer_than_redis()
    tokens = [await scheduled(api, "ADD", "s", "AT", FAR + n % 2, "v", n) for n in range(4)]
    cursor, entries = await scheduled(api, "LIST", "s", "COUNT", 3)
    equal([entry[0] for entry in entries], [tokens[0], tokens[2], tokens[1]])
    equal(entries[0], [tokens[0], FAR, ["v", "0"]])
    equal(cursor, tokens[1])
    rest = await scheduled(api, "LIST", "s", "CURSOR", cursor)
    equal(rest, ["0", [[tokens[3], FAR + 1, ["v", "3"]]]])
    equal(await scheduled(api, "CANCEL", "s", tokens[2], tokens[2]), 1)
    equal(await scheduled(api, "RUN", "s", tokens[3], tokens[2], tokens[0]), 2)
    equal(await values(api), ["3", "0"])
    await api.fails("token", "execute_command", "XSCHEDULE", "CANCEL", "s", "yesterday")


async def in_a_pipeline_and_in_order(_variant, api):
    newer_than_redis()
    count = 500
    for n in range(count):
        await scheduled(api, "ADD", "s", "DELAY", 100, "v", n)
    deadline = time.monotonic() + 60
    while await api.xlen("s") < count:
        holds(time.monotonic() < deadline, "all fire")
        await asyncio.sleep(0.02)
    equal(await values(api), [str(n) for n in range(count)])


CHECKS = [
    appended_at_its_time_and_wakes_a_reader,
    listed_cancelled_and_run,
    in_a_pipeline_and_in_order,
]
