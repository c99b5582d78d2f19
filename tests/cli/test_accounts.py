"""`qunfa freeze`, `unfreeze`, `ledger` and `forget`, against the real `Account`."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from qunfa.contract import ACCOUNT, account_id, mass_send_id
from qunfa.contract.grants import Turn, Wish
from qunfa.contract.ledger import Forgotten, FreezeAnswer, LedgerView
from tests.cli.calls import DESERTED_QUEUE, QUEUE, Qunfa, parsed


@pytest.fixture
def appid() -> str:
    """An appid as WeChat writes them."""
    return f"wx{secrets.token_hex(8)}"


SECOND = timedelta(seconds=1)


async def _known(client: Client, appid: str, name: str, key: str) -> None:
    """The account's ledger holds a key of the account `name`."""
    wish = Wish(
        wish=f"w-{key}",
        key=key,
        digest="d",
        workflow_id=mass_send_id(name, key),
        run_id="00000000-0000-0000-0000-000000000000",
        searched=True,
    )
    await client.start_workflow(
        ACCOUNT, id=account_id(appid), task_queue=QUEUE, start_signal="wants", start_signal_args=[wish]
    )


async def test_freeze_holds_until_unfreeze(qunfa: Qunfa, client: Client, appid: str) -> None:
    """Freeze starts the account's workflow where it does not run yet, and says so; unfreeze opens it again."""
    first = await qunfa("freeze", appid, "--reason", "a leak", "--json")
    frozen = FreezeAnswer.model_validate(parsed(first)).frozen
    assert (frozen and frozen.by, frozen and frozen.reason) == ("li", "a leak")
    assert "see that this is the appid you mean" in first.stderr
    opened = await qunfa("unfreeze", appid, "--json")
    assert FreezeAnswer.model_validate(parsed(opened)).frozen is None
    assert opened.stderr == ""


async def test_a_name_leads_to_the_appid_by_the_ledger(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """An operator needs no configuration: who has sent under the name is in the account's ledger."""
    name = f"shop-{key[:8]}"
    await _known(client, appid, name, key)
    answer = await qunfa("freeze", name, "--reason", "r")
    assert answer.exit_code == 0
    assert f"{appid}  FROZEN" in answer.stdout


async def test_the_configuration_knows_an_appid(qunfa: Qunfa, client: Client, appid: str) -> None:
    """A configured account's name wins over everything that is found."""
    answer = await qunfa(
        "freeze",
        "wxshop",
        "--reason",
        "r",
        QUNFA_ACCOUNTS__WXSHOP__APPID=appid,
        QUNFA_ACCOUNTS__WXSHOP__SECRET="s",
        QUNFA_ACCOUNTS__WXSHOP__KIND="service",
    )
    assert f"{appid}  FROZEN" in answer.stdout


async def test_a_name_that_leads_nowhere_freezes_nothing(qunfa: Qunfa, client: Client) -> None:
    """What looks like an appid but is none would be a freeze that protects nobody."""
    answer = await qunfa("freeze", "wxshop", "--reason", "r")
    assert answer.exit_code == 2
    assert "--appid" in answer.stderr


async def test_two_appids_under_one_name_are_not_guessed(qunfa: Qunfa, client: Client, key: str) -> None:
    """Both are named, and --appid decides."""
    name, appids = f"two-{key[:8]}", [f"wx{secrets.token_hex(8)}" for _ in range(2)]
    for appid in appids:
        await _known(client, appid, name, key)
    answer = await qunfa("ledger", name)
    assert answer.exit_code == 2
    assert all(appid in answer.stderr for appid in appids)
    assert (await qunfa("ledger", name, "--appid", appids[0])).exit_code == 0


async def test_ledger_shows_keys(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """All of it, or one key of it, as JSON and as tables."""
    await _known(client, appid, "demo", key)
    everything = LedgerView.model_validate(parsed(await qunfa("ledger", appid, "--json")))
    assert [record.key for record in everything.records] == [key]
    other = LedgerView.model_validate(parsed(await qunfa("ledger", appid, "--key", "other", "--json")))
    assert other.records == ()
    assert key in (await qunfa("ledger", appid)).stdout


async def test_ledger_shows_who_waits(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """The next one first, and how many are before it."""
    await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=QUEUE)
    run = await client.start_workflow("Nobody", id=mass_send_id("demo", key), task_queue=DESERTED_QUEUE)
    soon = datetime.now(UTC) + timedelta(minutes=30)
    turn = Turn(generation=0, clientmsgid="c0", due=soon, pace=SECOND, http_timeout=30 * SECOND)
    run_id = run.result_run_id or ""
    wish = Wish(wish="w", key=key, digest="d", workflow_id=run.id, run_id=run_id, searched=True, turn=turn)
    await client.get_workflow_handle(account_id(appid)).signal("wants", wish)
    answer = await qunfa("ledger", appid, "--json")
    assert [(one.key, one.place) for one in LedgerView.model_validate(parsed(answer)).waiting] == [(key, 0)]
    shown = (await qunfa("ledger", appid)).stdout
    assert "Waiting for their turn" in shown
    refused = await qunfa("forget", appid, key, "--reason", "r", "--yes")
    assert (refused.exit_code, "waits for its turn; abort it first" in refused.stderr) == (1, True)
    await run.terminate()


async def test_a_key_is_forgotten(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """The ledger does not know it any more, and shows who has had it forgotten, and why."""
    await _known(client, appid, "demo", key)
    answer = await qunfa("forget", appid, key, "--reason", "a test of ours", "--yes", "--json")
    line = Forgotten.model_validate(parsed(answer))
    assert (line.key, line.by, line.reason) == (key, "li", "a test of ours")
    view = LedgerView.model_validate(parsed(await qunfa("ledger", appid, "--json")))
    assert (view.records, view.forgotten) == ((), (line,))
    shown = (await qunfa("ledger", appid)).stdout
    assert "a test of ours" in shown
    again = await qunfa("forget", appid, key, "--reason", "r", "--yes")
    assert (again.exit_code, f"does not know the key {key}" in again.stderr) == (1, True)


async def test_nothing_is_forgotten_unasked(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """Without a terminal it needs --yes; where nothing was sent, there is nothing to forget."""
    await _known(client, appid, "demo", key)
    unasked = await qunfa("forget", appid, key, "--reason", "r")
    assert (unasked.exit_code, "add --yes" in unasked.stderr) == (2, True)
    assert len(LedgerView.model_validate(parsed(await qunfa("ledger", appid, "--json"))).records) == 1
    nobody = await qunfa("forget", f"wx{secrets.token_hex(8)}", key, "--reason", "r", "--yes")
    assert (nobody.exit_code, "Nothing has been sent by" in nobody.stderr) == (1, True)


async def test_an_account_that_never_sent_has_no_ledger(qunfa: Qunfa, client: Client, appid: str) -> None:
    """Exit 1, with a sentence."""
    answer = await qunfa("ledger", appid)
    assert answer.exit_code == 1
    assert f"Nothing has been sent by {appid}" in answer.stderr


async def test_no_freeze_is_left_behind_without_a_worker(qunfa: Qunfa, client: Client, appid: str) -> None:
    """Nobody would confirm it, so nothing is started."""
    answer = await qunfa("freeze", appid, "--reason", "r", "--task-queue", DESERTED_QUEUE)
    assert answer.exit_code == 1
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in answer.stderr
    assert (await qunfa("ledger", appid)).exit_code == 1
