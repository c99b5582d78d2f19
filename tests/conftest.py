"""Options of the whole test suite, and how many examples its properties are tried with."""

import pytest
from hypothesis import settings

# A promise that is broken says by which values.
pytest.register_assert_rewrite("tests.workflows.promises")

# A usual run tries the same examples each time, so that what fails was changed; "thorough" finds new ones.
settings.register_profile("everyday", deadline=None, derandomize=True, database=None, max_examples=75)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("everyday")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make histories` records what the marked tests leave in Temporal; `make pictures` what the UI shows."""
    parser.addoption("--record-histories", metavar="DIR", help="write the histories of tests marked `history` to DIR")
    parser.addoption("--screenshots", metavar="DIR", help="write the pictures for the documentation to DIR (tests/ui)")
