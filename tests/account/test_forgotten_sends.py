"""Sends that end, or ask a person, once their account was told of a restored database: each is doubted first."""

import re
from datetime import timedelta

import pytest

from qunfa.account.people import caught_up, doubted
from qunfa.account.show import answer_of
from qunfa.contract.facts import Known
from qunfa.contract.grants import Ending
from qunfa.contract.operators import Abort
from qunfa.contract.result import Job
from qunfa.contract.steps import LedgerQuestion
from qunfa.rules.digest import clientmsgid
from qunfa.rules.problems import NOT_AGAIN, describe
from qunfa.send import ledger
from qunfa.send.events import Cancelled, LookedUp, Obstructed, Shown, Updated
from qunfa.send.state import Case
from qunfa.send.steps import LookUp, SendWish
from tests.account.driving import MINUTE, answer, asked, attempt, done, known, look, turn, wish, yes
from tests.account.test_restored import OWN, TOLD, doubts, kept_record, restored
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone
from tests.send.places import HOUR, QUEUE, joined


@pytest.mark.parametrize("was_sent", [False, True])
def test_a_refusal_after_a_restore_names_no_batch_that_never_was(*, was_sent: bool) -> None:
    """The account doubts each key of which it is asked. That of the request is named; a batch is where it was sent."""
    state, key = restored(), "spring.1"
    if was_sent:
        state = done(state, look(key=key, known=known(attempt(answer()))))
    whole, first = [answer_of(state, LedgerQuestion(key=one), NOON)[1].known or Known() for one in ("spring", key)]
    alone = Alone()
    alone.joined(answer="reused")
    alone.take(LookedUp(whole, first_batch=first))
    named = re.findall(r'an earlier run under "(.*?)" was delivered, or may have been', " ".join(alone.end.refused))
    assert named == ([key, "spring"] if was_sent else ["spring"])


def begun_too_late() -> Alone:
    """A send that looks for what its key has done, since its time is over."""
    alone = Alone(not_after=NOON.isoformat())
    alone.take()
    assert alone.does() is LookUp
    return alone


def test_a_key_is_in_doubt_that_ends_before_its_content_is_known() -> None:
    """Its ``not_after`` was over as it was started again. What is new once all has caught up is not."""
    state, _ = asked(restored(), look("w0", "known"))
    alone = begun_too_late()
    for key in ("known", "spring"):
        found = answer_of(state, LedgerQuestion(key=key), NOON)[1].known or Known()
        assert len(doubts(found)) == 1
    alone.take(LookedUp(found))
    while alone.does() is SendWish:
        alone.asked(found)
    assert alone.asks() == "unknown_outcome"
    state = caught_up(state, NOON)
    assert answer_of(state, LedgerQuestion(key="spring"), NOON)[1].known is None
    assert len(doubts(answer_of(state, LedgerQuestion(key="known"), NOON)[1].known or Known())) == 1
    alone = begun_too_late()
    alone.take(LookedUp(Known()))
    assert alone.end.outcome == "expired"


def test_a_doubt_about_a_key_of_which_nothing_is_known_has_its_id() -> None:
    """A person who reads the result of a send that was stopped at once looks for that job."""
    found = answer_of(restored(), LedgerQuestion(key="spring"), NOON)[1].known or Known()
    alone = Alone()
    alone.abort()
    alone.take(LookedUp(found))
    assert alone.end.outcome == "unknown"
    assert [job.clientmsgid for job in alone.status.jobs] == [Case(alone.engine.request, alone.state, NOON).own_id(0)]


@pytest.mark.parametrize("how", ["abort", "cancel", "time"])
def test_a_send_that_ends_after_a_restore_may_have_been_sent(how: str) -> None:
    """Its time is over: a person is asked. It was stopped: that is told as unknown. Nothing of it is submitted."""
    alone = joined(send_at=(NOON + MINUTE).isoformat(), not_after=(NOON + HOUR).isoformat())
    alone.sent()
    alone.hear(waits=QUEUE)
    match how:
        case "abort":
            alone.abort()
        case "cancel":
            alone.take(Cancelled("wrong text"))
        case _:
            alone.wait(HOUR)
    assert alone.wants() == "ending"
    ending = ledger.ending(Case(alone.engine.request, alone.state, alone.now))
    assert ending == Ending(generation=0, clientmsgid=OWN)
    state, [heard] = asked(restored(), look("w0", "spring", ending=ending))
    assert [one.clientmsgid for one in doubts(heard.known)] == [OWN]
    alone.asked(heard.known)
    if how == "time":
        alone.asked()
        assert alone.asks() == "unknown_outcome"
    else:
        alone.reported("unknown")
        assert alone.end.outcome == "unknown"
    _, [again] = asked(state, look("w1", "spring", number=2, known=heard.known, ending=ending))
    assert again.known == heard.known


def doubted_by_its_account(alone: Alone, ending: Ending) -> None:
    """A send that is about to ask has told its account so, which was restored, and doubts that generation."""
    assert alone.wants() == "asking"
    assert ledger.ending(Case(alone.engine.request, alone.state, alone.now)) == ending
    _, [heard] = asked(restored(), look("w0", "spring", known=alone.state.known, ending=ending))
    alone.asked(heard.known)
    while alone.does() is SendWish:
        alone.asked()


def test_what_stands_against_a_send_comes_after_the_doubt() -> None:
    """It has never asked for a turn. A retry by this message may be the second one, and so may a new key."""
    alone = joined(audience={"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}})
    changed = describe("audience_changed", Job(clientmsgid=OWN))
    alone.take(Obstructed(changed))
    doubted_by_its_account(alone, Ending(generation=0, clientmsgid=OWN))
    assert alone.asks() == "unknown_outcome"
    assert alone.problem.sentence.endswith(NOT_AGAIN)
    assert set(alone.status.answers) == {"retry", "mark_sent", "abort"}
    assert alone.retry(confirm_not_delivered=True) is None
    alone.reported()
    alone.take(Obstructed(changed))
    alone.asked()
    assert alone.asks() == "audience_changed"


def test_a_no_after_a_restore_is_asked_about_after_the_doubt() -> None:
    """WeChat says that the message has failed. A retry of it may be forgotten, and may have been delivered."""
    alone = Alone()
    alone.accepted()
    alone.pushed("err(10001)")
    doubted_by_its_account(alone, Ending(generation=1, clientmsgid=clientmsgid("default", "wx", "spring", 1)))
    assert alone.asks() == "unknown_outcome"
    assert "mark_sent" in alone.status.answers


def test_a_snapshot_of_the_future_has_nothing_repeated() -> None:
    """Whoever signals an account by Temporal's own means may mistake the year. Each key still asks a person."""
    told = TOLD.model_copy(update={"taken": NOON + timedelta(days=365)})
    _, [heard] = asked(restored(told=told), wish(key="spring"))
    alone = joined()
    alone.hear(heard.known)
    assert alone.wants() == "asking"
    alone.asked()
    assert alone.asks() == "unknown_outcome"


def test_what_nobody_has_approved_is_not_repeated() -> None:
    """Nobody decides in time. The account doubts the key then, and there may have been no submission at all."""
    alone = joined(approval={"required": True}, requested_by="crm", decision_timeout="PT1H")
    alone.take(Shown(("text: 你好", "to all followers")))
    alone.wait(HOUR)
    assert alone.wants() == "ending"
    ending = ledger.ending(Case(alone.engine.request, alone.state, alone.now))
    _, [heard] = asked(restored(), look("w0", "spring", ending=ending))
    alone.asked(heard.known)
    assert alone.wants() != "turn"


@pytest.mark.parametrize("how", ["abort", "cancel"])
def test_what_was_stopped_as_the_snapshot_was_taken_ends(how: str) -> None:
    """Its account is told of the restore while it has a place in the queue, and doubts it at once."""
    alone = joined()
    alone.sent()
    alone.hear(waits=QUEUE)
    alone.take(Updated("u", Abort(by="li", reason="wrong text")) if how == "abort" else Cancelled("wrong text"))
    record = doubted(restored(), kept_record(), 0, OWN)
    alone.asked(record.known)
    assert alone.wants() in {None, "ending"}
    assert Case(alone.engine.request, alone.state, alone.now).stops


def test_a_job_that_failed_may_have_been_sent_again() -> None:
    """By a retry that is forgotten."""
    ending = Ending(generation=1, clientmsgid=turn(1).clientmsgid)
    failed = known(attempt(answer()), said=(yes(status="err(10001)"),))
    _, [heard] = asked(restored(), look(known=failed, ending=ending))
    assert [one.generation for one in doubts(heard.known)] == [1]
