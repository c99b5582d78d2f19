import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from tests.e2e.processes import ROOT, Ended, children_of, ended, lives
from tests.looking import PATIENCE
from tests.rehearsal.programme import PROGRAMME

pytestmark = pytest.mark.long


async def rehearsal(*arguments: str) -> Process:
    """The command, in a session of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.rehearsal", *arguments),
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )


async def played(*arguments: str) -> Ended:
    """What a whole rehearsal prints, and its exit code."""
    return await ended(await rehearsal(*arguments), within=4 * PATIENCE)


async def test_every_scene_ends_as_the_design_says() -> None:
    """Ten scenes, each with what was done and seen; WeChat's ledger has the last word in each; exit 0."""
    answer = await played("--json", "--seconds", str(PATIENCE))
    reports = json.loads(answer.stdout)
    assert [report["deviation"] for report in reports] == [None] * len(PROGRAMME)
    assert [report["name"] for report in reports] == list(PROGRAMME)
    assert all("received" in report["steps"][-1]["saw"] for report in reports)
    assert (answer.code, answer.stderr) == (0, "")


async def test_a_deviation_is_told_and_is_exit_1() -> None:
    """What was done before, and what did not come."""
    answer = await played("silence", "--seconds", "1")
    assert answer.code == 1
    assert "NOT" in answer.stdout
    assert "did  crm starts a send, and the administrator does not answer" in answer.stdout
    assert "BUT  nothing more happened within 1 s" in answer.stdout
    assert "0 of 1 scenes ended as they should" in answer.stdout


async def test_a_scene_that_is_not_there_is_wrong_use() -> None:
    """Exit 2, with the names."""
    answer = await played("quota")
    assert answer.code == 2
    assert "no such scene: quota" in answer.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_an_interrupted_rehearsal_leaves_no_process() -> None:
    """Ctrl-C in the middle of a scene: exit 130, and neither it nor Temporal runs any more."""
    process = await rehearsal("approval", "silence")
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert b"approval" in await process.stdout.readline()
    children = children_of(process.pid)
    assert [lives(child) for child in children] == [True]
    os.killpg(process.pid, signal.SIGINT)
    answer = await ended(process, within=PATIENCE)
    assert (answer.code, answer.stderr) == (130, "")
    assert not any(map(lives, children))
