"""Delayed entries: appended by the server when their time has come, whatever happens before."""

import asyncio
import tempfile
import time

import redis

from harness.checks import Skip, equal, holds
from harness.servers import Launcher
from variants import newer_than_redis, streams_of

FAR = 4102444800000


def scheduled(api, *arguments):
    return api.execute_command("XSCHEDULE", *arguments)


async def values(api, key="s"):
    return [fields["v"] for _, fields in await api.xrange(key)]


async def appended_at_its_time_and_wakes_a_reader(variant, api):
    newer_than_redis()
    reader = variant.start(lambda own: own.xread({"s": "$"}, block=4000))
    await api.someone_waits()
    begun = time.monotonic()
    await scheduled(api, "ADD", "s", "DELAY", 200, "v", "later")
    equal(await api.xlen("s"), 0)
    [[_, entries]] = streams_of(await reader)
    equal([fields for _, fields in entries], [{"v": "later"}])
    holds(0.19 < time.monotonic() - begun < 2, "after its delay and soon then")


async def listed_cancelled_and_run(_variant, api):
    newer_than_redis()
    tokens = [await scheduled(api, "ADD", "s", "AT", FAR + n % 2, "v", n) for n in range(4)]
    cursor, entries = await scheduled(api, "LIST", "s", "COUNT", 3)
    equal([entry[0] for entry in entries], [tokens[0], tokens[2], tokens[1]])
    equal(entries[0], [tokens[0], FAR, ["v", "0"]])
    equal(cursor, tokens[1])
    equal(await scheduled(api, "LIST", "s", "CURSOR", cursor), ["0", [[tokens[3], FAR + 1, ["v", "3"]]]])
    equal(await scheduled(api, "CANCEL", "s", tokens[2], tokens[2]), 1)
    equal(await scheduled(api, "RUN", "s", tokens[3], tokens[2], tokens[0]), 2)
    equal(await values(api), ["3", "0"])
    await api.fails("token", "execute_command", "XSCHEDULE", "CANCEL", "s", "yesterday")


async def in_a_pipeline_and_in_order(_variant, api):
    newer_than_redis()
    count = 500
    for n in range(count):
        await scheduled(api, "ADD", "s", "DELAY", 100, "v", n)
    deadline = time.monotonic() + 5
    while await api.xlen("s") < count:
        holds(time.monotonic() < deadline, "all fire")
        await asyncio.sleep(0.02)
    equal(await values(api), [str(n) for n in range(count)])


async def kept_over_kill_9(variant, _api):
    newer_than_redis()
    if str(variant) != "sync default str":
        raise Skip("once is enough")
    launcher = Launcher.from_environment()
    with tempfile.TemporaryDirectory() as directory:
        server = launcher.start(directory)
        client = redis.Redis(*server.address, decode_responses=True)
        tokens = [client.execute_command("XSCHEDULE", "ADD", "s", "DELAY", 600, "v", n) for n in range(50)]
        keeps = client.execute_command("XSCHEDULE", "ADD", "s", "AT", FAR, "v", "far")
        client.execute_command("XSCHEDULE", "CANCEL", "s", tokens[7])
        server.kill()
        time.sleep(0.7)
        server = launcher.start(directory)
        try:
            client = redis.Redis(*server.address, decode_responses=True)
            deadline = time.monotonic() + 5
            while client.xlen("s") < 49 and time.monotonic() < deadline:
                time.sleep(0.01)
            found = [fields["v"] for _, fields in client.xrange("s")]
            equal(found, [str(n) for n in range(50) if n != 7])
            [_, waiting] = client.execute_command("XSCHEDULE", "LIST", "s")
            equal([entry[0] for entry in waiting], [keeps])
        finally:
            server.kill()


CHECKS = [
    appended_at_its_time_and_wakes_a_reader,
    listed_cancelled_and_run,
    in_a_pipeline_and_in_order,
    kept_over_kill_9,
]
