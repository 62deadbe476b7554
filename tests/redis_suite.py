"""Redis' own tests of streams, against Millstream as an external server.

    python3 tests/redis_suite.py [--bin PATH] [--keep DIR]

The tests are Redis' and stay out of this repository: they come from Debian's source package, which
`apt-get` fetches into a scratch directory with lists of its own. What cannot pass stands below with
the reason; everything else has to. Needs `apt-get`, `tclsh` and a `redis-cli`; where one of them,
or the package, is missing that is said, and is an error with CI=true.

Exit codes: 0 all passed or visibly skipped, 1 something failed.
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNITS = ["unit/type/stream", "unit/type/stream-cgroups"]
DEADLINE_S = 900

# Needs something that is not there by design, or not true here; see COMPAT.md.
SKIPPED = {
    "XREAD: XADD + DEL + LPUSH should not awake client": "there are no lists",
    "Blocking XREADGROUP: key type changed with transaction": "there are no sets",
    "Blocking XREADGROUP: swapped DB, key is not a stream": "there are no lists",
    "Blocking XREADGROUP for stream key that has clients blocked on list": "there are no lists",
    "XINFO FULL output": "Redis 8.6 has more fields than the 8.0 that this is of",
    "XREADGROUP of multiple entries changes dirty by one": "what is answered is on disk: 0 changes",
    "XREADGROUP from PEL does not change dirty": "what is answered is on disk: 0 changes",
    "/rewrite into AOF correctly": "there is no append-only file",
    "Consumer without PEL is present in AOF after AOFRW": "there is no append-only file",
    "/Loading from legacy": "RESTORE of what Redis wrote",
}

APT = """\
Dir::Etc::SourceList "{0}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "{0}/lists";
Dir::Cache "{0}/cache";
APT::Sandbox::User "root";
"""
SOURCES = """\
deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {0} sid main
"""


def mirror():
    """Where this machine gets its own packages from."""
    folder = pathlib.Path("/etc/apt")
    files = [*sorted(folder.glob("sources.list.d/*.sources")), folder / "sources.list"]
    texts = [file.read_text() for file in files if file.exists()]
    pattern = r"^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s+)?)(\S+)"
    found = [match[1] for text in texts for match in re.finditer(pattern, text, re.M)]
    return found[0] if found else skip("no list of package sources names an address")


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(1 if os.environ.get("CI") == "true" else 0)


def fetch(directory):
    """Fetches the source package and unpacks it. Returns where it is."""
    unpacked = next(directory.glob("redis-*/runtest"), None)
    if unpacked:
        return unpacked.parent
    for name in ["lists/partial", "cache/archives/partial"]:
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "sources.list").write_text(SOURCES.format(mirror()))
    (directory / "apt.conf").write_text(APT.format(directory))
    environment = dict(os.environ, APT_CONFIG=str(directory / "apt.conf"))
    for arguments in [["update"], ["source", "--download-only", "redis"]]:
        command = ["apt-get", "-q", *arguments]
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True)
        if done.returncode != 0:
            skip("the source package of Redis cannot be fetched")
    archive = next(directory.glob("redis_*.orig.tar.gz"))
    subprocess.run(["tar", "xf", archive.name], cwd=directory, check=True)
    return next(directory.glob("redis-*/runtest")).parent


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(binary, port, directory):
    command = [binary, "serve", "--port", str(port), "--dir", directory / "data", "--enable-debug"]
    log = open(directory / "server.log", "w")
    server = subprocess.Popen(command, stdout=log, stderr=log)
    while "listening on" not in (directory / "server.log").read_text():
        if server.poll() is not None:
            sys.exit((directory / "server.log").read_text())
        time.sleep(0.02)
    return server


def run(suite, port):
    """Runs the units. Returns the names of tests that passed, and what failed."""
    command = ["./runtest", "--host", "127.0.0.1", "--port", str(port), "--durable"]
    command += ["--clients", "1", "--tags", "-needs:repl -needs:reset"]
    for unit in UNITS:
        command += ["--single", unit]
    for name in SKIPPED:
        command += ["--skiptest", name]
    try:
        done = subprocess.run(
            command, cwd=suite, capture_output=True, text=True, timeout=DEADLINE_S
        )
        output = done.stdout
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode() + "\n[exception]: it did not end in time\n"
    output = re.sub(r"\x1b\[[0-9;]*m", "", output)
    passed = re.findall(r"^\[ok\]: (.*) \(\d+ ms\)$", output, re.M)
    failed = re.findall(r"^\[(?:err|exception)\]: .*(?:\n(?!\[).*){0,6}", output, re.M)
    if "All tests passed" not in output and not failed:
        failed.append(output[-2000:])
    return passed, failed


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", help="the program, in place of the one that cargo builds")
    options.add_argument("--keep", help="directory for the source package, kept for the next time")
    options = options.parse_args()
    for tool in ["apt-get", "tclsh", "redis-cli"]:
        if not shutil.which(tool):
            skip(f"there is no {tool}")
    binary = options.bin
    if not binary:
        subprocess.run(["cargo", "build", "-q", "-p", "millstream-cli"], cwd=ROOT, check=True)
        target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
        binary = pathlib.Path(target) / "debug" / "millstream"
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        kept = pathlib.Path(options.keep).resolve() if options.keep else scratch
        suite = fetch(kept)
        # The suite looks for it where its build would have put it.
        if not (suite / "src" / "redis-cli").exists():
            (suite / "src" / "redis-cli").symlink_to(shutil.which("redis-cli"))
        port = free_port()
        server = start(binary, port, scratch)
        try:
            passed, failed = run(suite, port)
        finally:
            server.terminate()
            server.wait()
    for failure in failed:
        print(failure, "\n")
    print(f"{suite.name}: {len(passed)} passed, {len(failed)} failed, {len(SKIPPED)} left out")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
