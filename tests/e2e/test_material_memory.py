"""Big files need little of a worker's memory: they stream from the disk to WeChat, and are looked at in pieces."""

import re
import sys
from hashlib import shake_256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.processes import configuration, logged, running
from tests.e2e.stage import Scene
from tests.media.drawings import png
from tests.media.recordings import mp4
from tests.media.samples import clip, picture

pytestmark = pytest.mark.long

MB = 1024 * 1024
ROOM = 20 * MB


def big_picture(form: str, edge: int, **options: Any) -> bytes:
    """A square picture of noise, which no format makes small."""
    file = BytesIO()
    Image.frombytes("RGB", (edge, edge), shake_256(b"noise").digest(3 * edge * edge)).save(file, form, **options)
    return file.getvalue()


def message(scene: Scene, name: str, content: bytes) -> dict[str, Any]:
    """A message with this file."""
    media = {"uri": scene.file(name, content)}
    if name == "video":
        return {"msgtype": "mpvideo", "media": media, "title": "t"}
    return {"msgtype": "image", "images": [media]}


def peak(process: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells a process's peak on Linux alone")
async def test_big_files_need_little_memory(scene: Scene, tmp_path: Path) -> None:
    """10 MB each of video, PNG and JPEG, and a bomb: a worker that has sent small files needs less than 20 MB more.

    The JPEG is one that must be decoded as a whole (progressive), which takes 90 MB; the bomb has 400 million pixels.
    """
    await scene.simulate(limits={"to_all_per_month": 100, "user_per_month": 100})
    big = {
        "video": mp4(size=10 * MB),
        "png": big_picture("PNG", 1850),
        "jpeg": big_picture("JPEG", 5650, quality=40, progressive=True),
    }
    config = configuration(scene, tmp_path, more=f'[media]\nroots = ["{scene.stage.media}"]')
    patience, log = {"QUNFA_TIMING__HTTP_TIMEOUT": "20"}, tmp_path / "worker.log"
    async with running(scene, ["worker.py"], config, patience, log) as worker:
        await logged(log, '"started"')
        for name, small in {"video": clip(), "png": picture(), "jpeg": picture("JPEG")}.items():
            await scene.result(await scene.start(f"small-{name}", message=message(scene, name, small)))
        before, grown = peak(worker.pid), {}
        for name, content in big.items():
            assert 9 * MB < len(content) <= 10 * MB
            await scene.result(await scene.start(f"big-{name}", message=message(scene, name, content)))
            grown[name] = peak(worker.pid) - before
        bomb = png(20_000, 20_000, bytes(20_000 * 2501), depth=1)
        assert "pixels" in await scene.refusal(await scene.start("bomb", message=message(scene, "bomb", bomb)))
        grown["bomb"] = peak(worker.pid) - before
    assert {name: more for name, more in grown.items() if more >= ROOM} == {}
    assert len(scene.jobs) == 6
