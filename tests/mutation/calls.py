"""What a test asks the functions of the core: a mutant that answers all of it as the function did is not seen by it.

This holds for a function that answers by its arguments alone, and changes nothing but these. So a test is played all
the same where an argument cannot be kept, a call ends with an error, or asking again gives another answer.
A test that patches something is always played: what it patches answers, too.
"""

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from tests.mutation.reach import function_of

Name = tuple[str, str]
"""A function by its file and its name."""
CALLS_MAX: Final = 200_000
"""Of one function in one test."""
_NOTE: Final = "__note__"
_STEPWISE: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_SIMPLE: Final = (str, int, float, bytes, type(None), datetime, timedelta, Enum, type, frozenset)


class Call(NamedTuple):
    """The arguments of a call as they were; its answer, and what the arguments were then."""

    args: tuple[Any, ...]
    named: dict[str, Any]
    came_to: tuple[Any, ...] = ()

    def is_answered_so_by(self, function: Callable[..., Any]) -> bool:
        """Whether the function gives the same answer, and does the same to its arguments."""
        args, named = tuple(map(_kept, self.args)), {name: _kept(one) for name, one in self.named.items()}
        try:
            fresh = function(*args, **named)
            handed_on = _handed_on(fresh, args, named) == _handed_on(self.came_to[0], self.args, self.named)
            return handed_on and is_same((fresh, args, named), self.came_to)
        except Exception:  # noqa: BLE001  a mutant may raise anything
            return False


class Asked:
    """The calls of one function in one test; ``None`` once there was one that cannot be compared."""

    def __init__(self) -> None:
        self.calls: list[Call] | None = []
        self._known: set[Any] = set()

    def by(self, function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The answer of the function."""
        call = self._call(args, named)
        try:
            answer = function(*args, **named)
        except BaseException:
            self.calls = None
            raise
        if call is not None and self.calls is not None:
            after = tuple(map(_kept, args)), {name: _kept(one) for name, one in named.items()}
            self.calls.append(call._replace(came_to=(answer, *after)))
        return answer

    def check(self, function: Callable[..., Any]) -> None:
        """Keep no calls of a function that does not answer them by their arguments alone."""
        if not self.is_answered_so_by(function):
            self.calls = None

    def is_answered_so_by(self, function: Callable[..., Any]) -> bool:
        """Whether a function answers all of them as they were answered."""
        return self.calls is not None and all(one.is_answered_so_by(function) for one in self.calls)

    def _call(self, args: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        """A call that is to be noted: one that was not before."""
        if self.calls is None:
            return None
        if len(self.calls) >= CALLS_MAX or not all(map(_can_be_kept, (*args, *named.values()))):
            self.calls = None
            return None
        identity = (*map(_identity, args), *((name, _identity(one)) for name, one in named.items()))
        if identity in self._known:
            return None
        self._known.add(identity)
        return Call(tuple(map(_kept, args)), {name: _kept(one) for name, one in named.items()})


class Notes:
    """Notes the calls of some functions, from its beginning until it is closed."""

    def __init__(self, functions: Mapping[Name, ModuleType]) -> None:
        self._asked: dict[Name, Asked] = {}
        self._functions = {name: function_of(module, name[1]) for name, module in functions.items()}
        self._originals = {name: _same_as(one) for name, one in self._functions.items() if _can_be_noted(one)}
        for name, original in self._originals.items():
            original.__globals__[_NOTE] = self._note
            self._functions[name].__code__ = _noting(name)
            self._functions[name].__defaults__ = self._functions[name].__kwdefaults__ = None

    def taken(self) -> dict[Name, Asked]:
        """What was noted since the last time."""
        taken, self._asked = self._asked, {}
        return taken

    def close(self) -> None:
        """Note nothing any more."""
        for name, original in self._originals.items():
            self._functions[name].__code__ = original.__code__
            self._functions[name].__defaults__ = original.__defaults__
            self._functions[name].__kwdefaults__ = original.__kwdefaults__

    def _note(self, name: Name, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if name not in self._asked:
            self._asked[name] = Asked()
        return self._asked[name].by(self._originals[name], args, named)


def _handed_on(answer: Any, args: tuple[Any, ...], named: dict[str, Any]) -> list[bool]:
    """Which of the arguments the answer is, and not one like it."""
    return [answer is one for one in (*args, *named.values())]


def is_same(fresh: Any, noted: Any) -> bool:
    """Whether nobody can tell a fresh answer from the noted one; of things that are not known well somebody can."""
    if fresh is noted:
        return True
    if type(fresh) is not type(noted) or (isinstance(fresh, BaseModel) and _takes_more_along(fresh)):
        return False
    if isinstance(fresh, str | int | float | bytes | timedelta):
        return bool(fresh == noted)
    parts, others = _parts(fresh), _parts(noted)
    return parts is not None and others is not None and len(parts) == len(others) and all(map(is_same, parts, others))


def _takes_more_along(model: BaseModel) -> bool:
    """Whether it has more than its fields: what was computed once, perhaps for another one."""
    return not set(vars(model)) <= set(type(model).model_fields)


def _parts(value: Any) -> list[Any] | None:
    """All that can be seen of a value, where that is known."""
    if isinstance(value, tuple | list | set | frozenset):
        return [*value]
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, datetime):
        return [value.isoformat(), value.fold, repr(value.tzinfo)]
    if isinstance(value, BaseModel):
        return [sorted(value.model_fields_set), *(getattr(value, name) for name in type(value).model_fields)]
    if is_dataclass(value):
        return [getattr(value, part.name) for part in fields(value)]
    return [*vars(value), *vars(value).values()] if hasattr(value, "__dict__") and not callable(value) else None


def _can_be_noted(function: FunctionType) -> bool:
    return function.__closure__ is None and not function.__code__.co_flags & _STEPWISE


def _same_as(function: FunctionType) -> FunctionType:
    copied = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


def _noting(name: Name) -> CodeType:
    """The code of a function that has a call noted."""
    names: dict[str, Any] = {}
    exec(f"def noting(*args, **named): return {_NOTE}({name!r}, args, named)", names)  # noqa: S102  the line above
    code: CodeType = names["noting"].__code__
    return code


def _can_be_kept(value: Any) -> bool:
    if isinstance(value, tuple | list | set):
        return all(map(_can_be_kept, value))
    if isinstance(value, dict):
        return all(map(_can_be_kept, value.values()))
    return _is_firm(value) or _is_own(value)


def _kept(value: Any) -> Any:
    """The value as it is now, whatever becomes of it."""
    if isinstance(value, list):
        return [*map(_kept, value)]
    if isinstance(value, dict):
        return {key: _kept(one) for key, one in value.items()}
    if isinstance(value, tuple) and not all(map(_is_firm, value)):
        return tuple(map(_kept, value))
    return copy.copy(value) if isinstance(value, set) or _is_own(value) else value


def _identity(value: Any) -> Any:
    """By which a value is known again while it is kept."""
    if _is_own(value):
        return tuple(map(id, vars(value).values()))
    return id(value) if _is_firm(value) else object()


def _is_firm(value: Any) -> bool:
    """Whether it stays as it is."""
    if isinstance(value, tuple):
        return all(map(_is_firm, value))
    if isinstance(value, BaseModel):
        return bool(type(value).model_config.get("frozen"))
    params = getattr(value, "__dataclass_params__", None)
    return isinstance(value, _SIMPLE) or (params is not None and bool(params.frozen))


def _is_own(value: Any) -> bool:
    """Whether it is an object of the project that keeps all of itself in its attributes."""
    ours = type(value).__module__.startswith("qunfa.") and hasattr(value, "__dict__")
    return ours and not callable(value) and not _is_firm(value)
