"""Reading the configuration from its file and the environment."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pydantic_settings
from pydantic import TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from qunfa.contract.ids import TASK_QUEUE
from qunfa.settings.account import WITHOUT_CREDENTIALS
from qunfa.settings.explanation import DELIMITER, PREFIX, Origin, SettingsError, did_you_mean
from qunfa.settings.model import Settings, TaskQueue

DEFAULT_FILE = Path("qunfa.toml")


class _Environment(Settings, BaseSettings):
    """Never made: tells the source of environment variables which fields there are."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=DELIMITER)


def load_settings(*, credentials: bool = True) -> Settings:
    """The configuration of this process; without `credentials` the accounts' AppSecrets are neither read nor needed.

    The file is `QUNFA_CONFIG`, or `qunfa.toml` in the working directory if it is there; an empty `QUNFA_CONFIG`
    means no file. Relative paths in it are relative to the working directory.

    Raises:
        SettingsError: The file cannot be read, or a value is wrong. All that is wrong is named at once.
    """
    _refuse_unknown_variables()
    origin = Origin(file=_file(), in_file=_read_file(), in_environment=_read_environment())
    try:
        context = {WITHOUT_CREDENTIALS: not credentials}
        return Settings.model_validate(_merge(origin.in_file, origin.in_environment), context=context)
    except ValidationError as error:
        raise SettingsError(origin.explain(error)) from None


def load_task_queue() -> str:
    """The task queue alone, for commands that need no account: neither accounts nor secret files are looked at.

    Raises:
        SettingsError: The file cannot be read, or the name of the queue is wrong.
    """
    variable = f"{PREFIX}TASK_QUEUE"
    value = os.environ.get(variable)
    name = _read_file().get("task_queue", TASK_QUEUE) if value is None else value
    try:
        return TypeAdapter(TaskQueue).validate_python(name)
    except ValidationError:
        where = f"task_queue in {_file()}" if value is None else variable
        raise SettingsError(f"{where} must be a name without blanks: correct or remove it") from None


def _file() -> Path | None:
    named = os.environ.get(f"{PREFIX}CONFIG")
    if named is not None:
        return Path(named) if named else None
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read_file() -> dict[str, Any]:
    path = _file()
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(
            f"cannot read the configuration {path}: {error.strerror}\n"
            f"Correct {PREFIX}CONFIG, or unset it to use {DEFAULT_FILE} of the working directory."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what = error if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8 text"
        raise SettingsError(f"the configuration {path} is not valid TOML: {what}") from None


def _read_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(_Environment)()
    except pydantic_settings.SettingsError as error:
        raise SettingsError(
            f"the environment variables {PREFIX}… cannot be read: {error}\n"
            "A list is written as JSON there, for example QUNFA_MEDIA__HOSTS='[\"cdn.example.com\"]'."
        ) from None


def _refuse_unknown_variables() -> None:
    """A misspelt section would be ignored in silence otherwise."""
    for name in sorted(os.environ):
        section, nested, _ = name.upper().removeprefix(PREFIX).partition(DELIMITER)
        if nested and name.upper().startswith(PREFIX) and section.lower() not in Settings.model_fields:
            hint = did_you_mean(section, [field.upper() for field in Settings.model_fields])
            raise SettingsError(f"the environment variable {name} names no section of the configuration{hint}")


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged
