"""Temporal dies, or sleeps too long, while a send stands between two steps, and comes back: delivered once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from temporalio.client import Client

from qunfa.contract import MassSendResult
from qunfa.simulator import Simulator
from qunfa.temporal.connection import is_reachable
from qunfa.temporal.namespace import register_search_attributes
from qunfa.wechat import open_http
from tests.e2e.stage import Stage
from tests.e2e.staging import receiving, settings_at
from tests.faults.calls import watch_http, watched_client, watched_requests
from tests.faults.company import HEARTBEAT_SECONDS, Actor, Company, Peer, delivered_once, result_of
from tests.faults.nursery import Nursery
from tests.faults.place import AT_WORK, Gate, Place, Stand
from tests.faults.temporal_server import TemporalServer, temporal_server
from tests.looking import PATIENCE
from worker import make_worker

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

HTTP_TIMEOUT = timedelta(seconds=4)
"""Long enough for a lease to last until Temporal is dead."""
HEARTBEAT = timedelta(seconds=HEARTBEAT_SECONDS)
SLEEP = 4 * HEARTBEAT
"""Longer than Temporal waits for a sign of life, and than Temporal's clients wait for an answer to one call (10 s)."""
PUSH_SPACING_SECONDS = 400
"""Scaled to 2 s: WeChat still tries when Temporal is back."""


STANDS = AT_WORK | {
    "after the body": Stand(Place.AFTER_BODY),
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


class Aftermath(NamedTuple):
    """How a send has ended."""

    scene: Peer
    result: MassSendResult


Strike = Callable[[TemporalServer, Sequence[Survivor]], Awaitable[None]]


@asynccontextmanager
async def working(actor: Actor, client: Client, gate: Gate) -> AsyncIterator[None]:
    """A worker of the send's own, that passes the gate."""
    settings = actor.scene.stage.settings.model_copy(update={"task_queue": actor.scene.queue})
    async with open_http(settings.timing.http_timeout) as http:
        watch_http(http, gate)
        async with make_worker(settings, watched_client(client, gate), http):
            yield


async def dies(server: TemporalServer, survivors: Sequence[Survivor]) -> None:
    """Temporal is killed and started again; meanwhile all go on without it."""
    await server.kill()
    for one in survivors:
        one.gate.open()
    await server.start()


async def sleeps(server: TemporalServer, survivors: Sequence[Survivor]) -> None:
    """Temporal is stopped until it has missed all signs of life; meanwhile all go on, and it answers nobody."""
    server.stop()
    for one in survivors:
        one.gate.open()
    assert not await is_reachable(survivors[0].actor.scene.client, SLEEP)
    server.wake()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aftermaths(
    request: pytest.FixtureRequest, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """Of all sends, which have stood each at its place when Temporal was struck, once for all."""
    strike: Strike = request.param
    folder = tmp_path_factory.mktemp("temporal")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(temporal_server(folder / "temporal.db"))
        company = await employed(stack, server, nursery, folder)
        survivors = [await survivor(stack, company, stand) for stand in STANDS.values()]
        await company.simulate(push={"spacing": PUSH_SPACING_SECONDS})
        handles = await asyncio.gather(*[one.send() for one in survivors])
        await strike(server, survivors)
        results = await asyncio.gather(*map(result_of, handles))
        ended = [Aftermath(one.actor.scene, result) for one, result in zip(survivors, results, strict=True)]
        yield dict(zip(STANDS, ended, strict=True))


async def employed(stack: AsyncExitStack, server: TemporalServer, nursery: Nursery, folder: Path) -> Company:
    """The company of all sends, with Temporal running and WeChat simulated."""
    sim = await stack.enter_async_context(Simulator())
    client = await server.start()
    await register_search_attributes(client)
    settings = settings_at(sim.url, folder)
    timing = settings.timing.model_copy(update={"http_timeout": HTTP_TIMEOUT, "heartbeat": HEARTBEAT})
    settings = settings.model_copy(update={"timing": timing})
    receiver = await stack.enter_async_context(receiving(settings, client))
    stage = Stage(client, server.address, settings, sim, receiver, folder, sorted(settings.accounts))
    return Company(stage, nursery, folder)


async def survivor(stack: AsyncExitStack, company: Company, stand: Stand) -> Survivor:
    """One send, with what carries it out."""
    stage, actor, gate = company.stage, company.actor(), Gate(stand.place, stand.passing)
    if stand.place in {Place.AFTER_BODY, Place.BEFORE_PUSH, Place.AFTER_PUSH}:
        with watched_requests(gate):
            url = await stack.enter_async_context(receiving(stage.settings, watched_client(stage.client, gate)))
        actor.scene.callback = f"{url}/wechat/{actor.scene.account}"
    await stack.enter_async_context(working(actor, stage.client, gate))
    return Survivor(actor, stand, gate)


@pytest.mark.parametrize("aftermaths", [dies], indirect=True, ids=["killed"])
@pytest.mark.parametrize("where", STANDS)
async def test_temporal_dies_and_nothing_is_lost_or_doubled(aftermaths: dict[str, Aftermath], where: str) -> None:
    """Whoever was at work goes on without Temporal, and Temporal goes on from its file: sent, once."""
    await delivered_once(*aftermaths[where], tag=STANDS[where].tag)


@pytest.mark.parametrize("aftermaths", [sleeps], indirect=True, ids=["stopped"])
@pytest.mark.parametrize("where", STANDS)
async def test_temporal_sleeps_and_nothing_is_lost_or_doubled(aftermaths: dict[str, Aftermath], where: str) -> None:
    """Whoever was at work gave up waiting, and Temporal takes for lost whoever it has not heard of: sent, once."""
    await delivered_once(*aftermaths[where], tag=STANDS[where].tag)
