"""What may take long leaves places of a worker to what sends wait for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.attempts import IN_ALL, SOON
from activities.batches import NOT_ENDED, Batches
from activities.material import Material, Pictures
from activities.sources import MaterialInspection, Reader
from qunfa.audience.jobs import PlanFound, PlanJob
from qunfa.audience.planner import PlannerError
from qunfa.batches.rows import row_of_closed
from qunfa.contract.batches import FollowBatchStep
from qunfa.contract.checks import ReadPicturesStep
from qunfa.contract.message import Source
from qunfa.contract.steps import SOURCE_UNAVAILABLE, InspectStep, UploadStep
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Fetched, Sources
from tests.activities.conftest import attempt, settings_for
from tests.activities.shelf import PINNED, WECHAT, Shelf
from tests.looking import until

URI = "file:/nowhere/a.png"
BEGUN = 2 * IN_ALL


@pytest.fixture
def goes_on() -> asyncio.Event:
    return asyncio.Event()


class SlowReader(Reader):
    """Its files are slow: then nothing may be read from there."""

    def __init__(self, goes_on: asyncio.Event) -> None:
        super().__init__(Sources(SourcePolicy()))
        self._goes_on = goes_on

    @asynccontextmanager
    async def copy(self, uri: str) -> AsyncIterator[Fetched]:
        await self._goes_on.wait()
        async with super().copy(uri) as copy:
            yield copy


async def few_are_begun(
    doing: Callable[[int], Awaitable[Any]],
    goes_on: asyncio.Event,
    failure_type: str = SOURCE_UNAVAILABLE,
    needs_none: int | None = None,
) -> None:
    """Of so many at a time; the others come again soon. There are places once those are done."""
    many = [asyncio.ensure_future(doing(number)) for number in range(BEGUN)]

    async def refused() -> list[BaseException | None]:
        return [task.exception() for task in many if task.done()]

    for error in await until(refused, lambda found: len(found) == BEGUN - IN_ALL):
        assert isinstance(error, ApplicationError)
        assert error.next_retry_delay is not None
        assert (error.type, SOON[0] <= error.next_retry_delay <= SOON[1]) == (failure_type, True)
        assert "too many" in error.message
    if needs_none is not None:
        await doing(needs_none)
    goes_on.set()
    await asyncio.gather(*many, return_exceptions=True)
    last = asyncio.ensure_future(doing(BEGUN))
    await asyncio.wait({last})
    assert "too many" not in str(last.exception())


@pytest.mark.parametrize("what", ["inspect", "read_pictures", "upload", "upload smaller"])
async def test_a_burst_of_pictures_leaves_places_for_sends(
    http: httpx.AsyncClient, goes_on: asyncio.Event, what: str
) -> None:
    """A file host may hang, and two are decoded at a time: who waits for that has a place of an activity."""
    accounts, reader = Accounts(settings_for(WECHAT), http), SlowReader(goes_on)
    message: Any = {"msgtype": "image", "images": [{"uri": URI}]}
    inspect = InspectStep(account=PINNED, message=message)
    source = Source(place="message.images[0]", uri=URI, use="image", sha256="a" * 64, size=1, fit="smaller" in what)

    async def doing(_number: int) -> Any:
        if what == "inspect":
            return await attempt(MaterialInspection(accounts, reader).inspect, inspect)
        if what == "read_pictures":
            step = ReadPicturesStep(account=PINNED, uris=(URI,))
            return await attempt(Pictures(accounts, reader).read_pictures, step)
        return await attempt(Material(accounts, reader).upload, UploadStep(account=PINNED, source=source))

    await few_are_begun(doing, goes_on)


async def test_a_burst_of_lists_leaves_places_for_sends(
    http: httpx.AsyncClient, tmp_path: Path, goes_on: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is planned at a time."""
    shelf = Shelf(http, tmp_path)
    audiences, audience = shelf.audiences, shelf.put("all", ("a", "b"))

    async def slow(_job: PlanJob) -> PlanFound:
        await goes_on.wait()
        raise PlannerError("the test has seen enough")

    monkeypatch.setattr("activities.audiences.plan", slow)
    await few_are_begun(lambda number: shelf.plan(audience, f"key-{number}", by=audiences), goes_on)


@pytest.mark.parametrize("what", ["follow_batch", "look_back"])
async def test_lists_that_follow_leave_places_for_batches(goes_on: asyncio.Event, what: str) -> None:
    """After a reset of all lists: the batches that they follow, and all other sends, need some to go on.

    A batch that has ended needs none.
    """

    class Following(Batches):
        """Of batches that wait for tomorrow."""

        async def _newest(self, workflow_id: str) -> Any:
            return Mock(id=workflow_id)

        async def _is_of(self, _step: FollowBatchStep, _run_id: str | None) -> bool:
            return True

        async def _status(self, handle: Any) -> WorkflowExecutionStatus | None:
            return None if handle.id.endswith(f".{ended}") else WorkflowExecutionStatus.RUNNING

        async def _tell(self, *_about: Any) -> None:
            pass

        async def _end_of(self, handle: Any, _step: FollowBatchStep) -> Any:
            if not handle.id.endswith(f".{ended}"):
                await goes_on.wait()
            return row_of_closed(1, "broken")

    batches, ended = Following(Mock(Client)), 2 * BEGUN

    async def doing(number: int) -> Any:
        step = FollowBatchStep(workflow_id=f"mass-send:demo:key.{number}", number=number, plan="d")
        return await attempt(getattr(batches, what), step)

    await few_are_begun(doing, goes_on, NOT_ENDED, ended)
