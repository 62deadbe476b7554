"""What KEDA's redis-streams scaler asks, through go-redis: RESP3, maps whose names are all known.

Three ways of scaling: pending entries (XPENDING), length (XLEN) and lag (XINFO GROUPS). go-redis
refuses a group with a name that it does not know, so the set of names is part of the contract.
"""

import sys

from harness.checks import Reporter, equal, holds
from raw import Raw, info_sections

KNOWN = {"name", "consumers", "pending", "last-delivered-id", "entries-read", "lag"}


def connection(raw):
    """HELLO comes first, then a pipeline whose errors go-redis ignores."""
    hello = raw("HELLO", "3")
    holds({"server", "version", "proto", "id", "mode", "role", "modules"} <= hello.keys(), hello)
    replies = raw.pipeline(
        ("CLIENT", "SETINFO", "LIB-NAME", "go-redis(,go1.24)"),
        ("CLIENT", "SETINFO", "LIB-VER", "9.16.0"),
        ("PING",),
    )
    equal(replies, ["OK", "OK", "PONG"])


def version(raw):
    """The lag is asked of servers from 7 on."""
    major = int(info_sections(raw("INFO", "server"))["server"]["redis_version"].split(".")[0])
    holds(major >= 7, f"major version {major}")


def group(raw, name):
    for row in raw("XINFO", "GROUPS", "work"):
        equal(set(row) - KNOWN, set(), "names that go-redis does not know")
        if row["name"] == name:
            return row
    raise AssertionError(f"group {name} is not listed")


def pending(raw):
    count, lowest, highest, consumers = raw("XPENDING", "work", "workers")
    if count:
        holds(lowest and highest and sum(int(row[1]) for row in consumers) == count, "summary")
    return count


def scaling_up_and_down(raw):
    """The three measures, from an empty stream over a backlog to an empty stream again."""
    raw("FLUSHALL")
    raw("XGROUP", "CREATE", "work", "workers", "$", "MKSTREAM")
    raw("XGROUP", "CREATE", "work", "others", "$")

    def measures():
        row = group(raw, "workers")
        return row["lag"], pending(raw), row["pending"], raw("XLEN", "work")

    equal(measures(), (0, 0, 0, 0), "nothing to do")
    for n in range(20):
        raw("XADD", "work", "*", "n", n)
    equal(measures(), (20, 0, 0, 20), "a backlog")
    reply = raw("XREADGROUP", "GROUP", "workers", "a", "COUNT", 8, "STREAMS", "work", ">")
    ids = [entry[0] for entry in reply["work"]]
    equal(measures(), (12, 8, 8, 20), "some are worked on")
    raw("XACK", "work", "workers", *ids)
    equal(measures(), (12, 0, 0, 20), "and done")
    reply = raw("XREADGROUP", "GROUP", "workers", "b", "STREAMS", "work", ">")
    ids = [entry[0] for entry in reply["work"]]
    equal((raw("XACK", "work", "workers", *ids), raw("XDEL", "work", *ids)), (12, 12))
    equal(measures(), (0, 0, 0, 8), "all are done, and those acknowledged last are deleted")
    equal(group(raw, "others")["pending"], 0)


def a_lag_that_nobody_knows(raw):
    """After a deletion in the middle Redis answers nil, which go-redis reads as zero."""
    raw("FLUSHALL")
    for n in range(1, 6):
        raw("XADD", "work", f"{n}-0", "n", n)
    raw("XGROUP", "CREATE", "work", "workers", "2-0")
    raw("XDEL", "work", "4-0")
    equal(group(raw, "workers")["lag"], None)


def nothing_there(raw):
    raw("FLUSHALL")
    equal(raw("XLEN", "work"), 0)
    for words, text in [
        (("XINFO", "GROUPS", "work"), "no such key"),
        (("XPENDING", "work", "workers"), "NOGROUP"),
    ]:
        try:
            raw(*words)
        except Exception as error:
            holds(text in str(error), f"{words}: {error}")
        else:
            raise AssertionError(f"{words} was answered")


CHECKS = [connection, version, scaling_up_and_down, a_lag_that_nobody_knows, nothing_there]


def main():
    report = Reporter()
    raw = Raw(protocol=3)
    for check in CHECKS:
        report.run(check.__name__.replace("_", " "), lambda: check(raw))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
