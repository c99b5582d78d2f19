"""One run of an account after the other: it continues as new, is reset, and takes in what was kept for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails

from qunfa.contract.result import JobFinished
from qunfa.temporal.whole_tasks import WholeTasks
from tests.looking import until
from tests.temporal import development_server, run_at_rest
from tests.workflows.accounts.conftest import Branch, Handle, opened
from tests.workflows.refusals import Activate, Passing, as_workers_do, replay
from tests.workflows.resets import applied_again, points, reset
from workflows.account import MESSAGES_PER_RUN
from workflows.waiting import BYTES_FULL, SLICE

pytestmark = pytest.mark.long

A_WHILE = timedelta(minutes=15)
AT_ONCE = 10
"""More than about twenty calls at a time keep the server itself from beginning the task after one that has failed."""
KEPT = 7 * SLICE
BIG = 100 * 1024
"""Bytes of a signal."""
DEADLOCK_SECONDS = 2.0
"""After so long the SDK calls an activation a deadlock."""


async def newest_run(branch: Branch) -> Handle:
    return branch.client.get_workflow_handle(branch.account.id, run_id=(await branch.account.describe()).run_id)


async def goes_on(branch: Branch, call: Callable[[], Awaitable[Any]]) -> Handle:
    """Call again and again, until the account goes on as another run; the run before."""
    before = await newest_run(branch)

    async def next_run() -> bool:
        await call()
        return await run_at_rest(branch.account) != before.run_id

    await until(next_run)
    return before


async def reset_to_its_first_task(branch: Branch) -> Handle:
    run = await newest_run(branch)
    return await reset(branch.client, run, (await points(run))[0])


async def replays(branch: Branch, run: Handle) -> None:
    await replay(await run.fetch_history(), as_workers_do(), branch.client.namespace)


async def test_an_account_continues_as_new_and_forgets_nothing(real_branch: Branch) -> None:
    """After some hundred messages, with who waits, and with its switch. It is found as long as it is frozen."""
    branch = real_branch
    await branch.wants("a", A_WHILE)
    await branch.freeze()
    first_run = (await branch.account.describe()).run_id
    pushes = [JobFinished(msg_id=5_000_000 + number, status="send success") for number in range(MESSAGES_PER_RUN)]
    await asyncio.gather(*(branch.account.signal("push", push) for push in pushes))

    async def next_run() -> bool:
        return (await branch.account.describe()).run_id != first_run

    await until(next_run)
    view = await branch.until(lambda ledger: sum(day.others for day in ledger.book.values()) == MESSAGES_PER_RUN)
    assert [one.key for one in view.waiting] == ["a"]
    assert view.frozen is not None
    assert len(view.kept) == 200
    await until(lambda: _found(branch))
    await branch.unfreeze()
    await until(lambda: _found(branch), lambda found: not found)
    await branch.answer("a", lambda granted: granted.waits and granted.waits.why == "queue")


async def test_an_account_that_has_no_rest_goes_on_by_its_bytes(
    monkeypatch: pytest.MonkeyPatch, real_branch: Branch
) -> None:
    """An answer may come at any moment, and some big signals have come: their events alone would be few."""
    monkeypatch.setattr("workflows.account.MESSAGES_PER_RUN", 2)
    monkeypatch.setattr("workflows.waiting.BYTES_FULL", 4 * BIG)
    monkeypatch.setattr("workflows.account.ANSWERED_WITHIN", timedelta(hours=1))
    branch = real_branch
    await branch.wants("a", of_turn={"http_timeout": A_WHILE})
    await branch.answer("a", lambda granted: granted.lease)
    # The size that a task is told may lack what came last: some more has to come.
    await goes_on(branch, lambda: branch.signal("told", {"odd": "x" * BIG}))
    assert (await branch.ledger()).lease is not None
    assert 2 * BYTES_FULL < 50_000_000


async def test_signals_that_are_dropped_do_not_fill_an_account(
    monkeypatch: pytest.MonkeyPatch, real_branch: Branch
) -> None:
    """One that nobody knows, one of nothing that a person can mean, and one that is too big."""
    monkeypatch.setattr("workflows.waiting.HISTORY_MAX", 20)
    branch = real_branch
    await branch.wants("a", A_WHILE)
    await branch.answer("a", lambda granted: granted.waits)
    for name in ("hello", "restored", "wants"):
        run = await goes_on(branch, partial(branch.account.signal, name, {"odd": "x" * 2 * BIG}))
        assert [one.key for one in (await branch.ledger()).waiting] == ["a"]
        await replays(branch, run)


async def test_a_question_among_signals_is_answered_alike_in_a_replay(real_branch: Branch) -> None:
    """A reset brings them all at once: the question amidst the signals, and in a replay behind them."""
    branch = real_branch
    await branch.signal("push", JobFinished(msg_id=4_999_999, status="send success"))
    await branch.until(lambda ledger: len(ledger.kept) == 1)
    await branch.account.execute_update("ask", {"key": "a"})
    pushes = [JobFinished(msg_id=5_000_000 + number, status="send success") for number in range(2 * SLICE)]
    await asyncio.gather(*(branch.account.signal("push", push) for push in pushes))
    again = await reset_to_its_first_task(branch)
    await branch.until(lambda ledger: sum(day.others for day in ledger.book.values()) == 1 + 2 * SLICE)
    assert await applied_again(again) == 1
    await replays(branch, again)


async def test_a_question_to_a_run_that_ends_is_refused(monkeypatch: pytest.MonkeyPatch, real_branch: Branch) -> None:
    """In a flood a run ends before it has taken in what came before the question: that nothing is known is not said."""
    branch = real_branch
    await branch.signal("push", JobFinished(msg_id=4_999_999, status="send success"))
    await branch.account.execute_update("ask", {"key": "a"})
    pushes = [JobFinished(msg_id=5_000_000 + number, status="send success") for number in range(SLICE)]
    await asyncio.gather(*(branch.account.signal("push", push) for push in pushes))
    await branch.until(lambda ledger: sum(day.others for day in ledger.book.values()) == 1 + SLICE)
    monkeypatch.setattr("workflows.account.MESSAGES_PER_RUN", 2)
    monkeypatch.setattr("workflows.account.is_full", lambda _: True)
    again = await reset_to_its_first_task(branch)
    [said] = await until(partial(_refused, again))
    assert said == "it is just continuing as new"
    await branch.until(lambda ledger: sum(day.others for day in ledger.book.values()) == 1 + SLICE)


async def _refused(handle: Handle) -> list[str]:
    return [
        event.workflow_execution_update_completed_event_attributes.outcome.failure.message
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_execution_update_completed_event_attributes")
    ]


async def test_a_restore_among_updates_is_applied_last(real_branch: Branch) -> None:
    """After a reset they come at once, and in a replay in another order. The account is frozen in both."""
    branch = real_branch
    await branch.signal("push", JobFinished(msg_id=4_999_999, status="send success"))
    await branch.unfreeze()
    await branch.account.signal("restored", {"by": "li", "reason": "disk lost", "taken": "2026-12-01T08:00:00Z"})
    await branch.until(lambda ledger: ledger.frozen)
    again = await reset_to_its_first_task(branch)
    await branch.until(lambda ledger: ledger.frozen)
    assert await applied_again(again) == 1
    await replays(branch, again)


async def _found(branch: Branch) -> list[Any]:
    query = f'WorkflowId = "{branch.account.id}" AND ExecutionStatus = "Running" AND MassSendPhase = "frozen"'
    return [one async for one in branch.client.list_workflows(query)]


# In a flood


@dataclass
class Measuring:
    """How much of the processor each activation took, in seconds, that was no question."""

    taken: list[float] = field(default_factory=list)

    def runner(self, **own: Any) -> WholeTasks:
        """Runs workflows as usual."""
        measure = self

        class Measured(WholeTasks):
            def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
                return Passing(super().create_instance(det), measure.through)

        return Measured(**own)

    def through(self, activate: Activate, task: WorkflowActivation) -> WorkflowActivationCompletion:
        began = time.thread_time()
        done = activate(task)
        if not any(job.HasField("query_workflow") for job in task.jobs):
            self.taken.append(time.thread_time() - began)
        return done


async def test_what_was_kept_while_no_worker_ran_is_taken_in_slices() -> None:
    """Hundreds of pushes come in one task, and no activation takes them all."""
    measured = Measuring()
    async with development_server(as_it_comes=True) as client:
        env = WorkflowEnvironment.from_client(client)
        closed = Branch(env)
        await _flood(closed, KEPT)
        async with opened(env, closed, runner=measured.runner):
            await until(lambda: _count(closed), lambda count: count == KEPT)
        assert max(measured.taken) < DEADLOCK_SECONDS
        assert len(measured.taken) >= KEPT // SLICE


async def _flood(branch: Branch, size: int) -> None:
    """So many pushes of jobs that are nobody's, each taken by the server; it may refuse some for a while."""
    left = iter(range(size))

    async def some() -> None:
        for number in left:
            push = JobFinished(msg_id=7_000_000 + number, status="send success")
            await until(partial(_is_taken, branch, push))

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _is_taken(branch: Branch, push: JobFinished) -> bool:
    try:
        await branch.signal("push", push)
    except RPCError:
        return False
    return True


async def _count(branch: Branch) -> int:
    return sum(day.others for day in (await branch.ledger()).book.values())
