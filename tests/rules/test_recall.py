"""The steps of a recall: no call before WeChat says that the job is sent, none too many, and no no that is not one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.recall import Heard, KnownJob, RecallCall
from qunfa.rules.recall import (
    CALLS_MAX,
    End,
    Look,
    begin,
    called,
    interrupted,
    looked,
    next_step,
)
from qunfa.rules.submission import spacing
from tests.rules.arbitrary import NOON
from tests.rules.recalls import FAILED, MINUTE, OURS, TIMING, call, end, ready, recall, request, says
from tests.rules.sentences import is_well_written


@pytest.mark.parametrize(
    ("known", "heard"),
    [
        (OURS, says("SENDING")),
        (OURS, says("SOMETHING NEW")),
        (OURS.model_copy(update={"verdict": None}), says(errcode=40059)),
        (KnownJob(msg_id=7), says(errcode=89505)),
        (OURS, says(detail="busy")),
    ],
)
def test_a_job_that_is_not_sent_yet_is_waited_for(known: KnownJob, heard: Heard) -> None:
    """Spaced, for as long as WeChat's window; then it ends, and says so."""
    waiting = looked(recall(known), heard)
    assert isinstance(step := next_step(waiting, NOON), Look)
    assert step.at == NOON + TIMING.repeat
    later = looked(waiting, heard.model_copy(update={"at": NOON + MINUTE}))
    assert isinstance(step := next_step(later, NOON + MINUTE), Look)
    assert step.at == NOON + 3 * MINUTE
    done = end(next_step(later, NOON + TIMING.window))
    known_so = "is not known to be sent" if heard.detail else "is still not sent"
    assert (done.outcome, known_so in done.sentence) == ("not_recalled", True)


def test_40065_for_ever_ends_while_others_still_have_calls() -> None:
    """WeChat takes ten a day."""
    refused, at = ready(), NOON
    for number in range(CALLS_MAX):
        at += spacing(number, TIMING)
        refused = called(refused, call("refused", 40065, at))
    done = end(next_step(looked(refused, says("SEND_SUCCESS", at=at)), at))
    assert (done.outcome, "8 times" in done.sentence) == ("not_recalled", True)


ANSWERS = [
    ("ok", None),
    ("lost", None),
    ("not_written", None),
    *(("refused", errcode) for errcode in (40065, 45009, 40008, 40060, 45011, -1, 40001, 12345, 89505)),
]
STATUSES = ["SENDING", "SEND_SUCCESS", "DELETE", None]
AIMS: list[tuple[KnownJob, dict[str, Any]]] = [
    (OURS, {"msg_id": 7}),
    (OURS, {"msg_id": 7, "article_idx": 1}),
    (KnownJob(msg_id=7), {"msg_id": 7}),
    (KnownJob(), {"url": "https://mp.weixin.qq.com/s/a"}),
]


@given(st.sampled_from(AIMS), st.data())
def test_every_recall_ends_and_says_the_truth(aim: tuple[KnownJob, dict[str, Any]], data: st.DataObject) -> None:
    """Whatever WeChat answers: with few calls, none before the job is sent, and no better or worse than is known."""
    known, wanted = aim
    going, now, deleted = begin(request(**wanted), known, TIMING, NOON), NOON, False
    for _ in range(500):
        step = next_step(going, now)
        if isinstance(step, End):
            break
        assert is_well_written(step.why)
        assert step.at - now <= TIMING.repeat_max
        now = max(now, step.at)
        if isinstance(step, Look):
            assert known.msg_id is not None
            status = data.draw(st.sampled_from(STATUSES))
            going = looked(going, says(status, at=now, detail=None if status else "busy"))
            deleted = deleted or status == "DELETE"
        else:
            assert known.msg_id is None or (going.fresh and going.fresh.status == "SEND_SUCCESS")
            answer, errcode = data.draw(st.sampled_from(ANSWERS))
            going = called(going, call(answer, errcode, now))
    done = end(next_step(going, now))
    answers = {(one.answer, one.errcode) for one in going.calls}
    assert going.written <= CALLS_MAX
    assert (done.outcome == "recalled") == (deleted or ("ok", None) in answers)
    assert done.verified == deleted
    assert (done.outcome == "unknown") <= bool(
        answers & {("lost", None), ("refused", -1), ("refused", 12345), ("refused", 89505)}
    )
    assert not (done.outcome == "not_recalled" and ("lost", None) in answers)


def test_a_job_that_is_just_accepted_may_not_be_known_yet() -> None:
    """So 40059 proves nothing at once, of one that was said to have failed; after two minutes it does."""
    recalling = looked(recall(FAILED), says(errcode=40059))
    assert isinstance(next_step(recalling, NOON), Look)
    late = end(next_step(recalling, NOON + 2 * recalling.timing.repeat))
    assert (late.outcome, "was not delivered (err(20001))" in late.sentence) == ("not_recalled", True)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([], None),
        (["not_written"], None),
        (["ok"], "recalled"),
        (["lost"], "unknown"),
        (["lost", "not_written"], "unknown"),
    ],
)
def test_a_recall_that_is_cut_off_forgets_no_call(answers: list[Any], outcome: str | None) -> None:
    """What WeChat has said, or may have done, is its end."""
    recalling = recall()
    for answer in answers:
        recalling = called(recalling, RecallCall(at=NOON, answer=answer))
    cut = interrupted(recalling, "It was cancelled.")
    assert (cut.outcome if cut else None) == outcome
