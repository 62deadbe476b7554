"""redis-py, redis-cli, ioredis and HTTPS against a server with TLS: who is let in, and who not.

ioredis runs in `ioredis_tls.js`, whose lines are passed on.
"""

import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import redis
from certificates import Authority
from harness.checks import LINE, Reporter, equal, holds
from harness.servers import Launcher
from harness.waiting import until
from redis.backoff import NoBackoff
from redis.retry import Retry

LIMIT_S = 120
FILES = pathlib.Path(os.environ["MILLSTREAM_TEST_SCRATCH"])
LISTENING = re.compile(r"listening for TLS on 127\.0\.0\.1:(\d+)")
DASHBOARD = re.compile(r"dashboard on (https://\S+)")


def at(name):
    return str(FILES / name)


def make_files():
    authority = Authority(FILES, "ca")
    authority.sign("server", "127.0.0.1")
    authority.sign("rsa", "127.0.0.1", kind="rsa")
    authority.sign("elsewhere", "elsewhere.example")
    authority.sign("expired", "127.0.0.1", days=-1)
    authority.sign("worker", "worker.example")
    authority.sign("old-worker", "worker.example", days=-1)
    Authority(FILES, "other-ca").sign("stranger", "worker.example")


def start(auth_clients, certificate="server", *more):
    options = ["--tls-port", "0", "--tls-auth-clients", auth_clients]
    options += ["--tls-cert-file", at(f"{certificate}.crt")]
    options += ["--tls-key-file", at(f"{certificate}.key"), "--tls-ca-cert-file", at("ca.crt")]
    directory = tempfile.mkdtemp(dir=FILES)
    server = Launcher.from_environment().start(directory, options=[*options, *more])
    # It says where TLS is before it says where all else is.
    server.tls_port = int(LISTENING.search(server.log()).group(1))
    return server


def connect(server, own=None, authority="ca", **options):
    if own:
        options |= {"ssl_certfile": at(f"{own}.crt"), "ssl_keyfile": at(f"{own}.key")}
    return redis.Redis(
        port=server.tls_port,
        host="127.0.0.1",
        ssl=True,
        ssl_ca_certs=at(f"{authority}.crt"),
        socket_timeout=LIMIT_S,
        # Who is refused once is not to come again.
        retry=Retry(NoBackoff(), 0),
        **options,
    )


def is_refused(client, why=""):
    try:
        client.ping()
    except (redis.ConnectionError, ssl.SSLError, OSError) as error:
        holds(why in str(error), f"refused with {error}")
    else:
        raise AssertionError("it was let in")


def redis_py_does_what_it_does_without():
    for certificate in ("server", "rsa"):
        with start("yes", certificate) as server:
            client = connect(server, "worker", decode_responses=True)
            equal(client.xadd("s", {"n": "1"}, id="1-0"), "1-0")
            client.xgroup_create("s", "g", 0)
            equal(client.xreadgroup("g", "c", {"s": ">"}), [["s", [("1-0", {"n": "1"})]]])
            equal(client.xack("s", "g", "1-0"), 1)
            large = "x" * (5 << 20)
            client.set("large", large)
            equal(client.get("large") == large, True, "a large value comes back")
            with client.pipeline() as pipe:
                for n in range(2000):
                    pipe.xadd("many", {"n": n})
                equal(len(pipe.execute()), 2000)


def a_blocked_read_is_woken():
    with start("no") as server:
        seen = []
        reader, writer = connect(server), connect(server)
        blocked = threading.Thread(target=lambda: seen.extend(reader.xread({"s": "$"}, block=0)))
        blocked.start()
        until(lambda: writer.info("clients")["blocked_clients"] == 1, LIMIT_S, "it waits")
        writer.xadd("s", {"n": "1"})
        blocked.join(LIMIT_S)
        equal(len(seen), 1, "streams")


def who_is_let_in():
    for auth_clients, without, stranger in (
        ("yes", False, False),
        ("optional", True, False),
        ("no", True, True),
    ):
        with start(auth_clients) as server:
            for own, is_in in (("worker", True), (None, without), ("stranger", stranger)):
                if is_in:
                    equal(connect(server, own).ping(), True)
                else:
                    is_refused(connect(server, own))
            if auth_clients != "no":
                is_refused(connect(server, "old-worker"))


def whom_clients_believe():
    with start("no") as server:
        is_refused(connect(server, authority="other-ca"), "certificate verify failed")
        failed = connect(server).info("tls")["millstream_tls_handshakes_failed"]
        equal(failed, 1, "failed handshakes")
    with start("no", "elsewhere") as server:
        is_refused(connect(server), "IP address mismatch")
        equal(connect(server, ssl_check_hostname=False).ping(), True)
    with start("no", "expired") as server:
        is_refused(connect(server), "certificate has expired")


def a_client_without_tls_is_closed():
    with start("no") as server:
        plain = redis.Redis(port=server.tls_port, retry=Retry(NoBackoff(), 0))
        is_refused(plain)
        equal(connect(server).ping(), True)


def speaks(server, version):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", *version]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=LIMIT_S, check=False)
    return done.returncode == 0


def versions():
    with start("no", "server", "--tls-protocols", "TLSv1.3") as server:
        client = connect(server)
        equal(client.ping(), True)
        equal(client.config_get("tls-protocols"), {"tls-protocols": "TLSv1.3"})
        newer, older = ["-tls1_3"], ["-tls1_2"]
        equal((speaks(server, newer), speaks(server, older)), (True, False))
        equal(client.config_set("tls-protocols", "TLSv1.2"), True)
        equal((speaks(server, newer), speaks(server, older)), (False, True))
        equal(client.ping() and connect(server).ping(), True)


def a_new_certificate_by_config_set():
    with start("no") as server:
        client = connect(server)
        equal(client.ping(), True)
        new = {"tls-cert-file": at("elsewhere.crt"), "tls-key-file": at("elsewhere.key")}
        words = [word for pair in new.items() for word in pair]
        equal(client.execute_command("CONFIG SET", *words), True)
        equal(client.ping(), True, "the old connection stays")
        is_refused(connect(server), "IP address mismatch")


def redis_cli():
    def cli(server, *options):
        command = ["redis-cli", "-p", str(server.tls_port), "--tls", *options, "PING"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        return done.stdout.strip() or done.stderr.strip()

    authority = ["--cacert", at("ca.crt")]
    own = ["--cert", at("worker.crt"), "--key", at("worker.key")]
    with start("yes") as server:
        equal(cli(server, *authority, *own), "PONG")
        holds(cli(server, *authority) != "PONG", "without a certificate")
        said = cli(server, "--cacert", at("other-ca.crt"), *own)
        holds("certificate verify failed" in said, said)
    with start("no") as server:
        equal(cli(server, *authority), "PONG")
        equal(cli(server, "--insecure"), "PONG")


def the_dashboard_by_https():
    with start("yes", "server", "--admin-port", "0", "--admin-tls") as server:
        url = DASHBOARD.search(server.log()).group(1)

        def get(path, authority):
            context = ssl.create_default_context(cafile=at(authority))
            with urllib.request.urlopen(url + path, timeout=LIMIT_S, context=context) as answer:
                return answer.read().decode()

        equal(get("/readyz", "ca.crt"), "ready\n")
        holds("redis_up 1" in get("/metrics", "ca.crt"), "metrics")
        holds("<title>" in get("/", "ca.crt"), "pages")
        try:
            get("/readyz", "other-ca.crt")
        except urllib.error.URLError as error:
            holds("certificate verify failed" in str(error), f"{error}")
        else:
            raise AssertionError("another authority was believed")


def ioredis(report):
    with start("yes") as server:
        variables = {"MILLSTREAM_TEST_TLS_PORT": str(server.tls_port)}
        script = pathlib.Path(__file__).parent / "ioredis_tls.js"
        done = subprocess.run(
            ["node", str(script)],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=2 * LIMIT_S,
            check=False,
        )
        lines = [found for found in map(LINE.match, done.stdout.splitlines()) if found]
        for found in lines:
            report.line(*found.groups())
        closing = f"done {len(lines)}"
        if not lines or closing not in done.stdout.splitlines():
            report.line("not ok", f"ioredis: {done.stdout} {done.stderr}")


CHECKS = [
    redis_py_does_what_it_does_without, a_blocked_read_is_woken, who_is_let_in,
    whom_clients_believe, a_client_without_tls_is_closed, versions,
    a_new_certificate_by_config_set, redis_cli, the_dashboard_by_https,
]


def main():
    report = Reporter()
    make_files()
    for check in CHECKS:
        report.run(check.__name__.replace("_", " "), check)
    ioredis(report)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
