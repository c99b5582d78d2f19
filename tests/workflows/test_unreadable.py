"""An input that no worker can read is refused with a sentence; no workflow task fails over it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract import ids
from tests.looking import PATIENCE
from tests.workflows.conftest import Desk, running, scaled_facts
from tests.workflows.failures import refusal_of
from tests.workflows.model import says
from tests.workflows.unreadable import UNREADABLE
from worker import WORKFLOWS

HALF, _ = UNREADABLE["half an emoji"]
IDS = {ids.MASS_SEND: "mass-send:demo:spring", ids.ACCOUNT: "account:wx-unread"}

BIG = {"known": {"tries": [0] * 500_000}}


@pytest_asyncio.fixture(loop_scope="session")
async def whole_desk(real_env: WorkflowEnvironment) -> AsyncIterator[Desk]:
    """A desk on the real server whose worker has all workflows."""
    async with running(real_env, scaled_facts(), workflows=WORKFLOWS) as found:
        yield found


async def failed_tasks(handle: WorkflowHandle[Any, Any]) -> int:
    history = await handle.fetch_history()
    return sum(event.HasField("workflow_task_failed_event_attributes") for event in history.events)


async def test_every_workflow_refuses_what_it_cannot_read(whole_desk: Desk) -> None:
    """At once, as `InvalidRequest`, with a sentence. `test_payloads.py` has what stands for each of these inputs."""
    assert {found.__name__ for found in WORKFLOWS} == set(ids.WORKFLOW_TYPES)
    for kind in ids.WORKFLOW_TYPES:
        for name in UNREADABLE if kind == ids.MASS_SEND else ("half an emoji", "an unknown encoding"):
            raw, said = UNREADABLE[name]
            handle: WorkflowHandle[Any, Any] = await whole_desk.env.client.start_workflow(
                kind, raw, id=IDS.get(kind, f"unread:{kind}"), task_queue=whole_desk.wechat.task_queue
            )
            refusal = await asyncio.wait_for(refusal_of(handle), PATIENCE)
            assert f"the input cannot be read: {said}" in refusal, (kind, name)
            assert await failed_tasks(handle) == 0
    assert whole_desk.wechat.tries == []


async def test_an_update_that_cannot_be_read_is_refused_with_a_sentence(whole_desk: Desk) -> None:
    """By a send and by an account; both go on."""
    send = await refused_by_wechat(whole_desk)
    account = whole_desk.account
    for handle, name in ((send, "retry"), (send, "abort"), (account, "freeze"), (account, "ask")):
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update(name, HALF)
        assert isinstance(caught.value.cause, ApplicationError)
        assert "half a character" in caught.value.cause.message
    await whole_desk.update(send, "retry")
    assert (await send.result()).outcome == "sent"
    assert (await whole_desk.ledger()).frozen is None


async def test_a_signal_that_cannot_be_read_is_dropped_with_a_log_line(
    whole_desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """By a send and by an account, as one with several inputs is; both go on."""
    send = await refused_by_wechat(whole_desk)
    account = whole_desk.account
    with caplog.at_level(logging.WARNING):
        for handle, name in ((send, "job_finished"), (account, "push"), (account, "told")):
            await handle.signal(name, HALF)
            await handle.signal(name, args=[{"msg_id": 1, "status": "x"}, 2])
        await whole_desk.update(send, "retry")
        assert (await send.result()).outcome == "sent"
    lines = [record.getMessage() for record in caplog.records if "half a character" in record.getMessage()]
    dropped = sorted(line.split(" dropped")[0] for line in lines if "malformed" in line)
    assert dropped == ["malformed job_finished", "malformed push", "malformed told"]
    assert (await failed_tasks(send), await failed_tasks(account)) == (0, 0)


async def test_a_start_of_two_megabytes_is_refused_at_once(whole_desk: Desk) -> None:
    """To check each of its values would take longer than a workflow task has."""
    handle = await whole_desk.start(audience={"kind": "openids", "openids": [""] * 600_000})
    assert "the input has more than 50,000 values" in await asyncio.wait_for(refusal_of(handle), PATIENCE)
    assert await failed_tasks(handle) == 0


async def test_a_signal_or_an_update_of_a_megabyte_is_not_read(
    whole_desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by a send nor by its account. The signal is dropped with a log line, the update refused."""
    send, account = await refused_by_wechat(whole_desk), whole_desk.account
    with caplog.at_level(logging.WARNING):
        for handle, signal, update in (
            (send, "granted", "retry"),
            (send, "job_finished", "abort"),
            (send, "ledger_lost", "mark_sent"),
            (account, "restored", "freeze"),
            (account, "told", "wish"),
        ):
            await handle.signal(signal, BIG)
            with pytest.raises(WorkflowUpdateFailedError) as caught:
                await handle.execute_update(update, BIG)
            assert isinstance(caught.value.cause, ApplicationError)
            assert caught.value.cause.message == "the input is too big: it may have at most 131,072 bytes"
    lines = [record.getMessage() for record in caplog.records]
    dropped = sorted(line.split(" dropped")[0] for line in lines if "dropped: the input is too big" in line)
    assert dropped == ["granted", "job_finished", "ledger_lost", "restored", "told"]
    await whole_desk.update(send, "retry")
    assert (await send.result()).outcome == "sent"
    assert (await failed_tasks(send), await failed_tasks(account)) == (0, 0)


async def refused_by_wechat(desk: Desk) -> WorkflowHandle[Any, Any]:
    desk.wechat.script = [says(48001)]
    send = await desk.start()
    await desk.asks(send, "account_refused")
    return send


async def test_a_query_that_cannot_be_read_is_refused(whole_desk: Desk) -> None:
    """It is not taken for one that asks for everything."""
    await (await whole_desk.start()).result()
    with pytest.raises(WorkflowQueryFailedError, match="half a character"):
        await whole_desk.account.query("ledger", HALF)
