"""A worker that dies or sleeps at a place: `python -m tests.faults.worker <place> <kill|stop> [<n>]`."""

import asyncio
import sys

from qunfa.settings import load_settings
from qunfa.telemetry import configure_logging
from qunfa.temporal import connect
from qunfa.wechat import open_http
from tests.faults.calls import watch_http, watched_client
from tests.faults.tripwire import Tripwire
from worker import serve


async def run(tripwire: Tripwire) -> None:
    """The product's own worker, between watched connections."""
    settings = load_settings()
    client = watched_client(await connect(), tripwire)
    async with open_http(settings.timing.http_timeout) as http:
        watch_http(http, tripwire)
        await serve(settings, client, http)
    await asyncio.sleep(0.05)  # as worker.py does: see there


if __name__ == "__main__":
    configure_logging()
    asyncio.run(run(Tripwire.of(sys.argv[1:])))
