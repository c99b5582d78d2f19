"""How a send asks its account: one wish is open at a time, a silent account is asked again, nothing is left behind."""

from datetime import datetime, timedelta
from typing import Final

from qunfa.contract import grants
from qunfa.contract.facts import Ended
from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.grants import Ending, Granted, Turn
from qunfa.contract.operators import FROZEN_BY, Phase
from qunfa.rules.pace import spread
from qunfa.send.state import Case, OpenWish
from qunfa.send.steps import End, GiveBack, LookAtTag, Report, SendWish, Step, Submit, Wish

SILENT_ASKS: Final = 3
"""How many ``ask`` an account may take to answer at all."""
LONG_ASKS: Final = 30
"""After so many a send that ends asks for the last time. A wish of it that is not told by then counts as unanswered."""
_NET: Final = timedelta(days=2)
_NET_MAX: Final = timedelta(days=16)
_AFTER_DUE: Final = timedelta(minutes=1)
_JITTER: Final = timedelta(minutes=10)
_NET_ASKS: Final = 12
_A_LITTLE_LATER: Final = timedelta(seconds=1)
"""Than the account, which drops a place whose time is over, and says so."""
_THE_LEDGER: Final = "the account's ledger"


def asked(case: Case, wanted: Wish, phase: Phase) -> Step:
    """The step that asks the account for what is ``wanted``, or waits for what it answers.

    Until the account has answered, each wish is searched: what earlier runs stood for is not kept, and an account that
    was lost has forgotten it.
    """
    wish, unheard = case.state.wish, case.state.heard is None
    if wish is None or not _serves(case, wish, wanted):
        return Step(phase, wanted, _THE_LEDGER)
    if wish.sent_at is None:
        searches = unheard or not case.state.searched
        return Step(phase, SendWish(wish.wish, searches, _is_of_an_end(case, wish)), _THE_LEDGER)
    again = _again_at(case, wish, wish.sent_at)
    if case.now >= again:
        return Step(phase, Wish(wish.purpose, wish.turn, wish.whose), _THE_LEDGER)
    silent = _silent_at(case)
    if (
        silent is not None
        and case.now < silent
        and (case.stops or case.state.question or _asks_for_the_last_time(case))
    ):
        again = silent
    ends = wish.turn.until if wish.turn else None
    latest = again if _answer(case, wish) is None else ends
    return Step(phase, why=_why(case, wish), until=latest, look_at=again, awaits_answer=True)


def told(case: Case, ended: Ended | None = None) -> Step:
    """The step that tells the account what it lacks, and the end where there is one."""
    return Step(case.standing, Report(ended), _THE_LEDGER)


def wish_of(case: Case, wish: OpenWish, workflow_id: str, run_id: str) -> grants.Wish:
    """The open wish as the account is told it; what earlier runs have left comes to it on its way."""
    state = case.state
    waits = state.heard.waits if state.heard else None
    return grants.Wish(
        wish=wish.wish,
        key=case.request.key,
        digest=state.digest or "",
        workflow_id=workflow_id,
        run_id=run_id,
        number=wish.number,
        known=state.known,
        searched=state.searched,
        turn=wish.turn,
        whose=wish.whose,
        ending=ending(case),
        frozen=waits.frozen if waits else None,
        started_at=case.started_at,
    )


def ending(case: Case) -> Ending | None:
    """What the open wish says of a send that is about to end, or to ask a person: it may be forgotten."""
    wish, job = case.state.wish, case.newest
    if wish is None or wish.purpose not in {"asking", "ending"}:
        return None
    if job.verdict is None:
        return Ending(generation=job.generation, clientmsgid=job.clientmsgid)
    after = job.generation + 1
    if after == GENERATIONS_MAX:
        return None
    return Ending(generation=after, clientmsgid=case.own_id(after))


def is_silent(case: Case, wanted: Wish) -> bool:
    """Whether the account has not answered in time what was ``wanted`` of it."""
    silent, wish = _silent_at(case), case.state.wish
    return silent is not None and wish is not None and _serves(case, wish, wanted) and case.now >= silent


def stays_silent(case: Case, wanted: Wish) -> bool:
    """Whether it does not answer a send that ends: not for minutes, and not once more after that."""
    return is_silent(case, wanted) and _asks_for_the_last_time(case)


def _asks_for_the_last_time(case: Case) -> bool:
    """Whether a send that ends has asked so long already. An account that was down has time to answer once more."""
    wish = case.state.wish
    if wish is None or wish.sent_at is None or not _is_of_an_end(case, wish):
        return False
    return wish.sent_at - _unanswered_since(case, wish) >= LONG_ASKS * case.facts.timing.ask


def _is_of_an_end(case: Case, wish: OpenWish) -> bool:
    return case.stops or wish.purpose == "ending"


def _unanswered_since(case: Case, wish: OpenWish) -> datetime:
    """Since when it is to be answered. A person who ends the send does not wait until its next time comes."""
    act = case.state.newest_act("abort", "reject", "cancel")
    return max(wish.since, act.at) if act is not None and case.stops else wish.since


def _silence(case: Case) -> timedelta:
    return SILENT_ASKS * case.facts.timing.ask


def _silent_at(case: Case) -> datetime | None:
    """When an account that has not answered the open wish is called silent."""
    wish = case.state.wish
    sent_at = wish.sent_at if wish and _answer(case, wish) is None else None
    return sent_at and sent_at + _silence(case)


def nothing_left_behind(case: Case, step: Step | End) -> Step | End:
    """``step``, or before it what has to come back from the account: a lease that it does not use, or a place."""
    effect = step.effect if isinstance(step, Step) else None
    lease, wish = case.state.lease, case.state.wish
    looks = isinstance(effect, LookAtTag) and lease is not None and case.now < lease.valid_until
    if isinstance(effect, Submit) or looks:
        return step
    if lease is not None:
        return Step(step.phase if isinstance(step, Step) else case.standing, GiveBack(lease), _THE_LEDGER)
    if wish is None or isinstance(step, End) or isinstance(effect, Wish | SendWish):
        return step
    on_its_way = wish.purpose == "withdrawing" and wish.sent_at is None
    withdrawn = wish.turn is not None and not step.awaits_answer
    return asked(case, Wish("withdrawing"), step.phase) if on_its_way or withdrawn else step


def _serves(case: Case, wish: OpenWish, wanted: Wish) -> bool:
    """Whether an open wish is for this. Where the send is due, it may have been due earlier: its place stays."""
    if (wish.purpose, wish.whose) != (wanted.purpose, wanted.whose):
        return False
    if wanted.turn is None or wish.turn is None:
        return wanted.turn is wish.turn
    same = wish.turn.model_copy(update={"due": wanted.turn.due}) == wanted.turn
    return same and (wish.turn.due == wanted.turn.due or wish.turn.due <= wanted.turn.due <= case.now)


def _answer(case: Case, wish: OpenWish) -> Granted | None:
    heard = case.state.heard
    return heard if heard is not None and heard.wish == wish.wish else None


def _again_at(case: Case, wish: OpenWish, sent_at: datetime) -> datetime:
    """When the account is asked again: if it is silent, after as long as it has been silent already.

    If it has answered, its queue may be gone. Workers tell of that (`LedgerLost`): this is for what nobody saw.
    """
    answer, turn, soon = _answer(case, wish), wish.turn, sent_at + case.facts.timing.ask
    waits = answer.waits if answer else None
    if answer is None:
        again = sent_at + max(_silence(case), min(sent_at - _unanswered_since(case, wish), _NET))
    elif waits is None or turn is None:
        again = soon
    elif waits.why == "full" and waits.until is not None:
        again = max(waits.until, soon)
    else:
        again = max(sent_at, turn.due + _AFTER_DUE) + _net(case, wish, turn, sent_at)
    if turn is None or turn.until is None or turn.until <= sent_at:
        return again
    return min(again, max(soon, turn.until + _A_LITTLE_LATER))


def _net(case: Case, wish: OpenWish, turn: Turn, sent_at: datetime) -> timedelta:
    """How long a run believes that its account still has its place: as long as it has waited already, within bounds."""
    waited = sent_at - max(turn.due, case.state.joined_at or turn.due)
    net = min(max(waited, _NET), _NET_MAX) + spread(wish.wish, _JITTER)
    if turn.until is None:
        return net
    return min(net, max((turn.until - sent_at) / 4, _NET_ASKS * case.facts.timing.ask))


def _why(case: Case, wish: OpenWish) -> str:
    answer = _answer(case, wish)
    if answer is None:
        return _THE_LEDGER
    waits = answer.waits
    if waits is None:
        return "the account's ledger, which has to catch up"
    if waits.why == "frozen" and waits.frozen is not None:
        return f"{FROZEN_BY}{waits.frozen.by}: {waits.frozen.reason}"
    if waits.why == "full":
        return "room in the account's ledger, which is full of unsettled sends"
    before = f", {waits.place} before it" if waits.place else ""
    return f"another submission of the account{before}"
