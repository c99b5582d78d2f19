"""What a send tells its webhooks, and that it never waits for them: real receivers, and days that are skipped."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.ids import notify_id
from qunfa.rules.problems import PROBLEMS
from qunfa.temporal.connection import UI_VARIABLE
from tests.notices.webhook import SECRET, Receiver, answers
from tests.workflows.conftest import Desk, Recorder, leap, usual_facts
from tests.workflows.failures import cause_of, failure_of, refusal_of
from tests.workflows.model import accepts, says, silent
from tests.workflows.model_material import NEWS
from tests.workflows.noticing import delivery, noticing

pytestmark = pytest.mark.long

A_HEADER: Final = {"account": "demo", "name": "oncall", "webhook_id": "a\r\nHost: b", "notice": {}}
DAY: Final = timedelta(days=1)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(env: WorkflowEnvironment, receiver: Receiver, recorded: Recorder) -> AsyncIterator[Desk]:
    async with noticing(env, usual_facts(), receiver, "oncall") as found:
        yield found
        await recorded(found)


async def test_a_send_that_goes_well_tells_its_end(desk: Desk, receiver: Receiver) -> None:
    """Once, signed, with plain facts; nothing of the message goes along."""
    handle = await desk.start(requested_by="crm")
    result = await handle.result()
    [post] = await receiver.came("sent")
    assert post.signed_with(SECRET)
    assert post.data == {
        "account": "demo",
        "key": "spring",
        "workflow_id": "mass-send:demo:spring",
        "run_id": (await handle.describe()).run_id,
        "msgtype": "text",
        "requested_by": "crm",
        "phase": "done",
        "outcome": "sent",
        "may_have_been_delivered": True,
        "problem": None,
        "answers": [],
        "answer_by": None,
        "msg_ids": [result.jobs[0].msg_id],
        "totals": {"total": 100, "filter": 98, "sent": 97, "error": 1},
        "article_idx": None,
        "verified": None,
        "link": None,
        "look_at": None,
    }
    assert "你好".encode() not in post.body
    assert (await delivery(desk, post).result()).attempt == 1
    assert len(receiver.posts) == 1


@pytest.mark.history
async def test_each_question_is_told_once_with_an_id_of_its_own(desk: Desk, receiver: Receiver) -> None:
    """With what a person has to know. A refused answer, and a push of somebody else's, are no events."""
    desk.wechat.script = [says(48001), says(48001)]
    handle = await desk.start()
    status = await desk.asks(handle, "account_refused")
    await desk.refused(handle, "mark_sent", msg_id=7)
    await desk.wechat.push(77)
    await desk.update(handle, "retry")
    await receiver.came("needs_operator", 2)
    await desk.asks(handle, "account_refused")
    await desk.update(handle, "retry")
    await handle.result()
    [end] = await receiver.came("sent")
    first, second = receiver.of("needs_operator")
    choice = PROBLEMS["account_refused"]
    evidence = {"errcode": 48001, "errmsg": "says 48001", "rid": "1-2-3"}
    problem = {"name": "account_refused", "sentence": choice.sentence, "todo": choice.todo, **evidence}
    assert status.waiting_for is not None
    assert status.waiting_for.until is not None
    assert first.data["answer_by"] == status.waiting_for.until.isoformat().replace("+00:00", "Z")
    told = [first.data[name] for name in ("problem", "answers", "phase", "outcome", "may_have_been_delivered")]
    assert told == [problem, ["retry", "abort"], "needs_operator", None, False]
    assert len({first.webhook_id, second.webhook_id, end.webhook_id}) == 3
    assert first.json["timestamp"] < second.json["timestamp"]


async def test_a_slow_try_is_told_with_the_no_of_another(desk: Desk, receiver: Receiver) -> None:
    """Who reads that WeChat has refused the content would send other content at once, and the slow one comes too."""
    desk.wechat.script, desk.wechat.push_at_once = [silent, accepts], "err(10001)"
    handle = await desk.start()
    await desk.asks(handle, "content_refused")
    [post] = await receiver.came("needs_operator")
    assert post.data["may_have_been_delivered"] is True
    assert "So an end now is unknown." in post.data["problem"]["sentence"]
    await desk.update(handle, "abort")
    assert (await failure_of(handle)).outcome == "unknown"


@pytest.mark.history
async def test_a_wait_for_approval_is_told_once(desk: Desk, receiver: Receiver) -> None:
    """Also where the send is paused and resumed meanwhile; who has asked for it goes along."""
    handle = await desk.start(approval={"required": True}, requested_by="crm")
    await desk.until(handle, lambda status: status.phase == "awaiting_approval")
    await desk.update(handle, "pause")
    await desk.update(handle, "resume")
    await desk.until(handle, lambda status: status.phase == "awaiting_approval")
    await desk.update(handle, "approve")
    await handle.result()
    await receiver.came("sent")
    [post] = receiver.of("awaiting_approval")
    assert (post.data["requested_by"], post.data["phase"]) == ("crm", "awaiting_approval")
    assert post.data["answers"][:2] == ["approve", "reject"]
    assert post.data["answer_by"] is not None


async def test_what_is_approved_is_named_with_its_page(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that shows the articles, once; the workflow's page in each, from a worker that knows the UI."""
    monkeypatch.setenv(UI_VARIABLE, "https://ui.example")
    handle = await desk.start(message=NEWS, approval={"required": True}, requested_by="crm")
    await receiver.came("awaiting_approval")
    monkeypatch.delenv(UI_VARIABLE)
    await desk.update(handle, "approve")
    await handle.result()
    await receiver.came("sent")
    [asked, sent] = [*receiver.of("awaiting_approval"), *receiver.of("sent")]
    run = handle.first_execution_run_id
    page = f"https://ui.example/namespaces/default/workflows/{handle.id}/{run}/history"
    assert (asked.data["look_at"], asked.data["link"]) == ("qunfa article preview demo/spring", page)
    assert (sent.data["look_at"], sent.data["link"]) == (None, None)


@pytest.mark.history
async def test_only_what_is_wanted_is_told(env: WorkflowEnvironment, receiver: Receiver, recorded: Recorder) -> None:
    """A failure with its problem; of the question before it nobody hears, and no child is started for it."""
    async with noticing(env, usual_facts(), receiver, "oncall", events=("failed",)) as desk:
        desk.wechat.script = [says(48001)]
        handle = await desk.start(decision_timeout="PT1H")
        await failure_of(handle)
        [post] = await receiver.came("failed")
        events = (await handle.fetch_history()).events
        await recorded(desk)
    assert (post.data["problem"]["name"], post.data["problem"]["errcode"]) == ("account_refused", 48001)
    assert [post.type for post in receiver.posts] == ["failed"]
    assert sum(one.HasField("start_child_workflow_execution_initiated_event_attributes") for one in events) == 1


@pytest.mark.history
async def test_a_receiver_that_is_away_for_a_day_hears_of_it_all_the_same(desk: Desk, receiver: Receiver) -> None:
    """Tried ever more rarely, an hour apart at most, always with the same id and body, each time signed anew."""
    receiver.rest = answers(500)
    desk.wechat.script = [says(48001)]
    await desk.start(decision_timeout="P30D")
    [first] = await receiver.came("needs_operator")
    await leap(desk.env, DAY)
    receiver.rest = answers(200)
    await leap(desk.env, timedelta(hours=2))
    delivered = await delivery(desk, first).result()
    posts = receiver.of("needs_operator")
    assert delivered.attempt == len(posts)
    assert 24 + 6 < len(posts) < 24 + 20
    assert {(post.webhook_id, post.body) for post in posts} == {(first.webhook_id, first.body)}
    assert all(post.signed_with(SECRET) for post in posts)


@pytest.mark.history
async def test_after_three_days_it_is_given_up_and_says_so(desk: Desk, receiver: Receiver) -> None:
    """The delivery has failed, with the last answer and what to do; the send that still waits tells it in its story."""
    receiver.rest = answers(500)
    desk.wechat.script = [says(48001)]
    handle = await desk.start(decision_timeout="P30D")
    [first] = await receiver.came("needs_operator")
    await leap(desk.env, 4 * DAY)
    given_up = await cause_of(delivery(desk, first), "NoticeUndelivered")
    for part in ('did not reach "oncall"', "the receiver answers 500", "reset this workflow"):
        assert part in given_up.message
    status = await desk.status(handle)
    assert status.phase == "needs_operator"
    [line] = [line.what for line in status.history if "did not reach" in line.what]
    assert first.webhook_id in line
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"


@pytest.mark.parametrize("raw", [None, {"account": "demo", "name": "x", "notice": {}}, A_HEADER])
async def test_a_malformed_notice_fails_at_once(desk: Desk, raw: Any) -> None:
    """And names what is wrong, where it would be retried for ever."""
    handle = await desk.env.client.start_workflow(
        "Notify", raw, id=notify_id("demo", "oncall", "by-hand"), task_queue=desk.wechat.task_queue
    )
    assert await refusal_of(handle)
