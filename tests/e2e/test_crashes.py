"""A worker dies, or sleeps too long, between any two steps: another takes over, and nobody gets the message twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from qunfa.contract import MassSendResult
from qunfa.contract.ledger import LedgerView
from tests.e2e.stage import Stage
from tests.faults.company import (
    Actor,
    Company,
    Peer,
    account_of_tries,
    delivered_once,
    heartbeat_missed,
    operator_asked,
    result_of,
)
from tests.faults.nursery import Nursery
from tests.faults.place import AT_WORK, Place, Stand

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

KILLED = -9
WINDOW_SECONDS = 3.0


@dataclass(frozen=True)
class Cost:
    """What it costs that a worker is struck there.

    `tries`: how often WeChat is asked in all; None where it depends on who is faster after the sleep. `lost`: the
    acceptance was lost on its way to the send. `race`: the sleeper is woken when Temporal has given it up, and not only
    when the other worker is done.
    """

    tries: int | None = 1
    lost: bool | None = False
    race: bool = False


LOST = Cost(tries=2, lost=True)
OPEN = Cost(tries=None, lost=None, race=True)
KILLS = dict.fromkeys(AT_WORK, Cost()) | {
    "after the write": LOST,
    "after the acceptance": LOST,
    "before the ledger is told": LOST,
    "after the ledger was told": Cost(lost=None),
    "before the activity has returned": Cost(lost=None),
}
SLEEPS = KILLS | {
    "at the write": Cost(tries=2),  # it is too late to look at the clock
    "before the write, in a race": Cost(race=True),
    "after the write, in a race": OPEN,
    "before the ledger is told, in a race": OPEN,
}


def stand(where: str) -> Stand:
    """Where the worker is struck."""
    return AT_WORK[where.removesuffix(", in a race")]


@dataclass(frozen=True)
class Aftermath:
    """A send that has gone through its crash, and what the account's ledger then knows."""

    scene: Peer
    result: MassSendResult
    ledger: LedgerView


@dataclass(frozen=True)
class Crashes:
    """All of them, under way at the same time."""

    killed: dict[str, asyncio.Task[Aftermath]]
    asleep: dict[str, asyncio.Task[Aftermath]]
    window: asyncio.Task[Aftermath]


async def killed(actor: Actor, where: str) -> Aftermath:
    """The worker is killed there; another one is started when it is dead."""
    place, passing, tag = stand(where)
    async with actor.victim(place, "kill", passing) as victim:
        handle = await actor.send(tag=tag)
        assert await victim.ended() == KILLED
    async with actor.successor():
        return Aftermath(actor.scene, await result_of(handle), await actor.scene.ledger())


async def asleep(actor: Actor, where: str) -> Aftermath:
    """The worker is stopped there; it wakes beside another one, and ends all that it was about."""
    place, passing, tag = stand(where)
    async with actor.victim(place, "stop", passing) as sleeper:
        handle = await actor.send(tag=tag)
        await sleeper.says(f"at {place}")
        async with actor.successor():
            await (heartbeat_missed(handle) if SLEEPS[where].race else result_of(handle))
            sleeper.wake()
            result = await result_of(handle)
            assert await sleeper.finished() == 0
            return Aftermath(actor.scene, result, await actor.scene.ledger())


async def asleep_through_the_window(actor: Actor) -> Aftermath:
    """As `asleep`, until WeChat may have forgotten the clientmsgid, and an operator has had it sent again."""
    async with actor.victim(Place.BEFORE_WRITE, "stop") as sleeper:
        handle = await actor.send()
        await sleeper.says(f"at {Place.BEFORE_WRITE}")
        async with actor.victim(Place.BEFORE_WRITE, "stop", passing=0):
            await operator_asked(handle, "unknown_outcome")
            await actor.scene.update(handle, "retry", confirm_not_delivered=True)
            result = await result_of(handle)
            sleeper.wake()
            assert await sleeper.finished() == 0
            return Aftermath(actor.scene, result, await actor.scene.ledger())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crashes(stage: Stage, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crashes]:
    """All at the same time: they wait for leases and time-outs more than they work."""
    company = Company(stage, nursery, tmp_path_factory.mktemp("crashes"))
    to_kill, to_stop = [{where: company.actor() for where in places} for places in (KILLS, SLEEPS)]
    to_outlast = company.actor(window=WINDOW_SECONDS)
    await company.simulate()
    under_way = Crashes(
        {where: asyncio.create_task(killed(actor, where)) for where, actor in to_kill.items()},
        {where: asyncio.create_task(asleep(actor, where)) for where, actor in to_stop.items()},
        asyncio.create_task(asleep_through_the_window(to_outlast)),
    )
    yield under_way
    tasks = [*under_way.killed.values(), *under_way.asleep.values(), under_way.window]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("where", KILLS)
async def test_a_worker_killed_between_two_steps_costs_nothing(crashes: Crashes, where: str) -> None:
    """Another worker takes over: sent, once, as one job under one clientmsgid."""
    await as_expected(await crashes.killed[where], where, KILLS[where])


@pytest.mark.parametrize("where", SLEEPS)
async def test_a_worker_that_sleeps_and_wakes_sends_nothing_twice(crashes: Crashes, where: str) -> None:
    """It was given up, and another worker has taken over: what it still does after its sleep harms nothing."""
    await as_expected(await crashes.asleep[where], where, SLEEPS[where])


async def test_a_worker_that_slept_through_the_window_sends_nothing(crashes: Crashes) -> None:
    """An operator has looked, confirmed that nothing was delivered, and had it sent: the sleeper's try is too late."""
    after = await crashes.window
    first, second = after.result.jobs
    [simulated], [call] = after.scene.jobs, after.scene.tries
    assert (after.result.outcome, first.state, second.state) == ("sent", "failed", "sent")
    assert (call.clientmsgid, simulated.msg_id) == (second.clientmsgid, second.msg_id)
    assert await after.scene.everyone_once()


async def as_expected(after: Aftermath, where: str, cost: Cost) -> None:
    """Delivered once, with no more tries than the crash has cost, and the ledger knows it."""
    await delivered_once(after.scene, after.result, tag=stand(where).tag)
    [job], [record] = after.result.jobs, after.ledger.records
    assert (record.ended_as, [one.msg_id for one in record.jobs]) == ("sent", [job.msg_id])
    assert cost.tries in {None, len(after.scene.tries)}, await account_of_tries(after.scene)
    assert cost.lost in {None, job.deduplicated}
