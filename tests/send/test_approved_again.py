"""What an earlier life of a key has left, and who approves this one: nothing goes out before somebody has."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Decided, Known
from qunfa.contract.grants import LedgerLost
from qunfa.contract.operators import Approve, MarkSent, Pause, Reject, Reschedule, Resume, WaitingFor
from qunfa.contract.result import Answer, Problem
from qunfa.send import events, steps
from qunfa.send.doubt import DOUBT
from qunfa.send.state import Case
from qunfa.send.turns import AT_ONCE, IN_DOUBT, REPRINTED, approval_event
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.places import APPROVED, HOUR, MINUTE, SECOND, refused

WINDOW_ENDS = NOON + FACTS.timing.window
ARTICLES = {"msgtype": "mpnews", "media_id": "draft-1"}


def started_again(known: Known | None = None, **request: Any) -> Alone:
    """Its earlier life had a try that nobody has heard of, or left these facts. It shows who approves."""
    alone = Alone(**APPROVED, **request)
    alone.joined(known or own(lost=True))
    return shown(alone)


def shown(alone: Alone) -> Alone:
    """What is to be approved stands there."""
    effect = alone.step.effect
    assert isinstance(effect, steps.Show), alone.step
    alone.take(events.Shown(("text: 你好", *effect.told, "to all followers")))
    return alone


def test_a_key_in_doubt_is_repeated_once_somebody_approves() -> None:
    """Its earlier life was approved as something else, or by nobody. Whoever approves reads of the doubt."""
    alone = started_again()
    assert alone.state.wish is None
    status = alone.status
    assert (status.phase, status.approval.shows[1]) == ("awaiting_approval", IN_DOUBT)
    assert status.waiting_for == WaitingFor(reason="approval", until=WINDOW_ENDS)
    assert status.answers == ("approve", "reject", "abort")
    assert alone.update(Approve(by="li")) is None
    assert (alone.wants(), alone.turn.generation) == ("turn", 0)
    assert alone.turn.clientmsgid == own(lost=True).tries[0].clientmsgid


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_who_approves_a_doubt_reads_that_it_waits_no_more(*, is_forgotten: bool) -> None:
    """It is settled before its time. What only a restore may have forgotten waits for that, too."""
    known, later = own(lost=True), NOON + 5 * HOUR
    if is_forgotten:
        known = Known(tries=tuple(one.model_copy(update={"wish": f"{DOUBT}1"}) for one in known.tries))
    alone = started_again(known, send_at=later.isoformat())
    assert (AT_ONCE in alone.status.approval.shows) is not is_forgotten
    assert alone.update(Approve(by="li")) is None
    until = alone.until if is_forgotten else alone.turn.due
    assert until == (later if is_forgotten else NOON + 2 * MINUTE)


def test_a_send_in_doubt_is_approved_once() -> None:
    """All that goes on from the run in which somebody has approved it repeats its tries."""
    alone = started_again()
    alone.update(Approve(by="li"))
    alone.wait(2 * MINUTE)
    alone.tries()
    alone.answered("unknown")
    alone.take(events.WasReset())
    alone.asked()
    assert alone.wants() == "turn"


def test_a_doubt_that_nobody_approves_in_time_asks() -> None:
    """At the moment from which WeChat takes nothing for a repeat any more."""
    alone = started_again()
    alone.wait(WINDOW_ENDS - alone.now - SECOND)
    assert alone.status.phase == "awaiting_approval"
    alone.wait(SECOND)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert alone.retry(confirm_not_delivered=True) is None
    assert IN_DOUBT not in shown(after_its_report(alone)).status.approval.shows, "a person has settled it"
    assert {"approve", "reject"} <= {*alone.status.answers}


def after_its_report(alone: Alone) -> Alone:
    """The ledger knows what a person has decided."""
    alone.reported()
    return alone


@pytest.mark.parametrize("how", ["nobody", "rejected", "aborted"])
def test_a_doubt_that_is_not_approved_ends_as_unknown(how: str) -> None:
    """Nobody is told that nothing was delivered."""
    alone = started_again(decision_timeout="PT1H")
    if how == "nobody":
        alone.wait(HOUR)
    else:
        assert (alone.update(Reject(by="li")) if how == "rejected" else alone.abort()) is None
    alone.asked()
    alone.reported("unknown")
    assert (alone.end.outcome, alone.failure.name) == ("unknown", "unknown_outcome")
    alone.take(events.Finished("unknown"))
    assert any(line.what.startswith("nobody approved until") for line in alone.state.story) == (how == "nobody")


@pytest.mark.parametrize("approves", [False, True])
def test_what_nobody_approves_after_a_retry_is_unknown(approves: bool) -> None:
    """Who was to approve it may have found what was looked for, and have left it. One that is approved is not held."""
    alone = retried(not_after=(NOON + 60 * HOUR).isoformat())
    if approves:
        assert alone.update(Approve(by="li")) is None
    alone.wait(60 * HOUR)
    while alone.wants() == "ending" and alone.does() is steps.SendWish:
        alone.asked()
    alone.reported("expired" if approves else "unknown")
    after = Alone(**APPROVED)
    after.joined(alone.state.known, ended=alone.state.told_end)
    assert (alone.end.outcome, after.wants()) == (("expired", None) if approves else ("unknown", "asking"))


def test_no_preview_is_made_of_a_doubt() -> None:
    """One that was made before counts in the account's day."""
    alone = started_again(preview={"to": [{"openid": "boss"}]})
    assert (alone.status.phase, alone.state.previews) == ("awaiting_approval", ())


def test_what_was_shown_before_a_doubt_is_shown_anew() -> None:
    """A run that was reset to before its approval hears of the tries that followed. Old lines are not approved."""
    alone = Alone(**APPROVED)
    alone.joined()
    shown(alone)
    alone.take(events.WasReset())
    alone.asked(own(lost=True))
    assert "what goes out is not ready" in str(alone.update(Approve(by="li")))
    assert IN_DOUBT in shown(alone).status.approval.shows
    assert alone.update(Approve(by="li")) is None


def test_a_push_that_comes_while_a_doubt_waits_is_looked_into() -> None:
    """It may be on the job of the earlier life, which its ledger knows."""
    alone = started_again()
    alone.pushed()
    assert (alone.wants(), alone.status.phase) == ("asking", "awaiting_approval")
    knows_nothing = started_again()
    knows_nothing.pushed()
    knows_nothing.asked()
    assert (knows_nothing.does(), knows_nothing.wants()) != (steps.SendWish, "asking")
    accepted = own(1, Answer(kind="accepted", at=NOON, msg_id=7))
    alone.asked(accepted)
    assert alone.end.outcome == "sent"


def test_a_silent_ledger_holds_no_approval_up() -> None:
    """Whether it answers or not: the wait for an approval ends in time, and an approval is taken."""
    alone = started_again(decision_timeout="PT1H")
    alone.pushed()
    while alone.wants() == "asking":
        alone.sent()
        wakes = alone.step.wakes_at
        assert wakes is not None
        alone.wait(wakes - alone.now)
    assert (alone.now, alone.wants()) == (NOON + HOUR, "ending")
    other = started_again()
    other.pushed()
    assert other.update(Approve(by="li")) is None


@pytest.mark.parametrize("message", [ARTICLES, {"msgtype": "text", "content": "你好"}])
def test_who_approves_reads_of_a_reprint_that_was_let_go(message: dict[str, Any]) -> None:
    """In an earlier life of the key: it counts in this one. Nothing but articles is judged."""
    decided = Decided(
        id="d", what="open", by="li", reason="r", at=NOON, generation=0, opens="c", send_ignore_reprint=True
    )
    alone = started_again(Known(decided=(decided,)), message=message)
    assert (REPRINTED in alone.status.approval.shows) == (message is ARTICLES)


def test_a_paused_doubt_is_not_approved_unseen() -> None:
    """It was paused before its ledger told of a doubt."""
    alone = Alone(**APPROVED)
    alone.joined()
    shown(alone)
    alone.update(Pause(by="li"))
    alone.take(events.WasReset())
    alone.asked(own(lost=True))
    assert "not ready" in str(alone.update(Approve(by="li")))
    alone.update(Resume(by="li"))
    alone.wait(MINUTE)
    assert IN_DOUBT in shown(alone).status.approval.shows
    assert timedelta(0) < alone.until - alone.now


def test_a_doubt_that_is_cancelled_unapproved_ends_as_unknown() -> None:
    """Nobody approves it any more. One that was approved goes on to its verdict."""
    alone = started_again()
    alone.take(events.Cancelled("by a person"))
    assert "ending" in str(alone.update(Approve(by="li")))
    alone.asked()
    alone.reported("unknown")
    assert alone.end.outcome == "unknown"
    assert not any("goes on to its verdict" in line.what for line in alone.state.story)
    other = started_again()
    other.update(Approve(by="li"))
    other.take(events.Cancelled("by a person"))
    assert (other.wants(), other.status.phase) == ("turn", "submitting")


@pytest.mark.parametrize("how", ["reported", "checked"])
def test_what_is_cancelled_is_approved_no_more(how: str) -> None:
    """It does something else before its end: it tells a new account of its try, or what somebody has found."""
    alone = moved(started_again()) if how == "reported" else found_again()
    alone.take(events.Cancelled("by a person"))
    assert (alone.step.ends, alone.status.answers) == (False, ())
    for answer in (Approve(by="li"), Pause(by="li"), Reschedule(by="li", send_at=NOON + 99 * HOUR)):
        assert "this send is ending" in str(alone.update(answer))
    assert alone.abort() == "this send was cancelled already; it is ending: look at the status"


def test_a_doubt_that_cannot_be_shown_is_aborted() -> None:
    """Its tag is gone, and it tries again later to make what somebody approves."""
    alone = Alone(**APPROVED, audience={"kind": "tag", "tag_id": 5})
    alone.joined(own(lost=True))
    gone = Problem(name="audience_changed", sentence="The account has no tag 5.", todo="Make it anew.")
    alone.take(events.Obstructed(gone))
    assert (alone.status.phase, alone.status.answers) == ("preparing", ("abort",))
    assert alone.abort() is None
    alone.asked()
    alone.reported("unknown")
    assert alone.end.outcome == "unknown"


def test_what_was_shown_before_a_doubt_can_be_rejected() -> None:
    """Who wants nothing of it sent need not read it anew."""
    alone = Alone(**APPROVED)
    alone.joined()
    shown(alone).take(events.WasReset())
    alone.asked(own(lost=True))
    assert alone.status.answers == ("reject", "abort")
    assert alone.update(Reject(by="li")) is None


def moved(alone: Alone) -> Alone:
    """Its account was closed, and the next one is to be told of its try."""
    alone.wait(HOUR)
    alone.take(LedgerLost(at=alone.now))
    assert alone.does() is steps.Report
    return alone


def retried(**request: Any) -> Alone:
    """Nobody had found the try, so another one is to be approved."""
    alone = started_again(**request)
    alone.wait(FACTS.timing.window)
    alone.asked()
    alone.retry(confirm_not_delivered=True)
    return shown(after_its_report(alone))


def found_again() -> Alone:
    """After that somebody finds it, which is being checked."""
    alone = retried()
    alone.take(events.Updated("found", MarkSent(by="bo", reason="looked", msg_id=9)))
    return alone


def event(alone: Alone) -> str | None:
    return approval_event(Case(alone.engine.request, alone.state, alone.now))


def test_each_wait_for_an_approval_is_an_event_of_its_own() -> None:
    """What a doubt has made old is none: who reads the notice would find nothing to approve."""
    alone = Alone(**APPROVED)
    alone.joined()
    assert event(shown(alone)) == "awaiting_approval"
    alone.take(events.WasReset())
    alone.asked(own(lost=True))
    assert event(alone) is None
    assert event(shown(alone)) == "awaiting_approval 0 in_doubt"
    alone.wait(WINDOW_ENDS - alone.now)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    alone.retry(confirm_not_delivered=True)
    assert event(shown(after_its_report(alone))) == "awaiting_approval 1"


def test_what_was_shown_before_a_question_is_shown_anew() -> None:
    """The time for the approval is counted from then: it was over when somebody answered."""
    alone = shown_long_ago()
    assert alone.asks() == "unknown_outcome"
    alone.wait(3 * HOUR)
    assert alone.retry(confirm_not_delivered=True) is None
    assert shown(after_its_report(alone)).until == alone.now + 12 * HOUR


def test_a_reset_gives_an_approval_all_its_time_again() -> None:
    """The reset has taken it back, long after what was approved was shown."""
    alone = Alone(**APPROVED, decision_timeout="PT12H", send_at=(NOON + 240 * HOUR).isoformat())
    alone.joined()
    shown(alone).wait(120 * HOUR)
    alone.take(events.WasReset())
    alone.asked()
    assert (alone.status.phase, alone.until) == ("awaiting_approval", alone.now + 12 * HOUR)
    assert alone.update(Approve(by="li")) is None
    assert alone.status.phase == "scheduled"


def test_a_reset_gives_an_answer_all_its_time_again() -> None:
    """The run before had asked, and was answered; it is reset long after that."""
    alone = refused()
    alone.now += 240 * HOUR
    alone.take(events.WasReset())
    alone.asked()
    assert (alone.status.phase, alone.until) == ("needs_operator", alone.now + alone.engine.request.decision_timeout)


@pytest.mark.parametrize("by", ["time", "silence"])
def test_what_nobody_approves_after_a_question_is_unknown(by: str) -> None:
    """It was confirmed once. Who left the question and the approval alone may have found it."""
    over: dict[str, Any] = {"not_after": (NOON + 60 * HOUR).isoformat()} if by == "time" else {}
    alone = started_again(audience={"kind": "tag", "tag_id": 5}, **over)
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.retry(confirm_not_delivered=True) is None
    after_its_report(alone)
    alone.take(events.Obstructed(Problem(name="audience_changed", sentence="s", todo="t")))
    alone.asked()
    assert alone.asks() == "audience_changed"
    alone.wait(80 * HOUR)
    alone.asked()
    alone.reported("unknown")


def shown_long_ago() -> Alone:
    """It was reset, and its ledger knows a try of it that is too old to be repeated."""
    alone = Alone(**APPROVED, decision_timeout="PT12H")
    alone.joined()
    shown(alone).wait(11 * HOUR)
    alone.take(events.WasReset())
    old = {"not_before": NOON - 30 * HOUR, "lost_at": NOON - 29 * HOUR}
    alone.asked(Known(tries=tuple(one.model_copy(update=old) for one in own(lost=True).tries)))
    alone.asked()
    return alone
