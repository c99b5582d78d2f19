"""A ``not_after`` that comes while the account's hours are over: the send has until they end, as everybody is told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from qunfa.contract.operators import Pause, Reschedule
from qunfa.send import events, steps
from qunfa.send.prospect import Start
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.places import APPROVED, FAILED, HOUR, MINUTE, accepted, joined
from tests.send.test_held_back import forgotten
from tests.send.test_prospect import of_key
from tests.send.test_quota_ahead import of_freeze

CLOSED: Final = NOON + 9 * HOUR
HOURS: Final = FACTS.model_copy(update={"send_hours": ("08:00", "21:00")})
TILL_NIGHT: Final[dict[str, Any]] = {"not_after": (NOON + 11 * HOUR).isoformat()}
TILL_OPENING: Final[dict[str, Any]] = {"not_after": (NOON + 20 * HOUR).isoformat()}
IN_TIME: Final = "send_at: must be earlier than 2026-12-01 21:00:00+08:00, when send_hours (08:00 to 21:00) end"


def due_at_six(**more: Any) -> Alone:
    """It goes at 18:00, and waits for that."""
    return joined(HOURS, send_at=(NOON + 6 * HOUR).isoformat(), **{**TILL_NIGHT, **more})


def held() -> Alone:
    """The same, paused."""
    alone = due_at_six()
    assert alone.update(Pause(by="li", reason="look")) is None
    return alone


def to_approve() -> Alone:
    """Somebody has to approve."""
    alone = joined(HOURS, **TILL_NIGHT, **APPROVED)
    alone.take(events.Shown(("to all",)))
    return alone


def refused() -> Alone:
    """WeChat has refused its try shortly before the hours end, and a person is asked."""
    alone = joined(HOURS, **TILL_NIGHT)
    alone.wait(9 * HOUR - 5 * MINUTE)
    alone.tries()
    alone.answered("refused", errcode=48001)
    alone.asked()
    assert alone.asks() == "account_refused"
    return alone


@pytest.mark.parametrize("there", [due_at_six, held, to_approve])
@pytest.mark.parametrize("later", [timedelta(0), 30 * MINUTE, 2 * HOUR - MINUTE])
def test_no_other_time_is_taken_that_ends_the_send(there: Callable[[], Alone], later: timedelta) -> None:
    """It would go on the next morning, after `not_after`: so it would expire as soon as that was said."""
    alone = there()
    before = alone.step
    assert (alone.update(Reschedule(by="li", send_at=CLOSED + later)) or "").startswith(IN_TIME)
    assert alone.step == before
    assert alone.update(Reschedule(by="li", send_at=CLOSED - MINUTE)) is None
    assert not alone.step.ends


def test_an_opening_at_not_after_comes_too_late() -> None:
    """Nothing is submitted at that moment any more; a moment later would do."""
    alone, night = due_at_six(**TILL_OPENING), Reschedule(by="li", send_at=CLOSED + 3 * HOUR)
    assert (alone.update(night) or "").startswith(IN_TIME)
    assert due_at_six(not_after=(NOON + 20 * HOUR + MINUTE).isoformat()).update(night) is None


@pytest.mark.parametrize("there", [held, to_approve, refused])
def test_nobody_is_told_a_time_after_the_last_hours(there: Callable[[], Alone]) -> None:
    """Who comes then would find a send that has ended. It ends at the time that was told."""
    alone = there()
    waits = alone.status.waiting_for
    assert (alone.until, waits and waits.until) == (CLOSED, CLOSED)
    alone.wait(CLOSED - MINUTE - alone.now)
    assert alone.status.answers
    alone.wait(MINUTE)
    assert (alone.status.answers, alone.step.ends) == ((), True)
    alone.asked()
    alone.reported("expired")
    assert alone.end.outcome == "expired"


def test_a_retry_after_the_last_hours_is_refused() -> None:
    """WeChat has said no to a job. A second one could not be submitted before `not_after` any more."""
    alone = accepted(facts=HOURS, **TILL_NIGHT)
    alone.wait(9 * HOUR - MINUTE)
    alone.pushed("send fail")
    alone.asked()
    assert "retry" in alone.status.answers
    alone.wait(MINUTE)
    assert "retry" not in alone.status.answers
    assert "no send_hours are left before it" in str(alone.retry())
    assert alone.abort() is None
    alone.take(events.WechatSaid(7, FAILED))


def test_a_send_that_comes_after_the_last_hours_prepares_nothing() -> None:
    """It only looks what its key has done before, as after `not_after`."""
    alone = Alone(FACTS.model_copy(update={"send_hours": ("08:00", "11:00")}), **TILL_NIGHT)
    alone.take()
    assert alone.does() is steps.LookUp


def test_what_may_be_forgotten_is_settled_within_the_hours() -> None:
    """Its window ends before they begin again."""
    alone = forgotten(facts=FACTS.model_copy(update={"send_hours": ("12:00", "21:00")}))
    refusal = alone.update(Reschedule(by="li", send_at=CLOSED + MINUTE))
    assert (refusal or "").startswith("send_at: must be earlier than 2026-12-01 21:00:00+08:00. Until then the same")
    assert alone.update(Reschedule(by="li", send_at=CLOSED - MINUTE)) is None


def test_a_dry_run_knows_the_last_hours() -> None:
    """A freeze holds the send until then; one that is due only later would end at once."""
    assert of_freeze(facts=HOURS, **TILL_NIGHT).then.endswith("until 2026-12-01 21:00:00+08:00 at the latest")
    late = Alone(send_at=CLOSED.isoformat(), **TILL_NIGHT).engine.request
    seen = of_key(at=Start(late, HOURS, "default", "d", NOON))
    assert (seen.start, seen.outcome) == ("give_result", "expired")
