"""redis-py against a running server; the address comes from the environment (see variants.py).

Without a password every check runs in every variant. With MILLSTREAM_TEST_PASSWORD set only the
password check does, and with MILLSTREAM_TEST_SOCKET that of the unix socket. What groups do by
themselves takes its time, and has no replies of its own form: once each for the protocols.
"""

import asyncio
import sys

import dead_letters
import default_policies
import failures
import in_order
import operations
import over_kill_9
import policies
import retention
import schedules
import sessions
import streams
import strings
import users
import waits
from harness.checks import Reporter
from variants import IS_REDIS, PASSWORD, SOCKET, Variant

CHECK_LIMIT_S = 120
MANAGED = [policies, failures, dead_letters, in_order, default_policies, over_kill_9]


async def one(variant, check):
    api = variant.api()
    try:
        if PASSWORD is None:
            await api.flushall()
        await asyncio.wait_for(check(variant, api), CHECK_LIMIT_S)
    finally:
        await api.shut()


def has_managed(variant):
    return not IS_REDIS and variant.protocol is not None and variant.decode


def main():
    checks = streams.CHECKS + sessions.CHECKS + waits.CHECKS + strings.CHECKS
    checks += operations.CHECKS + users.CHECKS
    if not IS_REDIS:
        checks += retention.CHECKS + schedules.CHECKS
    managed = [check for module in MANAGED for check in module.CHECKS]
    if PASSWORD is not None:
        checks, managed = [sessions.password], []
    if SOCKET is not None:
        checks, managed = [operations.unix_socket], []
    report = Reporter()
    for variant in Variant.all():
        for check in checks + (managed if has_managed(variant) else []):
            name = f"{variant}: {check.__name__.replace('_', ' ')}"
            report.run(name, lambda: asyncio.run(one(variant, check)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
