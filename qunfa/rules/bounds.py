"""How long what comes from outside may be: a signal may bring anything. And what may go where room is short."""

from collections import defaultdict
from collections.abc import Iterable
from operator import is_
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from qunfa.contract.facts import Decided, Known, Owned, Said, Try
from qunfa.contract.ledger import Recalled
from qunfa.contract.result import Answer, ArticleCheck
from qunfa.rules.memory import FIRST, is_silent, is_unknown, tells

TEXT_MAX: Final = 512
"""Characters of any text that is kept: errmsg, reasons, statuses, addresses of articles. A longer address goes."""
LIST_MAX: Final = 64
"""Entries of any list within a fact or a push: articles, what a decision covers."""
ID_MAX: Final = 256
"""Characters of the ids of workflows, runs and wishes, which are never cut: none that exists is longer."""

_FACTS: Final = (Try, Said, Owned, Decided)
_ESCAPED: Final = frozenset('"\\')
ModelT = TypeVar("ModelT", bound=BaseModel)
RECALLS_IN_SHORT: Final = 2
_NEWEST: Final = 2
TRIES_IN_SHORT: Final = 2 * FIRST + _NEWEST
"""Tries of a clientmsgid in doubt that are kept in short at most: first WeChat is busy, then it is silent."""
_TEXT: Final = 40
Signed = TypeVar("Signed", Decided, Recalled)


def cut(model: ModelT) -> ModelT:
    """The model with its texts and lists cut; itself where there is nothing to cut.

    Facts stay, however many there are: which of them may go is for :mod:`qunfa.account.budget` to say. What a push
    holds besides (``extra``) goes.
    """
    changes: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        after = _cut(value)
        if after is not value:
            changes[name] = after
    return model.model_copy(update=changes) if changes else model


def is_plain(*ids: str) -> bool:
    """Whether these can be ids: what holds anything but printable ASCII is none of Temporal's, nor of ours."""
    return all(len(one) <= ID_MAX and one.isascii() and one.isprintable() and not _ESCAPED & set(one) for one in ids)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:TEXT_MAX]
    if isinstance(value, ArticleCheck):
        return _with_whole_addresses(value)
    if isinstance(value, BaseModel):
        return cut(value)
    if isinstance(value, dict):
        return {} if value else value
    return _cut_list(value) if isinstance(value, tuple) else value


def _with_whole_addresses(article: ArticleCheck) -> ArticleCheck:
    """Half an address leads elsewhere, and may be typed to recall what is there."""
    long = [name for name in ("url", "original_url") if len(getattr(article, name) or "") > TEXT_MAX]
    return article.model_copy(update=dict.fromkeys(long)) if long else article


def _cut_list(value: tuple[Any, ...]) -> tuple[Any, ...]:
    kept = value if value and isinstance(value[0], _FACTS) else value[:LIST_MAX]
    after = tuple(_cut(one) for one in kept)
    return value if len(after) == len(value) and all(map(is_, after, value)) else after


def shortened(known: Known) -> Known:
    """The facts, in short.

    | stays | goes |
    |---|---|
    | tries under way, or with a job; the newest two | other tries |
    | of each ``clientmsgid`` the first three tries that are unknown, and the first three that are silent | |
    | an answer's kind, codes, times and ids | its texts |
    | WeChat's words, and what people decided | articles; most of the reasons |
    """
    return known.model_copy(
        update={
            "tries": tuple(map(_without_texts, _counting(known.tries))),
            "said": tuple(map(without_articles, known.said)),
            "decided": signed_shortly(known.decided),
        }
    )


def tries_to_come(known: Known, clientmsgid: str) -> int:
    """How many more tries the facts may keep in short, however often this is tried in doubt."""
    if not known.tries:
        return TRIES_IN_SHORT
    begins, number = max(one.not_before for one in known.tries), max(one.number for one in known.tries)
    busy, silent = Answer(kind="unknown", at=begins, errcode=-1), Answer(kind="unknown", at=begins)
    changes = {"clientmsgid": clientmsgid, "not_before": begins, "lost_at": None}
    more = tuple(
        known.tries[-1].model_copy(update={**changes, "number": number + one, "answer": answer})
        for one, answer in enumerate([busy] * FIRST + [silent] * (FIRST + _NEWEST), 1)
    )
    return len(_counting((*known.tries, *more))) - len(_counting(known.tries))


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
    stays = {one.identity for some in unknown.values() for one in some[:FIRST]}
    stays |= {one.identity for one in sorted(tries, key=lambda one: one.number)[-_NEWEST:]}
    return tuple(one for one in tries if one.identity in stays or tells(one))


def _without_texts(one: Try) -> Try:
    if one.answer is None:
        return one
    answer = one.answer.model_copy(update={"errmsg": None, "rid": None, "detail": None})
    return one.model_copy(update={"answer": answer})


def without_articles(one: Said) -> Said:
    return one.model_copy(update={"verdict": one.verdict.model_copy(update={"articles": ()})})
