import pytest

from qunfa.rules.evidence import evidence, evidence_words


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
