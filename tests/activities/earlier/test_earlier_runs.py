import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.testing import ActivityEnvironment

from activities.earlier_runs import Found, VisibleRuns
from activities.run_history import Remains
from qunfa.contract.facts import Ended, Known
from qunfa.contract.ids import MassSendId
from qunfa.contract.request import MassSendRequest
from qunfa.contract.steps import LEDGER_UNAVAILABLE
from qunfa.rules.digest import content_digest
from qunfa.rules.memory import is_unknown
from tests.activities.conftest import APPID, NOON, failed
from tests.activities.past import DIGEST, MSG_ID, OUTCOME, Times, activities
from tests.looking import until
from tests.workflows.resets import Reapply, points, reset


async def test_the_oldest_run_tells_when_its_key_came_up(times: Times) -> None:
    """Also one that has left nothing: what came after it may be forgotten by a database that was restored."""
    assert (await times.found()).started_at is None
    first = await times.client.get_workflow_handle(times.workflow_id).describe()
    await times.over()
    handle = await times.begin(times.submit(), stays=True)
    left = await times.found(handle.run_id)
    assert left.began(None) == left.began((await handle.describe()).start_time) == first.start_time
    await handle.terminate()


async def test_the_current_run_is_no_earlier_one(times: Times) -> None:
    """It remembers its tries itself; one of them may be under way."""
    assert (await times.found())[:3] == Found()[:3]
    await times.over()
    times.answered("accepted", msg_id=MSG_ID)
    handle = await times.begin(times.submit(), stays=True)
    await until(lambda: activities(handle))
    assert (await times.found(handle.run_id))[:3] == Found()[:3]
    await handle.terminate()


async def test_facts_of_all_runs_add_up(times: Times) -> None:
    """A try that one run has lost, and of which another heard the answer, is answered."""
    times.answered("refused", errcode=45028)
    await times.lose(times.submit(1), times.submit(2))
    answer = times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit(2))
    left = await times.found()
    first, second = left.known.tries
    assert (first.answer and first.answer.errcode, second) == (45028, times.fact(2, answer=answer))


async def test_a_reset_run_and_the_one_before_it_add_up(times: Times) -> None:
    """The try that was under way at the reset is one try, and lost; what both have in common counts once."""
    answer = times.answered("refused", errcode=45028)
    times.fates.waiting.clear()
    before = await times.begin(times.submit(1), times.submit(2))
    await times.fates.waiting.wait()
    *_, last = await points(before)
    after = await reset(times.client, before, last, Reapply.NONE)
    await times.client.get_workflow_handle(after.id, run_id=after.run_id).terminate()
    first, second = (await times.found()).known.tries
    assert first == times.fact(1, answer=answer)
    assert second.identity == times.fact(2).identity
    assert is_unknown(second)


async def test_a_run_for_other_content_takes_nothing_over(times: Times) -> None:
    """So it has left nothing, and the key still stands for its own content."""
    answer = times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit())
    left = await times.found()
    await times.over()
    times.fates.answers["wish"] = [{"known": left.known_to("e" * 64).model_dump(mode="json")}]
    await times.live(times.wish(digest="e" * 64))
    assert await times.found() == left
    assert left.known_to(DIGEST) == Known(tries=(times.fact(answer=answer),))


async def test_a_run_without_a_try_has_left_nothing(times: Times) -> None:
    """Neither its content nor its end counts: not for one that gave back its lease either."""
    unused = times.fact(answer={"kind": "unused", "at": NOON})
    times.answered("refused", errcode=45028)
    await times.live(times.submit(2), failure=times.result("failed", "x"))
    await times.live(times.wish(digest="e" * 64), times.tell(Known(tries=(unused,))), result=times.result("aborted"))
    left = await times.found()
    assert (left.digests, left.ended) == ((DIGEST,), Ended(outcome="failed", problem="x"))
    assert [one.number for one in left.known.tries] == [2]
    assert Found.of([Remains("a", Known(), Ended(outcome="aborted"))]) == Found()


GONE = [Ended(outcome="aborted"), Ended(outcome="aborted", of_list=True), Ended(outcome="unknown", found=9)]


@pytest.mark.parametrize("gone", GONE, ids=["by a person", "by its list", "found"])
async def test_an_abort_before_any_try_is_found(times: Times, gone: Ended) -> None:
    """The ledger may have forgotten that a person gave a batch up, or found it, and its list would send it again."""
    await times.live(times.tell(Known(), ended=gone), failure=times.result(gone.outcome))
    await times.live(times.wish(digest="e" * 64), failure=times.result("failed", "key_reused"))
    found = await times.found()
    assert found[:3] == (Known(), (), gone)
    assert (found.ended_to(DIGEST), found.ended_to("e" * 64)) == (gone, None), "of its own content alone"


async def test_a_send_by_hand_is_found_although_nothing_was_tried(times: Times) -> None:
    """A person has sent it while the account was frozen, and has marked it as sent."""
    await times.live(times.tell(times.by_hand(), ended=Ended(outcome="sent")), result=times.result("sent"))
    assert (await times.found())[:3] == Found(times.by_hand(), (DIGEST,), Ended(outcome="sent"))[:3]


async def test_an_end_counts_only_where_no_run_came_after_it(times: Times) -> None:
    """A newer run that has tried again is not at its end."""
    times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit(), failure=times.result("failed", "send_failed"))
    await times.lose(times.submit(2, generation=1))
    left = await times.found()
    assert [one.generation for one in left.known.tries] == [0, 1]
    assert left.ended is None


async def test_content_that_no_step_names_is_that_of_the_request(times: Times) -> None:
    """A continued run has facts, and was ended before its first step."""
    known = Known(tries=(times.fact(answer={"kind": "accepted", "at": NOON, "msg_id": MSG_ID}),))
    state = {"known": known.model_dump(mode="json"), "result": times.result("sent")}
    await times.live(continued=state)
    left = await times.found()
    assert left.digests == (content_digest(MassSendRequest.model_validate(times.request)),)


async def refused(times: Times, where: str) -> None:
    """A run that shows itself as refused, or was started so, and whose history cannot be read."""
    script: dict[str, Any] = {"steps": [["submit", {"another": "form"}]], "failure": times.result("failed")}
    if where == "shown by a continued run":
        script = {"continued": {**script, "shown": "refused"}}
    elif where == "shown by the run":
        script["shown"] = "refused"
    given = [SearchAttributePair(OUTCOME, "refused")] if where == "set by its starter" else []
    times.answered("accepted", msg_id=MSG_ID)
    handle = await times.client.start_workflow(
        "MassSend",
        args=[times.request, script],
        id=times.workflow_id,
        task_queue=times.task_queue,
        search_attributes=TypedSearchAttributes(given),
    )
    with pytest.raises(WorkflowFailureError):
        await handle.result()


async def test_a_crowd_of_runs_does_not_hide_the_one_that_sent(times: Times) -> None:
    """Newer runs that were refused, or ended at once, have submitted nothing. They are passed over unread."""
    answer = times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit())
    await refused(times, "shown by the run")
    for _ in range(50):
        await times.now()
        await times.over()
    assert (await times.found()).known == Known(tries=(times.fact(answer=answer),))


async def test_who_sent_a_job_is_told_past_refused_runs(times: Times) -> None:
    """A key that was started wrongly at first is recalled like any other."""
    await refused(times, "shown by the run")
    times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit())
    found = await VisibleRuns(times.client).sent_from(MassSendId("demo", times.key), MSG_ID)
    assert found.base_url == "https://wechat.example"


async def test_no_number_of_runs_hides_the_one_that_sent(times: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service may have started the key each minute, for days, with content that was refused."""
    answer = times.answered("accepted", msg_id=MSG_ID)
    await times.live(times.submit())
    current, listed = await times.now(), times.client.list_workflows

    async def crowded(query: str, *, limit: int | None = None, **more: Any) -> AsyncIterator[WorkflowExecution]:
        runs = [run async for run in listed(query, **more)]
        ended = replace(runs[0], status=WorkflowExecutionStatus.FAILED, history_length=3)
        crowd = [replace(ended, run_id=f"crowd-{number}") for number in range(1000)]
        for run in [runs[0], *crowd, *runs[1:]][:limit]:
            yield run

    monkeypatch.setattr(times.client, "list_workflows", crowded)
    assert (await times.found(current)).known == Known(tries=(times.fact(answer=answer),))


async def test_a_search_that_finds_nothing_in_time_is_no_no(times: Times) -> None:
    """What has been found by then is enough: it knew what those before it had left."""
    await times.live()
    earlier = VisibleRuns(times.client, searched=timedelta(0))
    finding = ActivityEnvironment().run(earlier.find, times.workflow_id, await times.now(), None)
    await failed(finding, LEDGER_UNAVAILABLE, "none of 2 has left anything so far")


async def test_refused_runs_are_looked_at_beside_each_other(times: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key may have had thousands: one after the other they would take longer than a search may."""
    both = asyncio.Barrier(2)

    async def looked_at(_self: VisibleRuns, _run: WorkflowExecution) -> bool:
        return await both.wait() in {0, 1}

    for digest in "ab":
        await times.live(times.wish(digest=digest))
    now, earlier = await times.now(), VisibleRuns(times.client, searched=timedelta(seconds=20))
    monkeypatch.setattr(VisibleRuns, "_was_refused", looked_at)
    found = await ActivityEnvironment().run(earlier.find, times.workflow_id, now, None)
    assert found[:3] == Found()[:3]


async def test_a_batch_in_a_restored_list_alone_holds_up_nothing(times: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began between two dumps: Temporal lists it as running for ever, and has no history of it."""
    await times.live(batch={"result": times.result("sent")})
    runs, listed = VisibleRuns(times.client), times.client.list_workflows
    await until(lambda: runs.reaching(times.workflow_id), lambda numbers: numbers == {1})

    async def restored(query: str, **more: Any) -> AsyncIterator[WorkflowExecution]:
        async for run in listed(query, **more):
            for number in (1, 2):
                lost = replace(run, id=f"{times.workflow_id}.{number}", run_id=str(uuid.uuid4()))
                yield replace(lost, status=WorkflowExecutionStatus.RUNNING)
            yield run

    monkeypatch.setattr(times.client, "list_workflows", restored)
    assert await runs.reaching(times.workflow_id) == {1}


@pytest.mark.parametrize("step", ["wish", "submit", "tell", "carried"])
async def test_what_another_account_of_the_name_did_is_not_its_own(times: Times, step: str) -> None:
    """The name has another appid since. Nothing was sent to the followers of this one."""
    known = Known(tries=(times.fact(answer=times.answered("accepted", msg_id=MSG_ID)),))
    times.appid = "wxbefore"
    steps = {"wish": times.wish(*known.tries), "submit": times.submit(), "tell": times.tell(known)}
    state = {"known": known.model_dump(mode="json"), "pinned": {"appid": times.appid}, "result": times.result("sent")}
    await (times.live(continued=state) if step == "carried" else times.live(steps[step]))
    assert (await times.found()).known == known
    await times.over()
    times.appid = APPID
    assert (await times.found())[:3] == Found()[:3]


async def test_the_content_of_a_list_is_told_once_it_has_begun(times: Times) -> None:
    """It has no tries itself. One that was refused, or ended before its first batch, leaves its key free."""
    await times.live(times.wish(digest="a"))
    await times.live(times.wish(digest="b"), batch={"result": times.result("sent")})
    left = await times.found()
    assert (left.digests, left.known, left.ended) == (("b",), Known(), None)


async def test_what_a_key_was_asked_for_last_is_told(times: Times) -> None:
    """As the newest run was started that has done something; nothing where there is none."""
    runs = VisibleRuns(times.client)
    assert await runs.asked_of(times.workflow_id, "a list") is None
    await times.live()
    assert await runs.asked_of(times.workflow_id, "a list") == MassSendRequest.model_validate(times.request)


async def test_an_unreadable_batch_is_no_strangers(times: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer worker has begun it for its list: who takes it for a stranger's denies what it delivers."""
    runs, batch = VisibleRuns(times.client), f"{times.workflow_id}.1"
    monkeypatch.setattr(Times, "request", {"later": True})
    await times.live(batch={"result": times.result("sent")})
    assert await runs.asked_of(times.workflow_id, times.workflow_id) is None
    assert await runs.asked_of(batch, "mass-send:demo:another") is None
    await failed(runs.asked_of(batch, times.workflow_id), LEDGER_UNAVAILABLE, "run the worker version")


@pytest.mark.parametrize("where", ["shown by a continued run", "set by its starter"])
async def test_a_run_that_is_not_certainly_refused_is_read(times: Times, where: str) -> None:
    """The run that it continues may have tried before it; what a starter sets proves nothing."""
    await refused(times, where)
    await failed(times.found(), LEDGER_UNAVAILABLE, "cannot be read")


async def test_no_more_than_the_newest_runs_are_read(times: Times) -> None:
    """Each run knew what was left before it, so the newest are enough. Whose content it was, the ledger says."""
    for number, digest in enumerate("ecad", 1):
        times.answered("refused", errcode=45028)
        await times.live(times.submit(number, digest=digest))
    newest = await times.found(runs_max=3)
    assert ([one.number for one in newest.known.tries], newest.digests) == ([2, 3, 4], ("a", "c", "d"))


async def test_a_list_that_does_not_show_this_run_is_not_trusted(times: Times) -> None:
    """It may lack the run before as well: the look is repeated instead of taken for an answer."""
    await times.now()
    await failed(times.found("another-run"), LEDGER_UNAVAILABLE, "does not show this run")
