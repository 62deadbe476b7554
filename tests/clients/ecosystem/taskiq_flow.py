"""taskiq on streams: the broker of taskiq-redis-streams, results by it and by taskiq-redis.

The flow of the README of taskiq-redis-streams ("Usage") and of taskiq's pages "Getting started"
(kiq, wait_result) and "Tracking task progress"; results kept by taskiq-redis as in the README of
that project. The worker is taskiq's own command line.

Not here, since they run Lua scripts: the stream broker of taskiq-redis itself (a lock around each
XAUTOCLAIM) and the recovery of a dead worker's tasks in taskiq-redis-streams.
"""

import asyncio
import importlib
import os
import pathlib
import sys

from taskiq.depends.progress_tracker import TaskState

import common
from common import Workers
from harness.checks import Reporter, equal, holds

N_TASKS = 60
WORKER = [sys.executable, "-m", "taskiq", "worker", "taskiq_app:broker", "--workers", "1"]


async def use_the_worker(app, kept):
    """What a program does that sends tasks and waits for their results."""
    await app.broker.startup()
    sent = [await app.add_one.kiq(number) for number in range(N_TASKS)]
    results = [await task.wait_result(timeout=10, check_interval=0.01) for task in sent]
    equal([result.return_value for result in results], list(range(1, N_TASKS + 1)))
    equal(any(result.is_err for result in results), False)
    equal([await task.is_ready() for task in sent], [kept] * N_TASKS, "still there when read")

    failed = await (await app.fail.kiq()).wait_result(timeout=10, check_interval=0.01)
    holds(failed.is_err and "as asked" in str(failed.error), f"the failure arrives: {failed}")

    task = await app.in_steps.kiq()
    equal((await task.wait_result(timeout=10, check_interval=0.01)).return_value, "done")
    progress = await task.get_progress()
    equal((progress.state, progress.meta), (TaskState.STARTED, 2))
    await app.broker.shutdown()


async def send_one(app):
    await app.broker.startup()
    await app.add_one.kiq(0)
    await app.broker.shutdown()
    await asyncio.sleep(0.05)


def tasks_and_results(store, backend, kept):
    directory = str(pathlib.Path(__file__).parent)
    path = f"{directory}{os.pathsep}{os.environ['PYTHONPATH']}"
    variables = {"RESULTS_BY": backend, "RESULTS_KEPT": "yes" if kept else "no"}
    os.environ.update(variables | {"PYTHONPATH": path})
    app = importlib.reload(importlib.import_module("taskiq_app"))
    broker = app.broker
    with Workers(__file__) as workers:
        workers.start("worker", command=WORKER)
        asyncio.run(use_the_worker(app, kept))
        common.until_settled(store, broker.stream_name, broker.consumer_group_name)
        equal(store.xlen(broker.stream_name), N_TASKS + 2)
        results = list(store.scan_iter("my-service:result:*", count=1000))
        holds(all(0 < store.ttl(key) <= 3600 for key in results), "results have a time to live")
        equal(len(results) >= N_TASKS, kept, f"{len(results)} results left")
        # Its listener looks for the end when a message comes.
        workers.stop("worker", while_it_ends=lambda: asyncio.run(send_one(app)))


def main():
    report = Reporter()
    store = common.connect()
    for backend, kept in [("taskiq-redis-streams", True), ("taskiq-redis", False)]:
        store.flushall()
        name = f"results by {backend}, {'kept' if kept else 'read once'}"
        report.run(name, lambda: tasks_and_results(store, backend, kept))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
