"""A used-up quota, over midnights and the ends of months in Shanghai, on the time-skipping server."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from typing import Any, Final

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.operators import Status
from qunfa.contract.steps import AccountFacts, SubmitStep
from qunfa.rules.calendar import SHANGHAI
from tests.workflows.conftest import Desk, running, staffed
from tests.workflows.failures import failure_of
from tests.workflows.model import accepts, says

pytestmark = pytest.mark.long

OPENS, CLOSES = time(8), time(22)
JITTER_MAX: Final = timedelta(minutes=4)
WINDOW: Final = "the next quota window in Asia/Shanghai: WeChat answered "
DAY: Final = timedelta(days=1)


def facts_with(**facts: Any) -> AccountFacts:
    """An account that sends between eight in the morning and ten in the evening."""
    appid = f"wx{uuid.uuid4().hex[:16]}"
    hours = (f"{OPENS:%H:%M}", f"{CLOSES:%H:%M}")
    given = {"name": "demo", "appid": appid, "base_url": "https://api.weixin.qq.com", "send_hours": hours, **facts}
    return AccountFacts.model_validate(given)


@asynccontextmanager
async def desk_of(env: WorkflowEnvironment, **facts: Any) -> AsyncIterator[Desk]:
    """A worker for it."""
    async with running(env, facts_with(**facts)) as desk:
        yield desk


def shanghai(step: SubmitStep) -> datetime:
    """When a try may be written at the earliest, in Shanghai."""
    return step.lease.not_before.astimezone(SHANGHAI)


def opening(moment: datetime, days: int = 1) -> datetime:
    """The opening so many days later."""
    return datetime.combine(moment.astimezone(SHANGHAI).date() + days * DAY, OPENS, SHANGHAI)


def month_after(moment: datetime) -> datetime:
    """The opening on the first of the next month."""
    first = moment.astimezone(SHANGHAI).replace(day=1) + timedelta(days=32)
    return datetime.combine(first.date().replace(day=1), OPENS, SHANGHAI)


async def refused(desk: Desk, handle: WorkflowHandle[Any, Any], errcode: int) -> Status:
    """The status, once the send waits for quota."""
    return await desk.until(
        handle,
        lambda status: bool(status.waiting_for and status.waiting_for.reason.startswith(f"{WINDOW}{errcode}")),
        timedelta(minutes=20),
    )


@pytest.mark.parametrize("errcode", [45028, 45009, 45093])
async def test_a_daily_limit_waits_for_the_next_opening(env: WorkflowEnvironment, errcode: int) -> None:
    """The status says until when; nothing is tried before; then the same submission is, and it is delivered once."""
    async with desk_of(env) as desk:
        desk.wechat.script = [says(errcode)]
        handle = await desk.start()
        status = await refused(desk, handle, errcode)
        [first] = desk.wechat.tries
        assert (status.phase, status.problem) == ("submitting", None)
        assert status.waiting_for is not None
        assert status.waiting_for.until is not None
        opens = opening(first.lease.not_before)
        assert opens <= status.waiting_for.until < opens + JITTER_MAX
        result = await handle.result()
    assert result.outcome == "sent"
    _, second = desk.wechat.tries
    assert status.waiting_for.until <= second.lease.not_before < opens + JITTER_MAX + timedelta(minutes=2)
    assert OPENS <= shanghai(first).time() < CLOSES
    assert first.clientmsgid == second.clientmsgid
    assert (len(desk.wechat.accepted), len(result.jobs)) == (1, 1)


async def test_the_wait_outlives_the_worker(env: WorkflowEnvironment) -> None:
    """Another one goes on with it, until the same moment."""
    desk, worker = staffed(env, facts_with(), max_cached_workflows=0)  # or the server waits for the one that has gone
    desk.wechat.script = [says(45028)]
    async with worker():
        handle = await desk.start()
        before = await refused(desk, handle, 45028)
    async with worker():
        assert (await handle.result()).outcome == "sent"
    _, second = desk.wechat.tries
    assert before.waiting_for is not None
    assert before.waiting_for.until is not None
    assert before.waiting_for.until <= second.lease.not_before < before.waiting_for.until + timedelta(minutes=2)
    assert len(desk.wechat.accepted) == 1


async def test_a_monthly_limit_waits_for_the_first_of_the_month(env: WorkflowEnvironment) -> None:
    """However many days that is; nothing is tried meanwhile."""
    async with desk_of(env) as desk:
        desk.wechat.script = [says(45040)]
        handle = await desk.start()
        status = await refused(desk, handle, 45040)
        [first] = desk.wechat.tries
        opens = month_after(first.lease.not_before)
        assert status.waiting_for is not None
        assert status.waiting_for.until is not None
        assert opens <= status.waiting_for.until < opens + JITTER_MAX
        assert (await handle.result()).outcome == "sent"
    _, second = desk.wechat.tries
    assert (shanghai(second).day, shanghai(second).hour) == (1, OPENS.hour)


async def test_a_limit_of_unknown_length_is_asked_about_once_a_day(env: WorkflowEnvironment) -> None:
    """45028 is said of a used-up day and of a used-up month alike: each opening is tried, until one is not refused."""
    async with desk_of(env) as desk:
        desk.wechat.script = [says(45028), says(45028), says(45028), accepts]
        result = await (await desk.start()).result()
    assert result.outcome == "sent"
    first, *later = [shanghai(step) for step in desk.wechat.tries]
    assert [moment.date() - first.date() for moment in later] == [DAY, 2 * DAY, 3 * DAY]
    assert all(OPENS <= moment.time() < (datetime.combine(moment, OPENS) + JITTER_MAX).time() for moment in later)
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1


async def test_sends_that_wait_for_the_same_opening_do_not_go_all_at_once(env: WorkflowEnvironment) -> None:
    """Each has a jitter of its own, which it keeps."""
    async with desk_of(env) as desk:
        desk.wechat.script = [says(45028)] * 3
        handles = [await desk.start(key) for key in ("a", "b", "c")]
        waits = [(await refused(desk, handle, 45028)).waiting_for for handle in handles]
        untils = {wait.until for wait in waits if wait and wait.until}
        assert len(untils) > 1, "the three at the same second"
        assert max(untils) - min(untils) < JITTER_MAX
        assert [(await handle.result()).outcome for handle in handles] == ["sent"] * 3


@pytest.mark.parametrize("errcode", [45028, 45040])
async def test_an_account_that_asks(env: WorkflowEnvironment, errcode: int) -> None:
    """A person decides at once, with WeChat's words; a retry tries the same submission again."""
    async with desk_of(env, quota="ask") as desk:
        desk.wechat.script = [says(errcode)]
        handle = await desk.start()
        status = await desk.asks(handle, "quota_exhausted")
        assert status.problem is not None
        assert (status.problem.errcode, status.problem.errmsg) == (errcode, f"says {errcode}")
        assert "Counted here before it: 0 accepted today (0 to all), 0 this month (0 to all)" in status.problem.sentence
        assert {"retry", "abort"} <= set(status.answers)
        assert len(desk.wechat.tries) == 1
        await desk.update(handle, "retry")
        assert (await handle.result()).outcome == "sent"
    assert len({step.clientmsgid for step in desk.wechat.tries}) == 1


async def test_a_send_that_waits_for_quota_can_be_aborted(env: WorkflowEnvironment) -> None:
    """Nothing was accepted, so nothing is unknown."""
    async with desk_of(env) as desk:
        desk.wechat.script = [says(45028)]
        handle = await desk.start()
        await refused(desk, handle, 45028)
        await desk.update(handle, "abort")
        failed = await failure_of(handle)
    assert (failed.outcome, failed.may_have_been_delivered) == ("aborted", False)
    assert len(desk.wechat.tries) == 1
