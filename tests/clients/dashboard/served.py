"""A server with its dashboard, on free ports."""

import contextlib
import os
import re
import tempfile
import time
import urllib.request

import redis

from harness.servers import Launcher, free_port

DASHBOARD = re.compile(r"dashboard on (http://127\.0\.0\.1:\d+)")


@contextlib.contextmanager
def site(*options, password=None):
    """Yields the address of a dashboard and a client of its server."""
    directory = tempfile.mkdtemp(dir=os.environ["MILLSTREAM_TEST_SCRATCH"])
    arguments = ["--admin-port", str(free_port()), *options]
    launcher = Launcher.from_environment()
    with launcher.start(directory, password=password, options=arguments) as server:
        found = [DASHBOARD.search(line) for line in server.last_lines]
        url = next(match.group(1) for match in found if match)
        client = redis.Redis(port=server.port, password=password)
        yield url, client


def ask(url):
    """The body of a page."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def until_seen(url, text, limit_s=60):
    """What is shown of streams is some seconds old."""
    end = time.monotonic() + limit_s
    while text not in ask(url):
        if time.monotonic() > end:
            raise AssertionError(f"{url} never had {text!r}")
        time.sleep(0.1)
