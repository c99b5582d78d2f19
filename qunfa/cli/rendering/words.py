"""Words and numbers for people."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.text import Text

from qunfa.cli.console import clean
from qunfa.contract.result import Counts, MassSendResult, Outcome

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
"""WeChat's quotas and an account's send hours are Shanghai's, so every time is shown there."""

_OUTCOMES: Final[dict[Outcome, str]] = {
    "sent": "Delivered.",
    "sent_nobody": "WeChat finished the send, and nobody received it.",
    "partly_sent": "Delivered in part: not every job ended well.",
    "deleted": "Deleted in WeChat's console.",
    "unknown": "Nobody knows yet whether it was delivered: look in WeChat's console before anything is sent again.",
    "failed": "Failed.",
    "aborted": "Aborted.",
    "rejected": "Rejected by its approver.",
    "expired": "Expired.",
}
_NOT_DELIVERED: Final = "Nothing was delivered."
_MAY_HAVE_BEEN: Final = "Something may have been delivered."


def moment(at: datetime | None) -> str:
    """A time in Shanghai, to the second, with its offset."""
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S} +08:00" if at else "–"


def plain(text: object) -> Text:
    """Text from elsewhere: no markup in it is obeyed, and no character that steers a terminal is kept."""
    return Text(clean("–" if text is None else str(text)))


def outcome_sentence(result: MassSendResult) -> str:
    """What became of a send, and whether anybody may have received it."""
    said = _OUTCOMES[result.outcome]
    if result.outcome in {"sent", "partly_sent"} and result.totals:
        return f"{said} {people(result.totals)}"
    if result.outcome in {"failed", "aborted", "rejected", "expired"}:
        return f"{said} {_MAY_HAVE_BEEN if result.may_have_been_delivered else _NOT_DELIVERED}"
    return said


def people(counts: Counts) -> str:
    """WeChat's counts in words: whom it sent to, and with how many it worked."""
    failed = f", {counts.error:,} failed" if counts.error else ""
    return f"{counts.sent:,} of {counts.filter:,} received it{failed} ({counts.total:,} in the audience)."
