"""The programs of the document named by MILLSTREAM_CHAPTER, unchanged, against the server.

They talk to localhost:6379, so the server under test must get that port; they run one after the
other, each on an empty directory, and some never end by themselves: this program produces for
them, waits for what they must leave on the server, and ends them. Run by run.py.
"""

import ast
import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import redis

from chapter_parts import document
from harness import servers, waiting
from harness.checks import Reporter, Skip, equal, holds

HERE = pathlib.Path(__file__).resolve().parent
SCRATCH = pathlib.Path(os.environ.get("MILLSTREAM_TEST_SCRATCH", "."))
PORT = 6379
MAIN_LIMIT_S = 120
NODE_LIMIT_S = 120
LIMIT_S = 120
DEAD_LETTER = {"original_id", "original_data", "failed_at", "consumer"}


class Program:
    """One program of the document as a process of its own group, its output in a file."""

    def __init__(self, name, command):
        self.output_path = SCRATCH / f"{name}.out"
        self.begin = time.monotonic()
        with self.output_path.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self):
        return self.output_path.read_text(encoding="utf-8", errors="replace")

    def finish(self, limit_s):
        """Waits for its own end; everything it printed."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"did not end within {limit_s} s; {self.tail()}") from None
        equal(code, 0, f"exit code; {self.tail()}")
        return self.output()

    def until(self, condition, what):
        """Awaits something on the server; fails early if the program has died."""

        def check():
            holds(self.process.poll() is None, f"the program ended early; {self.tail()}")
            return condition()

        return waiting.until(check, LIMIT_S, what)

    def tail(self):
        return f"it printed: {self.output()[-400:]}"

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Chapter:
    """Starts programs of the document, each beside a fresh server on the port they know."""

    def __init__(self, path):
        self.launcher = servers.Launcher.from_environment()
        self.files = {}
        for name, text in document.programs(path).items():
            suffix = "js" if name == "node" else "py"
            self.files[name] = SCRATCH / f"chapter_{name}.{suffix}"
            self.files[name].write_bytes(text.encode())

    @contextlib.contextmanager
    def running(self, mode):
        """(client, program) for the mode; both servers and programs are ended afterwards."""
        if servers.is_taken(PORT):
            raise RuntimeError(f"port {PORT} of 127.0.0.1 is taken; the programs need it")
        command = [sys.executable, "-u", str(HERE / "chapter_parts" / "driver.py"), mode]
        command += [str(self.files["main"])]
        if mode == "node":
            command = ["node", str(self.files["node"])]
        elif mode in self.files and mode != "main":
            command += [str(self.files[mode])]
        with self.launcher.start(SCRATCH / f"data-{mode}", port=PORT):
            client = redis.Redis(host="127.0.0.1", port=PORT, decode_responses=True)
            program = Program(mode, command)
            try:
                yield client, program
            finally:
                program.end()

    def main_program(self):
        with self.running("main") as (client, program):
            output = program.finish(MAIN_LIMIT_S)
            check_orders(client, output, "order-processors")
            holds("Consumer Group: order-processors" in output, "statistics were printed")
            equal(client.xpending("orders:stream", "order-processors")["pending"], 0, "pending")

    def node_program(self):
        if not os.environ.get("NODE_PATH"):
            raise Skip("node and its clients are not here")
        with self.running("node") as (client, program):
            output = program.finish(NODE_LIMIT_S)
            check_orders(client, output, "order-processors")
            holds("Consumer Group: order-processors" in output, "statistics were printed")

    def its_classes(self):
        with self.running("classes") as (client, program):
            output = program.finish(LIMIT_S + 30)
            letters = dead_letters(client)
            equal(sorted(data["order_id"] for data in letters.values()), ["3", "7"], "dead letters")
            told = dict(re.findall(r"^([A-Z]+) (.*)$", output, re.MULTILINE))
            equal(told["TOTALS"], "pending=0 consumers=2")
            equal(ast.literal_eval(told["GROUPS"]), ["crew"])
            equal(ast.literal_eval(told["CONSUMERS"]), ["ghost", "worker"])
            equal((told["DELETED"], told["LAG"]), ("0", "8"))
            holds(told["DESTROYED"] in ("1 0", "True False"), told["DESTROYED"])

    def five_workers(self):
        with self.running("workers") as (client, program):
            program.until(lambda: n_consumers(client, "orders:stream", "workers") == 5, "workers")
            ids = [client.xadd("orders:stream", {"order_id": n}) for n in range(50)]
            program.until(lambda: is_drained(client, "orders:stream", "workers"), "all handled")
            seen = re.findall(r"\[Worker (\d)\] Processing (\d+-\d+)", program.output())
            equal(sorted(id for _, id in seen), sorted(ids), "each order once")
            shares = collections.Counter(worker for worker, _ in seen)
            equal(sorted(shares), list("01234"), "all five took part")
            equal(client.exists("orders:stream:dlq"), 0, "no dead letters")

    def priorities(self):
        names = [f"tasks:{name}" for name in ("high", "medium", "low")]
        with self.running("priorities") as (client, program):
            program.until(
                lambda: all(n_consumers(client, name, "task-processors") for name in names),
                "the consumer has looked at all three streams",
            )
            with client.pipeline(transaction=True) as batch:
                for name in reversed(names):
                    for n in range(10):
                        batch.xadd(name, {"task": f"{name}:{n}"})
                batch.execute()
            program.until(
                lambda: all(is_drained(client, name, "task-processors") for name in names),
                "all three streams are drained",
            )
            check_priorities(program.output(), names)

    def fan_out(self):
        groups = ["analytics", "audit", "email-sender", "sms-sender"]
        with self.running("fan_out") as (client, program):
            program.until(
                lambda: all(n_consumers(client, "user:events", name) for name in groups),
                "four groups with a consumer each",
            )
            for n in range(20):
                client.xadd("user:events", event(n))
            program.until(
                lambda: all(is_drained(client, "user:events", name) for name in groups),
                "all groups have seen everything",
            )
            infos = client.xinfo_groups("user:events")
            equal([info["name"] for info in infos], groups)
            equal([info["entries-read"] for info in infos], [20] * 4)
            for label in ("EMAIL", "SMS", "ANALYTICS", "AUDIT"):
                equal(program.output().count(f"[{label}]"), 20, f"lines of {label}")


def event(n):
    return {"email": f"u{n}@example.org", "phone": n, "event_type": "click", "action": "view"}


def n_consumers(client, stream, group):
    try:
        return len(client.xinfo_consumers(stream, group))
    except redis.ResponseError:
        return 0


def is_drained(client, stream, group):
    infos = {info["name"]: info for info in client.xinfo_groups(stream)}
    # Lag reaches 0 at delivery, so pending must be looked at in the same reply.
    return infos[group]["lag"] == 0 and infos[group]["pending"] == 0


def dead_letters(client):
    """{original ID: original data} of `orders:stream:dlq`, each with exactly its four fields."""
    letters = {}
    for _, fields in client.xrange("orders:stream:dlq"):
        equal(set(fields), DEAD_LETTER, "fields of a dead letter")
        holds(fields["original_id"] not in letters, f"{fields['original_id']} died once")
        holds(float(fields["failed_at"]) > 0, "a time of failure")
        letters[fields["original_id"]] = json.loads(fields["original_data"])
    return letters


def check_orders(client, output, group):
    """Each of the ten orders was handled, is a dead letter, or is still pending: never two."""
    entries = dict(client.xrange("orders:stream"))
    equal([fields["order_id"] for fields in entries.values()], [str(1000 + n) for n in range(10)])
    rows = client.xpending_range("orders:stream", group, "-", "+", 100)
    pending = {row["message_id"] for row in rows}
    letters = dead_letters(client)
    done = re.findall(r"Successfully processed (\d+-\d+)", output)
    equal(len(done), len(set(done)), "orders handled, each once")
    ends = collections.Counter([*done, *letters, *pending])
    equal(sorted(ends), sorted(entries), "every order has an end")
    equal(set(ends.values()), {1}, "ends of each order")
    for id, data in letters.items():
        equal(data, entries[id], "a dead letter holds its order")
    info = client.xinfo_groups("orders:stream")[0]
    equal((info["name"], info["lag"], info["pending"]), (group, 0, len(pending)))


def check_priorities(output, names):
    """After the batch that was being read when the tasks came, higher priorities come first."""
    ranks = [names.index(f"tasks:{name}") for name in re.findall(r"'tasks:(\w+):\d+'", output)]
    equal(sorted(ranks), [0] * 10 + [1] * 10 + [2] * 10, "each task once")
    first_batch = next((n for n, rank in enumerate(ranks) if rank != ranks[0]), len(ranks))
    rest = ranks[first_batch:]
    equal(rest, sorted(rest), "order of priorities")


def main():
    report = Reporter()
    try:
        chapter = Chapter(pathlib.Path(os.environ["MILLSTREAM_CHAPTER"]))
    except (OSError, ValueError) as error:
        report.line("not ok", f"reading the document: {error}")
        return report.close()
    programs = [
        chapter.its_classes, chapter.five_workers, chapter.priorities, chapter.fan_out,
        chapter.node_program, chapter.main_program,
    ]
    for program in programs:
        report.run(program.__name__.replace("_", " "), program)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
