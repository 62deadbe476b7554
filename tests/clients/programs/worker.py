"""A small job system on one stream, as its users would write it with redis-py.

    worker.py produce COUNT          adds COUNT jobs to `jobs`
    worker.py work NAME              handles jobs as consumer NAME until SIGTERM
    worker.py stall NAME             takes some jobs and never finishes them

A job is done by adding its result and acknowledging it in one transaction. A job that fails stays
pending; whoever finds it idle long enough takes it over, and the third failure sends it to
`jobs:dead`. worker.js is the same program for node; check.py runs both.
"""

import os
import signal
import sys
import time

import redis

STREAM, GROUP = "jobs", "crew"
RESULTS, DEAD = "jobs:results", "jobs:dead"
IDLE_MS = 300
DELIVERIES_MAX = 3
KINDS = ["plain", "plain", "plain", "flaky", "plain", "broken", "plain"]


def connect():
    return redis.Redis(
        host=os.environ["MILLSTREAM_TEST_HOST"],
        port=int(os.environ["MILLSTREAM_TEST_PORT"]),
        decode_responses=True,
    )


def produce(store, count):
    for number in range(count):
        store.xadd(STREAM, {"number": number, "kind": KINDS[number % len(KINDS)]})


def handle(job, delivery):
    """Raises when the job fails: a flaky one succeeds at its third delivery, a broken one never."""
    if job["kind"] == "broken" or (job["kind"] == "flaky" and delivery < 3):
        raise ValueError(f"job {job['number']} failed at delivery {delivery}")
    time.sleep(0.002)


class Worker:
    def __init__(self, store, name):
        self.store = store
        self.name = name
        self.running = True

    def run(self):
        while self.running:
            reply = self.store.xreadgroup(GROUP, self.name, {STREAM: ">"}, count=5, block=100)
            for id, job in reply[0][1] if reply else []:
                self.attempt(id, job, 1)
            self.take_over()

    def take_over(self):
        """Retries what has been idle too long, whoever read it last."""
        _, jobs, _ = self.store.xautoclaim(STREAM, GROUP, self.name, IDLE_MS, count=5)
        for id, job in jobs:
            row = self.store.xpending_range(STREAM, GROUP, id, id, 1)
            self.attempt(id, job, row[0]["times_delivered"])

    def attempt(self, id, job, delivery):
        try:
            handle(job, delivery)
        except ValueError as failure:
            if delivery >= DELIVERIES_MAX:
                letter = job | {"id": id, "reason": str(failure), "deliveries": delivery}
                self.finish(id, DEAD, letter)
        else:
            self.finish(id, RESULTS, job | {"worker": self.name})

    def finish(self, id, stream, fields):
        with self.store.pipeline(transaction=True) as both:
            both.xadd(stream, fields)
            both.xack(STREAM, GROUP, id)
            both.execute()

    def stall(self):
        self.store.xreadgroup(GROUP, self.name, {STREAM: ">"}, count=5)
        signal.pause()


def main():
    action, argument = sys.argv[1:]
    store = connect()
    if action == "produce":
        produce(store, int(argument))
        return
    worker = Worker(store, argument)
    signal.signal(signal.SIGTERM, lambda *_: setattr(worker, "running", False))
    worker.run() if action == "work" else worker.stall()


if __name__ == "__main__":
    main()
