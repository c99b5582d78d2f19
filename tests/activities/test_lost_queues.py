"""The looks for accounts that were closed: one that cannot be told of now is neither forgotten nor in the way."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from activities import LostQueues
from qunfa.contract.ids import ACCOUNT, MASS_SEND, account_id
from qunfa.contract.ledger import LedgerView, Pace, Restored
from qunfa.settings import Settings
from tests.activities.conftest import settings_for
from tests.activities.past import listed
from tests.looking import until
from tests.temporal import is_there

NAMES = ("first", "second")
HELD_BY = SearchAttributeKey.for_keyword("MassSendAccount")
LATE = RPCError("nobody has answered", RPCStatusCode.DEADLINE_EXCEEDED, b"")


class Answers(Interceptor):
    """What accounts answer: a lost one that it was told of `lost`, an open one of `known`.

    The first call about the workflow `late` fails. While there is an `error`, each query does; `asked`: how many.
    """

    def __init__(
        self,
        *,
        late: str = "",
        lost: Restored | None = None,
        known: Restored | None = None,
        error: Exception | None = None,
    ) -> None:
        self.waits = {late}
        self.told = {"lost": lost, "open": known}
        self.error = error
        self.asked = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  Temporal's own name
        return _Calls(next, self)

    def asked_by(self, client: Client) -> Client:
        """A client that gets these answers."""
        return Client(
            client.service_client, namespace=client.namespace, data_converter=client.data_converter, interceptors=[self]
        )


class _Calls(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, answers: Answers) -> None:  # noqa: A002  Temporal's own name
        super().__init__(next)
        self._answers = answers

    def _answered(self, workflow_id: str) -> None:
        if workflow_id in self._answers.waits:
            self._answers.waits.remove(workflow_id)
            raise LATE

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:  # noqa: A002  Temporal's own name
        self._answered(input.id)
        self._answers.asked += 1
        if self._answers.error is not None:
            raise self._answers.error
        nothing: dict[str, Any] = {"records": (), "lease": None, "frozen": None, "kept": (), "book": {}}
        told = self._answers.told["lost" if input.run_id else "open"]
        return LedgerView(appid="wx", since=datetime.now(UTC), pace=Pace(), restored=told, **nothing)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002  Temporal's own name
        self._answered(input.id)
        await super().signal_workflow(input)


@pytest.fixture
def settings() -> Settings:
    """Two accounts, and a queue on which nobody works."""
    one = settings_for("https://wechat.example")
    accounts = {name: one.accounts["demo"].model_copy(update={"appid": f"wx{uuid.uuid4().hex[:16]}"}) for name in NAMES}
    return one.model_copy(update={"task_queue": f"lost-{uuid.uuid4().hex}", "accounts": accounts})


async def waiting(client: Client, settings: Settings, name: str) -> WorkflowHandle[Any, Any]:
    """A send of the account, once Temporal lists it. It waits for its turn."""
    handle = await client.start_workflow(
        MASS_SEND,
        id=f"mass-send:{name}:{uuid.uuid4().hex}",
        task_queue=settings.task_queue,
        search_attributes=TypedSearchAttributes([SearchAttributePair(HELD_BY, name)]),
    )
    await until(lambda: listed(client, f'WorkflowId = "{handle.id}" AND MassSendAccount = "{name}"'))
    return handle


async def lost(client: Client, settings: Settings, name: str, **start: str) -> str:
    """The account's workflow id, once Temporal lists it as terminated. By default it was told something."""
    workflow_id = account_id(settings.accounts[name].appid)
    usual: dict[str, Any] = {"task_queue": settings.task_queue, "start_signal": "told"}
    handle = await client.start_workflow(ACCOUNT, id=workflow_id, **(start or usual))
    await handle.terminate("by mistake")
    await until(lambda: listed(client, f'WorkflowId = "{workflow_id}" AND ExecutionStatus = "Terminated"'))
    return workflow_id


async def told(handle: WorkflowHandle[Any, Any]) -> list[str]:
    events = [event async for event in handle.fetch_history_events()]
    names = [event.workflow_execution_signaled_event_attributes.signal_name for event in events]
    return [name for name in names if name]


@pytest.mark.parametrize("late", ["the query of the earlier account", "the signal of the later account"])
async def test_an_account_lost_long_before_another_is_not_forgotten(
    temporal: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """One call is late, once. So the first look does not end, and the next one must still find the earlier account."""
    monkeypatch.setattr("activities.onlooker.BEHIND", timedelta(0))
    sends = [await waiting(temporal, settings, name) for name in NAMES]
    earlier, _later = [await lost(temporal, settings, name) for name in NAMES]
    answers = Answers(late=earlier if late.startswith("the query") else sends[1].id)
    looks = LostQueues(settings, answers.asked_by(temporal))
    await looks.look()
    await looks.look()
    assert [await told(send) for send in sends] == [["ledger_lost"], ["ledger_lost"]]
    for send in sends:
        await send.terminate()


@pytest.mark.parametrize("taken_since", [timedelta(hours=-1), timedelta(hours=1)], ids=["older", "newer"])
@pytest.mark.parametrize(("told_hours_ago", "is_told"), [(None, True), (3, True), (2, False), (1, False)])
async def test_an_account_that_knows_an_earlier_restore_is_told(
    temporal: Client, settings: Settings, taken_since: timedelta, told_hours_ago: int | None, *, is_told: bool
) -> None:
    """A reset has left it that one alone, whose snapshot may be newer. It hears of the later before any send does."""
    at, hours = datetime.now(UTC), timedelta(hours=1)
    later = Restored(by="li", reason="the disk died", taken=at - 9 * hours, at=at - 2 * hours)
    since = {"taken": later.taken + taken_since, "at": at - (told_hours_ago or 0) * hours}
    known = later.model_copy(update=since) if told_hours_ago else None
    workflow_id = await lost(temporal, settings, "first")
    account = await temporal.start_workflow(ACCOUNT, id=workflow_id, task_queue=settings.task_queue)
    await LostQueues(settings, Answers(lost=later, known=known).asked_by(temporal)).look()
    assert await told(account) == (["restored"] if is_told else [])
    await account.terminate()


@pytest.mark.parametrize("error", [LATE, WorkflowQueryFailedError("nobody can replay it")], ids=["late", "failed"])
async def test_no_send_starts_an_account_before_its_restore_does(
    temporal: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The lost account may answer late, also where a worker begins long after it was closed."""
    monkeypatch.setattr("activities.onlooker.LISTED_WITHIN", timedelta(0))
    send = await waiting(temporal, settings, "first")
    account = temporal.get_workflow_handle(await lost(temporal, settings, "first"))
    now = datetime.now(UTC)
    answers = Answers(lost=Restored(by="li", reason="the disk died", taken=now, at=now), error=error)
    looks = LostQueues(settings, answers.asked_by(temporal))
    for _ in range(2):
        await looks.look()
    assert (answers.asked, await told(account), await told(send)) == (2, ["told"], [])
    answers.error = None
    await looks.look()
    assert (await told(account), await told(send)) == (["restored"], ["ledger_lost"])
    for handle in (send, account):
        await handle.terminate()


async def test_an_account_that_never_answers_holds_no_send(
    temporal: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some looks its sends are told all the same, and it is asked no more."""
    monkeypatch.setattr("activities.onlooker.MARK_LOOKS", 2)
    send = await waiting(temporal, settings, "first")
    await lost(temporal, settings, "first")
    answers = Answers(error=LATE)
    looks = LostQueues(settings, answers.asked_by(temporal))
    for told_by_now in ([], ["ledger_lost"], ["ledger_lost"]):
        await looks.look()
        assert await told(send) == told_by_now
    assert answers.asked == 2
    await send.terminate()


@pytest.mark.parametrize("has_begun_anew", [False, True])
async def test_the_sends_of_a_deleted_account_are_told_once(
    temporal: Client, settings: Settings, *, has_begun_anew: bool
) -> None:
    """It is in no list. Its freeze would be forgotten for days, and the next message may begin another one at once."""
    send = await waiting(temporal, settings, "first")
    start: dict[str, Any] = {"id": account_id(settings.accounts["first"].appid), "task_queue": settings.task_queue}
    account = await temporal.start_workflow(ACCOUNT, **start)
    looks = LostQueues(settings, temporal)
    await looks.look()
    assert await told(send) == []
    which = WorkflowExecution(workflow_id=account.id)
    request = DeleteWorkflowExecutionRequest(namespace=temporal.namespace, workflow_execution=which)
    await temporal.workflow_service.delete_workflow_execution(request)
    await until(lambda: is_there(temporal, account.id), lambda there: not there)
    if has_begun_anew:
        await temporal.start_workflow(ACCOUNT, **start)
    for _ in range(2):
        await looks.look()
        assert await told(send) == ["ledger_lost"]
    await send.terminate()


async def test_who_is_told_of_a_terminated_account_hears_no_more(temporal: Client, settings: Settings) -> None:
    """Another one has begun before the next look, as in place of one that was deleted."""
    send, queue = await waiting(temporal, settings, "first"), f"deserted-{uuid.uuid4().hex}"
    workflow_id = account_id(settings.accounts["first"].appid)
    account = await temporal.start_workflow(ACCOUNT, id=workflow_id, task_queue=queue)
    looks = LostQueues(settings, temporal)
    await looks.look()
    await account.terminate("by mistake")
    await until(lambda: listed(temporal, f'WorkflowId = "{workflow_id}" AND ExecutionStatus = "Terminated"'))
    another = await temporal.start_workflow(ACCOUNT, id=workflow_id, task_queue=queue)
    for _ in range(2):
        await looks.look()
        assert await told(send) == ["ledger_lost"]
    for handle in (send, another):
        await handle.terminate()


async def test_an_account_of_another_queue_is_not_asked(temporal: Client, settings: Settings) -> None:
    """Nobody may work on that queue: its sends are told at once."""
    send = await waiting(temporal, settings, "first")
    await lost(temporal, settings, "first", task_queue=f"deserted-{uuid.uuid4().hex}")
    answers = Answers(error=LATE)
    await LostQueues(settings, answers.asked_by(temporal)).look()
    assert (answers.asked, await told(send)) == (0, ["ledger_lost"])
    await send.terminate()
