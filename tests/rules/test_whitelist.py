import pytest

from qunfa.rules.whitelist import refused_address


@pytest.mark.parametrize(
    ("errmsg", "address"),
    [
        ("invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 6b-1", "1.2.3.4"),
        ("invalid ip 2001:db8::7, not in whitelist", "2001:db8::7"),
        ("invalid ip: 203.0.113.70", "203.0.113.70"),
        ("not in whitelist rid: 6b-1", None),
        ("invalid ip, not in whitelist", None),
        ("", None),
        (None, None),
    ],
)
def test_the_address_that_wechat_names(errmsg: str | None, address: str | None) -> None:
    """Nothing else of its text is taken for one."""
    assert refused_address(errmsg) == address
