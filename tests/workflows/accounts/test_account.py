"""The account on Temporal: who hears of it when, what people do to it, and what it survives."""

import asyncio
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.grants import PATIENCE, Granted, Lease
from qunfa.contract.result import JobFinished
from tests.account.driving import answer, attempt, look, report, tried
from tests.looking import until
from tests.workflows.accounts.conftest import Branch, Sender, opened
from tests.workflows.conftest import leap
from worker import EndingWorker
from workflows.account import Account
from workflows.waiting import SLICE

A_WHILE = timedelta(minutes=15)


async def leased(branch: Branch, key: str) -> Lease:
    lease = (await branch.answer(key, lambda granted: granted.answer == "lease")).lease
    assert lease is not None
    return lease


async def says_yes(branch: Branch, lease: Lease, msg_id: int = 7) -> None:
    """WeChat takes what was submitted, and the account is told."""
    said = tried(lease, answer(at=lease.not_before, msg_id=msg_id))
    workflow_id = branch.senders[lease.key].id
    await branch.signal("told", report(said, key=lease.key, workflow_id=workflow_id))


async def test_the_lease_of_a_run_that_is_gone_goes_to_the_next(branch: Branch) -> None:
    """Nobody was there to hear of it: nothing was written."""
    gone = await branch.wants("gone", A_WHILE)
    await branch.answer("gone", lambda granted: granted.waits)
    await branch.wants("next", A_WHILE)
    await branch.answer("next", lambda granted: granted.waits)
    await gone.terminate("killed")
    await leap(branch.env, A_WHILE)
    assert (await leased(branch, "next")).key == "next"
    (record,) = (await branch.ledger(key="gone")).records
    assert [(job.attempts, job.ever_unknown) for job in record.jobs] == [(0, False)]


async def test_a_lease_that_nobody_waits_for_comes_back(branch: Branch) -> None:
    """A reset applies the update again of a run that is gone. A signal finds nobody, and the next one has its turn."""
    await branch.wants("waits", A_WHILE)
    await branch.answer("waits", lambda granted: granted.waits)
    gone, now = await branch.sender("gone"), await branch.env.get_current_time()
    await gone.terminate("killed")
    wish = await branch.wish("gone", asked_at=now - 2 * PATIENCE)
    assert await branch.account.execute_update("wish", wish) is None
    await branch.sender("next")
    wish = await branch.wish("next", asked_at=await branch.env.get_current_time())
    assert (await branch.account.execute_update("wish", wish, result_type=Granted)).answer == "lease"
    (record,) = (await branch.ledger(key="gone")).records
    assert [(job.attempts, job.ever_unknown) for job in record.jobs] == [(0, False)]


async def test_a_timer_that_brings_nothing_changes_no_later_task(real_env: WorkflowEnvironment) -> None:
    """Its task has no command, so that a worker without the run in its memory gets it with the next task, behind it."""
    async with opened(real_env, max_cached_workflows=0) as branch:
        await _has_a_timer_that_brings_nothing(branch)
        await branch.sender("b")
        granted = await branch.account.execute_update(
            "wish", await branch.wish("b", of_turn={"http_timeout": "PT1S"}), result_type=Granted
        )
        assert granted.answer == "lease"


async def test_a_timer_that_brought_nothing_takes_no_slice(real_env: WorkflowEnvironment) -> None:
    """No worker runs for a while, and signals gather. The next one gets that timer behind them all, in one task."""
    branch = Branch(real_env)
    async with EndingWorker(
        real_env.client, task_queue=branch.appid, workflows=[Account, Sender], ends_within=timedelta(seconds=10)
    ):
        await _has_a_timer_that_brings_nothing(branch)
    asking = asyncio.create_task(branch.account.execute_update("ask", {"key": "a"}))
    await until(branch.account.describe, lambda found: found.raw_description.HasField("pending_workflow_task"))
    pushes = [JobFinished(msg_id=7_000_000 + number, status="send success") for number in range(3 * SLICE)]
    await asyncio.gather(*(branch.signal("push", push) for push in pushes[1:]))
    async with opened(real_env, branch):
        await asking
        await branch.until(lambda view: sum(day.others for day in view.book.values()) == len(pushes) - 1)
        await branch.signal("push", pushes[0])
        await branch.until(lambda view: sum(day.others for day in view.book.values()) == len(pushes))


async def _has_a_timer_that_brings_nothing(branch: Branch) -> None:
    """Until it has rung: the lease that it is for was given back meanwhile, be it the next one's."""
    for number in count():
        key = f"a{number}"
        await branch.wants(key, of_turn={"http_timeout": "PT1S"})
        lease = await leased(branch, key)
        said = tried(lease, answer("not_written", at=lease.not_before))
        await until(branch.account.fetch_history, _is_at_rest)
        await branch.signal("told", report(said, key=key, workflow_id=branch.senders[key].id))
        if _has_rung_alone(await until(branch.account.fetch_history, _has_rung)):
            return


def _kinds(history: WorkflowHistory) -> list[str]:
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]


def _is_at_rest(history: WorkflowHistory) -> bool:
    """Whether no task is to come or under way, unless a timer brings it."""
    return _kinds(history)[-1] in {"WORKFLOW_TASK_COMPLETED", "TIMER_STARTED"}


def _has_rung(history: WorkflowHistory) -> bool:
    """Whether no timer brings a task, either."""
    kinds = _kinds(history)
    return _is_at_rest(history) and kinds.count("TIMER_FIRED") == kinds.count("TIMER_STARTED")


def _has_rung_alone(history: WorkflowHistory) -> bool:
    """Whether the last thing is the task of a timer, which is done and has brought nothing."""
    task = [f"WORKFLOW_TASK_{step}" for step in ("SCHEDULED", "STARTED", "COMPLETED")]
    return _kinds(history)[-4:] == ["TIMER_FIRED", *task]


async def test_a_key_is_forgotten_with_all_that_came_before(real_env: WorkflowEnvironment) -> None:
    """The next worker has in one task what came to the one before, what came while none ran, and the request."""
    branch, said = Branch(real_env), attempt(answer("unknown"))
    told = partial(report, key="a", workflow_id="mass-send:demo:a")
    async with EndingWorker(
        real_env.client, task_queue=branch.appid, workflows=[Account, Sender], ends_within=timedelta(seconds=10)
    ):
        await branch.signal("told", told(said))
        await branch.until(lambda view: view.records)
    asking = asyncio.create_task(branch.account.execute_update("forget", {"by": "li", "reason": "x", "key": "a"}))
    await until(branch.account.describe, lambda found: found.raw_description.HasField("pending_workflow_task"))
    await branch.signal("told", told(said, attempt(answer("unknown"), 2, "later")))
    async with opened(real_env, branch):
        await asking
        view = await branch.ledger()
        assert ([one.key for one in view.records], [one.key for one in view.forgotten]) == ([], ["a"])


async def test_signals_of_any_shape_do_no_harm(branch: Branch) -> None:
    """They are dropped, and so is what no run can have sent; a cancellation changes nothing."""
    junks: list[Any] = [None, 3, "x", [], {}, {"msg_id": "x"}, {"key": "a", "known": 1}, {"wish": "w", "key": "a b"}]
    for junk in junks:
        for name in ("wants", "told", "push"):
            await branch.signal(name, junk)
    await branch.account.signal("push", args=[1, 2])
    await branch.account.signal("push")
    await branch.account.cancel()
    await branch.sender("a")
    for run in ("run-1", "", "x" * 200):
        await branch.signal("wants", look("nobody", "b", run, workflow_id="mass-send:demo:b"))
    far = {"due": "2999-01-01T00:00:00Z"}
    await branch.signal("wants", await branch.wish("a", of_turn=far, until="2999-12-01T00:00:00Z"))
    assert (await branch.answer("a", lambda granted: granted.waits)).answer == "known"
    await branch.wants("c")
    await says_yes(branch, await leased(branch, "c"))


async def test_updates_are_refused_with_a_sentence(branch: Branch) -> None:
    """What does not fit changes nothing."""
    await branch.wants("a", A_WHILE)
    for name, payload, said in (
        ("freeze", {"by": "li"}, "reason: is missing"),
        ("unfreeze", None, "must be an object"),
        ("forget", {"by": "li", "reason": "x", "key": "?"}, "key: has characters"),
        ("ask", {"key": 3}, "key: must be text"),
    ):
        with pytest.raises(WorkflowUpdateFailedError) as raised:
            await branch.account.execute_update(name, payload)
        assert isinstance(raised.value.cause, ApplicationError)
        assert raised.value.cause.type == "UpdateRefused"
        assert said in raised.value.cause.message
    assert (await branch.ledger()).frozen is None
