"""How long what comes from outside may be: a signal may bring anything."""

from operator import is_
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from qunfa.contract.facts import Decided, Owned, Said, Try

TEXT_MAX: Final = 512
"""Characters of any text that is kept: errmsg, reasons, statuses, addresses of articles."""
LIST_MAX: Final = 64
"""Entries of any list within a fact or a push: articles, what a decision covers."""
ID_MAX: Final = 256
"""Characters of the ids of workflows, runs and wishes, which are never cut: none that exists is longer."""

_FACTS: Final = (Try, Said, Owned, Decided)
_ESCAPED: Final = frozenset('"\\')
ModelT = TypeVar("ModelT", bound=BaseModel)


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
    if isinstance(value, BaseModel):
        return cut(value)
    if isinstance(value, dict):
        return {} if value else value
    return _cut_list(value) if isinstance(value, tuple) else value


def _cut_list(value: tuple[Any, ...]) -> tuple[Any, ...]:
    kept = value if value and isinstance(value[0], _FACTS) else value[:LIST_MAX]
    after = tuple(_cut(one) for one in kept)
    return value if len(after) == len(value) and all(map(is_, after, value)) else after
