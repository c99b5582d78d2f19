"""What is said to a list while its batch is answered by its own key: it ends the rest, or holds that back."""

import asyncio
import secrets
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from qunfa.contract.operators import Status
from tests.looking import until
from tests.workflows.conftest import Desk
from tests.workflows.model import accepts, says, silent
from tests.workflows.test_in_batches import FILE, batch, failed, sent_to

pytestmark = pytest.mark.long
FOUND = 4711


@pytest.fixture
def key() -> str:
    """Of this test alone: a list that ends also looks for batches of its key, and other tests leave some of theirs."""
    return f"answered-{secrets.token_hex(6)}"


async def checked(
    desk: Desk, key: str, name: str, **found: int
) -> tuple[WorkflowHandle[Any, Any], asyncio.Task[Status], asyncio.Event]:
    """A list, an answer to its first batch that is checked, and what lets WeChat tell."""
    asked, tells = asyncio.Event(), asyncio.Event()

    async def asks() -> None:
        asked.set()
        await tells.wait()

    desk.wechat.before_status, desk.wechat.push_at_once = asks, "send fail"
    handle = await desk.start(key, audience=FILE)
    await desk.asks(handle, "send_failed")
    answer = asyncio.create_task(desk.update(batch(desk, 1, key), name, **found))
    await asked.wait()
    await desk.until(handle, lambda status: "retry" not in status.answers)
    desk.wechat.push_at_once = "send success"
    return handle, answer, tells


async def test_a_list_is_aborted_whatever_its_batch_is_answered(real_desk: Desk, key: str) -> None:
    """A slow try of the batch was found, and that is being checked. The rest goes to nobody."""
    real_desk.wechat.script, real_desk.wechat.statuses[FOUND] = [silent, accepts], "SENDING"
    handle, answer, tells = await checked(real_desk, key, "mark_sent", msg_id=FOUND)
    await real_desk.update(handle, "abort")
    tells.set()
    await answer
    await real_desk.wechat.push(FOUND)
    assert ((await handle.result()).outcome, await sent_to(real_desk)) == ("partly_sent", [1, 1])


async def test_a_list_is_aborted_whose_batch_was_aborted(real_desk: Desk, key: str) -> None:
    """Its batch ends already, by another's word about that batch alone."""
    real_desk.wechat.script = [says(40003)]
    handle = await real_desk.start(key, audience=FILE)
    await real_desk.asks(handle, "audience_refused")
    real_desk.slow.says = "nothing"
    await real_desk.update(batch(real_desk, 1, key), "abort")
    await real_desk.update(handle, "abort")
    real_desk.slow.says = None
    assert ((await failed(handle)).outcome, await sent_to(real_desk)) == ("aborted", [1])


async def test_a_list_is_paused_whose_batch_is_retried(real_desk: Desk, key: str) -> None:
    """The batch may go out, as that was asked for before, or may still be held back. The rest waits."""
    handle, answer, tells = await checked(real_desk, key, "retry")

    async def is_held() -> bool:
        waiting = [(await real_desk.status(one)).waiting_for for one in (handle, batch(real_desk, 1, key))]
        return any(one is not None and one.reason.startswith("resume") for one in waiting)

    await real_desk.update(handle, "pause")
    tells.set()
    await answer
    await until(is_held)
    assert await sent_to(real_desk) in ([1], [1, 1])
    await real_desk.update(handle, "resume")
    assert ((await handle.result()).outcome, await sent_to(real_desk)) == ("sent", [1, 1, 2, 3])
