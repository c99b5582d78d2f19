"""The real workflows and activities on a real server, where the ledger and the earlier runs are ended by force."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities import all_activities
from qunfa.contract.ids import account_id, mass_send_id
from qunfa.contract.result import MassSendResult
from qunfa.settings import Settings
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import APPID, SECRET, simulated
from workflows.account import Account
from workflows.mass_send import MassSend

pytestmark = pytest.mark.long

QUEUE = "lost-memory"
TIMING = {"repeat": 0.3, "repeat_max": 0.3, "pace": 0.05, "ask": 0.2, "http_timeout": 0.5, "push_grace": 0.1}


@dataclass
class Office:
    """An account whose sends are started, ended and started again."""

    client: Client
    sim: Simulator
    key: str

    async def start(self) -> WorkflowHandle[Any, MassSendResult]:
        """Start the send, again if it was before."""
        request = {
            "account": "demo",
            "key": self.key,
            "audience": {"kind": "all"},
            "message": {"msgtype": "text", "content": "你好"},
            "result": {"push_timeout": 1, "poll_interval": 1},
        }
        return await self.client.start_workflow(
            "MassSend", request, id=mass_send_id("demo", self.key), task_queue=QUEUE, result_type=MassSendResult
        )

    async def lose_the_ledger(self) -> None:
        """Terminate the account's entity."""
        await self.client.get_workflow_handle(account_id(APPID)).terminate()

    @property
    def most(self) -> int:
        """How many messages a follower has received."""
        return max(self.sim.world.ledger.counts(self.sim.world.accounts["demo"]))


@pytest.fixture
async def office(temporal: Client, one_simulator: Simulator, http: httpx.AsyncClient) -> AsyncIterator[Office]:
    """A worker with everything, and a WeChat that forgets no clientmsgid."""
    await one_simulator.reset(simulated())
    demo = {"appid": APPID, "secret": SECRET, "kind": "service"}
    settings = Settings.model_validate(
        {"wechat": {"base_url": one_simulator.url}, "accounts": {"demo": demo}, "timing": TIMING}
    )
    steps = all_activities(settings, temporal, http, QUEUE)
    async with Worker(
        temporal,
        task_queue=QUEUE,
        workflows=[MassSend, Account],
        activities=steps,
        graceful_shutdown_timeout=timedelta(seconds=1),
    ):
        yield Office(temporal, one_simulator, uuid.uuid4().hex[:12])
        await temporal.get_workflow_handle(account_id(APPID)).terminate()


async def test_a_key_started_again_under_a_lost_ledger_is_sent_once(office: Office) -> None:
    """The second run ends with the first one's result, and the followers have one message."""
    first = await (await office.start()).result()
    await office.lose_the_ledger()
    second = await (await office.start()).result()
    assert [job.msg_id for job in second.jobs] == [job.msg_id for job in first.jobs]
    assert [(job.observed_by, job.deduplicated) for job in second.jobs] == [("ledger", True)]
    assert (office.most, len(office.sim.world.jobs)) == (1, 1)


async def test_a_try_that_nobody_remembers_is_not_repeated_blindly(office: Office) -> None:
    """Workflow and ledger are terminated while WeChat has accepted and not answered: the same clientmsgid again."""
    office.sim.world.faults.add(Fault(endpoint="sendall", kind="timeout_after_accept", seconds=1))
    lost = await office.start()
    await office.sim.world.until(lambda: len(office.sim.world.jobs) == 1)
    await lost.terminate()
    await office.lose_the_ledger()
    result = await (await office.start()).result()
    [job] = office.sim.world.jobs
    assert result.outcome == "sent"
    assert [row.msg_id for row in result.jobs] == [job.msg_id]
    assert (office.most, result.jobs[0].deduplicated) == (1, True)
