"""The stage: one simulated WeChat, one receiver and one worker for all tests of the folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from qunfa.testing import FakeQunfa
from tests.client.test_fake import request as of_a_fake
from tests.e2e.sides import Side
from tests.e2e.stage import Scene, Stage
from tests.e2e.staging import scene_of, staged
from tests.e2e.test_client import qunfa_of
from tests.faults.nursery import Nursery
from tests.faults.nursery import nursery as opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(temporal_server: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("media"), temporal_server) as stage:
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nursery() -> AsyncIterator[Nursery]:
    async with opened() as nursery:
        yield nursery


@pytest.fixture
async def scene(stage: Stage) -> AsyncIterator[Scene]:
    """An account nobody has used, and WeChat as new."""
    async with scene_of(stage) as scene:
        yield scene


@pytest.fixture(params=["real", "fake"])
def side(request: pytest.FixtureRequest) -> Side:
    """A stage on a real server, or the fake."""
    if request.param == "fake":
        return Side(FakeQunfa(), of_a_fake)
    scene: Scene = request.getfixturevalue("scene")
    return Side(qunfa_of(scene), scene.request, scene)
