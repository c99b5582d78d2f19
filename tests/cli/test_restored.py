"""`qunfa restored` against the real `Account`: before workers run, while they do, and when all is started again."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from temporalio.client import Client

from qunfa.cli.recovery import Recovery
from qunfa.contract import ACCOUNT, account_id, mass_send_id
from qunfa.contract.checks import Diagnosis, Finding
from qunfa.contract.facts import Known, Owned, Try
from qunfa.contract.grants import Granted, Report, Turn, Wish
from qunfa.contract.ids import RECALL_MASS_SEND, recall_id
from qunfa.contract.operators import Restore
from qunfa.contract.result import Answer
from qunfa.contract.steps import TRIED
from tests.cli.calls import DESERTED_QUEUE, QUEUE, Qunfa, Scripted, having, ledger_of, log_line, parsed, until_listed
from tests.looking import until

pytestmark = pytest.mark.usefixtures("client")

SECOND = timedelta(seconds=1)
AT = datetime.now(UTC) - timedelta(hours=1)
TAKEN = ("--taken", AT.isoformat())
WHY = ("--reason", "disk lost", "--yes")


@pytest.fixture
def name() -> str:
    """The name of an account that no other test has."""
    return f"brand{secrets.token_hex(4)}"


@pytest.fixture
def configured(name: str, appid: str) -> dict[str, str]:
    return having({name: appid})


async def _restored(qunfa: Qunfa, code: int, *words: str, **given: str) -> Recovery:
    """What the command tells; `code` is how it exits."""
    said = await qunfa("restored", *words, "--json", **given)
    assert said.exit_code == code, said.output
    return Recovery.model_validate(parsed(said))


def _stand(recovery: Recovery) -> list[tuple[str, str | None]]:
    """How each account is now, and who has frozen it."""
    return [(one.state, one.frozen_by) for one in recovery.accounts]


async def test_a_restored_account_is_told_before_its_workers_run(
    qunfa: Qunfa, client: Client, name: str, appid: str, configured: dict[str, str]
) -> None:
    """It is told by a signal, which waits for them; the next step is to start them, but for its running recall.

    Somebody may have cancelled that since, and it would delete something.
    """
    recalls = [
        await client.start_workflow(RECALL_MASS_SEND, id=recall_id(one, 7), task_queue=DESERTED_QUEUE)
        for one in (name, f"{name}-other")
    ]
    for one in recalls:
        await until_listed(client, one.id)
    recovery = await _restored(qunfa, 0, name, *TAKEN, *WHY, "--task-queue", DESERTED_QUEUE, **configured)
    assert [(one.account, one.appid, one.state) for one in recovery.accounts] == [(name, appid, "told")]
    assert (recovery.worker, recovery.idle, recovery.taken) == (False, (DESERTED_QUEUE,), AT)
    assert recovery.next[0].endswith(f": temporal workflow cancel --workflow-id {recalls[0].id}")
    assert recovery.next[1].startswith("Start the workers")
    handle = client.get_workflow_handle(account_id(appid))
    signals = [
        event
        async for event in handle.fetch_history_events()
        if event.workflow_execution_signaled_event_attributes.signal_name
    ]
    assert len(signals) == 1
    for one in (handle, *recalls):
        await one.terminate()


async def test_restored_twice_and_done_twice_are_as_good_as_once(
    qunfa: Qunfa, client: Client, name: str, appid: str, configured: dict[str, str]
) -> None:
    """It is frozen, and knows; then it is open, and what comes up is new."""
    late: list[bool] = []
    for _ in range(2):
        told = await _restored(qunfa, 0, name, *TAKEN, *WHY, **configured)
        assert _stand(told) == [("knows it", "li")]
        late.append("A worker ran before this was told" in " ".join(told.next))
    assert late == [True, False]
    shown = await qunfa("restored", name, *TAKEN, *WHY, **configured)
    assert "knows it" in shown.stdout
    assert f"qunfa restored {name} --done" in shown.stdout, "others may still be starting theirs again"
    assert "each key asks a person first" in (await qunfa("ledger", appid)).stdout
    for _ in range(2):
        assert _stand(await _restored(qunfa, 0, name, "--done", "--yes", **configured)) == [("caught up", None)]
    view = await ledger_of(qunfa, appid)
    assert view.restored is not None
    assert view.restored.ended_at is not None
    assert "each key asks a person first" not in (await qunfa("ledger", appid)).stdout


async def test_no_worker_is_late_for_a_corrected_snapshot(
    qunfa: Qunfa, name: str, appid: str, configured: dict[str, str]
) -> None:
    """It froze when it was told the wrong time. Told after the end of that restore, it has sent since."""
    late: list[bool] = []
    for seconds in range(3):
        taken = ("--taken", (AT + seconds * SECOND).isoformat())
        told = await _restored(qunfa, 0, name, *taken, *WHY, **configured)
        assert [one.state for one in told.accounts] == ["knows it"]
        late.append(told.late)
        if seconds:
            await qunfa("restored", name, "--done", "--yes", **configured)
    assert late == [True, False, True]


async def test_a_restore_told_anew_after_its_end_is_refused(
    qunfa: Qunfa, name: str, appid: str, configured: dict[str, str]
) -> None:
    """Exit 1, frozen or not: it changes nothing. A later time does."""
    later = ("--taken", (AT + SECOND).isoformat())
    await qunfa("restored", name, *TAKEN, *WHY, **configured)
    await qunfa("restored", name, "--done", "--yes", **configured)
    for words in (WHY, ("--dry-run",)):
        again = await _restored(qunfa, 1, name, *TAKEN, *words, **configured)
        assert _stand(again) == [("refused", None)]
        assert "Give a --taken that is a second later" in str(again.accounts[0].refusal)
    assert _stand(await _restored(qunfa, 0, name, *later, *WHY, **configured)) == [("knows it", "li")]
    restored = (await ledger_of(qunfa, appid)).restored
    assert restored is not None
    assert restored.ended_at is None


@pytest.mark.usefixtures("terminal")
async def test_what_was_unfrozen_since_a_restore_is_named(
    qunfa: Qunfa, client: Client, name: str, appid: str, configured: dict[str, str]
) -> None:
    """Told of it again, it stays open: the question promises no freeze, and the next steps say how it is frozen.

    That freeze is a person's: --done leaves it, and its next step says so.
    """
    told = await qunfa("restored", name, *TAKEN, "--reason", "disk lost", stdin="y\n", **configured)
    assert f"Tell {name} of it? Each that has not heard of it freezes" in told.stderr.replace("\n", " ")
    assert "somebody has unfrozen" not in told.stdout
    await until_listed(client, account_id(appid))
    await qunfa("unfreeze", name, **configured)
    recovery = await _restored(qunfa, 0, name, *TAKEN, *WHY, **configured)
    assert _stand(recovery) == [("knows it", None)]
    assert any("somebody has unfrozen" in step and f"qunfa freeze {name}" in step for step in recovery.next)
    await qunfa("freeze", name, "--reason", "as restored said", "--by", "li", **configured)
    no = await qunfa("restored", name, "--done", stdin="n\n", **configured)
    assert f"Was all started again that {name} may have forgotten?" in no.stderr.replace("\n", " ")
    done = await _restored(qunfa, 0, name, "--done", "--yes", **configured)
    assert _stand(done) == [("caught up", "li")]
    assert f"{name} has caught up, and stays frozen by li: qunfa unfreeze {name}" in done.next


async def test_an_account_that_was_told_already_stays_as_it_was(qunfa: Qunfa, client: Client, name: str) -> None:
    """The command had ended between two accounts. Given again it goes on, and so with --done."""
    names = [f"{name}{number}" for number in (1, 2)]
    appids = [f"wx{secrets.token_hex(8)}" for _ in names]
    configured = having(dict(zip(names, appids, strict=True)))

    async def told(*words: str) -> list[tuple[str, str | None]]:
        return _stand(await _restored(qunfa, 0, *words, **configured))

    await told(names[0], *TAKEN, *WHY)
    first = (await ledger_of(qunfa, appids[0])).restored
    assert (first and first.taken, (await qunfa("ledger", appids[1])).exit_code) == (AT, 1)
    assert await told(*names, *TAKEN, *WHY) == [("knows it", "li")] * 2
    assert (await ledger_of(qunfa, appids[0])).restored == first
    for appid in appids:
        await until_listed(client, account_id(appid))
    waiting = await _restore_found(qunfa)
    assert (waiting.state, [one in waiting.said for one in appids]) == ("warning", [True, True])

    await told(names[0], "--done", "--yes")
    views = [await ledger_of(qunfa, one) for one in appids]
    assert [bool(view.frozen) for view in views] == [False, True]
    still = await _restore_found(qunfa)
    assert [one in still.said for one in appids] == [False, True]
    assert await told(*names, "--done", "--yes") == [("caught up", None)] * 2
    over = [(await ledger_of(qunfa, one)).restored for one in appids]
    assert [bool(one and one.ended_at) for one in over] == [True, True]
    assert over[0] == views[0].restored
    last = await _restore_found(qunfa)
    assert not any(one in last.said for one in appids)


async def _restore_found(qunfa: Qunfa) -> Finding:
    """What the doctor says of accounts that wait for the end of a restore; those of other tests may be among them."""

    async def look() -> Finding:
        findings = Diagnosis.model_validate(parsed(await qunfa("doctor", "--json"))).findings
        return next(one for one in findings if one.name == "restore")

    return await until(look, lambda finding: finding.state != "skipped")


async def test_a_dry_run_of_restored_changes_nothing(
    qunfa: Qunfa, client: Client, name: str, appid: str, configured: dict[str, str]
) -> None:
    """It says which accounts would be told, and which sends run."""
    recovery = await _restored(qunfa, 0, name, *TAKEN, "--dry-run", **configured)
    assert recovery.dry_run
    assert [(one.appid, one.state) for one in recovery.accounts] == [(appid, "to be told")]
    assert (await qunfa("ledger", appid)).exit_code == 1


async def test_done_waits_for_no_send(qunfa: Qunfa, client: Client, key: str, appid: str, scripted: Scripted) -> None:
    """New ones are started all the time. One that was started before is doubted, whenever it asks."""
    await qunfa("restored", appid, *TAKEN, *WHY)
    run = await scripted()
    for started in (account_id(appid), run.id):
        await until_listed(client, started)
    started_at = (await run.describe()).start_time
    sends = {one.send: one.stands for one in (await _restored(qunfa, 0, appid, *TAKEN, *WHY)).sends}
    assert sends[f"demo/{key}"] == "not due"
    done = await qunfa("restored", appid, "--done", "--yes")
    assert (done.exit_code, "caught up" in done.stdout) == (0, True), done.output
    turn = Turn(generation=0, clientmsgid="c0", due=AT, pace=SECOND, http_timeout=30 * SECOND)
    account = client.get_workflow_handle(account_id(appid))
    for name, at, answer in (("before", started_at, "known"), ("after", datetime.now(UTC), "lease")):
        wish = Wish(
            wish=name, key=name, digest="d", workflow_id="w", run_id="r", searched=True, turn=turn, started_at=at
        )
        granted = await account.execute_update("wish", wish, result_type=Granted)
        assert granted.answer == answer
    await run.terminate()


async def test_a_wrong_configuration_hides_no_account(qunfa: Qunfa, configured: dict[str, str]) -> None:
    """An account that is in it alone would be told of no restore."""
    said = await qunfa("restored", *TAKEN, *WHY, **configured, QUNFA_ACCOUNTS__OTHER__KIND="shop")
    assert said.exit_code == 2
    assert "accounts.other.kind" in said.stderr


async def test_a_job_that_only_a_log_knows_is_named(
    qunfa: Qunfa, client: Client, name: str, tmp_path: Path, configured: dict[str, str]
) -> None:
    """With the command that tells it, where a worker's log has its key."""
    log = tmp_path / "worker.log"
    log.write_text(log_line(TRIED, account=name, key="spring", msg_id=7, answer="accepted") + "\n", encoding="utf-8")
    said = await qunfa("restored", name, *TAKEN, *WHY, "--log", str(log), **configured)
    assert f"qunfa mark-sent {name}/spring --msg-id 7" in said.stdout, said.output
    piped = await qunfa("restored", name, *TAKEN, *WHY, "--log", "-", stdin=log.read_text("utf-8"), **configured)
    assert piped.stdout.count("--msg-id 7") == 1
    await qunfa("restored", name, "--done", "--yes", **configured)


async def test_a_job_of_one_account_hides_none_of_another(
    qunfa: Qunfa, client: Client, name: str, appid: str, configured: dict[str, str]
) -> None:
    """A msg_id is the account's own, and two may have the same. What its own ledger knows is not named."""
    log = "\n".join(log_line("push", account=one, msg_id=7, status="send success") for one in (name, "other"))
    job = Owned(msg_id=7, key="spring", generation=0, accepted=True)
    accepted = Answer(kind="accepted", at=AT, msg_id=7)
    tried = Try(generation=0, number=1, wish="w", clientmsgid="c0", not_before=AT, holder="r", answer=accepted)
    report = Report(
        key="spring", digest="d", workflow_id=mass_send_id(name, "spring"), known=Known(tries=(tried,), owned=(job,))
    )
    await client.start_workflow(
        ACCOUNT, id=account_id(appid), task_queue=QUEUE, start_signal="told", start_signal_args=[report]
    )
    jobs = (await _restored(qunfa, 0, name, *TAKEN, *WHY, "--log", "-", stdin=log, **configured)).jobs
    assert [(one.account, one.msg_id) for one in jobs] == [("other", 7)]
    await qunfa("restored", name, "--done", "--yes", **configured)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "by --taken; or give --done"),
        ((*TAKEN, "--done"), "by --taken; or give --done"),
        (("--done", "--log", __file__), "--done does not look at it"),
        (("nobody", *TAKEN, *WHY), "nobody: give its appid instead of its name"),
        (("--taken", "90m", *WHY), "is no RFC 3339 time"),
        (("--taken", "2999-01-01T00:00:00Z", *WHY), "is in the future"),
        (TAKEN, "Say why, by --reason"),
        ((*TAKEN, "--reason", "x"), "then add --yes"),
        ((*TAKEN, *WHY, "--log", "/nowhere"), "--log /nowhere cannot be read"),
        ((*TAKEN, *WHY, "--log", __file__), "has no event of Qunfa's in JSON"),
    ],
)
async def test_restored_says_what_it_lacks(qunfa: Qunfa, words: tuple[str, ...], why: str) -> None:
    """Exit 2, and nothing was done."""
    said = await qunfa("restored", *words)
    assert (said.exit_code, why in " ".join(said.stderr.split())) == (2, True), said.output


async def test_only_an_account_that_was_told_can_be_done(
    qunfa: Qunfa, client: Client, name: str, appid: str, configured: dict[str, str]
) -> None:
    """Exit 1, with the next step; also where no worker runs."""
    said = await qunfa("restored", name, "--done", "--yes", **configured)
    assert (said.exit_code, "give this with --taken first" in said.stderr) == (1, True)
    run = await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=DESERTED_QUEUE)
    await until_listed(client, run.id)
    [account] = (await _restored(qunfa, 1, name, "--done", "--yes", **configured)).accounts
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in str(account.refusal)
    await run.terminate()


async def test_restored_looks_at_the_accounts_own_queue(
    qunfa: Qunfa, client: Client, name: str, appid: str, configured: dict[str, str]
) -> None:
    """This machine may name another one. On that no account is started where none runs, unless a person says so."""
    queue = f"queue-of-{name}"
    elsewhere = {**configured, "QUNFA_TASK_QUEUE": queue}
    other = await client.start_workflow(ACCOUNT, id=account_id(f"wx{secrets.token_hex(8)}"), task_queue=QUEUE)
    await until_listed(client, other.id)
    refused = await qunfa("restored", name, *TAKEN, *WHY, **elsewhere)
    assert (refused.exit_code, f"{appid} would be started on the task queue {queue}" in refused.stderr) == (1, True)
    assert QUEUE in refused.stderr
    assert (await qunfa("ledger", appid)).exit_code == 1
    await qunfa("restored", name, *TAKEN, *WHY, **configured)
    await until_listed(client, account_id(appid))
    again = await _restored(qunfa, 0, name, *TAKEN, *WHY, **elsewhere)
    assert ([one.state for one in again.accounts], again.idle) == (["knows it"], ())
    assert (await qunfa("restored", name, "--done", "--yes", **elsewhere)).exit_code == 0


async def test_done_names_an_account_that_does_not_answer(
    qunfa: Qunfa, client: Client, name: str, configured: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1: it may doubt each key still. The others are told all the same."""
    silent, other = f"wx{secrets.token_hex(8)}", f"other{secrets.token_hex(4)}"
    two = {**configured, **having({other: silent})}
    run = await client.start_workflow(ACCOUNT, id=account_id(silent), task_queue=DESERTED_QUEUE)
    await until_listed(client, run.id)
    alone = await _restored(qunfa, 1, other, "--done", "--yes", **two)
    assert [(one.appid, one.state) for one in alone.accounts] == [(silent, "refused")]
    monkeypatch.setattr("qunfa.cli.restored.has_worker", AsyncMock(return_value=True))
    unheard = await qunfa("restored", other, "--done", "--yes", **two)
    assert (unheard.exit_code, "does not answer" in unheard.stdout) == (1, True)
    monkeypatch.undo()
    await qunfa("restored", name, *TAKEN, *WHY, **two)
    both = await qunfa("restored", name, other, "--done", "--yes", **two)
    assert (both.exit_code, "caught up" in both.stdout, "No worker polls" in both.stdout) == (1, True, True)
    await run.terminate()


async def test_a_restore_that_cannot_be_read_is_dropped(qunfa: Qunfa, client: Client, appid: str) -> None:
    """The account goes on, and is not frozen; a good one is taken after it."""
    good = Restore(by="li", reason="disk lost", taken=AT)
    handle = await client.start_workflow(
        ACCOUNT, id=account_id(appid), task_queue=QUEUE, start_signal="restored", start_signal_args=[{"by": ""}]
    )
    await handle.signal("restored", args=[good, good])
    assert (await ledger_of(qunfa, appid)).restored is None
    await handle.signal("restored", good)
    assert (await ledger_of(qunfa, appid)).restored is not None


async def test_a_key_of_a_restored_account_is_doubted(qunfa: Qunfa, client: Client, appid: str, key: str) -> None:
    """The ledger shows a try of which nobody knows what became, and has granted nothing; also once it is unfrozen."""
    turn = Turn(generation=0, clientmsgid="c0", due=AT, pace=SECOND, http_timeout=30 * SECOND)
    workflow_id = mass_send_id("demo", key)
    wish = Wish(wish="w", key=key, digest="d", workflow_id=workflow_id, run_id="r", searched=True, turn=turn)
    restore = Restore(by="li", reason="disk lost", taken=AT)
    handle = await client.start_workflow(
        ACCOUNT, id=account_id(appid), task_queue=QUEUE, start_signal="restored", start_signal_args=[restore]
    )
    unconfigured = await _restored(qunfa, 0, appid, *TAKEN, *WHY)
    assert "name by its appid each account" in " ".join(unconfigured.next)
    await qunfa("unfreeze", appid)
    await handle.signal("wants", wish)
    view = await ledger_of(qunfa, appid)
    [job] = [job for record in view.records for job in record.jobs]
    assert (view.frozen, view.lease, view.waiting, job.ever_unknown) == (None, None, (), True)
    assert job.answer is not None
    assert "Temporal's database was restored" in str(job.answer.detail)
