import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.event import Counts, JobFinished
from qunfa.contract.job import Answer, Job, Verdict
from qunfa.contract.ledger import (
    AccountState,
    Ask,
    Claim,
    ClaimAnswer,
    Frozen,
    Lease,
    LeaseAnswer,
    Owner,
    Record,
    Reserve,
    Told,
)
from qunfa.contract.result import Outcome
from qunfa.rules import leases, ledger
from qunfa.rules.ledger_size import trim
from qunfa.rules.submission import unsettled
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NOON

EMPTY = AccountState(appid="wx", since=NOON)
SECOND = timedelta(seconds=1)
YES = Verdict(status="send success", observed_by="push")
PUSH = JobFinished(msg_id=7, status="send success", counts=Counts(total=3, filter=3, sent=3))
ACCEPTED = Answer(kind="accepted", at=NOON, msg_id=7)


def ask(attempt: int = 1, generation: int = 0, **more: Any) -> Ask:
    """For a try of the first job."""
    identity = f"{CLIENTMSGID[:-2]}{generation:02d}"
    return Ask.model_validate(
        {
            "index": 0,
            "generation": generation,
            "attempt": attempt,
            "clientmsgid": identity,
            "pace": SECOND,
            "http_timeout": 30 * SECOND,
            **more,
        }
    )


def claimed(state: AccountState = EMPTY, key: str = "k", found: tuple[Job, ...] = ()) -> AccountState:
    """The ledger once the key is claimed."""
    asked = Claim(key=key, digest="d", workflow_id=f"w:{key}", searched=True, found=found)
    state, answer = ledger.claim(state, asked, NOON)
    assert answer.kind == "record"
    return state


def reserve(
    state: AccountState, attempt: int = 1, now: datetime = NOON, key: str = "k", **more: Any
) -> tuple[AccountState, LeaseAnswer]:
    """Ask for a lease."""
    return leases.reserve(state, Reserve(key=key, digest="d", ask=ask(attempt, **more)), now)


def leased(state: AccountState, attempt: int = 1, now: datetime = NOON, **more: Any) -> tuple[AccountState, Lease]:
    """The ledger once the lease is granted."""
    state, answer = reserve(state, attempt, now, **more)
    assert answer.kind == "go"
    assert answer.lease is not None
    return state, answer.lease


def told(state: AccountState, answer: Answer, attempt: int = 1, key: str = "k", now: datetime = NOON) -> AccountState:
    """The ledger once a try is told."""
    note = Told(key=key, digest="d", workflow_id=f"w:{key}", attempt=attempt, answer=answer)
    return ledger.told(state, note, now)[0]


def job_in(state: AccountState, key: str = "k") -> Job:
    """The newest job of the key."""
    return state.records[key].jobs[-1]


def refused(errcode: int = 48001, at: datetime = NOON) -> Answer:
    """A refusal."""
    return Answer(kind="refused", at=at, errcode=errcode)


def test_a_key_is_new_only_once_earlier_runs_were_searched() -> None:
    """A miss grants nothing and keeps nothing; the second claim brings what was found."""
    asked = Claim(key="k", digest="d", workflow_id="w")
    state, answer = ledger.claim(EMPTY, asked, NOON)
    assert (state, answer.kind) == (EMPTY, "miss")
    found = Job(clientmsgid=CLIENTMSGID, attempts=1, msg_id=7)
    state = claimed(found=(found,))
    assert job_in(state) == found
    assert ledger.claim(state, asked, NOON)[1].kind == "record"


def test_a_key_stands_for_one_content() -> None:
    """Another digest is refused, whatever was found."""
    asked = Claim(key="k", digest="other", workflow_id="w", searched=True)
    state, answer = ledger.claim(claimed(), asked, NOON)
    assert answer.kind == "reused"
    assert state == claimed()


@pytest.mark.parametrize("ended_as", [None, "failed"])
def test_a_note_for_a_lost_ledger_does_not_stand_for_a_search(ended_as: Outcome | None) -> None:
    """A note that comes first to a new ledger makes no record from which a restarted send would go on."""
    note = Told(key="k", digest="d", workflow_id="w", attempt=1, answer=ACCEPTED, ended_as=ended_as)
    state, _ = ledger.told(EMPTY, note, NOON)
    assert ledger.claim(state, Claim(key="k", digest="d", workflow_id="w"), NOON)[1].kind == "miss"
    assert reserve(state, 2)[1].kind == "unclaimed"
    assert reserve(claimed(state))[1].kind == "go"


def test_a_push_before_and_after_the_answer_are_the_same() -> None:
    """Whichever comes first, the verdict is noted and the push goes on, once."""
    state, _ = leased(claimed())
    early, none = ledger.push(state, PUSH, NOON)
    note = Told(key="k", digest="d", workflow_id="w:k", attempt=1, answer=ACCEPTED)
    early, forwards = ledger.told(early, note, NOON)
    late, nothing = ledger.told(state, note, NOON)
    late, forwarded = ledger.push(late, PUSH, NOON)
    assert none == nothing == ()
    assert forwards == forwarded == (ledger.Forward("w:k", PUSH),)
    assert early.records == late.records
    assert early.kept == late.kept == ()
    assert [(day.total, day.others) for day in early.book.values()] == [(1, 0)]
    assert [(day.total, day.others) for day in late.book.values()] == [(1, 0)]


@given(st.lists(arbitrary.events, max_size=6), arbitrary.events)
def test_the_same_push_twice_changes_nothing(before: list[JobFinished], event: JobFinished) -> None:
    """WeChat repeats what was not answered in time."""
    state = told(leased(claimed())[0], Answer(kind="accepted", at=NOON, msg_id=3))
    for earlier in before:
        state, _ = ledger.push(state, earlier, NOON)
    once, _ = ledger.push(state, event, NOON)
    twice, _ = ledger.push(once, event, NOON + SECOND)
    assert twice == once


def test_a_push_of_nobody_is_kept_and_counted_once() -> None:
    """A send made by hand in the console is in the quota book, however often its push comes."""
    state, forwards = ledger.push(EMPTY, PUSH, NOON)
    state, _ = ledger.push(state, PUSH.model_copy(update={"create_time": 1}), NOON)
    assert forwards == ()
    assert [day.others for day in state.book.values()] == [1]
    state = told(leased(claimed(state))[0], ACCEPTED)
    assert [(day.others, day.total) for day in state.book.values()] == [(0, 1)]


def test_kept_pushes_are_bounded() -> None:
    """The newest 200."""
    state = EMPTY
    for msg_id in range(1, 260):
        state, _ = ledger.push(state, PUSH.model_copy(update={"msg_id": msg_id}), NOON)
    assert [kept.event.msg_id for kept in state.kept] == list(range(60, 260))


def test_a_msg_id_belongs_to_one_job() -> None:
    """45065 with the msg_id of another key's job is a collision."""
    state = told(leased(claimed())[0], ACCEPTED)
    state, _ = leased(claimed(state, "other"), key="other", now=NOON + 5 * SECOND)
    again = Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7)
    state = told(state, again, key="other")
    assert (job_in(state, "other").msg_id, job_in(state, "other").collides_with) == (None, 7)
    assert job_in(state).msg_id == 7


def test_a_msg_id_goes_to_the_one_that_was_accepted_under_it() -> None:
    """A 45065 told first does not keep the msg_id from the job that WeChat accepted as it."""
    state, _ = leased(claimed(claimed(), "other"))
    late = NOON + timedelta(minutes=5)
    state, _ = leased(state, key="other", now=late)
    state = told(state, Answer(kind="duplicate", at=late, errcode=45065, msg_id=7), key="other", now=late)
    state = told(state, ACCEPTED, now=late)
    assert (job_in(state, "other").msg_id, job_in(state, "other").collides_with) == (None, 7)
    owner = ledger.owner_of(state, 7)
    assert owner is not None
    assert owner[0].key == "k"


@pytest.mark.parametrize(("msg_id", "owner"), [(7, Owner(key="k", index=0, generation=0)), (8, Owner())])
def test_who_asks_whose_a_msg_id_is_claims_nothing(msg_id: int, owner: Owner) -> None:
    """The ledger is as it was, whatever key the question bears."""
    state = told(leased(claimed())[0], ACCEPTED)
    for key in ("k", "unknown"):
        asked = Claim(key=key, digest="whose", workflow_id="w", whose=msg_id)
        assert ledger.claim(state, asked, NOON) == (state, ClaimAnswer(kind="owner", owner=owner))


def test_a_collision_told_twice_counts_once() -> None:
    """A 45065 with the msg_id of an earlier generation of the same key."""
    state = told(leased(claimed())[0], ACCEPTED)
    note = Told(
        key="k",
        digest="d",
        workflow_id="w",
        generation=1,
        attempt=1,
        clientmsgid=f"{CLIENTMSGID[:-2]}01",
        answer=Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7),
    )
    once, _ = ledger.told(state, note, NOON)
    twice, _ = ledger.told(once, note, NOON)
    assert twice == once
    assert once.records["k"].jobs[-1].collides_with == 7


def test_an_answer_told_twice_or_late_counts_once() -> None:
    """Neither the spacing nor the count of refused tokens grows with a repeated note, and the newest answer stands."""
    state, _ = leased(claimed())
    first = refused(40001)
    once = told(state, first)
    assert told(once, first) == once
    state, _ = leased(once, 2, NOON + 5 * SECOND)
    newest = refused(48001, NOON + 6 * SECOND)
    state = told(state, newest, 2)
    assert told(state, first) == state


def test_a_late_doubt_is_still_a_doubt() -> None:
    """An old note cannot take back a doubt, but it can bring one."""
    state = told(leased(claimed())[0], refused(at=NOON + SECOND))
    assert unsettled(job_in(told(state, Answer(kind="unknown", at=NOON))))


@pytest.mark.parametrize("number", [2000])
def test_a_full_ledger_answers_at_once(number: int) -> None:
    """With thousands of keys, a message takes less than 5 ms of the processor."""
    records = {
        f"k{n}": Record(
            key=f"k{n}",
            digest="d",
            workflow_id=f"w:k{n}",
            touched_at=NOON,
            jobs=(Job(clientmsgid=CLIENTMSGID, attempts=1, msg_id=n + 10, accepted_at=NOON, verdict=YES),),
        )
        for n in range(number)
    }
    state = claimed(EMPTY.model_copy(update={"records": records}))
    timings = []
    for _ in range(5):
        began = time.process_time()
        ledger.claim(state, Claim(key="new", digest="d", workflow_id="w", searched=True), NOON)
        after, _ = leased(state)
        after = told(after, Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7))
        ledger.push(after, PUSH, NOON)
        ledger.push(after, PUSH.model_copy(update={"msg_id": 10**9}), NOON)
        timings.append(time.process_time() - began)
    assert min(timings) < 5 * 0.005


def test_the_switch_is_not_touched_by_notes() -> None:
    """A note of a try that was under way when the account was frozen leaves it frozen."""
    state, _ = leased(claimed())
    frozen = Frozen(by="li", reason="wrong price", at=NOON)
    state = told(state.model_copy(update={"frozen": frozen}), ACCEPTED)
    assert state.frozen == frozen
    assert trim(state, NOON).frozen == frozen
