"""A server that a check has for itself, to be given options, killed and started again.

It ends with the check. Clients of an earlier life are of no use after a restart: the port is
another one.
"""

import contextlib
import tempfile
import time

from harness.servers import Launcher


class OwnServer:
    """One data directory, and the server on it."""

    def __init__(self, variant, directory, options):
        self.variant = variant
        self.directory = directory
        self.server = None
        self.start(options)

    def start(self, options=()):
        self.server = Launcher.from_environment().start(self.directory, options=options)
        self.api = self.variant.api(port=self.server.port)

    async def kill(self):
        self.server.kill()
        await self.api.shut()

    async def restart(self, down_s=0, options=()):
        """kill -9, and another server on the same directory after so long."""
        await self.kill()
        time.sleep(down_s)
        self.start(options)
        return self.api


@contextlib.asynccontextmanager
async def own_server(variant, options=()):
    with tempfile.TemporaryDirectory() as directory:
        own = OwnServer(variant, directory, options)
        try:
            yield own
        finally:
            await own.kill()
