"""Random steps of one client: the words to send and what they do to its ledger."""

import time
from dataclasses import dataclass
from typing import Callable

from durability.ledger import GROUP

CONSUMERS = ["ann", "bob", "cem"]
KEEP = 80


@dataclass
class Step:
    """Commands that are sent as they stand; more than one go in one MULTI/EXEC."""

    name: str
    commands: list
    effect: Callable

    def send(self, client):
        if len(self.commands) == 1:
            return client.execute_command(*self.commands[0])
        pipe = client.pipeline(transaction=True)
        for words in self.commands:
            pipe.execute_command(*words)
        return pipe.execute()


def text(n):
    return f"{n}-0"


def preparation(ledger):
    """The first step of every ledger: the group must exist before anything is read."""
    create = ["XGROUP", "CREATE", ledger.stream, GROUP, "0", "MKSTREAM"]
    return Step("create group", [create], lambda _: None)


def add(ledger, rng):
    n = ledger.next_id
    value = "x" * rng.choice([1, 10, 100, 3000]) + str(rng.randrange(1000))
    words = ["XADD", ledger.stream, text(n), "v", value]
    return Step("add", [words], lambda own: own.add(n, value))


def add_and_trim(ledger, rng):
    n = ledger.next_id
    value = str(rng.randrange(1000))
    words = ["XADD", ledger.stream, "MAXLEN", "=", KEEP, text(n), "v", value]
    return Step("add and trim", [words], lambda own: own.add(n, value, KEEP))


def add_many(ledger, rng):
    first = ledger.next_id
    ids = range(first, first + rng.randint(2, 20))
    words = [["XADD", ledger.stream, text(n), "v", str(n)] for n in ids]

    def effect(own):
        for n in ids:
            own.add(n, str(n))

    return Step("add many in EXEC", words, effect)


def remove(ledger, rng):
    if not ledger.entries:
        return None
    n = rng.choice(sorted(ledger.entries))
    return Step("delete", [["XDEL", ledger.stream, text(n)]], lambda own: own.entries.pop(n, None))


def read(ledger, rng):
    if not ledger.consumers:
        return None
    consumer, count = rng.choice(sorted(ledger.consumers)), rng.randint(1, 10)
    words = ["XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count]
    words += ["STREAMS", ledger.stream, ">"]
    return Step("read", [words], lambda own: own.deliver(consumer, count))


def read_history(ledger, rng):
    if not ledger.consumers:
        return None
    consumer, count = rng.choice(sorted(ledger.consumers)), rng.randint(1, 5)
    words = ["XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count]
    words += ["STREAMS", ledger.stream, "0"]
    return Step("read history", [words], lambda own: own.redeliver(consumer, count))


def acknowledge(ledger, rng):
    if not ledger.pending:
        return None
    ids = rng.sample(sorted(ledger.pending), min(len(ledger.pending), rng.randint(1, 5)))
    words = ["XACK", ledger.stream, GROUP, *map(text, ids)]
    return Step("acknowledge", [words], lambda own: own.acknowledge(ids))


def claim(ledger, rng):
    return claim_as(ledger, rng, sorted(ledger.consumers))


def claim_as_anybody(ledger, rng):
    """The consumer may be new, and is there afterwards even if it got nothing."""
    return claim_as(ledger, rng, CONSUMERS)


def claim_as(ledger, rng, consumers):
    if not ledger.pending or not consumers:
        return None
    consumer = rng.choice(consumers)
    ids = rng.sample(sorted(ledger.pending), min(len(ledger.pending), 2))
    words = ["XCLAIM", ledger.stream, GROUP, consumer, 0, *map(text, ids)]
    return Step("claim", [words], lambda own: own.claim(consumer, ids))


def give_back(ledger, rng):
    if not ledger.owned():
        return None
    ids = rng.sample(sorted(ledger.owned()), 1)
    words = ["XNACK", ledger.stream, GROUP, "FAIL", "IDS", len(ids), *map(text, ids)]
    return Step("give back", [words], lambda own: own.give_back(ids))


def make_consumer(ledger, rng):
    consumer = rng.choice(CONSUMERS)
    words = ["XGROUP", "CREATECONSUMER", ledger.stream, GROUP, consumer]
    return Step("make consumer", [words], lambda own: own.consumers.add(consumer))


def drop_consumer(ledger, rng):
    if len(ledger.consumers) < 2 or rng.random() < 0.8:
        return None
    consumer = rng.choice(sorted(ledger.consumers))
    words = ["XGROUP", "DELCONSUMER", ledger.stream, GROUP, consumer]
    return Step("drop consumer", [words], lambda own: own.drop_consumer(consumer))


def finish(ledger, rng):
    """Acknowledge and produce the result in one transaction: both or neither."""
    if not ledger.pending:
        return None
    n = rng.choice(sorted(ledger.pending))
    result = len(ledger.done) + 1
    words = [
        ["XACK", ledger.stream, GROUP, text(n)],
        ["XADD", ledger.done_stream, text(result), "order", str(n)],
        ["INCR", f"count:{ledger.number}"],
    ]

    def effect(own):
        own.acknowledge([n])
        own.done.append(n)
        own.strings[f"count:{own.number}"] = str(len(own.done))

    return Step("finish in EXEC", words, effect)


def set_text(ledger, rng):
    key, value = f"text:{ledger.number}:{rng.randrange(5)}", str(rng.randrange(10**9))

    def effect(own):
        own.strings[key] = value

    return Step("set", [["SET", key, value]], effect)


def delete_text(ledger, rng):
    key = f"text:{ledger.number}:{rng.randrange(5)}"
    return Step("delete key", [["DEL", key]], lambda own: own.strings.pop(key, None))


def set_with_deadline(ledger, rng):
    """A string that expires: some before the crash, some during it, some never in this test."""
    number = ledger.next_key
    key = f"lease:{ledger.number}:{number}"
    deadline_ms = int(time.time() * 1000) + rng.choice([50, 400, 3_600_000])
    words = [["SET", key, str(number)], ["PEXPIREAT", key, deadline_ms]]

    def effect(own):
        own.next_key = number + 1
        own.strings[key] = str(number)
        own.deadlines_ms[key] = deadline_ms

    return Step("set with deadline", words, effect)


# A real Redis logs neither history reads nor a consumer made by a claim that got nothing, and the
# one we test against has no XNACK.
ONLY_OURS = [read_history, give_back, claim_as_anybody]
COMMON = [
    add, add, add, add_and_trim, add_many, remove, read, read, acknowledge, acknowledge, claim,
    make_consumer, drop_consumer, finish, finish, set_text, delete_text, set_with_deadline,
]


def choose(ledger, rng, is_redis):
    """The next step; one that makes no sense now is drawn again."""
    kinds = COMMON if is_redis else COMMON + ONLY_OURS
    for _ in range(100):
        step = rng.choice(kinds)(ledger, rng)
        if step:
            return step
    return add(ledger, rng)
