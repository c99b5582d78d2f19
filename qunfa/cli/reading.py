"""What a file holds that somebody names: a request in JSON or YAML, or openids."""

import json
import re
import sys
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from qunfa.cli.errors import WrongUse
from qunfa.language import _

STDIN: Final = "-"


class _Loader(yaml.SafeLoader):
    """YAML's core schema: times, and words such as `yes`, stay text; a name may stand only once in an object."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  as YAML has it
        _refuse_repetition(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        return super().construct_mapping(node, deep=deep)


_CORE: Final = (None, *map("tag:yaml.org,2002:{}".format, ("bool", "null", "int", "float", "str", "seq", "map")))
_Loader.yaml_constructors = {tag: one for tag, one in yaml.SafeLoader.yaml_constructors.items() if tag in _CORE}
_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _beginnings in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", [*"tTfF"]),
    ("null", r"^(?:~|null|Null|NULL|)$", [*"~nN", ""]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", [*"-0123456789"]),
    ("float", r"^-?[0-9]+\.[0-9]+$", [*"-0123456789"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), _beginnings)


def read_request(name: str) -> Any:
    """The request in the file `name`, or on stdin for `-`, not validated yet.

    Raises:
        WrongUse: It cannot be read, or is neither JSON nor YAML, or an object in it holds a name twice.
    """
    text = read_text(name)
    try:
        return _read_yaml(name, text) if is_yaml(name, text) else _read_json(name, text)
    except RecursionError:
        raise WrongUse(_("{called} is nested too deeply for a request.").format(called=called(name))) from None


def _read_yaml(name: str, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
    except (yaml.YAMLError, ValueError, LookupError) as error:  # such as `!!bool maybe`, which is a KeyError
        raise WrongUse(_("{called} is not valid YAML: {error}").format(called=called(name), error=error)) from None


def _read_json(name: str, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        raise WrongUse(_("{called} is not valid JSON: {error}").format(called=called(name), error=error)) from None


def read_openids(name: str) -> list[str]:
    """The openids in the file `name`, or on stdin for `-`: one a line, empty lines left out.

    Raises:
        WrongUse: It cannot be read, or holds none.
    """
    openids = [line.strip() for line in read_text(name).splitlines() if line.strip()]
    if not openids:
        raise WrongUse(_("{called} holds no openid: one a line is expected.").format(called=called(name)))
    return openids


def read_text(name: str) -> str:
    """The UTF-8 text of the file `name`, or of stdin for `-`; a byte order mark is left out.

    Raises:
        WrongUse: It cannot be read.
    """
    if name == STDIN and sys.stdin is None:
        raise WrongUse(_("Cannot read stdin: it is closed."))
    try:
        raw = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        said = _("Cannot read {called}: {strerror}.")
        raise WrongUse(said.format(called=called(name), strerror=error.strerror)) from None
    except UnicodeDecodeError:
        raise WrongUse(_("{called} is not UTF-8 text.").format(called=called(name))) from None


def is_yaml(name: str, text: str) -> bool:
    """By the file's name; where that says nothing, JSON is what begins like an object."""
    if name.lower().endswith((".yaml", ".yml")):
        return True
    return not name.lower().endswith(".json") and not text.lstrip().startswith(("{", "["))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_repetition(name for name, _ in pairs)
    return dict(pairs)


def _refuse_repetition(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            said = _("The request holds {name} twice in one object: which one counts is not left to chance.")
            raise WrongUse(said.format(name=name))
        seen.add(name)


def called(name: str) -> str:
    """A file as it is named in a sentence."""
    return "stdin" if name == STDIN else name
