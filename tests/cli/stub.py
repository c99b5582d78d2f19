"""Workflows that say what a test tells them to say: same names, queries, updates and endings as the real ones."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError

from qunfa.cli.view import PHASE
from qunfa.contract import INVALID_REQUEST, MASS_SEND, MASS_SEND_FAILED, mass_send_id
from qunfa.contract.batches import batch_key
from qunfa.contract.ids import (
    CHECK_CALLBACK,
    CHECK_MASS_SEND,
    MASS_SEND_IN_BATCHES,
    PREVIEW_MASS_SEND,
    RECALL_MASS_SEND,
)
from qunfa.contract.recall import RECALL_FAILED
from qunfa.contract.result import ASK_AGAIN
from qunfa.contract.steps import UPLOAD, WISH

HALF = "524288 of 1048576 bytes"
FILE = {"kind": "openid_file", "uri": "file:///lists/who.csv"}
EPOCH = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)


def status(phase: str, **fields: Any) -> dict[str, Any]:
    """The JSON of a status."""
    return {"phase": phase, "updated_at": EPOCH.isoformat(), **fields}


@workflow.defn(name=MASS_SEND)
class ScriptedMassSend:
    """Runs until it is told how to end: by a signal, or by a text that begins with `end: `."""

    def __init__(self) -> None:
        self._status = status("preparing")
        self._received: list[dict[str, Any]] = []
        self._end: dict[str, Any] | None = None
        self._digest: str | None = None
        self._held = False
        self._stays = False

    @workflow.run
    async def run(self, raw: Any) -> Any:
        content = raw["message"].get("content", "")
        if content.startswith("end: "):
            self._end = json.loads(content.removeprefix("end: "))
        await workflow.wait_condition(lambda: self._end is not None)
        await workflow.wait_condition(workflow.all_handlers_finished)
        end = self._end or {}
        if end["as"] == "completed":
            return end["result"]
        if end["as"] == "refused":
            raise ApplicationError(end.get("said", "the key is of no use"), type=INVALID_REQUEST, non_retryable=True)
        raise ApplicationError("it ended badly", end["result"], type=MASS_SEND_FAILED, non_retryable=True)

    @workflow.signal
    def become(self, said: dict[str, Any]) -> None:
        self._status = said

    @workflow.signal
    def stand(self, phase: str) -> None:
        """In which phase Temporal finds it from now on."""
        workflow.upsert_search_attributes([PHASE.value_set(phase)])

    @workflow.signal
    def end(self, how: dict[str, Any]) -> None:
        self._end = how

    @workflow.signal
    def hold(self, held: bool) -> None:
        """Whether a pause is not answered yet."""
        self._held = held

    @workflow.signal
    def stay(self, stays: bool) -> None:
        """Whether its status stays what it is, whatever is answered."""
        self._stays = stays

    @workflow.signal
    def look_at(self, digest: str) -> None:
        self._digest = digest

    @workflow.query
    def sources(self) -> dict[str, Any]:
        return {"digest": self._digest}

    @workflow.signal
    def begin_upload(self, broken: bool) -> None:
        workflow.start_activity(
            UPLOAD,
            broken,
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
        )

    @workflow.signal
    def ask_the_ledger(self, queue: str) -> None:
        """No worker of this stub can answer: each attempt fails, where one polls the task queue."""
        workflow.start_activity(WISH, task_queue=queue, start_to_close_timeout=timedelta(minutes=5))

    @workflow.query
    def received(self) -> list[dict[str, Any]]:
        return self._received

    @workflow.query(name="status")
    def say(self) -> dict[str, Any]:
        return self._status

    @workflow.update
    def retry(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._take(raw, "submitting")

    @retry.validator
    def _retry_fits(self, raw: dict[str, Any]) -> None:
        if self._status["phase"] != "needs_operator":
            raise ApplicationError("It does not wait for an operator: there is nothing to retry.", type="Refused")

    @workflow.update
    def mark_sent(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._take(raw, "awaiting_result")

    @workflow.update
    def abort(self, raw: dict[str, Any]) -> dict[str, Any]:
        said = self._take(raw, "done")
        self._end = {"as": "failed", "result": result("aborted", "abort")}
        return said

    @workflow.update
    def approve(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._take(raw, "submitting")

    @approve.validator
    def _approve_fits(self, raw: dict[str, Any]) -> None:
        if self._status["phase"] != "awaiting_approval":
            raise ApplicationError("approve does not fit now", type="Refused")

    @workflow.update
    def reject(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._take(raw, "needs_operator")

    @workflow.update
    async def pause(self, raw: dict[str, Any]) -> dict[str, Any]:
        if raw.get("reason") == "too soon" and raw not in self._received:
            self._received.append(raw)
            raise ApplicationError("ask that one", type=ASK_AGAIN, non_retryable=True)
        said = self._take(raw, "paused")
        await workflow.wait_condition(lambda: not self._held)
        return said

    @workflow.update
    def resume(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._take(raw, "scheduled")

    @workflow.update
    def reschedule(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._take(raw, "scheduled")

    @workflow.update
    def choose(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._take(raw, "submitting")

    def _take(self, raw: dict[str, Any], phase: str) -> dict[str, Any]:
        self._received.append(raw)
        if self._stays:
            return self._status
        self._status = status(phase, history=[{"at": EPOCH.isoformat(), "what": phase, **_who(raw)}])
        return self._status


@workflow.defn(name=MASS_SEND_IN_BATCHES)
class ScriptedInBatches(ScriptedMassSend):
    """The same, with a batch for each text that it is started with: each is preparing, as Temporal finds it."""

    @workflow.run
    async def run(self, raw: Any, texts: Any = ()) -> Any:
        for number, text in enumerate(texts, 1):
            batch = {**request(batch_key(raw["key"], number), text), "audience": raw["audience"]}
            await workflow.start_child_workflow(
                MASS_SEND,
                batch,
                id=mass_send_id("demo", batch["key"]),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                search_attributes=TypedSearchAttributes([SearchAttributePair(PHASE, "preparing")]),
            )
        return await super().run(raw)


@activity.defn(name=UPLOAD)
async def upload(broken: bool) -> None:
    """Half of a file; `broken`, at the second attempt only. It goes on until the worker stops."""
    if broken and activity.info().attempt == 1:
        raise ApplicationError("WeChat does not answer")
    activity.heartbeat(HALF)
    await asyncio.Event().wait()


@workflow.defn(name=CHECK_MASS_SEND)
class ScriptedCheck:
    """Answers with what the text of the message says; rests for ever without one."""

    @workflow.run
    async def run(self, raw: Any) -> Any:
        return {"msgtype": raw["message"]["msgtype"], "audience": "all followers", **await _answer(raw)}


@workflow.defn(name=PREVIEW_MASS_SEND)
class ScriptedPreview:
    """Answers with what the text of the message says; rests for ever without one."""

    @workflow.run
    async def run(self, raw: Any) -> Any:
        return await _answer(raw)


CALLBACKS: dict[str, Any] = {}
"""Account → what a look at its callback finds; or the problems of its request; it rests for ever without either."""


@workflow.defn(name=CHECK_CALLBACK)
class ScriptedCallbackCheck:
    """Answers with what a test has put into `CALLBACKS`."""

    @workflow.run
    async def run(self, raw: Any) -> Any:
        said = CALLBACKS.get(raw["account"])
        await workflow.wait_condition(lambda: said is not None)
        if isinstance(said, list):
            raise ApplicationError("refused", said, type=INVALID_REQUEST, non_retryable=True)
        return {"account": raw["account"], **(said or {})}


RECALLS: dict[int, str] = {}
"""msg_id → the outcome of its recall, or `ended` where somebody ends it; one that is not here goes on.

One that is `strange` goes on as well, and its status is one that nobody knows.
"""


@workflow.defn(name=RECALL_MASS_SEND)
class ScriptedRecall:
    """Ends as a test has put into `RECALLS`."""

    @workflow.run
    async def run(self, raw: Any) -> Any:
        self._msg_id = raw["msg_id"]
        await workflow.wait_condition(lambda: RECALLS.get(raw["msg_id"], "strange") != "strange")
        outcome = RECALLS[raw["msg_id"]]
        if outcome == "ended":
            raise ApplicationError("It is not needed", type="Ended", non_retryable=True)
        calls = []
        if outcome == "spent":
            outcome, calls = "not_recalled", [{"at": workflow.now().isoformat(), "answer": "refused", "errcode": 45009}]
        result = {**raw, "outcome": outcome, "sentence": f"It is {outcome}.", "calls": calls}
        if outcome == "recalled":
            return result
        raise ApplicationError("it did not work", result, type=RECALL_FAILED, non_retryable=True)

    @workflow.query
    def status(self) -> dict[str, Any]:
        return status(RECALLS.get(self._msg_id, "looking"), by="wang", reason="wrong price")


async def _answer(raw: dict[str, Any]) -> dict[str, Any]:
    kind, _, said = raw["message"].get("content", "").partition(": ")
    if kind == "answer":
        return {"account": raw["account"], "key": raw["key"], **json.loads(said)}
    if kind == "refuse":
        raise ApplicationError("refused", json.loads(said), type=INVALID_REQUEST, non_retryable=True)
    if kind == "fail":
        raise ApplicationError(said, type="PreviewFailed", non_retryable=True)
    await workflow.wait_condition(lambda: False)
    raise AssertionError("it rests")


def _who(raw: dict[str, Any]) -> dict[str, Any]:
    return {"by": raw["by"], "reason": raw.get("reason")}


def result(outcome: str, key: str, **fields: Any) -> dict[str, Any]:
    """The JSON of a result."""
    return {"outcome": outcome, "may_have_been_delivered": False, "account": "demo", "key": key, **fields}


async def completed(handle: WorkflowHandle[Any, Any], outcome: str, key: str, **fields: Any) -> None:
    """Once a scripted send has ended well, with this result."""
    await handle.signal("end", {"as": "completed", "result": result(outcome, key, **fields)})
    await handle.result()


async def given(client: Client, workflow_id: str) -> Any:
    """The input of a workflow."""
    async for event in client.get_workflow_handle(workflow_id).fetch_history_events(page_size=1):
        return json.loads(event.workflow_execution_started_event_attributes.input.payloads[0].data)
    raise AssertionError("a workflow has a first event")


def request(key: str, text: str = "hi") -> dict[str, Any]:
    """The JSON of a request for a text to everybody."""
    return {
        "account": "demo",
        "key": key,
        "audience": {"kind": "all"},
        "message": {"msgtype": "text", "content": text},
        "requested_by": "crm",
    }
