"""A reset during a try: Temporal has it carried out once more, and WeChat may have accepted it the first time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from tests.looking import until
from tests.workflows import resets
from tests.workflows.conftest import Desk, Recorder, running, scaled_facts
from tests.workflows.failures import failure_of
from tests.workflows.model import accepts, loses, says

pytestmark = pytest.mark.long

REPEAT = timedelta(seconds=2)
HOUR = timedelta(hours=1)
BRIEF = {"http_timeout": timedelta(seconds=1), "window": timedelta(seconds=16)}
"""The lease of the run before lasts nine seconds: there is time for a few tries after it."""
REMEMBERED = {**BRIEF, "window": HOUR}
"""WeChat still knows the first try when the test is over."""
LEASED = {**REMEMBERED, "http_timeout": HOUR}
"""The run before still has its lease then, too."""
REFUSED = says(48001)


@dataclass
class Worker:
    """A worker that WeChat has answered, and that stands still before it tells anybody, until it is ``woken``."""

    written: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def stand_still(self) -> None:
        """The first time; the tries after it are carried out by others."""
        if not self.written.is_set():
            self.written.set()
            await self.woken.wait()


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture(params=[BRIEF])
async def desk(
    real_env: WorkflowEnvironment, worker: Worker, request: pytest.FixtureRequest, recorded: Recorder
) -> AsyncIterator[Desk]:
    """A desk with these times, whose first worker stands still."""
    async with running(real_env, scaled_facts(repeat=REPEAT, repeat_max=REPEAT, **request.param)) as found:
        found.wechat.after_write = worker.stand_still
        yield found
        await recorded(found)


async def reset(desk: Desk, worker: Worker, disturbance: str, **more: Any) -> WorkflowHandle[Any, Any]:
    """A send whose first try is under way, reset to a point after it: a push on another job, or a cancellation."""
    handle = await desk.start(**more)
    await worker.written.wait()
    run = desk.first_run(handle)
    before = await resets.points(run)
    if disturbance == "push":
        await run.signal("job_finished", {"msg_id": 1, "status": "send success"})
    else:
        await run.cancel()
    points = await until(lambda: resets.points(run), lambda found: found != before)
    after = await resets.reset(desk.env.client, run, points[-1])
    desk.started.append(after)
    return after


@pytest.mark.history
async def test_no_refusal_counts_after_a_reset_in_a_try(desk: Desk, worker: Worker) -> None:
    """That nothing was written the second time, and that WeChat refuses the next tries, says nothing of the first."""
    desk.wechat.script = [loses, *[REFUSED] * 100]
    handle = await reset(desk, worker, "push", decision_timeout="PT1H")
    await desk.asks(handle, "unknown_outcome")
    assert (await desk.ledger()).records[0].jobs[0].ever_unknown
    await desk.update(handle, "abort")
    result = await failure_of(handle)
    assert (result.outcome, result.may_have_been_delivered) == ("unknown", True)


@pytest.mark.history
@pytest.mark.parametrize("desk", [REMEMBERED], indirect=True)
async def test_a_cancellation_and_a_reset_in_a_try_go_on_to_the_verdict(desk: Desk, worker: Worker) -> None:
    """What may have been accepted is not cancelled."""
    desk.wechat.script = [loses, REFUSED]
    handle = await reset(desk, worker, "cancel")
    result = await handle.result()
    assert (result.outcome, result.jobs[0].deduplicated, len(desk.wechat.accepted)) == ("sent", True, 1)


@pytest.mark.parametrize("desk", [LEASED], indirect=True)
async def test_a_reset_in_a_lease_writes_no_second_time(desk: Desk, worker: Worker) -> None:
    """The lease stays with the run before, whose answer settles the send when it comes after all."""
    desk.wechat.script = [accepts]
    handle = await reset(desk, worker, "push")
    await desk.seen(handle, "another run had begun it")
    ledger = await desk.ledger()
    assert ledger.lease is not None
    assert ledger.lease.holder != handle.run_id
    worker.woken.set()
    result = await handle.result()
    assert (result.outcome, len(desk.wechat.tries)) == ("sent", 1)
