"""What the Prometheus exporter for Redis (oliver006/redis_exporter) asks and how it reads it.

It is a Go program that cannot be had here, so this sends its commands in its order (RESP2, no
HELLO) and takes the replies apart as strictly: a field that does not parse is no series. Required
are the series that its usual dashboard draws.
"""

import sys

from harness.checks import Reporter, equal, holds
from raw import Raw, info_sections, pairs, settings

GAUGES = """
    uptime_in_seconds process_id connected_clients blocked_clients used_memory used_memory_rss
    used_memory_peak used_memory_startup used_memory_dataset used_memory_overhead maxmemory
    mem_fragmentation_ratio total_system_memory loading rdb_changes_since_last_save
    rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status aof_enabled
    aof_rewrite_in_progress aof_last_bgrewrite_status aof_last_write_status connected_slaves
    master_repl_offset
""".split()
# There with an append-only file alone.
AOF_GAUGES = ["aof_current_size", "aof_base_size"]
COUNTERS = """
    total_connections_received total_commands_processed rejected_connections total_net_input_bytes
    total_net_output_bytes expired_keys evicted_keys keyspace_hits keyspace_misses used_cpu_sys
    used_cpu_user total_error_replies
""".split()
LABELS = """
    role redis_version os maxmemory_policy tcp_port run_id process_id master_replid
""".split()
N_ENTRIES = 10


def number(text):
    """A value as the exporter takes it."""
    return {"ok": 1.0, "true": 1.0, "err": 0.0, "fail": 0.0, "false": 0.0}.get(text) or float(text)


def prepare(raw):
    raw("FLUSHALL")
    raw("CONFIG", "RESETSTAT")
    for n in range(1, N_ENTRIES + 1):
        raw("XADD", "orders", f"{n}-0", "n", n)
    raw("XGROUP", "CREATE", "orders", "crew", "0")
    raw("XREADGROUP", "GROUP", "crew", "worker", "COUNT", 4, "STREAMS", "orders", ">")
    raw("XACK", "orders", "crew", "1-0")
    raw("SET", "counter", "42.5", "EX", 100)
    raw("GET", "counter")


def configuration(raw):
    equal(raw("CLIENT", "SETNAME", "redis_exporter"), "OK")
    config = pairs(raw("CONFIG", "GET", "*"))
    equal(config["databases"], "16")
    holds(float(config["maxclients"]) > 0 and float(config["maxmemory"]) == 0, "numbers")


def info_all(raw):
    text = raw("INFO", "ALL")
    sections = info_sections(text)
    fields = {name: value for section in sections.values() for name, value in section.items()}
    wanted = GAUGES + COUNTERS + (AOF_GAUGES if fields["aof_enabled"] == "1" else [])
    equal([name for name in wanted if name not in fields], [], "series that would be missing")
    for name in wanted:
        holds(number(fields[name]) >= 0, f"{name} is {fields[name]}")
    equal([name for name in LABELS if not fields.get(name)], [], "labels without a value")
    equal(fields.get("redis_mode") or fields.get("server_mode"), "standalone", "label of the mode")
    keys = settings(sections["keyspace"]["db0"])
    equal((keys["keys"], keys["expires"]), ("2", "1"))
    holds(float(keys["avg_ttl"]) >= 0, "avg_ttl")


def hits_and_misses(raw):
    def counts():
        stats = info_sections(raw("INFO", "ALL"))["stats"]
        return int(stats["keyspace_hits"]), int(stats["keyspace_misses"])

    hits, misses = counts()
    for key in ("counter", "none", "counter"):
        raw("GET", key)
    equal(counts(), (hits + 2, misses + 1))


def commands_and_errors(raw):
    try:
        raw("XADD", "counter", "*", "a", "1")
    except Exception as error:
        holds("WRONGTYPE" in str(error), f"{error}")
    sections = info_sections(raw("INFO", "ALL"))
    row = sections["commandstats"]["cmdstat_xadd"].split(",")
    wanted = ["calls", "usec", "usec_per_call", "rejected_calls", "failed_calls"]
    equal([field.split("=")[0] for field in row[:5]], wanted, "order of fields")
    calls, usec, _, rejected, failed = [float(field.split("=")[1]) for field in row[:5]]
    equal((calls, rejected, failed), (N_ENTRIES + 1, 0, 1))
    holds(usec > 0, "time spent")
    holds("cmdstat_xgroup|create" in sections["commandstats"], "subcommands have rows of their own")
    equal(sections["errorstats"]["errorstat_WRONGTYPE"], "count=1")
    percentiles = settings(sections["latencystats"]["latency_percentiles_usec_xadd"])
    equal({name: float(value) > 0 for name, value in percentiles.items()},
          {"p50": True, "p99": True, "p99.9": True})


def latency(raw):
    for row in raw("LATENCY", "LATEST"):
        name, *numbers = row
        holds(len(numbers) >= 3 and all(isinstance(one, int) for one in numbers), f"{name}")
    found = pairs(raw("LATENCY", "HISTOGRAM"))
    names = {name.split("|")[0] for name in found}
    holds({"xadd", "xgroup", "get"} <= names, f"histograms of {sorted(found)}")
    # It reads the second and the fourth value of each, whatever the names are.
    _, calls, _, buckets = found["xadd"]
    equal(calls, N_ENTRIES + 1)
    counts = buckets[1::2]
    holds(buckets[::2] == sorted(buckets[::2]) and counts == sorted(counts), f"{buckets}")
    equal(counts[-1], calls, "buckets count up to all calls")


def slow_log(raw):
    before = raw("CONFIG", "GET", "slowlog-log-slower-than")[1]
    raw("CONFIG", "SET", "slowlog-log-slower-than", 0)
    raw("XLEN", "orders")
    raw("CONFIG", "SET", "slowlog-log-slower-than", before)
    holds(raw("SLOWLOG", "LEN") >= 2, "length")
    (row,) = raw("SLOWLOG", "GET", 1)
    id, moment, usec, words, *_ = row
    holds(all(isinstance(one, int) for one in (id, moment, usec)), f"{row}")
    equal(words, ["XLEN", "orders"], "the newest comes first")
    raw("SLOWLOG", "RESET")


def scanned(raw, pattern):
    found, cursor = [], "0"
    while True:
        cursor, keys = raw("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        found += keys
        if cursor == "0":
            return found


def keys(raw):
    equal(raw("SELECT", "0"), "OK")
    equal(sorted(scanned(raw, "*r*")), ["counter", "orders"])
    kinds = {key: raw("TYPE", key) for key in ("counter", "orders", "none")}
    equal(kinds, {"counter": "string", "orders": "stream", "none": "none"})
    equal((raw("STRLEN", "counter"), raw("XLEN", "orders")), (4, N_ENTRIES))
    equal(float(raw("GET", "counter")), 42.5)
    holds(raw("MEMORY", "USAGE", "orders") > 0, "memory of a key")


def streams(raw):
    info = pairs(raw("XINFO", "STREAM", "orders"))
    equal((info["length"], info["groups"], info["last-generated-id"]), (N_ENTRIES, 1, "10-0"))
    equal((info["first-entry"][0], info["last-entry"][0]), ("1-0", "10-0"))
    holds(info["radix-tree-keys"] > 0 and info["radix-tree-nodes"] > 0, "sizes")
    (row,) = raw("XINFO", "GROUPS", "orders")
    wanted = {"name": "crew", "consumers": 1, "pending": 3, "last-delivered-id": "4-0"}
    equal(pairs(row), wanted | {"entries-read": 4, "lag": N_ENTRIES - 4})
    (row,) = raw("XINFO", "CONSUMERS", "orders", "crew")
    row = pairs(row)
    equal((row["name"], row["pending"]), ("worker", 3))
    holds(row["idle"] >= 0, "idle")


def clients(raw):
    rows = [line for line in raw("CLIENT", "LIST").split("\n") if line]
    own = None
    for line in rows:
        parts = [part.split("=") for part in line.split(" ")]
        # One blank inside a value and the exporter drops the whole line.
        holds(all(len(part) == 2 for part in parts), f"parts of {line}")
        row = dict(parts)
        host, port = row["addr"].rsplit(":", 1)
        holds(host and int(port) >= 0 and int(row["age"]) >= int(row["idle"]) >= 0, line)
        holds({"flags", "db", "omem", "cmd", "user", "resp"} <= row.keys(), line)
        own = row if row["name"] == "redis_exporter" else own
    equal((own["cmd"], own["user"], own["resp"]), ("client|list", "default", "2"))


CHECKS = [
    configuration, info_all, hits_and_misses, commands_and_errors, latency, slow_log, keys,
    streams, clients,
]


def main():
    report = Reporter()
    raw = Raw()
    prepare(raw)
    for check in CHECKS:
        report.run(check.__name__.replace("_", " "), lambda: check(raw))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
