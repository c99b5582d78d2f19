"""The patches of the workflows, and those whose markers the recorded histories have."""

import ast
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WORKFLOWS: Final = Path(__file__).parents[2] / "workflows"


@dataclass(frozen=True, slots=True)
class Patch:
    """One `workflow.patched`: its id, or what all of its ids begin with where the rest is known only in a run."""

    text: str
    is_prefix: bool
    place: str

    def has(self, marker: str) -> bool:
        """Whether a marker is of this patch."""
        return marker.startswith(self.text) if self.is_prefix else marker == self.text


def used(folder: Path = WORKFLOWS) -> list[Patch]:
    """Every patch in the sources of a folder.

    Raises:
        LookupError: the id of one is nothing that can be read in its source.
    """
    return [patch for file in sorted(folder.rglob("*.py")) for patch in _patches_of(file)]


def markers(file: Path) -> Iterator[str]:
    """The ids of the patches whose markers a recorded history has."""
    for event in json.loads(file.read_text(encoding="utf-8"))["history"]["events"]:
        marker: dict[str, Any] = event.get("markerRecordedEventAttributes", {})
        if marker.get("markerName") == "core_patch":
            [payload] = marker["details"]["patch-data"]["payloads"]
            yield json.loads(base64.b64decode(payload["data"]))["id"]


def _patches_of(file: Path) -> Iterator[Patch]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = dict(_texts(tree))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    helpers = {function.name: found for function in functions for found in _helps(function)}
    inner = {call for _, call in helpers.values()}
    for call in _calls(tree, {"patched", *helpers}):
        if call in inner:
            continue  # its ids are those that the helper is called with
        number, _ = helpers.get(_name(call), (0, call))
        text, is_whole = _read(call.args[number], texts)
        place = f"{file.name}:{call.lineno}"
        if not text:
            msg = f"{place}: the id of this patch must be, or begin with, a text or a constant of its module"
            raise LookupError(msg)
        yield Patch(text, not is_whole or _name(call) in helpers, place)


def _helps(function: ast.FunctionDef) -> Iterator[tuple[int, ast.Call]]:
    """Which argument of a private function the id of its patch begins with, and where it stands in the function."""
    if function.name.startswith("_"):
        names = [argument.arg for argument in function.args.args]
        for call in _calls(function, {"patched"}):
            if (first := _first(call.args[0])) in names:
                yield names.index(first), call


def _calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node) in names)


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).split(".")[-1]


def _first(node: ast.expr) -> str:
    """The name that a text begins with, if it does."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.FormattedValue(value=value) | ast.JoinedStr(values=[value, *_]):
            return _first(value)
    return ""


def _texts(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The module's own names of texts."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield from ((target.id, value.value) for target in targets if isinstance(target, ast.Name))


def _read(node: ast.expr, texts: dict[str, str]) -> tuple[str, bool]:
    """What of a text stands in the source, from its beginning, and whether that is all of it."""
    match node:
        case ast.Constant(value=str(text)):
            return text, True
        case ast.Name(id=name) if name in texts:
            return texts[name], True
        case ast.FormattedValue(value=value):
            return _read(value, texts)
        case ast.JoinedStr(values=parts):
            known = ""
            for part in parts:
                text, is_whole = _read(part, texts)
                known += text
                if not is_whole:
                    return known, False
            return known, True
    return "", False
