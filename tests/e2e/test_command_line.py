"""Starts from Temporal's own command line: a bad request fails at once and by name, a good one is sent."""

import asyncio
import json
from typing import Any

import pytest

from qunfa.contract import MASS_SEND, MassSendResult, mass_send_id
from qunfa.contract.checks import CheckResult
from qunfa.contract.ids import CHECK_MASS_SEND, PREVIEW_MASS_SEND, check_id, preview_id
from qunfa.contract.request import PreviewResult
from tests.e2e.processes import Ended, temporal
from tests.e2e.stage import Scene
from tests.looking import PATIENCE
from tests.media.samples import picture


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


def changed(scene: Scene, **fields: Any) -> str:
    """The request with these fields."""
    return json.dumps(scene.request() | fields)


@pytest.mark.parametrize(
    ("inputs", "options", "sentence"),
    [
        (["AUDIENCE"], [], "audience.kind: is missing"),
        ([], [], "the input must be one JSON object"),
        (['[{"account": "demo"}]'], [], "the input must be one JSON object"),
        (["GOOD", "{}"], [], "the workflow takes one input"),
        (["GOOD"], ["--execution-timeout=1h"], "a workflow execution timeout must not be set"),
    ],
    ids=["a bad field", "no input", "a list", "two inputs", "a timeout"],
)
async def test_a_bad_start_fails_at_once_and_says_why(
    scene: Scene, inputs: list[str], options: list[str], sentence: str
) -> None:
    """`InvalidRequest`, not retried, and WeChat never hears of it."""
    written = {"AUDIENCE": changed(scene, audience={}), "GOOD": changed(scene)}
    message = await scene.refusal(await started(scene, [written.get(text, text) for text in inputs], *options))
    assert "nothing was sent" in message
    assert sentence in message
    assert list(scene.sim.world.calls) == []


async def test_a_good_request_is_sent_from_the_command_line(scene: Scene) -> None:
    """`workflow start`, `query --type status`, and `update execute --name abort`, which comes too late."""
    await scene.simulate(admin_confirmation=True)
    handle = await started(scene, [changed(scene)])
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


async def test_a_preview_and_a_look_start_from_the_command_line(scene: Scene) -> None:
    """Any SDK can: both answer with their result, and neither reaches anybody else."""
    image = {"msgtype": "image", "images": [{"uri": scene.file("a.png", picture())}]}
    to = [{"openid": openid} for openid in scene.openids(1)]
    request = {"account": scene.account, "key": "look", "message": image, "to": to}
    of_preview, of_look = preview_id(scene.account, "look"), check_id(scene.account, "spring")
    preview = await started(
        scene, [json.dumps(request)], workflow_id=of_preview, kind=PREVIEW_MASS_SEND, result=PreviewResult
    )
    look = await started(
        scene, [changed(scene, message=image)], workflow_id=of_look, kind=CHECK_MASS_SEND, result=CheckResult
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
