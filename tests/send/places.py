"""Sends that stand where many tests begin."""

from typing import Any

from tests.send.alone import FACTS, Alone


def joined(**request: Any) -> Alone:
    """Nothing was tried yet."""
    alone = Alone(**request)
    alone.joined()
    return alone


def trying(**request: Any) -> Alone:
    """A try is under way."""
    alone = joined(**request)
    alone.tries()
    return alone


def accepted(**request: Any) -> Alone:
    """WeChat has it as msg_id 7."""
    alone = Alone(**request)
    alone.accepted()
    return alone


def asking(word: str = "send fail", **request: Any) -> Alone:
    """Its job has failed, and a person is asked."""
    alone = accepted(**request)
    alone.pushed(word)
    alone.asked()
    assert alone.step.phase == "needs_operator"
    return alone


def in_doubt(**request: Any) -> Alone:
    """Nobody heard of its try, WeChat has forgotten the clientmsgid, and a person is asked."""
    alone = trying(**request)
    alone.answered("unknown")
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    return alone
