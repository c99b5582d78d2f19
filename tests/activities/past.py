"""Earlier runs of a mass send, made to order on a real server: what they scheduled, and how they ended."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from activities import Remains
from qunfa.contract.job import Answer
from qunfa.contract.result import MASS_SEND_FAILED
from tests.activities.conftest import NOON, submit_step

OUTCOME = SearchAttributeKey.for_keyword("MassSendOutcome")
TEXT = {"msgtype": "text", "content": "你好"}


class NoEarlierRuns:
    """For what is not about earlier runs."""

    async def find(self, workflow_id: str, current_run_id: str) -> Sequence[Remains]:
        return ()


@workflow.defn(name="MassSend", sandboxed=False)
class Past:
    """Schedules the activities of its script and ends as the script says."""

    @workflow.run
    async def run(self, request: Any, script: Any) -> Any:
        for name, step in script.get("steps", []):
            try:
                await workflow.execute_activity(
                    name,
                    step,
                    start_to_close_timeout=timedelta(seconds=script.get("timeout", 60)),
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
            except ActivityError:
                workflow.logger.debug("%s was lost", name)
        if "shown" in script:
            workflow.upsert_search_attributes([OUTCOME.value_set(script["shown"])])
        if "continued" in script:
            workflow.continue_as_new(args=[request, script["continued"]])
        if script.get("stays"):
            await workflow.wait_condition(lambda: False)
        if "failure" in script:
            raise ApplicationError("ended badly", script["failure"], type=MASS_SEND_FAILED, non_retryable=True)
        return script["result"]


@dataclass
class Fates:
    """What the activities of earlier runs answer, by name; a try that has no answer never gets one."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn(dynamic=True)
    async def act(self, args: Sequence[RawValue]) -> Any:
        name = activity.info().activity_type
        if name == "tell":
            return None
        if not self.answers.get(name):
            self.waiting.set()
            await asyncio.Event().wait()
        answer = self.answers[name].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Times:
    """One mass send through its runs."""

    client: Client
    fates: Fates
    task_queue: str
    key: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def workflow_id(self) -> str:
        return f"mass-send:demo:{self.key}"

    @property
    def request(self) -> dict[str, Any]:
        return {"account": "demo", "key": self.key, "audience": {"kind": "all"}, "message": TEXT}

    def result(self, outcome: str, *rows: Any, problem: str | None = None) -> dict[str, Any]:
        """The result of a run."""
        described = problem and {"name": problem, "sentence": "…", "todo": "…"}
        fields = {"outcome": outcome, "may_have_been_delivered": True, "account": "demo", "key": self.key}
        return {**fields, "jobs": list(rows), "problem": described}

    def a_try(self, **more: Any) -> tuple[str, Any]:
        """A `submit` in the script of a run."""
        step = submit_step("https://wechat.example", key=self.key, workflow_id=self.workflow_id, **more)
        return "submit", step.model_dump(mode="json")

    def answered(self, **answer: Any) -> None:
        """The next try is answered so."""
        told = Answer.model_validate({"at": NOON, **answer}).model_dump(mode="json")
        self.fates.answers.setdefault("submit", []).append(told)

    async def begin(self, *steps: Any, **script: Any) -> WorkflowHandle[Any, Any]:
        """A run that has this script."""
        args = [self.request, {"steps": list(steps), "result": self.result("failed"), **script}]
        return await self.client.start_workflow("MassSend", args=args, id=self.workflow_id, task_queue=self.task_queue)

    async def live(self, *steps: Any, **script: Any) -> None:
        """A run that has come to its end; a bad end is one too."""
        handle = await self.begin(*steps, **script)
        with suppress(WorkflowFailureError):
            await handle.result()

    async def lose(self, *steps: Any, **script: Any) -> None:
        """A run that is terminated while the last of its steps is waited for."""
        self.fates.waiting.clear()
        handle = await self.begin(*steps, **script)
        await self.fates.waiting.wait()
        await handle.terminate()

    def run(self, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
        """The very run that `handle` has started."""
        return self.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)

    async def now(self) -> str:
        """The current run, of which nothing is known yet: its run id."""
        handle = await self.client.start_workflow(
            "MassSend", args=[self.request, {}], id=self.workflow_id, task_queue=f"nobody-{self.task_queue}"
        )
        assert handle.first_execution_run_id
        return handle.first_execution_run_id


def worker(client: Client, task_queue: str, fates: Fates, *workflows: type) -> Worker:
    """A worker for earlier runs."""
    return Worker(client, task_queue=task_queue, workflows=[Past, *workflows], activities=[fates.act])
