"""A job that a person has found in the console: one that failed settles no try that may have been accepted."""

from collections.abc import Callable
from functools import partial

import pytest

from qunfa.send import events
from tests.send.alone import FACTS, Alone
from tests.send.places import FAILED, collided, found, in_doubt, joined


def failed_as_found(alone: Alone) -> Alone:
    """A person has named msg_id 9, which has failed."""
    found(alone)
    alone.reported()
    alone.pushed("send fail", msg_id=9)
    alone.asked()
    assert alone.asks() == "send_failed"
    return alone


def vaguely_answered() -> Alone:
    """WeChat has answered that its system is busy, until it has forgotten the clientmsgid; a person is asked."""
    alone = joined()
    alone.tries()
    alone.answered("unknown", errcode=-1)
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    return alone


@pytest.mark.parametrize("there", [in_doubt, vaguely_answered, collided, partial(collided, "unknown")])
def test_a_found_job_that_failed_leaves_the_doubt(there: Callable[[], Alone]) -> None:
    """It may have been sent by hand, and the try may have been delivered: an end does not deny that."""
    alone = failed_as_found(there())
    assert "may still carry it out" in alone.problem.sentence
    assert alone.status.answers == ("retry", "mark_sent", "abort")
    alone.abort()
    alone.asked()
    alone.take(events.WechatSaid(9, FAILED))
    alone.reported("unknown")


def test_a_retry_of_a_found_job_is_to_be_confirmed() -> None:
    """WeChat has forgotten the clientmsgid of the try: nobody knows but who looks into the console."""
    alone = failed_as_found(in_doubt())
    assert alone.retry() is None
    alone.take(events.WechatSaid(9, FAILED), events.Reported())
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert alone.retry() is not None
