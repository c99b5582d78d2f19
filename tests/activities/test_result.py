from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.jobs import Results, next_delay
from qunfa.contract.steps import NOT_DECIDED, WECHAT_UNAVAILABLE, JobStatus, JobStatusStep, Pinned
from qunfa.simulator import Fault, JobPlan, Simulator
from tests.activities.conftest import APPID, NOON, Desk, attempt, desk_at, failed

MINUTE = timedelta(minutes=1)
HALF_AN_HOUR = timedelta(minutes=30)
REFUSALS = (40059, 48001, 89504, 89505, 45009)


async def accepted(desk: Desk, sim: Simulator, status: str | None = None) -> int:
    """A job, by its msg_id, which is over or stays at this status."""
    if status is not None:
        sim.world.job_plans.add(JobPlan.model_validate({"job_status": status}))
    answer = await desk.submit()
    assert answer.msg_id is not None
    if status != "SENDING":
        await sim.world.settled()
    return answer.msg_id


def fault(errcode: int | None = None, kind: str = "errcode", endpoint: str = "mass/get") -> Fault:
    refused = {} if errcode is None else {"errcode": errcode}
    return Fault.model_validate({"endpoint": endpoint, "kind": kind, **refused})


BROKEN = (fault(kind="http_502"), fault(kind="broken_json"), fault(kind="reset_before_accept"))


async def job_status(desk: Desk, msg_id: int) -> JobStatus:
    step = JobStatusStep(account=desk.pinned, msg_id=msg_id)
    return await attempt(Results(desk.accounts, desk.clock).job_status, step)


async def await_verdict(desk: Desk, msg_id: int, number: int = 1, **more: Any) -> JobStatus:
    """The attempt of this number, which Temporal begins at noon."""
    step = JobStatusStep.model_validate({"account": desk.pinned, "msg_id": msg_id, **more})
    return await attempt(Results(desk.accounts, desk.clock).await_verdict, step, attempt=number, started_time=NOON)


@pytest.mark.parametrize("status", ["SEND_SUCCESS", "SEND_FAIL", "DELETE"])
async def test_a_final_status_is_the_verdict(desk: Desk, sim: Simulator, status: str) -> None:
    """It ends the asking, also with the last question, and is what `job_status` answers as well."""
    msg_id = await accepted(desk, sim, status)
    assert await await_verdict(desk, msg_id) == JobStatus(status=status)
    assert await await_verdict(desk, msg_id, until=NOON - MINUTE) == JobStatus(status=status)
    assert await job_status(desk, msg_id) == JobStatus(status=status)


async def test_a_job_that_is_being_sent_has_no_verdict_yet(desk: Desk, sim: Simulator) -> None:
    """`SENDING` is an answer of `job_status`; `await_verdict` asks again, and its failure says what was heard."""
    msg_id = await accepted(desk, sim, "SENDING")
    assert await job_status(desk, msg_id) == JobStatus(status="SENDING")
    said = f"msg_id {msg_id} yet: WeChat says SENDING"
    failure = await failed(await_verdict(desk, msg_id, 2, interval=MINUTE), NOT_DECIDED, said)
    assert failure.next_retry_delay == timedelta(seconds=90)


@pytest.mark.parametrize(
    "no_verdict",
    [*(fault(errcode) for errcode in (*REFUSALS, -1)), *BROKEN],
    ids=lambda fault: f"{fault.kind} {fault.errcode}",
)
async def test_whatever_is_no_verdict_is_asked_again(desk: Desk, sim: Simulator, no_verdict: Fault) -> None:
    """A refusal, an unknown msg_id, an administrator, a broken line: none of them ends the waiting."""
    msg_id = await accepted(desk, sim)
    sim.world.faults.add(no_verdict)
    await failed(await_verdict(desk, msg_id), NOT_DECIDED)
    assert await await_verdict(desk, msg_id) == JobStatus(status="SEND_SUCCESS")


async def test_a_changed_account_does_not_end_the_waiting(desk: Desk) -> None:
    """The configuration may be put back; until then the failure says what is wrong with it."""
    other = Pinned(name="demo", appid="wxStarted", base_url=desk.base_url)
    await failed(await_verdict(desk, 1, account=other), NOT_DECIDED, f"now has the appid {APPID}")
    unasked = await await_verdict(desk, 1, account=other, until=NOON)
    assert (unasked.status, f"now has the appid {APPID}" in (unasked.detail or "")) == (None, True)


@pytest.mark.parametrize("late", [timedelta(0), MINUTE])
async def test_the_waiting_ends_when_its_time_has_come(desk: Desk, sim: Simulator, late: timedelta) -> None:
    """At `until`, and after it, there is no verdict; what WeChat refused with is kept as evidence."""
    msg_id = await accepted(desk, sim, "SENDING")
    assert await await_verdict(desk, msg_id, until=NOON - late) == JobStatus(status=None)
    sim.world.faults.add(fault(40059))
    refused = await await_verdict(desk, msg_id, until=NOON - late)
    assert (refused.errcode, "40059" in (refused.detail or "")) == (40059, True)


async def test_a_late_attempt_asks_for_a_moment(desk: Desk, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers may have been away meanwhile. Attempts that time out would go on without end."""
    msg_id = await accepted(desk, sim)
    sent, late = JobStatus(status="SEND_SUCCESS"), NOON - MINUTE
    assert await await_verdict(desk, msg_id, 2, until=late) == sent
    monkeypatch.setattr("activities.jobs.LAST_WORD_SECONDS", 0)
    assert await await_verdict(desk, msg_id, 2, until=late) == JobStatus()
    assert await await_verdict(desk, msg_id, 2, until=NOON - MINUTE / 2) == sent
    assert await await_verdict(desk, msg_id, 1, until=late) == sent


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("wrong", [timedelta(days=-1), timedelta(days=1)], ids=["behind", "ahead"])
async def test_the_waiting_ends_by_the_clock_of_temporal(
    desk: Desk, sim: Simulator, wrong: timedelta, number: int
) -> None:
    """A worker whose clock is ahead gives nothing up, and one that is behind does not wait for ever."""
    msg_id = await accepted(desk, sim, "SENDING")
    desk.clock.time = NOON + wrong
    failure = await failed(await_verdict(desk, msg_id, number, until=NOON + MINUTE, interval=MINUTE), NOT_DECIDED)
    assert failure.next_retry_delay == MINUTE
    assert await await_verdict(desk, msg_id, number, until=NOON) == JobStatus()


async def test_an_answer_that_takes_long_may_end_the_waiting(
    desk: Desk, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has passed since the attempt began counts, too."""
    msg_id = await accepted(desk, sim, "SENDING")
    ask = desk.accounts.ask

    async def slowly(*given: Any) -> Any:
        desk.clock.time += MINUTE
        return await ask(*given)

    monkeypatch.setattr(desk.accounts, "ask", slowly)
    assert await await_verdict(desk, msg_id, until=NOON + MINUTE) == JobStatus()


async def test_the_last_wait_ends_at_its_time(desk: Desk) -> None:
    """The delay of a retry does not go beyond `until`."""
    seven = timedelta(seconds=7)
    assert (await failed(await_verdict(desk, 1, 9, until=NOON + seven), NOT_DECIDED)).next_retry_delay == seven


@pytest.mark.parametrize("errcode", REFUSALS)
async def test_a_lasting_refusal_is_an_answer(desk: Desk, sim: Simulator, errcode: int) -> None:
    """`job_status` has no status then, but WeChat's code, text and rid."""
    sim.world.faults.add(fault(errcode))
    status = await job_status(desk, 1)
    assert (status.status, status.errcode, bool(status.rid), bool(status.errmsg)) == (None, errcode, True, True)


@pytest.mark.parametrize(
    "passing",
    [*(fault(errcode) for errcode in (-1, 45011, 40001)), *BROKEN, fault(45009, endpoint="stable_token")],
    ids=lambda fault: f"{fault.endpoint} {fault.kind} {fault.errcode}",
)
async def test_a_passing_trouble_is_left_to_a_retry(
    desk: Desk, sim: Simulator, http: httpx.AsyncClient, passing: Fault
) -> None:
    """Busy, broken, a refused token: the next attempt gets the answer, with a fresh token where it needs one."""
    msg_id = await accepted(desk, sim)
    other = desk_at(sim.url, http)
    sim.world.faults.add(passing)
    await failed(job_status(other, msg_id), WECHAT_UNAVAILABLE, "account demo")
    assert (await job_status(other, msg_id)).status == "SEND_SUCCESS"


spans = st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=1))


@given(number=st.integers(1, 10**6), interval=spans, interval_max=spans, left=st.none() | spans)
def test_a_delay_keeps_its_bounds(
    number: int, interval: timedelta, interval_max: timedelta, left: timedelta | None
) -> None:
    """It is positive, at most what is left, and from `interval` to `interval_max` otherwise. It never shrinks."""
    delay = next_delay(number, interval, interval_max, left)
    assert timedelta(0) < delay <= max(interval, interval_max)
    assert left is None or delay <= left
    if left is None or left > delay:
        assert delay >= min(interval, interval_max)
    assert delay <= next_delay(number + 1, interval, interval_max, left)


def test_a_day_of_asking_is_a_handful_of_questions() -> None:
    """From a minute to half an hour: fewer than 60 questions in 24 hours."""
    asked, passed = 0, timedelta(0)
    while passed < timedelta(days=1):
        asked += 1
        passed += next_delay(asked, MINUTE, HALF_AN_HOUR, None)
    assert 48 <= asked < 60
