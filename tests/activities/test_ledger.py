import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.earlier_runs import VisibleRuns
from activities.jobs import Recalls
from activities.ledger import AT_ONCE, Ledger, ledger_view
from qunfa.contract.facts import Decided, Ended, Known
from qunfa.contract.grants import PATIENCE, Report, Wish
from qunfa.contract.ids import account_id
from qunfa.contract.recall import FindJobStep
from qunfa.contract.steps import LEDGER_UNAVAILABLE, Remembered, TakePreviewStep, TellStep, Wished, WishStep
from qunfa.rules.quota_view import PREVIEWS_A_DAY
from qunfa.send.doubt import is_doubt
from tests.activities.books import LONG, QUEUE, TURN, Books, FloodedAccount, RestlessAccount, SlowAccount, granted
from tests.activities.conftest import NOON, Desk, attempt, failed
from tests.activities.past import DIGEST, MSG_ID, Fates, Times, worker
from tests.looking import until
from tests.temporal import is_there
from tests.workflows.slow_ledger import NoEarlierRuns
from workflows.account import Account
from workflows.waiting import SLICE


@pytest.fixture
async def times(temporal: Client) -> AsyncIterator[Times]:
    """A mass send whose earlier runs the test makes, and a worker for its ledger."""
    fates = Fates()
    async with worker(temporal, QUEUE, fates, Account):
        yield Times(temporal, fates, task_queue=QUEUE)


@pytest.fixture
def books(temporal: Client, times: Times) -> Books:
    """A ledger that is not there yet, and a key without earlier runs."""
    return Books(temporal, f"wx{uuid.uuid4().hex[:16]}", times, NoEarlierRuns(temporal))


@pytest.fixture
def lost(temporal: Client, books: Books) -> Books:
    """A ledger that was lost; the earlier runs of the key are still in Temporal."""
    return replace(books, earlier=VisibleRuns(temporal))


@pytest.mark.parametrize("number", [1, 2])
async def test_the_first_wish_starts_the_ledger(books: Books, number: int) -> None:
    """The answer may bring the first lease. Once no answer came in time, it is signalled to the run that has wished."""
    run, books.attempt = await books.run(), number
    wished = await books.wish(turn=TURN)
    answer = wished.granted or (await granted(run))[0]
    [record] = await books.records()
    assert (record.key, [job.clientmsgid for job in record.jobs], record.unsearched) == (books.times.key, ["c0"], False)
    assert (wished.known, wished.granted is None) == (Known(), number > 1)
    assert answer.lease is not None
    assert (answer.wish, answer.answer) == ("w1", "lease")
    assert (answer.lease.key, answer.lease.holder, answer.lease.clientmsgid) == (books.times.key, books.run_id, "c0")


async def test_a_wish_of_long_ago_is_answered_by_signal(temporal: Client, books: Books) -> None:
    """Whoever asked by an update waits for its answer no more: so it may be after a reset of the account."""
    run = await books.run()
    wish = Wish(wish="w", key="k", digest=DIGEST, workflow_id=run.id, run_id=books.run_id, searched=True, turn=TURN)
    step, ledger = WishStep(appid=books.appid, wish=wish), Ledger(temporal, QUEUE, books.earlier)
    assert await attempt(ledger.wish, step, started_time=datetime.now(UTC) - 2 * PATIENCE) == Wished()
    assert (await granted(run))[0].answer == "lease"


async def test_a_preview_counts_on_the_day_on_which_it_is_asked_for(temporal: Client, books: Books) -> None:
    """Not on that on which the account hears of it: after a reset it may hear of those of weeks."""
    step, ledger = TakePreviewStep(appid=books.appid, holder="earlier"), Ledger(temporal, QUEUE, books.earlier)
    await attempt(ledger.take_preview, step, activity_id="0", started_time=datetime.now(UTC) - timedelta(days=2))
    assert (await books.take_preview()).left == PREVIEWS_A_DAY - 1


async def test_a_crowd_is_answered_by_signal(temporal: Client, books: Books) -> None:
    """Temporal takes few updates at a time: a worker has few wishes of one account answered by one."""
    run, books.task_queue = await books.run(), "crowded"
    ledger = Ledger(temporal, books.task_queue, books.earlier, patience=LONG)
    wishes = [
        Wish(wish=f"w{n}", key=f"k{n}", digest=DIGEST, workflow_id=run.id, run_id=books.run_id, searched=True)
        for n in range(2 * AT_ONCE)
    ]
    acting = [
        asyncio.create_task(attempt(ledger.wish, WishStep(appid=books.appid, wish=one), activity_id=one.key))
        for one in wishes
    ]
    signalled = await asyncio.gather(*acting[AT_ONCE:])
    assert signalled == [Wished()] * AT_ONCE
    async with worker(temporal, "crowded", Fates(), Account):
        answered = [one.granted for one in await asyncio.gather(*acting[:AT_ONCE])]
        heard = {one.wish for one in await granted(run, AT_ONCE)} | {one.wish for one in answered if one}
    assert heard == {one.wish for one in wishes}


async def test_a_report_starts_the_ledger_where_there_is_none(books: Books) -> None:
    """Nothing that is told is lost with a terminated `Account`."""
    await books.tell(ended=Ended(outcome="sent"))
    [record] = await books.records()
    assert (record.ended_as, record.unsearched) == ("sent", True)


async def test_a_key_can_be_asked_about_without_its_content(books: Books) -> None:
    """What it has done is told, and nothing is written down: a key that nobody has used is free afterwards.

    One that has come up is known, also before a try.
    """
    assert await books.look_up() == Remembered()
    assert await books.records() == ()
    await books.wish()
    books.activity_id = "2"
    assert await books.look_up() == Remembered(has_record=True)
    await books.accept()
    books.activity_id = "3"
    known = await books.look_up()
    assert [one.answer.msg_id for one in known.tries if one.answer] == [MSG_ID]


async def test_the_first_batch_of_a_list_can_be_asked_about_too(books: Books) -> None:
    """Only where the key may have been that of a list, and by its own key."""
    key = books.times.key
    books.times.key = f"{key}.1"
    await books.wish()
    await books.accept()
    books.times.key, books.activity_id = key, "2"
    asked = books.look_up_step().model_copy(update={"or_list": True})
    known: Remembered = await books.act("look_up", asked)
    assert (known.tries, [one.answer.msg_id for one in known.first_batch.tries if one.answer]) == ((), [MSG_ID])


async def test_a_list_hears_that_a_later_batch_was_begun(books: Books) -> None:
    """Its number counts, and not its text. A batch of another list is none, nor is a send whose key looks like one."""
    key = books.times.key
    books.times.key = f"{key}.10"
    await books.wish()
    for number, (asked, later) in enumerate({"8": False, "9": True, "10": False, "9.9": False}.items(), 2):
        if later:
            books.times.key, books.activity_id = key, "of the list"
            await books.tell()
        books.times.key, books.activity_id = f"{key}.{asked}", str(number)
        step = books.look_up_step().model_copy(update={"and_later": True})
        known: Remembered = await books.act("look_up", step)
        assert known.later == later


async def test_what_came_before_a_question_is_part_of_its_answer(temporal: Client, books: Books) -> None:
    """Signals are applied in slices: a question that comes after many of them waits for its turn."""
    books.task_queue = "late"
    for number in range(SLICE + SLICE // 2):
        report = Report(key=f"other-{number}", digest=DIGEST, workflow_id="mass-send:demo:other")
        await books.act("tell", TellStep(appid=books.appid, report=report))
    books.attempt = 2  # nobody answers yet
    await books.wish()
    await books.accept()
    asking = asyncio.create_task(books.look_up())
    async with worker(temporal, "late", Fates(), Account):
        known = await asking
    assert [one.answer.msg_id for one in known.tries if one.answer] == [MSG_ID]


async def test_a_question_that_is_repeated_hears_of_a_restore(temporal: Client, books: Books) -> None:
    """Days may lie between two attempts, and Temporal keeps what the first one was answered."""
    await books.wish()
    assert (await books.look_up()).tries == ()
    taken = {"by": "li", "reason": "disk lost", "taken": NOON}
    await temporal.get_workflow_handle(account_id(books.appid)).signal("restored", taken)
    books.attempt = 2
    assert any(map(is_doubt, (await books.look_up()).tries))


class CameUpEarlier(NoEarlierRuns):
    """Temporal lists a run of the list from before all had been started again."""

    async def came_up(self, workflow_id: str) -> datetime | None:
        return datetime.now(UTC) - timedelta(days=1)


@pytest.mark.parametrize(("earlier", "doubted"), [(NoEarlierRuns, False), (CameUpEarlier, True)])
async def test_a_batch_is_as_old_as_the_first_run_of_its_list(
    temporal: Client, books: Books, earlier: type[NoEarlierRuns], *, doubted: bool
) -> None:
    """A list that came up before a restore was over, and is started again after it, may have sent what is forgotten."""
    await books.wish(key="another")
    account = temporal.get_workflow_handle(account_id(books.appid))
    await account.signal("restored", {"by": "li", "reason": "disk lost", "taken": NOON})
    await account.execute_update("unfreeze", {"by": "li"})
    await account.execute_update("caught_up", {"by": "li"})
    books.times.key, books.activity_id = f"{books.times.key}.1", "2"
    asked = books.look_up_step().model_copy(update={"started_at": datetime.now(UTC) + timedelta(days=1)})
    known = await replace(books, earlier=earlier(temporal)).act("look_up", asked)
    assert any(map(is_doubt, known.tries)) is doubted


async def test_a_job_that_a_person_has_found_is_known_after_a_restore(
    desk: Desk, temporal: Client, books: Books
) -> None:
    """Nobody has made the try that may be forgotten, so that no run is looked at for the message."""
    taken = {"by": "li", "reason": "disk lost", "taken": NOON}
    await books.wish()
    account = temporal.get_workflow_handle(account_id(books.appid))
    await account.signal("restored", taken)
    known = await books.look_up()
    found = Decided(
        id="u", what="mark_sent", by="li", reason="seen", at=NOON, generation=0, covers=(known.tries[0].wish,), msg_id=7
    )
    await books.tell(known=Known(tries=known.tries, decided=(found,)))
    pinned = desk.pinned.model_copy(update={"appid": books.appid})
    job = await attempt(Recalls(desk.accounts, temporal, desk.clock).find_job, FindJobStep(account=pinned, msg_id=7))
    assert (job.key, job.workflow_id) == (books.times.key, books.times.workflow_id)


async def test_a_preview_is_counted_once_for_each_call(books: Books) -> None:
    """A repeated attempt has the same answer; another activity asks anew, and only another call is counted."""
    first = await books.take_preview()
    assert (first.granted, await books.take_preview()) == (True, first)
    books.activity_id = "2"
    assert await books.take_preview() == first
    books.activity_id = "3"
    assert (await books.take_preview("another call")).left == first.left - 1


async def test_a_running_ledger_is_not_queried(temporal: Client, books: Books) -> None:
    """A query that meets a lost worker can leave a history that does not replay: the question is an update."""
    await books.wish()
    await books.look_up()
    history = temporal.get_workflow_handle(account_id(books.appid)).fetch_history_events()
    accepted = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name
        async for event in history
        if event.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    assert accepted == ["wish", "ask"]


async def test_a_closed_ledger_still_knows_whose_a_msg_id_is(temporal: Client, books: Books) -> None:
    """It was terminated, and no new one has been started yet: who looks only, as a recall does, sees what it had."""
    await books.accept()
    await books.records()
    await temporal.get_workflow_handle(account_id(books.appid)).terminate("by mistake")
    for msg_id, keys in ((MSG_ID, [books.times.key]), (MSG_ID + 1, [])):
        view = await ledger_view(temporal, books.appid, {"msg_id": msg_id})
        assert view is not None
        assert [record.key for record in view.records] == keys


async def test_who_only_looks_starts_no_ledger(temporal: Client, books: Books) -> None:
    """There is none to look into."""
    assert await ledger_view(temporal, books.appid, {"msg_id": MSG_ID}) is None
    with pytest.raises(RPCError, match="not found"):
        await books.records()


async def test_a_ledger_without_a_worker_is_asked_again(books: Books) -> None:
    """The call ends in time, benignly, and its sentence says what may be missing."""
    books.task_queue = "nobody-works-here"
    await failed(books.look_up(timedelta(seconds=0.3)), LEDGER_UNAVAILABLE, "is there a worker for it")


@pytest.mark.parametrize("queue", ["nobody-works-here", "slow"], ids=["not accepted", "accepted"])
async def test_a_worker_that_stops_does_not_wait_for_the_ledger(temporal: Client, books: Books, queue: str) -> None:
    """A cancelled call is cancelled, not taken for a time-out."""
    environment = ActivityEnvironment()
    step = books.look_up_step()
    async with worker(temporal, "slow", Fates(), SlowAccount):
        running = asyncio.create_task(environment.run(Ledger(temporal, queue, books.earlier).look_up, step))
        account = temporal.get_workflow_handle(account_id(books.appid))
        await until(lambda: is_there(temporal, account.id))
        if queue == "slow":
            async for event in account.fetch_history_events(wait_new_event=True):
                if event.HasField("workflow_execution_update_accepted_event_attributes"):
                    break
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await account.terminate()


@pytest.mark.parametrize("account", [RestlessAccount, FloodedAccount])
async def test_a_ledger_that_continues_as_new_is_asked_again(
    temporal: Client, books: Books, account: type[RestlessAccount | FloodedAccount]
) -> None:
    """An update that was overtaken by the end of its run is repeated."""
    books.task_queue = account.__name__
    async with worker(temporal, books.task_queue, Fates(), account):
        await failed(books.look_up(), LEDGER_UNAVAILABLE, "continuing as new")


async def test_a_namespace_that_is_away_is_asked_again(temporal: Client, books: Books) -> None:
    """Whatever Temporal answers to the call, nothing was decided."""
    config = temporal.config()
    config["namespace"] = "another"
    books.client = Client(**config)
    await failed(books.look_up(), LEDGER_UNAVAILABLE, "Temporal answered NOT_FOUND")
    for call, what in ((books.tell, "told about"), (books.wish, "asked: Temporal answered")):
        await failed(call(), LEDGER_UNAVAILABLE, f"could not be {what}")


async def test_a_lost_ledger_knows_again_what_was_accepted(lost: Books) -> None:
    """Nothing is submitted again, and a failure is told again. Another attempt finds the same, and changes nothing."""
    answer = lost.times.answered("accepted", msg_id=MSG_ID)
    await lost.times.live(lost.times.submit(), failure=lost.times.result("failed", "content_refused"))
    await lost.run()
    for _ in range(2):
        wished = await lost.wish(turn=TURN)
        assert wished.known == Known(tries=(lost.times.fact(answer=answer),))
        [record] = await lost.records()
        assert ([job.msg_id for job in record.jobs], record.unsearched) == ([MSG_ID], False)
        assert (record.ended_as, record.problem) == ("failed", "content_refused")
    told = wished.granted
    assert told is not None
    assert (told.answer, told.lease, told.waits) == ("known", None, None)
    assert told.ended == Ended(outcome="failed", problem="content_refused")


async def test_what_earlier_runs_have_left_stands_beside_a_doubt(temporal: Client, lost: Books) -> None:
    """The ledger was lost, and only knows that a restore may have forgotten more."""
    answer = lost.times.answered("accepted", msg_id=MSG_ID)
    await lost.times.live(lost.times.submit())
    await lost.run()
    await Books.tell(replace(lost, times=replace(lost.times, key="another")))
    taken = {"by": "li", "reason": "disk lost", "taken": NOON}
    await temporal.get_workflow_handle(account_id(lost.appid)).signal("restored", taken)
    known = await lost.look_up()
    assert lost.times.fact(answer=answer) in known.tries
    assert sum(map(is_doubt, known.tries)) == 2


async def test_a_lost_ledger_still_refuses_a_key_for_other_content(lost: Books) -> None:
    """An earlier run that submitted something else makes the wish `reused`, and the key stays unknown."""
    lost.times.answered("accepted", msg_id=MSG_ID)
    await lost.times.live(lost.times.submit())
    await lost.run()
    known, told = await lost.wished(digest="e" * 64)
    assert known == Known()
    assert told.answer == "reused"
    assert await lost.records() == ()


async def test_a_search_that_fails_wishes_nothing(lost: Books) -> None:
    """Before the earlier runs are known, there is no record and no lease. A wish without a search is told so."""
    await failed(lost.wish(turn=TURN), LEDGER_UNAVAILABLE, "does not show this run")
    with pytest.raises(RPCError, match="not found"):
        await lost.records()
    await lost.run()
    known, told = await lost.wished(search=False)
    assert known == Known()
    assert (told.answer, told.lease) == ("search", None)
