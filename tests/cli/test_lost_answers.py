"""An update that is carried out, and whose answer is lost: nobody is told that nothing was done."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateHandle, WorkflowUpdateStage
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.cli.connection import carried_out
from qunfa.cli.recovery import Recovery
from qunfa.contract import ACCOUNT, account_id, mass_send_id
from qunfa.contract.grants import Wish
from qunfa.contract.ledger import LedgerView
from tests.cli.calls import QUEUE, Qunfa, Scripted, parsed
from tests.cli.stub import ScriptedCheck, status
from tests.looking import until
from tests.temporal import is_polled

LOST = {
    RPCStatusCode.UNAVAILABLE: 3,
    RPCStatusCode.UNKNOWN: 1,
    RPCStatusCode.INTERNAL: 1,
    RPCStatusCode.FAILED_PRECONDITION: 1,
}
"""What Temporal says instead of the answer, and the exit code."""
PERHAPS = "This may have been carried out: look before you repeat it."
WHY = ("--reason", "a leak")


def lose_answers(monkeypatch: pytest.MonkeyPatch, code: RPCStatusCode, *, before: bool = False) -> None:
    """Each update is carried out, unless it ends `before`, and then this error comes."""
    for owner, name in ((WorkflowHandle, "start_update"), (Client, "start_update_with_start_workflow")):
        monkeypatch.setattr(owner, name, _losing(getattr(owner, name), code, before=before))


def _losing(whole: Any, code: RPCStatusCode, *, before: bool) -> Any:
    async def lost(*args: Any, **more: Any) -> None:
        if not before:
            await (await whole(*args, **more)).result()
        raise RPCError("reset by peer", code, b"")

    return lost


@pytest.mark.parametrize("code", LOST)
async def test_a_send_whose_answer_is_lost_may_be_answered(
    qunfa: Qunfa, scripted: Scripted, key: str, code: RPCStatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one it stands on stderr; of several in the line and in the JSON."""
    handles = [await scripted(status("scheduled"), more=f"-{one}") for one in "abc"]
    names = [f"demo/{key}-{one}" for one in "abc"]
    lose_answers(monkeypatch, code)
    one = await qunfa("pause", names[0])
    silent = "answer" if code is RPCStatusCode.UNAVAILABLE else "say what became of this"
    said = f"Temporal did not {silent}: reset by peer. {PERHAPS}"
    assert (one.exit_code, one.stderr.replace("\n", " ").strip()) == (LOST[code], said)
    several = await qunfa("pause", *names[:2], "--yes")
    assert (several.exit_code, several.stdout.splitlines()[0]) == (LOST[code], f"{names[0]}  NOT KNOWN: {said}")
    [told, *_others] = parsed(await qunfa("pause", names[2], names[1], "--yes", "--json"))
    assert (told["perhaps"], told["refusal"]) == (True, said)
    assert [bool(await one.query("received")) for one in (handles[0], handles[2])] == [True, True]


@pytest.mark.parametrize("code", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_a_refused_update_is_no_lost_answer(
    qunfa: Qunfa, scripted: Scripted, key: str, code: RPCStatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal has not taken it: it is certainly not done."""
    for one in "ab":
        await scripted(status("scheduled"), more=f"-{one}")
    lose_answers(monkeypatch, code, before=True)
    answers = parsed(await qunfa("pause", f"demo/{key}-a", f"demo/{key}-b", "--yes", "--json"))
    assert [one["perhaps"] for one in answers] == [False, False]
    assert PERHAPS not in answers[0]["refusal"]


async def test_an_account_whose_answer_is_lost_may_be_frozen(
    qunfa: Qunfa, client: Client, appid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads NOT FROZEN; and the exit code is that of the error."""
    other = f"wx{secrets.token_hex(8)}"
    lose_answers(monkeypatch, RPCStatusCode.UNAVAILABLE)
    one = await qunfa("freeze", appid, *WHY)
    assert (one.exit_code, PERHAPS in one.stderr) == (3, True)
    several = await qunfa("freeze", appid, other, "--yes", *WHY)
    assert (several.exit_code, several.stdout.count("NOT KNOWN: "), several.stdout.count("NOT FROZEN")) == (3, 2, 0)
    told = parsed(await qunfa("freeze", appid, other, "--yes", "--json", *WHY))
    assert [one["perhaps"] for one in told] == [True, True]
    view = LedgerView.model_validate(parsed(await qunfa("ledger", appid, "--json")))
    assert view.frozen is not None


async def test_a_lost_answer_to_forget_or_done_is_doubted(
    qunfa: Qunfa, client: Client, appid: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key may be forgotten, and the account may take new keys again."""
    run = "00000000-0000-0000-0000-000000000000"
    wish = Wish(wish="w", key=key, digest="d", workflow_id=mass_send_id("demo", key), run_id=run, searched=True)
    await client.start_workflow(
        ACCOUNT, id=account_id(appid), task_queue=QUEUE, start_signal="wants", start_signal_args=[wish]
    )
    taken = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert (await qunfa("restored", appid, "--taken", taken, *WHY, "--yes")).exit_code == 0
    lose_answers(monkeypatch, RPCStatusCode.INTERNAL)
    forgotten = await qunfa("forget", appid, key, *WHY, "--yes")
    assert (forgotten.exit_code, PERHAPS in forgotten.stderr) == (1, True)
    done = await qunfa("restored", appid, "--done", "--yes", "--json")
    [account] = Recovery.model_validate(parsed(done)).accounts
    assert (done.exit_code, account.state, PERHAPS in (account.refusal or "")) == (1, "not known", True)


@pytest.fixture
def told_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits hears of it at once."""
    monkeypatch.setattr("qunfa.cli.connection._QUIET_SECONDS", 0.05)


@pytest.mark.usefixtures("told_early")
async def test_a_freeze_after_the_last_worker_went_is_doubted(
    qunfa: Qunfa, server: Client, key: str, appid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporal still lists the worker. The SDK alone would call again for ever."""
    monkeypatch.setattr("qunfa.cli.connection._ACCEPTED_SECONDS", 0.1)
    async with Worker(server, task_queue=key, workflows=[ScriptedCheck], workflow_runner=UnsandboxedWorkflowRunner()):
        await until(lambda: is_polled(server, key))
    appids = (appid, f"wx{secrets.token_hex(8)}")
    accounts = [await server.start_workflow(ACCOUNT, id=account_id(one), task_queue=key) for one in appids]
    one = await qunfa("freeze", appid, *WHY)
    said = one.stderr.replace("\n", " ")
    assert (one.exit_code, one.stdout) == (1, "")
    assert f"The workflow {account_id(appid)} has not answered yet. It may still carry this out." in said
    assert "No worker answered in time. This may still be carried out when a worker comes up" in said
    several = await qunfa("freeze", *appids, "--yes", *WHY)
    assert (several.exit_code, several.stdout.count("NOT KNOWN: No worker answered in time.")) == (1, 2)
    for account in accounts:
        await account.terminate()


@pytest.mark.usefixtures("told_early")
async def test_an_answer_that_a_send_took_in_is_doubted_too(
    qunfa: Qunfa, scripted: Scripted, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is accepted, and what it comes to is not said in time: nobody reads that no worker answered."""
    monkeypatch.setattr("qunfa.cli.connection._ANSWERED_SECONDS", 0.1)
    handle = await scripted(status("scheduled"))
    await handle.signal("hold", True)
    one = await qunfa("pause", f"demo/{key}")
    said = one.stderr.replace("\n", " ")
    assert (one.exit_code, "No worker answered" in said) == (1, False)
    assert f"The workflow {handle.id} has accepted this and is at it:" in said
    assert f"The workflow {handle.id} has accepted this, and has not said in time what came of it." in said
    other = await scripted(status("scheduled"), more="-b")
    await other.signal("hold", True)
    several = parsed(await qunfa("pause", f"demo/{key}", f"demo/{key}-b", "--yes", "--json"))
    assert [one["perhaps"] for one in several] == [True, True]
    for held in (handle, other):
        await held.signal("hold", False)


@pytest.mark.usefixtures("told_early")
async def test_what_a_send_took_in_is_heard_later(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after minutes in which WeChat is asked: the short bound is over once it is accepted."""
    monkeypatch.setattr("qunfa.cli.connection._ACCEPTED_SECONDS", 0.05)
    told = asyncio.Event()
    monkeypatch.setattr("qunfa.cli.connection.note", lambda _: told.set())
    handle = await scripted(status("scheduled"))
    await handle.signal("hold", True)
    update = await handle.start_update("pause", {"by": "li"}, wait_for_stage=WorkflowUpdateStage.ACCEPTED)

    async def accepted() -> WorkflowUpdateHandle[Any]:
        return update

    carrying_out = asyncio.create_task(carried_out(accepted(), handle.id))
    await told.wait()
    await handle.signal("hold", False)
    assert (await carrying_out)["phase"] == "paused"


@pytest.mark.parametrize("code", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.NOT_FOUND])
async def test_no_error_after_a_send_took_it_in_undoes_it(
    qunfa: Qunfa, scripted: Scripted, key: str, code: RPCStatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, the same errors say that nothing was done."""
    await scripted(status("scheduled"))
    whole = WorkflowUpdateHandle.result
    monkeypatch.setattr(WorkflowUpdateHandle, "result", _losing(whole, code, before=True))
    one = await qunfa("pause", f"demo/{key}")
    assert PERHAPS in one.stderr.replace("\n", " ")
