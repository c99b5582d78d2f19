"""Rules of sends in batches that can be taken out of the product; and how each rule is, to see that it is missed."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest

import qunfa.batches.apply as whole_apply
import qunfa.batches.plan as whole_plan
from activities.named_reports import NamedReports
from qunfa.audience.plans import Plans
from qunfa.batches.state import BatchesState, Passing
from qunfa.batches.state import Case as WholeCase
from qunfa.contract.audience import Version
from qunfa.contract.batches import BatchRow
from qunfa.send import decisions
from tests.simulation.lives import Kind

TakeOut = Callable[[pytest.MonkeyPatch], None]
_UNDER_TWO: Final = "is reached under .* and "


class Control(NamedTuple):
    """A rule: how it is taken out, what the judge says then, and the lives in which it does."""

    take_out: TakeOut
    why: str
    lives: Kind


TAKEN_OUT: Final[dict[str, Control]] = {}


def missed_by(why: str, lives: Kind = "sends") -> Callable[[TakeOut], TakeOut]:
    """``why``: another word would be another rule's. ``lives``: where those of sends alone do not miss it."""

    def listed(take_out: TakeOut) -> TakeOut:
        TAKEN_OUT[take_out.__name__.replace("_", "-")] = Control(take_out, why, lives)
        return take_out

    return listed


@missed_by("begins while .* is under way", lives="lists")
def checkpoint_at_fetch(patch: pytest.MonkeyPatch) -> None:
    """A batch counts as done when it is begun."""
    usual = whole_apply._began  # noqa: SLF001  the rule that is taken away

    def began(case: WholeCase, number: int) -> BatchesState:
        after = usual(case, number)
        row = BatchRow(number=number, outcome="sent", may_have_been_delivered=True)
        return after.changed(rows=(*after.rows, row), running=None, reported=None)

    patch.setattr(whole_apply, "_began", began)


@missed_by("before anybody has chosen what the rest gets", lives="lists")
def rest_unasked(patch: pytest.MonkeyPatch) -> None:
    """The rest of a split test gets a message that nobody has chosen."""
    patch.setattr(BatchesState, "winner", property(_first_of_two))


@missed_by("is reported as .*, and was delivered, or may be", lives="lists")
def ends_unlooked(patch: pytest.MonkeyPatch) -> None:
    """A list that ends does not look for batches that an earlier run had begun."""
    patch.setattr(WholeCase, "unseen", property(lambda _case: None))


@missed_by("had ended as sent in part, and begins batch", lives="lists")
def ends_again(patch: pytest.MonkeyPatch) -> None:
    """A list that was sent in part goes on with the rest when its key is started again."""
    rules = tuple(rule for rule in whole_plan._RULES if rule is not whole_plan._ended_before)  # noqa: SLF001  as above
    patch.setattr(whole_plan, "_RULES", rules)


@missed_by("is written, and was never told to", lives="lists")
def hold_untold(patch: pytest.MonkeyPatch) -> None:
    """A list passes no pause, and no other time, on to its batch under way."""
    usual = whole_apply._passing  # noqa: SLF001  the rule that is taken away

    def passing(state: BatchesState, one: Passing) -> BatchesState:
        return state if one.name in {"pause", "reschedule"} else usual(state, one)

    patch.setattr(whole_apply, "_passing", passing)


@missed_by("is written while it is paused", lives="lists")
def pause_shared(patch: pytest.MonkeyPatch) -> None:
    """A batch keeps one pause: a resume of the list lifts that of a person, and the reverse."""
    patch.setattr(decisions, "OF_LIST", "a person's")


@missed_by(_UNDER_TWO, lives="rests")
def report_is_believed(patch: pytest.MonkeyPatch) -> None:
    """Who goes by a report does not ask the ledger and Temporal what became of its batches since."""
    patch.setattr(NamedReports, "_overtaken", _not_asked)


@missed_by(_UNDER_TWO, lives="rests")
def rest_unclaimed(patch: pytest.MonkeyPatch) -> None:
    """Whoever goes by a report takes its people from nobody: its key, and others by that report, go on."""

    async def claim(_plans: Plans, _account: str, _key: str, _state: str, by: str) -> str:
        return by

    patch.setattr(Plans, "claim", claim)


async def _not_asked(*_: Any) -> None:
    return None


def _first_of_two(state: BatchesState) -> Version:
    chosen = state.newest_act("choose")
    return (chosen.winner if chosen else None) or "a"
