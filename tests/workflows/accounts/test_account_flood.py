"""An account in a flood of signals, and a crowd of sends, on a server with Temporal's own settings."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails

from qunfa.contract.grants import Granted, Lease
from qunfa.contract.result import JobFinished
from qunfa.temporal.connection import TemporalUnreachable
from qunfa.temporal.namespace import register_search_attributes
from qunfa.temporal.payloads import data_converter
from qunfa.temporal.whole_tasks import WholeTasks
from tests.looking import until
from tests.temporal import binary
from tests.workflows.accounts.conftest import Branch, opened
from tests.workflows.refusals import Activate, Passing

pytestmark = pytest.mark.long

FLOOD = 4_000
AT_ONCE = 10
"""More than about twenty calls at a time keep the server itself from beginning the task after one that has failed."""
KEPT = 2_000
CROWD = 60
PACE = timedelta(milliseconds=200)
DEADLOCK_SECONDS = 2.0
"""After so long the SDK calls an activation a deadlock."""


@dataclass
class Measuring:
    """How much of the processor each activation took, in seconds."""

    taken: list[float] = field(default_factory=list)

    def runner(self, **own: Any) -> WholeTasks:
        """Runs workflows as usual."""
        measure = self

        class Measured(WholeTasks):
            def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
                return Passing(super().create_instance(det), measure.through)

        return Measured(**own)

    def through(self, activate: Activate, task: WorkflowActivation) -> WorkflowActivationCompletion:
        """One activation."""
        began = time.thread_time()
        done = activate(task)
        self.taken.append(time.thread_time() - began)
        return done


@contextlib.asynccontextmanager
async def usual_server() -> AsyncIterator[WorkflowEnvironment]:
    """A real server with its own settings: timers are good to a second."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"),
        dev_server_log_level="error",
        data_converter=data_converter,
        identity="tests",
    ) as environment:

        async def prepared() -> bool:
            try:
                await register_search_attributes(environment.client)
            except TemporalUnreachable:
                return False
            return True

        await until(prepared)
        yield environment


async def test_a_flood_of_pushes_holds_up_no_send() -> None:
    """No task is too long, no history either, and nothing is lost; a send meanwhile gets its lease."""
    measured = Measuring()
    async with usual_server() as env, opened(env, runner=measured.runner) as branch:
        await branch.wants("first", timedelta(hours=1))
        first_run = (await branch.account.describe()).run_id
        flood = asyncio.create_task(_flood(branch))
        await until(lambda: _count(branch), lambda count: count > FLOOD / 10)
        await branch.wants("meanwhile")
        await branch.answer("meanwhile", lambda granted: granted.answer == "lease")
        assert not flood.done()
        await flood
        await until(lambda: _count(branch), lambda count: count == FLOOD)
        events = [len(history.events) for history in await _histories(branch, first_run)]
        assert len(events) > 1
        assert max(events) < FLOOD
        assert max(measured.taken) < DEADLOCK_SECONDS
        assert [one.key for one in (await branch.ledger()).waiting] == ["first"]


async def test_what_was_kept_while_no_worker_ran_is_taken_in_slices() -> None:
    """Thousands of pushes come in one task."""
    measured = Measuring()
    async with usual_server() as env:
        closed = Branch(env)
        await _flood(closed, KEPT)
        async with opened(env, closed, runner=measured.runner):
            await until(lambda: _count(closed), lambda count: count == KEPT)
        assert max(measured.taken) < DEADLOCK_SECONDS


async def test_a_crowd_is_granted_at_its_pace() -> None:
    """Sixty sends that are due at once: each submits once, and a pace lies between each two."""
    measured = Measuring()
    async with usual_server() as env, opened(env, runner=measured.runner) as branch:
        keys = [f"key-{number}" for number in range(CROWD)]
        handles = [await branch.sender(key, answers=True) for key in keys]
        for wish in [await branch.wish(key, of_turn={"pace": PACE}) for key in keys]:
            await branch.signal("wants", wish)
        first_run = (await branch.account.describe()).run_id
        await asyncio.gather(*(handle.result() for handle in handles))
        assert sorted(lease.key for lease in await _leases(branch, first_run)) == sorted(keys)
        written = sorted(at for at, _ in branch.submitting.written)
        assert sorted(key for _, key in branch.submitting.written) == sorted(keys)
        assert all(after - before >= PACE for before, after in itertools.pairwise(written))
        assert max(measured.taken) < DEADLOCK_SECONDS


async def _flood(branch: Branch, size: int = FLOOD) -> None:
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


async def _leases(branch: Branch, run_id: str) -> list[Lease]:
    """All that the account has granted, by its histories from this run on; one is the same where it was sent again."""
    found: dict[str, Lease] = {}
    for history in await _histories(branch, run_id):
        for event in history.events:
            said = event.signal_external_workflow_execution_initiated_event_attributes
            if said.signal_name == "granted":
                [granted] = await data_converter.decode(list(said.input.payloads), [Granted])
                if granted.lease is not None:
                    found[granted.lease.model_dump_json()] = granted.lease
    return list(found.values())


async def _histories(branch: Branch, run_id: str) -> list[WorkflowHistory]:
    """Of the runs from this one on."""
    found: list[WorkflowHistory] = []
    while run_id:
        history = await branch.client.get_workflow_handle(branch.account.id, run_id=run_id).fetch_history()
        found.append(history)
        last = history.events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found
