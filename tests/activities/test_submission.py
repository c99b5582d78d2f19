import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.testing import ActivityEnvironment

from activities.accounts import Method
from activities.submission import FINDING, TELLING
from qunfa.audience.plans import PlanLostError
from qunfa.contract.facts import Known, Try
from qunfa.contract.grants import Report
from qunfa.contract.result import Answer, Job
from qunfa.contract.steps import TRIED_BEFORE, Listed, SubmitStep, Timing
from qunfa.rules.problems import describe
from qunfa.rules.submission import Ask, Conditions, next_step
from qunfa.simulator import Fault, Simulator, openid
from qunfa.simulator.plans import FaultKind
from qunfa.wechat import Submitted, Token
from tests.activities.conftest import (
    APPID,
    NOON,
    Desk,
    TokenServer,
    as_read,
    attempt,
    desk_at,
    failed,
    impatient,
    lease,
)
from tests.looking import until
from workflows.calls import a_try_within

OTHER = {"name": "demo", "appid": "wxStarted", "base_url": ""}
TWO = (openid(APPID, 7), openid(APPID, 8))
MAYBE = (-1, 45065, 45066, 44007, 61450, 268487001, 268488001, 9001001, 89504, 89505, 123456)
NO = (45028, 48001, 40007, 42010, 45009)
LOST: tuple[FaultKind, ...] = (
    *("timeout_after_accept", "timeout_before_accept", "reset_after_accept", "reset_before_accept"),
    *("http_502", "broken_json", "ok_without_msg_id"),
)


def asked_about(answer: Answer) -> str:
    """The problem that a person is asked about after this answer."""
    job = Job(generation=0, clientmsgid="c0", answer=answer)
    asked = next_step(job, answer.at, Conditions(timing=Timing()))
    assert isinstance(asked, Ask), asked
    assert describe(asked.problem, job).errmsg == answer.detail
    return asked.problem


async def begun(desk: Desk, sim: Simulator, fault: Fault) -> tuple[ActivityEnvironment, "asyncio.Task[Answer]"]:
    """A try that meets this fault, once its call has come there."""
    sim.world.faults.add(fault)
    environment = ActivityEnvironment()
    doing = desk.submission.submit
    trying = asyncio.create_task(environment.run(doing, await as_read(doing, desk.step())))
    await sim.world.until(lambda: any(fault.endpoint in call.path for call in sim.world.calls), 10)
    return environment, trying


@pytest.mark.parametrize(
    ("audience", "found", "reached"),
    [
        ({"kind": "all"}, None, 100),
        ({"kind": "tag", "tag_id": 2}, None, 50),
        ({"kind": "openids", "openids": TWO}, None, 2),
        (Listed.of(TWO), TWO, 2),
    ],
    ids=["all", "tag", "openids", "listed in the request"],
)
async def test_the_audience_of_the_step_is_the_one_that_is_sent_to(
    desk: Desk, sim: Simulator, audience: Any, found: tuple[str, ...] | None, reached: int
) -> None:
    """Just those receive the message. A list stands once in a history: a step names it, and each try looks it up."""
    desk.openids = found
    assert (await desk.submit(audience=audience)).kind == "accepted"
    await sim.world.settled()
    assert sum(sim.world.ledger.counts(sim.world.accounts["demo"])) == reached


@pytest.mark.parametrize("found", [(), ("others",)], ids=["none", "others"])
async def test_nothing_is_written_to_other_openids(desk: Desk, sim: Simulator, found: tuple[str, ...]) -> None:
    """A person is asked: the list of a run never changes. The ledger has its lease back."""
    desk.openids = found
    answer = await desk.submit(audience=Listed.of(TWO))
    assert (asked_about(answer), desk.notebook.answer) == ("call_impossible", answer)
    assert answer.detail == "account demo: the openids of the request are not those of this try"
    assert not sim.world.jobs


async def test_openids_that_cannot_be_read_now_are_no_try(desk: Desk, sim: Simulator) -> None:
    """It is tried again: Temporal, or another worker, may have them."""
    answer = await desk.submit(audience=Listed.of(TWO))
    assert (answer.kind, answer.problem, desk.notebook.answer) == ("not_written", None, answer)
    assert answer.detail == "account demo: the openids of the request cannot be read"
    assert not list(sim.world.calls)


async def test_openids_in_a_store_that_hangs_are_no_try(
    desk: Desk, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so before Temporal gives it up. Then nobody could tell it from a try that was written."""

    async def hangs(_desk: Desk, _step: SubmitStep) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return TWO

    monkeypatch.setattr(Desk, "find_openids", hangs)
    assert a_try_within(Timing().http_timeout) > FINDING + TELLING
    monkeypatch.setattr("activities.submission.FINDING", timedelta(seconds=0.1))
    answer = await desk.submit(audience=Listed.of(TWO))
    assert (answer.kind, desk.notebook.answer) == ("not_written", answer)
    assert answer.detail == "account demo: the openids could not be read in time"
    assert not list(sim.world.calls)


async def test_a_batch_that_the_store_has_lost_asks_a_person(
    desk: Desk, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of the store, as where another key has those people by its report."""
    monkeypatch.setattr(Desk, "find_openids", AsyncMock(side_effect=PlanLostError("Another key has them.")))
    answer = await desk.submit(audience=Listed.of(TWO))
    assert (asked_about(answer), answer.detail) == ("batch_lost", "account demo: Another key has them.")
    assert not list(sim.world.calls)


async def test_a_call_that_cannot_be_made_asks_a_person(desk: Desk, sim: Simulator) -> None:
    """What cannot be put in WeChat's form never can be; what this worker does not know, another one may."""
    pictures = {"msgtype": "image", "images": [{"media_id": f"m{number}"} for number in range(3)]}
    answer = await desk.submit(message=pictures, image_via="image")
    assert asked_about(answer) == "call_impossible"
    assert answer.detail
    made = await desk.submit(message={"msgtype": "image", "images": [{"uri": "file:a.png"}]})
    assert (made.kind, made.problem) == ("not_written", None)
    assert not list(sim.world.calls)


async def test_a_repeated_clientmsgid_is_a_duplicate(desk: Desk, sim: Simulator) -> None:
    """With the time at which WeChat's ids were heard. 45065 comes back with the msg_id of the job that it has."""
    first = await desk.submit()
    second = await desk.submit(lease=lease(number=2, wish="w2"))
    [job] = sim.world.jobs
    assert (first.kind, first.msg_id, first.at, first.told) == ("accepted", job.msg_id, NOON, True)
    assert (job.clientmsgid, first.msg_data_id is None) == ("c0", False)
    assert (second.kind, second.msg_id, second.errcode, second.msg_data_id) == ("duplicate", job.msg_id, 45065, None)


@pytest.mark.parametrize(
    ("errcode", "kind"), [*((errcode, "unknown") for errcode in MAYBE), *((errcode, "refused") for errcode in NO)]
)
async def test_a_code_that_says_neither_yes_nor_no_is_unknown(
    desk: Desk, sim: Simulator, errcode: int, kind: str
) -> None:
    """So are 45065 without a msg_id, and what no table lists. A listed no is a refusal. The evidence is kept."""
    sim.world.faults.add(Fault(endpoint="sendall", kind="errcode", errcode=errcode))
    answer = await desk.submit()
    assert (answer.kind, answer.errcode, answer.msg_id, answer.token_endpoint) == (kind, errcode, None, False)
    assert answer.rid
    assert answer.rid in (answer.errmsg or "")


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(endpoint="sendall", kind=kind) for kind in LOST),
        Fault(endpoint="sendall", kind="http_502", accept=False),
    ],
    ids=lambda fault: f"{fault.kind}, accept={fault.accept}",
)
async def test_a_try_without_a_usable_answer_is_unknown(
    desk: Desk, sim: Simulator, http: httpx.AsyncClient, fault: Fault
) -> None:
    """Whatever happened behind it, the answer says that it may have been written, and why there is no word."""
    sim.world.faults.add(fault)
    answer = await (await impatient(desk, http)).submit()
    assert (answer.kind, answer.errcode, answer.msg_id) == ("unknown", None, None)
    assert (answer.detail or "").startswith("no usable answer came (")
    assert len(sim.world.jobs) == (fault.accept and "before" not in fault.kind)


async def test_a_connection_that_never_stood_is_no_try(token_server: TokenServer, http: httpx.AsyncClient) -> None:
    """A refused connection is `not_written`."""
    desk = desk_at(token_server.url, http)
    await desk.accounts.token("demo")
    await token_server.stop()
    answer = await desk.submit()
    assert (answer.kind, answer.errcode) == ("not_written", None)
    assert (answer.detail or "").startswith("nothing could be written (ConnectError")


async def test_a_token_that_cannot_be_had_is_no_try(desk: Desk, sim: Simulator, http: httpx.AsyncClient) -> None:
    """Without its answer nothing was written. A wrong secret is a refusal, which is marked as the token endpoint's."""
    sim.world.faults.add(Fault(endpoint="stable_token", kind="http_502"))
    answer = await desk.submit()
    assert (answer.kind, answer.token_endpoint) == ("not_written", False)
    assert (answer.detail or "").startswith("no access token could be had (")
    answer = await desk_at(sim.url, http, secret="wrong").submit()
    assert (answer.kind, answer.token_endpoint, answer.msg_id) == ("refused", True, None)
    assert answer.errcode in {40001, 40125}
    assert not sim.world.jobs


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_refused_token_is_replaced_for_the_next_try(desk: Desk, sim: Simulator, errcode: int) -> None:
    """The refused token is forgotten; the next try has a fresh one and is accepted."""
    first = await desk.accounts.token("demo")
    sim.world.faults.add(Fault(endpoint="sendall", kind="errcode", errcode=errcode))
    refused = await desk.submit()
    assert (refused.kind, refused.errcode, refused.token_endpoint) == ("refused", errcode, False)
    tokens = [call for call in sim.world.calls if call.path.endswith("stable_token")]
    assert (await desk.submit(lease=lease(number=2, wish="w2"))).kind == "accepted"
    assert len([call for call in sim.world.calls if call.path.endswith("stable_token")]) == len(tokens) + 1
    assert first.get_secret_value() not in refused.model_dump_json()


async def test_another_account_under_the_name_is_not_submitted_with(desk: Desk, sim: Simulator) -> None:
    """The try is refused before it is written, says what has changed, and reaches neither token endpoint nor API."""
    answer = await desk.submit(account=OTHER)
    assert (answer.kind, answer.token_endpoint, answer.errcode) == ("refused", True, None)
    assert f"now has the appid {APPID}" in (answer.detail or "")
    assert not list(sim.world.calls)
    assert desk.notebook.reports[0][0] == "wxStarted"


async def test_a_lease_that_runs_out_while_it_connects_is_not_used(
    desk: Desk, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that has run out a moment earlier: the next try comes as soon."""
    call = desk.accounts.call

    async def slow(account: str, token: Token, write: Method[Submitted]) -> Submitted:
        desk.clock.time = NOON + timedelta(seconds=30)
        return await call(account, token, write)

    monkeypatch.setattr(desk.accounts, "call", slow)
    answer = await desk.submit()
    assert (answer.kind, answer.at_once, desk.notebook.answer) == ("not_written", True, answer)
    assert not sim.world.jobs


@pytest.mark.parametrize(("audience", "to_all"), [({"kind": "all"}, True), ({"kind": "tag", "tag_id": 2}, False)])
async def test_the_ledger_is_told_the_answer(desk: Desk, audience: Any, to_all: bool) -> None:
    """The report has the try by its identity, its answer, and whether it went to everybody."""
    granted = lease(generation=1, number=3, wish="w3")
    answer = await desk.submit(audience=audience, lease=granted)
    same = {name: getattr(granted, name) for name in ("clientmsgid", "not_before", "holder")}
    tried = Try(generation=1, number=3, wish="w3", answer=answer, **same)
    report = Report(
        key="spring", digest="d" * 64, workflow_id="mass-send:demo:spring", known=Known(tries=(tried,)), to_all=to_all
    )
    assert desk.notebook.reports == [(APPID, report)]


@pytest.mark.parametrize("trouble", ["out_of_order", "stuck"])
async def test_an_answer_is_not_lost_where_the_ledger_cannot_be_told(
    desk: Desk, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer says that the ledger has not been told, and the log has a warning."""
    setattr(desk.notebook, trouble, True)
    answer = await desk.submit()
    assert (answer.kind, answer.told) == ("accepted", False)
    assert "could not be told of try 1" in caplog.text


ANOTHER = {"lease": lease(holder="the run before")}


@pytest.mark.parametrize(
    ("info", "step"),
    [
        ({"attempt": 2}, {}),
        ({"current_attempt_scheduled_time": NOON}, {}),
        ({}, ANOTHER),
        ({}, {**ANOTHER, "write_before": NOON}),
        ({}, {**ANOTHER, "account": OTHER}),
    ],
    ids=["more attempts", "the activity is reset", "the run is reset", "and it is late", "and the account is another"],
)
async def test_a_try_is_carried_out_once_whatever_temporal_was_told(
    desk: Desk, sim: Simulator, info: Any, step: Any
) -> None:
    """It fails, which leaves the try in doubt and the ledger untold: the lease stays with whoever has begun it."""
    said = "which was reset, may have written it" if step else "was begun before and may have been carried out"
    doing = desk.submission.submit
    raw = await as_read(doing, desk.step(**step))
    await failed(attempt(doing, raw, **info), TRIED_BEFORE, said, lasting=True)
    assert not list(sim.world.calls)
    assert not desk.notebook.reports


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"message": {"msgtype": "text", "content": "你好", "later": 1}}, "message.later: is not a field"),
        ({"audience": {"kind": "all", "but": [7]}}, "audience.but: is not a field"),
        ({"audience": {"kind": "later"}}, "audience.kind: must be one of"),
        ({"but_tags": [7]}, "but_tags: is not a field"),
    ],
    ids=["of the message", "of the audience", "the audience", "of the try"],
)
async def test_a_try_of_another_version_has_written_nothing(desk: Desk, sim: Simulator, part: Any, said: str) -> None:
    """A field that this worker does not know may say whom to spare. The ledger has its lease back."""
    doing = desk.submission.submit
    answer = await attempt(doing, await as_read(doing, desk.step().model_dump(mode="json") | part))
    assert (answer.kind, answer.at_once, desk.notebook.answer) == ("not_written", False, answer)
    assert f"this worker cannot read what is to be sent ({said}" in (answer.detail or "")
    assert not list(sim.world.calls)


async def test_a_running_try_shows_that_it_lives(desk: Desk, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It heartbeats again and again, for as long as its call lasts."""
    beats: list[tuple[Any, ...]] = []
    call = desk.accounts.call

    async def heard() -> int:
        return len(beats)

    async def slow(account: str, token: Token, write: Method[Submitted]) -> Submitted:
        await until(heard, lambda number: number > 1)
        return await call(account, token, write)

    monkeypatch.setattr(desk.accounts, "call", slow)
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_timeout=timedelta(seconds=0.3))
    environment.on_heartbeat = lambda *details: beats.append(details)
    doing = desk.submission.submit
    assert (await environment.run(doing, await as_read(doing, desk.step()))).kind == "accepted"


async def test_a_call_under_way_is_ended_before_a_cancelled_try(desk: Desk, sim: Simulator) -> None:
    """The POST is not broken off: its answer is told to the ledger and returned."""
    environment, trying = await begun(desk, sim, Fault(endpoint="sendall", kind="slow", seconds=0.3))
    environment.cancel()
    answer = await trying
    assert (answer.kind, answer.told, desk.notebook.answer) == ("accepted", True, answer)


async def test_a_try_that_is_cancelled_before_its_call_writes_nothing(desk: Desk, sim: Simulator) -> None:
    """While it waits for its token, a cancellation ends it."""
    environment, trying = await begun(desk, sim, Fault(endpoint="stable_token", kind="slow", seconds=60))
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert not sim.world.jobs
    assert not desk.notebook.reports


@pytest.mark.parametrize("by", ["paused", "reset"])
async def test_a_try_put_off_before_its_call_has_written_nothing(desk: Desk, sim: Simulator, by: str) -> None:
    """An operator pauses or resets its activity while the token is asked for: told as such, and no doubt."""
    environment, trying = await begun(desk, sim, Fault(endpoint="stable_token", kind="timeout_before_accept"))
    environment.cancel(ActivityCancellationDetails(**{by: True}))
    answer = await trying
    assert (answer.kind, answer.told, desk.notebook.answer) == ("not_written", True, answer)
    assert not sim.world.jobs
