"""A send whose account does not answer: when it is asked again, and how the send ends all the same."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Known
from qunfa.contract.grants import Granted
from qunfa.contract.result import Answer, Problem
from qunfa.contract.steps import JobStatus, Timing
from qunfa.rules.problems import NO_NEW_KEY
from qunfa.send import events, steps
from qunfa.send.apply import apply
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import a_try
from tests.send.places import begun, in_doubt, joined, refused, trying
from tests.send.test_wishes import wakes

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DOUBT = ("unknown", "unknown_outcome", NO_NEW_KEY)
"""How a send ends that nobody was asked about: nobody uses a new key."""


def test_a_silent_account_is_asked_after_as_long_as_it_was_silent() -> None:
    """First after three times of what an answer may take, and at most after two days."""
    alone = begun(FACTS.model_copy(update={"timing": Timing(ask=timedelta(hours=6))}))
    alone.sent()
    for span in (18, 18, 36, 48, 48):
        began = alone.now
        assert wakes(alone) == began + timedelta(hours=span)
        alone.wait(timedelta(hours=span))
        alone.sent()


def test_a_silent_account_is_asked_as_rarely_after_the_turn() -> None:
    """Once shortly after it: then something else may be wanted of it."""
    alone = begun(FACTS.model_copy(update={"timing": Timing(ask=MINUTE)}), not_after=(NOON + HOUR).isoformat())
    alone.sent()
    spans = []
    for _ in range(8):
        began = alone.now
        alone.wait(wakes(alone) - began)
        spans.append((alone.now - began) // MINUTE)
        alone.sent()
    assert spans == [3, 3, 6, 12, 24, 12, 60, 120]


@pytest.mark.parametrize("silent_for", [timedelta(0), 6 * HOUR], ids=["new", "silent for hours"])
def test_an_abort_ends_a_send_whose_account_stays_silent(silent_for: timedelta) -> None:
    """As unknown, after nine minutes: its account alone knows whether a restored database has forgotten a try.

    It may be back by now, and one of its answers may be lost: it is asked so often, however long it was silent before.
    """
    alone, began = begun(), NOON
    alone.sent()
    while alone.now < began + silent_for:
        alone.wait(alone.until - alone.now)
        alone.sent()
    assert alone.abort() is None
    assert asks_in_vain(alone) == [30, 60, 120, 240, 480, 510]
    assert (alone.end.outcome, alone.failure.name, alone.failure.todo) == DOUBT
    alone.take(events.Finished("unknown"))
    assert "the account's ledger has not answered" in " ".join(line.what for line in alone.state.story[-2:])


@pytest.mark.parametrize("how", ["abort", "cancel"])
def test_an_abort_ends_a_send_that_searches_in_vain(how: str) -> None:
    """Temporal cannot tell of its earlier runs, so that its wish does not come to the account in time."""
    alone = begun()
    alone.wait(6 * HOUR)
    assert alone.step.effect == steps.SendWish("wish-1", search=True)
    alone.take(events.Cancelled("wrong text")) if how == "cancel" else alone.abort()
    assert alone.step.effect == steps.SendWish("wish-1", search=True, ends=True)
    alone.now += 6 * MINUTE
    alone.take(events.WishSent("wish-1"))
    assert wakes(alone) == alone.now + 3 * FACTS.timing.ask
    alone.wait(3 * FACTS.timing.ask)
    assert (alone.end.outcome, alone.failure.name, alone.failure.todo) == DOUBT


def test_a_cancelled_send_that_nobody_has_heard_is_unknown() -> None:
    """As an aborted one."""
    alone = begun()
    alone.sent()
    alone.take(events.Cancelled("wrong text"))
    asks_in_vain(alone)
    assert alone.end.outcome == "unknown"


def test_a_confirmed_abort_is_one_also_before_anything_is_known() -> None:
    """A run that was reset to its first task is told of it again. It would go on, and submit."""
    alone = Alone()
    assert alone.abort(confirm_not_delivered=True) is None
    assert (alone.state.stop and alone.state.stop.by, alone.state.known.decided) == ("li", ())
    assert "its confirmation does not count" in alone.status.history[-1].what


def test_a_confirmed_abort_ends_a_run_that_was_reset_behind_a_try() -> None:
    """Its try was refused, and it asks nothing yet of what that abort has answered."""
    alone = trying()
    alone.answered("refused", errcode=45028)
    alone.take(events.WasReset())
    assert alone.abort(confirm_not_delivered=True) is None
    assert alone.state.stop is not None


def test_a_reset_send_that_asks_keeps_what_a_person_confirms() -> None:
    """No try was made, and the account is silent: who has looked is believed."""
    alone = joined()
    alone.take(events.Obstructed(Problem(name="media_refused", sentence="x", todo="y")))
    alone.asked()
    alone.take(events.WasReset())
    alone.sent()
    assert (alone.asks(), alone.abort(confirm_not_delivered=True)) == ("media_refused", None)
    assert [one.confirms for one in alone.state.known.decided] == [True]


def test_a_reset_send_that_was_looked_for_ends_as_aborted() -> None:
    """It has not heard its account since the reset, and a person has found nothing in WeChat's console."""
    alone = refused()
    alone.take(events.WasReset())
    alone.sent()
    assert alone.abort(confirm_not_delivered=True) is None
    asks_in_vain(alone)
    assert alone.end.outcome == "aborted"


@pytest.mark.parametrize("how", ["abort", "cancel", "time"])
def test_an_early_end_under_a_silent_ledger_is_unknown(how: str) -> None:
    """Its content is not known yet, so that it asks for no turn. After a reset the ledger is asked once more."""
    alone = Alone(not_after=(NOON + HOUR).isoformat())
    if how == "time":
        alone.wait(HOUR)
    else:
        alone.take(events.Cancelled("wrong text")) if how == "cancel" else alone.abort()
    assert alone.does() is steps.LookUp
    alone.take(events.LookedUp(Known(), "its ledger does not answer"))
    assert (alone.end.outcome, alone.failure.name, alone.failure.todo) == DOUBT
    after = apply(alone.engine.request, alone.state, events.Finished("unknown"), alone.now)
    assert "the account's ledger has not answered" in after.story[-2].what
    alone.take(events.WasReset())
    assert alone.does() is steps.LookUp
    alone.take(events.LookedUp(Known()))
    assert alone.end.outcome == ("expired" if how == "time" else "aborted")


def asks_in_vain(alone: Alone) -> list[int]:
    """When a send that ends asks its account, which never answers, and when it stops that, in seconds from now."""
    began, asked = alone.now, []
    while isinstance(step := alone.engine.planned(alone.run, alone.now), steps.Step):
        if isinstance(step.effect, steps.Report):
            break
        if isinstance(step.effect, steps.SendWish):
            assert alone.wants() == "ending" or alone.state.heard is None
            asked.append(int((alone.now - began).total_seconds()))
            alone.sent()
        alone.wait(wakes(alone) - alone.now)
    return [*asked, int((alone.now - began).total_seconds())]


@pytest.mark.parametrize("how", ["abort", "cancel", "time", "nobody"])
def test_an_end_of_a_send_whose_account_turns_silent_is_unknown(how: str) -> None:
    """It has joined, so that a restored database may have forgotten its try. It tells of its end."""
    approved: dict[str, Any] = {"approval": {"required": True}, "requested_by": "crm", "decision_timeout": "PT1H"}
    alone = joined(**approved) if how == "nobody" else joined(not_after=(NOON + HOUR).isoformat())
    match how:
        case "abort":
            alone.abort()
        case "cancel":
            alone.take(events.Cancelled("wrong text"))
        case "nobody":
            alone.take(events.Shown(("to all",)))
            alone.wait(HOUR)
        case _:
            alone.wait(HOUR)
    began = alone.now
    assert asks_in_vain(alone) == [0, 30, 60, 120, 240, 480, 510]
    alone.reported("unknown")
    assert (alone.end.outcome, alone.now - began) == ("unknown", timedelta(seconds=510))
    alone.take(events.Finished("unknown"))
    assert "the account's ledger has not answered" in " ".join(line.what for line in alone.state.story[-2:])


@pytest.mark.parametrize("place", [in_doubt, refused])
def test_what_a_person_has_looked_for_ends_so_under_a_silent_account(place: Callable[[], Alone]) -> None:
    """Whatever the account knew would stand in WeChat's console."""
    alone = place()
    assert alone.abort(confirm_not_delivered=True) is None
    alone.reported()
    asks_in_vain(alone)
    alone.reported("aborted")
    assert alone.end.outcome == "aborted"


def test_an_end_gives_an_account_that_was_down_time_to_answer() -> None:
    """No worker ran for an hour: the account is asked again, and has as long as ever."""
    alone = joined(not_after=(NOON + HOUR).isoformat())
    alone.wait(HOUR)
    alone.sent()
    alone.wait(HOUR)
    alone.sent()
    assert wakes(alone) == alone.now + 3 * FACTS.timing.ask
    alone.hear()
    alone.asked()
    alone.reported("expired")
    assert alone.end.outcome == "expired"


@pytest.mark.parametrize("late", [31, 59, 100, 200])
def test_an_end_comes_also_where_the_account_answers_late(late: int) -> None:
    """An answer to a wish that was made again counts no more, and each is as late as the one before."""
    alone = joined()
    assert alone.abort() is None
    asked: list[tuple[datetime, Granted]] = []
    while not isinstance(alone.step.effect, steps.Report):
        assert len(asked) < 20, "it asks for ever"
        if isinstance(alone.step.effect, steps.SendWish):
            alone.sent()
            asked.append((alone.now + late * SECOND, alone.granted()))
        alone.now = min([alone.until, *(at for at, _ in asked if at > alone.now)])
        alone.take(events.TimeCame(), *(answer for at, answer in asked if at == alone.now))
    alone.reported("aborted")


@pytest.mark.parametrize("was_heard", [False, True])
def test_an_end_asks_again_if_its_answer_is_from_before_a_restore(was_heard: bool) -> None:
    """Heard by the snapshot or not: what came after it, only the account knows. Nine asks are short enough."""
    alone = joined()
    assert alone.abort() is None
    before = alone.wish.wish
    happens: list[events.Event] = [events.WishSent(before, Known(), searched=True), alone.granted()]
    if was_heard:
        alone.take(*happens)
        assert isinstance(alone.step.effect, steps.Report)
        happens = [events.Reported(alone.step.effect.ended)]
        alone.now += 9 * FACTS.timing.ask
        assert alone.does() is steps.Report
        alone.now -= 9 * FACTS.timing.ask
    alone.now += 9 * FACTS.timing.ask + SECOND
    alone.take(*happens)
    assert alone.wants() == "ending"
    assert alone.wish.wish != before
    alone.asked(Known(tries=(a_try(answer=Answer(kind="accepted", at=NOON, msg_id=7)),)))
    assert alone.step.phase == "awaiting_result"


@pytest.mark.parametrize("is_own", [True, False])
def test_an_abort_under_a_silent_ledger_asks_wechat_of_a_no(*, is_own: bool) -> None:
    """An earlier run had a job accepted; the no on it may be forged, and nobody but WeChat can tell. Its yes counts.

    It does not where WeChat took the run for a repeat of a job that may be another's: only the account can tell.
    """
    kind, errcode = ("accepted", None) if is_own else ("duplicate", 45065)
    alone = begun()
    alone.pushed("err(30003)")
    assert alone.abort() is None
    alone.sent(own(answer=Answer.model_validate({"kind": kind, "at": NOON, "msg_id": 7, "errcode": errcode})))
    while alone.does() is not steps.AskWechat:
        if alone.does() is steps.SendWish:
            alone.sent()
        alone.wait(wakes(alone) - alone.now)
    alone.take(events.WechatSaid(7, JobStatus(status="SEND_SUCCESS")))
    if is_own:
        alone.reported("sent")
    assert alone.end.outcome == ("sent" if is_own else "unknown")
