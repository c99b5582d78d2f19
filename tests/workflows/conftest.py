"""The two workflows on the time-skipping server, with the model of WeChat behind their activities."""

import contextlib
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio
from temporalio import activity
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeIndexedValueType
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.ledger import Ledger
from qunfa.contract import MASS_SEND, SEARCH_ATTRIBUTES, MassSendResult, Status, account_id, mass_send_id
from qunfa.contract.ledger import LedgerView
from qunfa.contract.steps import AccountFacts
from tests.workflows.model import TASK_QUEUE, ModelWechat
from workflows.account import Account
from workflows.mass_send import MassSend

TYPES = {
    "Keyword": SearchAttributeIndexedValueType.KEYWORD,
    "KeywordList": SearchAttributeIndexedValueType.KEYWORD_LIST,
}


class NoEarlierRuns:
    """The time-skipping server cannot list workflows."""

    async def find(self, workflow_id: str, current_run_id: str) -> Sequence[Any]:  # noqa: ARG002  the protocol's names
        """None."""
        return ()


def binary(name: str) -> str:
    """A Temporal binary beside this Python, or on the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is not installed"
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def env() -> AsyncIterator[WorkflowEnvironment]:
    """The time-skipping server."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary("temporal-test-server"), data_converter=pydantic_data_converter
    ) as environment:
        attributes = {name: int(TYPES[kind]) for name, kind in SEARCH_ATTRIBUTES.items()}
        request = AddSearchAttributesRequest(namespace="default", search_attributes=attributes)
        await environment.client.operator_service.add_search_attributes(request)
        yield environment


@dataclass
class Desk:
    """One account with its model of WeChat, and the means to start sends and look at them."""

    env: WorkflowEnvironment
    wechat: ModelWechat

    def request(self, key: str = "spring", **more: Any) -> dict[str, Any]:
        """A request to send a text to all."""
        message = {"msgtype": "text", "content": "你好"}
        return {"account": "demo", "key": key, "audience": {"kind": "all"}, "message": message, **more}

    async def start(self, key: str = "spring", **more: Any) -> WorkflowHandle[Any, Any]:
        """Start a send."""
        return await self.start_raw(self.request(key, **more), mass_send_id("demo", key))

    async def start_raw(self, raw: Any, workflow_id: str, **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a `MassSend` with any input."""
        return await self.env.client.start_workflow(
            MASS_SEND, raw, id=workflow_id, task_queue=TASK_QUEUE, result_type=MassSendResult, **options
        )

    async def status(self, handle: WorkflowHandle[Any, Any]) -> Status:
        """The send's status."""
        return await handle.query("status", result_type=Status)

    async def until(
        self, handle: WorkflowHandle[Any, Any], fits: Callable[[Status], bool], step: timedelta = timedelta(seconds=20)
    ) -> Status:
        """Let time pass until the status fits."""
        for _ in range(400):
            status = await self.status(handle)
            if fits(status):
                return status
            await self.env.sleep(step)
        raise AssertionError(await self.status(handle))

    async def asks(self, handle: WorkflowHandle[Any, Any], problem: str) -> Status:
        """Let time pass until the send asks an operator about `problem`."""
        hour = timedelta(minutes=20)
        status = await self.until(handle, lambda status: status.phase in {"needs_operator", "done"}, hour)
        assert status.problem is not None
        assert status.problem.name == problem
        return status

    async def update(self, handle: WorkflowHandle[Any, Any], name: str, **payload: Any) -> Status:
        """Send an update as an operator."""
        return await handle.execute_update(name, {"by": "li", "reason": "looked", **payload}, result_type=Status)

    async def ledger(self) -> LedgerView:
        """What the account knows."""
        handle = self.env.client.get_workflow_handle(account_id(self.wechat.facts.appid))
        return await handle.query("ledger", result_type=LedgerView)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(env: WorkflowEnvironment) -> AsyncIterator[Desk]:
    """A desk with a fresh account; its workflows are ended afterwards."""
    facts = AccountFacts(name="demo", appid=f"wx{uuid.uuid4().hex[:16]}", base_url="https://api.weixin.qq.com")
    async with running(env, facts) as found:
        yield found


@contextlib.asynccontextmanager
async def running(env: WorkflowEnvironment, facts: AccountFacts) -> AsyncIterator[Desk]:
    """A worker with the account `facts`."""
    wechat = ModelWechat(client=env.client, facts=facts, now=_now)
    ledger = Ledger(env.client, TASK_QUEUE, NoEarlierRuns())
    steps = [
        wechat.resolve_account,
        wechat.submit,
        wechat.job_status,
        wechat.await_verdict,
        wechat.check_audience,
        ledger.claim,
        ledger.reserve,
        ledger.tell,
        ledger.owner_of,
    ]
    async with Worker(env.client, task_queue=TASK_QUEUE, workflows=[MassSend, Account], activities=steps):
        yield Desk(env, wechat)


def _now() -> datetime:
    """The server's time, as an activity sees it: when its attempt was started."""
    return activity.info().started_time
