"""An account that somebody has paused in Temporal: no worker ends by it, and nobody takes it for one that is gone."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities import LostQueues
from activities.ledger import ledger_view
from qunfa.contract.ids import ACCOUNT, account_id
from tests.activities.conftest import settings_for
from tests.looking import until
from tests.temporal import paused
from workflows.account import Account


async def signals_of(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The names of those that have come to it."""
    events = (await handle.fetch_history()).events
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]


@pytest.mark.parametrize("running", [False, True])
async def test_a_paused_account_is_away_and_ends_no_worker(temporal: Client, *, running: bool) -> None:
    """A worker looks for lost accounts again and again. What the ledger knows is not known now, and is not nothing."""
    settings = settings_for("https://wechat.example", appid=f"wx{uuid.uuid4().hex[:16]}")
    [appid] = {account.appid for account in settings.accounts.values()}
    account = await temporal.start_workflow(ACCOUNT, id=account_id(appid), task_queue=settings.task_queue)
    await paused(temporal, account.id)
    looks = LostQueues(settings, temporal)
    for _ in range(2):
        await looks.look()
    with pytest.raises(ApplicationError, match="could not be asked") as caught:
        await ledger_view(temporal, appid, None, running=running)
    assert not caught.value.non_retryable
    await account.terminate()


async def test_a_paused_account_is_told_of_a_restore_at_once(temporal: Client) -> None:
    """The account before it doubted one. It grants nothing while it is paused, and has heard of it by then."""
    settings = settings_for("https://wechat.example", appid=f"wx{uuid.uuid4().hex[:16]}")
    [appid] = {account.appid for account in settings.accounts.values()}
    queue = settings.task_queue
    async with Worker(temporal, task_queue=queue, workflows=[Account]):
        before = await temporal.start_workflow(ACCOUNT, id=account_id(appid), task_queue=queue)
        await before.signal("restored", {"by": "li", "reason": "disk", "taken": datetime.now(UTC).isoformat()})
        assert (await before.query("ledger", {"key": ""}))["restored"] is not None
        await before.terminate()
        account = await temporal.start_workflow(ACCOUNT, id=account_id(appid), task_queue=queue)
        await paused(temporal, account.id)
        looks = LostQueues(settings, temporal)

        async def told() -> bool:
            await looks.look()
            return "restored" in await signals_of(account)

        await until(told, bool)
    await account.terminate()
