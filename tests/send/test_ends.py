"""How a send ends, what is shown before, and what it is found by then."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from qunfa.contract.facts import Known
from qunfa.contract.operators import Approve
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer
from qunfa.contract.steps import Timing
from qunfa.rules.problems import LOOK_FIRST, NO_NEW_KEY
from qunfa.send import events, steps
from qunfa.send.doubt import LOST, heard, jobs_of
from qunfa.send.plan import plan
from qunfa.send.show import Searchable, result, searchable
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone, own
from tests.send.arbitrary_facts import FIRST, KEY, a_try
from tests.send.places import APPROVED, FAILED, HOUR, SENDING, accepted, asking, begun, joined, planned, sent


def found(alone: Alone) -> Searchable:
    """What the run is found by."""
    step = alone.engine.planned(alone.run, alone.now)
    return searchable(alone.engine.request, alone.state, step, alone.now)


def new() -> Alone:
    """The account is not known yet."""
    return Alone()


def invalid() -> Alone:
    """The request cannot be carried out."""
    alone = Alone()
    alone.take(events.Refused(("x",)))
    return alone


def reused() -> Alone:
    """The key stands for other content."""
    alone = Alone()
    alone.joined(answer="reused")
    alone.take(events.LookedUp(Known()))
    return alone


@pytest.mark.parametrize(
    ("there", "what"),
    [
        (new, Searchable("demo", "preparing", "text", None, (), None)),
        (accepted, Searchable("demo", "awaiting_result", "text", None, ("7",), None)),
        (asking, Searchable("demo", "needs_operator", "text", "send_failed", ("7",), None)),
        (sent, Searchable("demo", "done", "text", None, ("7",), "sent")),
        (invalid, Searchable("demo", "done", "text", "invalid_request", (), "refused")),
        (reused, Searchable("demo", "done", "text", "invalid_request", (), "refused")),
    ],
)
def test_a_send_is_found_by_where_it_stands(there: Callable[[], Alone], what: Searchable) -> None:
    """From its first workflow task to its end."""
    assert found(there()) == what


def test_the_result_is_what_it_ended_as() -> None:
    """With its jobs, and the problem where there is one."""
    alone = sent()
    said = result(alone.engine.request, alone.state, alone.end, alone.now)
    assert (said.outcome, said.problem, [job.msg_id for job in said.jobs]) == ("sent", None, [7])
    alone = reused()
    said = result(alone.engine.request, alone.state, alone.end, alone.now)
    assert (said.outcome, said.problem, said.jobs) == ("failed", alone.end.problem, ())


def test_the_status_shows_previews_and_rows() -> None:
    """Who has seen it, and each job as it stands."""
    alone = joined(preview={"to": [{"wxname": "zhao"}]})
    alone.take(events.WasPreviewed(Previewed(to="zhao", sent=True)))
    assert [one.to for one in alone.status.previews] == ["zhao"]
    assert [row.state for row in alone.status.jobs] == ["new"]
    assert [row.state for row in sent().status.jobs] == ["sent"]


def ending() -> Alone:
    """A job has failed, and WeChat is asked before that is told."""
    alone = accepted(on_problem="fail")
    alone.pushed("err(30002)")
    alone.asked()
    alone.asked()
    return alone


def test_before_a_bad_end_it_says_what_is_asked() -> None:
    """WeChat once, and its last word for a while; nobody can hold it back meanwhile."""
    alone = ending()
    assert (alone.step.phase, alone.step.why, alone.step.ends) == ("awaiting_result", "WeChat's word on msg_id 7", True)
    alone.take(events.WechatSaid(7, SENDING))
    last = "WeChat's last word on msg_id 7: WeChat had said that it failed, and is still sending it"
    assert (alone.step.phase, alone.step.why, alone.step.ends) == ("awaiting_result", last, True)


def test_a_bad_end_is_told_to_the_ledger_with_its_problem() -> None:
    """The next life of the key fails the same way; what to do is what the problem says."""
    alone = ending()
    alone.take(events.WechatSaid(7, FAILED))
    effect = alone.step.effect
    assert isinstance(effect, steps.Report)
    assert effect.ended
    assert (effect.ended.outcome, effect.ended.problem) == ("failed", "originality_forbidden")
    alone.reported("failed")
    assert alone.failure.todo not in {NO_NEW_KEY, LOOK_FIRST}


def test_an_end_in_doubt_advises_no_new_key() -> None:
    """Whatever the problem's own advice is."""
    alone = ending()
    alone.take(events.WechatSaid(7, SENDING))
    assert alone.step.effect == steps.Poll(7, NOON + Timing().push_grace)
    alone.take(events.Polled(7, None))
    alone.reported("unknown")
    assert alone.failure.todo == NO_NEW_KEY
    assert "msg_id 7 failed, and mass/get does not say so yet" in alone.failure.sentence


def test_a_last_word_that_does_not_come_is_told() -> None:
    """WeChat did not confirm the no, so that people read of the doubt; where it did there is none to read of."""
    for last, told in ((None, 1), ("SEND_FAIL", 0)):
        alone = ending()
        alone.take(events.WechatSaid(7, SENDING), events.Polled(7, last))
        lines = [line.what for line in alone.state.story if "it may still be delivered" in line.what]
        assert len(lines) == told
        assert all("msg_id 7" in line for line in lines)


def test_a_send_whose_time_is_over_expires() -> None:
    """To the moment; before it has a place, and before its content is known."""
    alone = joined(not_after=(NOON + HOUR).isoformat(), send_at=(NOON + HOUR / 2).isoformat())
    alone.now += HOUR
    alone.take(events.TimeCame())
    alone.asked()
    alone.reported("expired")
    assert (alone.end.outcome, alone.end.problem) == ("expired", None)
    late = begun(not_after=NOON.isoformat())
    assert (late.step.why, late.does()) == ("what the key has done before", steps.LookUp)
    late.take(events.LookedUp(Known()))
    assert late.end.outcome == "expired"


def test_a_lost_try_counts_as_an_unknown_answer() -> None:
    """From when it was lost."""
    lost = a_try(lost=True)
    assert heard(lost) == Answer(kind="unknown", at=NOON + timedelta(minutes=1), detail=LOST)
    assert heard(a_try()) is None


def test_refusals_of_the_token_are_counted_from_the_last_try() -> None:
    """Any other answer ends the row."""
    token = Answer(kind="refused", at=NOON, errcode=40001)
    other = Answer(kind="refused", at=NOON, errcode=45028)
    silent = Answer(kind="unknown", at=NOON, errcode=40001)
    for answers, count in (((token,) * 3, 3), ((token, other, token, token), 2), ((token, silent), 0)):
        tries = tuple(a_try(number, answer) for number, answer in enumerate(answers, start=1))
        assert jobs_of(Known(tries=tries), KEY, FIRST)[0].token_refusals == count


def test_a_key_that_came_again_keeps_what_its_ledger_knows() -> None:
    """The job of an earlier send is the ledger's word; a send's own is not."""
    alone = Alone()
    alone.abort()
    alone.take(events.LookedUp(own(1, Answer(kind="refused", at=NOON, errcode=48001))))
    assert (alone.end.outcome, [row.deduplicated for row in alone.status.jobs]) == ("aborted", [True])


def test_what_is_asked_before_an_end_is_of_the_phase_before() -> None:
    """Scheduled until its time, to the moment, then submitting."""
    for waits, phase in ((HOUR - timedelta(seconds=1), "scheduled"), (HOUR, "submitting")):
        alone = planned()
        alone.wait(waits)
        alone.abort()
        assert (alone.wants(), alone.step.phase) == ("ending", phase)


def test_a_refusal_needs_no_account() -> None:
    """Where its configuration cannot be read, nobody can say what the key has done before."""
    alone = Alone()
    state = alone.state.changed(refused=("no such account",), searched=True)
    end = plan(alone.engine.request, state, alone.now)
    assert isinstance(end, steps.End)
    assert (end.outcome, end.refused) == ("failed", ("no such account",))


@pytest.mark.parametrize(
    ("shown", "approved", "phase"),
    [(False, False, "submitting"), (True, False, "awaiting_approval"), (True, True, "submitting")],
)
def test_an_end_is_asked_about_where_the_send_stands(shown: bool, approved: bool, phase: str) -> None:
    """It waits for an approval once there is something to approve, and until it is."""
    alone = joined(**APPROVED)
    if shown:
        alone.take(events.Shown(("to all",)))
    if approved:
        assert alone.update(Approve(by="li")) is None
    assert alone.abort() is None
    assert (alone.wants(), alone.step.phase) == ("ending", phase)


def test_a_dropped_question_says_that_nothing_was_changed() -> None:
    """Whoever gave the answer tries again."""
    alone = asking()
    alone.retry()
    assert alone.state.question
    why = "the account's ledger could not be asked, so nothing was changed; try again"
    assert alone.take_and_reply(events.Dropped(alone.state.question.update)) == why
    assert alone.state.question is None
