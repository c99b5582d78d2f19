"""What there is to be seen after a restore: accounts, sends that run, jobs that nobody knows, and what to do next."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, Literal

from rich.console import Group, RenderableType

from qunfa.cli.list import SendRow
from qunfa.cli.output import plain
from qunfa.cli.tables import table
from qunfa.cli.times import moment
from qunfa.cli.traces import Trace
from qunfa.contract.fields import Stored
from qunfa.contract.ledger import LedgerView
from qunfa.language import N_, _

Told = Literal["to be told", "told", "knows it", "caught up", "refused"]
Stands = Literal["unheard", "asks", "accepted", "not due"]


class AccountTold(Stored):
    """An account of a restored database. `knows it`: its workflow has taken in what it was told."""

    appid: str
    account: str | None = None
    state: Told
    refusal: str | None = None
    frozen_by: str | None = None


class OpenSend(Stored):
    """A send that runs. `unheard`: its account does not know it yet; `not due`: it asks a person before it goes out."""

    send: str
    stands: Stands
    phase: str | None = None
    problem: str | None = None


class Recovery(Stored):
    """Where the work after a restore stands. `jobs` are those of the logs that no ledger knows.

    `late`: a worker ran before the accounts were told. `configured`: this machine's configuration has accounts.
    """

    taken: datetime | None
    dry_run: bool = False
    worker: bool
    late: bool = False
    configured: bool = True
    accounts: tuple[AccountTold, ...]
    sends: tuple[OpenSend, ...] = ()
    jobs: tuple[Trace, ...] = ()
    next: tuple[str, ...] = ()


def sends_of(rows: Iterable[SendRow], views: Mapping[str, LedgerView | None]) -> list[OpenSend]:
    """What each send that runs waits for. Without any view of an account, by its phase alone."""
    heard = {record.workflow_id for view in views.values() if view for record in view.records} if views else None
    return [
        OpenSend(send=f"{row.account}/{row.key}", stands=_stands(row, heard), phase=row.phase, problem=row.problem)
        for row in rows
    ]


def _stands(row: SendRow, heard: set[str] | None) -> Stands:
    if heard is not None and row.workflow_id not in heard:
        return "unheard"
    if row.phase == "needs_operator":
        return "asks"
    return "accepted" if row.phase == "awaiting_result" else "not due"


SHOWN: Final = 20
_ORDER: Final[tuple[Stands, ...]] = ("asks", "unheard", "not due", "accepted")
_MEANS: Final[dict[Stands, str]] = {
    "asks": N_("asks a person"),
    "unheard": N_("has not asked its account yet"),
    "not due": N_("asks a person before it goes out"),
    "accepted": N_("awaits WeChat's verdict"),
}


def next_steps(recovery: Recovery, *, done: bool) -> Iterator[str]:
    """What a person has to do, in order."""
    if recovery.dry_run:
        yield _("Nothing was changed: give it without --dry-run.")
        return
    yield from _of_the_accounts(recovery, done=done)
    for job in recovery.jobs:
        if job.key is not None:
            send = f"{job.account}/{job.key}"
            command = f'qunfa mark-sent {send} --msg-id {job.msg_id} --reason "in the worker\'s log"'
            yield _("WeChat took it: {command}").format(command=command)
    asks = [one for one in recovery.sends if one.stands == "asks"]
    for one in asks[:SHOWN]:
        look = _("Look into WeChat's console, then answer: {command}")
        yield look.format(command=f"qunfa status {one.send}  # {one.problem}")
    if len(asks) > SHOWN:
        yield _("And {number} more: {command}").format(
            number=len(asks) - SHOWN, command="qunfa list --phase needs_operator"
        )
    if not done:
        yield _("Once all was started again: {command}").format(command="qunfa restored --done")


def _of_the_accounts(recovery: Recovery, *, done: bool) -> Iterator[str]:
    if recovery.late:
        yield _(
            "A worker ran before this was told: look into WeChat's console for what was sent since Temporal is back."
        )
    if not (recovery.configured or done):
        yield _(
            "No configuration is here: name by its appid each account that first sent something after the snapshot."
        )
    if not recovery.worker:
        yield _("Start the workers and the receiver now. No worker has polled since Temporal is back.")
    if not done:
        yield _("Have callers start again each key that they have started since the snapshot, whatever came of it.")
        yield _("Give the same again: it says what asks a person.")


def render_recovery(recovery: Recovery) -> RenderableType:
    """The accounts, the sends that run, the jobs that nobody knows, and what to do next."""
    return Group(*_parts(recovery))


def _parts(recovery: Recovery) -> Iterator[RenderableType]:
    if recovery.taken is not None:
        said = _("Temporal's database is that of {time}: what was submitted since is forgotten.")
        yield plain(said.format(time=moment(recovery.taken)))
    rows = ((one.account, one.appid, one.refusal or _(one.state), one.frozen_by) for one in recovery.accounts)
    yield table((_("account"), "appid", _("state"), _("frozen by")), rows, _("Accounts"), wrapped=(_("state"),))
    if recovery.sends:
        sends = sorted(recovery.sends, key=lambda one: (_ORDER.index(one.stands), one.send))
        lines = ((one.send, _(_MEANS[one.stands]), one.phase, one.problem) for one in sends)
        yield table((_("send"), _("what it does"), _("phase"), _("problem")), lines, _("Sends that run"))
    if recovery.jobs:
        found = ((one.account, one.key, one.msg_id, one.status, moment(one.at)) for one in recovery.jobs)
        columns = (_("account"), "key", "msg_id", _("status"), _("when"))
        yield table(columns, found, _("Jobs of the logs that no account knows"))
    if recovery.next:
        yield plain("\n" + _("Next:"))
    for number, one in enumerate(recovery.next, 1):
        yield plain(f"  {number}. {one}")
