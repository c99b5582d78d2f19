import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.simulator import samples
from tests.simulator.api import MIDNIGHT, THREE_DAYS, Api, Start, article, named

WORDS = st.text(st.characters(exclude_characters="<>&\0\r", exclude_categories=["Cs", "Cc"]), max_size=30)
OWN = [
    "<p>a &amp; b &nbsp; &#169; &#x4e2d;</p>",
    "<p><img src=\"http://mmbiz.qpic.cn/mmbiz_png/x/0?from=appmsg\" alt='y'></p>",
    '<IMG data-src="https://mmbiz.qlogo.cn/mmbiz/x/0">',
    '<section style="background-image: url(&quot;https://mmbiz.qpic.cn/x/0&quot;);">a</section>',
    '<mp-miniprogram data-miniprogram-appid="wx1" data-miniprogram-path="pages/a"></mp-miniprogram>',
    '<a data-miniprogram-appid="wx1" href="https://mp.weixin.qq.com/s/a?b=1&amp;c=2">b</a><br/><!-- c -->',
    "<h2 class='x' id=y>1 < 2 & 3 > 2</h2>",
]
FOREIGN = {
    '<p>a<img src="https://example.com/a.png">b</p>': "<p>ab</p>",
    '<p><img data-src="data:image/png;base64,AAAA"/></p>': "<p></p>",
    '<img src="//mmbiz.qpic.cn.example.com/a/0">': "",
    '<img src="https://user@example.com/mmbiz.qpic.cn/0">': "",
    '<img src="ftp://mmbiz.qpic.cn/0">': "",
    '<img alt="nothing">': "",
    '<img src="http://[broken">': "",
    '<video poster="https://example.com/p.jpg"></video>': "<video></video>",
    '<svg><image href="https://example.com/a.png" x="1"/></svg>': '<svg><image x="1"/></svg>',
    '<svg><image xlink:href="data:image/png;base64,AA"></image></svg>': "<svg><image></image></svg>",
    """<p style="color:red;background-image: url('https://example.com/b.png')">x</p>""": (
        '<p style="color:red;background-image: none">x</p>'
    ),
    "<p>a</p><script>alert('<p>b</p>')</script><p>c</p>": "<p>a</p><p>c</p>",
    '<p onclick="x()" id="y">a</p>': '<p id="y">a</p>',
    '<a href=" JavaScript:x()">a</a>': "<a>a</a>",
}
ALL = [*FOREIGN.items(), *((each, each) for each in OWN)]
PIECES = st.sampled_from(ALL) | WORDS.map(lambda words: (words, words))


async def stored(api: Api, content: str, thumb: str | None = None) -> str:
    cover = {} if thumb is None else {"thumb_media_id": thumb}
    media_id = await api.draft(article(content=content, **cover))
    kept: str = (await api.call("draft/get", {"media_id": media_id}))["news_item"][0]["content"]
    return kept


async def test_a_draft_answers_with_its_id(api: Api) -> None:
    """media_id and nothing else; draft/get gives it back."""
    words = article(author="Li", digest="Short", content_source_url="https://example.com/a")
    words["thumb_media_id"] = await api.media_id("image", samples.JPG, permanent=True)
    answer = await api.call("draft/add", {"articles": [words]})
    assert answer.keys() == {"media_id"}
    got = await api.call("draft/get", answer)
    assert got.keys() == {"news_item", "create_time", "update_time"}
    [item] = got["news_item"]
    assert item | words | {"show_cover_pic": 1, "need_open_comment": 0, "only_fans_can_comment": 0} == item
    assert item["url"].startswith("http://mp.weixin.qq.com/s?")
    assert item["thumb_url"].startswith("http://mmbiz.qpic.cn/")


async def test_news_are_temporary(start: Start) -> None:
    """Uploadnews answers type, media_id and time; the id dies after three days, not by a send. Ten a day are made."""
    api = await start(limits={"user_per_month": 9})
    answer = await api.news()
    assert answer.keys() == {"type", "media_id", "created_at"}
    assert answer["type"] == "news"
    for clientmsgid in "ab":
        await api.sent(named("mpnews", answer["media_id"]), clientmsgid=clientmsgid)
    assert [(await api.news()).get("errcode", 0) for _ in range(10)] == [0] * 9 + [45009]
    await api.until(MIDNIGHT)
    assert "media_id" in await api.news()
    await api.advance(THREE_DAYS)
    assert await api.sendalls("c", content=named("mpnews", answer["media_id"])) == [40007]


async def test_a_digest_is_made_of_the_text(api: Api) -> None:
    """54 characters in a draft of one article, and none in one of several. In news it has 64 characters each time."""
    content = "<p>" + "春&amp;" * 20 + "</p><p>and <b>more</b> words</p>"
    words = "春&" * 20 + "and more words"
    await api.draft(article(content=content))
    await api.draft(article(content=content), article(content=content))
    await api.news(article(content=content), article(content=content))
    made = [each for each in api.demo.library if each.articles]
    assert [[one.digest for one in each.articles] for each in made] == [[words[:54]], ["", ""], [words[:64]] * 2]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, min_size=1, max_size=8))
@example(pieces=ALL)
async def test_only_the_foreign_is_taken_out(pieces: list[tuple[str, str]], begun: tuple[Api, str]) -> None:
    """Pictures that are not WeChat's own, and scripts, and nobody is told; of all else not a byte changes."""
    api, thumb = begun
    content, kept = ("".join(parts) for parts in zip(*pieces, strict=True))
    assert await stored(api, f"<p>{content}</p>", thumb) == f"<p>{kept}</p>"


@pytest.fixture
async def begun(start: Start) -> tuple[Api, str]:
    """An account that may use the draft box as often as it likes, and a cover."""
    api = await start(limits={"calls_per_day": {"draft/add": 10_000, "draft/get": 10_000}})
    return api, await api.media_id("image", samples.JPG, permanent=True)


async def test_pictures_may_come_back_with_data_src(start: Start) -> None:
    """A setting: draft/get writes `data-src` where `src` was; the draft itself does not change."""
    api = await start(draft_pictures="data-src")
    url = await api.picture(samples.PNG)
    given, back = (f'<p>src=1 <img alt="a" {name}="{url}"></p>' for name in ("src", "data-src"))
    assert await stored(api, given) == back
