"""Conditions of another process, awaited within a limit instead of slept for."""

import time

POLL_S = 0.01


def until(condition, limit_s, what):
    """Returns the first true value of `condition()`; fails with `what` after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s} s: {what}")
        time.sleep(POLL_S)
