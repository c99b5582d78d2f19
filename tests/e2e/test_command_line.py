"""Starts from Temporal's own command line: a bad request fails at once and by name, a good one is sent."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from qunfa.contract import INVALID_REQUEST, MASS_SEND, MassSendResult, mass_send_id
from qunfa.contract.checks import CheckResult
from qunfa.contract.ids import CHECK_MASS_SEND, PREVIEW_MASS_SEND, check_id, preview_id
from qunfa.contract.request import PreviewResult
from tests.e2e.processes import Ended, temporal
from tests.e2e.stage import Scene
from tests.looking import PATIENCE
from tests.media.samples import picture
from tests.workflows.failures import refusal_of


async def started(
    scene: Scene,
    inputs: list[str],
    *more: str,
    workflow_id: str = "",
    kind: str = MASS_SEND,
    result: Any = MassSendResult,
) -> Any:
    """A workflow that the command line has started, a send unless `kind` says otherwise; its handle."""
    workflow_id = workflow_id or mass_send_id(scene.account, "spring")
    where = ("--type", kind, "--task-queue", scene.queue, "--workflow-id", workflow_id)
    given = [part for text in inputs for part in ("--input", text)]
    answer = await temporal(scene.stage.address, "workflow", "start", *where, *given, *more)
    assert answer.code == 0, answer.stderr
    handle = scene.client.get_workflow_handle(workflow_id, result_type=result)
    scene.started.append(handle)
    return handle


def changed(scene: Scene, **fields: Any) -> list[str]:
    """The request with these fields, or without those that are None."""
    request = scene.request() | fields
    return [json.dumps({name: value for name, value in request.items() if value is not None})]


BAD: dict[str, tuple[Any, str]] = {
    "an unknown field": ({"colour": "red"}, "colour: is not a field of this object"),
    "no account": ({"account": None}, "account: is missing"),
    "no key": ({"key": None}, "key: is missing"),
    "a key with a blank": ({"key": "a b"}, "key: has characters that are not allowed"),
    "no audience": ({"audience": None}, "audience: is missing"),
    "an empty audience": ({"audience": {}}, "audience.kind: is missing"),
    "an audience of another kind": ({"audience": {"kind": "everybody"}}, "audience.kind: must be one of"),
    "all and a tag": ({"audience": {"kind": "all", "tag_id": 2}}, "audience.tag_id: is not a field of this object"),
    "a tag without number": ({"audience": {"kind": "tag"}}, "audience.tag_id: is missing"),
    "one openid": ({"audience": {"kind": "openids", "openids": ["o1"]}}, "audience.openids: must hold 2 to 10,000"),
    "no openid": ({"audience": {"kind": "openids", "openids": []}}, "audience.openids: must hold 2 to 10,000"),
    "one openid twice": ({"audience": {"kind": "openids", "openids": ["o1", "o1"]}}, "different openids, got 1"),
    "no message": ({"message": None}, "message: is missing"),
    "an empty text": ({"message": {"msgtype": "text", "content": " "}}, "message.content: must not be blank"),
    "a time without offset": ({"send_at": "2026-12-01T09:00:00"}, "send_at: must have an offset"),
    "a field of a later version": ({"audience": {"kind": "openid_file", "uri": "file:/x"}}, "is not supported yet"),
    "a picture that is none": ({"message": {"msgtype": "image", "images": [{}]}}, "message.images[0].uri: is missing"),
    "an article without a cover": (
        {"message": {"msgtype": "mpnews", "articles": [{"title": "t", "content": "c"}]}},
        "message.articles[0].thumb: is missing",
    ),
    "nine articles": (
        {
            "message": {
                "msgtype": "mpnews",
                "articles": [{"title": "t", "content": "c", "thumb": {"media_id": "m"}}] * 9,
            }
        },
        "message.articles: must have at most 8 items",
    ),
    "a preview to nobody": ({"preview": {"to": []}}, "preview.to: must have at least 1 items"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_request_fails_at_once_and_names_the_field(scene: Scene, case: str) -> None:
    """`InvalidRequest`, not retried, and WeChat never hears of it."""
    fields, sentence = BAD[case]
    await refused(scene, changed(scene, **fields), sentence)


INPUTS: dict[str, tuple[list[str], str]] = {
    "no input": ([], "the input must be one JSON object"),
    "null": (["null"], "the input must be one JSON object"),
    "an empty object": (["{}"], "account: is missing"),
    "a list": (["[]"], "the input must be one JSON object"),
    "a list of requests": (['[{"account": "demo"}]'], "the input must be one JSON object"),
    "a text": (['"all"'], "the input must be one JSON object"),
}


@pytest.mark.parametrize("case", INPUTS)
async def test_a_start_without_a_request_fails_at_once(scene: Scene, case: str) -> None:
    """Whatever stands there, the workflow fails by name and does not hang."""
    await refused(scene, *INPUTS[case])


async def test_two_inputs_are_refused(scene: Scene) -> None:
    """The second is for Temporal's continue-as-new only."""
    await refused(scene, [*changed(scene), "{}"], "the workflow takes one input")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--execution-timeout=1h", "a workflow execution timeout must not be set"),
        ("--run-timeout=1h", "a workflow run timeout must not be set"),
    ],
)
async def test_a_start_that_would_break_a_promise_is_refused(scene: Scene, option: str, sentence: str) -> None:
    """A timeout would cut the send off from its result."""
    await refused(scene, changed(scene), sentence, option)


async def test_a_retry_policy_is_refused(scene: Scene) -> None:
    """The command line has no option for it, the SDKs have: the send fails once and is not retried."""
    options = {"retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=1))}
    handle = await scene.start_raw(scene.request(), mass_send_id(scene.account, "spring"), **options)
    assert "a workflow retry policy must not be set" in await refusal_of(handle)
    assert list(scene.sim.world.calls) == []


async def test_a_cron_is_refused_once(scene: Scene) -> None:
    """Who waits for it hears why; Temporal would start a run that fails under a schedule again and again."""
    handle = await started(scene, changed(scene), "--cron=@every 1s")
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(handle.result(), PATIENCE)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == INVALID_REQUEST
    assert "a cron schedule must not be set" in caught.value.cause.message
    end = (await handle.fetch_history()).events[-1].workflow_execution_failed_event_attributes
    assert end.new_execution_run_id == ""
    assert list(scene.sim.world.calls) == []


async def test_a_start_under_a_wrong_workflow_id_is_refused(scene: Scene) -> None:
    """Only the id of its key keeps one key to one send."""
    wanted = mass_send_id(scene.account, "spring")
    await refused(
        scene,
        changed(scene),
        f'the workflow id must be "{wanted}", not "{wanted}-2"',
        workflow_id=f"{wanted}-2",
    )


async def refused(scene: Scene, inputs: list[str], sentence: str, *more: str, workflow_id: str = "") -> None:
    """The start ends as InvalidRequest with this sentence, and nothing was asked of WeChat."""
    handle = await started(scene, inputs, *more, workflow_id=workflow_id)
    async with asyncio.timeout(PATIENCE):
        message = await refusal_of(handle)
    assert "nothing was sent" in message
    assert sentence in message
    assert list(scene.sim.world.calls) == []


async def test_a_good_request_is_sent_and_asked_about_from_the_command_line(scene: Scene) -> None:
    """`workflow start`, `query --type status`, and `update execute --name abort`, which comes too late."""
    await scene.simulate(admin_confirmation=True)
    handle = await started(scene, changed(scene))
    await scene.until(handle, lambda status: status.phase == "awaiting_result")
    said = await about(scene, "query", "--type", "status", "--output", "json")
    [status] = json.loads(said.stdout)["queryResult"]
    [job] = scene.jobs
    assert (said.code, status["phase"], status["jobs"][0]["msg_id"]) == (0, "awaiting_result", job.msg_id)
    said = await about(scene, "update", "execute", "--name", "abort", "--input", '{"by": "li", "reason": "wrong text"}')
    assert said.code == 1
    assert f"already accepted as msg_id {job.msg_id}; a delivered send can only be recalled" in said.stderr
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.everyone_once()


async def test_a_preview_and_a_look_can_be_started_from_the_command_line(scene: Scene) -> None:
    """Any SDK can: both answer with their result, and neither reaches anybody else."""
    image = {"msgtype": "image", "images": [{"uri": scene.file("a.png", picture())}]}
    to = [{"openid": openid} for openid in scene.openids(1)]
    request = {"account": scene.account, "key": "look", "message": image, "to": to}
    preview = await started(
        scene,
        [json.dumps(request)],
        workflow_id=preview_id(scene.account, "look"),
        kind=PREVIEW_MASS_SEND,
        result=PreviewResult,
    )
    look = await started(
        scene,
        changed(scene, message=image),
        workflow_id=check_id(scene.account, "spring"),
        kind=CHECK_MASS_SEND,
        result=CheckResult,
    )
    async with asyncio.timeout(PATIENCE):
        shown, found = await preview.result(), await look.result()
    assert [one.sent for one in shown.previews] == [True]
    assert (found.problems, [source.kind for source in found.sources]) == ((), ["png"])
    assert await scene.nobody()


async def about(scene: Scene, *command: str) -> Ended:
    """A `temporal workflow` command about the scene's send."""
    return await temporal(
        scene.stage.address, "workflow", *command, "--workflow-id", mass_send_id(scene.account, "spring")
    )
