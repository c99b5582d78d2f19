"""A worker whose clock can be put forward or back, or with one promise taken out of it to see that its loss is noticed.

It is started as the worker is. `--clock FILE`: the seconds that stand there are added to its clock.
`random-clientmsgid`: each try goes out under an id of its own, so that WeChat cannot recognise a repetition.
`forget-unknown`: a definite no that follows an unknown try is believed.
`batches-of-a-run`: the batches of a list have other keys in each of its runs. Store and Temporal forget how they ended.
"""

import argparse
import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from weakref import WeakSet

import temporalio.client
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from qunfa.audience import reports
from qunfa.contract import batches
from qunfa.contract.facts import Known
from qunfa.contract.result import Job
from qunfa.contract.steps import SUBMIT
from qunfa.rules.codes import return_code
from qunfa.send import doubt
from qunfa.settings import load_settings
from qunfa.telemetry import configure_logging, worker_runtime
from qunfa.temporal.connection import connect
from qunfa.wechat import open_http

JobsOf = Callable[..., tuple[Job, ...]]


class RandomClientmsgid(temporalio.client.Interceptor, Interceptor):
    """Every try under another id."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Renaming(super().intercept_activity(next))


class _Renaming(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        if activity.info().activity_type == SUBMIT:
            [step] = input.args
            input.args = [{**step, "lease": {**step["lease"], "clientmsgid": uuid.uuid4().hex[:28]}}]
        return await super().execute_activity(input)


def forgetful(jobs_of: JobsOf) -> JobsOf:
    """`jobs_of` without the stickiness of what is unknown."""

    def forgetting(known: Known, key: str, first: str = "") -> tuple[Job, ...]:
        return tuple(map(_without_doubt, jobs_of(known, key, first)))

    return forgetting


def _without_doubt(job: Job) -> Job:
    answer = job.answer
    if answer is None or answer.kind != "refused" or answer.errcode is None:
        return job
    if not return_code(answer.errcode).definite_no:
        return job
    return job.model_copy(update={"ever_unknown": False, "window_started_at": None, "unanswered": (), "vague": False})


def key_in_a_run(key: str, number: int) -> str:
    """The key of a batch, with the run that begins it in its number."""
    info = workflow.info()
    run = info.parent.run_id if info.parent else info.run_id
    return f"{key}.{number}{uuid.UUID(run).int % 1_000}"


_rows_that_stand = reports.ReportWriter.rows_file
_has_read = WeakSet[reports.ReportWriter]()


async def of_no_run(writer: reports.ReportWriter) -> reports.RowsFile | None:
    """Nothing is known of earlier runs, of which a writer reads first; then it reads whether its own rows stand."""
    if writer not in _has_read:
        _has_read.add(writer)
        return reports.RowsFile(rows=())
    return await _rows_that_stand(writer)


def _forget_lists() -> None:
    """No run of a list is known that has ended, nor of its batches."""
    from activities.earlier_runs import VisibleRuns  # noqa: PLC0415  see below

    async def was_sent(_runs: VisibleRuns, _workflow_id: str, _run_id: str) -> bool:
        return False

    async def reaching(_runs: VisibleRuns, _workflow_id: str) -> frozenset[int]:
        return frozenset()

    VisibleRuns.was_sent = was_sent  # type: ignore[method-assign, assignment]  # this is the control
    VisibleRuns.reaching = reaching  # type: ignore[method-assign, assignment]  # so is this


def set_by(file: Path) -> None:
    """The clock by which leases are used, and answers dated, is wrong by what stands in the file."""
    from activities.attempts import SystemClock  # noqa: PLC0415  see below

    right = SystemClock.now

    def now(clock: SystemClock) -> datetime:
        return right(clock) + timedelta(seconds=float(file.read_text(encoding="utf-8")))

    SystemClock.now = now  # type: ignore[assignment, method-assign]  # this is the mishap


async def main(control: str | None, clock: Path | None) -> None:
    """Serve the task queue until SIGTERM."""
    settings = load_settings()
    if control == "forget-unknown":
        doubt.jobs_of = forgetful(doubt.jobs_of)
    if control == "batches-of-a-run":
        batches.batch_key = key_in_a_run
        reports.ReportWriter.rows_file = of_no_run  # type: ignore[method-assign, assignment]  # this is the control
        _forget_lists()
    # Only now: workflows and activities take the rules as they find them when they are imported.
    from worker import serve  # noqa: PLC0415

    if clock is not None:
        set_by(clock)

    client = await connect(runtime=worker_runtime(settings.metrics.worker))
    if control == "random-clientmsgid":
        config = client.config()
        config["interceptors"] = [RandomClientmsgid()]
        client = Client(**config)
    async with open_http(settings.timing.http_timeout) as http:
        await serve(settings, client, http)
    # Temporal's threads may still hold the interpreter when it ends (temporalio/sdk-python issue 300).
    await asyncio.sleep(0.05)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.worker", description=__doc__)
    parser.add_argument("control", nargs="?")
    parser.add_argument("--clock", type=Path)
    options = parser.parse_args()
    configure_logging()
    asyncio.run(main(options.control, options.clock))
