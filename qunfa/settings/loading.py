"""Reading the configuration from its file and the environment, and saying what is wrong with it."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from qunfa.config_file import DELIMITER, PREFIX, SettingsError, config_file, read_config_file
from qunfa.contract.fields import without_userinfo
from qunfa.contract.ids import TASK_QUEUE
from qunfa.settings.account import READ_BY, AccountSettings, CallbackSettings, NoticeSettings, Process
from qunfa.settings.model import Settings, TaskQueue
from qunfa.settings.values import Section

_KEY = "[key]"
_ALONE: Final = ("TASK_QUEUE", "CONFIG", "LOG", "LOG_LEVEL", "TEMPORAL_UI")
"""Variables of Qunfa's that are of no table."""
_UI: Final = f"{PREFIX}TEMPORAL_UI"
_TABLES: Final = {name.upper(): value for name, value in Settings() if name.upper() not in _ALONE}
_KEYS: Final = [
    f"{table}{DELIMITER}{key}".upper()
    for table, value in _TABLES.items()
    if isinstance(value, Section)
    for key in type(value).model_fields
]
_OF_A_SERVICE: Final = re.compile(
    r"QUNFA_(\w+_)?(SERVICE_HOST=|SERVICE_PORT(_\w+)?=|PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?=|PORT=(tcp|udp|sctp)://)"
)
"""What Kubernetes tells each container of a service whose name begins with qunfa."""
_Problem = tuple[str, str]


@dataclass(frozen=True)
class Origin:
    """What was read, and from where."""

    file: Path | None
    in_file: dict[str, Any]
    in_environment: dict[str, Any]

    def problems(self, error: ValidationError) -> Iterable[_Problem]:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            path = [str(part) for part in problem["loc"] if part != _KEY]
            yield self._place(path), _sentence(problem["type"], problem["msg"], path)

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
    if kind == "tuple_type":
        return 'write a list, such as ["a", "b"]; in the environment it is written as JSON'
    if kind in {"dict_type", "model_type"}:
        return "must be a table of keys; in the environment it is written as JSON"
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


class _Environment(Settings, BaseSettings):
    """Never made: tells the source of environment variables which fields there are."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=DELIMITER)


class _Variables(EnvSettingsSource):
    """Leaves what should be JSON and is not as it stands: it is refused together with all else that is wrong."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def load_settings(process: Process | None = None) -> Settings:
    """The configuration, as this process needs it; where none is named, with all its secrets.

    A worker reads no secret of callbacks, a receiver no AppSecret and no webhook, and a command none of them. Whatever
    looks at a callback reads it as a receiver does.

    The file is `QUNFA_CONFIG`, or `qunfa.toml` in the working directory if it is there; an empty `QUNFA_CONFIG`
    means no file. Relative paths in it are relative to the working directory.

    Raises:
        SettingsError: The file cannot be read, or a value is wrong. All that is wrong is named at once.
    """
    origin = Origin(file=config_file(), in_file=read_config_file(), in_environment=_Variables(_Environment)())
    settings, problems = None, _wrong_variables()
    try:
        values = _merge(origin.in_file, origin.in_environment)
        settings = Settings.model_validate(values, context={READ_BY: process})
    except ValidationError as error:
        problems += origin.problems(error)
    if settings is None or problems:
        source = f"the configuration ({origin.file} and the environment)" if origin.file else "the environment"
        raise _unusable(source, problems)
    return settings


def load_task_queue() -> str:
    """The task queue alone, for commands that need no account: neither accounts nor secret files are looked at.

    Raises:
        SettingsError: The file cannot be read, or the name of the queue is wrong.
    """
    variable = f"{PREFIX}TASK_QUEUE"
    value = os.environ.get(variable)
    name = read_config_file().get("task_queue", TASK_QUEUE) if value is None else value
    try:
        return TypeAdapter(TaskQueue).validate_python(name)
    except ValidationError:
        where = f"task_queue in {config_file()}" if value is None else variable
        raise SettingsError(f"{where} must be a name without blanks: correct or remove it") from None


def check_variables() -> None:
    """See that no variable of Qunfa's is misspelt or wrong, where nothing else is read but the task queue.

    Raises:
        SettingsError: One is no setting, or the address of Temporal's UI has a password.
    """
    if wrong := _wrong_variables():
        raise _unusable("the environment", wrong)


def _unusable(source: str, problems: Sequence[_Problem]) -> SettingsError:
    lines = [f"{source} cannot be used, {len(problems)} thing(s) to correct:"]
    lines += [f"  {place}\n    {sentence}" for place, sentence in problems]
    return SettingsError("\n".join(lines))


def _wrong_variables() -> list[_Problem]:
    """Those that would be ignored in silence otherwise: a rehearsal would call the real WeChat.

    What follows the name of a table is looked at with the rest of the table. The UI's address is in every link.
    """
    found = []
    try:
        without_userinfo(os.environ.get(_UI, ""))
    except ValueError as error:
        found.append((_UI, str(error)))
    for name, value in sorted(os.environ.items()):
        word = name.upper().removeprefix(PREFIX).partition(DELIMITER)[0]
        is_known = name in map(PREFIX.__add__, _ALONE) or word in _TABLES
        if name.upper().startswith(PREFIX) and not (is_known or _OF_A_SERVICE.match(f"{name}={value}")):
            hint = did_you_mean(word, (*_ALONE, *_TABLES, *_KEYS))
            found.append((name, f"there is no such variable{hint}; remove it or correct its name"))
    return found


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged
