"""`qunfa.testing`: a fake send that a person ends has the problem, the advice and the rows that workers' core gives."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from qunfa.batches.plan import batch_failed
from qunfa.client import MassSendFailed, MassSendHandle, MassSendResult, Status
from qunfa.contract import MassSendRequest
from qunfa.contract.batches import BatchRow
from qunfa.rules.problems import ASKS_NOBODY, LOOK_FIRST, NO_NEW_KEY, SEND_TO_THE_REST, USE_THE_SAME_KEY
from qunfa.send import events, steps
from qunfa.send.show import result
from qunfa.send.turns import IN_DOUBT
from qunfa.testing import FakeQunfa
from tests.client.test_fake import listed, request
from tests.send.alone import Alone
from tests.send.places import APPROVED, asking, collided, in_doubt, refused, silent, to_approve, unanswered
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
DOUBTS: Final = ("unknown_outcome", "no_verdict", "clientmsgid_collision")


async def failure(handle: MassSendHandle) -> MassSendResult:
    """How it has ended badly."""
    with pytest.raises(MassSendFailed) as caught:
        await handle.result()
    return caught.value.result


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
    end = settled(alone)
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
        end = settled(second)
        of_worker = result(second.engine.request, second.state, end, second.now)
        assert told(await failure(again)) == told(of_worker)
    else:
        while second.does() is steps.SendWish:
            second.asked()
        assert (stands.phase, stands.problem and stands.problem.name) == ("needs_operator", second.asks())


def standing(one: Status) -> tuple[Any, ...]:
    """Where a send stands, as callers see it."""
    rows = [(job.state, job.msg_id is None, job.observed_by) for job in one.jobs]
    return one.phase, one.progress.accepted, one.progress.done, rows


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
    """Workers await its result. What a person has not found goes out by an approval."""
    alone = joined_by(silent())
    assert alone.step.phase == "awaiting_result"
    fake = FakeQunfa()
    fake.waits_with("no_verdict")
    await (await fake.send(request())).abort(by="li", reason="looked")
    again = await fake.send(request(**APPROVED))
    assert (await again.status()).phase == "needs_operator"
    await again.abort(by="li", reason="looked", confirm_not_delivered=True)
    more = await fake.send(request(**APPROVED))
    assert (await more.status()).phase == "awaiting_approval"


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


async def test_a_fake_end_in_doubt_says_what_to_do() -> None:
    """Also where its test names no problem, or a slow try may still come through after WeChat's no."""
    fake = FakeQunfa()
    fake.ends("unknown")
    first = await failure(await fake.send(request()))
    fake.ends("failed", problem="content_refused")
    found = [first, *[await failure(await fake.send(request())) for _ in range(2)]]
    assert [one.problem and (one.problem.name, one.problem.todo) for one in found] == [
        ("unknown_outcome", NO_NEW_KEY),
        ("content_refused", NO_NEW_KEY),
        ("content_refused", LOOK_FIRST),
    ]


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
