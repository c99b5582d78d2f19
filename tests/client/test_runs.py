"""What the client makes of answers that real workers seldom give. The workflow here gives them, on a real Temporal."""

import asyncio
import pickle
import re
import shlex
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

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
from qunfa.client.asked import asked_for
from qunfa.contract import MassSendResult, mass_send_id
from tests.client.answering import RESULT, STATUS, WITHIN, asked
from tests.e2e.processes import temporal
from tests.looking import PATIENCE, until
from tests.ports import free_address
from tests.project.imports import ROOT

NOW = timedelta(0)
FAILED = MassSendResult.model_validate({**RESULT, "outcome": "failed", "may_have_been_delivered": False})


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
    with pytest.raises(NoAnswer, match=r"pause: its run has ended before .* This pause may have been carried out"):
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


async def test_a_request_that_temporal_never_takes_is_refused(temporal_server: Client) -> None:
    """Its answer would settle nothing, and who sends it again is never done. What is wrong with it is said."""
    some = [f"o{number:059}" for number in range(40_000)]
    for openids, why in ((some, "audience.openids: .* 10,000"), (some * 5, "the input has .* into a file")):
        audience = {"kind": "openids", "openids": openids}
        with pytest.raises(InvalidRequest, match=why):
            await Qunfa(temporal_server).send(
                asked("long", audience=audience, message={"msgtype": "text", "content": "hi"}), wait="started"
            )


async def test_a_client_that_never_connected_has_no_answer() -> None:
    """One that connects with its first call. Nobody is told that the send has failed."""
    lazy = Qunfa(await Client.connect(free_address(), lazy=True))
    sending = [lazy.send(asked("spring"), wait=wait) for wait in ("accepted", "started")]
    for asking in (*sending, lazy.handle("demo", "spring").status()):
        with pytest.raises(NoAnswer, match="there is no connection to Temporal"):
            await asking


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
