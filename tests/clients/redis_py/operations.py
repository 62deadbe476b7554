"""What operators ask: INFO, memory, slow log, latency, monitor, pauses, copies, dumps, saves."""

import asyncio
import datetime
import time

import redis

from harness.checks import equal, holds
from variants import SOCKET, plain, settled

SECTIONS = {
    "server": {"redis_version": str, "tcp_port": int, "uptime_in_seconds": int, "run_id": str},
    "clients": {"connected_clients": int, "blocked_clients": int, "maxclients": int},
    "memory": {"used_memory": int, "used_memory_human": str, "mem_fragmentation_ratio": float},
    "persistence": {"loading": int, "aof_enabled": int, "rdb_last_save_time": int},
    "stats": {"total_commands_processed": int, "keyspace_hits": int, "keyspace_misses": int,
              "instantaneous_ops_per_sec": int, "instantaneous_input_kbps": float},
    "replication": {"role": str, "connected_slaves": int, "master_repl_offset": int},
    "cpu": {"used_cpu_sys": float, "used_cpu_user": float},
    "commandstats": {"cmdstat_xadd": dict},
    "latencystats": {"latency_percentiles_usec_xadd": dict},
    "errorstats": {"errorstat_WRONGTYPE": dict},
    "cluster": {"cluster_enabled": int},
    "keyspace": {"db0": dict},
}


async def info_of_every_section(_variant, api):
    await api.set("text", "v")
    await api.fails("WRONGTYPE", "xadd", "text", {"a": "1"})
    await api.xadd("s", {"a": "1"})
    everything = await api.info("everything")
    for section, fields in SECTIONS.items():
        own = await api.info(section)
        for name, kind in fields.items():
            for where, found in ((section, own), ("everything", everything)):
                holds(name in found, f"INFO {where} has {name}")
                value = found[name]
                fits = isinstance(value, (int, float) if kind is float else kind)
                holds(fits, f"{name} of INFO {where} is {value!r}")
    stats = everything["cmdstat_xadd"]
    holds(stats["calls"] >= 1 and stats["usec"] > 0 and stats["failed_calls"] >= 1, f"{stats}")
    holds(everything["errorstat_WRONGTYPE"]["count"] >= 1, "errors are counted by their code")
    equal({p for p in everything["latency_percentiles_usec_xadd"]}, {"p50", "p99", "p99.9"})
    equal(everything["db0"]["keys"], 2)
    holds((await api.info())["redis_version"] == everything["redis_version"], "INFO alone")


async def hits_and_misses(_variant, api):
    await api.set("a", "1")
    await api.config_resetstat()
    await api.mget("a", "none")
    await api.get("a")
    stats = await api.info("stats")
    equal((stats["keyspace_hits"], stats["keyspace_misses"]), (2, 1))


async def memory(_variant, api):
    await api.xadd("s", {"a": "x" * 1000}, id="1-0")
    await api.set("text", "v")
    small, large = await api.memory_usage("text"), await api.memory_usage("s", samples=0)
    holds(0 < small < 1000 < large, f"sizes {small} and {large}")
    equal(await api.memory_usage("none"), None)
    stats = await api.memory_stats()
    for name in ("peak.allocated", "total.allocated", "startup.allocated", "dataset.bytes"):
        holds(isinstance(stats[name], int), f"{name} is {stats.get(name)!r}")
    equal(stats["keys.count"], 2)
    equal(await api.memory_purge(), True)
    holds(isinstance(await api.memory_malloc_stats(), str), "MEMORY MALLOC-STATS is text")


async def about_an_object(_variant, api):
    await api.xadd("s", {"a": "1"})
    await api.mset({"n": "12", "short": "text", "long": "x" * 1000})
    encodings = [await api.object("encoding", key) for key in ("s", "n", "short", "long")]
    equal(encodings, ["stream", "int", "embstr", "raw"])
    equal(await api.object("idletime", "short"), 0)
    holds(await api.object("refcount", "s") >= 1, "somebody holds it")
    equal(await api.object("encoding", "none"), None)


async def slow_log(_variant, api):
    before = (await api.config_get("slowlog-log-slower-than"))["slowlog-log-slower-than"]
    equal(await api.config_set("slowlog-log-slower-than", 0), True)
    try:
        equal(await api.slowlog_reset(), True)
        await api.xadd("s", {"a": "1"}, id="1-0")
        rows = await api.slowlog_get(10)
    finally:
        await api.config_set("slowlog-log-slower-than", before)
    row = next(row for row in rows if row["command"].startswith("XADD"))
    equal(row["command"], "XADD s 1-0 a 1")
    holds(row["duration"] >= 0 and abs(time.time() - row["start_time"]) < 60, f"{row}")
    holds(await api.slowlog_len() >= 2, "the log has a length")
    await api.slowlog_reset()
    equal(await api.slowlog_len(), 0)


async def latency(_variant, api):
    equal(await api.latency_reset(), 0)
    equal(await api.latency_latest(), [])
    equal(await api.latency_history("command"), [])
    await api.xadd("s", {"a": "1"})
    histogram = await api.execute_command("LATENCY", "HISTOGRAM", "xadd")
    details = histogram["xadd"] if isinstance(histogram, dict) else histogram[1]
    calls = details["calls"] if isinstance(details, dict) else details[1]
    holds(calls >= 1, f"calls in {histogram}")


async def monitor(variant, api):
    own = variant.client(db=2)
    watching = own.monitor()
    kind = "a" if variant.asynchronous else ""
    await settled(getattr(watching, f"__{kind}enter__")())
    try:
        other = variant.api(db=1)
        await other.xadd("s", {"a b": '"quoted"'}, id="1-0")
        await api.get("none")
        await other.shut()
        seen = {}
        while not {"XADD", "GET"} <= seen.keys():
            row = await settled(watching.next_command())
            seen[row["command"].split()[0].upper()] = row
    finally:
        await settled(getattr(watching, f"__{kind}exit__")(None, None, None))
        await settled(own.aclose() if variant.asynchronous else own.close())
    row = seen["XADD"]
    equal(row["command"], 'XADD s 1-0 a b "quoted"')
    equal((row["db"], seen["GET"]["db"]), (1, 0))
    equal((row["client_type"], row["client_address"]), ("tcp", "127.0.0.1"))
    holds(int(row["client_port"]) > 0 and abs(row["time"] - time.time()) < 60, f"{row}")


async def pauses(variant, api):
    await api.client_pause(300)
    begin = time.monotonic()
    await api.set("a", "1")
    holds(0.25 < time.monotonic() - begin < 5, "a pause of all commands ends by itself")
    await api.client_pause(60_000, all=False)
    equal(await api.get("a"), "1", "reads go on while writes are paused")
    writer = variant.start(lambda own: own.xadd("s", {"a": "1"}, id="1-0"))
    equal(await api.xlen("s"), 0)
    equal(await api.client_unpause(), "OK")
    equal(await writer, "1-0")


async def replies_turned_off(variant, api):
    equal(await api.client_reply("ON"), "OK")
    own = variant.api(socket_timeout=0.2)
    for mode in ("SKIP", "OFF"):
        try:
            await own.client_reply(mode)
        except redis.TimeoutError:
            continue
        raise AssertionError(f"CLIENT REPLY {mode} was answered")
    equal(await own.ping(), True, "a new connection answers again")
    await own.shut()


async def copies_and_moves(variant, api):
    await api.xadd("s", {"a": "1"}, id="1-0")
    await api.xgroup_create("s", "g", "0")
    await api.xreadgroup("g", "c", {"s": ">"})
    equal(await api.copy("s", "t"), True)
    equal(await api.copy("s", "t"), False)
    equal(await api.copy("s", "t", replace=True), True)
    equal((await api.xpending("t", "g"))["pending"], 1, "groups are copied, too")
    await api.xack("t", "g", "1-0")
    equal((await api.xpending("s", "g"))["pending"], 1, "a copy is on its own")
    equal(await api.copy("s", "u", destination_db=1), True)
    equal(await api.move("t", 1), True)
    equal(await api.move("t", 1), False)
    other = variant.api(db=1)
    equal(sorted(await other.keys("*")), ["t", "u"])
    equal(await api.swapdb(0, 1), True)
    equal((sorted(await api.keys("*")), await other.keys("*")), (["t", "u"], ["s"]))
    await other.shut()
    holds(await api.randomkey() in ("t", "u"), "RANDOMKEY")
    equal(await api.touch("t", "u", "none"), 2)
    await api.flushdb()
    equal(await api.randomkey(), None)


async def dumped_and_restored(variant, api):
    # A dump is bytes, which a client that decodes cannot take.
    own = variant.client(decode_responses=False)
    await api.xadd("s", {"a": "1"}, id="1-0")
    await api.xadd("s", {"a": "2"}, id="2-0")
    await api.xgroup_create("s", "g", "0")
    await api.xreadgroup("g", "c", {"s": ">"}, count=1)
    await api.set("text", "v")
    try:
        for key in ("s", "text"):
            dump = await settled(own.dump(key))
            equal(plain(await settled(own.restore(key + ":new", 100_000, dump))), "OK")
            holds(0 < await api.pttl(key + ":new") <= 100_000, "with a time to live")
            try:
                await settled(own.restore(key, 0, dump))
            except redis.ResponseError as error:
                holds("already exists" in str(error), f"refused: {error}")
            else:
                raise AssertionError("RESTORE took the place of a key")
            await settled(own.restore(key, 0, dump, replace=True))
        equal(await settled(own.dump("none")), None)
    finally:
        await settled(own.aclose() if variant.asynchronous else own.close())
    equal(await api.get("text:new"), "v")
    equal(await api.xrange("s:new"), await api.xrange("s"))
    (row,) = await api.xpending_range("s:new", "g", "-", "+", 10)
    equal((row["message_id"], row["consumer"], row["times_delivered"]), ("1-0", "c", 1))
    await api.fails("checksum", "restore", "bad", 0, b"no dump")


async def saves(_variant, api):
    await api.xadd("s", {"a": "1"})
    before = await api.lastsave()
    holds(isinstance(before, datetime.datetime), f"LASTSAVE is {before!r}")
    equal(await api.save(), True)
    holds(await api.lastsave() >= before, "LASTSAVE moves on")
    holds(await api.bgsave(), "BGSAVE starts")
    async with asyncio.timeout(10):
        while (await api.info("persistence"))["rdb_bgsave_in_progress"]:
            await asyncio.sleep(0.01)
    await api.fails("without a config file", "config_rewrite")


async def who_and_what(_variant, api):
    equal(await api.acl_whoami(), "default")
    equal(await api.client_getredir(), -1)
    holds("ver." in await api.lolwut(), "LOLWUT names a version")
    equal((await api.role())[0], "master")


async def unix_socket(variant, api):
    """Runs on the server that has one; see main.py."""
    equal(await api.ping(), True)
    own = variant.api(unix_socket_path=SOCKET, client_name="near")
    equal(await own.xadd("s", {"a": "1"}, id="1-0"), "1-0")
    equal(await api.xlen("s"), 1)
    row = await own.client_info()
    equal(row["name"], "near")
    holds(SOCKET in row["addr"] or SOCKET in row["laddr"], f"its address names the socket: {row}")
    reader = variant.start(lambda one: one.xread({"s": "$"}, block=4000), unix_socket_path=SOCKET)
    await own.someone_waits()
    await api.xadd("s", {"a": "2"}, id="2-0")
    holds(await reader, "a blocked read is served there")
    await own.shut()


CHECKS = [
    info_of_every_section, hits_and_misses, memory, about_an_object, slow_log, latency, monitor,
    pauses, replies_turned_off, copies_and_moves, dumped_and_restored, saves, who_and_what,
]
