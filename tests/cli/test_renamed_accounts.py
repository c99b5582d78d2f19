"""`qunfa restored` after an account was renamed: what runs under its former name."""

import re
from datetime import UTC, datetime

from temporalio.client import Client

from qunfa.cli.ledger import running_accounts
from qunfa.cli.recovery import Recovery
from qunfa.contract import account_id
from qunfa.settings.account import APPID_PATTERN
from tests.cli.calls import Qunfa, Scripted, having, parsed, until_listed


async def test_restored_names_sends_under_a_name_of_before(
    qunfa: Qunfa, client: Client, key: str, scripted: Scripted
) -> None:
    """The configuration has every account that runs, and another name for that of the send."""
    run = await scripted()
    await until_listed(client, run.id)
    running = [one.removeprefix(account_id("")) for one in await running_accounts(client)]
    known = [appid for appid in (*running, "wx0000000000000007") if re.fullmatch(APPID_PATTERN, appid)]
    configured = having({f"other{number}": appid for number, appid in enumerate(known)})
    said = await qunfa("restored", "--taken", datetime.now(UTC).isoformat(), "--dry-run", "--json", **configured)
    assert f"demo/{key}" in {one.send for one in Recovery.model_validate(parsed(said)).sends}, said.output
    await run.terminate()
