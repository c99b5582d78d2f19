"""Options of the whole test suite, and how many examples its properties are tried with."""

import pytest
from hypothesis import settings

# A promise that is broken says by which values.
pytest.register_assert_rewrite("tests.workflows.promises")

settings.register_profile("everyday", max_examples=60)
settings.register_profile("thorough", max_examples=1000)
settings.load_profile("everyday")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make histories` records what the marked tests leave in Temporal; `make pictures` what the UI shows."""
    parser.addoption("--record-histories", metavar="DIR", help="write the histories of tests marked `history` to DIR")
    parser.addoption("--screenshots", metavar="DIR", help="write the pictures for the documentation to DIR (tests/ui)")
