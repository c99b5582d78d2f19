"""Each mutant against the tests that see it: in a process of its own, which ends with the first that fails."""

import gc
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final, Literal, NamedTuple, NoReturn

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.calls import Asked, Name, Notes
from tests.mutation.mutants import Mutant, made
from tests.mutation.reach import Reach, forget, function_of, replace

ROOT: Final = Path(__file__).parents[2]
SLACK_SECONDS: Final = 3
"""What a test may take of the processor before its mutant counts as one without an end; and ten times its usual."""
SLOWER: Final = 10
MEMORY_BYTES: Final = 4 << 30
_SURVIVED, _KILLED, _BROKEN = 0, 1, 70

Fate = Literal["killed", "survived", "timeout", "unreached"]


class Played(NamedTuple):
    """A test, what it takes of the processor, the lines that it runs, and what it asks the functions in them."""

    item: pytest.Item
    seconds: float
    lines: frozenset[tuple[str, int]]
    asked: Mapping[Name, Asked]


class Trials:
    """As a plugin of pytest: what becomes of each mutant, as soon as pytest has found the tests."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int) -> None:
        self.mutants, self.jobs = mutants, jobs
        self.modules = {file: _module(file) for file in dict.fromkeys(one.file for one in mutants)}

    def played(self, items: Sequence[pytest.Item]) -> Iterator[Played]:
        """Each test as it goes without a mutant.

        Raises:
            RuntimeError: it fails.
        """
        names = sorted({(one.file, one.function) for one in self.mutants})
        reach = Reach([function_of(self.modules[file], name) for file, name in names])
        notes = Notes({(file, name): self.modules[file] for file, name in names})
        for item, following in zip(items, [*items[1:], None], strict=True):
            began = time.process_time()
            forget()
            passed, lines = reach.of(partial(passes, item, following))
            if not passed:
                raise RuntimeError(f"{item.nodeid} fails without a mutant")
            asked = notes.taken()
            patches = "monkeypatch" in item.fixturenames  # type: ignore[attr-defined]  # of functions, which all are
            yield Played(item, time.process_time() - began, lines, {} if patches else asked)
        reach.close()
        notes.close()

    def fates(self, played: Sequence[Played]) -> Iterator[tuple[Mutant, Fate]]:
        """What becomes of each mutant, as it becomes known."""
        quick_first = sorted(played, key=lambda one: one.seconds)
        running: dict[int, Mutant] = {}
        for name, asked in ((name, asked) for one in played for name, asked in one.asked.items()):
            asked.check(function_of(self.modules[name[0]], name[1]))
        gc.freeze()  # else each process would copy all that was noted when it looks for garbage
        self._check(quick_first)
        for mutant in self.mutants:
            tests = _reaching(mutant, quick_first, self.modules[mutant.file])
            if not tests:
                yield mutant, "unreached"
                continue
            if len(running) >= self.jobs:
                yield _ended(running)
            other = made(mutant, self.modules[mutant.file])
            if (child := os.fork()) == 0:
                module = self.modules[mutant.file]
                put = partial(replace, module, mutant.function, other)
                _try(put, (partial(_within, one, mutant, module) for one in tests))
            running[child] = mutant
        while running:
            yield _ended(running)

    def _check(self, tests: Sequence[Played]) -> None:
        """See that the tests pass in a process of their own while nothing is changed.

        Raises:
            RuntimeError: they do not, and would kill each mutant.
        """
        if (child := os.fork()) == 0:
            _try(self._put_back, (partial(_in_time, one) for one in tests if one.lines))
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != _SURVIVED:
            raise RuntimeError("the tests do not pass in a process of their own, with nothing changed")

    def _put_back(self) -> None:
        for file, name in {one.file: one.function for one in self.mutants}.items():
            module = self.modules[file]
            replace(module, name, function_of(module, name))


def _try(put: Callable[[], object], tests: Iterable[Callable[[], bool]]) -> NoReturn:
    """Put something in its place and see whether all tests pass; the exit code of this process tells."""
    result = _BROKEN
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        put()
        result = _KILLED
        if all(test() for test in tests):
            result = _SURVIVED
    finally:
        os._exit(result)


def passes(item: pytest.Item, following: pytest.Item | None = None) -> bool:
    """Whether a test passes now."""
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _within(one: Played, mutant: Mutant, module: ModuleType) -> bool:
    """Whether a test passes, in its time; it does where all that it asks of the function is answered as before."""
    _limit(one)
    asked = one.asked.get((mutant.file, mutant.function))
    return (asked is not None and asked.is_answered_so_by(function_of(module, mutant.function))) or passes(one.item)


def _in_time(one: Played) -> bool:
    _limit(one)
    return passes(one.item)


def _limit(one: Played) -> None:
    """A process that takes too long for a test is ended by a signal."""
    limit = math.ceil(time.process_time() + SLACK_SECONDS + SLOWER * one.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _ended(running: dict[int, Mutant]) -> tuple[Mutant, Fate]:
    child, status = os.wait()
    mutant = running.pop(child)
    if os.WIFSIGNALED(status):
        return mutant, "timeout"
    if (code := os.WEXITSTATUS(status)) == _BROKEN:
        raise RuntimeError(f"{mutant.file} {mutant.name} cannot take its place")
    return mutant, "killed" if code == _KILLED else "survived"


def _reaching(mutant: Mutant, tests: Sequence[Played], module: ModuleType) -> list[Played]:
    """The tests that run the changed lines; where no code stands in them, those that run the function."""
    file = str(module.__file__)
    lines = {(file, line) for line in range(mutant.first, mutant.last + 1)}
    found = [one for one in tests if lines & one.lines]
    if found:
        return found
    code = function_of(module, mutant.function).__code__
    whole = {(file, line) for _, _, line in code.co_lines() if line and line != code.co_firstlineno}
    return [one for one in tests if whole & one.lines]


def _module(file: str) -> ModuleType:
    module = import_module(file.removesuffix(".py").replace("/", "."))
    if Path(str(module.__file__)) != ROOT / file:
        raise RuntimeError(f"{module.__file__} is not {ROOT / file}: set PYTHONPATH to the project's folder")
    sys.modules[module.__name__] = module
    return module
