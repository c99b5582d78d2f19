from datetime import timedelta

import httpx
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities import all_activities
from qunfa.contract import limits, notice, recall, steps
from qunfa.contract.checks import CALLBACK_CHECK, CHECK_TOKEN, READ_CLOCKS
from tests.activities.conftest import settings_for

NAMES = {
    steps.RESOLVE_ACCOUNT,
    steps.CHECK_AUDIENCE,
    steps.WISH,
    steps.LOOK_UP,
    steps.TELL,
    steps.TAKE_PREVIEW,
    steps.SUBMIT,
    steps.INSPECT,
    steps.UPLOAD,
    steps.MAKE_DRAFT,
    steps.CHECK_DRAFT,
    steps.CONVERT_VIDEO,
    steps.PREVIEW,
    CALLBACK_CHECK,
    CHECK_TOKEN,
    READ_CLOCKS,
    steps.JOB_STATUS,
    steps.AWAIT_VERDICT,
    recall.FIND_JOB,
    recall.LOOK_AT_JOB,
    recall.DELETE_JOB,
    limits.GET_SPEED,
    limits.SET_SPEED,
    limits.CALLS_LEFT,
    limits.SENDS_COUNTED,
    notice.DELIVER_NOTICE,
}


async def test_a_worker_has_every_activity_that_workflows_ask_for(temporal: Client, http: httpx.AsyncClient) -> None:
    """Each name of the contract is registered once, and a worker takes them all."""
    found = all_activities(settings_for("https://wechat.example"), temporal, http, "registry")
    names = [activity._Definition.must_from_callable(one).name for one in found]  # noqa: SLF001  no public way to the name
    assert sorted(name or "" for name in names) == sorted(NAMES)
    Worker(temporal, task_queue="registry", activities=found, graceful_shutdown_timeout=timedelta(seconds=1))
