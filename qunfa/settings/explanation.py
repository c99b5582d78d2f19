"""Saying what is wrong with a configuration: where, what, and what to do, without any value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from qunfa.settings.account import AccountSettings, CallbackSettings
from qunfa.settings.model import Settings
from qunfa.settings.notice import NoticeSettings

PREFIX = "QUNFA_"
DELIMITER = "__"
_KEY = "[key]"


class SettingsError(Exception):
    """The configuration cannot be used. The message, of one or more lines, is for a person and holds no secret."""


@dataclass(frozen=True)
class Origin:
    """What was read, and from where."""

    file: Path | None
    in_file: dict[str, Any]
    in_environment: dict[str, Any]

    def explain(self, error: ValidationError) -> str:
        """One line for what was read, and two for everything that is wrong with it."""
        source = f"the configuration ({self.file} and the environment)" if self.file else "the environment"
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [f"{source} cannot be used, {len(problems)} thing(s) to correct:"]
        for problem in problems:
            path = [str(part) for part in problem["loc"] if part != _KEY]
            lines.append(f"  {self._place(path)}")
            lines.append(f"    {_sentence(problem['type'], problem['msg'], path)}")
        return "\n".join(lines)

    def _place(self, path: Sequence[str]) -> str:
        key = ".".join(path) or "(the whole)"
        if _is_in(self.in_environment, path):
            return f"{key}, from the environment"
        if _is_in(self.in_file, path):
            return f"{key}, in {self.file}"
        return f"{key}, not set: in {self.file or 'qunfa.toml'}, or as {variable(path)}"


def variable(path: Iterable[str]) -> str:
    """The environment variable of a key: `QUNFA_ACCOUNTS__DEMO__KIND`."""
    return PREFIX + DELIMITER.join(path).upper()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint to append to an error, empty where nothing known is close."""
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _is_in(values: object, path: Sequence[str]) -> bool:
    for key in path:
        if isinstance(values, list | tuple) and key.isdigit() and int(key) < len(values):
            values = values[int(key)]
        elif isinstance(values, Mapping) and key in values:
            values = values[key]
        else:
            return False
    return bool(path)


def _sentence(kind: str, message: str, path: Sequence[str]) -> str:
    if kind == "extra_forbidden":
        *table, key = path
        return f"there is no such key{did_you_mean(key, _section(table).model_fields)}; remove it or correct its name"
    if kind == "missing":
        return "this value is required; set it"
    if kind.startswith("time_delta"):
        return 'write a duration as ISO 8601 ("PT30S") or as seconds (30)'
    if len(path) == 2 and path[0] == "accounts" and kind == "string_pattern_mismatch":  # noqa: PLR2004 - a name
        return "an account is named with a-z, 0-9, _ and -, at most 64 of them, beginning with a letter or digit"
    if path[2:3] == ["notices"] and len(path) == 4 and kind == "string_pattern_mismatch":  # noqa: PLR2004 - a name
        return "a notice is named with a-z, 0-9, _ and -, at most 64 of them, beginning with a letter or digit"
    return message.removeprefix("Value error, ")


def _section(path: Sequence[str]) -> type[BaseModel]:
    if path[-1:] == ["callback"]:
        return CallbackSettings
    if path[2:3] == ["notices"]:
        return NoticeSettings
    if path[:1] == ["accounts"]:
        return AccountSettings
    section = Settings.model_fields[path[0]].annotation if path else Settings
    return section if isinstance(section, type) and issubclass(section, BaseModel) else Settings
