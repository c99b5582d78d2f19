"""Pushes by the thousand, by signal or through the receiver, on a Temporal with its own settings."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import httpx
from temporalio.service import RPCError

from qunfa.contract.ids import account_id
from qunfa.contract.result import JobFinished
from qunfa.simulator import Simulator
from tests.callback.pushing import signed
from tests.e2e.stage import CALLBACK_TOKEN, Scene, Stage, working
from tests.e2e.staging import receiving_at, scene_of, settings_at
from tests.looking import until
from tests.temporal import development_server

Way = Literal["signal", "receiver"]
ACCOUNT: Final = "flooded"
AT_ONCE: Final = {"signal": 10, "receiver": 40}
"""Calls under way: more of them keep the server from the account's tasks, or are connections that WeChat has not."""
_FIRST: Final = 7_000_000
_PACE_SECONDS: Final = 0.2
_AGAIN_SECONDS: Final = 2.0
"""WeChat waits five seconds before it pushes again what was refused."""
_LAST_EVENTS: Final = 60
_SOON_ASKED: Final = {"push_timeout": 30}
"""Its own push may be one of those that the receiver has no time for, and does not come again."""
_BODY: Final = """<xml><ToUserName><![CDATA[gh_1]]></ToUserName><CreateTime>{now}</CreateTime>
<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[MASSSENDJOBFINISH]]></Event><MsgID>{msg_id}</MsgID>
<Status><![CDATA[send success]]></Status><TotalCount>9</TotalCount><FilterCount>9</FilterCount>
<SentCount>9</SentCount><ErrorCount>0</ErrorCount></xml>"""

Push = Callable[[int], Awaitable[bool]]


@dataclass(frozen=True)
class Flooded:
    """What a flood came to.

    `handed_in`: seconds until all were accepted. `taken`: seconds until the account had looked at all. `again`: how
    often one was refused and came again. `meanwhile`: seconds that a send took in the midst. `events`: of each of the
    account's runs. `counted`: pushes that the account has counted.
    """

    handed_in: float
    taken: float
    again: int
    meanwhile: float
    outcome: str
    events: tuple[int, ...]
    counted: int


@contextlib.asynccontextmanager
async def flooding(media: Path) -> AsyncIterator[Stage]:
    """The stage without a worker; all times but the pace are as they are by default."""
    async with development_server(as_it_comes=True) as client, Simulator() as sim:
        settings = settings_at(sim.url, media, (ACCOUNT,), {"pace": _PACE_SECONDS})
        address = client.service_client.config.target_host
        async with receiving_at(settings, address) as receiver:
            yield Stage(client, address, settings, sim, receiver, media, [ACCOUNT])


async def flooded(stage: Stage, pushes: int, way: Way, *, restart: bool) -> Flooded:
    """So many pushes as fast as they are accepted, and a send in the midst; with `restart` by another worker."""
    async with scene_of(stage) as scene, contextlib.AsyncExitStack() as workers:
        await workers.enter_async_context(working(stage.client, stage.settings))
        await scene.result(await scene.start("before"))
        first_run = (await scene.ledger_handle.describe()).run_id or ""
        async with _pushing(scene, way) as push:
            began, again = time.monotonic(), [0]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_flood(push, pushes, AT_ONCE[way], again))
                await until(lambda: _counted(scene), lambda counted: counted > pushes / 10)
                if restart:
                    await workers.aclose()
                    await workers.enter_async_context(working(stage.client, stage.settings))
                sent_at = time.monotonic()
                result = await scene.result(await scene.start("meanwhile", result=_SOON_ASKED))
                meanwhile = time.monotonic() - sent_at
            handed_in = time.monotonic() - began
        try:
            counted = await until(lambda: _counted(scene), lambda counted: counted >= pushes)
        except AssertionError as error:
            error.add_note("\n".join([line async for line in _last_events(scene)]))
            raise
        taken = time.monotonic() - began
        events = tuple([one async for one in _events(stage, scene, first_run)])
        assert await scene.received() == dict.fromkeys(range(scene.simulated.config.followers), 2)
    return Flooded(handed_in, taken, again[0], meanwhile, result.outcome, events, counted)


async def _flood(push: Push, pushes: int, at_once: int, again: list[int]) -> None:
    left: Iterator[int] = iter(range(_FIRST, _FIRST + pushes))

    async def some() -> None:
        for msg_id in left:
            while not await push(msg_id):
                again[0] += 1
                await asyncio.sleep(_AGAIN_SECONDS)

    await asyncio.gather(*(some() for _ in range(at_once)))


@contextlib.asynccontextmanager
async def _pushing(scene: Scene, way: Way) -> AsyncIterator[Push]:
    """How one is handed in; it tells whether it was taken."""

    async def by_signal(msg_id: int) -> bool:
        try:
            await scene.ledger_handle.signal("push", JobFinished(msg_id=msg_id, status="send success"))
        except RPCError:
            return False
        return True

    async def through_the_receiver(msg_id: int) -> bool:
        body = _BODY.format(now=int(time.time()), msg_id=msg_id)
        try:
            answer = await http.post(f"/wechat/{scene.account}", params=signed(CALLBACK_TOKEN), content=body)
        except httpx.TransportError:
            return False
        return answer.is_success

    async with httpx.AsyncClient(base_url=scene.stage.receiver, trust_env=False, timeout=5) as http:
        yield by_signal if way == "signal" else through_the_receiver


async def _counted(scene: Scene) -> int:
    """How many pushes the account has counted; none where it has no time to say so."""
    try:
        book = (await scene.ledger()).book
    except RPCError:
        return 0
    return sum(day.others for day in book.values())


async def _last_events(scene: Scene) -> AsyncIterator[str]:
    """How the history of the account's run ends, and what it waits for: why it does not go on."""
    yield str((await scene.ledger_handle.describe()).raw_description)
    yield str(await scene.ledger_handle.query("__stack_trace"))
    for event in (await scene.ledger_handle.fetch_history()).events[-_LAST_EVENTS:]:
        yield str(event)


async def _events(stage: Stage, scene: Scene, run_id: str) -> AsyncIterator[int]:
    """Of each run of the account, from this one on."""
    while run_id:
        handle = stage.client.get_workflow_handle(account_id(scene.appid), run_id=run_id)
        last = (await handle.fetch_history()).events[-1]
        yield last.event_id
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
