"""Many that ask one account at once: Temporal takes few updates of a workflow at a time, and more end each other."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowUpdateWithStartInput

from activities.ledger import AT_ONCE, Ledger
from qunfa.contract.grants import Wish
from qunfa.contract.steps import LEDGER_UNAVAILABLE, LookUpStep, Remembered, Wished, WishStep
from tests.activities.books import LONG
from tests.activities.conftest import attempt, failed
from tests.activities.past import DIGEST, Fates, worker
from tests.workflows.slow_ledger import NoEarlierRuns
from workflows.account import Account

QUEUE: Final = "crowded-ledger"


class Crowd(Interceptor):
    """Updates that are under way, all of which wait until the gate is open."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.came, self.gate = asyncio.Event(), asyncio.Event()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  Temporal's own name
        return _Counted(next, self)


class _Counted(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, crowd: Crowd) -> None:  # noqa: A002  Temporal's own name
        super().__init__(next)
        self._crowd = crowd

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002  Temporal's own name
    ) -> Any:
        self._crowd.now += 1
        self._crowd.most = max(self._crowd.most, self._crowd.now)
        if self._crowd.now == AT_ONCE:
            self._crowd.came.set()
        try:
            await self._crowd.gate.wait()
            return await super().start_update_with_start_workflow(input)
        finally:
            self._crowd.now -= 1


class Asked:
    """An account whose worker asks it many things at once."""

    def __init__(self, temporal: Client, patience: timedelta) -> None:
        self.crowd = Crowd()
        client = Client(
            temporal.service_client,
            namespace=temporal.namespace,
            data_converter=temporal.data_converter,
            interceptors=[self.crowd],
        )
        self.ledger = Ledger(client, QUEUE, NoEarlierRuns(client), patience=patience)
        self.appid = f"wx{uuid.uuid4().hex[:16]}"

    async def look_up(self, number: int = 0) -> Remembered:
        step = LookUpStep(appid=self.appid, key=f"k{number}", workflow_id=f"mass-send:demo:k{number}")
        known: Remembered = await attempt(self.ledger.look_up, step, activity_id=f"a{number}")
        return known

    async def crowded(self, count: int) -> list["asyncio.Task[Remembered]"]:
        """So many questions, of which a few are under way."""
        asking = [asyncio.create_task(self.look_up(number)) for number in range(count)]
        await self.crowd.came.wait()
        return asking


@pytest.fixture
async def temporal_at_work(temporal: Client) -> AsyncIterator[Client]:
    """With a worker for the account."""
    async with worker(temporal, QUEUE, Fates(), Account):
        yield temporal


async def test_a_crowd_of_questions_is_asked_a_few_at_a_time(temporal_at_work: Client) -> None:
    """Sends whose time is over ask all at once after an outage. None is refused, and no wish waits for them."""
    asked = Asked(temporal_at_work, LONG)
    asking = await asked.crowded(4 * AT_ONCE)
    wish = Wish(wish="w", key="k", digest=DIGEST, workflow_id="mass-send:demo:k", run_id="run", searched=True)
    assert await attempt(asked.ledger.wish, WishStep(appid=asked.appid, wish=wish)) == Wished()
    asked.crowd.gate.set()
    assert await asyncio.gather(*asking) == [Remembered()] * 4 * AT_ONCE
    assert asked.crowd.most == AT_ONCE


async def test_a_question_behind_too_many_others_comes_again(temporal: Client) -> None:
    """It must not keep its place in the worker for long: tries need one, too."""
    asked = Asked(temporal, timedelta(milliseconds=1))
    asking = await asked.crowded(AT_ONCE)
    await failed(asked.look_up(), LEDGER_UNAVAILABLE, "too many ask it at once")
    for one in asking:
        one.cancel()
    await asyncio.wait(asking)
