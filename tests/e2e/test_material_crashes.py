"""A worker is killed while five sends stand at five places before their submission; another one goes on."""

import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle

from qunfa.contract import MassSendResult
from qunfa.contract.request import Previewed
from tests.e2e.processes import configuration, logged, running
from tests.e2e.stage import Scene, Stage
from tests.media.recordings import mp4
from tests.media.samples import noise, picture

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

PLACES = {
    "waiting": "converted, not yet submitted",
    "converting": "uploaded, not yet converted",
    "checking": "drafted, not yet checked",
    "previewing": "in the middle of a preview",
    "uploading": "half uploaded",
}
TIMING = {"QUNFA_TIMING__HEARTBEAT": "1", "QUNFA_TIMING__HTTP_TIMEOUT": "60"}
"""A call that is held is not given up before its worker is killed, and the loss is noticed within a second."""
NEVER = 120.0


@dataclass(frozen=True)
class Aftermath:
    """What came of the sends, by place, and what WeChat has seen meanwhile.

    `left`: what stood in the temporary directory after the kill, when the next worker had started, and at the end.
    """

    results: dict[str, MassSendResult]
    clips: dict[str, str]
    stored: Counter[str]
    calls: Counter[str]
    jobs: list[str | None]
    received: set[int]
    previews: tuple[Previewed, ...]
    cut_off: int
    left: list[set[Path]]


def a_video(scene: Scene, key: str, seconds: float) -> tuple[dict[str, Any], str]:
    """A video like no other, and its SHA-256."""
    content = mp4(seconds, size=400_000)
    media = {"uri": scene.file(f"{key}.mp4", content)}
    return {"msgtype": "mpvideo", "media": media, "title": key}, sha256(content).hexdigest()


def an_article(scene: Scene) -> dict[str, Any]:
    """An article with a cover and a picture."""
    inside = scene.file("inside.png", noise(size=(50, 50)))
    thumb = {"uri": scene.file("cover.jpg", picture("JPEG"))}
    return {"msgtype": "mpnews", "articles": [{"title": "t", "content": f'<img src="{inside}">', "thumb": thumb}]}


async def held(scene: Scene, endpoint: str) -> None:
    """Until a call of this endpoint is there, which is not answered."""
    calls = scene.sim.world.calls
    await scene.sim.world.until(lambda: any(c.path.endswith(endpoint) and not c.answered for c in calls), 30)


async def spread(scene: Scene) -> tuple[dict[str, WorkflowHandle[Any, MassSendResult]], dict[str, str], int]:
    """One send at each place."""
    clips: dict[str, str] = {}
    handles: dict[str, WorkflowHandle[Any, MassSendResult]] = {}
    await scene.freeze()
    message, clips["waiting"] = a_video(scene, "waiting", 5)
    handles["waiting"] = await scene.start("waiting", message=message)
    await scene.waits(handles["waiting"], "frozen by li")
    scene.fault("timeout_before_accept", "media/uploadvideo")
    message, clips["converting"] = a_video(scene, "converting", 6)
    handles["converting"] = await scene.start("converting", message=message)
    await held(scene, "media/uploadvideo")
    scene.fault("timeout_before_accept", "draft/get")
    handles["checking"] = await scene.start("checking", message=an_article(scene))
    await held(scene, "draft/get")
    scene.fault("timeout_after_accept", "mass/preview")
    handles["previewing"] = await scene.start("previewing", preview={"to": [{"openid": scene.openids(1)[0]}]})
    await held(scene, "mass/preview")
    scene.fault("slow_upload", "media/upload", seconds=NEVER)
    message, clips["uploading"] = a_video(scene, "uploading", 7)
    handles["uploading"] = await scene.start("uploading", message=message)
    calls = scene.sim.world.calls
    await scene.sim.world.until(lambda: any(c.received > 0 and not c.answered for c in calls), 30)
    [cut_off] = [call.received for call in calls if call.path.endswith("media/upload") and not call.answered]
    return handles, clips, cut_off


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aftermath(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    """The kill, and everything that came of it."""
    scene, folder = stage.scene(), tmp_path_factory.mktemp("crashes")
    (shared := folder / "tmp").mkdir()
    given = TIMING | {"TMPDIR": str(shared)}
    await scene.simulate(limits={"to_all_per_month": 100, "user_per_month": 100})
    config = configuration(scene, folder, more=f'[media]\nroots = ["{stage.media}"]')
    async with running(scene, ["worker.py"], config, given, folder / "first.log") as first:
        await logged(folder / "first.log", '"started"')
        handles, clips, cut_off = await spread(scene)
        first.send_signal(signal.SIGKILL)
        await first.wait()
        left = [set(shared.iterdir())]
    async with running(scene, ["worker.py"], config, given, folder / "second.log"):
        await logged(folder / "second.log", '"started"')
        left.append(left[0] & set(shared.iterdir()))
        await scene.unfreeze()
        results = {key: await scene.result(handle) for key, handle in handles.items()}
        previews = (await scene.status(handles["previewing"])).previews
        left.append(set(shared.iterdir()))
    library, calls = scene.simulated.library, scene.sim.world.calls
    yield Aftermath(
        results=results,
        clips=clips,
        stored=Counter(material.sha256 for material in library if material.kind == "video"),
        calls=Counter(call.path.removeprefix("/cgi-bin/") for call in calls),
        jobs=[job.clientmsgid for job in scene.jobs],
        received=set((await scene.received()).values()),
        previews=previews,
        cut_off=cut_off,
        left=left,
    )
    await scene.ledger_handle.terminate("the test is over")


@pytest.mark.parametrize("place", PLACES)
async def test_each_send_completes_once(aftermath: Aftermath, place: str) -> None:
    """Wherever its worker was killed: one try, one job; and everybody has five messages, no more and no less."""
    result = aftermath.results[place]
    [job] = result.jobs
    assert (result.outcome, job.generation, job.deduplicated) == ("sent", 0, False)
    assert aftermath.jobs.count(job.clientmsgid) == 1
    assert (len(aftermath.jobs), aftermath.received) == (5, {5})
    assert aftermath.calls["message/mass/sendall"] == 5


async def test_a_preview_that_was_cut_off_is_not_repeated(aftermath: Aftermath) -> None:
    """It may have been shown, and its row says so."""
    [row] = aftermath.previews
    assert (row.sent, row.perhaps) == (False, True)
    assert row.errmsg == "it may have been shown: there was no answer"
    assert aftermath.calls["message/mass/preview"] == 1


async def test_only_what_was_cut_off_is_called_again(aftermath: Aftermath) -> None:
    """Of the three videos one upload, of the conversions one, and of the looks at the draft one was cut off."""
    assert 0 < aftermath.cut_off < 400_000
    assert {key: aftermath.stored[sha256] for key, sha256 in aftermath.clips.items()} == dict.fromkeys(
        aftermath.clips, 1
    )
    expected = {
        "media/upload": 3 + 1,
        "media/uploadvideo": 3 + 1,
        "material/add_material": 1,
        "media/uploadimg": 1,
        "draft/add": 1,
        "draft/get": 1 + 1,
    }
    assert {endpoint: aftermath.calls[endpoint] for endpoint in expected} == expected


async def test_the_next_worker_removes_what_a_killed_one_has_left(aftermath: Aftermath) -> None:
    """From the temporary directory, as soon as it starts; its own files go with its work."""
    after_the_kill, later, at_the_end = aftermath.left
    assert (bool(after_the_kill), later, at_the_end) == (True, set(), set())
