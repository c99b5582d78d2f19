"""A report that is read: whether it is the newest run's own, as workers tell it who are to send by it."""

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from qunfa.audience.plans import PLAN, REPORT, ROWS, PlanFile, folder_of
from qunfa.contract.batches import AudiencePlan
from tests.batches.driving import row
from tests.cli.calls import InBatches, Qunfa, Scripted, parsed
from tests.cli.stub import completed, status
from tests.cli.test_report_file import report
from tests.looking import until

GO_ON = "Go on with the rest"
OLD = "This report is out of date: the newest run of demo/{key} has not written it."


def plan_of(audience: dict[str, str]) -> str:
    """The file of a plan for an audience."""
    told = AudiencePlan(digest="", openids=2, batches=1, taken_at=datetime.now(UTC))
    plan = PlanFile(audience=audience, content="", snapshot="", sha256="", plan=told, batches=())
    return plan.model_dump_json()


def put_report(store: Path, key: str, at: float | None = None) -> None:
    """A report in the store beside its plan, as of now or of another moment."""
    folder = store / folder_of("demo", key)
    folder.mkdir(parents=True)
    file = report(folder)
    assert file.name == REPORT
    (folder / PLAN).write_text(plan_of({"kind": "all"}))
    if at is not None:
        os.utime(file, (at, at))


async def test_a_report_of_its_newest_run_is_up_to_date(
    qunfa: Qunfa, in_batches: InBatches, key: str, tmp_path: Path
) -> None:
    """Exit 0, and how to go on with the rest; so it is of a send that Temporal has forgotten."""
    put_report(tmp_path, key)
    store = {"QUNFA_STORE__URI": tmp_path.as_uri()}
    forgotten = await qunfa("report", f"demo/{key}", **store)
    assert (forgotten.exit_code, GO_ON in forgotten.stdout, forgotten.stderr) == (0, True, "")
    handle = await in_batches(status("submitting"))
    await completed(handle, "partly_sent", key)
    (tmp_path / folder_of("demo", key) / REPORT).touch()
    told = await qunfa("report", f"demo/{key}", **store)
    assert (told.exit_code, GO_ON in told.stdout, told.stderr) == (0, True, "")
    assert parsed(await qunfa("report", f"demo/{key}", "--json", **store))["out_of_date"] is False


async def test_a_report_names_the_key_that_has_its_rest(qunfa: Qunfa, key: str, tmp_path: Path) -> None:
    """Whoever is shown the same command a second time would reach the same people twice."""
    put_report(tmp_path, key)
    (tmp_path / folder_of("demo", key) / "next-not_submitted").write_text("rest")
    store = {"QUNFA_STORE__URI": tmp_path.as_uri()}
    lost = await qunfa("report", f"demo/{key}", **store)
    said = f"rest was to reach the same people by the report of {key}, and has no plan for them. It may have reached"
    assert (said in lost.stdout, "qunfa report demo/rest" in lost.stdout) == (True, False), lost.stdout
    assert ("--state not_submitted" in lost.stdout, "--state failed" in lost.stdout) == (False, True)
    (tmp_path / folder_of("demo", "rest")).mkdir()
    (tmp_path / folder_of("demo", "rest") / PLAN).write_text(plan_of({"kind": "report", "key": key}))
    shown = (await qunfa("report", f"demo/{key}", **store)).stdout
    said = "not_submitted: another key reaches these people. Go on by its report:\n  qunfa report demo/rest"
    assert said in shown
    assert ("--state not_submitted" in shown, "--state failed" in shown) == (False, True)
    sums = parsed(await qunfa("report", f"demo/{key}", "--json", **store))["sums"]
    assert {one["state"]: one["next_key"] for one in sums if one["next_key"]} == {"not_submitted": "rest"}


async def test_a_report_without_its_plan_is_no_offer(qunfa: Qunfa, key: str, tmp_path: Path) -> None:
    """A rule for expiry has taken it first, and with it the word of which key goes on by the report."""
    put_report(tmp_path, key)
    (tmp_path / folder_of("demo", key) / PLAN).unlink()
    told = await qunfa("report", f"demo/{key}", QUNFA_STORE__URI=tmp_path.as_uri())
    said = f"{key} has a report, but no plan in the store any more: another key may have reached the same people."
    assert (told.exit_code, GO_ON in told.stdout, said in told.stderr) == (0, False, True), told.stderr


async def test_a_report_is_shown_where_its_plan_is_damaged(qunfa: Qunfa, key: str, tmp_path: Path) -> None:
    """What became of whom stands in the report alone: only the offer to go on needs the plan."""
    put_report(tmp_path, key)
    (tmp_path / folder_of("demo", key) / PLAN).write_text("{}")
    store = {"QUNFA_STORE__URI": tmp_path.as_uri()}
    told = await qunfa("report", f"demo/{key}", **store)
    seen = (told.exit_code, "not_submitted" in told.stdout, GO_ON in told.stdout, "is no plan" in told.stderr)
    assert seen == (0, True, False, True), told.stderr
    as_json = await qunfa("report", f"demo/{key}", "--json", **store)
    assert (as_json.exit_code, len(parsed(as_json)["sums"]) > 0) == (0, True)


@pytest.mark.parametrize("how", ["runs", "terminated", "did not write it"])
async def test_an_old_report_is_no_offer_to_go_on(
    qunfa: Qunfa, in_batches: InBatches, key: str, tmp_path: Path, how: str
) -> None:
    """Exit 1: whom it calls `not_submitted`, the newest run may have sent to."""
    handle = await in_batches(status("submitting"))
    if how == "terminated":
        await handle.terminate()
    elif how == "did not write it":
        await completed(handle, "sent", key)
    began = (await handle.describe()).start_time
    put_report(tmp_path, key, (began - timedelta(hours=1)).timestamp() if how == "did not write it" else None)
    store = {"QUNFA_STORE__URI": tmp_path.as_uri()}
    told = await qunfa("report", f"demo/{key}", **store)
    assert (told.exit_code, GO_ON in told.stdout, OLD.format(key=key) in told.stderr) == (1, False, True)
    as_json = await qunfa("report", f"demo/{key}", "--json", **store)
    assert (as_json.exit_code, parsed(as_json)["out_of_date"]) == (1, True)
    copied = await qunfa("report", f"demo/{key}", "--output", "-", **store)
    assert (copied.exit_code, OLD.format(key=key) in copied.stderr) == (1, True)


@pytest.mark.parametrize("how", ["terminated", "its store was silent"])
async def test_a_list_that_wrote_no_report_is_started_again(
    qunfa: Qunfa, in_batches: InBatches, key: str, tmp_path: Path, how: str
) -> None:
    """That may be why there is none, and [store] is right: so it is said first."""
    handle, store = await in_batches(status("submitting")), {"QUNFA_STORE__URI": tmp_path.as_uri()}
    told = await qunfa("report", f"demo/{key}", **store)
    assert (told.exit_code, "start it again" in told.stderr) == (1, False)
    if how == "terminated":
        await handle.terminate()
    else:
        await completed(handle, "partly_sent", key)
    told = await qunfa("report", f"demo/{key}", **store)
    again, freeze, other = (told.stderr.find(one) for one in ("start it again", "freeze the account", "[store] here"))
    assert (told.exit_code, 0 < again < freeze < other) == (1, True), told.stderr


async def test_a_batch_that_runs_again_makes_its_report_old(
    qunfa: Qunfa, in_batches: InBatches, key: str, tmp_path: Path
) -> None:
    """Exit 1: nobody is to send to its people by a file of them."""
    handle = await in_batches(status("submitting"), "the first batch")
    await completed(handle, "partly_sent", key)
    put_report(tmp_path, key)
    rows, store = tmp_path / folder_of("demo", key) / ROWS, {"QUNFA_STORE__URI": tmp_path.as_uri()}
    rows.write_text(f"[{row(1, 'failed').model_dump_json()}]")
    said = f"batch 1 of demo/{key} has run again"
    told = await until(partial(qunfa, "report", f"demo/{key}", **store), lambda told: said in told.stderr)
    assert (told.exit_code, GO_ON in told.stdout) == (1, False)
    assert parsed(await qunfa("report", f"demo/{key}", "--json", **store))["out_of_date"] is True
    rows.write_text(f"[{row(1, 'sent').model_dump_json()}]")
    assert (await qunfa("report", f"demo/{key}", **store)).exit_code == 0
    rows.write_text("{")
    unreadable = await qunfa("report", f"demo/{key}", **store)
    assert (unreadable.exit_code, "cannot be read" in unreadable.stderr) == (1, True)


async def test_a_send_without_a_report_says_why(qunfa: Qunfa, scripted: Scripted, key: str, tmp_path: Path) -> None:
    """It is no send in batches; or the store is none, or not there."""
    await scripted()
    name, store = f"demo/{key}", {"QUNFA_STORE__URI": tmp_path.as_uri()}
    told = await qunfa("report", name, **store)
    assert (told.exit_code, f"{name} is no send in batches, and has no report" in told.stderr) == (1, True)
    told = await qunfa("report", name)
    assert (told.exit_code, "has no [store]" in told.stderr) == (2, True)
    told = await qunfa("report", "demo/nobody", **store)
    assert (told.exit_code, "see that [store] here is the workers'" in told.stderr) == (1, True)
