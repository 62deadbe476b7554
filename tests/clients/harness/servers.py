"""The server under test as a child process.

Two kinds: `millstream` (the binary of this workspace) and `redis` (any executable that takes
redis-server's arguments; it proves that a check is true of the original). Which one comes from
the environment, so programs that start servers themselves need no arguments:

    MILLSTREAM_TEST_KIND     millstream | redis
    MILLSTREAM_TEST_SERVER   path of the executable

Only processes started here are ended, by their own handle. Nothing here imports a client library.
"""

import collections
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading

from . import waiting

START_LIMIT_S = 120
STOP_LIMIT_S = 120
LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


class Launcher:
    """Knows how to start one kind of server."""

    def __init__(self, kind, executable):
        self.kind = kind
        self.executable = str(executable)

    @classmethod
    def from_environment(cls):
        return cls(os.environ["MILLSTREAM_TEST_KIND"], os.environ["MILLSTREAM_TEST_SERVER"])

    def environment(self):
        """The variables that let a child process build the same launcher."""
        return {"MILLSTREAM_TEST_KIND": self.kind, "MILLSTREAM_TEST_SERVER": self.executable}

    def start(
        self, directory, port=0, password=None, durable=False, unix_socket=None, options=()
    ):
        """Starts a server on `directory` and returns when it accepts connections.

        `port` 0 takes a free one. `durable` asks Redis to store before it replies, which
        Millstream does anyway. `unix_socket` is the path of a socket to listen on, too; `options`
        are more arguments.
        """
        directory = pathlib.Path(directory).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        arguments = self._millstream(directory, port, password)
        if self.kind == "redis":
            port = port or free_port()
            arguments = self._redis(directory, port, password, durable)
        if unix_socket:
            arguments += ["--unixsocket", str(unix_socket)]
        arguments += options
        return Server(self, arguments, port)

    def _millstream(self, directory, port, password):
        arguments = [self.executable, "serve", "--port", str(port), "--dir", str(directory)]
        return arguments + (["--requirepass", password] if password else [])

    def _redis(self, directory, port, password, durable):
        arguments = [self.executable, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        arguments += ["--dir", str(directory), "--daemonize", "no"]
        if password:
            arguments += ["--requirepass", password]
        if durable:
            arguments += ["--appendonly", "yes", "--appendfsync", "always"]
        return arguments


class Server:
    """A running server. `address` is (host, port)."""

    def __init__(self, launcher, arguments, port):
        self.launcher = launcher
        self.last_lines = collections.deque(maxlen=40)
        self._ports = queue.Queue()
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A dashboard is where it is asked for.
            env={"MILLSTREAM_ADMIN_PORT": "off"} | os.environ,
        )
        # The pipe must be drained for as long as the server lives, or the server would stall.
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()
        try:
            if launcher.kind == "millstream":
                port = self._announced_port()
            waiting.until(lambda: self._accepts(port), START_LIMIT_S, "server accepts connections")
        except Exception as error:
            self.kill()
            raise RuntimeError(f"{error}\n{self.log()}") from error
        self.address = ("127.0.0.1", port)

    @property
    def port(self):
        return self.address[1]

    def environment(self, password=None):
        """The variables that tell a client program where to go."""
        variables = {"MILLSTREAM_TEST_HOST": "127.0.0.1", "MILLSTREAM_TEST_PORT": str(self.port)}
        variables["MILLSTREAM_TEST_PASSWORD"] = password or ""
        return variables | self.launcher.environment()

    def kill(self):
        """SIGKILL, then waits for the end. Harmless on a server that has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_LIMIT_S)
        self._reader.join(STOP_LIMIT_S)

    def terminate(self):
        """SIGTERM and the exit code; a server that ignores it is killed and reported."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"server did not end within {STOP_LIMIT_S} s of SIGTERM") from None

    def log(self):
        return "server said:\n" + "\n".join(self.last_lines)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.kill()

    def _drain(self):
        for line in self.process.stdout:
            self.last_lines.append(line.rstrip())
            found = LISTENING.search(line)
            if found:
                self._ports.put(int(found.group(1)))
        self._ports.put(None)

    def _announced_port(self):
        try:
            port = self._ports.get(timeout=START_LIMIT_S)
        except queue.Empty:
            raise RuntimeError(f"no listening line within {START_LIMIT_S} s") from None
        if port is None:
            raise RuntimeError(f"server ended with code {self.process.wait(STOP_LIMIT_S)}")
        return port

    def _accepts(self, port):
        if self.process.poll() is not None:
            raise RuntimeError(f"server ended with code {self.process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b"PING\r\n")
                reply = connection.recv(64)
        except OSError:
            return False
        # A server that is loading its data answers too, but with an error of its own.
        return reply.startswith((b"+PONG", b"-NOAUTH"))


def free_port():
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_taken(port):
    """Whether somebody accepts connections on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
