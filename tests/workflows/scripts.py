"""What may happen to a send, as data: the fates of its tries, and what else happens at which moment."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from hypothesis import strategies as st

from tests.workflows.truth import DELIVERED, Fate, Moment, Word

JUMPS: Final = (timedelta(seconds=40), timedelta(minutes=11), timedelta(minutes=70), timedelta(hours=13))
UNHEARD: Final[tuple[Word, ...]] = ("lost", "slow", "slow", "dies", "dies told", -1, 45066, 89505)
REFUSED: Final[tuple[Word, ...]] = (45028, 45028, 40007, 48001, 48001, 40001, 42010, "unwritten")
VERDICTS: Final = (*[DELIVERED] * 10, "err(30001)", "err(30003)", "err(20001)", "err(40002)", "send fail")
FORGED: Final = ("err(30001)", "send fail", "err(30003)", "err(20001)")
MOMENTS: Final[tuple[Moment, ...]] = ("wish", "wished", "submit", "written", "told", "poll")

ANYWHERE: Final = (
    *("push", "push", "push twice", "forge", "stray", "decide", "poll lies", "arrive"),
    *("retry", "retry surely", "retry ignoring", "mark right", "mark wrong", "abort", "two retries", "both"),
    *("freeze", "unfreeze", "cancel", "lose the ledger"),
    *("approve", "reject", "pause", "pause", "resume", "reschedule"),
)
TURNS: Final = (
    ("forge", "retry"),
    ("forge", "retry"),
    ("forge", "two retries"),
    ("forge", "retry ignoring"),
    ("forge", "push"),
    ("decide", "forge", "abort"),
    ("decide", "forge", "cancel"),
    ("decide", "forge", "retry"),
    ("push", "retry", "arrive"),
    ("push", "arrive", "retry"),
    ("push", "abort", "arrive"),
    ("pause", "restart", "resume"),
    ("pause", "approve", "resume"),
    ("reschedule", "pause", "abort"),
)
"""What is only dangerous together."""
SKIPPING: Final = (
    *(("jump",), ("jump",), ("restart",), ("restart",)),
    *(("poll lies", "jump"), ("jump", "restart"), ("lose the ledger", "restart"), ("restart", "abort")),
)
"""Only while the send waits: the time-skipping server stands still while an activity is under way, and for ever where
one is left behind by a terminated workflow."""
REAL: Final = ("restart", "reset", "reset", "reset")
"""Only on the real server, which knows resets, and does not mind activities that are left behind."""


@dataclass(frozen=True)
class Event:
    """Something that happens. ``pick`` chooses a job, a span or a point, where there are several."""

    what: str
    pick: int = 0


@dataclass(frozen=True)
class Beat:
    """An event at the ``nth`` time that an activity comes to a moment."""

    moment: Moment
    nth: int
    event: Event


ACCEPTED: Final = Fate()


@dataclass(frozen=True)
class Script:
    """One send. ``rest`` is the fate of the tries after the last of ``fates``, until an operator is asked.

    ``frees``: WeChat leaves the clientmsgid of a job that failed to others. ``retries`` is how often the operators
    retry what need not be, before they abort. ``held``: the send needs an approval.
    """

    fates: tuple[Fate, ...] = ()
    rest: Fate = ACCEPTED
    beats: tuple[Beat, ...] = ()
    while_waiting: tuple[Event, ...] = ()
    on_problem: Literal["wait", "fail"] = "wait"
    quota: Literal["wait", "ask"] = "wait"
    not_after: timedelta | None = None
    rival: bool = False
    frees: bool = False
    retries: int = 3
    held: bool = False


def scripts(*, skipping: bool) -> st.SearchStrategy[Script]:
    """Any script that the time-skipping server, or the real one, can play."""
    silence: Any = st.sampled_from([Fate(takes=False, word=word) for word in ("lost", -1)])
    single = st.builds(Event, st.sampled_from(ANYWHERE if skipping else (*ANYWHERE, *REAL)), st.integers(0, 3))
    turns = st.builds(_turn, st.sampled_from((*TURNS, *SKIPPING) if skipping else TURNS), st.integers(0, 3))
    return st.builds(
        Script,
        fates=_fates(),
        rest=st.just(ACCEPTED) | silence,
        beats=_few(st.builds(Beat, st.sampled_from(MOMENTS), st.integers(0, 2), single), 4),
        while_waiting=_few(single.map(lambda event: (event,)) | turns, 4).map(lambda found: sum(found, ())),
        on_problem=st.sampled_from(["wait", "wait", "wait", "fail"]),
        quota=st.sampled_from(["wait", "ask"] if skipping else ["ask"]),
        not_after=st.none() | st.just(timedelta(minutes=90) if skipping else timedelta(seconds=3)),
        rival=st.booleans(),
        frees=st.booleans(),
        retries=st.sampled_from([0, 3, 1]),
        held=st.sampled_from([False, False, True]),
    )


def _fates() -> st.SearchStrategy[tuple[Fate, ...]]:
    """Often a try that is accepted unheard comes first, and a refusal next: what follows is what matters most."""
    verdicts = st.sampled_from(VERDICTS)
    loses = st.builds(Fate, st.just(value=True), st.sampled_from(UNHEARD), verdicts)
    silent = st.builds(Fate, st.just(value=False), st.sampled_from(UNHEARD))
    refused = st.builds(Fate, st.just(value=False), st.sampled_from(REFUSED))
    accepted = st.builds(Fate, st.just(value=True), st.just("yes"), verdicts)
    more = _few(st.one_of(accepted, refused, loses, silent), 3)
    return more | st.builds(lambda first, second, rest: (first, second, *rest), loses, refused, more)


def _turn(kinds: tuple[str, ...], pick: int) -> tuple[Event, ...]:
    return tuple(Event(what, pick) for what in kinds)


def _few(of: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


KNOWN: Final = (
    Script(fates=(Fate(word="lost"), Fate(takes=False, word=45028))),
    Script(fates=(Fate(word="dies"), Fate(takes=False, word=48001)), retries=0),
    Script(rest=Fate(takes=False, word="lost"), while_waiting=(Event("jump", 3), Event("retry surely"))),
    Script(while_waiting=(Event("forge"),)),
    Script(while_waiting=(Event("decide"), Event("forge"), Event("abort"))),
    Script(while_waiting=(Event("forge"), Event("retry"), Event("abort")), retries=0),
    Script(fates=(Fate(word="lost"),), while_waiting=(Event("lose the ledger"), Event("restart"), Event("jump", 3))),
    Script(beats=(Beat("written", 0, Event("push twice")), Beat("told", 0, Event("cancel")))),
    Script(
        fates=(Fate(takes=False, word=45028), Fate(word="lost", verdict="err(30001)")),
        beats=(Beat("wished", 2, Event("forge")),),
        on_problem="fail",
        retries=0,
    ),
    Script(fates=(Fate(word="slow"), Fate(takes=False, word=45028)), while_waiting=(Event("jump", 3),), retries=0),
    Script(
        fates=(Fate(word="slow"), Fate(takes=False, word=45028), Fate(word=45066, verdict="err(30001)")),
        frees=True,
        retries=0,
    ),
    *(
        Script(
            fates=(Fate(word="slow"), Fate(verdict="err(30001)")),
            while_waiting=(Event("jump", 1), *(Event(what) for what in ("push", *order))),
            frees=frees,
        )
        for order in (("retry", "arrive"), ("arrive", "retry"), ("arrive", "abort"), ("abort", "arrive"))
        for frees in (True, False)
    ),
)
"""Those that have to go well whatever chance brings: each is near a way to send twice or to say a wrong no."""
