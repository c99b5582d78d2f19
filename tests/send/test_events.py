"""What a send becomes by one event, row by row of `qunfa.send.apply`: the facts that it adds, and what it tells."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Decided, Ended, Known, Owned, Said
from qunfa.contract.message import Made, Material, TextMessage
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer, JobFinished, Verdict
from qunfa.rules.problems import refused_request
from qunfa.send import events, steps
from qunfa.send.apply import STRANGERS_MAX, apply
from qunfa.send.state import SendState
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.places import APPROVED, MINUTE, SECOND, accepted, asking, begun, joined, polled_no, trying, unanswered

PROBLEM = refused_request(["x"])
TEXT = TextMessage(msgtype="text", content="hi")
MATERIAL = Material(made=Made(media_id="m", made_at=NOON))


def after(alone: Alone, event: events.Event) -> SendState:
    """The state after this event alone, as it is stored."""
    state = apply(alone.engine.request, alone.state, event, alone.now)
    return SendState.model_validate_json(state.model_dump_json(warnings="error"))


def told(alone: Alone, event: events.Event) -> list[str]:
    """The lines of the story that this event adds, which have its time."""
    lines = after(alone, event).story[len(alone.state.story) :]
    assert {line.at for line in lines} <= {alone.now}
    return [line.what for line in lines]


@pytest.mark.parametrize(
    ("there", "event", "lines"),
    [
        (joined, events.Kept(MATERIAL), []),
        (joined, events.Made(TEXT), ["the material is ready: WeChat has all of it"]),
        (joined, events.WasPreviewed(Previewed(to="zhao", sent=True)), ["previewed to zhao"]),
        (joined, events.WasPreviewed(Previewed(to="zhao", sent=False, errmsg="no")), ["no preview to zhao: no"]),
        (joined, events.Shown(("to all",)), []),
        (joined, events.TagSeen(), []),
        (joined, events.Obstructed(PROBLEM), []),
        (unanswered, events.Obstructed(PROBLEM), [f"the material cannot be made again for now: {PROBLEM.sentence}"]),
        (trying, events.Lost("its worker is gone"), ["try 1: its worker is gone; it may have been accepted"]),
        (joined, events.Lost("late"), []),
        (joined, events.Answered(Answer(kind="accepted", at=NOON, msg_id=7)), []),
        (trying, events.Answered(Answer(kind="accepted", at=NOON, msg_id=7)), ["try 1: accepted as msg_id 7"]),
        (
            trying,
            events.Answered(Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7)),
            ["try 1: accepted as msg_id 7 (it had accepted it before)"],
        ),
        (
            trying,
            events.Answered(Answer(kind="unknown", at=NOON, detail="reset by peer")),
            ["try 1: reset by peer; it may have been accepted"],
        ),
        (trying, events.Answered(Answer(kind="not_written", at=NOON, detail="no route")), ["try 1: no route"]),
        (accepted, events.Polled(7, None), ["no verdict on msg_id 7 within 1 day, 0:00:00"]),
        (accepted, events.Polled(7, "SEND_SUCCESS"), ["mass/get on msg_id 7: SEND_SUCCESS"]),
        (
            accepted,
            events.Pushed(JobFinished(msg_id=7, status="sending")),
            ["WeChat's word on msg_id 7 says nothing: sending"],
        ),
        (accepted, events.Pushed(JobFinished(msg_id=7, status="send fail")), ["WeChat's push on msg_id 7: send fail"]),
        (accepted, events.Pushed(JobFinished(msg_id=9, status="send fail")), []),
        (joined, events.WasPut("x", 0), ["needs an operator: x"]),
        (joined, events.Rebuilding(), ["WeChat no longer knows the material (40007): it is made anew"]),
        (
            joined,
            events.Renewed(1, "other-id"),
            ["WeChat keeps the clientmsgid of the job that failed, so no slow try comes through: a new one is used"],
        ),
        (joined, events.Cancelled("no"), []),
        (
            accepted,
            events.Cancelled("no"),
            ["cancellation noted; the send goes on to its verdict, since it may have been accepted"],
        ),
        (
            unanswered,
            events.Cancelled("no"),
            ["cancellation noted; the send goes on to its verdict, since it may have been accepted"],
        ),
        (
            polled_no,
            events.Cancelled("no"),
            ["cancellation noted; the send goes on to its verdict, since it may have been accepted"],
        ),
        (joined, events.WasReset(), ["this run was reset: the account's ledger is asked what is known"]),
        (joined, events.Finished("aborted"), ["ended as aborted"]),
        (joined, events.TimeCame(), []),
    ],
)
def test_each_event_is_told(there: Callable[[], Alone], event: events.Event, lines: list[str]) -> None:
    """In a line of the story, or in none where its fact is seen elsewhere."""
    assert told(there(), event) == lines


def test_each_event_leaves_its_fact() -> None:
    """What was made, found, shown and seen; the first material cannot be made, so that a person is asked."""
    alone = joined()
    assert after(alone, events.Kept(MATERIAL)).material == MATERIAL
    assert after(alone, events.Inspected("d", MATERIAL)).material == MATERIAL
    assert after(alone, events.Made(TEXT)).ready == TEXT
    assert after(alone, events.Shown(("a", "b"))).shows == ("a", "b")
    assert after(alone, events.Shown(("a", "b"))).shown_at == NOON
    assert after(alone, events.TagSeen()).tag_seen_at == NOON
    assert after(alone, events.Obstructed(PROBLEM)).obstacle == PROBLEM
    assert after(alone, events.Reported(Ended(outcome="sent"))).told_end == Ended(outcome="sent")


def test_material_that_cannot_be_made_again_waits_unanswered() -> None:
    """Only the same message can find out whether the try before was taken; it is ready once it is made."""
    alone = unanswered()
    alone.take(events.Obstructed(PROBLEM))
    assert (alone.state.obstacle, alone.state.make_at) == (None, NOON + FACTS.timing.repeat_max)
    assert after(alone, events.Made(TEXT)).make_at is None


def test_a_try_is_known_from_its_begin() -> None:
    """The run may be gone before its answer."""
    alone = trying()
    [one] = alone.state.known.tries
    assert (one.number, one.answer, one.lost_at) == (1, None, None)
    assert alone.state.lease is None
    [lost] = after(alone, events.Lost("its worker is gone")).known.tries
    assert lost.lost_at == NOON


def test_a_word_of_mass_get_is_reported() -> None:
    """The ledger has not heard it, as it has a push; what is known already need not be told."""
    alone = accepted()
    assert after(alone, events.Polled(7, "SEND_SUCCESS")).untold
    alone.take(events.Polled(7, "SEND_SUCCESS"), events.Reported())
    assert not after(alone, events.Polled(7, "SEND_SUCCESS")).untold
    assert after(alone, events.Polled(7, "SEND_SUCCESS")).checks == ()
    assert after(accepted(), events.Polled(7, None)).vain == {7: NOON}


def test_words_on_the_jobs_of_others_are_bounded() -> None:
    """The newest ones stay, and one's own in any case: one of the others may turn out to be one's own."""
    alone = accepted()
    alone.pushed("send fail")
    for msg_id in range(100, 100 + STRANGERS_MAX + 5):
        alone.run.state = after(alone, events.Pushed(JobFinished(msg_id=msg_id, status="send fail")))
    kept = [one.msg_id for one in alone.state.known.said]
    assert kept[0] == 7
    assert kept[1:] == list(range(105, 105 + STRANGERS_MAX))


def test_a_new_generation_is_opened_by_nobody() -> None:
    """Its rule is: the reason stands in the fact, as a person's would."""
    alone = joined()
    [opened] = after(alone, events.Renewed(1, "other-id")).known.decided
    assert opened == Decided(
        id="renewed-1",
        what="open",
        by="",
        reason=told(alone, events.Renewed(1, "other-id"))[0],
        at=NOON,
        generation=1,
        opens="other-id",
    )


def test_a_wish_that_follows_a_silent_one_has_waited_as_long() -> None:
    """One that follows an answered one begins anew; each has a number of its own."""
    alone = begun()
    first = alone.wish
    alone.now += MINUTE
    again = after(alone, events.Wishing("w", "joining")).wish
    assert again
    assert (again.since, again.number) == (NOON, first.number + 1)
    alone = joined()
    alone.now += MINUTE
    fresh = after(alone, events.Wishing("w", "asking")).wish
    assert fresh
    assert fresh.since == NOON + MINUTE


@pytest.mark.parametrize(("outcome", "late"), [("expired", True), ("failed", False), ("aborted", False)])
def test_who_did_not_approve_is_told_at_the_end(outcome: Any, late: bool) -> None:
    """Where the send ends by its time."""
    alone = joined(**APPROVED)
    alone.take(events.Shown(("to all",)))
    *before, ended = told(alone, events.Finished(outcome))
    assert ended == f"ended as {outcome}"
    assert [line.startswith("nobody approved until") for line in before] == [True] * late


@pytest.mark.parametrize(("outcome", "late"), [("failed", True), ("expired", True), ("unknown", True), ("sent", False)])
def test_who_did_not_decide_is_told_at_the_end(outcome: Any, late: bool) -> None:
    """Once the time for it is over, to the moment."""
    alone = asking()
    alone.now += timedelta(days=3) - SECOND
    assert told(alone, events.Finished(outcome)) == [f"ended as {outcome}"]
    alone.now += SECOND
    assert [
        line.startswith("nobody decided about send_failed until") for line in told(alone, events.Finished(outcome))
    ] == ([True, False] if late else [False])


def test_an_early_push_counts_once_its_job_is_known() -> None:
    """Its line comes after that of the acceptance; a word on the job of another tells nothing."""
    word = Said(msg_id=7, verdict=Verdict(status="send success", observed_by="push"), at=NOON)
    other = Said(msg_id=9, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    alone = trying()
    alone.run.state = alone.state.changed(known=alone.state.known.model_copy(update={"said": (word, other)}))
    assert told(alone, events.Answered(Answer(kind="accepted", at=NOON, msg_id=7))) == [
        "try 1: accepted as msg_id 7",
        "WeChat's push on msg_id 7: send success",
    ]


def test_what_the_ledger_knows_anew_leaves_its_own_check() -> None:
    """It was asked before the end, and has told all it knows; what was asked before that is worthless."""
    alone = accepted(on_problem="fail")
    alone.pushed("send fail")
    alone.asked()
    alone.asked(Known(owned=(Owned(msg_id=5, key="autumn", generation=0),)))
    assert [one.before for one in alone.state.checks] == ["ending"]
    assert alone.wants() == "asking"
    alone.asked()
    assert alone.does() is steps.AskWechat


@pytest.mark.parametrize("was_told", [True, False])
def test_an_answer_that_the_ledger_has_not_heard_is_reported(was_told: bool) -> None:
    """Where the activity could not tell it; what was to be reported before still is."""
    alone = trying()
    answer = Answer(kind="accepted", at=NOON, msg_id=7, told=was_told)
    assert after(alone, events.Answered(answer)).untold is not was_told
    alone.run.state = alone.state.changed(untold=True)
    assert after(alone, events.Answered(answer)).untold


def test_material_that_is_dead_is_forgotten() -> None:
    """What it was made of goes with it, and the refusal that told of it counts no more."""
    alone = trying()
    alone.run.state = alone.state.changed(material=MATERIAL, ready=TEXT)
    alone.run.state = after(alone, events.Answered(Answer(kind="refused", at=NOON, errcode=40007)))
    rebuilt = after(alone, events.Rebuilding())
    assert rebuilt.ready is None
    assert rebuilt.material == Material(rebuilt=True)
    [decision] = rebuilt.known.decided
    assert (decision.what, decision.covers) == ("retry", (alone.state.known.tries[0].wish,))
