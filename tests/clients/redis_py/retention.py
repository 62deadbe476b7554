"""Streams with a retention: what they drop by themselves, and what a producer is told."""

import asyncio
import time

from harness.checks import equal, holds
from variants import AWAIT_LIMIT_S, ids_of, streams_of


async def items(api):
    """XCFGGET as a dict, whatever the protocol."""
    reply = await api.execute_command("XCFGGET", "s")
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


async def becomes(api, length):
    deadline = time.monotonic() + AWAIT_LIMIT_S
    while (found := await api.xlen("s")) != length:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the stream has {found} entries for ever, not {length}")
        await asyncio.sleep(0.02)


async def a_stream_of_limited_length(_variant, api):
    await api.xadd("s", {"n": "0"})
    equal(await api.execute_command("XCFGSET", "s", "MAXLEN", 3), "OK")
    ids = [await api.xadd("s", {"n": str(n)}) for n in range(5)]
    equal(ids_of(await api.xrange("s")), ids[-3:])


async def a_full_queue_tells_its_producer(variant, api):
    await api.xgroup_create("s", "g", "0", mkstream=True)
    equal(await api.execute_command("XCFGSET", "s", "MAXLEN", 2, "RETAIN", "UNACKED"), "OK")
    first = await api.xadd("s", {"n": "1"})
    await api.xadd("s", {"n": "2"})
    await api.fails("STREAMFULL", "xadd", "s", {"n": "3"})
    equal(len(streams_of(await api.xreadgroup("g", "a", {"s": ">"}))[0][1]), 2)
    await api.fails("STREAMFULL", "xadd", "s", {"n": "3"})
    reader = variant.start(lambda own: own.xreadgroup("g", "b", {"s": ">"}, block=4000))
    await api.someone_waits()
    equal(await api.xack("s", "g", first), 1)
    id = await api.xadd("s", {"n": "3"})
    equal(ids_of(streams_of(await reader)[0][1]), [id])
    equal(await api.xlen("s"), 2)


async def a_work_queue_empties_itself(_variant, api):
    await api.xgroup_create("s", "g", "0", mkstream=True)
    equal(await api.execute_command("XCFGSET", "s", "RETAIN", "UNACKED"), "OK")
    for n in range(10):
        await api.xadd("s", {"n": str(n)})
    entries = streams_of(await api.xreadgroup("g", "a", {"s": ">"}))[0][1]
    equal(await api.xack("s", "g", *ids_of(entries)[:9]), 9)
    await becomes(api, 1)
    equal(await api.xack("s", "g", ids_of(entries)[9]), 1)
    await becomes(api, 0)
    equal((await api.xinfo_groups("s"))[0]["pending"], 0)


async def old_entries_go_by_themselves(_variant, api):
    for n in range(3):
        await api.xadd("s", {"n": str(n)})
    equal(await api.execute_command("XCFGSET", "s", "MAXAGE", 100), "OK")
    await becomes(api, 0)
    await api.xadd("s", {"n": "3"})
    await becomes(api, 0)


async def shown_last_and_where_it_is_set_only(_variant, api):
    await api.xadd("s", {"n": "1"})
    holds("retention" not in await api.xinfo_stream("s"), "a plain stream looks as in Redis")
    equal(await api.execute_command("XCFGSET", "s", "MAXBYTES", 50), "OK")
    shown = await api.xinfo_stream("s")
    equal((shown["bytes"], list(shown)[-1]), (2, "retention"))
    equal((await items(api))["MAXBYTES"], 50)


async def refused_as_a_whole(_variant, api):
    await api.xadd("s", {"n": "1"})
    for text, words in (
        ("syntax error", ("MAXLEN", 10, "COLOUR", "red")),
        ("multiple times", ("MAXLEN", 10, "MAXLEN", 20)),
        ("a number of milliseconds", ("MAXLEN", 10, "MAXAGE", "soon")),
        ("contradicts", ("MAXLEN", 10, "RETAIN", "UNACKED", "OVERFLOW", "DROP")),
    ):
        await api.fails(text, "execute_command", "XCFGSET", "s", *words)
    equal((await items(api))["MAXLEN"], 0)
    equal(await api.xcfgset("s", idmp_duration=50), "OK")
    equal(((await items(api))["IDMP-DURATION"], (await items(api))["MAXLEN"]), (50, 0))


CHECKS = [
    a_stream_of_limited_length,
    a_full_queue_tells_its_producer,
    a_work_queue_empties_itself,
    old_entries_go_by_themselves,
    shown_last_and_where_it_is_set_only,
    refused_as_a_whole,
]
