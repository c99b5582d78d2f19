"""What a mass send would meet if it were started now, as ``CheckMassSend`` tells it. Nothing of it is a promise.

| about | who knows it |
|---|---|
| the freeze of the account, and the quota book | the account's ledger |
| what the key has done before | the account's ledger, and the runs of the key that Temporal still has |
| how many followers it would go to | WeChat |

Nobody guesses. What could not be asked is ``unknown``, and ``said`` tells why. Asking starts no account, and changes
nothing.
"""

from datetime import datetime
from typing import Final, Literal

from qunfa.contract.facts import Ended, Known
from qunfa.contract.fields import Moment, Stored
from qunfa.contract.ledger import Frozen
from qunfa.contract.limits import Allowance, Book
from qunfa.contract.result import Outcome

LOOK_AHEAD: Final = "look_ahead"
COUNT_FOLLOWERS: Final = "count_followers"

Effect = Literal["none", "waits", "asks", "fails", "expires", "unknown"]
KeyState = Literal["new", "running", "sent", "accepted", "in_doubt", "ended", "begun", "other_content", "unknown"]
StartWould = Literal[
    "send", "try_again", "go_on", "await_result", "give_result", "ask", "follow", "be_refused", "unknown"
]


class ApprovalSeen(Stored):
    """That the send would wait for an approval, and who requires that."""

    required_by: Literal["account", "request"]
    """Whether the account's settings require it, or the request alone."""
    effect: Effect = "waits"
    """What it would do to the send."""
    said: str
    """How it is, in words."""
    then: str
    """What it would do to the send, in words."""


class FreezeSeen(Stored):
    """Whether the account is frozen, and what that would do to the send."""

    state: Literal["free", "frozen", "unknown"]
    """Whether it is frozen; ``unknown`` where its ledger was not there, or did not answer."""
    frozen: Frozen | None = None
    """Who has frozen it, since when, and why."""
    effect: Effect
    """What it would do to the send: nothing, or have it wait."""
    said: str
    """How it is, in words; where it is unknown, why."""
    then: str
    """What it would do to the send, in words."""


class KeySeen(Stored):
    """What the key has done before, and what a start under it would therefore do."""

    state: KeyState
    """What is known of the key.

    ``running``: a send runs under it. ``accepted``: WeChat has it, and has not said what became of it. ``in_doubt``: a
    try may have been accepted. ``ended``: an earlier send has ended, and nothing of it was delivered. ``begun``: the
    first batch of a list was tried. ``other_content``: it stands for other content.
    """
    start: StartWould
    """What a start would do, as far as the key decides.

    ``try_again``: submit it again under the same clientmsgid, by which WeChat recognises a repeat. ``go_on``: send no
    batch again that was sent. ``give_result``: end as the earlier send has. ``ask``: ask a person about ``problem``.
    ``follow``: start nothing, since one runs.
    """
    outcome: Outcome | None = None
    """How the newest send has ended, or would end again."""
    problem: str | None = None
    """The problem by which it has failed, or which a person would be asked about."""
    phase: str | None = None
    """Where the send stands that runs."""
    msg_ids: tuple[int, ...] = ()
    """WeChat's ids of the jobs that it has accepted."""
    at: datetime | None = None
    """When it was accepted, or tried last, or started, or ended."""
    said: str
    """What is known of it, in words; where it is unknown, why."""
    then: str
    """What a start would do, in words."""


class QuotaSeen(Stored):
    """What is left of the account's mass sends by its own book, and what that would do to the send."""

    state: Literal["left", "used_up", "unknown"]
    """Whether there is one left for it; ``unknown`` where the account's ledger was not there, or did not answer."""
    allowances: tuple[Allowance, ...] = ()
    """The limits that are for such a send, at the time at which it would be submitted."""
    effect: Effect
    """What it would do to the send. ``asks``: a person is asked. ``expires``: its ``not_after`` would come before."""
    until: datetime | None = None
    """Until when it would wait."""
    said: str
    """What is left, in words; where it is unknown, why."""
    then: str
    """What it would do to the send, in words."""


class LookAheadStep(Stored):
    """Input of ``look_ahead`` → :class:`Ahead`. ``or_list``: the key of a plain send may have been that of a list."""

    appid: str
    account: str
    key: str
    or_list: bool = False


class RunSeen(Stored):
    """The newest run of a key, as Temporal lists it. ``parent``: the id of the workflow that has started it."""

    running: bool
    parent: str | None = None
    phase: str | None = None
    started_at: Moment | None = None
    closed_at: Moment | None = None


class Past(Stored):
    """All that is known of a key: its facts, the digests of its content, how its newest send ended, when it was told.

    A run that has the key under way may have no facts yet.
    """

    known: Known = Known()
    digests: tuple[str, ...] = ()
    ended: Ended | None = None
    touched_at: Moment | None = None


class Ahead(Stored):
    """What was found.

    ``book`` and ``past`` are ``None`` where nobody could tell: ``unbooked`` and ``forgotten`` say why. ``first``: what
    was found of the first batch, where that was asked for.
    """

    book: Book | None = None
    unbooked: str | None = None
    past: Past | None = None
    forgotten: str | None = None
    run: RunSeen | None = None
    first: "Ahead | None" = None


class Followers(Stored):
    """What ``count_followers`` gives: how many followers the account has, by one ``user/get``."""

    total: int
