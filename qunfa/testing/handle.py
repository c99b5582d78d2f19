"""The handle of a fake send: its answers fit as those of a send in Temporal do."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from qunfa.client import InvalidRequest, MassSendFailed, MassSendHandle, NoAnswer, NoSuchSend, UpdateRefused
from qunfa.contract.operators import Abort, Approve, Choose, MarkSent, Pause, Reject, Reschedule, Resume, Retry, Status
from qunfa.contract.result import COMPLETES, MassSendResult
from qunfa.rules.approval import is_same_person
from qunfa.rules.problems import WINNER_NOT_CHOSEN
from qunfa.rules.terms import of_time, of_what_a_retry_says
from qunfa.testing.send import NO_VERDICT, FakeSend


class FakeHandle(MassSendHandle):
    """A handle whose methods answer as those of a send in Temporal do."""

    def __init__(
        self, find: Callable[[], FakeSend | None], run: FakeSend | None, account: str, key: str, **found: Any
    ) -> None:
        super().__init__(account, key, run_id=run.run_id if run else None, **found)
        self._find = find
        self._run = run

    async def status(self) -> Status:
        """Where the send stands."""
        return self._send().status()

    async def accepted(self, *, within: timedelta | None = None) -> Status:  # noqa: ARG002  a fake answers at once
        """Where the send stands, unless it is refused."""
        send = self._send()
        if send.refused:
            raise InvalidRequest(send.refused)
        return send.status()

    async def result(self, *, within: timedelta | None = None) -> MassSendResult:
        """Wait for the end: a send that waits for a person waits until the test has one answer."""
        send = self._run or self._send()
        if send.refused:
            raise InvalidRequest(send.refused)
        try:
            async with asyncio.timeout(within.total_seconds() if within is not None else None):
                await send.over.wait()
        except TimeoutError:
            raise NoAnswer(self, f"the result within {within}") from None
        result = send.result()
        if result.outcome in COMPLETES:
            return result
        raise MassSendFailed(f"{self.id} ended as {result.outcome}", result)

    def _send(self) -> FakeSend:
        send = self._find()
        if send is None:
            raise NoSuchSend(self.id)
        return send

    async def _give(self, update: str, answer: BaseModel) -> Status:
        send = self._send()
        if send.outcome is not None or send.refused:
            raise UpdateRefused(update, "this send has ended, so there is nothing to answer")
        if (misfit := _misfit(send, update, answer)) is not None:
            raise UpdateRefused(update, misfit)
        said = answer.model_dump()
        send.tell(update, said["by"], said.get("reason"))
        _take(send, answer)
        return send.status()


def _misfit(send: FakeSend, update: str, answer: BaseModel) -> str | None:
    """Why it does not fit now."""
    if isinstance(answer, Approve | Reject) and send.approved_by:
        return f"{update} does not fit now: {send.approved_by} has approved it already"
    if isinstance(answer, Approve) and is_same_person(answer.by, (send.request and send.request.requested_by) or ""):
        return f"{answer.by} has asked for this send, and somebody else has to approve it"
    if isinstance(answer, Abort) and answer.confirm_not_delivered and send.asks in {None, WINNER_NOT_CHOSEN}:
        return "confirm_not_delivered: nothing is in doubt"
    if update not in send.status().answers:
        return f"{update} does not fit now: the send is {send.status().phase}"
    if send.asks == NO_VERDICT and (said := _of_an_accepted_job(send.msg_id, answer)):
        return said
    if isinstance(answer, Reschedule) and send.request is not None:
        return of_time(send.request, datetime.now(UTC), answer)
    return of_what_a_retry_says(send.asks, answer) if isinstance(answer, Retry) and send.asks else None


def _of_an_accepted_job(msg_id: int, answer: BaseModel) -> str | None:
    """WeChat knows what became of a job that it has accepted: nobody says anything else of it."""
    match answer:
        case Abort(confirm_not_delivered=True):
            return f"WeChat has accepted msg_id {msg_id}, and knows what became of it: retry asks it again"
        case MarkSent(msg_id=other) if other != msg_id:
            return f"WeChat accepted this send as msg_id {msg_id}, not {other}"
        case _:
            return None


def _take(send: FakeSend, answer: BaseModel) -> None:
    match answer:
        case Approve(by=by):
            send.approved_by = by
        case Pause(by=by):
            send.paused_by = by
        case Resume():
            send.paused_by = None
        case Reschedule(send_at=send_at):
            send.send_at = send_at
        case Retry(confirm_not_delivered=confirmed):
            send.answered, send.in_doubt = True, send.in_doubt and not confirmed
        case Choose(winner=winner):
            send.winner = winner
        case Reject():
            send.end("rejected")
        case MarkSent(msg_id=msg_id):
            send.msg_id = msg_id
            send.settle("sent")
        case Abort(confirm_not_delivered=confirmed):
            send.give_up(confirmed=confirmed)
    send.go_on()
