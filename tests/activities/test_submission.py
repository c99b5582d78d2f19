import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from qunfa.contract.facts import Known, Try
from qunfa.contract.grants import Report
from qunfa.contract.result import Answer
from qunfa.contract.steps import TRIED_BEFORE, Listed
from qunfa.simulator import Fault, Simulator, openid
from tests.activities.conftest import APPID, NOON, Desk, TokenServer, desk_at, lease

OTHER = {"name": "demo", "appid": "wxStarted", "base_url": ""}
VOICE = {"msgtype": "voice", "media": {"uri": "file:/srv/a.mp3"}}


async def submit(desk: Desk, **more: Any) -> Answer:
    """Try once."""
    return await ActivityEnvironment().run(desk.submission.submit, desk.step(**more))


async def test_an_accepted_try_answers_with_its_msg_id(desk: Desk, sim: Simulator) -> None:
    """`accepted` carries WeChat's ids and the time at which they were heard."""
    answer = await submit(desk)
    [job] = sim.world.jobs
    assert (answer.kind, answer.msg_id, answer.at, answer.told) == ("accepted", job.msg_id, NOON, True)
    assert answer.msg_data_id is not None
    assert job.clientmsgid == "c0"


@pytest.mark.parametrize(
    ("audience", "reached"),
    [
        ({"kind": "all"}, 100),
        ({"kind": "tag", "tag_id": 2}, 50),
        ({"kind": "openids", "openids": [openid(APPID, 7), openid(APPID, 8)]}, 2),
    ],
)
async def test_the_audience_of_the_step_is_the_one_that_is_sent_to(
    desk: Desk, sim: Simulator, audience: Any, reached: int
) -> None:
    """Everybody, a tag, or openids: just those receive the message."""
    await submit(desk, audience=audience)
    await sim.world.settled()
    assert sum(sim.world.ledger.counts(sim.world.accounts["demo"])) == reached


async def test_a_repeated_clientmsgid_is_a_duplicate(desk: Desk, sim: Simulator) -> None:
    """45065 comes back with the msg_id of the job that WeChat has."""
    first = await submit(desk)
    second = await submit(desk, lease=lease(number=2, wish="w2"))
    assert (second.kind, second.msg_id, second.errcode, second.msg_data_id) == ("duplicate", first.msg_id, 45065, None)
    assert len(sim.world.jobs) == 1


@pytest.mark.parametrize("errcode", [-1, 45065, 45066, 44007, 61450, 268488001, 9001001, 89504, 89505, 123456])
async def test_a_code_that_says_neither_yes_nor_no_is_unknown(desk: Desk, sim: Simulator, errcode: int) -> None:
    """The evidence is kept: code, text and rid. 45065 without a msg_id is among these, and what no table lists."""
    sim.world.faults.add(Fault(endpoint="sendall", kind="errcode", errcode=errcode))
    answer = await submit(desk)
    assert (answer.kind, answer.errcode, answer.msg_id) == ("unknown", errcode, None)
    assert answer.rid
    assert answer.rid in (answer.errmsg or "")


@pytest.mark.parametrize("errcode", [45028, 48001, 40007, 42010, 45009])
async def test_a_listed_no_is_a_refusal(desk: Desk, sim: Simulator, errcode: int) -> None:
    """Quota, right, medium, pace: WeChat says no, and the evidence is kept."""
    sim.world.faults.add(Fault(endpoint="sendall", kind="errcode", errcode=errcode))
    answer = await submit(desk)
    assert (answer.kind, answer.errcode, answer.token_endpoint) == ("refused", errcode, False)
    assert answer.rid


@pytest.mark.parametrize(
    "fault",
    [
        Fault(endpoint="sendall", kind="timeout_after_accept"),
        Fault(endpoint="sendall", kind="timeout_before_accept"),
        Fault(endpoint="sendall", kind="reset_after_accept"),
        Fault(endpoint="sendall", kind="reset_before_accept"),
        Fault(endpoint="sendall", kind="http_502"),
        Fault(endpoint="sendall", kind="http_502", accept=False),
        Fault(endpoint="sendall", kind="broken_json"),
        Fault(endpoint="sendall", kind="ok_without_msg_id"),
    ],
    ids=lambda fault: f"{fault.kind}, accept={fault.accept}",
)
async def test_a_try_without_a_usable_answer_is_unknown(sim: Simulator, hasty: httpx.AsyncClient, fault: Fault) -> None:
    """Whatever happened behind it, the answer says that it may have been written, and why there is no word."""
    desk = desk_at(sim.url, hasty)
    await desk.accounts.token("demo")
    sim.world.faults.add(fault)
    answer = await submit(desk)
    assert (answer.kind, answer.errcode, answer.msg_id) == ("unknown", None, None)
    assert (answer.detail or "").startswith("no usable answer came (")


async def test_a_connection_that_never_stood_is_no_try(token_server: TokenServer, http: httpx.AsyncClient) -> None:
    """A refused connection is `not_written`."""
    desk = desk_at(token_server.url, http)
    await desk.accounts.token("demo")
    await token_server.stop()
    answer = await submit(desk)
    assert (answer.kind, answer.errcode) == ("not_written", None)
    assert (answer.detail or "").startswith("nothing could be written (ConnectError")


async def test_a_refusal_of_the_token_endpoint_is_marked_as_such(sim: Simulator, http: httpx.AsyncClient) -> None:
    """A wrong secret is 40001 of the token endpoint: a refusal, and nothing was submitted."""
    answer = await submit(desk_at(sim.url, http, secret="wrong"))
    assert (answer.kind, answer.token_endpoint, answer.msg_id) == ("refused", True, None)
    assert answer.errcode in {40001, 40125}
    assert not sim.world.jobs


async def test_a_token_that_cannot_be_had_is_no_try(desk: Desk, sim: Simulator) -> None:
    """No answer of the token endpoint is `not_written`, whatever may have been written there."""
    sim.world.faults.add(Fault(endpoint="stable_token", kind="http_502"))
    answer = await submit(desk)
    assert (answer.kind, answer.token_endpoint) == ("not_written", False)
    assert (answer.detail or "").startswith("no access token could be had (")


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_refused_token_is_replaced_for_the_next_try(desk: Desk, sim: Simulator, errcode: int) -> None:
    """The refused token is forgotten; the next try has a fresh one and is accepted."""
    first = await desk.accounts.token("demo")
    sim.world.faults.add(Fault(endpoint="sendall", kind="errcode", errcode=errcode))
    refused = await submit(desk)
    assert (refused.kind, refused.errcode, refused.token_endpoint) == ("refused", errcode, False)
    tokens = [call for call in sim.world.calls if call.path.endswith("stable_token")]
    accepted = await submit(desk, lease=lease(number=2, wish="w2"))
    assert accepted.kind == "accepted"
    assert len([call for call in sim.world.calls if call.path.endswith("stable_token")]) == len(tokens) + 1
    assert first.get_secret_value() not in refused.model_dump_json()


async def test_another_account_under_the_name_is_not_submitted_with(desk: Desk, sim: Simulator) -> None:
    """The try is refused before it is written, says what has changed, and reaches neither token endpoint nor API."""
    other = {"name": "demo", "appid": "wxStarted", "base_url": desk.base_url}
    answer = await submit(desk, account=other)
    assert (answer.kind, answer.token_endpoint, answer.errcode) == ("refused", True, None)
    assert f"now has the appid {APPID}" in (answer.detail or "")
    assert not list(sim.world.calls)
    assert desk.notebook.reports[0][0] == "wxStarted"


async def test_what_this_worker_cannot_send_is_not_written(desk: Desk, sim: Simulator) -> None:
    """A step of another version of the workflow is left to a worker that can carry it out."""
    answer = await submit(desk, message=VOICE)
    assert answer.kind == "not_written"
    assert "cannot send" in (answer.detail or "")
    assert not sim.world.jobs


@pytest.mark.parametrize("early", [timedelta(0), timedelta(seconds=0.2)])
async def test_a_try_waits_for_its_lease_to_begin(desk: Desk, early: timedelta) -> None:
    """Nothing is written before `not_before`, however early the clock wakes the waiter."""
    desk.clock.time = NOON - timedelta(seconds=1.5)
    desk.clock.early = early
    assert (await submit(desk)).at == NOON


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=5)])
async def test_a_late_lease_is_not_used(desk: Desk, sim: Simulator, late: timedelta) -> None:
    """From `write_before` on nothing is written, and nothing speaks against another try at once."""
    desk.clock.time = NOON + timedelta(seconds=30) + late
    answer = await submit(desk)
    assert (answer.kind, answer.at_once) == ("not_written", True)
    assert "lease" in (answer.detail or "")
    assert not sim.world.jobs


async def test_a_lease_that_ends_before_its_beginning_is_not_used(desk: Desk, sim: Simulator) -> None:
    """The clock is looked at after the wait, right before the write."""
    answer = await submit(desk, lease=lease(not_before=NOON + timedelta(seconds=40)))
    assert answer.kind == "not_written"
    assert not sim.world.jobs


@pytest.mark.parametrize(("audience", "to_all"), [({"kind": "all"}, True), ({"kind": "tag", "tag_id": 2}, False)])
async def test_the_ledger_is_told_the_answer(desk: Desk, audience: Any, to_all: bool) -> None:
    """The report has the try by its identity, its answer, and whether it went to everybody."""
    granted = lease(generation=1, number=3, wish="w3")
    answer = await submit(desk, audience=audience, lease=granted)
    tried = Try(
        generation=1,
        number=3,
        wish="w3",
        clientmsgid="c0",
        not_before=granted.not_before,
        holder=granted.holder,
        answer=answer,
    )
    report = Report(
        key="spring",
        digest="d" * 64,
        workflow_id="mass-send:demo:spring",
        known=Known(tries=(tried,)),
        to_all=to_all,
    )
    assert desk.notebook.reports == [(APPID, report)]


async def test_a_try_of_which_nothing_was_written_is_told_too(desk: Desk) -> None:
    """The lease comes back."""
    desk.clock.time = NOON + timedelta(minutes=1)
    answer = await submit(desk)
    assert desk.notebook.answer == answer


@pytest.mark.parametrize("trouble", ["out_of_order", "stuck"])
async def test_an_answer_is_not_lost_where_the_ledger_cannot_be_told(
    desk: Desk, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer says that the ledger has not been told, and the log has a warning."""
    setattr(desk.notebook, trouble, True)
    answer = await submit(desk)
    assert (answer.kind, answer.told) == ("accepted", False)
    assert "could not be told of try 1" in caplog.text


@pytest.mark.parametrize("more", [{}, {"write_before": NOON}, {"account": OTHER}])
async def test_a_try_that_another_run_has_begun_is_not_written(
    desk: Desk, sim: Simulator, more: dict[str, Any]
) -> None:
    """Temporal has a try under way carried out once more for a run that is reset: that one's lease stays with it."""
    with pytest.raises(ApplicationError, match="run the run before, which was reset, had begun it") as failed:
        await submit(desk, lease=lease(holder="the run before"), **more)
    assert (failed.value.type, failed.value.non_retryable) == (TRIED_BEFORE, True)
    assert not list(sim.world.calls)
    assert not desk.notebook.reports


async def test_openids_that_the_step_only_names_are_those_of_the_request(desk: Desk, sim: Simulator) -> None:
    """The list stands once in a history: each try looks it up there."""
    openids = (openid(APPID, 7), openid(APPID, 8))
    desk.requests.found = openids
    answer = await submit(desk, audience=Listed.of(openids))
    await sim.world.settled()
    assert answer.kind == "accepted"
    assert sum(sim.world.ledger.counts(sim.world.accounts["demo"])) == len(openids)


@pytest.mark.parametrize("found", [None, (), ("others",)], ids=["unreadable", "none", "others"])
async def test_nothing_is_written_to_other_openids(desk: Desk, sim: Simulator, found: tuple[str, ...] | None) -> None:
    """Where the list cannot be had, or is not that of the try, it is no try, and the ledger has its lease back."""
    desk.requests.found = found
    answer = await submit(desk, audience=Listed.of((openid(APPID, 7), openid(APPID, 8))))
    assert (answer.kind, desk.notebook.answer) == ("not_written", answer)
    assert "not those of this try" in (answer.detail or "")
    assert not sim.world.jobs


async def test_a_running_try_shows_that_it_lives(desk: Desk) -> None:
    """It heartbeats from the start."""
    beats: list[tuple[Any, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    await environment.run(desk.submission.submit, desk.step())
    assert beats


async def test_a_call_under_way_is_ended_before_a_cancelled_try(desk: Desk, sim: Simulator) -> None:
    """The POST is not broken off: its answer is told to the ledger and returned."""
    sim.world.faults.add(Fault(endpoint="sendall", kind="slow", seconds=0.3))
    environment = ActivityEnvironment()
    running = asyncio.create_task(environment.run(desk.submission.submit, desk.step()))
    await sim.world.until(lambda: len(sim.world.jobs) == 1)
    environment.cancel()
    answer = await running
    assert (answer.kind, answer.told) == ("accepted", True)
    assert desk.notebook.answer == answer


async def test_a_try_that_is_cancelled_before_its_call_writes_nothing(desk: Desk, sim: Simulator) -> None:
    """While it waits for its token, a cancellation ends it."""
    sim.world.faults.add(Fault(endpoint="stable_token", kind="slow", seconds=60))
    environment = ActivityEnvironment()
    running = asyncio.create_task(environment.run(desk.submission.submit, desk.step()))
    await sim.world.until(lambda: len(sim.world.calls) == 1)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not sim.world.jobs
    assert not desk.notebook.reports


@pytest.mark.parametrize(
    "again", [{"attempt": 2}, {"current_attempt_scheduled_time": NOON}], ids=["counted on", "counted from one"]
)
async def test_a_try_is_carried_out_once_whatever_temporal_was_told(desk: Desk, sim: Simulator, again: Any) -> None:
    """The activity with more attempts, or reset: it fails, which leaves the try in doubt and the ledger untold."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, **again)
    with pytest.raises(ApplicationError, match="try 1 was begun before and may have been carried out") as failed:
        await environment.run(desk.submission.submit, desk.step())
    assert (failed.value.type, failed.value.non_retryable) == (TRIED_BEFORE, True)
    assert not sim.world.calls
    assert not desk.notebook.reports


@pytest.mark.parametrize("by", ["paused", "reset"])
async def test_a_try_put_off_before_its_call_has_written_nothing(desk: Desk, sim: Simulator, by: str) -> None:
    """An operator pauses or resets its activity while the token is asked for: told as such, and no doubt."""
    sim.world.faults.add(Fault(endpoint="stable_token", kind="timeout_before_accept"))
    environment = ActivityEnvironment()
    trying = asyncio.create_task(environment.run(desk.submission.submit, desk.step()))
    await sim.world.until(lambda: bool(sim.world.calls), 10)
    environment.cancel(ActivityCancellationDetails(**{by: True}))
    answer = await trying
    assert (answer.kind, answer.told) == ("not_written", True)
    assert desk.notebook.answer == answer
    assert not sim.world.jobs
