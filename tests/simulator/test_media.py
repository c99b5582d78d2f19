"""Files: what may be uploaded where, and how long its id lives."""

import hashlib
from typing import Any

import pytest

from tests.simulator import samples
from tests.simulator.api import THREE_DAYS, Api, Start, named
from tests.simulator.samples import padded

KB, MB = 1024, 1024 * 1024
YEAR = 365 * 86400
FILES = {
    "png": samples.PNG, "jpg": samples.JPG, "gif": samples.GIF, "bmp": samples.BMP, "mp4": samples.MP4,
    "mov": samples.MOV, "amr": samples.amr(1), "mp3": samples.mp3(1), "mp3 with a tag": samples.mp3(1, tag=b"tag"),
    "txt": samples.TEXT, "jpg, almost": samples.JPG[:2],
}  # fmt: skip
UPLOAD, ADD, PICTURE = "media/upload", "material/add_material", "media/uploadimg"


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("path", "kind", "file", "names"),
    [
        *[(UPLOAD, *each, {"type", "media_id", "created_at"}) for each in (("image", "png"), ("video", "mp4"))],
        (UPLOAD, "voice", "amr", {"type", "media_id", "created_at"}),
        (UPLOAD, "thumb", "jpg", {"type", "thumb_media_id", "created_at"}),
        (ADD, "image", "bmp", {"media_id", "url"}),
    ],
)
async def test_an_upload_answers_with_its_id_and_no_errcode(
    api: Api, path: str, kind: str, file: str, names: set[str]
) -> None:
    """Type, id and the time in whole seconds; a thumb's is thumb_media_id.

    Permanent material has its id, and an image a URL that may stand in articles.
    """
    answer = await api.upload(path, FILES[file], type=kind)
    assert answer.keys() == names
    if path == UPLOAD:
        assert answer["type"] == kind
        assert isinstance(answer["created_at"], int)
        assert int(api.world.clock.now()) == answer["created_at"]
    elif kind == "image":
        assert api.demo.library.picture(answer["url"]).sha256


@pytest.mark.parametrize(
    ("path", "kind", "good"),
    [
        (UPLOAD, "image", "png jpg gif"), (UPLOAD, "voice", "amr mp3"), (UPLOAD, "video", "mp4"),
        (UPLOAD, "thumb", "jpg"), (ADD, "image", "png jpg gif bmp"),
    ],
)  # fmt: skip
async def test_a_file_is_judged_by_what_it_is(api: Api, path: str, kind: str, good: str) -> None:
    """The content tells the format, the name means nothing; a wrong one answers 40005."""
    name = {"image": "a.jpg", "voice": "a.mp3", "video": "a.mp4", "thumb": "a.jpg"}[kind]
    answers = {each: await api.upload(path, file, name, type=kind) for each, file in FILES.items()}
    codes = {each: answer.get("errcode", 0) for each, answer in answers.items()}
    assert codes == {each: 0 if each.removesuffix(" with a tag") in good.split() else 40005 for each in FILES}


@pytest.mark.parametrize(
    ("path", "kind", "file", "limit"),
    [
        (UPLOAD, "image", samples.PNG, (10 * MB, 40009)), (UPLOAD, "voice", samples.amr(1), (2 * MB, 40010)),
        (UPLOAD, "video", samples.MP4, (10 * MB, 40011)), (UPLOAD, "thumb", samples.JPG, (64 * KB, 40012)),
        (ADD, "image", samples.PNG, (10 * MB, 40009)),
    ],
    ids=["image", "voice", "video", "thumb", "permanent"],
)  # fmt: skip
async def test_a_file_may_be_so_big(start: Start, path: str, kind: str, file: bytes, limit: tuple[int, int]) -> None:
    """The size that a kind may have is accepted, one byte more has the code of its kind."""
    api = await start(limits={"media": {"voice_seconds": 10**6}})
    most, errcode = limit
    answers = [await api.upload(path, padded(file, size), type=kind) for size in (most, most + 1)]
    assert [answer.get("errcode", 0) for answer in answers] == [0, errcode]


async def test_a_body_that_is_too_big_for_anything_is_not_looked_at(start: Start) -> None:
    """45001; the connection stays usable."""
    api = await start(limits={"media": {"body": 300_000}})
    assert (await api.upload(UPLOAD, padded(samples.PNG, 299_000), type="image")).keys() >= {"media_id"}
    assert (await api.upload(UPLOAD, padded(samples.PNG, 1_000_000), type="image"))["errcode"] == 45001
    assert len(api.demo.library) == 1
    assert await api.works(api.token) == [0]


async def test_the_file_and_its_type_must_be_there(api: Api) -> None:
    """41005 without a field `media` that is a file, or in no multipart form; 44001 for an empty file; 40004 the type.

    The token comes before: 41001, 40014.
    """
    url, params = f"/cgi-bin/{UPLOAD}", {"access_token": api.token, "type": "image"}
    torn = b'--x\r\nContent-Disposition: form-data; name="media"; filename="a.png"\r\n\r\n' + samples.PNG
    form = "multipart/form-data"
    bounded = f"{form}; boundary=x"
    for content, kind in ((samples.PNG, "image/png"), (torn, bounded), (torn, form), (b"rubbish", bounded)):
        response = await api.http.post(url, params=params, content=content, headers={"Content-Type": kind})
        assert response.json()["errcode"] == 41005
    forms: list[tuple[Any, Any]] = [({}, {}), ({"file": ("a.png", samples.PNG)}, {}), ({}, {"media": "no file"})]
    assert [(await api.post_form(UPLOAD, *each, type="image"))["errcode"] for each in forms] == [41005] * 3
    assert (await api.upload(UPLOAD, b"", "a.png", type="image"))["errcode"] == 44001
    queries = [({}, 40004), *(({"type": wrong}, 40004) for wrong in ("", "news", "music", "IMAGE"))]
    queries += [({"type": "image", "access_token": token}, code) for token, code in (("", 41001), ("rubbish", 40014))]
    for query, errcode in queries:
        assert (await api.upload(UPLOAD, samples.PNG, **query))["errcode"] == errcode
    assert len(api.demo.library) == 0


@pytest.mark.parametrize(
    ("voice", "errcode"),
    [
        (samples.amr(60.4), 0), (samples.amr(60.6), 45007), (samples.mp3(59.9), 0), (samples.mp3(61), 45007),
        (samples.mp3(59.9, tag=b"\xff\xf3\x18\xc4" * 100), 0), (samples.mp3(61, tag=bytes(300)), 45007),
        (samples.mp3_cd(2300), 0), (samples.mp3_cd(2320), 45007), (samples.mp3(1) + b"TAG" + bytes(125), 0),
    ],
    ids=range(9),
)  # fmt: skip
async def test_a_voice_lasts_a_minute_at_most(api: Api, voice: bytes, errcode: int) -> None:
    """A sound of more than 60 whole seconds answers 45007, whatever its format. Tags of an MP3 do not count."""
    assert (await api.upload(UPLOAD, voice, type="voice")).get("errcode", 0) == errcode


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("scale", [1, 60])
async def test_an_id_dies_after_three_days(start: Start, scale: int) -> None:
    """It is good until then, again and again; afterwards it answers 40007. Scale shortens it; no id is given twice."""
    api = await start(sim={"scale": scale}, limits={"user_per_month": 100})
    first, second = [await api.media_id("image", samples.PNG) for _ in range(2)]
    assert first != second
    await api.advance((THREE_DAYS - 600) / scale)
    assert await api.sendalls("a", "b", content=named("image", first)) == [0, 0]
    await api.advance(600 / scale)
    assert await api.sendalls("late", content=named("image", first)) == [40007]


async def test_permanent_material_lives_for_ever(api: Api) -> None:
    """A year later it can be sent."""
    media_id = await api.media_id("image", samples.PNG, permanent=True)
    await api.advance(YEAR)
    assert await api.sendalls("a", content=named("image", media_id)) == [0]


async def test_the_library_is_full_at_some_point(start: Start) -> None:
    """45074 for one more than may be stored. Images and drafts share their room; what has ended makes some."""
    api = await start(limits={"media": {"images_stored": 2}})
    await api.draft()
    assert (await api.upload(ADD, samples.PNG, type="image"))["errcode"] == 45074
    await api.sim("media/expire", {"account": "demo", "kind": "draft"})
    assert "media_id" in await api.upload(ADD, samples.PNG, type="image")


async def test_a_picture_of_an_article_has_a_url(api: Api) -> None:
    """Uploadimg answers a URL of WeChat's picture host and nothing else, another one each time."""
    answers = [await api.upload(PICTURE, samples.JPG) for _ in range(2)]
    assert [answer.keys() for answer in answers] == [{"url"}] * 2
    urls = {answer["url"] for answer in answers}
    assert len(urls) == 2
    assert all(url.startswith("http://mmbiz.qpic.cn/mmbiz_jpg/") for url in urls)
    digest = hashlib.sha256(samples.JPG).hexdigest()
    assert [each["file"]["sha256"] for each in (await api.sim("pictures"))["pictures"]] == [digest] * 2


@pytest.mark.parametrize(
    ("file", "errcode"),
    [
        (padded(samples.PNG, MB - 1), 0), (padded(samples.PNG, MB), 40009), (samples.JPG, 0), (samples.GIF, 40005),
        (samples.TEXT, 40005), (b"", 44001), (None, 41005),
    ],
    ids=range(7),
)  # fmt: skip
async def test_a_picture_of_an_article_is_small(api: Api, file: bytes | None, errcode: int) -> None:
    """JPEG or PNG of less than 1 MB."""
    assert (await api.upload(PICTURE, file)).get("errcode", 0) == errcode
