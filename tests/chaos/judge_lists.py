"""The judge of lists: what WeChat's ledger says of each openid, held against the list, its report and its runs.

| kind | is |
|---|---|
| double | a follower has received a list more than once |
| lost | a follower on the list is in no row of its report |
| wrong | the report, or a run, says what the ledger does not; or the report has a stranger in it |
| open | the list, or one of its batches, still runs; or nobody has started it |

It reads the report as its file stands in the store. Whom the list has, and how it is cut, it knows from the plan of the
run alone. Each batch is judged as the send that it is, too.
"""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from qunfa.contract.result import COMPLETES, MassSendResult
from qunfa.simulator.accounts import follower_number
from tests.chaos.evidence import Accepted, Run, SendSeen
from tests.chaos.judge import Violation, doubles, judge_send, row_errors

UNREACHED: Final = frozenset({"failed", "not_submitted"})
OPEN: Final = frozenset({"accepted", "unknown"})
_NEVER: Final = float("inf")


class Row(NamedTuple):
    """What a report says of an openid: its batch and its state, with the batch's msg_id, count and size."""

    batch: int
    state: str
    msg_id: int | None
    received: int | None
    size: int


@dataclass(frozen=True)
class Report:
    """A report: its rows by the number of the follower, and the openids that are nobody's, or there twice."""

    rows: Mapping[int, Row]
    odd: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListSeen:
    """One list: who is on it, all of its jobs, the runs of the list itself, its batches, and its report."""

    whole: SendSeen
    members: range
    batches: tuple[SendSeen, ...] = ()
    report: Report | None = None


def report_of(file: Path, appid: str) -> Report | None:
    """The report as it stands in the store; None where there is none."""
    if not file.is_file():
        return None
    rows: dict[int, Row] = {}
    odd: list[str] = []
    known: dict[tuple[str, ...], Row] = {}
    with gzip.open(file, "rt", encoding="ascii", newline="") as lines:
        for line in csv.DictReader(lines):
            number = follower_number(appid, line["openid"])
            if number is None or number in rows:
                odd.append(line["openid"])
                continue
            said = tuple(line[name] for name in ("batch", "state", "msg_id", "received", "batch_size"))
            if said not in known:
                batch, state, msg_id, received, size = said
                told = int(received) if received else None
                known[said] = Row(int(batch), state, int(msg_id) if msg_id else None, told, int(size))
            rows[number] = known[said]
    return Report(rows, tuple(odd))


def judge_list(seen: ListSeen) -> list[Violation]:
    """All that is wrong with one list."""
    runs = seen.whole.own
    found = [*doubles(seen.whole)]
    for batch in seen.batches:
        if batch.runs or not all(batch.is_forgotten(job) for job in batch.jobs):
            found.extend(judge_send(batch))
    said = [*_ending(runs), *_restarts(runs, forgets=bool(seen.whole.lapses))]
    for number, run in enumerate(runs):
        until = max(runs[number + 1].started_at, run.closed_at or 0.0) if number + 1 < len(runs) else _NEVER
        said.extend(_of_run(run, seen.whole.jobs, until))
    if seen.report is not None:
        said.extend(_of_report(seen, seen.report))
        if runs and runs[-1].result is not None:
            said.extend(_of_outcome(runs[-1].result, seen.report))
    elif runs and runs[-1].result is not None and runs[-1].result.jobs:
        said.append(Violation("lost", None, "it has ended, and has no report"))
    return [*found, *(Violation(one.kind, seen.whole.key, one.sentence) for one in said)]


def _ending(runs: list[Run]) -> Iterator[Violation]:
    if not runs:
        yield Violation("open", None, "it was never started")
    elif runs[-1].state == "terminated":
        yield Violation("open", None, f"run {runs[-1].run_id} was terminated, and nobody has started it again")


def _of_run(run: Run, jobs: Iterable[Accepted], until: float) -> Iterator[Violation]:
    """One run against the jobs that were accepted until the next one started.

    WeChat may refuse to list followers for a while; so a list may be refused that is started again.
    """
    before = [job for job in jobs if job.accepted_at < until]
    delivered = [job.msg_id for job in before if job.delivered]
    name = f"run {run.run_id}"
    if run.state == "running":
        yield Violation("open", None, f"{name} still runs")
    elif run.state == "broken" or (run.state == "refused" and until == _NEVER):
        yield Violation("wrong", None, f"{name} ended without a result ({run.state})")
    elif run.state == "cancelled" and delivered:
        yield Violation("wrong", None, f"{name} was cancelled as if nothing had been sent, but {delivered} were")
    elif run.state in {"completed", "failed"} and run.result is None:
        yield Violation("wrong", None, f"{name} has no result ({run.state})")
    elif run.result is not None:
        for sentence in _errors(run, run.result, before, delivered):
            yield Violation("wrong", None, f"{name} ended as {run.result.outcome}, {sentence}")


def _errors(run: Run, result: MassSendResult, jobs: Iterable[Accepted], delivered: list[int]) -> Iterator[str]:
    """Where a result is not what the ledger says."""
    sent = result.outcome in COMPLETES
    if sent != (run.state == "completed"):
        yield f"but {run.state}"
    if delivered and not result.may_have_been_delivered:
        yield f"and says that nothing can have been delivered, but msg_id {delivered[0]} was"
    if sent and not delivered:
        yield "but WeChat delivered nothing"
    if delivered and not sent and result.outcome != "unknown":
        yield f"but WeChat delivered msg_id {delivered[0]}"
    known = {job.msg_id: job for job in jobs}
    for row in result.jobs:
        if row.msg_id is not None:
            yield from (f"and {sentence}" for sentence in row_errors(row, known.get(row.msg_id)))


def _restarts(runs: list[Run], *, forgets: bool) -> Iterator[Violation]:
    """What a run has told as sent, each later one tells as well that has come to a result.

    ``forgets``: after a restore one may have asked a person about a batch, and had no answer.
    """
    told: set[int] = set()
    for run in runs:
        if run.result is None or (forgets and any(row.state in OPEN for row in run.result.jobs)):
            continue
        now = {row.msg_id for row in run.result.jobs if row.msg_id is not None}
        if missing := told - now:
            yield Violation("wrong", None, f"run {run.run_id} does not tell of msg_ids {sorted(missing)}, sent before")
        told |= {row.msg_id for row in run.result.jobs if row.msg_id is not None and row.state == "sent"}


def _of_outcome(result: MassSendResult, report: Report) -> Iterator[Violation]:
    states = {row.state for row in report.rows.values()}
    all_sent = states == {"sent"}
    if result.outcome == "sent" and not all_sent:
        yield Violation("wrong", None, f"it ended as sent, but its report says {sorted(states)}")
    if result.outcome == "partly_sent" and (all_sent or "sent" not in states):
        yield Violation("wrong", None, f"it ended as partly sent, but its report says {sorted(states)}")


def _of_report(seen: ListSeen, report: Report) -> Iterator[Violation]:
    """Each openid is in one row, and that says what the ledger does."""
    jobs = {job.msg_id: job for job in seen.whole.jobs}
    by: dict[int, int] = {}
    for job in seen.whole.jobs:
        by.update(dict.fromkeys(job.received or (), job.msg_id))
    missing = sum(number not in report.rows for number in seen.members)
    if missing:
        yield Violation("lost", None, f"{missing} followers on the list are in no row of its report")
    strangers = sum(number not in seen.members for number in report.rows) + len(report.odd)
    if strangers:
        yield Violation("wrong", None, f"its report has {strangers} rows too many: strangers, or a follower twice")
    wrong = Counter(
        sentence for number, row in report.rows.items() if (sentence := _error(row, by.get(number), jobs)) is not None
    )
    for sentence, times in wrong.items():
        yield Violation("wrong", None, f"its report says of {times} followers {sentence}")
    for row, size in Counter(report.rows.values()).items():
        if row.size != size:
            yield Violation("wrong", None, f"its report has {size} followers in batch {row.batch}, and says {row.size}")
        told = jobs.get(row.msg_id or 0)
        if row.msg_id is not None and told is None:
            yield Violation("wrong", None, f"its report has msg_id {row.msg_id}, which is no job of this list")
        if told is not None and row.received is not None and row.received != told.counts.sent:
            yield Violation("wrong", None, f"its report has {row.received} received by msg_id {row.msg_id}")


def _error(row: Row, by: int | None, jobs: Mapping[int, Accepted]) -> str | None:
    """What is wrong with the row of a follower who has received the list by this msg_id, or not at all."""
    if row.state in UNREACHED:
        return None if by is None else f"{row.state}, but msg_id {by} has reached them"
    if row.state in OPEN:
        return None
    if row.state != "sent":
        return f"{row.state!r}, which is no state"
    if by is not None:
        return None if by == row.msg_id else f"sent by msg_id {row.msg_id}, but that was {by}"
    job = jobs.get(row.msg_id or 0)
    reached_nobody = job is not None and job.yes and not job.received
    return None if reached_nobody else f"sent by msg_id {row.msg_id}, but nothing has reached them"
