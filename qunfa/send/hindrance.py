"""What would hold back a send that is started now, and that its key lets go: a freeze, or a quota that is used up.

| the account's book has | of an account with ``quota = "wait"`` | with ``quota = "ask"`` |
|---|---|---|
| one left of each limit that is for such a send | nothing | nothing |
| none left of one | WeChat refuses, and it waits until midnight in Shanghai | WeChat refuses, and a person is asked |

The book is not WeChat's. Sends that were not ours may have used more, so a limit may be used up all the same.
"""

from collections.abc import Iterator
from datetime import datetime
from operator import attrgetter
from typing import Final

from qunfa.contract.audience import All, is_long
from qunfa.contract.limits import Allowance, AllowanceName, Book
from qunfa.contract.prospect import Ahead, Effect, FreezeSeen, KeySeen, Past, QuotaSeen
from qunfa.contract.result import Answer
from qunfa.rules.calendar import next_day, next_month, shanghai_clock
from qunfa.rules.course import course
from qunfa.rules.quota_view import allowances, had_by_all, this_month
from qunfa.rules.submission import Ask, Expire, Submit, next_step
from qunfa.send.prospect import SUBMITS, Start, case_of
from qunfa.send.state import Case

NO_LEDGER: Final = "not known: the account's own workflow does not run yet, and a send would start it"
_UNKNOWN: Final = "not known"
_USED_UP: Final = {"day": 45028, "month": 45040}
"""By which code WeChat says that a day or a month is used up; some months end with the code of a day."""
_NAMES: Final[dict[AllowanceName, str]] = {
    "sends": "mass sends",
    "sends_to_all": "mass sends to all",
    "mass_calls": "calls of sendall and send",
}


def of_freeze(start: Start, ahead: Ahead, key: KeySeen) -> FreezeSeen:
    """Whether the account is frozen, and whether the send would wait for that."""
    book = ahead.book
    if book is None or book.since is None:
        return FreezeSeen(state="unknown", effect="unknown", said=_unasked(ahead), then=_UNKNOWN)
    if book.frozen is None:
        return FreezeSeen(state="free", effect="none", said="not frozen", then="nothing")
    end = start.request.not_after
    waits = "waits for an unfreeze" + (f", until {shanghai_clock(end)} at the latest" if end else "")
    effect, then = _of_key(key) or ("waits", waits)
    said = f"frozen by {book.frozen.by} since {shanghai_clock(book.frozen.at)}: {book.frozen.reason}"
    return FreezeSeen(state="frozen", frozen=book.frozen, effect=effect, said=said, then=then)


def of_quota(start: Start, ahead: Ahead, key: KeySeen) -> QuotaSeen:
    """What is left for it at its time, and what would come of it where that is nothing."""
    book = ahead.book
    if book is None or book.since is None:
        return QuotaSeen(state="unknown", effect="unknown", said=_unasked(ahead), then=_UNKNOWN)
    case, _ = case_of(start, ahead.past or Past())
    step = course(case.jobs, start.now, case.conditions())
    at = step.at if isinstance(step, Submit) else start.now
    rows = tuple(_rows(start, book, at))
    used_up = [row for row in rows if row.left == 0]
    until = None
    if (found := _of_key(key)) is not None:
        effect, then = found
    elif used_up:
        effect, until, then = _refused(case, at, max(used_up, key=attrgetter("renewed_at")))
    else:
        effect, then = "none", "goes at once" if at <= start.now else f"goes at its time, {shanghai_clock(at)}"
    return QuotaSeen(
        state="used_up" if used_up else "left",
        allowances=rows,
        effect=effect,
        until=until,
        said="; ".join(_words(start, book, at, rows)),
        then=then,
    )


def _of_key(key: KeySeen) -> tuple[Effect, str] | None:
    """What it does to a send that its key keeps from being submitted; ``None`` where it would be submitted."""
    if key.start in SUBMITS:
        return None
    return ("unknown", _UNKNOWN) if key.start == "unknown" else ("none", "nothing: it is not submitted")


def _unasked(ahead: Ahead) -> str:
    return NO_LEDGER if ahead.book is not None else f"not known: {ahead.unbooked or 'nobody could be asked'}"


def _rows(start: Start, book: Book, at: datetime) -> Iterator[Allowance]:
    """The limits that are for such a send."""
    to_all = isinstance(start.request.audience, All)
    for row in allowances(start.facts.kind, book, (), at):
        if row.name in {"sends", "mass_calls"} or (row.name == "sends_to_all" and to_all):
            yield row


def _words(start: Start, book: Book, at: datetime, rows: tuple[Allowance, ...]) -> Iterator[str]:
    """What is left; and of a send in batches, what its followers have had already."""
    yield from (_left(row, start.now) for row in rows)
    if is_long(start.request.audience) and (had := had_by_all(this_month(book, at).to_all)):
        yield had


def _left(row: Allowance, now: datetime) -> str:
    least = "at most " if row.left and (row.others or not row.whole) else ""
    renewed = {"day": next_day, "month": next_month}[row.period](now, None)
    which = "this" if row.renewed_at == renewed else "that"
    return f"{least}{row.left} of {row.limit} {_NAMES[row.name]} left {which} {row.period}"


def _refused(case: Case, at: datetime, row: Allowance) -> tuple[Effect, datetime | None, str]:
    """What comes of a try that WeChat refuses for want of quota: the rules of a real one are asked."""
    answer = Answer(kind="refused", at=at, errcode=_USED_UP[row.period])
    match next_step(case.newest.model_copy(update={"answer": answer}), at, case.conditions()):
        case Submit(at=until, held="quota"):
            nightly = "; it may be tried each midnight" if row.period == "month" else ""
            return "waits", until, f"WeChat refuses it; it waits until {shanghai_clock(until)}{nightly}"
        case Ask() if case.request.on_problem == "fail":
            return "fails", None, "WeChat refuses it; it fails as quota_exhausted"
        case Ask():
            return "asks", None, "WeChat refuses it; an operator is asked (quota_exhausted)"
        case Expire():
            return "expires", None, "WeChat refuses it; its not_after comes before there is more"
        case _:
            return "unknown", None, "not known: an earlier try may have used it"
