"""Attempts of real activities, carried out without a server. Each may stand still before any of its calls.

What happens meanwhile is what a slow worker would find: other attempts go on, and time passes.
"""

import asyncio
import atexit
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.activity import Info
from temporalio.testing import ActivityEnvironment

from activities import audiences
from qunfa.audience import reports
from qunfa.audience.jobs import PlanFound, PlanJob
from qunfa.audience.snapshots import planned
from qunfa.audience.store import Found, Store
from qunfa.contract import batches
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Fetched, Sources
from qunfa.media.spool import Scratch

BATCH: Final = 2
"""A batch has so many openids at most, as if WeChat took no more."""
Doing = Callable[[Any], Coroutine[Any, Any, Any]]


class Attempt:
    """One attempt of an activity. It stands still before the calls of these numbers, each time until it goes on."""

    def __init__(self, activity: Doing, step: object, info: Info, stops: Collection[int] = ()) -> None:
        self._environment = ActivityEnvironment()
        self._environment.info = info
        self._work = activity, step
        self._stops, self._calls = stops, 0
        self._task: asyncio.Task[Any] | None = None
        self._stands: asyncio.Future[None] | None = None
        self._gate: asyncio.Future[None] | None = None

    def go_on(self, now: datetime) -> bool:
        """Go on at this time; whether it has come to its end."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(audiences, "plan", _planned_here)
            patch.setattr(batches, "OPENIDS_MAX", BATCH)
            patch.setattr(reports, "elapsed", now.timestamp)
            return _loop().run_until_complete(self._on())

    def outcome(self) -> Any:
        """What it has returned; what it has failed with is raised."""
        assert self._task is not None
        return self._task.result()

    def drop(self) -> None:
        """Its worker is gone."""
        if self._task is not None and not self._task.done():
            _loop().run_until_complete(_gone(self._task))

    async def comes_to_a_call(self) -> None:
        """Stand still, where that is wanted."""
        self._calls += 1
        if self._calls in self._stops and self._stands is not None:
            self._gate = asyncio.get_running_loop().create_future()
            self._stands.set_result(None)
            await self._gate

    async def _on(self) -> bool:
        self._stands = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._live())
        elif self._gate is not None:
            self._gate.set_result(None)
        await asyncio.wait({self._task, self._stands}, return_when=asyncio.FIRST_COMPLETED)
        if not self._task.done():
            return False
        self._task.exception()  # else asyncio complains of one that nobody awaits any more
        return True

    async def _live(self) -> Any:
        _CURRENT.set(self)
        activity, step = self._work
        return await self._environment.run(activity, step)


_CURRENT: Final = ContextVar[Attempt]("the attempt that is carried out")


async def a_call() -> None:
    """A call of an attempt to what is outside of its worker."""
    await _CURRENT.get().comes_to_a_call()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


async def _gone(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def _planned_here(job: PlanJob) -> PlanFound:
    """The plan, made in this process."""
    return planned(job)


def _read(path: Path) -> bytes:
    return path.read_bytes()


class Shelf(Store):
    """A store in memory; ``clock`` tells its time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__("file:/srv/store", SourcePolicy())
        self._clock = clock
        self.files: dict[str, tuple[bytes, datetime]] = {}

    async def create(self, path: str, content: bytes) -> bool:
        await a_call()
        is_free = path not in self.files
        if is_free:
            self.files[path] = content, self._clock()
        return is_free

    async def put(self, path: str, content: Path | AsyncIterator[bytes]) -> None:
        whole = _read(content) if isinstance(content, Path) else b"".join([piece async for piece in content])
        await a_call()
        self.files[path] = whole, self._clock()

    async def get(self, path: str) -> bytes | None:
        await a_call()
        return self.files[path][0] if path in self.files else None

    async def get_range(self, path: str, offset: int, length: int) -> bytes | None:
        content = await self.get(path)
        return None if content is None else content[offset : offset + length]

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        content = await self.get(path)
        if content is None:
            raise FileNotFoundError(path)
        yield content

    async def found(self, folder: str) -> list[Found]:
        await a_call()
        return [Found(path, at) for path, (_, at) in self.files.items() if path.startswith(f"{folder}/")]

    async def remove(self, path: str) -> None:
        await a_call()
        self.files.pop(path, None)


class Lists(Sources):
    """A file of openids, which is at each URI."""

    def __init__(self) -> None:
        super().__init__(SourcePolicy())
        self.openids: tuple[str, ...] = ()

    @asynccontextmanager
    async def fetch(self, uri: str, *, tells_end: bool = False) -> AsyncIterator[Fetched]:
        content = "".join(f"{one}\n" for one in self.openids).encode()
        with Scratch("source") as folder:
            path = folder / "source"
            path.write_bytes(content)
            yield Fetched(path, len(content), hashlib.sha256(content).hexdigest(), "list.txt")
