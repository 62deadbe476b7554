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
REDIS_PY = "redis==8.1.0"
CERTIFICATES = "cryptography==48.0.0"
PROMETHEUS = ["prometheus-client==0.26.0", "PyYAML==6.0.4"]
INSTALL_LIMIT_S = 300


class Missing(Exception):
    """A tool that is not here, with the reason."""


def peers_required():
    return os.environ.get("CI") == "true" or os.environ.get("MILLSTREAM_REQUIRE_PEERS") == "1"


def millstream_binary():
    """The binary under test: MILLSTREAM_BIN, else the newest of debug and release."""
    named = os.environ.get("MILLSTREAM_BIN")
    return pathlib.Path(named) if named else built("millstream", "or set MILLSTREAM_BIN")


def order_worker():
    """The Rust worker of examples/."""
    return built("order-worker", "with `--package order-worker`")


def built(name, hint):
    """The newest of debug and release."""
    found = [TARGET / profile / name for profile in ("debug", "release")]
    found = [path for path in found if path.exists()]
    if not found:
        raise Missing(f"no {name} binary: run `cargo build`, {hint}")
    return max(found, key=lambda path: path.stat().st_mtime)


def python_with_redis():
    """The interpreter of a virtual environment that has the pinned redis-py."""
    return virtual_environment("client-venv", REDIS_PY + "\n")


def python_with_certificates():
    """The interpreter that also makes certificates."""
    return virtual_environment("certificates-venv", f"{REDIS_PY}\n{CERTIFICATES}\n")


def python_with_prometheus():
    """The interpreter that also has Prometheus' own parsers, and one of YAML."""
    return virtual_environment("observers-venv", "\n".join([REDIS_PY, *PROMETHEUS]) + "\n")


def python_with_libraries():
    """The interpreter that has the libraries whose flows are in ecosystem/."""
    return virtual_environment(
        "ecosystem-venv", (CLIENTS / "ecosystem/requirements.txt").read_text()
    )


def python_for_dashboard():
    """The interpreter that drives a browser, and asks as OpenAPI says."""
    requirements = (CLIENTS / "dashboard/requirements.txt").read_text()
    return virtual_environment("dashboard-venv", requirements)


def accessibility_rules():
    """The folder with axe-core."""
    return node_packages("dashboard-node", CLIENTS / "dashboard")


def virtual_environment(name, requirements):
    """The interpreter of a virtual environment with exactly these requirements."""
    home = TARGET / name
    python = home / "bin" / "python"
    stamp = home / "installed"
    if stamp.exists() and stamp.read_text() == requirements and python.exists():
        return str(python)
    install([sys.executable, "-m", "venv", "--clear", str(home)], "virtual environment")
    wanted = home / "requirements.txt"
    wanted.write_text(requirements)
    command = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)]
    install(command, f"packages of {name}")
    stamp.write_text(requirements)
    return str(python)


def node_modules():
    """The folder with the node clients exactly as the lock file pins them."""
    return node_packages("client-node", CLIENTS / "node")


def node_libraries():
    """The same for the libraries of ecosystem/, which want the majors before of both clients."""
    return node_packages("ecosystem-node", CLIENTS / "ecosystem")


def node_packages(name, source):
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("node and npm are not on PATH")
    home = TARGET / name
    manifests = [source / file for file in ("package.json", "package-lock.json")]
    wanted = "".join(path.read_text() for path in manifests)
    stamp = home / "installed"
    if not (stamp.exists() and stamp.read_text() == wanted):
        home.mkdir(parents=True, exist_ok=True)
        for path in manifests:
            shutil.copy(path, home)
        install(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], "npm ci", home)
        stamp.write_text(wanted)
    return str(home / "node_modules")


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
