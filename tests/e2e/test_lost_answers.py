"""Unknown is not no: an answer that is lost after acceptance does not lead to a second delivery."""

from typing import Any

import pytest

from qunfa.contract import MassSendResult
from tests.e2e.stage import Scene


async def delivered_once(scene: Scene, result: MassSendResult) -> None:
    """Sent, known to be a repetition, one job under one clientmsgid, and every follower once."""
    [job] = result.jobs
    assert (result.outcome, job.state, job.deduplicated, job.generation) == ("sent", "sent", True, 0)
    [simulated] = scene.jobs
    assert simulated.msg_id == job.msg_id
    assert len(scene.tries) >= 2
    assert {call.clientmsgid for call in scene.tries} == {job.clientmsgid}
    assert await scene.everyone_once()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "timeout_after_accept"},
        {"kind": "reset_after_accept"},
        {"kind": "http_502"},
        {"kind": "broken_json"},
        {"kind": "ok_without_msg_id"},
        {"kind": "errcode_after_accept", "errcode": -1},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_an_answer_lost_after_acceptance_is_found_again(scene: Scene, fault: dict[str, Any]) -> None:
    """The same clientmsgid is tried until WeChat says 45065, and the push is the verdict."""
    scene.fault(**fault)
    await delivered_once(scene, await scene.result(await scene.start()))


@pytest.mark.parametrize("errcode", [45028, 40007, 48001, 40001])
async def test_a_refusal_after_a_lost_answer_settles_nothing(scene: Scene, errcode: int) -> None:
    """A quota or a right that our own accepted try has used up is its echo, not a no."""
    scene.fault("reset_after_accept")
    handle = await scene.start()
    await scene.accepted()
    scene.fault("errcode", errcode=errcode)
    await delivered_once(scene, await scene.result(handle))
    assert errcode in [call.errcode for call in scene.tries]


@pytest.mark.parametrize("kind", ["timeout_before_accept", "reset_before_accept"])
async def test_a_try_lost_before_acceptance_is_repeated(scene: Scene, kind: str) -> None:
    """Nobody could know: the same clientmsgid again, which is accepted then."""
    scene.fault(kind)
    result = await scene.result(await scene.start())
    [job] = result.jobs
    assert (result.outcome, job.deduplicated) == ("sent", False)
    assert [call.clientmsgid for call in scene.tries] == [job.clientmsgid] * 2
    assert await scene.everyone_once()


async def test_a_list_whose_answer_is_lost_is_found_again(scene: Scene) -> None:
    """`mass/send` as `mass/sendall`."""
    scene.fault("reset_after_accept", endpoint="mass/send")
    result = await scene.result(await scene.start(audience={"kind": "openids", "openids": scene.openids(3)}))
    assert (result.outcome, result.jobs[0].deduplicated) == ("sent", True)
    assert await scene.received() == {0: 1, 1: 1, 2: 1}
