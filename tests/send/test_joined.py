"""A run that hears what its key has done before: it goes on with that, ends as it ended, or begins by itself."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Ended, Known, Owned, Said, Try
from qunfa.contract.operators import Pause
from qunfa.contract.result import Answer, Verdict
from qunfa.contract.steps import JobStatus
from qunfa.rules.digest import GENERATIONS_MAX
from qunfa.send import events, steps
from qunfa.send.ledger import SILENT_ASKS
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import IDS
from tests.send.places import FAILED, HOUR, asking, begun, in_doubt, joined, planned, settle_questions, trying

SENT, FAIL, COLLISION = "send success", "send fail", "clientmsgid_collision"


def tried(number: int, generation: int = 0, msg_id: int | None = None, clientmsgid: str = IDS[1]) -> Try:
    """A try of a generation: accepted as this msg_id, or lost. The first generation has the key's own clientmsgid."""
    answer = None if msg_id is None else Answer(kind="accepted", at=NOON, msg_id=msg_id)
    [one] = own(number, answer, lost=msg_id is None).tries
    return one.model_copy(update={"generation": generation, "clientmsgid": clientmsgid}) if generation else one


def said(msg_id: int, status: str) -> Said:
    """A push."""
    return Said(msg_id=msg_id, verdict=Verdict(status=status, observed_by="push"), at=NOON)


def told(alone: Alone) -> list[str]:
    """The lines of its story that tell of the ledger."""
    return [line.what for line in alone.state.story if "the account's ledger knows this key" in line.what]


def test_a_key_that_was_sent_ends_though_a_later_job_failed() -> None:
    """A yes of any generation counts, and more than a no."""
    alone = Alone()
    known = Known(tries=(tried(1, msg_id=7), tried(2, 1, msg_id=8)), said=(said(7, SENT), said(8, FAIL)))
    alone.joined(known, ended=Ended(outcome="sent"))
    assert alone.end.outcome == "sent"
    assert alone.state.again
    assert "it was sent before" in told(alone)[0]


def test_a_key_that_was_sent_may_have_been_sent_twice() -> None:
    """Its second try got no answer: that is gone on with, and a person is asked."""
    alone = Alone()
    alone.joined(Known(tries=(tried(1, msg_id=7), tried(2, 1)), said=(said(7, SENT),)), ended=Ended(outcome="unknown"))
    assert not alone.state.again
    assert "2 earlier submission(s) taken over" in told(alone)[0]
    alone.asked()
    assert alone.asks() == "unknown_outcome"


def test_a_key_in_doubt_is_gone_on_with() -> None:
    """Its first try got no answer, and the same is tried again under its clientmsgid."""
    known = Known(tries=(tried(1),))
    alone = Alone()
    alone.joined(known)
    assert "1 earlier submission(s) taken over" in told(alone)[0]
    assert alone.state.known.decided == ()
    assert alone.status.jobs[0].clientmsgid == known.tries[0].clientmsgid


def test_what_is_settled_or_asked_about_is_not_taken_up() -> None:
    """A job that has failed, and one that WeChat takes for another's: its answers still count."""
    failed = Known(tries=(tried(1, msg_id=7),), said=(said(7, FAIL),))
    collided = own(1, Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=9))
    theirs = Owned(msg_id=9, key="autumn", generation=0)
    for known, problem in ((failed, "send_failed"), (collided.model_copy(update={"owned": (theirs,)}), COLLISION)):
        alone = Alone()
        alone.joined(known)
        alone.asked()
        assert (alone.state.known.decided, alone.asks()) == ((), problem)


def test_what_was_taken_up_is_known_by_its_wish() -> None:
    """A run that was reset hears it again, and may hear of more: that is another decision."""
    refused = own(1, Answer(kind="refused", at=NOON, errcode=48001))
    ids = set()
    for name in ("", "after the reset "):
        alone = Alone()
        alone.engine.name = name
        alone.joined(refused)
        [decision] = alone.state.known.decided
        assert (decision.what, decision.covers) == ("retry", (refused.tries[0].wish,))
        assert (decision.by, decision.reason) == ("", "")
        ids.add(decision.id)
    assert len(ids) == 2


@pytest.mark.parametrize("there", [joined, trying, asking, in_doubt])
def test_a_run_that_was_reset_asks_before_it_submits(there: Any) -> None:
    """What the ledger knows may be more than the run: it asks for its turn only where it has done nothing."""
    alone = there()
    if alone.state.trying:
        alone.answered("unknown", told=True)
    alone.take(events.WasReset())
    assert alone.wants() == "joining"


@pytest.mark.parametrize("searched", [False, True])
def test_a_run_that_knows_of_a_try_asks_before_it_submits(searched: bool) -> None:
    """An earlier run has left one, or it was ended meanwhile: it joins, and wants no turn yet."""
    alone = begun()
    if searched:
        alone.sent(Known(tries=(tried(1),)))
    else:
        alone.abort()
    alone.take(events.Continued())
    assert alone.wants() == "joining"


def test_a_run_whose_key_was_taken_before_it_tried_fails() -> None:
    """It had joined; another content has the key by now."""
    alone = joined()
    alone.sent()
    alone.hear(answer="reused")
    assert (alone.end.outcome, alone.end.problem and alone.failure.name) == ("failed", "key_reused")


def test_a_key_of_other_content_has_heard_nothing_of_its_own() -> None:
    """It is refused, and what its key has done before is looked up."""
    alone = Alone()
    alone.joined(answer="reused")
    assert (alone.state.heard, alone.state.searched, alone.does()) == (None, False, steps.LookUp)


def test_a_paused_send_that_is_asked_about_can_be_resumed() -> None:
    """While it was held back its ledger told of a job that has failed."""
    alone = planned()
    alone.wait(HOUR)
    alone.update(Pause(by="li"))
    alone.sent()
    alone.hear(Known(tries=(tried(1, msg_id=7),), said=(said(7, FAIL),)))
    while alone.asks() is None:
        settle_questions(alone)
    assert alone.status.answers == ("retry", "resume", "abort")


@pytest.mark.parametrize(("slow", "last"), [(False, GENERATIONS_MAX - 2), (True, GENERATIONS_MAX - 3)])
def test_a_key_is_submitted_a_hundred_times_at_most(slow: bool, last: int) -> None:
    """One that shares its clientmsgid with a slow try needs room for two: WeChat may keep the id that they share."""
    for generation in (last, last + 1):
        alone = Alone()
        slow_try = (tried(1, generation),) if slow else ()
        known = Known(tries=(*slow_try, tried(2, generation, msg_id=7)), said=(said(7, FAIL),))
        alone.joined(known)
        while alone.asks() is None:
            settle_questions(alone)
        assert ("retry" in alone.status.answers) is (generation == last)
        assert ("100 times" in (alone.retry() or "")) is (generation > last)


def test_only_a_yes_of_mass_get_changes_a_known_no() -> None:
    """WeChat is asked before the end, and its answer is kept only where it says that it was delivered."""
    alone = asking(on_problem="wait")
    alone.abort()
    alone.asked()
    alone.take(events.WechatSaid(7, JobStatus(status="WEIRD")))
    assert len(alone.state.known.said) == 1
    alone.reported("aborted")
    again = asking()
    again.abort()
    again.asked()
    again.take(events.WechatSaid(7, FAILED))
    assert len(again.state.known.said) == 1


def test_who_ends_unsearched_and_unheard_knows_nothing() -> None:
    """Neither earlier runs nor the ledger have told whether something was sent."""
    alone = begun()
    alone.take(events.WishSent(alone.wish.wish, Known(), searched=False))
    alone.abort()
    alone.wait(SILENT_ASKS * FACTS.timing.ask)
    assert alone.end.outcome == "unknown"


def test_a_job_of_an_earlier_run_is_awaited_from_now_on() -> None:
    """Its push did not come in time; ``mass/get`` is asked for as long as of a new job."""
    alone = Alone()
    alone.joined(own(1, Answer(kind="accepted", at=NOON - timedelta(days=2), msg_id=7)))
    assert (alone.wants(), alone.step.phase) == ("polling", "awaiting_result")
    alone.asked()
    assert alone.step.effect == steps.Poll(7, NOON + alone.engine.request.result.give_up_after)


def test_a_send_waits_for_the_hours_of_its_account() -> None:
    """At noon in UTC it is evening in Shanghai."""
    alone = joined(FACTS.model_copy(update={"send_hours": ("22:00", "23:00")}))
    assert (alone.step.phase, alone.step.effect) == ("scheduled", None)
    assert alone.step.until == NOON.replace(hour=14)


def test_an_account_that_demands_approval_has_it_given() -> None:
    """Though the request does not ask for it."""
    alone = joined(FACTS.model_copy(update={"approval": "always"}), requested_by="wang")
    alone.take(events.Shown(("to all",)))
    assert alone.status.answers[:2] == ("approve", "reject")
    assert alone.status.approval.required
