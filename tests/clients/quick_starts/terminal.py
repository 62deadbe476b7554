"""A reader at a terminal: runs scripts as they are written, in a checkout that is not ours.

The scripts see a folder with `target/release/millstream` and `examples`, and three programs on
their path that stand for what a reader has:

    millstream    the binary under test
    cargo         knows that the binary is built; runs it for `cargo run --release -- ...`
    redis-cli     the real one, on the port of this run; an error reply is an error

Everything else is as for a reader. Output goes to a terminal, so redis-cli shows replies in its
form for people. Only what is started here is ended, with Ctrl-C as a reader would end it.
"""

import os
import pathlib
import pty
import shutil
import signal
import subprocess
import threading

from harness import tooling, waiting
from harness.servers import free_port, is_taken

BLOCK_LIMIT_S = 120
STOP_LIMIT_S = 120
CTRL_C = b"\x03"
DEFAULT_ADDRESS = "redis://127.0.0.1/"

CARGO = """#!/bin/sh
case "$*" in
    "build --release") ;;
    "run --release -- "*) shift 3; exec {binary} "$@" ;;
    *)
        echo "cargo $*: this test has no answer. Mark the block as not run, or teach the test." >&2
        exit 2 ;;
esac
"""
REDIS_CLI = '#!/bin/sh\nexec {redis_cli} -e -p {port} "$@"\n'


class Terminal:
    """Runs scripts of one document in one folder; ends what still runs when it is closed."""

    def __init__(self, folder, binary, python):
        self.port = free_port()
        self.folder = pathlib.Path(folder)
        self.running = []
        binary = pathlib.Path(binary).resolve()
        programs = self.folder / "programs"
        release = self.folder / "checkout/target/release"
        for path in (programs, release):
            path.mkdir(parents=True)
        for path in (programs / "millstream", release / "millstream"):
            path.symlink_to(binary)
        (self.folder / "checkout/examples").symlink_to(tooling.WORKSPACE / "examples")
        redis_cli = shutil.which("redis-cli")
        write_program(programs / "cargo", CARGO.format(binary=binary))
        write_program(programs / "redis-cli", REDIS_CLI.format(redis_cli=redis_cli, port=self.port))
        path = [str(programs), str(pathlib.Path(python).parent), os.environ["PATH"]]
        self.environment = os.environ | {
            "PATH": os.pathsep.join(path),
            "MILLSTREAM_PORT": str(self.port),
            "REDIS_URL": f"redis://127.0.0.1:{self.port}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "TERM": "dumb",
        }

    def run(self, script):
        """Runs a script to its end: (exit code, output)."""
        program = self._start(script)
        code = program.wait(BLOCK_LIMIT_S)
        return code, program.output

    def start(self, script):
        """Starts a script that does not end by itself."""
        program = self._start(script)
        self.running.append(program)
        return program

    def _start(self, script):
        script = script.replace(DEFAULT_ADDRESS, f"redis://127.0.0.1:{self.port}/")
        return Program(script, self.folder / "checkout", self.environment)

    def wait_for_server(self, program):
        """Returns when something listens on the port of this run."""
        def listens():
            program.must_be_alive()
            return is_taken(self.port)

        waiting.until(listens, BLOCK_LIMIT_S, f"the server listens\n{program.output}")

    def interrupt_all(self):
        """Ctrl-C for all that still runs, the last first: their exit codes."""
        codes = []
        while self.running:
            program = self.running.pop()
            program.interrupt()
            codes.append(program.wait(STOP_LIMIT_S))
        return codes

    def close(self):
        for program in self.running:
            program.kill()


class Program:
    """A script in a shell with a terminal of its own, which hangs up when this process dies."""

    def __init__(self, script, folder, environment):
        self._terminal, inside = pty.openpty()
        self._chunks = []
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "bash", "-e", "-c", script],
            cwd=folder,
            env=environment,
            stdin=inside,
            stdout=inside,
            stderr=inside,
        )
        os.close(inside)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self):
        return b"".join(self._chunks).decode(errors="replace")

    def must_be_alive(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"ended with {self.process.returncode}\n{self.output}")

    def interrupt(self):
        os.write(self._terminal, CTRL_C)

    def kill(self):
        """SIGKILL for the shell and all that it runs, which are one session."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, limit_s):
        """The exit code; a program that takes longer is killed and reported."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"took more than {limit_s} s\n{self.output}") from None
        # What it left running in the background would hold the terminal open.
        self._reader.join(limit_s)
        os.close(self._terminal)
        return code

    def _read(self):
        # A terminal that everybody has closed is an error to read from, on Linux.
        try:
            while chunk := os.read(self._terminal, 65536):
                self._chunks.append(chunk)
        except OSError:
            pass


def write_program(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
