"""Temporal is killed while a send stands between two steps, and comes back with its file: delivered once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from qunfa.callback import run_receiver
from qunfa.contract import MassSendResult
from qunfa.settings import Settings
from qunfa.simulator import Simulator
from qunfa.temporal import register_search_attributes
from qunfa.wechat import open_http
from tests.e2e.stage import Stage
from tests.e2e.staging import settings_at
from tests.faults.calls import watch_http, watched_client
from tests.faults.company import Actor, Company, Peer, delivered_once, result_of
from tests.faults.gate import Gate
from tests.faults.place import Place
from tests.faults.program import PATIENCE
from tests.faults.temporal_server import temporal_server
from worker import make_worker

HTTP_TIMEOUT = timedelta(seconds=4)
"""Long enough for a lease to last until Temporal is dead."""
PUSH_SPACING_SECONDS = 400
"""Scaled to 2 s: WeChat still tries when Temporal is back."""


@dataclass(frozen=True)
class Stand:
    """Where a send stands when Temporal dies: at the n-th passing of a place."""

    place: Place
    passing: int = 1
    tag: bool = False


STANDS = {
    "before the claim": Stand(Place.BEFORE_CLAIM),
    "after the claim that missed": Stand(Place.AFTER_CLAIM),
    "after the claim that took key and lease": Stand(Place.AFTER_CLAIM, passing=2),
    "before the reservation": Stand(Place.BEFORE_RESERVE, tag=True),
    "after the lease": Stand(Place.AFTER_LEASE, tag=True),
    "before the write": Stand(Place.BEFORE_WRITE),
    "after the write": Stand(Place.AFTER_WRITE),
    "after the acceptance": Stand(Place.AFTER_ACCEPTANCE),
    "before the ledger is told": Stand(Place.BEFORE_TOLD),
    "after the ledger was told": Stand(Place.AFTER_TOLD),
    "before the activity has returned": Stand(Place.BEFORE_RETURN),
    "after the activity has returned": Stand(Place.AFTER_RETURN),
    "after the ledger was told of the end": Stand(Place.AFTER_END),
    "before the push": Stand(Place.BEFORE_PUSH),
    "after the push": Stand(Place.AFTER_PUSH),
}


@dataclass(frozen=True)
class Survivor:
    """A send, its worker, and the gate at which one of them is held while Temporal dies."""

    actor: Actor
    stand: Stand
    gate: Gate

    async def send(self) -> Any:
        """Start it; its handle, when the gate is reached."""
        handle = await self.actor.send(tag=self.stand.tag, result={"push_timeout": 5, "poll_interval": 1})
        async with asyncio.timeout(PATIENCE):
            await self.gate.reached.wait()
        return handle


@asynccontextmanager
async def receiving(settings: Settings, client: Client) -> AsyncIterator[str]:
    """A receiver with this connection; its URL."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def connect() -> Client:
        return client

    serving = asyncio.create_task(
        run_receiver(
            settings, host="127.0.0.1", port=0, on_started=url.set_result, handle_signals=False, connect=connect
        )
    )
    try:
        yield await url
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


@asynccontextmanager
async def working(actor: Actor, client: Client, gate: Gate) -> AsyncIterator[None]:
    """A worker of the send's own, that passes the gate."""
    settings = actor.scene.stage.settings.model_copy(update={"task_queue": actor.scene.queue})
    async with open_http(settings.timing.http_timeout) as http:
        watch_http(http, gate)
        async with make_worker(settings, watched_client(client, gate), http):
            yield


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def results(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, tuple[Peer, MassSendResult]]]:
    """Of all sends, which have stood each at its place when Temporal was killed, once for all."""
    folder = tmp_path_factory.mktemp("temporal")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(temporal_server(folder / "temporal.db"))
        sim = await stack.enter_async_context(Simulator())
        client = await server.start()
        await register_search_attributes(client)
        settings = settings_at(sim.url, folder)
        timing = settings.timing.model_copy(update={"http_timeout": HTTP_TIMEOUT})
        settings = settings.model_copy(update={"timing": timing})
        receiver = await stack.enter_async_context(receiving(settings, client))
        company = Company(
            Stage(client, server.address, settings, sim, receiver, folder, sorted(settings.accounts)), folder
        )
        survivors = {name: await survivor(stack, company, stand) for name, stand in STANDS.items()}
        await company.simulate(push={"spacing": PUSH_SPACING_SECONDS})
        handles = await asyncio.gather(*[one.send() for one in survivors.values()])
        await server.kill()
        for one in survivors.values():
            one.gate.open()
        await server.start()
        ended = await asyncio.gather(*[result_of(handle) for handle in handles])
        yield {name: (one.actor.scene, result) for (name, one), result in zip(survivors.items(), ended, strict=True)}


async def survivor(stack: AsyncExitStack, company: Company, stand: Stand) -> Survivor:
    """One send, with what carries it out."""
    stage, actor, gate = company.stage, company.actor(), Gate(stand.place, stand.passing)
    if stand.place in {Place.BEFORE_PUSH, Place.AFTER_PUSH}:
        url = await stack.enter_async_context(receiving(stage.settings, watched_client(stage.client, gate)))
        actor.scene.callback = f"{url}/wechat/{actor.scene.account}"
    await stack.enter_async_context(working(actor, stage.client, gate))
    return Survivor(actor, stand, gate)


@pytest.mark.parametrize("where", STANDS)
async def test_temporal_dies_between_two_steps_and_nothing_is_lost_or_doubled(
    results: dict[str, tuple[Peer, MassSendResult]], where: str
) -> None:
    """Whoever was at work goes on without Temporal, and Temporal goes on from its file: sent, once."""
    scene, result = results[where]
    await delivered_once(scene, result, tag=STANDS[where].tag)
