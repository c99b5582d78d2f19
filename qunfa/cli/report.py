"""`qunfa report`: what became of each openid of a send in batches, as its report in `[store]` tells."""

import asyncio
import gzip
import os
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.earlier_runs import NewestRun, VisibleRuns
from activities.named_reports import UNPLANNED, WITHOUT_PLAN, reached_since, report_in
from qunfa.audience.plans import REPORT, REST, PlanLostError, Plans, folder_of
from qunfa.audience.store import Store, StoreUnavailable
from qunfa.cli.connection import run, temporal_client
from qunfa.cli.errors import ExitCode, Refused, WrongUse, done_if, explain
from qunfa.cli.options import send_id, short_name
from qunfa.cli.output import note, plain, show, show_json, table, unbroken, writing
from qunfa.cli.request import STDIN
from qunfa.cli.typed import sends as typed
from qunfa.cli.typed.sends import STATES
from qunfa.cli.view import read_send
from qunfa.contract.batches import REPORT_COLUMNS, ReportState
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MassSendId, mass_send_id
from qunfa.language import N_, _, listed
from qunfa.media.policy import SourcePolicy
from qunfa.media.spool import Scratch, remove_left_over
from qunfa.settings import load_settings
from qunfa.temporal.connection import TemporalError


class Sum(Stored):
    """What became of so many openids, in so many batches; `received`: of these, by WeChat's count, where it told.

    `next_key`: the one that reaches them by this report. `claim`: where that stands, if that key has no plan for them.
    """

    state: ReportState
    openids: int
    batches: int
    received: int | None = None
    next_key: str | None = None
    claim: str | None = None


class ReportView(Stored):
    """The report of a send in batches: where it is, its sums by state, and where a copy of it was written.

    `out_of_date`: the newest run of the send has not written it, or a batch has run again. `None` where Temporal does
    not tell.
    """

    account: str
    key: str
    uri: str
    sums: tuple[Sum, ...]
    output: str | None = None
    out_of_date: bool | None = None


def report(asked: typed.Report) -> ExitCode:
    """Carry out `qunfa report`."""
    named = send_id(asked.send, asked.account)
    if asked.output == STDOUT and asked.as_json:
        raise WrongUse(_("--output - and --json both write to stdout: choose one."))
    view, at = _read(named, _states(asked.state), asked.output)
    seen = run(_seen(named))
    newest, number = seen or (None, None)
    old = number is not None or (newest is not None and not newest.has_written(at))
    view = view.model_copy(update={"out_of_date": old if seen else None})
    if old:
        note(_(_OUT_OF_DATE if number is None else _BATCH_RAN).format(send=short_name(named), number=number))
    is_planned = run(_is_planned(named))
    if asked.as_json:
        show_json(view)
    elif asked.output == STDOUT:
        note(_headline(view))
    else:
        rejected = newest is not None and newest.outcome == "rejected"  # nobody goes on against a person's word
        show(render_report(view, goes_on=is_planned and not (old or rejected)))
    return done_if(not old)


def _states(given: Sequence[str] | None) -> tuple[ReportState, ...]:
    wanted = set(given or STATES)
    if unknown := sorted(wanted - set(STATES)):
        said = _("A report has no state {unknown}. It has: {states}.")
        raise WrongUse(said.format(unknown=listed(unknown), states=listed(STATES)))
    return tuple(one for one in STATES if one in wanted)


def _read(send: MassSendId, states: Sequence[ReportState], output: str | None) -> tuple[ReportView, datetime]:
    """The report, and since when it stands in the store."""
    store = _store()
    path = f"{folder_of(send.account, send.key)}/{REPORT}"
    with _folder() as folder:
        file = folder / REPORT
        at = run(_fetched(store, send, file))
        if at is None:
            raise Refused(run(_why_none(send, store.uri_of(path))))
        with nullcontext() if output is None else written(output) as copy:
            found = sums(file, states, copy)
    found = run(_with_claims(found, store, send))
    return ReportView(account=send.account, key=send.key, uri=store.uri_of(path), sums=found, output=output), at


async def _with_claims(found: Sequence[Sum], store: Store, send: MassSendId) -> tuple[Sum, ...]:
    plans = Plans(store)
    try:
        heirs = dict[str, dict[str, str | None]]()
        for state, by in (await plans.claims(send.account, send.key)).items():
            reaches = await plans.reaches(send.account, by, send.key, state)
            uri = None if reaches else plans.uri_of_claim(send.account, send.key, state)
            heirs[state] = {"next_key": by, "claim": uri}
    except (PlanLostError, StoreUnavailable) as error:
        raise Refused(str(error)) from None
    return tuple(one.model_copy(update=heirs.get(one.state)) for one in found)


async def _is_planned(send: MassSendId) -> bool:
    """Whether the plan stands still, and with it the word of who goes on by the report; if not, why is told."""
    try:
        if await Plans(_store()).get(*send) is not None:
            return True
        note(_(WITHOUT_PLAN).format(key=send.key))
    except (PlanLostError, StoreUnavailable) as error:
        note(explain(Refused(str(error))).line)
    return False


def _store() -> Store:
    """The store of this machine's configuration."""
    settings = load_settings("command")
    if settings.store.uri is None:
        said = _("This configuration has no [store]: set its uri as the workers have it, such as {variable}.")
        raise WrongUse(said.format(variable='QUNFA_STORE__URI="s3://bucket/folder"'))
    policy = SourcePolicy(s3_endpoint=settings.media.s3_endpoint, s3_region=settings.media.s3_region)
    return Store(settings.store.uri, policy)


def _folder() -> Scratch:
    """A new one; what a report has left whose terminal was closed goes before."""
    try:
        remove_left_over()
        return Scratch("report")
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> Refused:
    said = _("The report cannot be kept in the folder for temporary files ({strerror}): set TMPDIR to another one.")
    return Refused(said.format(strerror=error.strerror))


async def _fetched(store: Store, send: MassSendId, file: Path) -> datetime | None:
    """Since when there is a report, which is in `file` then; one that is replaced meanwhile counts as the old one."""
    path = f"{folder_of(send.account, send.key)}/{REPORT}"
    try:
        at = await report_in(store, *send).written_at()
        if at is None:
            return None
        with file.open("wb") as copy:
            async for piece in store.stream(path):
                copy.write(piece)
    except FileNotFoundError:
        return None
    except (PlanLostError, StoreUnavailable) as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise _no_room(error) from None
    return at


async def _why_none(send: MassSendId, uri: str) -> str:
    """There is no report: what Temporal knows of the send says why."""
    with suppress(Refused, RPCError, TemporalError):
        view = await read_send(await temporal_client(), send)
        if view.state == "running" and view.in_batches:
            sentence = _("{send} runs: its report is written when it ends. How far it is: `qunfa status {send}`")
            return sentence.format(send=short_name(send))
        if not view.in_batches:
            words = _("{send} is no send in batches, and has no report. How it is: `qunfa status {send}`")
            return words.format(send=short_name(send))
        return _(_NOT_WRITTEN).format(send=short_name(send), uri=uri)
    said = _("There is no report of {send} at {uri}: see that [store] here is the workers'.")
    return said.format(send=short_name(send), uri=uri)


async def _seen(send: MassSendId) -> tuple[NewestRun | None, int | None] | None:
    """As workers look for them: the newest run that has done something, and a batch that has reached people since.

    `None` where Temporal does not tell.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            runs = VisibleRuns(await temporal_client())
            newest = await runs.newest(mass_send_id(*send))
            return newest, await reached_since(_store(), runs, *send, ())
    except (PlanLostError, StoreUnavailable) as error:
        raise Refused(str(error)) from None
    except (ApplicationError, TemporalError, TimeoutError):
        note(_(_SILENT).format(send=short_name(send)))
        return None


_PATIENCE: Final = 3.0
"""Seconds that the report waits for Temporal's word: it stands without."""
_SILENT: Final = N_("Temporal does not tell whether {send} runs again. If it does, this report is out of date.")
_OUT_OF_DATE: Final = N_(
    "This report is out of date: the newest run of {send} has not written it. Once that has ended by itself, its "
    "report is new. If it does not run, start it again: it sends to those who are left. If they are not to get that, "
    "freeze the account before, and abort it."
)
_NOT_WRITTEN: Final = N_(
    "{send} has ended, and has no report at {uri}. It wrote none if it was terminated, had no plan yet, or its store "
    "was silent. Then start it again: it sends to those who are left, unless it ended as sent in part, and writes its "
    "report at its end. If they are not to get that, freeze the account before, and abort it. If it wrote one, see "
    "that [store] here is the workers'."
)
_BATCH_RAN: Final = N_(
    "This report is out of date: batch {number} of {send} has run again, and may have reached its people. Look again "
    "once that has ended. If this is said still, start {send} again: it writes its report anew."
)


_MEANS: Final[dict[ReportState, str]] = {
    "sent": N_("WeChat has sent it. How many of a batch received it, it says; who, it does not."),
    "accepted": N_("WeChat has accepted it, and has not said what became of it."),
    "failed": N_("WeChat has said no: none of them received it."),
    "unknown": N_("It may have been delivered: look into WeChat's console."),
    "not_submitted": N_("It was never submitted."),
}


def render_report(view: ReportView, *, goes_on: bool) -> RenderableType:
    """A row for each state, and where it `goes_on`, how those are sent to who are left."""
    headings = (_("state"), _("openids"), _("batches"), _("received"), _("what it means"))
    rows = (
        (one.state, f"{one.openids:,}", one.batches, one.received and f"{one.received:,}", _(_MEANS[one.state]))
        for one in view.sums
    )
    shown = table(headings, rows, wrapped=headings[4:])
    return Group(plain(_headline(view)), "", shown, *(_next(view) if goes_on else ()))


def _headline(view: ReportView) -> str:
    openids = sum(one.openids for one in view.sums)
    if view.output is None:
        return _("{account}/{key}: {openids:,} openids").format(account=view.account, key=view.key, openids=openids)
    said = _("{account}/{key}: {openids:,} openids, written to {output}")
    return said.format(account=view.account, key=view.key, openids=openids, output=view.output)


def _next(view: ReportView) -> Iterator[RenderableType]:
    for one in view.sums:
        if one.claim is not None:
            yield plain("\n" + _(UNPLANNED).format(by=one.next_key, key=view.key, uri=one.claim))
    for key in sorted({one.next_key for one in view.sums if one.next_key is not None and one.claim is None}):
        states = listed(one.state for one in view.sums if one.next_key == key and one.claim is None)
        yield plain("\n" + _("{states}: another key reaches these people. Go on by its report:").format(states=states))
        yield unbroken(f"  qunfa report {view.account}/{key}")
    left = [one.state for one in view.sums if one.state in REST and one.next_key is None]
    if left:
        yield plain("\n" + _("Go on with the rest, under a new key:"))
        states = "".join(f" --state {one}" for one in left)
        yield unbroken(f"  qunfa send --account {view.account} --key NEW --from-report {view.key}{states} …")
    if {"sent", "unknown"} <= {one.state for one in view.sums}:  # then the old key sends nothing more
        yield plain(
            "\n" + _("An unknown batch is certainly not there? Send to its people under a new key, from a file:")
        )
        yield unbroken(f"  qunfa report {view.account}/{view.key} --state unknown --output FILE")


STDOUT: Final = STDIN
_HEADINGS: Final = ",".join(REPORT_COLUMNS).encode()
_SHOWN: Final = 80
Write = Callable[[bytes], object]


class _Batch(NamedTuple):
    """What a line says behind its openid, which is the same for the whole batch."""

    number: str
    state: ReportState
    received: int | None

    @classmethod
    def parse(cls, said: bytes) -> "_Batch":
        number, _msg_id, state, received, _size, _group = said.decode().rstrip("\r\n").split(",")
        if state not in STATES:
            raise ValueError(state)
        return cls(number, state, int(received) if received else None)


def sums(file: Path, states: Collection[ReportState], copy: Write | None = None) -> tuple[Sum, ...]:
    """The sums of a gzipped report, by state; those lines are written to `copy` as well, below their headings."""
    try:
        with gzip.open(file, "rb") as lines:
            headings = lines.readline()
            if headings.rstrip() != _HEADINGS:
                raise ValueError(headings[:_SHOWN].decode().rstrip() or "empty")
            if copy is not None:
                copy(_HEADINGS + b"\n")
            counted = _counted(lines, states, copy)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        said = _("The report is not of the form that this version knows ({error}): see that all are of one version.")
        raise Refused(said.format(error=error)) from None
    return tuple(_sum(state, counted) for state in STATES if any(batch.state == state for batch in counted))


def _counted(lines: Iterable[bytes], states: Collection[ReportState], copy: Write | None) -> dict[_Batch, int]:
    """How many openids each batch has; a line is looked at no closer than to know its batch: there are millions."""
    batches: dict[bytes, _Batch] = {}
    counted: Counter[bytes] = Counter()
    for line in lines:
        said = line.partition(b",")[2]
        if said not in batches:
            batches[said] = _Batch.parse(said)
        if copy is not None and batches[said].state in states:
            copy(line)
        counted[said] += 1
    return {batch: counted[said] for said, batch in batches.items() if batch.state in states}


def _sum(state: ReportState, counted: Mapping[_Batch, int]) -> Sum:
    of_state = {batch: openids for batch, openids in counted.items() if batch.state == state}
    received = [batch.received for batch in of_state if batch.received is not None]
    return Sum(
        state=state,
        openids=sum(of_state.values()),
        batches=len({batch.number for batch in of_state}),
        received=sum(received) if received else None,
    )


@contextmanager
def written(output: str) -> Iterator[Write]:
    """Where a copy goes to: stdout for `-`, or a file, gzipped where its name ends so; all of it, or nothing.

    A file is for oneself alone, as it names followers. A link, a pipe or a device stays what it is, and is written
    into.
    """
    if output == STDOUT:
        with writing():
            yield sys.stdout.buffer.write
            sys.stdout.buffer.flush()
        return
    path = Path(output)
    if not path.name:
        raise WrongUse(_("--output {output!r} names no file.").format(output=output))
    stays = path.is_symlink() or (path.exists() and not path.is_file())
    begun = path if stays else path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not stays:
            begun.touch(mode=0o600, exist_ok=False)
        with gzip.open(begun, "wb") if path.suffix == ".gz" else begun.open("wb") as copy:
            yield copy.write
        if not stays:
            begun.replace(path)
    except OSError as error:
        said = _("{output} cannot be written: {strerror}.")
        raise WrongUse(said.format(output=output, strerror=error.strerror)) from None
    finally:
        if not stays:
            begun.unlink(missing_ok=True)
