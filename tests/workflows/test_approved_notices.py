"""What webhooks are told of approvals, where one send waits for more than one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.notices.webhook import Receiver
from tests.workflows.conftest import Desk, scaled_facts, usual_facts
from tests.workflows.model import silent
from tests.workflows.noticing import noticing
from tests.workflows.resets import points, reset

APPROVED: Final[dict[str, Any]] = {"approval": {"required": True}, "requested_by": "crm"}


@pytest_asyncio.fixture(loop_scope="session")
async def desk(env: WorkflowEnvironment, receiver: Receiver) -> AsyncIterator[Desk]:
    async with noticing(env, usual_facts(), receiver, "oncall") as found:
        yield found


async def test_each_approval_that_is_awaited_is_told(desk: Desk, receiver: Receiver) -> None:
    """First of a doubt, and once somebody has found nothing of it, of another try."""
    desk.wechat.script = [silent]
    first = await desk.start(**APPROVED)
    await desk.waits(first, "approval")
    await desk.update(first, "approve")
    await desk.until(first, lambda status: status.jobs[-1].state == "unknown")
    await first.terminate("by accident")
    second = await desk.start(**APPROVED)
    await desk.waits(second, "approval")
    await receiver.came("awaiting_approval", 2)
    await desk.asks(second, "unknown_outcome")
    await desk.update(second, "retry", confirm_not_delivered=True)
    await desk.waits(second, "approval")
    posts = await receiver.came("awaiting_approval", 3)
    assert [post.data["may_have_been_delivered"] for post in posts] == [False, True, False]
    await desk.update(second, "approve")
    assert (await second.result()).outcome == "sent"


@pytest.mark.long
async def test_the_approval_of_a_reset_list_is_told_of_its_doubt(
    real_env: WorkflowEnvironment, receiver: Receiver
) -> None:
    """The run before it may have begun batches, and nobody has asked about these before the approval.

    Who approves is told so, and until when there is time. So it is where the key is started anew.
    """
    facts = scaled_facts(http_timeout=timedelta(seconds=10))
    async with noticing(real_env, facts, receiver, "oncall") as desk:
        listed = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}
        handle = await desk.start("in-doubt", audience=listed, **APPROVED)
        await desk.waits(handle, "approval")
        await receiver.came("awaiting_approval")
        described = await real_env.client.get_workflow_handle(handle.id).describe()
        run = real_env.client.get_workflow_handle(handle.id, run_id=described.run_id)
        again = await reset(real_env.client, run, (await points(run))[-1])
        await receiver.came("awaiting_approval", 2)
        await again.terminate("by hand")
        anew = await desk.start("in-doubt", audience=listed, **APPROVED)
        posts = await receiver.came("awaiting_approval", 3)
        assert [(one.data["may_have_been_delivered"], one.data["msg_ids"]) for one in posts] == [
            (False, []),
            (True, []),
            (True, []),
        ]
        assert posts[0].data["answer_by"] < posts[1].data["answer_by"]
        await desk.update(anew, "approve")
        assert (await anew.result()).outcome == "sent"
