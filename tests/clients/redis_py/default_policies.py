"""Policies that new groups get from the configuration: plain programs have them, too."""

import pathlib
import tempfile

from harness.checks import equal, holds
from managed import becomes, create, info, letters, policy, read_ids
from own_server import own_server

ORDERS = "orders:* workers VISIBILITY 150 MAXDELIVERIES 2 DEADLETTER orders:dead"
FIRST_ONE_COUNTS = "orders:* * PAUSED 1"
OPTIONS = ("--group-policy", ORDERS, "--group-policy", FIRST_ONE_COUNTS)


async def plain_program(api, consumer):
    """One round of a program written for Redis that never claims anything: what it read."""
    reply = await api.xreadgroup("workers", consumer, {"orders:eu": ">"}, block=3000)
    entries = (reply["orders:eu"][0] if isinstance(reply, dict) else reply[0][1]) if reply else []
    return [id for id, _ in entries]


async def a_plain_program_gets_redelivery(variant, _api):
    async with own_server(variant, OPTIONS) as own:
        await own.api.xgroup_create("orders:eu", "workers", "0", mkstream=True)
        id = await own.api.xadd("orders:eu", {"order_id": "1"})
        equal(await plain_program(own.api, "dead"), [id])
        equal(await plain_program(own.api, "other"), [id], "again, without any claim")
        await becomes(lambda: own.api.xlen("orders:dead"), 1)
        equal((await letters(own.api, "orders:dead"))[0]["original_id"], id)
        shown = await policy(own.api, "orders:eu", "workers")
        expected = {"VISIBILITY": 150, "MAXDELIVERIES": 2, "DEADLETTER": "orders:dead"}
        equal({item: shown[item] for item in expected}, expected)


async def only_new_groups_that_fit(variant, _api):
    async with own_server(variant) as own:
        await own.api.xgroup_create("orders:eu", "old", "0", mkstream=True)
        api = await own.restart(options=OPTIONS)
        await api.xgroup_create("orders:eu", "workers", "0")
        await api.xgroup_create("orders:eu", "audit", "0")
        await api.xgroup_create("invoices", "workers", "0", mkstream=True)
        await create(api, "VISIBILITY", 9000, key="orders:eu", group="by-hand")
        for key, group in (("orders:eu", "old"), ("invoices", "workers")):
            holds("policy" not in await info(api, key, group), f"{group} of {key} is plain")
        equal((await policy(api, "orders:eu", "workers"))["VISIBILITY"], 150)
        equal((await policy(api, "orders:eu", "audit"))["PAUSED"], 1, "the second rule")
        by_hand = await policy(api, "orders:eu", "by-hand")
        equal((by_hand["VISIBILITY"], by_hand["PAUSED"]), (9000, 1), "CFG is on top of it")
        api = await own.restart()
        equal((await policy(api, "orders:eu", "workers"))["VISIBILITY"], 150, "it is the group's")


async def from_a_file(variant, _api):
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "millstream.toml"
        file.write_text(
            "[[group-policy]]\nstream = 'orders:*'\nvisibility = 250\nbackoff = [100, 1.5, 2000]\n"
            "[[group-policy]]\nstream = '*'\ngroup = 'slow'\nmaxdeliveries = 7\n"
        )
        async with own_server(variant, ("--config", str(file))) as own:
            await create(own.api, "JITTER", 10, key="orders:eu")
            await own.api.xgroup_create("s", "slow", "0", mkstream=True)
            shown = await policy(own.api, "orders:eu")
            expected = {"VISIBILITY": 250, "BACKOFF": "100 1.5 2000", "JITTER": 10}
            equal({item: shown[item] for item in expected}, expected)
            equal((await policy(own.api, "s", "slow"))["MAXDELIVERIES"], 7)
            equal(await read_ids(own.api, key="orders:eu"), [])


async def a_wrong_one_is_told_at_the_start(variant, _api):
    for rule in ("orders:*", "orders:* * VISIBILITY soon", "orders:* * COLOUR red"):
        try:
            async with own_server(variant, ("--group-policy", rule)):
                raise AssertionError(f"it started with '{rule}'")
        except RuntimeError as error:
            holds("group-policy" in str(error), f"what is wrong is said: {error}")


CHECKS = [
    a_plain_program_gets_redelivery,
    only_new_groups_that_fit,
    from_a_file,
    a_wrong_one_is_told_at_the_start,
]
