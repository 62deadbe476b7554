"""The small strings beside the streams, and transactions that acknowledge and count in one step."""

from harness.checks import equal, holds
from variants import plain, settled


async def several_at_once(_variant, api):
    equal(await api.mset({"a": "1", "b": "2"}), True)
    equal(await api.mget("a", "none", "b"), ["1", None, "2"])
    equal(await api.msetnx({"b": "3", "c": "4"}), False)
    equal(await api.msetnx({"c": "4", "d": "5"}), True)
    equal(await api.mget(["b", "c", "d"]), ["2", "4", "5"])
    await api.xadd("s", {"a": "1"})
    equal(await api.mget("s", "a"), [None, "1"], "a stream is no string")


async def set_once_or_for_a_while(_variant, api):
    equal(await api.setnx("a", "1"), True)
    equal(await api.setnx("a", "2"), False)
    equal(await api.setex("b", 100, "1"), True)
    equal(await api.psetex("c", 100_000, "1"), True)
    for key in ("b", "c"):
        holds(90 < await api.ttl(key) <= 100, f"time to live of {key}")
    equal(await api.set("a", "3", get=True), "1")
    equal(await api.getset("a", "4"), "3")
    await api.fails("invalid expire time", "setex", "b", 0, "1")


async def read_and_change(_variant, api):
    await api.set("a", "1")
    equal(await api.getex("a", ex=100), "1")
    holds(90 < await api.ttl("a") <= 100, "GETEX sets the time to live")
    equal(await api.getex("a", persist=True), "1")
    equal(await api.ttl("a"), -1)
    equal(await api.getex("a"), "1")
    equal((await api.getdel("a"), await api.getdel("a")), ("1", None))
    equal(await api.getex("none", ex=1), None)


async def counters(_variant, api):
    equal(await api.incrby("n", 5), 5)
    equal(await api.decrby("n", 2), 3)
    equal((await api.incr("n"), await api.decr("n", 4)), (4, 0))
    equal(float(await api.incrbyfloat("f", "10.5")), 10.5)
    equal(float(await api.incrbyfloat("f", -0.25)), 10.25)
    equal(await api.get("f"), "10.25")
    await api.set("text", "x")
    await api.fails("not an integer", "incr", "text")
    await api.fails("not a valid float", "incrbyfloat", "text", 1)


async def pieces(_variant, api):
    equal(await api.append("a", "Hello"), 5)
    equal(await api.append("a", " World"), 11)
    equal(await api.strlen("a"), 11)
    equal(await api.get("a"), "Hello World")
    equal(await api.strlen("none"), 0)


async def acknowledged_and_counted(_variant, api):
    """What a worker does so that a crash neither loses nor repeats a count."""
    ids = [await api.xadd("s", {"price": price}) for price in (10, 32)]
    await api.xgroup_create("s", "g", "0")
    await api.xreadgroup("g", "a", {"s": ">"})
    for id, price in zip(ids, (10, 32)):
        pipe = api.client.pipeline(transaction=True)
        pipe.xack("s", "g", id)
        pipe.incrby("total", price)
        pipe.incrbyfloat("weight", "0.5")
        pipe.set("last", id)
        pipe.setnx("first", id)
        replies = plain(await settled(pipe.execute()))
        equal((replies[0], replies[3]), (1, True))
    wanted = ["42", "1", ids[1], ids[0]]
    equal(await api.mget("total", "weight", "last", "first"), wanted)
    equal((await api.xpending("s", "g"))["pending"], 0)


async def counted_once_although_acknowledged_twice(_variant, api):
    id = await api.xadd("s", {"a": "1"})
    await api.xgroup_create("s", "g", "0")
    await api.xreadgroup("g", "a", {"s": ">"})

    async def finish():
        pipe = api.client.pipeline()
        await settled(pipe.watch("done:" + id))
        if await settled(pipe.exists("done:" + id)):
            await settled(pipe.reset())
            return
        pipe.multi()
        pipe.xack("s", "g", id)
        pipe.setex("done:" + id, 3600, "1")
        pipe.incr("total")
        await settled(pipe.execute())

    await finish()
    await finish()
    equal(await api.get("total"), "1")


CHECKS = [
    several_at_once, set_once_or_for_a_while, read_and_change, counters, pieces,
    acknowledged_and_counted, counted_once_although_acknowledged_twice,
]
