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

BIG = {"known": {"tries": [0] * 70_000}}


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


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([HALF], "half a character"),
        ([BIG], "the input is too big: it may have at most 131,072 bytes"),
        ([{"msg_id": 1, "status": "x"}, 2], None),
    ],
    ids=["unreadable", "too big", "several inputs"],
)
async def test_no_signal_or_update_is_taken_that_is_not_read(
    whole_desk: Desk, caplog: pytest.LogCaptureFixture, args: list[Any], said: str | None
) -> None:
    """Neither by a send nor by its account. The signal is dropped with a log line, the update refused; both go on."""
    send, account = await refused_by_wechat(whole_desk), whole_desk.account
    with caplog.at_level(logging.WARNING):
        for handle, signal, update in (
            (send, "granted", "retry"),
            (send, "job_finished", "abort"),
            (send, "ledger_lost", "mark_sent"),
            (account, "restored", "freeze"),
            (account, "told", "wish"),
            (account, "push", "ask"),
        ):
            await handle.signal(signal, args=args)
            if said is not None:
                with pytest.raises(WorkflowUpdateFailedError) as caught:
                    await handle.execute_update(update, args[0])
                assert isinstance(caught.value.cause, ApplicationError)
                assert said in caught.value.cause.message
        await whole_desk.update(send, "retry")
        assert (await send.result()).outcome == "sent"
    lines = [line for line in map(logging.LogRecord.getMessage, caplog.records) if " dropped" in line]
    names = [line.removeprefix("malformed ").split()[0] for line in lines if said is None or said in line]
    assert sorted(names) == ["granted", "job_finished", "ledger_lost", "push", "restored", "told"]
    assert (await whole_desk.ledger()).frozen is None
    assert (await failed_tasks(send), await failed_tasks(account)) == (0, 0)


async def test_a_start_of_too_many_values_is_refused_at_once(whole_desk: Desk) -> None:
    """To check each of two megabytes of them would take longer than a workflow task has."""
    handle = await whole_desk.start(audience={"kind": "openids", "openids": [""] * 60_000})
    assert "the input has more than 50,000 values" in await asyncio.wait_for(refusal_of(handle), PATIENCE)
    assert await failed_tasks(handle) == 0


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
