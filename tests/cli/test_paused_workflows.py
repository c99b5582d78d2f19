"""A workflow that somebody has paused in Temporal: the SDK does not know of that, and an operator has to."""

from datetime import UTC, datetime

from temporalio.client import Client

from qunfa.cli.ledger import running_accounts
from qunfa.cli.temporal_checks import look_at_own_workflow
from qunfa.cli.view import SendView
from qunfa.contract.ids import ACCOUNT, account_id
from tests.cli.calls import QUEUE, Qunfa, Scripted, parsed
from tests.cli.stub import status
from tests.looking import until
from tests.temporal import paused


async def test_a_paused_send_says_how_it_is_unpaused(
    client: Client, qunfa: Qunfa, scripted: Scripted, key: str
) -> None:
    """It is no send that has ended. A list shows it, and an answer to it says why there is none."""
    handle = await scripted(status("scheduled"))
    await paused(client, handle.id)
    view = SendView.model_validate(parsed(await qunfa("status", f"demo/{key}", "--json")))
    assert (view.state, view.status) == ("running", None)
    assert f"unpause it (`temporal workflow unpause --workflow-id {handle.id}`)" in (view.note or "")
    shown = await until(lambda: qunfa("list", "--query", f"WorkflowId = '{handle.id}'"), lambda one: key in one.stdout)
    assert shown.exit_code == 0
    answer = await qunfa("abort", f"demo/{key}", "--reason", "wrong text", "--yes")
    assert (answer.exit_code, "Workflow is paused" in answer.stderr) == (1, True)


async def test_a_paused_account_is_named_as_paused(client: Client, qunfa: Qunfa, key: str) -> None:
    """By its ledger, by the doctor, and among those that a freeze of all is for."""
    appid = f"wx{key}"
    account = await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=QUEUE)
    await paused(client, account.id)
    told = f"temporal workflow unpause --workflow-id {account.id}"
    answer = await qunfa("ledger", "demo", "--appid", appid)
    assert (answer.exit_code, told in answer.stderr) == (1, True)
    finding = await look_at_own_workflow(client, QUEUE, "demo", appid, datetime.now(UTC))
    assert (finding.state, finding.todo) == ("failed", "Unpause it in Temporal (`temporal workflow unpause`).")
    await until(lambda: running_accounts(client), lambda found: account.id in found)
    await account.terminate()
