"""Where clients are installed, and the rule for one that cannot be had.

Everything fetched goes below `target/`, is pinned, and is reused by the next run. A client that
is missing is a visible skip on a developer's machine and a failure where CI=true or
MILLSTREAM_REQUIRE_PEERS=1 says that all of them must be there.
"""

import os
import pathlib
import shutil
import subprocess
import sys

CLIENTS = pathlib.Path(__file__).resolve().parent.parent
WORKSPACE = CLIENTS.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
VENV = TARGET / "client-venv"
NODE_HOME = TARGET / "client-node"
REDIS_PY = "redis==8.1.0"
INSTALL_LIMIT_S = 300


class Missing(Exception):
    """A tool that is not here, with the reason."""


def peers_required():
    return os.environ.get("CI") == "true" or os.environ.get("MILLSTREAM_REQUIRE_PEERS") == "1"


def millstream_binary():
    """The binary under test: MILLSTREAM_BIN, else the newest of debug and release."""
    named = os.environ.get("MILLSTREAM_BIN")
    if named:
        return pathlib.Path(named)
    built = [TARGET / profile / "millstream" for profile in ("debug", "release")]
    built = [path for path in built if path.exists()]
    if not built:
        raise Missing("no millstream binary: run `cargo build`, or set MILLSTREAM_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


def python_with_redis():
    """The interpreter of a virtual environment that has the pinned redis-py."""
    python = VENV / "bin" / "python"
    stamp = VENV / "installed"
    if stamp.exists() and stamp.read_text() == REDIS_PY and python.exists():
        return str(python)
    install([sys.executable, "-m", "venv", "--clear", str(VENV)], "virtual environment")
    install([str(python), "-m", "pip", "install", "--quiet", REDIS_PY], REDIS_PY)
    stamp.write_text(REDIS_PY)
    return str(python)


def node_modules():
    """The folder with the node clients exactly as the lock file pins them."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("node and npm are not on PATH")
    manifests = [CLIENTS / "node" / name for name in ("package.json", "package-lock.json")]
    wanted = "".join(path.read_text() for path in manifests)
    stamp = NODE_HOME / "installed"
    if not (stamp.exists() and stamp.read_text() == wanted):
        NODE_HOME.mkdir(parents=True, exist_ok=True)
        for path in manifests:
            shutil.copy(path, NODE_HOME)
        install(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], "npm ci", NODE_HOME)
        stamp.write_text(wanted)
    return str(NODE_HOME / "node_modules")


def on_path(*names):
    """Fails unless all of these programs are there."""
    for name in names:
        if not shutil.which(name):
            raise Missing(f"{name} is not on PATH")


def install(command, what, directory=None):
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{what}: {error}") from error
    if done.returncode:
        raise Missing(f"{what}: {(done.stderr or done.stdout).strip()[-300:]}")
