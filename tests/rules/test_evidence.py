"""What people are told of WeChat's words on a refusal."""

import pytest

from qunfa.rules.evidence import evidence, evidence_words
from qunfa.rules.whitelist import refused_address


@pytest.mark.parametrize(
    ("errmsg", "rid", "said"),
    [
        ("no quota rid: 64f0-1234-5678", "64f0-1234-5678", "errcode 1, errmsg no quota, rid 64f0-1234-5678"),
        ("no quota, rid 64f0-1", "64f0-1", "errcode 1, errmsg no quota, rid 64f0-1"),
        ("rid: 64f0-1 no quota", "64f0-1", "errcode 1, errmsg no quota, rid 64f0-1"),
        ("rid: 64f0-1", "64f0-1", "errcode 1, rid 64f0-1"),
        ("grid: 64f0-1", "64f0-1", "errcode 1, errmsg grid: 64f0-1, rid 64f0-1"),
        ("no quota rid: 64f0-1", None, "errcode 1, errmsg no quota rid: 64f0-1"),
        (None, "64f0-1", "errcode 1, rid 64f0-1"),
    ],
)
def test_a_rid_is_said_once(errmsg: str | None, rid: str | None, said: str) -> None:
    """It stands in WeChat's text, and is a field of its own: people see the field."""
    assert evidence_words(1, errmsg, rid) == said


def test_without_evidence_nothing_is_said() -> None:
    """No empty words."""
    assert (evidence(None, None, None), evidence_words(None, None, None)) == ({}, "")


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
