"""Why an answer does not fit, in which words; what one that was taken leaves, and what an event leaves of acts."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from qunfa.contract.facts import Known
from qunfa.contract.grants import LedgerLost, Waits
from qunfa.contract.operators import Abort, Approve, Choose, MarkSent, Pause, Reject, Reschedule, Resume, Retry
from qunfa.contract.result import Answer, Problem
from qunfa.send import events, steps
from qunfa.send.answers import refusal
from qunfa.send.apply import SEEN_WITHIN, apply
from qunfa.send.state import SendState
from tests.rules.arbitrary import NOON
from tests.send.alone import BY_LI, Alone, own
from tests.send.places import (
    APPROVED,
    FAILED,
    HOUR,
    SECOND,
    aborted,
    accepted,
    approved,
    asking,
    begun,
    checked,
    in_doubt,
    joined,
    paused,
    planned,
    queued,
    refused,
    sent,
    silent,
    straggling,
    to_approve,
    unanswered,
)

RETRY, ABORT, PAUSE, RESUME = Retry(**BY_LI), Abort(**BY_LI), Pause(**BY_LI), Resume(**BY_LI)
APPROVE, REJECT = Approve(by="li"), Reject(**BY_LI)
LATER = Reschedule(by="li", send_at=NOON + 2 * HOUR)
MARK = MarkSent(**BY_LI, msg_id=7)


def looked_up() -> Alone:
    """A person has found it, and that is being checked."""
    alone = in_doubt()
    assert alone.mark_sent(9) is None
    return alone


def rejected() -> Alone:
    """Somebody does not approve."""
    alone = to_approve()
    alone.update(REJECT)
    return alone


def cancelled() -> Alone:
    """Temporal was asked to cancel it, and the ledger is asked before its end."""
    alone = straggling()
    alone.take(events.Cancelled("in the UI"))
    return alone


LOOK = (
    "the message may have been delivered: retry needs confirm_not_delivered (--confirm-not-delivered), after a look "
    "into WeChat's console"
)
REPRINT = (
    "WeChat judged it a reprint: retry needs send_ignore_reprint (--send-ignore-reprint), or the same would happen"
    " again"
)
ENDING = "does not fit now: this send is ending"


@pytest.mark.parametrize(
    ("there", "answer", "why"),
    [
        (sent, ABORT, "this send is done"),
        (begun, RETRY, "retry does not fit yet: the account's ledger is asked what it knows; try again in a moment"),
        (planned, RETRY, "retry does not fit now: the send is scheduled and asks nothing"),
        (planned, MARK, "mark_sent does not fit now: the send is scheduled and asks nothing"),
        (planned, RESUME, "resume does not fit now: this send is not paused"),
        (planned, APPROVE, "approve does not fit: this send needs no approval"),
        (planned, REJECT, "reject does not fit: this send needs no approval"),
        (planned, Choose(winner="a", **BY_LI), "choose does not fit: this send has no split test"),
        (accepted, RETRY, "retry does not fit now: the send is awaiting result and asks nothing"),
        (accepted, PAUSE, "already accepted as msg_id 7; a delivered send can only be recalled"),
        (accepted, LATER, "already accepted as msg_id 7; a delivered send can only be recalled"),
        (accepted, ABORT, "already accepted as msg_id 7; a delivered send can only be recalled: recall it instead"),
        (unanswered, PAUSE, "pause does not fit now: a try may have reached WeChat, and is settled first"),
        (unanswered, LATER, "reschedule does not fit now: a try may have reached WeChat, and is settled first"),
        (unanswered, ABORT, "a try may have reached WeChat; abort when the outcome is known, or recall it instead"),
        (refused, LATER, "reschedule does not fit now: this send asks a person first"),
        (refused, PAUSE, "this send asks a person already, and submits nothing meanwhile: answer it, or leave it"),
        (
            refused,
            Retry(**BY_LI, confirm_not_delivered=True),
            "confirm_not_delivered answers unknown_outcome only; this send waits with account_refused",
        ),
        (
            asking,
            Retry(**BY_LI, send_ignore_reprint=True),
            "send_ignore_reprint answers reprint_needs_decision only; this send waits with send_failed",
        ),
        (asking, MARK, "mark_sent does not answer send_failed; what does: retry, abort"),
        (checked, RETRY, "another answer is being carried out; look at the status, then decide"),
        (checked, PAUSE, "another answer is being carried out; look at the status, then decide"),
        (checked, LATER, "another answer is being carried out; look at the status, then decide"),
        (looked_up, ABORT, "another answer is being carried out; look at the status, then decide"),
        (asking, PAUSE, "this send asks a person already, and submits nothing meanwhile: answer it, or leave it"),
        (asking, LATER, "reschedule does not fit now: this send asks a person first"),
        (silent, PAUSE, "already accepted as msg_id 7; a delivered send can only be recalled"),
        (in_doubt, RETRY, LOOK),
        (partial(asking, "err(30003)"), RETRY, REPRINT),
        (aborted, RETRY, f"retry {ENDING}"),
        (aborted, PAUSE, f"pause {ENDING}"),
        (aborted, RESUME, f"resume {ENDING}"),
        (aborted, LATER, f"reschedule {ENDING}"),
        (aborted, APPROVE, f"approve {ENDING}"),
        (aborted, REJECT, f"reject {ENDING}"),
        (aborted, ABORT, "li has aborted this send already; it is ending: look at the status"),
        (rejected, ABORT, "li has rejected this send already; it is ending: look at the status"),
        (cancelled, ABORT, "this send was cancelled already; it is ending: look at the status"),
        (to_approve, Approve(by=" WANG "), "WANG has asked for this send, and somebody else has to approve it"),
        (approved, APPROVE, "approve does not fit now: li has approved it already"),
        (approved, REJECT, "reject does not fit now: li has approved it already"),
        (
            partial(joined, **APPROVED),
            REJECT,
            "reject does not fit now: the send is awaiting approval; what goes out is not ready",
        ),
        (paused, PAUSE, "paused by li already"),
        (
            partial(planned, not_after=(NOON + 2 * HOUR).isoformat()),
            LATER,
            "send_at: must be earlier than not_after, which is 2026-12-01 14:00:00+08:00",
        ),
        (planned, Reschedule(by="li", send_at=NOON + timedelta(days=367)), "send_at: is more than 366 days ahead"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_why(
    there: Callable[[], Alone], answer: events.Answering, why: str
) -> None:
    """In a sentence, and nothing is changed."""
    alone = there()
    before = alone.state
    assert alone.update(answer) == why
    assert alone.state == before


def test_nothing_was_found_before_the_account_is_known() -> None:
    """The first question about a new run may come before that."""
    alone = Alone()
    assert alone.state.pinned is None
    assert "does not fit yet" in str(refusal(alone.engine.request, alone.state, alone.now, MARK))


@pytest.mark.parametrize(
    ("there", "answer", "line"),
    [
        (planned, ABORT, "abort"),
        (planned, PAUSE, "paused"),
        (paused, RESUME, "resumed"),
        (planned, LATER, "rescheduled to 2026-12-01 14:00:00+08:00"),
        (to_approve, APPROVE, "approved"),
        (to_approve, REJECT, "rejected"),
        (refused, RETRY, "retry of account_refused"),
    ],
)
def test_an_answer_that_is_taken_is_told(there: Callable[[], Alone], answer: Any, line: str) -> None:
    """By whom and why, and what it answered is asked no more."""
    alone = there()
    count = len(alone.state.story)
    assert alone.update(answer) is None
    said = alone.state.story[count]
    assert (said.what, said.by, said.reason) == (line, "li", getattr(answer, "reason", None))
    assert not (alone.state.asking and alone.state.asking.problem)


def test_a_retry_that_wechat_has_nothing_against_is_told() -> None:
    """By whom and why; the ledger is told of it before it is used."""
    alone = checked()
    alone.take(events.WechatSaid(7, FAILED))
    last = alone.state.story[-1]
    assert (last.what, last.by, last.reason) == ("retry of send_failed", "li", "looked")
    assert alone.state.untold
    assert (alone.step.phase, alone.asks()) == ("submitting", None)
    [opened] = alone.state.known.decided
    assert (opened.what, opened.by, opened.reason, opened.generation, opened.at) == ("open", "li", "looked", 0, NOON)
    assert (opened.confirms, opened.covers, opened.opens) == (False, (), alone.status.jobs[-1].clientmsgid)


def test_a_problem_after_an_answer_is_another_question() -> None:
    """With a number of its own, though it is the same problem."""
    alone = refused()
    alone.retry()
    assert alone.state.asking
    assert (alone.state.asking.problem, alone.state.asking.generation, alone.state.asking.number) == ("", -1, 1)


def test_the_status_tells_how_far_it_is() -> None:
    """Accepted, done, and by how many it was received."""
    for there, far in ((planned, (0, 0, None)), (accepted, (1, 0, None)), (sent, (1, 1, 9))):
        progress = there().status.progress
        assert (progress.accepted, progress.done, progress.followers) == far
    assert (accepted().status.jobs[0].observed_by, sent().status.jobs[0].deduplicated) == (None, False)


def after(alone: Alone, event: events.Event) -> SendState:
    """The state after this event alone."""
    return apply(alone.engine.request, alone.state, event, alone.now)


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
    """Up to ten seconds before the run asked, or learnt that it has joined. When its wish was sent it may hear late."""
    alone, done = queued(), accepted()
    assert alone.state.wish
    late = alone.state.changed(wish=alone.state.wish.model_copy(update={"sent_at": NOON + HOUR}))
    assert apply(alone.engine.request, late, LedgerLost(at=NOON + SECOND), NOON + HOUR).wish is None
    for before, lost in ((SEEN_WITHIN, True), (SEEN_WITHIN + SECOND, False)):
        assert (after(alone, LedgerLost(at=NOON - before)).wish is None) is lost
        assert (after(done, LedgerLost(at=NOON - before)).lost_at is not None) is lost


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


@pytest.mark.parametrize("there", [aborted, rejected])
def test_who_ends_a_send_may_be_too_late(there: Callable[[], Alone]) -> None:
    """The ledger, or a search for earlier runs, tells of a job that is awaited."""
    known = own(1, Answer(kind="accepted", at=NOON, msg_id=7))
    heard, found = there(), there()
    assert heard.state.stop is not None
    heard.asked(known)
    assert heard.state.acts == ()
    assert "the abort came too late" in " ".join(line.what for line in heard.state.story)
    wish = found.state.wish
    assert wish is not None
    assert after(found, events.WishSent(wish.wish, known)).stop is None


def test_an_abort_is_too_late_for_what_is_awaited_again() -> None:
    """A reset shows the old question until the ledger answers, and that tells what the search had found."""
    alone = in_doubt()
    tried = alone.state.known.tries[-1]
    alone.take(events.WasReset())
    known = Known(tries=(tried.model_copy(update={"answer": Answer(kind="accepted", at=NOON, msg_id=7)}),))
    alone.take(events.WishSent(alone.wish.wish, known, searched=True))
    assert (alone.status.phase, alone.abort()) == ("needs_operator", None)
    alone.hear()
    assert (alone.state.acts, alone.status.phase) == ((), "awaiting_result")
    alone.pushed()
    assert alone.end.outcome == "sent"


@pytest.mark.parametrize("there", [aborted, rejected])
def test_what_a_person_has_ended_is_not_tried_again(there: Callable[[], Alone]) -> None:
    """The ledger tells of a lost try, which only another one could settle."""
    alone = there()
    alone.asked(own(lost=True))
    alone.reported("unknown")
    assert alone.end.outcome == "unknown"


@pytest.mark.parametrize("accepted", [False, True])
def test_an_acceptance_is_awaited_before_the_ledger_answers(accepted: bool) -> None:
    """A search for earlier runs has found it. A lost try is no reason to go on."""
    alone = begun()
    alone.abort()
    alone.sent(own(1, Answer(kind="accepted", at=NOON, msg_id=7)) if accepted else own(lost=True))
    assert [act.what for act in alone.state.acts] == ([] if accepted else ["abort"])
    alone.hear()
    assert [act.what for act in alone.state.acts] == ([] if accepted else ["abort"])


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
    state = after(alone, steps.GiveBack(lease))
    [one] = state.known.tries
    assert one.identity == lease.identity
    assert one.answer is not None
    assert (one.answer.kind, one.answer.at, bool(one.answer.detail)) == ("unused", NOON, True)
    assert state.untold


def test_an_answer_says_that_the_wish_has_arrived() -> None:
    """It may be heard before the activity that sent the wish comes back."""
    alone = begun()
    alone.hear(waits=Waits(why="queue"))
    assert alone.wish.sent_at == NOON
