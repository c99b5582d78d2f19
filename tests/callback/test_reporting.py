import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.worker import Worker

import qunfa
from qunfa.callback import DeliveryError, EventError, UnknownAccountError
from qunfa.contract.ids import account_id
from qunfa.contract.ledger import LedgerView
from tests.callback.pushing import FINISHED, HELLO
from workflows.account import Account

TREE = {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 3147483650, "Status": "send success"}


def _appid() -> str:
    return f"wx{uuid4().hex[:16]}"


async def _kept(client: Client, appid: str) -> list[int]:
    async with Worker(client, task_queue=appid, workflows=[Account]):
        view = await client.get_workflow_handle(account_id(appid)).query("ledger", result_type=LedgerView)
    return [kept.event.msg_id for kept in view.kept]


@pytest.mark.parametrize("body", [FINISHED, FINISHED.decode(), TREE])
async def test_report(client: Client, body: Any) -> None:
    """An existing receiver hands the event over as it has it, and may do so twice."""
    appid = _appid()

    for _ in range(2):
        event = await qunfa.report_job_finish(client, appid, body, task_queue=appid)

    assert event is not None
    assert event.msg_id == 3147483650
    assert await _kept(client, appid) == [3147483650]


async def test_client_of_the_callers_own(client: Client) -> None:
    """The caller's client needs no converter of ours."""
    appid = _appid()
    plain = Client(client.service_client, namespace=client.namespace, data_converter=DataConverter.default)

    await qunfa.report_job_finish(plain, appid, FINISHED, task_queue=appid)

    assert await _kept(client, appid) == [3147483650]


async def test_configured_name(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process has Qunfa's configuration, the account's name does, and the task queue comes from there."""
    appid = _appid()
    monkeypatch.setenv("QUNFA_CONFIG", "")
    monkeypatch.setenv("QUNFA_TASK_QUEUE", appid)
    monkeypatch.setenv("QUNFA_ACCOUNTS__BRAND__APPID", appid)
    monkeypatch.setenv("QUNFA_ACCOUNTS__BRAND__KIND", "service")

    await qunfa.report_job_finish(client, "brand", FINISHED)

    assert await _kept(client, appid) == [3147483650]


async def test_unknown_name(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads nowhere is an error of the caller's, and says what to give."""
    monkeypatch.setenv("QUNFA_CONFIG", "")

    with pytest.raises(UnknownAccountError, match="brand is neither an AppID"):
        await qunfa.report_job_finish(client, "brand", FINISHED)


async def test_other_events_start_nothing(client: Client) -> None:
    """The caller may hand over everything; what is not a mass send's starts nothing."""
    assert await qunfa.report_job_finish(client, "nobody", HELLO) is None


async def test_unreadable(client: Client) -> None:
    """What cannot be read is an error that no repetition mends."""
    with pytest.raises(EventError):
        await qunfa.report_job_finish(client, _appid(), b"<xml>")


async def test_not_durable(client: Client) -> None:
    """What Temporal has not taken is an error, and WeChat has to come again."""
    elsewhere = Client(client.service_client, namespace="nowhere")

    with pytest.raises(DeliveryError):
        await qunfa.report_job_finish(elsewhere, _appid(), FINISHED, task_queue="queue")


def test_importing_the_package_is_cheap() -> None:
    """Who imports `qunfa` for its contract, as a workflow does, loads no client and no web server."""
    program = (
        "import sys, qunfa, qunfa.contract\n"
        "print(sorted({'temporalio', 'starlette', 'lxml', 'httpx'} & set(sys.modules)), hasattr(qunfa, 'other'))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[0] == "[] False"
