"""The stage of the rehearsal, and each scene on it: `-s` shows its rule, what is done, and what is seen."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.e2e.stage import TIMING, Stage
from tests.e2e.staging import scene_of, staged
from tests.rehearsal.act import Act, say

_TEST: Final = "test_"
_TIMING: Final = TIMING | {"window": 6, "http_timeout": 10}
"""A lost answer is looked for so long; WeChat's own memory lasts longer. An answer may take its time."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(
    request: pytest.FixtureRequest, temporal_server: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """With an account for each scene, of its name."""
    names = [name.removeprefix(_TEST) for name in vars(request.module) if name.startswith(_TEST)]
    async with staged(tmp_path_factory.mktemp("media"), temporal_server, names=names, timing=_TIMING) as stage:
        yield stage


@pytest.fixture
async def act(request: pytest.FixtureRequest, stage: Stage) -> AsyncIterator[Act]:
    """A scene, played with the account of its name."""
    say(f"\n{request.function.__doc__}")
    async with scene_of(stage, request.function.__name__.removeprefix(_TEST)) as scene:
        yield Act(scene)
