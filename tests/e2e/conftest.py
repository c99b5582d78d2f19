"""The stage: one simulated WeChat, one receiver and one worker for all tests of the folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.e2e.stage import Scene, Stage
from tests.e2e.staging import scene_of, staged


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(temporal_server: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("media"), temporal_server) as stage:
        yield stage


@pytest.fixture
async def scene(stage: Stage) -> AsyncIterator[Scene]:
    """An account nobody has used, and WeChat as new."""
    async with scene_of(stage) as scene:
        yield scene
