"""Many sends of one account that are due at once, on a Temporal with its own settings."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle

from qunfa.contract.ids import MASS_SEND, mass_send_id
from qunfa.simulator import SimulatorConfig
from tests.e2e.stage import CALLBACK_TOKEN, SECRET, Stage, working
from tests.e2e.staging import staged
from tests.temporal import development_server

CROWDED: Final = "crowded"
QUIET: Final = "quiet"
FOLLOWERS: Final = 50
_STARTED_AT_ONCE: Final = 20
_UNLIMITED: Final = 100_000


@dataclass(frozen=True)
class Drained:
    """What a crowd came to.

    `seconds`: from the first start until all had ended. `events`: of each send's history. `other`: seconds that a send
    of another account took meanwhile. `received`: how many messages the followers have received.
    """

    seconds: float
    events: tuple[int, ...]
    other: float
    outcomes: tuple[str, ...]
    received: frozenset[int]

    @property
    def usual_events(self) -> float:
        """Of the send in the middle."""
        return statistics.median(self.events)


@contextlib.asynccontextmanager
async def crowded(media: Path, *, pace: float, workers: int = 1) -> AsyncIterator[Stage]:
    """The stage, with `workers` in this process; all times but the `pace` (seconds) are as they are by default."""
    async with development_server(as_it_comes=True) as client, contextlib.AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(media, client, names=(CROWDED, QUIET), timing={"pace": pace}))
        for _ in range(workers - 1):
            another = await Client.connect(stage.address, data_converter=client.data_converter)
            await stack.enter_async_context(working(another, stage.settings))
        await stage.sim.reset(SimulatorConfig.model_validate(_simulated(stage)))
        yield stage


async def drained(stage: Stage, sends: int) -> Drained:
    """All of them, and one of another account once the crowd is at work."""
    room, due = asyncio.Semaphore(_STARTED_AT_ONCE), datetime.now(UTC)
    handles = await asyncio.gather(*(_started(stage, CROWDED, f"send-{n}", room) for n in range(sends)))
    other = asyncio.create_task(_meanwhile(stage, room))
    results = await asyncio.gather(*(handle.result() for handle in handles))
    seconds = (datetime.now(UTC) - due).total_seconds()
    events = [(await handle.describe()).history_length for handle in handles]
    counts = stage.sim.world.ledger.counts(stage.sim.world.accounts[CROWDED])
    return Drained(seconds, tuple(events), await other, tuple(one["outcome"] for one in results), frozenset(counts))


async def _started(stage: Stage, account: str, key: str, room: asyncio.Semaphore) -> WorkflowHandle[Any, Any]:
    request: dict[str, Any] = {
        "account": account,
        "key": key,
        "audience": {"kind": "all"},
        "message": {"msgtype": "text", "content": f"{key}: 你好"},
    }
    async with room:
        return await stage.client.start_workflow(
            MASS_SEND, request, id=mass_send_id(account, key), task_queue=stage.settings.task_queue
        )


async def _meanwhile(stage: Stage, room: asyncio.Semaphore) -> float:
    began = time.monotonic()
    await (await _started(stage, QUIET, "send", room)).result()
    return time.monotonic() - began


def _simulated(stage: Stage) -> dict[str, Any]:
    def account(name: str) -> dict[str, Any]:
        return {
            "appid": stage.settings.accounts[name].appid,
            "secret": SECRET,
            "followers": FOLLOWERS,
            "callback": {"url": f"{stage.receiver}/wechat/{name}", "token": CALLBACK_TOKEN},
            "limits": {
                "calls_per_day": {"mass": _UNLIMITED},
                "mass_per_minute": _UNLIMITED,
                "sends_per_day": _UNLIMITED,
                "to_all_per_month": _UNLIMITED,
                "user_per_month": 254,
            },
        }

    return {"timing": {"too_fast": 0, "delivery": 0.5}, "accounts": {name: account(name) for name in (CROWDED, QUIET)}}
