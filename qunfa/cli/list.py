"""`qunfa list`: sends by Temporal's search attributes, without asking a worker."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple

import typer
from rich.table import Table
from rich.text import Text
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.connection import RPC_TIMEOUT, run, temporal_client
from qunfa.cli.errors import WrongUse
from qunfa.cli.options import Json
from qunfa.cli.output import clean, note, plain, show, show_json
from qunfa.cli.times import moment, time_named
from qunfa.cli.view import PHASE, State, state_of
from qunfa.contract import MASS_SEND
from qunfa.contract.fields import Stored
from qunfa.contract.ids import parse_mass_send_id
from qunfa.contract.operators import Phase
from qunfa.contract.result import COMPLETES, ShownOutcome
from qunfa.temporal.namespace import missing_search_attributes


class SendRow(Stored):
    """One line of `list`, from Temporal's search attributes; no worker is asked for it.

    `outcome` is how the send ended, or `refused`; `None` while it runs, where it did not end by itself, and where it
    ended under a worker that did not tell this yet.
    """

    workflow_id: str
    run_id: str
    account: str | None
    key: str | None
    state: State
    phase: str | None = None
    outcome: str | None = None
    problem: str | None = None
    msgtype: str | None = None
    msg_ids: tuple[str, ...] = ()
    started_at: datetime | None = None
    closed_at: datetime | None = None


def list_sends(
    *,
    account: Annotated[str | None, typer.Option(help="Of this account.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="In this phase.")] = None,
    outcome: Annotated[ShownOutcome | None, typer.Option(help="Ended so.")] = None,
    problem: Annotated[str | None, typer.Option(help="With this problem, such as reprint_needs_decision.")] = None,
    msgtype: Annotated[str | None, typer.Option(help="Of this type: text, mpnews, image …")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Started since: a span back from now (12h, 7d, PT90M) or an RFC 3339 time."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Started until then: a span or a time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 50,
    query: Annotated[
        str | None, typer.Option(help="And by a visibility query, such as ExecutionStatus = 'Running'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List sends, the newest first; without a worker, too."""
    asked = visibility_query(Filters(account, phase, problem, msgtype, since, query, until, outcome=outcome))
    rows = run(_list(asked, limit + 1))
    if len(rows) > limit:
        note(f"There are more: these are the newest {limit}. Ask for more with --limit.")
    if as_json:
        show_json(rows[:limit])
    elif rows:
        show(render_sends(rows[:limit]))
    else:
        note("No send matches.")


async def _list(query: str, limit: int) -> list[SendRow]:
    return await find_rows(await temporal_client(), query, limit)


class Filters(NamedTuple):
    """The options of `list`; `None` where one was not given."""

    account: str | None = None
    phase: str | None = None
    problem: str | None = None
    msgtype: str | None = None
    since: str | None = None
    query: str | None = None
    until: str | None = None
    running: bool = False
    outcome: str | None = None


def visibility_query(filters: Filters, now: datetime | None = None) -> str:
    """The query. Values are quoted, so that none is taken for a condition; only `filters.query` is one.

    Raises:
        WrongUse: `filters.since` or `filters.until` is neither a span nor a time, or they leave no time between them.
    """
    equal = {
        "WorkflowType": MASS_SEND,
        "MassSendAccount": filters.account,
        "MassSendPhase": filters.phase,
        "MassSendOutcome": filters.outcome,
        "MassSendMsgType": filters.msgtype,
        "MassSendProblem": filters.problem,
    }
    conditions = [f"{name} = {_quoted(value)}" for name, value in equal.items() if value is not None]
    conditions += _started(filters, now or datetime.now(UTC))
    if filters.running:
        conditions.append("ExecutionStatus = 'Running'")
    if filters.query is not None:
        conditions.append(f"({filters.query})")
    return " AND ".join(conditions)


def _started(filters: Filters, now: datetime) -> list[str]:
    since = None if filters.since is None else time_named(filters.since, now)
    until = None if filters.until is None else time_named(filters.until, now, "--until")
    if since is not None and until is not None and since > until:
        raise WrongUse(
            f"--since {filters.since!r} is later than --until {filters.until!r}: no send started in between."
        )
    bounds = ((">=", since), ("<=", until))
    return [f"StartTime {sign} {_quoted(at.isoformat())}" for sign, at in bounds if at is not None]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_OUTCOME: Final = SearchAttributeKey.for_keyword("MassSendOutcome")
_PROBLEM: Final = SearchAttributeKey.for_keyword("MassSendProblem")
_MSGTYPE: Final = SearchAttributeKey.for_keyword("MassSendMsgType")
_MSG_ID: Final = SearchAttributeKey.for_keyword_list("MassSendMsgId")


async def find_rows(client: Client, query: str, limit: int) -> list[SendRow]:
    """At most `limit` runs that a query finds, the newest first.

    Raises:
        WrongUse: Temporal does not take the query, or lacks the search attributes.
        RPCError: Temporal did not answer.
    """
    try:
        return [_row(one) async for one in client.list_workflows(query, limit=limit, rpc_timeout=RPC_TIMEOUT)]
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise await _bad_query(client, error) from None
        raise


async def _bad_query(client: Client, error: RPCError) -> WrongUse:
    missing = await missing_search_attributes(client)
    if missing:
        return WrongUse(
            f"The namespace {client.namespace} lacks the search attributes {', '.join(missing)}: run `qunfa setup`."
        )
    return WrongUse(f"Temporal does not take this query: {error.message}")


def _row(found: WorkflowExecution) -> SendRow:
    attributes = found.typed_search_attributes
    named = parse_mass_send_id(found.id)
    state = state_of(found.status)
    return SendRow(
        workflow_id=found.id,
        run_id=found.run_id,
        account=named and named.account,
        key=named and named.key,
        state=state,
        phase=attributes.get(PHASE),
        outcome=None if state == "running" else attributes.get(_OUTCOME),  # it is told a moment before the end
        problem=attributes.get(_PROBLEM),
        msgtype=attributes.get(_MSGTYPE),
        msg_ids=tuple(attributes.get(_MSG_ID) or ()),
        started_at=found.start_time,
        closed_at=found.close_time,
    )


_COLUMNS = ("send", "state", "problem", "type", "msg_id", "started", "ended")
_DOUBT: Final = "unknown: may have been delivered"
_BY_OTHERS: Final[dict[State, str]] = {"terminated": "terminated", "timed_out": "timed out"}
"""Nobody who ends a send so looks whether something was delivered."""
_CLOSED: Final[dict[State, str]] = {**_BY_OTHERS, "failed": "workflow failed"}
"""What is said of a send that has not told its outcome: none of these words is an outcome."""


def render_sends(rows: Sequence[SendRow]) -> Table:
    """One row per run, the newest first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in _COLUMNS:
        table.add_column(heading, overflow="fold", header_style="dim")
    for row in rows:
        name = f"{row.account}/{row.key}" if row.account and row.key else row.workflow_id
        table.add_row(plain(name), _state(row), *(plain(cell) for cell in _evidence(row)))
    return table


def _state(row: SendRow) -> Text:
    """The phase of a send that runs, the outcome of one that has ended, or how Temporal closed it."""
    if row.state == "running":
        return plain(row.phase or row.state)
    if row.outcome is None or row.state in _BY_OTHERS:
        return Text(_CLOSED.get(row.state, row.state), style="yellow")
    if row.outcome == "unknown":
        return Text(_DOUBT, style="bold reverse red")
    return Text(clean(row.outcome), style="green" if row.outcome in COMPLETES else "red")


def _evidence(row: SendRow) -> tuple[object, ...]:
    return (
        row.problem,
        row.msgtype,
        ", ".join(row.msg_ids) or None,
        moment(row.started_at),
        moment(row.closed_at),
    )
