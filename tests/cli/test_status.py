"""`qunfa status` of running and closed sends."""

from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import PauseActivityRequest
from temporalio.client import Client

from qunfa.cli.view import SendView
from qunfa.cli.workers import Work
from tests.cli.calls import DESERTED_QUEUE, QUEUE, InBatches, Qunfa, Scripted, parsed
from tests.cli.stub import result, status
from tests.looking import until

WAITING = status(
    "needs_operator",
    problem={
        "name": "reprint_needs_decision",
        "sentence": "WeChat judged it a reprint.",
        "todo": "Decide.",
        "rid": "r1",
    },
    answers=["retry", "abort"],
    waiting_for={"reason": "an operator", "until": "2026-12-04T01:00:00Z"},
)


async def test_a_running_send_says_its_status(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """The JSON is a SendView whose status is what the workflow says; people see the exact command for each answer."""
    await scripted(WAITING)
    answer = await qunfa("status", f"demo/{key}", "--json")
    view = SendView.model_validate(parsed(answer))
    assert answer.exit_code == 0
    assert (view.state, view.phase, view.account, view.key) == ("running", "needs_operator", "demo", key)
    assert view.status is not None
    assert view.status.answers == ("retry", "abort")
    shown = (await qunfa("status", f"demo/{key}")).stdout
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    for row in ('message Text "hi"', "to all followers", "asked by crm"):
        assert row in rows
    assert "WeChat judged it a reprint." in shown
    assert f'qunfa retry demo/{key} --send-ignore-reprint --reason "WHY"' in shown
    assert f'qunfa abort demo/{key} --reason "WHY"' in shown
    several = parsed(await qunfa("status", f"mass-send:demo:{key}", f"demo/{key}", "--json"))
    by_key = parsed(await qunfa("status", key, "--account", "demo", "--json"))
    assert [one["run_id"] for one in several] == [by_key["run_id"]] * 2


async def test_an_upload_says_how_far_it_is(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Bytes so far and in all, and why an earlier attempt failed, from the activity itself."""
    handle = await scripted(status("preparing"))
    await handle.signal("begin_upload", True)
    view = await until(lambda: _view(qunfa, key), lambda view: view.work and view.work[0].size)
    half = Work(activity="upload", attempt=2, written=2**19, size=2**20, failure="WeChat does not answer")
    assert view.work == (half,)
    shown = (await qunfa("status", f"demo/{key}")).stdout
    assert "512.0 KB of 1.0 MB" in shown
    assert "attempt 2; the last one failed: WeChat does not answer" in shown


async def test_a_question_to_the_ledger_that_has_failed_is_shown(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """The send waits for its answer, and does not hear why there is none. It is over in a moment as a rule."""
    first, again = await scripted(status("submitting"), more="a"), await scripted(status("submitting"), more="b")
    await first.signal("ask_the_ledger", DESERTED_QUEUE)
    await again.signal("ask_the_ledger", QUEUE)
    [work] = (await until(lambda: _view(qunfa, f"{key}b"), lambda view: view.work)).work
    assert (work.activity, work.attempt > 1, "is not registered" in str(work.failure)) == ("wish", True, True)
    assert "the account's ledger attempt" in " ".join((await qunfa("status", f"demo/{key}b")).stdout.split())
    await until(first.describe, lambda found: found.raw_description.pending_activities)
    assert (await _view(qunfa, f"{key}a")).work == ()


async def test_an_activity_that_is_paused_in_temporal_is_shown(
    qunfa: Qunfa, scripted: Scripted, client: Client, *, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is shown for no other reason: nothing goes on until it is unpaused, which the send cannot know."""
    monkeypatch.setattr("qunfa.cli.workers.SHOWN", {})
    handle = await scripted(status("preparing"))
    await handle.signal("begin_upload", False)
    await until(handle.describe, lambda found: found.raw_description.pending_activities)
    execution = WorkflowExecution(workflow_id=handle.id)
    pause = PauseActivityRequest(namespace=client.namespace, execution=execution, type="upload")
    await client.workflow_service.pause_activity(pause)
    [work] = (await _view(qunfa, key)).work
    assert (work.activity, work.paused) == ("upload", True)
    assert "paused in Temporal, so that nothing goes on" in (await qunfa("status", f"demo/{key}")).stdout


@pytest.mark.parametrize(
    ("end", "state", "said"),
    [
        ({"as": "completed", "result": result("sent", "k")}, "completed", "Delivered."),
        ({"as": "failed", "result": result("expired", "k")}, "failed", "Expired. Nothing was delivered."),
        ({"as": "refused"}, "failed", "the key is of no use"),
    ],
)
async def test_a_closed_send_says_how_it_ended(
    qunfa: Qunfa, scripted: Scripted, *, key: str, end: dict[str, Any], state: str, said: str
) -> None:
    """By the history or the failure's details; a refused request says its sentence. Its previews are still shown."""
    handle = await scripted(status("awaiting_result", previews=[{"to": "oA", "sent": True, "msg_id": 7}]))
    await handle.signal("end", end)
    view = await _closed(qunfa, key)
    assert view.state == state
    assert (view.result and view.result.outcome) == end.get("result", {}).get("outcome")
    shown = (await qunfa("status", f"demo/{key}")).stdout
    assert said in shown
    assert ["oA", "sent", "7", "–"] in [line.split() for line in shown.splitlines()]


@pytest.mark.parametrize("ended_by", ["cancel", "terminate"])
async def test_a_send_that_temporal_ended_is_no_delivery_report(
    qunfa: Qunfa, scripted: Scripted, key: str, ended_by: str
) -> None:
    """A terminated send points at the ledger. Of a cancelled one nothing was delivered, or it goes on."""
    handle = await scripted(status("submitting"))
    await getattr(handle, ended_by)()
    view = await _closed(qunfa, key)
    assert view.result is None
    shown = (await qunfa("status", f"demo/{key}")).stdout
    assert (f"qunfa ledger demo --key {key}" in shown) is (ended_by == "terminate")
    assert ("nothing was delivered" in shown) is (ended_by == "cancel")


async def test_a_list_that_was_terminated_is_not_looked_up_as_one_key(
    qunfa: Qunfa, in_batches: InBatches, key: str
) -> None:
    """The ledger knows nothing of the whole: its batches tell what went out.

    Whoever starts it again sends the rest. A person may have stopped it for good, and is told how that is done.
    """
    handle = await in_batches(status("submitting"))
    await handle.terminate()
    await _closed(qunfa, key)
    shown = " ".join((await qunfa("status", f"demo/{key}")).stdout.split())
    assert f"its batches know: qunfa list --account demo --batches. The ledger has each as {key}.1, {key}.2" in shown
    assert f"--key {key}" not in shown
    for_good = ("sends to those who are left", "qunfa freeze demo", f"qunfa abort demo/{key}", "qunfa unfreeze demo")
    places = [shown.find(one) for one in for_good]
    assert min(places) >= 0
    assert places == sorted(places)


async def test_without_a_worker_the_phase_is_what_temporal_knows(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """A query that nobody answers is said plainly (exit 1), beside the phase from the search attributes."""
    await scripted(queue=DESERTED_QUEUE)
    answer = await qunfa("status", f"demo/{key}", "--json")
    view = SendView.model_validate(parsed(answer))
    assert (answer.exit_code, view.phase, view.status) == (1, "preparing", None)
    assert f"No worker polls the task queue {DESERTED_QUEUE}" in (view.note or "")


async def test_an_unknown_send_is_refused(qunfa: Qunfa, client: Any) -> None:
    """Exit 1 with a sentence. Programs get nothing where they asked for one, and a list without it for several."""
    answer = await qunfa("status", "demo/never-started", "--json")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "holds no mass send demo/never-started" in answer.stderr
    several = await qunfa("status", "demo/never-started", "demo/nor-this", "--json")
    assert (several.exit_code, parsed(several)) == (1, [])


async def _view(qunfa: Qunfa, key: str) -> SendView:
    return SendView.model_validate(parsed(await qunfa("status", f"demo/{key}", "--json")))


async def _closed(qunfa: Qunfa, key: str) -> SendView:
    return await until(lambda: _view(qunfa, key), lambda view: view.state != "running")
