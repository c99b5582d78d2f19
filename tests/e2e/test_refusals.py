"""A refused request as its caller and an operator see it, with the real worker, ledger and commands."""

from typing import Any

from qunfa.contract import mass_send_id
from tests.e2e.commands import parsed, qunfa
from tests.e2e.stage import Scene
from tests.looking import until
from tests.workflows.unreadable import payload


def half_an_emoji(scene: Scene) -> Any:
    """A request as JSON.stringify and json.dumps write text that was cut inside an emoji."""
    said = '{"account": "%s", "key": "spring", "audience": {"kind": "all"}, "message": %s}'
    return payload((said % (scene.account, '{"msgtype": "text", "content": "hi \\ud83d"}')).encode())


async def listed(scene: Scene, *args: str) -> list[dict[str, Any]]:
    """What `qunfa list` finds of the account, once Temporal's list has it."""

    async def look() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = parsed(await qunfa(scene, "list", "--account", scene.account, *args, "--json"))
        return rows

    return await until(look)


async def test_an_unreadable_request_is_refused_listed_and_explained(scene: Scene) -> None:
    """At once, and nobody gets anything."""
    handle = await scene.start_raw(half_an_emoji(scene), mass_send_id(scene.account, "spring"))
    said = await scene.refusal(handle)
    assert "half a character at line 1" in said
    [row] = await listed(scene, "--phase", "done")
    assert (row["key"], row["state"], row["problem"]) == ("spring", "failed", "invalid_request")
    answer = await qunfa(scene, "status", f"{scene.account}/spring")
    assert answer.stdout.count("half a character") == 1
    status = parsed(await qunfa(scene, "status", f"{scene.account}/spring", "--json"))
    assert (status["phase"], status["status"]["answers"]) == ("done", [])
    assert await scene.nobody()


async def test_a_refusal_tells_of_a_delivery_that_the_ledger_has_lost(scene: Scene) -> None:
    """Temporal still has the earlier run: also where the request came under another workflow id."""
    sent = await scene.result(await scene.start())
    await scene.ledger_handle.terminate("lost")
    told = f"was delivered, or may have been (msg_id: {sent.jobs[0].msg_id})"
    for raw, workflow_id in (
        (half_an_emoji(scene), mass_send_id(scene.account, "spring")),
        (scene.request(), f"another-{scene.account}"),
    ):
        assert told in await scene.refusal(await scene.start_raw(raw, workflow_id))
    assert await scene.everyone_once()
