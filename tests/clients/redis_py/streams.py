"""Every stream command through redis-py's own methods (`execute_command` where it has none).

Each check gets a variant and an empty database. The replies expected here are the documented ones
and hold for Redis as well.
"""

from harness.checks import equal, holds
from variants import ids_of, newer_than_redis, streams_of


async def fill(api, *ids, key="s"):
    for id in ids:
        await api.xadd(key, {"n": id}, id=id)


async def group(api, *ids, consumer="a", count=None):
    """Entries `ids` in stream `s`, read by `consumer` of group `g` as far as `count` goes."""
    await fill(api, *ids)
    await api.xgroup_create("s", "g", "0", mkstream=True)
    if count != 0:
        await api.xreadgroup("g", consumer, {"s": ">"}, count=count)


async def owners(api):
    """Pending records as {id: (consumer, deliveries)}."""
    rows = await api.xpending_range("s", "g", "-", "+", 100)
    return {row["message_id"]: (row["consumer"], row["times_delivered"]) for row in rows}


async def adding(_variant, api):
    first = await api.xadd("s", {"a": "1"})
    second = await api.xadd("s", {"a": "2", "b": ""})
    holds([int(n) for n in first.split("-")] < [int(n) for n in second.split("-")], "IDs rise")
    equal(await api.xadd("e", {"a": "1"}, id="5-*"), "5-0")
    equal(await api.xadd("e", {"a": "1"}, id="5-*"), "5-1")
    equal(await api.xadd("none", {"a": "1"}, nomkstream=True), None)
    equal(await api.exists("none"), 0)
    equal(await api.xlen("s"), 2)
    await api.fails("equal or smaller", "xadd", "e", {"a": "1"}, id="5-1")
    await api.fails("must be greater than 0-0", "xadd", "z", {"a": "1"}, id="0-0")
    await api.fails("Invalid stream ID", "xadd", "z", {"a": "1"}, id="x")
    await api.set("text", "v")
    await api.fails("wrong kind of value", "xadd", "text", {"a": "1"})


async def adding_with_a_limit(_variant, api):
    for n in range(1, 8):
        await api.xadd("s", {"n": n}, id=f"{n}-0", maxlen=5, approximate=False)
    equal(ids_of(await api.xrange("s")), ["3-0", "4-0", "5-0", "6-0", "7-0"])
    await api.xadd("s", {"n": 8}, id="8-0", minid="6-0", approximate=False)
    equal(ids_of(await api.xrange("s")), ["6-0", "7-0", "8-0"])
    await api.xadd("s", {"n": 9}, id="9-0", maxlen=1, limit=10)
    holds(await api.xlen("s") >= 1, "approximate trimming keeps at least the limit")
    await api.xadd("s", {"n": 10}, id="10-0", maxlen=1, approximate=False, ref_policy="DELREF")
    equal(ids_of(await api.xrange("s")), ["10-0"])


async def adding_once(_variant, api):
    first = await api.xadd("s", {"a": "1"}, idmp=("p", b"one"))
    equal(await api.xadd("s", {"a": "other"}, idmp=("p", b"one")), first)
    auto = await api.xadd("s", {"b": "1"}, idmpauto="p")
    equal(await api.xadd("s", {"b": "1"}, idmpauto="p"), auto)
    equal(await api.xlen("s"), 2)
    equal(await api.execute_command("XIDMPRECORD", "s", "q", "i", first), "OK")
    equal(await api.xadd("s", {"c": "1"}, idmp=("q", b"i")), first)
    info = await api.xinfo_stream("s")
    equal((info["pids-tracked"], info["iids-tracked"], info["iids-duplicates"]), (2, 3, 3))
    equal(await api.xcfgset("s", idmp_duration=50, idmp_maxsize=7), "OK")
    info = await api.xinfo_stream("s")
    equal((info["idmp-duration"], info["idmp-maxsize"], info["iids-tracked"]), (50, 7, 0))


async def ranges(_variant, api):
    await fill(api, "1-1", "1-2", "2-0", "3-0")
    equal(await api.xrange("s", "2", "2"), [["2-0", {"n": "2-0"}]])
    equal(ids_of(await api.xrange("s", "(1-1", "(3-0")), ["1-2", "2-0"])
    equal(ids_of(await api.xrange("s", count=2)), ["1-1", "1-2"])
    equal(ids_of(await api.xrevrange("s", count=3)), ["3-0", "2-0", "1-2"])
    equal(ids_of(await api.xrevrange("s", "2-0", "1-2")), ["2-0", "1-2"])
    equal(await api.xrange("none"), [])
    await api.fails("invalid end ID", "xrange", "s", "-", "(0-0")


async def deleting(_variant, api):
    await group(api, "1-0", "2-0", "3-0", "4-0", "5-0", count=3)
    equal(await api.xdel("s", "1-0", "9-0"), 1)
    equal(await api.xdelex("s", "2-0", "9-0"), [1, -1])
    holds("2-0" in await owners(api), "KEEPREF keeps the pending record")
    equal(await api.xdelex("s", "3-0", ref_policy="DELREF"), [1])
    holds("3-0" not in await owners(api), "DELREF drops the pending record")
    equal(await api.xdelex("s", "4-0", ref_policy="ACKED"), [2])
    equal(ids_of(await api.xrange("s")), ["4-0", "5-0"])
    equal((await api.xinfo_stream("s"))["max-deleted-entry-id"], "3-0")


async def trimming(_variant, api):
    await fill(api, *[f"{n}-0" for n in range(1, 11)])
    equal(await api.xtrim("s", maxlen=8, approximate=False), 2)
    equal(await api.xtrim("s", minid="6-0", approximate=False), 3)
    equal(await api.xtrim("s", maxlen=4, limit=2), 0)
    await api.xgroup_create("s", "g", "0")
    equal(await api.xtrim("s", maxlen=0, approximate=False, ref_policy="ACKED"), 0)
    equal(await api.xtrim("s", maxlen=0, approximate=False, ref_policy="KEEPREF"), 5)
    equal(await api.exists("s"), 1, "an empty stream stays")


async def setting_the_id(_variant, api):
    await fill(api, "1-0")
    set_id = ("XSETID", "s", "20-0", "ENTRIESADDED", "7", "MAXDELETEDID", "3-0")
    equal(await api.execute_command(*set_id), "OK")
    info = await api.xinfo_stream("s")
    equal(info["last-generated-id"], "20-0")
    equal((info["entries-added"], info["max-deleted-entry-id"]), (7, "3-0"))
    await api.fails("smaller than", "execute_command", "XSETID", "s", "0-5")


async def reading(_variant, api):
    await fill(api, "1-0", "2-0", "3-0")
    await fill(api, "5-0", key="t")
    reply = streams_of(await api.xread({"s": "1-0", "t": "0"}))
    equal([(key, ids_of(entries)) for key, entries in reply], [
        ("s", ["2-0", "3-0"]), ("t", ["5-0"]),
    ])
    reply = streams_of(await api.xread({"s": "0", "t": "9"}, count=1))
    equal([(key, ids_of(entries)) for key, entries in reply], [("s", ["1-0"])])
    equal(ids_of(streams_of(await api.xread({"s": "+"}))[0][1]), ["3-0"])
    holds(not await api.xread({"s": "$"}), "nothing after the end")


async def reading_with_a_budget(_variant, api):
    newer_than_redis()
    await fill(api, "1-0", "2-0", "3-0")
    await fill(api, "1-0", "2-0", "3-0", key="t")
    reply = streams_of(await api.xread({"s": "0", "t": "0"}, count=2, max_count=3))
    equal([ids_of(entries) for _, entries in reply], [["1-0", "2-0"], ["1-0"]])
    reply = streams_of(await api.xread({"s": "0", "t": "0"}, max_size=1))
    equal([ids_of(entries) for _, entries in reply], [["1-0"]])
    await api.xgroup_create("s", "g", "0")
    reply = streams_of(await api.xreadgroup("g", "a", {"s": ">"}, max_count=2))
    equal(ids_of(reply[0][1]), ["1-0", "2-0"])
    equal((await api.xpending("s", "g"))["pending"], 2)


async def groups(_variant, api):
    await api.fails("requires the key to exist", "xgroup_create", "s", "g")
    equal(await api.xgroup_create("s", "g", "$", mkstream=True), True)
    await api.fails("BUSYGROUP", "xgroup_create", "s", "g", "$")
    await fill(api, "1-0", "2-0")
    equal(await api.xgroup_create("s", "h", "1-0", entries_read=1), True)
    equal(await api.xgroup_createconsumer("s", "g", "a"), 1)
    equal(await api.xgroup_createconsumer("s", "g", "a"), 0)
    equal(await api.xgroup_setid("s", "g", "0", entries_read=0), True)
    first, second = await api.xinfo_groups("s")
    equal((first["name"], first["consumers"], first["lag"]), ("g", 1, 2))
    equal((second["last-delivered-id"], second["entries-read"]), ("1-0", 1))
    await api.xreadgroup("g", "a", {"s": ">"})
    equal(await api.xgroup_delconsumer("s", "g", "a"), 2)
    equal((await api.xpending("s", "g"))["pending"], 0)
    equal(await api.xgroup_destroy("s", "h"), 1)
    equal(await api.xgroup_destroy("s", "h"), 0)
    holds(len(await api.execute_command("XGROUP", "HELP")) > 5, "XGROUP HELP")
    await api.fails("NOGROUP", "xreadgroup", "h", "a", {"s": ">"})


async def consuming(_variant, api):
    await group(api, "1-0", "2-0", "3-0", count=2)
    own = streams_of(await api.xreadgroup("g", "a", {"s": "0"}))
    equal(own, [["s", [["1-0", {"n": "1-0"}], ["2-0", {"n": "2-0"}]]]])
    none = streams_of(await api.xreadgroup("g", "b", {"s": "0"}))
    equal(none, [["s", []]])
    equal(await owners(api), {"1-0": ("a", 2), "2-0": ("a", 2)})
    await api.xreadgroup("g", "b", {"s": ">"}, noack=True)
    equal(await api.xack("s", "g", "1-0", "3-0"), 1)
    holds(not await api.xreadgroup("g", "b", {"s": ">"}), "everything was delivered")
    equal(await api.xackdel("s", "g", "2-0", "9-0"), [1, -1])
    equal((await api.xpending("s", "g"))["pending"], 0)
    equal(ids_of(await api.xrange("s")), ["1-0", "3-0"])


async def pending(_variant, api):
    await group(api, "1-0", "2-0", "3-0", count=2)
    await api.xreadgroup("g", "b", {"s": ">"})
    summary = await api.xpending("s", "g")
    equal((summary["pending"], summary["min"], summary["max"]), (3, "1-0", "3-0"))
    each = [{"name": "a", "pending": 2}, {"name": "b", "pending": 1}]
    equal(summary["consumers"], each)
    rows = await api.xpending_range("s", "g", "(1-0", "+", 1)
    equal((rows[0]["message_id"], rows[0]["times_delivered"]), ("2-0", 1))
    rows = await api.xpending_range("s", "g", "-", "+", 9, consumername="b")
    equal([row["message_id"] for row in rows], ["3-0"])
    equal(await api.xpending_range("s", "g", "-", "+", 9, idle=100000), [])


async def claiming(_variant, api):
    await group(api, "1-0", "2-0", "3-0", count=2)
    equal(await api.xclaim("s", "g", "b", 100000, ["1-0"]), [])
    equal(await api.xclaim("s", "g", "b", 0, ["1-0"]), [["1-0", {"n": "1-0"}]])
    equal(await api.xclaim("s", "g", "b", 0, ["2-0"], justid=True, retrycount=9), ["2-0"])
    equal(await owners(api), {"1-0": ("b", 2), "2-0": ("b", 9)})
    equal(ids_of(await api.xclaim("s", "g", "c", 0, ["3-0"], force=True, idle=5000)), ["3-0"])
    rows = await api.xpending_range("s", "g", "3-0", "3-0", 1, idle=4000)
    equal([row["consumer"] for row in rows], ["c"])
    await api.xclaim("s", "g", "c", 0, ["3-0"], time=1, justid=True)
    await api.execute_command("XCLAIM", "s", "g", "c", 0, "3-0", "LASTID", "3-0")
    equal((await api.xinfo_groups("s"))[0]["last-delivered-id"], "3-0")
    await api.fails("NOGROUP", "xclaim", "s", "h", "b", 0, ["1-0"])


async def claiming_by_scan(_variant, api):
    await group(api, "1-0", "2-0", "3-0")
    await api.xdel("s", "1-0")
    reply = await api.xautoclaim("s", "g", "b", 0, start_id="0-0", count=2)
    equal(reply, ["3-0", [["2-0", {"n": "2-0"}]], ["1-0"]])
    equal(await api.xautoclaim("s", "g", "b", 0, start_id="3-0", justid=True), ["3-0"])
    equal(await owners(api), {"2-0": ("b", 2), "3-0": ("b", 1)})
    reply = await api.execute_command("XAUTOCLAIM", "s", "g", "b", "100000", "0-0", "COUNT", "10")
    equal(reply, ["0-0", [], []])


async def claiming_while_reading(_variant, api):
    await group(api, "1-0", "2-0", count=1)
    reply = streams_of(await api.xreadgroup("g", "b", {"s": ">"}, claim_min_idle_time=0))
    claimed, new = reply[0][1]
    equal((claimed[0], claimed[3]), ("1-0", 1))
    equal((new[0], new[2], new[3]), ("2-0", 0, 0))
    equal(await owners(api), {"1-0": ("b", 2), "2-0": ("b", 1)})


async def giving_back(_variant, api):
    newer_than_redis()
    await group(api, "1-0", "2-0", "3-0")
    equal(await api.xnack("s", "g", "SILENT", "1-0"), 1)
    equal(await api.xnack("s", "g", "FAIL", "2-0", "9-0"), 1)
    equal(await api.xnack("s", "g", "FATAL", "3-0", retrycount=4), 1)
    equal(await owners(api), {"1-0": ("", 0), "2-0": ("", 1), "3-0": ("", 4)})
    reply = streams_of(await api.xreadgroup("g", "b", {"s": ">"}, claim_min_idle_time=100000))
    equal(ids_of(reply[0][1]), ["1-0", "2-0", "3-0"])
    equal((await api.xpending("s", "g"))["consumers"], [{"name": "b", "pending": 3}])


async def looking_inside(_variant, api):
    await group(api, "1-0", "2-0", count=1)
    info = await api.xinfo_stream("s")
    equal((info["length"], info["groups"], info["entries-added"]), (2, 1, 2))
    equal(info["first-entry"], ["1-0", {"n": "1-0"}])
    equal(info["last-entry"], ["2-0", {"n": "2-0"}])
    full = await api.xinfo_stream("s", full=True)
    equal(full["entries"], {"1-0": {"n": "1-0"}, "2-0": {"n": "2-0"}})
    one = full["groups"][0]
    equal((one["name"], one["lag"], one["pel-count"]), ("g", 1, 1))
    equal(one["pending"][0][:2], ["1-0", "a"])
    equal(one["consumers"][0]["name"], "a")
    consumer = (await api.xinfo_consumers("s", "g"))[0]
    equal((consumer["name"], consumer["pending"]), ("a", 1))
    holds(0 <= consumer["idle"] < 60000, "idle in milliseconds")
    await api.fails("no such key", "xinfo_stream", "none")


CHECKS = [
    adding, adding_with_a_limit, adding_once, ranges, deleting, trimming, setting_the_id, reading,
    reading_with_a_budget, groups, consuming, pending, claiming, claiming_by_scan,
    claiming_while_reading, giving_back, looking_inside,
]
