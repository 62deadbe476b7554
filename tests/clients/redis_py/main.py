"""redis-py against a running server; the address comes from the environment (see variants.py).

Without a password every check runs in every variant. With MILLSTREAM_TEST_PASSWORD set only the
password check does, and with MILLSTREAM_TEST_SOCKET that of the unix socket.
"""

import asyncio
import sys

import operations
import policies
import schedules
import retention
import sessions
import streams
import strings
import waits
from harness.checks import Reporter
from variants import PASSWORD, SOCKET, Variant

CHECK_LIMIT_S = 20


async def one(variant, check):
    api = variant.api()
    try:
        if PASSWORD is None:
            await api.flushall()
        await asyncio.wait_for(check(variant, api), CHECK_LIMIT_S)
    finally:
        await api.shut()


def main():
    checks = streams.CHECKS + sessions.CHECKS + waits.CHECKS + strings.CHECKS
    checks += operations.CHECKS + policies.CHECKS + retention.CHECKS + schedules.CHECKS
    if PASSWORD is not None:
        checks = [sessions.password]
    if SOCKET is not None:
        checks = [operations.unix_socket]
    report = Reporter()
    for variant in Variant.all():
        for check in checks:
            name = f"{variant}: {check.__name__.replace('_', ' ')}"
            report.run(name, lambda: asyncio.run(one(variant, check)))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
