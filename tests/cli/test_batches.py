"""Sends in batches, as the commands tell of them and answer them."""

import errno
import json
import os
import re
import shlex
import socket
import tempfile
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.console import Console
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from qunfa.audience.plans import folder_of
from qunfa.cli.list import SendRow, without_batches
from qunfa.cli.output import short
from qunfa.cli.status import bar, batches_line
from qunfa.cli.view import OUTCOME, SendView
from qunfa.cli.watch import render_board, to_do
from qunfa.contract import mass_send_id
from qunfa.contract.ids import MASS_SEND_IN_BATCHES, MassSendId, whole_of
from qunfa.contract.operators import Progress
from tests.cli.calls import QUEUE, UNREACHABLE, InBatches, Qunfa, parsed
from tests.cli.stub import FILE, request, result, status
from tests.cli.test_report import put_report
from tests.cli.test_report_file import report
from tests.looking import until
from tests.temporal import is_there

ROWS = TypeAdapter(list[SendRow])
REFUSED = f"end: {json.dumps({'as': 'failed', 'result': result('failed', 'k')})}"


@pytest.mark.parametrize(
    ("key", "parent", "whole"),
    [
        ("spring.12", "mass-send:demo:spring", MassSendId("demo", "spring")),
        ("spring.sale.1", "mass-send:demo:spring.sale", MassSendId("demo", "spring.sale")),
        ("spring.12", None, None),
        ("spring.12", "mass-send:other:spring", None),
        ("spring.12", "campaign:demo:spring", None),
        ("spring.a", "mass-send:demo:spring", None),
        ("spring", "mass-send:demo:spring", None),
        ("autumn.1", "mass-send:demo:spring", None),
    ],
)
def test_a_batch_is_known_by_who_has_started_it(*, key: str, parent: str | None, whole: MassSendId | None) -> None:
    """A key alone says nothing: anybody may end one with a number."""
    assert whole_of(MassSendId("demo", key), parent) == whole


def _row(key: str, state: str = "running", batch_of: str | None = None, phase: str | None = None) -> SendRow:
    row = {"workflow_id": mass_send_id("demo", key), "run_id": "r", "account": "demo", "key": key, "state": state}
    return SendRow.model_validate({**row, "batch_of": batch_of, "phase": phase})


def test_a_batch_is_left_out_where_its_send_tells_of_it() -> None:
    """Where the whole send has gone, its last batch is nobody else's to tell."""
    batch, other = _row("spring.2", batch_of="spring"), _row("other")
    assert without_batches([batch, _row("spring"), other]) == [_row("spring"), other]
    gone = [batch, _row("spring", "terminated"), other]
    assert without_batches(gone) == gone
    assert without_batches([batch, other]) == [batch, other]


@pytest.mark.parametrize("phase", ["needs_operator", "paused"])
def test_a_batch_that_waits_for_a_person_is_shown(phase: str) -> None:
    """Its send may not know that. One that does tells of it; what is answered by a query is the send alone."""
    batch = _row("spring.2", batch_of="spring", phase=phase)
    unaware, aware = _row("spring", phase="submitting"), _row("spring", phase="needs_operator")
    assert without_batches([batch, unaware], asking=True) == [batch, unaware]
    assert without_batches([batch, aware], asking=True) == [aware]
    assert without_batches([batch, unaware]) == [unaware]


async def _keys(qunfa: Qunfa, *args: str, wanted: set[str]) -> list[SendRow]:
    async def look() -> list[SendRow]:
        return ROWS.validate_python(parsed(await qunfa("list", *args, "--json")))

    return await until(look, lambda rows: {row.key for row in rows} == wanted)


async def test_batches_do_not_flood_the_list(qunfa: Qunfa, client: Client, in_batches: InBatches, key: str) -> None:
    """One line for the whole send; a batch that runs has one once its send is gone, one that has ended if asked for."""
    handle = await in_batches(status("submitting"), REFUSED, "hi")
    mine = ("--query", f"WorkflowId STARTS_WITH '{handle.id}'")
    rows = await _keys(qunfa, *mine, "--batches", wanted={key, f"{key}.1", f"{key}.2"})
    assert {row.key: row.batch_of for row in rows} == {key: None, f"{key}.1": key, f"{key}.2": key}
    await until(lambda: _state(qunfa, mine, f"{key}.1"), lambda state: state == "failed")
    await _keys(qunfa, *mine, wanted={key})
    await handle.terminate()
    await _keys(qunfa, *mine, wanted={key, f"{key}.2"})
    await client.get_workflow_handle(f"{handle.id}.2").terminate()
    await _keys(qunfa, *mine, wanted={key})


async def test_a_batch_that_was_paused_alone_is_listed(
    qunfa: Qunfa, client: Client, in_batches: InBatches, key: str
) -> None:
    """Its send goes on with nothing else, and does not say why."""
    handle = await in_batches(status("submitting"), "hi")
    mine = ("--query", f"WorkflowId STARTS_WITH '{handle.id}'")
    await _keys(qunfa, *mine, "--batches", wanted={key, f"{key}.1"})
    await client.get_workflow_handle(f"{handle.id}.1").signal("stand", "paused")
    await _keys(qunfa, *mine, wanted={key, f"{key}.1"})


async def test_a_list_says_why_its_batch_gets_no_material(
    qunfa: Qunfa, client: Client, in_batches: InBatches, key: str
) -> None:
    """Its own activities are none of that: a batch would be uploaded again and again, and nobody would see why."""
    handle = await in_batches(status("submitting"), "hi")
    mine = ("--query", f"WorkflowId STARTS_WITH '{handle.id}'")
    await _keys(qunfa, *mine, "--batches", wanted={key, f"{key}.1"})
    await client.get_workflow_handle(f"{handle.id}.1").signal("begin_upload", True)

    async def look() -> SendView:
        return SendView.model_validate(parsed(await qunfa("status", f"demo/{key}", "--json")))

    view = await until(look, lambda view: any(one.failure for one in view.work))
    assert to_do(view) == "upload to WeChat, attempt 2 after: WeChat does not answer"


async def test_the_guides_alarm_finds_a_batch_that_stands_still(qunfa: Qunfa, in_batches: InBatches, key: str) -> None:
    """Its list has no problem, and goes on with nothing else: the guide's own command and rule tell them apart."""
    handle = await in_batches(status("submitting"), "hi")
    guide = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^qunfa list (.* 'awaiting_result'\)\)\" .*) --json$", guide, re.MULTILINE)
    options = shlex.split(line.replace("'))\"", f"')) AND WorkflowId STARTS_WITH '{handle.id}'\""))
    rows = await _keys(qunfa, *options, wanted={key, f"{key}.1"})
    late = [row for row in rows if row.problem is None and not (row.progress and row.phase == "submitting")]
    assert [row.key for row in late] == [f"{key}.1"]
    assert late[0].started_at is not None
    assert late[0].request is not None
    assert late[0].request.send_at is None


async def _state(qunfa: Qunfa, mine: tuple[str, ...], key: str) -> str | None:
    rows = ROWS.validate_python(parsed(await qunfa("list", *mine, "--batches", "--json")))
    return next((row.state for row in rows if row.key == key), None)


async def test_a_query_answers_a_send_and_not_its_batch(qunfa: Qunfa, in_batches: InBatches, key: str) -> None:
    """The whole send passes the answer on; given twice, it would be refused once."""
    handle = await in_batches(status("submitting"), "hi")
    mine = f"WorkflowId STARTS_WITH '{handle.id}'"
    await _keys(qunfa, "--query", mine, "--batches", wanted={key, f"{key}.1"})
    answer = await qunfa("pause", "--query", mine, "--yes", "--json")
    assert [(one["key"], one["refusal"]) for one in parsed(answer)] == [(key, None)]
    assert await handle.query("received") != []


async def test_a_batch_says_what_it_is_of(qunfa: Qunfa, client: Client, in_batches: InBatches, key: str) -> None:
    """It can be looked at by its own key, and so can the whole send."""
    handle = await in_batches(status("submitting"), "hi")
    await until(lambda: is_there(client, f"{handle.id}.1"))
    [whole, batch] = parsed(await qunfa("status", f"demo/{key}", f"demo/{key}.1", "--json"))
    assert (whole["in_batches"], whole["batch_of"]) == (True, None)
    assert (batch["in_batches"], batch["batch_of"]) == (False, key)


@pytest.mark.parametrize(
    ("done", "of", "drawn"),
    [
        (0, 300, "[----------]"),
        (29, 300, "[----------]"),
        (30, 300, "[#---------]"),
        (120, 300, "[####------]"),
        (299, 300, "[#########-]"),
        (300, 300, "[##########]"),
        (1, 0, "[----------]"),
    ],
)
def test_a_bar_is_full_where_all_is_done(*, done: int, of: int, drawn: str) -> None:
    """And not a batch before."""
    assert bar(done, of) == drawn


ENDS = datetime(2026, 12, 3, 6, 10, tzinfo=UTC)
PROGRESS = {
    "jobs": 300,
    "accepted": 121,
    "done": 120,
    "followers": 1_196_004,
    "openids": 3_000_000,
    "ends_at": ENDS.isoformat(),
}
LINE = f"[####------] 120/300 batches, 1,196,004 reached, through {short(ENDS)}"


def test_how_far_a_send_in_batches_is_stands_in_a_line() -> None:
    """What is not known is left out; once all is done, no end is awaited."""
    progress = Progress.model_validate(PROGRESS)
    assert batches_line(progress) == LINE
    nothing = Progress.model_validate({"jobs": 300})
    assert batches_line(nothing) == "[----------] 0/300 batches"
    assert batches_line(progress.model_copy(update={"done": 300})).endswith("300/300 batches, 1,196,004 reached")


async def test_a_status_has_the_bar(qunfa: Qunfa, in_batches: InBatches, key: str) -> None:
    """In 80 columns, too, and in the line of a watch; only the batches that were not sent have a row.

    One whose retry was sent has none.
    """
    jobs = [
        {"index": number, "generation": generation, "clientmsgid": "c", "state": state}
        for number, generation, state in ((0, 0, "sent"), (1, 0, "failed"), (2, 0, "failed"), (2, 1, "sent"))
    ]
    handle = await in_batches(status("submitting", progress=PROGRESS, jobs=jobs))
    shown = (await qunfa("status", f"demo/{key}")).stdout
    assert LINE in shown
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith(("1 ", "2 ", "3 "))] == [["2", "failed"]]
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    watched = (await qunfa("watch", f"demo/{key}")).stdout
    assert "sent: Delivered." in watched


async def test_a_batch_that_may_have_been_delivered_stands_apart(qunfa: Qunfa, in_batches: InBatches, key: str) -> None:
    """Whoever sends to those that were not sent to, sends nobody anything twice. All that are left out are counted."""
    states = ("sent", "failed", "unknown", "accepted", "deleted", "new", "sent_nobody")
    jobs = [{"index": 100 + at, "generation": 0, "clientmsgid": "c", "state": one} for at, one in enumerate(states)]
    handle = await in_batches(status("submitting", progress=PROGRESS, jobs=jobs))
    shown = (await qunfa("status", f"demo/{key}")).stdout
    parts = [[line.split()[0] for line in part.splitlines()] for part in shown.split("Batches ")[1:]]
    assert parts == [
        ["perhaps", "batch", "103", "104"],
        ["deleted", "batch", "105"],
        ["that", "batch", "102", "106", "Of"],
    ]
    assert "Of 120 batches that have ended, this has the newest 7. All: qunfa list --account demo --batches" in shown
    await handle.signal("become", status("submitting", progress={**PROGRESS, "done": 7}, jobs=jobs))
    assert "that have ended" not in (await qunfa("status", f"demo/{key}")).stdout


async def test_a_batch_that_needs_a_person_is_named(qunfa: Qunfa, in_batches: InBatches, key: str) -> None:
    """With the commands that answer it: on the whole send, and on the batch while it is under way."""
    problem = {"name": "admin_timeout", "sentence": "Nobody confirmed.", "todo": "Retry or abort."}
    handle = await in_batches(status("needs_operator", batch=121, problem=problem, answers=["retry", "abort"]))
    shown = (await qunfa("status", f"demo/{key}")).stdout
    assert f"121: qunfa status demo/{key}.121\n" in shown
    answers = [line.split("  ")[-1].strip() for line in shown.splitlines() if "--reason" in line]
    assert answers == [
        f'qunfa retry demo/{key} --reason "WHY"',
        f'qunfa abort demo/{key} --reason "WHY"',
        f'qunfa retry demo/{key}.121 --reason "WHY"',
    ]
    failed = {**problem, "name": "batch_failed"}
    await handle.signal("become", status("needs_operator", batch=120, problem=failed, answers=["resume"]))
    shown = (await qunfa("status", f"demo/{key}")).stdout
    assert f"120: qunfa status demo/{key}.120\n" in shown
    assert [line.split("  ")[-1].strip() for line in shown.splitlines() if "resume" in line] == [
        f"qunfa resume demo/{key}"
    ]
    taken = await qunfa("resume", f"demo/{key}")
    assert (taken.exit_code, (await handle.query("received"))[-1]["by"]) == (0, "li")


IN_DOUBT = {"name": "unknown_outcome", "sentence": "It may have been delivered.", "todo": "Look it up."}


async def test_what_was_looked_for_is_told_of_its_batch(qunfa: Qunfa, in_batches: InBatches, key: str) -> None:
    """The commands that a status offers name the batch: the next one may ask before they arrive."""
    answers = ["retry", "mark_sent", "abort"]
    await in_batches(status("needs_operator", batch=121, problem=IN_DOUBT, answers=answers))
    shown = (await qunfa("status", f"demo/{key}")).stdout
    assert [line.split("  ")[-1].strip() for line in shown.splitlines() if "--reason" in line] == [
        f'qunfa retry demo/{key}.121 --confirm-not-delivered --reason "WHY"',
        f'qunfa mark-sent demo/{key}.121 --msg-id MSG_ID --reason "WHY"',
        f'qunfa abort demo/{key} --reason "WHY"',
    ]


@pytest.mark.parametrize("command", ["retry --confirm-not-delivered", "abort --confirm-not-delivered", "mark-sent"])
@pytest.mark.parametrize("problem", ["unknown_outcome", "batch_failed", None])
async def test_a_list_takes_no_word_on_one_of_its_batches(
    qunfa: Qunfa, in_batches: InBatches, *, key: str, command: str, problem: str | None
) -> None:
    """Another batch might get it than the one that was looked for: exit 2, with the key of the one that asks."""
    asks = problem and {**IN_DOUBT, "name": problem}
    phase, batch = ("needs_operator", 121) if problem else ("submitting", None)
    handle = await in_batches(status(phase, batch=batch, problem=asks))
    name, *more = [*command.split(), *(["--msg-id", "7"] if command == "mark-sent" else ["--yes"])]
    answer = await qunfa(name, f"demo/{key}", "--reason", "looked", *more)
    assert (answer.exit_code, await handle.query("received")) == (2, [])
    named = f"say demo/{key}.121" if problem == "unknown_outcome" else f"`qunfa status demo/{key}` names the batch"
    assert named in answer.stderr


def test_a_board_fits_eighty_columns() -> None:
    """With a bar for each send in batches."""
    view = SendView.model_validate(
        {
            "workflow_id": "mass-send:demo:spring",
            "account": "demo",
            "key": "spring",
            "in_batches": True,
            "state": "running",
            "phase": "needs_operator",
            "status": status("needs_operator", progress=PROGRESS, answers=["resume", "retry", "abort"]),
            "request": {"message": 'Text "hi"', "audience": "the openids in file:///lists/spring.csv"},
        }
    )
    drawn = Console(width=80, file=StringIO())
    drawn.print(render_board([view]))
    lines = drawn.file.getvalue().splitlines()  # type: ignore[attr-defined]  # it is a StringIO
    assert "[####------] 120/300" in lines[1]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("outcome", "goes_on"), [("aborted", True), ("rejected", False)])
async def test_a_report_offers_the_rest_of_what_may_go_on(
    qunfa: Qunfa, client: Client, key: str, tmp_path: Path, *, outcome: str, goes_on: bool
) -> None:
    """Not of what a person has rejected. Its report stands there all the same."""
    handle = await client.start_workflow(
        MASS_SEND_IN_BATCHES,
        args=[{**request(key), "audience": FILE}, []],
        id=mass_send_id("demo", key),
        task_queue=QUEUE,
        search_attributes=TypedSearchAttributes([SearchAttributePair(OUTCOME, outcome)]),
    )
    store, offered = {"QUNFA_STORE__URI": tmp_path.as_uri()}, f"--from-report {key}"
    await handle.signal("end", {"as": "failed", "result": result(outcome, key)})
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    put_report(tmp_path, key)
    ended = (await qunfa("report", f"demo/{key}", **store)).stdout
    assert ("not_submitted" in ended, offered in ended) == (True, goes_on)
    unknown = await qunfa("report", f"demo/{key}", **store, **UNREACHABLE)
    assert (unknown.exit_code, offered in unknown.stdout) == (0, True)
    assert f"does not tell whether demo/{key} runs again" in unknown.stderr


async def test_a_report_without_room_for_it_is_refused(
    qunfa: Qunfa, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the folder for temporary files is not there, or is full."""
    folder = tmp_path / folder_of("demo", key)
    folder.mkdir(parents=True)
    report(folder)
    opened = Path.open

    def full(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        if mode == "wb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *more, **named)

    for where, why in ((tmp_path / "nowhere", "No such file or directory"), (tmp_path, "No space left on device")):
        monkeypatch.setattr(tempfile, "tempdir", str(where))
        shown = await qunfa("report", f"demo/{key}", QUNFA_STORE__URI=tmp_path.as_uri())
        assert (shown.exit_code, why in shown.stderr, "set TMPDIR" in shown.stderr) == (1, True, True)
        monkeypatch.setattr(Path, "open", full)


def _temporary(folder: Path) -> list[Path]:
    return list(folder.glob("qunfa-*"))


async def test_a_report_removes_what_a_killed_one_left(
    qunfa: Qunfa, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its terminal was closed, and all openids would stay in the folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("qunfa.media.spool.USUAL", (str(tmp_path),))
    folder, left = tmp_path / folder_of("demo", key), tmp_path / "qunfa-report-1"
    folder.mkdir(parents=True)
    left.mkdir()
    report(folder)
    report(left)
    shown = await qunfa("report", f"demo/{key}", QUNFA_STORE__URI=tmp_path.as_uri(), **UNREACHABLE)
    assert (shown.exit_code, _temporary(tmp_path)) == (0, [])


async def test_a_report_does_not_wait_for_a_silent_temporal(qunfa: Qunfa, key: str, tmp_path: Path) -> None:
    """An address that takes connections, and never answers."""
    folder = tmp_path / folder_of("demo", key)
    folder.mkdir(parents=True)
    report(folder)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        shown = await qunfa("report", f"demo/{key}", QUNFA_STORE__URI=tmp_path.as_uri(), TEMPORAL_ADDRESS=address)
    assert (shown.exit_code, "not_submitted" in shown.stdout) == (0, True)
    as_json = await qunfa("report", f"demo/{key}", "--json", QUNFA_STORE__URI=tmp_path.as_uri(), **UNREACHABLE)
    assert parsed(as_json)["out_of_date"] is None
    assert f"does not tell whether demo/{key} runs again" in shown.stderr
