"""The application of taskiq_flow.py: a broker and its tasks, as the worker's command line wants."""

import os

import taskiq_redis
import taskiq_redis_streams
from taskiq import TaskiqDepends
from taskiq.depends.progress_tracker import ProgressTracker, TaskState
from taskiq_redis_streams import RedisStreamsBroker

from common import URL

BACKENDS = {
    "taskiq-redis-streams": taskiq_redis_streams.RedisAsyncResultBackend,
    "taskiq-redis": taskiq_redis.RedisAsyncResultBackend,
}

result_backend = BACKENDS[os.environ["RESULTS_BY"]](
    URL,
    result_ex_time=3600,
    prefix_str="my-service:result",
    keep_results=os.environ["RESULTS_KEPT"] == "yes",
)
broker = RedisStreamsBroker(
    URL, queue_name="default", namespace="my-service", maxlen=10_000
).with_result_backend(result_backend)


@broker.task
async def add_one(value: int) -> int:
    return value + 1


@broker.task
async def fail() -> None:
    raise ValueError("as asked")


@broker.task
async def in_steps(progress: ProgressTracker[int] = TaskiqDepends()) -> str:
    for step in range(3):
        await progress.set_progress(TaskState.STARTED, step)
    return "done"
