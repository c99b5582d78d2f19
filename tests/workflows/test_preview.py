"""`PreviewMassSend` and `CheckMassSend`: what can be seen before anything is sent."""

from typing import Any, Final

import pytest
from temporalio.client import WorkflowHandle

from qunfa.contract.checks import CheckResult
from qunfa.contract.ids import CHECK_MASS_SEND, PREVIEW_MASS_SEND, check_id, mass_send_id, preview_id
from qunfa.contract.request import PreviewResult
from qunfa.contract.steps import AudienceFinding
from tests.workflows.conftest import Desk
from tests.workflows.failures import cause_of, refusal_of
from tests.workflows.model_material import VOICE, refused

TO = [{"openid": "boss"}, {"openid": "blocked"}, {"wxname": "li"}]


def a_preview(**more: Any) -> dict[str, Any]:
    return {"account": "demo", "key": "look", "message": VOICE, "to": TO, **more}


async def begun(desk: Desk, raw: Any) -> WorkflowHandle[Any, PreviewResult]:
    return await desk.begin(PREVIEW_MASS_SEND, raw, preview_id("demo", "look"), PreviewResult)


async def preview(desk: Desk, raw: Any) -> PreviewResult:
    return await (await begun(desk, raw)).result()


async def counted(desk: Desk) -> int:
    """How many previews the account's book has; midnight may be between them."""
    return sum(day.previews for day in (await desk.ledger()).book.values())


async def checked(desk: Desk, raw: Any) -> CheckResult:
    handle = await desk.begin(CHECK_MASS_SEND, raw, check_id("demo", "spring"), CheckResult)
    result: CheckResult = await handle.result()
    return result


@pytest.mark.history
async def test_a_preview_may_be_made_again(desk: Desk) -> None:
    """Each recipient has a row, who is refused as well. Its key keeps nothing from being made twice; all count."""
    for _ in range(2):
        result = await preview(desk, a_preview())
        assert [(one.to, one.sent, one.errcode) for one in result.previews] == [
            ("boss", True, None),
            ("blocked", False, 43004),
            ("WeChat id li", True, None),
        ]
    assert desk.material.calls == ["inspect", "upload voice file:/a.mp3"] * 2
    assert desk.wechat.tries == []
    assert await counted(desk) == 6


async def test_no_more_than_there_are_today(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes too late is told why there is no preview, and WeChat is not asked."""
    monkeypatch.setattr("qunfa.account.routing.PREVIEWS_A_DAY", 2)
    await preview(desk, a_preview(to=TO[:1]))
    result = await preview(desk, a_preview(to=[TO[0], TO[2]]))
    assert [one.sent for one in result.previews] == [True, False]
    assert "previews of today are used up" in (result.previews[1].errmsg or "")
    assert desk.material.previews == ["boss", "boss"]


@pytest.mark.parametrize("by_send", [False, True])
async def test_what_wechat_was_not_called_for_costs_one_of_today(desk: Desk, *, by_send: bool) -> None:
    """Each is tried, with the place of the one before. Else a broken way out of the house would use up the hundred."""
    to = [*({"openid": f"away-{number}"} for number in range(4)), TO[0], {"openid": "away"}, {"openid": "away"}]
    if by_send:
        result = await (await desk.start(preview={"to": to})).result()
        assert result.outcome == "sent"
    else:
        assert [one.sent for one in (await preview(desk, a_preview(to=to))).previews] == [
            *[False] * 4,
            True,
            *[False] * 2,
        ]
    assert desk.material.previews == ["boss"]
    assert await counted(desk) == 2


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (
            {"images": [{"uri": "file:/a.png"}, {"media_id": "b"}]},
            "message.images: a preview shows one picture, and this message has 2: preview each by itself",
        ),
        ({"images": [{"uri": "file:/a.png"}], "recommend": "荐"}, "message.recommend: account demo sends pictures"),
    ],
)
async def test_what_cannot_be_previewed_costs_none_of_todays(desk: Desk, message: Any, problem: str) -> None:
    """It is refused before anything is uploaded: WeChat previews one picture, and nothing beside it."""
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"image_via": "image"})
    assert problem in await refusal_of(await begun(desk, a_preview(message={"msgtype": "image", **message})))
    assert (desk.material.calls, desk.material.previews) == ([], [])
    single = {"msgtype": "image", "images": [{"media_id": "a"}]}
    await preview(desk, a_preview(message=single, to=TO[:1]))
    assert await counted(desk) == 1


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ([], "the input must be one JSON object"),
        (a_preview(audience={"kind": "all"}), "audience: is not a field of this object"),
        (a_preview(to=[{"openid": ["a", "b"]}]), "to[0].openid: must be text"),
        (a_preview(key="another"), 'the workflow id must be "preview:demo:another"'),
    ],
    ids=["no object", "an audience", "several persons", "another key"],
)
async def test_a_preview_that_is_none_is_refused(desk: Desk, raw: Any, problem: str) -> None:
    """There is no audience in it, and one recipient is one person."""
    assert problem in await refusal_of(await begun(desk, raw))
    assert desk.material.previews == []


@pytest.mark.history
async def test_material_that_wechat_refuses_fails_the_preview(desk: Desk) -> None:
    """With WeChat's word; nobody gets anything."""
    desk.material.refuse("upload", refused(40010))
    failure = await cause_of(await begun(desk, a_preview()), "PreviewFailed")
    assert "WeChat answered 40010" in failure.message
    assert desk.material.previews == []


@pytest.mark.history
async def test_a_check_changes_nothing(desk: Desk) -> None:
    """It looks at the sources and the tag, says what would be sent to how many, and calls nothing else."""
    desk.wechat.tags[2] = AudienceFinding(found=True, name="VIP", count=50)
    raw = desk.request(message=VOICE, audience={"kind": "tag", "tag_id": 2, "expect": {"max": 40}})
    desk.material.problems = ("message.media: is 61 s long",)
    result = await checked(desk, raw)
    assert (result.msgtype, result.followers, len(result.sources)) == ("voice", 50, 1)
    assert result.problems[0] == "message.media: is 61 s long"
    assert "has 50 followers, expected were at most 40" in result.problems[1]
    assert desk.material.calls == ["inspect"]
    assert desk.wechat.tries == []


LIST: Final[dict[str, Any]] = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}
TWO: Final[dict[str, Any]] = {"msgtype": "image", "images": [{"media_id": "a"}, {"media_id": "b"}]}
REFUSED: Final[dict[str, tuple[dict[str, Any], list[str]]]] = {
    "terms": ({"approval": {"required": True}, "send_at": "2099-01-01T00:00:00Z"}, ["requested_by", "send_at"]),
    "an account": ({"audience": {"kind": "openids", "openids": ["a", "b"]}}, ["audience.kind"]),
    "a preview": ({"message": TWO, "preview": {"to": TO}}, ["message.images"]),
    "a key of batches": ({"key": "k" * 59, "audience": LIST}, ["audience.kind", "key"]),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_check_tells_what_a_start_is_refused_for(desk: Desk, name: str) -> None:
    """In the same words: a dry run that is silent would be a false yes. A subscription account sends to no openids."""
    desk.wechat.facts = desk.wechat.facts.model_copy(update={"kind": "subscription"})
    wrong, places = REFUSED[name]
    raw = desk.request(**wrong)
    problems = (await checked(desk, raw)).problems
    assert [problem.partition(":")[0] for problem in problems] == places
    said = await refusal_of(await desk.start_raw(raw, mass_send_id("demo", raw["key"])))
    assert any(problem in said for problem in problems), "a start is refused for what it comes upon first"
    assert (desk.wechat.tries, desk.material.previews) == ([], [])


async def test_a_check_tells_that_a_draft_is_sent_once(desk: Desk) -> None:
    """A list of one batch may be sent it."""
    raw = desk.request(message={"msgtype": "mpnews", "media_id": "d"}, audience=LIST)
    [problem] = (await checked(desk, raw)).problems
    assert problem.startswith("media_id: a draft can be sent once, and there are 3 batches")
    desk.store.batches = 1
    assert (await checked(desk, raw)).problems == ()


async def test_a_check_warns_of_what_wechat_refuses_in_its_time(desk: Desk) -> None:
    """Cards, and recommendations of a length for which WeChat names no limit. A start takes both."""
    words = {"msgtype": "image", "images": [{"media_id": "a"}], "recommend": "荐" * 141}
    card = {"msgtype": "wxcard", "card_id": "c"}
    raw = desk.request(message=words, message_b=card, split={"a": 10, "b": 10}, audience=LIST)
    result = await checked(desk, raw)
    assert (result.problems, result.warnings) == (
        (),
        (
            "message.recommend: has 141 characters; WeChat may refuse more than 140 (40193)",
            "message_b: message.msgtype: WeChat sends no cards any more (45113)",
        ),
    )
    fine = desk.request(message={**words, "recommend": "荐" * 140})
    assert (await checked(desk, fine)).warnings == ()
    desk.material.size = 2_500_000
    big = desk.request(message={"msgtype": "image", "images": [{"uri": "file:/a.png"}], "recommend": "荐"})
    said = "message.images[0]: has 2,500,000 bytes; WeChat may refuse more than 2 MB (40009)"
    assert (await checked(desk, big)).warnings == (said,)
