"""One send in the hands of a caller: how it stands, what becomes of it, and the answers of people to it.

What a caller may have to deal with, by what can be done about it:

| error | means | next |
|---|---|---|
| :class:`InvalidRequest` | the request cannot be carried out | correct what ``problems`` names |
| :class:`MassSendFailed` | the send ended badly | ``result`` says how, and whether something may have been delivered |
| :class:`SendStopped` | the send was ended in Temporal, without a result | ``may_have_been_delivered`` |
| :class:`UpdateRefused` | an answer does not fit | its sentence says why, and what fits instead |
| :class:`NoSuchSend` | Temporal has no send of this key, or no longer | send it only if it was never sent before |
| :class:`NoAnswer` | nobody has answered in time | nothing was stopped by that: its sentence says what to do |
| :class:`ClientTooOld` | the workers have newer words | upgrade qunfa; nothing is known to have failed |

An error of Temporal's own that says something else (``temporalio.service.RPCError``) is handed on as it is: that there
is no such namespace, for one. Each of those above can be pickled.
"""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from qunfa.contract.audience import Version
from qunfa.contract.ids import mass_send_id
from qunfa.contract.operators import Abort, Approve, Choose, MarkSent, Pause, Reject, Reschedule, Resume, Retry, Status
from qunfa.contract.refusal import InvalidRequestError, full_stop, sentences
from qunfa.contract.result import MassSendResult


def check_within(within: timedelta | None) -> None:
    """Raise ``TypeError`` for what is no span of time, such as a number of seconds."""
    if within is not None and not isinstance(within, timedelta):
        raise TypeError(f"within: must be a timedelta, such as timedelta(seconds=30), not {within!r}")


class MassSendHandle(ABC):
    """A send of one account and key.

    ``run_id``: of the workflow run that the call has met; ``None`` where none was looked for. ``started``: this call
    has begun it. ``differs``: the fields in which the send that runs already differs from the request of the call.
    Its content is the same: an audience that differs lists the same otherwise, or expects something else.

    Each method raises :class:`~qunfa.client.NoSuchSend` where there is no such send, and
    :class:`~qunfa.client.NoAnswer` where nobody answers in time.
    """

    def __init__(
        self, account: str, key: str, *, run_id: str | None = None, started: bool = False, differs: tuple[str, ...] = ()
    ) -> None:
        self.account = account
        self.key = key
        self.run_id = run_id
        self.started = started
        self.differs = differs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, run_id={self.run_id!r})"

    @property
    def id(self) -> str:
        """The workflow's id."""
        return mass_send_id(self.account, self.key)

    @abstractmethod
    async def status(self) -> Status:
        """Where the send stands; ``answers`` names the updates that fit now.

        Raises:
            SendStopped: it was terminated, or has timed out.
        """

    @abstractmethod
    async def accepted(self, *, within: timedelta | None = None) -> Status:
        """Wait until the request is accepted.

        Raises:
            InvalidRequest: it is refused.
            SendStopped: it was terminated, or has timed out.
        """

    @abstractmethod
    async def result(self, *, within: timedelta | None = None) -> MassSendResult:
        """Wait for the end, at most for ``within``: the result of a send that ended well.

        Raises:
            InvalidRequest: the request was refused.
            MassSendFailed: it ended badly; ``result`` has the same object.
            SendStopped: it was ended in Temporal.
        """

    async def approve(self, *, by: str, reason: str | None = None) -> Status:
        """Let the send go out; ``by`` is somebody else than who asked for it.

        It fits once ``answers`` of the status names it: after ``send()`` the message may still be prepared.

        Raises:
            UpdateRefused: it does not fit, as with each of the answers below.
        """
        return await self._answer("approve", Approve, by=by, reason=reason)

    async def reject(self, *, by: str, reason: str | None = None) -> Status:
        """The send is not to go out."""
        return await self._answer("reject", Reject, by=by, reason=reason)

    async def retry(
        self, *, by: str, reason: str, send_ignore_reprint: bool = False, confirm_not_delivered: bool = False
    ) -> Status:
        """Try again, as the problem allows."""
        said = {"send_ignore_reprint": send_ignore_reprint, "confirm_not_delivered": confirm_not_delivered}
        return await self._answer("retry", Retry, by=by, reason=reason, **said)

    async def mark_sent(self, *, by: str, reason: str, msg_id: int) -> Status:
        """The job was found in WeChat's console under ``msg_id``."""
        return await self._answer("mark_sent", MarkSent, by=by, reason=reason, msg_id=msg_id)

    async def abort(self, *, by: str, reason: str, confirm_not_delivered: bool = False) -> Status:
        """End the send; one that may have been delivered can only be recalled."""
        said = {"confirm_not_delivered": confirm_not_delivered}
        return await self._answer("abort", Abort, by=by, reason=reason, **said)

    async def pause(self, *, by: str, reason: str | None = None) -> Status:
        """Submit nothing for now."""
        return await self._answer("pause", Pause, by=by, reason=reason)

    async def resume(self, *, by: str, reason: str | None = None) -> Status:
        """Go on where the send stood."""
        return await self._answer("resume", Resume, by=by, reason=reason)

    async def reschedule(self, *, by: str, send_at: datetime) -> Status:
        """Another time, with an offset; one in the past is now."""
        return await self._answer("reschedule", Reschedule, by=by, send_at=send_at)

    async def choose(self, *, by: str, winner: Version, reason: str | None = None) -> Status:
        """Let the rest of a split test get the message of this group, once both groups were sent."""
        return await self._answer("choose", Choose, by=by, winner=winner, reason=reason)

    async def _answer(self, update: str, model: type[BaseModel], **said: Any) -> Status:
        try:
            answer = model.model_validate({name: value for name, value in said.items() if value is not None})
        except ValidationError as error:
            raise UpdateRefused(update, "; ".join(sentences(error))) from None
        return await self._give(update, answer)

    @abstractmethod
    async def _give(self, update: str, answer: BaseModel) -> Status:
        """Carry out an answer that is well formed."""


HowStopped = Literal["cancelled", "terminated", "timed out"]


class QunfaError(Exception):
    """Any of these."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Its attributes and text; a handle holds a connection, which stays here."""
        kept = {name: value for name, value in vars(self).items() if not isinstance(value, MassSendHandle)}
        return _bare, (type(self),), {**kept, "args": self.args}


def _bare(kind: type[QunfaError]) -> QunfaError:
    return kind.__new__(kind)


class InvalidRequest(QunfaError):
    """The request was refused, and nothing was sent by it; ``problems`` has a sentence for each wrong field.

    Where the key was delivered before, or may have been, or a send runs under it, one of them says so, and begins with
    ``key:``.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__(str(InvalidRequestError(problems)))
        self.problems = problems


class MassSendFailed(QunfaError):
    """The send ended as ``failed``, ``aborted``, ``rejected``, ``expired`` or ``unknown``: see ``result.outcome``.

    Never tell anybody "failed" while ``result.may_have_been_delivered`` is true.
    """

    def __init__(self, message: str, result: MassSendResult) -> None:
        super().__init__(message)
        self.result = result


class SendStopped(QunfaError):
    """The send was ended in Temporal, and has no result. A cancellation does so only before a delivery."""

    def __init__(self, workflow_id: str, how: HowStopped) -> None:
        perhaps = "It may have been delivered." if how != "cancelled" else "Nothing was delivered."
        super().__init__(f"{workflow_id} was {how} in Temporal and has no result. {perhaps}")
        self.how = how
        self.may_have_been_delivered = how != "cancelled"


class UpdateRefused(QunfaError):
    """An answer to a send does not fit where it stands; nothing was changed."""

    def __init__(self, update: str, sentence: str) -> None:
        super().__init__(f"{update}: {full_stop(sentence)}")
        self.update = update
        self.sentence = full_stop(sentence)


class NoSuchSend(QunfaError):
    """Temporal knows no workflow of this account and key. It forgets one that has ended after its retention."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"there is no {workflow_id} in this namespace, or Temporal keeps it no longer")


class NoAnswer(QunfaError, TimeoutError):
    """Nobody has answered in time. The send goes on, and an answer to it may still be carried out.

    By ``handle`` it can be asked again. That of a ``send()`` has no answer either once its key has another message.
    What was pickled has ``account`` and ``key`` alone, for :meth:`~qunfa.client.Qunfa.handle`.
    """

    def __init__(self, handle: MassSendHandle, waited_for: str, then: str | None = None) -> None:
        super().__init__(f"no answer in time ({waited_for}). {then or goes_on(handle.id)}")
        self.account = handle.account
        self.key = handle.key
        self.handle = handle


class ClientTooOld(QunfaError):
    """The workers are newer than this client, and say of the send what it does not know.

    ``raw`` is what they say. ``may_have_been_delivered`` is what stands in it, and ``None`` where it does not say.
    """

    def __init__(self, workflow_id: str, raw: Any, unknown: list[str], then: str | None = None) -> None:
        failed = f"It has failed: {full_stop(then)}" if then else "Nothing is known to have failed."
        said = f"{workflow_id}: this client is older than the workers, and does not know what they say"
        super().__init__(f"{said} ({'; '.join(unknown)}). Upgrade qunfa. {failed}")
        self.raw = raw
        told = raw.get("may_have_been_delivered") if isinstance(raw, dict) else None
        self.may_have_been_delivered: bool | None = told if isinstance(told, bool) else None


def goes_on(workflow_id: str) -> str:
    """What a caller who waits no longer must know."""
    return (
        f"{workflow_id} was not stopped by this: if it was started, it goes on. "
        "Ask for its status, or send it again under the same key, which delivers nothing twice."
    )


def may_be_carried_out(workflow_id: str, update: str) -> str:
    """What who has answered a send, and waits no longer, must know."""
    return (
        f"This {update} may have been carried out, or may be once a worker is there. "
        f"Look at the status of {workflow_id} before you answer anything else."
    )


def is_of_another_message(workflow_id: str) -> str:
    """Why what is known of the newest send under a key tells nothing of one that was asked for."""
    return f"the newest send of {workflow_id} is of another message, or cannot be compared with yours"


def may_have_been_sent(account: str) -> str:
    """What who has heard nothing of a start must know before anything is sent under another key."""
    return (
        "Yours may have been sent by an earlier run. "
        f"Look at the history of that run, at `qunfa ledger {account}`, and into WeChat's console."
    )
