"""A recall: no call before WeChat says that the job is sent, none too many, no no that is not one, and its end."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.ledger import Recalled
from qunfa.contract.recall import Heard, KnownJob, RecallCall, RecallRequest
from qunfa.contract.result import Answer, Verdict
from qunfa.contract.steps import Timing
from qunfa.rules.recall import (
    CALLS_MAX,
    VERIFYING_LOOKS,
    Delete,
    End,
    Look,
    Recall,
    begin,
    called,
    failed,
    interrupted,
    looked,
    new_calls_from,
    next_step,
    obstacle,
    submitter,
)
from qunfa.rules.submission import spacing
from tests.rules.arbitrary import NOON
from tests.rules.sentences import is_well_written
from tests.send.arbitrary_facts import a_try

MINUTE = timedelta(minutes=1)
TIMING = Timing()
OURS = KnownJob(
    msg_id=7,
    key="k",
    digest="d",
    workflow_id="w",
    msgtype="mpnews",
    articles=2,
    verdict=Verdict(status="send success", observed_by="push"),
)
FAILED = OURS.model_copy(update={"verdict": Verdict(status="err(20001)", observed_by="push")})


def request(**aim: Any) -> RecallRequest:
    """A recall of job 7, unless `aim` says otherwise."""
    return RecallRequest.model_validate({"account": "demo", "by": "li", "reason": "r", **(aim or {"msg_id": 7})})


def recall(known: KnownJob = OURS, **aim: Any) -> Recall:
    """One that has asked nothing."""
    return begin(request(**aim), known, TIMING, NOON)


def says(status: str | None = None, errcode: int | None = None, at: datetime = NOON, **more: Any) -> Heard:
    """What `mass/get` says."""
    return Heard(at=at, status=status, errcode=errcode, **more)


def call(answer: str = "ok", errcode: int | None = None, at: datetime = NOON, **more: Any) -> RecallCall:
    """What `mass/delete` answers."""
    return RecallCall.model_validate({"at": at, "answer": answer, "errcode": errcode, **more})


def ready(known: KnownJob = OURS, **aim: Any) -> Recall:
    """One whose job is sent."""
    return looked(recall(known, **aim), says("SEND_SUCCESS"))


def end(step: object) -> End:
    """The end that the step must be."""
    assert isinstance(step, End)
    assert is_well_written(step.sentence)
    return step


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
        answers & {("lost", None), ("refused", -1), ("refused", 12345), ("refused", 89505), ("refused", 40060)}
    )
    assert not (done.outcome == "not_recalled" and answers & {("lost", None), ("refused", 40060)})


def test_the_run_that_submitted_a_job_has_its_content() -> None:
    """The one whose try was accepted as it; where a person has found it, the last that tried its generation."""
    lost, accepted = (
        a_try(1, lost=True).model_copy(update={"holder": "first"}),
        a_try(2, Answer(kind="accepted", at=NOON, msg_id=7)).model_copy(update={"holder": "second"}),
    )
    later = a_try(3, lost=True).model_copy(update={"holder": "third"})
    other = a_try(1, lost=True, generation=1).model_copy(update={"holder": "fourth"})
    ours = OURS.model_copy(update={"generation": 0})
    assert submitter([lost, accepted, later, other], ours) == "second"
    assert submitter([lost, later, other], ours) == "third"
    assert submitter([other], ours) is None


def test_a_job_that_is_just_accepted_may_not_be_known_yet() -> None:
    """So 40059 proves nothing at once, of one that was said to have failed; after two minutes it does."""
    recalling = looked(recall(FAILED), says(errcode=40059))
    assert isinstance(next_step(recalling, NOON), Look)
    late = end(next_step(recalling, NOON + 2 * recalling.timing.repeat))
    assert (late.outcome, "was not delivered (err(20001))" in late.sentence) == ("not_recalled", True)


@pytest.mark.parametrize(
    ("calls", "outcome"),
    [
        ([], None),
        ([call("not_written")], None),
        ([call()], "recalled"),
        ([call("lost")], "unknown"),
        ([call("lost"), call("not_written")], "unknown"),
        ([call("refused", -1)], "unknown"),
        ([call("refused", -1, token_endpoint=True)], None),
        ([call("refused", 45011)], None),
    ],
)
def test_a_recall_that_is_cut_off_forgets_no_call(calls: list[RecallCall], outcome: str | None) -> None:
    """What WeChat has said, or may have done, is its end."""
    recalling = recall()
    for one in calls:
        recalling = called(recalling, one)
    cut = interrupted(recalling, "It was cancelled.")
    assert (cut.outcome if cut else None) == outcome
    assert cut is None or end(cut).sentence.endswith("It was cancelled.")


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
    assert begin(request(msg_id=7, article_idx=1), known, TIMING, NOON).whole is (known.articles == 1)


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
        (looked(recall(KnownJob(msg_id=7)), says("SEND_FAIL")), "not_recalled", ["msg_id 7", "SEND_FAIL"]),
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
    known = OURS.model_copy(update={"recalled": Recalled(at=NOON, msg_id=7, by="li", reason="r")})
    done = end(next_step(refused(40065, known), NOON))
    assert (done.outcome, "li at 2026-12-01 12:00:00+08:00" in done.sentence) == ("recalled", True)
    assert all(isinstance(next_step(one, NOON), Look) for one in (refused(45011, known), refused(40065)))
    assert end(next_step(refused(40065, known, token_endpoint=True), NOON)).outcome == "not_recalled"


@pytest.mark.parametrize(("articles", "is_over"), [(2, True), (None, True), (1, False)])
def test_an_article_that_was_recalled_before_costs_no_call(articles: int | None, *, is_over: bool) -> None:
    """Of one of several `mass/get` has no word, and WeChat takes ten calls a day. Of a whole job it has one."""
    before = Recalled(at=NOON, msg_id=7, article_idx=1, by="li", reason="r")
    known = OURS.model_copy(update={"recalled": before, "articles": articles})
    done = next_step(recall(known, msg_id=7, article_idx=1), NOON)
    assert isinstance(done, End if is_over else Look)
    if isinstance(done, End):
        assert (done.outcome, done.verified) == ("recalled", False)
        assert "before, by li at 2026-12-01 12:00:00+08:00, and no call was made." in done.sentence


@pytest.mark.parametrize(
    ("calls", "spent"),
    [
        *(([], False), ([call("refused", 45009)], True), ([call("refused", 45009, token_endpoint=True)], False)),
        *(([call("refused", 45011)], False), ([call("refused", 45009), call()], False)),
    ],
)
def test_new_recalls_come_with_the_day_after_the_refusal(calls: list[RecallCall], *, spent: bool) -> None:
    """WeChat counts them by days of Shanghai, by all calls of the account."""
    assert new_calls_from(calls) == (datetime.fromisoformat("2026-12-02T00:00:00+08:00") if spent else None)


def test_after_an_ok_mass_get_is_asked_five_times() -> None:
    """Within two minutes, each time later; then the recall ends without its word."""
    going = called(ready(), call())
    looks = list[datetime]()
    while isinstance(step := next_step(going, NOON), Look):
        assert step.why == "mass/get to say DELETE"
        looks.append(step.at)
        going = looked(going, says("SEND_SUCCESS", at=step.at))
    assert looks[0] == NOON
    assert len(looks) == VERIFYING_LOOKS
    gaps = [after - before for before, after in pairwise(looks)]
    assert gaps == sorted(set(gaps))
    assert MINUTE < looks[-1] - NOON <= 2 * MINUTE
    assert (end(step).outcome, end(step).verified) == ("recalled", False)


def test_before_a_call_is_repeated_wechat_is_asked_again() -> None:
    """What it said before the last call counts no more; what it says later does, from the time of the repeat on."""
    again = called(ready(), call("refused", 45011))
    assert next_step(again, NOON) == Look(NOON, "WeChat's word on the job")
    due = NOON + TIMING.repeat
    early, sent, sending = (
        next_step(looked(again, says(status, at=at)), due)
        for status, at in (("SEND_SUCCESS", due - SECOND), ("SEND_SUCCESS", due), ("SENDING", due))
    )
    assert isinstance(early, Look)
    assert early.at == due
    assert isinstance(sent, Delete)
    assert sent.at == due
    assert isinstance(sending, Look)
    assert sending.at == due + TIMING.repeat


def test_a_call_is_repeated_for_as_long_as_wechats_window() -> None:
    """From the first one on, to the moment."""
    last = NOON + TIMING.window
    going = looked(called(ready(), call("refused", 45011)), says("SEND_SUCCESS", at=last - SECOND))
    assert isinstance(next_step(going, last - SECOND), Delete)
    assert end(next_step(going, last)).outcome == "not_recalled"
