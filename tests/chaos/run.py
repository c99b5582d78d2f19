"""One run: the stage is set, sends and strikes go their way, and the judge looks at what is left."""

import asyncio
import shutil
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from qunfa.contract.ids import parse_mass_send_id
from tests.chaos import evidence, progress, story, words
from tests.chaos.evidence import Accepted, BookSeen, Listed, Run, SendSeen
from tests.chaos.judge import Violation, judge_book, judge_send, judge_text
from tests.chaos.operator import Operator
from tests.chaos.plan import make_plan
from tests.chaos.progress import say
from tests.chaos.restore import runs_of
from tests.chaos.stage import AES_KEY, CALLBACK_TOKEN, MEDIA, SECRET, Stage, read_metrics, staged
from tests.chaos.strays import judge_strays
from tests.chaos.strikes import Striker
from tests.chaos.tally import Tally
from tests.chaos.upstream import Upstream
from tests.looking import Looks

Control = Literal["random-clientmsgid", "forget-unknown", "restored-untold"]
AT_ONCE_MAX: Final = 40
"""Sends that run at the same time: a slow machine takes longer then, and does not drown."""
AFTER_STARTS_SECONDS: Final = 4.0
"""How long processes are still killed after the last start."""
CALM_SECONDS: Final = 90.0
"""How long a send may take that nothing has stood in the way of but a WeChat which did not answer, and now does."""
SETTLING_SECONDS: Final = 10.0
STORIES_MAX: Final = 5
"""How many sends that met a violation have their stories shown; those of all are in files."""
STORIES: Final = "stories"
SECRETS: Final = tuple(word.encode() for word in (SECRET, CALLBACK_TOKEN, AES_KEY, "access_token=", "signature="))


def patience(sends: int) -> float:
    """Seconds after the last strike within which everything must be over."""
    return 150 + 0.05 * sends


@dataclass
class Cast:
    """Who acts in a run."""

    stage: Stage
    upstreams: list[Upstream]
    operator: Operator
    striker: Striker
    began: float
    lives: dict[str, asyncio.Task[None]]

    def count(self, tally: Tally) -> None:
        """Bring the tally up to date."""
        tally.started = sum(upstream.started > 0 for upstream in self.upstreams)
        tally.over = sum(upstream.over for upstream in self.upstreams)
        tally.faults = self.stage.director.faults
        tally.kills = Counter(self.striker.kills)


async def run(
    tally: Tally, control: Control | None = None, tell: Sequence[int] = (), *, tell_unknown: bool = False
) -> None:
    """A run by `tally.seed` with `tally.wanted` sends; what it finds is in `tally.violations`.

    The stories of the sends numbered in `tell` are told in any case, and those of unknown ends if wanted.
    """
    plan = make_plan(tally.seed, tally.wanted, uuid.uuid4().hex[:8])
    folder = Path(tempfile.mkdtemp(prefix="qunfa-chaos-"))
    kept = True
    try:
        of_workers = None if control == "restored-untold" else control
        async with staged(plan, folder, of_workers) as stage:
            say("everything is up; the sends begin")
            cast = _cast(stage, told=control != "restored-untold")
            await _play(cast, tally)
            await _judge(cast, tally, tell, tell_unknown=tell_unknown)
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
        lambda: sum(upstream.over for upstream in upstreams),
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
                tasks.create_task(progress.show(tally, lambda: cast.count(tally))),
            ]
            await _all_started(cast)
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


async def _settled(stage: Stage) -> None:
    """Until WeChat has answered every call and finished every job, or for some seconds."""
    world = stage.sim.world

    def at_rest() -> bool:
        return all(call.answered for call in world.calls) and all(job.finished_at for job in world.jobs)

    with suppress(TimeoutError):
        await world.until(at_rest, SETTLING_SECONDS)


async def _judge(cast: Cast, tally: Tally, tell: Sequence[int], *, tell_unknown: bool) -> None:
    stage = cast.stage
    listed = await _complete_list(cast)
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    found: list[Violation] = []
    for one in listed:
        events = await evidence.history_of(stage.client, one)
        text = b"".join(event.SerializeToString() for event in events)
        found.extend(judge_text(f"the history of {one.workflow_id}", text, SECRETS))
        if parse_mass_send_id(one.workflow_id):
            runs[one.workflow_id].append(evidence.run_of(one, events))
    sends = [_seen(stage, upstream, runs[upstream.id]) for upstream in cast.upstreams]
    for send in sends:
        found.extend(judge_send(send))
    for name, account in stage.plan.accounts.items():
        found.extend(judge_strays(name, account["appid"], stage.sim.world.jobs.of(name), stage.plan.sends))
    found.extend(await _books(stage, sends))
    for place, text in (await read_metrics(stage, SETTLING_SECONDS)).items():
        found.extend(judge_text(place, text, SECRETS))
        if not text:
            found.append(Violation("open", None, f"{place} cannot be read"))
    found.extend(await asyncio.to_thread(_leaks_in_logs, stage))
    tally.ends = Counter(send.end for send in sends)
    tally.violations, tally.judged = found, True
    say("faults: " + ", ".join(f"{what} {times}" for what, times in sorted(stage.director.struck.items())))
    say(f"restores: {len(stage.lapses)}")
    say(tally.endings())
    unknown = {send.key for send in sends if send.end == "unknown"}
    if unknown:
        say(f"unknown to the end: {' '.join(sorted(unknown))}")
    more = [upstream.send.number for upstream in cast.upstreams if tell_unknown and upstream.send.key in unknown]
    await _tell(cast, found, listed, [*tell, *more])


def _seen(stage: Stage, upstream: Upstream, runs: list[Run]) -> SendSeen:
    plan = upstream.send
    jobs = [Accepted.of(job) for job in words.jobs_that_say(stage.sim.world, plan.account, plan.text)]
    lost = plan.account in stage.lost_at
    lapses = tuple(stage.lapses)
    known = runs_of(runs, upstream.ended, lapses)
    return SendSeen(plan.account, plan.key, plan.text, tuple(jobs), known, ledger_lost=lost, lapses=lapses)


async def _complete_list(cast: Cast) -> list[Listed]:
    """Temporal's list of runs, once it shows the ends that have been seen: it is a little behind."""
    over = {upstream.id for upstream in cast.upstreams if upstream.over and not upstream.is_content}
    until, looks = time.monotonic() + SETTLING_SECONDS, Looks()
    while True:
        found = await evidence.listed(cast.stage.client)
        behind = over - {one.workflow_id for one in found} | {
            one.workflow_id for one in found if one.closed_at is None and one.workflow_id in over
        }
        if not behind or time.monotonic() > until:
            return found
        await looks.again()


async def _books(stage: Stage, sends: Iterable[SendSeen]) -> list[Violation]:
    """What is wrong with the accounts' ledgers, once the last notes for them have had time to come in."""
    found: list[Violation] = []
    for name in stage.plan.accounts:
        own = [send for send in sends if send.account == name]
        if not own:
            continue
        until, looks = time.monotonic() + SETTLING_SECONDS, Looks()
        while disagreements := judge_book(await _book(stage, name), own):
            if time.monotonic() > until:
                found.extend(disagreements)
                break
            await looks.again()
    return found


async def _book(stage: Stage, name: str) -> BookSeen:
    appid = stage.plan.accounts[name]["appid"]
    return await evidence.book_of(stage.client, name, appid, stage.lost_at.get(name, 0.0))


def _leaks_in_logs(stage: Stage) -> list[Violation]:
    found: dict[str, Violation] = {}
    for child in stage.processes:
        with child.log.open("rb") as lines:
            for line in lines:
                for violation in judge_text(f"the log of {child.name}", line, SECRETS):
                    found.setdefault(violation.sentence, violation)
    return list(found.values())


async def _tell(cast: Cast, found: list[Violation], listed: list[Listed], wanted: Sequence[int]) -> None:
    """Every violation, and the whole story of each send that met one: of all in files, of the first ones here too."""
    for violation in found:
        say(f"{violation.kind.upper()}  {violation.key or ''}  {violation.sentence}")
    keys = {violation.key for violation in found}
    broken = [upstream for upstream in cast.upstreams if upstream.send.key in keys]
    here = broken[:STORIES_MAX] + [upstream for upstream in cast.upstreams if upstream.send.number in wanted]
    folder = cast.stage.folder / STORIES
    folder.mkdir()
    for upstream in cast.upstreams:
        if upstream in broken or upstream in here:
            own = [one for one in listed if one.workflow_id == upstream.id]
            lines = await story.of(cast.stage, upstream, cast.operator.did.get(upstream.send.key, []), own)
            (folder / f"{upstream.send.key}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            if upstream in here:
                for line in lines:
                    say(line)
    if len(broken) > STORIES_MAX:
        say(f"{len(broken)} sends have met a violation; the stories of all of them are in {folder}")
