"""redis-cli and redis-benchmark against a running server; the address comes from the environment.

Run by run.py, which skips it where the two are not on PATH.
"""

import os
import subprocess
import sys

from harness.checks import Reporter, equal, holds

ADDRESS = ["-h", os.environ["MILLSTREAM_TEST_HOST"], "-p", os.environ["MILLSTREAM_TEST_PORT"]]
LIMIT_S = 60


def run(*words, stdin=""):
    done = subprocess.run(
        [words[0], *ADDRESS, *words[1:]],
        input=stdin.encode(),
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    error = done.stderr.decode(errors="replace").strip()
    equal(done.returncode, 0, f"exit code of {' '.join(words)} ({error or output.strip()[-200:]})")
    return output


def cli(*words, stdin=""):
    return run("redis-cli", *words, stdin=stdin).strip()


def fresh():
    equal(cli("FLUSHALL"), "OK")


def single_commands():
    fresh()
    equal(cli("PING"), "PONG")
    equal(cli("XADD", "s", "1-0", "a", "1"), "1-0")
    equal(cli("XLEN", "s"), "1")
    equal(cli("--no-raw", "XRANGE", "s", "-", "+"), '1) 1) "1-0"\n   2) 1) "a"\n      2) "1"')
    holds(cli("XADD", "s", "1-0", "a", "1").startswith("ERR The ID specified"), "refusal is shown")
    holds("redis_version:" in cli("INFO", "server"), "INFO")


def resp3():
    fresh()
    cli("XADD", "s", "1-0", "a", "1")
    cli("XGROUP", "CREATE", "s", "g", "0")
    read = cli("-3", "--no-raw", "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    equal(read.split(), '1# "s" => 1) 1) "1-0" 2) 1) "a" 2) "1"'.split())
    groups = cli("-3", "--no-raw", "XINFO", "GROUPS", "s")
    holds('"last-delivered-id" => "1-0"' in groups, f"a map is shown as one: {groups}")


def json_output():
    fresh()
    cli("XADD", "s", "1-0", "a", "1")
    equal(cli("-3", "--json", "XRANGE", "s", "-", "+"), '[["1-0",["a","1"]]]')


def other_database():
    fresh()
    cli("-n", "5", "XADD", "s", "1-0", "a", "1")
    equal(cli("XLEN", "s"), "0")
    equal(cli("-n", "5", "XLEN", "s"), "1")


def scanning():
    fresh()
    script = "".join(f"XADD order:{n} * a 1\n" for n in range(500)) + "SET text 1\n"
    cli(stdin=script)
    found = cli("--scan", "--pattern", "order:*").splitlines()
    equal(sorted(found), sorted(f"order:{n}" for n in range(500)))


def many_lines_from_a_pipe():
    fresh()
    script = "".join(f"XADD s {n}-0 a {n}\n" for n in range(1, 301))
    equal(cli(stdin=script).splitlines(), [f"{n}-0" for n in range(1, 301)])


def mass_insertion():
    fresh()
    one = "*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\n1\r\n"
    output = cli("--pipe", stdin=one * 2000)
    holds("errors: 0, replies: 2000" in output, output)
    equal(cli("XLEN", "s"), "2000")


def repeated():
    fresh()
    equal(cli("-r", "5", "INCR", "n").splitlines(), ["1", "2", "3", "4", "5"])


def benchmark_of_plain_commands():
    output = run("redis-benchmark", "-t", "ping,set,get", "-q", "-n", "2000")
    for name in ("PING_INLINE", "PING_MBULK", "SET", "GET"):
        holds(f"{name}:" in output, f"{name} in {output}")
    holds("requests per second" in output, output)


def benchmark_of_streams():
    fresh()
    output = run("redis-benchmark", "-q", "-n", "2000", "XADD", "s", "*", "f", "v")
    holds("requests per second" in output, output)
    equal(cli("XLEN", "s"), "2000")


def benchmark_with_pipelines():
    fresh()
    run("redis-benchmark", "-q", "-n", "20000", "-P", "50", "-c", "8", "XADD", "s", "*", "f", "v")
    equal(cli("XLEN", "s"), "20000")


CHECKS = [
    single_commands, resp3, json_output, other_database, scanning, many_lines_from_a_pipe,
    mass_insertion, repeated, benchmark_of_plain_commands, benchmark_of_streams,
    benchmark_with_pipelines,
]


def main():
    report = Reporter()
    for check in CHECKS:
        report.run(check.__name__.replace("_", " "), check)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
