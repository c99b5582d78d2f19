"""The ledger of one account, as the activities of a run reach it; and accounts that answer badly."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.workflow import HandlerUnfinishedPolicy

from activities.earlier_runs import VisibleRuns
from activities.ledger import Ledger
from qunfa.contract.facts import Known
from qunfa.contract.grants import Granted, Report, Turn, Wish
from qunfa.contract.ids import account_id
from qunfa.contract.ledger import LedgerView, PreviewsLeft, Record
from qunfa.contract.steps import LookUpStep, Remembered, TakePreviewStep, TellStep, Wished, WishStep
from qunfa.temporal.payloads import data_converter
from tests.activities.conftest import NOON, attempt
from tests.activities.past import DIGEST, MSG_ID, Times
from tests.looking import PATIENCE, until
from workflows.refusal import update_refused

QUEUE = "ledger"
LONG = timedelta(seconds=PATIENCE)
"""How long an answer of the ledger is waited for, where a worker is to give one."""
LONG_AGO = NOON - timedelta(days=3650)
TURN = Turn(generation=0, clientmsgid="c0", due=LONG_AGO, pace=timedelta(seconds=1), http_timeout=timedelta(seconds=30))


@workflow.defn(name="Account", sandboxed=False)
class RestlessAccount:
    """Ends while an update is under way, as an `Account` does that continues as new at the wrong moment."""

    def __init__(self) -> None:
        self._asked = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._asked)

    @workflow.update(unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    async def ask(self, raw: Any) -> None:
        self._asked = True
        await workflow.wait_condition(lambda: False)


@workflow.defn(name="Account", sandboxed=False)
class FloodedAccount:
    """Ends before it has taken in all that came before a question."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def ask(self, raw: Any) -> None:
        raise update_refused("it is just continuing as new")


@workflow.defn(name="Account", sandboxed=False)
class SlowAccount:
    """Accepts an update and never answers it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    async def ask(self, raw: Any) -> None:
        await workflow.wait_condition(lambda: False)


@dataclass
class Books:
    """The ledger of one account, as the activities of a run reach it."""

    client: Client
    appid: str
    times: Times
    earlier: VisibleRuns
    task_queue: str = QUEUE
    run_id: str = "run-1"
    activity_id: str = "1"
    attempt: int = 1

    def __post_init__(self) -> None:
        self.times.appid = self.appid

    async def act(self, name: str, step: Any, patience: timedelta = LONG) -> Any:
        ledger = Ledger(self.client, self.task_queue, self.earlier, patience=patience)
        who = {"workflow_run_id": self.run_id, "activity_id": self.activity_id}
        return await attempt(getattr(ledger, name), step, **who, attempt=self.attempt)

    async def wish(self, digest: str = DIGEST, *, search: bool = True, **more: Any) -> Wished:
        """What a run says, after a look for earlier runs; it has no turn yet."""
        wish = Wish(
            wish="w1", key=self.times.key, digest=digest, workflow_id=self.times.workflow_id, run_id=self.run_id
        )
        step = WishStep(appid=self.appid, wish=wish.model_copy(update=more), search=search)
        wished: Wished = await self.act("wish", step)
        return wished

    async def wished(self, digest: str = DIGEST, *, search: bool = True) -> tuple[Known, Granted]:
        """What a run that has a turn finds out, and the ledger's answer. No earlier run has had this wish."""
        wished = await self.wish(digest, search=search, turn=TURN, wish="w2")
        assert wished.granted is not None
        return wished.known, wished.granted

    async def look_up(self, patience: timedelta = LONG) -> Remembered:
        known: Remembered = await self.act("look_up", self.look_up_step(), patience)
        return known

    def look_up_step(self) -> LookUpStep:
        return LookUpStep(appid=self.appid, key=self.times.key, workflow_id=self.times.workflow_id)

    async def take_preview(self, holder: str = "call") -> PreviewsLeft:
        left: PreviewsLeft = await self.act("take_preview", TakePreviewStep(appid=self.appid, holder=holder))
        return left

    async def tell(self, **more: Any) -> None:
        report = Report(key=self.times.key, digest=DIGEST, workflow_id=self.times.workflow_id, **more)
        await self.act("tell", TellStep(appid=self.appid, report=report))

    async def accept(self) -> None:
        yes = {"kind": "accepted", "at": NOON, "msg_id": MSG_ID}
        await self.tell(known=Known(tries=(self.times.fact(answer=yes),)))

    async def records(self) -> tuple[Record, ...]:
        handle = self.client.get_workflow_handle(account_id(self.appid))
        view: LedgerView = await handle.query("ledger", {"key": self.times.key}, result_type=LedgerView)
        return view.records

    async def run(self) -> WorkflowHandle[Any, Any]:
        """A run of the send that only listens; it is who asks."""
        handle = await self.times.begin(stays=True)
        self.run_id = handle.run_id or ""
        return handle


async def granted(run: WorkflowHandle[Any, Any], count: int = 1) -> list[Granted]:
    """What the run was answered, once it was so often."""

    async def heard() -> list[Granted]:
        signals = [
            event.workflow_execution_signaled_event_attributes
            async for event in run.fetch_history_events()
            if event.HasField("workflow_execution_signaled_event_attributes")
        ]
        return [(await data_converter.decode(list(one.input.payloads), [Granted]))[0] for one in signals]

    return await until(heard, lambda answers: len(answers) >= count)
