"""What an event leaves of what was there before: all facts, the newest act of a kind, an abort that is in time."""

from collections.abc import Callable

import pytest

from qunfa.contract.facts import Known
from qunfa.contract.operators import Approve, Pause, Reject
from qunfa.contract.result import Answer, JobFinished, Problem
from qunfa.send import events
from qunfa.send.apply import SEEN_WITHIN, apply
from qunfa.send.state import SendState
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone, own
from tests.send.places import HOUR, SECOND, aborted, accepted, asking, begun, joined, planned, queued, to_approve

PUSH = events.Pushed(JobFinished(msg_id=7, status="send fail"))


def after(alone: Alone, event: events.Event) -> SendState:
    """The state after this event alone."""
    return apply(alone.engine.request, alone.state, event, alone.now)


def test_a_word_is_kept_whatever_is_known_of_the_account() -> None:
    """It came before the account was read, and before earlier runs were looked for."""
    alone = Alone()
    alone.run.state = after(alone, PUSH)
    assert [one.msg_id for one in alone.state.known.said] == [7]
    assert len(after(alone, events.LookedUp(own(1))).known.said) == 1


def test_a_cancellation_is_kept_with_its_reason() -> None:
    """Once, and beside what people have done."""
    alone = planned()
    alone.update(Pause(by="li"))
    for reason in ("one", "other"):
        alone.run.state = after(alone, events.Cancelled(reason))
    assert [(act.what, act.reason) for act in alone.state.acts] == [("pause", None), ("cancel", "other")]
    noted = after(accepted(), events.Cancelled("no")).story[-1]
    assert (noted.by, noted.reason) == (None, "no")


def test_a_lost_queue_is_as_old_as_what_may_have_been_in_it() -> None:
    """Up to ten seconds before the run learnt that its wish was sent, or that it has joined."""
    alone, done = queued(), accepted()
    for before, lost in ((SEEN_WITHIN, True), (SEEN_WITHIN + SECOND, False)):
        assert (after(alone, events.QueueLost(NOON - before)).wish is None) is lost
        assert (after(done, events.QueueLost(NOON - before)).lost_at is not None) is lost


def test_a_send_shows_when_it_goes_out_and_who_approved_what() -> None:
    """And that it may be approved while it is paused."""
    assert planned().status.send_at == NOON + HOUR
    alone = to_approve()
    assert (alone.status.approval.shows, alone.status.approval.at) == (("to all",), None)
    assert "is awaiting approval" in str(alone.abort(confirm_not_delivered=True))
    assert alone.update(Pause(by="li")) is None
    assert alone.update(Approve(by="li")) is None
    assert (alone.status.approval.by, alone.status.approval.at) == ("li", NOON)


def test_what_answers_a_problem_alone_is_listed() -> None:
    """Though nothing was tried: another time does not help."""
    alone = joined()
    alone.take(events.Obstructed(Problem(name="media_refused", sentence="No.", todo="Retry.")))
    alone.asked()
    assert alone.status.answers == ("retry", "abort")


def rejected() -> Alone:
    """Somebody does not approve."""
    alone = to_approve()
    assert alone.update(Reject(by="li", reason="wrong")) is None
    return alone


@pytest.mark.parametrize("there", [aborted, rejected])
@pytest.mark.parametrize("known", [own(lost=True), own(1, Answer(kind="accepted", at=NOON, msg_id=7))])
def test_who_ends_a_send_may_be_too_late(there: Callable[[], Alone], known: Known) -> None:
    """The ledger, or a search for earlier runs, tells of a try that is to be settled first."""
    heard, found = there(), there()
    assert heard.state.stop is not None
    heard.asked(known)
    assert heard.state.acts == ()
    assert "the abort came too late" in " ".join(line.what for line in heard.state.story)
    wish = found.state.wish
    assert wish is not None
    assert after(found, events.WishSent(wish.wish, known)).stop is None


@pytest.mark.parametrize("accepted", [False, True])
def test_before_the_ledger_has_answered_an_acceptance_alone_counts(accepted: bool) -> None:
    """A doubt that a search has found counts once the ledger has told what it knows."""
    alone = begun()
    alone.abort()
    alone.sent(own(1, Answer(kind="accepted", at=NOON, msg_id=7)) if accepted else own(lost=True))
    assert [act.what for act in alone.state.acts] == ([] if accepted else ["abort"])
    alone.hear()
    assert alone.state.acts == ()


def test_a_reset_makes_checks_worthless() -> None:
    """They are of the run before."""
    alone = asking()
    assert alone.state.checks
    assert after(alone, events.WasReset()).checks == ()


def test_a_lease_that_goes_back_leaves_an_unused_try() -> None:
    """Its account is told of that, so that others get their turn."""
    alone = joined()
    alone.sent()
    lease = alone.lease()
    state = after(alone, events.GivenBack(lease))
    [one] = state.known.tries
    assert one.identity == lease.identity
    assert one.answer is not None
    assert (one.answer.kind, one.answer.at, bool(one.answer.detail)) == ("unused", NOON, True)
    assert state.untold
