"""`qunfa.testing`: a fake send that a person ends has the problem, the advice and the rows that workers' core gives."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from qunfa.batches.plan import batch_failed
from qunfa.client import MassSendResult, Status, UpdateRefused
from qunfa.contract import MassSendRequest
from qunfa.contract.batches import BatchRow
from qunfa.contract.result import Outcome
from qunfa.rules.problems import ASKS_NOBODY, LOOK_FIRST, NO_NEW_KEY, SEND_TO_THE_REST, USE_THE_SAME_KEY
from qunfa.send import events, steps
from qunfa.send.show import result
from qunfa.send.turns import IN_DOUBT
from qunfa.testing import FakeQunfa
from qunfa.testing.fate import FOLLOWERS
from tests.client.test_fake import SPLIT, failure, listed, request
from tests.send.alone import Alone
from tests.send.places import (
    APPROVED,
    FAILED,
    SENDING,
    asking,
    collided,
    in_doubt,
    refused,
    silent,
    to_approve,
    unanswered,
)
from tests.send.test_contradictions import settled

PLACES: Final[dict[str, Callable[[], Alone]]] = {
    "send_failed": asking,
    "content_refused": lambda: asking("err(10001)"),
    "admin_refused": lambda: asking("err(40001)"),
    "account_refused": refused,
    "unknown_outcome": in_doubt,
    "no_verdict": silent,
    "clientmsgid_collision": collided,
}
AFTER_A_NO: Final = (
    "originality_check_error", "reprint_needs_decision", "admin_refused", "admin_timeout", "send_failed"
)  # fmt: skip
DOUBTS: Final = ("unknown_outcome", "no_verdict", "clientmsgid_collision")


def told(one: MassSendResult) -> tuple[Any, ...]:
    """What callers go by."""
    rows = [(job.state, job.status if job.msg_id is None else "accepted") for job in one.jobs]
    problem = one.problem and (one.problem.name, one.problem.todo)
    return one.outcome, one.may_have_been_delivered, problem, rows


@pytest.mark.parametrize("confirmed", [False, True], ids=["as it is", "confirmed"])
@pytest.mark.parametrize("problem", PLACES)
async def test_a_fake_abort_ends_as_that_of_a_worker(problem: str, *, confirmed: bool) -> None:
    """With the problem that was asked, or that nothing was found; what its key does next is the same, too."""
    alone, fake = PLACES[problem](), FakeQunfa()
    assert alone.abort(confirm_not_delivered=confirmed) is None
    said = SENDING if problem == "no_verdict" else FAILED
    end = settled(alone, said)
    fake.waits_with(problem)
    handle = await fake.send(request())
    await handle.abort(by="li", reason="looked", confirm_not_delivered=confirmed)
    of_fake = told(await failure(handle))
    assert of_fake == told(result(alone.engine.request, alone.state, end, alone.now))
    if problem == "account_refused" or (problem in DOUBTS and not confirmed):
        return  # it goes out again, and a test says what comes of that
    again, second = await fake.send(request()), Alone()
    second.joined(alone.state.known, ended=alone.state.told_end)
    stands = await again.status()
    if stands.phase == "done":
        end = settled(second, said)
        of_worker = result(second.engine.request, second.state, end, second.now)
        assert told(await failure(again)) == told(of_worker)
    else:
        while second.does() is steps.SendWish:
            second.asked()
        assert (stands.phase, stands.problem and stands.problem.name) == ("needs_operator", second.asks())
        assert standing(stands) == standing(second.status)


def standing(one: Status) -> tuple[Any, ...]:
    """Where a send stands, as callers see it."""
    rows = [(job.state, job.msg_id is None, job.observed_by) for job in one.jobs]
    problem = one.problem and (one.problem.name, one.problem.todo)
    return one.phase, problem, one.progress.accepted, one.progress.done, rows


@pytest.mark.parametrize("confirmed", [None, False, True], ids=["asks", "as it is", "confirmed"])
@pytest.mark.parametrize("problem", PLACES)
async def test_a_fake_status_is_that_of_a_worker(problem: str, confirmed: bool | None) -> None:
    """What it asks about has its row. An abort is answered before the account has heard of the end."""
    alone, fake = PLACES[problem](), FakeQunfa()
    fake.waits_with(problem)
    handle = await fake.send(request())
    of_fake = await handle.status()
    if confirmed is not None:
        assert alone.abort(confirm_not_delivered=confirmed) is None
        of_fake = await handle.abort(by="li", reason="looked", confirm_not_delivered=confirmed)
    assert standing(of_fake) == standing(alone.status)


async def test_a_fake_that_waits_for_approval_has_a_new_job() -> None:
    """Its result has none. Neither says that it is over before the account has heard of that."""
    alone, fake = to_approve(), FakeQunfa()
    held = await fake.send(request(**APPROVED))
    of_worker = standing(alone.status)
    assert standing(await held.status()) == of_worker
    assert standing(await held.reject(by="li")) == of_worker
    assert ((await failure(held)).jobs, (await held.status()).phase) == ((), "done")


@pytest.mark.parametrize("answer", ["approve", "reject", "abort"])
async def test_a_fake_key_in_doubt_is_approved_anew(answer: str) -> None:
    """As workers have it, what may have been accepted is repeated by an approval, or ends as unknown."""
    alone = joined_by(unanswered())
    alone.take(events.Shown((IN_DOUBT,)))
    fake = FakeQunfa()
    fake.ends("unknown", problem="unknown_outcome")
    await fake.send(request())
    fake.ends("sent")
    again = await fake.send(request(**APPROVED))
    stands = await again.status()
    assert standing(stands) == standing(alone.status)
    assert stands.answers == alone.status.answers == ("approve", "reject", "abort")
    await getattr(again, answer)(by="li", reason="looked")
    ended = await (again.result() if answer == "approve" else failure(again))
    assert ended.outcome == ("sent" if answer == "approve" else "unknown")


async def test_a_fake_job_that_was_accepted_needs_no_new_approval() -> None:
    """Workers await its result. What nobody has accepted, and a person has not found, goes out by an approval."""
    alone = joined_by(silent())
    assert alone.step.phase == "awaiting_result"
    fake = FakeQunfa()
    for problem, phase in (("no_verdict", "needs_operator"), ("unknown_outcome", "awaiting_approval")):
        fake.waits_with(problem, key=problem)
        await (await fake.send(request(problem))).abort(by="li", reason="looked")
        again = await fake.send(request(problem))
        assert (await again.status()).phase == "needs_operator"
        await again.abort(by="li", reason="looked", confirm_not_delivered=True)
        more = await fake.send(request(problem, **APPROVED))
        assert (await more.status()).phase == phase


def joined_by(first: Alone) -> Alone:
    """The next run of its key, which needs an approval."""
    alone = Alone(**APPROVED)
    alone.now = first.now
    alone.joined(first.state.known)
    return alone


async def test_a_fake_key_that_was_not_found_goes_out_by_a_retry() -> None:
    """Where its request asks nobody, it fails, and says how to be asked."""
    fake = FakeQunfa()
    fake.waits_with("unknown_outcome")
    await (await fake.send(request())).abort(by="li", reason="looked", confirm_not_delivered=True)
    ended = await failure(await fake.send(request(on_problem="fail")))
    assert ended.problem is not None
    assert (ended.problem.name, ended.problem.todo) == ("not_delivered", USE_THE_SAME_KEY + ASKS_NOBODY)
    again = await fake.send(request())
    await again.retry(by="li", reason="it is to go out")
    assert (await again.result()).outcome == "sent"


@pytest.mark.parametrize("problem", ["unknown_outcome", "not_delivered", *AFTER_A_NO])
async def test_a_fake_retry_is_a_job_of_its_own(problem: str) -> None:
    """The one before keeps its row, also where the key comes again. A recall by the first msg_id would find nothing."""
    fake = FakeQunfa()
    fake.waits_with(problem)
    handle = await fake.send(request())
    [first] = (await handle.status()).jobs
    observed = ("operator" if problem in {"unknown_outcome", "not_delivered"} else "push", "push")
    flag = {"unknown_outcome": "confirm_not_delivered", "reprint_needs_decision": "send_ignore_reprint"}.get(problem)
    said: dict[str, Any] = {flag: True} if flag else {}
    await handle.retry(by="li", reason="now", **said)
    for one, seen in ((handle, observed), (await fake.send(request()), ("ledger", "ledger"))):
        result = await one.result()
        rows = [(job.generation, job.state, job.observed_by) for job in result.jobs]
        assert rows == [(0, "failed", seen[0]), (1, "sent", seen[1])]
        assert (result.jobs[0].msg_id, result.totals and result.totals.sent) == (first.msg_id, FOLLOWERS)
        assert result.jobs[1].msg_id not in {None, first.msg_id}
    progress = (await handle.status()).progress
    assert (progress.accepted, progress.done) == (1, 1)


async def test_a_fake_job_that_mass_get_tells_of_has_no_counts() -> None:
    """A person has found it, or had WeChat asked again; or somebody has deleted it since."""
    fake = FakeQunfa()
    fake.waits_with("no_verdict")
    found, asked = await fake.send(request("found")), await fake.send(request("asked"))
    [job] = (await found.status()).jobs
    await found.mark_sent(by="li", reason="it is there", msg_id=job.msg_id or 0)
    await asked.retry(by="li", reason="look")
    fake.ends("deleted", key="deleted")
    fake.waits_with("unknown_outcome", key="lost")
    lost = await fake.send(request("lost"))
    with pytest.raises(UpdateRefused, match=f"msg_id {job.msg_id} is another job's: key found"):
        await lost.mark_sent(by="li", reason="it is there", msg_id=job.msg_id or 0)
    await lost.mark_sent(by="li", reason="it is there", msg_id=7)
    fake.plans(50, key="list")
    listing = await fake.send(listed("list"))
    await listing.retry(by="li", reason="look")
    for handle in (found, asked, lost, await fake.send(request("found")), listing):
        result = await handle.result()
        [row] = result.jobs
        assert (row.state, row.status, row.counts, result.totals) == ("sent", "SEND_SUCCESS", None, None)
    fake.ends("deleted", key="away")
    fake.waits_with("send_failed", key="away")
    await (away := await fake.send(request("away"))).retry(by="li", reason="once more")
    result = await away.result()
    assert (result.jobs[1].state, result.jobs[1].observed_by, result.totals) == ("deleted", "poll", None)


async def test_a_fake_end_in_doubt_says_what_to_do() -> None:
    """Also where its test names no problem, or a slow try may still come through after WeChat's no."""
    fake = FakeQunfa()
    fake.ends("unknown")
    first = await failure(await fake.send(request()))
    fake.ends("failed", problem="content_refused")
    found = [first, *[await failure(await fake.send(request())) for _ in range(2)]]
    assert [(one.outcome, one.may_have_been_delivered) for one in found] == [("unknown", True)] * 3
    assert [job.state for job in found[2].jobs] == ["failed"]
    assert [one.problem and (one.problem.name, one.problem.todo) for one in found] == [
        ("unknown_outcome", NO_NEW_KEY),
        ("content_refused", NO_NEW_KEY),
        ("content_refused", LOOK_FIRST),
    ]


async def test_a_fake_list_that_ends_by_a_batch_names_that_batch() -> None:
    """Whatever the outcome. The todo goes by the whole."""
    fake = FakeQunfa()
    asked = MassSendRequest.model_validate(listed())
    ends: tuple[tuple[Outcome, str, int], ...] = (("partly_sent", "content_refused", 3), ("unknown", "no_verdict", 1))
    for outcome, problem, number in ends:
        fake.ends(outcome, problem=problem, key=outcome)
        handle = await fake.send({**listed(), "key": outcome})
        ended = await (handle.result() if outcome == "partly_sent" else failure(handle))
        in_doubt = outcome == "unknown"
        how: Outcome = "unknown" if in_doubt else "failed"
        row = BatchRow(number=number, outcome=how, problem=problem, may_have_been_delivered=in_doubt)
        said = batch_failed(asked.model_copy(update={"key": outcome}), row, 3).sentence
        todo = NO_NEW_KEY if in_doubt else SEND_TO_THE_REST
        assert ended.problem is not None
        assert (ended.problem.name, ended.problem.sentence, ended.problem.todo) == ("batch_failed", said, todo)


async def test_a_fake_split_test_goes_on_with_what_was_found() -> None:
    """Its first batch was sent: the rest still waits for its winner."""
    fake = FakeQunfa()
    fake.waits_with("no_verdict")
    handle = await fake.send(listed(**SPLIT))
    await handle.retry(by="li", reason="look")
    status = await handle.status()
    assert (status.problem and status.problem.name, len(status.jobs)) == ("winner_not_chosen", 2)
    await handle.choose(by="li", winner="a")
    result = await handle.result()
    assert (result.outcome, result.totals, result.jobs[0].counts) == ("sent", None, None)


async def test_a_fake_list_that_a_batch_has_ended_names_the_report() -> None:
    """A new key for all of it would reach people twice. Where a try was refused, its row says so."""
    for problem, state in (("content_refused", "failed"), ("request_refused", "refused")):
        fake = FakeQunfa()
        fake.plans(50)
        fake.ends("failed", problem=problem)
        asked = listed()
        ended = await failure(await fake.send(asked))
        row = BatchRow(number=1, outcome="failed", problem=problem, may_have_been_delivered=False)
        said = batch_failed(MassSendRequest.model_validate(asked), row, 1).sentence
        assert ended.problem is not None
        assert (ended.problem.name, ended.problem.sentence) == ("batch_failed", said)
        assert ended.problem.todo == SEND_TO_THE_REST
        assert [job.state for job in ended.jobs] == [state]
