"""What has to be made before a message can be sent, and how long it lives."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from qunfa.contract.message import Inspection, Made, Material, Message, NewsVia, Source, Uploaded
from qunfa.contract.result import Answer, Job, Verdict
from qunfa.contract.steps import PictureOf
from qunfa.rules.material import (
    FRESH,
    LIFETIME,
    YOUNG,
    CheckDraft,
    Convert,
    MakeDraft,
    Ready,
    Upload,
    for_batches,
    found,
    is_rebuildable,
    needs_material,
    next_work,
    rebuilding,
    with_upload,
)

NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)
MESSAGE: TypeAdapter[Any] = TypeAdapter(Message)
THUMB = {"uri": "file:/srv/cover.jpg"}
NEWS = {"msgtype": "mpnews", "articles": [{"title": "t", "content": "<p>c</p>", "thumb": THUMB}]}
VIDEO = {"msgtype": "mpvideo", "media": {"uri": "file:/srv/clip.mp4"}, "title": "t"}
VOICE = {"msgtype": "voice", "media": {"uri": "file:/srv/a.mp3"}}
IMAGES = {"msgtype": "image", "images": [{"uri": "file:/srv/a.png"}, {"media_id": "there"}, {"uri": "file:/srv/b.png"}]}


def message(raw: dict[str, Any]) -> Any:
    """The message in JSON."""
    return MESSAGE.validate_python(raw)


def source(place: str, use: Any, content: str = "a", uri: str = "file:/srv/a") -> Source:
    """A source whose content is all one letter."""
    return Source(place=place, uri=uri, use=use, sha256=content * 64, size=1)


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("file:///srv/%E5%B0%81%20a.jpg", "封 a.jpg"),
        ("file:/a.png", "a.png"),
        ("s3://bucket/spring/a.png", "a.png"),
        ("https://li:secret@cdn.example/x/a.png?signature=/secret#top", "a.png"),
        ("https://li:secret@cdn.example/x/?a=/secret", "x"),
        ("https://li:secret@cdn.example/?a=/secret", "message.images[0]"),
        ("https://li:secret@cdn.example", "message.images[0]"),
        ("data:image/png;base64,AAAA/BBBB", "message.images[0]"),
    ],
)
def test_a_source_is_called_as_its_file_is(uri: str, file: str) -> None:
    """Nothing of a host, a login or a query is shown."""
    assert source("message.images[0]", "image", uri=uri).file == file


def uploaded(of: Source, at: datetime = NOW) -> Uploaded:
    """What WeChat gives back for it."""
    is_picture = of.use == "picture"
    name = f"{of.use}-{of.sha256[:2]}"
    return Uploaded(
        use=of.use,
        sha256=of.sha256,
        media_id=None if is_picture else name,
        url=f"https://mmbiz.qpic.cn/{name}" if is_picture else None,
        made_at=at,
    )


def carried_out(raw: dict[str, Any], material: Material, via: NewsVia = "draft", at: datetime = NOW) -> list[Any]:
    """The works in order, each done as WeChat would, until the message is ready."""
    works: list[Any] = []
    while True:
        work = next_work(message(raw), material, via, at)
        works.append(work)
        match work:
            case Upload(sources):
                for one in sources:
                    material = with_upload(material, uploaded(one, at))
            case MakeDraft():
                material = material.model_copy(update={"made": Made(media_id="draft", made_at=at)})
            case CheckDraft(made):
                material = material.model_copy(update={"made": made.model_copy(update={"verified": True})})
            case Convert():
                material = material.model_copy(update={"made": Made(media_id="converted", made_at=at)})
            case Ready():
                return works


@pytest.mark.parametrize(
    ("raw", "needs"),
    [
        ({"msgtype": "text", "content": "c"}, False),
        ({"msgtype": "wxcard", "card_id": "c"}, False),
        ({"msgtype": "mpnews", "media_id": "m"}, False),
        ({"msgtype": "voice", "media": {"media_id": "m"}}, False),
        ({"msgtype": "image", "images": [{"media_id": "m"}]}, False),
        ({**VIDEO, "media": {"media_id": "m"}}, True),
        (NEWS, True),
        (VOICE, True),
        (IMAGES, True),
    ],
)
def test_what_needs_material(raw: dict[str, Any], needs: bool) -> None:
    """A video is converted even where it is uploaded already; everything else that WeChat holds is sent as it is."""
    assert needs_material(message(raw)) is needs


def test_an_image_message_keeps_the_order_of_its_pictures() -> None:
    """Uploaded ones stand where their sources stood, and those that WeChat holds stay."""
    material = Material(sources=(source("message.images[0]", "image", "a"), source("message.images[2]", "image", "b")))
    [upload, ready] = carried_out(IMAGES, material)
    assert [one.place for one in upload.sources] == ["message.images[0]", "message.images[2]"]
    assert [one.media_id for one in ready.message.images] == ["image-aa", "there", "image-bb"]


def test_one_content_is_uploaded_once() -> None:
    """However often a picture stands in the articles; but a cover and a picture are two things to WeChat."""
    place = "message.articles[0].content"
    sources = [
        source(place, "picture", "a", "file:/srv/one.png"),
        source(place, "picture", "a", "file:/srv/copy.png"),
        source("message.articles[0].thumb", "cover", "a"),
    ]
    works = carried_out(NEWS, Material(sources=tuple(sources)))
    upload, draft = works[0], works[1]
    assert [one.identity for one in upload.sources] == [("picture", "a" * 64), ("cover", "a" * 64)]
    assert draft.covers == ("cover-aa",)
    url = "https://mmbiz.qpic.cn/picture-aa"
    uris = ("file:/srv/one.png", "file:/srv/copy.png")
    assert draft.pictures == tuple(PictureOf(uri=uri, url=url, sha256="a" * 64) for uri in uris)


@pytest.mark.parametrize(("via", "steps"), [("draft", 4), ("uploadnews", 3)])
def test_articles_become_one_id(via: NewsVia, steps: int) -> None:
    """Upload, draft, check (where there is a draft to look at), and then only the id is sent."""
    use = "cover" if via == "draft" else "thumb"
    works = carried_out(NEWS, Material(sources=(source("message.articles[0].thumb", use),)), via)
    assert len(works) == steps
    assert (works[-1].message.media_id, works[-1].message.articles) == ("draft", None)


def test_the_converted_video_is_what_is_sent() -> None:
    """Never the uploaded one."""
    works = carried_out(VIDEO, Material(sources=(source("message.media", "video"),)))
    assert works[1] == Convert("video-aa")
    assert works[-1].message.media.media_id == "converted"
    held = carried_out({**VIDEO, "media": {"media_id": "there"}}, Material())
    assert held[0] == Convert("there")


@pytest.mark.parametrize(
    ("raw", "use", "via", "again"),
    [
        (VOICE, "voice", "draft", ["Upload"]),
        (VIDEO, "video", "draft", ["Upload", "Convert"]),
        (NEWS, "thumb", "uploadnews", ["Upload", "MakeDraft"]),
        (NEWS, "cover", "draft", []),
    ],
)
def test_what_lives_three_days_is_made_again_in_time(
    raw: dict[str, Any], use: Any, via: NewsVia, again: list[str]
) -> None:
    """Temporary ids that are two and a half days old are made anew; drafts and their covers last."""
    place = "message.articles[0].thumb" if raw is NEWS else "message.media"
    of = source(place, use)
    made = None if raw is VOICE else Made(media_id="made", made_at=NOW, verified=True)
    material = Material(sources=(of,), uploads=(uploaded(of),), made=made)
    fresh = carried_out(raw, material, via, NOW + FRESH - timedelta(seconds=1))
    assert [type(work).__name__ for work in fresh] == ["Ready"]
    old = carried_out(raw, material, via, NOW + FRESH)
    assert [type(work).__name__ for work in old] == [*again, "Ready"]


def test_what_is_uploaded_anew_is_made_anew() -> None:
    """A new thumb in an old uploadnews would be none."""
    of = source("message.articles[0].thumb", "thumb")
    material = Material(sources=(of,), made=Made(media_id="made", made_at=NOW))
    assert with_upload(material, uploaded(of, NOW - timedelta(minutes=5))).made is None


@given(st.integers(min_value=0, max_value=100), st.sampled_from([NEWS, VIDEO, VOICE, IMAGES]), st.booleans())
def test_nothing_old_is_ever_submitted(hours: int, raw: dict[str, Any], by_draft: bool) -> None:
    """Whenever the message is ready, everything temporary in it is younger than three days with half a day to spare."""
    via: NewsVia = "draft" if by_draft else "uploadnews"
    places = {"mpnews": "message.articles[0].thumb", "image": "message.images[0]"}
    use: Any = {"mpnews": "cover" if by_draft else "thumb", "mpvideo": "video"}.get(raw["msgtype"], raw["msgtype"])
    sources = [source(places.get(raw["msgtype"], "message.media"), use)]
    if raw is IMAGES:
        sources.append(source("message.images[2]", "image", "b"))
    material = Material(sources=tuple(sources))
    now = NOW + timedelta(hours=hours)
    for one in sources:
        material = with_upload(material, uploaded(one, NOW))
    works = carried_out(raw, material, via, now)
    uploads = [work for work in works if isinstance(work, Upload)]
    assert bool(uploads) is (now - NOW >= FRESH and use != "cover")
    assert isinstance(works[-1], Ready)


def answered(errcode: int, **more: Any) -> Job:
    """A job whose try WeChat has refused."""
    return Job(clientmsgid="c", generation=0, answer=Answer(kind="refused", at=NOW, errcode=errcode), **more)


FRESHLY_MADE = Made(media_id="draft", made_at=NOW - YOUNG + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("job", "rebuilt", "again"),
    [
        (answered(40007), False, True),
        (answered(40007), True, False),
        (answered(40008), False, False),
        (answered(40007, ever_unknown=True), False, False),
        (answered(40007, verdict=Verdict(status="send fail", observed_by="push")), False, False),
    ],
)
def test_dead_material_is_made_anew_once(job: Job, rebuilt: bool, again: bool) -> None:
    """And never where a try may have been accepted: its draft would be dead for the best of reasons."""
    assert is_rebuildable((job,), message(NEWS), Material(rebuilt=rebuilt, made=FRESHLY_MADE), "draft") is again
    assert not is_rebuildable((job,), message({"msgtype": "mpnews", "media_id": "m"}), Material(), "draft")


@pytest.mark.parametrize("made", [None, Made(media_id="draft", made_at=NOW - YOUNG)], ids=["unknown", "old"])
def test_a_draft_that_has_lain_is_made_anew_by_a_person_alone(made: Made | None) -> None:
    """Somebody may have sent it in WeChat's console. What does not lie there is made anew, however old it is."""
    jobs, material = (answered(40007),), Material(made=made)
    assert not is_rebuildable(jobs, message(NEWS), material, "draft")
    assert is_rebuildable(jobs, message(NEWS), material, "uploadnews")
    assert is_rebuildable(jobs, message(VIDEO), material, "draft")


@pytest.mark.parametrize(
    "earlier",
    [
        Job(clientmsgid="c", generation=0, ever_unknown=True),
        Job(clientmsgid="c", generation=0, msg_id=1),
        Job(clientmsgid="c", generation=0, msg_id=1, verdict=Verdict(status="err(30003)", observed_by="push")),
    ],
)
def test_a_draft_that_died_after_a_generation_is_not_made_anew(earlier: Job) -> None:
    """It may have died with the delivery that an operator believes has not taken place."""
    jobs = (earlier, answered(40007).model_copy(update={"generation": 1}))
    assert not is_rebuildable(jobs, message(NEWS), Material(made=FRESHLY_MADE), "draft")


def test_an_uploaded_voice_is_what_is_sent() -> None:
    """By the id that WeChat gave for just this file; all else of the message stays."""
    sources = (source("message.media", "voice", "b"),)
    other = uploaded(source("message.elsewhere", "voice", "a"))
    [_, ready] = carried_out(VOICE, Material(sources=sources, uploads=(other,)))
    assert ready == Ready(message({"msgtype": "voice", "media": {"media_id": "voice-bb"}}))


def test_a_look_at_the_sources_tells_all_that_counts() -> None:
    """Where they are, what stands there, and what the articles say."""
    sources = (source("message.articles[0].thumb", "cover"),)
    seen = Material(sources=sources, contents=("c" * 64,), news_via="draft")
    assert found(Inspection(sources=sources, contents=("c" * 64,)), "draft") == seen


def test_a_rebuilding_leaves_pictures_and_happens_once() -> None:
    """The rest is uploaded and made anew."""
    kept, gone = uploaded(source("a", "picture")), uploaded(source("b", "cover"))
    before = Material(uploads=(kept, gone), made=Made(media_id="dead", made_at=NOW), contents=("c" * 64,))
    assert rebuilding(before) == Material(uploads=(kept,), contents=("c" * 64,), rebuilt=True)


def test_batches_begin_with_covers_and_nothing_else_that_was_made() -> None:
    """A draft dies with its delivery, temporary ids with time, and hundreds of pictures would be too much."""
    cover, *others = (uploaded(source("a", use)) for use in ("cover", "picture", "thumb", "image", "voice", "video"))
    made = Material(uploads=(*others, cover), made=FRESHLY_MADE, contents=("c" * 64,), rebuilt=True, news_via="draft")
    assert for_batches(made) == Material(uploads=(cover,), contents=("c" * 64,), news_via="draft")


@pytest.mark.parametrize(
    ("raw", "use", "via", "again"),
    [
        (VIDEO, "video", "draft", ["Convert"]),
        (NEWS, "thumb", "uploadnews", ["MakeDraft"]),
        (NEWS, "cover", "draft", []),
    ],
)
def test_what_was_made_too_long_ago_is_made_again(
    raw: dict[str, Any], use: Any, via: NewsVia, again: list[str]
) -> None:
    """Of files that are fresh; only a draft lasts."""
    of = source("message.articles[0].thumb" if raw is NEWS else "message.media", use)
    for age, wanted in ((FRESH, again), (FRESH - timedelta(seconds=1), [])):
        made = Made(media_id="made", made_at=NOW - age, verified=True)
        material = Material(sources=(of,), uploads=(uploaded(of),), made=made)
        assert [type(work).__name__ for work in carried_out(raw, material, via)] == [*wanted, "Ready"]


@pytest.mark.parametrize(
    ("raw", "again"),
    [
        ({**VIDEO, "media": {"media_id": "there"}}, Convert),
        ({**NEWS, "articles": [{"title": "t", "content": "<p>c</p>", "thumb": {"media_id": "there"}}]}, MakeDraft),
    ],
)
def test_what_was_made_of_a_given_id_is_sent_while_it_lives(raw: dict[str, Any], again: type[Any]) -> None:
    """WeChat has mostly forgotten the given id before: nothing could be made of it again."""
    for age, work in ((LIFETIME - timedelta(seconds=1), Ready), (LIFETIME, again)):
        material = Material(made=Made(media_id="made", made_at=NOW - age))
        assert isinstance(next_work(message(raw), material, "uploadnews", NOW), work)


def test_a_draft_is_made_of_its_articles() -> None:
    """In their order, with a cover for each: the uploaded one, or the one that WeChat holds."""
    second = {"title": "u", "content": "<p>d</p>", "thumb": {"media_id": "there"}}
    raw = {**NEWS, "articles": [NEWS["articles"][0], second]}
    contents = ("c" * 64, "d" * 64)
    works = carried_out(raw, Material(sources=(source("message.articles[0].thumb", "cover"),), contents=contents))
    assert works[1] == MakeDraft(message(raw).articles, ("cover-aa", "there"), (), contents)


@pytest.mark.parametrize(
    "raw",
    [
        {"msgtype": "text", "content": "c"},
        {"msgtype": "wxcard", "card_id": "c"},
        {"msgtype": "mpnews", "media_id": "m"},
        {"msgtype": "voice", "media": {"media_id": "m"}},
        {"msgtype": "image", "images": [{"media_id": "m"}, {"media_id": "n"}]},
    ],
)
def test_what_wechat_holds_is_ready_as_it_is(raw: dict[str, Any]) -> None:
    """Nothing is made for it."""
    assert carried_out(raw, Material()) == [Ready(message(raw))]


@pytest.mark.parametrize(("raw", "uploads"), [(VOICE, ()), (VIDEO, ()), (VOICE, ("image",))])
def test_an_id_that_is_missing_is_never_made_up(raw: dict[str, Any], uploads: tuple[Any, ...]) -> None:
    """Nothing is outstanding, and still there is no id: rather no submission than one without it."""
    material = Material(uploads=tuple(uploaded(source("message.media", use)) for use in uploads))
    with pytest.raises(ValueError, match="has no media_id"):
        next_work(message(raw), material, "draft", NOW)
