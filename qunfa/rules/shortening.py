"""What of the facts of a key may go where room is short: evidence for people, and tries that no rule counts.

| stays | goes |
|---|---|
| tries under way, or with a job; the newest two | other tries |
| of each ``clientmsgid`` the first three tries that are unknown, and the first three that are silent | |
| an answer's kind, codes, times and ids | its texts |
| WeChat's words, and what people decided | articles; most of the reasons |
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, TypeVar

from qunfa.contract.facts import Decided, Known, Said, Try
from qunfa.contract.ledger import Recalled
from qunfa.rules.memory import is_silent, is_unknown, tells

RECALLS_IN_SHORT: Final = 2
_FIRST: Final = 3
"""As many unknown tries of a clientmsgid as any rule counts."""
_NEWEST: Final = 2
_TEXT: Final = 40

Signed = TypeVar("Signed", Decided, Recalled)


def shortened(known: Known) -> Known:
    """The facts, in short."""
    return known.model_copy(
        update={
            "tries": tuple(map(_without_texts, _counting(known.tries))),
            "said": tuple(map(_without_articles, known.said)),
            "decided": signed_shortly(known.decided),
        }
    )


def signed_shortly(some: Iterable[Signed]) -> tuple[Signed, ...]:
    """Decisions or recalls, with short names and reasons."""
    return tuple(one.model_copy(update={"by": one.by[:_TEXT], "reason": one.reason[:_TEXT]}) for one in some)


def _counting(tries: tuple[Try, ...]) -> tuple[Try, ...]:
    unknown: dict[tuple[str, bool], list[Try]] = defaultdict(list)
    for one in sorted(tries, key=lambda one: (one.not_before, one.identity)):
        if is_unknown(one):
            unknown[one.clientmsgid, False].append(one)
        if is_silent(one):
            unknown[one.clientmsgid, True].append(one)
    stays = {one.identity for some in unknown.values() for one in some[:_FIRST]}
    stays |= {one.identity for one in sorted(tries, key=lambda one: one.number)[-_NEWEST:]}
    return tuple(one for one in tries if one.identity in stays or tells(one))


def _without_texts(one: Try) -> Try:
    if one.answer is None:
        return one
    answer = one.answer.model_copy(update={"errmsg": None, "rid": None, "detail": None})
    return one.model_copy(update={"answer": answer})


def _without_articles(one: Said) -> Said:
    return one.model_copy(update={"verdict": one.verdict.model_copy(update={"articles": ()})})
