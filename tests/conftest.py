"""Options of the whole test suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make histories` records what the marked tests leave in Temporal; `make pictures` what the UI shows."""
    parser.addoption("--record-histories", metavar="DIR", help="write the histories of tests marked `history` to DIR")
    parser.addoption("--screenshots", metavar="DIR", help="write the pictures for the documentation to DIR (tests/ui)")
