"""`qunfa report`: what became of each openid of a send in batches, as its report in `[store]` tells."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Group, RenderableType
from temporalio.service import RPCError

from qunfa.audience.plans import REPORT, folder_of
from qunfa.audience.store import Store, StoreUnavailable
from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import Refused, WrongUse
from qunfa.cli.options import send_id, short_name
from qunfa.cli.output import note, plain, show, show_json, unbroken
from qunfa.cli.report_file import STDOUT, Sum, sums, written
from qunfa.cli.tables import table
from qunfa.cli.typed import sends as typed
from qunfa.cli.typed.sends import STATES
from qunfa.cli.view import read_send
from qunfa.contract.batches import ReportState
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MassSendId
from qunfa.language import N_, _
from qunfa.media.policy import SourcePolicy
from qunfa.settings import load_settings
from qunfa.temporal.connection import TemporalError


class ReportView(Stored):
    """The report of a send in batches: where it is, its sums by state, and where a copy of it was written."""

    account: str
    key: str
    uri: str
    sums: tuple[Sum, ...]
    output: str | None = None


def report(asked: typed.Report) -> None:
    """Carry out `qunfa report`."""
    named = send_id(asked.send, asked.account)
    if asked.output == STDOUT and asked.as_json:
        raise WrongUse(_("--output - and --json both write to stdout: choose one."))
    view = _read(named, _states(asked.state), asked.output)
    if asked.as_json:
        show_json(view)
    elif asked.output == STDOUT:
        note(_headline(view))
    else:
        show(render_report(view))


def _states(given: Sequence[str] | None) -> tuple[ReportState, ...]:
    wanted = set(given or STATES)
    if unknown := sorted(wanted - set(STATES)):
        raise WrongUse(
            _("A report has no state {unknown}. It has: {states}.").format(
                unknown=", ".join(unknown), states=", ".join(STATES)
            )
        )
    return tuple(one for one in STATES if one in wanted)


def _read(send: MassSendId, states: Sequence[ReportState], output: str | None) -> ReportView:
    store = _store()
    path = f"{folder_of(send.account, send.key)}/{REPORT}"
    with TemporaryDirectory(prefix="qunfa-report-") as folder:
        file = Path(folder) / REPORT
        if not run(_fetched(store, path, file)):
            raise Refused(run(_why_none(send, store.uri_of(path))))
        with written(output) as copy:
            found = sums(file, states, copy)
    return ReportView(account=send.account, key=send.key, uri=store.uri_of(path), sums=found, output=output)


def _store() -> Store:
    """The store of this machine's configuration.

    Raises:
        Refused: It has none.
    """
    settings = load_settings(credentials=False)
    if settings.store.uri is None:
        raise Refused(
            _("This configuration has no [store]: set its uri as the workers have it, such as {variable}.").format(
                variable='QUNFA_STORE__URI="s3://bucket/folder"'
            )
        )
    policy = SourcePolicy(s3_endpoint=settings.media.s3_endpoint, s3_region=settings.media.s3_region)
    return Store(settings.store.uri, policy)


async def _fetched(store: Store, path: str, file: Path) -> bool:
    """Whether there is a report, which is in `file` then."""
    try:
        with file.open("wb") as copy:
            async for piece in store.stream(path):
                copy.write(piece)
    except FileNotFoundError:
        return False
    except StoreUnavailable as error:
        raise Refused(str(error)) from None
    return True


async def _why_none(send: MassSendId, uri: str) -> str:
    """There is no report: what Temporal knows of the send says why."""
    with suppress(Refused, RPCError, TemporalError):
        view = await read_send(await temporal_client(), send)
        if view.state == "running" and view.in_batches:
            return _("{send} runs: its report is written when it ends. How far it is: qunfa status {send}").format(
                send=short_name(send)
            )
        if not view.in_batches:
            return _("{send} is no send in batches, and has no report. How it is: qunfa status {send}").format(
                send=short_name(send)
            )
    return _("There is no report of {send} at {uri}: see that [store] here is the workers'.").format(
        send=short_name(send), uri=uri
    )


_MEANS: Final[dict[ReportState, str]] = {
    "sent": N_("WeChat has sent it. How many of a batch received it, it says; who, it does not."),
    "accepted": N_("WeChat has accepted it, and has not said what became of it."),
    "failed": N_("WeChat has said no: none of them received it."),
    "unknown": N_("It may have been delivered: look into WeChat's console."),
    "not_submitted": N_("It was never submitted."),
}
_REST: Final[tuple[ReportState, ...]] = ("not_submitted", "failed")
"""Whom another send may go on with."""


def render_report(view: ReportView) -> RenderableType:
    """A row for each state, and what is left to do."""
    headings = (_("state"), _("openids"), _("batches"), _("received"), _("what it means"))
    rows = ((one.state, f"{one.openids:,}", one.batches, _people(one), _(_MEANS[one.state])) for one in view.sums)
    return Group(plain(_headline(view)), "", table(headings, rows, wrapped=(_("what it means"),)), *_next(view))


def _headline(view: ReportView) -> str:
    openids = sum(one.openids for one in view.sums)
    if view.output is None:
        return _("{account}/{key}: {openids:,} openids").format(account=view.account, key=view.key, openids=openids)
    return _("{account}/{key}: {openids:,} openids, written to {output}").format(
        account=view.account, key=view.key, openids=openids, output=view.output
    )


def _people(one: Sum) -> str | None:
    return None if one.received is None else f"{one.received:,}"


def _next(view: ReportView) -> Iterator[RenderableType]:
    left = [one.state for one in view.sums if one.state in _REST]
    if left:
        yield plain("\n" + _("Go on with the rest, under a new key:"))
        states = "".join(f" --state {one}" for one in left)
        yield unbroken(f"  qunfa send --account {view.account} --key NEW --from-report {view.key}{states} …")
