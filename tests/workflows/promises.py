"""The promises, checked against the truth when a send has ended."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHistory
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import UnsandboxedWorkflowRunner

from activities.earlier_runs import Found
from activities.run_history import Remains, RunHistory
from qunfa.account.leases import SLACK
from qunfa.contract import MASS_SEND_FAILED, MassSendResult
from qunfa.contract.result import COMPLETES
from tests.workflows.player import Player
from tests.workflows.refusals import Refusing, replay
from tests.workflows.runs import KEY, Runs


class PlayedRuns:
    """The earlier runs of a send: the time-skipping server cannot list them, but who started them knows them."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def find(self, workflow_id: str, current_run_id: str) -> Found:
        """What they have left."""
        client, found = self._runs.client, list[Remains]()
        for run_id in reversed(self._runs.ids.get(workflow_id, [])):
            if run_id == current_run_id:
                continue
            history = RunHistory(client.data_converter)
            async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
                await history.read(event)
            found.append(await history.remains())
        return Found.of(found)


async def ended(player: Player) -> None:
    """What must hold whenever a run has ended by itself."""
    result = await _result(player)
    if result is None:
        assert not _delivered_or_may_be(player), "cancelled, and yet it was delivered, or may be"
        return
    player.story.append(f"ended as {result.outcome}")
    _at_most_once(player)
    _told_the_truth(player, result)
    _knows_its_verdicts(player, result)


async def _result(player: Player) -> MassSendResult | None:
    """The result of the send, also that of a failure; ``None`` where it was cancelled."""
    assert (await player.runs.handle.describe()).status != WorkflowExecutionStatus.RUNNING
    try:
        result: MassSendResult = await player.runs.handle.result(follow_runs=False)
    except WorkflowFailureError as failure:
        cause = failure.cause
    else:
        return result
    if isinstance(cause, CancelledError):
        return None
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == (MASS_SEND_FAILED, True)
    return MassSendResult.model_validate(cause.details[0])


def _at_most_once(player: Player) -> None:
    """One request, at most one delivery; a generation has one clientmsgid, its own or that of the one before."""
    assert len(player.wechat.delivered(KEY)) <= 1, "delivered twice"
    ids: defaultdict[int, set[str]] = defaultdict(set)
    for step in player.wechat.tries:
        if step.key == KEY:
            ids[step.generation].add(step.clientmsgid)
    assert all(len(found) == 1 for found in ids.values()), ids
    in_order = [min(ids[generation]) for generation in sorted(ids)]
    changes = sum(one != other for one, other in pairwise(in_order))
    assert len({*in_order}) == changes + bool(in_order), ids


def _told_the_truth(player: Player, result: MassSendResult) -> None:
    """Unknown is not no, and what is said to be sent was sent."""
    if result.outcome in COMPLETES:
        assert player.wechat.delivered(KEY), f"{result.outcome}, and yet nothing was delivered"
        assert result.may_have_been_delivered
        return
    if result.outcome != "unknown":
        assert not result.may_have_been_delivered, result.outcome
    assert result.may_have_been_delivered or not _delivered_or_may_be(player), result.outcome


def _delivered_or_may_be(player: Player) -> bool:
    """Whether something was delivered, is not decided, or may come through."""
    wechat = player.wechat
    undecided = any(not job.decided for job in wechat.of(KEY))
    return bool(wechat.delivered(KEY)) or undecided or wechat.may_come_through(KEY)


def _knows_its_verdicts(player: Player, result: MassSendResult) -> None:
    """Each row says of its job what WeChat said, and a sent one is known by its msg_id."""
    truth = {job.msg_id: job for job in player.wechat.of(KEY)}
    for row in result.jobs:
        job = truth.get(row.msg_id or 0)
        assert row.msg_id is None or job is not None, f"msg_id {row.msg_id} is not this send's"
        if job and row.observed_by == "push" and job.msg_id not in player.forged:
            assert row.status == job.verdict, f"a push said {job.verdict}, and the result says {row.status}"
    if result.outcome in COMPLETES:
        sent = {row.msg_id for row in result.jobs if row.state == "sent"}
        assert sent == {job.msg_id for job in player.wechat.delivered(KEY)}, "the rows that are sent are not the truth"


async def nothing_is_left(player: Player) -> None:
    """The account holds no lease for long, knows how the send ended, and the same key again sends nothing again."""
    while player.wechat.slow:
        await player.wechat.arrive(0)
    _at_most_once(player)
    result = await _result(player)
    view = await player.runs.ledger()
    # The lease of a worker that died is given back by time alone.
    assert view.lease is None or view.lease.expires_at <= await player.wechat.clock() + _lease_max(player)
    if result is None or result.outcome not in COMPLETES:
        return
    # A ledger that was lost since may know nothing of it; then the histories do. A push says it without the send.
    assert {record.ended_as for record in view.records if record.key == KEY} <= {result.outcome, None}
    tries = _tries(player)
    await player.runs.start(KEY)
    assert await player.look() is None, "the same key again does not end at once"
    again = await _result(player)
    assert again is not None
    assert (again.outcome, again.jobs[-1].deduplicated, _tries(player)) == (result.outcome, True, tries)
    assert {row.msg_id for row in again.jobs if row.state == "sent"} == {
        job.msg_id for job in player.wechat.delivered(KEY)
    }


def _tries(player: Player) -> int:
    """How often the send has been tried; its rival may go on trying."""
    return sum(step.key == KEY for step in player.wechat.tries)


def _lease_max(player: Player) -> timedelta:
    return 4 * player.wechat.facts.timing.http_timeout + SLACK


async def replays(player: Player) -> None:
    """Determinism: every run of the sends and of their account replays, also with updates that are refused."""
    async for history in _histories(player):
        for runner in (UnsandboxedWorkflowRunner(), Refusing()):
            await replay(history, runner, player.runs.client.namespace)


async def _histories(player: Player) -> AsyncIterator[WorkflowHistory]:
    client, account = player.runs.client, player.runs.account
    runs: dict[str, list[str | None]] = {workflow_id: list(found) for workflow_id, found in player.runs.ids.items()}
    runs.setdefault(account.id, []).append(None)
    for workflow_id, run_ids in runs.items():
        for run_id in run_ids:
            yield await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
