"""What RedisInsight sends for its overview, its browser of keys and streams, slow log and profiler.

RESP2, replies taken apart by position where it does so. It is a desktop program that cannot be had
here.
"""

import socket
import sys

from harness.checks import Reporter, equal, holds
from raw import HOST, PORT, Raw, info_sections, pairs, settings

OVERVIEW = {
    "server": ["redis_version", "uptime_in_seconds"],
    "clients": ["connected_clients"],
    "memory": ["used_memory", "total_system_memory"],
    "stats": [
        "instantaneous_ops_per_sec", "instantaneous_input_kbps", "instantaneous_output_kbps",
        "keyspace_hits", "keyspace_misses",
    ],
    "cpu": ["used_cpu_sys", "used_cpu_user"],
}


def prepare(raw):
    raw("FLUSHALL")
    for n in range(1, 6):
        raw("XADD", "orders", f"{n}-0", "n", n, "text", "\u00fc")
    raw("SET", "counter", "1", "EX", 100)


def connecting(raw):
    equal(raw("CLIENT", "SETNAME", "redisinsight-common-0a1b2c3d"), "OK")
    holds("cluster_enabled:0" in raw("INFO"), "INFO without a section has cluster_enabled")
    modules = raw("MODULE", "LIST")
    holds(isinstance(modules, list), f"modules {modules!r}")
    names = raw("COMMAND", "INFO", "ft.info", "json.get", "xadd")
    equal([row and row[0] for row in names], [None, None, "xadd"], "commands of modules")
    equal(raw("CONFIG", "GET", "databases"), ["databases", "16"])
    equal(raw("DBSIZE"), 2)


def overview(raw):
    sections = info_sections(raw("INFO"))
    for section, names in OVERVIEW.items():
        for name in names:
            holds(name in sections[section], f"{name} in {section}")
            if name != "redis_version":
                holds(float(sections[section][name]) >= 0, f"{name} is a number")
    equal(sections["replication"]["role"], "master")
    equal(settings(sections["keyspace"]["db0"])["keys"], "2")


def browsing_keys(raw):
    cursor, keys = raw("SCAN", "0", "MATCH", "*", "COUNT", 10000)
    equal((cursor, sorted(keys)), ("0", ["counter", "orders"]))
    equal(raw("SCAN", "0", "MATCH", "*", "COUNT", 10000, "TYPE", "stream"), ["0", ["orders"]])
    ask = ("TTL", "MEMORY", "TYPE")
    replies = raw.pipeline(*[
        {"TTL": ("TTL", key), "MEMORY": ("MEMORY", "USAGE", key, "SAMPLES", 0),
         "TYPE": ("TYPE", key)}[what] for key in ("orders", "counter") for what in ask
    ])
    equal((replies[0], replies[2], replies[5]), (-1, "stream", "string"))
    holds(replies[1] > 0 and replies[4] > 0 and 0 < replies[3] <= 100, f"{replies}")


def browsing_a_stream(raw):
    equal(raw("EXISTS", "orders"), 1)
    info = pairs(raw("XINFO", "STREAM", "orders"))
    equal((info["length"], info["first-entry"][0], info["last-entry"][0]), (5, "1-0", "5-0"))
    newest = raw("XREVRANGE", "orders", "+", "-", "COUNT", 2)
    equal(newest, [[f"{n}-0", ["n", str(n), "text", "\u00fc"]] for n in (5, 4)])
    equal([row[0] for row in raw("XRANGE", "orders", "-", "+", "COUNT", 500)][0], "1-0")
    added = raw.pipeline(("XADD", "orders", "*", "n", 6), ("XADD", "orders", "1-0", "n", 7))
    holds("equal or smaller" in str(added[1]), f"{added}")
    equal(raw("XDEL", "orders", added[0]), 1)


def groups_and_consumers(raw):
    replies = raw.pipeline(
        ("XGROUP", "CREATE", "orders", "crew", "0"), ("XGROUP", "CREATE", "orders", "crew", "0")
    )
    equal(replies[0], "OK")
    holds("BUSYGROUP" in str(replies[1]), f"{replies}")
    raw("XREADGROUP", "GROUP", "crew", "a", "COUNT", 3, "STREAMS", "orders", ">")
    (row,) = raw("XINFO", "GROUPS", "orders")
    equal(row[:8], ["name", "crew", "consumers", 1, "pending", 3, "last-delivered-id", "3-0"])
    (row,) = raw("XINFO", "CONSUMERS", "orders", "crew")
    equal((row[1], row[3]), ("a", 3))
    holds(row[5] >= 0, "idle is the sixth value")
    rows = raw("XPENDING", "orders", "crew", "-", "+", 200, "a")
    wanted = [(f"{n}-0", "a", 1) for n in (1, 2, 3)]
    equal([(id, name, count) for id, name, _, count in rows], wanted)
    claim = ("XCLAIM", "orders", "crew", "b", 0, "1-0", "idle", 5000, "retrycount", 7)
    equal(raw(*claim, "force", "justid"), ["1-0"])
    ((id, name, idle, count),) = raw("XPENDING", "orders", "crew", "-", "+", 200, "b")
    equal((id, name, count), ("1-0", "b", 7))
    holds(idle >= 5000, f"idle {idle}")
    equal(raw("XACK", "orders", "crew", "1-0", "2-0"), 2)
    equal(raw("XGROUP", "SETID", "orders", "crew", "$"), "OK")
    equal(raw.pipeline(("XGROUP", "DELCONSUMER", "orders", "crew", "a")), [1])
    equal(raw.pipeline(("XGROUP", "DESTROY", "orders", "crew")), [1])


def slow_log(raw):
    config = pairs(raw("CONFIG", "GET", "slowlog*"))
    holds({"slowlog-max-len", "slowlog-log-slower-than"} <= config.keys(), f"{config}")
    equal(raw("CONFIG", "SET", "slowlog-log-slower-than", 0), "OK")
    raw("XLEN", "orders")
    rows = raw("SLOWLOG", "GET", 50)
    raw("CONFIG", "SET", "slowlog-log-slower-than", config["slowlog-log-slower-than"])
    row = next(row for row in rows if row[3] == ["XLEN", "orders"])
    equal(len(row), 6)
    holds(row[4].startswith("127.0.0.1:") and row[5].startswith("redisinsight"), f"{row}")
    holds(raw("SLOWLOG", "LEN") >= 2, "length")
    equal(raw("SLOWLOG", "RESET"), "OK")


def profiler(raw):
    """MONITOR, while the browser goes on with its own connection."""
    with socket.create_connection((HOST, PORT), 5) as connection:
        lines = connection.makefile("r", encoding="utf-8", newline="\r\n")
        connection.sendall(b"*1\r\n$7\r\nmonitor\r\n")
        equal(lines.readline(), "+OK\r\n")
        raw("XLEN", "orders")
        line = lines.readline()
    moment, _, rest = line[1:].partition(" ")
    holds(line.startswith("+") and moment.replace(".", "").isdigit(), line)
    holds(rest.startswith("[0 127.0.0.1:"), line)
    equal(rest.split("] ", 1)[1], '"XLEN" "orders"\r\n')


def changing_keys(raw):
    equal(raw("RENAMENX", "counter", "count"), 1)
    equal((raw("EXPIRE", "count", 50), raw("PERSIST", "count"), raw("TTL", "count")), (1, 1, -1))
    equal(raw("SET", "count", "2", "KEEPTTL"), "OK")
    equal(raw.pipeline(("UNLINK", "count"), ("DEL", "orders")), [1, 1])
    rows = [line for line in raw("CLIENT", "LIST").splitlines() if "redisinsight" in line]
    equal(len(rows), 1)


CHECKS = [
    connecting, overview, browsing_keys, browsing_a_stream, groups_and_consumers, slow_log,
    profiler, changing_keys,
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
