"""`qunfa views`: the lists of sends that operators look at most, as links to Temporal's UI."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client

from qunfa.cli.connection import run, temporal_client
from qunfa.cli.options import demand_accounts
from qunfa.cli.output import plain, show_result, unbroken
from qunfa.cli.queries import SENDS, quoted
from qunfa.cli.times import SHANGHAI
from qunfa.cli.typed import sends as typed
from qunfa.contract import ACCOUNT, SEARCH_ATTRIBUTES
from qunfa.contract.fields import Stored
from qunfa.language import N_, _
from qunfa.temporal.ui import UI_VARIABLE, list_link

_RUNNING: Final = f"{SENDS} AND ExecutionStatus = 'Running'"
_ACCOUNTS: Final = f"WorkflowType = '{ACCOUNT}'"
_DOUBT: Final = "(MassSendOutcome = 'unknown' OR MassSendProblem IN ('unknown_outcome', 'no_verdict'))"
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
    show_result(run(_views(asked.account)), render_views, as_json=asked.as_json)


def queries(account: str | None = None, now: datetime | None = None) -> dict[str, str]:
    """Name of the view → its query. Today begins at midnight in Shanghai."""
    of_account = "" if account is None else f" AND MassSendAccount = {quoted(account)}"
    today = f"{(now or datetime.now(SHANGHAI)).astimezone(SHANGHAI):%Y-%m-%d}T00:00:00+08:00"
    sends = {
        N_("needs an operator"): f"{_RUNNING} AND MassSendPhase = 'needs_operator'",
        N_("waits for approval"): f"{_RUNNING} AND MassSendPhase = 'awaiting_approval'",
        N_("paused"): f"{_RUNNING} AND MassSendPhase = 'paused'",
        N_("due, or held back by its time, its turn or a freeze"): (
            f"{_RUNNING} AND MassSendPhase IN ('scheduled', 'submitting')"
        ),
        N_("accepted, without a result yet"): f"{_RUNNING} AND MassSendPhase = 'awaiting_result'",
        N_("unknown: may have been delivered"): f"{SENDS} AND {_DOUBT}",
        N_("failed today"): f"{SENDS} AND MassSendOutcome = 'failed' AND CloseTime >= '{today}'",
    }
    found = {name: query + of_account for name, query in sends.items()}
    if account is not None:
        return {**found, N_("all of the account"): SENDS + of_account}
    frozen = f"{_ACCOUNTS} AND ExecutionStatus = 'Running' AND MassSendPhase = 'frozen'"
    return {**found, N_("the accounts, each with its switch"): _ACCOUNTS, N_("frozen accounts"): frozen}


def render_views(found: Views) -> RenderableType:
    """Each view's name and its link, or its query where the UI's address is not known; and how to add columns."""
    return Group(*_lines(found))


def _lines(found: Views) -> Iterator[Text]:
    for view in found.views:
        yield plain(_(view.name))
        where = view.link or view.query
        yield unbroken(f"  {where}", f"link {where}" if view.link else "")
    if not all(view.link for view in found.views):
        yield plain(
            "\n"
            + _("For links, set {variable} to the address of Temporal's UI, such as http://localhost:8233.").format(
                variable=UI_VARIABLE
            )
        )
    yield plain(f"\n{_(_COLUMNS)}\n{', '.join(SEARCH_ATTRIBUTES)}.")


async def _views(account: str | None) -> Views:
    client = await temporal_client()
    return Views(views=tuple(_view(client, name, query) for name, query in queries(account).items()))


def _view(client: Client, name: str, query: str) -> View:
    return View(name=name, query=query, link=list_link(client, query))
