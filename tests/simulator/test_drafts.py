import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, article, named

THREE_DAYS = 259_200
WORDS = st.text(st.characters(exclude_characters="<>&\0\r", exclude_categories=["Cs", "Cc"]), max_size=30)
TAGS = st.sampled_from(["p", "section", "span", "strong", "a", "h2"])
ATTRIBUTES = st.sampled_from(
    ["", ' style="color: #f00; margin:0"', " class='x' id=y", ' href="https://mp.weixin.qq.com/s/abc?a=1&amp;b=2"']
)


async def add(api: Api, *articles: Json, **changes: object) -> Json:
    """draft/add of articles with a permanent cover."""
    thumb = await api.media_id("thumb", samples.JPG, permanent=True)
    given = [{"thumb_media_id": thumb} | each | changes for each in articles or (article(),)]
    return await api.call("draft/add", {"articles": given})


async def stored(api: Api, content: str) -> str:
    """What draft/get gives back of a content."""
    media_id = await api.draft(article(content=content))
    items: list[Json] = (await api.call("draft/get", {"media_id": media_id}))["news_item"]
    kept: str = items[0]["content"]
    return kept


async def test_a_draft_answers_with_its_id(start: Start) -> None:
    """media_id and nothing else; the draft box counts it; draft/get gives it back with its times."""
    api = await start()
    answer = await add(api, article(author="Li", digest="Short", content_source_url="https://example.com/a"))
    assert answer.keys() == {"media_id"}
    assert await api.call("draft/count") == {"total_count": 1}
    got = await api.call("draft/get", {"media_id": answer["media_id"]})
    assert got.keys() == {"news_item", "create_time", "update_time"}
    [item] = got["news_item"]
    expected = {
        "title": "Spring", "author": "Li", "digest": "Short", "content": "<p>Hello</p>", "show_cover_pic": 1,
        "content_source_url": "https://example.com/a", "need_open_comment": 0, "only_fans_can_comment": 0,
    }  # fmt: skip
    assert item | expected == item
    assert item["url"].startswith("http://mp.weixin.qq.com/s?")
    assert item["thumb_url"].startswith("http://mmbiz.qpic.cn/")


async def test_a_draft_can_be_deleted(start: Start) -> None:
    """Afterwards its id answers 40007 everywhere."""
    api = await start()
    media_id = await api.draft()
    assert await api.code("draft/delete", {"media_id": media_id}) == 0
    assert await api.code("draft/delete", {"media_id": media_id}) == 40007
    assert await api.code("draft/get", {"media_id": media_id}) == 40007
    assert await api.call("draft/count") == {"total_count": 0}
    assert await api.code("draft/get", {"media_id": ""}) == 41006


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"title": ""}, 40227),
        ({"title": " "}, 40227),
        ({"title": "春" * 64}, 0),
        ({"title": "春" * 65}, 45003),
        ({"author": "李" * 16}, 0),
        ({"author": "李" * 17}, 40192),
        ({"digest": "d" * 120}, 0),
        ({"digest": "d" * 121}, 45004),
        ({"content": ""}, 44004),
        ({"content": "字" * 19_999}, 0),
        ({"content": "字" * 20_000}, 45002),
        ({"content_source_url": "https://e.com/" + "a" * 1010}, 0),
        ({"content_source_url": "https://e.com/" + "a" * 1011}, 45005),
        ({"thumb_media_id": ""}, 41006),
        ({"thumb_media_id": "gone"}, 40007),
        ({"article_type": "news"}, 0),
        ({"article_type": "newspic"}, 40035),
        ({"title": 7}, 40035),
        ({"need_open_comment": 1}, 0),
    ],
)
async def test_an_article_must_fit(start: Start, changes: Json, errcode: int) -> None:
    """The code of each length and of what is missing."""
    api = await start()
    assert (await add(api, article(), **changes)).get("errcode", 0) == errcode


async def test_content_is_limited_in_bytes_as_well(start: Start) -> None:
    """Fewer characters than allowed may still be too many bytes of UTF-8."""
    api = await start(limits={"articles": {"content_bytes": 12}})
    assert (await add(api, article(content="字字字"))).get("errcode", 0) == 0
    assert (await add(api, article(content="字字字字")))["errcode"] == 45002


@pytest.mark.parametrize(("count", "errcode"), [(0, 44003), (1, 0), (8, 0), (9, 45008)])
@pytest.mark.parametrize(("path", "permanent"), [("draft/add", True), ("media/uploadnews", False)])
async def test_one_to_eight_articles(start: Start, path: str, permanent: bool, count: int, errcode: int) -> None:
    """None answers 44003, a ninth 45008."""
    api = await start()
    thumb = await api.media_id("thumb", samples.JPG, permanent=permanent)
    articles = [article(thumb_media_id=thumb)] * count
    assert await api.code(path, {"articles": articles}) == errcode


@pytest.mark.parametrize("body", [{}, {"articles": "x"}, {"articles": ["x"]}, {"articles": [None]}])
async def test_odd_articles_are_refused(start: Start, body: Json) -> None:
    """44003 or 40035, never a broken answer."""
    api = await start()
    assert await api.code("draft/add", body) in {44003, 40035}


async def test_comments_need_a_right(start: Start) -> None:
    """88000 for need_open_comment on an account without it."""
    api = await start(comments=False)
    assert (await add(api, article(need_open_comment=1)))["errcode"] == 88000
    assert (await add(api, article(need_open_comment=0))).get("errcode", 0) == 0


async def test_unicode_escapes_are_refused(start: Start) -> None:
    """47002: the body must be raw UTF-8."""
    api = await start()
    thumb = await api.media_id("thumb", samples.JPG, permanent=True)
    body = json.dumps({"articles": [article(title="春", thumb_media_id=thumb)]}).encode()
    assert await api.code("draft/add", body) == 47002


@pytest.mark.parametrize(
    ("kind", "permanent", "of_draft", "of_news"),
    [
        ("thumb", True, 0, 40007),
        ("image", True, 0, 40007),
        ("thumb", False, 40007, 0),
        ("image", False, 40007, 0),
        ("voice", True, 40007, 40007),
        ("voice", False, 40007, 40007),
    ],
)
async def test_drafts_want_permanent_covers_and_news_temporary_ones(
    start: Start, kind: str, permanent: bool, of_draft: int, of_news: int
) -> None:
    """The other sort, or another kind, answers 40007."""
    api = await start()
    file = samples.amr(1) if kind == "voice" else samples.JPG
    thumb = await api.media_id(kind, file, permanent=permanent)
    body = {"articles": [article(thumb_media_id=thumb)]}
    assert [await api.code(path, body) for path in ("draft/add", "media/uploadnews")] == [of_draft, of_news]


async def test_news_are_temporary(start: Start) -> None:
    """Uploadnews answers type, media_id and time; the id dies after three days, and no send ends it."""
    api = await start(limits={"user_per_month": 9})
    thumb = await api.media_id("thumb", samples.JPG)
    answer = await api.call("media/uploadnews", {"articles": [article(thumb_media_id=thumb)]})
    assert answer.keys() == {"type", "media_id", "created_at"}
    assert answer["type"] == "news"
    await api.delivered(named("mpnews", answer["media_id"]), clientmsgid="a")
    await api.delivered(named("mpnews", answer["media_id"]), clientmsgid="b")
    await api.advance(THREE_DAYS)
    assert (await api.sendall_of(named("mpnews", answer["media_id"]), clientmsgid="c"))["errcode"] == 40007


async def test_ten_news_a_day(start: Start) -> None:
    """The eleventh call of uploadnews answers 45009, until midnight in China."""
    api = await start()
    thumb = await api.media_id("thumb", samples.JPG)
    body = {"articles": [article(thumb_media_id=thumb)]}
    assert [await api.code("media/uploadnews", body) for _ in range(11)] == [0] * 10 + [45009]
    await api.sim("clock", {"set": "2026-12-16T00:00:01+08:00"})
    assert await api.code("media/uploadnews", body) == 0


async def test_a_digest_is_made_of_the_text(start: Start) -> None:
    """54 characters in a draft of one article, 64 in news; none in a draft of several."""
    api = await start()
    content = "<p>" + "春&amp;" * 20 + "</p><p>and <b>more</b> words</p>"
    words = "春&" * 20 + "and more words"
    thumbs = [await api.media_id("thumb", samples.JPG, permanent=permanent) for permanent in (True, False)]
    await api.call("draft/add", {"articles": [article(content=content, thumb_media_id=thumbs[0])]})
    await api.call("draft/add", {"articles": [article(content=content, thumb_media_id=thumbs[0])] * 2})
    await api.call("media/uploadnews", {"articles": [article(content=content, thumb_media_id=thumbs[1])]})
    made = [each for each in api.world.accounts["demo"].library if each.articles]
    assert [each.articles[0].digest for each in made] == [words[:54], "", words[:64]]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('<p>a<img src="https://example.com/a.png">b</p>', "<p>ab</p>"),
        ('<p><img data-src="data:image/png;base64,AAAA"/></p>', "<p></p>"),
        ('<img src="//mmbiz.qpic.cn.example.com/a/0">', ""),
        ('<img src="https://user@example.com/mmbiz.qpic.cn/0">', ""),
        ('<img alt="nothing">', ""),
        ('<img src="http://[broken">', ""),
        ('<video poster="https://example.com/p.jpg"></video>', "<video></video>"),
        (
            """<p style="color:red;background-image: url('https://example.com/b.png')">x</p>""",
            '<p style="color:red;background-image: none">x</p>',
        ),
        ("<p>a</p><script>alert('<p>b</p>')</script><p>c</p>", "<p>a</p><p>c</p>"),
        ('<p onclick="x()" id="y">a</p>', '<p id="y">a</p>'),
        ('<a href=" JavaScript:x()">a</a>', "<a>a</a>"),
    ],
)
async def test_what_is_foreign_vanishes_silently(start: Start, given: str, kept: str) -> None:
    """Pictures that are not WeChat's own and scripts are not in what is stored, and nobody is told."""
    api = await start()
    assert await stored(api, given) == kept


@pytest.mark.parametrize(
    "content",
    [
        "<p>a &amp; b &nbsp; &#169; &#x4e2d;</p>",
        "<p><img src=\"http://mmbiz.qpic.cn/mmbiz_png/x/0?from=appmsg\" alt='y'></p>",
        '<IMG data-src="https://mmbiz.qlogo.cn/mmbiz/x/0">',
        '<section style="background-image: url(&quot;https://mmbiz.qpic.cn/x/0&quot;);">a</section>',
        '<mp-miniprogram data-miniprogram-appid="wx1" data-miniprogram-path="pages/a"></mp-miniprogram>',
        '<a data-miniprogram-appid="wx1" href="https://mp.weixin.qq.com/s/a">b</a><br/><!-- c -->',
        "1 < 2 & 3 > 2",
    ],
)
async def test_what_is_wechats_own_stays_as_it_is(start: Start, content: str) -> None:
    """Own pictures, links, mini-program cards, styles, entities: not a byte changes."""
    api = await start()
    assert await stored(api, content) == content


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.tuples(TAGS, ATTRIBUTES, WORDS), min_size=1, max_size=8), foreign=st.integers(0, 3))
async def test_only_the_foreign_is_taken_out(
    pieces: list[tuple[str, str, str]], foreign: int, begun: tuple[Api, str]
) -> None:
    """Any content with foreign pictures and scripts between its elements is stored without those, else unchanged."""
    api, thumb = begun
    elements = [f"<{tag}{attributes}>{words}</{tag}>" for tag, attributes, words in pieces]
    bad = ['<img src="https://example.com/x.png">', "<script>x = '</p>'</script>", '<img src="ftp://mmbiz.qpic.cn/0">']
    mixed = "".join(element + bad[n % 3] * (n < foreign) for n, element in enumerate(elements))
    media_id = (await api.call("draft/add", {"articles": [article(content=mixed, thumb_media_id=thumb)]}))["media_id"]
    [item] = (await api.call("draft/get", {"media_id": media_id}))["news_item"]
    assert item["content"] == "".join(elements)


@pytest.fixture
async def begun(start: Start) -> tuple[Api, str]:
    """An account that may use the draft box as often as it likes, and a cover."""
    api = await start(limits={"calls_per_day": {"draft/add": 10_000, "draft/get": 10_000}})
    return api, await api.media_id("thumb", samples.JPG, permanent=True)


async def test_a_test_sees_which_pictures_an_article_has(start: Start) -> None:
    """The library tells pictures by the bytes that were uploaded, and what was dropped."""
    api = await start()
    urls = [await api.picture(file) for file in (samples.PNG, samples.JPG)]
    secure = urls[1].replace("http:", "https:").replace("&", "&amp;")
    content = f'<img src="{urls[0]}"><p style="background:url({secure})"></p><img src="https://example.com/a.png">'
    media_id = await api.draft(article(content=content + '<img src="http://mmbiz.qpic.cn/else/0">'))
    draft = api.world.accounts["demo"].library.get(media_id)
    assert draft is not None
    [told] = draft.articles
    digests = [hashlib.sha256(file).hexdigest() for file in (samples.PNG, samples.JPG)]
    assert [picture.sha256 for picture in told.pictures] == [*digests, ""]
    assert told.dropped == ("https://example.com/a.png",)
    assert told.thumb.sha256 == digests[1]


async def test_pictures_may_come_back_with_data_src(start: Start) -> None:
    """A setting: draft/get writes `data-src` where `src` was; the draft itself does not change."""
    api = await start(draft_pictures="data-src")
    url = await api.picture(samples.PNG)
    assert (
        await stored(api, f'<p>src=1 <img alt="a" src="{url}"></p>') == f'<p>src=1 <img alt="a" data-src="{url}"></p>'
    )
