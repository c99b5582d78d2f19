"""How the stage is set up: one Temporal server, one simulated WeChat, one receiver and one worker."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.callback.app import run_receiver
from qunfa.rules.calendar import shanghai_day
from qunfa.settings import Settings
from qunfa.simulator import Simulator
from qunfa.temporal.connection import connect
from tests.e2e.stage import CALLBACK_TOKEN, SECRET, TIMING, Scene, Stage, working
from tests.looking import PATIENCE, look_again

NAMES = tuple(f"a{number:03}" for number in range(600))
"""More accounts than there are tests."""

SeenT = TypeVar("SeenT")


def settings_at(
    wechat: str, media: Path, names: Sequence[str] = NAMES, timing: Mapping[str, float] = TIMING
) -> Settings:
    """The configuration of worker and receiver, with accounts of these names."""
    run = uuid.uuid4().hex[:8]
    account = {"secret": SECRET, "kind": "service", "callback": {"token": CALLBACK_TOKEN}}
    return Settings.model_validate(
        {
            "task_queue": f"e2e-{run}",
            "wechat": {"base_url": wechat},
            "metrics": {"worker": "", "receiver": ""},
            "media": {"roots": [media]},
            "store": {"uri": (media / "store").as_uri()},
            "timing": dict(timing),
            "accounts": {name: {**account, "appid": f"wx{run}{number:03}"} for number, name in enumerate(names)},
        }
    )


@contextlib.asynccontextmanager
async def receiving(settings: Settings, client: Client | None = None) -> AsyncIterator[str]:
    """A receiver with this connection, or with one to the Temporal that the environment names. Gives its URL."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def connected() -> Client:
        return client or await connect()

    serving = asyncio.create_task(
        run_receiver(
            settings, host="127.0.0.1", port=0, on_started=url.set_result, handle_signals=False, connect=connected
        )
    )
    try:
        yield await url
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@contextlib.contextmanager
def temporal_at(address: str) -> Iterator[None]:
    """The environment names this Temporal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_ADDRESS", address)
        patch.setenv("TEMPORAL_NAMESPACE", "default")
        yield


async def until_ready(url: str) -> None:
    """Until the receiver can deliver."""
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(trust_env=False) as http:
        while (await http.get(f"{url}/readyz")).is_error:
            await look_again()


@contextlib.asynccontextmanager
async def receiving_at(settings: Settings, address: str) -> AsyncIterator[str]:
    """A receiver that is connected to the Temporal at this address."""
    async with contextlib.AsyncExitStack() as stack:
        with temporal_at(address):
            url = await stack.enter_async_context(receiving(settings))
            await until_ready(url)
        yield url


@contextlib.asynccontextmanager
async def staged(
    media: Path, client: Client, *, names: Sequence[str] = NAMES, timing: Mapping[str, float] = TIMING
) -> AsyncIterator[Stage]:
    """The stage on this Temporal server; `media` is where the workers may read."""
    async with Simulator() as sim:
        settings = settings_at(sim.url, media, names, timing)
        address = client.service_client.config.target_host
        async with receiving_at(settings, address) as receiver, working(client, settings):
            yield Stage(client, address, settings, sim, receiver, media, sorted(names))


@contextlib.asynccontextmanager
async def scene_of(stage: Stage, name: str | None = None) -> AsyncIterator[Scene]:
    """This account, or one that nobody has used, and WeChat as new."""
    scene = stage.scene(name)
    await scene.simulate()
    try:
        yield scene
    finally:
        for handle in [*scene.started, scene.ledger_handle]:
            with contextlib.suppress(RPCError):
                await handle.terminate("the test is over")


async def on_one_day(stage: Stage, play: Callable[[Scene], Awaitable[SeenT]]) -> SeenT:
    """What a scene comes to whose account is new; played again with another one where midnight came in its midst."""
    while True:
        day = shanghai_day(datetime.now(UTC))
        async with scene_of(stage) as scene:
            seen = await play(scene)
        if shanghai_day(datetime.now(UTC)) == day:
            return seen
