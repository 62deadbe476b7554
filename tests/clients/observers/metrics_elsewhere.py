"""`/metrics` of `millstream dashboard` beside servers of others, as Prometheus' parsers take it."""

import sys
import urllib.request

from harness import waiting
from harness.checks import Reporter, equal, holds
from harness.elsewhere import cluster, dashboard, single
from prometheus import ACCEPT, LIMIT_S, values
from prometheus_client import parser as text_format
from prometheus_client.openmetrics import parser as openmetrics

SINGLE = ["redis-8.2", "redis-8.6", "valkey-9.1"]
STREAMS = ["orders", "invoices", 'a b\n"ü']
OURS = "\nmillstream_metrics_streams 3\n"


def fill(client):
    """Of each stream five entries, three delivered, one of them settled."""
    for name in STREAMS:
        for number in range(1, 6):
            client.xadd(name, {"n": number}, id=f"{number}000-0")
        client.xgroup_create(name, "billing", id="0")
        client.xreadgroup("billing", "ada", {name: ">"}, count=3)
        client.xack(name, "billing", "1000-0")


def ask(url, headers=None):
    request = urllib.request.Request(f"{url}/metrics?consumers=1", headers=headers or {})
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        return answer.read().decode()


def told(url):
    waiting.until(lambda: OURS in ask(url), LIMIT_S, "all streams are told of")
    parsed = values(text_format.text_string_to_metric_families(ask(url)))
    # The other format says the same of what stands still.
    newer = values(openmetrics.text_string_to_metric_families(ask(url, ACCEPT)))
    streams = [key for key in parsed if key[0].startswith("redis_stream_")]
    holds(len(streams) > 20, "there is something of streams")
    for key in streams:
        if "idle" not in key[0] and "inactive" not in key[0]:
            equal(newer[key], parsed[key], key)
    return parsed


def streams_are_right(parsed):
    for stream in ["orders", "invoices", 'a b\\n"ü']:
        here = ("db", "db0"), ("stream", stream)
        equal(parsed[("redis_stream_length", *here)], 5)
        equal(parsed[("redis_stream_groups", *here)], 1)
        equal(parsed[("redis_stream_first_entry_id", *here)], 1000)
        equal(parsed[("redis_stream_last_entry_id", *here)], 5000)
        group = ("db", "db0"), ("group", "billing"), ("stream", stream)
        equal(parsed[("redis_stream_group_messages_pending", *group)], 2)
        equal(parsed[("redis_stream_group_lag", *group)], 2)
        equal(parsed[("redis_stream_group_consumers", *group)], 1)
        ada = ("consumer", "ada"), *group
        equal(parsed[("redis_stream_group_consumer_messages_pending", *ada)], 2)
    # What was delivered and settled is what a server counts that is ours.
    holds(("millstream_delivered_total",) not in parsed, "what nobody knows is not told")


def beside_one(name):
    with single(name) as (server, client):
        # Before anybody looks: half of it seen would be as true.
        fill(client)
        with dashboard(server) as url:
            parsed = told(url)
        streams_are_right(parsed)
        equal(parsed[("redis_up",)], 1)
        equal(parsed[("redis_db_keys", ("db", "db0"))], 3)
        # Whoever connects tries XADD, to see what the server can do; but no XACK.
        equal(parsed[("redis_commands_total", ("cmd", "xack"))], 3)
        instance = next(dict(key[1:]) for key in parsed if key[0] == "redis_instance_info")
        equal(instance["redis_version"], client.info("server")["redis_version"])
        equal(instance["role"], "master")


def beside_a_cluster(name):
    with cluster(name) as (server, client):
        fill(client)
        with dashboard(server) as url:
            parsed = told(url)
        streams_are_right(parsed)
        up = [value for key, value in parsed.items() if key[0] == "redis_up"]
        equal(up, [1, 1, 1], "each node by itself")
        calls = [
            value for key, value in parsed.items()
            if key[0] == "redis_commands_total" and ("cmd", "xack") in key
        ]
        equal(sum(calls), 3, "all of them together")


def main():
    report = Reporter()
    for name in SINGLE:
        report.run(f"beside {name}", lambda name=name: beside_one(name))
    report.run("beside a Cluster", lambda: beside_a_cluster("redis-8.2"))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
