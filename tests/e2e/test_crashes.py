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
from tests.faults.place import Place

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

KILLED = -9
WINDOW_SECONDS = 3.0


@dataclass(frozen=True)
class Crash:
    """Where a worker is struck, and what that costs.

    `tries`: how often WeChat is asked in all; None where it depends on who is faster after the sleep. `lost`: the
    acceptance was lost on its way to the send. `alone`: the sleeper is not woken before the other worker is done;
    otherwise when Temporal has given it up.
    """

    place: Place
    passing: int = 1
    tag: bool = False
    tries: int | None = 1
    lost: bool | None = False
    alone: bool = True


KILLS = {
    "before the first wish": Crash(Place.BEFORE_WISH),
    "after the first wish": Crash(Place.AFTER_WISH),
    "before the wish for a turn": Crash(Place.BEFORE_WISH, passing=2, tag=True),
    "after the wish for a turn": Crash(Place.AFTER_WISH, passing=2, tag=True),
    "before the write": Crash(Place.BEFORE_WRITE),
    "at the write": Crash(Place.AT_WRITE),
    "after the write": Crash(Place.AFTER_WRITE, tries=2, lost=True),
    "after the acceptance": Crash(Place.AFTER_ACCEPTANCE, tries=2, lost=True),
    "before the ledger is told": Crash(Place.BEFORE_TOLD, tries=2, lost=True),
    "after the ledger was told": Crash(Place.AFTER_TOLD, lost=None),
    "before the activity has returned": Crash(Place.BEFORE_RETURN, lost=None),
}
SLEEPS = {
    "before the first wish": Crash(Place.BEFORE_WISH),
    "after the first wish": Crash(Place.AFTER_WISH),
    "before the wish for a turn": Crash(Place.BEFORE_WISH, passing=2, tag=True),
    "after the wish for a turn": Crash(Place.AFTER_WISH, passing=2, tag=True),
    "before the write": Crash(Place.BEFORE_WRITE),
    "before the write, in a race": Crash(Place.BEFORE_WRITE, alone=False),
    "at the write, too late to look at the clock": Crash(Place.AT_WRITE, tries=2),
    "after the write": Crash(Place.AFTER_WRITE, tries=2, lost=True),
    "after the write, in a race": Crash(Place.AFTER_WRITE, tries=None, lost=None, alone=False),
    "after the acceptance": Crash(Place.AFTER_ACCEPTANCE, tries=2, lost=True),
    "before the ledger is told": Crash(Place.BEFORE_TOLD, tries=2, lost=True),
    "before the ledger is told, in a race": Crash(Place.BEFORE_TOLD, tries=None, lost=None, alone=False),
    "after the ledger was told": Crash(Place.AFTER_TOLD, lost=None),
    "before the activity has returned": Crash(Place.BEFORE_RETURN, lost=None),
}


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


async def killed(actor: Actor, crash: Crash) -> Aftermath:
    """The worker is killed there; another one is started when it is dead."""
    async with actor.victim(crash.place, "kill", crash.passing) as victim:
        handle = await actor.send(tag=crash.tag)
        assert await victim.ended() == KILLED
    async with actor.successor():
        return Aftermath(actor.scene, await result_of(handle), await actor.scene.ledger())


async def asleep(actor: Actor, crash: Crash) -> Aftermath:
    """The worker is stopped there; it wakes beside another one, and ends all that it was about."""
    async with actor.victim(crash.place, "stop", crash.passing) as sleeper:
        handle = await actor.send(tag=crash.tag)
        await sleeper.says(f"at {crash.place}")
        async with actor.successor():
            await (result_of(handle) if crash.alone else heartbeat_missed(handle))
            sleeper.wake()
            result = await result_of(handle)
            assert await sleeper.finished() == 0
            return Aftermath(actor.scene, result, await actor.scene.ledger())


async def asleep_through_the_window(actor: Actor) -> Aftermath:
    """As `asleep`, until WeChat may have forgotten the clientmsgid, and an operator has had it sent again."""
    async with actor.victim(Place.BEFORE_WRITE, "stop") as sleeper:
        handle = await actor.send()
        await sleeper.says(f"at {Place.BEFORE_WRITE}")
        async with actor.running("worker.py"):
            await operator_asked(handle, "unknown_outcome")
            await actor.scene.update(handle, "retry", confirm_not_delivered=True)
            result = await result_of(handle)
            sleeper.wake()
            assert await sleeper.finished() == 0
            return Aftermath(actor.scene, result, await actor.scene.ledger())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crashes(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crashes]:
    """All at the same time: they wait for leases and time-outs more than they work."""
    company = Company(stage, tmp_path_factory.mktemp("crashes"))
    to_kill = {name: (company.actor(), crash) for name, crash in KILLS.items()}
    to_stop = {name: (company.actor(), crash) for name, crash in SLEEPS.items()}
    to_outlast = company.actor(window=WINDOW_SECONDS)
    await company.simulate()
    under_way = Crashes(
        {name: asyncio.create_task(killed(*one)) for name, one in to_kill.items()},
        {name: asyncio.create_task(asleep(*one)) for name, one in to_stop.items()},
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
    await as_expected(await crashes.killed[where], KILLS[where])


@pytest.mark.parametrize("where", SLEEPS)
async def test_a_worker_that_sleeps_and_wakes_sends_nothing_twice(crashes: Crashes, where: str) -> None:
    """It was given up, and another worker has taken over: what it still does after its sleep harms nothing."""
    await as_expected(await crashes.asleep[where], SLEEPS[where])


async def test_a_worker_that_slept_through_the_window_sends_nothing(crashes: Crashes) -> None:
    """An operator has looked, confirmed that nothing was delivered, and had it sent: the sleeper's try is too late."""
    after = await crashes.window
    first, second = after.result.jobs
    [simulated], [call] = after.scene.jobs, after.scene.tries
    assert (after.result.outcome, first.state, second.state) == ("sent", "failed", "sent")
    assert (call.clientmsgid, simulated.msg_id) == (second.clientmsgid, second.msg_id)
    assert await after.scene.everyone_once()


async def as_expected(after: Aftermath, crash: Crash) -> None:
    """Delivered once, with no more tries than the crash has cost, and the ledger knows it."""
    await delivered_once(after.scene, after.result, tag=crash.tag)
    [job], [record] = after.result.jobs, after.ledger.records
    assert (record.ended_as, [one.msg_id for one in record.jobs]) == ("sent", [job.msg_id])
    assert crash.tries in {None, len(after.scene.tries)}, await account_of_tries(after.scene)
    assert crash.lost in {None, job.deduplicated}
