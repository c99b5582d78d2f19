"""Functions as they stand in memory: which of their lines a test runs, and how a mutant takes their place."""

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

_MONITORING: Final[Any] = getattr(sys, "monitoring", None)  # of Python 3.12, which tests do not need otherwise
_TOOL: Final = 2
_INNER: Final = ("fget", "func", "__func__", "wrapped", "__wrapped__")
"""Where a property, a cached property, a class method, a serializer and a cache keep their function."""


def function_of(module: ModuleType, name: str) -> FunctionType:
    """The function of this name, without what decorates it.

    Raises:
        LookupError: there is none, or it is decorated by something unknown.
    """
    found: Any = module
    for part in name.split("."):
        found = vars(found)[part]
    while not isinstance(found, FunctionType):
        inner = next((kept for kind in _INNER if (kept := getattr(found, kind, None)) is not None), None)
        if inner is None:
            raise LookupError(f"{module.__name__}.{name} is no function, and none is known to be in it")
        found = inner
    return found


def replace(module: ModuleType, name: str, other: FunctionType) -> None:
    """Put the code and the defaults of another function into this one, wherever it is already known."""
    function = function_of(module, name)
    function.__code__ = other.__code__
    function.__defaults__, function.__kwdefaults__ = other.__defaults__, other.__kwdefaults__
    forget()


def forget() -> None:
    """Empty the caches of the product's functions."""
    for place in [one for key, one in sys.modules.items() if key.startswith("qunfa.")]:
        for kept in vars(place).values():
            if callable(clear := getattr(kept, "cache_clear", None)):
                clear()


class Reach:
    """Which lines of some functions are run."""

    def __init__(self, functions: list[FunctionType]) -> None:
        self._lines: set[tuple[str, int]] = set()
        _MONITORING.use_tool_id(_TOOL, "tests.mutation")
        _MONITORING.register_callback(_TOOL, _MONITORING.events.LINE, self._seen)
        for function in functions:
            for code in _codes(function.__code__):
                _MONITORING.set_local_events(_TOOL, code, _MONITORING.events.LINE)

    def of(self, play: Callable[[], bool]) -> tuple[bool, frozenset[tuple[str, int]]]:
        """What this comes to, and the lines that it runs, each by its file and number."""
        self._lines = set()
        _MONITORING.restart_events()
        passed = play()
        return passed, frozenset(self._lines)

    def close(self) -> None:
        """See nothing any more."""
        _MONITORING.free_tool_id(_TOOL)

    def _seen(self, code: CodeType, line: int) -> object:
        self._lines.add((code.co_filename, line))
        return _MONITORING.DISABLE


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)
