"""A process that dies or sleeps at a place."""

import asyncio
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.worker import PollerBehaviorSimpleMaximum, WorkerConfig

from qunfa.callback.app import run_receiver
from qunfa.settings import load_settings
from qunfa.telemetry import configure_logging
from qunfa.temporal.connection import connect
from qunfa.wechat import open_http
from tests.faults.calls import watch_http, watched_client, watched_requests
from tests.faults.place import Tripwire
from worker import serve

STICKY: Final = timedelta(seconds=2)
"""After which a workflow task that only this worker may take is offered to all."""


class FewPolls(SimplePlugin):
    """As few open polls as a worker can have: one that sleeps still swallows a task, which is given up in its turn."""

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        config = super().configure_worker(config)
        config["activity_task_poller_behavior"] = PollerBehaviorSimpleMaximum(1)
        config["workflow_task_poller_behavior"] = PollerBehaviorSimpleMaximum(2)  # one for its own queue, one for all
        config["sticky_queue_schedule_to_start_timeout"] = STICKY
        return config


def with_few_polls(client: Client) -> Client:
    """The same connection, for workers with few polls."""
    config = client.config()
    config["plugins"] = [FewPolls("few-polls")]
    return Client(**config)


async def worker(tripwire: Tripwire) -> None:
    """The product's own worker, between watched connections."""
    settings = load_settings()
    client = with_few_polls(watched_client(await connect(), tripwire))
    async with open_http(settings.timing.http_timeout) as http:
        watch_http(http, tripwire)
        await serve(settings, client, http)
    await asyncio.sleep(0.05)  # as worker.py does: see there


async def receiver(tripwire: Tripwire) -> None:
    """The product's own receiver, with a watched connection and watched requests."""

    async def watched() -> Client:
        return watched_client(await connect(), tripwire)

    with watched_requests(tripwire):
        await run_receiver(load_settings("receiver"), connect=watched)


def main(words: list[str]) -> None:
    """Be one: `<worker|receiver> <place> <kill|stop|hold> <n>`."""
    configure_logging()
    who, *where = words
    asyncio.run({"worker": worker, "receiver": receiver}[who](Tripwire(where)))
