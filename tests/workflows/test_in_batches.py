import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.earlier_runs import VisibleRuns
from qunfa.contract import MassSendResult, Status, mass_send_id
from qunfa.contract.batches import ANSWER_BATCH, FOLLOW_BATCH, LOOK_BACK, PLAN_AUDIENCE, WRITE_REPORT
from qunfa.contract.checks import SourcesSeen
from qunfa.contract.grants import Wish
from qunfa.contract.request import parse_request
from qunfa.contract.steps import WishStep
from qunfa.rules.calendar import SHANGHAI, next_opening
from qunfa.rules.digest import content_digest
from tests.looking import until
from tests.workflows.conftest import BRIEF, Desk, leap, scaled_facts, staffed
from tests.workflows.failures import failure_of, refusal_of
from tests.workflows.model import accepts, says
from tests.workflows.resets import points, reset
from tests.workflows.test_plain_failures import STUCK, event_of

failed, refused = partial(failure_of, follow_runs=True), partial(refusal_of, follow_runs=True)
FILE = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}


async def sent_to(desk: Desk) -> list[int]:
    """The numbers of the batches for which WeChat was called, in order."""
    return [int(step.key.rpartition(".")[2]) for step in desk.wechat.tries]


def batch(desk: Desk, number: int, key: str = "spring") -> WorkflowHandle[Any, Any]:
    return desk.env.client.get_workflow_handle(mass_send_id("demo", f"{key}.{number}"))


async def terminated(desk: Desk, key: str) -> WorkflowHandle[Any, Any]:
    """A list that somebody has terminated while a batch of it asks about its audience."""
    handle = await desk.start(key, audience=FILE)
    await desk.asks(handle, "audience_refused")
    await handle.terminate("by hand")
    return handle


async def terminated_in_its_first_batch(desk: Desk, key: str) -> WorkflowHandle[Any, Any]:
    """A list that somebody has terminated while its first batch awaits WeChat's verdict."""
    desk.wechat.push_at_once = None
    handle = await desk.start(key, audience=FILE)
    await until(lambda: sent_to(desk), lambda numbers: numbers == [1])
    await handle.terminate("by hand")
    return handle


@pytest.mark.history
async def test_a_list_is_sent_in_batches(desk: Desk) -> None:
    """Each batch is a send of its own, one after the other; the result has a row for each."""
    handle = await desk.start(audience=FILE)
    result = await handle.result()
    assert (result.outcome, [job.index for job in result.jobs]) == ("sent", [0, 1, 2])
    assert result.totals is not None
    assert result.totals.sent == 3 * 97
    assert await sent_to(desk) == [1, 2, 3]
    assert [step.audience.kind for step in desk.wechat.tries] == ["batch"] * 3
    report = desk.store.reports[-1]
    assert ([row.number for row in report.rows], report.audience) == ([1, 2, 3], None)
    status = await desk.status(handle)
    assert (status.phase, status.progress.jobs, status.progress.done) == ("done", 3, 3)


async def test_a_list_seldom_asks_an_account_that_is_silent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour each time in the end. Each wish has a higher number, and a run that is long goes on as another."""
    monkeypatch.setattr("workflows.waiting.HISTORY_MAX", 100)
    wishes: list[Wish] = []

    async def noted(step: WishStep) -> None:
        wishes.append(step.wish)

    desk.slow.says, desk.slow.before_wish = "nothing", noted
    handle = await desk.start(audience=FILE)
    await leap(desk.env, timedelta(days=1))
    runs = [[wish.number for wish in group] for _, group in groupby(wishes, lambda wish: wish.run_id)]
    assert runs == [[*range(1, len(numbers) + 1)] for numbers in runs]
    assert (len(runs) > 1, len(wishes) < 24 + 8 * len(runs)) == (True, True)
    desk.slow.says = None
    assert (await handle.result()).outcome == "sent"


async def is_over(runs: VisibleRuns, handle: WorkflowHandle[Any, Any]) -> bool:
    newest = await runs.newest(handle.id)
    assert newest is not None
    return newest.is_over


async def test_temporal_tells_how_a_list_has_ended(real_desk: Desk) -> None:
    """Where the store was silent at its end. One that was terminated has not ended so, and goes on.

    A refused start writes no report, so the run before it is the one to ask about. Of a run that a reset has made, the
    reset is its beginning. The activities of all have the heartbeat that is configured.
    """
    runs, desk, heartbeat = VisibleRuns(real_desk.env.client), real_desk, timedelta(seconds=7)
    timing = desk.wechat.facts.timing.model_copy(update={"heartbeat": heartbeat})
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"timing": timing})
    desk.wechat.script = [accepts, says(40003)]
    first = await terminated(desk, "told")
    assert not await is_over(runs, first)
    second = await desk.start("told", audience=FILE)
    await desk.asks(second, "audience_refused")
    assert not await is_over(runs, second)
    assert not await runs.was_sent(second.id, second.first_execution_run_id or "")
    await desk.update(second, "abort")
    assert (await second.result()).outcome == "partly_sent"
    assert await is_over(runs, second)
    assert await runs.newest("mass-send:demo:nobody") is None
    await until(lambda: runs.was_sent(second.id, ""), lambda was_sent: was_sent)
    wrote = await runs.newest(first.id)
    assert wrote is not None
    run = desk.env.client.get_workflow_handle(first.id, run_id=wrote.run_id)
    begun = [event.activity_task_scheduled_event_attributes for event in (await run.fetch_history()).events]
    beats = {one.activity_type.name: one.heartbeat_timeout.ToTimedelta() for one in begun}
    names = (PLAN_AUDIENCE, FOLLOW_BATCH, ANSWER_BATCH, LOOK_BACK, WRITE_REPORT)
    assert [beats[name] for name in names] == [heartbeat] * len(names)
    await refused(await desk.start_raw({"key": "told"}, first.id))
    assert await runs.newest(first.id) == wrote
    other = {"msgtype": "text", "content": "another"}
    assert "stands for other content" in await refused(await desk.start("told", audience=FILE, message=other))
    assert await runs.newest(first.id) == wrote
    desk.store.wrong = ("nothing more is sent under the key",)
    await refused(await desk.start("told", audience=FILE))
    assert await runs.newest(first.id) == wrote
    again = await reset(desk.env.client, run, (await points(run))[0])
    newest = await runs.newest(first.id)
    assert newest is not None
    assert (newest.run_id, newest.began_at > wrote.began_at) == (again.run_id, True)


@pytest.mark.history
async def test_a_batch_sends_what_its_whole_has_shown(real_desk: Desk) -> None:
    """A file that was changed after the approval goes to nobody; put back, it is sent."""
    poster = {"msgtype": "image", "images": [{"uri": "file:/poster.png"}]}
    approval = {"approval": {"required": True}, "requested_by": "wang"}
    handle = await real_desk.start("poster", audience=FILE, message=poster, **approval)
    status = await real_desk.waits(handle, "approval")
    assert any("25,000 openids in 3 batches" in line for line in status.approval.shows)
    real_desk.material.files["file:/poster.png"] = "another"
    await real_desk.update(handle, "approve")
    await real_desk.asks(handle, "source_changed")
    assert await sent_to(real_desk) == []
    del real_desk.material.files["file:/poster.png"]
    await real_desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert (await sent_to(real_desk), real_desk.material.calls.count("inspect")) == ([1, 2, 3], 1)


@pytest.mark.history
async def test_a_batch_asks_a_person_through_its_whole(real_desk: Desk) -> None:
    """The whole shows what it asks, and gives it the answer."""
    real_desk.wechat.script = [says(40003)]
    handle = await real_desk.start(audience=FILE)
    status = await real_desk.asks(handle, "audience_refused")
    assert {"retry", "abort"} <= set(status.answers)
    await real_desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert await sent_to(real_desk) == [1, 1, 2, 3]


@pytest.mark.history
async def test_a_batch_that_ended_badly_stops_the_rest(real_desk: Desk) -> None:
    """A batch that somebody has terminated is asked about; a retry runs it again."""
    real_desk.wechat.push_at_once = None
    handle = await real_desk.start(audience=FILE)
    await until(lambda: sent_to(real_desk), lambda numbers: numbers == [1])
    await batch(real_desk, 1).terminate("by hand")
    status = await real_desk.asks(handle, "batch_failed")
    assert {"resume", "retry", "abort"} <= set(status.answers)
    assert await sent_to(real_desk) == [1]
    real_desk.wechat.push_at_once = "send success"
    await real_desk.update(handle, "retry")
    [msg_id] = real_desk.wechat.accepted.values()
    await real_desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"
    assert len(real_desk.wechat.accepted) == 3


@pytest.mark.history
async def test_a_person_is_asked_where_wechat_tells_no_audience(real_desk: Desk) -> None:
    """As for a plain send: the address is put on the whitelist, and the audience is planned."""
    real_desk.store.errcode = 40164
    handle = await real_desk.start("whitelist", audience=FILE)
    status = await real_desk.asks(handle, "ip_not_whitelisted")
    assert (status.answers, status.progress.openids) == (("retry", "abort"), None)
    accepted: Status = await handle.execute_update("accepted", result_type=Status)
    assert accepted.phase == "needs_operator"
    real_desk.store.errcode = None
    await real_desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert await sent_to(real_desk) == [1, 2, 3]


async def test_a_list_asks_until_its_audience_can_be_planned(real_desk: Desk) -> None:
    """Nobody can be asked whom it has, until its account is put back. A restored list may have been begun.

    What stands in its way is said, with the place where the plan would be.
    """
    store = real_desk.store
    store.is_elsewhere, store.missing = True, True
    handle = await real_desk.start("elsewhere", audience=FILE)
    await real_desk.asks(handle, "account_changed")
    store.is_elsewhere = False
    await real_desk.update(handle, "retry")
    await real_desk.until(handle, lambda status: status.problem is not None and status.problem.name == "plan_missing")
    status = await real_desk.asks(handle, "plan_missing")
    assert status.answers == ("retry", "abort")
    assert status.problem is not None
    assert status.problem.sentence.endswith("file:/srv/plan.json is missing.")
    await real_desk.update(handle, "retry", confirm_not_delivered=True)
    assert (await handle.result()).outcome == "sent"
    assert await sent_to(real_desk) == [1, 2, 3]


async def test_what_the_store_says_of_a_plan_is_a_refusal(desk: Desk) -> None:
    """A draft dies with the first batch, so nobody could send the second one. A key may stand for another list."""
    draft = {"msgtype": "mpnews", "media_id": "d"}
    said = await refused(await desk.start(audience=FILE, message=draft))
    assert "give its articles, and each batch makes a draft" in said
    desk.store.reused = True
    assert "key: The store has another plan" in await refused(await desk.start(audience=FILE, message=draft))
    assert await sent_to(desk) == []
    desk.store.reused, desk.store.openids, desk.store.batches = False, 9_000, 1
    assert (await (await desk.start(audience=FILE, message=draft)).result()).outcome == "sent"


async def test_a_plain_send_under_the_key_of_a_list_is_refused(desk: Desk) -> None:
    """And a list under the key of a plain send, or of another list, whose URI was signed anew.

    Each hears of what was delivered: a new key would send it again.
    """
    await (await desk.start("list", audience=FILE)).result()
    said = await refused(await desk.start("list"))
    assert "stands for other content" in said
    assert 'an earlier run under "list.1" was delivered' in said
    anew = await refused(await desk.start("list", audience={**FILE, "uri": f"{FILE['uri']}?signed=anew"}))
    assert ("stands for other content" in anew, 'under "list.1" was delivered' in anew) == (True, True)
    plain = await (await desk.start("plain")).result()
    told = f"was delivered, or may have been (msg_id: {plain.jobs[0].msg_id})"
    assert told in await refused(await desk.start("plain", audience=FILE))


async def test_a_cancelled_list_ends_after_its_batch(real_desk: Desk) -> None:
    """The batch under way is not cancelled, and its result counts. The list tells why it cannot be aborted."""
    real_desk.wechat.push_at_once = None
    handle = await real_desk.start("cancel", audience=FILE)
    await until(lambda: sent_to(real_desk), lambda numbers: numbers == [1])
    await real_desk.until(batch(real_desk, 1, "cancel"), lambda status: status.phase == "awaiting_result")
    await handle.cancel()
    told = "the batch did not take abort: already accepted"
    await real_desk.until(handle, lambda status: any(line.what.startswith(told) for line in status.history))
    [msg_id] = real_desk.wechat.accepted.values()
    await real_desk.wechat.push(msg_id)
    result = await handle.result()
    assert (result.outcome, await sent_to(real_desk)) == ("partly_sent", [1])


async def test_a_list_cancelled_before_its_first_task_goes_to_nobody(real_env: WorkflowEnvironment) -> None:
    """No worker was there. The run that goes on as a list is not told by Temporal that the one before was cancelled."""
    desk, worker = staffed(real_env, scaled_facts())
    handle = await desk.start("cancelled-early", audience=FILE)
    await handle.cancel()
    async with worker():
        result = await failed(handle)
    assert (result.outcome, result.may_have_been_delivered, await sent_to(desk)) == ("aborted", False, [])


async def test_a_list_shows_that_it_cannot_read_the_end_of_a_batch(
    real_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer worker may end one in a way that this one does not know: the task fails until a worker can read it."""
    told = {"outcome": "postponed"}
    real_desk.task_timeout = BRIEF
    with monkeypatch.context() as older:
        older.setattr("workflows.whole.row_of", lambda _number, _result: MassSendResult.model_validate(told))
        handle = await real_desk.start("newer", audience=FILE)
        failed = (await event_of(handle, STUCK)).workflow_task_failed_event_attributes.failure
        assert "batch 1" in failed.message
    assert (await handle.result()).outcome == "sent"
    assert await sent_to(real_desk) == [1, 2, 3]


@pytest.mark.history
async def test_a_new_run_follows_the_batch_of_a_terminated_one(real_desk: Desk) -> None:
    """The batch goes on without its parent; a new start of the key follows it, and sends no batch twice."""
    real_desk.wechat.script = [says(40003)]
    await terminated(real_desk, "spring")
    second = await real_desk.start(audience=FILE)
    await real_desk.asks(second, "audience_refused")
    await real_desk.update(second, "retry")
    assert (await second.result()).outcome == "sent"
    assert await sent_to(real_desk) == [1, 1, 2, 3]


@pytest.mark.history
async def test_a_batch_that_is_held_hears_what_its_list_is_told(real_desk: Desk) -> None:
    """A pause, another time and a resume are passed on, in this order: it does not go before that time."""
    real_desk.wechat.script = [says(40003)]
    handle, first = await real_desk.start("later", audience=FILE), batch(real_desk, 1, "later")
    await real_desk.asks(handle, "audience_refused")
    await real_desk.freeze()
    await real_desk.update(handle, "retry")
    await real_desk.until(handle, lambda status: status.phase == "scheduled")
    await real_desk.update(handle, "pause")
    await real_desk.until(first, lambda status: status.list_paused_by == "li")
    later = datetime.now(UTC) + timedelta(days=1)
    await real_desk.update(handle, "reschedule", send_at=later.isoformat())
    await real_desk.update(handle, "resume")
    held = await real_desk.until(first, lambda status: status.list_paused_by is None)
    assert held.send_at == later
    await real_desk.account.execute_update("unfreeze", {"by": "li"})
    assert await sent_to(real_desk) == [1]
    await real_desk.update(handle, "reschedule", send_at=datetime.now(UTC).isoformat())
    assert (await handle.result()).outcome == "sent"
    assert await sent_to(real_desk) == [1, 1, 2, 3]


@pytest.mark.history
async def test_the_rest_of_a_split_test_waits_for_a_choice(real_desk: Desk) -> None:
    """Both messages are shown, each group gets its own, and the rest gets the one that a person has chosen."""
    split = {"split": {"a": 20, "b": 40}, "message_b": {"msgtype": "text", "content": "春装到了"}}
    handle = await real_desk.start("split", audience=FILE, approval={"required": True}, requested_by="wang", **split)
    status = await real_desk.waits(handle, "approval")
    assert [line.partition(":")[0] for line in status.approval.shows[:2]] == ["group a", "group b"]
    seen: SourcesSeen = await handle.query("sources", "b", result_type=SourcesSeen)
    assert (seen.digest or "")[:16] in status.approval.shows[-1]
    await real_desk.update(handle, "approve")
    asked = parse_request(real_desk.request("split", audience=FILE, **split))
    assert real_desk.store.versions == tuple(map(content_digest, asked.versions))
    status = await real_desk.asks(handle, "winner_not_chosen")
    assert (status.answers, await sent_to(real_desk)) == (("choose", "pause", "reschedule", "abort"), [1, 2])
    await real_desk.update(handle, "choose", winner="b")
    assert (await handle.result()).outcome == "sent"
    said = [step.message.model_dump()["content"] for step in real_desk.wechat.tries]
    assert (said[1] == said[2], said[0] == said[1]) == (True, False)


async def test_a_list_says_that_its_batch_waits_for_hours(real_desk: Desk) -> None:
    """Nothing of it is out before they begin, and who looks at the list sees when that is."""
    is_morning = datetime.now(SHANGHAI).hour < 12
    hours = ("20:00", "21:00") if is_morning else ("04:00", "05:00")
    real_desk.wechat.facts = real_desk.wechat.facts.model_copy(update={"send_hours": hours})
    handle = await real_desk.start("hours", audience=FILE)
    status = await real_desk.waits(handle, "the account's send_hours")
    assert status.waiting_for is not None
    assert (status.phase, status.waiting_for.until) == ("scheduled", next_opening(datetime.now(UTC), hours))
    await real_desk.update(handle, "abort")
    assert ((await failed(handle)).outcome, await sent_to(real_desk)) == ("aborted", [])


@pytest.mark.long
async def test_a_list_is_paused_whose_batch_is_retried(real_desk: Desk) -> None:
    """By its own key. The batch may go out, as that was asked for before, or may still be held back. The rest waits."""
    desk, asked, tells = real_desk, asyncio.Event(), asyncio.Event()

    async def checked() -> None:
        asked.set()
        await tells.wait()

    async def is_held() -> bool:
        waiting = [(await desk.status(one)).waiting_for for one in (handle, first)]
        return any(one is not None and one.reason.startswith("resume") for one in waiting)

    desk.wechat.before_status, desk.wechat.push_at_once = checked, "send fail"
    handle, first = await desk.start("retried", audience=FILE), batch(desk, 1, "retried")
    await desk.asks(handle, "send_failed")
    answer = asyncio.create_task(desk.update(first, "retry"))
    await asked.wait()
    await desk.until(handle, lambda status: "retry" not in status.answers)
    desk.wechat.push_at_once = "send success"
    await desk.update(handle, "pause")
    tells.set()
    await answer
    await until(is_held)
    assert await sent_to(desk) in ([1], [1, 1])
    await desk.update(handle, "resume")
    assert ((await handle.result()).outcome, await sent_to(desk)) == ("sent", [1, 1, 2, 3])
