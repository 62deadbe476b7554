"""Connection set-up, databases, transactions and the keyspace commands that clients rely on."""

import redis

from harness.checks import equal, holds
from variants import PASSWORD, plain, settled, streams_of


async def handshake(variant, api):
    own = variant.api(client_name="checker", db=3)
    equal(await own.ping(), True)
    row = await own.client_info()
    # Left open, redis-py takes RESP3.
    equal((row["name"], str(row["db"]), int(row["resp"])), ("checker", "3", variant.protocol or 3))
    equal(row["lib-name"].split("(")[0], "redis-py")
    equal(row["lib-ver"], redis.__version__)
    equal(await own.client_id(), int(row["id"]))
    equal(await own.client_getname(), "checker")
    await own.shut()
    equal(await api.client_setinfo("LIB-NAME", "other"), True)
    equal(await api.echo("hello"), "hello")
    holds((await api.info("server"))["redis_version"], "INFO names a version")


async def raw_types(variant, api):
    await api.xadd("s", {"a": "\u00e9"}, id="1-0")
    raw = await settled(api.client.xrange("s"))
    id, fields = raw[0]
    wanted = str if variant.decode else bytes
    equal({type(id), *map(type, fields), *map(type, fields.values())}, {wanted})


async def binary_values(_variant, api):
    if api.client.get_encoder().decode_responses:
        return
    value = bytes(range(256)) * 64
    await api.xadd(b"\x00key", {b"\xff\x00": value}, id="1-0")
    equal(await settled(api.client.xrange(b"\x00key")), [(b"1-0", {b"\xff\x00": value})])


async def databases(variant, api):
    other = variant.api(db=1)
    await api.xadd("s", {"a": "1"}, id="1-0")
    equal(await other.xlen("s"), 0)
    await other.xadd("s", {"a": "1"}, id="2-0")
    equal((await api.xinfo_stream("s"))["last-generated-id"], "1-0")
    await other.flushdb()
    equal((await api.dbsize(), await other.dbsize()), (1, 0))
    await other.shut()


async def transaction(_variant, api):
    pipe = api.client.pipeline(transaction=True)
    pipe.xadd("s", {"a": "1"}, id="1-0")
    pipe.xgroup_create("s", "g", "0")
    pipe.xreadgroup("g", "c", {"s": ">"})
    pipe.xack("s", "g", "1-0")
    pipe.xlen("s")
    replies = plain(await settled(pipe.execute()))
    equal(replies[:2] + replies[3:], ["1-0", True, 1, 1])
    equal(streams_of(replies[2]), [["s", [["1-0", {"a": "1"}]]]])


async def pipeline_goes_on_after_an_error(_variant, api):
    pipe = api.client.pipeline(transaction=False)
    pipe.xadd("s", {"a": "1"}, id="1-0")
    pipe.xadd("s", {"a": "1"}, id="1-0")
    pipe.xlen("s")
    replies = plain(await settled(pipe.execute(raise_on_error=False)))
    equal((replies[0], replies[2]), ("1-0", 1))
    holds(isinstance(replies[1], redis.ResponseError), "the second add is refused")


async def watched_key_changes(_variant, api):
    await api.xadd("s", {"a": "1"}, id="1-0")
    pipe = api.client.pipeline()
    await settled(pipe.watch("s"))
    equal(await settled(pipe.xlen("s")), 1)
    await api.xadd("s", {"a": "2"}, id="2-0")
    pipe.multi()
    pipe.xadd("s", {"a": "3"}, id="3-0")
    try:
        await settled(pipe.execute())
    except redis.WatchError:
        equal(await api.xlen("s"), 2)
    else:
        raise AssertionError("the transaction ran although the key had changed")
    finally:
        await settled(pipe.reset())


async def watched_key_unchanged(_variant, api):
    await api.xadd("s", {"a": "1"}, id="1-0")
    await api.xgroup_create("s", "g", "0")
    pipe = api.client.pipeline()
    await settled(pipe.watch("s"))
    await api.xreadgroup("g", "c", {"s": ">"})
    pipe.multi()
    pipe.xack("s", "g", "1-0")
    equal(await settled(pipe.execute()), [1], "group bookkeeping does not break a WATCH")


async def keyspace(_variant, api):
    await api.xadd("orders:a", {"a": "1"})
    await api.xadd("orders:b", {"a": "1"})
    await api.set("text", "1")
    equal(await api.incr("text"), 2)
    equal(await api.get("text"), "2")
    equal(await api.type("orders:a"), "stream")
    equal(sorted(await api.keys("orders:*")), ["orders:a", "orders:b"])
    cursor, keys = await api.scan(0, match="orders:*", count=100)
    equal((int(cursor), sorted(keys)), (0, ["orders:a", "orders:b"]))
    equal(await api.expire("orders:a", 100), True)
    holds(0 < await api.ttl("orders:a") <= 100, "time to live in seconds")
    equal(await api.persist("orders:a"), True)
    equal(await api.ttl("orders:a"), -1)
    equal(await api.rename("orders:a", "orders:c"), True)
    equal(await api.exists("orders:a", "orders:c"), 1)
    equal(await api.delete("orders:b", "orders:c"), 2)
    await api.fails("unknown command", "execute_command", "NOSUCHCOMMAND", "x")


async def password(variant, api):
    """Runs on the server that has one; see main.py."""
    equal(await api.ping(), True)
    for wrong in ("not-it", None):
        stranger = variant.api(password=wrong)
        try:
            await stranger.ping()
        except (redis.AuthenticationError, redis.ResponseError) as error:
            text = str(error).lower()
            holds("auth" in text or "password" in text, f"the refusal says why: {error}")
        else:
            raise AssertionError("a stranger was let in")
        await stranger.shut()
    named = variant.api(username="default", password=PASSWORD)
    equal(await named.ping(), True)
    await named.shut()


CHECKS = [
    handshake, raw_types, binary_values, databases, transaction, pipeline_goes_on_after_an_error,
    watched_key_changes, watched_key_unchanged, keyspace,
]
