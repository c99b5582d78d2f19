"""What an older worker makes of what a newer one has written, while both take tasks."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError, field_validator
from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from activities.run_history import answer_in, input_of
from qunfa.account.state import AccountState
from qunfa.audience.plans import PlanFile
from qunfa.audience.reports import RowsFile
from qunfa.batches.state import BatchesState
from qunfa.contract import mass_send_id
from qunfa.contract.audience import AnyAudience
from qunfa.contract.fields import READS, Carried, NewerError
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import Answer
from qunfa.send.state import SendState
from qunfa.temporal.payloads import data_converter
from tests.looking import until
from tests.temporal import is_there
from tests.workflows.conftest import BRIEF, Desk
from tests.workflows.failures import failure_of
from tests.workflows.model import loses, silent
from tests.workflows.test_in_batches import FILE, batch, sent_to
from workflows.waiting import Signals

NEWER = "audience.later: is not a field of this object"


async def why_failed(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """What the workers have said of the workflow tasks of the newest run that have failed."""
    failed = [one.workflow_task_failed_event_attributes for one in (await handle.fetch_history()).events]
    return [one.failure.message for one in failed if one.failure.message]


@pytest.mark.parametrize(
    ("audience", "key"), [({"kind": "all"}, "spring"), (FILE, "spring"), (FILE, "spring.2")],
    ids=["a send", "a list", "a batch"],
)  # fmt: skip
async def test_a_run_that_a_newer_worker_has_begun_waits_for_one(
    real_desk: Desk, monkeypatch: pytest.MonkeyPatch, audience: dict[str, Any], key: str
) -> None:
    """A request that was accepted is refused no more: who is told so would send it again."""
    begun, real_desk.task_timeout = mass_send_id("demo", key), BRIEF
    monkeypatch.setattr("workflows.waiting.HISTORY_MAX", 12)
    real_desk.wechat.script = [silent, silent, loses]

    def older(raw: Any) -> MassSendRequest:
        info = workflow.info()
        if info.workflow_id == begun and (info.continued_run_id or info.parent):
            raise InvalidRequestError([NEWER])
        return parse_request(raw)

    with monkeypatch.context() as worker:
        worker.setattr("workflows.refusal.parse_request", older)
        handle = await real_desk.start(audience=audience)
        newest = real_desk.env.client.get_workflow_handle(begun)
        await until(partial(is_there, real_desk.env.client, begun))
        await until(lambda: why_failed(newest), lambda said: any(NEWER in one for one in said))
    assert (await handle.result()).outcome == "sent"


async def test_a_batch_is_written_without_its_defaults(real_desk: Desk) -> None:
    """An older worker carries it out where it has nothing new."""
    await (await real_desk.start("plain", audience=FILE)).result()
    raw = await input_of(real_desk.env.client, batch(real_desk, 1, "plain").id)
    least = {"kind", "key", "plan", "number", "of", "openids", "started_at", "appid", "base_url"}
    assert (raw["audience"].keys(), raw["message"]) == (least, real_desk.request()["message"])
    assert MassSendRequest.model_validate(raw).model_dump(mode="json", exclude_defaults=True) == raw


class OlderRequest(MassSendRequest):
    """As of a version whose batches lack a field."""

    @field_validator("audience")
    @classmethod
    def _known(cls, audience: AnyAudience) -> AnyAudience:
        if audience.kind == "batch":
            raise ValueError(NEWER)
        return audience


async def why_repeated(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Why its activities under way are repeated."""
    pending = (await handle.describe()).raw_description.pending_activities
    return [one.last_failure.message for one in pending]


@pytest.mark.parametrize("answer", ["unfreeze", "abort"])
async def test_a_batch_that_a_newer_worker_has_begun_is_not_denied(
    real_desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """It is held back, and would go out after its list had said that nothing can have been delivered."""
    desk, key = real_desk, f"denied-{answer}"
    one = batch(desk, 1, key)
    await (await desk.start("warm")).result()
    desk.wechat.tries.clear()
    await desk.freeze()
    first = await desk.start(key, audience=FILE)
    await until(partial(is_there, desk.env.client, one.id))
    await first.terminate("by hand")
    with monkeypatch.context() as older:
        older.setattr("activities.run_history.MassSendRequest", OlderRequest)
        if answer == "abort":
            second = await desk.start(key, audience=FILE, approval={"required": True}, requested_by="wang")
            await desk.waits(second, "approval")
            await desk.update(second, "abort")
        else:
            second = await desk.start(key, audience=FILE)
        await until(lambda: why_repeated(second), lambda said: any("run the worker version" in why for why in said))
    if answer == "abort":
        result = await failure_of(second, follow_runs=True)
        ended = await failure_of(one, follow_runs=True)
        assert (result.outcome, ended.outcome, desk.wechat.tries) == ("aborted", "aborted", [])
    else:
        await desk.account.execute_update("unfreeze", {"by": "li"})
        assert [job.state for job in (await second.result()).jobs] == ["sent"] * 3
        assert await sent_to(desk) == [1, 2, 3]


async def test_a_newer_restore_is_heard_by_an_older_account(real_desk: Desk) -> None:
    """It comes by a signal: were it dropped, the account would go on, and nobody would hear of that."""
    await (await real_desk.start()).result()
    taken = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await real_desk.account.signal("restored", {"by": "li", "reason": "disk lost", "taken": taken, "later": None})
    assert (await until(real_desk.ledger, lambda view: view.restored is not None)).frozen is not None


LIFE = {"namespace": "default", "life": "r"}
PLAN = {
    "audience": {}, "content": "", "snapshot": "", "sha256": "", "batches": [],
    "plan": {"digest": "d", "openids": 2, "batches": 1, "taken_at": "2026-12-01T09:00:00+08:00"},
}  # fmt: skip
CARRIED: list[tuple[type[Carried], dict[str, Any]]] = [
    (AccountState, {"appid": "wx", "since": "2026-12-01T09:00:00+08:00"}),
    (SendState, LIFE), (BatchesState, LIFE), (RowsFile, {"rows": []}), (PlanFile, PLAN),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "said"), CARRIED)
def test_an_older_worker_writes_nothing_anew_that_is_newer(kind: type[Carried], said: dict[str, Any]) -> None:
    """It would lose what it does not know, such as a doubt. So it reads none of it, as no stranger's word is read."""
    with pytest.raises(NewerError):
        kind.model_validate({**said, "reads": READS + 1})
    for before in (said, {**said, "reads": 1}):
        assert kind.model_validate(before).model_dump(mode="json")["reads"] == READS


class OlderAnswer(Answer):
    """As of a version that does not know 45065."""

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind == "duplicate":
            raise ValueError("must be another one")
        return kind


NEWER_ANSWER = {"kind": "later", "at": "2026-12-01T09:00:00+08:00"}


async def test_no_older_worker_takes_a_newer_answer_for_a_persons(
    real_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The send would go another way than in a replay. What a person types lacks a field."""
    real_desk.wechat.script, real_desk.task_timeout = [loses], BRIEF
    with monkeypatch.context() as worker:
        worker.setattr("workflows.calls.Answer", OlderAnswer)
        handle = await real_desk.start()
        said = "this worker cannot read what submit has given"
        await until(lambda: why_failed(handle), lambda failed: said in failed)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].deduplicated) == ("sent", True)


async def test_a_newer_answer_of_an_earlier_run_is_not_passed_over() -> None:
    """What the run before has submitted may be in it. Half an answer is a person's."""
    assert await answer_in(data_converter, await data_converter.encode([{"kind": "later"}])) is None
    with pytest.raises(ApplicationError, match="cannot be read"):
        await answer_in(data_converter, await data_converter.encode([NEWER_ANSWER]))


def test_no_older_account_drops_what_a_newer_one_hands_on() -> None:
    """A signal of a stranger is dropped. What a run hands on was read before, by a worker."""
    attempt = {"generation": 0, "number": 1, "wish": "w", "clientmsgid": "c", "not_before": NEWER_ANSWER["at"]}
    known = {"tries": [{**attempt, "holder": "r", "answer": NEWER_ANSWER}]}
    with pytest.raises(ValidationError):
        Signals([["told", {"key": "k", "digest": "d", "workflow_id": "w", "known": known}]])
