"""The catalogue of messages: what is to be translated, and how it is kept. `make messages` runs this.

Babel reads the marked texts. The help of commands, the tables of the rules and the sentences of the core are not
marked: they are taken from where they stand.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from string import Formatter
from typing import Any, Final, get_args

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from qunfa.cli.commands import EXAMPLE
from qunfa.cli.recovery import Told
from qunfa.cli.view import State
from qunfa.contract.notice import NoticeType
from qunfa.contract.operators import Phase
from qunfa.contract.result import JobStateName, Observer, Outcome, ShownOutcome
from qunfa.language import CHINESE, DOMAIN, LOCALES
from qunfa.language.phrases import PHRASES
from qunfa.rules.problems import PROBLEMS
from qunfa.rules.verdict import CONTENT_MEANINGS
from tests.commands import every_command, texts
from tests.project.imports import ROOT
from workflows.recall import Phase as RecallPhase

FILE: Final = LOCALES / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.po"
COMPILED: Final = FILE.with_suffix(".mo")
KEYWORDS: Final[dict[str, tuple[int, ...] | None]] = {"_": None, "N_": None, "several": (1, 2)}
MARKED: Final = ("qunfa/cli", "qunfa/article", "qunfa/language", "workflows")
"""Where Babel finds marked texts."""
SPEAKING: Final = ("qunfa/cli", "qunfa/language")
PAGES: Final = ("workflows/pages.py", "workflows/account_page.py")
"""Where each text for people is marked."""
STATES: Final = (Phase, Outcome, ShownOutcome, JobStateName, Observer, State, Told, RecallPhase, NoticeType)
OTHER_WORDS: Final = (
    "service",
    "subscription",
    "month",
    "all followers",
    "approval",
    "frozen",
    "duplicate",
    "not_written",
    "lost",
    "test",
    "unused",
    "cover",
    "picture",
    "line",
    "lines",
    "row",
    "rows",
    "Text",
    "Voice",
    "resumed",
)
DECISIONS: Final = ("abort", "approve", "reject", "pause", "resume", "reschedule", "retry", "cancel", "day")
MSGTYPES: Final = ("text", "mpnews", "image", "voice", "mpvideo", "wxcard")
FIXED: Final = [*MSGTYPES, *(word for one in STATES for word in get_args(one)), *OTHER_WORDS, *DECISIONS]
"""Names of states and kinds, which are not marked where they are defined: Chinese has a word for each."""
CORE: Final = (
    "qunfa/send",
    "qunfa/batches",
    "qunfa/media",
    "qunfa/audience",
    "qunfa/article/pictures.py",
    "qunfa/article/problems.py",
    "qunfa/article/urls.py",
    "activities/accounts.py",
    "activities/audiences.py",
    "activities/material.py",
    "activities/sources.py",
    "qunfa/rules/codes.py",
    "qunfa/rules/doctor.py",
    "qunfa/rules/doctor_account.py",
    "qunfa/cli/callback.py",
    "qunfa/cli/doctor.py",
    "qunfa/cli/temporal_checks.py",
    "qunfa/temporal/connection.py",
    "qunfa/temporal/namespace.py",
    "qunfa/settings",
    "qunfa/rules/problems.py",
    "qunfa/rules/recall.py",
    "qunfa/rules/submission.py",
    "qunfa/rules/approval.py",
    "qunfa/rules/outcome.py",
    "qunfa/rules/quota_view.py",
    "qunfa/rules/terms.py",
    "qunfa/contract/refusal.py",
    "qunfa/contract/fields.py",
    "qunfa/contract/audience.py",
    "qunfa/contract/batches.py",
    "qunfa/contract/limits.py",
    "qunfa/contract/message.py",
    "qunfa/contract/recall.py",
    "qunfa/contract/request.py",
    "workflows/making.py",
    "workflows/preview.py",
    "workflows/refusal.py",
)
"""Where the core makes sentences for people: all that have no variables are translated as they are."""
NONE_FOR_PEOPLE: Final = frozenset(
    {
        "the account is not pinned yet",
        "a return code stands in the table twice",
        "hex escape",
        "qunfa setup --retention 35d",
        "qunfa setup",
        "qunfa callback check",
        "Whether a worker answers",
        "Whether Temporal's list shows a run",
        "no worker has answered the doctor",
        "the doctor has gone",
        "the check of the callback was given up",
        "ahead of",
        "dns error",
        "Failed client connect:",
        "Server connection error:",
        "unicode code point",
        "recursion limit",
        "the workflow takes one input, the request",
        "the send goes on as another run: ask that one",
        "no winner is chosen",
        "number out of range",
        "under a new key",
        "Invalid JSON:",
        "at line",
        "Value error,",
        "ISO 8601 (PT45M) or seconds",
        "Give the URL at which the file itself stands.",
        "at least",
        "has several columns",
        "has a character that no openid has",
        "is blank",
        "is empty",
        "no openid",
        "part, openid",
        "no cause given",
        "the process has no pipe",
        "the spool is not open",
        "the plan counts nobody as reached before: %s",
        "the plan counts nobody as reached before: of %d reports one cannot be read, or they are too long",
        "it is compressed by {}, and damaged. Compress it anew.",
        "it is compressed by {}, and ends too early: it was not copied whole. Put the whole file there.",
        "the audience has {openids:,} openids, and one send takes {most:,} at most. Split it.",
    }
)
"""Texts of those files that are not translated: types, faults of the program and its settings, words of libraries."""

_WORDS: Final = re.compile(r"(?<![\w`-])[A-Za-z']+,? [a-z']+,? [a-z']+(?![\w-])")
LETTERS: Final = re.compile(r"[A-Za-z]{2}")
_SENTENCE: Final = re.compile(r"[\"'`A-Za-z][^\\|]* [^\\|]*")


def catalogue() -> Catalog:
    with FILE.open("rb") as file:
        return read_po(file, locale=CHINESE, domain=DOMAIN)


def wanted() -> Catalog:
    """Every text that is to be translated."""
    found = Catalog(locale=CHINESE, domain=DOMAIN, fuzzy=False)
    for place in MARKED:
        for file, _line, message, _comments, _context in extract_from_dir(ROOT / place, keywords=KEYWORDS):
            found.add(message, locations=[(f"{place}/{file}", 1)])
    for text in [*PHRASES, *_help(), EXAMPLE, *FIXED, *CONTENT_MEANINGS.values()]:
        found.add(text)
    for text in [*core_sentences(), *(text for one in PROBLEMS.values() for text in (one.sentence, one.todo))]:
        found.add(text)
    return found


def _help() -> Iterator[str]:
    return (text for command in every_command().values() for text in texts(command))


def core_sentences() -> Iterator[str]:
    for file in core_files():
        yield from (text for text in plain_texts(ast.parse(file.read_text(encoding="utf-8"))))


def core_files() -> list[Path]:
    places = [ROOT / place for place in CORE]
    return [file for place in places for file in ([place] if place.is_file() else sorted(place.glob("*.py")))]


def plain_texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that read as words, without its docstrings and the pieces of its f-strings."""
    for node, text in _texts(tree):
        if isinstance(node, ast.Constant) and _SENTENCE.fullmatch(text.strip()) and text.strip() not in NONE_FOR_PEOPLE:
            yield text.strip()


def templates(tree: ast.Module) -> Iterator[str]:
    """The texts of a module with variables, each variable as `{}`."""
    return (text for node, text in _texts(tree) if isinstance(node, ast.JoinedStr))


def unmarked(tree: ast.Module, words: re.Pattern[str] = _WORDS) -> Iterator[str]:
    """The texts of a module that read as ``words``, and stand in no call that translates, or that typer is given."""
    passed = {id(one) for call in _calls(tree) for one in ast.walk(call)}
    return (text for node, text in _texts(tree) if id(node) not in passed and words.search(text))


def _texts(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """All texts but docstrings, each once: an f-string has `{}` for a variable, and its pieces are none."""
    left_out = {id(one) for joined in ast.walk(tree) if isinstance(joined, ast.JoinedStr) for one in joined.values}
    left_out |= {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in left_out:
            yield node, "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node, node.value


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {*KEYWORDS, "option", "argument", "Option"}:
                yield node


def placeholders(text: str) -> list[str]:
    """The variables of a text, each with its conversion and its format."""
    return sorted({f"{name}!{how}:{spec}" for _text, name, spec, how in Formatter().parse(text) if name is not None})


def renewed(kept: Catalog, found: Catalog) -> Catalog:
    """The texts of `found` with the translations that are kept; what nobody wants any more is gone."""
    made = Catalog(locale=CHINESE, domain=DOMAIN, fuzzy=False, header_comment=_HEADER, **_FIXED_HEADERS)
    for message in found:
        if message.id:
            before = kept.get(message.id)
            same_kind = before is not None and type(before.id) is type(message.id)
            made.add(message.id, before.string if before and same_kind else "", locations=message.locations)
    return made


_HEADER: Final = "# What qunfa says, in Chinese. `make messages` renews this file, and compiles it."
_FIXED_HEADERS: Final[dict[str, Any]] = {
    "project": "Qunfa",
    "version": "0",
    "msgid_bugs_address": "-",
    "last_translator": "Qunfa",
    "language_team": "zh",
    "creation_date": datetime(2026, 12, 1, tzinfo=UTC),
    "revision_date": datetime(2026, 12, 1, tzinfo=UTC),
}
"""What says nothing here, and would change the file each time."""


def strings(message: Message) -> tuple[str, ...]:
    found: Any = message.string
    return (found,) if isinstance(found, str) else tuple(found)


def untranslated(messages: Iterable[Message]) -> list[str]:
    """What has no translation yet, or one that is only guessed."""
    return [str(one.id) for one in messages if one.id and (one.fuzzy or not all(strings(one)))]


def write(made: Catalog) -> None:
    read, compiled = BytesIO(), BytesIO()
    write_po(read, made, width=110, sort_output=True, include_lineno=False)
    write_mo(compiled, made)
    FILE.write_bytes(read.getvalue())
    COMPILED.write_bytes(compiled.getvalue())


if __name__ == "__main__":
    write(renewed(catalogue(), wanted()))
    for text in untranslated(catalogue()):
        print("to translate:", text)  # noqa: T201
