"""The look at material: every source read, hashed and checked, and all that is wrong said at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from activities.accounts import Accounts
from activities.sources import AT_ONCE, MaterialInspection, Reader
from qunfa.contract.message import Inspection, NewsVia
from qunfa.contract.steps import InspectStep, Pinned
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Sources
from tests.activities.conftest import APPID, attempt, failed, settings_for
from tests.media.samples import encoded, noise, picture, recording
from tests.media.sources.site import Site, response, serve

WECHAT = "http://127.0.0.1:9"
"""Where nobody listens: to look at material, WeChat is not asked."""


@dataclass
class Bench:
    """An inspection, and a folder and a site that it may read."""

    folder: Path
    site: Site
    http: httpx.AsyncClient

    def put(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return (self.folder / name).as_uri()

    def serve(self, path: str, content: bytes) -> str:
        self.site.pages[path] = response(content)
        return self.site.url(path)

    async def inspect(self, message: dict[str, Any], **more: Any) -> Inspection:
        sources = Sources(SourcePolicy(roots=(self.folder,), hosts=(self.site.authority,)))
        accounts = Accounts(settings_for(WECHAT), self.http)
        inspection = MaterialInspection(accounts, Reader(sources))
        account = Pinned(name="demo", appid=APPID, base_url=WECHAT)
        step = InspectStep.model_validate({"account": account, "message": message, **more})
        return await attempt(inspection.inspect, step)


@pytest.fixture
async def bench(tmp_path: Path, http: httpx.AsyncClient) -> AsyncIterator[Bench]:
    """An inspection with a folder and a site to read from."""
    async with serve() as site:
        yield Bench(tmp_path, site, http)


def news(*articles: dict[str, Any]) -> dict[str, Any]:
    return {"msgtype": "mpnews", "articles": [{"title": "t", **article} for article in articles]}


async def test_a_source_is_known_by_its_content(bench: Bench) -> None:
    """Place, use, size and SHA-256, and the format that it has, whatever its name says."""
    content = recording()
    found = await bench.inspect({"msgtype": "voice", "media": {"uri": bench.put("a.png", content)}})
    [source] = found.sources
    assert (source.place, source.use, source.size) == ("message.media", "voice", len(content))
    assert (source.sha256, source.kind, source.fit) == (sha256(content).hexdigest(), "mp3", False)
    assert found.problems == ()


@pytest.mark.parametrize(("news_via", "use"), [("draft", "cover"), ("uploadnews", "thumb")])
async def test_each_source_has_its_place(bench: Bench, news_via: str, use: str) -> None:
    """Covers and pictures of several articles; what WeChat holds is none."""
    cover, inside = bench.put("c.jpg", picture("JPEG")), bench.put("i.png", picture())
    content = f'<img src="{inside}"><img src="https://mmbiz.qpic.cn/mmbiz_png/x/0">'
    message = news({"content": content, "thumb": {"media_id": "T"}}, {"content": content, "thumb": {"uri": cover}})
    found = await bench.inspect(message, news_via=news_via)
    assert [(source.place, source.use) for source in found.sources] == [
        ("message.articles[0].content", "picture"),
        ("message.articles[1].thumb", use),
        ("message.articles[1].content", "picture"),
    ]


async def test_no_more_than_a_few_are_read_at_once(bench: Bench) -> None:
    """The others wait, so that many sources need little room."""
    now, most, go = 0, 0, asyncio.Event()

    async def held(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        if now == AT_ONCE:
            go.set()
        await go.wait()
        writer.write(response(picture()))
        now -= 1

    bench.site.pages |= {f"/{number}": held for number in range(3 * AT_ONCE)}
    images = [{"uri": bench.site.url(path)} for path in bench.site.pages]
    found = await bench.inspect({"msgtype": "image", "images": images})
    assert (len(found.sources), most) == (3 * AT_ONCE, AT_ONCE)


async def test_all_problems_come_together(bench: Bench) -> None:
    """Of several articles, of covers, contents and the pictures in them, each with its place."""
    big, text = bench.put("big.png", noise()), bench.put("a.jpg", b"no picture")
    message = news(
        {"content": f'<img src="pictures/a.png"><img src="{big}">', "thumb": {"uri": text}},
        {"content": "<i>" * 300 + "x", "thumb": {"uri": bench.put("empty.jpg", b"")}},
        {"content": "fine", "thumb": {"uri": (bench.folder / "missing.jpg").as_uri()}},
        *[{"content": "fine", "thumb": {"uri": bench.put("c.mp3", recording())}}] * 2,
    )
    found = await bench.inspect(message)
    expected = [
        ("message.articles[0].content: ", "relative URL"),
        ("message.articles[0].thumb: ", "is plain text"),
        ("message.articles[0].content (big.png): ", "WeChat takes less than 1 MB"),
        ("message.articles[1].content: ", "nested more than 200 elements deep"),
        ("message.articles[1].thumb: ", "it is empty"),
        ("message.articles[2].thumb: ", "there is no such file"),
        ("message.articles[3].thumb: ", "an MP3 recording"),
        ("message.articles[4].thumb: ", "an MP3 recording"),
    ]
    assert len(found.problems) == len(expected)
    for place, what in expected:
        assert [one for one in found.problems if one.startswith(place) and what in one], (place, what)


async def test_an_article_that_becomes_too_long_is_refused(bench: Bench) -> None:
    """With WeChat's URLs for its pictures, before any of them is uploaded."""
    content = "x" * 19_900 + f'<img src="{bench.put("a.png", picture())}">'
    [problem] = (await bench.inspect(news({"content": content, "thumb": {"media_id": "T"}}))).problems
    assert "articles[0].content: cleaned, and with WeChat's longer URLs for its pictures, it has 20,029" in problem


async def test_too_many_pictures_are_not_all_read(bench: Bench) -> None:
    """A content that is refused for their number does not make the worker fetch them."""
    content = "".join(f'<img src="{bench.site.url(f"/{number}")}">' for number in range(300))
    bench.site.pages |= {f"/{number}": response(picture()) for number in range(300)}
    found = await bench.inspect(news({"content": content, "thumb": {"media_id": "T"}}))
    assert any("has 300 different pictures to upload; at most 100" in problem for problem in found.problems)
    assert len(bench.site.requests) <= 100


async def test_a_source_that_stands_at_several_places_is_read_once(bench: Bench) -> None:
    """The site sees one request."""
    inside = bench.serve("/i.png", picture())
    content = f'<img src="{inside}"><p style="background-image: url({inside})">x</p>'
    await bench.inspect(news(*[{"content": content, "thumb": {"media_id": "T"}}] * 3))
    assert len(bench.site.requests) == 1


@pytest.mark.parametrize("msgtype", ["image", "mpnews", "mpvideo"])
async def test_only_pictures_are_made_to_fit(bench: Bench, msgtype: str) -> None:
    """A picture that is too big, or in a format that WeChat refuses, is only marked; nothing helps a video."""
    webp = {"uri": bench.put("a.webp", picture("WEBP"))}
    messages: dict[str, dict[str, Any]] = {
        "image": {"msgtype": "image", "images": [webp]},
        "mpnews": news({"content": f'<img src="{bench.put("big.png", noise())}">', "thumb": webp}),
        "mpvideo": {"msgtype": "mpvideo", "media": {"uri": bench.put("a.avi", b"RIFF1234AVI ")}, "title": "t"},
    }
    strict = await bench.inspect(messages[msgtype])
    fitted = await bench.inspect(messages[msgtype], fit_images=True)
    assert strict.problems
    if msgtype == "mpvideo":
        assert fitted.problems == strict.problems
        assert "fit_images" not in fitted.problems[0]
        cut = {"uri": bench.put("a.png", picture()[:-20])}
        damaged = await bench.inspect({"msgtype": "image", "images": [cut]}, fit_images=True)
        assert any("message.images[0]: fit_images cannot help" in problem for problem in damaged.problems)
    else:
        assert all("`fit_images` would make it fit" in problem for problem in strict.problems)
        assert (fitted.problems, {source.fit for source in fitted.sources}) == ((), {True})


async def test_a_picture_of_more_than_2_mb_is_made_smaller(bench: Bench) -> None:
    """WeChat says 10 MB of it, and 2 MB on the same page. What cannot be re-encoded stays, since it may be taken."""
    frames = [Image.effect_noise((1_100, 1_000), sigma) for sigma in (90, 100)]
    files = {
        "a.png": noise(),
        "b.gif": encoded(frames[0], "gif", save_all=True, append_images=frames[1:]),
        "c.png": picture(),
    }
    assert [len(content) > 2_000_000 for content in files.values()] == [True, True, False]
    message = {"msgtype": "image", "images": [{"uri": bench.put(name, files[name])} for name in files]}
    strict, fitted = await bench.inspect(message), await bench.inspect(message, fit_images=True)
    assert (strict.problems, fitted.problems) == ((), ())
    assert [source.fit for source in strict.sources] == [False, False, False]
    assert [source.fit for source in fitted.sources] == [True, False, False]


async def test_an_article_is_the_same_wherever_its_pictures_stand(bench: Bench) -> None:
    """Its digest has the pictures' own digests in the place of their URLs; another picture makes another article."""
    here, there, other = bench.put("a.png", picture()), bench.serve("/b.png", picture()), noise(size=(20, 20))
    digests: list[str] = []
    for uri in (here, there, bench.put("c.png", other)):
        found = await bench.inspect(news({"content": f'<p>x</p><img src="{uri}">', "thumb": {"media_id": "T"}}))
        digests += found.contents
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("fit", [False, True])
async def test_a_wrong_picture_is_named_by_its_file(bench: Bench, fit: bool) -> None:
    """All pictures of a content have its place. The name has no query, in which a signature stands, and no line end."""
    animated = encoded(Image.new("RGB", (9, 9)), "GIF", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")])
    right, wrong = bench.serve("/1.png?sig=SECRET", picture()), bench.serve("/%E6%98%A5%0A2.png?sig=SECRET", animated)
    content = f'<img src="{right}"><img src="{wrong}">'
    found = await bench.inspect(news({"content": content, "thumb": {"media_id": "T"}}), fit_images=fit)
    assert len(found.problems) == 1 + fit
    for problem in found.problems:
        assert problem.startswith("message.articles[0].content (春\\u000a2.png): ")
        assert "SECRET" not in problem


async def test_what_is_taken_out_is_told(bench: Bench) -> None:
    """Scripts and event handlers, with their place."""
    content = '<p onclick="x()">a</p><script>y()</script>'
    found = await bench.inspect(news({"content": content, "thumb": {"media_id": "T"}}))
    assert found.problems == ()
    assert set(found.removed) == {
        "message.articles[0].content: onclick of <p>",
        "message.articles[0].content: <script>",
    }


@pytest.mark.parametrize(("news_via", "dropped"), [("draft", 1), ("uploadnews", 0)])
async def test_a_flag_that_drafts_do_not_know_is_told(bench: Bench, news_via: NewsVia, dropped: int) -> None:
    """Whether the cover stands in the article."""
    message = news({"content": "<p>a</p>", "thumb": {"media_id": "T"}, "show_cover_pic": 1})
    found = await bench.inspect(message, news_via=news_via)
    assert [one for one in found.removed if "show_cover_pic" in one] == list(found.removed)
    assert len(found.removed) == dropped


async def test_a_source_that_cannot_be_read_now_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is decided about the others. A disk of the worker that fails is not the request's fault either."""
    bench.site.pages["/a.mp3?sig=SECRET"] = response(b"", status="503 Service Unavailable")
    later = {"uri": bench.site.url("/a.mp3?sig=SECRET")}
    raised = await failed(
        bench.inspect({"msgtype": "voice", "media": later}), "SourceUnavailable", r"message\.media: .* answered 503"
    )
    assert "SECRET" not in str(raised)

    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qunfa.media.darkroom.inspect", full)
    raised = await failed(
        bench.inspect({"msgtype": "voice", "media": {"uri": bench.put("a.mp3", recording())}}),
        "SourceUnavailable",
        "No space left on device",
    )


async def test_what_is_wrong_for_good_is_not_kept_waiting(bench: Bench) -> None:
    """Another source that cannot be read now is only mentioned. No problem has the query, where signatures stand."""
    bench.site.pages["/a.png?sig=SECRET"] = response(b"", status="503 Service Unavailable")
    bench.site.pages["/b.png?sig=SECRET"] = response(b"", status="404 Not Found")
    images = [{"uri": bench.site.url(f"/{name}.png?sig=SECRET")} for name in "ab"]
    wrong, later = (await bench.inspect({"msgtype": "image", "images": images})).problems
    assert (wrong.startswith("message.images[1]: "), "answered 404" in wrong) == (True, True)
    assert (later.startswith("message.images[0]: "), "answered 503" in later) == (True, True)
    content = f'<img src="{images[1]["uri"]}"><img src="x.png?sig=SECRET">'
    inside = (await bench.inspect(news({"content": content, "thumb": {"media_id": "T"}}))).problems
    assert len(inside) == 2
    assert "SECRET" not in " ".join([wrong, later, *inside])
