"""English that others have made, told in the language that is spoken: workflows, the ledger, WeChat's codes, typer.

What a workflow says of itself is part of its history, and stays English there and in JSON. A command translates it
where it shows it. Sentences without variables are found in the catalogue as they are; those with variables by
:mod:`qunfa.language.phrasebook`. What neither knows is shown as it came.
"""

import re
from functools import cache
from string import Formatter
from typing import Final

from qunfa.language import ENGLISH, _, spoken
from qunfa.language.phrasebook import NAMES, NUMBERS, PHRASES, TOLD

_BETWEEN: Final = re.compile(r"(?<=[.!?;:]) ")
_NUMBER: Final = r"\d[\d,]*"
_STOP: Final = "."
_FULL_STOP: Final = "。"


def told(text: str) -> str:
    """The text in the language that is spoken: as a whole where it is known, otherwise sentence by sentence."""
    if spoken() == ENGLISH:
        return text
    return _known(text) or "\n".join(_known(line) or _in_sentences(line) for line in text.split("\n"))


def told_whole(text: str) -> str:
    """The same for a text that quotes a message: nothing but the words around it is translated."""
    return (_known(text) or text) if spoken() != ENGLISH else text


def _in_sentences(line: str) -> str:
    """The longest pieces that are known, each translated; what is between them stays."""
    rest, made, blank = _BETWEEN.split(line), "", ""
    while rest:
        taken = next((one for one in range(len(rest), 0, -1) if _known(" ".join(rest[:one]))), None)
        piece = " ".join(rest[: taken or 1])
        known = _known(piece) if taken else None
        made += f"{blank}{known or piece}"
        blank = "" if known else " "
        rest = rest[taken or 1 :]
    return made


def _known(text: str) -> str | None:
    """Its translation, also where it has become a sentence of its own: with a capital letter, and a full stop."""
    for stop in ("", _STOP):
        body = text.removesuffix(stop)
        for written in dict.fromkeys((body, body[:1].lower() + body[1:])):
            if (found := _looked_up(written)) is not None:
                return found + (_FULL_STOP if stop and text.endswith(_STOP) else "")
    return None


def _looked_up(text: str) -> str | None:
    if text and (whole := _(text)) != text:
        return whole
    for phrase in PHRASES:
        if found := _pattern(phrase).fullmatch(text):
            return _(phrase).format(**{name: _value(name, value) for name, value in found.groupdict().items()})
    return None


def _value(name: str, value: str) -> str:
    if name in NAMES:
        return _(value.replace(" ", "_"))
    return told(value) if name in TOLD else value


@cache
def _pattern(phrase: str) -> re.Pattern[str]:
    made = ""
    seen: set[str] = set()
    for literal, name, _spec, _conversion in Formatter().parse(phrase):
        made += re.escape(literal)
        if name:
            fits = _NUMBER if name in NUMBERS else ".+?"
            made += f"(?P={name})" if name in seen else f"(?P<{name}>{fits})"
            seen.add(name)
    return re.compile(made, re.DOTALL)
