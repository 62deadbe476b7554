"""`/metrics` and contrib/ as Prometheus' own parsers and a parser of YAML take them."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import yaml
from harness.checks import Reporter, Skip, equal, holds
from harness.servers import Launcher
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus

CONTRIB = pathlib.Path(__file__).resolve().parents[3] / "contrib"
DASHBOARD = re.compile(r"dashboard on (http://\S+)")
LIMIT_S = 120
NAMES = [b"orders", b"", b'a"\\\n}\xff', b'{x="y"} 1\n# EOF', "\u202eü".encode()]
ACCEPT = {"Accept": "application/openmetrics-text; version=1.0.0"}


class Site:
    """A server's dashboard over HTTP."""

    def __init__(self, server):
        # It says where the dashboard is before it says that it listens.
        self.url = DASHBOARD.search(server.log()).group(1)

    def get(self, path, headers=None):
        request = urllib.request.Request(self.url + path, headers=headers or {})
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return answer.headers["content-type"], answer.read().decode()

    def metrics(self, headers=None):
        return self.get("/metrics?consumers=1", headers)


def prepare(server, site):
    """Streams of all names, and waits until they are told of: looks are some seconds apart."""
    import redis

    client = redis.Redis(port=server.port)
    for name in NAMES:
        client.xadd(name, {"field": "value"})
        client.xgroup_create(name, name, 0)
        client.xreadgroup(name, name, {name: ">"})
    deadline = time.monotonic() + LIMIT_S
    while f"\nmillstream_metrics_streams {len(NAMES)}\n" not in site.metrics()[1]:
        holds(time.monotonic() < deadline, "all streams are told of")
        time.sleep(0.1)


def values(families):
    """Of each sample by its name and labels, none of which comes twice."""
    found = {}
    for family in families:
        holds(family.documentation and family.type != "unknown", f"{family.name} says what it is")
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            holds(key not in found, f"{key} comes twice")
            found[key] = sample.value
    return found


def text_format(site):
    kind, text = site.metrics()
    equal(kind, "text/plain; version=0.0.4; charset=utf-8")
    told = values(prometheus.text_string_to_metric_families(text))
    for name in ["orders", '""', 'a"\\\\\\n}\\xff', '{x="y"} 1\\n# EOF', "\\u{202e}ü"]:
        labels = ("db", "db0"), ("group", name), ("stream", name)
        equal(told["redis_stream_group_messages_pending", *labels], 1)
    equal(told["redis_up",], 1)


def open_metrics(site):
    kind, text = site.metrics(ACCEPT)
    equal(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    told = values(openmetrics.text_string_to_metric_families(text))
    equal(told["millstream_delivered_total",], len(NAMES))
    equal(told["millstream_queue_wait_seconds_count",], len(NAMES))


def files_of_contrib(_site):
    files = [path for path in CONTRIB.rglob("*") if path.suffix in (".yml", ".json")]
    holds(len(files) >= 6, "there are some")
    for path in files:
        text = path.read_text()
        if path.suffix == ".json":
            json.loads(text)
        else:
            holds(all(yaml.safe_load_all(text)), f"{path.name} has contents")


def alerts(_site):
    rules = yaml.safe_load((CONTRIB / "prometheus/alerts.yml").read_text())
    names = []
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        names.append(rule["alert"])
        holds(rule["expr"] and rule["labels"]["severity"], rule["alert"])
        holds({"summary", "action"} <= rule["annotations"].keys(), rule["alert"])
    equal(len(names), len(set(names)))
    page = (CONTRIB.parent / "docs/monitoring.md").read_text()
    equal(re.findall(r"^\| (Millstream\w+) \|", page, re.M), names, "those that are documented")


def unit(_site):
    if not shutil.which("systemd-analyze"):
        raise Skip("there is no systemd-analyze")
    text = (CONTRIB / "systemd/millstream.service").read_text()
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "millstream.service"
        # That the binary is there is looked at, too.
        path.write_text(text.replace("/usr/local/bin/millstream", sys.executable))
        command = ["systemd-analyze", "verify", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
        equal((done.returncode, done.stderr), (0, ""))


CHECKS = [text_format, open_metrics, files_of_contrib, alerts, unit]


def main():
    report = Reporter()
    directory = os.environ["MILLSTREAM_TEST_SCRATCH"] + "/data"
    with Launcher.from_environment().start(directory, options=["--admin-port", "0"]) as server:
        site = Site(server)
        report.run("streams of all names", lambda: prepare(server, site))
        for check in CHECKS:
            report.run(check.__name__.replace("_", " "), lambda check=check: check(site))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
