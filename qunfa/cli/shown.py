"""What a person is shown before an answer that lets several sends go: none goes that asks something else by then."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from temporalio.client import Client

from qunfa.cli.aborted import aborted_batch
from qunfa.cli.errors import Refused
from qunfa.cli.options import changed, short_name
from qunfa.cli.output import in_a_line, short
from qunfa.cli.status import approval_lines
from qunfa.cli.view import SendView, read_send
from qunfa.contract.ids import MassSendId
from qunfa.language import _
from qunfa.language.phrases import told

LETS_GO: Final = frozenset({"approve", "retry", "resume"})
"""The commands after which a send goes out, or its next batch does. What stops a send does so whatever it asks."""


class Shown(NamedTuple):
    """What a send asks, and the lines that people read. `asks` is empty where nobody can say yes: `lines` tell why."""

    asks: tuple[object, ...] = ()
    lines: tuple[str, ...] = ()


def what_it_asks(view: SendView) -> tuple[object, ...]:
    """Which run asks what, about which batch, after which submission."""
    status = view.status
    newest = max((job.generation for job in status.jobs), default=None) if status else None
    return view.run_id, view.state, newest, status and status.batch, status and status.problem and status.problem.name


async def shown(client: Client, view: SendView | None, command: str) -> Shown:
    """What is shown of a send before one of the commands of `LETS_GO`."""
    if view is None or view.status is None:
        return Shown(lines=(_("it could not be read, so this is left out: `qunfa status` tells why"),))
    if command != "approve":
        aborted = await aborted_batch(client, view)
        return Shown((*what_it_asks(view), aborted), (aborted,) if aborted else ())
    if not view.status.approval.shows:
        return Shown(lines=(_("what goes out is not known yet, so this is left out"),))
    goes_out, send_at = tuple(_to_approve(view)), view.status.send_at
    # The day is told of times on other days alone, so that the line may differ once the day is over.
    told_time = (_("send at {time}").format(time=short(send_at)),) if send_at else ()
    return Shown((*what_it_asks(view), *goes_out, send_at), (*goes_out, *told_time))


def _to_approve(view: SendView) -> Iterator[str]:
    """What goes out, and by whom it was asked for."""
    if view.status is None:
        return
    yield from approval_lines(view.status.approval)
    if view.request is not None and view.request.requested_by:
        yield in_a_line(_("asked by {requested_by}").format(requested_by=view.request.requested_by))


async def demand_shown(client: Client, send: MassSendId, before: Shown, command: str) -> None:
    """Refuse to let go what nobody was shown, or what has changed since."""
    view = await read_send(client, send)
    if view.status is None and view.note is not None:
        raise Refused(told(view.note))
    if not before.asks:
        said = _("You were shown nothing of it to say yes to, so it was left out. Look: qunfa status {send}")
        raise Refused(said.format(send=short_name(send)))
    if (await shown(client, view, command)).asks != before.asks:
        raise changed(send)
