"""Notices on the real server: resets, new runs, and sends that are over before their receiver is back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.closed_runs import ClosedRuns
from activities.notices import Notices, RecordedNotices
from qunfa.contract.ids import notify_id
from qunfa.contract.notice import NoticeDelivered, WantedNotice
from qunfa.contract.operators import Status
from qunfa.temporal.payloads import data_converter
from tests.activities.conftest import settings_for
from tests.looking import PATIENCE, until
from tests.media.sources.site import silence
from tests.notices.webhook import SECRET, Post, Receiver, answers, receiving
from tests.workflows.conftest import Desk, running, scaled_facts, short_runs
from tests.workflows.model import says
from tests.workflows.resets import Reapply, points, reset
from workflows.mass_send import MassSend
from workflows.notify import Notify

pytestmark = pytest.mark.long

ALL = ("needs_operator", "awaiting_approval", "sent", "failed", "unknown", "recalled")


@asynccontextmanager
async def noticing(env: WorkflowEnvironment, receiver: Receiver, *names: str, **options: Any) -> AsyncIterator[Desk]:
    """A desk whose account has these webhooks, all of which lead to the receiver."""
    wanted = tuple(WantedNotice(name=name, events=ALL) for name in names)
    facts = scaled_facts()
    # A worker that replays whole histories on a crowded machine still begins its try within the lease.
    timing = facts.timing.model_copy(update={"http_timeout": timedelta(seconds=10)})
    facts = facts.model_copy(update={"notices": wanted, "timing": timing})
    notices = {name: {"url": receiver.url, "secret": SECRET} for name in names}
    settings = settings_for("https://wechat.example", notices=notices)
    record = RecordedNotices(env.client, ClosedRuns(settings, env.client))
    activities = Notices(settings, record, patience=timedelta(seconds=5))
    async with running(env, facts, activities.deliver_notice, **options) as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes whatever comes, until a test says otherwise."""
    async with receiving() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def desk(real_env: WorkflowEnvironment, receiver: Receiver) -> AsyncIterator[Desk]:
    """A desk whose account's webhook `oncall` wants everything."""
    async with noticing(real_env, receiver, "oncall") as found:
        yield found


def delivery(desk: Desk, post: Post, name: str = "oncall") -> WorkflowHandle[Any, NoticeDelivered]:
    """The workflow that has told this."""
    return desk.env.client.get_workflow_handle(notify_id("demo", name, post.webhook_id), result_type=NoticeDelivered)


async def asked(desk: Desk, handle: WorkflowHandle[Any, Any]) -> Status:
    """Once the send waits for an operator's answer."""
    return await until(
        lambda: desk.status(handle), lambda status: status.phase == "needs_operator" and status.waiting_for is not None
    )


async def test_a_send_reset_to_any_point_tells_its_end_once(desk: Desk, receiver: Receiver) -> None:
    """The event has the same id in the new run, and Temporal knows the workflow that has told it."""
    handle = await desk.start()
    await handle.result()
    [post] = await receiver.came("sent")
    await delivery(desk, post).result()
    first = desk.env.client.get_workflow_handle(handle.id, run_id=(await handle.describe()).run_id)
    for point in await points(first):
        again = await reset(desk.env.client, first, point)
        assert (await again.result()).outcome == "sent"
    assert [one.webhook_id for one in receiver.posts] == [post.webhook_id]


async def test_a_question_asked_again_after_a_reset_is_not_told_again(desk: Desk, receiver: Receiver) -> None:
    """It is the same event; what comes after it is told from the new run."""
    desk.wechat.script = [says(48001), says(48001)]
    handle = await desk.start()
    await asked(desk, handle)
    [post] = await receiver.came("needs_operator")
    await delivery(desk, post).result()
    run = desk.env.client.get_workflow_handle(handle.id, run_id=(await handle.describe()).run_id)
    again = await reset(desk.env.client, run, (await points(run))[0], Reapply.NONE)
    await asked(desk, again)
    await desk.update(again, "retry")
    assert (await again.result()).outcome == "sent"
    [end] = await receiver.came("sent")
    assert [one.webhook_id for one in receiver.of("needs_operator")] == [post.webhook_id]
    assert end.data["run_id"] == again.run_id != post.data["run_id"]


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


async def test_a_send_that_is_over_is_told_when_its_receiver_is_back(desk: Desk, receiver: Receiver) -> None:
    """500, a cut connection and a redirect first; each try has the same id and body."""
    receiver.script = [answers(500), goes, answers(302, "Location: http://localhost/")]
    handle = await desk.start()
    await handle.result()
    posts = await receiver.came("sent", 4)
    assert (await delivery(desk, posts[0]).result()).attempt == 4
    assert len({(post.webhook_id, post.body) for post in posts}) == 1
    assert all(post.signed_with(SECRET) for post in posts)


async def goes(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing and go."""


async def test_each_webhook_is_told_by_itself(real_env: WorkflowEnvironment, receiver: Receiver) -> None:
    """One that hangs does not keep the other waiting; both are told the same event."""
    receiver.script = [silence]
    async with noticing(real_env, receiver, "oncall", "crm") as desk:
        await (await desk.start()).result()
        first, second = await receiver.came("sent", 2)
        assert (first.webhook_id, first.body) == (second.webhook_id, second.body)
        found = [await delivery(desk, first, name).describe() for name in ("oncall", "crm")]
        assert WorkflowExecutionStatus.RUNNING in {one.status for one in found}


async def answered(handle: WorkflowHandle[Any, Any], update_id: str) -> None:
    """Have it tried again: it may just be going on in a new run."""
    while True:
        with suppress(WorkflowUpdateFailedError, RPCError):
            await handle.execute_update("retry", {"by": "li", "reason": "again"}, id=update_id)
            return


async def test_a_send_that_goes_on_in_a_new_run_tells_each_event_once(receiver: Receiver) -> None:
    """Continue-as-new every 15 events or so: three questions, one end, four ids."""
    async with short_runs() as env, noticing(env, receiver, "oncall") as desk:
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


async def test_what_was_told_replays(desk: Desk, receiver: Receiver) -> None:
    """With all its children; a replay starts none of them."""
    desk.wechat.script = [says(48001)]
    handle = await desk.start()
    await asked(desk, handle)
    await desk.update(handle, "retry")
    await handle.result()
    [post] = await receiver.came("sent")
    await delivery(desk, post).result()
    replayer = Replayer(workflows=[MassSend, Notify], data_converter=data_converter)
    for one in (handle, delivery(desk, post)):
        await replayer.replay_workflow(await one.fetch_history())
    assert len(receiver.posts) == 2


async def test_a_send_without_any_cache_tells_each_event_once(
    real_env: WorkflowEnvironment, receiver: Receiver
) -> None:
    """Each workflow task replays the whole history, as on another worker."""
    async with noticing(real_env, receiver, "oncall", max_cached_workflows=0) as desk:
        desk.wechat.script = [says(48001)]
        handle = await desk.start()
        await receiver.came("needs_operator")
        await asked(desk, handle)
        await desk.update(handle, "retry")
        assert (await handle.result()).outcome == "sent"
        await receiver.came("sent")
    assert [post.type for post in receiver.posts] == ["needs_operator", "sent"]


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
