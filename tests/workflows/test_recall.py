"""`RecallMassSend` over hours: what it waits for, how often it calls, and what it says meanwhile."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.facts import Known
from qunfa.contract.ids import RECALL_MASS_SEND, recall_id
from qunfa.contract.recall import DELETE_JOB, FIND_JOB, LOOK_AT_JOB, LOOK_REFUSED, KnownJob, RecallResult, RecallStatus
from qunfa.contract.result import Verdict
from qunfa.contract.steps import ACCOUNT_CHANGED, TELL, WECHAT_UNAVAILABLE
from tests.looking import until
from tests.workflows.conftest import Desk, Recorder
from tests.workflows.failures import cancelled, cause_of
from tests.workflows.model_recall import ModelAccount, recalling, recalling_apart

pytestmark = pytest.mark.long

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
OURS = KnownJob(
    msg_id=7,
    key="spring",
    digest="d" * 64,
    workflow_id="mass-send:demo:spring",
    msgtype="mpnews",
    articles=1,
    verdict=Verdict(status="send success", observed_by="push"),
)
REFUSED = Verdict(status="err(20001)", observed_by="push")


async def recall_status(handle: WorkflowHandle[Any, Any]) -> RecallStatus:
    """Where the recall stands."""
    status: RecallStatus = await handle.query("status", result_type=RecallStatus)
    return status


@dataclass
class Bureau:
    """An account whose send of one article was delivered, and the recalls of that."""

    desk: Desk
    account: ModelAccount

    async def start(self, **aim: Any) -> WorkflowHandle[Any, RecallResult]:
        """A recall of job 7."""
        raw = {"account": "demo", "msg_id": 7, "by": "li", "reason": "wrong price", **aim}
        return await self.desk.begin(RECALL_MASS_SEND, raw, recall_id("demo", 7), RecallResult)


@pytest_asyncio.fixture(loop_scope="session")
async def bureau(env: WorkflowEnvironment, recorded: Recorder) -> AsyncIterator[Bureau]:
    """An account whose send of one article was delivered."""
    async with recalling(env) as (desk, account):
        account.known = OURS
        yield Bureau(desk, account)
        await recorded(desk)


async def seen(handle: WorkflowHandle[Any, Any], fits: Callable[[list[HistoryEvent]], bool]) -> None:
    """Until the events of the recall are so."""

    async def look() -> list[HistoryEvent]:
        return [event async for event in handle.fetch_history_events()]

    await until(look, fits)


def is_asked_to_end(events: list[HistoryEvent]) -> bool:
    """Whether the recall has asked its activity to end."""
    return any(event.activity_task_cancel_requested_event_attributes.scheduled_event_id for event in events)


def answers_of(events: list[HistoryEvent], kind: str) -> int:
    """How many activities of a kind have completed, whether or not their workflow knows."""
    named = {event.event_id: event.activity_task_scheduled_event_attributes.activity_type for event in events}
    ended = [event.activity_task_completed_event_attributes.scheduled_event_id for event in events]
    return sum(named[number].name == kind for number in ended if number)


async def done(bureau: Bureau, **aim: Any) -> RecallResult:
    """What came of one that ends well."""
    return await (await bureau.start(**aim)).result()


async def not_done(bureau: Bureau, **aim: Any) -> RecallResult:
    """What came of one that ends badly."""
    return await failed(await bureau.start(**aim))


async def failed(handle: WorkflowHandle[Any, Any]) -> RecallResult:
    """The result that a failed recall carries."""
    return RecallResult.model_validate((await cause_of(handle, "RecallFailed")).details[0])


async def cancelled_in_it(bureau: Bureau) -> WorkflowHandle[Any, RecallResult]:
    """A recall that is cancelled while it asks what is held."""
    handle = await bureau.start()
    await bureau.account.held.wait()
    await handle.cancel()
    return handle


async def cancelled_in_the_call(bureau: Bureau, answer: Any) -> WorkflowHandle[Any, RecallResult]:
    """A recall whose call has gone out when it is cancelled, and is answered after that."""
    bureau.account.holds, bureau.account.heeds, bureau.account.answers = DELETE_JOB, False, [answer]
    handle = await cancelled_in_it(bureau)
    await seen(handle, is_asked_to_end)
    bureau.account.let_go.set()
    return handle


def gaps(bureau: Bureau) -> list[int]:
    """Minutes between the calls of `mass/delete`."""
    times = [at for at, _ in bureau.account.deletes]
    return [round((later - earlier) / MINUTE) for earlier, later in pairwise(times)]


@pytest.mark.history
async def test_40065_is_waited_out(bureau: Bureau) -> None:
    """A minute, two, four … half an hour: the recall outlasts it, and each answer is in its result."""
    bureau.account.answers = [{"answer": "refused", "errcode": 40065, "errmsg": "status"}] * 7 + [{"answer": "ok"}]
    result = await done(bureau)
    assert (result.outcome, result.verified, len(result.calls)) == ("recalled", True, 8)
    assert gaps(bureau) == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.history
async def test_a_send_under_way_is_waited_for(bureau: Bureau) -> None:
    """For hours, asking `mass/get` only; the one call comes when it is sent."""
    bureau.account.statuses = ["SENDING"] * 20 + ["SEND_SUCCESS"]
    result = await done(bureau)
    assert (result.outcome, len(result.calls), len(bureau.account.looks)) == ("recalled", 1, 22)
    assert bureau.account.deletes[0][0] - bureau.account.looks[0] > 7 * HOUR


@pytest.mark.history
async def test_what_was_not_delivered_is_not_recalled(bureau: Bureau) -> None:
    """A push has said so, and so does `mass/get`: no call is made."""
    bureau.account.known = OURS.model_copy(update={"verdict": REFUSED})
    bureau.account.statuses = ["SEND_FAIL"]
    result = await not_done(bureau)
    assert (result.outcome, len(bureau.account.looks), bureau.account.deletes) == ("not_recalled", 1, [])
    assert "msg_id 7 was not delivered" in result.sentence


@pytest.mark.history
async def test_a_forged_no_stands_against_no_recall(bureau: Bureau) -> None:
    """A push has said that it failed; `mass/get` knows better, as do those who have read it."""
    bureau.account.known = OURS.model_copy(update={"verdict": REFUSED})
    result = await done(bureau)
    assert (result.outcome, result.verified, len(result.calls)) == ("recalled", True, 1)


@pytest.mark.parametrize("within", [FIND_JOB, pytest.param(LOOK_AT_JOB, marks=pytest.mark.history)])
async def test_a_recall_that_is_cancelled_deletes_nothing(bureau: Bureau, within: str) -> None:
    """It is cancelled while something is asked, which must not be taken for no answer."""
    bureau.account.holds = within
    await cancelled(await cancelled_in_it(bureau))
    assert bureau.account.deletes == []


@pytest.mark.history
async def test_a_call_that_is_cancelled_before_it_was_made_deletes_nothing(bureau: Bureau) -> None:
    """Its activity says that it had not called."""
    bureau.account.holds = DELETE_JOB
    await cancelled(await cancelled_in_it(bureau))
    assert bureau.account.deletes == []


@pytest.mark.history
async def test_a_recall_that_is_cancelled_in_its_call_takes_the_ok(bureau: Bureau) -> None:
    """A call that may have been written is waited for, and what came of it is told."""
    result = await (await cancelled_in_the_call(bureau, {"answer": "ok"})).result()
    assert (result.outcome, result.verified, [call.answer for call in result.calls]) == ("recalled", False, ["ok"])
    assert [report.recalled is not None for report in bureau.account.told] == [True]


@pytest.mark.history
async def test_a_recall_that_is_cancelled_in_a_call_that_is_lost_is_unknown(bureau: Bureau) -> None:
    """Its worker has died: the call may be carried out all the same, and is not made again."""
    handle = await cancelled_in_the_call(bureau, ApplicationError("the worker died", type="WorkerDied"))
    result = await failed(handle)
    assert (result.outcome, [call.answer for call in result.calls]) == ("unknown", ["lost"])


@pytest.mark.parametrize(
    ("within", "end"),
    [
        (DELETE_JOB, ("recalled", False)),
        pytest.param(LOOK_AT_JOB, ("recalled", True), marks=pytest.mark.history),
        (TELL, ("recalled", True)),
    ],
)
async def test_an_answer_that_comes_with_the_cancellation_counts(
    env: WorkflowEnvironment, recorded: Recorder, within: str, end: tuple[str, bool]
) -> None:
    """No worker takes the workflow's tasks for a while: the answer and the cancellation reach it in one."""
    async with recalling_apart(env) as (desk, account, deciding):
        account.known = OURS
        account.holds, account.holds_after = (None, 1) if within == LOOK_AT_JOB else (within, None)
        async with deciding():
            handle = await Bureau(desk, account).start()
            await account.held.wait()
        account.let_go.set()
        times = 2 if within == LOOK_AT_JOB else 1
        await seen(handle, lambda events: answers_of(events, within) == times)
        await handle.cancel()
        async with deciding():
            result = await handle.result()
            await recorded(desk)
    assert (result.outcome, result.verified) == end
    assert [report.recalled is not None for report in account.told] == [True]


@pytest.mark.history
async def test_a_recall_cancelled_while_it_tells_the_ledger_tells_it(bureau: Bureau) -> None:
    """It is over by then; its result and its report are no less true."""
    bureau.account.holds, bureau.account.heeds = TELL, False
    handle = await cancelled_in_it(bureau)
    bureau.account.let_go.set()
    result = await handle.result()
    assert (result.outcome, result.verified, len(bureau.account.told)) == ("recalled", True, 1)


@pytest.mark.parametrize("looks", [pytest.param(True, marks=pytest.mark.history), False], ids=["looks", "waits"])
async def test_a_recall_that_is_cancelled_after_an_ok_has_recalled(bureau: Bureau, looks: bool) -> None:
    """WeChat's ok is its word; that `mass/get` has not confirmed it is said."""
    bureau.account.deaf, bureau.account.holds_after = True, 1 if looks else None
    handle = await bureau.start()
    if looks:
        await bureau.account.held.wait()
    else:
        await until(lambda: recall_status(handle), lambda status: status.phase == "waiting")
    await handle.cancel()
    result = await handle.result()
    assert (result.outcome, result.verified, [call.answer for call in result.calls]) == ("recalled", False, ["ok"])
    [report] = bureau.account.told
    assert report.recalled is not None


@pytest.mark.history
async def test_a_recall_that_is_cancelled_after_a_lost_call_is_unknown(bureau: Bureau) -> None:
    """The cancellation comes while `mass/get` is asked: nobody knows what the call has done."""
    bureau.account.answers = [{"answer": "lost", "detail": "no answer"}]
    bureau.account.holds_after = 1
    assert (await failed(await cancelled_in_it(bureau))).outcome == "unknown"


async def test_it_says_what_it_waits_for(bureau: Bureau) -> None:
    """In its query, from the first moment on."""
    bureau.account.statuses = ["SENDING"]
    handle = await bureau.start()
    status = await until(lambda: recall_status(handle), lambda status: status.waiting_for)
    assert status.waiting_for
    assert (status.phase, status.by, status.msg_id) == ("waiting", "li", 7)
    assert "msg_id 7 to be sent: mass/get says SENDING" in status.waiting_for.reason
    await handle.terminate()


@pytest.mark.history
async def test_an_outage_is_outlasted(bureau: Bureau) -> None:
    """WeChat cannot be asked for an hour: nothing is called blindly."""
    away = ApplicationError("WeChat is busy", type=WECHAT_UNAVAILABLE, next_retry_delay=HOUR)
    bureau.account.statuses = [away, "SEND_SUCCESS"]
    result = await done(bureau)
    assert (result.outcome, len(result.calls)) == ("recalled", 1)


@pytest.mark.history
async def test_a_lasting_refusal_is_not_waited_out(bureau: Bureau) -> None:
    """A person has to change something first."""
    evidence = {"errcode": 40164, "errmsg": "invalid ip", "rid": None, "token_endpoint": True, "about": "Asking"}
    refused = ApplicationError("the address is not on the whitelist.", evidence, type=LOOK_REFUSED, non_retryable=True)
    bureau.account.statuses = [refused]
    result = await not_done(bureau)
    assert "the address is not on the whitelist. Nothing was deleted." in result.sentence


@pytest.mark.history
async def test_a_lost_worker_is_a_lost_call(bureau: Bureau) -> None:
    """`mass/get` is asked before the call is repeated."""
    bureau.account.answers = [ApplicationError("the worker died", type="WorkerDied"), {"answer": "ok"}]
    result = await done(bureau)
    assert [call.answer for call in result.calls] == ["lost", "ok"]
    assert len(bureau.account.looks) >= 3


async def test_another_account_is_not_called(bureau: Bureau) -> None:
    """The configuration was changed under the recall: it ends, and has deleted nothing there."""
    bureau.account.answers = [ApplicationError("another appid", type=ACCOUNT_CHANGED, non_retryable=True)]
    result = await not_done(bureau)
    assert (result.outcome, result.sentence, result.calls) == ("not_recalled", "another appid", ())


async def test_the_ledger_is_told(bureau: Bureau) -> None:
    """That it was recalled, by whom and why; it is no verdict."""
    await done(bureau, article_idx=1)
    [report] = bureau.account.told
    assert (report.key, report.digest, report.known, report.ended) == ("spring", "d" * 64, Known(), None)
    assert report.recalled is not None
    assert (report.recalled.msg_id, report.recalled.article_idx, report.recalled.by) == (7, 1, "li")
    assert bureau.account.deletes[0][1].article_idx == 1


@pytest.mark.history
async def test_without_the_ledger_wechats_word_does(bureau: Bureau) -> None:
    """A recall is urgent: it does not wait for the ledger's worker."""
    bureau.account.ledger_fails = True
    result = await done(bureau)
    assert (result.outcome, result.key, bureau.account.told) == ("recalled", None, [])


@pytest.mark.history
async def test_an_ok_that_mass_get_does_not_confirm(bureau: Bureau) -> None:
    """It counts, but not as verified."""
    bureau.account.deaf = True
    result = await done(bureau)
    assert (result.outcome, result.verified, result.status) == ("recalled", False, "SEND_SUCCESS")
