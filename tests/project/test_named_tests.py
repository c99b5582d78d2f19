"""The documents name tests as proofs: each of them exists, under a name that is its own."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEFINED = re.compile(r"^ *(?:(?:async )?def |class |(?=Test\w+:))(\w+)", re.MULTILINE)
NAMED = re.compile(r"`((?:test_|Test)\w+)`")
PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if NAMED.search(page.read_text(encoding="utf-8")))


LONGEST = 60
"""Characters of a test's name, without the `test_` before it."""


@cache
def defined() -> Counter[str]:
    """The names of all tests: functions, classes, and classes that hypothesis makes."""
    files = (ROOT / "tests").rglob("test_*.py")
    return Counter(name for file in files for name in DEFINED.findall(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A proof that was renamed or removed is noticed."""
    assert set(NAMED.findall(page.read_text(encoding="utf-8"))) - defined().keys() == set()


def test_every_row_of_the_reliability_page_names_a_test() -> None:
    """Nothing is promised there without a proof."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\|.*shown by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 40
    assert [row for row in rows if not NAMED.search(row.rsplit("|", 2)[1])] == []


def test_every_test_has_a_name_of_its_own_that_fits_a_line() -> None:
    """Whoever reads of one finds it, and no other."""
    names = {name.removeprefix("test_"): times for name, times in defined().items() if name.startswith("test_")}
    assert [name for name, times in names.items() if times > 1 or len(name) > LONGEST] == []
