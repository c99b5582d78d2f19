"""One run of an account after the other: it continues as new, is reset, and is found while it is frozen."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.worker import UnsandboxedWorkflowRunner

from qunfa.contract.grants import Granted
from qunfa.contract.result import JobFinished
from tests.looking import until
from tests.workflows.accounts.conftest import Branch
from tests.workflows.refusals import replay
from tests.workflows.resets import Reapply, applied_again, points, reset
from workflows.account import MESSAGES_PER_RUN
from workflows.waiting import SLICE

pytestmark = pytest.mark.long

FAST = {"pace": timedelta(milliseconds=50)}
CROWD = 20
A_WHILE = timedelta(minutes=15)


async def test_nothing_is_lost_while_a_crowd_is_served_by_many_runs(short_branch: Branch) -> None:
    """Each send gets one lease, and its answer counts once."""
    branch = short_branch
    keys = [f"key-{number}" for number in range(CROWD)]
    handles = [await branch.sender(key, answers=True) for key in keys]
    for key in keys:
        await branch.signal("wants", await branch.wish(key, of_turn=FAST))
    first_run = (await branch.account.describe()).run_id
    await asyncio.gather(*(handle.result() for handle in handles))
    view = await branch.until(lambda ledger: len(ledger.records) == CROWD and ledger.lease is None)
    assert sorted(key for _, key in branch.submitting.written) == sorted(keys)
    assert sum(day.total for day in view.book.values()) == CROWD
    for key in keys:
        assert [granted.answer for granted in await branch.heard(key)].count("lease") == 1
    assert (await branch.account.describe()).run_id != first_run


async def test_an_account_continues_as_new_and_forgets_nothing(real_branch: Branch) -> None:
    """After some hundred messages, with who waits, and with its switch."""
    branch = real_branch
    await branch.wants("a", A_WHILE)
    await branch.freeze()
    first_run = (await branch.account.describe()).run_id
    pushes = [JobFinished(msg_id=5_000_000 + number, status="send success") for number in range(MESSAGES_PER_RUN)]
    await asyncio.gather(*(branch.account.signal("push", push) for push in pushes))

    async def next_run() -> bool:
        return (await branch.account.describe()).run_id != first_run

    await until(next_run)
    view = await branch.ledger()
    assert [one.key for one in view.waiting] == ["a"]
    assert view.frozen is not None
    assert (len(view.kept), next(iter(view.book.values())).others) == (200, MESSAGES_PER_RUN)
    await until(lambda: _found(branch))
    await branch.unfreeze()
    await until(lambda: _found(branch), lambda found: not found)
    await branch.answer("a", lambda granted: granted.waits and granted.waits.why == "queue")


async def test_a_question_among_signals_is_answered_alike_in_a_replay(real_branch: Branch) -> None:
    """A reset brings them all at once: the question amidst the signals, and in a replay behind them."""
    branch = real_branch
    await branch.signal("push", JobFinished(msg_id=4_999_999, status="send success"))
    await branch.until(lambda ledger: len(ledger.kept) == 1)
    await branch.account.execute_update("ask", {"key": "a"})
    pushes = [JobFinished(msg_id=5_000_000 + number, status="send success") for number in range(2 * SLICE)]
    await asyncio.gather(*(branch.account.signal("push", push) for push in pushes))
    run = branch.client.get_workflow_handle(branch.account.id, run_id=(await branch.account.describe()).run_id)
    again = await reset(branch.client, run, (await points(run))[0])
    await branch.until(lambda ledger: sum(day.others for day in ledger.book.values()) == 1 + 2 * SLICE)
    assert await applied_again(again) == 1
    await replay(await again.fetch_history(), UnsandboxedWorkflowRunner(), branch.client.namespace)


async def test_a_frozen_account_is_found(real_branch: Branch) -> None:
    """By its phase, as long as it is frozen."""
    branch = real_branch
    await branch.signal("push", JobFinished(msg_id=1, status="send success"))
    await branch.freeze()
    await until(lambda: _found(branch))
    await branch.unfreeze()
    await until(lambda: _found(branch), lambda found: not found)


async def test_after_a_reset_earlier_runs_are_searched_for(real_branch: Branch) -> None:
    """What is left of the ledger may be less than what it knew: a lease comes after a search."""
    branch = real_branch
    await branch.wants("a")
    await branch.wants("b", A_WHILE)
    await branch.answer("b", lambda granted: granted.waits)
    await branch.freeze()  # so that the task to which it is reset is not the one in which it heard of a wish
    before = await branch.account.describe()
    run = branch.client.get_workflow_handle(branch.account.id, run_id=before.run_id)
    await reset(branch.client, run, (await points(run))[-1], Reapply.NONE)
    view = await branch.until(lambda ledger: ledger.records and all(one.unsearched for one in ledger.records))
    assert {one.key for one in view.records} == {"a", "b"}
    await branch.signal("wants", await branch.wish("b", searched=False))
    assert (await branch.answer("b", _is_search)).waits is None
    await branch.signal("wants", await branch.wish("b", A_WHILE))
    await branch.answer("b", lambda granted: granted.waits)
    assert not (await branch.ledger(key="b")).records[0].unsearched


def _is_search(granted: Granted) -> bool:
    return granted.answer == "search"


async def _found(branch: Branch) -> list[Any]:
    query = f'WorkflowId = "{branch.account.id}" AND ExecutionStatus = "Running" AND MassSendPhase = "frozen"'
    return [one async for one in branch.client.list_workflows(query)]
