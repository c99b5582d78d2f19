"""Two workers share a temporary directory, as containers may, and are killed in the middle of an upload."""

import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from tests.e2e.processes import configuration, logged, running
from tests.e2e.stage import Scene
from tests.media.recordings import mp4

NEVER = 120.0


def folders(shared: Path) -> set[Path]:
    """What stands in the temporary directory."""
    return set(shared.iterdir())


async def uploading(scene: Scene, key: str, seconds: int, shared: Path) -> Path:
    """The temporary folder of a worker whose upload for this send is held."""
    calls, before = scene.sim.world.calls, folders(shared)
    scene.fault("slow_upload", "media/upload", seconds=NEVER)
    media = {"uri": scene.file(f"{key}.mp4", mp4(seconds, size=400_000))}
    await scene.start(key, message={"msgtype": "mpvideo", "media": media, "title": key})
    held = len(before) + 1
    await scene.sim.world.until(lambda: sum(call.received > 0 and not call.answered for call in calls) >= held, 30)
    [folder] = folders(shared) - before
    return folder


async def killed(process: Process) -> None:
    """No time for anything."""
    process.send_signal(signal.SIGKILL)
    await process.wait()


@pytest.mark.long
async def test_the_next_worker_removes_what_a_killed_one_has_left(scene: Scene, tmp_path: Path) -> None:
    """And not what a neighbour still uploads from, whose own files go when it is killed in its turn."""
    await scene.simulate(limits={"to_all_per_month": 100, "user_per_month": 100})
    (shared := tmp_path / "tmp").mkdir()
    more = {"TMPDIR": str(shared), "QUNFA_TIMING__HEARTBEAT": "1", "QUNFA_TIMING__HTTP_TIMEOUT": "60"}
    media = f'[media]\nroots = ["{scene.stage.media}"]'
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = [configuration(scene, tmp_path / name, more=media) for name in ("one", "other")]
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    queue = scene.queue
    async with (
        running(scene, ["worker.py"], one, more, logs[0]) as worker,
        running(scene, ["worker.py"], other, more, logs[1]) as neighbour,
    ):
        scene.queue = queue.removesuffix(f"-{scene.account}")
        left = await uploading(scene, "one", 5, shared)
        scene.queue = queue
        held = await uploading(scene, "other", 6, shared)
        content = (held / "source").read_bytes()
        await killed(worker)
        assert (left / "source").exists()
        async with running(scene, ["worker.py"], one, more, logs[2]) as next_one:
            await logged(logs[2], '"started"')
            assert not left.exists()
            assert (held / "source").read_bytes() == content
            await scene.result(scene.started[0])
            await killed(neighbour)
            async with running(scene, ["worker.py"], other, more, logs[3]):
                await logged(logs[3], '"started"')
                assert not held.exists()
                await scene.result(scene.started[1])
                assert folders(shared) == set()
            assert next_one.returncode is None
    assert set((await scene.received()).values()) == {2}
