import json

import pytest

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, named

YEAR = 365 * 86400


async def video(api: Api, description: str | None) -> Json:
    """Permanent material: a video with that field of the form."""
    fields = {} if description is None else {"description": description}
    return await api.post_form("material/add_material", {"media": ("a.mp4", samples.MP4)}, fields, type="video")


async def test_only_an_image_has_a_url(start: Start) -> None:
    """add_material answers media_id; for an image also a URL that may stand in articles."""
    api = await start()
    image = await api.upload("material/add_material", samples.BMP, type="image")
    assert image.keys() == {"media_id", "url"}
    assert api.world.accounts["demo"].library.picture(image["url"]).sha256
    for kind, file in (("thumb", samples.JPG), ("voice", samples.WMA)):
        assert (await api.upload("material/add_material", file, type=kind)).keys() == {"media_id"}


@pytest.mark.parametrize(
    ("kind", "good"),
    [("image", {"png", "jpg", "gif", "bmp"}), ("voice", {"amr", "mp3", "wav", "wma"}), ("thumb", {"jpg"})],
)
async def test_permanent_material_has_more_formats(start: Start, kind: str, good: set[str]) -> None:
    """BMP images and WAV and WMA voices are accepted here; anything else answers 40005."""
    api = await start()
    files = {
        "png": samples.PNG, "jpg": samples.JPG, "gif": samples.GIF, "bmp": samples.BMP, "mp4": samples.MP4,
        "amr": samples.amr(1), "mp3": samples.mp3(1), "wav": samples.WAV, "wma": samples.WMA, "txt": samples.TEXT,
    }  # fmt: skip
    answers = {
        name: (await api.upload("material/add_material", file, type=kind)).get("errcode", 0)
        for name, file in files.items()
    }
    assert answers == {name: 0 if name in good else 40005 for name in files}


@pytest.mark.parametrize(
    ("description", "errcode"),
    [
        ('{"title":"Film","introduction":"Of spring"}', 0),
        ('{"title":"Film"}', 0),
        ('{"title":""}', 40035),
        ("{}", 40035),
        ("[]", 40035),
        ("Film", 47001),
        (None, 47001),
    ],
)
async def test_a_video_needs_a_description(start: Start, description: str | None, errcode: int) -> None:
    """A JSON text with a title in a field of the form."""
    api = await start()
    assert (await video(api, description)).get("errcode", 0) == errcode


async def test_the_description_is_remembered(start: Start) -> None:
    """Title and introduction of the video, in Chinese as well."""
    api = await start()
    words = {"title": "春天", "introduction": "花"}
    media_id = (await video(api, json.dumps(words, ensure_ascii=False)))["media_id"]
    material = api.world.accounts["demo"].library.get(media_id)
    assert material is not None
    assert (material.title, material.description, material.permanent) == ("春天", "花", True)


async def test_permanent_material_lives_until_it_is_deleted(start: Start) -> None:
    """A year later it can be sent; after del_material it answers 40007, also to del_material."""
    api = await start()
    media_id = await api.media_id("image", samples.PNG, permanent=True)
    await api.advance(YEAR)
    assert (await api.sendall_of(named("image", media_id), clientmsgid="a"))["errcode"] == 0
    assert await api.code("material/del_material", {"media_id": media_id}) == 0
    assert await api.code("material/del_material", {"media_id": media_id}) == 40007
    assert (await api.sendall_of(named("image", media_id), clientmsgid="b"))["errcode"] == 40007


async def test_only_permanent_material_can_be_deleted(start: Start) -> None:
    """A temporary id and a draft's answer 40007."""
    api = await start()
    for media_id in (await api.media_id("image", samples.PNG), await api.draft(), "gone"):
        assert await api.code("material/del_material", {"media_id": media_id}) == 40007


async def test_the_material_is_counted(start: Start) -> None:
    """get_materialcount tells what is permanent and not deleted."""
    api = await start()
    await api.media_id("image", samples.PNG)
    gone = await api.media_id("voice", samples.WAV, permanent=True)
    await api.media_id("voice", samples.WAV, permanent=True)
    await api.media_id("thumb", samples.JPG, permanent=True)
    await api.call("material/del_material", {"media_id": gone})
    assert await api.call("material/get_materialcount") == {
        "voice_count": 1, "video_count": 0, "image_count": 1, "news_count": 0,
    }  # fmt: skip


async def test_the_library_is_full_at_some_point(start: Start) -> None:
    """45074 for one more than may be stored; a deletion makes room; the kinds are counted on their own."""
    api = await start(limits={"media": {"images_stored": 1, "others_stored": 1}})
    image = await api.media_id("image", samples.PNG, permanent=True)
    await api.media_id("thumb", samples.JPG, permanent=True)
    for kind, file in (("image", samples.PNG), ("thumb", samples.JPG)):
        assert (await api.upload("material/add_material", file, type=kind))["errcode"] == 45074
    await api.call("material/del_material", {"media_id": image})
    assert "media_id" in await api.upload("material/add_material", samples.PNG, type="image")


async def test_add_news_is_no_more(start: Start) -> None:
    """45103: articles go to the draft box."""
    api = await start()
    assert await api.code("material/add_news", {"articles": []}) == 45103
