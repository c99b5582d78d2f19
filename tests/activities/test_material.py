"""Material at WeChat: what is uploaded where, what is made of it, and what a refusal or a lost answer becomes."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.testing import ActivityEnvironment

from activities.material import Material
from activities.sources import MaterialInspection, Reader
from qunfa.article import cleaning
from qunfa.contract.message import Made, Source, Uploaded
from qunfa.contract.result import Answer
from qunfa.contract.steps import (
    MATERIAL_REFUSED,
    CheckDraftStep,
    ConvertStep,
    DraftFinding,
    DraftStep,
    InspectStep,
    PictureOf,
    UploadStep,
)
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from qunfa.rules.submission import problem_of
from qunfa.simulator import Fault, Simulator
from qunfa.simulator.content import Material as Held
from qunfa.simulator.uploads import Upload as Stored
from tests.activities.conftest import APPID, NOON, SECRET, Desk, activity_info, attempt, failed, simulated
from tests.media.samples import clip, noise, picture, recording, voice_message

UPLOAD = "/cgi-bin/media/upload?type="
USES = {
    "image": ("a.png", picture(), f"{UPLOAD}image"),
    "voice": ("a.mp3", recording(), f"{UPLOAD}voice"),
    "video": ("a.mp4", clip(), f"{UPLOAD}video"),
    "thumb": ("a.jpg", picture("JPEG"), f"{UPLOAD}thumb"),
    "cover": ("a.bmp", picture("BMP"), "/cgi-bin/material/add_material?type=image"),
    "picture": ("a.png", picture(colour="blue"), "/cgi-bin/media/uploadimg"),
}


@dataclass
class Workshop:
    """The activities that make material, the simulated WeChat that they ask, and a folder that they may read."""

    desk: Desk
    sim: Simulator
    folder: Path
    asked: list[httpx.Request] = field(default_factory=list)

    @property
    def material(self) -> Material:
        return Material(self.desk.accounts, self.reader)

    @property
    def reader(self) -> Reader:
        return Reader(Sources(SourcePolicy(roots=(self.folder,))))

    @property
    def calls(self) -> list[str]:
        """Path and type of every call but those for tokens."""
        urls = [request.url for request in self.asked if "token" not in request.url.path]
        return [f"{url.path}?type={url.params['type']}" if "type" in url.params else url.path for url in urls]

    @property
    def body(self) -> str:
        return self.asked[-1].content.decode()

    def source(self, use: str, name: str = "", content: bytes = b"", **more: Any) -> Source:
        """A file as it was found; by its use alone, the sample for it."""
        name, content = (name, content) if content else USES[use][:2]
        (self.folder / name).write_bytes(content)
        found = {"place": "message.media", "uri": (self.folder / name).as_uri(), "use": use}
        return Source.model_validate({**found, "sha256": sha256(content).hexdigest(), "size": len(content), **more})

    async def upload(self, source: Source) -> Uploaded:
        step = UploadStep(account=self.desk.pinned, source=source)
        return await attempt(self.material.upload, step, started_time=NOON)

    async def draft(self, *articles: dict[str, Any], **more: Any) -> Made:
        given = [{"title": "t", "thumb": {"media_id": "unused"}, **article} for article in articles]
        fields = {"account": self.desk.pinned, "articles": given, **more}
        return await attempt(self.material.make_draft, DraftStep.model_validate(fields), started_time=NOON)

    async def check(self, made: Made) -> DraftFinding:
        step = CheckDraftStep(account=self.desk.pinned, media_id=made.media_id, pictures=made.pictures)
        return await attempt(self.material.check_draft, step)

    async def made(self, use: str) -> str:
        """The media_id of an uploaded sample, or the URL of a picture."""
        given = await self.upload(self.source(use))
        return given.media_id or given.url or ""

    def held(self, media_id: str | None) -> Held:
        held = self.sim.world.accounts["demo"].library.get(media_id or "")
        assert held is not None
        return held

    def stored(self, given: Uploaded) -> Stored:
        stored = self.held(given.media_id).upload
        assert stored is not None
        return stored


@pytest.fixture
async def workshop(desk: Desk, sim: Simulator, http: httpx.AsyncClient, tmp_path: Path) -> Workshop:
    """The activities, and every call that they make."""
    workshop = Workshop(desk, sim, tmp_path)

    async def note(request: httpx.Request) -> None:
        workshop.asked.append(request)

    http.event_hooks["request"].append(note)
    return workshop


@pytest.mark.parametrize("use", USES)
async def test_each_use_has_its_endpoint(workshop: Workshop, use: str) -> None:
    """The very bytes of the file go there, with a length, and what comes back is an id, or a URL for a picture."""
    name, content, endpoint = USES[use]
    source = workshop.source(use)
    given = await workshop.upload(source)
    assert workshop.calls == [endpoint]
    assert "content-length" in workshop.asked[-1].headers
    assert (given.use, given.sha256, given.made_at) == (use, source.sha256, NOON)
    if use == "picture":
        assert given.media_id is None
        stored = workshop.sim.world.accounts["demo"].library.pictures[given.url or ""]
    else:
        assert workshop.held(given.media_id).permanent is (use == "cover")
        stored = workshop.stored(given)
        assert stored.filename == name
    assert (stored.sha256, stored.size) == (source.sha256, len(content))


@pytest.mark.parametrize(
    ("use", "content", "extension", "content_type"),
    [
        ("voice", recording(), "mp3", "audio/mpeg"),
        ("voice", voice_message(), "amr", "audio/amr"),
        *(("image", picture(form), end, f"image/{form.lower()}") for form, end in (("JPEG", "jpg"), ("GIF", "gif"))),
        ("video", clip(), "mp4", "video/mp4"),
    ],
)
async def test_a_file_is_called_what_it_is(
    workshop: Workshop, use: str, content: bytes, extension: str, content_type: str
) -> None:
    """Its type and the end of its name follow its content: WeChat goes by them, and people misname files."""
    stored = workshop.stored(await workshop.upload(workshop.source(use, "春.dat", content)))
    assert (stored.content_type, stored.filename) == (content_type, f"media.dat.{extension}")


async def test_an_upload_tells_how_far_it_is(workshop: Workshop) -> None:
    """Its heartbeats have the bytes that were written, and nothing else."""
    content = noise(size=(600, 600))
    workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="slow_upload", seconds=0.5))
    step = UploadStep(account=workshop.desk.pinned, source=workshop.source("image", "a.png", content))
    beats: list[str] = []
    environment = ActivityEnvironment()
    environment.info = activity_info(heartbeat_timeout=timedelta(seconds=0.3))
    environment.on_heartbeat = lambda *details: beats.extend(details)
    await environment.run(workshop.material.upload, step)
    assert beats
    for beat in beats:
        written, _, rest = beat.partition(" of ")
        assert 0 < int(written) <= len(content)
        assert rest == f"{len(content)} bytes"


@pytest.mark.parametrize(
    ("now", "kind", "said"),
    [
        (recording(4), "SourceChanged", r"message\.media has other content now"),
        (None, "SourceRefused", r"message\.media: .* there is no such file"),
    ],
    ids=["changed", "gone"],
)
async def test_only_what_was_looked_at_is_uploaded(workshop: Workshop, now: bytes | None, kind: str, said: str) -> None:
    """Where a source has changed, or is gone, no repeat helps: a person has to decide."""
    source = workshop.source("voice")
    (workshop.folder / "a.mp3").unlink()
    if now is not None:
        (workshop.folder / "a.mp3").write_bytes(now)
    await failed(workshop.upload(source), kind, said, lasting=True)
    assert workshop.calls == []


async def test_a_picture_of_an_article_is_named_by_its_file(workshop: Workshop) -> None:
    """Where it has changed, and where WeChat refuses it: all pictures of a content have the content's place."""
    source = workshop.source("picture", "2.png", picture(), place="message.articles[0].content")
    workshop.sim.world.faults.add(Fault(endpoint="media/uploadimg", kind="errcode", errcode=40009))
    raised = await failed(workshop.upload(source), "MaterialRefused", lasting=True)
    assert raised.details[0]["about"] == "Uploading message.articles[0].content (2.png)"
    workshop.source("picture", "2.png", picture(colour="blue"))
    said = r"message\.articles\[0\]\.content \(2\.png\) has other content now"
    await failed(workshop.upload(source), "SourceChanged", said, lasting=True)


async def test_a_picture_is_made_to_fit_on_its_way(workshop: Workshop) -> None:
    """What goes to WeChat is smaller than the source, by which it goes on to be known."""
    big = noise(size=(900, 900))
    source = workshop.source("picture", "big.png", big, fit=True)
    given = await workshop.upload(source)
    stored = workshop.sim.world.accounts["demo"].library.pictures[given.url or ""]
    assert (given.sha256, stored.format) == (source.sha256, "jpg")
    assert stored.size < 1024 * 1024 < len(big)


@pytest.mark.parametrize("errcode", [40009, 53999], ids=["too big", "in no table"])
async def test_wechats_refusal_of_a_file_is_for_a_person(workshop: Workshop, errcode: int) -> None:
    """With the evidence, and what it was about. Nobody would see that an upload is tried for ever."""
    workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="errcode", errcode=errcode))
    raised = await failed(workshop.made("voice"), "MaterialRefused", lasting=True)
    [evidence] = raised.details
    assert (evidence["errcode"], evidence["about"]) == (errcode, "Uploading message.media")
    assert evidence["rid"]


async def test_a_token_that_is_always_refused_is_for_a_person(workshop: Workshop) -> None:
    """The sixth attempt asks with two of them, one fetched meanwhile: it is not the token that is wrong."""
    step = UploadStep(account=workshop.desk.pinned, source=workshop.source("voice"))
    for number in range(1, 7):
        for _ in range(1 if number < 6 else 2):
            workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="errcode", errcode=40001))
        kind = "WechatUnavailable" if number < 6 else "MaterialRefused"
        raised = await failed(attempt(workshop.material.upload, step, attempt=number), kind, lasting=number == 6)
    answer = Answer(kind="refused", at=NOON, errcode=raised.details[0]["errcode"])
    assert problem_of(answer) == "account_refused"


async def test_an_outage_of_the_workers_ends_no_making(workshop: Workshop) -> None:
    """An attempt that was due before it is repeated. One that is due a day after the first is the last."""
    step = UploadStep(account=workshop.desk.pinned, source=workshop.source("voice"))
    first = NOON - timedelta(days=3)
    for due in (first + timedelta(minutes=5), NOON):
        workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="errcode", errcode=-1))
        times = {"scheduled_time": first, "current_attempt_scheduled_time": due, "started_time": NOON}
        await failed(attempt(workshop.material.upload, step, **times), "WechatUnavailable", lasting=due == NOON)


async def test_a_first_refused_token_is_replaced_also_late(workshop: Workshop) -> None:
    """What the attempts before have failed for was no token."""
    step = UploadStep(account=workshop.desk.pinned, source=workshop.source("voice"))
    for errcode in (*[-1] * 5, 42001):
        workshop.sim.world.faults.add(Fault(endpoint="media/upload", kind="errcode", errcode=errcode))
    for number in range(1, 6):
        await failed(attempt(workshop.material.upload, step, attempt=number), "WechatUnavailable")
    assert (await attempt(workshop.material.upload, step, attempt=6)).media_id


@pytest.mark.parametrize("kind", ["reset_in_upload", "reset_after_accept", "http_502", "broken_json"])
async def test_a_lost_upload_is_made_again(workshop: Workshop, kind: str) -> None:
    """Temporal repeats an upload that WeChat did not take, or whose answer was lost; the next one succeeds."""
    workshop.sim.world.faults.add(Fault.model_validate({"endpoint": "media/upload", "kind": kind}))
    await failed(workshop.made("voice"), "WechatUnavailable")
    assert len(workshop.sim.world.accounts["demo"].library) == (kind != "reset_in_upload")
    assert await workshop.made("voice")


async def test_a_draft_as_on_wechats_page(workshop: Workshop) -> None:
    """Its fields, the picture's URL replaced wherever it stands, the script gone."""
    cover, url = await workshop.made("cover"), await workshop.made("picture")
    content = (
        '<p onclick="x()"><img src="file:/i.png"></p><p style="background: url(file:/i.png)">x</p><script></script>'
    )
    words = {"title": "TITLE", "author": "AUTHOR", "digest": "DIGEST", "content_source_url": "https://example.com/"}
    made = await workshop.draft(
        {**words, "content": content, "need_open_comment": 1},
        covers=[cover],
        pictures=[PictureOf(uri="file:/i.png", url=url)],
    )
    written = f'<p><img src=\\"{url}\\"></p><p style=\\"background: url({url})\\">x</p>'
    assert workshop.calls[-1] == "/cgi-bin/draft/add"
    assert workshop.body.replace("&amp;", "&") == (
        f'{{"articles":[{{"article_type":"news","thumb_media_id":"{cover}","author":"AUTHOR","title":"TITLE",'
        f'"content_source_url":"https://example.com/","content":"{written}","digest":"DIGEST",'
        '"need_open_comment":1,"only_fans_can_comment":0}]}'
    )
    assert (made.pictures, made.verified) == (((url,),), False)
    [article] = workshop.held(made.media_id).articles
    assert len(article.pictures) == 2


async def test_uploadnews_as_on_wechats_page(workshop: Workshop) -> None:
    """An account that goes this way has a temporary thumb, and `show_cover_pic`."""
    thumb = await workshop.made("thumb")
    words = {"title": "Happy Day", "author": "xxx", "digest": "digest", "content_source_url": "www.qq.com"}
    flags = {"show_cover_pic": 1, "need_open_comment": 1, "only_fans_can_comment": 1}
    article = {**words, **flags, "content": "content"}
    made = await workshop.draft(article, covers=[thumb], news_via="uploadnews")
    assert workshop.calls[-1] == "/cgi-bin/media/uploadnews"
    assert workshop.body == (
        f'{{"articles":[{{"thumb_media_id":"{thumb}","author":"xxx","title":"Happy Day",'
        '"content_source_url":"www.qq.com","content":"content","digest":"digest","show_cover_pic":1,'
        '"need_open_comment":1,"only_fans_can_comment":1}]}'
    )
    assert workshop.held(made.media_id).kind == "news"


@pytest.mark.parametrize("version", ["same", "other"])
async def test_a_draft_says_what_was_looked_at(
    workshop: Workshop, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker of a version with other rules would make of an article was shown to nobody."""
    picture, cover = workshop.source("picture"), await workshop.made("cover")
    content = f'<p title="a">x</p><script></script><img src="{picture.uri}">'
    article = {"title": "t", "content": content, "thumb": {"media_id": cover}}
    articles = [{**article, "content": "y"}, article]
    message = {"msgtype": "mpnews", "articles": articles}
    look = InspectStep.model_validate({"account": workshop.desk.pinned, "message": message})
    found = await attempt(MaterialInspection(workshop.desk.accounts, workshop.reader).inspect, look)
    if version == "other":
        monkeypatch.setattr(cleaning, "_ANYWHERE", frozenset())
    pictures = [PictureOf(uri=picture.uri, url=await workshop.made("picture"), sha256=found.sources[0].sha256)]
    draft = workshop.draft(*articles, covers=[cover, cover], pictures=pictures, contents=found.contents)
    if version == "same":
        assert "<script>" not in workshop.held((await draft).media_id).articles[1].content
    else:
        await failed(draft, "SourceChanged", r"articles\[1\]\.content is cleaned otherwise", lasting=True)
        assert not [call for call in workshop.calls if "draft" in call]


LONG = PictureOf(uri="file:/i.png", url=f"https://mmbiz.qpic.cn/{'y' * 80}/0")


@pytest.mark.parametrize(
    ("content", "pictures", "said"),
    [("x" * 19_950, [LONG], r": has 20,\d+ characters"), ("", [], r": its picture file:/i\.png was not uploaded")],
    ids=["too long with WeChat's URLs", "without its picture"],
)
@pytest.mark.parametrize("news_via", ["draft", "uploadnews"])
async def test_an_article_that_would_not_be_whole_is_not_made(
    workshop: Workshop, content: str, pictures: list[PictureOf], said: str, news_via: str
) -> None:
    """WeChat would drop the picture without a word. It is not asked, and a person is told."""
    article = {"content": content + '<img src="file:/i.png">'}
    await failed(
        workshop.draft(article, covers=["T"], pictures=pictures, news_via=news_via),
        "MaterialRefused",
        rf"articles\[0\]\.content{said}",
        lasting=True,
    )
    assert workshop.calls == []


@pytest.mark.parametrize("given_back", ["src", "data-src"])
async def test_a_draft_that_is_whole(workshop: Workshop, given_back: str) -> None:
    """However WeChat gives the pictures back."""
    account = {"appid": APPID, "secret": SECRET, "draft_pictures": given_back}
    await workshop.sim.reset(simulated(accounts={"demo": account}))
    cover, url = await workshop.made("cover"), await workshop.made("picture")
    content = '<img src="file:/i.png"><p style="background-image: url(&quot;file:/i.png&quot;)">x</p>'
    made = await workshop.draft(
        {"content": content}, {"content": "none"}, covers=[cover, cover], pictures=[{"uri": "file:/i.png", "url": url}]
    )
    assert (await workshop.check(made)).lost == ()


@pytest.mark.parametrize("whose", ["ours", "given"])
async def test_a_picture_that_wechat_drops_is_found(workshop: Workshop, whose: str) -> None:
    """One that was uploaded for the article, and one that already was WeChat's when the request came."""
    cover, url = await workshop.made("cover"), await workshop.made("picture")
    uri = "file:/i.png" if whose == "ours" else url
    pictures = [PictureOf(uri=uri, url=url)] if whose == "ours" else []
    workshop.sim.world.faults.add(Fault(endpoint="draft/add", kind="picture_lost"))
    made = await workshop.draft(
        {"content": "none"}, {"content": f'<img src="{uri}">'}, covers=[cover, cover], pictures=pictures
    )
    assert (await workshop.check(made)).lost == (f"article 2: {url}",)


async def test_a_draft_that_comes_back_too_big_is_for_a_person(workshop: Workshop) -> None:
    """WeChat may add to it. To look again would never end, and a lost picture must not go out unseen."""
    cover, url = await workshop.made("cover"), await workshop.made("picture")
    pictures = [PictureOf(uri="file:/i.png", url=url)]
    made = await workshop.draft({"content": '<img src="file:/i.png">'}, covers=[cover], pictures=pictures)
    draft = workshop.held(made.media_id)
    draft.articles = tuple(replace(article, content="<b>x</b>" * 7_100) for article in draft.articles)
    said = "account demo: article 1, as WeChat gives it back, cannot be looked at: it has more than 7,000 elements"
    await failed(workshop.check(made), MATERIAL_REFUSED, said, lasting=True)


async def test_a_video_is_converted(workshop: Workshop) -> None:
    """The page's body; the id that comes back is another one, and the one that can be sent."""
    clip_id = await workshop.made("video")
    step = ConvertStep(account=workshop.desk.pinned, media_id=clip_id, title="TITLE", description="Description")
    made = await attempt(workshop.material.convert_video, step, started_time=NOON)
    assert workshop.calls[-1] == "/cgi-bin/media/uploadvideo"
    assert workshop.body == f'{{"media_id":"{clip_id}","title":"TITLE","description":"Description"}}'
    assert (workshop.held(made.media_id).kind, made.made_at) == ("mass_video", NOON)
