"""Comparison of one thread's ledger with what the server shows after a restart."""

import time

from durability.ledger import GROUP


def number(id):
    ms, seq = id.split("-")
    if seq != "0":
        raise AssertionError(f"nobody added {id}")
    return int(ms)


def entries_of(client, stream, name):
    rows = client.xrange(stream)
    return [(number(id), fields.get(name)) for id, fields in rows]


# How far the server's clock reading for a command may lie from ours around it.
CLOCK_SLACK_MS = 5


def settle(client, ledger, lost_step):
    """Returns the ledger that the server's state equals: without or with the lost step.

    Fails with every difference if it is neither.
    """
    before = differences(client, ledger)
    if not before:
        return ledger
    if lost_step is None:
        raise AssertionError(f"thread {ledger.number}: " + "; ".join(before))
    other = ledger.after(lost_step)
    after = differences(client, other)
    if after:
        raise AssertionError(
            f"thread {ledger.number}: without lost step '{lost_step.name}': "
            + "; ".join(before) + " -- with it: " + "; ".join(after)
        )
    return other


def differences(client, ledger):
    """Every way in which the server differs from the ledger, as short sentences."""
    found = []

    def compare(what, shown, expected):
        if shown != expected:
            found.append(f"{what}: {contrast(shown, expected)}")

    shown = entries_of(client, ledger.stream, "v")
    expected = sorted(ledger.entries.items())
    compare("entries", dict(shown), dict(expected))
    compare("order of entries", [n for n, _ in shown], sorted(ledger.entries))
    compare("results", [int(n) for _, n in entries_of(client, ledger.done_stream, "order")],
            ledger.done)
    compare_group(client, ledger, compare)
    compare_strings(client, ledger, compare)
    return found


def compare_group(client, ledger, compare):
    group = client.xinfo_groups(ledger.stream)[0]
    compare("last delivered", number(group["last-delivered-id"]), ledger.last_delivered)
    compare("pending count", group["pending"], len(ledger.pending))
    rows = client.xpending_range(ledger.stream, GROUP, "-", "+", 100_000)
    pending = {
        number(row["message_id"]): (row["consumer"], row["times_delivered"]) for row in rows
    }
    compare("pending", pending, ledger.pending)
    consumers = client.xinfo_consumers(ledger.stream, GROUP)
    compare("consumers", {one["name"] for one in consumers}, ledger.consumers)


def compare_strings(client, ledger, compare):
    for key in [f"text:{ledger.number}:{n}" for n in range(5)] + [f"count:{ledger.number}"]:
        compare(key, client.get(key), ledger.strings.get(key))
    for key, deadline_ms in ledger.deadlines_ms.items():
        begin_ms = time.time() * 1000 - CLOCK_SLACK_MS
        value, shown_deadline_ms = client.get(key), client.pexpiretime(key)
        end_ms = time.time() * 1000 + CLOCK_SLACK_MS
        if deadline_ms < begin_ms:
            compare(f"{key}, expired", value, None)
        elif deadline_ms > end_ms:
            compare(key, value, ledger.strings[key])
            compare(f"deadline of {key}", shown_deadline_ms, deadline_ms)


def contrast(shown, expected):
    """Where two values differ, as far as a person would read it."""
    if isinstance(shown, dict) and isinstance(expected, dict):
        keys = sorted(n for n in shown.keys() | expected.keys() if shown.get(n) != expected.get(n))
        rows = [f"{n}: {shown.get(n)!r:.40} not {expected.get(n)!r:.40}" for n in keys[:3]]
        return f"{len(keys)} differ: " + ", ".join(rows)
    if isinstance(shown, list) and isinstance(expected, list):
        same = zip(shown, expected)
        place = next((n for n, (a, b) in enumerate(same) if a != b), min(len(shown), len(expected)))
        return (
            f"{len(shown)} instead of {len(expected)}, from place {place}: "
            f"{shown[place:place + 4]} not {expected[place:place + 4]}"
        )
    return f"{shown!r} not {expected!r}"
