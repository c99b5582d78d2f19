"""Whatever happens to a key, in whatever order: one delivery at most, a true result, and an end."""

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.facts import Try
from qunfa.contract.grants import Turn
from qunfa.contract.result import Answer
from qunfa.contract.steps import Timing
from qunfa.rules import memory
from qunfa.send import doubt, plan
from qunfa.send.state import Case
from tests.rules.arbitrary import NOON
from tests.send import world
from tests.send.wechat import MEMORY
from tests.send.world import World

HAPPENINGS = 120


def lived(seed: int, *, gentle: bool = False) -> World:
    """A world that has gone through much, and then in peace to its end; a failure tells its story."""
    one = World(seed, gentle=gentle)
    try:
        one.start()
        for _ in range(HAPPENINGS):
            one.happen()
        one.calm()
    except AssertionError as error:
        error.add_note("\n".join([f"seed {seed}", *one.story]))
        raise
    return one


@given(seed=st.integers(0, 2**32 - 1))
def test_the_promises_hold_whatever_happens(seed: int) -> None:
    """Lost answers, workers, runs and ledgers, resets, slow calls, pushes of any kind, and people who hold it up."""
    one = lived(seed)
    assert one.ends


@given(seed=st.integers(0, 2**32 - 1))
def test_where_nothing_is_lost_nothing_is_in_doubt(seed: int) -> None:
    """However people hold it up, and whatever WeChat answers: no try is unknown, and no end is."""
    one = lived(seed, gentle=True)
    assert not [try_ for try_ in one.left.tries if memory.is_unknown(try_)], "\n".join(one.story)
    ends = {end.outcome for end in one.ends}
    # A send that is too late to look at its content cannot say that it is the one that was delivered.
    assert one.engine.request.not_after or "unknown" not in ends, "\n".join(one.story)


def forget_unknown(patch: pytest.MonkeyPatch) -> None:
    """A refusal settles an unknown try."""
    for place in (memory, doubt):
        patch.setattr(place, "is_unknown", lambda _one: False)


def forget_silence(patch: pytest.MonkeyPatch) -> None:
    """A try without an answer is not taken for one that may still be on its way."""
    patch.setattr(doubt, "is_silent", lambda _one: False)


def an_id_for_each_try(patch: pytest.MonkeyPatch) -> None:
    """WeChat cannot tell a repeat."""
    made: Callable[[Case, datetime], Turn] = plan._turn  # noqa: SLF001  the rule that is taken away

    def turn(case: Case, at: datetime) -> Turn:
        one = made(case, at)
        return one.model_copy(update={"clientmsgid": f"{one.clientmsgid[:24]}-{len(case.state.known.tries):03d}"})

    patch.setattr(plan, "_turn", turn)


def a_window_of_two_days(patch: pytest.MonkeyPatch) -> None:
    """The same again when WeChat has forgotten the first."""
    long = world.FACTS.model_copy(update={"timing": Timing(window=MEMORY * 2)})
    patch.setattr(world, "FACTS", long)


def believe_the_run_before(patch: pytest.MonkeyPatch) -> None:
    """A lost try is taken for one that wrote nothing."""
    nothing = Answer(kind="not_written", at=NOON)

    def heard(one: Try) -> Answer | None:
        return one.answer or (nothing if one.lost_at else None)

    patch.setattr(doubt, "heard", heard)
    for place in (memory, doubt):
        patch.setattr(place, "is_unknown", lambda one: one.answer is not None and one.answer.kind == "unknown")


CONTROLS = [
    forget_unknown,
    an_id_for_each_try,
    believe_the_run_before,
    pytest.param(forget_silence, marks=pytest.mark.long),
    pytest.param(a_window_of_two_days, marks=pytest.mark.long),
]


@pytest.mark.parametrize("control", CONTROLS)
def test_a_rule_that_is_taken_away_is_missed(
    control: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: within some hundred seeds a promise is broken."""
    control(monkeypatch)
    assert any(is_broken(seed) for seed in range(400))


def is_broken(seed: int) -> bool:
    """Whether a promise is broken in this world."""
    try:
        lived(seed)
    except AssertionError:
        return True
    return False
