"""What a person is shown before an approval of several sends: that alone is approved, whatever becomes of them."""

from collections.abc import Iterator
from typing import NamedTuple

from temporalio.client import Client

from qunfa.cli.errors import Refused
from qunfa.cli.options import changed, short_name
from qunfa.cli.output import in_a_line, short
from qunfa.cli.status import approval_lines
from qunfa.cli.view import SendView, read_send
from qunfa.contract.ids import MassSendId
from qunfa.language import _


class Shown(NamedTuple):
    """Of which run what was shown; nothing where it was not ready, or could not be read."""

    run_id: str | None = None
    lines: tuple[str, ...] = ()


def shown(view: SendView | None) -> Shown:
    """What this view shows of what goes out."""
    return Shown(view.run_id, view.status.approval.shows) if view is not None and view.status is not None else Shown()


def to_approve(view: SendView | None) -> Iterator[str]:
    """What goes out, by whom it was asked for, and for when."""
    if view is None or view.status is None or not view.status.approval.shows:
        yield _("what goes out is not known yet, so this is left out")
        return
    yield from approval_lines(view.status.approval)
    if view.request is not None and view.request.requested_by:
        yield in_a_line(_("asked by {requested_by}").format(requested_by=view.request.requested_by))
    if view.status.send_at is not None:
        yield _("send at {time}").format(time=short(view.status.send_at))


async def demand_shown(client: Client, send: MassSendId, before: Shown) -> None:
    """Refuse to approve what nobody was shown, or what has changed since."""
    view = await read_send(client, send)
    if not before.lines:
        said = _("It showed nothing that could be approved, so it was left out. Look: qunfa status {send}")
        raise Refused(said.format(send=short_name(send)))
    if shown(view) != before:
        raise changed(send)
