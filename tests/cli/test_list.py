"""`qunfa list`, and `qunfa views`."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import TypeAdapter
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair
from typer.testing import CliRunner

from qunfa.cli import app
from qunfa.cli.list import SendRow, Views, queries, state_words
from qunfa.cli.message import in_words
from qunfa.contract import SEARCH_ATTRIBUTES
from qunfa.contract.request import parse_request
from qunfa.contract.result import COMPLETES
from tests.cli.calls import Qunfa, Scripted, parsed
from tests.cli.stub import completed, request
from tests.looking import until
from tests.project.guide import VIEWS

ROWS = TypeAdapter(list[SendRow])


async def _rows(qunfa: Qunfa, *args: str, atleast: int) -> list[SendRow]:
    """Visibility follows the workflows a moment later, so it is asked until it has."""

    async def look() -> list[SendRow]:
        return ROWS.validate_python(parsed(await qunfa("list", *args, "--json")))

    return await until(look, lambda rows: len(rows) >= atleast)


async def test_sends_are_found_by_their_attributes(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Account, phase, type and time find a send; the row has what the attributes hold, and so has the table."""
    handle = await scripted()
    mine = f"WorkflowId = '{handle.id}'"
    filters = ("--account", "demo", "--phase", "preparing", "--msgtype", "text", "--since", "1h", "--until", "0m")
    [row] = await _rows(qunfa, *filters, "--query", mine, atleast=1)
    assert (row.account, row.key, row.state, row.msg_ids) == ("demo", key, "running", ("3147483650",))
    assert row.request is not None
    wanted = {"message": 'Text "hi"', "audience": "all followers", "requested_by": "crm"}
    assert row.request.model_dump(exclude_none=True) == wanted
    [_, line] = (await qunfa("list", "--query", mine)).stdout.splitlines()
    assert line.split()[:7] == [f"demo/{key}", "preparing", "Text", '"hi"', "all", "followers", "crm"]
    assert await _rows(qunfa, "--problem", "no_verdict", "--query", mine, atleast=0) == []
    assert await _rows(qunfa, "--until", "1h", "--query", mine, atleast=0) == []


def test_a_row_tells_for_when_its_send_was_asked() -> None:
    """An alarm looks at it: a send is late."""
    asked = parse_request({**request("late"), "send_at": "2026-12-01T09:00:00+08:00"})
    assert in_words(asked).send_at == asked.send_at


async def test_one_that_runs_has_no_outcome(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Although it has told it: that happens before the workflow ends."""
    outcome = SearchAttributePair(SearchAttributeKey.for_keyword("MassSendOutcome"), "sent")
    handle = await scripted(attributes=[outcome])
    [runs] = await _rows(qunfa, "--outcome", "sent", "--query", f"WorkflowId = '{handle.id}'", atleast=1)
    assert (runs.state, runs.outcome) == ("running", None)
    await completed(handle, "sent", key)
    ended = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Completed'"
    [row] = await _rows(qunfa, "--query", ended, atleast=1)
    assert (row.state, row.outcome) == ("completed", "sent")


ROW = {"workflow_id": "mass-send:demo:k", "run_id": "r", "account": "demo", "key": "k", "phase": "done"}


@pytest.mark.parametrize(
    ("state", "outcome", "shown", "style"),
    [
        ("completed", "sent", "sent", "green"),
        ("completed", "sent_nobody", "sent_nobody", "green"),
        ("failed", "unknown", "unknown", "bold reverse red"),
        ("failed", "failed", "failed", "red"),
        ("failed", "refused", "refused", "red"),
        ("failed", None, "workflow failed", "yellow"),
        ("completed", None, "completed", "yellow"),
        ("canceled", None, "canceled", "yellow"),
        ("terminated", None, "terminated", "yellow"),
        ("terminated", "aborted", "terminated", "yellow"),
        ("timed_out", None, "timed out", "yellow"),
    ],
)
def test_a_send_that_has_ended_is_named_for_its_end(*, state: str, outcome: str | None, shown: str, style: str) -> None:
    """By its outcome; where it told none, by how Temporal closed it, in words that are no outcome's."""
    words = state_words(SendRow.model_validate({**ROW, "state": state, "outcome": outcome}))
    assert (words.plain, str(words.style)) == (shown, style)


@pytest.mark.parametrize(
    ("phase", "problem", "shown"),
    [
        ("scheduled", None, "scheduled"),
        ("scheduled", "account_frozen", "scheduled: account_frozen"),
        ("scheduled", "quota_exhausted", "scheduled: quota_exhausted"),
        ("needs_operator", "quota_exhausted", "needs_operator"),
        (None, "account_frozen", "not begun"),
    ],
)
def test_a_send_that_is_held_back_says_by_what(phase: str | None, problem: str | None, shown: str) -> None:
    """One that asks a person is named below the list, with the command."""
    found = SendRow.model_validate({**ROW, "state": "running", "phase": phase, "problem": problem})
    assert state_words(found).plain == shown


def test_outcomes_are_completed_by_the_shell() -> None:
    """Nobody types them from memory."""
    asking = {"_QUNFA_COMPLETE": "complete_bash", "COMP_WORDS": "qunfa list --outcome ", "COMP_CWORD": "3"}
    found = set(CliRunner().invoke(app, [], prog_name="qunfa", env=asking).stdout.split())
    assert found == {*COMPLETES, "unknown", "failed", "aborted", "rejected", "expired", "refused"}


async def test_a_limit_that_cuts_says_so(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Nobody takes the first ones for all, nor for the newest."""
    first = await scripted()
    await first.terminate()
    await scripted()
    mine = f"WorkflowId = '{first.id}'"
    await _rows(qunfa, "--query", mine, atleast=2)
    answer = await qunfa("list", "--query", mine, "--limit", "1", "--json")
    assert [row["state"] for row in parsed(answer)] == ["running"]
    assert "There are more than these 1. Those that run come first, then those that ended last." in answer.stderr


async def test_nothing_found_is_no_error(qunfa: Qunfa, client: Client) -> None:
    """An empty list, exit 0."""
    answer = await qunfa("list", "--account", "nobody", "--json")
    assert (answer.exit_code, parsed(answer)) == (0, [])
    answer = await qunfa("list", "--account", "nobody")
    assert (answer.exit_code, answer.stdout, "No send matches." in answer.stderr) == (0, "", True)


UI = {"QUNFA_TEMPORAL_UI": "http://ui.example/"}


async def test_each_view_is_a_link_to_its_list(qunfa: Qunfa, server: Client) -> None:
    """Of this namespace in Temporal's UI, with the query as the page reads it; and which columns to add there."""
    views = Views.model_validate(parsed(await qunfa("views", "--json", **UI)))
    assert views.columns == tuple(SEARCH_ATTRIBUTES)
    for view in views.views:
        page = urlsplit(view.link or "")
        assert (page.netloc, page.path) == ("ui.example", f"/namespaces/{server.namespace}/workflows")
        assert parse_qs(page.query) == {"query": [view.query]}
    shown = (await qunfa("views", **UI)).stdout
    assert all(f"{view.name}\n  {view.link}\n" in shown for view in views.views)
    assert all(name in shown for name in ("Configure Columns", *SEARCH_ATTRIBUTES))


async def test_temporal_takes_every_view(qunfa: Qunfa, client: Client) -> None:
    """Also those of one account; where no UI is known, the queries are shown, and what to set."""
    for query in (*queries().values(), *queries("demo").values()):
        assert (await client.count_workflows(query)).count >= 0
    assert all("MassSendAccount = 'demo'" in query for query in queries("demo").values())
    shown = (await qunfa("views", "--account", "demo")).stdout
    assert all(query in shown for query in queries("demo").values() if "CloseTime" not in query)
    assert "set QUNFA_TEMPORAL_UI" in shown


def test_the_guide_has_the_same_views() -> None:
    """With an example's date, account and msg_id in their places."""
    noon = datetime(2026, 12, 1, 4, tzinfo=UTC)
    assert set(queries(now=noon).items()) <= set(VIEWS.items())
