"""What is made for the preview of a list: once, however often that is tried, and its covers for all batches."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, Final

import pytest
from temporalio.client import WorkflowHandle

from tests.workflows.conftest import Desk, leap
from tests.workflows.model_material import NEWS, VOICE
from tests.workflows.model_material import refused as denied
from tests.workflows.test_in_batches import FILE
from tests.workflows.test_refused_updates import replays

pytestmark = pytest.mark.long

PREVIEWED: Final[dict[str, Any]] = {"audience": FILE, "message": NEWS, "preview": {"to": [{"openid": "boss"}]}}
LOST: Final = ("article 1: https://mmbiz.qpic.cn/picture-2",)


def made(desk: Desk) -> Counter[str]:
    """How many covers and pictures were uploaded, and drafts made."""
    calls = [call.split() for call in desk.material.calls]
    return Counter(call[1] if call[0] == "upload" else call[0] for call in calls if call[0] in {"upload", "draft"})


def covers(desk: Desk) -> list[str]:
    """The cover of each draft, in order."""
    return [call.split()[-1] for call in desk.material.calls if call.startswith("draft")]


async def is_sent(desk: Desk, handle: WorkflowHandle[Any, Any]) -> None:
    """The list comes to its end, once previewed, and does the same in a replay."""
    assert (await handle.result()).outcome == "sent"
    assert desk.material.previews == ["boss"]
    await replays(desk.env.client, handle)


@pytest.mark.history
async def test_a_retried_preview_of_a_list_uploads_nothing_again(real_desk: Desk) -> None:
    """WeChat has dropped a picture of the draft, twice. All batches use the cover, and make drafts of their own."""
    real_desk.material.lost = [LOST, LOST]
    handle = await real_desk.start(**PREVIEWED)
    for _ in range(2):
        await real_desk.asks(handle, "pictures_lost")
        assert made(real_desk)["picture"] == 1
        await real_desk.update(handle, "retry")
    await is_sent(real_desk, handle)
    assert made(real_desk) == {"cover": 1, "picture": 1 + 3, "draft": 3 + 3}
    assert len({getattr(step.message, "media_id", None) for step in real_desk.wechat.tries}) == 3


async def test_a_preview_of_a_list_forgets_material_that_is_gone(real_desk: Desk) -> None:
    """WeChat no longer knows the cover, nor the one that was uploaded after it: a retry uploads another one."""
    real_desk.material.refuse("draft", denied(40007), denied(40007))
    handle = await real_desk.start(**PREVIEWED)
    await real_desk.asks(handle, "media_refused")
    await real_desk.update(handle, "retry")
    await is_sent(real_desk, handle)
    assert (made(real_desk)["cover"], len(set(covers(real_desk)))) == (3, 1)


async def test_a_long_list_carries_on_no_pictures(real_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of their URLs would not fit beside the rows of all batches. Its covers stay."""
    monkeypatch.setattr("workflows.waiting.HISTORY_MAX", 40)
    real_desk.material.lost = [LOST]
    handle = await real_desk.start(**PREVIEWED)
    await real_desk.asks(handle, "pictures_lost")
    await real_desk.update(handle, "retry")
    await is_sent(real_desk, handle)
    assert made(real_desk) == {"cover": 1, "picture": 1 + 1 + 3, "draft": 2 + 3}


async def test_a_preview_days_after_another_is_of_a_new_upload(desk: Desk) -> None:
    """A list is paused between two previews, until WeChat has forgotten what the first one has shown."""
    begun, paused = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        await begun.wait()
        await desk.update(handle, "pause")
        paused.set()

    desk.material.amid_a_preview = pause
    handle = await desk.start(audience=FILE, message=VOICE, preview={"to": [{"openid": "boss"}, {"openid": "chief"}]})
    begun.set()
    await paused.wait()
    await desk.waits(handle, "resume")
    await leap(desk.env, timedelta(days=4))
    await desk.update(handle, "resume")
    assert (await handle.result()).outcome == "sent"
    assert desk.material.previews == ["boss", "chief"]
    assert [one.media.media_id for one in desk.material.previewed] == ["voice-1", "voice-2"]
    await replays(desk.env.client, handle)
