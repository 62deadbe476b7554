"""Servers of others with `millstream dashboard` beside them."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

from . import waiting
from .checks import Skip, holds
from .servers import Launcher, free_port
from .tooling import WORKSPACE, peers_required

SLOTS = 16_384
NODES = 3
LIMIT_S = 120


def peer(name):
    """The executable of a server of others."""
    folder = pathlib.Path(os.environ.get("MILLSTREAM_PEERS", WORKSPACE / ".peers"))
    path = folder / name
    if path.exists():
        return path
    if peers_required():
        raise FileNotFoundError(f"{name} is required and not at {path}")
    raise Skip(f"no {name} at {path}; `cargo xtask peers` fetches it")


def scratch():
    return tempfile.mkdtemp(dir=os.environ["MILLSTREAM_TEST_SCRATCH"])


@contextlib.contextmanager
def dashboard(server_url, *options):
    """Yields where it is; the program is the one under test."""
    launcher = Launcher.from_environment()
    command = [launcher.executable, "dashboard", "--url", server_url, "--port", "0", "--json"]
    log = pathlib.Path(scratch()) / "log"
    with log.open("w") as said, subprocess.Popen(
        [*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            holds(line, f"it says where it is: {log.read_text()}")
            yield json.loads(line)["url"]
        finally:
            process.kill()


@contextlib.contextmanager
def single(name, *options):
    """Yields the URL of a server and a client of it."""
    import redis

    with Launcher("redis", peer(name)).start(scratch(), options=options) as server:
        yield f"redis://127.0.0.1:{server.port}", redis.Redis(port=server.port)


@contextlib.contextmanager
def cluster(name):
    """Yields the URL of a Cluster of primaries and a client of it."""
    import redis
    from redis.cluster import RedisCluster

    launcher = Launcher("redis", peer(name))
    with contextlib.ExitStack() as nodes:
        servers = []
        for _ in range(NODES):
            # The port of a node's bus is 10,000 above it, if nobody says other.
            options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
            servers.append(nodes.enter_context(launcher.start(scratch(), options=options)))
        clients = [redis.Redis(port=server.port) for server in servers]
        bus = [int(client.config_get("cluster-port")["cluster-port"]) for client in clients]
        for number, client in enumerate(clients):
            first, end = number * SLOTS // NODES, (number + 1) * SLOTS // NODES
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            meet = ["127.0.0.1", servers[number].port, bus[number]]
            clients[0].execute_command("CLUSTER", "MEET", *meet)

        def agree():
            infos = [client.execute_command("CLUSTER INFO") for client in clients]
            return all(
                info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == NODES
                for info in infos
            )

        waiting.until(agree, LIMIT_S, "the nodes agree")
        port = servers[0].port
        yield f"redis+cluster://127.0.0.1:{port}", RedisCluster(host="127.0.0.1", port=port)
