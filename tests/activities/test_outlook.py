"""What a worker finds of a key and its account before a send, on a real server; nothing is started or changed."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.attempts import passing
from activities.checks import Outlook
from activities.earlier_runs import Found, VisibleRuns
from activities.ledger import LedgerNotes
from qunfa.contract.facts import Ended, Known
from qunfa.contract.grants import Report
from qunfa.contract.ids import account_id
from qunfa.contract.ledger import FreezeAnswer
from qunfa.contract.limits import Book
from qunfa.contract.prospect import Ahead, LookAheadStep, Past
from qunfa.contract.result import Answer
from qunfa.contract.steps import LEDGER_UNAVAILABLE
from tests.activities.conftest import NOON
from tests.activities.past import DIGEST, MSG_ID, Fates, Times, worker
from tests.looking import until
from workflows.account import Account

QUEUE = "outlook"
ACCEPTED = Answer(kind="accepted", at=NOON, msg_id=MSG_ID)


class Silent(VisibleRuns):
    """Temporal's list of workflows, which does not answer."""

    async def find(self, workflow_id: str, current_run_id: str, appid: str | None) -> Found:
        raise passing(LEDGER_UNAVAILABLE, "the earlier runs could not be looked for.")


@dataclass
class Place:
    """An account of its own, and a key of it."""

    client: Client
    times: Times
    appid: str

    @property
    def account(self) -> WorkflowHandle[Account, None]:
        return self.client.get_workflow_handle_for(Account.run, account_id(self.appid))

    async def tell(self, **more: object) -> None:
        """Tell the ledger of the key, which starts it; it has taken it in then."""
        raw = {"key": self.times.key, "digest": DIGEST, "workflow_id": self.times.workflow_id, **more}
        await LedgerNotes(self.client, QUEUE).tell(self.appid, Report.model_validate(raw))
        await until(self.ahead, lambda found: bool(found.past and found.past.touched_at))

    async def ahead(self, earlier: VisibleRuns | None = None) -> Ahead:
        outlook = Outlook(self.client, earlier or VisibleRuns(self.client))
        step = LookAheadStep(appid=self.appid, account="demo", key=self.times.key)
        found: Ahead = await ActivityEnvironment().run(outlook.look_ahead, step)
        return found


@pytest.fixture
async def place(temporal: Client) -> AsyncIterator[Place]:
    """With a worker for its ledger, and for earlier runs of the key."""
    fates = Fates()
    async with worker(temporal, QUEUE, fates, Account):
        appid = f"wx{uuid.uuid4().hex[:16]}"
        yield Place(temporal, Times(temporal, fates, task_queue=QUEUE, appid=appid), appid)


async def test_a_look_ahead_starts_nothing(place: Place) -> None:
    """An account that does not run has an empty book, and a key that nobody knows no past."""
    assert await place.ahead() == Ahead(book=Book(), past=Past(), run=None)
    with pytest.raises(RPCError, match="not found"):
        await place.account.describe()


async def test_the_ledger_tells_book_freeze_and_record(place: Place) -> None:
    """By a query, which is in no history."""
    known = Known(tries=(place.times.fact(answer=ACCEPTED),))
    await place.tell(known=known, to_all=True, ended=Ended(outcome="failed", problem="content_refused"))
    raw = {"by": "li", "reason": "wrong text"}
    switched: FreezeAnswer = await place.account.execute_update("freeze", raw, result_type=FreezeAnswer)
    before = (await place.account.describe()).history_length
    found = await place.ahead()
    assert found.book
    assert (found.book.frozen, found.book.since is not None) == (switched.frozen, True)
    assert sum(day.to_all for day in found.book.days.values()) == 1
    assert found.past
    assert (found.past.known.tries, found.past.digests) == (known.tries, (DIGEST,))
    assert found.past.ended == Ended(outcome="failed", problem="content_refused")
    assert (await place.account.describe()).history_length == before


async def test_earlier_runs_tell_what_the_ledger_has_forgotten(place: Place) -> None:
    """The account was closed: its freeze is gone with it, and the runs of the key are still in Temporal."""
    await place.tell()
    await place.account.execute_update("freeze", {"by": "li", "reason": "wrong text"})
    await place.account.terminate("by mistake")
    accepted = place.times.answered("accepted", msg_id=MSG_ID)
    await place.times.live(place.times.submit(), result=place.times.result("sent"))
    found = await until(place.ahead, lambda found: bool(found.past and found.past.known.tries))
    assert found.book == Book()
    assert found.past
    assert [one.answer for one in found.past.known.tries] == [accepted]
    assert (found.past.ended, found.past.digests) == (Ended(outcome="sent"), (DIGEST,))
    assert found.run
    assert (found.run.running, found.run.closed_at is not None) == (False, True)


async def test_a_run_under_the_key_is_seen(place: Place) -> None:
    """Since when it runs."""
    handle = await place.times.begin(stays=True)
    run = (await place.ahead()).run
    assert run
    assert (run.running, run.started_at) == (True, (await handle.describe()).start_time)
    await handle.terminate()


async def test_the_first_batch_is_looked_for_where_it_may_be_one(place: Place) -> None:
    """By its own key, and with the workflow that has started it."""
    batch = {"result": place.times.result("sent")}
    await place.times.live(place.times.wish(), batch=batch)
    step = LookAheadStep(appid=place.appid, account="demo", key=place.times.key)
    outlook = Outlook(place.client, VisibleRuns(place.client))
    found: Ahead = await ActivityEnvironment().run(outlook.look_ahead, step.model_copy(update={"or_list": True}))
    assert found.first
    assert found.first.run
    assert (found.first.run.parent, found.run and found.run.parent) == (place.times.workflow_id, None)
    assert (await place.ahead()).first is None


async def test_what_cannot_be_asked_says_why(place: Place) -> None:
    """A list that is silent leaves the key unknown; an account that is silent leaves all of it unknown."""
    known = await place.ahead(Silent(place.client))
    assert (known.book, known.past) == (Book(), None)
    assert known.forgotten == "the earlier runs could not be looked for."
    await place.client.start_workflow("Nobody", id=account_id(place.appid), task_queue="nobody-works-here")
    unknown = await place.ahead()
    assert (unknown.book, unknown.past, unknown.run) == (None, None, None)
    assert unknown.unbooked == unknown.forgotten
    assert f"the ledger {account_id(place.appid)} could not be asked" in (unknown.unbooked or "")
