"""A receiver as it is run, on a real port, and what it has given to a real Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from temporalio.client import Client

from qunfa.callback import run_receiver
from qunfa.contract.ids import account_id
from qunfa.settings import Settings
from tests.callback.pushing import callback_settings
from tests.looking import PATIENCE


def address_of(client: Client) -> str:
    """Where its Temporal is."""
    return client.service_client.config.target_host


async def is_ready(http: httpx.AsyncClient) -> bool:
    """Whether the receiver reaches Temporal."""
    return (await http.get("/readyz")).status_code == 200


async def signals(client: Client, appid: str) -> int:
    """How many signals the account's workflow has had."""
    handle = client.get_workflow_handle(account_id(appid))
    return sum(
        [
            event.HasField("workflow_execution_signaled_event_attributes")
            async for event in handle.fetch_history_events()
        ]
    )


def renamed(appid: str, receiver: dict[str, Any] | None = None, **callback: Any) -> Settings:
    """The settings of the tests with an appid, and a task queue, of its own."""
    settings = callback_settings(receiver, **callback)
    accounts = {"demo": settings.accounts["demo"].model_copy(update={"appid": appid})}
    return settings.model_copy(update={"accounts": accounts, "task_queue": appid})


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A receiver on a free port, and a client of it; both are gone afterwards."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    receiver = asyncio.create_task(
        run_receiver(settings, host="127.0.0.1", port=0, on_started=started.set_result, handle_signals=False)
    )
    try:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(base_url=await started, trust_env=False) as http:
            yield http
    finally:
        receiver.cancel()
        await asyncio.gather(receiver, return_exceptions=True)
