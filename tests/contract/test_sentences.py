"""How sentences end."""

import pytest

from qunfa.contract.refusal import InvalidRequestError, full_stop


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        ("it broke", "it broke."),
        ("it broke.. ", "it broke."),
        ("已取消", "已取消."),
        *((text, text) for text in ("已取消。", "停！", "真的？", "so…", "why?", "no!", "its log:", "```", "")),
        ("--appid wx….", "--appid wx…."),
    ],
)
def test_a_sentence_ends_once(said: str, ended: str) -> None:
    """Whatever mark its writer ends it with; nothing stays nothing."""
    assert full_stop(said) == ended


def test_a_refusal_ends_once() -> None:
    """With its last problem's own mark, where that has one."""
    said = "The request was refused and nothing was sent: "
    assert str(InvalidRequestError(["a is wrong.", "b is wrong"])) == f"{said}a is wrong; b is wrong."
    assert str(InvalidRequestError(["已取消。"])) == f"{said}已取消。"
