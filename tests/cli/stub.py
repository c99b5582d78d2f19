"""A `MassSend` that says what a test tells it to say: same name, queries, updates and endings as the real one."""

import json
from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from qunfa.contract import INVALID_REQUEST, MASS_SEND, MASS_SEND_FAILED

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

    @workflow.run
    async def run(self, raw: Any) -> Any:
        content = raw["message"]["content"]
        if content.startswith("end: "):
            self._end = json.loads(content.removeprefix("end: "))
        await workflow.wait_condition(lambda: self._end is not None)
        await workflow.wait_condition(workflow.all_handlers_finished)
        end = self._end or {}
        if end["as"] == "completed":
            return end["result"]
        if end["as"] == "refused":
            raise ApplicationError("the key is of no use", type=INVALID_REQUEST, non_retryable=True)
        raise ApplicationError("it ended badly", end["result"], type=MASS_SEND_FAILED, non_retryable=True)

    @workflow.signal
    def become(self, said: dict[str, Any]) -> None:
        self._status = said

    @workflow.signal
    def end(self, how: dict[str, Any]) -> None:
        self._end = how

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

    def _take(self, raw: dict[str, Any], phase: str) -> dict[str, Any]:
        self._received.append(raw)
        self._status = status(phase, history=[{"at": EPOCH.isoformat(), "what": phase, **_who(raw)}])
        return self._status


def _who(raw: dict[str, Any]) -> dict[str, Any]:
    return {"by": raw["by"], "reason": raw["reason"]}


def result(outcome: str, key: str, **fields: Any) -> dict[str, Any]:
    """The JSON of a result."""
    return {"outcome": outcome, "may_have_been_delivered": False, "account": "demo", "key": key, **fields}


def request(key: str, text: str = "hi") -> dict[str, Any]:
    """The JSON of a request for a text to everybody."""
    return {
        "account": "demo",
        "key": key,
        "audience": {"kind": "all"},
        "message": {"msgtype": "text", "content": text},
    }
