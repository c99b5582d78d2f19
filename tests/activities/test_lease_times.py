"""When a try is written, by the clocks of its worker and of Temporal: inside its lease, or not at all."""

from datetime import timedelta

import pytest

from qunfa.simulator import Simulator
from tests.activities.conftest import NOON, Desk, as_read, attempt, lease


@pytest.mark.parametrize("early", [timedelta(0), timedelta(seconds=0.2)])
async def test_a_try_waits_for_its_lease_to_begin(desk: Desk, early: timedelta) -> None:
    """Nothing is written before `not_before`, however early the clock wakes the waiter."""
    desk.clock.time = NOON - timedelta(seconds=1.5)
    desk.clock.early = early
    assert (await desk.submit()).at == NOON


@pytest.mark.parametrize(
    ("passed", "begins"), [(30, 0), (330, 0), (0, 40)], ids=["over", "long over", "over before it begins"]
)
async def test_a_late_lease_is_not_used(desk: Desk, sim: Simulator, passed: int, begins: int) -> None:
    """The clock is looked at last. From `write_before` on nothing is written; another try may come at once."""
    desk.clock.time = NOON + timedelta(seconds=passed)
    begun, later = NOON + timedelta(seconds=begins), NOON + timedelta(minutes=10)
    answer = await desk.submit(lease=lease(not_before=begun, expires_at=later))
    assert (answer.kind, answer.at_once, desk.notebook.answer) == ("not_written", True, answer)
    assert "lease" in (answer.detail or "")
    assert not sim.world.jobs


async def test_a_clock_that_is_ahead_puts_off_no_run_of_a_key(desk: Desk) -> None:
    """The ledger and the history keep no time after the lease: a run that is started again reads them."""
    desk.clock.time = NOON + timedelta(days=1)
    answer = await desk.submit()
    assert (answer.kind, answer.at, desk.notebook.answer) == ("not_written", NOON + timedelta(seconds=60), answer)


@pytest.mark.parametrize("behind", [timedelta(seconds=2), timedelta(seconds=40), timedelta(days=1)], ids=str)
@pytest.mark.parametrize(("begun", "writes"), [(-1, True), (29, True), (30, False)], ids=["early", "last", "late"])
async def test_a_worker_whose_clock_is_behind_goes_by_temporals(
    desk: Desk, sim: Simulator, behind: timedelta, begun: int, *, writes: bool
) -> None:
    """Temporal begins the attempt so many seconds after the lease does, or before. It is used in its time alone."""
    started = NOON + timedelta(seconds=begun)
    desk.clock.time, submit = started - behind, desk.submission.submit
    answer = await attempt(submit, await as_read(submit, desk.step()), started_time=started)
    assert (answer.kind, answer.at) == ("accepted" if writes else "not_written", max(started, NOON))
    assert (desk.clock.time + behind, len(sim.world.jobs)) == (max(started, NOON), writes)


@pytest.mark.parametrize(("early", "writes"), [(timedelta(seconds=20), True), (timedelta(seconds=20.1), False)])
async def test_a_lease_that_begins_much_later_is_not_waited_for(
    desk: Desk, sim: Simulator, early: timedelta, *, writes: bool
) -> None:
    """Temporal would give up the try, which then may have been written, for all we know.

    No lease is granted so early, unless Temporal's clock is set back. The next try is spaced by the time of the lease.
    """
    desk.clock.time = NOON - early
    answer = await desk.submit()
    assert (answer.kind, answer.at, desk.notebook.answer) == ("accepted" if writes else "not_written", NOON, answer)
    assert ("begins too late" in (answer.detail or "")) is not writes
    assert len(sim.world.jobs) == writes
