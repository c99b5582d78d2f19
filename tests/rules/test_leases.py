from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.job import Answer, Job
from qunfa.contract.ledger import AccountState, Claim, Frozen, Record, Reserve
from qunfa.rules import leases, ledger
from qunfa.rules.submission import unsettled
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NO_OF_OPERATOR, NOON
from tests.rules.test_course import ACCEPTED, CONFIRMED, FAILED, NEW, SENT, UNKNOWN, in_turn
from tests.rules.test_ledger import SECOND, ask, claimed, job_in, leased, refused, reserve, told

FROZEN = Frozen(by="li", reason="wrong price", at=NOON)
LATER = timedelta(minutes=10)


def holding(*jobs: Job) -> AccountState:
    """A ledger that knows these generations."""
    return claimed(found=jobs)


def test_a_lease_is_granted_with_its_times() -> None:
    """Written between ``not_before`` and ``valid_until``; untold at ``expires_at`` it is given up."""
    state, lease = leased(claimed())
    assert (lease.not_before, lease.valid_until) == (NOON, NOON + 30 * SECOND)
    assert lease.expires_at == NOON + 120 * SECOND + leases.SLACK
    assert job_in(state).attempts == 1
    assert job_in(state).clientmsgid == CLIENTMSGID


@pytest.mark.parametrize("digest", ["d", "other"])
def test_nothing_is_leased_without_a_claim(digest: str) -> None:
    """Neither an unknown key, nor one that is claimed for other content."""
    state = claimed() if digest == "other" else AccountState(appid="wx", since=NOON)
    after, answer = leases.reserve(state, Reserve(key="k", digest=digest, ask=ask()), NOON)
    assert (answer.kind, after) == ("unclaimed", state)


def test_one_lease_at_a_time() -> None:
    """Everybody else waits, until it is told or runs out at the latest."""
    state, lease = leased(claimed(claimed(), "other"))
    _, answer = reserve(state, key="other")
    assert (answer.kind, answer.until) == ("wait", lease.expires_at)
    assert reserve(told(state, refused()), key="other")[1].kind == "go"
    assert reserve(state, key="other", now=lease.expires_at)[1].kind == "wait"
    assert reserve(state, key="other", now=lease.expires_at + SECOND)[1].kind == "go"


def test_the_same_try_is_given_the_same_lease() -> None:
    """Asking again, because the answer was lost, is no second lease."""
    state, lease = leased(claimed(), holder="run-1")
    after, answer = reserve(state, now=NOON + SECOND, holder="run-1")
    assert (answer.kind, answer.lease, after) == ("go", lease, state)


def test_another_run_is_not_given_the_lease_of_the_one_before() -> None:
    """After a reset, what the run before may be writing counts as unknown."""
    state, _ = leased(claimed(), holder="run-1")
    state, answer = reserve(state, now=NOON + SECOND, holder="run-2")
    assert answer.kind == "record"
    assert answer.record is not None
    assert unsettled(answer.record.jobs[-1])
    assert reserve(state, 2, ever_unknown=True, holder="run-2")[1].kind == "wait"


@pytest.mark.parametrize("more", [{}, {"ask": ask()}, {"ask": ask(holder="run-2")}])
def test_another_life_takes_a_try_under_way_for_unknown(more: dict[str, Any]) -> None:
    """A send that was terminated and started again does not take its own lease, nor end as if nothing were out."""
    state, _ = leased(claimed(), holder="run-1")
    state, answer = ledger.claim(state, Claim(key="k", digest="d", workflow_id="w", **more), NOON + SECOND)
    assert answer.record is not None
    assert unsettled(answer.record.jobs[-1])
    assert reserve(state, now=NOON + SECOND)[1].kind == "record"
    assert not unsettled(job_in(told(state, refused())))


def test_a_told_lease_is_not_granted_again() -> None:
    """The try is over; whoever asks for it has forgotten something."""
    state = told(leased(claimed())[0], refused())
    assert reserve(state)[1].kind == "record"
    assert reserve(state, 2, NOON + 5 * SECOND)[1].kind == "go"


@pytest.mark.parametrize(
    "jobs",
    [
        in_turn(SENT),
        in_turn(ACCEPTED),
        in_turn(FAILED),
        in_turn(CONFIRMED),
        in_turn(UNKNOWN),
        in_turn(NEW.model_copy(update={"collides_with": 9})),
        in_turn(NEW, NEW),
        in_turn(FAILED, NEW),
    ],
)
def test_whoever_knows_less_than_the_ledger_gets_its_record(jobs: tuple[Job, ...]) -> None:
    """Accepted, judged, in doubt, or a later generation: no lease for the first one."""
    state, answer = reserve(holding(*jobs), 9)
    assert answer.kind == "record"
    assert answer.record is not None
    assert answer.record.jobs == jobs
    assert state.lease is None


@pytest.mark.parametrize(
    ("earlier", "kind"),
    [
        (SENT, "record"),
        (ACCEPTED, "record"),
        (ACCEPTED.model_copy(update={"overruled": True}), "record"),
        (FAILED.model_copy(update={"overruled": True}), "go"),
        (FAILED, "go"),
        (CONFIRMED, "go"),
        (NEW, "go"),
    ],
)
def test_a_new_generation_needs_the_no_of_the_one_before(earlier: Job, kind: str) -> None:
    """What was delivered, or accepted and is undecided, is not submitted a second time, whatever a person says."""
    assert reserve(holding(earlier), generation=1)[1].kind == kind


def test_a_late_acceptance_stops_the_generation_after_it() -> None:
    """An operator was sure that it was not delivered; WeChat's answer, told late, knows better."""
    state, _ = leased(claimed())
    state = claimed(state, found=(CONFIRMED.model_copy(update={"verdict": NO_OF_OPERATOR}),))
    state = told(state, Answer(kind="accepted", at=NOON, msg_id=7))
    assert reserve(state, generation=1, now=NOON + LATER)[1].kind == "record"


def test_a_doubt_may_be_probed_by_who_knows_of_it() -> None:
    """The same clientmsgid again is how an unknown try is cleared up."""
    state, lease = leased(claimed())
    state, answer = reserve(state, 2, lease.expires_at + SECOND)
    assert answer.kind == "record"
    assert reserve(state, 2, lease.expires_at + SECOND, ever_unknown=True)[1].kind == "go"


def test_frozen_gives_nobody_a_lease() -> None:
    """It says by whom and why; a lease that was granted before stays what it is."""
    state = claimed().model_copy(update={"frozen": FROZEN})
    after, answer = reserve(state)
    assert (answer.kind, answer.by, answer.reason, after) == ("frozen", "li", "wrong price", state)
    assert reserve(state, 2, NOON + LATER, generation=0)[1].kind == "frozen"


def test_an_expired_lease_makes_its_job_unknown() -> None:
    """Its window starts at the lease; the next one who asks learns of it."""
    state, lease = leased(claimed())
    assert leases.expire(state, lease.expires_at) == state
    state = leases.expire(state, lease.expires_at + SECOND)
    job = job_in(state)
    assert (job.ever_unknown, job.window_started_at, state.lease) == (True, NOON, None)
    assert leases.expire(state, lease.expires_at + LATER) == state


def test_a_late_definite_answer_undoes_exactly_that() -> None:
    """It was only not told in time."""
    state, lease = leased(claimed())
    expired = leases.expire(state, lease.expires_at + SECOND)
    state = told(expired, refused())
    assert not unsettled(job_in(state))
    assert job_in(state).window_started_at is None
    assert unsettled(job_in(told(expired, refused(), attempt=2)))
    assert unsettled(job_in(told(expired, refused(-1))))


@given(st.lists(st.tuples(st.integers(1, 2), arbitrary.answers()), max_size=4))
def test_no_late_answer_moves_the_window_of_a_doubt(late: list[tuple[int, Answer]]) -> None:
    """WeChat remembers the clientmsgid from the lease on, and not from when a worker that was frozen has woken."""
    state, lease = leased(claimed())
    state = leases.expire(state, lease.expires_at + SECOND)
    assert job_in(state).window_started_at == NOON
    for attempt, answer in late:
        state = told(state, answer, attempt, now=NOON + 72 * 60 * LATER)
        if not job_in(state).ever_unknown:
            break
        assert job_in(state).window_started_at == NOON


def test_a_late_answer_explains_no_other_doubt() -> None:
    """Two leases ran out: the answer of the one says nothing about the other."""
    state, lease = leased(claimed())
    state, second = leased(leases.expire(state, lease.expires_at + SECOND), 2, NOON + LATER, ever_unknown=True)
    state = leases.expire(state, second.expires_at + SECOND)
    assert unsettled(job_in(told(state, refused())))
    assert unsettled(job_in(told(state, refused(), attempt=2)))


def test_a_doubt_that_came_as_an_answer_stays() -> None:
    """A try that came back unknown is not explained by the late answer of another."""
    state, lease = leased(claimed())
    state, _ = leased(leases.expire(state, lease.expires_at + SECOND), 2, NOON + LATER, ever_unknown=True)
    state = told(state, Answer(kind="unknown", at=NOON + LATER), 2)
    assert unsettled(job_in(told(state, refused())))


def test_an_expired_lease_of_an_accepted_job_changes_nothing() -> None:
    """Its workflow has told the msg_id otherwise."""
    state, lease = leased(claimed())
    record = state.records["k"].model_copy(update={"jobs": (ACCEPTED,)})
    state = ledger.with_record(state, record)
    assert leases.expire(state, lease.expires_at + SECOND).records == state.records


def test_the_pace_is_waited_for_outside_the_lease() -> None:
    """Up to two spacings are waited for inside the lease; a longer wait is said."""
    state = told(leased(claimed())[0], refused(42010))
    state = claimed(state, "other")
    _, soon = reserve(state, key="other")
    assert soon.lease is not None
    assert soon.lease.not_before == NOON + 2 * SECOND
    state = told(leased(state, key="other", now=NOON)[0], refused(42010), key="other")
    _, answer = reserve(claimed(state, "third"), key="third")
    assert (answer.kind, answer.until) == ("wait", NOON + 4 * SECOND)


def test_a_second_life_reopens_an_ended_record() -> None:
    """An end that was told belongs to the life before."""
    record = Record(key="k", digest="d", workflow_id="w", ended_as="failed", problem="account_refused", touched_at=NOON)
    state, _ = leased(AccountState(appid="wx", since=NOON, records={"k": record}), now=NOON + LATER)
    after = state.records["k"]
    assert (after.ended_as, after.problem, after.touched_at) == (None, None, NOON + LATER)
