"""Runs the workers of examples/ and accounts for every order.

    orders.py python|node|rust

Workers of one language on one server: some orders fail once, some always, one worker is killed
with its order, one is told to stop within an order, and the server itself is killed under load.
Nobody here claims, counts or moves anything: the group does.
"""

import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import redis

from harness import tooling, waiting
from harness.checks import Reporter, equal, holds
from harness.servers import Launcher

EXAMPLES = tooling.WORKSPACE / "examples"
SCRATCH = pathlib.Path(os.environ["MILLSTREAM_TEST_SCRATCH"])
STREAM, GROUP, LETTERS = "orders:stream", "order-processors", "orders:stream:dlq"
# As examples/README.md and all three workers have it.
POLICY = {
    "VISIBILITY": 30000, "MAXDELIVERIES": 4, "BACKOFF": "1000 2 60000", "JITTER": 20,
    "CONSUMERTTL": 86400000,
}
# What an operator sets here, so that nothing takes long. No worker knows of it.
QUICKER = "VISIBILITY 1500 BACKOFF 50 2 400".split()
DELIVERIES_MAX = 4
N_ORDERS = 60
N_CRASHES = 4
LIMIT_S = 120


def command(language):
    if language == "python":
        return [sys.executable, str(EXAMPLES / "python/worker.py")]
    if language == "node":
        return ["node", str(EXAMPLES / "node/worker.js")]
    return [os.environ["ORDER_WORKER"]]


def fails(number):
    """How often an order fails: every fifth once, every seventh always."""
    return 99 if number % 7 == 6 else 1 if number % 5 == 4 else 0


class Workers:
    """The processes of one run with what they print; ends what it started."""

    def __init__(self, language, port):
        self.command = command(language)
        self.environment = os.environ | {"REDIS_URL": f"redis://127.0.0.1:{port}"}
        self.processes = {}

    def start(self, name, order_seconds=0.01):
        with self.output_path(name).open("wb") as output:
            self.processes[name] = subprocess.Popen(
                [*self.command, name],
                env=self.environment | {"ORDER_SECONDS": str(order_seconds)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self.processes[name]

    def output_path(self, name):
        return SCRATCH / f"{name}.out"

    def output(self, name):
        return self.output_path(name).read_text()

    def lines(self, pattern):
        """All matches of the pattern, whoever printed them."""
        texts = [self.output(name) for name in self.processes]
        return [match for text in texts for match in re.findall(pattern, text, re.MULTILINE)]

    def stop(self, *names):
        for name in names:
            self.processes[name].send_signal(signal.SIGTERM)
        for name in names:
            code = self.processes[name].wait(10)
            equal(code, 0, f"exit code of {name}, which said {self.output(name)}")

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)


class Run:
    """The checks, in order; each relies on the one before."""

    def __init__(self, language, launcher):
        self.launcher = launcher
        self.server = launcher.start(SCRATCH / "data")
        self.workers = Workers(language, self.server.port)
        self.connect()
        self.n_added = 0

    def connect(self):
        port = self.server.port
        self.store = redis.Redis(host="127.0.0.1", port=port, decode_responses=True, protocol=3)

    def end(self):
        self.workers.end()
        self.server.kill()

    def add(self, count):
        for number in range(self.n_added, self.n_added + count):
            order = {"order_id": number, "amount": f"{number}.90", "fails": fails(number)}
            self.store.xadd(STREAM, order)
        self.n_added += count

    def group(self):
        return self.store.xinfo_groups(STREAM)[0]

    def is_finished(self):
        group = self.group()
        return (group["lag"], group["pending"]) == (0, 0)

    def owner_of_all(self, consumer):
        """Whether this consumer has one order, and nobody has another."""
        rows = self.store.xpending_range(STREAM, GROUP, "-", "+", 10)
        return [row["consumer"] for row in rows] == [consumer]

    def the_first_worker_makes_the_group(self):
        self.workers.start("first")
        waiting.until(lambda: self.store.exists(STREAM), LIMIT_S, "a stream")
        waiting.until(lambda: self.store.xinfo_groups(STREAM), LIMIT_S, "a group")
        waiting.until(lambda: self.store.xinfo_consumers(STREAM, GROUP), LIMIT_S, "a consumer")
        shown = self.store.execute_command("XGROUP", "CFGGET", STREAM, GROUP)
        equal({item: shown[item] for item in POLICY}, POLICY)
        self.store.execute_command("XGROUP", "CFGSET", STREAM, GROUP, *QUICKER)
        self.workers.stop("first")

    def a_worker_is_killed_with_its_order(self):
        victim = self.workers.start("victim", order_seconds=60)
        self.add(1)
        waiting.until(lambda: self.owner_of_all("victim"), LIMIT_S, "the victim has an order")
        waiting.until(lambda: self.workers.lines(r"^Processing order 0 "), LIMIT_S, "it is at it")
        victim.kill()
        victim.wait(10)
        holds(self.owner_of_all("victim"), "its order stays pending")

    def the_others_finish_everything(self):
        names = [f"worker-{number}" for number in range(3)]
        for name in names:
            self.workers.start(name)
        self.add(N_ORDERS - 1)
        waiting.until(self.is_finished, LIMIT_S, "no order is left")
        self.workers.stop(*names)
        shown = self.store.execute_command("XGROUP", "CFGGET", STREAM, GROUP)
        equal(shown["BACKOFF"], "50 2 400", "later workers leave the policy as it is")

    def every_order_has_the_end_it_must_have(self):
        good = [n for n in range(N_ORDERS) if fails(n) < DELIVERIES_MAX]
        bad = [n for n in range(N_ORDERS) if fails(n) >= DELIVERIES_MAX]
        done = collections.Counter(map(int, self.workers.lines(r"^Processed order (\d+)$")))
        equal(done, collections.Counter(good), "orders processed, each once")
        expected = collections.Counter({n: min(fails(n), DELIVERIES_MAX) for n in good + bad})
        failed = self.workers.lines(r"^Failed order (\d+): payment service is down$")
        equal(collections.Counter(map(int, failed)), +expected, "failures")
        begun = collections.Counter(map(int, self.workers.lines(r"^Processing order (\d+) for \$")))
        attempts = collections.Counter(good) + expected
        attempts[0] += 1
        equal(begun, attempts, "attempts; one more at the order of whoever was killed")
        self.check_letters(bad)
        group = self.group()
        counted = {name: group[name] for name in ("delivered", "acked", "nacked", "dead-lettered")}
        equal(counted, {
            "delivered": N_ORDERS, "acked": len(good), "nacked": len(failed),
            "dead-lettered": len(bad),
        })

    def check_letters(self, bad):
        letters = [fields for _, fields in self.store.xrange(LETTERS)]
        orders = [json.loads(letter["original_data"]) for letter in letters]
        equal(sorted(int(order["order_id"]) for order in orders), bad, "dead letters")
        entries = dict(self.store.xrange(STREAM))
        for letter, order in zip(letters, orders):
            equal(order, entries[letter["original_id"]], "a letter has the order as it was")
            told = [letter[name] for name in ("delivery_count", "reason", "error")]
            equal(told, [str(DELIVERIES_MAX), "max-deliveries", "payment service is down"])
            holds(letter["consumer"].startswith("worker-"), letter["consumer"])

    def told_to_stop_it_finishes_its_order(self):
        equal(fails(self.n_added), 0)
        worker = self.workers.start("leaving", order_seconds=1)
        self.add(1)
        waiting.until(lambda: self.owner_of_all("leaving"), LIMIT_S, "it has an order")
        holds(worker.poll() is None, "it works")
        self.workers.stop("leaving")
        holds(self.is_finished(), "it was finished first")
        equal(self.workers.lines(r"^Processed order (\d+)$")[-1], str(N_ORDERS))

    def the_server_is_killed_under_load(self):
        names = [f"survivor-{number}" for number in range(3)]
        before = self.group()
        for name in names[:2]:
            self.workers.start(name, order_seconds=0.03)
        n_before = self.n_added
        for crash in range(N_CRASHES):
            self.add(20)
            waiting.until(lambda: self.group()["pending"] > 1, LIMIT_S, "orders in work")
            self.server.kill()
            if crash == 0:
                # This one finds no server when it starts.
                self.workers.start(names[2], order_seconds=0.03)
                said = self.workers.output
                waiting.until(lambda: "Waiting" in said(names[2]), LIMIT_S, "it waits")
            self.server = self.launcher.start(SCRATCH / "data", port=self.server.port)
            self.connect()
        waiting.until(self.is_finished, LIMIT_S, "no order is left")
        self.workers.stop(*names)
        numbers = range(n_before, self.n_added)
        bad = [n for n in range(self.n_added) if fails(n) >= DELIVERIES_MAX]
        self.check_fates(numbers, before)
        self.check_numbers(bad)

    def check_fates(self, numbers, before):
        """The server's own account: what a worker printed last may have been lost with it."""
        good = [n for n in numbers if fails(n) < DELIVERIES_MAX]
        group = self.group()
        equal(group["acked"] - before["acked"], len(good), "orders acknowledged")
        equal(group["delivered"] - before["delivered"], len(numbers), "orders handed out")
        begun = set(map(int, self.workers.lines(r"^Processing order (\d+) for \$")))
        holds(set(numbers) <= begun, "every order was tried")

    def check_numbers(self, bad):
        letters = [fields for _, fields in self.store.xrange(LETTERS)]
        orders = [json.loads(letter["original_data"])["order_id"] for letter in letters]
        equal(sorted(map(int, orders)), bad, "dead letters, each once")


def main():
    language = sys.argv[1]
    report = Reporter()
    run = Run(language, Launcher.from_environment())
    steps = [
        run.the_first_worker_makes_the_group,
        run.a_worker_is_killed_with_its_order,
        run.the_others_finish_everything,
        run.every_order_has_the_end_it_must_have,
        run.told_to_stop_it_finishes_its_order,
        run.the_server_is_killed_under_load,
    ]
    try:
        for step in steps:
            report.run(f"{language}: {step.__name__.replace('_', ' ')}", step)
    finally:
        run.end()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
