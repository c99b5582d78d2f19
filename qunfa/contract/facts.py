"""What is known of one key: facts, and nothing that follows from them.

A send's run and its account's ledger have a memory each. :func:`qunfa.rules.memory.union` adds the two up. What the
facts mean is derived by :mod:`qunfa.send.doubt`.
"""

from typing import Annotated, Final, Literal, NamedTuple

from pydantic import FailFast, Field

from qunfa.contract.fields import Generation, Id64, Moment, Number, Stored
from qunfa.contract.result import Answer, Outcome, Verdict

Clientmsgid = Annotated[str, Field(min_length=1, max_length=32)]
WishId = Annotated[str, Field(min_length=1, max_length=64)]
"""The id of a wish to submit: a lease is granted for it, and one lease is one try."""


ELSEWHERE: Final = "(elsewhere)"
"""The owner of a job that another system has submitted under the same ``clientmsgid``. No key is like it."""


class TryId(NamedTuple):
    """What makes two memories of a try one."""

    generation: Generation
    number: int
    wish: str


class Try(Stored):
    """One lease to submit, and what came of it.

    ``number``: given by the account at the grant, one above all that it knows. ``not_before``: when the lease begins;
    from here on WeChat may remember the ``clientmsgid``. ``holder``: the run that has the lease. ``answer``: what the
    wire said, and nothing that was made of it; ``unused`` where the lease was given back. ``lost_at``: since when
    nobody will hear of it any more. With neither it is under way.
    """

    generation: Generation
    number: Number
    wish: WishId
    clientmsgid: Clientmsgid
    not_before: Moment
    holder: str
    answer: Answer | None = None
    lost_at: Moment | None = None

    @property
    def identity(self) -> TryId:
        """What makes two memories of a try one."""
        return TryId(self.generation, self.number, self.wish)


class Said(Stored):
    """WeChat's word on a job that it has accepted, as one source has it: a push, or ``mass/get``."""

    msg_id: Id64
    verdict: Verdict
    at: Moment


class Owned(Stored):
    """Whose job a msg_id is, by the account's ledger.

    ``key``: :data:`ELSEWHERE` where it is none's. ``accepted``: WeChat has accepted that job, or a person has found it;
    another owner may stand for the echo of a 45065 alone.
    """

    msg_id: Id64
    key: str
    generation: Generation
    accepted: bool = False


class Decided(Stored):
    """What a person has decided about the key, or a rule in their place; ``id`` is the update's.

    | ``what`` | means |
    |---|---|
    | ``retry`` | the answers to the tries that it ``covers`` do not count any more |
    | ``open`` | the next generation is submitted, under the clientmsgid ``opens`` |
    | ``mark_sent`` | the generation was found in WeChat's console as ``msg_id`` |
    | ``abort`` | the send is ended, and what it ``covers``, and ``msg_id``, is not in WeChat's console |

    ``covers``: the wishes of the tries that the person knew of; of a ``mark_sent`` those of which one has made the job.
    ``confirms``: what is unknown of these was looked for in the console and is not there; it says nothing about a try
    that became known later.
    """

    id: Annotated[str, Field(min_length=1, max_length=256)]
    what: Literal["retry", "open", "mark_sent", "abort"]
    by: str
    reason: str
    at: Moment
    generation: Generation
    covers: tuple[WishId, ...] = ()
    opens: Clientmsgid | None = None
    confirms: bool = False
    send_ignore_reprint: bool = False
    msg_id: Id64 | None = None


class Known(Stored):
    """All facts of one key, each once and in one order; of a list that cannot be read, one error is enough."""

    tries: Annotated[tuple[Try, ...], FailFast()] = ()
    said: Annotated[tuple[Said, ...], FailFast()] = ()
    owned: Annotated[tuple[Owned, ...], FailFast()] = ()
    decided: Annotated[tuple[Decided, ...], FailFast()] = ()

    @property
    def was_submitted(self) -> bool:
        """Whether the key may have been submitted: by a try that was not given back, or by hand, as somebody found."""
        tried = any(one.answer is None or one.answer.kind != "unused" for one in self.tries)
        return tried or any(one.what == "mark_sent" for one in self.decided)


class Ended(Stored):
    """How a send ended, as it was told the ledger."""

    outcome: Outcome
    problem: str | None = None
    of_list: bool = False
    """Whether it is a batch that its own list has ended: no person has given it up by itself."""
    found: Id64 | None = None
    """As which msg_id a person says to have found it, where nobody could check that."""
