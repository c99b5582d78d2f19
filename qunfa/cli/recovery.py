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
    "asks": "asks a person",
    "unheard": "has not asked its account yet",
    "not due": "asks a person before it goes out",
    "accepted": "awaits WeChat's verdict",
}


def next_steps(recovery: Recovery, *, done: bool) -> Iterator[str]:
    """What a person has to do, in order."""
    if recovery.dry_run:
        yield "Nothing was changed: give it without --dry-run."
        return
    yield from _of_the_accounts(recovery, done=done)
    for job in recovery.jobs:
        if job.key is not None:
            send = f"{job.account}/{job.key}"
            yield f'WeChat took it: qunfa mark-sent {send} --msg-id {job.msg_id} --reason "in the worker\'s log"'
    asks = [one for one in recovery.sends if one.stands == "asks"]
    for one in asks[:SHOWN]:
        yield f"Look into WeChat's console, then answer: qunfa status {one.send}  # {one.problem}"
    if len(asks) > SHOWN:
        yield f"And {len(asks) - SHOWN} more: qunfa list --phase needs_operator"
    if not done:
        yield "Once all was started again: qunfa restored --done"


def _of_the_accounts(recovery: Recovery, *, done: bool) -> Iterator[str]:
    if recovery.late:
        yield "A worker ran before this was told: look into WeChat's console for what was sent since Temporal is back."
    if not (recovery.configured or done):
        yield "No configuration is here: name by its appid each account that first sent something after the snapshot."
    if not recovery.worker:
        yield "Start the workers and the receiver now. No worker has polled since Temporal is back."
    if not done:
        yield "Have callers start again each key that they have started since the snapshot, whatever came of it."
        yield "Give the same again: it says what asks a person."


def render_recovery(recovery: Recovery) -> RenderableType:
    """The accounts, the sends that run, the jobs that nobody knows, and what to do next."""
    return Group(*_parts(recovery))


def _parts(recovery: Recovery) -> Iterator[RenderableType]:
    if recovery.taken is not None:
        yield plain(f"Temporal's database is that of {moment(recovery.taken)}: what was submitted since is forgotten.")
    rows = ((one.account, one.appid, one.refusal or one.state, one.frozen_by) for one in recovery.accounts)
    yield table(("account", "appid", "state", "frozen by"), rows, "Accounts", wrapped=("state",))
    if recovery.sends:
        sends = sorted(recovery.sends, key=lambda one: (_ORDER.index(one.stands), one.send))
        lines = ((one.send, _MEANS[one.stands], one.phase, one.problem) for one in sends)
        yield table(("send", "what it does", "phase", "problem"), lines, "Sends that run")
    if recovery.jobs:
        found = ((one.account, one.key, one.msg_id, one.status, moment(one.at)) for one in recovery.jobs)
        yield table(("account", "key", "msg_id", "status", "when"), found, "Jobs of the logs that no account knows")
    if recovery.next:
        yield plain("\nNext:")
    for number, one in enumerate(recovery.next, 1):
        yield plain(f"  {number}. {one}")
