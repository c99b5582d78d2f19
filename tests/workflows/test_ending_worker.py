"""A worker that is stopped ends, whatever is still under way in it."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio import activity, workflow
from temporalio.testing import WorkflowEnvironment

from tests.looking import PATIENCE
from worker import EndingWorker

NAME = "HoldOut"
NOTICE = "left something under way: another worker takes it up once it has timed out"


class Activity:
    """Minds no cancellation where it is ``stubborn``: Temporal's own worker waits for such a one without limit."""

    def __init__(self, *, stubborn: bool) -> None:
        self.stubborn = stubborn
        self.given = timedelta(seconds=2 if stubborn else PATIENCE)
        self.begun, self.released = asyncio.Event(), asyncio.Event()

    @activity.defn(name=NAME)
    async def hold_out(self) -> None:
        """Wait until it is released."""
        self.begun.set()
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise


@workflow.defn(name=NAME, sandboxed=False)
class HoldsOut:
    """One such activity."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(NAME, start_to_close_timeout=timedelta(minutes=1))


@pytest.mark.parametrize(("stubborn", "said"), [(True, [NOTICE]), (False, [])], ids=["stubborn", "ends"])
async def test_a_worker_that_is_stopped_ends(real_env: WorkflowEnvironment, stubborn: bool, said: list[str]) -> None:
    """It waits for what ends; what does not it leaves after as long as it may wait, and says so."""
    assert await stopped(real_env, Activity(stubborn=stubborn)) == said


async def stopped(env: WorkflowEnvironment, held: Activity) -> list[str]:
    """What a worker says that is stopped in the middle of this activity."""
    queue = uuid.uuid4().hex
    options: dict[str, Any] = {"task_queue": queue, "workflows": [HoldsOut], "activities": [held.hold_out]}
    with capture_logs() as said:
        async with asyncio.timeout(PATIENCE):
            async with EndingWorker(env.client, ends_within=held.given, **options):
                handle = await env.client.start_workflow(NAME, id=queue, task_queue=queue)
                await held.begun.wait()
    held.released.set()
    await handle.terminate()
    return [line["event"] for line in said if line["log_level"] == "warning"]
