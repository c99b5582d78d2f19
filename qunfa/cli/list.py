"""`qunfa list`: sends by Temporal's search attributes, without asking a worker; and `views`, lists in its UI."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType, group
from rich.text import Text
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli import output
from qunfa.cli.connection import NO_CLOSED_BATCH, RPC_TIMEOUT, SENDS, quoted, run, temporal_client, with_client
from qunfa.cli.errors import WrongUse
from qunfa.cli.message import RequestView, request_cells
from qunfa.cli.options import demand_accounts, time_or_span
from qunfa.cli.typed import sends as typed
from qunfa.cli.view import NEEDS_A_PERSON, OUTCOME, PHASE, State, request_words, state_of, word
from qunfa.contract import ACCOUNT, SEARCH_ATTRIBUTES
from qunfa.contract.fields import Stored
from qunfa.contract.ids import parse_mass_send_id, whole_of
from qunfa.contract.result import COMPLETES
from qunfa.language import N_, _, listed
from qunfa.temporal.connection import UI_VARIABLE, list_link
from qunfa.temporal.namespace import missing_search_attributes
from qunfa.temporal.paused import OPEN


class SendRow(Stored):
    """One line of `list`, from what Temporal holds; no worker is asked for it.

    `outcome` is how the send ended, or `refused`. It is `None` while the send runs, and where the send did not end by
    itself. `progress` is how many of its batches have ended, as in `3/1000`. `batch_of` is the key of the send in
    batches that it is a batch of.
    """

    workflow_id: str
    run_id: str
    account: str | None
    key: str | None
    request: RequestView | None = None
    state: State
    phase: str | None = None
    outcome: str | None = None
    problem: str | None = None
    progress: str | None = None
    batch_of: str | None = None
    msgtype: str | None = None
    msg_ids: tuple[str, ...] = ()
    started_at: datetime | None = None
    closed_at: datetime | None = None


def list_sends(asked: typed.List) -> None:
    """Carry out `qunfa list`."""
    filters = asked.filters
    rows = with_client(_list, visibility_query(filters), filters.limit)
    rows = rows if filters.batches else without_batches(rows, asking=True)
    if asked.as_json:
        output.show_json(rows)
    elif rows:
        output.show(render_sends(rows))
    else:
        output.note(_("No send matches."))


async def _list(client: Client, query: str, limit: int) -> list[SendRow]:
    """The rows, each with what Temporal holds of its request."""
    rows = await find_rows(client, query, limit + 1)
    if len(rows) > limit:
        said = _(
            "There are more than these {limit}. Those that run come first, then those that ended last. Ask for more "
            "with --limit, or narrow it by --since."
        )
        output.note(said.format(limit=limit))
    few = asyncio.Semaphore(_READ_AT_ONCE)

    async def read(row: SendRow) -> SendRow:
        async with few:
            return row.model_copy(update={"request": await request_words(client, row.workflow_id, row.run_id)})

    return await asyncio.gather(*map(read, rows[:limit]))


def visibility_query(filters: typed.Filters, now: datetime | None = None, *, running: bool = False) -> str:
    """The query. Values are quoted, so that none is taken for a condition; only `filters.query` is one."""
    demand_accounts(filters.account)
    running = running or filters.phase not in {None, "done"}  # a run that was terminated keeps its phase
    equal = {
        "MassSendAccount": filters.account,
        "MassSendPhase": filters.phase,
        "MassSendOutcome": filters.outcome,
        "MassSendMsgType": filters.msgtype,
        "MassSendProblem": filters.problem,
    }
    conditions = [SENDS] if running or filters.batches else [SENDS, NO_CLOSED_BATCH]
    # What goes on as another run is one send: that run tells of all of it.
    conditions.append(OPEN if running else "ExecutionStatus != 'ContinuedAsNew'")
    conditions += [f"{name} = {quoted(value)}" for name, value in equal.items() if value is not None]
    conditions += _started(filters, now or datetime.now(UTC))
    if filters.query is not None:
        conditions.append(f"({filters.query})")
    return " AND ".join(conditions)


def _started(filters: typed.Filters, now: datetime) -> list[str]:
    since = None if filters.since is None else time_or_span(filters.since, now)
    until = None if filters.until is None else time_or_span(filters.until, now, "--until")
    if since is not None and until is not None and since > until:
        said = _("--since {since!r} is later than --until {until!r}: no send started in between.")
        raise WrongUse(said.format(since=filters.since, until=filters.until))
    bounds = ((">=", since), ("<=", until))
    return [f"StartTime {sign} {quoted(at.isoformat())}" for sign, at in bounds if at is not None]


def without_batches(rows: Sequence[SendRow], *, asking: bool = False) -> list[SendRow]:
    """The rows without the batches of a send that runs and is among them: it tells of its batches, and answers them.

    ``asking``: with those that wait for a person while their send does not, as one that was paused by its own key.
    """
    wholes = {(row.account, row.key): row for row in rows if row.state == "running"}

    def is_told(batch: SendRow) -> bool:
        whole = wholes.get((batch.account, batch.batch_of)) if batch.batch_of else None
        return whole is not None and not (asking and _waits(batch) and not _waits(whole))

    return [row for row in rows if not is_told(row)]


def _waits(row: SendRow) -> bool:
    """Whether it waits for a person."""
    return row.state == "running" and row.phase in NEEDS_A_PERSON


_READ_AT_ONCE: Final = 20
_PROGRESS: Final = SearchAttributeKey.for_keyword("MassSendProgress")
_PROBLEM: Final = SearchAttributeKey.for_keyword("MassSendProblem")
MSGTYPE: Final = SearchAttributeKey.for_keyword("MassSendMsgType")
_MSG_ID: Final = SearchAttributeKey.for_keyword_list("MassSendMsgId")


async def find_rows(client: Client, query: str, limit: int) -> list[SendRow]:
    """At most `limit` runs that a query finds: first those that run, by their starts, then those that ended last.

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
        said = _("The namespace {namespace} lacks the search attributes {missing}: run `qunfa setup`.")
        return WrongUse(said.format(namespace=client.namespace, missing=listed(missing)))
    return WrongUse(_("Temporal does not take this query: {message}").format(message=error.message))


def _row(found: WorkflowExecution) -> SendRow:
    attributes = found.typed_search_attributes
    named = parse_mass_send_id(found.id)
    whole = whole_of(named, found.parent_id) if named else None
    state = state_of(found.status)
    return SendRow(
        workflow_id=found.id,
        run_id=found.run_id,
        account=named and named.account,
        key=named and named.key,
        state=state,
        phase=word(attributes, PHASE),
        outcome=None if state == "running" else word(attributes, OUTCOME),  # it is told a moment before the end
        problem=word(attributes, _PROBLEM),
        progress=word(attributes, _PROGRESS),
        batch_of=whole and whole.key,
        msgtype=word(attributes, MSGTYPE),
        msg_ids=tuple(map(output.in_a_line, attributes.get(_MSG_ID) or ())),
        started_at=found.start_time,
        closed_at=found.close_time,
    )


_NEXT_MAX: Final = 5
_DOUBT: Final = N_("unknown: may have been delivered")
_NOT_BEGUN: Final = N_("not begun")
"""Said of a send until a worker takes it up."""
_BY_OTHERS: Final[dict[State, str]] = {"terminated": N_("terminated"), "timed_out": N_("timed out")}
"""Nobody who ends a send so looks whether something was delivered."""
_CLOSED: Final[dict[State, str]] = {**_BY_OTHERS, "failed": N_("workflow failed")}
"""What is said of a send that has not told its outcome: none of these words is an outcome."""


def render_sends(rows: Sequence[SendRow]) -> RenderableType:
    """One line a run; below them what to look at next."""
    lines = ((_name(row), state_words(row), *request_cells(row.request), output.short(row.started_at)) for row in rows)
    headings = (_("send"), _("state"), _("what"), _("to"), _("by"), _("started"))
    return Group(output.table(headings, lines, cut={_("what"): 10, _("to"): 8, _("by"): 6}), *_next(rows))


def _name(row: SendRow) -> str:
    return f"{row.account}/{row.key}" if row.account and row.key else output.in_a_line(row.workflow_id)


def _next(rows: Sequence[SendRow]) -> Iterator[Text]:
    """The command that tells what a person can do, for each send that waits for one, or is in doubt."""
    sends = [row for row in rows if row.key]
    waiting = [row for row in sends if row.outcome == "unknown"]
    waiting += [row for row in sends if _waits(row)]
    if waiting:
        yield output.plain("\n" + _("Next:"))
    for row in waiting[:_NEXT_MAX]:
        why = _(_DOUBT) if row.outcome == "unknown" else row.problem or row.phase
        said = _("{state}: {said}").format(state=why, said=f"qunfa status {_name(row)}")
        yield output.unbroken(f"  {said}")
    if len(waiting) > _NEXT_MAX:
        yield output.plain(_("  … and {number} more").format(number=len(waiting) - _NEXT_MAX))


def state_words(row: SendRow) -> Text:
    """The phase of a send that runs, the outcome of one that has ended, or how Temporal closed it.

    One that is due and waits all the same says what holds it back.
    """
    if row.state == "running":
        held = row.problem if row.phase == "scheduled" else None
        state = " ".join(filter(None, (_(row.phase or _NOT_BEGUN), row.progress)))
        return output.plain(_("{state}: {said}").format(state=state, said=held) if held else state)
    if row.outcome is None or row.state in _BY_OTHERS:
        return Text(_(_CLOSED.get(row.state, row.state)), style="yellow")
    if row.outcome == "unknown":
        return Text(_(row.outcome), style="bold reverse red")
    return Text(output.clean(_(row.outcome)), style="green" if row.outcome in COMPLETES else "red")


_RUNNING: Final = f"{SENDS} AND ExecutionStatus = 'Running'"
_ACCOUNTS: Final = f"WorkflowType = '{ACCOUNT}'"
_IN_DOUBT: Final = "(MassSendOutcome = 'unknown' OR MassSendProblem IN ('unknown_outcome', 'no_verdict'))"
_COLUMNS: Final = N_(
    'To see more of each send there, once in each browser: click the icon "Configure Columns" below the list, and + '
    "beside"
)


class View(Stored):
    """A list of workflows: its visibility query, and its page, where the address of Temporal's UI is known."""

    name: str
    query: str
    link: str | None = None


class Views(Stored):
    """All views; `columns` are the search attributes that are worth a column each."""

    views: tuple[View, ...]
    columns: tuple[str, ...] = tuple(SEARCH_ATTRIBUTES)


def views(asked: typed.Views) -> None:
    """Carry out `qunfa views`."""
    demand_accounts(asked.account)
    client, asked_for = run(temporal_client()), queries(asked.account)
    found = tuple(View(name=name, query=query, link=list_link(client, query)) for name, query in asked_for.items())
    output.show_result(Views(views=found), render_views, as_json=asked.as_json)


def queries(account: str | None = None, now: datetime | None = None) -> dict[str, str]:
    """Name of the view → its query. Today begins at midnight in Shanghai."""
    of_account = "" if account is None else f" AND MassSendAccount = {quoted(account)}"
    today = f"{(now or datetime.now(output.SHANGHAI)).astimezone(output.SHANGHAI):%Y-%m-%d}T00:00:00+08:00"
    sends = {
        N_("needs an operator"): f"{_RUNNING} AND MassSendPhase = 'needs_operator'",
        N_("waits for approval"): f"{_RUNNING} AND MassSendPhase = 'awaiting_approval'",
        N_("paused"): f"{_RUNNING} AND MassSendPhase = 'paused'",
        N_("being prepared or previewed"): f"{_RUNNING} AND MassSendPhase IN ('preparing', 'previewing')",
        N_("due, or held back by its time, its turn or a freeze"): (
            f"{_RUNNING} AND MassSendPhase IN ('scheduled', 'submitting')"
        ),
        N_("accepted, without a result yet"): f"{_RUNNING} AND MassSendPhase = 'awaiting_result'",
        N_("unknown: may have been delivered"): f"{SENDS} AND {_IN_DOUBT}",
        N_("failed today"): f"{SENDS} AND MassSendOutcome = 'failed' AND CloseTime >= '{today}'",
    }
    found = {name: query + of_account for name, query in sends.items()}
    if account is not None:
        return {**found, N_("all of the account"): SENDS + of_account}
    frozen = f"{_ACCOUNTS} AND ExecutionStatus = 'Running' AND MassSendPhase = 'frozen'"
    return {**found, N_("the accounts, each with its switch"): _ACCOUNTS, N_("frozen accounts"): frozen}


@group()
def render_views(found: Views) -> Iterator[Text]:
    """Each view's name and its link, or its query where the UI's address is not known; and how to add columns."""
    for view in found.views:
        yield output.plain(_(view.name))
        where = view.link or view.query
        yield output.unbroken(f"  {where}", f"link {where}" if view.link else "")
    if not all(view.link for view in found.views):
        said = _("For links, set {variable} to the address of Temporal's UI, such as http://localhost:8233.")
        yield output.plain("\n" + said.format(variable=UI_VARIABLE))
    yield output.plain(f"\n{_(_COLUMNS)}\n{', '.join(SEARCH_ATTRIBUTES)}.")
