"""How much of a managed group is in work: MAXINFLIGHT, ORDERBY and SKIP, CONSUMERTTL."""

import asyncio

from harness.checks import equal, holds
from managed import (
    becomes, configure, create, fill, info, nack, pending, read, read_ids, waiting_read,
)


async def skip(api, id):
    return await api.execute_command("XGROUP", "SKIP", "s", "g", id)


async def of_customers(api, names):
    """An entry for each letter, with the customer's name; their ids."""
    return [await api.xadd("s", {"customer": name}) for name in names]


async def no_more_in_work_than_that(variant, api):
    await create(api, "MAXINFLIGHT", 2, "VISIBILITY", 60000)
    ids = await fill(api, 4)
    equal(await read_ids(api, "a"), ids[:2])
    equal(await read_ids(api, "b"), [])
    shown = await info(api)
    equal((shown["in-flight"], shown["blocked-by"], shown["lag"]), (2, "max-in-flight", 2))
    reader = waiting_read(variant)
    await api.someone_waits()
    equal(await api.xack("s", "g", ids[0]), 1)
    equal(await reader, ids[2:3], "a reader that waits has the free place")
    reader = waiting_read(variant)
    await api.someone_waits()
    await configure(api, "MAXINFLIGHT", 3)
    equal(await reader, ids[3:], "a higher limit is a free place, too")
    await configure(api, "MAXINFLIGHT", 1)
    equal(len(await pending(api)), 3, "a lower one takes nothing away")
    await api.fails("NOACK", "xreadgroup", "g", "b", {"s": ">"}, noack=True)


async def delivered_again_it_takes_no_further_place(variant, api):
    await create(api, "MAXINFLIGHT", 1, "VISIBILITY", 100)
    ids = await fill(api, 2)
    equal(await read_ids(api, "dead"), ids[:1])
    equal(await waiting_read(variant, "b"), ids[:1])
    await nack(api, "FAIL", ids[0], options=("DELAY", 60000))
    equal(await read_ids(api, "b"), ids[1:], "what is delayed takes no place")


async def one_after_the_other_of_each_customer(variant, api):
    await create(api, "ORDERBY", "customer", "VISIBILITY", 60000)
    ids = await of_customers(api, "aabba")
    free = await api.xadd("s", {"other": "no customer"})
    equal(await read_ids(api, "x"), [ids[0], ids[2], free])
    equal(await read_ids(api, "y"), [])
    shown = await info(api)
    equal((shown["held"], shown["lag"], shown["pending"]), (3, 3, 3), "held is not delivered")
    reader = waiting_read(variant, "y")
    await api.someone_waits()
    await api.xack("s", "g", ids[2])
    equal(await reader, [ids[3]], "its successor, to whoever waits")
    await api.xack("s", "g", ids[0])
    equal(await read_ids(api, "y"), [ids[1]])
    await api.xack("s", "g", ids[1])
    equal(await read_ids(api, "y"), [ids[4]])
    equal((await info(api))["held"], 0)
    await api.fails("ORDERBY", "execute_command", "XGROUP", "CFGSET", "s", "g", "ORDERBY", "n")
    await api.fails("NOACK", "xreadgroup", "g", "b", {"s": ">"}, noack=True)


async def a_customer_waits_for_what_failed(variant, api):
    await create(api, "ORDERBY", "customer", "BACKOFF", 200, 1, 200, "MAXDELIVERIES", 2)
    ids = await of_customers(api, "aab")
    equal(await read_ids(api, "x"), [ids[0], ids[2]])
    await nack(api, "FAIL", ids[0])
    equal(await read_ids(api, "y"), [])
    equal(await waiting_read(variant, "y"), ids[:1], "the same one again")
    reader = waiting_read(variant, "y")
    await api.someone_waits()
    await nack(api, "FAIL", ids[0], options=("ERROR", "no stock"))
    equal(await reader, ids[1:2], "a dead letter lets the next one go")
    equal(await api.xlen("s:dlq"), 1)


async def given_up_by_hand(variant, api):
    await create(api, "ORDERBY", "customer", "VISIBILITY", 60000)
    ids = await of_customers(api, "aaa")
    equal(await read_ids(api, "x"), ids[:1])
    equal(await skip(api, ids[1]), 1, "a held one")
    equal(await skip(api, ids[1]), 0, "it is gone")
    await api.fails("work", "execute_command", "XGROUP", "SKIP", "s", "g", ids[0])
    await nack(api, "FAIL", ids[0], options=("DELAY", 60000))
    reader = waiting_read(variant, "y")
    await api.someone_waits()
    equal(await skip(api, ids[0]), 1, "a delayed one")
    equal(await reader, ids[2:], "its successor flows")
    equal((await info(api))["dropped"], 2)
    equal(await api.xlen("s"), 3, "the entries stay in the stream")


async def looked_at_anew_after_setid(_variant, api):
    await create(api, "ORDERBY", "customer")
    ids = await of_customers(api, "aab")
    equal(await read_ids(api, "x"), [ids[0], ids[2]])
    await api.xgroup_setid("s", "g", "0")
    equal((await info(api))["held"], 0)
    equal(await read_ids(api, "y"), [], "what is pending is passed over")
    equal(((await info(api))["held"], len(await pending(api))), (1, 2))


async def consumers_that_are_gone_go(variant, api):
    await create(api, "CONSUMERTTL", 150)
    await fill(api, 1)
    await read(api, "owner")
    await read(api, "gone")
    waiting = waiting_read(variant, "waits", limit_ms=1500)
    await api.someone_waits()

    async def names():
        return [row["name"] for row in await api.xinfo_consumers("s", "g")]

    await becomes(names, ["owner", "waits"])
    await asyncio.sleep(0.3)
    equal(await names(), ["owner", "waits"], "who has something or waits stays")
    await nack(api, "FAIL", *[id for id, *_ in await pending(api)], options=("DELAY", 60000))
    await becomes(names, ["waits"])
    holds(not await waiting, "nothing came")
    await becomes(names, [])


CHECKS = [
    no_more_in_work_than_that,
    delivered_again_it_takes_no_further_place,
    one_after_the_other_of_each_customer,
    a_customer_waits_for_what_failed,
    given_up_by_hand,
    looked_at_anew_after_setid,
    consumers_that_are_gone_go,
]
