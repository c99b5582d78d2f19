"""A confirmation that was wrong: somebody finds in the console what another has not, before it goes out again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Ended
from qunfa.contract.grants import Waits
from qunfa.contract.operators import MarkSent, Pause
from qunfa.contract.result import Outcome
from qunfa.contract.steps import JobStatus
from qunfa.rules.outcome import tell_of_doubt
from qunfa.rules.problems import NO_NEW_KEY, STOPPED_SINCE
from qunfa.send import events, steps
from tests.send.alone import BY_LI, Alone
from tests.send.places import (
    BATCH,
    FAILED,
    FROZEN,
    HOURS,
    MINUTE,
    QUEUE,
    confirmed,
    end_of,
    failed_again,
    failed_and_confirmed,
    found,
    frozen,
    in_doubt,
    in_line,
    let_go_and_paused,
    obstructed,
    settle_questions,
    silent,
    trying_again,
    without_quota,
)

PLACES = [confirmed, let_go_and_paused, in_line, without_quota, obstructed, failed_again, failed_and_confirmed]


@pytest.mark.parametrize("there", PLACES)
def test_a_wrong_confirmation_can_be_put_right(there: Callable[[], Alone]) -> None:
    """Until it goes out, and while nothing may be out. Its result is awaited, and nothing more is submitted."""
    alone = there()
    assert "mark_sent" in alone.status.answers
    found(alone)
    settle_questions(alone)
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 9)
    alone.pushed(msg_id=9)
    assert alone.end.outcome == "sent"


def test_a_lease_goes_back_where_the_message_was_found() -> None:
    """It has come together with the answer of who has looked once more, and was not used."""
    alone = in_line()
    lease = alone.granted(answer="lease", lease=alone.lease())
    alone.take(lease, events.Updated("found", MarkSent(**BY_LI, msg_id=9)))
    last = alone.state.known.tries[-1].answer
    assert (alone.state.trying, last and last.kind) == (None, "unused")


def test_what_goes_out_again_is_not_marked_meanwhile() -> None:
    """Its call is on its way, and tells more."""
    alone = trying_again()
    assert "mark_sent" not in alone.status.answers
    assert "asks nothing" in str(alone.mark_sent(9))


@pytest.mark.parametrize("there", PLACES)
def test_a_stop_without_a_look_may_follow_a_wrong_confirmation(there: Callable[[], Alone]) -> None:
    """Who stops what is to go out again may have found it: the end advises no new key. Who has looked says so."""
    alone, cancelled, sure = there(), there(), there()
    assert alone.abort() is None
    cancelled.take(events.Cancelled("enough"))
    for one in (alone, cancelled):
        end = end_of(one)
        assert (end.outcome, end.may_have_been_delivered) == ("unknown", True)
        assert end.problem is not None
        assert end.problem.todo == NO_NEW_KEY
    assert sure.abort(confirm_not_delivered=True) is None
    assert (end_of(sure).outcome, end_of(sure).may_have_been_delivered) == ("aborted", False)


def test_who_stops_a_plain_question_confirms_nothing_anew() -> None:
    """Nothing was to go out again: what was confirmed, and ended so, stays confirmed."""
    before = in_doubt()
    assert before.abort(confirm_not_delivered=True) is None
    alone = Alone()
    alone.joined(before.state.known, ended=Ended(outcome="aborted"))
    alone.asked()
    assert (alone.asks(), alone.abort()) == ("not_delivered", None)
    assert end_of(alone).outcome == "aborted"


def looked_again() -> Alone:
    """The same, and who has stopped it has looked."""
    alone = confirmed()
    assert alone.abort(confirm_not_delivered=True) is None
    return alone


@pytest.mark.parametrize(("there", "is_told"), [*((one, True) for one in PLACES), (looked_again, False)])
def test_other_content_of_a_key_that_goes_out_again(*, there: Callable[[], Alone], is_told: bool) -> None:
    """Whoever reads that it is refused must not send it under a new key: somebody may have stopped the earlier run."""
    before, alone = there(), Alone(HOURS)
    alone.now = before.now
    alone.joined(answer="reused")
    alone.take(events.LookedUp(before.state.known))
    first, *doubt = alone.end.refused
    assert "stands for other content already" in first
    assert tell_of_doubt(alone.end.refused) is bool(doubt) is is_told


@pytest.mark.parametrize(("is_held", "outcome"), [(True, "unknown"), (False, "failed")])
def test_a_held_send_whose_key_is_taken_by_other_content(*, is_held: bool, outcome: str) -> None:
    """Its ledger was lost, and who has stopped it may have found it. What nobody holds ends as failed."""
    alone = confirmed()
    if is_held:
        assert alone.abort() is None
    else:
        alone.wait(alone.until - alone.now)
    alone.asked(answer="reused")
    assert (alone.end.outcome, alone.failure.name) == (outcome, "key_reused")


def again(before: Alone, outcome: Outcome | None, **request: Any) -> Alone:
    """The same key is started again, after this end."""
    alone = Alone(HOURS, **request)
    alone.now = before.now
    alone.joined(before.state.known, ended=Ended(outcome=outcome) if outcome else None)
    return alone


@pytest.mark.parametrize("found_first", [True, False])
def test_a_full_ledger_lets_no_stopped_key_out(*, found_first: bool) -> None:
    """It has no record, and tells how the earlier run has ended. What that has done may come before that, or after."""
    before, alone = confirmed(), Alone(HOURS)
    alone.now = before.now
    alone.take()
    answer = alone.granted(ended=Ended(outcome="aborted"), waits=Waits(why="full", until=alone.now + MINUTE))
    what_was_found = events.WishSent(alone.wish.wish, before.state.known, searched=True)
    alone.take(*((what_was_found, answer) if found_first else (answer, what_was_found)))
    alone.take(what_was_found)
    alone.asked()
    assert (alone.asks(), alone.state.searched) == ("not_delivered", True)
    assert sum("taken over" in line.what for line in alone.state.story) == 1, "what was found is told once"


@pytest.mark.parametrize("outcome", ["unknown", "aborted", "rejected"])
@pytest.mark.parametrize("there", [confirmed, without_quota, failed_again, failed_and_confirmed])
def test_a_key_that_was_stopped_in_time_asks_before_it_submits(there: Callable[[], Alone], outcome: Outcome) -> None:
    """A person has stopped what another had sent again. Its upstream starts it anew: nothing goes out unasked."""
    alone = again(there(), outcome)
    alone.asked()
    assert (alone.asks(), alone.problem.todo) == ("not_delivered", STOPPED_SINCE)
    assert set(alone.status.answers) == {"retry", "mark_sent", "abort"}
    sent_on, given_up = again(there(), outcome), again(there(), outcome)
    found(alone, 9)
    settle_questions(alone)
    assert alone.step.phase == "awaiting_result"
    for one in (sent_on, given_up):
        one.asked()
    newest = sent_on.status.jobs[-1]
    assert sent_on.retry() is None
    if sent_on.does() is steps.AskWechat:
        sent_on.take(events.WechatSaid(77, FAILED))
    sent_on.reported()
    assert (sent_on.asks(), sent_on.status.jobs[-1].generation) == (None, newest.generation + 1)
    assert given_up.abort() is None
    assert end_of(given_up).outcome == "unknown"


@pytest.mark.parametrize("on_problem", ["wait", "fail"])
@pytest.mark.parametrize("there", [confirmed, without_quota, failed_again, failed_and_confirmed])
def test_a_stopped_key_of_which_nobody_decides_stays_unknown(there: Callable[[], Alone], on_problem: str) -> None:
    """Else the next start would submit it: a stop is forgotten by any other end."""
    alone = again(there(), "unknown", on_problem=on_problem)
    if on_problem == "wait":
        alone.asked()
        alone.wait(alone.until - alone.now)
    assert (end_of(alone).outcome, end_of(alone).may_have_been_delivered) == ("unknown", True)
    assert alone.state.told_end is not None
    third = again(alone, alone.state.told_end.outcome)
    third.asked()
    assert third.asks() == "not_delivered"


def pause_it(alone: Alone) -> None:
    """Somebody has found it, and holds the send."""
    assert alone.update(Pause(by="bo", reason="it is there")) is None


def freeze_it(alone: Alone) -> None:
    """The same, and the whole account. The place in its queue is over by the time of the send."""
    alone.wait(alone.until - alone.now)
    alone.sent()
    alone.hear(waits=FROZEN)
    alone.hear()


def unfreeze_it(alone: Alone) -> None:
    """It goes on, and does not get its turn in time."""
    alone.wait(alone.until - alone.now)
    alone.sent()
    alone.hear(waits=FROZEN)
    alone.hear(waits=QUEUE)


@pytest.mark.parametrize(
    ("happens", "outcome"),
    [(pause_it, "unknown"), (freeze_it, "unknown"), (unfreeze_it, "expired"), (Alone.take, "expired")],
)
def test_what_is_held_back_until_its_time_is_over_is_unknown(happens: Callable[[Alone], None], outcome: str) -> None:
    """Who holds it may have found it. What nobody holds ends as its time wants it."""
    alone = confirmed(not_after="2026-12-02T13:00:00+08:00")
    happens(alone)
    alone.wait(timedelta(hours=2))
    assert end_of(alone).outcome == outcome


def test_a_key_that_comes_after_its_time_keeps_the_doubt() -> None:
    """Nobody tells how its earlier life has ended: somebody may have held it back."""
    before = confirmed(not_after="2026-12-02T13:00:00+08:00")
    alone = Alone(HOURS, not_after="2026-12-02T13:00:00+08:00")
    alone.now = before.now + timedelta(hours=2)
    alone.take(events.LookedUp(before.state.known))
    assert alone.end.outcome == "unknown"


@pytest.mark.parametrize("audience", [{"kind": "all"}, BATCH], ids=["plain", "batch"])
def test_what_was_looked_for_before_its_end_stays_aborted(audience: dict[str, Any]) -> None:
    """Whoever starts the key or its list again, and stops that, has let nothing go since."""
    before = in_doubt(facts=HOURS, audience=audience)
    assert before.retry(confirm_not_delivered=True) is None
    before.reported()
    assert before.abort(confirm_not_delivered=True) is None
    assert end_of(before).outcome == "aborted"
    before.now += MINUTE
    alone = again(before, "aborted", audience=audience)
    if audience is not BATCH:
        alone.asked()
        assert (alone.asks(), alone.abort()) == ("not_delivered", None)
    assert (end_of(alone).outcome, end_of(alone).may_have_been_delivered) == ("aborted", False)


def test_a_job_found_after_a_wrong_confirmation_holds_the_send() -> None:
    """WeChat has told nothing of it, and a person had ended it. Nothing goes out meanwhile."""
    before = silent()
    assert before.abort(confirm_not_delivered=True) is None
    alone = again(before, "aborted")
    alone.asked()
    assert alone.retry() is None
    alone.take(events.WechatSaid(7, JobStatus(errcode=40059, errmsg="invalid msg_id")), events.Reported())
    assert alone.mark_sent(7) is None
    alone.sent()
    told = str(alone.take_and_reply(alone.granted()))
    assert told.startswith("msg_id 7 is an earlier job of this send, so the send was paused, and")
    assert alone.step.phase == "paused"


@pytest.mark.parametrize("outcome", ["failed", "expired", None])
def test_a_key_that_nobody_has_stopped_goes_on(outcome: Outcome | None) -> None:
    """What was decided stands, where a run was lost, or its time has come."""
    alone = again(confirmed(), outcome)
    assert (alone.asks(), alone.step.phase) == (None, "scheduled")


@pytest.mark.parametrize("outcome", ["failed", "expired"])
@pytest.mark.parametrize("on_problem", ["wait", "fail"])
def test_a_key_with_a_no_after_a_confirmation_asks(outcome: Outcome, on_problem: str) -> None:
    """Nobody has stopped it, and its later try was refused, or was never made."""
    refused = failed_and_confirmed()
    refused.tries()
    refused.answered("refused", errcode=48001)
    for before in (failed_and_confirmed(), refused):
        alone = again(before, outcome, on_problem=on_problem)
        if on_problem == "wait":
            alone.asked()
            assert (alone.asks(), set(alone.status.answers)) == ("not_delivered", {"retry", "mark_sent", "abort"})
            assert "nothing was submitted" not in alone.problem.sentence
            assert alone.retry() is None
        else:
            assert end_of(alone).outcome == "unknown"


BUSY = JobStatus(errcode=-1, errmsg="system error")


@pytest.mark.parametrize("said", [None, BUSY])
@pytest.mark.parametrize("there", [confirmed, in_line, without_quota, frozen])
def test_what_was_found_is_held_until_wechat_answers(there: Callable[[], Alone], said: JobStatus | None) -> None:
    """The answer is refused: the send would go out while its person reads that, or once somebody unfreezes it."""
    alone = there()
    assert alone.mark_sent(9) is None
    alone.asked()
    assert "so the send was paused, and" in str(alone.take_and_reply(events.WechatSaid(9, said)))
    assert alone.state.paused is not None
    assert (alone.state.paused.by, alone.step.phase) == ("li", "paused")
    while alone.step.effect is not None:
        settle_questions(alone)
    assert {"mark_sent", "resume"} <= set(alone.status.answers)
    found(alone)
    settle_questions(alone)
    assert alone.step.phase == "awaiting_result"


def test_what_was_found_is_held_while_the_account_is_silent() -> None:
    """It alone knows whose the msg_id is."""
    alone = in_line()
    assert alone.mark_sent(9) is None
    alone.sent()
    alone.wait(10 * MINUTE)
    assert alone.state.question is None
    assert alone.status.phase == "paused"


def after_a_reset() -> Alone:
    """The run is reset to before somebody found it, and is told of that again."""
    alone = confirmed()
    alone.take(events.WasReset(), events.Updated("found", MarkSent(**BY_LI, msg_id=9)))
    assert not alone.state.replies
    return alone


def test_what_was_found_is_held_by_a_reset_run_too() -> None:
    """It asks its ledger anew before it asks whose the msg_id is. Nothing goes out meanwhile."""
    alone, taken = after_a_reset(), after_a_reset()
    for one, said in ((alone, BUSY), (taken, JobStatus(status="SENDING"))):
        one.asked(one.state.known)
        one.asked()
        one.take(events.WechatSaid(9, said))
        while one.step.effect is not None:
            settle_questions(one)
    assert (alone.step.phase, taken.step.phase) == ("paused", "awaiting_result")


def test_what_was_found_by_a_reset_run_is_held_from_a_silent_account() -> None:
    """Its person is answered, and can end the send."""
    alone = after_a_reset()
    alone.sent()
    alone.wait(10 * MINUTE)
    assert alone.state.question is None
    assert (alone.state.paused is not None, alone.abort()) == (True, None)


@pytest.mark.parametrize(
    ("there", "said", "why"),
    [
        (let_go_and_paused, None, "so nothing was changed; try again"),
        (obstructed, None, "so nothing was changed; try again"),
        (confirmed, JobStatus(errcode=40059, errmsg="invalid msg_id"), "does not know msg_id 9"),
        (in_doubt, BUSY, "so nothing was changed; try again"),
    ],
)
def test_a_wrong_msg_id_or_a_send_that_waits_is_not_paused(
    *, there: Callable[[], Alone], said: JobStatus | None, why: str
) -> None:
    """WeChat has answered; or nothing goes out meanwhile, and who has paused it first stays known."""
    alone = there()
    before = alone.state.paused
    assert alone.mark_sent(9) is None
    alone.asked()
    assert why in str(alone.take_and_reply(events.WechatSaid(9, said)))
    assert alone.state.paused == before


def test_whoever_answers_next_sees_what_was_found() -> None:
    """It could not be checked, so the send asks as before."""
    alone = in_doubt()
    assert alone.mark_sent(9) is None
    alone.asked()
    alone.take(events.WechatSaid(9, BUSY))
    said = alone.status.history[-1]
    assert said.what == "said to stand in WeChat's console as msg_id 9; it was not marked as sent"
    assert (said.by, alone.asks()) == ("li", "unknown_outcome")
