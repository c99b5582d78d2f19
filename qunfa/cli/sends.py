"""Which sends an answer goes to: those that are named, or all that a query finds, once a person has seen them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from temporalio.client import Client
from temporalio.service import RPCError

from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.list import SendRow, find_rows, visibility_query, without_batches
from qunfa.cli.options import confirm, demand_consent, send_id, short_name
from qunfa.cli.status import approval_lines
from qunfa.cli.typed.answers import Given
from qunfa.cli.typed.sends import Filters
from qunfa.cli.view import read_send
from qunfa.contract.ids import MassSendId
from qunfa.language import _

FOUND_MAX: Final = 1_000
"""More than a person looks through before saying yes."""


class Chosen(NamedTuple):
    """Whom an answer goes to: sends by name, or a query; `yes` where nobody is to be asked whether it is right."""

    sends: list[MassSendId]
    query: str | None
    yes: bool

    @property
    def is_one(self) -> bool:
        """Whether it is one send, by its name."""
        return self.query is None and len(self.sends) == 1


def chosen(sends: Sequence[str] | None, given: Given, query: str | None = None) -> Chosen:
    """The sends of a command line, each once.

    Raises:
        WrongUse: It has no send and no query, or both; or several sends, or a query, that nobody could confirm.
    """
    if bool(sends) == (query is not None):
        raise WrongUse(_("Say which sends: by SEND…, or by --query, and not by both."))
    if query is not None and given.account is not None:
        raise WrongUse(_("--account goes with SEND; in a query it is MassSendAccount = '…'."))
    if query is not None:
        demand_consent(yes=given.yes, first=_("look at what `qunfa list --query` finds"))
    named = list(dict.fromkeys(send_id(text, given.account) for text in sends or ()))
    if len(named) > 1:
        demand_consent(yes=given.yes, first=_("look at them with `qunfa status`"))
    return Chosen(named, query, given.yes)


def confirmed(whom: Chosen, command: str) -> list[MassSendId]:
    """The sends; those of a query once a person has seen each of them, and what is to be approved.

    Raises:
        Refused: The query finds none, or too many; or the person said no.
    """
    if whom.query is None:
        return whom.sends
    found = run(_found(whom.query))
    about = () if whom.yes else run(_about(found, with_approval=command == "approve"))
    confirm(_("{command} these {number}?").format(command=command, number=len(found)), yes=whom.yes, about=about)
    return list(found)


async def _found(query: str) -> dict[MassSendId, SendRow]:
    """A closed send takes no answer, so none is looked for. What a send in batches is told, it tells its batches."""
    asked = visibility_query(Filters(query=query), running=True)
    rows = await find_rows(await temporal_client(), asked, FOUND_MAX + 1)
    if len(rows) > FOUND_MAX:
        raise Refused(
            _("More than {found_max:,} running sends match, so nothing was done: narrow the query.").format(
                found_max=FOUND_MAX
            )
        )
    found = {MassSendId(row.account, row.key): row for row in without_batches(rows) if row.account and row.key}
    if not found:
        raise Refused(_("No running send matches, so nothing was done."))
    return found


async def _about(found: dict[MassSendId, SendRow], *, with_approval: bool) -> list[str]:
    client = await temporal_client()
    lines = []
    for send, row in found.items():
        lines.append("  ".join(part for part in (short_name(send), _(row.phase or row.state), row.problem) if part))
        if with_approval:
            lines += [f"  {line}" for line in await _to_approve(client, send)]
    return lines


async def _to_approve(client: Client, send: MassSendId) -> list[str]:
    with suppress(RPCError):
        view = await read_send(client, send)
        if view.status is not None:
            return approval_lines(view.status.approval)
    return [_("what goes out could not be read: `qunfa status` shows it")]
