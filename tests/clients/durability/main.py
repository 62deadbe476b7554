"""What was acknowledged before `kill -9` is there afterwards, seen from clients.

Each round several threads add, read, claim and acknowledge; the server is killed at a random
moment and started again on the same directory; then everything that had been replied must be
there, and a call whose reply was lost must have happened wholly or not at all. The state goes on
from round to round. MILLSTREAM_TEST_SEED repeats a run's random choices (not its timing).
"""

import os
import random
import sys
import threading
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from durability import private, shared, steps
from durability.ledger import Ledger
from harness.checks import Reporter
from harness.servers import Launcher

ROUNDS = int(os.environ.get("MILLSTREAM_TEST_ROUNDS", "10"))
N_PRIVATE = 3
N_SHARED = 3
JOIN_LIMIT_S = 120


def connect(server):
    return redis.Redis(
        host=server.address[0],
        port=server.port,
        decode_responses=True,
        protocol=2,
        socket_timeout=15,
        # A call that is repeated behind our back would not be the call we account for.
        retry=Retry(NoBackoff(), 0),
    )


class Crash:
    """The clients of the whole test and the server they lose again and again."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.launcher = Launcher.from_environment()
        self.directory = Path(os.environ["MILLSTREAM_TEST_SCRATCH"]) / "data"
        self.ledgers = [Ledger(n) for n in range(N_PRIVATE)]
        self.lost_steps = [None] * N_PRIVATE
        self.members = [shared.Member(f"member-{n}") for n in range(N_SHARED)]
        self.server = self.start()
        client = connect(self.server)
        for ledger in self.ledgers:
            steps.preparation(ledger).send(client)
        shared.prepare(client)

    def start(self):
        return self.launcher.start(self.directory, durable=True)

    def round(self, number):
        """Work, kill, restart, compare."""
        self.stopping = threading.Event()
        self.replies = [0] * (N_PRIVATE + N_SHARED)
        self.unexpected = []
        threads = [
            threading.Thread(target=self.guard, args=(n, random.Random(self.rng.random())))
            for n in range(len(self.replies))
        ]
        life_s = self.rng.uniform(0.05, 0.8)
        for thread in threads:
            thread.start()
        time.sleep(life_s)
        self.stopping.set()
        self.server.kill()
        for thread in threads:
            thread.join(JOIN_LIMIT_S)
            if thread.is_alive():
                raise AssertionError("a client hangs although its server is gone")
        if self.unexpected:
            raise AssertionError(f"refused while running: {self.unexpected[0]}")
        twice = number % 3 == 2
        if twice:
            self.server = self.start()
            self.server.kill()
        self.server = self.start()
        self.compare()
        if sum(self.replies) == 0:
            raise AssertionError("no client got any reply")
        again = ", killed again at once" if twice else ""
        print(f"# {sum(self.replies)} replies, killed after {life_s:.2f} s{again}", flush=True)

    def guard(self, n, rng):
        """A client's life until its connection breaks."""
        client = connect(self.server)
        try:
            while True:
                if n < N_PRIVATE:
                    self.private_step(n, client, rng)
                else:
                    self.members[n - N_PRIVATE].step(client, rng)
                self.replies[n] += 1
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if not self.stopping.is_set():
                self.unexpected.append(f"connection broke before the kill: {error}")
        except Exception as error:
            self.unexpected.append(f"{type(error).__name__}: {error}")

    def private_step(self, n, client, rng):
        ledger = self.ledgers[n]
        step = steps.choose(ledger, rng, self.launcher.kind == "redis")
        self.lost_steps[n] = step
        step.send(client)
        step.effect(ledger)
        self.lost_steps[n] = None

    def compare(self):
        client = connect(self.server)
        for n, ledger in enumerate(self.ledgers):
            self.ledgers[n] = private.settle(client, ledger, self.lost_steps[n])
            self.lost_steps[n] = None
        shared.settle(client, self.members)

    def drain(self):
        shared.drain(connect(self.server), self.members)

    def orderly_stop(self):
        """After SIGTERM as well everything is as it was."""
        code = self.server.terminate()
        if code != 0:
            raise AssertionError(f"exit code {code} after SIGTERM")
        self.server = self.start()
        self.compare()


def main():
    seed = int(os.environ.get("MILLSTREAM_TEST_SEED") or random.SystemRandom().randrange(10**6))
    report = Reporter()
    crash = Crash(seed)
    try:
        rounds = [
            (f"kill -9, round {number + 1}", lambda number=number: crash.round(number))
            for number in range(ROUNDS)
        ]
        ending = [("nothing lost, nothing twice", crash.drain)]
        ending += [("orderly stop and restart", crash.orderly_stop)]
        for name, check in rounds + ending:
            # A state that is wrong once would only be reported over and over.
            if report.failed:
                report.line("skip", f"{name}: an earlier check failed")
            else:
                report.run(f"{name}, seed {seed}", check)
    finally:
        crash.server.kill()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
