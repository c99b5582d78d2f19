"""The straight way of a send, and what takes it long: silence, and material that cannot be had."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.sources import AT_ONCE
from qunfa.article.problems import PICTURES_MAX
from qunfa.contract.steps import (
    AWAIT_VERDICT,
    CHECK_AUDIENCE,
    CHECK_DRAFT,
    INSPECT,
    MAKE_DRAFT,
    PREVIEW,
    SOURCE_REFUSED,
    SUBMIT,
    UPLOAD,
    WECHAT_UNAVAILABLE,
    AudienceFinding,
    Listed,
)
from qunfa.media.policy import SourcePolicy
from qunfa.temporal.payloads import data_converter
from tests.workflows.conftest import Desk, leap
from tests.workflows.model_material import NEWS, busy, refused
from tests.workflows.test_paths import IMAGES
from workflows.calls import a_try_within


@pytest.mark.history
async def test_a_send_reaches_its_verdict_by_push(desk: Desk) -> None:
    """Accepted, pushed, sent: with the counts of the push. A closed send still tells its story."""
    handle = await desk.start()
    result = await handle.result()
    assert (result.outcome, result.may_have_been_delivered) == ("sent", True)
    (job,) = result.jobs
    assert (job.state, job.observed_by, job.deduplicated) == ("sent", "push", False)
    assert (result.totals and result.totals.sent, len(desk.wechat.tries)) == (97, 1)
    status = await desk.status(handle)
    assert (status.phase, status.answers, status.waiting_for) == ("done", (), None)
    assert [line.what for line in status.history] == [
        f"try 1: accepted as msg_id {job.msg_id}",
        f"WeChat's push on msg_id {job.msg_id}: send success",
        "ended as sent",
    ]


async def test_a_planned_send_looks_for_earlier_runs_once(desk: Desk) -> None:
    """What Temporal has told stays told: a list of workflows that fails at the time of the send holds nobody up."""
    looked: list[bool] = []

    async def note(step: Any) -> None:
        looked.append(step.search)

    desk.slow.before_wish = note
    handle = await desk.start(send_at=(await desk.env.get_current_time() + timedelta(days=1)).isoformat())
    assert (await handle.result()).outcome == "sent"
    assert looked == [True, False]


async def test_ten_thousand_openids_are_named_by_their_digest(desk: Desk) -> None:
    """They stand in the request alone, and in no step."""
    openids = tuple(f"o{number}" for number in range(10_000))
    assert (await (await desk.start(audience={"kind": "openids", "openids": openids})).result()).outcome == "sent"
    (step,) = desk.wechat.tries
    assert step.audience == Listed.of(openids)
    assert len(step.model_dump_json()) < 2_000


async def test_a_day_of_silence_asks_a_person(desk: Desk) -> None:
    """The asking of a day is one activity, so the history stays short. The push ends the question after all."""
    desk.wechat.push_at_once = None
    handle = await desk.start(result={"poll_interval": "PT5M"})
    status = await desk.asks(handle, "no_verdict")
    assert status.answers == ("retry", "mark_sent", "abort")
    assert len((await handle.fetch_history()).events) < 100
    assert status.jobs[0].msg_id is not None
    await desk.wechat.push(status.jobs[0].msg_id)
    result = await handle.result()
    assert (result.outcome, result.jobs[0].observed_by) == ("sent", "push")


@pytest.mark.long
@pytest.mark.parametrize(
    ("error", "problem", "errcode"),
    [
        (refused(40164), "ip_not_whitelisted", 40164),
        (ApplicationError("it cannot be had", type=SOURCE_REFUSED, non_retryable=True), "source_refused", None),
        (ApplicationError("it cannot be had", type="ABug", non_retryable=True), "material_failed", None),
    ],
    ids=["40164", "source", "bug"],
)
async def test_material_that_is_refused_asks_a_person(
    desk: Desk, error: ApplicationError, problem: str, errcode: int | None
) -> None:
    """With the evidence; a retry makes what is missing, and nothing twice."""
    desk.material.refuse("upload", error)
    handle = await desk.start(message=IMAGES)
    status = await desk.asks(handle, problem)
    assert status.problem is not None
    assert (status.problem.errcode, status.problem.rid) == (errcode, "1-2-3" if errcode else None)
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert sorted(desk.material.calls) == ["inspect", "upload image file:/a.png", "upload image file:/b.png"]


async def test_an_upload_is_named_by_its_file(real_desk: Desk) -> None:
    """In the history that operators look at."""
    handle = await real_desk.start(message=IMAGES)
    await handle.result()
    events = (await handle.fetch_history()).events
    summaries = [event.user_metadata.summary for event in events if event.user_metadata.HasField("summary")]
    named = [str(text) for text in await data_converter.decode(summaries)]
    assert sorted(text for text in named if text.startswith("upload")) == [
        "upload a.png as image: message.images[0]",
        "upload b.png as image: message.images[2]",
    ]


async def test_wechat_has_as_long_as_the_configuration_lets_it(desk: Desk) -> None:
    """A call that Temporal ends before `http_timeout` would be made again and again, and never be heard.

    Eight articles have a hundred pictures each. A slow host may take all the time of a fetch for each; to fit one takes
    a processor 2.4 s more.
    """
    facts = desk.wechat.facts
    timing = facts.timing.model_copy(update={"http_timeout": timedelta(hours=1)})
    desk.wechat.facts = facts.model_copy(update={"timing": timing})
    desk.wechat.push_at_once = None
    desk.wechat.tags[2] = AudienceFinding(found=True, name="VIP", count=50)
    tag = {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}
    message = {**NEWS, "articles": NEWS["articles"] * 4}
    handle = await desk.start(message=message, audience=tag, preview={"to": [{"openid": "o1"}]})
    msg_id = await desk.accepted(handle)
    await leap(desk.env, timedelta(hours=5))
    await desk.waits(handle, "mass/get")
    scheduled = [event.activity_task_scheduled_event_attributes for event in (await handle.fetch_history()).events]
    within = {one.activity_type.name: one.start_to_close_timeout.ToTimedelta() for one in scheduled}
    called = {UPLOAD, MAKE_DRAFT, CHECK_DRAFT, PREVIEW, CHECK_AUDIENCE, SUBMIT, AWAIT_VERDICT}
    assert {name: within[name] for name in called} == dict.fromkeys(called, a_try_within(timedelta(hours=1)))
    assert within[INSPECT] > 8 * PICTURES_MAX * (SourcePolicy().time_max / AT_ONCE + timedelta(seconds=2.4))
    await desk.wechat.push(msg_id)
    assert (await handle.result()).outcome == "sent"


async def test_a_draft_that_died_before_its_look_is_a_question(desk: Desk) -> None:
    """It has lain in the console for hours, and somebody may have sent it there. A retry makes another one."""
    desk.material.refuse("check", busy(), refused(40007))
    handle = await desk.start(message=NEWS)
    status = await desk.asks(handle, "media_refused")
    assert "sent this one by hand" in (status.problem.sentence if status.problem else "")
    assert len([one for one in desk.material.calls if one.startswith("draft")]) == 1
    await desk.update(handle, "retry")
    assert (await handle.result()).outcome == "sent"
    assert len([one for one in desk.material.calls if one.startswith("draft")]) == 2


@pytest.mark.long
async def test_a_draft_whose_answer_is_lost_is_made_again_slowly(desk: Desk) -> None:
    """Each such call may have left one in WeChat's console: a minute lies between the first two, then more."""
    lost = ApplicationError("no answer", type=WECHAT_UNAVAILABLE)
    desk.material.refuse("draft", *[lost] * 3)
    await (await desk.start(message=NEWS)).result()
    times = [at for what, at in desk.material.asked if what == "draft"]
    minutes = [(later - earlier) / timedelta(minutes=1) for earlier, later in pairwise(times)]
    assert len(minutes) == 3
    assert all(waited >= least for waited, least in zip(minutes, (1, 2, 4), strict=True))
