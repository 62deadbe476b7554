"""broadcaster with its stream backend (`redis-stream://`).

The flow of its README: publish to a channel, iterate over `subscribe`. Two servers of a chat, each
with its own connection; everybody who listens gets every message once and in order.
"""

import asyncio
import sys

from broadcaster import Broadcast

import common
from harness.checks import Reporter, equal

N_MESSAGES = 40
STREAM_URL = common.URL.replace("redis://", "redis-stream://")


async def listen(broadcast, channel, count, listening):
    messages = []
    async with broadcast.subscribe(channel=channel) as subscriber:
        listening.set()
        async for event in subscriber:
            equal(event.channel, channel)
            messages.append(event.message)
            if len(messages) == count:
                return messages


async def start_listeners(servers, channel, count):
    tasks = []
    for server in servers:
        listening = asyncio.Event()
        tasks.append(asyncio.create_task(listen(server, channel, count, listening)))
        await asyncio.wait_for(listening.wait(), 10)
    return tasks


def chat_of_two_servers(store):
    async def flow():
        async with Broadcast(STREAM_URL) as one, Broadcast(STREAM_URL) as two:
            listeners = await start_listeners([one, two, two], "chatroom", N_MESSAGES)
            sent = [f"message {number} \u00fc" for number in range(N_MESSAGES)]
            for number, text in enumerate(sent):
                await (one, two)[number % 2].publish(channel="chatroom", message=text)
            for heard in await asyncio.wait_for(asyncio.gather(*listeners), 15):
                equal(heard, sent)

    asyncio.run(flow())
    equal(store.xlen("chatroom"), N_MESSAGES)


def a_listener_starts_at_the_end(store):
    for number in range(5):
        store.xadd("news", {"message": f"old {number}"})

    async def flow():
        async with Broadcast(STREAM_URL) as server:
            listeners = await start_listeners([server], "news", 2)
            await server.publish(channel="news", message="new 1")
            await server.publish(channel="news", message="new 2")
            equal(await asyncio.wait_for(listeners[0], 10), ["new 1", "new 2"])

    asyncio.run(flow())


def main():
    report = Reporter()
    store = common.connect()
    for check in [chat_of_two_servers, a_listener_starts_at_the_end]:
        store.flushall()
        report.run(check.__name__.replace("_", " "), lambda: check(store))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
