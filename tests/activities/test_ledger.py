import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.workflow import HandlerUnfinishedPolicy

from activities import EarlierRuns, Ledger, VisibleRuns
from qunfa.contract.ids import account_id
from qunfa.contract.job import Answer
from qunfa.contract.ledger import Ask, Claim, ClaimAnswer, LeaseAnswer, LedgerView, Owner, Record, Reserve, Told
from qunfa.contract.steps import (
    LEDGER_UNAVAILABLE,
    ClaimStep,
    Known,
    KnownStep,
    OwnerStep,
    ReserveStep,
    TellStep,
)
from tests.activities.conftest import NOON, activity_info
from tests.activities.past import Fates, NoEarlierRuns, Times, worker
from workflows.account import Account

DIGEST = "d" * 64
MSG_ID = 3147483650
QUEUE = "ledger"
ASK = Ask(
    index=0, generation=0, attempt=1, clientmsgid="c0", pace=timedelta(seconds=1), http_timeout=timedelta(seconds=30)
)


@workflow.defn(name="Account", sandboxed=False)
class RestlessAccount:
    """Ends while an update is under way, as an `Account` does that continues as new at the wrong moment."""

    def __init__(self) -> None:
        self._asked = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._asked)

    @workflow.update(unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    async def claim(self, raw: Any) -> None:
        self._asked = True
        await workflow.wait_condition(lambda: False)


@workflow.defn(name="Account", sandboxed=False)
class SlowAccount:
    """Accepts an update and never answers it."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(unfinished_policy=HandlerUnfinishedPolicy.ABANDON)
    async def reserve(self, raw: Any) -> None:
        await workflow.wait_condition(lambda: False)


@dataclass
class Books:
    """The ledger of one account, as the activities of a run reach it."""

    client: Client
    appid: str
    times: Times
    earlier: EarlierRuns
    task_queue: str = QUEUE
    run_id: str = "run-1"
    activity_id: str = "1"

    async def act(self, name: str, step: Any, patience: timedelta = timedelta(seconds=10)) -> Any:
        environment = ActivityEnvironment()
        environment.info = activity_info(workflow_run_id=self.run_id, activity_id=self.activity_id)
        ledger = Ledger(self.client, self.task_queue, self.earlier, patience=patience)
        return await environment.run(getattr(ledger, name), step)

    async def claim(self, digest: str = DIGEST, **more: Any) -> ClaimAnswer:
        claim = Claim(key=self.times.key, digest=digest, workflow_id=self.times.workflow_id)
        answer = await self.act("claim", ClaimStep(appid=self.appid, claim=claim.model_copy(update=more)))
        assert isinstance(answer, ClaimAnswer)
        return answer

    async def reserve(self, digest: str = DIGEST) -> LeaseAnswer:
        reserve = Reserve(key=self.times.key, digest=digest, ask=ASK)
        answer = await self.act("reserve", ReserveStep(appid=self.appid, reserve=reserve))
        assert isinstance(answer, LeaseAnswer)
        return answer

    async def tell(self, **more: Any) -> None:
        note = Told(key=self.times.key, digest=DIGEST, workflow_id=self.times.workflow_id, **more)
        await self.act("tell", TellStep(appid=self.appid, note=note))

    async def owner_of(self, msg_id: int) -> Owner:
        answer = await self.act("owner_of", OwnerStep(appid=self.appid, msg_id=msg_id))
        assert isinstance(answer, Owner)
        return answer

    async def record(self) -> Record | None:
        """What the ledger has of the key."""
        handle = self.client.get_workflow_handle(account_id(self.appid))
        view = await handle.query("ledger", {"key": self.times.key}, result_type=LedgerView)
        return next(iter(view.records), None)


async def started(client: Client, workflow_id: str) -> WorkflowHandle[Any, Any]:
    """A workflow, as soon as there is one."""
    handle = client.get_workflow_handle(workflow_id)
    while True:
        try:
            await handle.describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
        else:
            return handle


def fresh_appid() -> str:
    """An account that no other test has."""
    return f"wx{uuid.uuid4().hex[:16]}"


@pytest.fixture
async def times(temporal: Client) -> AsyncIterator[Times]:
    """A mass send whose earlier runs the test makes, and a worker for its ledger."""
    fates = Fates()
    async with worker(temporal, QUEUE, fates, Account):
        yield Times(temporal, fates, task_queue=QUEUE)


@pytest.fixture
def books(temporal: Client, times: Times) -> Books:
    """A ledger that is not there yet, and a key without earlier runs."""
    return Books(temporal, fresh_appid(), times, NoEarlierRuns())


@pytest.fixture
async def lost(temporal: Client, times: Times) -> Books:
    """A ledger that was lost; the earlier runs of the key are still in Temporal."""
    return Books(temporal, fresh_appid(), times, VisibleRuns(temporal))


async def test_the_first_claim_starts_the_ledger(books: Books) -> None:
    """A key that nobody knows is claimed, and has no jobs."""
    answer = await books.claim()
    assert answer.kind == "record"
    assert answer.record is not None
    assert (answer.record.key, answer.record.jobs) == (books.times.key, ())
    assert await books.record() == answer.record


async def test_a_claim_may_bring_the_first_lease(books: Books) -> None:
    """One call is enough for a send with nothing to prepare."""
    answer = await books.claim(ask=ASK)
    assert answer.lease is not None
    assert answer.lease.kind == "go"


async def test_a_repeated_attempt_has_the_same_answer(books: Books) -> None:
    """A claim whose answer was lost is not carried out twice."""
    assert await books.claim(ask=ASK) == await books.claim(ask=ASK)


async def test_another_activity_asks_anew(books: Books) -> None:
    """The answer is the same for the attempts of one activity only."""
    assert (await books.reserve()).kind == "unclaimed"
    await books.claim()
    assert (await books.reserve()).kind == "unclaimed"
    books.activity_id = "2"
    assert (await books.reserve()).kind == "go"


async def test_a_key_stands_for_one_content(books: Books) -> None:
    """A claim with another digest is `reused`."""
    await books.claim()
    books.activity_id = "2"
    assert (await books.claim(digest="e" * 64)).kind == "reused"


async def test_what_is_told_is_in_the_ledger(books: Books) -> None:
    """The answer of a try gives the lease back and settles the job."""
    await books.claim(ask=ASK)
    await books.tell(attempt=1, answer=Answer(kind="accepted", at=NOON, msg_id=MSG_ID))
    record = await books.record()
    assert record is not None
    assert [job.msg_id for job in record.jobs] == [MSG_ID]


async def test_a_note_starts_the_ledger_where_there_is_none(books: Books) -> None:
    """Nothing that is told is lost with a terminated `Account`."""
    await books.tell(ended_as="sent")
    record = await books.record()
    assert record is not None
    assert record.ended_as == "sent"


async def test_a_msg_id_has_an_owner(books: Books) -> None:
    """The key, index and generation whose job it is; nobody for a msg_id that the ledger does not know."""
    await books.claim(ask=ASK)
    await books.tell(attempt=1, answer=Answer(kind="accepted", at=NOON, msg_id=MSG_ID))
    assert await books.owner_of(MSG_ID) == Owner(key=books.times.key, index=0, generation=0)
    assert await books.owner_of(MSG_ID + 1) == Owner()


async def test_a_key_can_be_asked_about_without_its_content(books: Books) -> None:
    """What it has done is told, and nothing is claimed: a key that nobody has used is free afterwards."""
    step = KnownStep(appid=books.appid, key=books.times.key, workflow_id=books.times.workflow_id)
    assert await books.act("known", step) == Known()
    assert await books.record() is None
    await books.claim(ask=ASK)
    await books.tell(attempt=1, answer=Answer(kind="accepted", at=NOON, msg_id=MSG_ID))
    books.activity_id = "2"
    known = await books.act("known", step)
    assert isinstance(known, Known)
    assert [job.msg_id for job in known.jobs] == [MSG_ID]


async def test_a_running_ledger_is_not_queried_about_a_msg_id(temporal: Client, books: Books) -> None:
    """A query that meets a lost worker can leave a history that does not replay: the question is an update."""
    await books.claim(ask=ASK)
    await books.owner_of(MSG_ID)
    history = temporal.get_workflow_handle(account_id(books.appid)).fetch_history_events()
    accepted = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name
        async for event in history
        if event.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    assert accepted == ["claim", "claim", "claim"], "two to claim the key, one to ask"


async def test_a_closed_ledger_still_knows_whose_a_msg_id_is(temporal: Client, books: Books) -> None:
    """It was terminated, and no new one has been started yet."""
    await books.claim(ask=ASK)
    await books.tell(attempt=1, answer=Answer(kind="accepted", at=NOON, msg_id=MSG_ID))
    await temporal.get_workflow_handle(account_id(books.appid)).terminate("by mistake")
    assert await books.owner_of(MSG_ID) == Owner(key=books.times.key, index=0, generation=0)


async def test_without_a_ledger_a_msg_id_is_nobodys(books: Books) -> None:
    """The question does not start one."""
    assert await books.owner_of(MSG_ID) == Owner()
    with pytest.raises(RPCError, match="not found"):
        await books.record()


async def test_a_ledger_without_a_worker_is_asked_again(books: Books) -> None:
    """The call ends in time, benignly, and its sentence says what may be missing."""
    books.task_queue = "nobody-works-here"
    step = ReserveStep(appid=books.appid, reserve=Reserve(key=books.times.key, digest=DIGEST, ask=ASK))
    with pytest.raises(ApplicationError, match="is there a worker for it") as failure:
        await books.act("reserve", step, timedelta(seconds=0.3))
    assert (failure.value.type, failure.value.category) == (LEDGER_UNAVAILABLE, ApplicationErrorCategory.BENIGN)
    assert not failure.value.non_retryable


@pytest.mark.parametrize("queue", ["nobody-works-here", "slow"], ids=["not accepted", "accepted"])
async def test_a_worker_that_stops_does_not_wait_for_the_ledger(temporal: Client, books: Books, queue: str) -> None:
    """A cancelled call is cancelled, not taken for a time-out."""
    environment = ActivityEnvironment()
    step = ReserveStep(appid=books.appid, reserve=Reserve(key=books.times.key, digest=DIGEST, ask=ASK))
    async with worker(temporal, "slow", Fates(), SlowAccount):
        running = asyncio.create_task(environment.run(Ledger(temporal, queue, books.earlier).reserve, step))
        account = await started(temporal, account_id(books.appid))
        if queue == "slow":
            async for event in account.fetch_history_events(wait_new_event=True):
                if event.HasField("workflow_execution_update_accepted_event_attributes"):
                    break
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await account.terminate()


async def test_a_ledger_that_continues_as_new_is_asked_again(temporal: Client, books: Books) -> None:
    """An update that was overtaken by the end of its run is repeated."""
    books.task_queue = "restless"
    async with worker(temporal, "restless", Fates(), RestlessAccount):
        with pytest.raises(ApplicationError, match="continuing as new") as failure:
            await books.claim()
    assert (failure.value.type, failure.value.non_retryable) == (LEDGER_UNAVAILABLE, False)


async def test_a_namespace_that_is_away_is_asked_again(temporal: Client, books: Books) -> None:
    """Whatever Temporal answers to the call, nothing was decided."""
    config = temporal.config()
    config["namespace"] = "another"
    books.client = Client(**config)
    with pytest.raises(ApplicationError, match="Temporal answered NOT_FOUND") as failure:
        await books.claim()
    assert failure.value.type == LEDGER_UNAVAILABLE
    with pytest.raises(ApplicationError, match="could not be told") as failure:
        await books.tell()
    assert failure.value.type == LEDGER_UNAVAILABLE


async def test_a_lost_ledger_knows_again_what_was_accepted(lost: Books) -> None:
    """The msg_id of an earlier run is in the record with which the key is claimed, so nothing is submitted again."""
    lost.times.answered(kind="accepted", msg_id=MSG_ID)
    await lost.times.live(lost.times.a_try())
    lost.run_id = await lost.times.now()
    answer = await lost.claim(ask=ASK)
    assert answer.kind == "record"
    assert answer.record is not None
    assert [job.msg_id for job in answer.record.jobs] == [MSG_ID]
    assert answer.lease is not None
    assert answer.lease.kind == "record"
    assert await lost.owner_of(MSG_ID) == Owner(key=lost.times.key, index=0, generation=0)


async def test_a_lost_ledger_knows_again_what_may_have_been_delivered(lost: Books) -> None:
    """A lost try of a terminated run is unknown, and no lease is given before that is merged."""
    await lost.times.lose(lost.times.a_try())
    lost.run_id = await lost.times.now()
    answer = await lost.claim(ask=ASK)
    assert answer.record is not None
    [job] = answer.record.jobs
    assert (job.ever_unknown, job.clientmsgid) == (True, "c0")
    assert answer.lease is not None
    assert answer.lease.kind == "record"


async def test_a_lost_ledger_knows_again_how_a_key_has_failed(lost: Books) -> None:
    """The same failure again, instead of a second submission."""
    lost.times.answered(kind="accepted", msg_id=MSG_ID)
    row = {"index": 0, "generation": 0, "clientmsgid": "c0", "msg_id": MSG_ID, "observed_by": "push"}
    failed = lost.times.result("failed", {**row, "state": "failed", "status": "err(20002)"}, problem="content_refused")
    await lost.times.live(lost.times.a_try(), failure=failed)
    lost.run_id = await lost.times.now()
    answer = await lost.claim()
    assert answer.record is not None
    assert (answer.record.ended_as, answer.record.problem) == ("failed", "content_refused")
    record = await lost.record()
    assert record is not None
    assert (record.ended_as, record.jobs) == ("failed", answer.record.jobs)


async def test_a_lost_ledger_still_refuses_a_key_for_other_content(lost: Books) -> None:
    """An earlier run that submitted something else makes the claim `reused`, and the key stays unclaimed."""
    lost.times.answered(kind="accepted", msg_id=MSG_ID)
    await lost.times.live(lost.times.a_try())
    lost.run_id = await lost.times.now()
    assert (await lost.claim(digest="e" * 64)).kind == "reused"
    assert await lost.record() is None


async def test_a_search_whose_answer_was_lost_is_repeated(lost: Books) -> None:
    """Both claims of the activity have the same answers in its next attempt."""
    lost.times.answered(kind="accepted", msg_id=MSG_ID)
    await lost.times.live(lost.times.a_try())
    lost.run_id = await lost.times.now()
    assert await lost.claim() == await lost.claim()


async def test_a_search_that_fails_claims_nothing(lost: Books) -> None:
    """Before the earlier runs are known, the key has no record and no lease."""
    with pytest.raises(ApplicationError, match="does not show this run"):
        await lost.claim(ask=ASK)
    assert await lost.record() is None
