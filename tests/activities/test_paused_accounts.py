"""An account that somebody has paused in Temporal: no worker ends by it, and nobody takes it for one that is gone."""

import uuid

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities import LostQueues
from activities.ledger import ledger_view
from qunfa.contract.ids import ACCOUNT, account_id
from tests.activities.conftest import settings_for
from tests.temporal import paused


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
