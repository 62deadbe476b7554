"""What a managed group does with entries that fail: delays, counts, dead letters."""

import asyncio
import base64
import json
import time

from harness.checks import equal, holds
from managed import (
    becomes, configure, create, fill, info, letters, nack, pending, read_ids, waiting_read,
)

LETTER_FIELDS = [
    "original_id", "original_data", "failed_at", "consumer", "stream", "group", "delivery_count",
    "reason", "error",
]
# What a busy machine may add to a wait.
SLOW_S = 2


async def failures_wait_longer_each_time(variant, api):
    await create(api, "BACKOFF", 100, 2, 250)
    ids = await fill(api, 1)
    equal(await read_ids(api, "b"), ids)
    for expected_s in (0.1, 0.2, 0.25, 0.25):
        begun = time.monotonic()
        equal(await nack(api, "FAIL", *ids), 1)
        equal(await waiting_read(variant), ids)
        took_s = time.monotonic() - begun
        holds(expected_s - 0.005 <= took_s < expected_s + SLOW_S, f"{took_s} s, {expected_s} due")
    equal(await pending(api), [(ids[0], "b", 5)])


async def jitter_only_shortens(_variant, api):
    await create(api, "BACKOFF", 800, 1, 800, "JITTER", 100)
    ids = await fill(api, 30)
    await read_ids(api)
    await nack(api, "FAIL", *ids)
    equal((await info(api))["delayed"], 30)
    await asyncio.sleep(0.4)
    early = await read_ids(api)
    holds(0 < len(early) < 30, f"{len(early)} of 30 after half the time")
    await asyncio.sleep(0.41)
    equal(sorted(early + await read_ids(api)), ids, "all after the whole of it")


async def a_delay_instead_of_the_backoff(variant, api):
    await create(api, "BACKOFF", 60000, 1, 60000)
    ids = await fill(api, 3)
    await read_ids(api)
    begun = time.monotonic()
    await nack(api, "FAIL", ids[0], options=("DELAY", 200))
    await nack(api, "SILENT", ids[1], options=("DELAY", 0))
    await nack(api, "FAIL", ids[2])
    equal(await read_ids(api, "b"), ids[1:2])
    equal(await waiting_read(variant), ids[:1])
    holds(0.195 <= time.monotonic() - begun < 0.2 + SLOW_S, "after the delay")
    expected = [(ids[0], "b", 2), (ids[1], "b", 1), (ids[2], "", 1)]
    equal(await pending(api), expected, "SILENT does not count")


async def claimed_in_spite_of_a_delay(_variant, api):
    await create(api, "VISIBILITY", 60000)
    ids = await fill(api, 1)
    await read_ids(api)
    await nack(api, "FAIL", *ids, options=("DELAY", 60000))
    equal((await api.xautoclaim("s", "g", "b", 0))[1], [], "a scan passes it over")
    equal([id for id, _ in await api.xclaim("s", "g", "b", 0, ids)], ids)
    equal((await info(api))["delayed"], 0)


async def refused_options_of_xnack(_variant, api):
    await api.xgroup_create("s", "g", "0", mkstream=True)
    ids = await fill(api, 1)
    await read_ids(api)
    fail = ("execute_command", "XNACK", "s", "g", "FAIL", "IDS", 1, ids[0])
    for option in (("DELAY", 10), ("ERROR", "why")):
        await api.fails("managed group", *fail, *option)
    await configure(api, "VISIBILITY", 60000, "MAXDELIVERIES", 3)
    await api.fails("DELAY must be", *fail, "DELAY", "soon")
    await api.fails("syntax error", *fail, "DELAY", 1, "DELAY", 2)
    fatal = ("execute_command", "XNACK", "s", "g", "FATAL", "IDS", 1, ids[0])
    await api.fails("syntax error", *fatal, "DELAY", 1)
    equal(await pending(api), [(ids[0], "a", 1)], "nothing was done")


async def used_up_entries_become_letters(variant, api):
    await create(api, "MAXDELIVERIES", 2)
    begun = time.time()
    id = await api.xadd("s", {"order_id": "17", "amount": "9.90"})
    watching = variant.start(lambda own: own.xread({"s:dlq": "0"}, block=4000))
    equal(await read_ids(api, "a"), [id])
    await nack(api, "FAIL", id, options=("ERROR", "no stock"))
    equal(await read_ids(api, "b"), [id])
    await nack(api, "FAIL", id, options=("ERROR", "no funds"))
    holds(await watching, "a reader of the letters is woken")
    [letter] = await letters(api)
    equal(list(letter), LETTER_FIELDS)
    failed_at = float(letter.pop("failed_at"))
    holds(begun - 1 <= failed_at <= time.time() + 1, f"time of failure: {failed_at}")
    equal(json.loads(letter.pop("original_data")), {"order_id": "17", "amount": "9.90"})
    equal(letter, {
        "original_id": id, "consumer": "b", "stream": "s", "group": "g", "delivery_count": "2",
        "reason": "max-deliveries", "error": "no funds",
    })
    equal(await pending(api), [])


async def timed_out_for_the_last_time_with_nobody_reading(_variant, api):
    await create(api, "VISIBILITY", 100, "MAXDELIVERIES", 1, "DEADLETTER", "morgue")
    ids = await fill(api, 2)
    await read_ids(api, "silent")
    await becomes(lambda: api.xlen("morgue"), 2)
    for letter, id in zip(await letters(api, "morgue"), ids):
        told = [letter[name] for name in ("original_id", "consumer", "reason", "error")]
        equal(told, [id, "silent", "max-deliveries", ""])
    equal(await api.exists("s:dlq"), 0)
    equal((await info(api))["dead-lettered"], 2)


async def fatal_goes_at_once(_variant, api):
    await create(api, "MAXDELIVERIES", 5)
    ids = await fill(api, 2)
    await read_ids(api)
    equal(await nack(api, "FATAL", ids[0], options=("ERROR", "unknown product")), 1)
    [letter] = await letters(api)
    told = [letter[name] for name in ("original_id", "delivery_count", "reason", "error")]
    equal(told, [ids[0], "1", "fatal", "unknown product"])
    equal(await pending(api), [(ids[1], "a", 1)])


async def any_bytes_in_a_letter(_variant, api):
    await create(api, "DEADLETTER", "s:dlq")
    ids = []
    for words in (("a", "1", "a", "2"), ("b", b"\xff\x00"), ("é", "ü \" \\")):
        ids.append(await api.execute_command("XADD", "s", "*", *words))
    # Made pending without being read: a client that decodes replies could not take the second.
    equal(await api.xclaim("s", "g", "a", 0, ids, force=True, justid=True), ids)
    equal(await nack(api, "FATAL", *ids), 3)
    data = [json.loads(letter["original_data"]) for letter in await letters(api)]
    equal(data[0], [["a", "1"], ["a", "2"]], "a name twice")
    equal(data[1], [["b", {"b64": base64.b64encode(b"\xff\x00").decode()}]], "no text")
    equal(data[2], {"é": "ü \" \\"}, "text")


async def counted_anew(_variant, api):
    await create(api, "MAXDELIVERIES", 2)
    ids = await fill(api, 1)
    for _ in range(4):
        equal(await read_ids(api), ids)
        await nack(api, "FAIL", *ids, options=("RETRYCOUNT", 0))
    equal(await api.exists("s:dlq"), 0)


async def letters_that_nobody_takes_stay_pending(_variant, api):
    await create(api, "MAXDELIVERIES", 1, "DEADLETTER", "text")
    await api.set("text", "this is no stream")
    ids = await fill(api, 1)
    await read_ids(api)
    equal(await nack(api, "FATAL", *ids, options=("ERROR", "broken")), 1)
    equal(await read_ids(api, "b", block=100), [], "it is not handed out")
    equal(len(await pending(api)), 1)
    holds((await info(api))["dead-letter-failed"] >= 1, "counted")
    await api.delete("text")
    await becomes(lambda: api.xlen("text"), 1)
    equal((await letters(api, "text"))[0]["error"], "broken")
    equal(await pending(api), [])


async def letters_that_would_come_back_are_refused(_variant, api):
    await create(api, "DEADLETTER", "t")
    await create(api, "DEADLETTER", "u", key="t")
    await api.xgroup_create("u", "g", "0", mkstream=True)
    cycle = ("XGROUP", "CFGSET", "u", "g", "DEADLETTER", "s")
    await api.fails("would come back", "execute_command", *cycle)


async def deleted_while_pending(_variant, api):
    await create(api, "VISIBILITY", 60000, "MAXDELIVERIES", 1)
    ids = await fill(api, 2)
    await read_ids(api)
    await api.xdel("s", ids[0])
    await nack(api, "FAIL", *ids)
    await becomes(lambda: api.xlen("s:dlq"), 1)
    equal((await letters(api))[0]["original_id"], ids[1])
    shown = await info(api)
    equal((shown["vanished"], shown["dead-lettered"], shown["pending"]), (1, 1, 0))


CHECKS = [
    failures_wait_longer_each_time,
    jitter_only_shortens,
    a_delay_instead_of_the_backoff,
    claimed_in_spite_of_a_delay,
    refused_options_of_xnack,
    used_up_entries_become_letters,
    timed_out_for_the_last_time_with_nobody_reading,
    fatal_goes_at_once,
    any_bytes_in_a_letter,
    counted_anew,
    letters_that_nobody_takes_stay_pending,
    letters_that_would_come_back_are_refused,
    deleted_while_pending,
]
