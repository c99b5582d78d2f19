"""The two workflows on the time-skipping server, with the model of WeChat behind their activities."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.checks import Outlook
from qunfa.contract import MASS_SEND, MassSendResult, Status, account_id, mass_send_id
from qunfa.contract.ledger import FreezeAnswer, LedgerView
from qunfa.contract.steps import AccountFacts, Timing
from tests.looking import PATIENCE, Looks, until
from tests.notices.webhook import Receiver, receiving
from tests.temporal import development_server, in_namespace, is_there, time_skipping_server
from tests.workflows.model import ModelWechat
from tests.workflows.model_material import ModelMaterial
from tests.workflows.model_store import ModelStore
from tests.workflows.recording import record
from tests.workflows.slow_ledger import NoEarlierRuns, SlowLedger
from worker import EndingWorker
from workflows.account import Account
from workflows.check_send import CheckMassSend
from workflows.in_batches import MassSendInBatches
from workflows.mass_send import MassSend
from workflows.notify import Notify
from workflows.preview import PreviewMassSend

ENDS_WITHIN = timedelta(seconds=10)
LEAP = timedelta(hours=3)
BRIEF = timedelta(seconds=2)
"""Of a workflow task: a worker that cannot carry one out lets it time out, and so it would be away for ten seconds."""


@pytest_asyncio.fixture(loop_scope="session")
async def env() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server for one test: its time, and whatever goes wrong in it, is that test's alone."""
    async with time_skipping_server() as environment:
        yield environment


@dataclass
class Desk:
    """One account with its model of WeChat, and the means to start sends and look at them."""

    env: WorkflowEnvironment
    wechat: ModelWechat
    slow: SlowLedger
    material: ModelMaterial
    store: ModelStore
    started: list[WorkflowHandle[Any, Any]] = field(default_factory=list)
    others: list[tuple[str, WorkflowHandle[Any, Any]]] = field(default_factory=list)
    """Workflows of other kinds than `MassSend`, to be recorded with them."""
    task_timeout: timedelta | None = None

    def request(self, key: str = "spring", **more: Any) -> dict[str, Any]:
        message = {"msgtype": "text", "content": "你好"}
        return {"account": "demo", "key": key, "audience": {"kind": "all"}, "message": message, **more}

    async def start(self, key: str = "spring", **more: Any) -> WorkflowHandle[Any, Any]:
        return await self.start_raw(self.request(key, **more), mass_send_id("demo", key))

    async def start_raw(self, raw: Any, workflow_id: str, **options: Any) -> WorkflowHandle[Any, Any]:
        handle = await self.env.client.start_workflow(
            MASS_SEND,
            raw,
            id=workflow_id,
            task_queue=self.wechat.task_queue,
            task_timeout=self.task_timeout,
            result_type=MassSendResult,
            **options,
        )
        self.started.append(handle)
        return handle

    @property
    def account(self) -> WorkflowHandle[Any, Any]:
        return self.env.client.get_workflow_handle(account_id(self.wechat.facts.appid))

    def first_run(self, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
        return self.env.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)

    async def begin(self, kind: str, raw: Any, workflow_id: str, result_type: type[Any]) -> WorkflowHandle[Any, Any]:
        handle: WorkflowHandle[Any, Any] = await self.env.client.start_workflow(
            kind, raw, id=workflow_id, task_queue=self.wechat.task_queue, result_type=result_type
        )
        self.others.append((kind, handle))
        return handle

    async def status(self, handle: WorkflowHandle[Any, Any]) -> Status:
        status: Status = await handle.query("status", result_type=Status)
        return status

    async def until(
        self, handle: WorkflowHandle[Any, Any], fits: Callable[[Status], bool], step: timedelta = timedelta(seconds=20)
    ) -> Status:
        """Let time pass until the status fits: only while the send waits, not while an activity is at work."""
        looks = Looks()
        async with asyncio.timeout(PATIENCE):
            while not fits(status := await self.status(handle)):
                if status.waiting_for is not None and self.env.supports_time_skipping:
                    await leap(self.env, step)
                else:
                    await looks.again()
        return status

    async def asks(self, handle: WorkflowHandle[Any, Any], problem: str) -> Status:
        """Let time pass until the send asks an operator about `problem`."""
        hour = timedelta(hours=1)
        status = await self.until(handle, lambda status: status.phase in {"needs_operator", "done"}, hour)
        assert status.problem is not None
        assert status.problem.name == problem
        return status

    async def waits(self, handle: WorkflowHandle[Any, Any], reason: str) -> Status:
        """Let time pass until the send says that it waits for this."""
        return await self.until(
            handle, lambda status: status.waiting_for is not None and reason in status.waiting_for.reason
        )

    async def accepted(self, handle: WorkflowHandle[Any, Any]) -> int:
        """Let time pass until WeChat's verdict is awaited; the msg_id."""
        status = await self.until(handle, lambda status: status.phase == "awaiting_result")
        msg_id = status.jobs[-1].msg_id
        assert msg_id is not None
        return msg_id

    async def seen(self, handle: WorkflowHandle[Any, Any], what: str) -> None:
        """Wait until the send's story tells of `what`; no time is skipped."""
        await until(lambda: self.status(handle), lambda status: any(what in line.what for line in status.history))

    async def update(self, handle: WorkflowHandle[Any, Any], name: str, **payload: Any) -> Status:
        asked = {"by": "li", **({} if name == "reschedule" else {"reason": "looked"}), **payload}
        status: Status = await handle.execute_update(name, asked, result_type=Status)
        return status

    async def refused(self, handle: WorkflowHandle[Any, Any], name: str, **payload: Any) -> str:
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await self.update(handle, name, **payload)
        assert isinstance(caught.value.cause, ApplicationError)
        return caught.value.cause.message

    async def freeze(self, reason: str = "wrong text") -> FreezeAnswer:
        """Freeze the account."""
        why = {"by": "li", "reason": reason}
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    answer: FreezeAnswer = await self.account.execute_update("freeze", why, result_type=FreezeAnswer)
                except RPCError as error:
                    # The time-skipping server now and then forgets an update that it has just carried out.
                    if error.status != RPCStatusCode.NOT_FOUND:
                        raise
                else:
                    return answer

    async def record(self, folder: Path, name: str) -> None:
        """Write the histories of the sends, of the account and of what else there was, for the replay test."""
        sends = {f"send-{number}": handle for number, handle in enumerate(self.started, start=1)}
        others = {f"{kind}-{number}": handle for number, (kind, handle) in enumerate(self.others, start=1)}
        account = {"account": self.account} if await is_there(self.env.client, self.account.id) else {}
        await record(self.env.client, {**account, **sends, **others}, folder, name)

    async def ledger(self) -> LedgerView:
        view: LedgerView = await self.account.query("ledger", result_type=LedgerView)
        return view


class Recordable(Protocol):
    """What has workflows that can be recorded."""

    async def record(self, folder: Path, name: str) -> None:
        """Write their histories."""


Recorder = Callable[[Recordable], Awaitable[None]]


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Recorder:
    """What a fixture does when its test is over: its workflows are recorded where that is asked for."""

    async def keep(of: Recordable) -> None:
        folder, marked = request.config.getoption("--record-histories"), request.node.get_closest_marker("history")
        if folder and marked:
            by_row = marked.kwargs.get("by_row")
            name = request.node.callspec.id.replace(" ", "_") if by_row else request.node.originalname
            await of.record(Path(folder), name.removeprefix("test_"))

    return keep


@pytest_asyncio.fixture(loop_scope="session")
async def desk(env: WorkflowEnvironment, recorded: Recorder) -> AsyncIterator[Desk]:
    """A desk with a fresh account; its workflows are ended afterwards."""
    async with running(env, usual_facts()) as found:
        yield found
        await recorded(found)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_env(temporal_server: Client) -> WorkflowEnvironment:
    """The real server, in a namespace of this folder's own."""
    return WorkflowEnvironment.from_client(await in_namespace(temporal_server, "workflows"))


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of notices that takes whatever comes, until a test says otherwise."""
    async with receiving() as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def short_env() -> AsyncIterator[WorkflowEnvironment]:
    """A real server that suggests to continue as new after 15 events."""
    async with development_server("limit.historyCount.suggestContinueAsNew=15") as client:
        yield WorkflowEnvironment.from_client(client)


@pytest_asyncio.fixture(loop_scope="session")
async def short_desk(short_env: WorkflowEnvironment, recorded: Recorder) -> AsyncIterator[Desk]:
    """A desk on that server."""
    async with running(short_env, scaled_facts()) as found:
        yield found
        await recorded(found)


@pytest_asyncio.fixture(loop_scope="session")
async def real_desk(real_env: WorkflowEnvironment, recorded: Recorder) -> AsyncIterator[Desk]:
    async with running(real_env, scaled_facts()) as found:
        yield found
        await recorded(found)


async def leap(env: WorkflowEnvironment, time: timedelta) -> None:
    """Let so much time pass: in steps, since one call of the server takes no longer than a client waits for it."""
    while time > timedelta(0):
        await env.sleep(min(time, LEAP))
        time -= LEAP


def usual_facts(**more: Any) -> AccountFacts:
    appid = f"wx{uuid.uuid4().hex[:16]}"
    return AccountFacts(name="demo", appid=appid, base_url="https://api.weixin.qq.com", **more)


def scaled_facts(**timing: timedelta) -> AccountFacts:
    """An account whose times are scaled; ``timing`` says otherwise."""
    usual = {
        "repeat": timedelta(milliseconds=300),
        "repeat_max": timedelta(seconds=1),
        "pace": timedelta(milliseconds=50),
        "ask": timedelta(milliseconds=200),
        "http_timeout": timedelta(seconds=1),
    }
    return usual_facts(timing=Timing(**{**usual, **timing}))


def staffed(
    env: WorkflowEnvironment, facts: AccountFacts, *more: Callable[..., Any], **options: Any
) -> tuple[Desk, Callable[..., Worker]]:
    """A desk of the account `facts`, and what makes a worker for it, with `more` activities, on a queue of its own."""
    wechat = ModelWechat(client=env.client, facts=facts, now=_now, task_queue=f"tests-{facts.appid}")
    material, store = ModelMaterial(now=_now), ModelStore(env.client, now=_now)
    ledger = SlowLedger(env.client, wechat.task_queue, NoEarlierRuns(env.client))
    steps: list[Callable[..., Any]] = [
        wechat.resolve_account,
        wechat.submit,
        wechat.job_status,
        wechat.await_verdict,
        wechat.check_audience,
        wechat.count_followers,
        Outlook(env.client, NoEarlierRuns(env.client)).look_ahead,
        ledger.wish,
        ledger.look_up,
        ledger.tell,
        ledger.take_preview,
        *material.activities,
        *store.activities,
        *more,
    ]
    usual = {
        "task_queue": wechat.task_queue,
        "workflows": [MassSend, MassSendInBatches, Account, PreviewMassSend, CheckMassSend, Notify],
        "activities": steps,
        "ends_within": ENDS_WITHIN,
        **options,
    }
    return Desk(env, wechat, ledger, material, store), lambda **own: EndingWorker(env.client, **{**usual, **own})


@contextlib.asynccontextmanager
async def running(
    env: WorkflowEnvironment, facts: AccountFacts, *more: Callable[..., Any], **options: Any
) -> AsyncIterator[Desk]:
    """A worker with the account `facts`, and with `more` activities."""
    desk, worker = staffed(env, facts, *more, **options)
    async with worker():
        yield desk
        for handle in [*desk.started, desk.account]:
            with contextlib.suppress(RPCError):
                await handle.terminate("the test is over")


def _now() -> datetime:
    """The server's time, as an activity sees it: when its attempt was started."""
    return activity.info().started_time
