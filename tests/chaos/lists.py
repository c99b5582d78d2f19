"""Sends in batches, which are lists here: who is on each, what is done to it, and which of its batches a job is of."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final, get_args

from qunfa.simulator import JobPlan, openid
from qunfa.simulator.accounts import follower_number
from qunfa.simulator.jobs import Job
from qunfa.simulator.world import Call, World
from tests.chaos import words
from tests.chaos.mishaps import fault
from tests.chaos.plan import CERTAIN_WITHIN, STARTS_PER_SECOND, TAG, ChaosPlan, Fate, ListTurn, SendPlan, drawn_fate

LISTS: Final = "lists"
"""The account that has them."""
FOLLOWERS: Final = 30_000
HALF: Final[dict[str, Any]] = {"id": 3, "name": "half", "first": 0, "count": 12_000}
LATE: Final[dict[str, Any]] = {"id": 4, "name": "late", "first": 24_000, "count": 6_000}
BATCH: Final = 10_000
"""WeChat takes no more openids in one job."""
SECONDS_A_BATCH: Final = 10.0
"""How long a batch of a long list may take while everything is struck."""
_TWICE: Final = 1_000
"""Every such openid stands in its file once more."""
_FAILS: Final = JobPlan(job_status="SEND_FAIL")
_TURNS: Final[tuple[ListTurn, ...]] = get_args(ListTurn)


@dataclass(frozen=True)
class Lists:
    """How many lists a run has. ``openids``: one alone, of so many. ``calls``: how often they may submit in a day."""

    count: int = 0
    openids: int = 0
    calls: int = 0


def with_lists(plan: ChaosPlan, wanted: Lists, run: str) -> ChaosPlan:
    """The plan with lists beside its sends; ``run`` makes their appid its own."""
    if not wanted.count and not wanted.openids:
        return plan
    special: dict[str, Any] = {
        "kind": "service",
        "followers": max(FOLLOWERS, wanted.openids + BATCH),
        "tags": [TAG, HALF, LATE],
        "calls": wanted.calls,
    }
    first, span = len(plan.sends), len(plan.sends) / STARTS_PER_SECOND
    sends = [_long(plan.seed, first, wanted.openids)] if wanted.openids else _planned(plan.seed, first, wanted.count)
    chance = Random(f"{plan.seed}:lists")  # noqa: S311
    timed = [replace(send, starts_at=round(chance.uniform(0, CERTAIN_WITHIN * span), 3)) for send in sends]
    accounts = {**plan.accounts, LISTS: {"appid": f"wx{run}{len(plan.accounts):02}", **special}}
    return replace(plan, sends=(*plan.sends, *timed), accounts=accounts)


def _planned(seed: int, first: int, count: int) -> list[SendPlan]:
    certain = _certain(first)
    return [*certain[:count], *(_drawn(seed, first + number) for number in range(len(certain), count))]


def _certain(first: int) -> list[SendPlan]:
    """What happens in every run that has so many: above all a list whose caller starts it once more."""
    lost, after = fault("reset_after_accept"), Fate((fault("timeout_after_accept"),))
    return [
        replace(
            _to_file(first, range(21_000), fates=(Fate((lost,)), after), turn="terminate", turn_after=6.0, again=True),
            once_begun=True,
        ),
        replace(
            _to_file(first + 1, range(HALF["count"])),
            audience={"kind": "tags", "any": [HALF["id"]]},
            on_batch_problem="continue",
            fates=(Fate(jobs=(JobPlan(status="err(10001)"),)),),
        ),
        _to_file(first + 2, range(5_000, 26_000), fates=(Fate((lost,)),), turn="pause", turn_after=5.0),
        _to_file(first + 3, range(9_000, 24_000), fates=(Fate(jobs=(_FAILS,)), Fate(jobs=(_FAILS,)))),
        _less_late(_to_file(first + 4, range(3_000, 30_000), turn="abort", turn_after=7.0)),
    ]


def _drawn(seed: int, number: int) -> SendPlan:
    chance = Random(f"{seed}:list:{number}")  # noqa: S311
    first = chance.randrange(15_000)
    count = chance.randrange(2, FOLLOWERS - first)
    stops = chance.random() < 0.7
    send = _to_file(
        number,
        range(first, first + count),
        fates=tuple(drawn_fate(chance, liable=False, safe=False) for _ in range(3)),
        on_problem="wait" if chance.random() < 0.75 else "fail",
        on_batch_problem="stop" if stops else "continue",
        turn=chance.choices(_TURNS, [30, 8, 14, 6, 6, 10, 14, 12])[0],
        turn_after=round(chance.uniform(0.5, 9), 2),
        again=chance.random() < 0.2,
    )
    match chance.choice(["file", "file", "tags", "several"]):
        case "tags":
            tag = chance.choice([HALF, LATE])
            members = range(tag["first"], tag["first"] + tag["count"])
            return replace(send, audience={"kind": "tags", "any": [tag["id"]]}, members=members)
        case "several" if first + BATCH < LATE["first"]:
            return _less_late(send)
        case _:
            return send


def _long(seed: int, number: int, openids: int) -> SendPlan:
    """One list of so many; each of its batches has a fate of its own."""
    chance = Random(f"{seed}:long")  # noqa: S311
    fates = [drawn_fate(chance, liable=False, safe=False) for _ in range(_batches(openids))]
    return _to_file(number, range(openids), fates=tuple(fates), lasts=True)


def _to_file(number: int, members: range, **more: Any) -> SendPlan:
    return SendPlan(number, LISTS, {"kind": "openid_file", "uri": f"list-{number:05}.txt"}, members=members, **more)


def _less_late(send: SendPlan) -> SendPlan:
    """Those of its file that are not tagged as late."""
    members = range(send.members.start, min(send.members.stop, LATE["first"]))
    less = {"kind": "several", "of": [send.audience], "minus": [{"kind": "tags", "any": [LATE["id"]]}]}
    return replace(send, audience=less, members=members, on_file=send.members)


def write_files(plan: ChaosPlan, folder: Path) -> None:
    """The files of the lists: in no order, as they come from elsewhere, and some openids twice."""
    for send in plan.sends:
        if not send.members:
            continue
        appid = plan.accounts[send.account]["appid"]
        numbers = [*(send.on_file or send.members)]
        numbers += numbers[::_TWICE]
        Random(f"{plan.seed}:file:{send.number}").shuffle(numbers)  # noqa: S311
        with (folder / f"{send.key}.txt").open("w", encoding="ascii") as file:
            file.writelines(f"{openid(appid, number)}\n" for number in numbers)


def audience(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The audience as a request has it; its files are in ``folder``."""
    match asked:
        case {"kind": "openid_file", "uri": str(name)}:
            return {**asked, "uri": f"file:{folder / name}"}
        case {"kind": "several", "of": list(of), "minus": list(minus)}:
            return {**asked, "of": [audience(one, folder) for one in of], "minus": minus}
        case _:
            return asked


def _batches(openids: int) -> int:
    return -(-openids // BATCH)


class Roll:
    """The batches of one list: sorted by openid, cut evenly into as few as WeChat allows."""

    def __init__(self, appid: str, members: range) -> None:
        in_order = sorted(members, key=lambda number: openid(appid, number))
        self.appid = appid
        self.batches = _batches(len(in_order))
        self._batch = array("H", bytes(2 * members.stop))
        for batch in range(1, self.batches + 1):
            first, end = (len(in_order) * edge // self.batches for edge in (batch - 1, batch))
            for number in in_order[first:end]:
                self._batch[number] = batch

    def batch_of(self, number: int | None) -> int:
        """The number of a follower's batch, from 1; 0 for who is not on the list."""
        return self._batch[number] if number is not None and number < len(self._batch) else 0


class Rolls:
    """Which send, or which batch of a list, a job or a call is of: by its words, and by whom it is for."""

    def __init__(self, plan: ChaosPlan) -> None:
        self._rolls = {
            send.text: Roll(plan.accounts[send.account]["appid"], send.members) for send in plan.sends if send.members
        }

    def parts(self, send: SendPlan) -> Sequence[SendPlan]:
        """The batches of a list as sends of their own; a send alone is its only part."""
        roll = self._rolls.get(send.text)
        if roll is None:
            return (send,)
        fates = dict(enumerate(send.fates, 1))
        return [replace(send, part=part, fate=fates.get(part, Fate())) for part in range(1, roll.batches + 1)]

    def of_call(self, world: World, call: Call) -> str:
        """What a call says, and the batch where it is one of a list."""
        said = words.of_call(world, call)
        roll = self._rolls.get(said)
        if roll is None:
            return said
        match call.json():
            case {"touser": [str(first), *_]}:
                return _part(said, roll.batch_of(follower_number(roll.appid, first)))
            case {"msg_id": int(msg_id) | str(msg_id)} if (job := world.jobs.get(int(msg_id))) is not None:
                return self.of_job(job)
            case _:
                return said

    def of_job(self, job: Job) -> str:
        """The same of a job."""
        said = words.of_content(job.content)
        roll = self._rolls.get(said)
        return said if roll is None else _part(said, roll.batch_of(next(iter(job.audience.members), None)))

    def jobs_of(self, world: World, send: SendPlan) -> list[Job]:
        """The jobs of a send, of a batch, or of all batches of a list."""
        return [*self._jobs_of(world, send)]

    def _jobs_of(self, world: World, send: SendPlan) -> Iterator[Job]:
        for job in world.jobs.of(send.account):
            said = words.of_content(job.content)
            if said == send.text and (not send.part or self.of_job(job) == send.said):
                yield job


def _part(said: str, batch: int) -> str:
    return f"{said} #{batch}"
