"""The configuration's file as it stands, and the language in it: what every command reads, so it loads no library."""

import os
import tomllib
from pathlib import Path
from typing import Any, Final, Literal, get_args

PREFIX: Final = "QUNFA_"
DELIMITER: Final = "__"
DEFAULT_FILE: Final = Path("qunfa.toml")

Language = Literal["en", "zh"]


class SettingsError(Exception):
    """The configuration cannot be used. The message, of one or more lines, is for a person and holds no secret."""


def config_file() -> Path | None:
    """`QUNFA_CONFIG`, or `qunfa.toml` in the working directory if it is there; None where there is neither."""
    named = os.environ.get(f"{PREFIX}CONFIG")
    if named is not None:
        return Path(named) if named else None
    try:
        DEFAULT_FILE.lstat()
    except OSError as error:  # another one is said by whoever reads the file
        return None if isinstance(error, FileNotFoundError) else DEFAULT_FILE
    return DEFAULT_FILE


def read_config_file() -> dict[str, Any]:
    """What stands in the file; nothing where there is none.

    Raises:
        SettingsError: The file cannot be read, or is not TOML.
    """
    path = config_file()
    if path is None:
        return {}
    try:
        if path.is_fifo():
            raise SettingsError(f"the configuration {path} is a pipe, and is read more than once: name a file")
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        todo = f"Correct {PREFIX}CONFIG, or unset it to use {DEFAULT_FILE} of the working directory."
        if f"{PREFIX}CONFIG" not in os.environ:
            todo = f"Correct it, go to another directory, or name another file by {PREFIX}CONFIG."
        raise SettingsError(f"cannot read the configuration {path}: {error.strerror}\n{todo}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what = error if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8 text"
        raise SettingsError(f"the configuration {path} is not valid TOML: {what}") from None


def load_language() -> Language | None:
    """The language alone, for every command, and None where none is set.

    Raises:
        SettingsError: The file cannot be read, or there is no such language.
    """
    variable = f"{PREFIX}DISPLAY{DELIMITER}LANGUAGE"
    value = os.environ.get(variable)
    if value is None:
        display = read_config_file().get("display")
        value = display.get("language") if isinstance(display, dict) else None
    if value is None:
        return None
    for language in get_args(Language):
        if value == language:
            return language  # type: ignore[no-any-return]  # get_args forgets the types
    raise SettingsError(f'display.language must be "en" or "zh": correct {variable}, or {config_file()}')
