"""Material at WeChat: what is uploaded where, what is made of it, and what a refusal or a lost answer becomes."""

import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from qunfa.contract.message import Made
from qunfa.contract.steps import PictureOf
from qunfa.simulator import Fault, Simulator
from tests.activities.conftest import APPID, NOON, SECRET, Desk, settings_for, simulated
from tests.activities.workshop import Workshop, digest
from tests.media.samples import clip, noise, picture, recording, voice_message

FILES = {
    "image": ("a.png", picture()),
    "voice": ("a.mp3", recording()),
    "video": ("a.mp4", clip()),
    "thumb": ("a.jpg", picture("JPEG")),
    "cover": ("a.bmp", picture("BMP")),
    "picture": ("a.png", picture(colour="blue")),
}
ENDPOINTS = {
    "image": "/cgi-bin/media/upload?type=image",
    "voice": "/cgi-bin/media/upload?type=voice",
    "video": "/cgi-bin/media/upload?type=video",
    "thumb": "/cgi-bin/media/upload?type=thumb",
    "cover": "/cgi-bin/material/add_material?type=image",
    "picture": "/cgi-bin/media/uploadimg",
}


@pytest.fixture
async def workshop(desk: Desk, sim: Simulator, http: httpx.AsyncClient, tmp_path: Path) -> Workshop:
    """The activities, and every call that they make."""
    workshop = Workshop(desk, sim, tmp_path)

    async def note(request: httpx.Request) -> None:
        workshop.asked.append(request)

    http.event_hooks["request"].append(note)
    return workshop


@pytest.mark.parametrize("use", FILES)
async def test_each_use_has_its_endpoint(workshop: Workshop, use: str) -> None:
    """The very bytes of the file go there, with a length, and what comes back is an id, or a URL for a picture."""
    name, content = FILES[use]
    given = await workshop.upload(workshop.source(use, name, content))
    assert workshop.calls == [ENDPOINTS[use]]
    assert "content-length" in workshop.asked[-1].headers
    assert (given.use, given.sha256, given.made_at) == (use, digest(content), NOON)
    if use == "picture":
        assert given.media_id is None
        stored = workshop.account.library.pictures[given.url or ""]
    else:
        held = workshop.held(given.media_id or "")
        assert held.permanent is (use == "cover")
        assert held.upload is not None
        stored = held.upload
    assert (stored.sha256, stored.size) == (digest(content), len(content))


@pytest.mark.parametrize(
    ("use", "content", "extension", "content_type"),
    [
        ("voice", recording(), "mp3", "audio/mpeg"),
        ("voice", voice_message(), "amr", "audio/amr"),
        ("image", picture("JPEG"), "jpg", "image/jpeg"),
        ("image", picture("GIF"), "gif", "image/gif"),
        ("video", clip(), "mp4", "video/mp4"),
    ],
)
async def test_a_file_is_called_what_it_is(
    workshop: Workshop, use: str, content: bytes, extension: str, content_type: str
) -> None:
    """Its type and the end of its name follow its content: WeChat goes by them, and people misname files."""
    given = await workshop.upload(workshop.source(use, "春.dat", content))
    stored = workshop.held(given.media_id or "").upload
    assert stored is not None
    assert stored.content_type == content_type
    assert stored.filename.endswith(f".{extension}")
    assert stored.filename.isascii()


async def test_an_upload_tells_how_far_it_is(workshop: Workshop) -> None:
    """Its heartbeats have the bytes that were written, and nothing else."""
    content = noise(size=(600, 600))
    workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="slow_upload", seconds=0.5))
    source = workshop.source("image", "a.png", content)
    await workshop.upload(source, heartbeat_timeout=timedelta(seconds=0.3))
    assert workshop.beats
    for beat in workshop.beats:
        written, _, rest = beat.partition(" of ")
        assert 0 < int(written) <= len(content)
        assert rest == f"{len(content)} bytes"


async def test_a_source_that_changed_is_not_uploaded(workshop: Workshop) -> None:
    """What was looked at is what is sent: a person has to decide."""
    source = workshop.source("voice", "a.mp3", recording())
    (workshop.folder / "a.mp3").write_bytes(recording(4))
    with pytest.raises(ApplicationError, match=r"message\.media has other content now") as raised:
        await workshop.upload(source)
    assert (raised.value.type, raised.value.non_retryable) == ("SourceChanged", True)
    assert workshop.calls == []


async def test_a_source_that_is_gone_is_refused(workshop: Workshop) -> None:
    """No repeat helps."""
    source = workshop.source("voice", "a.mp3", recording())
    (workshop.folder / "a.mp3").unlink()
    with pytest.raises(ApplicationError, match=r"message\.media: .* there is no such file") as raised:
        await workshop.upload(source)
    assert (raised.value.type, raised.value.non_retryable) == ("SourceRefused", True)
    assert workshop.calls == []


async def test_a_picture_is_made_to_fit_on_its_way(workshop: Workshop) -> None:
    """What goes to WeChat is smaller than the source, by which it goes on to be known."""
    big = noise(size=(900, 900))
    given = await workshop.upload(workshop.source("picture", "big.png", big, fit=True))
    stored = workshop.account.library.pictures[given.url or ""]
    assert (given.sha256, stored.format) == (digest(big), "jpg")
    assert stored.size < 1024 * 1024 < len(big)


@pytest.mark.parametrize("errcode", [40009, 48001, 45074])
async def test_wechats_refusal_of_a_file_is_for_a_person(workshop: Workshop, errcode: int) -> None:
    """With the evidence, and what it was about."""
    workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="errcode", errcode=errcode))
    with pytest.raises(ApplicationError) as raised:
        await workshop.upload(workshop.source("voice", "a.mp3", recording()))
    assert (raised.value.type, raised.value.non_retryable) == ("MaterialRefused", True)
    [evidence] = raised.value.details
    assert (evidence["errcode"], evidence["about"]) == (errcode, "Uploading message.media")
    assert evidence["rid"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="errcode", errcode=-1, endpoint="media/upload"),
        Fault(kind="errcode", errcode=42001, endpoint="media/upload"),
        Fault(kind="errcode", errcode=45011, endpoint="media/upload"),
        Fault(kind="reset_in_upload", endpoint="media/upload"),
        Fault(kind="reset_after_accept", endpoint="media/upload"),
        Fault(kind="http_502", endpoint="media/upload"),
        Fault(kind="broken_json", endpoint="media/upload"),
        Fault(kind="errcode", errcode=-1, endpoint="stable_token"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.errcode}",
)
async def test_what_passes_is_tried_again(workshop: Workshop, fault: Fault) -> None:
    """Temporal repeats an upload that WeChat did not take, or whose answer was lost; the next one succeeds."""
    workshop.sim.world.faults.add(fault)
    source = workshop.source("voice", "a.mp3", recording())
    with pytest.raises(ApplicationError) as raised:
        await workshop.upload(source)
    assert (raised.value.type, raised.value.non_retryable) == ("WechatUnavailable", False)
    assert (await workshop.upload(source)).media_id


async def test_a_draft_as_on_wechats_page(workshop: Workshop) -> None:
    """Its fields in the page's order, the picture's URL replaced wherever it stands, the script gone."""
    cover, url = await workshop.cover(), await workshop.inside()
    content = (
        '<p onclick="x()"><img src="file:/i.png"></p><p style="background: url(file:/i.png)">x</p><script></script>'
    )
    made = await workshop.draft(
        {
            "title": "TITLE",
            "author": "AUTHOR",
            "digest": "DIGEST",
            "content": content,
            "content_source_url": "https://example.com/",
            "need_open_comment": 1,
        },
        covers=[cover],
        pictures=[PictureOf(uri="file:/i.png", url=url)],
    )
    written = f'<p><img src=\\"{url}\\"></p><p style=\\"background: url({url})\\">x</p>'
    assert workshop.calls[-1] == "/cgi-bin/draft/add"
    assert workshop.body.replace("&amp;", "&") == (
        '{"articles":[{"article_type":"news","title":"TITLE","author":"AUTHOR","digest":"DIGEST",'
        f'"content":"{written}","content_source_url":"https://example.com/","thumb_media_id":"{cover}",'
        '"need_open_comment":1,"only_fans_can_comment":0}]}'
    )
    assert (made.pictures, made.verified) == (((url,),), False)
    [article] = workshop.held(made.media_id).articles
    assert len(article.pictures) == 2


async def test_uploadnews_as_on_wechats_page(workshop: Workshop) -> None:
    """An account that goes this way has a temporary thumb, and `show_cover_pic`."""
    thumb = await workshop.upload(workshop.source("thumb", "a.jpg", picture("JPEG")))
    made = await workshop.draft(
        {
            "title": "Happy Day",
            "author": "xxx",
            "content": "content",
            "content_source_url": "www.qq.com",
            "digest": "digest",
            "show_cover_pic": 1,
            "need_open_comment": 1,
            "only_fans_can_comment": 1,
        },
        covers=[thumb.media_id],
        news_via="uploadnews",
    )
    assert workshop.calls[-1] == "/cgi-bin/media/uploadnews"
    assert workshop.body == (
        f'{{"articles":[{{"thumb_media_id":"{thumb.media_id}","author":"xxx","title":"Happy Day",'
        '"content_source_url":"www.qq.com","content":"content","digest":"digest","show_cover_pic":1,'
        '"need_open_comment":1,"only_fans_can_comment":1}]}'
    )
    assert workshop.held(made.media_id).kind == "news"


async def test_each_way_wants_its_own_kind_of_cover(workshop: Workshop) -> None:
    """A permanent one is refused by uploadnews and a temporary one by draft/add (40007): for a person."""
    cover = await workshop.cover()
    thumb = await workshop.upload(workshop.source("thumb", "a.jpg", picture("JPEG")))
    for media_id, news_via in ((cover, "uploadnews"), (thumb.media_id, "draft")):
        with pytest.raises(ApplicationError) as raised:
            await workshop.draft({"content": "x"}, covers=[media_id], news_via=news_via)
        assert raised.value.type == "MaterialRefused"
        assert raised.value.details[0]["errcode"] == 40007


async def test_a_content_that_grows_too_long(workshop: Workshop) -> None:
    """WeChat's URLs are longer than those that they replace: that is found before WeChat is asked."""
    content = "x" * 19_950 + '<img src="file:/i.png">'
    with pytest.raises(ApplicationError, match=r"message\.articles\[0\]\.content: has 20,\d+ characters") as raised:
        await workshop.draft(
            {"content": content},
            covers=["T"],
            pictures=[PictureOf(uri="file:/i.png", url=f"https://mmbiz.qpic.cn/{'y' * 80}/0")],
        )
    assert (raised.value.type, raised.value.non_retryable) == ("MaterialRefused", True)
    assert workshop.calls == []


@pytest.mark.parametrize("news_via", ["draft", "uploadnews"])
async def test_a_picture_that_was_not_uploaded_is_not_left_to_vanish(workshop: Workshop, news_via: str) -> None:
    """WeChat would drop it without a word, and of uploadnews nobody can ask what was kept."""
    with pytest.raises(
        ApplicationError, match=r"articles\[0\]\.content: its picture file:///i\.png was not uploaded"
    ) as raised:
        await workshop.draft({"content": '<img src="file:/i.png">'}, covers=["T"], news_via=news_via)
    assert (raised.value.type, raised.value.non_retryable) == ("MaterialRefused", True)
    assert workshop.calls == []


@pytest.mark.parametrize("given_back", ["src", "data-src"])
async def test_a_draft_that_is_whole(workshop: Workshop, given_back: str) -> None:
    """However WeChat gives the pictures back."""
    account = simulated().accounts["demo"].model_dump() | {"secret": SECRET, "draft_pictures": given_back}
    await workshop.sim.reset(simulated(accounts={"demo": account | {"appid": APPID}}))
    cover, url = await workshop.cover(), await workshop.inside()
    content = '<img src="file:/i.png"><p style="background-image: url(&quot;file:/i.png&quot;)">x</p>'
    made = await workshop.draft(
        {"content": content}, {"content": "none"}, covers=[cover, cover], pictures=[{"uri": "file:/i.png", "url": url}]
    )
    assert (await workshop.check(made)).lost == ()


@pytest.mark.parametrize("whose", ["ours", "given"])
async def test_a_picture_that_wechat_drops_is_found(workshop: Workshop, whose: str) -> None:
    """One that was uploaded for the article, and one that already was WeChat's when the request came."""
    cover, url = await workshop.cover(), await workshop.inside()
    uri = "file:/i.png" if whose == "ours" else url
    pictures = [PictureOf(uri=uri, url=url)] if whose == "ours" else []
    workshop.sim.world.faults.add(Fault(endpoint="draft/add", kind="picture_lost"))
    made = await workshop.draft(
        {"content": "none"}, {"content": f'<img src="{uri}">'}, covers=[cover, cover], pictures=pictures
    )
    assert (await workshop.check(made)).lost == (f"article 2: {url}",)


async def test_a_video_is_converted(workshop: Workshop) -> None:
    """The page's body; the id that comes back is another one, and the one that can be sent."""
    clip_id = (await workshop.upload(workshop.source("video", "a.mp4", clip()))).media_id
    assert clip_id is not None
    made = await workshop.convert(clip_id)
    assert workshop.calls[-1] == "/cgi-bin/media/uploadvideo"
    assert workshop.body == f'{{"media_id":"{clip_id}","title":"TITLE","description":"Description"}}'
    assert (workshop.held(made.media_id).kind, made.made_at) == ("mass_video", NOON)


async def test_material_for_another_account_is_refused(workshop: Workshop) -> None:
    """None of the four asks anything of a WeChat that is not the one the send has pinned."""
    workshop.desk.settings = settings_for("http://127.0.0.1:10")
    made = Made(media_id="D", made_at=NOON)
    voice = workshop.source("voice", "a.mp3", recording())
    for call in (
        workshop.upload(voice),
        workshop.draft({"content": "x"}, covers=["T"]),
        workshop.check(made),
        workshop.convert("V"),
    ):
        with pytest.raises(ApplicationError) as raised:
            await call
        assert (raised.value.type, raised.value.non_retryable) == ("AccountChanged", True)
    assert workshop.calls == []


async def test_no_token_is_in_what_an_upload_leaves(workshop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an id nor a failure nor a heartbeat nor a log line has it."""
    token = (await workshop.desk.accounts.token("demo")).get_secret_value()
    workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="reset_in_upload"))
    source = workshop.source("voice", "a.mp3", recording())
    with pytest.raises(ApplicationError) as raised:
        await workshop.upload(source)
    given = await workshop.upload(source)
    told = [str(raised.value), repr(raised.value.details), *workshop.beats, json.dumps(given.model_dump(mode="json"))]
    assert token not in " ".join([*told, caplog.text])
