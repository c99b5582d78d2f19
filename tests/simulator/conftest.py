"""One simulator for all tests; each test begins with a world and a receiver of pushes of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count
from types import SimpleNamespace

import httpx
import pytest

from qunfa.simulator import Simulator, SimulatorConfig
from tests.looking import PATIENCE
from tests.simulator.api import Api, Json, Start, simulator_config
from tests.simulator.inbox import CALLBACK_TOKEN, Inbox


@pytest.fixture(scope="session")
async def running() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
async def http(running: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated time passes only where a test has it pass, and by a microsecond each time that somebody looks."""
    began, looks = time.time(), count()
    monkeypatch.setattr("qunfa.simulator.clock.time", SimpleNamespace(time=lambda: began + next(looks) / 1_000_000))


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    receiver = Inbox()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"http://127.0.0.1:{port}/wechat/demo"
    async with server:
        yield receiver


@pytest.fixture
async def start(running: Simulator, http: httpx.AsyncClient, inbox: Inbox) -> AsyncIterator[Start]:
    """Begins a world; by default its only account is demo, with a token that is valid and a callback to `inbox`."""

    async def begin(*, sim: Json | None = None, **account: object) -> Api:
        callback = {"callback": {"url": inbox.url, "token": CALLBACK_TOKEN}}
        await running.reset(simulator_config(sim=sim, **callback | account))
        api = Api(running, http, inbox)
        if "demo" in running.world.accounts:
            api.become("demo")
        return api

    yield begin
    await running.reset(SimulatorConfig())


@pytest.fixture
async def api(start: Start) -> Api:
    return await start()
