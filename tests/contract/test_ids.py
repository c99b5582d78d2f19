import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.ids import (
    account_id,
    account_of,
    mass_send_id,
    notices_id,
    parse_account_id,
    parse_mass_send_id,
    recall_id,
)


@given(
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True), st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
)
def test_an_id_is_read_back(account: str, key: str) -> None:
    """By its twin."""
    assert parse_mass_send_id(mass_send_id(account, key)) == (account, key)
    assert parse_account_id(account_id(account)) == account


@pytest.mark.parametrize(
    "other",
    [
        *("", "mass-send", "mass-send:demo", "mass-send:demo:", "mass-send::k", "mass-send:demo:a:b", "recall:demo:k"),
        *("mass-send:demo:k\n", "mass-send:Demo:k", "xmass-send:demo:k"),
    ],
)
def test_another_id_is_no_mass_send(other: str) -> None:
    """Ids of other forms are somebody else's."""
    assert parse_mass_send_id(other) is None


@pytest.mark.parametrize("other", ["", "account", "account:", "accounts:wx", "wx"])
def test_another_id_is_no_account(other: str) -> None:
    """Likewise."""
    assert parse_account_id(other) is None


def test_an_id_tells_its_account() -> None:
    """Only an id of that form does."""
    assert account_of("recall", recall_id("brand", 7)) == "brand"
    assert account_of("notices", notices_id("brand", "u")) == "brand"
    for other in ("recall:brand", "recall:brand:", "recall:B:7", "notices:brand:7"):
        assert account_of("recall", other) is None
