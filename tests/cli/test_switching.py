"""`qunfa freeze` and `unfreeze` of several accounts, against the real `Account`."""

import secrets
from typing import Any

import pytest
from temporalio.client import Client

from qunfa.cli.view import Switched
from qunfa.contract import account_id
from qunfa.contract.ledger import LedgerView
from tests.cli.calls import DESERTED_QUEUE, Qunfa, parsed

WHY = ("--reason", "a leak")


@pytest.fixture
def appids() -> dict[str, str]:
    """Two accounts that this machine's configuration has."""
    return {name: f"wx{secrets.token_hex(8)}" for name in ("brand", "shop")}


@pytest.fixture
def configured(appids: dict[str, str]) -> dict[str, str]:
    """The configuration, without an AppSecret."""
    fields = {f"{name}__APPID": appid for name, appid in appids.items()}
    fields |= {f"{name}__KIND": "service" for name in appids}
    return {f"QUNFA_ACCOUNTS__{name.upper()}": value for name, value in fields.items()}


async def frozen(client: Client, appid: str) -> Any:
    """Who has frozen the account, and why; None where nobody has."""
    view: LedgerView = await client.get_workflow_handle(account_id(appid)).query("ledger", result_type=LedgerView)
    return view.frozen and (view.frozen.by, view.frozen.reason)


async def test_all_accounts_are_frozen_and_unfrozen(
    qunfa: Qunfa, client: Client, appids: dict[str, str], configured: dict[str, str]
) -> None:
    """Each has its line, and its entry in the JSON."""
    answer = await qunfa("freeze", "--all", "--yes", *WHY, **configured)
    assert answer.exit_code == 0, answer.output
    assert sorted(answer.stdout.splitlines()) == [
        f"{name}  {appid}  FROZEN  nothing is in flight" for name, appid in appids.items()
    ]
    assert [await frozen(client, appid) for appid in appids.values()] == [("li", "a leak")] * 2
    opened = await qunfa("unfreeze", "--all", "--yes", "--json", **configured)
    switched = [Switched.model_validate(one) for one in parsed(opened)]
    assert [(one.account, one.appid, one.refusal) for one in switched] == [
        (name, appid, None) for name, appid in appids.items()
    ]
    assert [await frozen(client, appid) for appid in appids.values()] == [None, None]


async def test_one_that_fails_stops_none_of_the_others(
    qunfa: Qunfa, client: Client, appids: dict[str, str], configured: dict[str, str]
) -> None:
    """Why is said; exit 1."""
    answer = await qunfa("freeze", "nosuch", *appids, "--yes", "--json", *WHY, **configured)
    assert answer.exit_code == 1
    switched = {one["account"]: one for one in parsed(answer)}
    assert list(switched) == ["nosuch", *appids]
    assert "Neither this configuration nor any account's ledger knows nosuch" in switched["nosuch"]["refusal"]
    assert "nosuch  NOT FROZEN: " in answer.stderr
    assert [await frozen(client, appid) for appid in appids.values()] == [("li", "a leak")] * 2


async def test_each_account_is_frozen_once(qunfa: Qunfa, client: Client, appids: dict[str, str]) -> None:
    """Also where it is named twice."""
    appid = appids["shop"]
    answer = await qunfa("freeze", appid, appid, *WHY)
    assert (answer.exit_code, answer.stdout.splitlines()[0]) == (0, f"{appid}  FROZEN")


async def test_nothing_is_left_behind_without_a_worker(
    qunfa: Qunfa, client: Client, configured: dict[str, str]
) -> None:
    """Each says so; exit 1."""
    answer = await qunfa("freeze", "--all", "--yes", "--task-queue", DESERTED_QUEUE, *WHY, **configured)
    assert answer.exit_code == 1
    assert answer.stdout.count(f"NOT FROZEN: No worker polls the task queue {DESERTED_QUEUE}") == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "Say which accounts"),
        (("shop", "--all"), "not by both"),
        (("--all",), "add --yes"),
        (("--all", "--yes", "--appid", "wx0123456789abcdef"), "--appid goes with one ACCOUNT"),
        (("shop", "brand", "--appid", "wx0123456789abcdef"), "--appid goes with one ACCOUNT"),
    ],
)
@pytest.mark.parametrize("command", ["freeze", "unfreeze"])
async def test_who_is_meant_has_to_be_clear(
    qunfa: Qunfa, configured: dict[str, str], command: str, args: tuple[str, ...], said: str
) -> None:
    """Without a terminal nobody can say yes to all; exit 2, and nothing is switched."""
    answer = await qunfa(command, *args, *(WHY if command == "freeze" else ()), **configured)
    assert (answer.exit_code, said in answer.stderr) == (2, True), answer.output


async def test_all_of_no_configuration_is_wrong_use(qunfa: Qunfa) -> None:
    """Nobody is to believe that everything is frozen."""
    answer = await qunfa("freeze", "--all", "--yes", *WHY)
    assert (answer.exit_code, "The configuration has no account" in answer.stderr) == (2, True)
