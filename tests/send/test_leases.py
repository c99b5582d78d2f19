"""What a send does with a lease in hand, and with material that grows old: it submits, or it does not."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Known, Owned
from qunfa.contract.grants import Lease
from qunfa.contract.message import Material
from qunfa.contract.result import Answer
from qunfa.send import events, steps
from qunfa.send.apply import apply
from qunfa.send.plan import TAG_FRESH, plan
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone
from tests.send.places import FROZEN, QUEUE, accepted, joined, unanswered

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TAGGED = {"audience": {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}}


def next_of(alone: Alone, **state: Any) -> steps.Step:
    """What comes next for it, once this is different."""
    step = plan(alone.engine.request, alone.state.changed(**state), alone.now)
    assert isinstance(step, steps.Step)
    return step


def in_hand(alone: Alone, **changes: Any) -> tuple[Lease, steps.Step]:
    """A lease for its turn, in which this is different, and what comes next."""
    lease = alone.lease().model_copy(update=changes)
    return lease, next_of(alone, heard=alone.granted(answer="lease", lease=lease))


def on_its_way(**request: Any) -> Alone:
    """It waits for its turn, which is due in a minute."""
    alone = joined(send_at=(NOON + MINUTE).isoformat(), **request)
    if request:
        alone.take(events.TagSeen())
    alone.sent()
    return alone


@pytest.mark.parametrize(
    ("changes", "usable"),
    [
        ({"not_before": NOON + MINUTE}, True),
        ({"not_before": NOON + 2 * MINUTE}, True),
        ({"not_before": NOON + MINUTE - SECOND}, False),
        ({"not_before": NOON + MINUTE, "valid_until": NOON}, False),
        ({"not_before": NOON + MINUTE, "valid_until": NOON + SECOND}, True),
        ({"not_before": NOON + MINUTE, "generation": 1}, False),
        ({"not_before": NOON, "generation": 1}, False),
    ],
)
def test_a_lease_is_used_for_what_it_was_granted(changes: dict[str, Any], usable: bool) -> None:
    """While it is valid, for the newest generation, and not before the send is due; else it goes back."""
    lease, step = in_hand(on_its_way(), **changes)
    assert step.effect == (steps.Submit(lease) if usable else steps.GiveBack(lease))


@pytest.mark.parametrize(("generation", "until"), [(0, NOON + 30 * MINUTE), (1, None)])
def test_a_tag_is_looked_at_while_the_lease_lasts(generation: int, until: Any) -> None:
    """Where that lease can be used; else for as long as it may be submitted at all."""
    alone = on_its_way(**TAGGED)
    alone.wait(TAG_FRESH)
    valid = {"not_before": alone.now, "valid_until": NOON + 30 * MINUTE, "generation": generation}
    _, step = in_hand(alone, **valid)
    assert (type(step.effect), step.until) == (steps.LookAtTag, until)


def test_material_is_made_again_as_soon_as_it_can_be() -> None:
    """It could not be made for a while, to the moment."""
    alone = unanswered()
    for wait, effect in ((SECOND, None), (timedelta(0), steps.Make(NOON))):
        step = next_of(alone, material=Material(), make_at=alone.now + wait, wish=None)
        assert (step.phase, step.effect) == ("preparing", effect)


def test_a_lease_whose_try_was_made_is_not_used() -> None:
    """The run before the reset had it, and what that has left is found while the wish is still open."""
    alone = joined()
    alone.sent()
    lease = alone.lease()
    refused = Answer(kind="refused", at=NOON, errcode=45011)
    alone.take(events.WishSent("of the run before", Known(tries=(lease.tried(refused),))))
    alone.run.state = alone.state.changed(wish=alone.state.wish and alone.wish.model_copy(update={"wish": lease.wish}))
    before = alone.state
    alone.take(events.Heard(alone.granted(answer="lease", lease=lease)))
    assert alone.state == before


@pytest.mark.parametrize("tagged", [False, True])
def test_what_was_said_before_the_lease_changes_nothing(tagged: bool) -> None:
    """Its facts count. The lease is in use, or in hand while a tag is looked at."""
    audience = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}} if tagged else {"kind": "all"}
    alone = joined(audience=audience)
    if tagged:
        alone.take(events.TagSeen())
    alone.sent()
    alone.hear(waits=QUEUE)
    notice = alone.granted(waits=FROZEN)
    alone.wait(11 * MINUTE)
    alone.hear(answer="lease", lease=alone.lease())
    before = alone.state
    assert (before.lease is not None, alone.does() is steps.LookAtTag) == (tagged, tagged)
    alone.take(events.Heard(notice))
    assert alone.state == before


def test_a_lease_that_is_over_goes_back() -> None:
    """A tag was looked at for too long."""
    alone = joined(audience={"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}})
    alone.take(events.TagSeen())
    alone.sent()
    alone.hear(waits=QUEUE)
    alone.wait(11 * MINUTE)
    lease = alone.lease()
    alone.hear(answer="lease", lease=lease)
    assert alone.does() is steps.LookAtTag
    alone.wait(lease.valid_until - alone.now)
    assert (alone.does(), alone.state.lease) == (steps.Report, None)


def test_a_lease_goes_back_under_what_is_done_next() -> None:
    """The material is made anew, or the send is over."""
    alone, over = on_its_way(), accepted()
    heard = alone.granted(answer="lease", lease=alone.lease())
    step = next_of(alone, heard=heard, material=Material())
    assert (step.phase, type(step.effect)) == ("preparing", steps.GiveBack)
    over.pushed()
    step = next_of(over, heard=heard)
    assert (step.phase, type(step.effect)) == ("awaiting_result", steps.GiveBack)


def granted_twice(alone: Alone) -> tuple[events.Heard, events.Heard]:
    """Two leases for one wish: an account that was reset has granted it again."""
    first, second = (alone.granted(answer="lease", lease=alone.lease()) for _ in range(2))
    return events.Heard(first), events.Heard(second)


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_lease_that_comes_during_a_try_goes_back(is_reset: bool) -> None:
    """Its account lends no other one out until it is over. It is told as soon as the try is answered."""
    alone = joined()
    alone.sent()
    first, second = granted_twice(alone)
    alone.take(first)
    alone.take(*([events.WasReset()] if is_reset else []), second)
    assert alone.does() is steps.Submit
    alone.answered("refused", errcode=40001)
    assert [one.answer and one.answer.kind for one in alone.state.known.tries] == ["refused", "unused"]
    alone.asked() if is_reset else alone.reported()
    assert (alone.state.lease, alone.wants()) == (None, None if is_reset else "turn")


def test_of_two_leases_in_hand_the_newer_one_is_used() -> None:
    """Its account knows of no other one. The first is known not to have been used; a copy of it is no other one."""
    alone = joined()
    alone.sent()
    first, second = granted_twice(alone)
    state = apply(alone.engine.request, alone.state, first, NOON)
    assert apply(alone.engine.request, state, first, NOON) == state
    alone.take(first, second)
    assert isinstance(effect := alone.step.effect, steps.Submit)
    assert (effect.lease, alone.state.untold) == (second.granted.lease, False)
    assert [one.answer and one.answer.kind for one in alone.state.known.tries] == ["unused", None]


def test_a_try_that_is_granted_anew_is_not_called_unused() -> None:
    """An account that was lost, and then reset, grants the same try again. Its note would deny the call under way."""
    alone = joined()
    alone.sent()
    lease = alone.lease()
    later = {name: getattr(lease, name) + MINUTE for name in ("not_before", "valid_until", "expires_at")}
    anew = lease.model_copy(update=later)
    alone.take(*(events.Heard(alone.granted(answer="lease", lease=one)) for one in (lease, anew)))
    assert isinstance(effect := alone.step.effect, steps.Submit)
    assert effect.lease == anew
    assert [one.answer for one in alone.state.known.tries] == [None]


def test_a_copy_of_a_lease_still_brings_its_facts() -> None:
    """The lease itself is being used, and is not taken once more."""
    alone = joined()
    alone.sent()
    grant = alone.granted(answer="lease", lease=alone.lease())
    alone.take(events.Heard(grant))
    theirs = Owned(msg_id=5, key="autumn", generation=0)
    alone.take(events.Heard(grant.model_copy(update={"known": Known(owned=(theirs,))})))
    assert (alone.state.known.owned, len(alone.state.known.tries)) == ((theirs,), 1)
    assert (alone.does(), alone.state.lease) == (steps.Submit, None)


def test_a_try_is_one_step_before_and_after_it_begins() -> None:
    """What is under way for it goes on."""
    alone = on_its_way()
    lease, step = in_hand(alone, not_before=NOON + MINUTE)
    assert step == next_of(alone, trying=lease)
