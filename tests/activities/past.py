"""Earlier runs of a mass send, made to order on a real server: what they scheduled and heard, and how they ended."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from activities.earlier_runs import Found, VisibleRuns
from qunfa.contract.facts import Known, Try
from qunfa.contract.grants import Lease, Report, Wish
from qunfa.contract.result import MASS_SEND_FAILED, Answer
from qunfa.contract.steps import Pinned, SubmitStep, TellStep, WishStep
from tests.activities.conftest import APPID, NOON, lease
from tests.looking import until

OUTCOME = SearchAttributeKey.for_keyword("MassSendOutcome")
TEXT = {"msgtype": "text", "content": "你好"}
DIGEST = "d" * 64
MSG_ID = 3147483650
ENDS = ("completed", "failed", "timed_out", "canceled")


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
                    cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                )
            except ActivityError:
                workflow.logger.debug("%s was lost", name)
        if "batch" in script:
            await workflow.start_child_workflow(
                "MassSend", args=[request, script["batch"]], id=f"{workflow.info().workflow_id}.1"
            )
        if "shown" in script:
            workflow.upsert_search_attributes([OUTCOME.value_set(script["shown"])])
        if "continued" in script:
            workflow.continue_as_new(args=[request, script["continued"]])
        if script.get("stays"):
            await workflow.wait_condition(lambda: False)
        if "failure" in script:
            raise ApplicationError("ended badly", script["failure"], type=MASS_SEND_FAILED, non_retryable=True)
        return script["result"]


async def listed(client: Client, query: str) -> int:
    """How many runs Temporal lists: its list is a little behind what happens."""
    return len([run async for run in client.list_workflows(query)])


@dataclass
class Fates:
    """What the activities of earlier runs answer, by name; a try that has no answer never gets one, and is named."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    activity_id: str = ""

    @activity.defn(dynamic=True)
    async def act(self, args: Sequence[RawValue]) -> Any:
        name = activity.info().activity_type
        answers = self.answers.get(name)
        if not answers and name != "submit":
            return {} if name == "wish" else None
        if not answers:
            self.activity_id = activity.info().activity_id
            self.waiting.set()
            await asyncio.Event().wait()
            return None
        answer = answers.pop(0)
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
    appid: str = APPID

    @property
    def workflow_id(self) -> str:
        return f"mass-send:demo:{self.key}"

    @property
    def request(self) -> dict[str, Any]:
        return {"account": "demo", "key": self.key, "audience": {"kind": "all"}, "message": TEXT}

    def result(self, outcome: str, problem: str | None = None) -> dict[str, Any]:
        described = problem and {"name": problem, "sentence": "…", "todo": "…"}
        fields = {"outcome": outcome, "may_have_been_delivered": True, "account": "demo", "key": self.key}
        return {**fields, "jobs": [], "problem": described}

    def lease(self, number: int = 1, generation: int = 0) -> Lease:
        """Of the wish `w<number>`, for the clientmsgid `c<generation>`, held by `run-0`."""
        ids = {"wish": f"w{number}", "clientmsgid": f"c{generation}", "holder": "run-0"}
        return lease(key=self.key, generation=generation, number=number, **ids)

    def fact(self, number: int = 1, generation: int = 0, **how: Any) -> Try:
        return Try.model_validate({**self.lease(number, generation).model_dump(), **how})

    def submit(self, number: int = 1, generation: int = 0, digest: str = DIGEST) -> tuple[str, Any]:
        """A `submit` in the script of a run."""
        step = SubmitStep.model_validate(
            {
                "account": Pinned(name="demo", appid=self.appid, base_url="https://wechat.example"),
                "key": self.key,
                "digest": digest,
                "workflow_id": self.workflow_id,
                "lease": self.lease(number, generation),
                "audience": {"kind": "all"},
                "message": TEXT,
                "write_before": NOON + timedelta(seconds=30),
            }
        )
        return "submit", step.model_dump(mode="json")

    def wish(self, *tries: Try, digest: str = DIGEST) -> tuple[str, Any]:
        """A `wish` in the script of a run that knows of these tries."""
        wish = Wish(
            wish="w1", key=self.key, digest=digest, workflow_id=self.workflow_id, run_id="r", known=Known(tries=tries)
        )
        return "wish", WishStep(appid=self.appid, wish=wish, search=True).model_dump(mode="json")

    def by_hand(self) -> Known:
        """That a person has sent it in the console, and WeChat has delivered it."""
        marked = {"id": "u1", "what": "mark_sent", "by": "li", "reason": "frozen", "at": NOON, "generation": 0}
        said = {"msg_id": MSG_ID, "at": NOON, "verdict": {"status": "send success", "observed_by": "push"}}
        return Known.model_validate({"said": [said], "decided": [{**marked, "msg_id": MSG_ID}]})

    def tell(self, known: Known, **more: Any) -> tuple[str, Any]:
        report = Report(key=self.key, digest=DIGEST, workflow_id=self.workflow_id, known=known, **more)
        return "tell", TellStep(appid=self.appid, report=report).model_dump(mode="json")

    def answered(self, kind: str, **more: Any) -> Answer:
        told = Answer.model_validate({"kind": kind, "at": NOON, **more})
        self.fates.answers.setdefault("submit", []).append(told.model_dump(mode="json"))
        return told

    async def begin(self, *steps: Any, **script: Any) -> WorkflowHandle[Any, Any]:
        """A run that has this script; the handle is of this very run."""
        args = [self.request, {"steps": list(steps), "result": self.result("failed"), **script}]
        handle = await self.client.start_workflow(
            "MassSend", args=args, id=self.workflow_id, task_queue=self.task_queue
        )
        return self.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)

    async def live(self, *steps: Any, **script: Any) -> None:
        """A run that has come to its end; a bad end is one too."""
        handle = await self.begin(*steps, **script)
        with suppress(WorkflowFailureError):
            await handle.result()
        await until(lambda: listed(self.client, f"RunId = '{handle.run_id}' AND ExecutionStatus != 'Running'"))

    async def lose(self, *steps: Any, **script: Any) -> WorkflowHandle[Any, Any]:
        """A run that is terminated while the last of its steps, a try, is waited for."""
        self.fates.waiting.clear()
        handle = await self.begin(*steps, **script)
        await self.fates.waiting.wait()
        await handle.terminate()
        return handle

    async def hear(
        self, *signals: tuple[str, Any], after: Sequence[Any] = (), **script: Any
    ) -> WorkflowHandle[Any, Any]:
        """A run that hears these signals after its steps, and is terminated."""
        handle = await self.begin(*after, stays=True, **script)
        await until(lambda: activities(handle), lambda count: count == len(after))
        for name, payload in signals:
            await handle.signal(name, payload)
        await handle.terminate()
        return handle

    async def now(self) -> str:
        """The current run, of which nothing is known yet: its run id."""
        handle = await self.client.start_workflow(
            "MassSend", args=[self.request, {}], id=self.workflow_id, task_queue=f"nobody-{self.task_queue}"
        )
        assert handle.first_execution_run_id
        return handle.first_execution_run_id

    async def found(self, current: str | None = None, *, runs_max: int = 50) -> Found:
        earlier = VisibleRuns(self.client, runs_max=runs_max)
        return await ActivityEnvironment().run(earlier.find, self.workflow_id, current or await self.now(), self.appid)

    async def over(self) -> None:
        await self.client.get_workflow_handle(self.workflow_id).terminate()


async def activities(handle: WorkflowHandle[Any, Any], *how: str) -> int:
    """How many activities of the run have come so far (`completed`, `cancel_requested`); else, to an end."""
    looked_for = {f"activity_task_{one}_event_attributes" for one in how or ENDS}
    return len([event async for event in handle.fetch_history_events() if event.WhichOneof("attributes") in looked_for])


async def at_of(handle: WorkflowHandle[Any, Any], what: str) -> datetime:
    events = [event async for event in handle.fetch_history_events()]
    found = [event for event in events if event.WhichOneof("attributes") == f"{what}_event_attributes"]
    return found[-1].event_time.ToDatetime(tzinfo=UTC)


def worker(client: Client, task_queue: str, fates: Fates, *workflows: type) -> Worker:
    return Worker(client, task_queue=task_queue, workflows=[Past, *workflows], activities=[fates.act])
