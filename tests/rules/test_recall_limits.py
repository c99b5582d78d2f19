"""How long a recall waits, how often it calls, and what its end says of what was heard."""

from datetime import timedelta
from typing import Any

import pytest

from qunfa.contract.ledger import Recalled
from qunfa.contract.recall import Heard, KnownJob, RecallCall
from qunfa.contract.result import Verdict
from qunfa.rules.recall import (
    CALLS_MAX,
    Delete,
    End,
    Look,
    Recall,
    begin,
    called,
    failed,
    interrupted,
    looked,
    next_step,
    obstacle,
)
from tests.rules.arbitrary import NOON
from tests.rules.recalls import FAILED, MINUTE, OURS, TIMING, call, end, ready, recall, request, says

SECOND = timedelta(seconds=1)
BY_URL = {"url": "https://mp.weixin.qq.com/s/a"}
YES = Verdict(status="send success", observed_by="push")


@pytest.mark.parametrize(
    ("known", "began"),
    [
        (OURS, {"ours": True, "delivered": True, "whole": True}),
        (FAILED, {"ours": True, "failed": "err(20001)", "whole": True}),
        (OURS.model_copy(update={"verdict": None}), {"ours": True, "whole": True}),
        (KnownJob(msg_id=7), {"whole": True}),
        (KnownJob(msg_id=7, article_idx=2), {"whole": False}),
        (KnownJob(msg_id=7, article_idx=1, articles=1), {"whole": True}),
        (KnownJob(msg_id=7, verdict=YES), {"delivered": True, "whole": True}),
        (KnownJob(msg_id=7, verdict=Verdict(status="SENDING", observed_by="poll")), {"whole": True}),
    ],
)
def test_what_a_recall_begins_with(known: KnownJob, began: dict[str, Any]) -> None:
    """Whose the job is, what became of it, and whether all of it is to go."""
    usual = {"msg_id": 7, "ours": False, "delivered": False, "timing": TIMING, "began_at": NOON}
    assert begin(request(), known, TIMING, NOON) == Recall(**{**usual, **began})
    assert failed(known) == began.get("failed")


@pytest.mark.parametrize(("article", "stands"), [(1, False), (2, False), (3, True)])
def test_an_article_that_the_message_has_is_not_objected_to(article: int, stands: bool) -> None:
    """The last one is one of them; of a message of unknown length any may be."""
    assert (obstacle(request(msg_id=7, article_idx=article), OURS) is not None) is stands
    unknown = OURS.model_copy(update={"articles": None, "msgtype": None})
    assert obstacle(request(msg_id=7, article_idx=article), unknown) is None
    assert obstacle(request(msg_id=7), OURS.model_copy(update={"msgtype": "mpvideo"})) is None


@pytest.mark.parametrize(("known", "patience"), [(OURS, TIMING.window), (FAILED, TIMING.push_grace)])
def test_a_job_that_failed_is_looked_at_for_a_short_time(known: KnownJob, patience: timedelta) -> None:
    """The no may have been forged, but need not; to the moment."""
    waiting = looked(recall(known), says("SENDING", at=NOON + patience))
    assert isinstance(next_step(waiting, NOON + patience - SECOND), Look)
    assert end(next_step(waiting, NOON + patience)).outcome == "not_recalled"


def test_only_calls_that_were_written_count() -> None:
    """WeChat counts none that never came, and none that the token endpoint refused."""
    going = ready()
    for _ in range(3):
        for one in (call("not_written"), call("refused", 45011, token_endpoint=True), call("refused", 45011)):
            going = called(going, one)
    assert (going.written, going.doubtful) == (3, False)
    for number in range(CALLS_MAX):
        full = looked(going, says("SEND_SUCCESS", at=NOON + 60 * MINUTE))
        assert isinstance(next_step(full, NOON + 60 * MINUTE), Delete) is (going.written < CALLS_MAX)
        going = called(going, call("refused", 45011, at=NOON + number * SECOND))


@pytest.mark.parametrize(
    ("one", "doubtful"),
    [
        (call("lost"), True),
        (call("refused", -1), True),
        (call("refused", 12345), True),
        (call("refused", 48001), False),
        (call("refused", 12345, token_endpoint=True), False),
        (call("ok"), False),
        (call("not_written"), False),
    ],
)
def test_which_calls_may_have_been_carried_out(one: RecallCall, doubtful: bool) -> None:
    """Such as WeChat has not said so of."""
    assert called(recall(), one).doubtful is doubtful
    cut = interrupted(called(recall(), one), "It was cancelled.")
    assert (cut is not None) is (doubtful or one.answer == "ok")
    assert cut is None or "It was cancelled." in cut.sentence


@pytest.mark.parametrize(
    ("heard", "step"), [(None, Look(NOON, "WeChat's word on the job")), (says("SEND_SUCCESS"), Delete(NOON, "WeChat"))]
)
def test_a_recall_with_a_msg_id_asks_before_it_calls(heard: Heard | None, step: Look | Delete) -> None:
    """By a URL alone nothing can be asked."""
    assert next_step(looked(recall(), heard) if heard else recall(), NOON) == step
    assert next_step(recall(KnownJob(), **BY_URL), NOON) == Delete(NOON, "WeChat")


def refused(errcode: int = 45011, known: KnownJob = OURS, **more: Any) -> Recall:
    """One whose only call was refused, and of which `mass/get` still says that it is sent."""
    return looked(called(ready(known), call("refused", errcode, **more)), says("SEND_SUCCESS"))


@pytest.mark.parametrize(
    ("going", "outcome", "said"),
    [
        (looked(recall(), says("DELETE")), "recalled", ["already", "no call", "msg_id 7"]),
        (looked(refused(), says("DELETE")), "recalled", ["msg_id 7"]),
        (looked(recall(), says("SEND_FAIL")), "not_recalled", ["msg_id 7", "SEND_FAIL"]),
        (looked(recall(FAILED), says("SEND_FAIL")), "not_recalled", ["msg_id 7", "err(20001)"]),
        (looked(recall(KnownJob(msg_id=7)), says(errcode=40059)), "not_recalled", ["no msg_id 7"]),
        (looked(recall(), says(lasting=True, detail="48001.")), "not_recalled", ["48001.", "Nothing was deleted"]),
        (refused(45009), "not_recalled", ["45009", "ten", "2026-12-02 00:00:00+08:00"]),
        (refused(45009, token_endpoint=True), "not_recalled", ["token endpoint", "45009"]),
        (refused(48001), "not_recalled", ["WeChat answered 48001"]),
        (refused(40001, token_endpoint=True), "not_recalled", ["token endpoint", "secret"]),
        (looked(refused(), says(lasting=True, detail="48001.")), "not_recalled", ["45011", "48001."]),
        (looked(refused(), says("SENDING", lasting=True)), "not_recalled", ["45011", "mass/get says SENDING"]),
        (looked(refused(), says(errcode=-1, lasting=True)), "not_recalled", ["mass/get answered -1", "busy"]),
        (looked(called(recall(), call()), says("SENDING", lasting=True)), "recalled", ["DELETE", "SENDING"]),
        (
            looked(called(ready(msg_id=7, article_idx=1), call()), says(detail="busy.")),
            "recalled",
            ["one article", "could not be asked (busy)"],
        ),
        (called(recall(KnownJob(), **BY_URL), call()), "recalled", ["URL"]),
        (
            looked(called(ready(), call("lost", detail="cut off")), says(lasting=True)),
            "unknown",
            ["Nobody knows", "The answer", "(cut off)", "no answer"],
        ),
        (
            looked(called(ready(), call("not_written", detail="DNS.")), says("SENDING", lasting=True)),
            "not_recalled",
            ["could not be called (DNS)", "SENDING"],
        ),
        (
            looked(called(ready(), call("not_written")), says("SENDING", lasting=True)),
            "not_recalled",
            ["WeChat could not be called"],
        ),
    ],
)
def test_an_end_says_what_it_follows_from(going: Recall, outcome: str, said: list[str]) -> None:
    """WeChat's own words, and which of the two interfaces has said them."""
    done = end(next_step(going, NOON))
    assert (done.outcome, [words for words in said if words not in done.sentence]) == (outcome, [])
    assert "None" not in done.sentence
    assert ("new ones from" in done.sentence) == ("ten" in said)
    assert done.sentence.endswith(".")
    assert not done.sentence[0].islower() or done.sentence.startswith("msg_id 7")
    assert ("no call" in done.sentence) == (outcome == "recalled" and not going.calls)


def test_a_recall_of_what_was_recalled_before_says_by_whom() -> None:
    """Only where WeChat says that there is nothing of it, and not its token endpoint."""
    before = Recalled(at=NOON, msg_id=7, by="li", reason="r")
    known = OURS.model_copy(update={"recalled": before})
    done = end(next_step(refused(40065, known), NOON))
    assert (done.outcome, "li at 2026-12-01 12:00:00+08:00" in done.sentence) == ("recalled", True)
    assert isinstance(next_step(refused(45011, known), NOON), Look)
    assert isinstance(next_step(refused(40065), NOON), Look)
    assert not isinstance(next_step(refused(40065, known, token_endpoint=True), NOON), End) or (
        end(next_step(refused(40065, known, token_endpoint=True), NOON)).outcome == "not_recalled"
    )


def test_a_delivered_job_is_called_about_again_though_it_is_forgotten() -> None:
    """`mass/get` answers 40059; one that is not known to be delivered is looked at again."""
    forgotten = says(errcode=40059, at=NOON + MINUTE)
    assert isinstance(next_step(looked(refused(), forgotten), NOON + MINUTE), Delete)
    open_ = OURS.model_copy(update={"verdict": None})
    step = next_step(looked(refused(known=open_), forgotten), NOON + MINUTE)
    assert isinstance(step, Look)
    assert (step.at, "40059" in step.why, "45011" in step.why) == (NOON + 3 * MINUTE, True, True)


def test_looks_after_an_ok_are_closer_than_others() -> None:
    """A twelfth of the usual."""
    done = called(ready(), call())
    assert next_step(done, NOON) == Look(NOON, "mass/get to say DELETE")
    heard = looked(done, says("SEND_SUCCESS"))
    assert next_step(heard, NOON) == Look(NOON + MINUTE / 12, "mass/get to say DELETE")
    assert next_step(looked(heard, says("SEND_SUCCESS")), NOON) == Look(NOON + MINUTE / 6, "mass/get to say DELETE")


def test_a_recall_by_a_url_alone_is_called_again_without_a_look() -> None:
    """Spaced, for as long as the window; then it ends with what the call was answered."""
    going = called(recall(KnownJob(), **BY_URL), call("refused", 45011))
    step = next_step(going, NOON)
    assert isinstance(step, Delete)
    assert (step.at, "45011" in step.why) == (NOON + MINUTE, True)
    done = end(next_step(going, NOON + TIMING.window))
    assert (done.outcome, "45011" in done.sentence, "mass/get" in done.sentence) == ("not_recalled", True, False)
    assert end(next_step(called(going, call("lost", detail="cut off")), NOON + TIMING.window)).outcome == "unknown"
