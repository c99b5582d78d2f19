"""One key, at most one delivery: repeated starts, terminations in the middle of a try, workers that stop."""

import asyncio

import pytest
from temporalio.exceptions import WorkflowAlreadyStartedError

from tests.e2e.stage import Scene, on_its_own_queue, working
from tests.looking import PATIENCE
from tests.workflows.failures import failure_of, refusal_of


async def test_a_running_key_is_not_started_again(scene: Scene) -> None:
    """Temporal refuses the second start, and the first send goes on."""
    await scene.simulate(admin_confirmation=True)
    handle = await scene.start()
    await scene.until(handle, lambda status: status.phase == "awaiting_result")
    with pytest.raises(WorkflowAlreadyStartedError):
        await scene.start()
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.everyone_once()


@pytest.mark.parametrize("ledger", ["kept", "lost"])
async def test_a_key_that_was_sent_answers_with_its_result(scene: Scene, ledger: str) -> None:
    """The same key again submits nothing, also where the account's ledger is gone and only histories remain."""
    first = await scene.result(await scene.start())
    if ledger == "lost":
        await scene.ledger_handle.terminate("lost")
    again = await scene.result(await scene.start())
    [before], [after] = first.jobs, again.jobs
    assert (again.outcome, after.observed_by, after.deduplicated) == ("sent", "ledger", True)
    assert (after.msg_id, after.clientmsgid, after.counts) == (before.msg_id, before.clientmsgid, before.counts)
    assert len(scene.tries) == 1
    assert await scene.everyone_once()


@pytest.mark.parametrize("ledger", ["kept", "lost"])
async def test_a_key_that_failed_fails_again_with_its_problem(scene: Scene, ledger: str) -> None:
    """Refused content is not submitted a second time under the same key."""
    scene.plan(status="err(20008)")
    first = await failure_of(await scene.start(on_problem="fail"))
    if ledger == "lost":
        await scene.ledger_handle.terminate("lost")
    again = await failure_of(await scene.start(on_problem="fail"))
    for failure in (first, again):
        assert (failure.outcome, failure.problem and failure.problem.name) == ("failed", "content_refused")
    assert again.problem is not None
    assert "has failed as content_refused before" in again.problem.sentence
    assert len(scene.tries) == 1
    assert await scene.received() == {}


@pytest.mark.parametrize("ledger", ["kept", "lost"])
async def test_a_key_stands_for_one_content(scene: Scene, ledger: str) -> None:
    """Other content under a used key is an invalid request, and nobody gets it."""
    await scene.result(await scene.start())
    if ledger == "lost":
        await scene.ledger_handle.terminate("lost")
    other = await scene.start(message={"msgtype": "text", "content": "another text"})
    assert 'key: "spring" stands for other content' in await refusal_of(other)
    assert len(scene.tries) == 1
    assert await scene.everyone_once()


@pytest.mark.parametrize("fault", ["slow", "timeout_after_accept", "timeout_before_accept"])
async def test_a_send_terminated_in_mid_try_goes_on_when_started_again(scene: Scene, fault: str) -> None:
    """The ledger knows of the try that nobody waits for any more; followers get the message once."""
    scene.fault(fault, seconds=0.5)
    first = await scene.start()
    await scene.tried()
    await first.terminate("by mistake")
    result = await scene.result(await scene.start())
    assert (result.outcome, [job.generation for job in result.jobs]) == ("sent", [0])
    assert {call.clientmsgid for call in scene.tries} == {result.jobs[0].clientmsgid}
    assert await scene.everyone_once()


async def test_a_send_terminated_while_it_waits_is_taken_up_where_it_stood(scene: Scene) -> None:
    """Accepted, not yet decided: the new run awaits the same job and submits nothing."""
    await scene.simulate(admin_confirmation=True)
    first = await scene.start()
    await scene.until(first, lambda status: status.phase == "awaiting_result")
    await first.terminate("by mistake")
    second = await scene.start()
    await scene.until(second, lambda status: status.phase == "awaiting_result")
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    result = await scene.result(second)
    assert (result.outcome, result.jobs[0].msg_id) == ("sent", scene.jobs[0].msg_id)
    assert len(scene.tries) == 1
    assert await scene.everyone_once()


@pytest.mark.parametrize("fault", ["slow", "reset_after_accept"])
async def test_an_account_terminated_in_mid_flight_costs_nothing(scene: Scene, fault: str) -> None:
    """The next message starts a new ledger; the send gets its verdict, and the key stays taken."""
    scene.fault(fault, seconds=0.5)
    handle = await scene.start(result={"push_timeout": 2, "poll_interval": 1})
    await scene.accepted()
    await scene.ledger_handle.terminate("by mistake")
    assert (await scene.result(handle)).outcome == "sent"
    again = await scene.result(await scene.start())
    assert (again.outcome, again.jobs[0].observed_by) == ("sent", "ledger")
    assert len(scene.jobs) == 1
    assert await scene.everyone_once()


async def test_a_new_ledger_matches_the_push_of_a_try_it_did_not_lease(scene: Scene) -> None:
    """The account's ledger is lost during a try; the push that came meanwhile goes on as soon as the msg_id is told."""
    scene.fault("slow", seconds=0.5)
    await scene.start()
    await scene.accepted()
    lost = await scene.ledger()
    await scene.ledger_handle.terminate("by mistake")
    await scene.sim.world.settled()
    view = await scene.ledger_until(lambda view: view.since > lost.since and view.records)
    async with asyncio.timeout(PATIENCE):
        while view.kept:
            view = await scene.ledger()


async def test_both_terminated_in_the_middle_of_a_try_still_deliver_once(scene: Scene) -> None:
    """Ledger and send are gone: the new run finds the try in the old one's history, and repeats its clientmsgid."""
    scene.fault("timeout_after_accept", seconds=0.5)
    first = await scene.start()
    await scene.accepted()
    await first.terminate("by mistake")
    await scene.ledger_handle.terminate("by mistake")
    result = await scene.result(await scene.start())
    assert (result.outcome, result.jobs[0].deduplicated, len(scene.jobs)) == ("sent", True, 1)
    assert await scene.everyone_once()


async def test_a_worker_that_stops_ends_its_try_first(scene: Scene) -> None:
    """The answer of a call under way is heard and told before the worker is gone; the next worker goes on from it."""
    scene.fault("slow", seconds=0.6)
    settings = on_its_own_queue(scene)
    async with working(scene.client, settings) as worker:
        handle = await scene.start()
        await scene.tried()
        await asyncio.wait_for(worker.shutdown(), PATIENCE)
        [call] = scene.tries
        assert (call.answered, call.errcode) == (True, 0)
    async with working(scene.client, settings):
        result = await scene.result(handle)
        assert (result.outcome, result.jobs[0].deduplicated, len(scene.tries)) == ("sent", False, 1)
        assert await scene.everyone_once()


async def test_a_push_while_no_worker_runs_is_not_lost(scene: Scene) -> None:
    """Temporal keeps it, and whoever serves the queue next finds it."""
    settings = on_its_own_queue(scene)
    await scene.simulate(admin_confirmation=True)
    async with working(scene.client, settings):
        handle = await scene.start()
        await scene.until(handle, lambda status: status.phase == "awaiting_result")
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    await scene.sim.world.settled()
    [push] = scene.sim.world.courier.log
    assert push.reply.http_status == 200
    async with working(scene.client, settings):
        result = await scene.result(handle)
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")
    assert await scene.everyone_once()
