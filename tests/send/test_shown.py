"""What people see of each row of the table in `qunfa.send.plan`: the phase, and what is waited for until when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import pytest

from qunfa.contract.grants import Waits
from qunfa.contract.message import Material
from qunfa.contract.operators import Phase
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer
from qunfa.send import events, steps
from qunfa.send.show import opens, searchable
from qunfa.send.state import Case
from tests.rules.arbitrary import NOON
from tests.send import places
from tests.send.alone import FACTS, Alone, own
from tests.send.places import (
    APPROVED,
    FROZEN,
    HOUR,
    MINUTE,
    accepted,
    approved,
    asking,
    begun,
    checked,
    joined,
    paused,
    planned,
    polled,
    polled_no,
    queued,
    to_approve,
    trying,
)

LEDGER = "the account's ledger"
END = NOON + 5 * HOUR
LATER = (NOON + HOUR).isoformat()


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


def collided() -> Alone:
    """WeChat has named a msg_id of nobody knows whom."""
    alone = trying()
    alone.answered("duplicate", errcode=45065, msg_id=9)
    return alone


def lost() -> Alone:
    """A try of which nothing was heard."""
    alone = trying()
    alone.take(events.Lost("its worker is gone"))
    return alone


def previewed() -> Alone:
    """The second preview is next."""
    alone = joined(preview={"to": [{"wxname": "zhao"}, {"wxname": "qian"}]}, not_after=END.isoformat())
    alone.take(events.WasPreviewed(Previewed(to="zhao", sent=True)))
    return alone


def tagged() -> Alone:
    """The tag is looked at first."""
    return joined(audience={"kind": "tag", "tag_id": 2, "expect": {"max": 9}}, not_after=END.isoformat())


def made() -> Alone:
    """The material is to be made."""
    alone = Alone(not_after=END.isoformat())
    alone.run.state = alone.state.changed(pinned=FACTS, digest="d", material=Material())
    alone.joined()
    return alone


PUSH = "WeChat's push on msg_id 7"


@pytest.mark.parametrize(
    ("there", "what"),
    [
        (refused, Seen("done", steps.LookUp, "what the key spring has done before", None, "invalid_request")),
        (stopped, Seen("preparing", steps.LookUp, "what the key has done before")),
        (partial(begun, send_at=LATER), Seen("preparing", steps.SendWish, LEDGER)),
        (begun, Seen("submitting", steps.SendWish, LEDGER)),
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
                "needs_operator", None, "an operator's answer to send_failed", NOON + timedelta(days=3), "send_failed"
            ),
        ),
        (checked, Seen("needs_operator", steps.AskWechat, "WeChat's word on msg_id 7", None, "send_failed")),
        (collided, Seen("submitting", steps.SendWish, LEDGER)),
        (partial(paused, not_after=END.isoformat()), Seen("paused", None, "resume: paused by li", END)),
        (previewed, Seen("previewing", steps.Preview, "the preview to WeChat id qian", END)),
        (
            partial(joined, not_after=END.isoformat(), **APPROVED),
            Seen("awaiting_approval", steps.Show, "what is to be approved", END),
        ),
        (partial(to_approve, decision_timeout="PT1H"), Seen("awaiting_approval", None, "approval", NOON + HOUR)),
        (partial(to_approve, not_after=END.isoformat()), Seen("awaiting_approval", None, "approval", END)),
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
        (Waits(why="full", frozen=FROZEN.frozen), "room in the account's ledger, which is full of unsettled sends"),
        (Waits(why="queue", place=3), "another submission of the account, 3 before it"),
        (Waits(why="queue"), "another submission of the account"),
    ],
)
def test_a_send_in_the_queue_says_what_it_waits_for(waits: Waits | None, why: str) -> None:
    """As its account has told."""
    alone = queued(waits)
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
        alone.hear(waits=FROZEN)
    assert (_found(alone), alone.step.why) == (("scheduled", "account_frozen"), "frozen by wang: wrong text")
    assert alone.status.problem is None
    alone.hear(waits=Waits(why="full", frozen=FROZEN.frozen))
    alone.hear(waits=Waits(why="queue"))
    assert _found(alone) == ("submitting", None)
    told = [(line.what, line.by, line.reason) for line in alone.status.history]
    assert told == [
        ("the account is frozen: it waits", "wang", "wrong text"),
        ("the account is not frozen any more: it goes on", None, None),
    ]


def test_a_used_up_quota_is_scheduled_and_found() -> None:
    """Until its next window; a try that is only spaced is being submitted, and no problem."""
    alone = Alone()
    alone.joined()
    alone.tries()
    alone.answered("refused", errcode=45028)
    assert _found(alone) == ("scheduled", "quota_exhausted")
    assert "45028" in alone.status.history[-1].what
    window = _opens(alone)
    assert window == alone.until, "as its list is told, if it has one"
    alone.wait(alone.until - alone.now - MINUTE)
    assert (_found(alone), alone.wants()) == (("scheduled", "quota_exhausted"), "turn")
    assert _opens(alone) == window, "it is told once"
    alone.wait(MINUTE)
    assert _found(alone) == ("submitting", None)
    alone.tries()
    alone.answered("refused", errcode=45011)
    assert _found(alone) == ("submitting", None)


def test_a_freeze_is_no_news_before_the_time() -> None:
    """Its own time holds the send back until then; a lease ends the freeze as well."""
    alone = Alone(send_at=(NOON + MINUTE).isoformat())
    alone.joined()
    alone.sent()
    alone.hear(waits=FROZEN)
    assert (_found(alone), alone.step.why) == (("scheduled", None), "send_at")
    alone.wait(MINUTE)
    assert _found(alone) == ("scheduled", "account_frozen")
    alone.hear(answer="lease", lease=alone.lease())
    assert alone.status.history[-1].what == "the account is not frozen any more: it goes on"


def test_a_freeze_holds_back_a_try_that_is_spaced_anyway() -> None:
    """WeChat was asked too often: nobody has to wait until that is over to see the freeze."""
    alone = joined()
    alone.tries()
    alone.answered("refused", errcode=45011)
    alone.sent()
    alone.hear(waits=FROZEN)
    assert (alone.until > alone.now, _found(alone)) == (True, ("scheduled", "account_frozen"))


def test_a_freeze_holds_back_what_a_used_up_quota_lets_go() -> None:
    """From the moment at which the quota's next window opens."""
    alone = joined()
    alone.tries()
    alone.answered("refused", errcode=45028)
    opens = alone.until
    alone.wait(opens - alone.now - MINUTE)
    alone.sent()
    alone.hear(waits=FROZEN)
    assert _found(alone) == ("scheduled", "quota_exhausted")
    alone.wait(MINUTE)
    assert (alone.now, _found(alone)) == (opens, ("scheduled", "account_frozen"))


def test_a_send_that_is_held_back_names_who_holds_it() -> None:
    """And nobody after that."""
    assert paused().status.paused_by == "li"
    assert planned().status.paused_by is None


def retried() -> Alone:
    """WeChat has refused its try, and a person has it tried again."""
    alone = places.refused()
    assert alone.retry() is None
    return alone


def taken_up() -> Alone:
    """WeChat has refused the try of an earlier run, which has not ended."""
    alone = Alone()
    alone.joined(own(answer=Answer(kind="refused", at=NOON, errcode=48001)))
    return alone


@pytest.mark.parametrize("there", [retried, taken_up])
def test_a_send_that_is_over_is_not_shown_as_submitting(there: Callable[[], Alone]) -> None:
    """Only a try under way is being submitted, whatever a person has let go on after a no."""
    alone = there()
    assert states(alone) == ["refused"]
    alone.tries()
    assert states(alone) == ["submitting"]
    ended = there()
    assert ended.abort() is None
    ended.asked()
    ended.reported("aborted")
    assert (ended.end.outcome, states(ended)) == ("aborted", ["refused"])


def states(alone: Alone) -> list[str]:
    """Of its jobs."""
    return [job.state for job in alone.status.jobs]


@pytest.mark.parametrize(
    ("there", "phase"),
    [
        (planned, "scheduled"),
        (partial(queued, FROZEN), "scheduled"),
        (queued, "submitting"),
        (partial(joined, **APPROVED), "submitting"),
        (to_approve, "awaiting_approval"),
    ],
)
def test_a_send_that_asks_before_its_end_stands_where_it_stood(there: Callable[[], Alone], phase: Phase) -> None:
    """It has to hear first whether something was delivered."""
    alone = there()
    assert alone.abort() is None
    assert (alone.wants(), alone.step.phase) == ("ending", phase)


def test_a_send_whose_time_has_come_is_scheduled_no_more() -> None:
    """From that very moment on, also while it asks about its end."""
    alone = planned()
    alone.wait(HOUR)
    alone.abort()
    assert (alone.now, alone.step.phase) == (NOON + HOUR, "submitting")


def test_no_send_goes_out_between_its_accounts_hours() -> None:
    """Its account may send again in the afternoon."""
    alone = joined(FACTS.model_copy(update={"send_hours": ("14:00", "22:00")}))
    assert (alone.step.phase, alone.until) == ("scheduled", NOON + 2 * HOUR)
    assert _opens(alone) == NOON + 2 * HOUR, "as its list is told, if it has one"
    alone.wait(2 * HOUR)
    assert _opens(alone) is None
    alone.tries()
    alone.answered("unknown")
    alone.wait(9 * HOUR)
    assert (alone.step.phase, _opens(alone)) == ("submitting", None), "it may be out"


def _opens(alone: Alone) -> datetime | None:
    step = alone.step
    assert isinstance(step, steps.Step)
    return opens(Case(alone.engine.request, alone.state, alone.now), step)
