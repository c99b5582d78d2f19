"""An account, with sends that are played: they hear what it says, and answer as a test says."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest_asyncio
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.grants import Granted, Report, Wish
from qunfa.contract.ids import ACCOUNT, account_id, mass_send_id
from qunfa.contract.ledger import FreezeAnswer, LedgerView
from qunfa.contract.result import JobFinished
from tests.account.driving import turn, wish
from tests.looking import until
from tests.workflows.refusals import Refusing, replay
from worker import EndingWorker
from workflows.account import Account

Handle = WorkflowHandle[Any, Any]
SENDER = "Sender"


@workflow.defn(name=SENDER, sandboxed=False)
class Sender:
    """Hears what its account says, until it is told to end."""

    def __init__(self) -> None:
        self._heard: list[Any] = []
        self._pushes: list[Any] = []
        self._over = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._over)

    @workflow.signal
    def granted(self, raw: Any) -> None:
        self._heard.append(raw)

    @workflow.signal
    def job_finished(self, raw: Any) -> None:
        self._pushes.append(raw)

    @workflow.signal
    def end(self) -> None:
        self._over = True

    @workflow.query
    def heard(self) -> list[Any]:
        return self._heard

    @workflow.query
    def pushes(self) -> list[Any]:
        return self._pushes


@dataclass
class Branch:
    """One account, and its sends."""

    env: WorkflowEnvironment
    appid: str = field(default_factory=lambda: f"wx{uuid.uuid4().hex[:16]}")
    senders: dict[str, Handle] = field(default_factory=dict)
    wishes: int = 0

    @property
    def client(self) -> Client:
        return self.env.client

    @property
    def account(self) -> Handle:
        return self.client.get_workflow_handle(account_id(self.appid))

    async def sender(self, key: str) -> Handle:
        handle = await self.client.start_workflow(
            SENDER, id=f"{mass_send_id('demo', key)}:{self.appid}", task_queue=self.appid
        )
        self.senders[key] = handle
        return handle

    async def wish(self, key: str, due: timedelta = timedelta(0), **more: Any) -> Wish:
        """The wish of a sender that there is, due so much later."""
        handle = self.senders[key]
        self.wishes += 1
        usual = {"workflow_id": handle.id, "number": self.wishes}
        when = turn(**{"due": await self.env.get_current_time() + due, **more.pop("of_turn", {})})
        return wish(f"w{self.wishes}", key, handle.first_execution_run_id or "", **{"turn": when, **usual, **more})

    async def wants(self, key: str, due: timedelta = timedelta(0), **more: Any) -> Handle:
        handle = await self.sender(key)
        await self.signal("wants", await self.wish(key, due, **more))
        return handle

    async def signal(self, name: str, payload: Wish | Report | JobFinished | Any) -> None:
        """A signal, with which the account is started where it does not run."""
        await self.client.start_workflow(
            ACCOUNT, id=self.account.id, task_queue=self.appid, start_signal=name, start_signal_args=[payload]
        )

    async def heard(self, key: str) -> list[Granted]:
        raw = await self.senders[key].query("heard")
        return [Granted.model_validate(one) for one in raw]

    async def answer(self, key: str, fits: Callable[[Granted], object]) -> Granted:
        answers = await until(lambda: self.heard(key), lambda heard: heard and fits(heard[-1]))
        return answers[-1]

    async def ledger(self, **wanted: Any) -> LedgerView:
        view: LedgerView = await self.account.query("ledger", wanted, result_type=LedgerView)
        return view

    async def until(self, fits: Callable[[LedgerView], object]) -> LedgerView:
        return await until(self.ledger, fits)

    async def freeze(self) -> FreezeAnswer:
        answer: FreezeAnswer = await self.account.execute_update(
            "freeze", {"by": "li", "reason": "wrong text"}, result_type=FreezeAnswer
        )
        return answer

    async def unfreeze(self) -> FreezeAnswer:
        answer: FreezeAnswer = await self.account.execute_update("unfreeze", {"by": "li"}, result_type=FreezeAnswer)
        return answer

    async def replays(self) -> None:
        """The current run does the same again, whatever updates are refused meanwhile."""
        # A replay never ends of a run that has only begun.
        history = await until(self.account.fetch_history, _has_done_something)
        await replay(history, Refusing(), self.client.namespace)


@contextlib.asynccontextmanager
async def opened(env: WorkflowEnvironment, branch: Branch | None = None, **options: Any) -> AsyncIterator[Branch]:
    """A branch with its worker; its account is replayed and ended afterwards."""
    branch = branch or Branch(env)
    usual = {"task_queue": branch.appid, "workflows": [Account, Sender], "ends_within": timedelta(seconds=10)}
    async with EndingWorker(env.client, **{**usual, **options}):
        yield branch
        await branch.replays()
        handles = [*branch.senders.values(), branch.account]
        await asyncio.gather(*(_ended(one) for one in handles))


def _has_done_something(history: WorkflowHistory) -> bool:
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return any(event.event_type == done for event in history.events)


async def _ended(handle: Handle) -> None:
    with contextlib.suppress(RPCError):
        await handle.terminate("the test is over")


@pytest_asyncio.fixture(loop_scope="session")
async def branch(env: WorkflowEnvironment) -> AsyncIterator[Branch]:
    async with opened(env) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def real_branch(real_env: WorkflowEnvironment) -> AsyncIterator[Branch]:
    async with opened(real_env) as found:
        yield found
