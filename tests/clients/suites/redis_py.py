"""redis-py's own tests, against a server of ours.

They are in the source package on PyPI, which pip fetches once into `target/client-suites`. The
version is the one that all checks of redis-py run; the packages that the tests want are pinned in
requirements.txt.
"""

import json
import os
import shutil
import subprocess

from harness import tooling
from harness.servers import is_taken
from suites.redis_py_left_out import LEFT_OUT, WANT_PORT_6379

HERE = tooling.CLIENTS / "suites"
HOME = tooling.TARGET / "client-suites"
LIMIT_S = 900

# Each once for plain and once for asyncio; a file that there is only one of is taken once. Left
# out are files about nothing that is here: Clusters, Sentinels, modules, publish/subscribe,
# scripts, hashes, vectors, caching, failover between databases, and what needs no server.
NAMES = [
    "commands", "pipeline", "monitor", "lock", "connection", "connection_pool", "encoding",
    "credentials", "client", "retry", "auth", "multiprocessing", "connect",
    "legacy_responses_arg", "max_connections_error",
]
STREAMS = ["commands"]
# Some tests have the server answer with errors of their choice.
DEBUG = {
    "millstream": ["--enable-debug"],
    "redis": ["--enable-debug-command", "local"],
}
# What wants servers of another kind.
MARKERS = "not onlycluster and not redismod and not ssl and not cp_integration and not replica"


def python():
    """The interpreter that has what the tests want."""
    requirements = (HERE / "requirements.txt").read_text()
    return tooling.virtual_environment("client-suites-venv", requirements)


def fetch():
    """The folder of the unpacked source package."""
    name = tooling.REDIS_PY.replace("==", "-")
    home = HOME / name
    if not (home / "tests").is_dir():
        HOME.mkdir(parents=True, exist_ok=True)
        command = [python(), "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "redis", "--dest", str(HOME), tooling.REDIS_PY]
        tooling.install(command, f"source package of {tooling.REDIS_PY}")
        shutil.unpack_archive(HOME / f"{name}.tar.gz", HOME, filter="data")
    if not (home / "tests").is_dir():
        raise tooling.Missing(f"the source package of {tooling.REDIS_PY} has no tests")
    return home


def files(home, names):
    folders = ("tests", "tests/test_asyncio")
    both = [f"{folder}/test_{name}.py" for name in names for folder in folders]
    return [file for file in both if (home / file).is_file()]


def run(launcher, scratch, protocol, result, streams_only=False):
    """Runs the tests in one protocol and adds each to `result`."""
    home = fetch()
    verdicts = scratch / f"redis-py-{protocol}.jsonl"
    command = [python(), "-m", "pytest", "--quiet", "--no-header", "--tb=line"]
    command += ["-p", "no:cacheprovider", "-p", "suites.verdicts", "-W", "ignore"]
    command += ["-m", MARKERS, "--protocol", str(protocol)]
    port = 0
    if streams_only:
        command += ["-k", "test_x"]
    elif is_taken(6379):
        # Somebody else's server, which is left alone.
        for test in WANT_PORT_6379:
            command += ["--deselect", test]
            result.left_out["want port 6379, where somebody listens"] += 1
    else:
        port = 6379
    options = DEBUG[launcher.kind]
    with launcher.start(scratch / f"data-{protocol}", port=port, options=options) as server:
        address = f"redis://127.0.0.1:{server.port}/0"
        command += ["--redis-url", address, "--redis-mod-url", address]
        command += files(home, STREAMS if streams_only else NAMES)
        variables = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tooling.CLIENTS)}
        variables["MILLSTREAM_VERDICTS"] = str(verdicts)
        output = scratch / f"redis-py-{protocol}.log"
        with open(output, "w") as log:
            subprocess.run(
                command, cwd=home, env=os.environ | variables, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, timeout=LIMIT_S,
            )
        ended = server.process.poll()
    lines = verdicts.read_text().splitlines() if verdicts.exists() else []
    for line in map(json.loads, lines):
        result.add(f"RESP{protocol} {line['test']}", line["outcome"], line["text"])
    if not lines:
        result.failed.append((f"RESP{protocol}", f"pytest says:\n{output.read_text()[-3000:]}"))
    if ended is not None:
        result.failed.append((f"RESP{protocol}", f"the server ended\n{server.log()}"))
