"""Material that cannot be made for long: a person is asked about it, and little is left in WeChat's console."""

from datetime import datetime, timedelta
from typing import Final

import pytest
from temporalio.exceptions import ApplicationError

from qunfa.contract import steps
from tests.workflows.conftest import Desk, leap
from tests.workflows.model import silent
from tests.workflows.model_material import NEWS, VIDEO, VOICE, busy

pytestmark = pytest.mark.long

NO_ANSWER: Final = ApplicationError("WeChat answered -1: system error", type=steps.WECHAT_UNAVAILABLE)
LOST: Final = ("article 1: https://mmbiz.qpic.cn/picture-2",)
HOUR: Final = timedelta(hours=1)
UNSET: Final = timedelta(days=365)
"""The time-skipping server has some years instead of a time that is not given."""
MAKING: Final = {steps.UPLOAD, steps.MAKE_DRAFT, steps.CHECK_DRAFT, steps.CONVERT_VIDEO}


def times_of(desk: Desk, call: str) -> list[datetime]:
    """When WeChat was asked for it."""
    return [at for name, at in desk.material.asked if name == call]


@pytest.mark.parametrize(
    ("call", "message"),
    [("upload", VOICE), ("convert", {**VIDEO, "media": {"media_id": "given"}}), ("draft", NEWS), ("check", NEWS)],
)
async def test_after_a_day_of_no_answer_a_person_is_asked(desk: Desk, call: str, message: dict[str, object]) -> None:
    """Who is asked reads the last word."""
    desk.material.refuse(call, *[busy()] * 100)
    handle = await desk.start(message=message)
    status = await desk.asks(handle, "material_failed")
    assert status.problem is not None
    assert "busy" in status.problem.sentence
    asked = times_of(desk, call)
    assert 20 * HOUR < asked[-1] - asked[0] <= 24 * HOUR
    desk.material.refuse(call)
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"


@pytest.mark.parametrize("message", [NEWS, VIDEO])
async def test_no_time_of_temporals_ends_a_making(desk: Desk, message: dict[str, object]) -> None:
    """It would pass while all workers are away, too."""
    handle = await desk.start(message=message)
    assert (await handle.result()).outcome == "sent"
    events = (await handle.fetch_history()).events
    begun = [event.activity_task_scheduled_event_attributes for event in events]
    making = [one for one in begun if one.activity_type.name in MAKING]
    assert len(making) > 1
    assert all(one.schedule_to_close_timeout.ToTimedelta() > UNSET for one in making)


async def test_a_cover_is_uploaded_as_rarely_as_a_draft_is_made(desk: Desk) -> None:
    """Each upload whose answer is lost may stay in WeChat's library for good."""
    desk.material.refuse("upload", *[NO_ANSWER] * 1000)
    handle = await desk.start(message={**NEWS, "articles": [{**NEWS["articles"][0], "content": "<p>c</p>"}]})
    await desk.asks(handle, "material_failed")
    uploads, most = times_of(desk, "upload"), timedelta(days=1) / desk.wechat.facts.timing.repeat_max
    assert len([at for at in uploads if at - uploads[0] < 2 * HOUR]) < 10
    assert len(uploads) < most + 10


async def test_a_draft_that_lost_pictures_is_looked_at_again_in_doubt(desk: Desk) -> None:
    """Nobody is asked yet, and another draft at each look would only fill WeChat's console."""
    desk.wechat.script = [silent] * 3
    handle = await desk.start(message=NEWS)
    await desk.until(handle, lambda status: bool(status.jobs) and status.jobs[-1].state == "unknown")
    await handle.terminate("by hand")
    desk.material.asked.clear()
    desk.material.lost = [LOST] * 1000
    handle = await desk.start(message=NEWS)
    await desk.waits(handle, "a later try")
    await leap(desk.env, 3 * HOUR)
    assert len(times_of(desk, "check")) > 3
    assert len(times_of(desk, "draft")) == 1
