"""What is changed in the core: one thing in one function at a time, as mutmut would change it."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any, Final, NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

UNTOUCHED: Final = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom)
"""Parts whose change is for the type checker, or that have done their work before a test begins."""


class Mutant(NamedTuple):
    """A function with one change: ``was`` and ``becomes`` are the lines that differ, ``first`` to ``last`` where."""

    file: str
    function: str
    was: str
    becomes: str
    first: int
    last: int
    source: str

    @property
    def name(self) -> str:
        """What stands in the list of survivors."""
        return f"{self.function}: {self.was} -> {self.becomes}"

    @property
    def of_words(self) -> bool:
        """Whether a sentence for people has other words, and nothing else is different."""
        return _without_sentences(self.was) == _without_sentences(self.becomes)


def mutants(file: Path) -> list[Mutant]:
    """All mutants of a file's functions and methods."""
    wrapper = MetadataWrapper(cst.parse_module(file.read_text(encoding="utf-8")))
    places = wrapper.resolve(PositionProvider)
    found = [
        one
        for name, function in _functions(wrapper.module)
        for one in _of_function(file.as_posix(), name, function, wrapper.module, places)
    ]
    return list(dict.fromkeys(found))


def made(mutant: Mutant, module: ModuleType) -> Any:
    """The function that this mutant is. One that asks for its base class has a place for its own, as it had before."""
    names, name, source = dict(vars(module)), mutant.function.rpartition(".")[2], mutant.source
    asks_its_base = "super()" in source
    if asks_its_base:
        source = f"def _of(__class__):\n{indent(source, '    ')}\n    return {name}"
    exec(compile(source, f"<{mutant.function}>", "exec"), names)  # noqa: S102  the project's own source
    return names["_of"](None) if asks_its_base else names[name]


def _functions(module: Any) -> Iterator[tuple[str, Any]]:
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            yield statement.name.value, statement
        elif isinstance(statement, cst.ClassDef):
            for part in statement.body.body:
                if isinstance(part, cst.FunctionDef):
                    yield f"{statement.name.value}.{part.name.value}", part


def _of_function(file: str, name: str, function: Any, module: Any, places: Any) -> Iterator[Mutant]:
    bare = function.with_changes(decorators=[], leading_lines=[], lines_after_decorators=[])
    before = module.code_for_node(bare)
    for node in _nodes(function):
        for kind, change in mutation_operators:
            if not isinstance(node, kind):
                continue
            for other in change(node):
                source = module.code_for_node(bare.deep_replace(node, other))
                was, becomes = _difference(before, source)
                place = places[node]
                yield Mutant(file, name, was, becomes, place.start.line, place.end.line, source)


def _nodes(function: Any) -> Iterator[Any]:
    """What of a function is changed: neither its types, nor its docstring, nor how it is decorated."""
    waiting = [function.params, function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, UNTOUCHED) or _is_docstring(node):
            continue
        yield node
        waiting.extend(reversed(node.children))


def _is_docstring(node: Any) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString | cst.ConcatenatedString)


def _difference(before: str, after: str) -> tuple[str, str]:
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines(), charjunk=None))
    was = " ".join(line[2:].strip() for line in lines if line.startswith("- "))
    becomes = " ".join(line[2:].strip() for line in lines if line.startswith("+ "))
    return was, becomes


def _without_sentences(code: str) -> str:
    """The code with nothing in its texts of several words."""
    parts = code.split('"')
    return '"'.join("" if place % 2 and " " in part.strip() else part for place, part in enumerate(parts))
