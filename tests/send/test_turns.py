"""How a send keeps its place in the queue: which wish stays open, and when its account is asked again."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Known, Owned
from qunfa.contract.grants import Waits
from qunfa.contract.operators import Pause, Reschedule, Resume
from qunfa.contract.result import Answer
from qunfa.contract.steps import Timing
from qunfa.send import steps
from qunfa.send.ledger import SILENT_ASKS
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import IDS
from tests.send.places import FROZEN, QUEUE, begun, joined, planned, queued

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JITTER = timedelta(minutes=10)
LOST = own(lost=True)


def wakes(alone: Alone) -> datetime:
    """Until when it waits for an answer of its account."""
    assert (alone.step.effect, alone.step.awaits_answer) == (None, True)
    return alone.until


@pytest.mark.parametrize(
    "other",
    [
        {"generation": 1},
        {"clientmsgid": IDS[1]},
        {"pace": 5 * SECOND},
        {"http_timeout": 5 * SECOND},
        {"until": NOON + HOUR},
        {"due": NOON + SECOND},
    ],
)
def test_a_place_is_kept_for_what_it_was_asked_for(other: dict[str, Any]) -> None:
    """A turn for anything else is none of the send's: it asks for its own."""
    alone = queued()
    wish = alone.wish
    assert wish.turn is not None
    alone.run.state = alone.state.changed(
        wish=wish.model_copy(update={"turn": wish.turn.model_copy(update=other)}), searched=True
    )
    assert alone.step.effect == steps.Wish("turn", wish.turn)


@pytest.mark.parametrize(
    ("until", "again"),
    [(None, None), (NOON + HOUR, NOON + HOUR), (NOON - HOUR, NOON + FACTS.timing.ask), (NOON + SECOND, None)],
)
def test_a_full_ledger_is_asked_when_it_says(until: datetime | None, again: datetime | None) -> None:
    """Never sooner than any ledger is; where it does not say when, as one that has a queue."""
    alone = queued(Waits(why="full", until=until))
    if until is None:
        assert wakes(alone) > NOON + 2 * DAY
    else:
        assert wakes(alone) == (again or NOON + FACTS.timing.ask)


def test_an_early_place_is_believed_in_from_its_time_on() -> None:
    """It waits for its time first, and asks a minute after that at the earliest."""
    alone = queued(send_at=(NOON + 2 * MINUTE).isoformat(), not_after=(NOON + 42 * MINUTE).isoformat())
    assert alone.step.until == NOON + 2 * MINUTE
    alone.wait(2 * MINUTE)
    assert wakes(alone) == NOON + 3 * MINUTE + 42 * MINUTE / 4


def test_a_turn_that_is_over_is_seen_a_moment_later() -> None:
    """Its account drops the place, and says so; where it stays silent the send wakes by itself, but not at once."""
    alone = queued(not_after=(NOON + 90 * SECOND).isoformat())
    assert wakes(alone) == NOON + 91 * SECOND
    short = queued(not_after=(NOON + 5 * SECOND).isoformat())
    assert wakes(short) == NOON + FACTS.timing.ask


def test_a_silent_account_is_asked_after_as_long_as_it_was_silent() -> None:
    """First after three times of what an answer may take, and at most after two days."""
    alone = begun(FACTS.model_copy(update={"timing": Timing(ask=timedelta(hours=6))}))
    alone.sent()
    for span in (18, 18, 36, 48, 48):
        began = alone.now
        assert wakes(alone) == began + timedelta(hours=span)
        alone.wait(timedelta(hours=span))
        alone.sent()


def test_new_facts_are_not_waited_upon() -> None:
    """An answer that brings some, and no place: the wish is made anew, with what they change."""
    alone = queued(None)
    wish = alone.state.wish
    first, second = (Known(owned=(Owned(msg_id=msg_id, key="autumn", generation=0),)) for msg_id in (5, 6))
    alone.hear()
    assert alone.state.wish == wish
    alone.hear(first, waits=QUEUE)
    assert alone.state.wish == wish
    alone.hear(second)
    assert alone.state.wish != wish
    assert alone.wants() == "turn"


def test_a_search_is_of_the_same_wish() -> None:
    """It keeps its place among the wishes, and goes out once more."""
    alone = begun()
    alone.sent()
    wish = alone.wish
    alone.hear(answer="search")
    assert (alone.state.wish, alone.state.searched) == (wish.model_copy(update={"sent_at": None}), False)


def test_what_is_heard_is_kept_once() -> None:
    """The facts are the send's from then on, and its state is carried on."""
    alone = joined()
    alone.hear(LOST)
    assert alone.state.heard is not None
    assert (alone.state.heard.known, alone.state.known) == (Known(), LOST)


def test_what_a_place_was_withdrawn_for_is_noted_once() -> None:
    """However often the send is paused and resumed."""
    alone = queued()
    for _ in range(3):
        alone.update(Pause(by="li"))
        alone.asked()
        assert [one.before for one in alone.state.checks].count("withdrawing") == 1
        alone.update(Resume(by="li"))
        alone.asked(waits=QUEUE)


def test_the_try_of_the_first_lease_is_no_earlier_one() -> None:
    """The ledger has noted it already; what the key had tried before is taken over, and counts no more."""
    earlier = own(1, Answer(kind="refused", at=NOON - HOUR, errcode=48001)).tries[0]
    for before, told in (((), 0), ((earlier,), 1)):
        alone = begun()
        alone.sent()
        lease = alone.lease(number=2)
        alone.hear(Known(tries=(*before, lease.tried())), answer="lease", lease=lease)
        assert alone.does() is steps.Submit
        assert sum("earlier submission" in line.what for line in alone.state.story) == told
        assert [one.covers for one in alone.state.known.decided] == [(earlier.wish,)] * told


def test_an_end_waits_on_for_a_silent_account() -> None:
    """It is asked again and again before it, after ever longer times."""
    alone = planned()
    alone.abort()
    asked = 0
    while alone.now < NOON + 20 * SILENT_ASKS * FACTS.timing.ask:
        if alone.does() is steps.SendWish:
            asked += 1
            alone.sent()
        alone.wait(SILENT_ASKS * FACTS.timing.ask)
    assert 4 <= asked <= 6


def test_a_place_is_kept_since_the_send_has_joined() -> None:
    """An account that was silent for days has kept no place meanwhile."""
    alone = begun()
    alone.sent()
    alone.now += 10 * DAY
    alone.hear(waits=QUEUE)
    alone.asked(waits=QUEUE)
    assert alone.now + 2 * DAY <= wakes(alone) < alone.now + 2 * DAY + JITTER


def test_a_send_that_is_due_soon_asks_for_its_turn_at_once() -> None:
    """Two minutes before its time; one that is due in twelve joins first."""
    for ahead, wanted in ((2 * MINUTE, "turn"), (12 * MINUTE, "joining")):
        alone = begun(send_at=(NOON + ahead).isoformat())
        assert alone.wants() == wanted


def test_sends_that_are_due_at_once_do_not_ask_at_once() -> None:
    """Each asks in some second of the ten minutes before the last two, and is shown with the time that it waits for."""
    at, asks = NOON + HOUR, Counter[int]()
    for number in range(300):
        alone = planned(key=f"key-{number}")
        assert (alone.step.until, alone.step.effect) == (at, None)
        assert alone.step.wakes_at is not None
        asks[(at - alone.step.wakes_at) // MINUTE] += 1
        alone.wait(alone.step.wakes_at - alone.now)
        assert alone.wants() == "turn"
    assert set(asks) == set(range(2, 12))
    assert max(asks.values()) < 60


def test_a_send_in_the_queue_does_not_wake_when_it_is_due() -> None:
    """Its account tells it when it is its turn. It is shown as scheduled for some minutes more, then as submitting."""
    for number in range(9):
        alone = planned(key=f"key-{number}")
        due = NOON + HOUR
        alone.wait((alone.step.wakes_at or due) - alone.now)
        alone.sent()
        alone.hear(waits=QUEUE)
        assert (alone.step.phase, alone.step.until) == ("scheduled", due)
        assert alone.step.wakes_at is not None
        assert due <= alone.step.wakes_at < due + JITTER
        alone.wait(alone.step.wakes_at - alone.now)
        assert alone.step.phase == "submitting"


def test_a_frozen_send_says_so_from_its_time_on() -> None:
    """Whoever looks for what the freeze holds back finds it at once; before that, it is not held back."""
    for number in range(3):
        alone = planned(key=f"key-{number}")
        assert alone.step.wakes_at is not None
        alone.wait(alone.step.wakes_at - alone.now)
        alone.sent()
        alone.hear(waits=FROZEN)
        assert (alone.step.wakes_at, alone.step.held) == (NOON + HOUR, None)
        alone.wait(NOON + HOUR - alone.now)
        assert (alone.step.held, alone.step.why) == ("account_frozen", "frozen by wang: wrong text")


def test_of_each_kind_of_act_the_newest_is_kept() -> None:
    """With who did it and why."""
    alone = planned()
    pause = Pause(by="li", reason="look")
    for act in (pause, Reschedule(by="li", send_at=NOON + 2 * HOUR), Resume(by="li"), pause.model_copy()):
        assert alone.update(act) is None
    assert [act.what for act in alone.state.acts] == ["reschedule", "resume", "pause"]
    assert (alone.state.acts[-1].by, alone.state.acts[-1].reason) == ("li", "look")


def test_sends_are_spread_when_they_ask_again() -> None:
    """The same wish always by the same time."""
    spans = set()
    for number in range(8):
        alone = queued()
        wish, heard = alone.state.wish, alone.state.heard
        assert wish is not None
        assert heard is not None
        other = {"wish": f"wish-{number}"}
        alone.run.state = alone.state.changed(wish=wish.model_copy(update=other), heard=heard.model_copy(update=other))
        spans.add(wakes(alone))
    assert len(spans) > 1
