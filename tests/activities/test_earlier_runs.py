from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.earlier_runs import Found, VisibleRuns, found_by
from qunfa.contract.job import NOT_DELIVERED, Job
from qunfa.contract.ledger import ClaimAnswer, Record
from qunfa.contract.request import MassSendRequest
from qunfa.contract.steps import LEDGER_UNAVAILABLE
from qunfa.rules.digest import content_digest
from tests.activities.conftest import NOON
from tests.activities.past import OUTCOME, Fates, Times, worker

DIGEST = "d" * 64
MSG_ID = 3147483650
ROW = {"index": 0, "generation": 0, "clientmsgid": "c0"}
SENT = {**ROW, "msg_id": MSG_ID, "state": "sent", "status": "send success", "observed_by": "push"}


@pytest.fixture
async def times(temporal: Client) -> AsyncIterator[Times]:
    """A mass send whose earlier runs the test makes."""
    fates = Fates()
    found = Times(temporal, fates, task_queue="past")
    async with worker(temporal, "past", fates):
        yield found


async def found(times: Times, *, runs_max: int = 50) -> Found:
    """What a new run finds."""
    current = await times.now()
    runs = await ActivityEnvironment().run(
        VisibleRuns(times.client, runs_max=runs_max).find, times.workflow_id, current
    )
    return found_by(runs)


async def test_a_first_run_finds_nothing(times: Times) -> None:
    """The current run does not count as an earlier one."""
    assert await found(times) == Found(frozenset(), (), None, None)


async def test_what_the_current_run_has_tried_is_its_own_business(times: Times) -> None:
    """It remembers its tries itself; one of them may be under way."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    handle = await times.begin(times.a_try(), stays=True)
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("activity_task_completed_event_attributes"):
            break
    current = handle.first_execution_run_id or ""
    runs = await ActivityEnvironment().run(VisibleRuns(times.client).find, times.workflow_id, current)
    assert list(runs) == []
    await handle.terminate()


async def test_an_accepted_try_of_a_terminated_run_is_found(times: Times) -> None:
    """Its msg_id is known again, with the content that it stands for."""
    times.answered(kind="accepted", msg_id=MSG_ID, msg_data_id=7)
    await times.lose(times.a_try(), times.a_try(generation=1, clientmsgid="c1"))
    left = await found(times)
    first, second = left.jobs
    assert (first.msg_id, first.msg_data_id, first.accepted_at, first.ever_unknown) == (MSG_ID, 7, NOON, False)
    assert (second.generation, second.clientmsgid, second.ever_unknown) == (1, "c1", True)
    assert left.digests == {DIGEST}


async def test_a_try_without_an_answer_is_unknown_since_it_was_scheduled(times: Times) -> None:
    """A run that was terminated in the middle of a try may have delivered."""
    times.fates.waiting.clear()
    handle = await times.begin(times.a_try(attempt=4))
    await times.fates.waiting.wait()
    await handle.terminate()
    [job] = (await found(times)).jobs
    scheduled = [
        event.event_time.ToDatetime(tzinfo=NOON.tzinfo)
        async for event in times.run(handle).fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert (job.ever_unknown, job.attempts, job.msg_id, job.verdict) == (True, 4, None, None)
    assert [job.window_started_at] == scheduled


async def test_a_try_that_still_runs_elsewhere_is_unknown(times: Times) -> None:
    """A look from a run that is no longer the current one finds the other's try."""
    times.fates.waiting.clear()
    stale = await times.now()
    await times.client.get_workflow_handle(times.workflow_id).terminate()
    handle = await times.begin(times.a_try())
    await times.fates.waiting.wait()
    runs = await ActivityEnvironment().run(VisibleRuns(times.client).find, times.workflow_id, stale)
    [job] = found_by(runs).jobs
    assert job.ever_unknown
    await handle.terminate()


@pytest.mark.parametrize("lost", [ApplicationError("boom"), None], ids=["failed", "timed out"])
async def test_a_try_that_ended_without_an_answer_is_unknown(times: Times, lost: Exception | None) -> None:
    """A failure or a time-out of the activity is no answer."""
    times.fates.answers["submit"] = [lost] if lost else []
    await times.live(times.a_try(), timeout=0.2)
    [job] = (await found(times)).jobs
    assert (job.ever_unknown, job.msg_id) == (True, None)
    assert job.window_started_at is not None


@pytest.mark.parametrize("value", [{}, None, [], "done", {"record": 7}])
@pytest.mark.parametrize("name", ["claim", "reserve"])
async def test_what_the_ledger_was_said_to_know_by_hand_is_passed_over(times: Times, name: str, value: Any) -> None:
    """The tries themselves stand in the history, and the key is not stopped."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    times.fates.answers[name] = [value]
    await times.live((name, {name: {"key": times.key, "digest": DIGEST}}), times.a_try())
    [job] = (await found(times)).jobs
    assert (job.msg_id, job.ever_unknown) == (MSG_ID, False)


@pytest.mark.parametrize("name", ["claim", "reserve"])
async def test_what_the_ledger_knew_in_words_of_another_version_is_not_passed_over(times: Times, name: str) -> None:
    """It may be a job that was accepted."""
    times.fates.answers[name] = [{"kind": "record", "record": {"jobs": "in another form"}}]
    await times.live((name, {name: {"key": times.key, "digest": DIGEST}}))
    with pytest.raises(ApplicationError, match="a RecordedMemory in an earlier run's history cannot be read"):
        await found(times)


@pytest.mark.parametrize("value", [{}, None, [], "done", {"kind": "accepted"}])
async def test_a_try_that_was_completed_by_hand_is_unknown(times: Times, value: Any) -> None:
    """An operator's value is no answer, and must not stop the key either."""
    times.fates.answers["submit"] = [value]
    await times.live(times.a_try())
    [job] = (await found(times)).jobs
    assert (job.ever_unknown, job.msg_id) == (True, None)


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "refused", "errcode": 45028},
        {"kind": "refused", "errcode": 40001, "token_endpoint": True},
        {"kind": "not_written", "detail": "nobody there"},
    ],
    ids=lambda answer: answer["kind"],
)
async def test_a_definite_no_leaves_nothing_open(times: Times, answer: Any) -> None:
    """The tries are counted, and nothing may have been delivered."""
    times.answered(**answer)
    await times.live(times.a_try(attempt=2))
    [job] = (await found(times)).jobs
    assert (job.attempts, job.ever_unknown, job.window_started_at) == (2, False, None)
    assert job.answer is not None
    assert job.answer.kind == answer["kind"]


async def test_an_unknown_try_stays_unknown_whatever_comes_after_it(times: Times) -> None:
    """A later no may be the echo of an accepted try; the window is that of the first."""
    times.answered(kind="unknown", errcode=-1)
    times.answered(kind="refused", errcode=45028)
    await times.live(times.a_try(), times.a_try(attempt=2))
    [job] = (await found(times)).jobs
    assert (job.ever_unknown, job.attempts) == (True, 2)
    assert job.answer is not None
    assert job.answer.errcode == 45028


async def test_the_earliest_unknown_try_of_all_runs_starts_the_window(times: Times) -> None:
    """WeChat remembers a clientmsgid from its first try on."""
    await times.lose(times.a_try())
    [first] = (await found(times)).jobs
    await times.client.get_workflow_handle(times.workflow_id).terminate()
    await times.lose(times.a_try(attempt=2))
    [both] = (await found(times)).jobs
    assert (both.window_started_at, both.attempts) == (first.window_started_at, 2)


async def test_a_completed_run_without_a_try_gives_its_result(times: Times) -> None:
    """Its digest is computed from the request that it was started with."""
    await times.live(result=times.result("sent", {**SENT, "counts": {"total": 9, "filter": 9, "sent": 8, "error": 1}}))
    left = await found(times)
    [job] = left.jobs
    assert job.msg_id == MSG_ID
    assert job.verdict is not None
    assert (job.verdict.status, job.verdict.observed_by) == ("send success", "push")
    assert job.verdict.counts is not None
    assert job.verdict.counts.sent == 8
    assert left.digests == {content_digest(MassSendRequest.model_validate(times.request))}
    assert left.ended_as == "sent"


async def test_a_failed_run_gives_the_result_in_its_failure(times: Times) -> None:
    """The first detail of `MassSendFailed` is read like a result; how it ended, and why, is known again."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    row = {**ROW, "msg_id": MSG_ID, "state": "failed", "status": "err(40001)", "observed_by": "push"}
    await times.live(times.a_try(), failure=times.result("failed", row, problem="admin_refused"))
    left = await found(times)
    [job] = left.jobs
    assert job.verdict is not None
    assert (job.msg_id, job.verdict.status) == (MSG_ID, "err(40001)")
    assert (left.ended_as, left.problem) == ("failed", "admin_refused")


async def test_an_end_counts_only_where_nothing_came_after_it(times: Times) -> None:
    """A newer run that has tried again is not at its end."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    row = {**ROW, "msg_id": MSG_ID, "state": "failed", "status": "send fail", "observed_by": "push"}
    await times.live(times.a_try(), failure=times.result("failed", row, problem="send_failed"))
    await times.lose(times.a_try(generation=1, clientmsgid="c1"))
    left = await found(times)
    assert [job.generation for job in left.jobs] == [0, 1]
    assert left.ended_as is None


async def test_an_unknown_job_of_which_only_the_result_is_left_is_past_its_window(times: Times) -> None:
    """Nothing tells when the try was made, so it is not repeated."""
    times.fates.answers["reserve"] = [{"kind": "unclaimed"}]
    await times.live(("reserve", {}), failure=times.result("unknown", {**ROW, "state": "unknown"}))
    [job] = (await found(times)).jobs
    assert job.ever_unknown
    current = await times.client.get_workflow_handle(times.workflow_id).describe()
    assert job.window_started_at is not None
    assert job.window_started_at < current.start_time - timedelta(hours=23)


async def test_what_a_run_has_taken_over_is_found(times: Times) -> None:
    """A terminated run that knew of an older one by the ledger passes that on."""
    job = Job(clientmsgid="c0", attempts=3, ever_unknown=True, window_started_at=NOON)
    record = Record(key=times.key, digest=DIGEST, workflow_id=times.workflow_id, jobs=(job,), touched_at=NOON)
    times.fates.answers["claim"] = [ClaimAnswer(kind="record", record=record).model_dump(mode="json")]
    claim = {"claim": {"key": times.key, "digest": DIGEST}}
    await times.lose(("claim", claim), ("reserve", {"reserve": {"key": times.key}}))
    left = await found(times)
    assert left.jobs == (job,)
    assert left.digests == {DIGEST}


async def test_the_record_of_other_content_is_not_taken_over(times: Times) -> None:
    """A run whose key stood for other content has left nothing."""
    record = Record(
        key=times.key,
        digest="e" * 64,
        workflow_id=times.workflow_id,
        jobs=(Job(clientmsgid="c0", attempts=1, msg_id=MSG_ID),),
        touched_at=NOON,
    )
    times.fates.answers["claim"] = [ClaimAnswer(kind="reused", record=record).model_dump(mode="json")]
    await times.live(("claim", {"claim": {"key": times.key, "digest": DIGEST}}))
    assert await found(times) == Found(frozenset(), (), None, None)


async def test_what_a_run_has_told_the_ledger_is_found(times: Times) -> None:
    """An operator's word on a lost try, say, that only the workflow knew."""
    job = {**ROW, "attempts": 1, "verdict": {"status": NOT_DELIVERED, "observed_by": "operator"}}
    note = {"note": {"key": times.key, "digest": DIGEST, "job": job}}
    times.answered(kind="unknown", errcode=-1)
    times.answered(kind="accepted", msg_id=MSG_ID)
    await times.live(times.a_try(), ("tell", note), times.a_try(generation=1, clientmsgid="c1"))
    first, second = (await found(times)).jobs
    assert first.verdict is not None
    assert first.verdict.status == NOT_DELIVERED
    assert second.msg_id == MSG_ID


async def test_a_continued_run_passes_on_what_it_carried(times: Times) -> None:
    """The jobs that a run hands to the one that continues it are found there."""
    state = {"digest": DIGEST, "jobs": [{**ROW, "attempts": 5, "msg_id": MSG_ID}]}
    await times.live(continued={**state, "result": times.result("failed")})
    left = await found(times)
    [job] = left.jobs
    assert (job.msg_id, job.attempts) == (MSG_ID, 5)
    assert left.digests == {DIGEST}


async def test_a_msg_id_that_is_an_earlier_generations_is_a_collision(times: Times) -> None:
    """45065 with the msg_id of another job says that this one was not accepted."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    times.answered(kind="duplicate", errcode=45065, msg_id=MSG_ID)
    await times.live(times.a_try(), times.a_try(generation=1, clientmsgid="c1"))
    first, second = (await found(times)).jobs
    assert (first.msg_id, first.collides_with) == (MSG_ID, None)
    assert (second.msg_id, second.collides_with) == (None, MSG_ID)


async def test_a_crowd_of_runs_does_not_hide_the_one_that_sent(times: Times) -> None:
    """50 newer runs that were refused at once are passed over without being read."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    await times.live(times.a_try())
    for _ in range(50):
        await times.now()
        await times.client.get_workflow_handle(times.workflow_id).terminate()
    [job] = (await found(times)).jobs
    assert job.msg_id == MSG_ID


async def refused(times: Times, where: str) -> None:
    """A run that shows itself as refused, or was started so, and whose history cannot be read."""
    script: dict[str, Any] = {"steps": [["submit", {"another": "form"}]], "failure": times.result("failed")}
    if where == "shown by a continued run":
        script = {"continued": {**script, "shown": "refused"}}
    elif where == "shown by the run":
        script["shown"] = "refused"
    given = [SearchAttributePair(OUTCOME, "refused")] if where == "set by its starter" else []
    times.answered(kind="accepted", msg_id=MSG_ID)
    handle = await times.client.start_workflow(
        "MassSend",
        args=[times.request, script],
        id=times.workflow_id,
        task_queue=times.task_queue,
        search_attributes=TypedSearchAttributes(given),
    )
    with pytest.raises(WorkflowFailureError):
        await handle.result()


async def test_a_refused_run_is_passed_over_unread(times: Times) -> None:
    """It has claimed and submitted nothing, and there may be hundreds of them."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    await times.live(times.a_try())
    await refused(times, "shown by the run")
    [job] = (await found(times)).jobs
    assert job.msg_id == MSG_ID


@pytest.mark.parametrize("where", ["shown by a continued run", "set by its starter"])
async def test_a_run_that_is_not_certainly_refused_is_read(times: Times, where: str) -> None:
    """The run that it continues may have tried before it; what a starter sets proves nothing."""
    await refused(times, where)
    with pytest.raises(ApplicationError, match="cannot be read"):
        await found(times)


async def test_no_more_than_the_newest_runs_are_read(times: Times) -> None:
    """Each run knew what was left before it, so the newest that left something are enough."""
    for attempt in range(1, 4):
        times.answered(kind="refused", errcode=45028)
        await times.live(times.a_try(attempt=attempt, generation=attempt, clientmsgid=f"c{attempt}"))
    left = await found(times, runs_max=2)
    assert [job.generation for job in left.jobs] == [2, 3]


async def test_a_list_that_does_not_show_this_run_is_not_trusted(times: Times) -> None:
    """It may lack the run before as well: the look is repeated instead of taken for an answer."""
    await times.now()
    with pytest.raises(ApplicationError, match="does not show this run") as failure:
        await ActivityEnvironment().run(VisibleRuns(times.client).find, times.workflow_id, "another-run")
    assert (failure.value.type, failure.value.non_retryable) == (LEDGER_UNAVAILABLE, False)


async def test_what_cannot_be_read_is_not_passed_over(times: Times) -> None:
    """A try in a form that this worker does not know stops the send; it may have delivered."""
    times.answered(kind="accepted", msg_id=MSG_ID)
    await times.live(("submit", {"another": "form"}))
    with pytest.raises(ApplicationError, match=r"RecordedTry.*cannot be read") as failure:
        await found(times)
    assert (failure.value.type, failure.value.non_retryable) == (LEDGER_UNAVAILABLE, False)
