"""Two builds on one task queue: what one began the other carries on, in whichever direction the fleet is changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey

from qunfa.contract import MassSendResult
from qunfa.rules.clientmsgid import clientmsgid
from tests.e2e.processes import ROOT, configuration, logged, running, stopped
from tests.e2e.stage import Scene
from tests.e2e.test_material_previews import follower, previewed
from tests.looking import PATIENCE, look_again
from workflows.account import MESSAGES_PER_RUN

pytestmark = pytest.mark.long

VERSIONS = ROOT / "tests" / "versions"
SERVE = str(VERSIONS / "serve.py")
RELEASED = {wheel.name.split("-")[1]: wheel for wheel in sorted(VERSIONS.glob("*.whl"))}
TODAY = {"today": ROOT}
BUILDS = {**RELEASED, **TODAY}
PHASE = SearchAttributeKey.for_keyword("MassSendPhase")
EACH = 3
"""Followers of one send."""


class Fleet:
    """The workers of a scene, by the build they run."""

    def __init__(self, scene: Scene, config: Path, logs: Path) -> None:
        self._scene, self._config, self._logs = scene, config, logs
        self.identities: dict[str, str] = {}

    @asynccontextmanager
    async def working(self, build: str, *forgetful: str) -> AsyncIterator[None]:
        """A worker of this build, until the block ends: then it stops as an upgrade stops it."""
        log = self._logs / f"{build}.log"
        path = {"PYTHONPATH": str(BUILDS[build])}
        async with running(self._scene, [SERVE, *forgetful], self._config, path, log) as process:
            await logged(log, '"started"')
            self.identities[build] = f"{process.pid}@"
            yield
            assert await stopped(process) == 0

    async def builds_of(self, handle: WorkflowHandle[Any, Any]) -> set[str]:
        """The builds that have carried out workflow tasks of a send."""
        found = set()
        async for event in handle.fetch_history_events():
            identity = event.workflow_task_completed_event_attributes.identity
            found |= {build for build, prefix in self.identities.items() if identity.startswith(prefix)}
        return found


@pytest.fixture
def fleet(scene: Scene, tmp_path: Path) -> Fleet:
    """Workers of any build, on a queue of the scene's own."""
    return Fleet(scene, configuration(scene, tmp_path), tmp_path)


class Sends:
    """Sends of all kinds of paths, each to followers of its own, and what becomes of them."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._free = iter(scene.openids(100))
        self._audiences: dict[str, dict[str, Any]] = {}
        self.handles: dict[str, WorkflowHandle[Any, MassSendResult]] = {}

    async def start(self, key: str, *, fault: dict[str, Any] | None = None, **plan: Any) -> None:
        """Start a send, whose first submission meets this fault, or has this fate."""
        identity = self._identity(key)
        if fault:
            self._scene.fault(endpoint="mass/send", clientmsgid=identity, **fault)
        if plan:
            self._scene.plan(clientmsgid=identity, **plan)
        audience = {"kind": "openids", "openids": [next(self._free) for _ in range(EACH)]}
        result = {"push_timeout": 1 if key == "polled" else 60, "poll_interval": 1}
        self._audiences[key] = audience
        self.handles[key] = await self._scene.start(key, audience=audience, result=result)

    def _identity(self, key: str) -> str:
        return clientmsgid(self._scene.client.namespace, self._scene.appid, key, 0, 0)

    async def start_again(self, key: str) -> WorkflowHandle[Any, MassSendResult]:
        """The same key and content once more."""
        return await self._scene.start(key, audience=self._audiences[key])

    async def start_some(self) -> None:
        """The straight path, a lost answer, a push that never comes, a reprint."""
        await self.start("straight")
        await self.start("lost", fault={"kind": "reset_after_accept"})
        await self.start("polled", drop=True)
        await self.start("reprint", reprint="allowed")
        await self.phase("reprint", "needs_operator")

    async def start_more(self) -> None:
        """A lost try, a push that is held back, a refusal."""
        await self.start("silent", fault={"kind": "reset_before_accept"})
        await self.start("pushed", drop=True)
        await self.start("refused", fault={"kind": "errcode", "errcode": 48001})
        await self.phase("pushed", "awaiting_result")
        await self.phase("refused", "needs_operator")

    async def phase(self, key: str, phase: str) -> None:
        """Until the send is there, as seen from outside: a query costs a forgetful worker dear."""
        async with asyncio.timeout(PATIENCE):
            while phase != (await self.handles[key].describe()).typed_search_attributes.get(PHASE):
                await look_again()

    async def answer_some(self) -> None:
        """Let the reprint be sent as one."""
        await self._scene.update(self.handles["reprint"], "retry", send_ignore_reprint=True)

    async def answer_more(self) -> None:
        """Try again what was refused, and give the push that was held back."""
        await self._scene.update(self.handles["refused"], "retry")
        [msg_id] = [job.msg_id for job in self._scene.jobs if job.clientmsgid == self._identity("pushed")]
        event = {"msg_id": msg_id, "status": "send success", "counts": {"total": 3, "filter": 3, "sent": 3}}
        await self._scene.ledger_handle.signal("push", event)

    async def end_well(self) -> None:
        """Each is sent, to each of its followers once, by one accepted submission a generation."""
        async with asyncio.timeout(PATIENCE):
            results = {key: await handle.result() for key, handle in self.handles.items()}
        assert {key: result.outcome for key, result in results.items()} == dict.fromkeys(self.handles, "sent")
        assert [job.generation for job in results["reprint"].jobs] == [0, 1]
        told = {job.clientmsgid: job.msg_id for result in results.values() for job in result.jobs}
        assert told == {job.clientmsgid: job.msg_id for job in self._scene.jobs}
        assert len(self._scene.jobs) == len(self.handles) + 1
        assert await self._scene.received() == dict.fromkeys(range(EACH * len(self.handles)), 1)


@pytest.mark.parametrize("released", RELEASED)
async def test_sends_whose_tasks_go_to_both_builds_end_right(scene: Scene, fleet: Fleet, released: str) -> None:
    """Nothing is kept between two tasks, so each build replays what the other has recorded, ledger and sends."""
    sends = Sends(scene)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(fleet.working(released, "forgetful"))
        await stack.enter_async_context(fleet.working("today", "forgetful"))
        await sends.start_some()
        await sends.answer_some()
        await sends.end_well()
    both = {released, "today"}
    mixed = [key for key, handle in sends.handles.items() if await fleet.builds_of(handle) == both]
    assert mixed
    assert await fleet.builds_of(scene.ledger_handle) == both


@pytest.mark.parametrize(
    ("before", "after"),
    [pair for released in RELEASED for pair in ((released, "today"), ("today", released))],
    ids=lambda build: build,
)
async def test_what_one_build_began_the_other_ends(scene: Scene, fleet: Fleet, before: str, after: str) -> None:
    """An upgrade and a downgrade: sends in every phase, and a ledger that goes on in a new run, change their worker."""
    sends = Sends(scene)
    async with fleet.working(before):
        await sends.start_some()
        await sends.start_more()
        await sends.start("unknown", fault={"kind": "reset_after_accept"})
        await scene.freeze()
        await sends.start("frozen")
        await scene.waits(sends.handles["frozen"], "frozen")
    async with fleet.working(after):
        await scene.unfreeze()
        await sends.answer_some()
        await sends.answer_more()
        await sends.end_well()
        first_run = (await scene.ledger_handle.describe()).run_id
        for number in range(MESSAGES_PER_RUN):
            await scene.ledger_handle.signal("push", {"msg_id": 9_000_000_000 + number, "status": "send success"})
        tries = len(scene.tries)
        again = await scene.result(await sends.start_again("lost"))
        assert (again.outcome, again.jobs[0].observed_by, len(scene.tries)) == ("sent", "ledger", tries)
        assert (await scene.ledger_handle.describe()).run_id != first_run


@pytest.mark.parametrize("released", RELEASED)
async def test_a_ledger_that_has_counted_previews_is_read_by_an_earlier_build(
    scene: Scene, fleet: Fleet, released: str
) -> None:
    """A downgrade after a preview: the earlier build replays the ledger's history, and sends go on."""
    sends = Sends(scene)
    async with fleet.working("today"):
        result = await previewed(scene, to=[follower(scene, 99)])
        assert [row.sent for row in result.previews] == [True]
    async with fleet.working(released):
        await sends.start("straight")
        async with asyncio.timeout(PATIENCE):
            assert (await sends.handles["straight"].result()).outcome == "sent"
