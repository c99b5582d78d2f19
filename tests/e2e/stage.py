"""One account on the stage: a real Temporal server, a simulated WeChat, a worker and a receiver around it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from qunfa.contract import ACCOUNT, MASS_SEND, MassSendResult, Status, account_id, mass_send_id
from qunfa.contract.ledger import FreezeAnswer, LedgerView
from qunfa.settings import Settings
from qunfa.simulator import Fault, JobPlan, Simulator, SimulatorConfig, openid
from qunfa.simulator.accounts import Account as SimulatedAccount
from qunfa.simulator.jobs import Job
from qunfa.simulator.plans import ORDERS
from qunfa.simulator.world import Call
from qunfa.wechat import open_http
from tests.looking import PATIENCE, until
from tests.media.samples import picture
from tests.temporal import is_polled
from tests.workflows.failures import refusal_of
from worker import make_worker

FOLLOWERS = 100
VIP = {"id": 2, "name": "VIP", "first": 10, "count": 30}
SECRET = "e2e-SECRET-of-the-account-0123456789"
CALLBACK_TOKEN = "e2eCALLBACKtoken0123456789"
TOKEN_LIKE = re.compile(rb"\d+_[A-Za-z0-9_-]{100,}")
"""The form of WeChat's access tokens; no id or digest of ours, and no media_id of WeChat's, is so long."""
SCALE = 200.0
"""WeChat's minute lasts 0.3 s, as does the workers' spacing of repeats; its 24 hours last 7 minutes."""
CONFIRMATION_SECONDS = SCALE * 600
"""How long the administrator has: none is ever too slow because the machine is."""
TIMING = {
    "window": 300,
    "repeat": 0.35,
    "repeat_max": 1,
    "pace": 0.05,
    "ask": 0.2,
    "http_timeout": 3,
    "push_grace": 0.3,
}


@dataclass
class Stage:
    """What all tests share. Each takes the next of the configured accounts, so that none meets another's ledger."""

    client: Client
    address: str
    settings: Settings
    sim: Simulator
    receiver: str
    media: Path
    names: list[str]

    def scene(self, name: str | None = None) -> "Scene":
        """This account, or one that no test has used."""
        name = name or self.names.pop()
        return Scene(self, name, self.settings.accounts[name].appid, self.settings.task_queue)


@dataclass
class Scene:
    """One account, and the means to start sends from it and to see what WeChat made of them."""

    stage: Stage
    account: str
    appid: str
    queue: str
    callback: str | None = None
    started: list[WorkflowHandle[Any, Any]] = field(default_factory=list)

    @property
    def client(self) -> Client:
        return self.stage.client

    @property
    def sim(self) -> Simulator:
        return self.stage.sim

    @property
    def ledger_handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(account_id(self.appid))

    async def simulate(
        self, *, push: dict[str, Any] | None = None, confirmation: float = CONFIRMATION_SECONDS, **account: Any
    ) -> None:
        """WeChat as new, with this account only, whose administrator has so many of WeChat's seconds."""
        timing, accounts = {"confirmation": confirmation}, {self.account: self.at_wechat(**account)}
        raw = {"scale": SCALE, "timing": timing, "push": push or {}, "accounts": accounts}
        await self.sim.reset(SimulatorConfig.model_validate(raw))

    def at_wechat(self, **more: Any) -> dict[str, Any]:
        """The account as the simulator is to have it."""
        url = self.callback or f"{self.stage.receiver}/wechat/{self.account}"
        callback = {"url": url, "token": CALLBACK_TOKEN}
        usual = {"secret": SECRET, "followers": FOLLOWERS, "tags": [VIP], "callback": callback}
        return {"appid": self.appid, **usual, **more}

    def file(self, name: str, content: bytes) -> str:
        """A file that the workers may read; its URI."""
        path = self.stage.media / self.account / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path.as_uri()

    def news(self, *contents: str) -> dict[str, Any]:
        """A message of articles with these contents, under one cover."""
        thumb = {"uri": self.file("cover.jpg", picture("JPEG"))}
        each = [
            {"title": f"春 {number}", "content": content, "thumb": thumb} for number, content in enumerate(contents)
        ]
        return {"msgtype": "mpnews", "articles": each}

    def request(self, key: str = "spring", **more: Any) -> dict[str, Any]:
        """A request to send a text of its own to all."""
        return {
            "account": self.account,
            "key": key,
            "audience": {"kind": "all"},
            "message": {"msgtype": "text", "content": f"{key}: 你好 of {self.account}"},
            "result": {"push_timeout": 30, "poll_interval": 1},
            **more,
        }

    async def start(self, key: str = "spring", **more: Any) -> WorkflowHandle[Any, MassSendResult]:
        """Start a send."""
        return await self.start_raw(self.request(key, **more), mass_send_id(self.account, key))

    async def start_raw(self, raw: Any, workflow_id: str, **options: Any) -> WorkflowHandle[Any, MassSendResult]:
        """Start a `MassSend` with any input."""
        handle = await self.client.start_workflow(
            MASS_SEND, raw, id=workflow_id, task_queue=self.queue, result_type=MassSendResult, **options
        )
        self.started.append(handle)
        return handle

    async def result(self, handle: WorkflowHandle[Any, MassSendResult]) -> MassSendResult:
        """The result of a send that completes."""
        async with asyncio.timeout(PATIENCE):
            return await handle.result()

    async def refusal(self, handle: WorkflowHandle[Any, Any]) -> str:
        """Why a request is invalid."""
        async with asyncio.timeout(PATIENCE):
            return await refusal_of(handle)

    async def status(self, handle: WorkflowHandle[Any, Any]) -> Status:
        status: Status = await handle.query("status", result_type=Status)
        return status

    async def until(self, handle: WorkflowHandle[Any, Any], fits: Callable[[Status], object]) -> Status:
        """The status, once it fits."""
        return await until(lambda: self.status(handle), fits)

    async def asks(self, handle: WorkflowHandle[Any, Any], problem: str) -> Status:
        """The status, once the send asks an operator about `problem`."""
        status = await self.until(handle, lambda status: status.phase in {"needs_operator", "done"})
        assert status.problem is not None
        assert status.problem.name == problem
        return status

    async def waits(self, handle: WorkflowHandle[Any, Any], reason: str) -> Status:
        """The status, once the send says that it waits for `reason`."""
        return await self.until(handle, lambda status: status.waiting_for and reason in status.waiting_for.reason)

    async def update(self, handle: WorkflowHandle[Any, Any], name: str, **payload: Any) -> Status:
        """An operator's update."""
        status: Status = await handle.execute_update(
            name, {"by": "li", "reason": "looked", **payload}, result_type=Status
        )
        return status

    async def freeze(self, reason: str = "wrong text") -> FreezeAnswer:
        return await self._switch("freeze", {"by": "li", "reason": reason})

    async def unfreeze(self) -> FreezeAnswer:
        return await self._switch("unfreeze", {"by": "li"})

    async def _switch(self, name: str, payload: dict[str, str]) -> FreezeAnswer:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            ACCOUNT,
            id=account_id(self.appid),
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        answer: FreezeAnswer = await self.client.execute_update_with_start_workflow(
            name, payload, start_workflow_operation=start, result_type=FreezeAnswer
        )
        return answer

    async def ledger(self) -> LedgerView:
        view: LedgerView = await self.ledger_handle.query("ledger", result_type=LedgerView)
        return view

    async def ledger_until(self, fits: Callable[[LedgerView], object]) -> LedgerView:
        """The ledger, once it fits."""
        return await until(self.ledger, fits)

    @property
    def simulated(self) -> SimulatedAccount:
        return self.sim.world.accounts[self.account]

    def fault(self, kind: str, endpoint: str = "sendall", **more: Any) -> None:
        """Something goes wrong with the next call."""
        self.sim.world.faults.add(Fault.model_validate({"endpoint": endpoint, "kind": kind, **more}))

    def plan(self, **fate: Any) -> None:
        """The fate of the next job."""
        self.sim.world.job_plans.add(JobPlan.model_validate(fate))

    def problem(self, name: str) -> Iterator[None]:
        """Order what makes this problem, one order with each `next`: the one before it has to have struck."""
        for order in ORDERS[name]:
            if isinstance(order, Fault):
                self.sim.world.faults.add(order)
            else:
                self.sim.world.job_plans.add(order)
            yield

    def calls(self, endpoint: str) -> int:
        """How often an endpoint was called."""
        return len([call for call in self.sim.world.calls if call.path.endswith(endpoint)])

    def openids(self, count: int) -> list[str]:
        """The openids of the first followers."""
        return [openid(self.appid, number) for number in range(count)]

    @property
    def tries(self) -> list[Call]:
        """The calls that submit something."""
        return [call for call in self.sim.world.calls if call.path.endswith(("/mass/sendall", "/mass/send"))]

    @property
    def jobs(self) -> list[Job]:
        return list(self.sim.world.jobs)

    async def tried(self, times: int = 1) -> None:
        """Until WeChat has seen so many tries, answered or not."""
        await self.sim.world.until(lambda: len(self.tries) >= times, PATIENCE)

    async def accepted(self, jobs: int = 1) -> list[Job]:
        """WeChat's jobs, once there are so many."""
        await self.sim.world.until(lambda: len(self.jobs) >= jobs, PATIENCE)
        return self.jobs

    async def received(self) -> dict[int, int]:
        """How many messages each follower has received, once WeChat is at rest; only those with one at least."""
        await self.sim.world.settled(PATIENCE)
        counts = self.sim.world.ledger.counts(self.simulated)
        return {number: count for number, count in enumerate(counts) if count}

    async def everyone_once(self) -> bool:
        return await self.received() == dict.fromkeys(range(self.simulated.config.followers), 1)

    async def nobody(self) -> bool:
        """Nobody has received anything, and nothing that could make it so is on its way."""
        return await self.received() == {} and not self.jobs


def on_its_own_queue(scene: Scene) -> Settings:
    """The configuration of a worker that serves nothing but this scene, from now on."""
    scene.queue = f"{scene.queue}-{scene.account}"
    return scene.stage.settings.model_copy(update={"task_queue": scene.queue})


@asynccontextmanager
async def working(client: Client, settings: Settings) -> AsyncIterator[Worker]:
    """A worker that Temporal knows of, put together as the process does it, but without metrics."""
    async with open_http(settings.timing.http_timeout) as http, make_worker(settings, client, http) as worker:
        await until(lambda: is_polled(client, settings.task_queue))
        yield worker
