import hashlib

import pytest

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, account_config, article, named
from tests.simulator.samples import padded

KB, MB = 1024, 1024 * 1024
THREE_DAYS = 259_200


@pytest.mark.parametrize(
    ("kind", "file"),
    [("image", samples.PNG), ("voice", samples.amr(1)), ("video", samples.MP4)],
)
async def test_an_upload_answers_with_its_id_and_no_errcode(start: Start, kind: str, file: bytes) -> None:
    """Type, media_id and the time in whole seconds; success has no errcode."""
    api = await start()
    answer = await api.upload("media/upload", file, type=kind)
    assert answer.keys() == {"type", "media_id", "created_at"}
    assert answer["type"] == kind
    assert answer["created_at"] == int(api.world.clock.now()) or answer["created_at"] + 1 == int(api.world.clock.now())
    assert isinstance(answer["created_at"], int)


async def test_a_thumb_has_an_id_of_another_name(start: Start) -> None:
    """media/upload answers thumb_media_id for a thumb; a setting makes it media_id as for the others."""
    api = await start()
    assert (await api.upload("media/upload", samples.JPG, type="thumb")).keys() == {
        "type", "thumb_media_id", "created_at",
    }  # fmt: skip
    api = await start(thumb_id_field="media_id")
    assert "media_id" in await api.upload("media/upload", samples.JPG, type="thumb")


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        ("image", {"png", "jpg", "gif"}),
        ("voice", {"amr", "mp3", "mp3 with a tag"}),
        ("video", {"mp4"}),
        ("thumb", {"jpg"}),
    ],
)
async def test_a_file_is_judged_by_what_it_is(start: Start, kind: str, good: set[str]) -> None:
    """The format is told by the content, the name means nothing; a wrong one answers 40005."""
    api = await start()
    files = {
        "png": samples.PNG, "jpg": samples.JPG, "gif": samples.GIF, "bmp": samples.BMP, "mp4": samples.MP4,
        "mov": samples.MOV, "amr": samples.amr(1), "mp3": samples.mp3(1), "mp3 with a tag": samples.mp3(1, tag=b"tag"),
        "wav": samples.WAV, "wma": samples.WMA, "txt": samples.TEXT, "jpg, almost": samples.JPG[:2],
    }  # fmt: skip
    names = {"image": "a.jpg", "voice": "a.mp3", "video": "a.mp4", "thumb": "a.jpg"}
    answers = {
        name: (await api.upload("media/upload", file, names[kind], type=kind)).get("errcode", 0)
        for name, file in files.items()
    }
    assert answers == {name: 0 if name in good else 40005 for name in files}


@pytest.mark.parametrize(
    ("kind", "file", "limit"),
    [
        ("image", samples.PNG, (10 * MB, 40009)),
        ("voice", samples.amr(1), (2 * MB, 40010)),
        ("video", samples.MP4, (10 * MB, 40011)),
        ("thumb", samples.JPG, (64 * KB, 40012)),
    ],
)
@pytest.mark.parametrize("path", ["media/upload", "material/add_material"])
async def test_a_file_may_be_so_big(start: Start, path: str, kind: str, file: bytes, limit: tuple[int, int]) -> None:
    """The size that a kind may have is accepted, one byte more has the code of its kind."""
    api = await start(limits={"media": {"voice_seconds": 10**6}})
    most, errcode = limit
    fields = {"description": '{"title":"t"}'}
    answers = [
        await api.post_form(path, {"media": ("a", padded(file, size))}, fields, type=kind) for size in (most, most + 1)
    ]
    assert [answer.get("errcode", 0) for answer in answers] == [0, errcode]


async def test_a_body_that_is_too_big_for_anything_is_not_looked_at(start: Start) -> None:
    """45001; the connection stays usable."""
    api = await start(limits={"media": {"body": 300_000}})
    assert (await api.upload("media/upload", padded(samples.PNG, 299_000), type="image")).keys() >= {"media_id"}
    assert (await api.upload("media/upload", padded(samples.PNG, 1_000_000), type="image"))["errcode"] == 45001
    assert len(api.world.accounts["demo"].library) == 1
    assert await api.works(api.token) == 0


@pytest.mark.parametrize("kind", ["", "news", "music", "IMAGE"])
async def test_there_are_four_types(start: Start, kind: str) -> None:
    """Another type, or none, answers 40004."""
    api = await start()
    assert (await api.upload("media/upload", samples.PNG, type=kind))["errcode"] == 40004
    assert (await api.upload("media/upload", samples.PNG))["errcode"] == 40004


async def test_the_file_must_be_there(start: Start) -> None:
    """41005 without a field `media` that is a file, or in no multipart form; 44001 for an empty file."""
    api = await start()
    url, params = "/cgi-bin/media/upload", {"access_token": api.token, "type": "image"}
    torn = b'--x\r\nContent-Disposition: form-data; name="media"; filename="a.png"\r\n\r\n' + samples.PNG
    form = {"Content-Type": "multipart/form-data; boundary=x"}

    async def code(content: bytes, headers: dict[str, str]) -> int:
        response = await api.http.post(url, params=params, content=content, headers=headers)
        errcode: int = response.json()["errcode"]
        return errcode

    assert (await api.upload("media/upload", None, type="image"))["errcode"] == 41005
    assert (await api.post_form("media/upload", {"file": ("a.png", samples.PNG)}, {}, type="image"))["errcode"] == 41005
    assert (await api.post_form("media/upload", {}, {"media": "no file"}, type="image"))["errcode"] == 41005
    assert (await api.upload("media/upload", b"", "a.png", type="image"))["errcode"] == 44001
    assert await code(samples.PNG, {}) == 41005
    assert await code(torn, form) == 41005
    assert await code(torn, {"Content-Type": "multipart/form-data"}) == 41005
    assert await code(b"rubbish", form) == 41005
    assert len(api.world.accounts["demo"].library) == 0


async def test_verb_and_token_come_before_the_file(start: Start) -> None:
    """43002 for a GET, 41001 and 40014 for a token that is missing or wrong, whatever the body."""
    api = await start()
    assert await api.code("media/upload", type="image") == 43002
    assert (await api.upload("media/upload", samples.PNG, type="image", access_token=""))["errcode"] == 41001
    assert (await api.upload("media/upload", samples.PNG, type="image", access_token="rubbish"))["errcode"] == 40014


@pytest.mark.parametrize(
    ("voice", "errcode"),
    [
        (samples.amr(60), 0),
        (samples.amr(60.02), 45007),
        (samples.mp3(59.9), 0),
        (samples.mp3(61), 45007),
        (samples.mp3(59.9, tag=b"\xff\xf3\x18\xc4" * 100), 0),
        (samples.mp3(61, tag=bytes(300)), 45007),
        (samples.mp3_cd(2290), 0),
        (samples.mp3_cd(2300), 45007),
        (samples.mp3(1) + b"TAG" + bytes(125), 0),
    ],
)
async def test_a_voice_lasts_a_minute_at_most(start: Start, voice: bytes, errcode: int) -> None:
    """AMR and MP3 of more than 60 seconds answer 45007; tags before and after the sound do not count."""
    api = await start()
    answer = await api.upload("media/upload", voice, type="voice")
    assert answer.get("errcode", 0) == errcode


async def test_an_id_dies_after_three_days(start: Start) -> None:
    """It is good until then, again and again; afterwards it answers 40007. Ids are never given twice."""
    api = await start(limits={"user_per_month": 100})
    first, second = [await api.media_id("image", samples.PNG) for _ in range(2)]
    assert first != second
    await api.advance(THREE_DAYS - 60)
    assert [(await api.sendall_of(named("image", first), clientmsgid=f"{n}"))["errcode"] for n in range(2)] == [0, 0]
    await api.advance(60)
    assert (await api.sendall_of(named("image", first), clientmsgid="late"))["errcode"] == 40007


async def test_scale_shortens_the_three_days(start: Start) -> None:
    """With scale 60 an id lives for 72 minutes."""
    api = await start(sim={"scale": 60})
    media_id = await api.media_id("image", samples.PNG)
    await api.advance(THREE_DAYS / 60)
    assert (await api.sendall_of(named("image", media_id)))["errcode"] == 40007


async def test_a_picture_of_an_article_has_a_url(start: Start) -> None:
    """Uploadimg answers a URL of WeChat's picture host and nothing else, another one each time."""
    api = await start()
    answers = [await api.upload("media/uploadimg", samples.JPG) for _ in range(2)]
    assert [answer.keys() for answer in answers] == [{"url"}] * 2
    urls = [answer["url"] for answer in answers]
    assert urls[0] != urls[1]
    assert all(url.startswith("http://mmbiz.qpic.cn/mmbiz_jpg/") for url in urls)
    digest = hashlib.sha256(samples.JPG).hexdigest()
    assert [each["file"]["sha256"] for each in (await api.sim("pictures"))["pictures"]] == [digest] * 2


@pytest.mark.parametrize(
    ("file", "errcode"),
    [
        (padded(samples.PNG, MB - 1), 0),
        (padded(samples.PNG, MB), 40009),
        (samples.JPG, 0),
        (samples.GIF, 40005),
        (samples.TEXT, 40005),
        (b"", 44001),
        (None, 41005),
    ],
)
async def test_a_picture_of_an_article_is_small(start: Start, file: bytes | None, errcode: int) -> None:
    """JPEG or PNG of less than 1 MB."""
    api = await start()
    assert (await api.upload("media/uploadimg", file)).get("errcode", 0) == errcode


async def convert(api: Api, media_id: object, **words: str) -> Json:
    """Convert a video."""
    return await api.call("media/uploadvideo", {"media_id": media_id} | words)


async def test_only_a_converted_video_can_be_sent(start: Start) -> None:
    """Uploadvideo gives another id; mpvideo takes that one and answers 40007 to the uploaded one."""
    api = await start()
    video = await api.media_id("video", samples.MP4)
    answer = await convert(api, video, title="Film", description="Of spring")
    assert answer.keys() == {"type", "media_id", "created_at"}
    assert (answer["type"], answer["media_id"] != video) == ("video", True)
    assert (await api.sendall_of(named("mpvideo", video)))["errcode"] == 40007
    assert (await api.sendall_of(named("mpvideo", answer["media_id"])))["errcode"] == 0


async def test_what_can_be_converted(start: Start) -> None:
    """Temporary and permanent videos; 40007 for other kinds, dead ids and converted ones, 41006 without an id."""
    api = await start()
    answer = await api.post_form(
        "material/add_material", {"media": ("a", samples.MP4)}, {"description": '{"title":"t"}'}, type="video"
    )
    lasting, video = answer["media_id"], await api.media_id("video", samples.MP4)
    image = await api.media_id("image", samples.PNG)
    converted = (await convert(api, lasting))["media_id"]
    assert [(await convert(api, each)).get("errcode", 0) for each in (video, image, converted, "x", "", None)] == [
        0, 40007, 40007, 40007, 41006, 41006,
    ]  # fmt: skip
    await api.advance(THREE_DAYS)
    assert [(await convert(api, each)).get("errcode", 0) for each in (video, lasting)] == [40007, 0]
    assert (await api.sendall_of(named("mpvideo", converted)))["errcode"] == 40007


@pytest.mark.parametrize(("takes", "temporary", "permanent"), [("temporary", 0, 40007), ("permanent", 40007, 0)])
async def test_which_videos_are_converted_is_a_setting(
    start: Start, takes: str, temporary: int, permanent: int
) -> None:
    """Sources differ on whether uploadvideo wants a temporary or a permanent id."""
    api = await start(uploadvideo_takes=takes)
    answer = await api.post_form(
        "material/add_material", {"media": ("a", samples.MP4)}, {"description": '{"title":"t"}'}, type="video"
    )
    video = await api.media_id("video", samples.MP4)
    assert (await convert(api, video)).get("errcode", 0) == temporary
    assert (await convert(api, answer["media_id"])).get("errcode", 0) == permanent


async def test_ids_belong_to_their_account(start: Start) -> None:
    """Another account's media_id answers 40007."""
    accounts = {"demo": account_config(), "other": account_config(appid="wxfedcba9876543210")}
    api = await start(sim={"accounts": accounts})
    image, url, draft = await api.media_id("image", samples.PNG), await api.picture(samples.PNG), await api.draft()
    api.token = api.world.accounts["other"].tokens.stable(api.world.clock.now()).value
    for msgtype, media_id in (("image", image), ("mpnews", draft)):
        assert (await api.sendall_of(named(msgtype, media_id)))["errcode"] == 40007
    await api.draft(article(content=f'<img src="{url}">'))
    [theirs] = [each for each in api.world.accounts["other"].library if each.kind == "draft"]
    assert [picture.sha256 for picture in theirs.articles[0].pictures] == [""]


@pytest.mark.parametrize(
    ("path", "used", "limit"),
    [("media/upload", 1, 100_000), ("media/uploadnews", 0, 10), ("draft/add", 0, 1_000), ("draft/get", 0, 500)],
)
async def test_each_endpoint_has_its_daily_quota(start: Start, path: str, used: int, limit: int) -> None:
    """The quota endpoint tells the published numbers."""
    api = await start()
    await api.media_id("image", samples.PNG)
    quota = (await api.call("openapi/quota/get", {"cgi_path": f"/cgi-bin/{path}"}))["quota"]
    assert quota == {"daily_limit": limit, "used": used, "remain": limit - used}


async def test_uploads_are_not_kept_unless_ordered(start: Start) -> None:
    """Only digest, size and format stay; `keep_uploads` keeps the bytes in a folder that goes with the world."""
    api = await start()
    await api.media_id("image", samples.PNG)
    [material] = api.world.accounts["demo"].library
    assert material.upload is not None
    assert (material.upload.path, material.upload.size, material.upload.format) == (None, len(samples.PNG), "png")
    api = await start(sim={"keep_uploads": True})
    await api.media_id("image", samples.PNG)
    [material] = api.world.accounts["demo"].library
    assert material.upload is not None
    path = material.upload.path
    assert path is not None
    assert path.read_bytes() == samples.PNG
    await api.sim("reset", {})
    assert not path.exists()
