"""Reads that wait: served, timed out, ended by a group's destruction, claimed after a while."""

import time

from harness.checks import equal, holds
from variants import ids_of, streams_of


async def served_when_an_entry_arrives(variant, api):
    reader = variant.start(lambda own: own.xread({"s": "$"}, block=4000))
    await api.someone_waits()
    id = await api.xadd("s", {"a": "1"})
    equal(streams_of(await reader), [["s", [[id, {"a": "1"}]]]])


async def group_readers_share(variant, api):
    await api.xgroup_create("s", "g", "$", mkstream=True)

    def read(name):
        return lambda own: own.xreadgroup("g", name, {"s": ">"}, count=1, block=4000)

    first = variant.start(read("a"))
    await api.someone_waits(1)
    second = variant.start(read("b"))
    await api.someone_waits(2)
    ids = [await api.xadd("s", {"n": n}) for n in range(2)]
    equal(ids_of(streams_of(await first)[0][1]), ids[:1])
    equal(ids_of(streams_of(await second)[0][1]), ids[1:])


async def nothing_within_the_limit(_variant, api):
    await api.xgroup_create("s", "g", "$", mkstream=True)
    begin = time.monotonic()
    holds(not await api.xread({"s": "$"}, block=150), "XREAD has nothing")
    holds(not await api.xreadgroup("g", "a", {"s": ">"}, block=150), "XREADGROUP has nothing")
    spent = time.monotonic() - begin
    holds(0.3 <= spent < 3, f"two waits of 150 ms took {spent:.3f} s")


async def ended_by_the_end_of_the_group(variant, api):
    await api.xgroup_create("s", "g", "$", mkstream=True)

    async def read(own):
        await own.fails("NOGROUP", "xreadgroup", "g", "a", {"s": ">"}, block=4000)

    reader = variant.start(read)
    await api.someone_waits()
    await api.xgroup_destroy("s", "g")
    await reader


async def served_by_another_consumers_timeout(variant, api):
    await api.xadd("s", {"a": "1"}, id="1-0")
    await api.xgroup_create("s", "g", "0")
    await api.xreadgroup("g", "a", {"s": ">"})
    begin = time.monotonic()
    wait = {"claim_min_idle_time": 200, "block": 4000}
    reader = variant.start(lambda own: own.xreadgroup("g", "b", {"s": ">"}, **wait))
    entry = streams_of(await reader)[0][1][0]
    equal((entry[0], entry[3]), ("1-0", 1))
    holds(entry[2] >= 200, f"idle {entry[2]} ms is at least what was asked")
    holds(time.monotonic() - begin < 2, "claimed as soon as it was idle enough")


async def unblocked_by_another_client(variant, api):
    async def read(own):
        return await own.xread({"s": "$"}, block=4000)

    reader = variant.start(read, client_name="waiter")
    await api.someone_waits()
    waiter = [row for row in await api.client_list() if row["name"] == "waiter"][0]
    equal(await api.client_unblock(int(waiter["id"])), True)
    holds(not await reader, "unblocked like a timeout")


CHECKS = [
    served_when_an_entry_arrives, group_readers_share, nothing_within_the_limit,
    ended_by_the_end_of_the_group, served_by_another_consumers_timeout,
    unblocked_by_another_client,
]
