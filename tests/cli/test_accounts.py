"""`qunfa freeze`, `unfreeze`, `ledger` and `forget`, of one account and of several, against the real `Account`."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any
from unittest.mock import AsyncMock

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.account import Switched
from qunfa.cli.errors import Refused, Unreadable
from qunfa.cli.ledger import describe_account, views_of
from qunfa.contract import ACCOUNT, account_id, mass_send_id
from qunfa.contract.grants import Turn, Wish
from qunfa.contract.ledger import Forgotten, FreezeAnswer, LedgerView
from tests.cli.calls import DESERTED_QUEUE, QUEUE, Qunfa, having, ledger_of, parsed, until_listed

SECOND = timedelta(seconds=1)
WHY = ("--reason", "a leak")


@pytest.fixture
def appids() -> dict[str, str]:
    """Two accounts that this machine's configuration has."""
    return {name: f"wx{secrets.token_hex(8)}" for name in ("brand", "shop")}


@pytest.fixture
def configured(appids: dict[str, str]) -> dict[str, str]:
    return having(appids)


def _wish(workflow_id: str, key: str, run_id: str, turn: Turn | None = None) -> Wish:
    return Wish(wish=f"w-{key}", key=key, digest="d", workflow_id=workflow_id, run_id=run_id, searched=True, turn=turn)


async def _known(client: Client, appid: str, name: str, key: str) -> None:
    """The account's ledger holds a key of the account `name`, and Temporal's list holds the account."""
    wish = _wish(mass_send_id(name, key), key, "00000000-0000-0000-0000-000000000000")
    handle = await client.start_workflow(
        ACCOUNT, id=account_id(appid), task_queue=QUEUE, start_signal="wants", start_signal_args=[wish]
    )
    await until_listed(client, handle.id)


async def frozen(qunfa: Qunfa, appid: str) -> Any:
    """Who has frozen the account, and why; None where nobody has."""
    view = await ledger_of(qunfa, appid)
    return view.frozen and (view.frozen.by, view.frozen.reason)


async def test_freeze_holds_until_unfreeze(qunfa: Qunfa, client: Client, appid: str) -> None:
    """Freeze starts the account's workflow where it does not run yet, and says so; unfreeze opens it again."""
    first = await qunfa("freeze", appid, *WHY, "--json")
    said = FreezeAnswer.model_validate(parsed(first)).frozen
    assert (parsed(first)["account"], parsed(first)["appid"]) == (appid, appid)
    assert "pace:" not in (await qunfa("ledger", appid)).stdout, "its first submission brings it along"
    assert (said and said.by, said and said.reason) == ("li", "a leak")
    assert "see that this is the appid you mean" in first.stderr
    opened = await qunfa("unfreeze", appid, "--json")
    assert FreezeAnswer.model_validate(parsed(opened)).frozen is None
    assert opened.stderr == ""
    twice = await qunfa("freeze", appid, appid, *WHY)
    assert (twice.exit_code, twice.stdout.splitlines()[0]) == (0, f"{appid}  FROZEN")


async def test_a_freeze_beside_another_persons_says_so(qunfa: Qunfa, client: Client, appid: str) -> None:
    """It adds nothing, and ends with that one."""
    await qunfa("freeze", appid, "--by", "bo", "--reason", "wrong price")
    again = await qunfa("freeze", appid, *WHY)
    said = f"{appid} was frozen already, and your freeze ends with that one: by bo since"
    assert said in again.stderr.replace("\n", " ")
    assert await frozen(qunfa, appid) == ("bo", "wrong price")
    other = await qunfa("freeze", appid, "--by", "bo", *WHY)
    assert (other.stderr, await frozen(qunfa, appid)) == ("", ("bo", "a leak"))


async def test_a_freeze_reaches_an_account_where_it_runs(qunfa: Qunfa, client: Client, appid: str) -> None:
    """Whatever queue this machine names. That nothing is submitted is said of the account's own queue alone."""
    elsewhere = {"QUNFA_TASK_QUEUE": DESERTED_QUEUE}
    fresh = await qunfa("freeze", appid, *WHY, **elsewhere)
    assert (fresh.exit_code, "This account does not run" in fresh.stderr) == (1, True)
    assert "nothing is submitted" not in fresh.stderr
    await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=QUEUE)
    assert (await qunfa("freeze", appid, *WHY, **elsewhere)).exit_code == 0
    assert (await qunfa("unfreeze", appid, **elsewhere)).exit_code == 0
    assert await frozen(qunfa, appid) is None
    run = client.get_workflow_handle(account_id(appid))
    await run.terminate()
    await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=DESERTED_QUEUE)
    idle = await qunfa("unfreeze", appid)
    assert (idle.exit_code, "Without one nothing is submitted" in idle.stderr) == (1, True)
    await run.terminate()


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["shown", "json"])
async def test_another_persons_freeze_is_ended_knowingly(
    qunfa: Qunfa, client: Client, appid: str, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal shows whose it is, and asks; a script says --yes. One's own is ended at once."""
    bos = ("freeze", appid, "--by", "bo", "--reason", "wrong price")
    await qunfa(*bos)
    script = await qunfa("unfreeze", appid, *more)
    assert (script.exit_code, script.stdout, "add --yes" in script.stderr) == (2, "", True)
    assert (await qunfa("unfreeze", appid, "--by", "bo", *more)).exit_code == 0
    await qunfa(*bos)
    monkeypatch.setattr("qunfa.cli.options.on_a_terminal", lambda: True)
    no = await qunfa("unfreeze", appid, *more, stdin="n\n")
    told = " ".join(no.stderr.split())
    assert (no.exit_code, f"{appid} FROZEN by bo since" in told, f"wrong price Unfreeze {appid}?" in told) == (
        1,
        True,
        True,
    )
    assert await frozen(qunfa, appid) == ("bo", "wrong price")
    assert (await qunfa("unfreeze", appid, *more, stdin="y\n")).exit_code == 0
    await qunfa(*bos)
    assert (await qunfa("unfreeze", appid, "--yes", *more)).exit_code == 0
    assert await frozen(qunfa, appid) is None


@pytest.mark.usefixtures("terminal")
async def test_an_unfreeze_asks_where_an_account_is_silent(
    qunfa: Qunfa, client: Client, appid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its freeze may be anybody's."""
    await qunfa("freeze", appid, *WHY)

    async def views(_client: Client, ids: Sequence[str]) -> dict[str, LedgerView | None]:
        return dict.fromkeys(ids)

    monkeypatch.setattr("qunfa.cli.account.views_of", views)
    no = await qunfa("unfreeze", appid, stdin="n\n")
    assert (no.exit_code, "it does not say whether it is frozen" in no.stderr) == (1, True)
    assert await frozen(qunfa, appid) == ("li", "a leak")


@pytest.mark.usefixtures("terminal")
async def test_an_unfreeze_ends_no_freeze_that_it_did_not_see(
    qunfa: Qunfa, client: Client, appid: str, configured: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker polls at the first look, and one does a moment later."""
    await qunfa("freeze", appid, "--by", "bo", "--reason", "wrong price")
    for accounts in ((appid,), (appid, "nosuch")):
        first = chain([Refused("No worker polls.")], repeat(None))
        monkeypatch.setattr("qunfa.cli.account.demand_worker", AsyncMock(side_effect=first))
        answer = await qunfa("unfreeze", *accounts, stdin="n\n", **configured)
        assert (answer.exit_code, "No worker polls." in answer.stderr) == (1, True)
    assert await frozen(qunfa, appid) == ("bo", "wrong price")


@pytest.mark.usefixtures("terminal")
async def test_several_accounts_are_unfrozen_knowingly(
    qunfa: Qunfa, client: Client, appids: dict[str, str], configured: dict[str, str]
) -> None:
    """By --all each has its line; by their names they are shown where one is frozen by somebody else."""
    await qunfa("freeze", appids["brand"], "--by", "bo", "--reason", "wrong price")
    for words in (("--all",), ("shop", "brand", "nosuch")):
        no = await qunfa("unfreeze", *words, stdin="n\n", **configured)
        lines = [" ".join(line.split()) for line in no.stderr.splitlines()]
        assert (no.exit_code, f"shop {appids['shop']} open" in lines) == (1, True)
        assert any(line.startswith(f"brand {appids['brand']} FROZEN by bo since") for line in lines)
    assert any(line.startswith("nosuch Neither this configuration") for line in lines)
    await qunfa("unfreeze", appids["brand"], "--yes")
    own = await qunfa("unfreeze", "shop", "brand", **configured)
    assert (own.exit_code, "Unfreeze" in own.stderr) == (0, False)


async def test_a_name_leads_to_the_appid_by_the_ledger(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """Or by the configuration, which wins. What looks like an appid but is none would be a freeze of nobody."""
    name = f"shop-{key[:8]}"
    await _known(client, appid, name, key)
    answer = await qunfa("freeze", name, *WHY)
    assert (answer.exit_code, f"{appid}  FROZEN" in answer.stdout) == (0, True)
    answer = await qunfa("freeze", "wxshop", *WHY)
    assert (answer.exit_code, "give its appid" in answer.stderr) == (2, True)
    answer = await qunfa("freeze", "wxshop", *WHY, **having({"wxshop": appid}))
    assert f"{appid}  FROZEN" in answer.stdout


async def test_a_freeze_by_an_old_configuration_names_who_else_sent(qunfa: Qunfa, client: Client, key: str) -> None:
    """The name has another appid at the workers: it is frozen as configured here, and the other one is named."""
    name, older, newer = f"n{key[:8]}", *(f"wx{secrets.token_hex(8)}" for _ in range(2))
    old = having({name: older})
    await _known(client, older, name, "then")
    assert "has sent, too" not in (await qunfa("freeze", name, *WHY, **old)).stderr
    await _known(client, newer, name, "now")
    answer = await qunfa("freeze", name, *WHY, **old)
    assert (answer.exit_code, f"{older}  FROZEN" in answer.stdout) == (0, True)
    assert f"{name} stands for {older} here. Under this name {newer} has sent, too" in answer.stderr
    assert f"{newer} has sent, too" in (await qunfa("freeze", name, older, *WHY, "--yes", **old)).stderr
    assert "has sent, too" not in (await qunfa("unfreeze", name, "--yes", **old)).stderr


async def test_no_name_is_taken_for_an_appid(qunfa: Qunfa, client: Client, key: str) -> None:
    """Not by --appid, which starts nothing then; nor where a workflow has been started by such a mistake."""
    name = f"shop-{key[:8]}"
    typed = await qunfa("freeze", "shop", "--appid", name, *WHY)
    assert (typed.exit_code, f"--appid '{name}' is no AppID" in typed.stderr) == (2, True)
    assert await describe_account(client, name) is None
    run = await client.start_workflow(ACCOUNT, id=account_id(name), task_queue=QUEUE)
    caught = await qunfa("freeze", name, *WHY)
    assert (caught.exit_code, "give its appid instead of its name" in caught.stderr) == (2, True)
    await run.terminate()
    short = f"wx-{key[:8]}"
    assert (await qunfa("freeze", "shop", "--appid", short, *WHY)).exit_code == 0
    assert (await qunfa("unfreeze", short)).exit_code == 0


async def test_two_appids_under_one_name_are_not_guessed(qunfa: Qunfa, client: Client, key: str) -> None:
    """Both are named, and --appid decides."""
    name, appids = f"two-{key[:8]}", [f"wx{secrets.token_hex(8)}" for _ in range(2)]
    for appid in appids:
        await _known(client, appid, name, key)
    answer = await qunfa("ledger", name)
    assert answer.exit_code == 2
    assert all(appid in answer.stderr for appid in appids)
    assert (await qunfa("ledger", name, "--appid", appids[0])).exit_code == 0


@pytest.mark.parametrize("silent", [0, 1])
async def test_a_silent_account_may_have_the_name_too(
    qunfa: Qunfa, client: Client, key: str, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is frozen or forgotten by a guess: exit 2, and the one that did not answer is named."""
    name, appids = f"one-{key[:8]}", [f"wx{secrets.token_hex(8)}" for _ in range(2)]
    for appid, who in zip(appids, (name, "other"), strict=True):
        await _known(client, appid, who, key)

    async def views(client: Client, ids: Sequence[str]) -> dict[str, LedgerView | None]:
        return {**await views_of(client, ids), account_id(appids[silent]): None}

    monkeypatch.setattr("qunfa.cli.ledger.views_of", views)
    for words in (("freeze", name), ("forget", name, key, "--yes")):
        answer = await qunfa(*words, *WHY)
        assert answer.exit_code == 2
        said = f"{account_id(appids[silent])} did not answer, so which account {name} is stays open: give its appid."
        assert said in answer.stderr
    monkeypatch.undo()
    views_now = [await ledger_of(qunfa, appid) for appid in appids]
    assert [(view.frozen, len(view.records)) for view in views_now] == [(None, 1), (None, 1)]


@pytest.mark.parametrize(
    ("error", "code"), [(RPCError("gone", RPCStatusCode.UNAVAILABLE, b""), 3), (Unreadable(), 1)], ids=["lost", "newer"]
)
@pytest.mark.parametrize(("words", "doubtful"), [("get", False), ("set 2 --reason r --yes", True)])
async def test_a_speed_without_an_answer_may_have_been_set(
    qunfa: Qunfa,
    client: Client,
    *,
    words: str,
    doubtful: bool,
    error: Exception,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said, with how to look; a question changes nothing."""
    monkeypatch.setattr("qunfa.cli.workers.begin", AsyncMock(side_effect=error))
    answer = await qunfa("speed", "demo", *words.split())
    said = "The speed may have been set: qunfa speed demo get" in answer.stderr
    assert (answer.exit_code, said) == (code, doubtful)


async def test_ledger_shows_who_waits(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """The next one first, and how many are before it; it is not forgotten while it waits."""
    await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=QUEUE)
    run = await client.start_workflow("Nobody", id=mass_send_id("demo", key), task_queue=DESERTED_QUEUE)
    soon = datetime.now(UTC) + timedelta(minutes=30)
    turn = Turn(generation=0, clientmsgid="c0", due=soon, pace=SECOND, http_timeout=30 * SECOND)
    wish = _wish(run.id, key, run.result_run_id or "", turn)
    await client.get_workflow_handle(account_id(appid)).signal("wants", wish)
    assert [(one.key, one.place) for one in (await ledger_of(qunfa, appid)).waiting] == [(key, 0)]
    assert "Waiting for their turn" in (await qunfa("ledger", appid)).stdout
    refused = await qunfa("forget", appid, key, *WHY, "--yes")
    assert (refused.exit_code, "waits for its turn; abort it first" in refused.stderr) == (1, True)
    await run.terminate()


async def test_a_key_is_forgotten(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """The ledger does not know it any more, and shows who has had it forgotten, and why."""
    await _known(client, appid, "demo", key)
    assert [record.key for record in (await ledger_of(qunfa, appid)).records] == [key]
    assert (await ledger_of(qunfa, appid, "--key", "other")).records == ()
    assert key in (await qunfa("ledger", appid)).stdout
    answer = await qunfa("forget", appid, key, "--reason", "a test of ours", "--yes", "--json")
    line = Forgotten.model_validate(parsed(answer))
    assert (line.key, line.by, line.reason) == (key, "li", "a test of ours")
    view = await ledger_of(qunfa, appid)
    assert (view.records, view.forgotten) == ((), (line,))
    assert "a test of ours" in (await qunfa("ledger", appid)).stdout
    again = await qunfa("forget", appid, key, *WHY, "--yes")
    assert (again.exit_code, f"does not know the key {key}" in again.stderr) == (1, True)


async def test_an_account_that_never_sent_has_noledger_of(qunfa: Qunfa, client: Client, appid: str) -> None:
    """Exit 1, with a sentence; there is nothing to forget, either."""
    for words in (("ledger", appid), ("forget", appid, "k", *WHY, "--yes")):
        answer = await qunfa(*words)
        assert (answer.exit_code, f"Nothing has been sent by {appid}" in answer.stderr) == (1, True)


@pytest.mark.usefixtures("terminal")
async def test_all_accounts_are_frozen_and_unfrozen(
    qunfa: Qunfa, client: Client, appids: dict[str, str], configured: dict[str, str]
) -> None:
    """Once a person has said yes to their names. Each has its line, and its entry in the JSON."""
    no = await qunfa("freeze", "--all", *WHY, stdin="n\n", **configured)
    assert (no.exit_code, "FROZEN" in no.stdout, "brand\nshop\nFreeze these 2?" in no.stderr) == (1, False, True)
    answer = await qunfa("freeze", "--all", *WHY, stdin="y\n", **configured)
    assert answer.exit_code == 0, answer.output
    assert sorted(line for line in answer.stdout.splitlines() if "FROZEN" in line) == [
        f"{name}  {appid}  FROZEN  nothing is in flight" for name, appid in appids.items()
    ]
    assert [await frozen(qunfa, appid) for appid in appids.values()] == [("li", "a leak")] * 2
    opened = await qunfa("unfreeze", "--all", "--yes", "--json", **configured)
    switched = [Switched.model_validate(one) for one in parsed(opened)]
    assert [(one.account, one.appid, one.refusal) for one in switched] == [
        (name, appid, None) for name, appid in appids.items()
    ]
    assert [await frozen(qunfa, appid) for appid in appids.values()] == [None, None]


async def test_one_that_fails_stops_none_of_the_others(
    qunfa: Qunfa, client: Client, appids: dict[str, str], configured: dict[str, str]
) -> None:
    """Why is said, also by the exit code. Without a worker that is so of each, and nothing is left behind."""
    deserted = await qunfa("freeze", "--all", "--yes", "--task-queue", DESERTED_QUEUE, *WHY, **configured)
    assert deserted.exit_code == 1
    assert deserted.stdout.count(f"NOT FROZEN: No worker polls the task queue {DESERTED_QUEUE}") == 2
    assert (await qunfa("ledger", appids["shop"])).exit_code == 1
    answer = await qunfa("freeze", "nosuch", *appids, "--yes", "--json", *WHY, **configured)
    assert answer.exit_code == 2
    switched = {one["account"]: one for one in parsed(answer)}
    assert list(switched) == ["nosuch", *appids]
    assert "Neither this configuration nor any account's ledger knows nosuch" in switched["nosuch"]["refusal"]
    assert "nosuch  NOT FROZEN: " in answer.stderr
    assert [await frozen(qunfa, appid) for appid in appids.values()] == [("li", "a leak")] * 2


async def test_every_appid_of_the_settings_can_be_asked_for(qunfa: Qunfa, client: Client, appid: str) -> None:
    """The settings take large letters, and - and _, in an AppID; so does the command line."""
    odd = f"wxA-{appid}"
    run = await client.start_workflow(ACCOUNT, id=account_id(odd), task_queue=QUEUE)
    answer = await qunfa("ledger", odd)
    assert answer.exit_code == 0, answer.output
    await run.terminate()


async def test_a_question_without_a_worker_tells_of_no_start(qunfa: Qunfa, client: Client, appid: str) -> None:
    """`qunfa ledger` starts nothing, worker or not, so it names only the queue."""
    run = await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=DESERTED_QUEUE)
    answer = await qunfa("ledger", appid)
    said = " ".join(answer.stderr.split())
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in said
    assert (answer.exit_code, said.endswith("(`qunfa worker`).")) == (1, True), said
    await run.terminate()
