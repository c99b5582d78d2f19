"""What people see of each row of the table in `qunfa.send.plan`: the phase, and what is waited for until when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from qunfa.contract.grants import Waits
from qunfa.contract.ledger import Frozen
from qunfa.contract.message import Material
from qunfa.contract.operators import Approve, Pause, Phase
from qunfa.contract.request import Previewed
from qunfa.send import events, steps
from qunfa.send.plan import plan
from qunfa.send.show import searchable
from qunfa.send.state import SendState
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.places import accepted, asking, trying

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEDGER = "the account's ledger"
END = NOON + 5 * HOUR
APPROVED = {"approval": {"required": True}, "requested_by": "wang"}


class Seen(NamedTuple):
    """A step as people see it, and the effect that is under way."""

    phase: Phase
    does: type[steps.Effect] | None = None
    why: str = ""
    until: datetime | None = None
    problem: str | None = None


def seen(alone: Alone) -> Seen:
    """Of a run."""
    step, status = alone.step, alone.status
    assert (status.phase, status.problem) == (step.phase, step.problem)
    waits = status.waiting_for
    assert (waits.reason, waits.until) == (step.why, step.until) if waits else not step.why
    return Seen(step.phase, alone.does(), step.why, step.until, step.problem.name if step.problem else None)


def began(**state: Any) -> Seen:
    """Of a state that no event has brought there, at its first task."""
    alone = Alone(not_after=END.isoformat())
    step = plan(alone.engine.request, SendState(namespace="default", life="life-1", **state), alone.now)
    assert isinstance(step, steps.Step)
    problem = step.problem.name if step.problem else None
    return Seen(step.phase, type(step.effect) if step.effect else None, step.why, step.until, problem)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ({}, Seen("preparing", steps.Pin, "the account's configuration")),
        ({"pinned": FACTS}, Seen("preparing", steps.Inspect, "a look at the material", END)),
        ({"refused": ("x",)}, Seen("done", steps.Pin, "what the key spring has done before", None, "invalid_request")),
        (
            {"refused": ("x",), "pinned": FACTS},
            Seen("done", steps.LookUp, "what the key spring has done before", None, "invalid_request"),
        ),
    ],
)
def test_the_first_steps_are_shown(state: dict[str, Any], what: Seen) -> None:
    """From the first task on; a refused request is over at once for whoever looks."""
    assert began(**state) == what


def refused() -> Alone:
    """The request cannot be carried out."""
    alone = Alone()
    alone.take(events.Refused(("x",)))
    return alone


def stopped() -> Alone:
    """Aborted before its content was known."""
    alone = Alone()
    alone.abort()
    return alone


def joining() -> Alone:
    """A planned one asks what the ledger knows."""
    alone = Alone(send_at=(NOON + HOUR).isoformat())
    alone.take()
    return alone


def at_once() -> Alone:
    """One that is due asks for its turn along with that."""
    alone = Alone()
    alone.take()
    return alone


def planned() -> Alone:
    """Joined, and due later."""
    alone = Alone(send_at=(NOON + HOUR).isoformat())
    alone.joined()
    return alone


def polled() -> Alone:
    """No push came."""
    alone = accepted()
    alone.wait(45 * MINUTE)
    alone.asked()
    return alone


def polled_no() -> Alone:
    """``mass/get`` says no."""
    alone = polled()
    alone.take(events.Polled(7, "SEND_FAIL"), events.Reported())
    return alone


def checked() -> Alone:
    """A person's answer is checked with WeChat."""
    alone = asking()
    alone.retry()
    return alone


def whose() -> Alone:
    """A person's answer is checked with the ledger."""
    alone = Alone()
    alone.joined()
    alone.tries()
    alone.answered("unknown")
    alone.wait(FACTS.timing.window)
    alone.asked()
    alone.mark_sent(8)
    alone.take(events.WechatSaid(8, None))
    return alone


def collided() -> Alone:
    """WeChat has named a msg_id of nobody knows whom."""
    alone = Alone()
    alone.joined()
    alone.tries()
    alone.answered("duplicate", errcode=45065, msg_id=9)
    return alone


def lost() -> Alone:
    """A try of which nothing was heard."""
    alone = Alone()
    alone.joined()
    alone.tries()
    alone.take(events.Lost("its worker is gone"))
    return alone


def paused() -> Alone:
    """Held back before it has a place in the queue."""
    alone = Alone(send_at=(NOON + HOUR).isoformat(), not_after=END.isoformat())
    alone.joined()
    alone.update(Pause(by="li", reason="look"))
    return alone


def previewed() -> Alone:
    """The second preview is next."""
    alone = Alone(preview={"to": [{"wxname": "zhao"}, {"wxname": "qian"}]}, not_after=END.isoformat())
    alone.joined()
    alone.take(events.WasPreviewed(Previewed(to="zhao", sent=True)))
    return alone


def to_be_shown() -> Alone:
    """Nobody has written down what is to be approved."""
    alone = Alone(not_after=END.isoformat(), **APPROVED)
    alone.joined()
    return alone


def to_be_approved() -> Alone:
    """Somebody has to approve."""
    alone = Alone(decision_timeout="PT1H", **APPROVED)
    alone.joined()
    alone.take(events.Shown(("to all",)))
    return alone


def to_be_approved_before_its_end() -> Alone:
    """Its end comes before the time for the decision is over."""
    alone = Alone(not_after=END.isoformat(), **APPROVED)
    alone.joined()
    alone.take(events.Shown(("to all",)))
    return alone


def approved() -> Alone:
    """Somebody has approved."""
    alone = to_be_approved()
    alone.update(Approve(by="li"))
    return alone


def tagged() -> Alone:
    """The tag is looked at first."""
    alone = Alone(audience={"kind": "tag", "tag_id": 2, "expect": {"max": 9}}, not_after=END.isoformat())
    alone.joined()
    return alone


def made() -> Alone:
    """The material is to be made."""
    alone = Alone(not_after=END.isoformat())
    alone.run.state = alone.state.changed(pinned=FACTS, digest="d", material=Material())
    alone.joined()
    return alone


FROZEN = Frozen(by="wang", reason="wrong text", at=NOON)
PUSH = "WeChat's push on msg_id 7"


@pytest.mark.parametrize(
    ("there", "what"),
    [
        (refused, Seen("done", steps.LookUp, "what the key spring has done before", None, "invalid_request")),
        (stopped, Seen("preparing", steps.LookUp, "what the key has done before")),
        (joining, Seen("preparing", steps.SendWish, LEDGER)),
        (at_once, Seen("submitting", steps.SendWish, LEDGER)),
        (planned, Seen("scheduled", None, "send_at", NOON + HOUR)),
        (trying, Seen("submitting", steps.Submit, "WeChat's answer to try 1")),
        (lost, Seen("submitting", steps.Report, LEDGER)),
        (accepted, Seen("awaiting_result", None, PUSH, NOON + 45 * MINUTE)),
        (polled, Seen("awaiting_result", steps.Poll, f"{PUSH}, asking mass/get as well")),
        (
            polled_no,
            Seen(
                "awaiting_result",
                None,
                "the push that says why msg_id 7 failed",
                NOON + 45 * MINUTE + FACTS.timing.push_grace,
            ),
        ),
        (
            asking,
            Seen(
                "needs_operator",
                None,
                "an operator's answer to send_failed",
                NOON + timedelta(days=3),
                "send_failed",
            ),
        ),
        (checked, Seen("needs_operator", steps.AskWechat, "WeChat's word on msg_id 7", None, "send_failed")),
        (collided, Seen("submitting", steps.SendWish, LEDGER)),
        (paused, Seen("paused", None, "resume: paused by li", END)),
        (previewed, Seen("previewing", steps.Preview, "the preview to WeChat id qian", END)),
        (to_be_shown, Seen("awaiting_approval", steps.Show, "what is to be approved", END)),
        (to_be_approved, Seen("awaiting_approval", None, "approval", NOON + HOUR)),
        (to_be_approved_before_its_end, Seen("awaiting_approval", None, "approval", END)),
        (approved, Seen("submitting", steps.SendWish, LEDGER)),
        (tagged, Seen("submitting", steps.LookAtTag, "WeChat's answer about tag 2", END)),
        (made, Seen("preparing", steps.Make, "the material", END)),
    ],
)
def test_each_row_is_shown(there: Callable[[], Alone], what: Seen) -> None:
    """The phase by which it is found, and what it waits for."""
    assert seen(there()) == what


@pytest.mark.parametrize(
    ("waits", "why"),
    [
        (None, "the account's ledger, which has to catch up"),
        (Waits(why="full"), "room in the account's ledger, which is full of unsettled sends"),
        (Waits(why="full", frozen=FROZEN), "room in the account's ledger, which is full of unsettled sends"),
        (Waits(why="queue", place=3), "another submission of the account, 3 before it"),
        (Waits(why="queue"), "another submission of the account"),
    ],
)
def test_a_send_in_the_queue_says_what_it_waits_for(waits: Waits | None, why: str) -> None:
    """As its account has told."""
    alone = Alone()
    alone.joined()
    alone.sent()
    alone.hear(waits=waits)
    assert (alone.step.phase, alone.step.why) == ("submitting", why)


def _found(alone: Alone) -> tuple[str, str | None]:
    """The phase and the problem by which it is found in Temporal."""
    by = searchable(alone.engine.request, alone.state, alone.step, alone.now)
    return by.phase, by.problem


def test_a_send_that_a_freeze_holds_is_scheduled_and_found() -> None:
    """What is due waits for no time: it says who froze the account, and its story keeps when that began and ended."""
    alone = Alone()
    alone.joined()
    alone.sent()
    alone.hear(waits=Waits(why="queue", place=3))
    assert _found(alone) == ("submitting", None)
    for _ in range(2):
        alone.hear(waits=Waits(why="frozen", frozen=FROZEN))
    assert (_found(alone), alone.step.why) == (("scheduled", "account_frozen"), "frozen by wang: wrong text")
    assert alone.status.problem is None
    alone.hear(waits=Waits(why="full", frozen=FROZEN))
    alone.hear(waits=Waits(why="queue"))
    assert _found(alone) == ("submitting", None)
    told = [(line.what, line.by, line.reason) for line in alone.status.history]
    assert told == [
        ("the account is frozen: it waits", "wang", "wrong text"),
        ("the account is not frozen any more: it goes on", None, None),
    ]


def test_a_freeze_is_no_news_before_the_time() -> None:
    """Its own time holds the send back until then; a lease ends the freeze as well."""
    alone = Alone(send_at=(NOON + MINUTE).isoformat())
    alone.joined()
    alone.sent()
    alone.hear(waits=Waits(why="frozen", frozen=FROZEN))
    assert (_found(alone), alone.step.why) == (("scheduled", None), "send_at")
    alone.wait(MINUTE)
    assert _found(alone) == ("scheduled", "account_frozen")
    alone.hear(answer="lease", lease=alone.lease())
    assert alone.status.history[-1].what == "the account is not frozen any more: it goes on"


def test_what_may_be_out_is_not_called_scheduled() -> None:
    """A freeze holds its repeats back, too; but it was submitted, and nobody may take it for one that was not."""
    alone = Alone()
    alone.joined()
    alone.tries()
    alone.answered("unknown")
    alone.wait(HOUR)
    alone.sent()
    alone.hear(waits=Waits(why="frozen", frozen=FROZEN))
    assert (_found(alone), alone.step.why) == (("submitting", None), "frozen by wang: wrong text")


def test_a_used_up_quota_is_scheduled_and_found() -> None:
    """Until its next window; a try that is only spaced is being submitted, and no problem."""
    alone = Alone()
    alone.joined()
    alone.tries()
    alone.answered("refused", errcode=45028)
    assert _found(alone) == ("scheduled", "quota_exhausted")
    assert "45028" in alone.status.history[-1].what
    assert alone.step.until is not None
    alone.wait(alone.step.until - alone.now - MINUTE)
    assert (_found(alone), alone.wants()) == (("scheduled", "quota_exhausted"), "turn")
    alone.wait(MINUTE)
    assert _found(alone) == ("submitting", None)
    alone.tries()
    alone.answered("refused", errcode=45011)
    assert _found(alone) == ("submitting", None)


def test_a_place_in_the_queue_is_taken_before_the_time() -> None:
    """Two minutes before; until then it is scheduled, and it still says what it waits for."""
    alone = Alone(send_at=(NOON + HOUR).isoformat())
    alone.joined()
    alone.wait(58 * MINUTE - timedelta(seconds=1))
    assert alone.does() is None
    alone.wait(timedelta(seconds=1))
    assert (alone.step.phase, alone.wants()) == ("scheduled", "turn")
    alone.sent()
    alone.hear(waits=Waits(why="queue"))
    assert seen(alone) == Seen("scheduled", None, "send_at", NOON + HOUR)


def test_an_answer_is_checked_with_the_ledger_under_its_problem() -> None:
    """Whose the msg_id is that a person has found; the account does not answer, so that it is dropped."""
    alone = whose()
    assert (alone.step.phase, alone.asks(), alone.wants()) == ("needs_operator", "unknown_outcome", "question")
