"""The other stage: a real Temporal, with the simulator as WeChat. A script is carried out there, cue by cue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError, RPCStatusCode

from activities import LostQueues
from qunfa.contract import INVALID_REQUEST, MassSendResult, Status, mass_send_id
from qunfa.simulator import Fault, JobPlan, Simulator, SimulatorConfig
from qunfa.simulator.jobs import Job
from qunfa.simulator.plans import Counts
from qunfa.simulator.pushes import event_of
from qunfa.simulator.world import Call as SimulatedCall
from tests.e2e.stage import SCALE, TIMING, Scene, Stage, working
from tests.e2e.staging import receiving_at, settings_at
from tests.looking import PATIENCE, until
from tests.simulation.rest import FAR
from tests.simulation.twins import Call, Cue, Names, Outcome, Page, Script, difference
from tests.workflows.refusals import Refusing, replay
from tests.workflows.resets import points, reset

AT_A_TIME: Final = 6
"""Lives on the real server at the same time."""
FOLLOWERS: Final = 9
OFTEN: Final = timedelta(seconds=0.2)
_NO_TIME: Final = frozenset({RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.UNAVAILABLE})
_SUBMITS: Final = ("/mass/sendall", "/mass/send")


@contextlib.asynccontextmanager
async def staged(client: Client, media: Path, scripts: Sequence[Script]) -> AsyncIterator[Stage]:
    """A stage with an account for each script, whose WeChat is as the script has it."""
    names = [f"life{script.seed}" for script in scripts]
    async with Simulator() as sim:
        settings = settings_at(sim.url, media, names, {**TIMING, "http_timeout": PATIENCE})
        asking = {name: one.model_copy(update={"quota": "ask"}) for name, one in settings.accounts.items()}
        settings = settings.model_copy(update={"accounts": asking})
        address = client.service_client.config.target_host
        looks = LostQueues(settings, client, OFTEN)
        async with receiving_at(settings, address) as receiver, working(client, settings), looks.looking():
            stage = Stage(client, address, settings, sim, receiver, media, names)
            accounts = {
                name: stage.scene(name).at_wechat(
                    followers=FOLLOWERS, tags=[], failed_jobs_keep_clientmsgid=not script.frees
                )
                for name, script in zip(names, scripts, strict=True)
            }
            timing = {"delivery": 0, "too_fast": 0}
            await sim.reset(SimulatorConfig.model_validate({"scale": SCALE, "timing": timing, "accounts": accounts}))
            yield stage


class Real:
    """One script on the stage."""

    def __init__(self, stage: Stage, script: Script, patience: float = PATIENCE) -> None:
        self.script, self.stage, self._patience = script, stage, patience
        self.scene: Scene = stage.scene(f"life{script.seed}")
        self.handle = stage.client.get_workflow_handle(
            mass_send_id(self.scene.account, script.request["key"]), result_type=MassSendResult
        )

    async def play(self) -> None:
        """All of it.

        Raises:
            AssertionError: this stage tells another story than the simulation.
        """
        feeding, number = asyncio.create_task(self._feed()), 0
        try:
            for number, cue in enumerate(self.script.cues):  # noqa: B007  told where it fails
                await self._play(cue)
            await self._comes_to(self._books, self.script.books)
            await self._replays()
        except AssertionError as error:
            error.add_note(self._told(number))
            raise
        finally:
            feeding.cancel()

    async def _play(self, cue: Cue) -> None:
        await self._give(cue)
        if cue.after is not None:
            await self._comes_to(self._page, cue.after)
        if cue.end is not None:
            ended = await self._outcome()
            assert ended == cue.end, difference(ended, cue.end)

    async def _comes_to(self, look: Callable[[], Awaitable[object]], expected: object) -> None:
        try:
            await until(look, lambda seen: seen == expected, self._patience)
        except AssertionError:
            raise AssertionError(difference(await look(), expected)) from None

    # WeChat

    @property
    def _calls(self) -> list[SimulatedCall]:
        mine = (one for one in self.scene.sim.world.calls if one.account and one.account.name == self.scene.account)
        return [one for one in mine if one.path.endswith(_SUBMITS)]

    @property
    def _jobs(self) -> list[Job]:
        return self.scene.sim.world.jobs.of(self.scene.account)

    @property
    def _names(self) -> Names:
        return Names([job.msg_id for job in self._jobs])

    async def _feed(self) -> None:
        """Each call has the fate that it has had in the simulation."""
        world = self.scene.sim.world
        for number, call in enumerate(self.script.calls):
            if (fault := _fault(call)) is not None:
                world.faults.add(Fault.model_validate({"account": self.scene.account, "endpoint": "sendall", **fault}))
            if call.status is not None:
                plan = {"status": call.status, "before_response": call.early, "drop": not call.early}
                world.job_plans.add(JobPlan.model_validate({"account": self.scene.account, **plan}))
            await world.changes.until(partial(self._has_answered, number + 1))

    def _has_answered(self, calls: int) -> bool:
        return sum(one.answered for one in self._calls) >= calls

    async def _push(self, number: int, status: str | None = None) -> None:
        """WeChat's push on a job, or somebody's lie."""
        world = self.scene.sim.world
        await world.changes.until(lambda: self._jobs[number].state != "pending", PATIENCE)
        event = event_of(self._jobs[number], world.clock.now())
        if status is not None:
            event = event.model_copy(update={"status": status, "counts": Counts()})
        pushed = await world.courier.push(self.scene.simulated, event)
        assert pushed[-1].reply.outcome == "answered", pushed

    # Cues

    async def _give(self, cue: Cue) -> None:
        match cue.what:
            case "start":
                await self._start(other=cue.payload["other"])
            case "push" | "forge":
                assert cue.job is not None
                await self._push(cue.job, cue.payload.get("status"))
            case "freeze":
                await self.scene.freeze()
            case "unfreeze":
                await self.scene.unfreeze()
            case "terminate":
                await self.handle.terminate("lost")
            case "cancel":
                await self.handle.cancel()
            case "reset":
                first = (await points(self.handle))[0]
                await reset(self.stage.client, self.handle, first)
            case "lose the ledger":
                await self._lose_the_ledger()
            case _:
                await self._answer(cue)

    async def _lose_the_ledger(self) -> None:
        try:
            await self.scene.ledger_handle.terminate("by mistake")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise  # else it is lost already: nobody has told the next one anything

    async def _start(self, *, other: bool) -> None:
        raw = {**self.script.request, "account": self.scene.account}
        if "send_at" in raw:
            raw["send_at"] = _moment(timedelta(days=1)).isoformat()
        if other:
            raw["message"] = {"msgtype": "text", "content": "another text"}
        await self.scene.start_raw(raw, self.handle.id)

    async def _answer(self, cue: Cue) -> None:
        payload: dict[str, Any] = dict(cue.payload)
        if "send_at" in payload:
            payload["send_at"] = _moment(timedelta(seconds=payload["send_at"])).isoformat()
        if cue.job is not None:
            payload["msg_id"] = self._jobs[cue.job].msg_id
        refusal = None
        try:
            async with asyncio.timeout(PATIENCE):
                await self.handle.execute_update(cue.what, payload, result_type=Status)
        except WorkflowUpdateFailedError as error:
            refusal = self._names.plain(getattr(error.cause, "message", ""))
        assert refusal == cue.refusal, f"{cue.what} {payload}: {refusal}; the simulation: {cue.refusal}"

    # What is seen

    async def _page(self) -> Page | None:
        """The page; nothing where Temporal has no time to ask for it."""
        try:
            return self._names.page(await self.scene.status(self.handle))
        except RPCError as error:
            if error.status not in _NO_TIME:
                raise
            return None

    async def _outcome(self) -> Outcome:
        async with asyncio.timeout(PATIENCE):
            try:
                result = await self.handle.result(follow_runs=False)
            except WorkflowFailureError as failure:
                cause = failure.cause
                if isinstance(cause, CancelledError):
                    return Outcome("cancelled")
                assert isinstance(cause, ApplicationError)
                if cause.type == INVALID_REQUEST:
                    return Outcome("refused")
                result = MassSendResult.model_validate(cause.details[0])
        return self._names.outcome(result)

    async def _books(self) -> Any:
        counts = self.scene.sim.world.ledger.counts(self.scene.simulated)
        assert len(set(counts)) == 1, counts
        statuses = [job.status or "" for job in self._jobs]
        return self._names.books(await self.scene.ledger(), statuses, len(self._calls), counts[0])

    async def _replays(self) -> None:
        """All runs of the send and its account replay, also with updates that are refused in each of their tasks."""
        client, done = self.stage.client, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        for workflow_id in (self.handle.id, self.scene.ledger_handle.id):
            async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'"):
                history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
                if any(event.event_type == done for event in history.events):
                    await replay(history, Refusing(), client.namespace)

    def _told(self, number: int) -> str:
        """The script up to where the two differ."""
        cues = (f"{one.what} {one.payload} {'' if one.job is None else one.job}" for one in self.script.cues)
        calls = (str(call) for call in self.script.calls)
        return "\n".join([f"seed {self.script.seed}", *calls, *list(cues)[: number + 1]])


def _moment(ahead: timedelta) -> datetime:
    """So far ahead; what is not far has come already."""
    return datetime.now(UTC) + (ahead if ahead >= FAR else min(ahead, timedelta(0)))


def _fault(call: Call) -> dict[str, Any] | None:
    """What goes wrong with the call."""
    if call.kind == "refused":
        return {"kind": "errcode", "errcode": call.errcode}
    if call.kind != "unknown":
        return None
    if call.errcode is None:
        return {"kind": "reset_after_accept" if call.status else "reset_before_accept"}
    return {"kind": "errcode_after_accept" if call.status else "errcode", "errcode": call.errcode}


async def compared(
    client: Client, media: Path, scripts: Sequence[Script], patience: float = PATIENCE
) -> list[tuple[int, AssertionError]]:
    """The seeds whose scripts come to something else on the real stage."""
    found: list[tuple[int, AssertionError]] = []
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(stage: Stage, script: Script) -> None:
        async with room:
            try:
                await Real(stage, script, patience).play()
            except AssertionError as error:
                found.append((script.seed, error))

    async with staged(client, media, scripts) as stage:
        await asyncio.gather(*(one(stage, script) for script in scripts))
    return found
