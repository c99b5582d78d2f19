"""The documents name tests as proofs: each of them exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`((?:test_|Test)\w+)`")
PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if NAMED.search(page.read_text(encoding="utf-8")))


@cache
def defined() -> frozenset[str]:
    """The names of all tests: functions, classes, and classes that hypothesis makes."""
    names: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(node.target.id)
    return frozenset(names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A proof that was renamed or removed is noticed."""
    assert set(NAMED.findall(page.read_text(encoding="utf-8"))) - defined() == set()


def test_every_row_of_the_reliability_page_names_a_test() -> None:
    """Nothing is promised there without a proof."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\|.*shown by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 40
    assert [row for row in rows if not NAMED.search(row.rsplit("|", 2)[1])] == []
