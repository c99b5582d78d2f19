"""The documents are read by people: their sentences are short."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*/*.md")])
LONGEST: Final = 20
"""Words of a sentence."""

_CODE: Final = "Code"
_END: Final = re.compile(r"(?<=[.!?])[\"')*”]*\s+(?=[^\s\da-z])")
_WORD: Final = re.compile(r"\S*\w\S*")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page outside of tables and code, each with its emphasis and its code taken out."""
    in_table = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        in_table = token.type == "table_open" or (in_table and token.type != "table_close")
        if token.type == "inline" and not in_table:
            yield from _END.split(_plain(token.children or []))


def _plain(tokens: list[Token]) -> str:
    """What is read: a piece of code is one word of it, and so is a picture."""
    words = {"code_inline": _CODE, "image": _CODE, "softbreak": " ", "hardbreak": " "}
    return "".join(words.get(token.type, token.content) for token in tokens if token.type != "html_inline")


def long_sentences(page: Path) -> list[str]:
    """Those of a page that have more words than one reads at a time."""
    found = sentences(page.read_text(encoding="utf-8"))
    return [one for one in found if len(_WORD.findall(one)) > LONGEST]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_of_a_page_is_long(page: Path) -> None:
    """Each is read once, and understood."""
    assert long_sentences(page) == []


def test_sentences_are_found_and_counted() -> None:
    """Tables and code are none, a sentence ends where the next one begins, and a list has one for each item."""
    table, block = "| a | b |\n|---|---|\n| c | d |\n", "```sh\nx y\n```\n"
    text = f"# Two words\n\nOne `a b c` here. Is it?\n\n- An *item*.\n\n{table}\n{block}"
    assert list(sentences(text)) == ["Two words", "One Code here.", "Is it?", "An item."]
