import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.rules.clientmsgid import GENERATIONS_MAX, JOBS_MAX, clientmsgid

identities = st.tuples(
    st.sampled_from(["default", "prod", "pro", "prodw"]),
    st.sampled_from(["wx1", "wx11", "w", "wx"]),
    st.text("ab.-_", min_size=1, max_size=64),
    st.integers(0, JOBS_MAX - 1),
    st.integers(0, GENERATIONS_MAX - 1),
)


def test_a_clientmsgid_never_changes_between_versions() -> None:
    """A worker of another version must repeat a try under the same id."""
    assert clientmsgid("default", "wx0123456789abcdef", "spring-sale-2026", 0, 0) == "e7cc9a796a789ea67733-0000-00"


@given(identities)
def test_wechat_takes_it(identity: tuple[str, str, str, int, int]) -> None:
    """At most 32 characters of a plain alphabet."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", clientmsgid(*identity))


@given(st.lists(identities, min_size=2, max_size=40, unique=True))
def test_no_two_jobs_share_one(found: list[tuple[str, str, str, int, int]]) -> None:
    """Another namespace, account, key, job or generation is another id."""
    assert len({clientmsgid(*identity) for identity in found}) == len(found)


@pytest.mark.parametrize(("index", "generation"), [(-1, 0), (0, -1), (JOBS_MAX, 0), (0, GENERATIONS_MAX)])
def test_there_is_none_beyond_its_digits(index: int, generation: int) -> None:
    """Rather no submission than one under another's id."""
    with pytest.raises(ValueError, match="no clientmsgid for job"):
        clientmsgid("default", "wx", "k", index, generation)
