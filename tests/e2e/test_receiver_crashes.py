"""The receiver dies, or sleeps, while it has a push in hand: no result is lost, and none counts twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle

from qunfa.contract import MassSendResult
from qunfa.contract.ledger import LedgerView
from tests.e2e.stage import SCALE, Stage
from tests.faults.company import Actor, Company, Program, delivered_once, result_of
from tests.faults.nursery import Nursery
from tests.faults.place import Place
from tests.looking import PATIENCE
from tests.ports import free_ports

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

SPACING_SECONDS = 60.0
"""Between two tries of WeChat's; the tests let it pass at once when they are ready for the next try."""
DEADLINE_SECONDS = 3.0
"""When WeChat hangs up: before the receiver gives up, but late enough for one that has to die on a busy machine."""


@dataclass(frozen=True)
class Crash:
    """What happens to the receiver, and how the result comes all the same.

    `replies`: what WeChat makes of its tries. `again`: another receiver is started on the same port.
    """

    place: Place
    how: str
    again: bool
    replies: tuple[str, ...]
    observed_by: str = "push"


CRASHES = {
    "killed after the body": Crash(Place.AFTER_BODY, "kill", True, ("unreachable", "answered")),
    "killed before the push was durable": Crash(Place.BEFORE_PUSH, "kill", True, ("unreachable", "answered")),
    "killed before it has answered": Crash(Place.AFTER_PUSH, "kill", True, ("unreachable", "answered")),
    "killed before it has answered, for good": Crash(Place.AFTER_PUSH, "kill", False, ("unreachable",) * 3),
    "killed before any push was durable": Crash(Place.BEFORE_PUSH, "kill", False, ("unreachable",) * 3, "poll"),
    "asleep after the body": Crash(Place.AFTER_BODY, "stop", False, ("timeout", "answered")),
    "asleep before the push was durable": Crash(Place.BEFORE_PUSH, "stop", False, ("timeout", "answered")),
    "asleep before it has answered": Crash(Place.AFTER_PUSH, "stop", False, ("timeout", "answered")),
}


@dataclass
class Ordeal:
    """A send whose receiver has its crash."""

    actor: Actor
    crash: Crash
    receiver: Program

    @property
    def replies(self) -> tuple[str, ...]:
        """What WeChat has made of its tries so far."""
        tries = self.actor.scene.sim.world.courier.log
        return tuple(push.reply.outcome for push in tries if push.account == self.actor.scene.account)

    async def until_replies(self, count: int) -> None:
        """Until WeChat has tried so often."""
        await self.actor.scene.sim.world.until(lambda: len(self.replies) >= count, PATIENCE)

    async def send(self) -> WorkflowHandle[Any, MassSendResult]:
        """Start it; `mass/get` is soon asked where nothing else can bring the result."""
        patience = PATIENCE if self.crash.observed_by == "push" else 1
        return await self.actor.send(result={"push_timeout": patience, "poll_interval": 1})

    async def crashed(self, stack: AsyncExitStack) -> None:
        """The first try has met the crash, and whoever is to take the second one is ready."""
        await self.receiver.says(f"at {self.crash.place}")
        await self.until_replies(1)
        if self.crash.how == "stop":
            self.receiver.wake()
        elif self.crash.again:
            assert self.actor.scene.callback is not None
            port = httpx.URL(self.actor.scene.callback).port
            await stack.enter_async_context(self.actor.receiver(self.crash.place, self.crash.how, 0, port or 0))


@dataclass(frozen=True)
class Aftermath:
    """How it has ended, and what the account's ledger then knows."""

    ordeal: Ordeal
    result: MassSendResult
    ledger: LedgerView


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aftermaths(
    stage: Stage, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """Of all crashes, which happen at the same time."""
    company = Company(stage, nursery, tmp_path_factory.mktemp("receivers"))
    async with AsyncExitStack() as stack:
        begun = await asyncio.gather(*[ordeal(stack, company, crash) for crash in CRASHES.values()])
        ordeals = dict(zip(CRASHES, begun, strict=True))
        push = {"spacing": SPACING_SECONDS * SCALE, "deadline": DEADLINE_SECONDS}
        await company.simulate(push=push)
        handles = [await one.send() for one in begun]
        await asyncio.gather(*[one.crashed(stack) for one in begun])
        for number in (2, 3):
            stage.sim.world.clock.advance(SPACING_SECONDS)
            await asyncio.gather(*[one.until_replies(min(number, len(one.crash.replies))) for one in begun])
        ended = await asyncio.gather(*[result_of(handle) for handle in handles])
        yield {
            name: Aftermath(one, result, await one.actor.scene.ledger())
            for (name, one), result in zip(ordeals.items(), ended, strict=True)
        }


async def ordeal(stack: AsyncExitStack, company: Company, crash: Crash) -> Ordeal:
    """A send that is not started yet, and its receiver."""
    actor = company.actor()
    [port] = free_ports(1)
    victim = actor.receiver(crash.place, crash.how, port=port)
    receiver = await stack.enter_async_context(victim)
    await stack.enter_async_context(actor.successor())
    return Ordeal(actor, crash, receiver)


@pytest.mark.parametrize("what", CRASHES)
async def test_a_push_in_the_hand_of_a_receiver_that_fails_is_not_lost(
    aftermaths: dict[str, Aftermath], what: str
) -> None:
    """WeChat tries again, or the push was durable already, or `mass/get` says it; whatever comes twice counts once."""
    after, crash = aftermaths[what], CRASHES[what]
    await delivered_once(after.ordeal.actor.scene, after.result)
    assert after.result.jobs[0].observed_by == crash.observed_by
    assert after.ordeal.replies == crash.replies
    assert after.ledger.kept == ()
    days = after.ledger.book.values()
    assert (sum(day.total for day in days), sum(day.others for day in days)) == (1, 0)
