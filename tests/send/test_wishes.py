"""What a send asks its account and when again, which wish stays open, and what it makes of the answers."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from qunfa.contract.facts import Known, Owned
from qunfa.contract.grants import Ending, Granted, Lease, LedgerLost, Waits, Wish
from qunfa.contract.operators import Pause, Reschedule, Resume
from qunfa.contract.result import Answer
from qunfa.send import events, steps
from qunfa.send.ledger import wish_of
from qunfa.send.state import Case, OpenWish
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import a_try
from tests.send.places import FROZEN, QUEUE, accepted, begun, joined, marked, planned, queued

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JITTER = timedelta(minutes=10)


def wakes(alone: Alone) -> datetime:
    """When it asks its account again."""
    assert (alone.step.effect, alone.step.awaits_answer) == (None, True)
    assert alone.step.wakes_at is not None
    return alone.step.wakes_at


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


def test_each_wish_tells_when_its_key_came_up() -> None:
    """An earlier run may be from before a restore, and a ledger that is lost forgets what a search has told."""
    alone = Alone()
    alone.take()
    alone.take(events.WishSent(alone.wish.wish, searched=True, came_up_at=NOON - DAY))
    alone.hear()
    case = Case(alone.engine.request, alone.state.changed(started_at=NOON), alone.now)
    assert wish_of(case, alone.wish, "mass-send:demo:k", "run-1").started_at == NOON - DAY


def test_a_wish_tells_the_account_all_that_it_must_know() -> None:
    """What a run knows, whose a msg_id is to be, its freeze, and the job that a send which ends would leave."""
    alone = queued(FROZEN)
    open_ = OpenWish(wish="w", number=7, purpose="ending", whose=9, since=NOON)
    known = Known(tries=(a_try(1),))
    state = alone.run.state.changed(wish=open_, known=known, searched=True, started_at=NOON)
    case = Case(alone.engine.request, state, alone.now)
    told = wish_of(case, open_, "mass-send:demo:k", "run-1")
    assert told == Wish(
        wish="w", key=alone.engine.request.key, digest="d", workflow_id="mass-send:demo:k", run_id="run-1", number=7,
        known=known, searched=True, whose=9, frozen=FROZEN.frozen, started_at=NOON,
        ending=Ending(generation=0, clientmsgid=case.newest.clientmsgid),
    )  # fmt: skip
    asks = open_.model_copy(update={"purpose": "joining"})
    assert wish_of(Case(alone.engine.request, state.changed(wish=asks), alone.now), asks, "m", "r").ending is None


@pytest.mark.parametrize("end", [None, NOON + 5 * DAY])
def test_a_freeze_is_shown_with_no_end_but_the_sends_own(end: datetime | None) -> None:
    """When the account is asked again says nothing of when it is unfrozen."""
    alone = queued(FROZEN, not_after=end and end.isoformat())
    waiting = alone.status.waiting_for
    assert waiting is not None
    assert (waiting.reason, waiting.until) == ("frozen by wang: wrong text", end)
    assert wakes(alone) < NOON + 3 * DAY


def test_an_early_place_is_believed_in_from_its_time_on() -> None:
    """It waits for its time first, and asks a minute after that at the earliest."""
    alone = queued(send_at=(NOON + 2 * MINUTE).isoformat(), not_after=(NOON + 42 * MINUTE).isoformat())
    assert alone.step.until == NOON + 2 * MINUTE
    alone.wait(2 * MINUTE)
    assert wakes(alone) == NOON + 3 * MINUTE + 42 * MINUTE / 4


def test_a_search_is_of_the_same_wish() -> None:
    """It keeps its place among the wishes, and goes out once more."""
    alone = begun()
    alone.sent()
    wish = alone.wish
    alone.hear(answer="search")
    assert (alone.state.wish, alone.state.searched) == (wish.model_copy(update={"sent_at": None}), False)


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


def granted(lease: Lease) -> Granted:
    """A grant of this lease."""
    return Granted(wish=lease.wish, answer="lease", lease=lease)


def test_an_answer_that_comes_late_does_not_bring_the_wait_back() -> None:
    """The account has given the place to another wish, and said so. An older answer to the same wish comes last."""
    alone = queued(FROZEN)
    alone.hear()
    again = wakes(alone)
    alone.hear(waits=FROZEN)
    assert wakes(alone) == again == alone.now + FACTS.timing.ask


def test_a_lease_that_came_too_late_goes_back() -> None:
    """The send was paused while the lease was on its way: nothing is submitted."""
    alone = queued()
    lease = alone.lease()
    alone.take(events.Updated("u", Pause(by="li")), granted(lease))
    assert alone.does() is steps.Report
    alone.take(events.Reported())
    assert (alone.step.phase, alone.status.jobs[0].state) == ("paused", "new")
    alone.take(events.Updated("v", Resume(by="li")))
    assert (alone.wants(), alone.state.trying) == ("turn", None)


def test_a_wish_that_nobody_has_answered_is_searched_for_again() -> None:
    """An account that was lost has forgotten for what content earlier runs stood, and the run does not keep it."""
    alone = begun()
    alone.sent()
    alone.take(LedgerLost(at=NOON + timedelta(seconds=1)))
    asked_again = alone.step.effect
    assert isinstance(asked_again, steps.SendWish)
    assert asked_again.search
    alone.asked()
    alone.wait(timedelta(hours=50))
    known = alone.step.effect
    assert isinstance(known, steps.SendWish)
    assert not known.search


def test_a_copy_of_a_lease_that_is_used_is_not_used_again() -> None:
    """An account that was reset says it once more: during the try, and after it."""
    alone = joined()
    alone.sent()
    granted = alone.granted(answer="lease", lease=alone.lease())
    alone.take(granted, granted)
    assert alone.does() is steps.Submit
    alone.take(granted)
    alone.answered("refused", errcode=40001)
    assert alone.state.lease is None
    alone.take(granted)
    assert alone.state.lease is None
    assert alone.does() is not steps.Submit


def test_who_waits_asks_again_once_the_queue_is_lost() -> None:
    """Several workers tell it, each some times: one new wish comes of it, which still tells of the freeze."""
    alone = joined()
    alone.sent()
    alone.hear(waits=FROZEN)
    alone.wait(5 * MINUTE)
    lost = LedgerLost(at=alone.now)
    alone.wait(MINUTE)
    before = alone.state.wish
    alone.take(lost, lost)
    assert alone.wants() == "turn"
    assert alone.state.wish != before
    assert alone.state.heard
    assert alone.state.heard.waits == FROZEN
    alone.sent()
    alone.hear(waits=FROZEN)
    before = alone.state.wish
    alone.take(lost)
    assert alone.state.wish == before


def test_an_answer_that_is_heard_late_may_be_of_the_lost_queue() -> None:
    """No worker ran for hours: the account had answered, and was lost, before the send could hear of either."""
    alone = begun()
    alone.sent()
    alone.now += timedelta(hours=6)
    alone.hear(waits=Waits(why="queue", place=3))
    before = alone.wish
    alone.take(LedgerLost(at=NOON))
    assert alone.does() is steps.SendWish
    assert alone.wish.wish != before.wish


@pytest.mark.parametrize("place", [accepted, marked])
def test_who_has_a_job_tells_the_next_account_of_it(place: Callable[[], Alone]) -> None:
    """A push finds nobody there otherwise. It does so once for each loss, however many workers tell it."""
    alone = place()
    before, lost = alone.now - MINUTE, alone.now
    alone.take(LedgerLost(at=before))
    assert alone.does() is None
    alone.wait(MINUTE)
    for at in (lost, lost + timedelta(seconds=1)):
        alone.take(LedgerLost(at=at), LedgerLost(at=lost))
        assert alone.step.effect == steps.Report()
        assert alone.step.phase == "awaiting_result"
        alone.reported()
        alone.take(LedgerLost(at=at), LedgerLost(at=lost))
        assert alone.does() is None


def test_a_wish_that_is_on_its_way_as_the_queue_is_lost_is_sent_again() -> None:
    """It may have gone to the account that is lost, which may have answered it before."""
    alone = begun()
    on_its_way = alone.wish
    assert (on_its_way.turn is not None, on_its_way.sent_at) == (True, None)
    alone.take(LedgerLost(at=alone.now))
    assert alone.wish.number == on_its_way.number + 1
    assert alone.does() is steps.SendWish


def test_a_place_is_kept_since_the_send_has_joined() -> None:
    """An account that was silent for days has kept no place meanwhile."""
    alone = begun()
    alone.sent()
    alone.now += 10 * DAY
    alone.hear(waits=QUEUE)
    alone.asked(waits=QUEUE)
    assert alone.now + 2 * DAY <= wakes(alone) < alone.now + 2 * DAY + JITTER


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


def test_a_turn_that_is_over_is_seen_a_moment_later() -> None:
    """Its account drops the place, and says so; where it stays silent the send wakes by itself, but not at once."""
    alone = queued(not_after=(NOON + 90 * SECOND).isoformat())
    assert wakes(alone) == NOON + 91 * SECOND
    short = queued(not_after=(NOON + 5 * SECOND).isoformat())
    assert wakes(short) == NOON + FACTS.timing.ask


def test_a_grant_of_another_wish_is_not_ours() -> None:
    """A reset run does not act on what the run before it was granted."""
    alone = queued()
    lease = alone.lease().model_copy(update={"wish": "wish-of-another-run"})
    before = alone.state
    alone.take(granted(lease))
    assert alone.state == before


def test_no_turn_outlasts_the_hours_in_which_may_be_sent() -> None:
    """A lease that was granted a moment before they end is over with them."""
    facts = FACTS.model_copy(update={"send_hours": ("08:00", "22:00")})
    alone = joined(facts)
    turn = alone.state.wish and alone.wish.turn
    assert turn
    assert turn.until == NOON + timedelta(hours=10)
