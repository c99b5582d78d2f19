"""What the judge is shown of a run once it is over, and how its findings are told."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from qunfa.contract.ids import mass_send_id, parse_mass_send_id
from tests.chaos import evidence, story
from tests.chaos.evidence import Accepted, BookSeen, Listed, Run, SendSeen
from tests.chaos.judge import Violation, judge_book, judge_send, judge_text
from tests.chaos.judge_lists import ListSeen, judge_list, report_of
from tests.chaos.lists import LISTS
from tests.chaos.operator import Operator
from tests.chaos.plan import SendPlan
from tests.chaos.replays import judge_replay, replayer
from tests.chaos.restore import runs_of
from tests.chaos.stage import AES_KEY, CALLBACK_TOKEN, SECRET, STORE, Stage, read_metrics
from tests.chaos.strays import judge_strays
from tests.chaos.strikes import Striker
from tests.chaos.tally import Tally, say
from tests.chaos.upstream import Upstream
from tests.looking import Looks

SETTLING_SECONDS: Final = 10.0
STORIES_MAX: Final = 5
"""How many sends that met a violation have their stories shown; those of all are in files."""
STORIES: Final = "stories"
SECRETS: Final = tuple(word.encode() for word in (SECRET, CALLBACK_TOKEN, AES_KEY, "access_token=", "signature="))


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
        alone = [upstream for upstream in self.upstreams if not upstream.send.members]
        tally.started = sum(upstream.started > 0 for upstream in alone)
        tally.over = sum(upstream.over for upstream in alone)
        tally.batches = batches_over(self.stage)
        tally.faults = self.stage.director.faults
        tally.kills = Counter(self.striker.kills)


def batches_over(stage: Stage) -> int:
    """How many jobs of lists WeChat has done with."""
    return sum(job.finished_at is not None for job in stage.sim.world.jobs.of(LISTS))


async def judge(cast: Cast, tally: Tally, *, tell_unknown: bool) -> None:
    """All that is wrong is in the tally then, and the stories of sends that met a violation are told."""
    stage = cast.stage
    listed = await _complete_list(cast)
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    found: list[Violation] = []
    replays = replayer(stage.client.namespace)
    for one in listed:
        events = await evidence.history_of(stage.client, one)
        found.extend(await judge_replay(one, events, replays))
        text = b"".join(event.SerializeToString() for event in events)
        found.extend(judge_text(f"the history of {one.workflow_id}", text, SECRETS))
        if parse_mass_send_id(one.workflow_id):
            runs[one.workflow_id].append(evidence.run_of(one, events))
    lists = [_seen_list(stage, upstream, runs) for upstream in cast.upstreams if upstream.send.members]
    sends = [
        _seen(stage, upstream.send, runs[upstream.id], upstream.ended, _unlisted(upstream, runs))
        for upstream in cast.upstreams
        if not upstream.send.members
    ]
    for send in sends:
        found.extend(judge_send(send))
    for each in lists:
        found.extend(await asyncio.to_thread(judge_list, each))
    for name, account in stage.plan.accounts.items():
        found.extend(judge_strays(name, account["appid"], stage.sim.world.jobs.of(name), stage.plan.sends))
    found.extend(await _books(stage, [*sends, *(batch for one in lists for batch in one.batches)]))
    for place, text in (await read_metrics(stage, SETTLING_SECONDS)).items():
        found.extend(judge_text(place, text, SECRETS))
        if not text:
            found.append(Violation("open", None, f"{place} cannot be read"))
    found.extend(await asyncio.to_thread(_leaks_in_logs, stage))
    tally.ends = Counter(send.end for send in sends)
    tally.lists = Counter(one.whole.end for one in lists)
    tally.openids = Counter(row.state for one in lists if one.report for row in one.report.rows.values())
    tally.violations, tally.judged = found, True
    say("faults: " + ", ".join(f"{what} {times}" for what, times in sorted(stage.director.struck.items())))
    say(f"restores: {len(stage.lapses)}")
    say(tally.endings())
    if lists:
        say(tally.of_lists())
    unknown = {send.key for send in sends if send.end == "unknown"}
    if unknown:
        say(f"unknown to the end: {' '.join(sorted(unknown))}")
    await _tell(cast, found, listed, unknown if tell_unknown else set())


def _unlisted(upstream: Upstream, runs: Mapping[str, list[Run]]) -> list[Run]:
    """The runs that the upstream has started, and that Temporal does not know."""
    listed = {run.run_id for run in runs[upstream.id]}
    return [run for run in upstream.runs.values() if run.run_id not in listed]


def _seen(stage: Stage, plan: SendPlan, runs: list[Run], ended: list[Run], begun: list[Run]) -> SendSeen:
    jobs = [Accepted.of(job) for job in stage.rolls.jobs_of(stage.sim.world, plan)]
    lost = plan.account in stage.lost_at
    lapses = tuple(stage.lapses)
    known = runs_of(runs, ended, lapses, begun)
    return SendSeen(plan.account, plan.key, plan.text, tuple(jobs), known, ledger_lost=lost, lapses=lapses)


def _seen_list(stage: Stage, upstream: Upstream, runs: dict[str, list[Run]]) -> ListSeen:
    """A list; the run with which it begins goes on at once as another one, and is nothing to be judged."""
    plan = upstream.send
    own = [run for run in runs[upstream.id] if run.state != "continued"]
    parts = stage.rolls.parts(plan)
    batches = [_seen(stage, part, runs[mass_send_id(part.account, part.key)], [], []) for part in parts]
    file = stage.folder / STORE / "audiences" / plan.account / plan.key / "report.csv.gz"
    return ListSeen(
        _seen(stage, plan, own, upstream.ended, _unlisted(upstream, runs)),
        plan.members,
        tuple(batch for batch in batches if batch.runs or batch.jobs),
        report_of(file, stage.plan.accounts[plan.account]["appid"]),
    )


async def _complete_list(cast: Cast) -> list[Listed]:
    """Temporal's list of runs, once it shows the ends that have been seen: it is a little behind."""
    over = {upstream.id for upstream in cast.upstreams if upstream.over and not upstream.is_content}
    parts = {
        mass_send_id(part.account, part.key)
        for upstream in cast.upstreams
        if upstream.over and upstream.send.members
        for part in cast.stage.rolls.parts(upstream.send)
    }
    until, looks = time.monotonic() + SETTLING_SECONDS, Looks()
    while True:
        found = await evidence.listed(cast.stage.client)
        behind = over - {one.workflow_id for one in found} | {
            one.workflow_id for one in found if one.closed_at is None and one.workflow_id in over | parts
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


async def _tell(cast: Cast, found: list[Violation], listed: list[Listed], wanted: set[str]) -> None:
    """Every violation, and the whole story of each send that met one: of all in files, of the first ones here too."""
    for violation in found:
        say(f"{violation.kind.upper()}  {violation.key or ''}  {violation.sentence}")
    keys = {_whole(violation.key) for violation in found if violation.key}
    broken = [upstream for upstream in cast.upstreams if upstream.send.key in keys]
    here = broken[:STORIES_MAX] + [upstream for upstream in cast.upstreams if upstream.send.key in wanted]
    folder = cast.stage.folder / STORIES
    folder.mkdir()
    for upstream in cast.upstreams:
        if upstream in broken or upstream in here:
            parts = cast.stage.rolls.parts(upstream.send)
            ids = {upstream.id, *(mass_send_id(part.account, part.key) for part in parts)}
            own = [one for one in listed if one.workflow_id in ids]
            lines = await story.of(cast.stage, upstream, cast.operator.done_to(upstream.send), own)
            (folder / f"{upstream.send.key}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            if upstream in here:
                for line in lines:
                    say(line)
    if len(broken) > STORIES_MAX:
        say(f"{len(broken)} sends have met a violation; the stories of all of them are in {folder}")


def _whole(key: str) -> str:
    """The key of the list where it is that of a batch."""
    return key.partition(".")[0]
