"""What the client makes of answers that real workers seldom give. The workflow here gives them, on a real Temporal."""

import asyncio
import pickle
import re
import shlex
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import (
    Client,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowHandle,
    WorkflowHistoryEventAsyncIterator,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.client import (
    ClientTooOld,
    InvalidRequest,
    MassSendFailed,
    MassSendHandle,
    NoAnswer,
    NoSuchSend,
    Qunfa,
    QunfaError,
    SendStopped,
    UpdateRefused,
    Wait,
)
from qunfa.client.sending import asked_for
from qunfa.contract import MASS_SEND, MASS_SEND_FAILED, MassSendResult, mass_send_id
from qunfa.contract.result import ASK_AGAIN
from tests.e2e.processes import temporal
from tests.looking import PATIENCE, until
from tests.project.imports import ROOT
from tests.workflows.resets import points, reset

QUEUE = "client-tests"
WITHIN = timedelta(seconds=PATIENCE)
NOW = timedelta(0)
STATUS: dict[str, Any] = {"phase": "scheduled", "updated_at": "2026-12-01T01:00:00Z"}
RESULT: dict[str, Any] = {"outcome": "sent", "may_have_been_delivered": True, "account": "demo", "key": "spring"}
FAILED = MassSendResult.model_validate({**RESULT, "outcome": "failed", "may_have_been_delivered": False})


@workflow.defn(name=MASS_SEND)
class Answering:
    """Says what its request has it say: a status, a result or a failure, and how often it is to be asked again."""

    @workflow.init
    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self._asked = 0
        self._aborted = 0
        self._begun = 0
        self._is_over = False

    @workflow.run
    async def run(self, raw: dict[str, Any]) -> Any:
        await workflow.wait_condition(lambda: "result" in raw or "failure" in raw or self._is_over)
        if self._is_over:
            return RESULT
        if "failure" in raw:
            raise ApplicationError("It was put off.", raw["failure"], type=MASS_SEND_FAILED, non_retryable=True)
        return raw["result"]

    @workflow.query
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self._raw.get("status", STATUS)
        return status

    @workflow.signal
    def end(self) -> None:
        self._is_over = True

    @workflow.query
    def begun(self) -> int:
        return self._begun

    @workflow.update
    async def accepted(self) -> dict[str, Any]:
        self._asked += 1
        if self._asked <= self._raw.get("stays", 0):
            raise ApplicationError("the send goes on as another run", type=ASK_AGAIN, non_retryable=True)
        return self.status()

    @workflow.update
    async def abort(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._aborted += 1
        if self._aborted <= self._raw["asks_again"]:
            raise ApplicationError("the send goes on as another run", answer, type=ASK_AGAIN, non_retryable=True)
        return {**STATUS, "answers": [answer["by"]]}

    @workflow.update
    async def pause(self, _answer: dict[str, Any]) -> dict[str, Any]:
        self._begun += 1
        await workflow.wait_condition(lambda: False)
        return self.status()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def qunfa(temporal_server: Client) -> AsyncIterator[Qunfa]:
    """A caller's client, with Temporal's usual converter."""
    client = Client(temporal_server.service_client, namespace=temporal_server.namespace)
    async with Worker(client, task_queue=QUEUE, workflows=[Answering], workflow_runner=UnsandboxedWorkflowRunner()):
        yield Qunfa(client, task_queue=QUEUE)


def asked(key: str, **more: Any) -> dict[str, Any]:
    """A request, and what is to be said of it."""
    return {"account": "demo", "key": key, "audience": {"kind": "all"}, **more}


PAGES = ("README.md", "README.zh-CN.md", "docs/requests.md")


async def test_the_command_of_our_pages_joins_no_other_send(qunfa: Qunfa, temporal_server: Client) -> None:
    """Temporal's own would follow the run that is there, and compare nothing."""
    await qunfa.send(asked("spring-sale-2026"), within=WITHIN)
    server = temporal_server.service_client.config.target_host, f"--namespace={temporal_server.namespace}"
    for page in PAGES:
        shown = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", "")
        [command] = re.findall(r"^temporal (workflow execute .*?\}\}')$", shown, re.DOTALL | re.MULTILINE)
        said = await temporal(*server, *shlex.split(command))
        assert (said.code, "already running" in said.stderr) == (1, True), said


async def test_an_answer_is_given_again_to_a_list_that_goes_on(qunfa: Qunfa) -> None:
    """The run that was asked has taken nothing in. It is asked for so long and no longer."""
    handle = await qunfa.send(asked("list", asks_again=2), within=WITHIN)
    assert (await handle.abort(by="li", reason="a test")).answers == ("li",)


async def test_who_joins_a_send_again_and_again_gives_one_update(qunfa: Qunfa, temporal_server: Client) -> None:
    """A service may send its request each minute. Temporal takes 2,000 updates in a run: people need theirs."""
    request = asked("joined", message={"msgtype": "text", "content": "hi"})
    for _ in range(3):
        handle = await qunfa.send(request, within=WITHIN)
        assert (await handle.accepted(within=WITHIN)).phase == "scheduled"
    history = await temporal_server.get_workflow_handle(handle.id).fetch_history()
    given = [event for event in history.events if event.HasField("workflow_execution_update_accepted_event_attributes")]
    assert len(given) == 1 + 1, "that of the start, and one of all others"


async def test_a_run_that_was_to_go_on_and_stays_is_asked_anew(qunfa: Qunfa) -> None:
    """Temporal has stored its answer, which is true no more."""
    handle = await qunfa.send(asked("stays", stays=1), wait="started", within=WITHIN)
    for _ in range(2):
        assert (await handle.accepted(within=WITHIN)).phase == "scheduled"


async def test_nobody_knows_what_a_run_took_in_that_was_ended(qunfa: Qunfa, temporal_server: Client) -> None:
    """It may have been carried out, and is not said to be refused."""
    handle = await qunfa.send(asked("ended"), within=WITHIN)
    run = temporal_server.get_workflow_handle(handle.id)
    pausing = asyncio.ensure_future(handle.pause(by="li"))
    await until(lambda: run.query("begun"), lambda begun: begun == 1)
    await run.terminate("a test")
    with pytest.raises(NoAnswer, match="pause: its run has ended before it said what became of it"):
        await pausing


@pytest.mark.parametrize("status", ["FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNKNOWN"])
async def test_an_error_that_settles_nothing_is_no_answer(
    temporal_server: Client, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """The start may have been taken. A refusal of Temporal's own is handed on as it is."""
    said = RPCStatusCode[status]

    async def called(*_: Any, **_more: Any) -> None:
        raise RPCError("no poller seen", said, b"")

    monkeypatch.setattr(WorkflowHandle, "query", called)
    monkeypatch.setattr(Client, "start_workflow", called)
    client = Qunfa(temporal_server)
    with pytest.raises(NoAnswer, match="the status: no poller seen"):
        await client.handle("demo", "spring").status()
    with pytest.raises(NoAnswer, match="if it was started, it goes on"):
        await client.send(asked("spring"), wait="started")
    said = RPCStatusCode.PERMISSION_DENIED
    with pytest.raises(RPCError, match="no poller seen"):
        await client.send(asked("spring"), wait="started")


class Following(Interceptor, OutboundInterceptor):
    """Notes of which runs a client awaits the end."""

    def __init__(self) -> None:
        self.runs: list[str | None] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  Temporal's own name
        self.next = next
        return self

    def fetch_workflow_history_events(  # its first request is made after this
        self,
        input: FetchWorkflowHistoryEventsInput,  # noqa: A002  as above
    ) -> WorkflowHistoryEventAsyncIterator:
        self.runs.append(input.run_id)
        return super().fetch_workflow_history_events(input)

    async def number(self) -> int:
        """How many there were."""
        return len(set(self.runs))


async def test_a_reset_is_followed_also_a_second_time(qunfa: Qunfa, temporal_server: Client) -> None:
    """By a handle that was only looked for, too: its first run has no result, and that is not the send's end."""
    following = Following()
    looking = Client(temporal_server.service_client, namespace=temporal_server.namespace, interceptors=[following])
    handle = await qunfa.send(asked("reset"), within=WITHIN)
    run = temporal_server.get_workflow_handle(handle.id)
    waiting = [asyncio.ensure_future(one.result()) for one in (handle, Qunfa(looking).handle("demo", "reset"))]
    for number in (1, 2):
        await until(following.number, number.__eq__)
        await reset(temporal_server, run, (await until(lambda: points(run)))[0])
    await until(following.number, (3).__eq__)
    await run.signal("end")
    ended = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
    assert [one.outcome for one in ended] == ["sent", "sent"]


async def test_half_an_emoji_is_refused_before_it_is_sent(temporal_server: Client) -> None:
    """Also by a converter that cannot write it; in whatever field it stands."""
    client = Client(
        temporal_server.service_client, namespace=temporal_server.namespace, data_converter=pydantic_data_converter
    )
    for half in (asked("half", requested_by="\ud83d"), asked("half") | {"\ud83d": 1}):
        with pytest.raises(InvalidRequest, match="half a character"):
            await Qunfa(client).send(half, wait="started")


def test_an_emoji_in_two_halves_is_a_whole_one() -> None:
    """As JSON writes it, and as some programs take it over."""
    assert asked_for(asked("whole", requested_by="\ud83d\ude00")).raw["requested_by"] == "\N{GRINNING FACE}"


async def test_no_time_at_all_is_not_for_ever(qunfa: Qunfa, temporal_server: Client) -> None:
    """What would never answer is given up at once."""
    handle = await qunfa.send(asked("endless"), within=WITHIN)
    with pytest.raises(NoAnswer):
        await asyncio.wait_for(handle.result(within=NOW), PATIENCE)
    nobody = Qunfa(temporal_server, task_queue="nobody-works-here")
    with pytest.raises(NoAnswer):
        await asyncio.wait_for(nobody.send(asked("unheard"), within=NOW), PATIENCE)


async def test_a_newer_word_of_a_status_is_no_failure(qunfa: Qunfa) -> None:
    """The send is started all the same, and its handle is there; who reads the word hears what to do."""
    newer = {**STATUS, "phase": "translating"}
    handle = await qunfa.send(asked("phase", status=newer, message={}), within=WITHIN)
    for reading in (handle.status, handle.accepted):
        with pytest.raises(ClientTooOld, match=r"phase: .*Upgrade qunfa\. Nothing is known to have failed") as caught:
            await reading()
        assert (caught.value.raw["phase"], caught.value.may_have_been_delivered) == ("translating", None)


async def test_a_newer_word_of_a_result_hides_no_delivery(qunfa: Qunfa) -> None:
    """Of a send that has ended well, and of one that has failed: the object is there as it came."""
    newer = {**RESULT, "outcome": "sent_tomorrow"}
    with pytest.raises(ClientTooOld, match=r"mass-send:demo:result.*outcome: ") as well:
        await qunfa.send(asked("result", result=newer), wait="result", within=WITHIN)
    assert (well.value.raw, well.value.may_have_been_delivered) == (newer, True)
    newer = {**newer, "may_have_been_delivered": False}
    with pytest.raises(ClientTooOld, match=r"It has failed: It was put off\.$") as badly:
        await qunfa.send(asked("failure", failure=newer), wait="result", within=WITHIN)
    assert (badly.value.raw, badly.value.may_have_been_delivered) == (newer, False)


@pytest.mark.parametrize("wait", ["accepted", "started"])
async def test_a_newer_request_that_runs_is_not_joined(qunfa: Qunfa, wait: Wait) -> None:
    """The workers have accepted it; whether it is the same cannot be told."""
    newer = asked(f"newer-{wait}", message={"msgtype": "hologram"})
    await qunfa.send(newer, within=WITHIN)
    with pytest.raises(ClientTooOld, match=r"the request of the send that runs") as caught:
        await qunfa.send({**newer, "message": {"msgtype": "text", "content": "hi"}}, wait=wait, within=WITHIN)
    assert caught.value.raw == newer


@pytest.mark.parametrize("wait", ["accepted", "started"])
async def test_the_same_newer_request_is_joined(qunfa: Qunfa, wait: Wait) -> None:
    """The client need not read it. One that differs is not said to have no send."""
    newer = asked(f"own-{wait}", message={"msgtype": "hologram"})
    first = await qunfa.send(newer, within=WITHIN)
    again = await qunfa.send(newer, wait=wait, within=WITHIN)
    assert (again.run_id, again.started, again.differs) == (first.run_id, False, ())
    with pytest.raises(InvalidRequest, match="hologram") as caught:
        await qunfa.send({**newer, "requested_by": "crm"}, wait=wait, within=WITHIN)
    assert caught.value.problems[-1].startswith(f'key: a send runs under "own-{wait}", and goes on; ')
    assert caught.value.problems[-1].endswith("a new key would deliver it twice")


async def test_a_namespace_that_is_not_there_is_no_unknown_send(temporal_server: Client) -> None:
    """Who is told to send it would be told a wrong thing: Temporal's own words are handed on."""
    elsewhere = Qunfa(Client(temporal_server.service_client, namespace="prdo"))
    handle = elsewhere.handle("demo", "spring")
    for asking in (handle.status(), handle.result(), handle.accepted(), handle.abort(by="li", reason="a test")):
        with pytest.raises(RPCError, match="prdo") as caught:
            await asking
        assert caught.value.status is RPCStatusCode.NOT_FOUND
    with pytest.raises(RPCError, match="prdo"):
        await elsewhere.send(asked("spring"), within=WITHIN)


def errors(handle: MassSendHandle) -> list[QunfaError]:
    """One of each."""
    return [
        InvalidRequest(["key: is missing", "audience: is missing"]),
        MassSendFailed("It has failed.", FAILED),
        SendStopped(handle.id, "terminated"),
        UpdateRefused("abort", "it has ended"),
        NoSuchSend(handle.id),
        NoAnswer(handle, "the result"),
        ClientTooOld(handle.id, {"phase": "translating", "may_have_been_delivered": True}, ["phase: is new"]),
    ]


async def test_an_error_comes_whole_from_another_process(temporal_server: Client) -> None:
    """Each says and has the same, but for a handle: that is found again by account and key."""
    some = errors(Qunfa(temporal_server).handle("demo", "spring"))
    assert {type(error) for error in some} == set(QunfaError.__subclasses__())
    for error in some:
        error.add_note("in a task")
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
        assert (type(copy), str(copy)) == (type(error), str(error))
        assert vars(copy) == {name: value for name, value in vars(error).items() if name != "handle"}
    assert (some[5].account, some[5].key) == ("demo", "spring")  # type: ignore[attr-defined]
    assert mass_send_id("demo", "spring") in str(some[5])
