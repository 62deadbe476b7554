"""One face for every way of using redis-py.

A variant is (sync or asyncio) x (protocol left open, 2 or 3) x (bytes or str replies). `Api` wraps
one client so that a check can be written once: every method is awaitable, and replies are made
plain (str, lists, dicts), because what they say must not depend on the variant.
"""

import asyncio
import inspect
import itertools
import os
import time

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness.checks import Skip

HOST = os.environ["MILLSTREAM_TEST_HOST"]
PORT = int(os.environ["MILLSTREAM_TEST_PORT"])
PASSWORD = os.environ.get("MILLSTREAM_TEST_PASSWORD") or None
SOCKET = os.environ.get("MILLSTREAM_TEST_SOCKET") or None
IS_REDIS = os.environ["MILLSTREAM_TEST_KIND"] == "redis"
AWAIT_LIMIT_S = 120


def newer_than_redis():
    """Skips a check whose command the real Redis that we have does not know yet."""
    if IS_REDIS:
        raise Skip("this Redis is older than the command")


class Variant:
    """One combination; makes clients and runs calls of it."""

    def __init__(self, asynchronous, protocol, decode):
        self.asynchronous = asynchronous
        self.protocol = protocol
        self.decode = decode

    @classmethod
    def all(cls):
        return [cls(*one) for one in itertools.product((False, True), (None, 2, 3), (False, True))]

    def __str__(self):
        kind = "asyncio" if self.asynchronous else "sync"
        protocol = f"resp{self.protocol}" if self.protocol else "default"
        return f"{kind} {protocol} {'str' if self.decode else 'bytes'}"

    def client(self, **options):
        package = redis.asyncio if self.asynchronous else redis
        settings = {"host": HOST, "port": PORT, "password": PASSWORD}
        settings["decode_responses"] = self.decode
        if self.protocol:
            settings["protocol"] = self.protocol
        # A call that is repeated behind our back would hide a lost reply.
        retry = package.retry.Retry if self.asynchronous else Retry
        settings["retry"] = retry(NoBackoff(), 0)
        return package.Redis(**(settings | options))

    def api(self, **options):
        return Api(self.client(**options))

    def start(self, call, **options):
        """Runs `call(api)` beside the check on a connection of its own; await it for the reply."""
        if self.asynchronous:
            return asyncio.ensure_future(self._closing(call, options))
        return asyncio.ensure_future(
            asyncio.to_thread(lambda: asyncio.run(self._closing(call, options)))
        )

    async def _closing(self, call, options):
        api = self.api(**options)
        try:
            return await call(api)
        finally:
            await api.shut()


class Api:
    """A client whose methods are all awaitable and answer in plain Python values."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        method = getattr(self.client, name)

        async def call(*arguments, **options):
            return plain(await settled(method(*arguments, **options)))

        return call

    async def fails(self, text, method, *arguments, **options):
        """The call must be refused with an error that contains `text`."""
        try:
            reply = await getattr(self, method)(*arguments, **options)
        except redis.exceptions.ResponseError as error:
            if text not in str(error):
                raise AssertionError(f"{method}: refused with {error!s}, not {text}") from None
            return
        raise AssertionError(f"{method} answered {reply!r} instead of {text}")

    async def someone_waits(self, count=1):
        """Returns when the server says that `count` clients are blocked."""
        deadline = time.monotonic() + AWAIT_LIMIT_S
        while (await self.info("clients"))["blocked_clients"] < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"never saw {count} blocked clients")
            await asyncio.sleep(0.01)

    async def shut(self):
        asynchronous = hasattr(self.client, "aclose")
        await settled(self.client.aclose() if asynchronous else self.client.close())


async def settled(value):
    return await value if inspect.isawaitable(value) else value


def plain(value):
    """The same reply with bytes as str and tuples as lists."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def streams_of(reply):
    """XREAD's reply as [key, entries] pairs.

    With protocol=3 asked for, redis-py gives a dict whose values hold the entries in one more list.
    """
    if isinstance(reply, dict):
        return [[key, entries[0]] for key, entries in reply.items()]
    return reply


def ids_of(entries):
    return [entry[0] for entry in entries]
