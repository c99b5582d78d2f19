"""Whom an answer goes to, and what a person sees of it before saying yes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from temporalio.service import RPCError

from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.list import SendRow, find_rows, visibility_query, without_batches
from qunfa.cli.options import confirm, demand_consent, send_id, short_name
from qunfa.cli.output import in_a_line, short
from qunfa.cli.status import approval_lines, headline, state_word
from qunfa.cli.typed.sends import Filters, Given
from qunfa.cli.view import SendView, batch_asking, read_send
from qunfa.contract.ids import MassSendId
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.rules.problems import BATCH_FAILED, PLAN_MISSING


class Chosen(NamedTuple):
    """Whom an answer goes to: sends by name, or a query; `yes` where nobody is to be asked whether it is right."""

    sends: list[MassSendId]
    query: str | None
    yes: bool

    @property
    def is_one(self) -> bool:
        """Whether it is one send, by its name."""
        return self.query is None and len(self.sends) == 1


FOUND_MAX: Final = 1_000
"""More than a person looks through before saying yes."""


def chosen(sends: Sequence[str] | None, given: Given, query: str | None = None) -> Chosen:
    """The sends of a command line, each once."""
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


def confirmed(whom: Chosen, command: str, about: str = "") -> list[MassSendId]:
    """The sends, once a person has seen each of them, what is to be approved, and what else it is `about`."""
    found = dict.fromkeys(whom.sends) if whom.query is None else run(_found(whom.query))
    seen = [] if whom.yes else run(_about(found, with_approval=command == "approve"))
    confirm(
        _("{command} these {number}?").format(command=command, number=len(found)),
        yes=whom.yes,
        about=[*seen, about] if about else seen,
    )
    return list(found)


def confirm_not_delivered(whom: Chosen, otherwise: str) -> None:
    """Somebody has to have looked for this very send; ``otherwise`` is what a wrong word leads to."""
    if not whom.is_one:
        raise WrongUse(
            _(
                "--confirm-not-delivered goes with one SEND, and with no --query: each has to be looked for "
                "in WeChat's console by itself, since one that was delivered would reach its followers twice."
            )
        )
    demand_consent(yes=whom.yes)
    send = whom.sends[0]
    view = run(looked_at(send))
    if whom.yes:
        return
    said = _("Is it certain, from WeChat's console, that {send} was not delivered? If it was, {otherwise}.")
    confirm(said.format(send=short_name(send), otherwise=otherwise), yes=False, about=_asked(view))
    if _question(run(looked_at(send))) != _question(view):
        sentence = _("{send} has changed meanwhile, so nothing was done. Look again: qunfa status {send}")
        raise Refused(sentence.format(send=short_name(send)))


async def looked_at(send: MassSendId) -> SendView:
    """The send as it is now, of which somebody says what became of it in WeChat's console."""
    view = await read_send(await temporal_client(), send)
    problem = view.status and view.status.problem
    if not view.in_batches or view.state != "running" or (problem and problem.name == PLAN_MISSING):
        return view
    asking = batch_asking(view)
    if asking is None or (problem and problem.name == BATCH_FAILED):
        said = _(
            "{send} runs in batches, so this goes with a batch's own key. `qunfa status {send}` names the batch that "
            "asks, if one does."
        )
        raise WrongUse(said.format(send=short_name(send)))
    batch = short_name(MassSendId(send.account, asking[1]))
    sentence = _(
        "{send} runs in batches, and another batch may ask by then. So this goes with the batch's own key: "
        "say {batch}, if that is the one you looked for."
    )
    raise WrongUse(sentence.format(send=short_name(send), batch=batch))


def _asked(view: SendView) -> Iterator[str]:
    """What the send asks, and what happened to it last: a look into the console has to be newer."""
    yield in_a_line(headline(view))
    for line in view.status.history[-1:] if view.status else ():
        yield in_a_line(f"  {short(line.at)}  {told(line.what)}")


def _question(view: SendView) -> tuple[object, ...]:
    """Which run asks what, after which submission."""
    status = view.status
    newest = max((job.generation for job in status.jobs), default=None) if status else None
    return view.run_id, view.state, newest, status and status.problem and status.problem.name


async def _found(query: str) -> dict[MassSendId, SendRow]:
    """A closed send takes no answer, so none is looked for. What a send in batches is told, it tells its batches."""
    asked = visibility_query(Filters(query=query), running=True)
    rows = await find_rows(await temporal_client(), asked, FOUND_MAX + 1)
    if len(rows) > FOUND_MAX:
        said = _("More than {found_max:,} running sends match, so nothing was done: narrow the query.")
        raise Refused(said.format(found_max=FOUND_MAX))
    found = {MassSendId(row.account, row.key): row for row in without_batches(rows) if row.account and row.key}
    if not found:
        raise Refused(_("No running send matches, so nothing was done."))
    return found


async def _about(found: Mapping[MassSendId, SendRow | None], *, with_approval: bool) -> list[str]:
    """How each is, by its row or else by Temporal; a name that leads to no send is refused when it is answered."""
    client = await temporal_client()
    lines = []
    for send, row in found.items():
        view = None
        words: tuple[str | None, ...] = (_(row.phase or row.state), row.problem) if row else ()
        try:
            if row is None or with_approval:
                view = await read_send(client, send)
        except Refused as error:
            words = words or (str(error),)
        except RPCError:
            if row is None:
                raise
        if row is None and view is not None:
            problem = view.status.problem if view.status else None
            words = (_(state_word(view)), problem.name if problem else None)
        lines.append(in_a_line("  ".join(filter(None, (short_name(send), *words)))))
        if with_approval:
            lines += [f"  {line}" for line in _to_approve(view)]
    return lines


def _to_approve(view: SendView | None) -> Iterator[str]:
    """What goes out, by whom it was asked for, and for when."""
    if view is None or view.status is None:
        yield _("what goes out could not be read: `qunfa status` shows it")
        return
    yield from approval_lines(view.status.approval)
    if view.request is not None and view.request.requested_by:
        yield in_a_line(_("asked by {requested_by}").format(requested_by=view.request.requested_by))
    if view.status.send_at is not None:
        yield _("send at {time}").format(time=short(view.status.send_at))
