"""Adding up what two memories of one key know: the union of their facts, whichever of them comes first.

| a fact | is the same where | and then stands |
|---|---|---|
| a try | generation, number and wish are | answered before lost before given back unused before under way |
| WeChat's word | msg_id and source are | a yes before a no, then the earlier one |
| whose a msg_id is | the msg_id is | the owner of an accepted job |
| a decision | its id is | the earlier one |

Facts are bounded, since a signal may bring any number. What may tell of a delivery never goes: the first unknown tries
of each ``clientmsgid``, which begin its window; tries that were accepted; decisions.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypeVar

from qunfa.contract.facts import Known, Try
from qunfa.contract.fields import NUMBER_MAX, Stored
from qunfa.contract.result import Answer
from qunfa.rules.submission import definite_no
from qunfa.rules.verdict import is_yes, says_no

TRIES_MAX: Final = 48
"""How many tries of a key are remembered."""
FIRST: Final = 3
"""As many unknown tries of a clientmsgid, with a word of WeChat's and without, as any rule counts."""

Fact = TypeVar("Fact", bound=Stored)


def union(*memories: Known) -> Known:
    """What several memories of one key know together: commutative and idempotent."""
    return Known(
        tries=_bounded(_added(memories, lambda one: one.tries, lambda one: one.identity, _try_rank)),
        said=_added(
            memories,
            lambda one: one.said,
            lambda one: (one.msg_id, one.verdict.observed_by),
            lambda one: (not is_yes(one.verdict), says_no(one.verdict), one.at),
        ),
        owned=_added(
            memories,
            lambda one: one.owned,
            lambda one: one.msg_id,
            lambda one: (not one.accepted, one.key, one.generation),
        ),
        decided=_added(memories, lambda one: one.decided, lambda one: one.id, lambda one: (one.at,)),
    )


def is_unknown(one: Try) -> bool:
    """Whether the try may have reached WeChat, and no word of WeChat's says what became of it."""
    if one.answer is None:
        return one.lost_at is not None
    match one.answer.kind:
        case "accepted" | "duplicate":
            return one.answer.msg_id is None
        case "refused":
            return not definite_no(one.answer)
        case kind:
            return kind == "unknown"


def is_silent(one: Try) -> bool:
    """Whether nothing at all was heard of an unknown try: it may be slow, and still on its way."""
    return is_unknown(one) and (one.answer is None or one.answer.errcode is None)


def is_under_way(one: Try) -> bool:
    """Whether the answer to the try is still awaited."""
    return one.answer is None and one.lost_at is None


def given_up(known: Known, now: datetime, holder: str | None = None) -> Known:
    """What is known once nobody awaits the tries that are under way: all of them, or those that ``holder`` has not."""
    lost = [one for one in known.tries if is_under_way(one) and (holder is None or one.holder != holder)]
    if not lost:
        return known
    return union(known, Known(tries=tuple(one.model_copy(update={"lost_at": now}) for one in lost)))


def next_number(known: Known) -> int:
    """Of a try that is yet to come. Only the order counts, so that the last number may stand for several."""
    return min(NUMBER_MAX, 1 + max((one.number for one in known.tries), default=0))


def _added(
    memories: Iterable[Known],
    facts: Callable[[Known], Iterable[Fact]],
    identity: Callable[[Fact], Any],
    rank: Callable[[Fact], tuple[object, ...]],
) -> tuple[Fact, ...]:
    """Each fact once, the one of the lowest rank; in the order of their ranks' identities."""
    best: dict[Any, Fact] = {}
    for memory in memories:
        for fact in facts(memory):
            known = best.get(identity(fact))
            if known is None or _key(fact, rank) < _key(known, rank):
                best[identity(fact)] = fact
    return tuple(best[one] for one in sorted(best))


def _key(fact: Fact, rank: Callable[[Fact], tuple[object, ...]]) -> tuple[object, ...]:
    # The text decides where nothing else does, so that it never matters which memory comes first.
    return (*rank(fact), fact.model_dump_json())


def _try_rank(one: Try) -> tuple[object, ...]:
    if one.answer is not None and one.answer.kind != "unused":
        return (0, _answer_rank(one.answer), one.answer.at)
    if one.lost_at is not None:
        return (1, one.lost_at)
    # A ledger that was lost may have granted the wish before, under the same number: that one may have been used.
    return (2, one.answer.at) if one.answer is not None else (3, one.not_before)


def _answer_rank(answer: Answer) -> int:
    """One try has one answer. Where two memories differ all the same, the one with more doubt in it stands."""
    return ("accepted", "duplicate", "unknown", "refused", "not_written").index(answer.kind)


def _bounded(tries: tuple[Try, ...]) -> tuple[Try, ...]:
    """As many of these, which are in order, as are remembered."""
    if len(tries) <= TRIES_MAX:
        return tries
    unknown: dict[tuple[str, bool], list[Try]] = defaultdict(list)
    for one in sorted(tries, key=lambda one: (one.not_before, one.identity)):
        if is_unknown(one):
            unknown[one.clientmsgid, is_silent(one)].append(one)
    first = {one.identity for some in unknown.values() for one in some[:FIRST]}
    stays = first | {one.identity for one in tries if tells(one)}
    by_age = sorted(tries, key=lambda one: (one.generation, one.number, one.not_before))
    others = [one.identity for one in by_age if one.identity not in stays]
    kept = stays.union(others[len(tries) - TRIES_MAX :])
    return tuple(one for one in tries if one.identity in kept)


def tells(one: Try) -> bool:
    """Whether the try is under way, or has a job."""
    return is_under_way(one) or (one.answer is not None and one.answer.kind in {"accepted", "duplicate"})
