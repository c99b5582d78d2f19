"""What people send to a ``MassSend``: an update for each answer, whose validator says at once why it does not fit."""

from abc import ABC, abstractmethod
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.operators import (
        Abort,
        Approve,
        Choose,
        MarkSent,
        Pause,
        Reject,
        Reschedule,
        Resume,
        Retry,
        Status,
    )
    from qunfa.send.events import Answering
    from workflows.refusal import A_CRON, parsed, refuse


def _fits(model: type[Answering]) -> Any:
    """The validator of an update with such an answer."""

    def fits(self, raw: Any = None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  Temporal compares them
        self.fit(parsed(model, raw))

    return fits


class People(ABC):
    """The updates of a send."""

    @abstractmethod
    async def take(self, answer: Answering) -> Status:
        """What has come of an answer."""

    @abstractmethod
    def fit(self, answer: Answering) -> None:
        """Nothing where it fits.

        Raises:
            ApplicationError: why it does not.
        """

    @abstractmethod
    async def taken_on(self) -> Status:
        """Where the send stands, once its request is accepted.

        Raises:
            ApplicationError: why it is refused; or that the next run of the send is to be asked.
        """

    @workflow.update(description="accepted: without input; answers once the request is accepted, or says what is wrong")
    async def accepted(self, *_ignored: Any) -> Status:
        """Await whether the request is accepted; who starts a send may ask for it in the same call."""
        return await self.taken_on()

    @accepted.validator
    def _accepted_fits(self, *_ignored: Any) -> None:
        # Such a run ends in its first task, by going on as another one: it has no time to answer.
        if workflow.info().cron_schedule:
            raise refuse([A_CRON])

    @workflow.update(
        description='retry: {"by": "li", "reason": "…"}, with "send_ignore_reprint" or "confirm_not_delivered"'
    )
    async def retry(self, raw: Any = None) -> Status:
        """Try again, as the problem allows."""
        return await self.take(parsed(Retry, raw))

    retry.validator(_fits(Retry))

    @workflow.update(description='mark_sent: {"by": "li", "reason": "…", "msg_id": 3147483650}')
    async def mark_sent(self, raw: Any = None) -> Status:
        """Take a msg_id that was found in WeChat's console."""
        return await self.take(parsed(MarkSent, raw))

    mark_sent.validator(_fits(MarkSent))

    @workflow.update(description='abort: {"by": "li", "reason": "…"}; in doubt with "confirm_not_delivered"')
    async def abort(self, raw: Any = None) -> Status:
        """End the send."""
        return await self.take(parsed(Abort, raw))

    abort.validator(_fits(Abort))

    @workflow.update(description='approve: {"by": "li"}; not who has asked for the send')
    async def approve(self, raw: Any = None) -> Status:
        """Let the send go out."""
        return await self.take(parsed(Approve, raw))

    approve.validator(_fits(Approve))

    @workflow.update(description='reject: {"by": "li", "reason": "…"}')
    async def reject(self, raw: Any = None) -> Status:
        """End the send, since it is not to go out."""
        return await self.take(parsed(Reject, raw))

    reject.validator(_fits(Reject))

    @workflow.update(description='pause: {"by": "li", "reason": "…"}')
    async def pause(self, raw: Any = None) -> Status:
        """Submit nothing for now."""
        return await self.take(parsed(Pause, raw))

    pause.validator(_fits(Pause))

    @workflow.update(description='resume: {"by": "li"}')
    async def resume(self, raw: Any = None) -> Status:
        """Go on where the send stood."""
        return await self.take(parsed(Resume, raw))

    resume.validator(_fits(Resume))

    @workflow.update(description='reschedule: {"by": "li", "send_at": "2026-12-01T09:00:00+08:00"}')
    async def reschedule(self, raw: Any = None) -> Status:
        """Another time; one in the past is now."""
        return await self.take(parsed(Reschedule, raw))

    reschedule.validator(_fits(Reschedule))

    @workflow.update(description='choose: {"by": "li", "winner": "a"}; what the rest of a split test gets')
    async def choose(self, raw: Any = None) -> Status:
        """Let the rest of a split test get a group's message."""
        return await self.take(parsed(Choose, raw))

    choose.validator(_fits(Choose))
