import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.ids import account_id, account_in, mass_send_id, parse_account_id, parse_mass_send_id, recall_id


@given(
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True), st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
)
def test_an_id_is_read_back(account: str, key: str) -> None:
    """By its twin."""
    assert parse_mass_send_id(mass_send_id(account, key)) == (account, key)
    assert parse_account_id(account_id(account)) == account
    assert account_in(mass_send_id(account, key)) == account_in(recall_id(account, key)) == account


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


@pytest.mark.parametrize(
    "other", ["", "mass-send", "mass-send:", "recall::1", "recall:Demo:1", "account:demo:1", "demo"]
)
def test_no_account_stands_in_another_id(other: str) -> None:
    """Nobody is told by it."""
    assert account_in(other) is None
