"""The account on Temporal: who hears of it when, what people do to it, and what it survives."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from qunfa.contract.grants import Granted, Lease
from qunfa.contract.result import JobFinished
from tests.account.driving import answer, look, report, tried
from tests.looking import until
from tests.workflows.accounts.conftest import Branch

A_WHILE = timedelta(minutes=15)


def is_leased(granted: Granted) -> bool:
    """Whether it is a lease."""
    return granted.answer == "lease"


async def leased(branch: Branch, key: str) -> Lease:
    """The lease of a sender, once it has one."""
    lease = (await branch.answer(key, is_leased)).lease
    assert lease is not None
    return lease


async def says_yes(branch: Branch, lease: Lease, msg_id: int = 7) -> None:
    """WeChat takes what was submitted, and the account is told."""
    said = tried(lease, answer(at=lease.not_before, msg_id=msg_id))
    workflow_id = branch.senders[lease.key].id
    await branch.signal("told", report(said, key=lease.key, workflow_id=workflow_id))


async def refusal_of(branch: Branch, name: str, payload: Any) -> ApplicationError:
    """Why an update is refused."""
    with pytest.raises(WorkflowUpdateFailedError) as raised:
        await branch.account.execute_update(name, payload)
    assert isinstance(raised.value.cause, ApplicationError)
    return raised.value.cause


async def test_a_wish_is_answered_at_once_and_granted_when_it_is_due(branch: Branch) -> None:
    """It is told its place; the lease comes at its time."""
    await branch.wants("a", A_WHILE)
    first = await branch.answer("a", lambda granted: granted.waits)
    assert (first.answer, first.waits and first.waits.why, first.waits and first.waits.place) == ("known", "queue", 0)
    assert [one.key for one in (await branch.ledger()).waiting] == ["a"]
    await branch.env.sleep(A_WHILE)
    lease = await leased(branch, "a")
    assert (lease.key, lease.number, lease.holder) == ("a", 1, branch.senders["a"].first_execution_run_id)


async def test_the_lease_of_a_run_that_is_gone_goes_to_the_next(branch: Branch) -> None:
    """Nobody was there to hear of it: nothing was written."""
    gone = await branch.wants("gone", A_WHILE)
    await branch.answer("gone", lambda granted: granted.waits)
    await branch.wants("next", A_WHILE)
    await branch.answer("next", lambda granted: granted.waits)
    await gone.terminate("killed")
    await branch.env.sleep(A_WHILE)
    assert (await leased(branch, "next")).key == "next"
    (record,) = (await branch.ledger(key="gone")).records
    assert [(job.attempts, job.ever_unknown) for job in record.jobs] == [(0, False)]


async def test_a_lease_that_nobody_answers_is_lost(branch: Branch) -> None:
    """The timer of its end is there: the next one gets its turn."""
    await branch.wants("silent")
    await leased(branch, "silent")
    await branch.wants("next")
    await branch.answer("next", lambda granted: granted.waits)
    await branch.env.sleep(10 * timedelta(minutes=1))
    await leased(branch, "next")
    (record,) = (await branch.ledger(key="silent")).records
    assert record.jobs[0].ever_unknown


async def test_a_frozen_account_grants_nothing_until_it_is_unfrozen(branch: Branch) -> None:
    """It names what is in flight. Who waits is told who froze it, and of the end of that, when it gets its lease."""
    await branch.wants("flying")
    lease = await leased(branch, "flying")
    await branch.wants("a")
    await branch.answer("a", lambda granted: granted.waits)
    frozen = await branch.freeze()
    assert frozen.frozen is not None
    assert (frozen.frozen.by, [one.key for one in frozen.in_flight]) == ("li", ["flying"])
    told = await branch.answer("a", lambda granted: granted.waits and granted.waits.why == "frozen")
    assert told.waits is not None
    assert told.waits.frozen is not None
    assert told.waits.frozen.reason == "wrong text"
    await says_yes(branch, lease)
    await branch.env.sleep(A_WHILE)
    assert (await branch.ledger()).lease is None
    assert (await branch.unfreeze()).frozen is None
    await leased(branch, "a")


async def test_a_push_goes_to_the_send_whose_job_it_is_about(branch: Branch) -> None:
    """Also one that comes before the answer. Where the send is over, the next run of the key is told."""
    sender = await branch.wants("a")
    lease = await leased(branch, "a")
    event = JobFinished(msg_id=7, status="send success")
    await branch.signal("push", event)
    await branch.until(lambda ledger: [kept.event.msg_id for kept in ledger.kept] == [7])
    await says_yes(branch, lease)
    await branch.until(lambda ledger: not ledger.kept)
    (push,) = await until(lambda: branch.senders["a"].query("pushes"))
    assert JobFinished.model_validate(push) == event
    await sender.signal("end")
    await sender.result()
    await branch.signal("push", JobFinished(msg_id=7, status="delete"))
    await branch.wants("a")
    heard = await branch.answer("a", lambda granted: granted.answer == "known")
    assert [said.msg_id for said in heard.known.said] == [7]


async def test_signals_of_any_shape_do_no_harm(branch: Branch) -> None:
    """They are dropped, and so is what no run can have sent; a cancellation changes nothing."""
    junks: list[Any] = [None, 3, "x", [], {}, {"msg_id": "x"}, {"key": "a", "known": 1}, {"wish": "w", "key": "a b"}]
    for junk in junks:
        for name in ("wants", "told", "push"):
            await branch.signal(name, junk)
    await branch.account.signal("push", args=[1, 2])
    await branch.account.signal("push")
    await branch.account.cancel()
    await branch.sender("a")
    for run in ("run-1", "", "x" * 200):
        await branch.signal("wants", look("nobody", "b", run, workflow_id="mass-send:demo:b"))
    far = {"due": "2999-01-01T00:00:00Z"}
    await branch.signal("wants", await branch.wish("a", of_turn=far, until="2999-12-01T00:00:00Z"))
    assert (await branch.answer("a", lambda granted: granted.waits)).answer == "known"
    await branch.wants("c")
    await says_yes(branch, await leased(branch, "c"))


async def test_updates_are_refused_with_a_sentence(branch: Branch) -> None:
    """What does not fit changes nothing."""
    await branch.wants("a", A_WHILE)
    for name, payload, said in (
        ("freeze", {"by": "li"}, "reason: is missing"),
        ("unfreeze", None, "must be an object"),
        ("forget", {"by": "li", "reason": "x", "key": "?"}, "key: has characters"),
        ("ask", {"key": 3}, "key: must be text"),
    ):
        refused = await refusal_of(branch, name, payload)
        assert refused.type == "UpdateRefused"
        assert said in refused.message
    assert (await branch.ledger()).frozen is None


async def test_a_key_is_forgotten_once_nothing_of_it_is_under_way(branch: Branch) -> None:
    """Not while it waits; what is left is a line of who had it forgotten."""
    asked = {"by": "li", "reason": "sent by hand", "key": "a"}
    await branch.wants("a")
    lease = await leased(branch, "a")
    assert "is submitting" in (await refusal_of(branch, "forget", asked)).message
    await says_yes(branch, lease)
    await branch.until(lambda ledger: ledger.lease is None)
    line = await branch.account.execute_update("forget", asked)
    assert (line["key"], line["by"], line["reason"]) == ("a", "li", "sent by hand")
    view = await branch.ledger()
    assert ([one.key for one in view.forgotten], view.records) == (["a"], ())
    assert "does not know the key" in (await refusal_of(branch, "forget", asked)).message
    assert "**Forgotten** 1" in await branch.page()


async def test_the_page_tells_who_waits(branch: Branch) -> None:
    """How many, and the first ones."""
    for number in range(7):
        await branch.wants(f"key-{number}", A_WHILE)
    await branch.until(lambda ledger: len(ledger.waiting) == 7)
    page = await branch.page()
    for part in ("open", "**Waiting** 7: `key-0` due", "and 2 more"):
        assert part in page
    await branch.freeze()
    assert "FROZEN" in await branch.page()


@pytest.mark.parametrize("raw", [["x" * 1_500_000], b"\xff" * 1000, {"known": {"tries": [0] * 200_000}}])
async def test_a_signal_of_a_megabyte_is_dropped(branch: Branch, raw: Any) -> None:
    """Or of bytes that are no text: to read it would take more time than a workflow task has. The account goes on."""
    await branch.wants("a")
    for name in ("told", "wants", "push"):
        await branch.signal(name, raw)
    await says_yes(branch, await leased(branch, "a"))
    view = await branch.until(lambda ledger: ledger.lease is None)
    assert [record.key for record in view.records] == ["a"]
