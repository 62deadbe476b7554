"""Managed groups over kill -9: all of it is there, and what fell due meanwhile happens."""

import asyncio

from harness.checks import equal, holds
from managed import (
    becomes, configure, create, fill, info, letters, mapping, nack, pending, policy, read_ids,
)
from own_server import own_server

FAR = 4102444800000
TIMES = ("oldest-pending-ms", "oldest-undelivered-ms")


async def snapshot(api):
    """All that a restart must not change, and that a clock does not change either."""
    groups = await api.xinfo_groups("s")
    for group in groups:
        for name in TIMES:
            group.pop(name, None)
    return {
        "groups": groups,
        "entries": await api.xrange("s"),
        "pending": await pending(api),
        "policy": await policy(api),
        "letters": await api.xrange("s:dlq"),
        "retention": mapping(await api.execute_command("XCFGGET", "s")),
        "scheduled": await api.execute_command("XSCHEDULE", "LIST", "s"),
        "consumers": [row["name"] for row in await api.xinfo_consumers("s", "g")],
    }


async def everything_is_there(variant, _api):
    async with own_server(variant) as own:
        api = own.api
        await create(
            api, "VISIBILITY", 3600000, "MAXDELIVERIES", 3, "BACKOFF", 60000, 1.5, 90000,
            "JITTER", 25, "MAXINFLIGHT", 4, "ORDERBY", "customer", "CONSUMERTTL", 3600000,
            "DELCONSUMER", "RELEASE",
        )
        await api.execute_command("XCFGSET", "s", "MAXLEN", 100, "RETAIN", "UNACKED")
        await api.execute_command("XSCHEDULE", "ADD", "s", "AT", FAR, "customer", "later")
        ids = [await api.xadd("s", {"customer": name, "n": n}) for n, name in enumerate("aabbcdef")]
        # One of each customer: 0, 2, 4, 5; held: 1 and 3.
        taken = [ids[0], ids[2], ids[4], ids[5]]
        equal(await read_ids(api, "x"), taken)
        await nack(api, "FAIL", ids[0], options=("ERROR", "no stock"))
        await nack(api, "FAIL", ids[2], options=("DELAY", 3600000, "ERROR", "not yet"))
        await nack(api, "FATAL", ids[4], options=("ERROR", "unknown product"))
        await api.xgroup_createconsumer("s", "g", "y")
        before = await snapshot(api)
        shown = await info(api)
        equal((shown["held"], shown["delayed"], shown["dead-lettered"]), (2, 2, 1))
        for _ in range(2):
            equal(await snapshot(await own.restart()), before)
        # The error of before the restarts is the letter's when it is used up after them.
        api = own.api
        await configure(api, "MAXDELIVERIES", 1, "BACKOFF", 0)
        await api.xclaim("s", "g", "y", 0, [ids[0]], retrycount=1)
        await nack(api, "FAIL", ids[0], options=("DELAY", 0))
        await becomes(lambda: api.xlen("s:dlq"), 2)
        equal((await letters(api))[1]["original_id"], ids[0])
        equal(await read_ids(api, "y", count=2), [ids[1], ids[6]], "its successor, then new ones")


async def what_fell_due_meanwhile_happens(variant, _api):
    async with own_server(variant) as own:
        api = own.api
        await create(api, "VISIBILITY", 600, "MAXDELIVERIES", 2)
        ids = await fill(api, 4)
        equal(await read_ids(api, "dead", count=3), ids[:3])
        await nack(api, "FAIL", ids[0], options=("DELAY", 500, "ERROR", "why"))
        await api.xclaim("s", "g", "dead", 0, [ids[1]], retrycount=2)
        await api.execute_command("XSCHEDULE", "ADD", "s", "DELAY", 500, "n", "late")
        await fill(api, 3, key="old")
        await api.execute_command("XCFGSET", "old", "MAXAGE", 500)
        await create(api, "CONSUMERTTL", 500, key="t")
        await api.xgroup_createconsumer("t", "g", "gone")
        api = await own.restart(down_s=0.7)
        await becomes(lambda: api.xlen("s:dlq"), 1)
        [letter] = await letters(api)
        told = [letter[name] for name in ("original_id", "consumer", "delivery_count", "reason")]
        equal(told, [ids[1], "dead", "2", "max-deliveries"], "with nobody reading")
        await becomes(lambda: api.xlen("s"), 5)
        await becomes(lambda: api.xlen("old"), 0)
        late = (await api.xrange("s"))[-1]
        equal(late[1], {"n": "late"})
        equal(await read_ids(api, "b"), [ids[0], ids[2], ids[3], late[0]], "delayed, late, new")
        await becomes(lambda: api.xinfo_consumers("t", "g"), [])


async def a_reader_waits_for_what_is_due_later(variant, _api):
    async with own_server(variant) as own:
        await create(own.api, "VISIBILITY", 60000)
        ids = await fill(own.api, 2)
        await read_ids(own.api, "dead")
        await nack(own.api, "FAIL", ids[1], options=("DELAY", 2000))
        api = await own.restart()
        begun = asyncio.get_running_loop().time()
        equal(await read_ids(api, "b", block=4000), ids[1:])
        took_s = asyncio.get_running_loop().time() - begun
        holds(0.2 < took_s < 4, f"the time that it was down counts, and no more: {took_s} s")


async def given_back_and_thrown_away_stays_so(variant, _api):
    async with own_server(variant) as own:
        await create(own.api, "DEADLETTER", "s:dlq")
        ids = await fill(own.api, 3)
        await read_ids(own.api)
        await nack(own.api, "FATAL", *ids, options=("ERROR", "broken"))
        equal((await own.api.execute_command("XDLQ", "REQUEUE", "s:dlq", "COUNT", 1))[0], 1)
        equal((await own.api.execute_command("XDLQ", "PURGE", "s:dlq", "COUNT", 1))[0], 1)
        api = await own.restart()
        equal([letter["original_id"] for letter in await letters(api)], ids[2:])
        equal(await read_ids(api, "b"), ids[:1])
        equal(await pending(api), [(ids[0], "b", 1)])


async def delayed_entries_come_once_each_in_their_order(variant, _api):
    async with own_server(variant) as own:

        async def schedule(*words):
            return await own.api.execute_command("XSCHEDULE", *words)

        tokens = [await schedule("ADD", "s", "DELAY", 600, "n", n) for n in range(50)]
        keeps = await schedule("ADD", "s", "AT", FAR, "n", "far")
        equal(await schedule("CANCEL", "s", tokens[7]), 1)
        api = await own.restart(down_s=0.7)
        await becomes(lambda: api.xlen("s"), 49)
        # Killed again, right after they came.
        api = await own.restart()
        given = [fields["n"] for _, fields in await api.xrange("s")]
        equal(given, [str(n) for n in range(50) if n != 7])
        [_, waiting] = await schedule("LIST", "s")
        equal([entry[0] for entry in waiting], [keeps])


async def paused_stays_paused(variant, _api):
    async with own_server(variant) as own:
        await create(own.api, "PAUSED", 1)
        ids = await fill(own.api, 1)
        api = await own.restart()
        equal(await read_ids(api, block=100), [])
        await configure(api, "PAUSED", 0)
        api = await own.restart()
        equal(await read_ids(api), ids)


CHECKS = [
    everything_is_there,
    what_fell_due_meanwhile_happens,
    a_reader_waits_for_what_is_due_later,
    given_back_and_thrown_away_stays_so,
    delayed_entries_come_once_each_in_their_order,
    paused_stays_paused,
]
