"""A job of another Temporal: its namespace has the same name, so that its sends have the same clientmsgids."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from qunfa.account.people import doubted, marked
from qunfa.account.state import AccountState
from qunfa.batches.rows import row_of
from qunfa.contract.facts import ELSEWHERE, Decided, Known, Owned
from qunfa.contract.operators import Restore
from qunfa.contract.result import Answer, Counts, JobFinished
from qunfa.rules.outcome import result
from qunfa.send.doubt import jobs_of
from tests.account.driving import (
    DAY,
    EMPTY,
    MINUTE,
    SECOND,
    answer,
    attempt,
    done,
    known,
    leased,
    report,
    tried,
    turn,
    wish,
)
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone
from tests.send.places import found
from tests.send.test_contradictions import settled

ECHO = answer("duplicate", msg_id=7)
HALF = DAY / 2
SILENCE = Answer(kind="unknown", at=NOON)
PUSH = JobFinished(msg_id=7, status="send success", counts=Counts(total=5, filter=5, sent=5))
ALIEN = Owned(msg_id=7, key=ELSEWHERE, generation=0)
OWN = Owned(msg_id=7, key="k", generation=0)


def pushed(before: timedelta) -> AccountState:
    """The account that had heard of the job so long before noon, when the key is tried."""
    return done(EMPTY, PUSH, now=NOON - before)


def owners(state: AccountState) -> tuple[Owned, ...]:
    """What the key knows of owners."""
    return state.records["k"].known.owned


def test_a_job_that_was_over_before_is_not_the_keys() -> None:
    """Its push stays nobody's, and so it stays once that push is forgotten."""
    state = done(pushed(2 * MINUTE), report(attempt(ECHO)))
    assert (owners(state), [one.event for one in state.kept]) == ((ALIEN,), [PUSH])
    assert (state.records["k"].known.said, state.records["k"].jobs[0].collides_with) == ((), 7)
    assert (state.records["k"].unsettled, state.records["k"].to_come) == (True, 0)
    assert [(day.total, day.others) for day in state.book.values()] == [(0, 1)]
    later = done(state.changed(kept=()), report(known=known(attempt(ECHO), attempt(ECHO, 2, "w2"), owned=(ALIEN,))))
    assert owners(later) == (ALIEN,)


def test_a_job_that_the_first_try_can_have_made_is_the_keys() -> None:
    """The first one was silent, and WeChat was done before the second; or a worker has written a little early."""
    silent = attempt(SILENCE, not_before=NOON - 3 * MINUTE)
    second = attempt(ECHO, 2, "w2")
    for state in (done(pushed(2 * MINUTE), report(silent, second)), done(pushed(MINUTE), report(attempt(ECHO)))):
        assert (owners(state), state.kept) == ((OWN,), ())
        assert state.records["k"].known.said[0].verdict.status == "send success"


@pytest.mark.parametrize(("began", "owner"), [(NOON - SECOND, OWN), (NOON, ALIEN)])
def test_a_ledger_lost_since_a_45065_claims_no_job_by_it(began: datetime, owner: Owned) -> None:
    """The one before may have known whose it is."""
    assert owners(done(EMPTY.changed(since=began), report(attempt(ECHO)))) == (owner,)


def test_a_lease_in_use_is_no_other_keys_doubt() -> None:
    """The first try of the only key is answered with 45065: it is its own, as WeChat has been seen to say."""
    state, lease = leased(EMPTY, wish(turn=turn()))
    assert owners(done(state, report(tried(lease, ECHO)))) == (OWN,)


def test_a_first_try_claims_no_job_that_a_try_in_doubt_may_have_made() -> None:
    """WeChat may name another key's job before that key has heard of it. That key finds it by its own repeat."""
    silent, fresh = report(attempt(SILENCE), key="other"), report(attempt(ECHO, name="w2"))
    state = done(EMPTY, silent, fresh, PUSH)
    assert (owners(state), [one.event for one in state.kept]) == ((ALIEN,), [PUSH])
    theirs = attempt(answer("duplicate", msg_id=7), 2, "w3")
    state = done(state, report(attempt(SILENCE), theirs, key="other"))
    assert state.records["other"].known.owned == (Owned(msg_id=7, key="other", generation=0),)
    assert (state.records["other"].known.said[0].verdict.status, state.kept) == ("send success", ())
    own = done(EMPTY, silent, report(attempt(SILENCE), attempt(ECHO, 2, "w2")))
    assert owners(own) == (OWN,), "an earlier try of its own may have made it"
    before = report(attempt(SILENCE), attempt(ECHO, 2, "w2", generation=1))
    assert owners(done(EMPTY, silent, before)) == (ALIEN,), "not one under another id"


def test_a_try_under_another_id_tells_nothing_of_this_one() -> None:
    """The generation before it was tried earlier, and cannot have made a job that this one's id names."""
    before = attempt(answer("refused", errcode=45028), not_before=NOON - DAY)
    state = done(pushed(MINUTE * 5), report(before, attempt(ECHO, 2, "w2", generation=1)))
    assert owners(state) == (ALIEN,)


def test_a_forgotten_try_may_have_made_the_job() -> None:
    """A database was restored: what the key has done before may be forgotten, under whichever id."""
    state = marked(pushed(HALF), Restore(by="li", reason="a dead disk", taken=NOON - DAY), NOON - HALF)
    state = state.changed(frozen=None)
    record = done(state, report(attempt(answer("refused", errcode=45028)))).records["k"]
    state = state.changed(records={"k": doubted(state, record, 0, turn().clientmsgid)})
    state = done(state, report(attempt(ECHO, 9, "w2", generation=1)))
    assert owners(state) == (Owned(msg_id=7, key="k", generation=1),)


def test_an_acceptance_is_the_keys_whatever_was_kept() -> None:
    """Only a 45065 may name another's job; and a person may have found it to be this key's after all."""
    state = pushed(2 * MINUTE)
    assert done(state, report(attempt(answer()))).records["k"].jobs[0].msg_id == 7
    mark = Decided(id="u", what="mark_sent", by="li", reason="found", at=NOON, generation=0, msg_id=7)
    state = done(state, report(attempt(ECHO)))
    state = done(state, report(known=known(attempt(ECHO), decided=(mark,), owned=(ALIEN,))))
    assert owners(state) == (OWN.model_copy(update={"accepted": True}),)
    assert ([one.msg_id for one in state.records["k"].known.said], state.kept) == ([7], ())


def collided(alone: Alone) -> Alone:
    """WeChat has answered 45065, and the ledger says that the job is of elsewhere."""
    alone.joined()
    alone.tries()
    alone.answered("duplicate", errcode=45065)
    alone.asked(Known(owned=(ALIEN,)))
    return alone


def asking(**request: Any) -> Alone:
    """A person is asked about it."""
    alone = collided(Alone(**request))
    alone.asked()
    assert alone.asks() == "clientmsgid_collision"
    return alone


def ended(alone: Alone) -> tuple[str, bool, str]:
    """How it ends, whether it may have been delivered, and what the report of its list says of it."""
    end = settled(alone)
    told = result(alone.engine.request, jobs_of(alone.state.known, "spring"), end.outcome, end.problem)
    return told.outcome, told.may_have_been_delivered, row_of(1, told).state


def test_a_job_of_elsewhere_may_be_found_to_be_the_keys() -> None:
    """A person sees in the console whom it went to: the ledger is gone where the whole server was lost."""
    alone = asking()
    found(alone, 7)
    alone.reported()
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 7)
    alone.pushed()
    assert ended(alone) == ("sent", True, "sent")


@pytest.mark.parametrize("way", ["abort", "nobody decides", "on_problem"])
def test_a_job_of_elsewhere_leaves_its_send_in_doubt(way: str) -> None:
    """WeChat has accepted it under this key's own id, and nobody here knows whom it went to."""
    if way == "on_problem":
        alone = collided(Alone(on_problem="fail"))
    else:
        alone = asking(decision_timeout="PT2H", not_after=NOON + timedelta(hours=1))
    if way == "abort":
        assert alone.abort() is None
    elif way == "nobody decides":
        alone.wait(timedelta(hours=2))
    assert ended(alone) == ("unknown", True, "unknown")


def test_who_finds_nothing_of_a_job_of_elsewhere_ends_it() -> None:
    """The list's report still offers nobody to another send: only a person says that nothing was delivered."""
    alone = asking()
    assert "may have accepted this one" in alone.problem.sentence
    assert alone.abort(confirm_not_delivered=True) is None
    assert ended(alone) == ("aborted", False, "unknown")
