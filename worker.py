"""The worker: the one place where settings, Temporal, WeChat, workflows and activities come together.

Run it with ``python worker.py`` or ``qunfa worker``. It takes its configuration from ``qunfa.toml`` and the
environment, and stops on SIGTERM or SIGINT once the try under way has ended.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from qunfa.extras import needing

with needing("worker", "A worker", exits=__name__ == "__main__"):
    import httpx
    import structlog
    from structlog.typing import FilteringBoundLogger
    from temporalio.client import Client
    from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
    from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig, WorkflowRunner

    from activities import Look, LostQueues, Onlooker, Pulse, all_activities
    from qunfa.contract.ids import SEARCH_ATTRIBUTES
    from qunfa.contract.refusal import full_stop
    from qunfa.language import of_environment
    from qunfa.language.phrases import speak_by_default
    from qunfa.media.spool import remove_left_over
    from qunfa.printable import printable
    from qunfa.process import end_when_told, tell_nobody
    from qunfa.settings import Settings, SettingsError, load_settings
    from qunfa.telemetry import TelemetryError, configure_logging, worker_runtime
    from qunfa.temporal.connection import TemporalConfigError, TemporalError, TemporalUnreachable, connect
    from qunfa.temporal.namespace import SearchAttributesClosed, missing_search_attributes, namespace_retention
    from qunfa.temporal.whole_tasks import WholeTasks
    from qunfa.wechat import open_http
    from workflows.account import Account
    from workflows.calls import a_try_within
    from workflows.check_send import CheckMassSend
    from workflows.checks import AccountQuota, AccountSpeed, CheckAccount, CheckCallback, CheckWorker, ShowPictures
    from workflows.in_batches import MassSendInBatches
    from workflows.mass_send import MassSend
    from workflows.notify import AccountNotices, Notify
    from workflows.pages import link_articles
    from workflows.preview import PreviewMassSend
    from workflows.recall import RecallMassSend

DONE: Final = 0
REFUSED: Final = 1
WRONG_CONFIGURATION: Final = 2
UNREACHABLE: Final = 3

WORKFLOWS: Final = (
    MassSend,
    MassSendInBatches,
    Account,
    PreviewMassSend,
    CheckMassSend,
    CheckCallback,
    RecallMassSend,
    AccountSpeed,
    AccountQuota,
    CheckAccount,
    AccountNotices,
    CheckWorker,
    ShowPictures,
    Notify,
)
"""All that a worker runs."""
TELLING: Final = timedelta(seconds=20)
"""How long a try may take after its HTTP call: the ledger is told, the activity is completed."""
ENDING: Final = timedelta(seconds=10)
"""How long a worker takes to end after its tries."""
HEARTBEATS_APART: Final = timedelta(seconds=1)
"""How often the progress of an upload is told at most."""
TASKS_AT_ONCE: Final = 20
"""A worker takes so many workflow tasks: as many as it can end in the ten seconds that Temporal gives each.

A task that takes longer is done again from its beginning. With 100, a busy server ended none of 10,000 sends.
"""
RUNS_KEPT: Final = 500
"""Runs that a worker keeps in memory. Each takes 0.1 MB, or 2.4 MB with 10,000 openids: at most 1.2 GB of 2."""
RETENTION: Final = timedelta(days=35)

_MOMENT: Final = timedelta(seconds=1)
_LOG: Final[FilteringBoundLogger] = structlog.get_logger("qunfa.worker")


class WorkerRefusesError(Exception):
    """The worker does not start, for a reason that a person must remove."""


class LookEndedError(Exception):
    """One of the worker's looks has ended by a mistake: it could go on for months without."""


class EndingWorker(Worker):
    """A worker that ends when it is stopped, also where Temporal's client waits for what never comes.

    Its runs go on by whole workflow tasks (`qunfa.temporal.whole_tasks`).

    Seen in tests with 1.35, on the time-skipping server: an activity had learned that its workflow was terminated just
    before the worker stopped. Why the client waits then is not known.
    What is under way then is as after a kill: Temporal gives it to another worker once it has timed out.

    Args:
        client: the connection to Temporal.
        ends_within: how long `shutdown` waits at most, beginning with the grace that activities are given.
        runner: what runs the workflows, given `forget`.
        options: as of Temporal's own `Worker`.
    """

    def __init__(
        self,
        client: Client,
        *,
        ends_within: timedelta,
        runner: Callable[..., WorkflowRunner] = WholeTasks,
        **options: Any,
    ) -> None:
        super().__init__(
            client, plugin_shutdown_timeout=_MOMENT, workflow_runner=runner(forget=self._forget), **options
        )
        self._ends_within = ends_within

    def _forget(self, run_id: str) -> None:
        self._bridge_worker.request_workflow_eviction(run_id)

    async def shutdown(self) -> None:
        """Stop, and wait for what is under way: not longer than it may take."""
        ending = asyncio.create_task(super().shutdown(), name="shutdown")
        try:
            await asyncio.wait({ending}, timeout=self._ends_within.total_seconds())
            if not ending.done():
                _LOG.warning(
                    "left something under way: another worker takes it up once it has timed out",
                    task_queue=self.task_queue,
                    waited_seconds=self._ends_within.total_seconds(),
                )
        finally:
            ending.cancel()


async def run_worker(settings: Settings) -> None:
    """Serve the task queue until SIGTERM or SIGINT; pages are in the language of the settings or the environment.

    Raises:
        TemporalUnreachable: Temporal does not answer.
        TemporalError: a search attribute has another type, or Temporal refuses.
        TelemetryError: the address of the metrics endpoint cannot be used.
        SettingsError: no account is configured.
        WorkerRefusesError: a search attribute is missing.
    """
    if not settings.accounts:
        msg = "no account is configured; add [accounts.<name>] to qunfa.toml (see the README)"
        raise SettingsError(msg)
    speak_by_default(settings.display.language or of_environment(os.environ))
    link_articles(settings.display.articles)
    client = await connect(runtime=worker_runtime(settings.metrics.worker))
    async with open_http(settings.timing.http_timeout) as http:
        await serve(settings, client, http)


async def serve(
    settings: Settings, client: Client, http: httpx.AsyncClient, *, on_started: Callable[[], None] | None = None
) -> None:
    """As `run_worker`, with a connection to Temporal and an HTTP client that the caller has opened.

    Raises:
        TemporalError: Temporal refuses.
        WorkerRefusesError: a search attribute is missing.
        LookEndedError: the worker has ended, as it is to be started anew.
    """
    await _check_namespace(client)
    await asyncio.to_thread(make_room)
    stop = _stop_signal()
    needs = 2 * settings.timing.http_timeout + TELLING + ENDING
    async with (
        Pulse(client, settings.worker.alive).beating() as pulse,
        make_worker(settings, client, http),
        Onlooker(settings, client).looking() as closed,
        LostQueues(settings, client).looking() as lost,
    ):
        _LOG.info(
            "started",
            task_queue=settings.task_queue,
            accounts=sorted(settings.accounts),
            wechat=settings.wechat.base_url,
            temporal=client.service_client.config.target_host,
            namespace=client.namespace,
            stops_within_seconds=needs.total_seconds(),
        )
        if on_started:
            on_started()
        ended = await _until(stop, pulse, closed, lost)
        _LOG.info("stopping: the tries under way end first")
    _LOG.info("stopped")
    if ended:
        msg = f"{', '.join(ended)} ended by a mistake, which the log tells; start the worker again, and report this"
        raise LookEndedError(msg)


async def _until(stop: asyncio.Event, *looks: Look | None) -> list[str]:
    """Wait until the worker is to end; the names of the looks that have ended."""
    running, stopped = [look for look in looks if look is not None], asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, *running}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    return [look.get_name() for look in running if look.done()]


def make_room() -> None:
    """Remove what a killed worker has left, and only then let Python choose the folder for temporary files.

    It chooses once, and passes over a full one. A worker without such a folder starts all the same: texts need none.
    """
    try:
        if removed := remove_left_over():
            _LOG.info("removed the temporary files of a worker that was killed", folders=removed)
        chosen = tempfile.gettempdir()
    except OSError as error:
        _LOG.warning("there is no room for temporary files: media and lists wait for it", error=error.strerror)
        return
    wanted = os.environ.get("TMPDIR")
    if wanted and os.path.abspath(wanted) != chosen:  # noqa: PTH100  as Python itself compares
        _LOG.warning(
            "TMPDIR cannot be written: temporary files go elsewhere until this worker is restarted",
            wanted=wanted,
            chosen=chosen,
        )


def make_worker(settings: Settings, client: Client, http: httpx.AsyncClient) -> Worker:
    """All workflows and activities on one task queue.

    Where a deployment is configured, running workflows move on to whichever of its versions is made the current one.
    A fixed number of pollers would leave one for new runs, behind which the first tasks of a crowd wait in a row.
    """
    return EndingWorker(
        client,
        ends_within=a_try_within(settings.timing.http_timeout),
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=all_activities(settings, client, http, settings.task_queue),
        graceful_shutdown_timeout=2 * settings.timing.http_timeout + TELLING,
        max_heartbeat_throttle_interval=HEARTBEATS_APART,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(maximum=TASKS_AT_ONCE),
        max_concurrent_workflow_tasks=TASKS_AT_ONCE,
        max_cached_workflows=RUNS_KEPT,
        deployment_config=_deployment(settings),
    )


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """The version that this worker is of, for Temporal's Worker Versioning; none where it is not configured."""
    deployment, build_id = settings.worker.deployment, settings.worker.build_id
    if deployment is None or build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=deployment, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def _check_namespace(client: Client) -> None:
    """A workflow that upserts an unknown search attribute hangs: better not to start."""
    try:
        missing = await missing_search_attributes(client)
    except SearchAttributesClosed:
        missing = None
    if missing is None:
        _LOG.warning(
            "the server does not list search attributes: a send hangs if one is missing",
            namespace=client.namespace,
            wanted=", ".join(SEARCH_ATTRIBUTES),
        )
    if missing:
        msg = f"namespace {client.namespace} lacks the search attributes {', '.join(missing)}; run `qunfa setup`"
        raise WorkerRefusesError(msg)
    retention = await namespace_retention(client)
    if timedelta(0) < retention < RETENTION:
        _LOG.warning(
            "closed workflows are kept for less than 35 days: a key that a full ledger has dropped could be sent again",
            namespace=client.namespace,
            retention_days=retention / timedelta(days=1),
            todo="qunfa setup --retention 35d",
        )


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


_SETTLE_SECONDS: Final = 0.2


async def _run() -> None:
    try:
        await run_worker(load_settings("worker"))
    finally:
        # Temporal's threads may still hold the interpreter when it ends (temporalio/sdk-python issue 300): without this
        # pause the process now and then ends by a signal although all its work was done, or its refusal said.
        await asyncio.sleep(_SETTLE_SECONDS)


def main() -> int:
    """Run the worker until it is stopped; one line on stderr and an exit code say why it does not start."""
    tell_nobody()
    end_when_told()
    _spare_the_collector()
    code = DONE
    try:
        code = _worked()
    finally:
        error = sys.exc_info()[1]
        if any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
            # A mount that hangs holds the thread that reads from it, and Python waits for each thread.
            if isinstance(error, Exception):
                sys.excepthook(type(error), error, error.__traceback__)
                code = REFUSED
            sys.stderr.flush()
            os._exit(code)
    return code


def _worked() -> int:
    try:
        configure_logging()
        asyncio.run(_run())
    except (SettingsError, TelemetryError, TemporalConfigError) as error:
        return _refuse(error, WRONG_CONFIGURATION)
    except TemporalUnreachable as error:
        return _refuse(error, UNREACHABLE)
    except (TemporalError, WorkerRefusesError, LookEndedError) as error:
        return _refuse(error, REFUSED)
    return DONE


def _spare_the_collector() -> None:
    """Keep what was imported, over 100,000 objects for good, out of every full collection.

    A collection stops all workflow tasks of the process. Temporal's SDK calls a stop of two seconds a deadlock.
    """
    gc.collect()
    gc.freeze()


def _refuse(error: Exception, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(f"qunfa worker: {printable(full_stop(str(error)), keep=chr(10))}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
