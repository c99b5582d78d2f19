"""The pages: each is found, its links lead somewhere, its commands are commands, and its sentences are short."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.commands import every_command
from tests.project.messages import catalogue, strings
from tests.project.site import ADDED, ROOT, file_of, links, moved, placed

CONFIGURATION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES: Final = sorted([*ROOT.glob("docs/*.md"), *(ROOT / page for page in ADDED if page.endswith(".md"))])
COMMANDS: Final = every_command()
LONGEST: Final = 20
"""Words of a sentence."""

_COMMAND: Final = re.compile(r"^(?:\S*/)?qunfa (.+?)(?:\s+#.*)?$", re.MULTILINE)
_IN_A_LINE: Final = re.compile(r"`qunfa ([^`]+)`")
_GIVEN: Final = re.compile(r"\{\w+\}")
_BLOCK: Final = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_CODE: Final = "Code"
_END: Final = re.compile(r"(?<=[.!?])[\"')*”]*\s+(?=[^\s\da-z])|(?<=[。！？；：])")
_WORD: Final = re.compile(r"\S*\w\S*")


def source(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def nav(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        [value] = entry.values()
        yield from [value] if isinstance(value, str) else nav(value)


def anchors(text: str) -> set[str]:
    """The headings of a page as links name them, where GitHub and the site call them the same."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
        found |= {words.replace(" ", "-")} & {re.sub(r"[-\s]+", "-", words)}
    return found


def commands(text: str) -> list[str]:
    """Every `qunfa …` that a page has somebody type."""
    typed = [one for block in _BLOCK.findall(text) for one in _COMMAND.findall(block.replace("\\\n", " "))]
    return sorted({*typed, *_IN_A_LINE.findall(text)})


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


def test_every_page_is_in_the_navigation_once() -> None:
    """A reader finds each; and none is named that is not there."""
    assert sorted(nav(CONFIGURATION["nav"])) == sorted(placed(source(page)) for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=source)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """To a file that is on the site as well, and to a heading that is on its page."""
    for link in links(page.read_text(encoding="utf-8")):
        file, heading = file_of(link, source(page)), link.partition("#")[2]
        assert (ROOT / file).is_file(), link
        assert placed(file)
        assert not heading or heading in anchors(text_of(file)), link


@pytest.mark.parametrize("page", PAGES, ids=source)
def test_every_command_that_a_page_names_is_one(page: Path) -> None:
    """Its name and its options are the program's, and it can be parsed as it stands."""
    for command in commands(page.read_text(encoding="utf-8")):
        name, *arguments = shlex.split(command.partition(" > ")[0])
        subcommand = COMMANDS[name]
        if arguments:
            subcommand.make_context(name, arguments)


def test_a_command_that_a_sentence_gives_can_be_typed() -> None:
    """In both languages; what it is given with stands in braces there."""
    texts = [text for one in catalogue() for text in (str(one.id), *strings(one))]
    given = {one for text in texts for one in _IN_A_LINE.findall(text) if "{" in one}
    for command in given:
        name, *arguments = shlex.split(_GIVEN.sub("1", command))
        COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=source)
def test_no_sentence_of_a_page_is_long(page: Path) -> None:
    """Each is read once, and understood."""
    assert long_sentences(page) == []


def test_sentences_are_found_and_counted() -> None:
    """Tables and code are none, a sentence ends where the next one begins, and a list has one for each item."""
    table, block = "| a | b |\n|---|---|\n| c | d |\n", "```sh\nx y\n```\n"
    text = f"# Two words\n\nOne `a b c` here. Is it?\n\n- An *item*.\n\n{table}\n{block}"
    assert list(sentences(text)) == ["Two words", "One Code here.", "Is it?", "An item."]


def test_a_link_is_moved_with_its_page() -> None:
    """From where the page stands to the one folder of the site; blocks of code and other sites are left alone."""
    block = "```sh\ncat [a](docs/a.md)\n```"
    text = f"[a](docs/core.md#b) [c](CHANGELOG.md) [d](https://e.f/g.md) [h](#i)\n{block}\n"
    assert moved(text, "README.md") == f"[a](core.md#b) [c](changelog.md) [d](https://e.f/g.md) [h](#i)\n{block}\n"
    assert moved("![a](pictures/b.png) [c](../README.md)", "docs/core.md") == "![a](pictures/b.png) [c](index.md)"
    with pytest.raises(ValueError, match=r"worker\.py is not on the site"):
        moved("[a](../worker.py)", "docs/core.md")


def test_the_site_takes_nothing_from_elsewhere() -> None:
    """It works on a machine without a network: no font, script or style of others."""
    assert CONFIGURATION["theme"]["font"] is False
    assert not {"extra_css", "extra_javascript"} & CONFIGURATION.keys()


@pytest.mark.long
def test_mkdocs_builds_the_site_without_a_warning(tmp_path: Path) -> None:
    """As `make docs` does."""
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: `make docs` does that")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / "index.html").is_file()) == (0, True), done.stderr
    pages = "".join(file.read_text(encoding="utf-8") for file in tmp_path.glob("*.html"))
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//(?!squidfunk)[^>]*>", pages) == []
