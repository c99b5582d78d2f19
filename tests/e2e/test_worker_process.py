"""`worker.py` as the platform engineer runs it: it serves, stops cleanly, and says in a line why it does not start."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import configuration, ended, logged, running, stopped
from tests.e2e.stage import SECRET, Scene

pytestmark = pytest.mark.long


async def test_a_stopped_worker_exits_cleanly(scene: Scene, tmp_path: Path) -> None:
    """SIGTERM to each of three: exit code 0, and the try under way is ended first."""
    config = configuration(scene, tmp_path)
    scene.fault("slow", seconds=1)
    logs = [tmp_path / f"worker-{number}.log" for number in range(3)]
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(running(scene, ["worker.py"], config, {}, log)) for log in logs]
        for log in logs:
            await logged(log, '"started"')
        await scene.start()
        await scene.tried()
        assert await asyncio.gather(*[stopped(worker) for worker in workers]) == [0, 0, 0]
    for log in logs:
        await logged(log, '"stopped"')
    assert [(call.answered, call.errcode) for call in scene.tries] == [(True, 0)]
    assert await scene.everyone_once()


@pytest.mark.parametrize("case", ["bare namespace", "unreachable", "one appid twice", "no account", "bad setting"])
async def test_a_worker_that_cannot_work_says_why(scene: Scene, tmp_path: Path, case: str) -> None:
    """One clear sentence, no traceback, and the exit code of its kind."""
    other = f'[accounts.other]\nappid = "{scene.appid}"\nsecret = "x"\nkind = "service"'
    config: Path | str = configuration(scene, tmp_path, more=other if case == "one appid twice" else "")
    more: dict[str, str] = {}
    match case:
        case "bare namespace":
            more, code, sentence = {"TEMPORAL_NAMESPACE": "bare"}, 1, "namespace bare lacks the search attributes"
        case "unreachable":
            more, code, sentence = {"TEMPORAL_ADDRESS": "127.0.0.1:9"}, 3, "cannot reach Temporal at 127.0.0.1:9"
        case "one appid twice":
            code, sentence = 2, f"{scene.account} and other have the same appid {scene.appid}"
        case "bad setting":
            more, code, sentence = {"QUNFA_TIMING__WINDOW": "PT25H"}, 2, "window must be at most 24 hours"
        case _:
            config, code, sentence = "", 1, "no account is configured"
    async with running(scene, ["worker.py"], config, more) as worker:
        refused = await ended(worker)
    assert (refused.code, refused.stdout) == (code, "")
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert SECRET not in refused.stderr
