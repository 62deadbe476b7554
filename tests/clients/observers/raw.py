"""A connection that shows replies as they are on the wire, for the observers' own parsers."""

import os
import re

import redis

HOST = os.environ["MILLSTREAM_TEST_HOST"]
PORT = int(os.environ["MILLSTREAM_TEST_PORT"])


class Raw:
    """`raw(word, ...)` sends one command and returns its reply, strings decoded."""

    def __init__(self, protocol=2, **options):
        self.client = redis.Redis(
            host=HOST, port=PORT, protocol=protocol, decode_responses=True, **options
        )
        # Without these, redis-py hands replies out as it parsed them.
        self.client.response_callbacks.clear()

    def __call__(self, *words):
        return self.client.execute_command(*words)

    def pipeline(self, *commands):
        """The replies to several commands that are sent at once; errors are among them."""
        pipe = self.client.pipeline(transaction=False)
        for words in commands:
            pipe.execute_command(*words)
        return pipe.execute(raise_on_error=False)


def pairs(flat):
    """A flat reply of names and values as a dict."""
    return dict(zip(flat[::2], flat[1::2]))


def info_sections(text):
    """INFO as {section: {field: text}}; sections are known by their `# ` line."""
    sections = {}
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("# "):
            section = sections.setdefault(line[2:].lower(), {})
        elif ":" in line:
            name, value = line.split(":", 1)
            section[name] = value
    return sections


def settings(text, between=","):
    """`a=1,b=2` as a dict."""
    return dict(re.findall(rf"([^=]+)=([^{between}]*){between}?", text))
