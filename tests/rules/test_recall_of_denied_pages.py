"""What WeChat denies: an article that is gone already costs few calls, and a verdict that says yes beats a later no."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from qunfa.contract.recall import KnownJob, RecallCall
from qunfa.contract.result import Counts, Verdict
from qunfa.rules.recall import CALLS_MAX, Delete, End, Look, Recall, called, looked, next_step
from tests.rules.arbitrary import NOON
from tests.rules.test_recall import OURS, call, end, recall, says

GONE = call("refused", 40065)
BUSY = call("refused", 45011)
LOST = call("lost", detail="no answer")
A_NO_WITH_FOLLOWERS = Verdict(
    status="err(20001)", observed_by="push", counts=Counts(total=600, filter=500, sent=500, error=0)
)
REACHED = OURS.model_copy(update={"verdict": A_NO_WITH_FOLLOWERS})


def to_its_end(
    going: Recall, answers: Sequence[RecallCall], status: str = "SEND_SUCCESS"
) -> tuple[Recall, End, timedelta]:
    """The recall, its end and its time, where `mass/get` goes on saying the same; the last answer stays."""
    now, left = NOON, list(answers)
    while not isinstance(step := next_step(going, now), End):
        now = max(now, step.at)
        if isinstance(step, Look):
            going = looked(going, says(status, at=now))
        else:
            one = left.pop(0) if len(left) > 1 else left[0]
            going = called(going, one.model_copy(update={"at": now}))
    return going, end(step), now - NOON


@pytest.mark.parametrize(
    ("answers", "calls", "outcome"),
    [
        ([GONE], 2, "not_recalled"),
        ([BUSY, GONE], 3, "not_recalled"),
        ([GONE, BUSY, GONE], 3, "not_recalled"),
        ([LOST, GONE], 3, "unknown"),
        ([GONE, call()], 2, "recalled"),
        ([GONE, BUSY], CALLS_MAX, "not_recalled"),
    ],
)
def test_an_article_that_is_gone_already_costs_two_calls(answers: list[RecallCall], calls: int, outcome: str) -> None:
    """Its job was sent before the first call, so 40065 twice is WeChat's word. The account's other calls stay."""
    going, done, took = to_its_end(recall(msg_id=7, article_idx=2), answers)
    assert (going.written, done.outcome) == (calls, outcome)
    if answers[-1] == GONE:
        assert ", 2 times. It may be deleted already" in done.sentence
        assert took < timedelta(minutes=10)


def test_a_page_known_by_its_url_alone_may_still_be_sent() -> None:
    """Who has its card may be among the first of many, and WeChat says 40065 until the job is through."""
    by_url = recall(KnownJob(), url="https://mp.weixin.qq.com/s/a")
    going, done, took = to_its_end(by_url, [*[GONE] * (CALLS_MAX - 1), call()])
    assert (going.written, done.outcome, took > timedelta(hours=1)) == (CALLS_MAX, "recalled", True)


@pytest.mark.parametrize("known", [OURS, REACHED])
def test_a_later_no_of_mass_get_stands_against_no_recall(known: KnownJob) -> None:
    """A yes beats a no: its pages may stand. SEND_FAIL counts where nothing says that the job was delivered."""
    denied = looked(recall(known), says("SEND_FAIL"))
    assert next_step(denied, NOON) == Delete(NOON, "WeChat")
    going, done, _ = to_its_end(recall(known), [BUSY, call()], "SEND_FAIL")
    assert (going.written, done.outcome, done.verified) == (2, "recalled", False)


def test_wechat_that_denies_a_job_and_its_pages_is_believed() -> None:
    """The push may have been forged. The account's other calls stay."""
    going, done, _ = to_its_end(recall(), [GONE], "SEND_FAIL")
    assert (going.written, done.outcome, "2 times" in done.sentence) == (2, "not_recalled", True)
