"""Runs the shell blocks of a document as its reader would, one after the other.

    main.py README.md

Each block must end with 0 and print what the document shows, ids aside; a block that keeps running
must print it, or else listen, before the next one is run, and end with 0 at Ctrl-C. The first
block that fails is the last that is run: those behind it build on it.
"""

import json
import os
import re
import subprocess
import sys

from harness import tooling, waiting
from harness.checks import Reporter, equal, holds
from quick_starts.document import blocks, comparable
from quick_starts.terminal import BLOCK_LIMIT_S, Terminal

# What is marked `console` has its output in it, and is typed by `crates/cli/tests/five_minutes.rs`.
SHELL_FENCE = re.compile(r"^\s*```(?:sh|bash|shell)\b", re.MULTILINE)
SCRATCH = os.environ["MILLSTREAM_TEST_SCRATCH"]


def cargo_run_means_millstream():
    """What the cargo of terminal.py takes for granted."""
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    output = subprocess.run(command, cwd=tooling.WORKSPACE, capture_output=True, check=True).stdout
    metadata = json.loads(output)
    binaries = [
        target["name"]
        for package in metadata["packages"]
        if package["id"] in metadata["workspace_default_members"]
        for target in package["targets"]
        if "bin" in target["kind"]
    ]
    equal(binaries, ["millstream"], "binaries of `cargo build` and `cargo run`")


def all_are_found(text, found):
    """A block that is indented, or fenced under another name, would be passed over."""
    holds(len(found) > 0, "there is none")
    equal(len(found), len(SHELL_FENCE.findall(text)), "shell blocks")


def run_block(terminal, block):
    if block.keeps_running:
        return run_on(terminal, block)
    code, output = terminal.run(block.script)
    equal(code, 0, f"exit code\n{output}")
    if block.output is not None:
        equal(comparable(output), comparable(block.output), "output")


def run_on(terminal, block):
    """Starts the block and waits for what says that it has come to work."""
    program = terminal.start(block.script)
    if block.output is None:
        return terminal.wait_for_server(program)
    shown = comparable(block.output)

    def is_shown():
        program.must_be_alive()
        return shown in comparable(program.output)

    try:
        waiting.until(is_shown, BLOCK_LIMIT_S, "what the document shows")
    except TimeoutError as error:
        raise AssertionError(f"{error}; it printed\n{program.output}") from None


def run_document(report, terminal, name):
    text = (tooling.WORKSPACE / name).read_text(encoding="utf-8")
    found = blocks(text)
    report.run(f"all shell blocks of {name} are found", lambda: all_are_found(text, found))
    for block in filter(lambda block: block.runs, found):
        failed = report.failed
        title = f"{name} line {block.line}, {block.title}"
        report.run(title, lambda: run_block(terminal, block))
        if report.failed > failed:
            return
    n_running = len(terminal.running)
    report.run(
        f"what keeps running of {name} ends with 0 at Ctrl-C",
        lambda: equal(terminal.interrupt_all(), [0] * n_running, "exit codes"),
    )


def main():
    report = Reporter()
    report.run("`cargo run` runs millstream", cargo_run_means_millstream)
    terminal = Terminal(SCRATCH, os.environ["MILLSTREAM_TEST_SERVER"], sys.executable)
    try:
        run_document(report, terminal, sys.argv[1])
    finally:
        terminal.close()
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
