from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from activities.earlier_runs import Found, VisibleRuns
from activities.run_history import added_up
from qunfa.contract.facts import Decided, Ended, Known, Owned, Said, Try
from qunfa.contract.grants import Granted
from qunfa.contract.ids import MassSendId
from qunfa.contract.recall import SentFrom
from qunfa.contract.result import Answer, JobFinished, Verdict
from qunfa.contract.steps import LEDGER_UNAVAILABLE, Wished
from qunfa.rules.memory import is_unknown
from tests.activities.conftest import APPID, NOON, failed
from tests.activities.past import DIGEST, MSG_ID, Times, activities, at_of
from tests.looking import until

ACCEPTED = Answer(kind="accepted", at=NOON, msg_id=MSG_ID)
NO = Answer(kind="refused", at=NOON, errcode=45028)
PUSH = JobFinished(msg_id=MSG_ID, status="send success")


def _push(status: str) -> Verdict:
    return Verdict(status=status, observed_by="push")


async def test_an_answer_is_that_of_its_try(times: Times) -> None:
    """The whole try is known again: by its lease, for whom it was, and what the wire said; with its content."""
    answer = times.answered("accepted", msg_id=MSG_ID, msg_data_id=7)
    await times.live(("inspect", {"what": "others do"}), times.submit(number=3, generation=1))
    left = await times.found()
    assert left.known == Known(tries=(times.fact(3, 1, answer=answer),))
    assert left.digests == (DIGEST,)


async def test_a_job_is_of_the_appid_that_its_run_had(times: Times) -> None:
    """A later run of the name at another appid knows nothing of it. A report alone does not tell the base URL."""
    send, earlier = MassSendId("demo", times.key), VisibleRuns(times.client)
    assert await earlier.sent_from(send, MSG_ID) == SentFrom()
    times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit())
    now = replace(times, appid="wxfedcba9876543210")
    now.answered("accepted", msg_id=MSG_ID + 1)
    await now.live(now.submit())
    url = "https://wechat.example"
    assert await earlier.sent_from(send, MSG_ID) == SentFrom(appid=APPID, base_url=url)
    assert await earlier.sent_from(send, MSG_ID + 1) == SentFrom(appid=now.appid, base_url=url)
    assert await earlier.sent_from(send, MSG_ID + 2) == SentFrom()
    by_hand = Times(times.client, times.fates, times.task_queue)
    await by_hand.live(by_hand.tell(by_hand.by_hand()))
    found = await earlier.sent_from(MassSendId("demo", by_hand.key), MSG_ID)
    assert found == SentFrom(appid=APPID)


async def test_a_job_is_of_the_run_that_made_it(times: Times) -> None:
    """A later run of the key hears of it from its account, and may stand at another base URL."""
    send, answer = MassSendId("demo", times.key), times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit())
    times.fates.answers["wish"] = [{"known": {"tries": [times.fact(answer=answer).model_dump(mode="json")]}}]
    await times.live(times.wish())
    assert (await VisibleRuns(times.client).sent_from(send, MSG_ID)).base_url == "https://wechat.example"


async def test_a_run_that_was_terminated_in_a_try_has_lost_it(times: Times) -> None:
    """It may have delivered; the last event of the history is when the run was terminated."""
    handle = await times.lose(times.submit())
    [one] = (await times.found()).known.tries
    assert one == times.fact(lost_at=await at_of(handle, "workflow_execution_terminated"))
    assert is_unknown(one)


BY_HAND: list[Any] = [{}, None, [], "done", {"kind": "accepted"}]


@pytest.mark.parametrize(
    ("how", "answers"),
    [("failed", [ApplicationError("boom")]), ("timed_out", []), *(("completed", [value]) for value in BY_HAND)],
)
async def test_a_try_that_ended_without_an_answer_is_lost(times: Times, how: str, answers: list[Any]) -> None:
    """Since then nobody will hear of it. What an operator completes by hand is no answer, and does not stop the key."""
    times.fates.answers["submit"] = [*answers]
    handle = await times.hear(after=[times.submit()], timeout=0.2 if how == "timed_out" else 60)
    assert (await times.found()).known.tries == (times.fact(lost_at=await at_of(handle, f"activity_task_{how}")),)


async def test_a_try_that_was_cancelled_is_lost(times: Times) -> None:
    """An operator may cancel the run whatever it does."""
    handle = await times.begin(times.submit(), stays=True)
    await times.fates.waiting.wait()
    await handle.cancel()
    await until(lambda: activities(handle, "cancel_requested"))
    try_of_run = times.client.get_async_activity_handle(
        workflow_id=handle.id, run_id=handle.run_id, activity_id=times.fates.activity_id
    )
    await try_of_run.report_cancellation()
    await until(lambda: activities(handle, "canceled"))
    await handle.terminate()
    assert (await times.found()).known.tries == (times.fact(lost_at=await at_of(handle, "activity_task_canceled")),)


async def test_what_a_run_has_taken_over_is_found(times: Times) -> None:
    """A terminated run passes on what it knew when it wished, and what the activity found in earlier runs."""
    knew, learned = times.fact(1, answer=NO), times.fact(2, answer=ACCEPTED)
    times.fates.answers["wish"] = [{"known": Known(tries=(learned,)).model_dump(mode="json")}]
    await times.hear(after=[times.wish(knew)])
    assert (await times.found())[:3] == Found(Known(tries=(knew, learned)), (DIGEST,))[:3]


@pytest.mark.parametrize("value", [{}, None, [], "done", {"record": 7}])
async def test_what_was_said_to_be_found_by_hand_is_passed_over(times: Times, value: Any) -> None:
    """The tries themselves stand in the history, and the key is not stopped."""
    answer = times.answered("accepted", msg_id=MSG_ID)
    times.fates.answers["wish"] = [value]
    await times.live(times.wish(), times.submit())
    assert (await times.found()).known == Known(tries=(times.fact(answer=answer),))


async def test_a_continued_run_passes_on_what_it_carried(times: Times) -> None:
    """Whatever else a version keeps in its state. What a starter gives as a state is none: only a run continues."""
    carried = Known(tries=(times.fact(answer=ACCEPTED),), owned=(Owned(msg_id=MSG_ID, key="k", generation=0),))
    state = {"digest": DIGEST, "known": carried.model_dump(mode="json"), "namespace": 7, "unheard": "of"}
    await times.live(times.wish(), **state)
    assert (await times.found())[:3] == Found()[:3]
    await times.over()
    await times.live(continued={**state, "result": times.result("failed")})
    assert (await times.found())[:3] == Found(carried, (DIGEST,), Ended(outcome="failed"))[:3]


async def test_what_the_ledger_was_told_is_found(times: Times) -> None:
    """A person's decision, say, that only the run knew; and how it ended, where its end itself is missing."""
    decided = Decided(id="u1", what="retry", by="li", reason="looked", at=NOON, generation=0, covers=("w1",))
    told = Known(tries=(times.fact(answer=NO),), decided=(decided,))
    await times.hear(after=[times.tell(told, ended=Ended(outcome="failed", problem="x"))])
    assert (await times.found())[:3] == Found(told, (DIGEST,), Ended(outcome="failed", problem="x"))[:3]


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_the_ledger_has_granted_is_found(times: Times, at_once: bool) -> None:
    """Its answer, or the signal, carries all that the ledger knew, also of runs that Temporal has forgotten."""
    knew = Known(tries=(times.fact(answer=NO),), said=(Said(msg_id=9, verdict=_push("send fail"), at=NOON),))
    granted = Granted(wish="w1", answer="known", known=knew, ended=Ended(outcome="failed", problem="x"))
    if at_once:
        times.fates.answers["wish"] = [Wished(granted=granted).model_dump(mode="json")]
    await times.hear(*([] if at_once else [("granted", granted)]), after=[times.wish()])
    assert (await times.found())[:3] == Found(knew, (DIGEST,), Ended(outcome="failed", problem="x"))[:3]


async def test_a_push_is_wechats_word_where_a_rule_understands_it(times: Times) -> None:
    """It is dated by when the run heard it."""
    times.answered("accepted", msg_id=MSG_ID)
    sending = PUSH.model_copy(update={"msg_id": MSG_ID + 1, "status": "SENDING"})
    handle = await times.hear(("job_finished", sending), ("job_finished", PUSH), after=[times.submit()])
    at = await at_of(handle, "workflow_execution_signaled")
    assert (await times.found()).known.said == (Said(msg_id=MSG_ID, verdict=_push("send success"), at=at),)


@pytest.mark.parametrize("name", ["granted", "job_finished"])
async def test_a_strangers_malformed_signal_is_passed_over(times: Times, name: str) -> None:
    """Anybody may send one, and must not stop the key by it."""
    no_json = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"half": "\\ud83d"}'))
    encoded = RawValue(Payload(metadata={"encoding": b"binary/unheard-of"}, data=b"?"))
    answer = times.answered("accepted", msg_id=MSG_ID)
    bad: list[Any] = [{}, None, "text", 7, {"wish": "w1", "answer": "known", "known": 7}, {"msg_id": 0}, no_json]
    await times.hear(*((name, one) for one in [*bad, encoded]), after=[times.submit()])
    assert (await times.found()).known == Known(tries=(times.fact(answer=answer),))


def test_words_on_jobs_of_others_are_kept_as_a_send_keeps_them() -> None:
    """The newest of them, and all words on its own jobs; who sends pushes by the thousand stops no key."""
    ours = Said(msg_id=MSG_ID, verdict=_push("send success"), at=NOON)
    others = [Said(msg_id=n, verdict=_push("send fail"), at=NOON + timedelta(seconds=n)) for n in range(1, 100)]
    tried = Try(generation=0, number=1, wish="w1", clientmsgid="c", not_before=NOON, holder="r", answer=ACCEPTED)
    known = Known(tries=(tried,), said=(*others, ours))
    assert {one.msg_id for one in added_up(known).said} == {*range(50, 100), MSG_ID}


async def test_a_result_tells_how_a_run_ended(times: Times) -> None:
    """A good end is the run's result; a bad one is the first detail of its failure."""
    times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit(), result=times.result("sent"))
    assert (await times.found()).ended == Ended(outcome="sent")
    await times.over()
    times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit(2), failure=times.result("failed", "admin_refused"))
    assert (await times.found()).ended == Ended(outcome="failed", problem="admin_refused")


async def test_an_end_counts_only_where_no_try_came_after_it(times: Times) -> None:
    """The ledger had told how the key ended before, and the run went on."""
    times.answered("refused", errcode=45028)
    report = times.tell(Known(), ended=Ended(outcome="failed", problem="x"))
    await times.hear(after=[report, times.submit()])
    assert (await times.found()).ended is None


@pytest.mark.parametrize(("step", "form"), [("submit", "AnyTry"), ("wish", "WishStep"), ("tell", "TellStep")])
async def test_what_cannot_be_read_is_not_passed_over(times: Times, step: str, form: str) -> None:
    """An activity in a form that this worker does not know stops the send; it may have delivered."""
    times.answered("accepted", msg_id=MSG_ID)
    await times.live((step, {"another": "form"}))
    await failed(times.found(), LEDGER_UNAVAILABLE, rf"{form}.*cannot be read")


async def test_facts_in_words_of_another_version_are_not_passed_over(times: Times) -> None:
    """One of them may be a try that was accepted."""
    times.fates.answers["wish"] = [{"known": {"tries": "in another form"}}]
    await times.live(times.wish())
    await failed(times.found(), LEDGER_UNAVAILABLE, "a RecordedWished in an earlier run's history cannot be read")


async def test_a_try_that_still_runs_elsewhere_is_lost(times: Times) -> None:
    """A look from a run that is no longer the current one finds the other's try, once that is listed."""
    stale = await times.now()
    await times.over()
    handle = await times.begin(times.submit())
    await times.fates.waiting.wait()
    [one] = (await until(lambda: times.found(stale), lambda found: found.known.tries)).known.tries
    assert is_unknown(one)
    assert await activities(handle) == 0
    await handle.terminate()
