"""Managed groups in few words: what the checks of policies share.

Stream `s`, group `g`, unless said otherwise. redis-py has no methods for what is beyond Redis, so
this is also how its users would write it: `execute_command`.
"""

import asyncio
import time

from variants import AWAIT_LIMIT_S, streams_of

# What XINFO GROUPS shows of a managed group behind all that it shows in Redis.
SHOWN_LAST = [
    "policy", "delivered", "acked", "nacked", "redelivered", "dead-lettered", "dead-letter-failed",
    "vanished", "dropped", "in-flight", "held", "delayed", "oldest-pending-ms",
    "oldest-undelivered-ms", "blocked-by",
]


def mapping(reply):
    """A map as a dict, whatever the protocol."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


async def create(api, *items, key="s", group="g"):
    await api.execute_command("XGROUP", "CREATE", key, group, "0", "MKSTREAM", "CFG", *items)


async def configure(api, *items, key="s", group="g"):
    return await api.execute_command("XGROUP", "CFGSET", key, group, *items)


async def policy(api, key="s", group="g"):
    return mapping(await api.execute_command("XGROUP", "CFGGET", key, group))


async def info(api, key="s", group="g"):
    """XINFO GROUPS' row of the group."""
    return next(row for row in await api.xinfo_groups(key) if row["name"] == group)


async def fill(api, count, key="s", **fields):
    """Adds entries with a number `n` beside the fields; their ids."""
    return [await api.xadd(key, {"n": str(n), **fields}) for n in range(count)]


async def read(api, consumer="a", key="s", **options):
    """What `>` gives to the consumer, as [id, fields] pairs."""
    reply = streams_of(await api.xreadgroup("g", consumer, {key: ">"}, **options))
    return reply[0][1] if reply else []


async def read_ids(api, consumer="a", **options):
    return [id for id, _ in await read(api, consumer, **options)]


def waiting_read(variant, consumer="b", limit_ms=4000, **options):
    """A read that blocks on a connection of its own; await it for the ids."""
    return variant.start(lambda own: read_ids(own, consumer, block=limit_ms, **options))


async def nack(api, mode, *ids, options=(), key="s"):
    words = ("XNACK", key, "g", mode, "IDS", len(ids), *ids, *options)
    return await api.execute_command(*words)


async def pending(api, key="s"):
    """Each record as (id, consumer, deliveries)."""
    rows = await api.xpending_range(key, "g", "-", "+", 1000)
    return [(row["message_id"], row["consumer"], row["times_delivered"]) for row in rows]


async def letters(api, key="s:dlq"):
    return [fields for _, fields in await api.xrange(key)]


async def becomes(call, expected):
    """Awaits that the call gives this."""
    deadline = time.monotonic() + AWAIT_LIMIT_S
    while (found := await call()) != expected:
        if time.monotonic() > deadline:
            raise TimeoutError(f"it is {found!r} for ever, not {expected!r}")
        await asyncio.sleep(0.01)
