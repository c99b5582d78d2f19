"""Notices on the real server: resets, new runs, sends that are over, and notices that somebody has forged."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.closed_runs import ClosedRuns
from qunfa.contract.ids import MASS_SEND_IN_BATCHES, notify_id
from qunfa.rules.notices import webhook_id
from qunfa.rules.problems import ASKS_NOBODY, NO_NEW_KEY, PROBLEMS
from tests.activities.conftest import settings_for
from tests.looking import PATIENCE, until
from tests.media.sources.site import silence
from tests.notices.webhook import Receiver, answers
from tests.workflows.conftest import Desk, running, scaled_facts
from tests.workflows.failures import cause_of
from tests.workflows.model import accepts, says, silent
from tests.workflows.noticing import delivery, noticing
from tests.workflows.resets import points, reset

FORGED: Final[dict[str, Any]] = {
    "account": "demo",
    "name": "oncall",
    "webhook_id": "msg_forged",
    "notice": {
        "type": "sent",
        "timestamp": "2026-12-01T09:00:00Z",
        "data": {
            "account": "demo",
            "key": "spring",
            "workflow_id": "mass-send:demo:spring",
            "run_id": "019ab1c2-7d4e-7a10-9f6e-2f1f0e3c4b5a",
            "may_have_been_delivered": True,
        },
    },
}
FILE: Final = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}
PATIENT = timedelta(seconds=10)
"""A worker that replays whole histories on a crowded machine still begins its try within the lease."""


@pytest_asyncio.fixture(loop_scope="session")
async def desk(real_env: WorkflowEnvironment, receiver: Receiver) -> AsyncIterator[Desk]:
    async with noticing(real_env, scaled_facts(http_timeout=PATIENT), receiver, "oncall") as found:
        yield found


@pytest.mark.long
async def test_a_send_reset_to_any_point_tells_its_end_once(desk: Desk, receiver: Receiver) -> None:
    """And each question: the event has the same id in the new run, and Temporal knows the workflow that has told it."""
    desk.wechat.script = [says(48001), *[accepts] * 50]
    handle = await desk.start()
    await desk.asks(handle, "account_refused")
    await desk.update(handle, "retry")
    await handle.result()
    posts = [(await receiver.came(kind))[0] for kind in ("needs_operator", "sent")]
    await asyncio.gather(*(delivery(desk, post).result() for post in posts))
    first = desk.first_run(handle)
    for point in await points(first):
        again = await reset(desk.env.client, first, point)
        assert (await again.result()).outcome == "sent"
    assert [one.webhook_id for one in receiver.posts] == [post.webhook_id for post in posts]


@pytest.mark.long
async def test_a_terminated_send_does_not_take_its_notices_along(desk: Desk, receiver: Receiver) -> None:
    """What has happened is told, though its send is gone; of its termination nobody is left to tell."""
    receiver.rest = answers(503)
    desk.wechat.script = [says(48001)]
    handle = await desk.start()
    [post, *_] = await receiver.came("needs_operator")
    await handle.terminate("a mistake")
    receiver.rest = answers(200)
    assert (await delivery(desk, post).result()).attempt > 1
    assert {one.type for one in receiver.posts} == {"needs_operator"}


@pytest.mark.long
async def test_a_send_that_was_to_go_out_again_ends_in_doubt(real_env: WorkflowEnvironment) -> None:
    """Who has terminated it may have found what another had confirmed as not delivered. Its account was frozen then."""
    facts = scaled_facts(window=timedelta(seconds=2))
    async with running(real_env, facts) as desk:
        desk.wechat.script = [silent] * 50
        handle = await desk.start()
        await desk.asks(handle, "unknown_outcome")
        await desk.freeze()
        await desk.update(handle, "retry", confirm_not_delivered=True)
        await desk.waits(handle, "frozen")
        await handle.terminate("it is there")
        settings = settings_for("https://wechat.example", appid=facts.appid)
        notice = await ClosedRuns(settings, real_env.client).notice_of(await handle.describe())
    assert notice is not None
    assert (notice.type, notice.data.may_have_been_delivered, notice.data.msg_ids) == ("terminated", True, ())


async def test_a_terminated_send_that_asks_nobody_says_so(real_env: WorkflowEnvironment) -> None:
    """As its own end would: started again as it was, its key would end in the same doubt."""
    facts = scaled_facts()
    async with running(real_env, facts) as desk:
        desk.wechat.script = [silent] * 50
        handle = await desk.start(on_problem="fail")
        await desk.until(handle, lambda status: [job.state for job in status.jobs] == ["unknown"])
        await handle.terminate("a mistake")
        settings = settings_for("https://wechat.example", appid=facts.appid)
        notice = await ClosedRuns(settings, real_env.client).notice_of(await handle.describe())
    assert notice is not None
    assert notice.data.problem is not None
    assert notice.data.problem.todo == NO_NEW_KEY + ASKS_NOBODY


async def test_each_webhook_is_told_by_itself(real_env: WorkflowEnvironment, receiver: Receiver) -> None:
    """One that hangs does not keep the other waiting; both are told the same event."""
    receiver.script, receiver.rest = [silence, answers(200)], silence
    async with noticing(real_env, scaled_facts(), receiver, "oncall", "crm") as desk:
        await (await desk.start()).result()
        first, second, *_ = await receiver.came("sent", 2)
        assert (first.webhook_id, first.body) == (second.webhook_id, second.body)

        async def found() -> set[WorkflowExecutionStatus | None]:
            return {(await delivery(desk, first, name).describe()).status for name in ("oncall", "crm")}

        await until(found, {WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.RUNNING}.__eq__)


async def answered(handle: WorkflowHandle[Any, Any], update_id: str) -> None:
    """Have it tried again: it may just be going on in a new run."""
    while True:
        with suppress(WorkflowUpdateFailedError, RPCError):
            await handle.execute_update("retry", {"by": "li", "reason": "again"}, id=update_id)
            return


@pytest.mark.long
async def test_a_send_that_goes_on_in_a_new_run_tells_each_event_once(
    short_env: WorkflowEnvironment, receiver: Receiver
) -> None:
    """Continue-as-new every 15 events or so: three questions, one end, four ids."""
    async with noticing(short_env, scaled_facts(), receiver, "oncall") as desk:
        desk.wechat.script = [says(48001)] * 3
        handle = await desk.start()
        async with asyncio.timeout(PATIENCE):
            for asked_so_far in (1, 2, 3):
                await receiver.came("needs_operator", asked_so_far)
                await answered(handle, f"retry-{asked_so_far}")
        assert (await handle.result()).outcome == "sent"
        assert (await handle.describe()).run_id != handle.first_execution_run_id
        await receiver.came("sent")
    assert Counter(post.type for post in receiver.posts) == {"needs_operator": 3, "sent": 1}
    assert len({post.webhook_id for post in receiver.posts}) == 4


async def test_a_send_in_batches_tells_its_approval_and_end(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the run that `MassSend` goes on as. A batch tells what it asks, under its own key, and no end.

    The end names all batches: more than a status does.
    """
    monkeypatch.setattr("qunfa.batches.show.ROWS_SHOWN", 2)
    desk.wechat.script = [says(40003)]
    handle = await desk.start(audience=FILE, approval={"required": True}, requested_by="crm")
    await receiver.came("awaiting_approval")
    await desk.update(handle, "approve")
    await receiver.came("needs_operator")
    await desk.asks(handle, "audience_refused")
    await desk.update(handle, "retry")
    result = await handle.result()
    await receiver.came("sent")
    asked, of_batch, end = receiver.posts
    assert [(post.type, post.data["key"]) for post in receiver.posts] == [
        ("awaiting_approval", "spring"),
        ("needs_operator", "spring.1"),
        ("sent", "spring"),
    ]
    described = await desk.env.client.get_workflow_handle(handle.id).describe()
    assert described.workflow_type == MASS_SEND_IN_BATCHES
    assert (asked.data["run_id"], end.data["run_id"]) == (described.run_id, described.run_id)
    assert of_batch.data["workflow_id"] == "mass-send:demo:spring.1"
    assert end.data["msg_ids"] == [job.msg_id for job in result.jobs]
    assert (len((await desk.status(handle)).jobs), len(end.data["msg_ids"])) == (2, 3)


@pytest.mark.long
async def test_another_question_of_a_reset_list_is_told(desk: Desk, receiver: Receiver) -> None:
    """Both are its first one, and about the list; the same question again is told once.

    Its plan may have been forgotten with its batches. Where WeChat tells no audience, nothing was begun.
    """
    desk.store.errcode = 48001
    handle = await desk.start("list", audience=FILE)
    await receiver.came("needs_operator")
    for missing in (False, True):
        desk.store.missing, desk.store.errcode = missing, None if missing else 48001
        described = await desk.env.client.get_workflow_handle(handle.id).describe()
        run = desk.env.client.get_workflow_handle(handle.id, run_id=described.run_id)
        again = await reset(desk.env.client, run, (await points(run))[0])
        await desk.asks(again, "plan_missing" if missing else "account_refused")
    posts = await receiver.came("needs_operator", 2)
    names = ["account_refused", "plan_missing"]
    assert [post.data["problem"]["name"] for post in posts] == names
    assert [post.data["problem"]["sentence"] for post in posts] == [PROBLEMS[name].sentence for name in names]
    assert [post.data["may_have_been_delivered"] for post in posts] == [False, True]
    await again.terminate("by hand")


@pytest.mark.long
async def test_a_notice_that_was_given_up_is_tried_again_when_it_is_reset(desk: Desk, receiver: Receiver) -> None:
    """As its failure says: under the same id, with the facts of then."""
    receiver.script = [answers(410)]
    await (await desk.start()).result()
    [first] = await receiver.came("sent")
    given_up = delivery(desk, first)
    with pytest.raises(WorkflowFailureError):
        await given_up.result()
    await reset(desk.env.client, given_up, (await points(given_up))[0])
    await receiver.came("sent", 2)
    assert {(post.webhook_id, post.body) for post in receiver.posts} == {(first.webhook_id, first.body)}
    assert (await delivery(desk, first).result()).status == 204


# What a webhook is told is what a workflow of ours has recorded, whoever starts `Notify` with whatever


async def refused(desk: Desk, **forged: Any) -> str:
    """Why a ``Notify`` fails that a stranger has started so."""
    notify = await desk.env.client.start_workflow(
        "Notify",
        {**FORGED, **forged},
        id=notify_id("demo", "oncall", FORGED["webhook_id"]),
        task_queue=desk.wechat.task_queue,
    )
    return (await cause_of(notify, "NoticeRefused")).message


async def test_what_was_asked_for_is_told_as_it_was_recorded(desk: Desk, receiver: Receiver) -> None:
    """The right names with a forged notice: the receiver gets once more what it has; of other names it gets nothing.

    A notice of a newer version is for the worker to read, or for one of that version.
    """
    handle = await desk.start()
    await handle.result()
    [post] = await receiver.came("sent")
    told = delivery(desk, post)
    await told.result()
    of = {"workflow_id": handle.id, "run_id": (await handle.describe()).run_id}
    assert "has not asked for msg_forged" in await refused(desk, **of)
    forged = {**FORGED, "webhook_id": post.webhook_id, **of}
    assert forged["notice"] != post.json
    newer = {**forged, "notice": {**FORGED["notice"], "type": "of-a-newer-version"}}
    for notice in (forged, newer):
        await desk.env.client.execute_workflow("Notify", notice, id=told.id, task_queue=desk.wechat.task_queue)
    assert [one.body for one in receiver.posts] == [post.body] * 3


@pytest.mark.parametrize("account", ["other", "demo:x"])
async def test_a_send_of_another_account_is_not_told(desk: Desk, receiver: Receiver, account: str) -> None:
    """Nor is one that is not there, however good the notice looks."""
    other = await desk.env.client.start_workflow(
        "MassSend", {"account": account}, id=f"mass-send:{account}:spring", task_queue=desk.wechat.task_queue
    )
    with pytest.raises(WorkflowFailureError):
        await other.result()
    said = await refused(desk, workflow_id=other.id, run_id=other.first_execution_run_id)
    assert "is no workflow of this account" in said
    missing = FORGED["notice"]["data"]
    said = await refused(desk, workflow_id=missing["workflow_id"], run_id=missing["run_id"])
    assert "mass-send:demo:spring (run 019ab1c2-7d4e-7a10-9f6e-2f1f0e3c4b5a) does not exist" in said
    assert receiver.posts == []


@workflow.defn(name="MassSend", sandboxed=False)
class Impostor:
    """Somebody else's workflow under a name of ours, which asks for a notice as ours does."""

    @workflow.run
    async def run(self, queue: str) -> None:
        info = workflow.info()
        asked = {**FORGED, "webhook_id": webhook_id(info.workflow_id, info.first_execution_run_id, "ended sent")}
        asked |= {"workflow_id": info.workflow_id, "run_id": info.run_id}
        await workflow.execute_child_workflow(
            "Notify", asked, id=notify_id("demo", "oncall", str(asked["webhook_id"])), task_queue=queue
        )


async def test_a_workflow_on_a_queue_of_somebody_else_tells_nothing(desk: Desk, receiver: Receiver) -> None:
    """Whoever runs workers of his own can give workflows our names and ids, and have anything in their histories."""
    async with Worker(
        desk.env.client, task_queue="elsewhere", workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        with pytest.raises(WorkflowFailureError) as caught:
            await desk.env.client.execute_workflow(
                "MassSend", desk.wechat.task_queue, id="mass-send:demo:impostor", task_queue="elsewhere"
            )
    cause: BaseException | None = caught.value
    while cause and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == "NoticeRefused"
    assert "on this task queue" in cause.message
    assert receiver.posts == []
