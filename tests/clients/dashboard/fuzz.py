"""The JSON of the dashboard, asked as its own OpenAPI says one may, and as one may not.

schemathesis makes the requests.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from harness.checks import Reporter, holds
from served import site, until_seen

# Which policies make sense is the server's to say; and what was made is not what is asked for,
# where names and ids are given from outside.
LEFT_OUT = ["positive_data_acceptance", "ensure_resource_availability"]
LIMIT_S = 400
EXAMPLES = 25
NAMED = """
[parameters]
"path.stream" = "orders"
"path.group" = "billing"
"path.consumer" = "ada"
"path.id" = "3-1"
"""


def fill(client):
    for number in range(1, 30):
        client.xadd("orders", {"order_id": number, "bytes": b"\xff\x00"}, id=f"{number}-1")
    client.xgroup_create("orders", "billing", id="0")
    client.xgroup_create("orders", "audit", id="0")
    client.execute_command("XGROUP", "CFGSET", "orders", "billing", "MAXDELIVERIES", "1")
    client.xreadgroup("billing", "ada", {"orders": ">"}, count=10)
    client.execute_command(*"XNACK orders billing FAIL IDS 2 1-1 2-1".split())


def fuzz(url, config):
    """Fails with what schemathesis says."""
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    with tempfile.TemporaryDirectory(dir=os.environ["MILLSTREAM_TEST_SCRATCH"]) as directory:
        (pathlib.Path(directory) / "schemathesis.toml").write_text(config)
        done = subprocess.run(
            [
                str(program), "run", f"{url}/api/openapi.json", "--url", url, "--workers", "1",
                "--max-examples", str(EXAMPLES), "--seed", "1",
                "--exclude-checks", ",".join(LEFT_OUT), "--no-color",
            ],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    print(done.stdout[-6000:], file=sys.stderr)
    holds(done.returncode == 0, done.stdout[-1500:])


def main():
    report = Reporter()
    with site("--admin-write") as (url, client):
        fill(client)
        until_seen(f"{url}/streams", "/streams/orders")
        report.run("any names", lambda: fuzz(url, ""))
        report.run("names that are there", lambda: fuzz(url, NAMED))
        report.run("the server is well", lambda: client.ping())
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
