"""A receiver that dies or sleeps at a place: `python -m tests.faults.receiver <place> <kill|stop> [<n>]`."""

import asyncio
import sys

from temporalio.client import Client

from qunfa.callback import run_receiver
from qunfa.settings import load_settings
from qunfa.telemetry import configure_logging
from qunfa.temporal.connection import connect
from tests.faults.calls import watched_client
from tests.faults.requests import watched_requests
from tests.faults.tripwire import Tripwire


async def run(tripwire: Tripwire) -> None:
    """The product's own receiver, with a watched connection and watched requests."""

    async def watched() -> Client:
        return watched_client(await connect(), tripwire)

    with watched_requests(tripwire):
        await run_receiver(load_settings(credentials=False), connect=watched)


if __name__ == "__main__":
    configure_logging()
    asyncio.run(run(Tripwire.of(sys.argv[1:])))
