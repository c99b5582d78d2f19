"""Options of the whole test suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make histories` records what the marked tests leave in Temporal."""
    parser.addoption("--record-histories", metavar="DIR", help="write the histories of tests marked `history` to DIR")
