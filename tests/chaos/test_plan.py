"""What the seed decides, and what it does not."""

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Any, get_args

import pytest

from qunfa.rules.codes import return_code
from qunfa.simulator import Fault, JobPlan
from qunfa.simulator.plans import FaultKind
from tests.chaos import words
from tests.chaos.mishaps import LIES, Lie
from tests.chaos.plan import CROWD, CROWD_AMONG, SAFE, TURNS, ChaosPlan, StrikeKind, make_plan, strikes


def lost(fault: Fault) -> bool:
    """Whether WeChat accepts, and nobody hears of it."""
    return fault.stage == "after" and fault.kind in {"reset_after_accept", "timeout_after_accept"}


def refuses(fault: Fault) -> bool:
    """Whether WeChat answers what alone were a definite no."""
    return fault.kind == "errcode" and return_code(fault.errcode).definite_no


def faults_of(plan: ChaosPlan) -> Iterator[Fault]:
    """All that is drawn for calls: submissions, questions, drafts and uploads."""
    for send in plan.sends:
        yield from (*send.fate.submissions, *send.fate.questions, *send.fate.drafts)
    for faults in plan.uploads.values():
        yield from filter(None, faults)


def jobs_of(plan: ChaosPlan) -> Iterator[JobPlan]:
    """All that is drawn for jobs."""
    for send in plan.sends:
        yield from send.fate.jobs
        if send.fate.lie:
            yield LIES[send.fate.lie]


def words_in(annotation: Any) -> set[str]:
    """The texts that a type allows, be it optional."""
    return {word for part in get_args(annotation) for word in ([part] if isinstance(part, str) else words_in(part))}


def test_a_seed_makes_the_same_plan_again() -> None:
    """Fates, times and strikes; another seed makes another plan."""
    assert make_plan(7, 80, "x") == make_plan(7, 80, "x")
    assert [*islice(strikes(7), 50)] == [*islice(strikes(7), 50)] != [*islice(strikes(8), 50)]
    assert make_plan(7, 80, "x").sends != make_plan(8, 80, "x").sends


@pytest.mark.parametrize("seed", range(20))
def test_every_run_loses_answers_after_acceptance_and_then_says_no(seed: int) -> None:
    """Several sends of several accounts that fail at once if the no is believed: so both controls are caught."""
    for sends in (5, 20, 60):
        caught = [
            send
            for send in make_plan(seed, sends, "x").sends
            if send.on_problem == "fail"
            and send.turn == "none"
            and not send.not_after
            and len(send.fate.submissions) > 1
            and lost(send.fate.submissions[0])
            and refuses(send.fate.submissions[1])
        ]
        assert len({send.account for send in caught}) >= 3


def test_a_long_run_has_everything() -> None:
    """All turns, audiences, forms and lies; every kind of fault of a submission. No two sends say the same."""
    plan = make_plan(3, 400, "x")
    assert len({send.text for send in plan.sends}) == 400
    assert {send.turn for send in plan.sends} == set(TURNS)
    assert {send.audience["kind"] for send in plan.sends} == {"all", "tag", "openids"}
    assert {send.fate.lie for send in plan.sends} == {None, *get_args(Lie)}
    assert {send.form for send in plan.sends} == set(get_args(words.Form))
    faults = {fault.kind for send in plan.sends for fault in send.fate.submissions}
    assert faults == {
        *("timeout_before_accept", "timeout_after_accept", "reset_before_accept", "reset_after_accept"),
        *("http_502", "broken_json", "errcode", "errcode_after_accept", "ok_without_msg_id", "slow"),
    }


def test_every_fault_that_the_simulator_knows_is_drawn() -> None:
    """Every kind that its types name, within a few seeds."""
    plans = [make_plan(seed, 200, "x") for seed in range(3)]
    assert {fault.kind for plan in plans for fault in faults_of(plan)} == set(get_args(FaultKind))
    jobs = [job for plan in plans for job in jobs_of(plan)]
    for name in ("reprint", "job_status", "forged"):
        drawn = {getattr(job, name) for job in jobs}
        assert drawn == {None, *words_in(JobPlan.model_fields[name].annotation)}, name


def test_another_verdict_is_forged_only_where_pushes_are_encrypted() -> None:
    """Elsewhere anybody who has overheard a push can make it, and no receiver can tell."""
    forged = {
        send.account for send in make_plan(1, 600, "x").sends for job in send.fate.jobs if job.forged == "verdict"
    }
    assert forged == SAFE


def test_a_short_run_has_strikes_of_each_kind() -> None:
    """Worker, receiver and Temporal die, and a worker is held up, in the first half minute; in the order of time."""
    for seed in range(50):
        early = [*takewhile(lambda strike: strike.at < 30, strikes(seed))]
        assert {strike.kind for strike in early} == set(get_args(StrikeKind))
        assert early == sorted(early, key=lambda strike: strike.at)


def test_a_long_run_has_a_crowd() -> None:
    """Of one account, in one moment, and not held up by the room that the others share."""
    sends = make_plan(4, CROWD_AMONG, "x").sends
    crowd = [send for send in sends if send.crowd]
    assert len(crowd) == CROWD
    assert len({(send.account, send.starts_at) for send in crowd}) == 1
    assert not any(send.crowd for send in make_plan(4, CROWD_AMONG - 1, "x").sends)
