"""Managed groups: items, what comes again to a loop that only reads and acks, FENCE, PAUSED."""

import asyncio

from harness.checks import equal, holds
from managed import (
    SHOWN_LAST, configure, create, fill, info, mapping, nack, pending, policy, read_ids,
    waiting_read,
)
from redis.exceptions import WatchError
from variants import settled


async def delivered_again_when_the_time_is_over(variant, api):
    await create(api, "VISIBILITY", 400)
    ids = await fill(api, 1)
    equal(await read_ids(api, "dead"), ids)
    equal(await read_ids(api, "b"), [], "handed out before its time")
    equal(await waiting_read(variant, "b"), ids)
    equal(await pending(api), [(ids[0], "b", 2)])
    equal(await api.xack("s", "g", *ids), 1)
    equal(await read_ids(api, "b", block=300), [], "settled is settled")


async def left_by_a_deleted_consumer(variant, api):
    await create(api, "DELCONSUMER", "RELEASE")
    ids = await fill(api, 1)
    await read_ids(api, "gone")
    reader = waiting_read(variant)
    await api.someone_waits()
    equal(await api.xgroup_delconsumer("s", "g", "gone"), 1)
    equal(await reader, ids)


async def dropped_with_a_deleted_consumer(_variant, api):
    await create(api, "DELCONSUMER", "DROP", "VISIBILITY", 60000)
    await fill(api, 2)
    await read_ids(api, "gone")
    equal(await api.xgroup_delconsumer("s", "g", "gone"), 2)
    equal(await pending(api), [])
    equal(await read_ids(api), [], "they went with it, as in Redis")


async def nothing_is_handed_out_while_paused(variant, api):
    await create(api, "VISIBILITY", 100, "PAUSED", 1)
    ids = await fill(api, 2)
    equal(await read_ids(api), [])
    reader = waiting_read(variant)
    await api.someone_waits()
    equal((await info(api))["blocked-by"], "paused")
    await api.xclaim("s", "g", "by-hand", 0, [ids[0]], force=True)
    equal(await api.xack("s", "g", ids[0]), 1, "settling goes on")
    await asyncio.sleep(0.15)
    holds(not reader.done(), "whoever blocks waits")
    await configure(api, "PAUSED", 0)
    # What was settled by hand is new to the group all the same.
    holds(ids[1] in await reader, "all of it afterwards")


async def acknowledged_by_whoever_still_has_it(_variant, api):
    await create(api, "VISIBILITY", 50)
    ids = await fill(api, 2)
    await read_ids(api, "slow")
    await asyncio.sleep(0.1)
    equal(await read_ids(api, "quick", count=1), ids[:1])
    fenced = ("XACK", "s", "g", "FENCE", "slow")
    equal(await api.execute_command(*fenced, *ids), 1, "the other one is not its own any more")
    equal(await pending(api), [(ids[0], "quick", 2)])
    fenced = ("XACK", "s", "g", "FENCE", "quick", "ATTEMPT")
    equal(await api.execute_command(*fenced, 1, ids[0]), 0, "that was another delivery")
    equal(await api.execute_command(*fenced, 2, ids[0]), 1)


async def a_transaction_only_of_whoever_still_has_the_entry(_variant, api):
    await create(api, "VISIBILITY", 50)
    ids = await fill(api, 1)
    await read_ids(api, "slow")
    await asyncio.sleep(0.1)
    equal(await read_ids(api, "quick"), ids)
    for consumer, is_done in [("slow", False), ("quick", True), ("quick", False)]:
        pipeline = api.client.pipeline(transaction=True)
        pipeline.execute_command("XFENCE", "s", "g", consumer, *ids)
        pipeline.xadd("made", {"of": ids[0]})
        pipeline.xack("s", "g", *ids)
        try:
            await settled(pipeline.execute())
            holds(is_done, "it has the entry")
        except WatchError:
            holds(not is_done, "it has not, or not any more")
    equal(await api.xlen("made"), 1)


async def a_lease_made_longer(_variant, api):
    await create(api, "VISIBILITY", 800)
    ids = await fill(api, 2)
    equal(await read_ids(api, "a", count=1), ids[:1])
    equal(await read_ids(api, "b", count=1), ids[1:])
    extend = ("XCLAIM", "s", "g", "a", 0, *ids, "JUSTID", "FENCE")
    for _ in range(5):
        await asyncio.sleep(0.2)
        # As redis-py's own xclaim does it: the reply to JUSTID has another form.
        extended = await api.execute_command(*extend, parse_justid=True)
        equal(extended, ids[:1], "the other one is not its own")
    equal(await read_ids(api, "c"), ids[1:], "only what nobody held on to")
    equal(await pending(api), [(ids[0], "a", 1), (ids[1], "c", 2)])


async def all_items_are_shown_as_they_were_given(_variant, api):
    given = {
        "VISIBILITY": 30000, "MAXDELIVERIES": 5, "DEADLETTER": "morgue", "BACKOFF": "100 1.5 2000",
        "JITTER": 20, "MAXINFLIGHT": 10, "ORDERBY": "customer", "CONSUMERTTL": 60000,
        "DELCONSUMER": "DROP", "PAUSED": 1,
    }
    words = [word for pair in given.items() for word in pair]
    at = words.index("BACKOFF") + 1
    words[at : at + 1] = words[at].split()
    await create(api, *words)
    equal(await policy(api), given)
    equal(mapping((await info(api))["policy"]), given)
    await api.execute_command("COPY", "s", "t")
    await api.rename("t", "u")
    equal(await policy(api, "u"), given, "a copy has it, too")
    off = [word for item in given for word in (item, 0)]
    equal(await configure(api, *off), "OK")
    numbers = {"VISIBILITY", "MAXDELIVERIES", "JITTER", "MAXINFLIGHT", "CONSUMERTTL", "PAUSED"}
    equal(await policy(api), {item: 0 if item in numbers else "NONE" for item in given})
    holds("policy" not in await info(api), "nothing is left of it")


async def shown_last_and_for_managed_groups_only(_variant, api):
    await create(api, "VISIBILITY", 1000)
    await api.xgroup_create("s", "plain", "0")
    equal(list(await info(api))[-len(SHOWN_LAST):], SHOWN_LAST)
    holds("policy" not in await info(api, group="plain"), "a plain group looks as in Redis")


async def counted(_variant, api):
    await create(api, "VISIBILITY", 60000, "DEADLETTER", "s:dlq")
    ids = await fill(api, 6)
    await read_ids(api, "a", count=5)
    await api.xack("s", "g", ids[0])
    await nack(api, "FAIL", ids[1], options=("DELAY", 60000))
    await nack(api, "FATAL", ids[2])
    await nack(api, "SILENT", ids[3])
    await api.xdel("s", ids[3])
    await nack(api, "FAIL", ids[4])
    equal(await read_ids(api, "b", count=1), ids[4:5])
    shown = await info(api)
    # SILENT takes the delivery back from the entry, not from what was counted.
    expected = {
        "delivered": 5, "acked": 1, "nacked": 4, "redelivered": 1, "dead-lettered": 1,
        "dead-letter-failed": 0, "vanished": 1, "dropped": 0, "in-flight": 1, "held": 0,
        "delayed": 1, "blocked-by": "",
    }
    equal({name: shown[name] for name in expected}, expected)
    holds(0 <= shown["oldest-pending-ms"] < 20000, "age of what is in work")
    holds(0 <= shown["oldest-undelivered-ms"] < 20000, "age of what nobody has read")


async def refused_as_a_whole(_variant, api):
    await api.xgroup_create("s", "g", "0", mkstream=True)
    for items in (
        ("VISIBILITY", 10, "COLOUR", "red"),
        ("VISIBILITY", 10, "VISIBILITY", 20),
        ("VISIBILITY", "soon"),
        ("DELCONSUMER", "KEEP"),
        ("VISIBILITY", 10, "BACKOFF", 100, 2),
        ("JITTER", 101),
        ("MAXDELIVERIES", "many"),
        ("VISIBILITY", 10, "DEADLETTER", "s"),
    ):
        await api.fails("policy item", "execute_command", "XGROUP", "CFGSET", "s", "g", *items)
        new = ("XGROUP", "CREATE", "s", "new", "0", "CFG", *items)
        await api.fails("policy item", "execute_command", *new)
    groups = await api.xinfo_groups("s")
    equal([group["name"] for group in groups], ["g"], "no group was made")
    holds("policy" not in groups[0], "nothing was set")


CHECKS = [
    delivered_again_when_the_time_is_over,
    left_by_a_deleted_consumer,
    dropped_with_a_deleted_consumer,
    nothing_is_handed_out_while_paused,
    acknowledged_by_whoever_still_has_it,
    a_transaction_only_of_whoever_still_has_the_entry,
    a_lease_made_longer,
    all_items_are_shown_as_they_were_given,
    shown_last_and_for_managed_groups_only,
    counted,
    refused_as_a_whole,
]
