"""A split test without a server: two groups, and a rest that gets what a person chooses."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qunfa.batches import show, steps
from qunfa.batches.answers import fitting
from qunfa.batches.state import BatchesState, Case, Content
from qunfa.contract.audience import Batch, Version
from qunfa.contract.batches import PlannedGroup
from qunfa.contract.message import Made, Material, Uploaded
from qunfa.contract.operators import Abort, Choose, Pause, Reschedule, Resume, Retry
from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Counts
from tests.batches.driving import ANSWERS, FACTS, LI, Drive, Ending, asks, failed, request, row, sent, split_plan
from tests.rules.arbitrary import NOON

TEXT_B = {"msgtype": "text", "content": "春装到了"}
SPLIT: dict[str, Any] = {"split": {"a": 8, "b": 12, "rest": "winner"}, "message_b": TEXT_B}


def asked(drive: Drive) -> steps.Step:
    """The step of a send that waits for a choice."""
    step = drive.waits()
    assert step.problem is not None
    assert (step.phase, step.problem.name) == ("needs_operator", "winner_not_chosen")
    return step


def text_of(batch: MassSendRequest) -> str:
    """What a batch gets."""
    return str(batch.message.model_dump()["content"])


@pytest.mark.parametrize(("winner", "text"), [("a", "你好"), ("b", "春装到了")])
def test_the_rest_gets_the_message_that_was_chosen(winner: Version, text: str) -> None:
    """Each group gets its own, and nobody of the rest gets anything before."""
    drive = Drive(request(**SPLIT))
    step = asked(drive)
    assert drive.begun == {1: 1, 2: 1}
    assert step.problem is not None
    assert "Group a has 2,000 openids" in step.problem.sentence
    assert "The rest has 19,999 openids." in step.problem.sentence
    assert fitting(drive.request, drive.state, drive.now)[:1] == ("choose",)
    assert drive.answer(Choose(winner=winner, **LI)) is None
    end = drive.ended()
    assert (end.outcome, drive.begun) == ("sent", dict.fromkeys(range(1, 5), 1))
    batches = [Case(drive.request, drive.state, drive.now).batch(number) for number in range(1, 5)]
    assert [text_of(batch) for batch in batches] == ["你好", "春装到了", text, text]
    assert [getattr(batch.audience, "openids", None) for batch in batches] == [2_000, 3_001, 9_999, 10_000]
    assert not any(batch.split or batch.message_b for batch in batches)
    found = [Material(contents=(letter * 64,)) for letter in "ab"]
    state = drive.state.changed(contents=tuple(Content(digest="d", material=one) for one in found))
    given = [Case(drive.request, state, drive.now).batch(number).audience for number in range(1, 5)]
    assert [getattr(one, "material", None) for one in given] == [*found, *[found["ab".index(winner)]] * 2]


def test_no_batch_of_the_rest_can_be_made_without_a_winner() -> None:
    """Also where the plan of the steps were wrong."""
    with pytest.raises(ValueError, match="no winner"):
        Case(request(**SPLIT), BatchesState(namespace="default", life="life", plan=split_plan()), NOON).batch(3)


def test_a_choice_fits_once_and_not_too_early() -> None:
    """Whoever comes second hears who has chosen. A send without a split test has nothing to choose."""
    drive = Drive()
    drive.go()
    assert "no split test" in (drive.answer(Choose(winner="a", **LI)) or "")
    drive = Drive(request(**SPLIT))
    drive.go()
    assert "groups a and b are sent first" in (drive.answer(Choose(winner="a", **LI)) or "")
    asked(drive)
    assert drive.answer(Choose(winner="b", **LI)) is None
    assert "li has chosen the message of group b already" in (drive.answer(Choose(winner="a", **LI)) or "")
    assert drive.state.winner == "b"


def test_what_an_earlier_run_has_chosen_is_asked_no_more() -> None:
    """The key of a batch of the rest stands for that message. Another one would be refused."""
    drive = Drive(request(**SPLIT))
    drive.plan = drive.plan.model_copy(update={"winner": "b", "is_from_before": True})
    drive.go()
    assert "an earlier run has chosen the message of group b already" in (drive.answer(Choose(winner="a", **LI)) or "")
    assert drive.ended().outcome == "sent"
    assert Case(drive.request, drive.state, NOON).batch(3).message.model_dump()["content"] == TEXT_B["content"]
    assert any(line.what == "an earlier run has chosen message b for the rest" for line in drive.state.story)


@pytest.mark.parametrize(
    ("second", "said"), [(sent, "of which at least 990 received"), (failed, "of which 990 received")]
)
def test_who_chooses_sees_how_many_received_it_for_certain(second: Ending, said: str) -> None:
    """WeChat may not have told of a batch yet. Of one that failed nobody received it."""
    drive = Drive(request(**SPLIT, on_batch_problem="continue"))
    group = PlannedGroup(name="a", openids=20_000, batches=2)
    drive.plan = drive.plan.model_copy(update={"batches": 5, "groups": (group, *drive.plan.groups[1:])})
    told = sent(1).model_copy(update={"counts": Counts(total=1000, filter=995, sent=990)})
    step = drive.waits(lambda number: told if number == 1 else second(2) if number == 2 else sent(number))
    assert step.problem is not None
    assert f"Group a has 20,000 openids, {said} it." in step.problem.sentence


def test_only_a_choice_or_an_abort_answers_it() -> None:
    """A retry and a resume change nothing; after an abort the rest gets nothing."""
    drive = Drive(request(**SPLIT))
    asked(drive)
    assert "what does: choose, abort" in (drive.answer(Retry(**LI)) or "")
    assert drive.answer(Resume(by="li")) is not None
    assert drive.answer(Abort(**LI)) is None
    end = drive.ended()
    assert (end.outcome, drive.begun) == ("partly_sent", {1: 1, 2: 1})


def test_a_choice_is_asked_for_before_the_time_of_the_rest() -> None:
    """Who has moved the rest is asked at once, and can hold it back meanwhile. Chosen, it waits for its time."""
    drive = Drive(request(decision_timeout="P1D", **SPLIT))
    drive.go()
    drive.hear(steps.Ended(sent(1)))
    drive.go()
    later = NOON + timedelta(days=3)
    assert drive.answer(Reschedule(by="li", send_at=NOON + timedelta(days=2))) is None
    asked(drive)
    assert drive.answer(Reschedule(by="li", send_at=later)) is None
    assert asked(drive).until == later + timedelta(days=1)
    assert drive.answer(Choose(winner="b", **LI)) is None
    step = drive.waits()
    assert (step.phase, step.why, step.until, drive.begun.total()) == ("scheduled", "send_at", later, 2)
    assert drive.ended_on(later).outcome == "sent"


def test_a_choice_that_was_put_off_by_a_pause_is_asked_anew() -> None:
    """Its time would be over else, and the list with it, as soon as somebody resumes."""
    drive = Drive(request(decision_timeout="P1D", **SPLIT))
    asked(drive)
    assert drive.answer(Pause(**LI)) is None
    assert drive.waits().phase == "paused"
    drive.now += timedelta(days=2)
    assert drive.answer(Resume(**LI)) is None
    assert asked(drive).until == drive.now + timedelta(days=1)


def test_a_choice_that_comes_too_late_is_refused() -> None:
    """While what was sent is looked for and reported, as well: the rest gets nothing, and the end says so."""
    drive = Drive(request(decision_timeout="PT1H", **SPLIT))
    asked(drive)
    drive.now += timedelta(hours=1)
    while not isinstance(step := drive.step, steps.End):
        assert isinstance(step.effect, steps.LookBack | steps.WriteReport)
        assert "ending" in (drive.answer(Choose(winner="b", **LI)) or "")
        event = drive.event(step)
        assert event is not None
        drive.hear(event)
    assert step.problem is not None
    assert (step.outcome, step.problem.name, drive.begun[3]) == ("partly_sent", "winner_not_chosen", 0)


def test_a_group_that_fails_is_asked_about_before_the_choice() -> None:
    """A choice may come first: the batch that has ended badly is still asked about."""
    drive = Drive(request(**SPLIT))
    step = drive.waits(lambda number: failed(number) if number == 2 else sent(number))
    assert step.problem is not None
    assert step.problem.name == "batch_failed"
    assert drive.answer(Choose(winner="a", **LI)) is None
    assert drive.begun[3] == 0
    assert drive.answer(Resume(by="li")) is None
    end = drive.ended()
    assert (end.outcome, drive.begun[4]) == ("partly_sent", 1)


def test_both_messages_are_previewed_and_shown() -> None:
    """Each to each recipient, before the first batch."""
    to = [{"openid": "o-boss"}, {"wxname": "li"}]
    drive = Drive(request(preview={"to": to}, **SPLIT))
    drive.go()
    assert [one.to for one in drive.state.previews] == ["0-0", "0-1", "1-0", "1-1"]
    lines = "\n".join(show.shown(split_plan()))
    assert "group rest: 19,999 openids in 2 batches" in lines


def test_who_approves_reads_what_an_earlier_run_chose() -> None:
    """Nobody is asked again, and the rest gets that message."""
    chosen = split_plan().model_copy(update={"winner": "b"})
    told = "an earlier run has chosen message b for the rest"
    assert [told in show.shown(one) for one in (split_plan(), chosen)] == [False, True]


def test_what_was_made_for_previews_is_kept_apart_by_message() -> None:
    """Each group gets the covers of its own, and no draft: that dies with the delivery of one batch."""
    drive = Drive(request(preview={"to": [{"wxname": "li"}]}, **SPLIT))
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", (Content(digest="d"), Content(digest="d"))))
    made = [Uploaded(use="cover", sha256=letter * 64, media_id=letter, made_at=NOON) for letter in "ab"]
    draft = Made(media_id="draft", made_at=NOON)
    for number in (1, 0):
        drive.hear(steps.Kept(number, Material(uploads=(made[number],), made=draft)))
    drive.go()
    given = [Case(drive.request, drive.state, NOON).batch(number).audience for number in (1, 2)]
    assert [getattr(one, "material", None) for one in given] == [Material(uploads=(one,)) for one in made]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("end"), st.integers(1, 4), st.sampled_from(("sent", "failed", "unknown"))),
            st.tuples(st.just("answer"), st.sampled_from(("a", "b", "pause", "resume", "retry", "abort")), st.none()),
            st.tuples(st.just("wait"), st.integers(1, 5000), st.none()),
            st.tuples(st.just("reset"), st.none(), st.none()),
        ),
        max_size=25,
    )
)
def test_nothing_of_the_rest_begins_before_a_person_has_chosen(life: list[tuple[str, Any, Any]]) -> None:
    """In any order of answers, ends, resets and times; and what was chosen first stays."""
    drive = Drive(request(**SPLIT))
    chosen: Version | None = None
    for number, (what, first, second) in enumerate(life):
        drive.go()
        assert chosen is not None or set(drive.begun) <= {1, 2}
        assert drive.state.winner == chosen
        match what:
            case "end":
                drive.hear(steps.Ended(row(first, second)))
            case "wait":
                drive.now += timedelta(minutes=first)
            case "reset":
                drive.hear(steps.WasReset())
            case _:
                refused = drive.answer(ANSWERS[first], f"u{number}")
                if first in {"a", "b"} and not refused:
                    assert chosen is None
                    chosen = first


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"split": SPLIT["split"]}, "go together"),
        ({"message_b": TEXT_B}, "go together"),
        ({**SPLIT, "split": {"a": 60, "b": 41}}, "more than 100"),
        ({**SPLIT, "split": {"a": 0, "b": 10}}, "greater than or equal to 1"),
        ({**SPLIT, "split": {"a": 10, "b": 10, "rest": "all"}}, "winner"),
        ({**SPLIT, "audience": {"kind": "all"}}, "sent in batches"),
    ],
)
def test_a_split_test_that_cannot_be_is_refused(fields: dict[str, Any], said: str) -> None:
    """Before anything is planned."""
    with pytest.raises(ValidationError, match=said):
        request(**fields)


def test_a_split_of_all_has_no_rest_to_choose_for() -> None:
    """Both groups are everybody: nobody is asked."""
    drive = Drive(request(**{**SPLIT, "split": {"a": 50, "b": 50}}))
    groups = drive.plan.groups[:2]
    drive.plan = drive.plan.model_copy(update={"groups": groups, "batches": 2, "openids": 5_001})
    end = drive.ended()
    assert (end.outcome, drive.begun, drive.now == NOON) == ("sent", {1: 1, 2: 1}, True)


def test_a_group_that_nobody_received_is_told_as_such() -> None:
    """Whoever chooses a winner would take a refused message for one that nobody has counted."""
    drive = Drive(request(**SPLIT))
    drive.waits(lambda number: failed(number) if number == 2 else sent(number))
    assert drive.answer(ANSWERS["resume"]) is None
    problem = drive.waits().problem
    assert problem is not None
    assert "Both groups of the split test have had their turn" in problem.sentence
    assert "Group a has 2,000 openids. How many received it is not known." in problem.sentence
    assert "Group b has 3,001 openids, and nobody of it received the message (send_failed)." in problem.sentence


def test_a_choice_is_not_put_off_by_a_resume() -> None:
    """Group b has failed, and the list goes on after that. A resume would put the same question with more time."""
    drive = Drive(request(**SPLIT, on_batch_problem="continue"))
    drive.waits(lambda number: failed(number) if number == 2 else sent(number))
    assert fitting(drive.request, drive.state, drive.now) == ("choose", "pause", "reschedule", "abort")
    question = drive.state.question
    assert drive.answer(Resume(**LI)) == "resume does not fit now: this send is not paused"
    assert drive.state.question == question


@pytest.mark.parametrize("trouble", ["failed", "asked"])
def test_no_batch_after_one_in_trouble_gets_the_covers(trouble: str) -> None:
    """It may have failed, or asked, for them. Each batch after it uploads its own, and so does a retry."""
    drive = Drive(request(preview={"to": [{"wxname": "li"}]}, on_batch_problem="continue"))
    drive.hear(steps.Pinned(FACTS), steps.Inspected("d", (Content(digest="d"),)))
    cover = Uploaded(use="cover", sha256="a" * 64, media_id="a", made_at=NOON)
    drive.hear(steps.Kept(0, Material(uploads=(cover,))))
    drive.go()
    if trouble == "asked":
        drive.hear(asks(1))
    given = [Case(drive.request, drive.state, NOON).batch(1).audience]
    drive.hear(steps.Ended(failed(1) if trouble == "failed" else sent(1)))
    drive.go()
    given.append(Case(drive.request, drive.state, NOON).batch(2).audience)
    uploads = [one.material.uploads for one in given if isinstance(one, Batch) and one.material]
    assert uploads == [(cover,), ()]
