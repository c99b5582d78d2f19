"""What a caller may have to deal with, by what can be done about it.

| error | means | next |
|---|---|---|
| :class:`InvalidRequest` | the request cannot be carried out | correct what ``problems`` names |
| :class:`MassSendFailed` | the send ended badly | ``result`` says how, and whether something may have been delivered |
| :class:`SendStopped` | the send was ended in Temporal, without a result | ``may_have_been_delivered`` |
| :class:`UpdateRefused` | an answer does not fit | its sentence says why, and what fits instead |
| :class:`NoSuchSend` | no send runs or has run under this key | send it |
| :class:`NoAnswer` | nobody has answered in time | the send was not stopped: ask, or send, again |

An error of Temporal's own that says something else (``temporalio.service.RPCError``) is handed on as it is.
"""

from typing import TYPE_CHECKING, Literal

from qunfa.contract.refusal import InvalidRequestError, full_stop
from qunfa.contract.result import MassSendResult

if TYPE_CHECKING:
    from qunfa.client.handle import MassSendHandle

HowStopped = Literal["cancelled", "terminated", "timed out"]


class QunfaError(Exception):
    """Any of these."""


class InvalidRequest(QunfaError):
    """The request was refused, and nothing was sent by it; ``problems`` has a sentence for each wrong field.

    Where the key was delivered before, or may have been, one of them says so, and begins with ``key:``.
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
    """The send was ended in Temporal, and has no result. Temporal's cancellation ends it only before the first try."""

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
    """Temporal knows no workflow of this account and key."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"there is no {workflow_id} in this namespace, or Temporal keeps it no longer")


class NoAnswer(QunfaError, TimeoutError):
    """Nobody has answered in time. The send goes on; by ``handle`` it can be asked again."""

    def __init__(self, handle: "MassSendHandle", waited_for: str) -> None:
        super().__init__(f"no answer in time ({waited_for}). {goes_on(handle.id)}")
        self.handle = handle


def goes_on(workflow_id: str) -> str:
    """What a caller who waits no longer must know."""
    return (
        f"{workflow_id} was not stopped by this: if it was started, it goes on. "
        "Ask for its status, or send it again under the same key, which delivers nothing twice."
    )
