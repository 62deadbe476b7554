#!/usr/bin/env python3
"""Real clients against the server under test.

    python3 tests/clients/run.py                       the binary of this workspace
    python3 tests/clients/run.py --server redis-server a real Redis, to prove the checks themselves
    python3 tests/clients/run.py --only node           suites whose name contains a word

Every suite gets a server of its own on a free port and an empty directory, and a time limit. One
line per check, then `clients: N passed, N failed, N skipped`; the exit code is 1 if one failed.
What is installed where, and what a missing client means, is in harness/tooling.py.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from harness import tooling
from harness.checks import Tally
from harness.servers import Launcher
from suites import redis_py as tests_of_redis_py

HERE = pathlib.Path(__file__).resolve().parent
PASSWORD = "a-long-enough-secret"
# Of a program; some take minutes. What hangs is ended; how long things take is not judged here.
LIMIT_S = 600


def redis_py(context):
    context.client(tooling.python_with_redis(), "redis_py/main.py")


def redis_py_password(context):
    python = tooling.python_with_redis()
    context.client(python, "redis_py/main.py", password=PASSWORD)


def redis_py_own_tests(context):
    """The tests of streams that redis-py ships; suites/main.py runs all of its tests."""
    tests_of_redis_py.fetch()
    context.program(sys.executable, "suites/streams.py")


def unix_socket(context):
    """Every client once more, over a unix socket."""
    python = tooling.python_with_redis()
    modules = tooling.node_modules()
    scripts = [(python, "redis_py/main.py"), ("node", "node/ioredis.js")]
    scripts += [("node", "node/node_redis.js"), (sys.executable, "observers/redis_cli.py")]
    for interpreter, script in scripts:
        path = tempfile.mkdtemp(dir=context.scratch) + "/socket"
        variables = {"MILLSTREAM_TEST_SOCKET": path, "NODE_PATH": modules}
        context.client(interpreter, script, unix_socket=path, **variables)


def tls(context):
    """Clients by TLS, with and without certificates of their own."""
    if context.launcher.kind == "redis":
        context.tally.add("skip", "TLS: the real servers that can be fetched are built without it")
        return
    tooling.on_path("node", "openssl", "redis-cli")
    python = tooling.python_with_certificates()
    context.program(python, "tls/main.py", NODE_PATH=tooling.node_modules())


def ioredis(context):
    modules = tooling.node_modules()
    context.client("node", "node/ioredis.js", NODE_PATH=modules)


def node_redis(context):
    modules = tooling.node_modules()
    context.client("node", "node/node_redis.js", NODE_PATH=modules)


def command_line(context):
    tooling.on_path("redis-cli", "redis-benchmark")
    context.client(sys.executable, "cli_tools.py")


def observers(context):
    """Tools of operators: driven where they can be had, else asked and read in their way."""
    tooling.on_path("redis-cli")
    context.client(sys.executable, "observers/redis_cli.py")
    python = tooling.python_with_redis()
    for tool in ("exporter", "keda", "insight"):
        context.client(python, f"observers/{tool}.py")


def metrics(context):
    """What Prometheus reads, and what is in contrib/ for it and others."""
    if context.launcher.kind == "redis":
        context.tally.add("skip", "metrics: Redis has none")
        return
    python = tooling.python_with_prometheus()
    context.program(python, "observers/prometheus.py")
    context.program(python, "observers/metrics_elsewhere.py")


def python_workers(context):
    context.program(tooling.python_with_redis(), "programs/check.py", "python")


def node_workers(context):
    modules = tooling.node_modules()
    python = tooling.python_with_redis()
    context.program(python, "programs/check.py", "node", NODE_PATH=modules)


def examples_python(context):
    example(context, "python")


def examples_node(context):
    example(context, "node", NODE_PATH=tooling.node_modules())


def examples_rust(context):
    example(context, "rust", ORDER_WORKER=str(tooling.order_worker()))


def examples_lines(context):
    """The table of examples/README.md."""
    context.program(sys.executable, "programs/line_counts.py")


def quick_starts(context):
    """The commands of documents that readers copy."""
    if context.launcher.kind == "redis":
        context.tally.add("skip", "quick starts: they run the program of this repository")
        return
    tooling.on_path("bash", "cargo", "redis-cli", "setsid")
    python = tooling.python_with_redis()
    for document in ("README.md", "docs/fr/demarrage.md"):
        context.program(python, "quick_starts/main.py", document)


def example(context, language, **variables):
    """A worker of examples/ on a managed group, which only our server has."""
    if context.launcher.kind == "redis":
        context.tally.add("skip", f"examples {language}: Redis has no managed groups")
        return
    python = tooling.python_with_redis()
    context.program(python, "programs/orders.py", language, **variables)


def ecosystem_python(context):
    """Libraries on streams that others wrote, with their own quick starts."""
    python = tooling.python_with_libraries()
    for library in ("faststream", "taskiq", "broadcaster", "walrus", "process_redis_events"):
        context.client(python, f"ecosystem/{library}_flow.py")


def ecosystem_node(context):
    modules = tooling.node_libraries()
    for library in ("moleculer", "socketio", "redis_commander"):
        context.client("node", f"ecosystem/{library}_flow.js", NODE_PATH=modules)


def dashboard(context):
    """Its pages in a real browser, and its JSON as its own description says."""
    if context.launcher.kind == "redis":
        context.tally.add("skip", "dashboard: it is of the program of this repository")
        return
    python = tooling.python_for_dashboard()
    context.program(python, "dashboard/fuzz.py")
    tooling.on_path("chromium", "chromedriver")
    modules = tooling.accessibility_rules()
    context.program(python, "dashboard/browser.py", NODE_PATH=modules)
    context.program(python, "dashboard/browser_elsewhere.py", NODE_PATH=modules)


def durability(context):
    context.program(tooling.python_with_redis(), "durability/main.py")


def chapter(context):
    """The user's own document, named by MILLSTREAM_CHAPTER."""
    if not os.environ.get("MILLSTREAM_CHAPTER"):
        context.tally.add("skip", "chapter: MILLSTREAM_CHAPTER names no document")
        return
    try:
        modules = tooling.node_modules()
    except tooling.Missing:
        if tooling.peers_required():
            raise
        # Its Python programs can run without node; chapter.py tells what it skips.
        modules = ""
    context.program(tooling.python_with_redis(), "chapter.py", NODE_PATH=modules)


SUITES = [
    redis_py, redis_py_password, redis_py_own_tests, unix_socket, tls, ioredis, node_redis,
    command_line, observers, metrics, python_workers, node_workers, examples_python,
    examples_node, examples_rust, examples_lines, quick_starts, ecosystem_python, ecosystem_node,
    dashboard, durability, chapter,
]


class Context:
    """What a suite needs: a launcher, a tally, a scratch directory."""

    def __init__(self, launcher, tally, scratch):
        self.launcher = launcher
        self.tally = tally
        self.scratch = pathlib.Path(scratch)

    def client(self, interpreter, script, password=None, unix_socket=None, **variables):
        """Runs a client program against a fresh server."""
        directory = tempfile.mkdtemp(dir=self.scratch)
        options = {"password": password, "unix_socket": unix_socket}
        with self.launcher.start(directory, **options) as server:
            variables |= server.environment(password)
            self.program(interpreter, script, **variables)
            if server.process.poll() is not None:
                self.tally.add("not ok", f"{script}: the server ended\n{server.log()}")

    def program(self, interpreter, script, *arguments, **variables):
        """Runs a program that starts its own servers, if any, and counts the lines it prints."""
        scratch = tempfile.mkdtemp(dir=self.scratch)
        environment = os.environ | self.launcher.environment() | variables
        environment |= {"PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {"MILLSTREAM_TEST_SCRATCH": scratch}
        name = script.removesuffix(".py").removesuffix(".js")
        command = [interpreter, str(HERE / script), *arguments]
        failed_before = self.tally.failed
        code, output, error = run_bounded(command, environment)
        self.tally.take_output(name, output)
        if code is None:
            self.tally.add("not ok", f"{name}: took more than {LIMIT_S} s")
        elif code and self.tally.failed == failed_before:
            self.tally.add("not ok", f"{name}: exit code {code}")
        if code != 0:
            print(error[-4000:], file=sys.stderr)


def run_bounded(command, environment):
    """Runs a command in a process group that ends with it: (exit code or None, stdout, stderr)."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, error = process.communicate(timeout=LIMIT_S)
        code = process.returncode
    except subprocess.TimeoutExpired:
        # Its servers and workers belong to the group that we made, so nothing else is hit.
        os.killpg(process.pid, signal.SIGKILL)
        output, error = process.communicate()
        code = None
    return code, output, error


def run_suite(suite, context):
    name = suite.__name__.replace("_", " ")
    begin = time.monotonic()
    print(f"# {name}", flush=True)
    try:
        suite(context)
    except tooling.Missing as reason:
        outcome = "not ok" if tooling.peers_required() else "skip"
        context.tally.add(outcome, f"{name}: {reason}")
    except Exception as error:
        context.tally.add("not ok", f"{name}: {type(error).__name__}: {error}")
    print(f"# {name} took {time.monotonic() - begin:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Real clients against the server under test.")
    parser.add_argument("--server", help="a redis-server to test instead of Millstream")
    parser.add_argument("--only", action="append", help="suites whose name contains this")
    options = parser.parse_args()
    tally = Tally()
    try:
        executable = options.server or tooling.millstream_binary()
    except tooling.Missing as reason:
        tally.add("not ok", str(reason))
        print(f"clients: {tally.summary()}")
        return 1
    launcher = Launcher("redis" if options.server else "millstream", executable)
    with tempfile.TemporaryDirectory(prefix="clients-") as scratch:
        context = Context(launcher, tally, scratch)
        for suite in SUITES:
            if not options.only or any(word in suite.__name__ for word in options.only):
                run_suite(suite, context)
    for failure in tally.failures:
        print(f"FAILED {failure}")
    print(f"clients: {tally.summary()}")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
