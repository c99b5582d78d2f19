"""Temporal's database goes back to a snapshot, and the operator does what the deployment guide says about it."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from tests import database
from tests.chaos.evidence import Run
from tests.chaos.processes import ROOT
from tests.chaos.stage import DATABASE, Stage, temporal_answers
from tests.looking import Looks

SNAPSHOT: Final = "snapshot.db"
_UP_SECONDS: Final = 60.0
_DONE_SECONDS: Final = 90.0
_LATE_SECONDS: Final = 1.0
"""For a call that was under way at WeChat as its worker was stopped."""


class GuideError(Exception):
    """The command does not do what the guide says of it."""


@dataclass
class Restore:
    """One restore. ``told``: whether the accounts are told of it, which is what the guide asks for."""

    stage: Stage
    taken: float
    note: Callable[[str], None]
    told: bool = True

    async def carried_out(self, revive: Callable[[], Awaitable[None]]) -> None:
        """Everything is stopped, the snapshot is put back, and all goes on; ``revive`` starts again what is lost."""
        stage = self.stage
        for child in (*stage.workers, stage.receiver, stage.temporal):
            await child.let_go()
        await asyncio.to_thread(database.put_back, stage.folder / SNAPSHOT, stage.folder / DATABASE)
        await stage.temporal.start()
        await self._up()
        self.note(f"Temporal's database is that of {time.time() - self.taken:.0f} s ago")
        taken = datetime.fromtimestamp(self.taken, UTC).isoformat()
        if self.told:
            await self._qunfa("--taken", taken, "--reason", "the disk died")
        stage.lapses.append((self.taken, time.time() + _LATE_SECONDS))
        for name in stage.plan.accounts:
            stage.lost_at[name] = time.time()
        for child in (stage.receiver, *stage.workers):
            await child.start()
        await revive()
        self.note("what was forgotten was started again")
        if self.told:
            await self._done()

    async def _up(self) -> None:
        looks = Looks()
        async with asyncio.timeout(_UP_SECONDS):
            while not await temporal_answers(self.stage.client):
                await looks.again()

    async def _done(self) -> None:
        """As soon as each account answers: until then the command names those that do not."""
        until, looks = time.monotonic() + _DONE_SECONDS, Looks()
        while True:
            try:
                said = await self._qunfa("--done")
            except GuideError:
                if time.monotonic() > until:
                    raise
                await looks.again()
            else:
                asks = [one for one in said["sends"] if one["stands"] == "asks"]
                self.note(f"all has caught up; {len(asks)} sends ask a person")
                return

    async def _qunfa(self, *arguments: str) -> Any:
        """What `qunfa restored` says."""
        command = [sys.executable, "-m", "qunfa.cli", "restored", *arguments, "--yes", "--by", "li", "--json"]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=self.stage.environment, stdout=PIPE, stderr=PIPE
        )
        said, complaint = await process.communicate()
        if process.returncode:
            raise GuideError(f"qunfa restored {' '.join(arguments)}: exit code {process.returncode}: {complaint!r}")
        return json.loads(said)


def runs_of(
    listed: Iterable[Run], seen: Iterable[Run], lapses: Sequence[tuple[float, float]], begun: Iterable[Run] = ()
) -> tuple[Run, ...]:
    """The runs of a send in the order of their starts, with those that Temporal has forgotten as their caller saw them.

    One that had ended, and runs again since a restore, is two. ``begun``: those that its caller has started, and that
    Temporal does not list. Where nobody saw the end of one, it is there as forgotten: a job may be its own.
    """
    known = {run.run_id: run for run in listed}
    gone: list[tuple[Run, tuple[float, float]]] = []
    told = set[tuple[str, tuple[float, float]]]()
    for run in seen:
        lapse = next((one for one in lapses if run.closed_at is not None and one[0] <= run.closed_at <= one[1]), None)
        if lapse is None or (run.run_id, lapse) in told:
            continue
        told.add((run.run_id, lapse))
        now = known.get(run.run_id)
        if now is None:
            gone.append((run, lapse))
        elif now.closed_at is None or now.closed_at > lapse[1]:
            known[run.run_id] = replace(now, started_at=lapse[1])
            gone.append((run, lapse))
    ended = {run_id for run_id, _ in told}
    for run in begun:
        lapse = next((one for one in lapses if run.started_at <= one[1]), None)
        if lapse is not None and run.run_id and run.run_id not in ended:
            gone.append((replace(run, state="forgotten"), lapse))
    runs = list(known.values())
    for run, lapse in gone:
        # Whatever ran at the snapshot runs again since the restore, also where it was terminated for this one.
        runs = [
            replace(one, started_at=max(one.started_at, lapse[1]))
            if one.started_at < run.started_at and not _ended_by(one, lapse[1])
            else one
            for one in runs
        ]
    return tuple(sorted([*runs, *(run for run, _ in gone)], key=lambda run: run.started_at))


def _ended_by(run: Run, at: float) -> bool:
    return run.closed_at is not None and run.closed_at <= at
