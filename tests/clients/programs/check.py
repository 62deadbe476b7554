"""Runs the job system of worker.py or worker.js and checks what it leaves on the server.

    check.py python|node

One worker takes jobs and is killed with them; three others must finish everything: each good job
once, each broken one in the dead letters after three deliveries, nothing pending.
"""

import collections
import os
import pathlib
import signal
import subprocess
import sys

import redis

from harness import waiting
from harness.checks import Reporter, equal, holds
from harness.servers import Launcher

HERE = pathlib.Path(__file__).resolve().parent
COMMANDS = {"python": [sys.executable, str(HERE / "worker.py")], "node": ["node"]}
COMMANDS["node"] += [str(HERE / "worker.js")]
N_JOBS = 140
N_WORKERS = 3
FINISH_LIMIT_S = 120
STREAM, GROUP = "jobs", "crew"


class Crew:
    """The processes of one run; ends what it started."""

    def __init__(self, language, server):
        self.command = COMMANDS[language]
        self.environment = os.environ | server.environment()
        self.processes = {}

    def start(self, action, argument):
        process = subprocess.Popen([*self.command, action, argument], env=self.environment)
        self.processes[argument] = process
        return process

    def stop(self, name):
        process = self.processes[name]
        process.send_signal(signal.SIGTERM)
        equal(process.wait(10), 0, f"exit code of {name}")

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)


class Run:
    """The checks, in order; each relies on the one before."""

    def __init__(self, store, crew):
        self.store = store
        self.crew = crew

    def owned(self, consumer):
        summary = self.store.xpending(STREAM, GROUP)
        counts = {row["name"]: row["pending"] for row in summary["consumers"]}
        return counts.get(consumer, 0)

    def a_worker_dies_with_jobs(self):
        self.store.xgroup_create(STREAM, GROUP, "0", mkstream=True)
        equal(self.crew.start("produce", str(N_JOBS)).wait(30), 0, "exit code of the producer")
        equal(self.store.xlen(STREAM), N_JOBS)
        victim = self.crew.start("stall", "victim")
        waiting.until(lambda: self.owned("victim") == 5, 20, "the victim holds five jobs")
        victim.kill()
        victim.wait(10)
        equal(self.owned("victim"), 5, "jobs of the dead worker stay pending")

    def the_others_finish_everything(self):
        for number in range(N_WORKERS):
            self.crew.start("work", f"worker-{number}")
        waiting.until(self.is_finished, FINISH_LIMIT_S, "no job is left")
        for number in range(N_WORKERS):
            self.crew.stop(f"worker-{number}")

    def is_finished(self):
        group = self.store.xinfo_groups(STREAM)[0]
        return group["lag"] == 0 and group["pending"] == 0

    def each_good_job_was_done_once(self):
        results = [fields for _, fields in self.store.xrange("jobs:results")]
        done = collections.Counter(int(fields["number"]) for fields in results)
        good = {n for n in range(N_JOBS) if self.kind(n) != "broken"}
        equal(set(done), good, "jobs done")
        equal(set(done.values()), {1}, "times each was done")
        workers = {fields["worker"] for fields in results}
        equal(workers, {f"worker-{n}" for n in range(N_WORKERS)}, "who did them")

    def each_broken_job_is_a_dead_letter(self):
        letters = [fields for _, fields in self.store.xrange("jobs:dead")]
        broken = [n for n in range(N_JOBS) if self.kind(n) == "broken"]
        equal(sorted(int(fields["number"]) for fields in letters), broken, "dead letters")
        for fields in letters:
            equal(fields["deliveries"], "3")
            equal(self.store.xrange(STREAM, fields["id"], fields["id"])[0][1]["kind"], "broken")
            holds("failed at delivery 3" in fields["reason"], fields["reason"])

    def kind(self, number):
        kinds = ["plain", "plain", "plain", "flaky", "plain", "broken", "plain"]
        return kinds[number % len(kinds)]


def main():
    language = sys.argv[1]
    report = Reporter()
    launcher = Launcher.from_environment()
    with launcher.start(os.environ["MILLSTREAM_TEST_SCRATCH"]) as server:
        crew = Crew(language, server)
        store = redis.Redis(host="127.0.0.1", port=server.port, decode_responses=True)
        run = Run(store, crew)
        steps = [run.a_worker_dies_with_jobs, run.the_others_finish_everything]
        steps += [run.each_good_job_was_done_once, run.each_broken_job_is_a_dead_letter]
        try:
            for step in steps:
                report.run(f"{language}: {step.__name__.replace('_', ' ')}", step)
        finally:
            crew.end()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
