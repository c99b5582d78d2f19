"""A reset run remembers less than the ledger does: whatever point it is reset to, nothing is delivered twice."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract import Status
from qunfa.contract.result import Answer
from qunfa.contract.steps import SubmitStep
from tests.workflows import resets
from tests.workflows.conftest import Desk, running, scaled_facts
from tests.workflows.failures import failure_of
from tests.workflows.model import ModelWechat, Scripted, accepts, loses, says, silent
from tests.workflows.model_material import NEWS, VIDEO

pytestmark = pytest.mark.long

WINDOW = timedelta(seconds=1)
APPROVAL = {"approval": {"required": True}, "requested_by": "crm"}
SHORT = {"push_timeout": 1, "poll_interval": 1}
ABORT: dict[str, Any] = {"name": "abort"}
RETRY: dict[str, Any] = {"name": "retry"}


async def points(desk: Desk, handle: WorkflowHandle[Any, Any]) -> list[int]:
    """Every point of the first run to which it can be reset."""
    return await resets.points(desk.first_run(handle))


async def reset(desk: Desk, handle: WorkflowHandle[Any, Any], event_id: int) -> WorkflowHandle[Any, Any]:
    """Reset the first run to a completed workflow task."""
    return await resets.reset(desk.env.client, desk.first_run(handle), event_id)


def polled(status: str) -> Scripted:
    """Accept; no push comes, and `mass/get` says this."""

    def accept(wechat: ModelWechat, step: SubmitStep) -> Answer:
        msg_id = wechat.accept(step)
        wechat.statuses[msg_id], wechat.push_at_once = status, None
        return wechat.answered("accepted", msg_id=msg_id)

    return accept


def lost_and_found(wechat: ModelWechat, step: SubmitStep) -> Answer:
    """Accept, and lose the answer; `mass/get` knows the msg_id."""
    wechat.statuses[wechat.accept(step)] = "SEND_SUCCESS"
    return loses(wechat, step)


@dataclass(frozen=True)
class Life:
    """A send: what WeChat says to its tries, and to all further ones; which pushes come; what an operator answers.

    ``answers`` are by the problem, or by the phase that waits for a person; ``request`` is more of the send's request.

    ``again`` is how a key ends that the ledger knows to have ended, where that is another word for it.
    """

    tries: tuple[Scripted, ...] = ()
    rest: Scripted = accepts
    pushes: tuple[str, ...] = ("send success",)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    outcome: str = "sent"
    again: str | None = None
    accepted: int = 1

    async def lead(self, desk: Desk, handle: WorkflowHandle[Any, Any]) -> str:
        """To its end, with an operator who answers what is asked; how it ended."""
        while (await desk.until(handle, _asks_or_is_done)).phase != "done":
            await self._answer(desk, handle)
        if self.outcome in {"sent", "sent_nobody"}:
            return str((await handle.result()).outcome)
        return (await failure_of(handle)).outcome

    async def _answer(self, desk: Desk, handle: WorkflowHandle[Any, Any]) -> None:
        status = await desk.status(handle)
        if not _asks_or_is_done(status) or status.phase == "done":
            return
        answer = dict(self.answers[status.problem.name if status.problem else status.phase])
        if answer["name"] == "mark_sent":
            answer["msg_id"] = next(iter(desk.wechat.accepted.values()))
        if answer["name"] == "retry":
            desk.wechat.script = []
            desk.wechat.push_at_once = self.pushes[-1]
        # An update of the first life, applied again, may have answered it meanwhile.
        with contextlib.suppress(WorkflowUpdateFailedError, RPCError):
            await desk.update(handle, **answer)


def _asks_or_is_done(status: Status) -> bool:
    return status.phase in {"needs_operator", "awaiting_approval", "done"}


LIVES = {
    "lost": Life((loses,)),
    "polled": Life((polled("SEND_SUCCESS"),)),
    "refused, retried": Life((says(48001),), answers={"account_refused": RETRY}),
    "reprint, retried": Life(
        pushes=("err(30003)", "send success"),
        answers={"reprint_needs_decision": {**RETRY, "send_ignore_reprint": True}},
        accepted=2,
    ),
    "approved": Life(request=APPROVAL, answers={"awaiting_approval": {"name": "approve"}}),
    "rejected": Life(
        request=APPROVAL, answers={"awaiting_approval": {"name": "reject"}}, outcome="rejected", accepted=0
    ),
    "content refused, aborted": Life(
        pushes=("err(20001)",), answers={"content_refused": ABORT}, outcome="aborted", again="failed"
    ),
    "slow, aborted": Life(
        (silent, accepts), pushes=("err(30001)",), answers={"originality_check_error": ABORT}, outcome="unknown"
    ),
}
DOUBTS = {
    "unknown, retried": Life(
        (silent,), says(45028), answers={"unknown_outcome": {**RETRY, "confirm_not_delivered": True}}
    ),
    "unknown, marked": Life((lost_and_found,), says(45028), answers={"unknown_outcome": {"name": "mark_sent"}}),
    "unknown, aborted": Life((silent,), says(45028), answers={"unknown_outcome": ABORT}, outcome="unknown", accepted=0),
}


@pytest.fixture
async def hasty_desk(real_env: WorkflowEnvironment) -> AsyncIterator[Desk]:
    """A desk on the real server, where WeChat remembers a clientmsgid for a second."""
    async with running(real_env, scaled_facts(window=WINDOW)) as found:
        yield found


@pytest.mark.parametrize("name", LIVES)
async def test_a_send_reset_to_any_point_ends_the_same(real_desk: Desk, name: str) -> None:
    """No delivery more, whatever its operator's answers do when they are applied again to an earlier phase."""
    await ends_the_same(real_desk, LIVES[name])


@pytest.mark.parametrize("name", DOUBTS)
async def test_a_doubtful_send_reset_to_any_point_ends_the_same(hasty_desk: Desk, name: str) -> None:
    """As above, where WeChat's memory of a try without an answer has run out."""
    await ends_the_same(hasty_desk, DOUBTS[name])


async def ends_the_same(desk: Desk, life: Life) -> None:
    """Lead a send to its end, and once more from each of its points."""
    wechat = desk.wechat
    wechat.script, wechat.push_at_once = [*life.tries, *[life.rest] * 200], life.pushes[0]
    handle = await desk.start(**{"result": SHORT, **life.request})
    assert await life.lead(desk, handle) == life.outcome
    accepted, tries = dict(wechat.accepted), {step.clientmsgid for step in wechat.tries}
    assert len(accepted) == life.accepted
    again = 0
    for event_id in await points(desk, handle):
        run = await reset(desk, handle, event_id)
        assert await life.lead(desk, run) in {life.outcome, life.again}, event_id
        again += await resets.applied_again(run)
    assert wechat.accepted == accepted
    assert {step.clientmsgid for step in wechat.tries} == tries
    assert bool(again) == bool(life.answers)


@pytest.mark.history
async def test_a_reset_run_catches_up_with_the_ledger(real_desk: Desk) -> None:
    """Before its first wish, and after its try was begun: it ends as the first one did, and submits nothing."""
    handle = await real_desk.start()
    assert (await handle.result()).outcome == "sent"
    first, *_, last = await points(real_desk, handle)
    for event_id in (first, last):
        run = await reset(real_desk, handle, event_id)
        real_desk.started.append(run)
        assert (await run.result()).outcome == "sent"
    assert len(real_desk.wechat.tries) == 1


async def test_a_send_that_went_on_in_a_new_run_is_reset_to_its_first(short_desk: Desk) -> None:
    """Each point of the first run, whose later runs know more: one clientmsgid, one delivery."""
    desk = short_desk
    desk.wechat.script = [silent, silent, loses]
    handle = await desk.start()
    assert (await handle.result()).outcome == "sent"
    accepted = dict(desk.wechat.accepted)
    for event_id in await points(desk, handle):
        assert (await (await reset(desk, handle, event_id)).result()).outcome == "sent", event_id
    assert desk.wechat.accepted == accepted


@pytest.mark.parametrize("message", [VIDEO, NEWS], ids=["video", "articles"])
async def test_a_send_with_material_reset_to_any_point_ends_the_same(hasty_desk: Desk, message: dict[str, Any]) -> None:
    """Also to before its sources were looked at: the ledger is asked, and nobody is told that nothing was sent."""
    desk = hasty_desk
    handle = await desk.start(message=message)
    assert (await handle.result()).outcome == "sent"
    accepted = dict(desk.wechat.accepted)
    for event_id in await points(desk, handle):
        assert (await (await reset(desk, handle, event_id)).result()).outcome == "sent", event_id
    assert (desk.wechat.accepted, len(desk.wechat.accepted)) == (accepted, 1)
