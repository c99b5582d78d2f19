"""One run: the stage is set, sends and strikes go their way, and the judge looks at what is left."""

import asyncio
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from tests.chaos.court import SETTLING_SECONDS, Cast, batches_over, judge
from tests.chaos.lists import LISTS, SECONDS_A_BATCH, Lists, with_lists
from tests.chaos.operator import Operator
from tests.chaos.plan import make_plan
from tests.chaos.stage import MEDIA, Stage, staged
from tests.chaos.strikes import Striker
from tests.chaos.tally import Tally, say, show
from tests.chaos.upstream import Upstream
from tests.looking import Looks

Control = Literal["random-clientmsgid", "forget-unknown", "restored-untold", "batches-of-a-run"]
AT_ONCE_MAX: Final = 40
"""Sends that run at the same time: a slow machine takes longer then, and does not drown."""
AFTER_STARTS_SECONDS: Final = 4.0
"""How long processes are still killed after the last start."""
CALM_SECONDS: Final = 90.0
"""How long a send may take that nothing has stood in the way of but a WeChat which did not answer, and now does."""
DAY_SECONDS: Final = 20.0
"""How long it takes until the next day, once lists have used up the calls of one."""


def patience(sends: int) -> float:
    """Seconds after the last strike within which everything must be over."""
    return 150 + 0.05 * sends


async def run(tally: Tally, lists: Lists, control: Control | None = None, *, tell_unknown: bool = False) -> None:
    """A run by `tally.seed` with `tally.wanted` sends and `lists`; what it finds is in `tally.violations`.

    With ``tell_unknown`` the stories of unknown ends are told, too.
    """
    name = uuid.uuid4().hex[:8]
    plan = with_lists(make_plan(tally.seed, tally.wanted, name), lists, name)
    folder = Path(tempfile.mkdtemp(prefix="qunfa-chaos-"))
    kept = True
    try:
        of_workers = None if control == "restored-untold" else control
        async with staged(plan, folder, of_workers) as stage:
            say("everything is up; the sends begin")
            cast = _cast(stage, told=control != "restored-untold")
            await _play(cast, tally)
            await judge(cast, tally, tell_unknown=tell_unknown)
        kept = bool(tally.violations)
    except asyncio.CancelledError:
        kept = False
        raise
    finally:
        if kept:
            say(f"logs and Temporal's database are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _cast(stage: Stage, *, told: bool) -> Cast:
    began = time.monotonic()
    room = asyncio.Semaphore(AT_ONCE_MAX)
    media = stage.folder / MEDIA
    upstreams = [Upstream(stage.client, send, began, stage.plan.seed, room, media) for send in stage.plan.sends]
    lives: dict[str, asyncio.Task[None]] = {}
    striker = Striker(
        stage,
        began,
        lambda: sum(upstream.over for upstream in upstreams) + batches_over(stage),
        lambda: _revive(upstreams, lives),
        told=told,
    )
    return Cast(stage, upstreams, Operator(stage), striker, began, lives)


async def _revive(upstreams: Sequence[Upstream], lives: dict[str, asyncio.Task[None]]) -> None:
    """After a restore: each upstream that has begun goes on with what is left; until each has started that again."""
    begun = [upstream for upstream in upstreams if upstream.started]
    for upstream in begun:
        lives[upstream.id].cancel()
    await asyncio.wait([lives[upstream.id] for upstream in begun])
    for upstream in begun:
        upstream.caught_up.clear()
        lives[upstream.id] = asyncio.create_task(upstream.go_on())
    await asyncio.gather(*(upstream.caught_up.wait() for upstream in begun))


async def _play(cast: Cast, tally: Tally) -> None:
    """Until every send is over, or it is too late for that."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for upstream in cast.upstreams:
                cast.lives[upstream.id] = asyncio.create_task(upstream.live())
            enough = asyncio.Event()
            striking = tasks.create_task(cast.striker.work(enough))
            others = [
                tasks.create_task(cast.operator.work()),
                tasks.create_task(show(tally, lambda: cast.count(tally))),
                tasks.create_task(_days(cast.stage)),
            ]
            await _all_started(cast)
            await _long_lists(cast)
            enough.set()
            await asyncio.wait([striking])
            await asyncio.wait(cast.lives.values(), timeout=patience(len(cast.lives)))
            cast.stage.director.quiet = True
            await asyncio.wait(cast.lives.values(), timeout=CALM_SECONDS)
            await _settled(cast.stage)
            for task in others:
                task.cancel()
    finally:
        await _ended(cast.lives.values())
        cast.count(tally)


async def _ended(lives: Iterable[asyncio.Task[None]]) -> None:
    """The lives of upstreams are over; one that broke off by a fault of the harness says so."""
    for task in lives:
        task.cancel()
    for end in await asyncio.gather(*lives, return_exceptions=True):
        if isinstance(end, Exception):
            raise end


async def _all_started(cast: Cast) -> None:
    """Until every send was started, or it takes several times as long as planned."""
    planned = max(upstream.send.starts_at for upstream in cast.upstreams)
    until = cast.began + 4 * planned + patience(len(cast.upstreams))
    looks = Looks()
    while not all(upstream.started for upstream in cast.upstreams) and time.monotonic() <= until:
        await looks.again()
    await asyncio.sleep(AFTER_STARTS_SECONDS)


async def _long_lists(cast: Cast) -> None:
    """Until a list that is longer than all others is over, or it is too late for that."""
    for upstream in cast.upstreams:
        batches = len(cast.stage.rolls.parts(upstream.send))
        until, looks = time.monotonic() + batches * SECONDS_A_BATCH, Looks()
        while upstream.send.lasts and not upstream.over and time.monotonic() < until:
            await looks.again()


async def _days(stage: Stage) -> None:
    """End WeChat's day, some time after lists have used up its calls."""
    world = stage.sim.world
    account = world.accounts.get(LISTS)
    while account is not None:
        calls = account.calls
        await world.until(lambda: calls.used("mass", world.clock.day()) >= calls.limit("mass"), within=None)  # noqa: B023
        say("lists have used up the calls of a day")
        await asyncio.sleep(DAY_SECONDS)
        calls.clear()


async def _settled(stage: Stage) -> None:
    """Until WeChat has answered every call and finished every job, or for some seconds."""
    world = stage.sim.world

    def at_rest() -> bool:
        return all(call.answered for call in world.calls) and all(job.finished_at for job in world.jobs)

    with suppress(TimeoutError):
        await world.until(at_rest, SETTLING_SECONDS)
