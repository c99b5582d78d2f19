"""The WeChat jobs of a send as a table."""

from collections.abc import Sequence

from rich.table import Table

from qunfa.cli.rendering.words import plain
from qunfa.contract.result import Counts, JobResult

_COLUMNS = ("job", "gen", "state", "msg_id", "status", "total", "filter", "sent", "error", "seen by")


def render_jobs(jobs: Sequence[JobResult]) -> Table:
    """One row per job and generation. `total`, `filter`, `sent` and `error` are WeChat's counts of people."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in _COLUMNS:
        table.add_column(heading, overflow="fold", header_style="dim")
    for job in jobs:
        table.add_row(*(plain(cell) for cell in _row(job)))
    return table


def _row(job: JobResult) -> tuple[object, ...]:
    observed = job.observed_by and job.observed_by + (" (known before)" if job.deduplicated else "")
    return (job.index, job.generation, job.state, job.msg_id, job.status, *_counts(job.counts), observed)


def _counts(counts: Counts | None) -> tuple[object, ...]:
    if counts is None:
        return (None,) * 4
    return counts.total, counts.filter, counts.sent, counts.error
