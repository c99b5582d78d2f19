"""A send, or an account, that goes on in a new run forgets nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from qunfa.contract import MassSendResult
from qunfa.contract.grants import Granted
from tests.looking import until
from tests.temporal import run_at_rest
from tests.workflows.conftest import Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import loses, says, silent
from tests.workflows.test_in_batches import FILE
from tests.workflows.test_refused_requests import GOOD_ID, PROBLEM
from tests.workflows.test_refused_updates import replays

pytestmark = pytest.mark.long

SENDS = 5
ROUNDS = 12
RUNS = 4


async def test_a_problem_of_an_earlier_run_is_found_no_more(short_desk: Desk) -> None:
    """Temporal carries search attributes on. A run knows those that it begins with, and changes what is wrong."""
    desk = short_desk
    desk.wechat.script = [silent, silent, loses]
    begun_with = TypedSearchAttributes([SearchAttributePair(PROBLEM, "send_failed")])
    handle = await desk.start_raw(desk.request(), GOOD_ID, search_attributes=begun_with)
    assert (await handle.result()).outcome == "sent"
    described = await handle.describe()
    assert described.run_id != handle.first_execution_run_id
    assert described.typed_search_attributes.get(PROBLEM) is None
    last = desk.env.client.get_workflow_handle(handle.id, run_id=described.run_id)
    events = [one.upsert_workflow_search_attributes_event_attributes for one in (await last.fetch_history()).events]
    changed = {name for event in events for name in event.search_attributes.indexed_fields}
    assert ("MassSendOutcome" in changed, "MassSendAccount" in changed) == (True, False)


@pytest.mark.history
async def test_an_earlier_runs_cancellation_ends_a_later_one_with_a_result(short_desk: Desk) -> None:
    """Noted while a try was unknown; runs later WeChat says no: aborted with the result, as nothing was delivered."""
    desk = short_desk
    desk.wechat.push_at_once = "err(30001)"
    desk.wechat.script = [loses, *[says(48001)] * 1_000]
    handle = await desk.start()
    await desk.until(handle, lambda status: bool(status.jobs and status.jobs[0].state == "unknown"))
    await handle.cancel()
    await desk.seen(handle, "cancellation noted")
    noted = (await handle.describe()).run_id
    await until(handle.describe, lambda found: found.run_id != noted)
    desk.wechat.script = []
    await desk.until(handle, lambda status: status.phase == "done")
    result = await failure_of(desk.env.client.get_workflow_handle(handle.id))
    assert (result.outcome, result.may_have_been_delivered) == ("aborted", False)
    assert len(desk.wechat.accepted) == 1


async def test_runs_that_change_under_a_storm_of_messages_lose_none(short_desk: Desk) -> None:
    """Wishes, leases, answers, pushes (ours, others', repeated), freezes and retries, while all go on in new runs."""
    desk = short_desk
    desk.wechat.script = [says(48001), loses, silent, says(45011), says(-1, "unknown")]
    await desk.wechat.push(5_000_000_000)
    sends = asyncio.gather(*(sent_at_last(desk, f"key-{number}") for number in range(SENDS)))
    results, _ = await asyncio.gather(sends, storm(desk))
    assert {result.outcome for result in results} == {"sent"}
    msg_ids = {result.jobs[0].msg_id for result in results}
    assert set(desk.wechat.accepted.values()) == msg_ids
    assert len(msg_ids) == SENDS
    await asyncio.gather(*(desk.wechat.push(msg_id) for msg_id in desk.wechat.accepted.values()))
    view = await desk.ledger()
    assert {record.key: record.ended_as for record in view.records} == {f"key-{n}": "sent" for n in range(SENDS)}
    assert {job.msg_id for record in view.records for job in record.jobs} == msg_ids
    days = view.book.values()
    assert (sum(day.total for day in days), sum(day.others for day in days)) == (SENDS, len(view.kept))


async def sent_at_last(desk: Desk, key: str) -> MassSendResult:
    """The result of a send whose operators answer whatever it asks."""
    handle = await desk.start(key)
    while (await desk.until(handle, lambda status: status.phase in {"needs_operator", "done"})).phase != "done":
        await answered(handle, "retry", by="li", reason="again")
    result: MassSendResult = await handle.result()
    return result


async def answered(handle: WorkflowHandle[Any, Any], name: str, **payload: str) -> bool:
    """Send an update; one that does not fit, or meets a run that ends, is sent again by those who want it."""
    with suppress(WorkflowUpdateFailedError, RPCError):
        await handle.execute_update(name, payload)
        return True
    return False


async def switched(desk: Desk, name: str) -> None:
    """Freeze or unfreeze: what was acknowledged, the ledger knows, in whichever run."""
    if await answered(desk.account, name, by="li", reason="a test"):
        assert bool((await desk.ledger()).frozen) == (name == "freeze")


async def storm(desk: Desk) -> None:
    """Pushes of others' sends and, again and again, of ours; a switch that goes to and fro; all in several runs."""
    number = 0
    while number < ROUNDS or await generations(desk) < RUNS:
        for msg_id in (5_000_000_000 + number, *desk.wechat.accepted.values()):
            await desk.wechat.push(msg_id)
        await switched(desk, "freeze" if number % 4 == 0 else "unfreeze")
        number += 1
    while (await desk.ledger()).frozen:
        await answered(desk.account, "unfreeze", by="li")


async def generations(desk: Desk) -> int:
    return len([run async for run in desk.env.client.list_workflows(f'WorkflowId = "{desk.account.id}"')])


CALLS: tuple[Callable[[WorkflowHandle[Any, Any]], Awaitable[Any]], ...] = (
    lambda send: send.execute_update("accepted"),
    lambda send: send.signal("hello", args=[1, "two"]),
    lambda send: send.signal("granted", {"odd": True}),
    lambda send: send.signal("job_finished", args=[{"msg_id": 77, "status": "send success"}] * 2),
    lambda send: send.signal("ledger_lost", "odd"),
)
"""Updates, a name that nobody knows, what is no answer, two inputs, and a loss of no time."""


async def test_calls_that_bring_nothing_do_not_fill_a_send(short_desk: Desk) -> None:
    """Temporal takes 2,000 updates in a run, refuses signals after 10,000, and ends a workflow at 50 MB."""
    handle = await waiting(short_desk)
    for call in CALLS:
        await goes_on(short_desk.env.client, handle, partial(call, handle))
    assert (await short_desk.update(handle, "pause")).phase == "paused"


async def test_answers_to_no_wish_do_not_fill_a_list(short_desk: Desk) -> None:
    """Nor what else its account may say."""
    handle = await waiting(short_desk, audience=FILE)
    answer = partial(handle.signal, "granted", Granted(wish="w", answer="known"))
    await goes_on(short_desk.env.client, handle, answer)
    assert (await short_desk.update(handle, "pause")).phase == "paused"


async def waiting(desk: Desk, **request: Any) -> WorkflowHandle[Any, Any]:
    """The newest run of a send that waits for tomorrow."""
    handle = await desk.start(send_at=(datetime.now(UTC) + timedelta(days=1)).isoformat(), **request)
    newest: WorkflowHandle[Any, Any] = desk.env.client.get_workflow_handle(handle.id)
    await desk.until(newest, lambda status: status.phase == "scheduled")
    return newest


async def goes_on(client: Client, handle: WorkflowHandle[Any, Any], call: Callable[[], Awaitable[Any]]) -> None:
    """Call again and again, until the run goes on as another one; it replays."""
    before = (await handle.describe()).run_id

    async def is_another_run() -> bool:
        await call()
        return await run_at_rest(handle) != before

    await until(is_another_run)
    await replays(client, client.get_workflow_handle(handle.id, run_id=before))
