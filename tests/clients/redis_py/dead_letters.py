"""XDLQ: dead letters looked at, given back to their groups, thrown away."""

import asyncio

from harness.checks import equal, holds
from managed import create, fill, letters, nack, pending, read_ids, waiting_read
from variants import plain, settled

FIRST = "0-0"


async def dlq(api, action, *options, key="s:dlq"):
    return await api.execute_command("XDLQ", action, key, *options)


async def bury(api, count, consumer="a", error="broken"):
    """Adds entries that this consumer gives up on; their ids."""
    ids = await fill(api, count)
    equal(await read_ids(api, consumer), ids)
    equal(await nack(api, "FATAL", *ids, options=("ERROR", error)), count)
    return ids


async def originals(api, *filters):
    """Original ids of the letters that LIST shows."""
    listed, skipped, cursor = await dlq(api, "LIST", *filters)
    equal((skipped, cursor), (0, FIRST))
    fields = [dict(zip(words[::2], words[1::2])) for _, words in listed]
    return [letter["original_id"] for letter in fields]


async def listed_by_what_they_are(_variant, api):
    await create(api, "MAXDELIVERIES", 1)
    fatal = await bury(api, 2, "a") + await bury(api, 1, "b")
    used_up = await fill(api, 1)
    await read_ids(api, "b")
    await nack(api, "FAIL", *used_up)
    while await api.xlen("s:dlq") < 4:
        await asyncio.sleep(0.01)
    ids = [id for id, _ in await api.xrange("s:dlq")]
    equal(await originals(api), fatal + used_up)
    equal(await originals(api, "REASON", "fatal"), fatal)
    equal(await originals(api, "REASON", "max-deliveries"), used_up)
    equal(await originals(api, "CONSUMER", "b"), fatal[2:] + used_up)
    equal(await originals(api, "CONSUMER", "b", "REASON", "fatal", "GROUP", "g"), fatal[2:])
    equal(await originals(api, "GROUP", "other"), [])
    equal(await originals(api, "IDS", 2, ids[1], ids[3]), [fatal[1], *used_up])
    equal(await originals(api, "MINAGE", 60000), [])
    await asyncio.sleep(0.06)
    equal(await originals(api, "MINAGE", 50), fatal + used_up)
    equal(await dlq(api, "LIST", key="none"), [[], 0, FIRST])


async def in_pages(_variant, api):
    await create(api, "DEADLETTER", "s:dlq")
    ids = await bury(api, 7)
    cursor, seen, pages = FIRST, [], []
    while True:
        listed, _, cursor = await dlq(api, "LIST", "COUNT", 3, "CURSOR", cursor)
        seen += [dict(zip(words[::2], words[1::2]))["original_id"] for _, words in listed]
        pages.append(len(listed))
        if cursor == FIRST:
            break
    equal((seen, pages), (ids, [3, 3, 1]))
    done = []
    while True:
        count, skipped, cursor, appended = await dlq(api, "REQUEUE", "COUNT", 4, "CURSOR", cursor)
        done.append((count, skipped, appended))
        if cursor == FIRST:
            break
    equal(done, [(4, 0, 0), (3, 0, 0)])
    equal(await api.xlen("s:dlq"), 0)


async def given_back_to_its_own_group(variant, api):
    await create(api, "MAXDELIVERIES", 3)
    await api.xgroup_create("s", "other", "0")
    ids = await bury(api, 2)
    await api.xreadgroup("other", "a", {"s": ">"})
    reader = waiting_read(variant)
    await api.someone_waits()
    equal(await dlq(api, "REQUEUE", "DRYRUN"), [2, 0, FIRST, 0])
    equal((await api.xlen("s:dlq"), await pending(api)), (2, []), "only said what would be")
    equal(await dlq(api, "REQUEUE"), [2, 0, FIRST, 0])
    equal(await reader, ids, "whoever waits gets them")
    equal(await pending(api), [(id, "b", 1) for id in ids], "counted from the start")
    equal(await api.xlen("s"), 2, "the same entries")
    holds(not await api.xreadgroup("other", "a", {"s": ">"}), "other groups do not see them again")


async def added_anew_where_the_entry_is_gone(_variant, api):
    await create(api, "DEADLETTER", "s:dlq")
    ids = await bury(api, 2)
    await api.xdel("s", ids[0])
    equal(await dlq(api, "REQUEUE"), [2, 0, FIRST, 1])
    given = [(id, fields) for id, fields in await api.xrange("s")]
    equal([fields for _, fields in given], [{"n": "1"}, {"n": "0"}])
    holds(given[1][0] > ids[1], "under an id of its own")


async def added_anew_where_the_stream_is_gone(_variant, api):
    await create(api, "DEADLETTER", "s:dlq")
    await bury(api, 1)
    await api.delete("s")
    equal(await dlq(api, "REQUEUE"), [0, 1, FIRST, 0], "not without being asked")
    equal(await dlq(api, "REQUEUE", "MKSTREAM"), [1, 0, FIRST, 1])
    equal([fields for _, fields in await api.xrange("s")], [{"n": "0"}])


async def thrown_away(_variant, api):
    await create(api, "DEADLETTER", "s:dlq")
    ids = await bury(api, 3, "a") + await bury(api, 2, "b")
    equal(await dlq(api, "PURGE", "CONSUMER", "b", "DRYRUN"), [2, 0, FIRST])
    equal(await dlq(api, "PURGE", "CONSUMER", "b"), [2, 0, FIRST])
    equal(await originals(api), ids[:3])
    count, skipped, cursor = await dlq(api, "PURGE", "REASON", "fatal", "COUNT", 1)
    equal((count, skipped), (1, 0))
    equal(cursor, (await api.xrange("s:dlq"))[0][0], "where to go on")
    await api.xadd("s:dlq", {"note": "this is no letter"})
    equal(await dlq(api, "PURGE"), [2, 0, FIRST])
    equal(await letters(api), [{"note": "this is no letter"}])
    [note] = [id for id, _ in await api.xrange("s:dlq")]
    equal(await dlq(api, "PURGE", "IDS", 1, note), [0, 1, FIRST], "passed over, and said so")


async def in_a_transaction(_variant, api):
    await create(api, "DEADLETTER", "s:dlq")
    ids = await bury(api, 1)
    await api.execute_command("XGROUP", "CFGSET", "s", "g", "PAUSED", 1)
    pipeline = api.client.pipeline(transaction=True)
    for words in (("XDLQ", "REQUEUE", "s:dlq"), ("XGROUP", "CFGSET", "s", "g", "PAUSED", 0)):
        pipeline.execute_command(*words)
    replies = plain(await settled(pipeline.execute()))
    equal(replies, [[1, 0, FIRST, 0], "OK"])
    equal(await read_ids(api, "b"), ids)


async def refused_words(_variant, api):
    await create(api, "DEADLETTER", "s:dlq")
    await bury(api, 1)
    for text, words in (
        ("syntax error", ("LIST", "s:dlq", "DRYRUN")),
        ("syntax error", ("PURGE", "s:dlq", "MKSTREAM")),
        ("COUNT must be", ("LIST", "s:dlq", "COUNT", 0)),
        ("MINAGE must be", ("PURGE", "s:dlq", "MINAGE", "old")),
        ("number of IDs", ("REQUEUE", "s:dlq", "IDS", 2, "1-0")),
        ("Invalid stream ID", ("PURGE", "s:dlq", "CURSOR", "x")),
    ):
        await api.fails(text, "execute_command", "XDLQ", *words)
    equal(await api.xlen("s:dlq"), 1)


CHECKS = [
    listed_by_what_they_are,
    in_pages,
    given_back_to_its_own_group,
    added_anew_where_the_entry_is_gone,
    added_anew_where_the_stream_is_gone,
    thrown_away,
    in_a_transaction,
    refused_words,
]
