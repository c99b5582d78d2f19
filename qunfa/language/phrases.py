"""English that others have made, told in the language that is spoken: workflows, the ledger, WeChat's codes, typer.

What a workflow says of itself is part of its history, and stays English there and in JSON. It is translated where it
is shown. Sentences without variables are found in the catalogue as they are; those with variables by
`phrasebook.txt`. What neither knows is shown as it came.

The phrasebook has a phrase a line, as it stands in the source of whoever says it: `{name}` stands for any text. A test
compares it with the source: a sentence that is changed there is changed here. A field's name may stand before a phrase,
as in `audience.tag_id: is missing`.
"""

import re
from collections.abc import Iterator
from contextvars import copy_context
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import Final

from qunfa.config_file import Language
from qunfa.language import ENGLISH, _, set_default, speak, spoken


def _read_phrasebook() -> dict[str, tuple[str, ...]]:
    """The phrases of each of its parts, by the heading of the part."""
    parts = Path(__file__).with_name("phrasebook.txt").read_text(encoding="utf-8").removeprefix("# ").split("\n# ")
    lines = (part.splitlines() for part in parts)
    return {heading: tuple(filter(None, phrases)) for heading, *phrases in lines}


PHRASEBOOK: Final = _read_phrasebook()
_QUOTING: Final = next(iter(PHRASEBOOK.values()))
PHRASES: Final = sorted(
    (phrase for phrases in PHRASEBOOK.values() for phrase in phrases),
    key=lambda phrase: (phrase in _QUOTING, len(re.sub(r"{[^}]*}", "", phrase))),
    reverse=True,
)
"""All of them: the first one that fits a text is taken.

The first part of the book quotes messages. It comes first here as well: a message may hold the words of any phrase.
Then come those with the most words.
"""
_TOLD: Final = frozenset(
    {
        *("said", "sentence", "why", "doubt", "more", "word", "about", "who", "whom", "counted", "whose", "pollers"),
        *("kinds", "found", "others", "to", "what"),
    }
)
"""The variables that hold a sentence, or a part of one, which is translated as well."""
_NAMES: Final = frozenset({"phase", "outcome", "state", "kind", "use", "msgtype"})
"""The variables that hold the name of a state or of a use, perhaps with blanks."""
_WITHIN: Final = frozenset({"who", "whom", "group"})
"""The variables that hold no end of a sentence."""
_APART: Final = frozenset(
    {
        *("account", "address", "amount", "appid", "counted", "found", "host", "key", "link", "others", "outcome"),
        *("place", "pollers", "source", "state", "uri", "url", "what", "which", "workflow_id"),
    }
)
"""The variables that hold no colon or semicolon before a blank or at the end."""
_QUOTED: Final = frozenset({"detail", "error", "reason", "text", "title", "titles", "typed", "words"})
"""The variables that hold somebody else's words, with all their marks."""
_NUMBERS: Final = frozenset(
    {"msg_id", "number", "errcode", "tag_id", "days", "article", "place", "most", "least", "size", "left", "limit"}
)
"""The variables that hold a number."""

_BETWEEN: Final = re.compile(r"(?<=[.!?;:]) ")
_NUMBER: Final = r"-?\d[\d,]*"
_NAME: Final = r"[a-z_]+(?:\.[a-z0-9_]+|\[\d+\])*"
_NEXT: Final = rf"; {_NAME}:(?: |\Z)"
_FIELD: Final = re.compile(rf"(?P<field>{_NAME}): (?P<said>(?:(?!{_NEXT}|[.;]\Z).)+)", re.DOTALL)
"""What a refused request says of one field; the next one is not part of it."""
_STOPS: Final = {"": "", ".": "。", ";": "；"}
_LONGEST: Final = 4000
"""What is longer, of many sentences, is known as a whole or stays as it came."""
_PIECES: Final = 40
"""So many sentences of a line are looked at; what comes after them stays as it came."""
_TOGETHER: Final = 16
"""So many sentences make one text of the catalogue at most, if no variable of it holds more."""
_DEEPEST: Final = 6
"""So often a sentence holds a sentence, which holds another one."""
_KEPT: Final = 1024


def speak_by_default(language: Language) -> None:
    """Have it spoken where no other one is; what that takes is read now, since no workflow may wait for a file."""
    set_default(language)
    if language != ENGLISH:
        copy_context().run(_get_ready, language)


def _get_ready(language: Language) -> None:
    speak(language)
    told(" ")  # reads the catalogue, and the phrases
    for phrase in PHRASES:
        _pattern(phrase)


def told(text: str) -> str:
    """The text in the language that is spoken: as a whole where it is known, otherwise sentence by sentence.

    Its time grows with the length of the text alone, whatever stands in it: workflows tell texts of strangers, too.
    """
    return text if spoken() == ENGLISH else _told(text, 0)


def told_whole(text: str) -> str:
    """The same for a text that quotes a message: nothing but the words around it is translated."""
    return text if spoken() == ENGLISH else _known(text, 0) or text


def _told(text: str, depth: int) -> str:
    if (whole := _known(text, depth)) or len(text) > _LONGEST:
        return whole or text
    return "\n".join(_told_line(line, depth) for line in text.split("\n"))


def _told_line(line: str, depth: int) -> str:
    """As it is indented: so is what is wrong with a configuration."""
    said = line.lstrip(" ")
    return line.removesuffix(said) + (_known(said, depth) or _in_sentences(said, depth)) if said else line


def _in_sentences(line: str, depth: int) -> str:
    """The longest pieces that are known, each translated; what is between them stays."""
    rest, made, blank = _BETWEEN.split(line, _PIECES), "", ""
    while rest:
        taken, known = _beginning(rest, depth)
        made += blank + (known or rest[0])
        blank = "" if known else " "
        rest = rest[taken:]
    return made


def _beginning(pieces: list[str], depth: int) -> tuple[int, str | None]:
    """How many of the first pieces are known together, and what they mean; one, where none is known."""
    for taken in range(min(len(pieces), _TOGETHER), 0, -1):
        if known := _known(" ".join(pieces[:taken]), depth):
            return taken, known
    return 1, None


@lru_cache(_KEPT)
def _known(text: str, depth: int) -> str | None:
    """Its translation; one word for word goes before a phrase, which may take the same words for something else."""
    forms = tuple(_forms(text))
    for body, stop in forms:
        if whole := _word_for_word(body):
            return whole + stop
    return next((found + stop for body, stop in forms if (found := _by_phrase(body, depth)) is not None), None)


def _word_for_word(text: str) -> str | None:
    """Also where its full stop lacks, as in a row of sentences."""
    if not text or (whole := _(text)) != text:
        return whole if text else None
    sentence = text + "."
    return None if (whole := _(sentence)) == sentence else whole.removesuffix("。")


def _forms(text: str) -> Iterator[tuple[str, str]]:
    """It, and what may have become a sentence of its own: with a capital letter, and a full stop."""
    for stop, written_as in _STOPS.items():
        body = text.removesuffix(stop)
        if text.endswith(stop):
            yield from ((written, written_as) for written in dict.fromkeys((body, body[:1].lower() + body[1:])))


def _by_phrase(text: str, depth: int) -> str | None:
    for phrase, words in _phrases():
        if words in text and (found := _pattern(phrase).fullmatch(text)):
            made = _(phrase).format(**{name: _value(name, value, depth) for name, value in found.groupdict().items()})
            return made if text.endswith(".") or not phrase.endswith(".") else made.removesuffix("。")
    if depth < _DEEPEST and (of := _FIELD.fullmatch(text)) and (said := _known(of["said"], depth + 1)):
        return f"{of['field']}：{said}"
    return None


def _value(name: str, value: str, depth: int) -> str:
    if name in _NAMES:
        return _(value.replace(" ", "_"))
    return _told(value, depth + 1) if name in _TOLD and depth < _DEEPEST else value


@cache
def _phrases() -> tuple[tuple[str, str], ...]:
    """Each phrase with the longest of its words: what lacks those need not be compared."""
    words = ((phrase, (said for said, *_ in Formatter().parse(phrase.removesuffix(".")))) for phrase in PHRASES)
    return tuple((phrase, max(found, key=len)) for phrase, found in words)


@cache
def _pattern(phrase: str) -> re.Pattern[str]:
    """Each variable ends at the first place where the words after it stand: no other place is tried later."""
    made, last = "", ""
    seen: set[str] = set()
    parts = tuple(Formatter().parse(phrase))
    closing = phrase.rpartition("}")[2]
    for place, (literal, name, _spec, _conversion) in enumerate(parts, 1):
        last += re.escape(literal)
        if name in seen:
            last += f"(?P={name})"
        elif name in _NUMBERS:
            last += f"(?P<{name}>{_NUMBER})"
        elif name:
            is_last = parts[place:] in ((), ((closing, None, None, None),)) and phrase not in _QUOTING
            made, last = f"{made}(?>{last})", f"(?P<{name}>{_fits(name, closing if is_last else None)})"
        seen.add(name or "")
    end = last.removesuffix(r"\.") + r"\.?" if phrase.endswith(".") else last
    return re.compile(made + end, re.DOTALL)


def _fits(name: str, closing: str | None) -> str:
    """What the variable may hold; ``closing`` are the words from it to the end of the phrase, if it is the last one.

    Where those end a sentence, what stands behind that sentence is none of the variable's. Nor is the sentence's mark.
    """
    ends = [r"\. "] if name in _WITHIN else ["[:;](?: |$)"] if name in _APART else []
    ends += [re.escape(closing) + " "] if closing and closing.endswith(".") else []
    if closing is not None and name not in _QUOTED:
        ends += [r"[.;]\Z"] if closing in {"", "."} else []
        ends += [_NEXT if name in _TOLD else "; ", "\n"]
    return f"(?:(?!{'|'.join(ends)}).)+?" if ends else ".+?"
