"""How a send, and what became of its openids, can stand: the words of the contract that options take, too."""

from typing import Literal

Phase = Literal[
    "preparing",
    "previewing",
    "awaiting_approval",
    "scheduled",
    "submitting",
    "awaiting_result",
    "paused",
    "needs_operator",
    "done",
]
Outcome = Literal[
    "sent", "sent_nobody", "partly_sent", "deleted", "unknown", "failed", "aborted", "rejected", "expired"
]
ShownOutcome = Literal[Outcome, "refused"]
"""What the search attribute ``MassSendOutcome`` says of a send that has ended: its outcome, or that its request was
refused."""
ReportState = Literal["sent", "accepted", "failed", "unknown", "not_submitted"]
"""Of an openid, as its batch is: ``sent`` has WeChat's yes, ``accepted`` has no verdict yet, ``failed`` WeChat's no."""
