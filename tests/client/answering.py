"""A workflow that gives answers which real workers seldom give, and the requests that have it do so."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from qunfa.contract import MASS_SEND, MASS_SEND_FAILED
from qunfa.contract.result import ASK_AGAIN, INVALID_REQUEST
from tests.looking import PATIENCE

QUEUE = "client-tests"
NOBODY = "nobody"
"""Who asks for a send that is refused."""
WITHIN = timedelta(seconds=PATIENCE)
STATUS: dict[str, Any] = {"phase": "scheduled", "updated_at": "2026-12-01T01:00:00Z"}
RESULT: dict[str, Any] = {"outcome": "sent", "may_have_been_delivered": True, "account": "demo", "key": "spring"}


@workflow.defn(name=MASS_SEND)
class Answering:
    """Says what its request has it say: a status, a result or a failure, and how often it is to be asked again."""

    @workflow.init
    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self._asked = 0
        self._aborted = 0
        self._begun = 0
        self._is_over = False

    @workflow.run
    async def run(self, raw: dict[str, Any]) -> Any:
        if raw.get("goes_on"):
            workflow.continue_as_new({**raw, "goes_on": False})
        await workflow.wait_condition(lambda: "result" in raw or "failure" in raw or self._is_over)
        if self._is_over:
            return RESULT
        if "failure" in raw:
            raise ApplicationError("It was put off.", raw["failure"], type=MASS_SEND_FAILED, non_retryable=True)
        return raw["result"]

    @workflow.query
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self._raw.get("status", STATUS)
        return status

    @workflow.signal
    def end(self) -> None:
        self._is_over = True

    @workflow.query
    def begun(self) -> int:
        return self._begun

    @workflow.update
    async def accepted(self) -> dict[str, Any]:
        self._asked += 1
        await workflow.wait_condition(lambda: "stays_silent" not in self._raw)
        if self._raw.get("requested_by") == NOBODY:
            self._is_over = True
            raise ApplicationError("It was refused.", ["requested_by: is nobody"], type=INVALID_REQUEST)
        if self._asked <= self._raw.get("stays", 0):
            raise ApplicationError("the send goes on as another run", type=ASK_AGAIN, non_retryable=True)
        return self.status()

    @workflow.update
    async def abort(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._aborted += 1
        if self._aborted <= self._raw.get("asks_again", 0):
            raise ApplicationError("the send goes on as another run", answer, type=ASK_AGAIN, non_retryable=True)
        return {**STATUS, "answers": [answer["by"]]}

    @workflow.update
    async def pause(self, _answer: dict[str, Any]) -> dict[str, Any]:
        self._begun += 1
        await workflow.wait_condition(lambda: False)
        return self.status()


def asked(key: str, **more: Any) -> dict[str, Any]:
    """A request, and what is to be said of it."""
    return {"account": "demo", "key": key, "audience": {"kind": "all"}, **more}
