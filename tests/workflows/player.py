"""Plays a script: what is planned happens at its moment, and operators bring the send to its end."""

import asyncio
import itertools
from collections import Counter
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from qunfa.contract.operators import Status
from tests.looking import PATIENCE, look_again
from tests.workflows.operators import Operators
from tests.workflows.runs import KEY, RIVAL, Runs, StandsStillError
from tests.workflows.scripts import FORGED, JUMPS, Event, Script
from tests.workflows.truth import Moment

_LOOK: Final = 60
"""A server that has swallowed a task costs a script so many seconds."""
_LOOKS_MAX: Final = 400
_ANSWERS: Final = 200
"""Looks after which an account that has not answered is taken for a silent one."""


class Player:
    """One script on one account. ``story`` is what happened; ``forged`` the jobs that somebody has lied about."""

    def __init__(self, runs: Runs, script: Script) -> None:
        self.runs, self.wechat, self.script = runs, runs.wechat, script
        self.story: list[str] = []
        self.forged: set[int] = set()
        self._operators = Operators(runs, self.story, script.retries)
        self._broken: list[BaseException] = []
        self._reached: Counter[Moment] = Counter()
        self.wechat.moment = self.at
        self.wechat.fates[KEY] = list(script.fates)
        self.wechat.rest = script.rest

    async def play(self) -> None:
        """The whole of it, to the end of the send."""
        if self.script.rival:
            await self.runs.start(RIVAL)
        await self.runs.start(KEY)
        for event in self.script.while_waiting:
            await self.look()
            await self.happen(event)
        async with asyncio.timeout(PATIENCE):
            await self._bring_to_its_end()
        if self._broken:
            raise self._broken[0]
        await self.runs.ended()

    async def at(self, moment: Moment, key: str | None) -> None:
        """What the script has for this moment of an activity."""
        if key == RIVAL:
            return
        nth = self._reached[moment]
        self._reached[moment] += 1
        for beat in self.script.beats:
            if (beat.moment, beat.nth) == (moment, nth):
                self.story.append(f"at {moment} {nth}:")
                await self.happen(beat.event)

    async def happen(self, event: Event) -> None:
        """One event; what goes wrong in an activity's moment is kept for the test."""
        self.story.append(f"{event.what} {event.pick}")
        try:
            await self._happen(event)
        except (AssertionError, RPCError, TimeoutError) as error:
            self._broken.append(error)
            raise

    async def _happen(self, event: Event) -> None:
        match event.what:
            case "push" | "push twice" | "forge" | "decide" | "stray" | "arrive" | "poll lies":
                await self._at_wechat(event)
            case "cancel":
                if await self.runs.open():
                    await self.runs.handle.cancel()
            case "jump":
                await self.runs.skip(JUMPS[event.pick])
            case "restart":
                await self.runs.restart()
            case "reset":
                await self.runs.reset(event.pick)
            case "lose the ledger":
                await self.runs.lose_the_ledger()
            case _:
                await self._operators.answer(event)

    async def _at_wechat(self, event: Event) -> None:
        """What WeChat does, or seems to do."""
        match event.what:
            case "stray":
                await self.wechat.push(77 + event.pick)
            case "arrive":
                await self.wechat.arrive(event.pick)
            case "poll lies":
                self.wechat.lies += 1
            case _:
                await self._say(event)

    async def _say(self, event: Event) -> None:
        """WeChat's word on a job, or somebody else's."""
        jobs = self.wechat.of(KEY)
        if not jobs:
            return
        job = jobs[event.pick % len(jobs)]
        if event.what == "forge":
            self.forged.add(job.msg_id)
            await self.wechat.push(job.msg_id, FORGED[event.pick])
            return
        job.decided = True
        for _ in range({"decide": 0, "push": 1, "push twice": 2}[event.what]):
            await self.wechat.push(job.msg_id, job.verdict)

    async def look(self) -> Status | None:
        """The status once the send waits and nothing is under way; ``None`` where it has ended."""
        try:
            async with asyncio.timeout(_LOOK):
                for look in itertools.count(1):
                    if not await self.runs.open():
                        # An activity may be about to start it again.
                        if self.runs.in_flight.count or await self.runs.open():
                            await look_again()
                            continue
                        return None
                    status = await self.runs.status()
                    if _waits(status, look) and not self.runs.in_flight.count:
                        return status
                    if look % 20 == 0:
                        await self.runs.skip(timedelta(seconds=1))
                    await look_again()
        except TimeoutError:
            await self._stands_still()
            raise
        return None

    async def _stands_still(self) -> None:
        """The time-skipping server may have swallowed a workflow task: its send answers, and yet nothing goes on."""
        await self.runs.status()
        last = (await self.runs.handle.fetch_history()).events[-1].event_type
        if self.runs.env.supports_time_skipping and last == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            raise StandsStillError

    async def _bring_to_its_end(self) -> None:
        """Operators answer what is asked, until the send has ended."""
        for _ in range(_LOOKS_MAX):
            status = await self.look()
            if status is None:
                return
            await self._operators.unfreeze()
            for job in self.wechat.of(KEY):
                job.decided = True
            if status.answers and status.phase in {"needs_operator", "awaiting_approval", "paused"}:
                await self._operators.decide(status)
            else:
                await self.runs.skip(timedelta(minutes=20))
        raise AssertionError(f"the send does not end: {await self.runs.status()}")


def _waits(status: Status, look: int) -> bool:
    """Whether the send waits for time, WeChat or a person.

    The account's configuration is read at once, and its ledger answers at once, unless it was lost.
    """
    waiting_for = status.waiting_for
    return waiting_for is not None and (look > _ANSWERS or not waiting_for.reason.startswith("the account's "))
