"""`RecallMassSend` over hours: what it waits for, how often it calls, and what it says meanwhile."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from qunfa.contract.ids import RECALL_MASS_SEND, recall_id
from qunfa.contract.ledger import Recalled
from qunfa.contract.recall import DELETE_JOB, LOOK_AT_JOB, LOOK_REFUSED, KnownJob, RecallResult, SentFrom
from qunfa.contract.result import Verdict
from qunfa.contract.steps import ACCOUNT_CHANGED, TELL, WECHAT_UNAVAILABLE
from tests.looking import until
from tests.workflows.conftest import Desk, Recorder
from tests.workflows.failures import cancelled, cause_of, refusal_of
from tests.workflows.model_recall import ModelAccount, recalling, recalling_apart

pytestmark = pytest.mark.long

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


@dataclass
class Bureau:
    """An account whose send of one article was delivered, and the recalls of that."""

    desk: Desk
    account: ModelAccount

    async def start(self, **aim: Any) -> WorkflowHandle[Any, RecallResult]:
        raw = {"account": "demo", "msg_id": 7, "by": "li", "reason": "wrong price", **aim}
        return await self.desk.begin(RECALL_MASS_SEND, raw, recall_id("demo", 7), RecallResult)


@pytest_asyncio.fixture(loop_scope="session")
async def bureau(env: WorkflowEnvironment, recorded: Recorder) -> AsyncIterator[Bureau]:
    async with recalling(env) as (desk, account):
        account.known = OURS
        yield Bureau(desk, account)
        await recorded(desk)


async def seen(handle: WorkflowHandle[Any, Any], fits: Callable[[list[HistoryEvent]], bool]) -> None:

    async def look() -> list[HistoryEvent]:
        return [event async for event in handle.fetch_history_events()]

    await until(look, fits)


def answers_of(events: list[HistoryEvent], kind: str) -> int:
    """How many activities of a kind have completed, whether or not their workflow knows."""
    named = {event.event_id: event.activity_task_scheduled_event_attributes.activity_type for event in events}
    ended = [event.activity_task_completed_event_attributes.scheduled_event_id for event in events]
    return sum(named[number].name == kind for number in ended if number)


async def done(bureau: Bureau, **aim: Any) -> RecallResult:
    return await (await bureau.start(**aim)).result()


async def not_done(bureau: Bureau, **aim: Any) -> RecallResult:
    return await failed(await bureau.start(**aim))


async def failed(handle: WorkflowHandle[Any, Any]) -> RecallResult:
    return RecallResult.model_validate((await cause_of(handle, "RecallFailed")).details[0])


@dataclass(frozen=True, kw_only=True)
class Cut:
    """When a recall is cancelled, and what comes of it.

    `model` is how the account is: what it holds, and whether that heeds its end. `asked_to_end`: what is held answers
    once it was asked to end. `end` is the outcome, and whether `mass/get` has confirmed it; nothing where the recall
    ends as cancelled. `calls` are the answers of `mass/delete`.
    """

    model: dict[str, Any]
    waits: bool = False
    asked_to_end: bool = True
    end: tuple[str, bool] | None = None
    calls: tuple[str, ...] = ()


ASKED_TO_END: Final = "activity_task_cancel_requested_event_attributes"
IN_CALL: Final[dict[str, Any]] = {"holds": DELETE_JOB, "heeds": False}
DIED: Final = ApplicationError("the worker died", type="WorkerDied")
CUTS: Final = {
    "a recall that is cancelled deletes nothing": Cut(model={"holds": LOOK_AT_JOB}),
    "a call that is cancelled before it was made deletes nothing": Cut(model={"holds": DELETE_JOB}),
    "a recall that is cancelled in its call takes the ok": Cut(model=IN_CALL, end=("recalled", False), calls=("ok",)),
    "a recall that is cancelled in a call that is lost is unknown": Cut(
        model={**IN_CALL, "answers": [DIED]}, end=("unknown", False), calls=("lost",)
    ),
    "a recall cancelled while it tells the ledger tells it": Cut(
        model={"holds": TELL, "heeds": False}, asked_to_end=False, end=("recalled", True), calls=("ok",)
    ),
    "a recall that is cancelled after an ok has recalled": Cut(
        model={"deaf": True, "holds_after": 1}, end=("recalled", False), calls=("ok",)
    ),
    "a recall that is cancelled as it waits has recalled": Cut(
        model={"deaf": True}, waits=True, end=("recalled", False), calls=("ok",)
    ),
    "a recall that is cancelled after a lost call is unknown": Cut(
        model={"answers": [{"answer": "lost", "detail": "no answer"}], "holds_after": 1},
        end=("unknown", False),
        calls=("lost",),
    ),
}


@pytest.mark.history(by_row=True)
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_a_recall_that_is_cancelled_ends_truly(bureau: Bureau, cut: Cut) -> None:
    """Nothing is deleted by what was not called. A call that may have been written is waited for, and is told."""
    account = bureau.account
    for name, value in cut.model.items():
        setattr(account, name, value)
    handle = await bureau.start()
    if cut.waits:
        await until(lambda: handle.query("status"), lambda status: status["phase"] == "waiting")
    else:
        await account.held.wait()
    await handle.cancel()
    if not account.heeds:
        if cut.asked_to_end:
            await seen(handle, lambda events: any(event.HasField(ASKED_TO_END) for event in events))
        account.let_go.set()
    if cut.end is None:
        await cancelled(handle)
        assert account.deletes == []
        return
    result = await (failed(handle) if cut.end[0] == "unknown" else handle.result())
    assert ((result.outcome, result.verified), tuple(call.answer for call in result.calls)) == (cut.end, cut.calls)
    assert len(account.told) == (cut.end[0] == "recalled")


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


@pytest.mark.parametrize("wrong", [timedelta(hours=8), timedelta(days=-2)])
async def test_a_workers_wrong_clock_moves_no_recall(bureau: Bureau, wrong: timedelta) -> None:
    """By a clock that is ahead it would call again hours later; by one that is behind it would give up at once."""
    bureau.account.ahead = wrong
    bureau.account.answers = [{"answer": "refused", "errcode": -1}, {"answer": "ok"}]
    result = await done(bureau)
    (first, _), (second, _) = bureau.account.deletes
    assert (result.outcome, len(result.calls)) == ("recalled", 2)
    assert second - first < HOUR


async def test_a_recall_under_another_id_is_refused(bureau: Bureau) -> None:
    """There would be two of one job at once."""
    assert 'the workflow id must be "recall:demo:8"' in await refusal_of(await bureau.start(msg_id=8))
    assert (bureau.account.looks, bureau.account.deletes) == ([], [])


async def test_another_account_is_not_called(bureau: Bureau) -> None:
    """The configuration was changed under the recall: it ends, and has deleted nothing there."""
    bureau.account.answers = [ApplicationError("another appid", type=ACCOUNT_CHANGED, non_retryable=True)]
    result = await not_done(bureau)
    assert (result.outcome, result.sentence, result.calls) == ("not_recalled", "another appid", ())


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A recall of what the ledger has noted as recalled: as how, what WeChat says now, and what the ledger is told."""

    articles: int = 1
    verified: bool = True
    status: str = "DELETE"
    answer: dict[str, Any] | None = None
    told: tuple[tuple[str, bool], ...] = ()


REFUSAL: Final[dict[str, Any]] = {"answer": "refused", "errcode": 40065}
NOTED: Final = {
    "an article of several": Noted(articles=2, verified=False, status="SEND_SUCCESS"),
    "all of a job": Noted(),
    "a job that WeChat has nothing more of": Noted(status="SEND_SUCCESS", answer=REFUSAL),
    "a job whose end is verified only now": Noted(verified=False, told=(("wang", True),)),
    "a job that is deleted once more": Noted(verified=False, status="SEND_SUCCESS", told=(("li", True),)),
}


@pytest.mark.parametrize("noted", NOTED.values(), ids=NOTED)
async def test_a_recall_that_deletes_nothing_takes_no_credit(bureau: Bureau, noted: Noted) -> None:
    """The ledger keeps who has recalled it; the next recall is told of that one."""
    article = 1 if noted.articles > 1 else None
    before = Recalled(
        at=await bureau.desk.env.get_current_time(),
        msg_id=7,
        article_idx=article,
        by="wang",
        reason="r",
        verified=noted.verified,
    )
    bureau.account.known = OURS.model_copy(update={"articles": noted.articles, "recalled": before})
    bureau.account.statuses = [noted.status]
    bureau.account.answers = [noted.answer or {"answer": "ok"}]
    result = await done(bureau, article_idx=article)
    assert result.outcome == "recalled"
    told = [one.recalled for one in bureau.account.told if one.recalled]
    assert tuple((one.by, one.verified) for one in told) == noted.told


@pytest.mark.history
async def test_without_the_ledger_wechats_word_does(bureau: Bureau) -> None:
    """A recall is urgent: it does not wait for the ledger's worker."""
    bureau.account.ledger_fails = True
    result = await done(bureau)
    assert (result.outcome, result.key, bureau.account.told) == ("recalled", None, [])


@pytest.mark.history
async def test_the_job_of_another_appid_is_not_deleted(bureau: Bureau) -> None:
    """Its send had the name's appid of then; a job of the new one has the same msg_id."""
    bureau.account.known, bureau.account.sent_from_what = KnownJob(), SentFrom(appid="wx0000000000000001")
    result = await not_done(bureau, key="spring")
    assert (result.outcome, result.key, result.calls) == ("not_recalled", "spring", ())
    assert "demo/spring was sent from wx0000000000000001" in result.sentence
    assert (bureau.account.looks, bureau.account.deletes) == ([], [])


@pytest.mark.history
async def test_the_send_itself_tells_of_its_appid(bureau: Bureau) -> None:
    """So the ledger need not: a recall is urgent. Where neither answers nobody knows whose the job is."""
    bureau.account.ledger_fails = True
    result = await not_done(bureau, key="spring")
    assert "Nothing that is known here says that msg_id 7 is a job of demo/spring" in result.sentence
    bureau.account.sent_from_what = SentFrom(appid=bureau.account.facts.appid)
    assert (await done(bureau, key="spring")).outcome == "recalled"
