"""A confirmation that was wrong: somebody finds in the console what another has not, before it goes out again."""

from collections.abc import Callable

import pytest

from qunfa.contract.operators import MarkSent, Pause
from qunfa.send import events, steps
from tests.send.alone import BY_LI, FACTS, Alone
from tests.send.places import QUEUE, found, in_doubt, settle_questions

HOURS = FACTS.model_copy(update={"send_hours": ("12:00", "13:00")})


def confirmed() -> Alone:
    """It waits for the account's hours, and is to go out then."""
    alone = in_doubt(facts=HOURS)
    assert alone.retry(confirm_not_delivered=True) is None
    alone.reported()
    assert alone.step.phase == "scheduled"
    return alone


def held() -> Alone:
    """Somebody has paused it."""
    alone = confirmed()
    assert alone.update(Pause(by="li", reason="it is there")) is None
    return alone


def in_line() -> Alone:
    """It is due, and waits for its turn."""
    alone = confirmed()
    alone.wait(alone.until - alone.now)
    alone.sent()
    alone.hear(waits=QUEUE)
    return alone


def trying_again() -> Alone:
    """Its call is on its way."""
    alone = in_line()
    alone.hear(answer="lease", lease=alone.lease())
    assert alone.does() is steps.Submit
    return alone


def without_quota() -> Alone:
    """WeChat has refused it today, maybe since the first one was delivered."""
    alone = trying_again()
    alone.answered("refused", errcode=45028)
    assert alone.step.held == "quota_exhausted"
    return alone


def obstructed() -> Alone:
    """A person is asked about something else."""
    alone = trying_again()
    alone.answered("refused", errcode=48001)
    alone.asked()
    assert alone.asks() == "account_refused"
    return alone


@pytest.mark.parametrize("there", [confirmed, held, in_line, without_quota, obstructed])
def test_a_wrong_confirmation_can_be_put_right(there: Callable[[], Alone]) -> None:
    """Until it goes out, and while nothing may be out. Its result is awaited, and nothing more is submitted."""
    alone = there()
    assert "mark_sent" in alone.status.answers
    found(alone)
    settle_questions(alone)
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 9)
    alone.pushed(msg_id=9)
    assert alone.end.outcome == "sent"


def test_a_lease_goes_back_where_the_message_was_found() -> None:
    """It has come together with the answer of who has looked once more, and was not used."""
    alone = in_line()
    lease = alone.granted(answer="lease", lease=alone.lease())
    alone.take(lease, events.Updated("found", MarkSent(**BY_LI, msg_id=9)))
    last = alone.state.known.tries[-1].answer
    assert (alone.state.trying, last and last.kind) == (None, "unused")


def test_what_goes_out_again_is_not_marked_meanwhile() -> None:
    """Its call is on its way, and tells more."""
    alone = trying_again()
    assert "mark_sent" not in alone.status.answers
    assert "asks nothing" in str(alone.mark_sent(9))
