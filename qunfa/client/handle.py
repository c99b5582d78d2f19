"""One send in the hands of a caller: how it stands, what becomes of it, and the answers of people to it."""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from qunfa.client.errors import UpdateRefused
from qunfa.contract.audience import Version
from qunfa.contract.ids import mass_send_id
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
from qunfa.contract.refusal import sentences
from qunfa.contract.result import MassSendResult


class MassSendHandle(ABC):
    """A send of one account and key.

    ``run_id``: of the workflow run that the call has met; ``None`` where none was looked for. ``started``: this call
    has begun it. ``differs``: the fields in which the send that runs already differs from the request of the call; its
    audience and message never do.

    Each method raises :class:`~qunfa.client.NoSuchSend` where there is no such send, and
    :class:`~qunfa.client.NoAnswer` where nobody answers in time.
    """

    def __init__(
        self,
        account: str,
        key: str,
        *,
        run_id: str | None = None,
        started: bool = False,
        differs: tuple[str, ...] = (),
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
        """Where the send stands; ``answers`` names the updates that fit now."""

    @abstractmethod
    async def accepted(self, *, within: timedelta | None = None) -> Status:
        """Wait until the request is accepted.

        Raises:
            InvalidRequest: it is refused.
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
