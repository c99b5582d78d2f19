"""A batch that a person has aborted: whoever retries its list has it sent all the same, and is shown that."""

from temporalio.client import Client

from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import Refused
from qunfa.cli.options import changed, confirm
from qunfa.cli.output import in_a_line
from qunfa.cli.view import SendView, batch_asking, describe_send, read_send
from qunfa.contract.ids import MASS_SEND_IN_BATCHES, MassSendId
from qunfa.language import _
from qunfa.language.phrases import told
from qunfa.rules.problems import BATCH_FAILED


def confirm_aborted(send: MassSendId, *, yes: bool) -> None:
    """Ask whoever retries a list whether its batch is to be sent that somebody has aborted."""
    if yes or (line := run(_looked_for(send))) is None:
        return
    confirm(_("Send it all the same?"), yes=False, about=[line])
    if run(_looked_for(send)) != line:
        raise changed(send)


async def _looked_for(send: MassSendId) -> str | None:
    client = await temporal_client()
    description = await describe_send(client, send)
    if description.workflow_type != MASS_SEND_IN_BATCHES:
        return None
    return await aborted_batch(client, await read_send(client, send))


async def aborted_batch(client: Client, view: SendView) -> str | None:
    """The batch that a list asks about, if a person has aborted it: by whom and why, in a line.

    Raises:
        Refused: the list or its batch does not tell, so that it may be so.
    """
    if view.status is None and view.note is not None:
        raise Refused(told(view.note))
    problem, asking = view.status.problem if view.status else None, batch_asking(view)
    if asking is None or problem is None or problem.name != BATCH_FAILED:
        return None
    number, key = asking
    try:
        batch = await read_send(client, MassSendId(view.account, key))
    except Refused:  # Temporal has forgotten it
        return None
    if batch.state != "running" and batch.result is None and batch.note is not None:
        raise Refused(told(batch.note))
    if batch.result is None or batch.result.outcome != "aborted":
        return None
    for line in reversed(batch.status.history if batch.status else ()):
        if line.by and line.what.startswith("abort"):
            said = _("Batch {number:,} was aborted by {by}: {reason}")
            return in_a_line(said.format(number=number, by=line.by, reason=line.reason))
    return _("Batch {number:,} was aborted.").format(number=number)
