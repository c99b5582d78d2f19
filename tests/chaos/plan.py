"""A whole run, drawn from its seed: the accounts, the sends with their fates, and the strikes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, Literal, get_args

from qunfa.simulator import Fault, JobPlan, openid
from tests.chaos import mishaps
from tests.chaos.mishaps import LASTING, Lie, fault, refused
from tests.chaos.words import Form

ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "plain": {"kind": "service"},
    "asked": {"kind": "service", "admin_confirmation": True, "confirmation_answer": 89504},
    "paper": {"kind": "subscription", "default_clientmsgid": "content"},
    "second": {"kind": "service", "failed_jobs_keep_clientmsgid": False, "invalid_openids": "filter"},
    "poor": {"kind": "service", "to_all_per_month": 6},
}
"""What is special about each of them."""
SAFE: Final = frozenset({"paper"})
"""The accounts whose pushes are encrypted."""
FOLLOWERS: Final = 120
TAG: Final = {"id": 2, "name": "VIP", "first": 10, "count": 30}
STARTS_PER_SECOND: Final = 1.5
CERTAIN_WITHIN: Final = 0.4
"""In which part of the run the sends start that happen in every run: some of them take their time."""

UPLOADS: Final = 100
"""How many uploads of an account have their fates; whatever comes later meets no fault."""
Turn = Literal["none", "twice", "terminate", "replace", "cancel", "abort", "reset"]
ListTurn = Literal[Turn, "pause"]
TURNS: Final[tuple[Turn, ...]] = get_args(Turn)
FORMS: Final[tuple[Form, ...]] = get_args(Form)
LYING: Final[tuple[Lie, ...]] = get_args(Lie)
_SPANS: Final = {"stop": (4.5, 7.0), "freeze": (0.3, 2.0), "clock": (2.0, 6.0), "pause": (0.2, 3.0)}
_RESTORES: Final = (6.0, 260.0)
"""When the first snapshot of Temporal's database is taken that will be put back, and how long after it the next."""
FORGETS: Final = (6.0, 60.0)
"""How long after that it is put back: WeChat has forgotten some clientmsgids by then."""
CROWD: Final = 50
"""So many sends of one account are due in one moment, where the run is long enough for them."""
CROWD_AMONG: Final = 4 * CROWD
_CROWD_ACCOUNT: Final = "second"
_ENDINGS: Final = frozenset({"abort", "cancel"})
"""Turns with which a send ends by what it believes at that moment, be it a lie."""
RESTORE_AMONG: Final = 30
"""In a run of so many sends Temporal is restored at least once."""
StrikeKind = Literal[
    "worker",
    "receiver",
    "temporal",
    "stop",
    "freeze",
    "token",
    "flood",
    "account terminated",
    "account reset",
    "stranger",
    "clock",
    "pause",
    "restore",
]


@dataclass(frozen=True)
class Fate:
    """What WeChat does to a send: to its submissions, its jobs, the questions about them and its drafts, in order.

    `lie`: what WeChat says at first of the first job, which is delivered.
    """

    submissions: tuple[Fault, ...] = ()
    jobs: tuple[JobPlan, ...] = ()
    questions: tuple[Fault, ...] = ()
    drafts: tuple[Fault, ...] = ()
    lie: Lie | None = None


@dataclass(frozen=True)
class SendPlan:
    """One send: what is asked for, what becomes of it, and what its upstream does to it.

    Times in seconds: `starts_at` since the beginning of the run, the others since the start of the send. `again`: it is
    started once more after its end; `intruder`: then with another content; `crowd`: many others are due at that moment.

    The rest is of a list, which is sent in batches. `members` are the followers on it, by number. `on_file` are those
    in its file, where it has more. `fates` are those of its batches, in order. `part` is the batch, where only that is
    meant. `once_begun`: its turn waits for a batch as well. `lasts`: it takes longer than all sends together, and
    everything is struck until it is over.
    """

    number: int
    account: str
    audience: dict[str, Any]
    starts_at: float = 0.0
    on_problem: Literal["wait", "fail"] = "wait"
    fate: Fate = Fate()
    turn: ListTurn = "none"
    turn_after: float = 0.0
    not_after: float | None = None
    send_at: float | None = None
    decision_timeout: float | None = None
    again: bool = False
    intruder: bool = False
    ignore_reprint: bool = False
    form: Form = "text"
    crowd: bool = False
    members: range = range(0)
    on_file: range | None = None
    on_batch_problem: Literal["stop", "continue"] = "stop"
    fates: tuple[Fate, ...] = ()
    part: int = 0
    once_begun: bool = False
    lasts: bool = False

    @property
    def key(self) -> str:
        return f"{self._name}.{self.part}" if self.part else self._name

    @property
    def text(self) -> str:
        """What nobody but this send says, in whatever form: by this the jobs at WeChat are known to be its own."""
        return f"{self.account}/{self._name}: 你好"

    @property
    def said(self) -> str:
        """The same, with the batch where only that is meant."""
        return f"{self.text} #{self.part}" if self.part else self.text

    @property
    def _name(self) -> str:
        return f"{'list' if self.members else 'send'}-{self.number:05}"


@dataclass(frozen=True)
class Strike:
    """Something that happens to a process or an account, `at` seconds after the beginning and for `seconds`."""

    at: float
    kind: StrikeKind
    target: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class ChaosPlan:
    """All that the seed decides. `uploads`: what goes wrong with the uploads of each account, in order."""

    seed: int
    sends: tuple[SendPlan, ...]
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: dict[str, tuple[Fault | None, ...]] = field(default_factory=dict)


def make_plan(seed: int, sends: int, run: str) -> ChaosPlan:
    """The plan of `sends` sends; `run` makes the appids of this run its own."""
    accounts = {name: {"appid": f"wx{run}{number:02}", **ACCOUNTS[name]} for number, name in enumerate(ACCOUNTS)}
    certain = _certain()[: max(sends, 1)]
    first = len(certain) + (CROWD if sends >= CROWD_AMONG else 0)
    crowd = [_drawn(seed, number, _CROWD_ACCOUNT) for number in range(len(certain), first)]
    drawn = [_drawn(seed, number) for number in range(first, sends)]
    span, chance = sends / STARTS_PER_SECOND, Random(f"{seed}:starts")  # noqa: S311
    timed = [*_timed(chance, certain, span * CERTAIN_WITHIN), *_timed(chance, drawn, span)]
    timed += _crowded(crowd, round(chance.uniform(0.2, 0.8) * span, 3))
    ready = tuple(_with_openids(send, accounts[send.account]["appid"]) for send in timed)
    return ChaosPlan(seed, ready, accounts, {name: _uploads(seed, name) for name in ACCOUNTS})


def _uploads(seed: int, account: str) -> tuple[Fault | None, ...]:
    chance = Random(f"{seed}:uploads:{account}")  # noqa: S311
    return tuple(mishaps.upload(chance) for _ in range(UPLOADS))


def _certain() -> list[SendPlan]:
    """What happens in every run, whatever its seed: above all answers that are lost after acceptance."""
    lost, all_ = fault("reset_after_accept"), {"kind": "all"}

    def certain(number: int, account: str, *faults: Fault, **more: Any) -> SendPlan:
        jobs, drafts = more.pop("jobs", ()), more.pop("drafts", ())
        return SendPlan(number, account, all_, fate=Fate(tuple(faults), jobs, drafts=drafts), **more)

    echoes = [(45028, "plain"), (40007, "second"), (48001, "paper")]
    sends = [
        certain(number, account, lost, *[refused(code)] * 2, on_problem="fail")
        for number, (code, account) in enumerate(echoes)
    ]
    return [
        *sends,
        certain(3, "second", fault("timeout_after_accept"), *[refused(45028)] * 2, on_problem="fail"),
        certain(4, "plain", refused(-1), *[refused(48001)] * 2, on_problem="fail"),
        certain(5, "second", *[fault("timeout_before_accept")] * LASTING, not_after=5.0),
        certain(6, "paper", lost, *[fault("http_502", accept=False)] * LASTING, not_after=4.0),
        certain(7, "plain", jobs=(JobPlan(reprint="allowed"), JobPlan(reprint="allowed"))),
        certain(8, "paper", jobs=(JobPlan(before_response=True, duplicate=3),), again=True, intruder=True),
        certain(9, "plain", fault("slow", seconds=1.5), turn="terminate", turn_after=0.8),
        certain(10, "second", *[fault("reset_before_accept")] * LASTING),
        certain(11, "paper", jobs=(JobPlan(forged="verdict"),)),
        certain(12, "plain", lost, form="mpnews", drafts=(fault("picture_lost"), fault("dies_early", seconds=1))),
        certain(13, "second", lost, form="image"),
    ]


def _drawn(seed: int, number: int, account: str | None = None) -> SendPlan:
    chance = Random(f"{seed}:send:{number}")  # noqa: S311
    account = account or chance.choice([*ACCOUNTS])
    kinds = ["all", "tag", "expected tag", *(["openids"] * 2 if account != "paper" else [])]
    waits = _happens(chance, 0.75)
    turn: Turn = chance.choices(TURNS, [58, 8, 9, 5, 6, 6, 8])[0]
    more: dict[str, Any] = {}
    if _happens(chance, 0.12):
        more["not_after"] = round(chance.uniform(3, 12), 2)
    elif _happens(chance, 0.12):
        more["send_at"] = round(chance.uniform(1, 6), 2)
    if _happens(chance, 0.06):
        more["decision_timeout"] = round(chance.uniform(2, 5), 2)
    return SendPlan(
        number,
        account,
        _audience(chance, chance.choice(kinds)),
        on_problem="wait" if waits else "fail",
        fate=drawn_fate(
            chance, liable=waits and "decision_timeout" not in more and turn not in _ENDINGS, safe=account in SAFE
        ),
        turn=turn,
        turn_after=round(chance.uniform(0.05, 4), 2),
        again=_happens(chance, 0.15),
        intruder=_happens(chance, 0.05),
        ignore_reprint=_happens(chance, 0.1),
        form=chance.choices(FORMS, [86, 9, 5])[0],
        **more,
    )


def _happens(chance: Random, probability: float) -> bool:
    return chance.random() < probability


def _audience(chance: Random, kind: str) -> dict[str, Any]:
    match kind:
        case "tag":
            return {"kind": "tag", "tag_id": TAG["id"]}
        case "expected tag":
            return {"kind": "tag", "tag_id": TAG["id"], "expect": {"name": TAG["name"], "max": 1000}}
        case "openids":
            return {"kind": "openids", "numbers": sorted(chance.sample(range(FOLLOWERS), chance.randint(2, 40)))}
        case _:
            return {"kind": "all"}


def _with_openids(send: SendPlan, appid: str) -> SendPlan:
    if "numbers" not in send.audience:
        return send
    openids = [openid(appid, number) for number in send.audience["numbers"]]
    return replace(send, audience={"kind": "openids", "openids": openids})


def drawn_fate(chance: Random, *, liable: bool, safe: bool) -> Fate:
    """Two fifths of all sends meet no trouble but the strikes."""
    count = chance.choices([0, 1, 2, 3], [45, 28, 17, 10])[0]
    faults = [mishaps.submission(chance) for _ in range(count)]
    if _happens(chance, 0.02):
        faults.extend([fault("timeout_before_accept")] * LASTING)
    if liable and _happens(chance, 0.08):
        return Fate(tuple(faults), lie=chance.choice(LYING))
    questions = [mishaps.question(chance) for _ in range(chance.choices([0, 1, 3, 20], [70, 15, 10, 5])[0])]
    jobs = tuple(mishaps.job(chance, safe=safe) for _ in range(2)) if _happens(chance, 0.6) else ()
    drafts = tuple(mishaps.draft(chance) for _ in range(chance.choices([0, 1, 2], [50, 35, 15])[0]))
    return Fate(tuple(faults), jobs, tuple(questions), drafts)


def _timed(chance: Random, sends: list[SendPlan], span: float) -> list[SendPlan]:
    """The sends with the moments of their starts, within the first `span` seconds."""
    return [replace(send, starts_at=round(chance.uniform(0, span), 3)) for send in sends]


def _crowded(sends: list[SendPlan], at: float) -> list[SendPlan]:
    """The sends as one crowd: all of them are due in one moment."""
    own: dict[str, Any] = {"starts_at": at, "send_at": None, "crowd": True, "turn": "none", "not_after": None}
    return [replace(send, **own) for send in sends]


def strikes(seed: int) -> Iterator[Strike]:
    """What happens to processes and accounts, in the order of its times, without an end."""
    chance = Random(f"{seed}:strikes")  # noqa: S311
    rhythm: dict[StrikeKind, tuple[float, float]] = {
        "worker": (4.0, 15.0),
        "stop": (9.0, 35.0),
        "receiver": (6.0, 18.0),
        "temporal": (13.0, 45.0),
        "freeze": (5.0, 25.0),
        "token": (3.0, 12.0),
        "flood": (8.0, 40.0),
        "account terminated": (11.0, 50.0),
        "account reset": (15.0, 50.0),
        "stranger": (1.0, 60.0),
        "clock": (7.0, 25.0),
        "pause": (2.0, 10.0),
    }
    due = [(first * chance.uniform(0.7, 1.3), kind) for kind, (first, _) in rhythm.items()]
    restores = _restores(seed)
    restore = next(restores)
    while True:
        at, kind = min(due)
        while restore.at < at:
            yield restore
            restore = next(restores)
        due.remove((at, kind))
        due.append((at + rhythm[kind][1] * chance.uniform(0.6, 1.4), kind))
        seconds = chance.uniform(*_SPANS.get(kind, (0.0, 1.0)))
        yield Strike(round(at, 2), kind, chance.randrange(1_000), round(seconds, 2))


def _restores(seed: int) -> Iterator[Strike]:
    """When a snapshot of Temporal's database is taken, and after how many seconds it is put back."""
    chance, (first, between) = Random(f"{seed}:restores"), _RESTORES  # noqa: S311
    at = first * chance.uniform(0.7, 1.3)
    while True:
        yield Strike(round(at, 2), "restore", seconds=round(chance.uniform(*FORGETS), 2))
        at += between * chance.uniform(0.6, 1.4)
