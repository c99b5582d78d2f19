"""The language that is spoken to people: English, or Chinese where the settings or the environment say so.

Texts stand in the source in English, as `_("…")`. The catalogue in `locale/` has them in Chinese, and `make messages`
renews it. What programs read is English always: JSON, histories, logs.

A command speaks one language, and a worker writes its pages in one. What a worker speaks, all its threads do.
"""

import gettext
import os
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final

from qunfa.config_file import Language, SettingsError, load_language

LOCALES: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "qunfa"
ENGLISH: Final = "en"
CHINESE: Final = "zh"
_VARIABLES: Final = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides, as gettext has it."""
_PLAIN: Final = frozenset({"C", "POSIX"})

_spoken: ContextVar[Language] = ContextVar("language")
_by_default: Language = "en"


def speak(language: Language) -> None:
    """Have :func:`_` answer in this language from now on, in this context."""
    _spoken.set(language)


def set_default(language: Language) -> None:
    """Have it answer so in every thread and context that has no language of its own."""
    global _by_default  # noqa: PLW0603  one for the process: workflows run in threads of Temporal
    _by_default = language


def spoken() -> Language:
    return _spoken.get(_by_default)


def of_this_process() -> Language:
    """What the settings name, or else the environment.

    Settings that cannot be read name nothing here: the command that needs them says what is wrong.
    """
    try:
        return load_language() or of_environment(os.environ)
    except SettingsError:
        return of_environment(os.environ)


def of_environment(environ: Mapping[str, str]) -> Language:
    """The first language of the environment's list that there is, as in `zh_CN.UTF-8` or `en_GB:zh`."""
    wanted = next(filter(None, map(environ.get, _VARIABLES)), "")
    for word in wanted.split(":"):
        language = word.partition(".")[0].partition("@")[0].partition("_")[0]
        if language == CHINESE:
            return "zh"
        if language == ENGLISH or language in _PLAIN:
            return "en"
    return "en"


def _(message: str) -> str:
    """The message in the language that is spoken."""
    return _catalogue().gettext(message) if message and spoken() != ENGLISH else message


def N_(message: str) -> str:  # noqa: N802  gettext's name for it
    """The message as it is; it is marked, and :func:`_` translates it where it is shown."""
    return message


def several(one: str, many: str, number: int) -> str:
    if spoken() == ENGLISH:
        return one if number == 1 else many
    return _catalogue().ngettext(one, many, number)


def sentences(*parts: str) -> str:
    return (" " if spoken() == ENGLISH else "").join(filter(None, parts))


def listed(names: Iterable[str]) -> str:
    return (", " if spoken() == ENGLISH else "、").join(names)


@cache
def _catalogue() -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALES, languages=[CHINESE])
