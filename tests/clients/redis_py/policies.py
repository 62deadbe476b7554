"""Managed groups: what was not acknowledged in time comes again, to a loop that only reads and acks."""

from harness.checks import equal, holds
from variants import ids_of, streams_of


async def configured(api, *items):
    await api.xgroup_create("s", "g", "0", mkstream=True)
    equal(await api.execute_command("XGROUP", "CFGSET", "s", "g", *items), "OK")


async def delivered_again_when_the_time_is_over(variant, api):
    await configured(api, "VISIBILITY", 200)
    id = await api.xadd("s", {"a": "1"})
    equal(ids_of(streams_of(await api.xreadgroup("g", "dead", {"s": ">"}))[0][1]), [id])
    holds(not await api.xreadgroup("g", "b", {"s": ">"}), "it is not handed out before its time")
    reader = variant.start(lambda own: own.xreadgroup("g", "b", {"s": ">"}, block=4000))
    equal(streams_of(await reader), [["s", [[id, {"a": "1"}]]]])
    equal(await api.xack("s", "g", id), 1)
    holds(not await api.xreadgroup("g", "b", {"s": ">"}, block=300), "settled is settled")


async def left_by_a_deleted_consumer(variant, api):
    await configured(api, "DELCONSUMER", "RELEASE")
    id = await api.xadd("s", {"a": "1"})
    await api.xreadgroup("g", "gone", {"s": ">"})
    reader = variant.start(lambda own: own.xreadgroup("g", "b", {"s": ">"}, block=4000))
    await api.someone_waits()
    equal(await api.xgroup_delconsumer("s", "g", "gone"), 1)
    equal(ids_of(streams_of(await reader)[0][1]), [id])


async def shown_last_and_for_managed_groups_only(_variant, api):
    await configured(api, "VISIBILITY", 1000)
    await api.xgroup_create("s", "plain", "0")
    managed, plain = await api.xinfo_groups("s")
    equal((managed["name"], list(managed)[-1]), ("g", "policy"))
    holds("policy" not in plain, "a plain group looks as in Redis")


async def refused_as_a_whole(_variant, api):
    await api.xgroup_create("s", "g", "0", mkstream=True)
    for items in (
        ("VISIBILITY", 10, "COLOUR", "red"),
        ("VISIBILITY", 10, "VISIBILITY", 20),
        ("VISIBILITY", "soon"),
        ("DELCONSUMER", "KEEP"),
    ):
        await api.fails("policy item", "execute_command", "XGROUP", "CFGSET", "s", "g", *items)
    groups = await api.xinfo_groups("s")
    holds("policy" not in groups[0], "nothing was set")


CHECKS = [
    delivered_again_when_the_time_is_over,
    left_by_a_deleted_consumer,
    shown_last_and_for_managed_groups_only,
    refused_as_a_whole,
]
