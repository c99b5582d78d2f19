"""The look at closed runs: what it costs, what it knows of a key, and that no odd run and no wrong clock ends it."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowFailureError
from temporalio.converter import PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities import Onlooker
from activities.closed_runs import ClosedRuns
from activities.onlooker import LOOKS_MAX
from qunfa.account.show import view
from qunfa.account.state import AccountState
from qunfa.contract.fields import EARLIEST
from qunfa.contract.ids import ACCOUNT, MASS_SEND, MASS_SEND_IN_BATCHES, account_id, notify_id
from qunfa.contract.ledger import LedgerView, Restored
from qunfa.contract.result import INVALID_REQUEST
from qunfa.rules.notices import webhook_id
from qunfa.rules.outcome import perhaps_delivered
from qunfa.settings import Settings
from tests.activities.conftest import settings_for
from tests.activities.past import MSG_ID, Fates, Times, listed, worker
from tests.looking import until
from tests.notices.webhook import SECRET
from tests.temporal import is_there


class Counting(PayloadCodec):
    """Changes nothing; counts what is read, and cannot write what has `odd` in it."""

    def __init__(self, odd: str = "") -> None:
        self.read = self.refused = 0
        self._odd = odd.encode()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self._odd and any(self._odd in payload.data for payload in payloads):
            self.refused += 1
            raise ValueError
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.read += 1
        return list(payloads)


@workflow.defn(name=ACCOUNT, sandboxed=False)
class NewerLedger:
    """A ledger whose worker says what this version cannot read."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.query
    def ledger(self, _wanted: Any = None) -> Any:
        return {"records": "in another form"}


@workflow.defn(name=ACCOUNT, sandboxed=False)
class RestoredLedger:
    """A ledger that was told of a restore; which may be over, for keys that come up since `ended_at`."""

    @workflow.init
    def __init__(self, ended_at: str | None) -> None:
        told = Restored(by="li", reason="x", taken=EARLIEST, at=EARLIEST)
        told = told.model_copy(update={"ended_at": datetime.fromisoformat(ended_at) if ended_at else None})
        self._state = AccountState(appid="wx", since=EARLIEST, restored=told)

    @workflow.run
    async def run(self, _ended_at: str | None) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.query
    def ledger(self, wanted: dict[str, Any]) -> LedgerView:
        return view(self._state, wanted)


@workflow.defn(name=MASS_SEND, sandboxed=False)
class Refused:
    """A send that is refused for these reasons."""

    @workflow.run
    async def run(self, _request: Any, reasons: Any) -> None:
        raise ApplicationError("refused", reasons, type=INVALID_REQUEST, non_retryable=True)


@workflow.defn(name=MASS_SEND_IN_BATCHES, sandboxed=False)
class BrokenList:
    """A list that fails without a result of ours."""

    @workflow.run
    async def run(self, _request: Any) -> None:
        raise ApplicationError("odd", type="Odd", non_retryable=True)


@pytest.fixture
def settings() -> Settings:
    """An account with a ledger of its own, and a queue on which nobody works."""
    webhooks = {"oncall": {"url": "https://oncall.example", "secret": SECRET}}
    found = settings_for("https://wechat.example", appid=f"wx{uuid.uuid4().hex[:16]}", notices=webhooks)
    return found.model_copy(update={"task_queue": f"closed-{uuid.uuid4().hex}"})


@pytest.fixture
async def times(temporal: Client) -> AsyncIterator[Times]:
    fates = Fates()
    queue = f"past-{uuid.uuid4().hex}"
    async with worker(temporal, queue, fates, NewerLedger, BrokenList):
        yield Times(temporal, fates, task_queue=queue)


def coded(client: Client, codec: PayloadCodec) -> Client:
    converter = replace(client.data_converter, payload_codec=codec)
    return Client(client.service_client, namespace=client.namespace, data_converter=converter)


async def terminated(client: Client, settings: Settings) -> tuple[str, str]:
    """A send that Temporal lists as terminated: its workflow id, and that of its notice."""
    times = Times(client, Fates(), settings.task_queue)
    handle = await times.begin()
    run_id = handle.run_id or ""
    await handle.terminate()
    query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Terminated'"
    await until(lambda: listed(client, query))
    return handle.id, notify_id("demo", "oncall", webhook_id(handle.id, run_id, "terminated"))


async def test_an_odd_run_keeps_no_other_from_being_told(temporal: Client, settings: Settings) -> None:
    """It is tried again some times, and then passed over."""
    odd, of_odd = await terminated(temporal, settings)
    _, of_fine = await terminated(temporal, settings)
    codec = Counting(odd)
    onlooker = Onlooker(settings, coded(temporal, codec))
    for _ in range(LOOKS_MAX + 2):
        await onlooker.look()
    assert (await is_there(temporal, of_odd), await is_there(temporal, of_fine)) == (False, True)
    assert codec.refused == LOOKS_MAX


async def test_the_history_of_a_run_that_is_told_is_not_read_again(temporal: Client, settings: Settings) -> None:
    """A worker that is started anew sees so by the input and the notice alone."""
    await terminated(temporal, settings)
    reads = []
    for _ in range(2):
        codec = Counting()
        await Onlooker(settings, coded(temporal, codec)).look()
        reads.append(codec.read)
    assert reads == [2, 1]


async def test_a_worker_whose_clock_is_ahead_tells_all_the_same(
    temporal: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the server's clock counts."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=1)

    monkeypatch.setattr("activities.onlooker.datetime", Ahead)
    onlooker = Onlooker(settings, temporal)
    for _ in range(2):
        _, notice = await terminated(temporal, settings)
        await onlooker.look()
        assert await is_there(temporal, notice)


async def lost_run(times: Times) -> WorkflowExecutionDescription:
    run_id = await times.now()
    handle = times.client.get_workflow_handle(times.workflow_id, run_id=run_id)
    await handle.terminate()
    return await handle.describe()


@pytest.mark.parametrize("before", [True, False])
async def test_without_a_ledger_earlier_runs_tell_what_was_delivered(
    times: Times, settings: Settings, before: bool
) -> None:
    """What is said not to be delivered was not."""
    if before:
        times.answered("accepted", msg_id=MSG_ID)
        await times.live(times.submit())
    notice = await ClosedRuns(settings, times.client).notice_of(await lost_run(times))
    assert notice is not None
    assert notice.data.may_have_been_delivered is before
    assert notice.data.msg_ids == ((MSG_ID,) if before else ())


@pytest.mark.parametrize("kind", ["accepted", "refused", "by hand"])
async def test_a_key_whose_first_batch_was_tried_is_told_in_doubt(times: Times, settings: Settings, kind: str) -> None:
    """A run that ends before it becomes the list knows of no batch; those after a refused one may be delivered."""
    first = replace(times, key=f"{times.key}.1")
    if kind == "by hand":
        await first.live(first.tell(first.by_hand()))
    else:
        first.answered(kind, msg_id=MSG_ID if kind == "accepted" else None)
        await first.live(first.submit())
    notice = await ClosedRuns(settings, times.client).notice_of(await lost_run(times))
    assert notice is not None
    assert (notice.data.may_have_been_delivered, notice.data.msg_ids) == (True, ())


async def test_a_list_without_a_result_is_told_in_doubt(times: Times, settings: Settings) -> None:
    """Whatever its first batch has done: the others have keys of their own."""
    handle = await times.client.start_workflow(
        MASS_SEND_IN_BATCHES, times.request, id=times.workflow_id, task_queue=times.task_queue
    )
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    notice = await ClosedRuns(settings, times.client).notice_of(await handle.describe())
    assert notice is not None
    assert notice.data.problem is not None
    assert (notice.data.problem.name, notice.data.may_have_been_delivered) == ("no_result", True)


@pytest.mark.parametrize(
    ("came_up", "in_doubt"), [("meanwhile", True), ("before", True), ("after", False), ("sent", True)]
)
async def test_a_run_that_a_restore_hides_is_told_in_doubt(
    times: Times, settings: Settings, came_up: str, in_doubt: bool
) -> None:
    """Its key came up before all had caught up, maybe by an earlier run: what was submitted since is forgotten.

    What is known of it is told all the same.
    """
    if came_up == "sent":
        times.answered("accepted", msg_id=MSG_ID)
        await times.live(times.submit())
    if came_up == "before":
        await times.live()
    over = None if came_up in {"meanwhile", "sent"} else datetime.now(UTC).isoformat()
    ledger = account_id(settings.accounts["demo"].appid)
    queue = f"restored-{uuid.uuid4().hex}"
    async with Worker(times.client, task_queue=queue, workflows=[RestoredLedger]):
        await times.client.start_workflow(ACCOUNT, over, id=ledger, task_queue=queue)
        notice = await ClosedRuns(settings, times.client).notice_of(await lost_run(times))
    assert notice is not None
    assert notice.data.may_have_been_delivered is in_doubt
    assert notice.data.msg_ids == ((MSG_ID,) if came_up == "sent" else ())
    await times.client.get_workflow_handle(ledger).terminate()


@pytest.mark.parametrize(
    ("reasons", "in_doubt"),
    [
        (["color: is not a field"], False),
        (["color: is not a field", perhaps_delivered("spring", ())], True),
        ("of another version", True),
    ],
)
async def test_a_refused_run_is_told_without_a_search(
    times: Times, settings: Settings, monkeypatch: pytest.MonkeyPatch, reasons: Any, in_doubt: bool
) -> None:
    """It has looked for earlier runs itself, and its failure says what it found: many of a key cost no more."""
    queue = f"refused-{uuid.uuid4().hex}"
    async with Worker(times.client, task_queue=queue, workflows=[Refused]):
        handle = await times.client.start_workflow(
            MASS_SEND, args=[times.request, reasons], id=times.workflow_id, task_queue=queue
        )
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    monkeypatch.setattr(Client, "list_workflows", None)
    notice = await ClosedRuns(settings, times.client).notice_of(await handle.describe())
    assert notice is not None
    assert (notice.type, notice.data.may_have_been_delivered) == ("refused", in_doubt)


async def test_what_a_newer_ledger_says_leaves_it_in_doubt(times: Times, settings: Settings) -> None:
    """It cannot be read, and the run is told of all the same."""
    ledger = account_id(settings.accounts["demo"].appid)
    await times.client.start_workflow(ACCOUNT, id=ledger, task_queue=times.task_queue)
    notice = await ClosedRuns(settings, times.client).notice_of(await lost_run(times))
    assert notice is not None
    assert (notice.data.may_have_been_delivered, notice.data.msg_ids) == (True, ())
    await times.client.get_workflow_handle(ledger).terminate()
