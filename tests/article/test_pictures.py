import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.article import is_wechats, lost, pictures, replaced
from qunfa.article.document import Document
from tests.article.markup import URLS, WECHAT, articles, markup, text_of

NEW = "http://mmbiz.qpic.cn/mmbiz_png/NEW/0?wx_fmt=png&from=appmsg"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('<img src="https://a.com/1.png">', "https://a.com/1.png"),
        ("<IMG SRC=https://a.com/1.png>", "https://a.com/1.png"),
        ("<img data-src='https://a.com/1.png?a=1&amp;b=2'>", "https://a.com/1.png?a=1&b=2"),
        ('<img src="https://a.com/1.png?a=1&copy=2">', "https://a.com/1.png?a=1&copy=2"),
        ('<img src="  https://a.com/1.png\n">', "https://a.com/1.png"),
        ('<img src="https://a.com/\n1.png">', "https://a.com/1.png"),
        ('<img src="https://a.com/图 片.png">', "https://a.com/%E5%9B%BE%20%E7%89%87.png"),
        ("<p style=\"background:url('https://a.com/图 片.png')\">", "https://a.com/%E5%9B%BE%20%E7%89%87.png"),
        ('<img src="//a.com/1.png">', "https://a.com/1.png"),
        ('<p style="background-image:url(https://a.com/1.png)">', "https://a.com/1.png"),
        ("<p style=\"background:#fff url( 'https://a.com/1.png' ) no-repeat\">", "https://a.com/1.png"),
        ("<p style='BACKGROUND-IMAGE: URL(\"https://a.com/1.png\")'>", "https://a.com/1.png"),
        ('<p style="background-image:url(&quot;https://a.com/1.png&quot;)">', "https://a.com/1.png"),
        (r'<p style="background-image:\75 rl(https://a.com/\31.png)">', "https://a.com/1.png"),
        ('<p style="background-image:/*url(x)*/url(https://a.com/1.png)">', "https://a.com/1.png"),
        ('<video poster="https://a.com/1.png"></video>', "https://a.com/1.png"),
        ('<table><tr><td background="https://a.com/1.png">', "https://a.com/1.png"),
        ('<svg><image xlink:href="https://a.com/1.png"/></svg>', "https://a.com/1.png"),
        ('<img src="file:///srv/a%20b.png">', "file:///srv/a%20b.png"),
        ('<img src="data:image/png;base64,iVBO\nRw0K">', "data:image/png;base64,iVBORw0K"),
        ('<img src="relative/1.png">', "relative/1.png"),
        ('<img src="http://mmbiz.qpic.cn.evil.com/1.png">', "http://mmbiz.qpic.cn.evil.com/1.png"),
        ('<img src="http://mmbiz.qpic.cn@evil.com/1.png">', "http://mmbiz.qpic.cn@evil.com/1.png"),
    ],
)
def test_a_picture_is_found_and_replaced_wherever_it_stands(content: str, found: str) -> None:
    """In each attribute, with each way of writing its URL."""
    assert pictures(content) == (found,)
    changed = replaced(content, {found: NEW})
    assert pictures(changed) == ()
    assert lost(changed, content) == (NEW,)
    assert lost(changed, changed) == ()


@pytest.mark.parametrize(
    "content",
    [
        '<img src="http://mmbiz.qpic.cn/mmbiz_png/a/0">',
        '<img data-src="https://MMBIZ.qpic.cn/mmbiz_png/a/640?wx_fmt=png">',
        '<img src="//mmbiz.qlogo.cn/mmbiz/a/0">',
        '<p style="background:url(https://mmbiz.qpic.cn/mmbiz_png/a/0)">',
        '<img src=""><img src="  "><img>',
        '<svg><rect style="fill:url(#gradient)"/></svg>',
        '<a href="https://a.com/1.png">a link</a>',
        '<p title="url(https://a.com/1.png)">url(https://a.com/1.png)</p>',
        '<!-- <img src="https://a.com/1.png"> -->',
        '<iframe class="video_iframe" data-src="https://v.qq.com/x"></iframe>',
    ],
)
def test_what_needs_no_upload_is_not_listed(content: str) -> None:
    """WeChat's own pictures, empty places, links, text."""
    assert pictures(content) == ()


def test_a_picture_is_listed_once_in_the_order_of_first_use() -> None:
    """However often it stands there, it is uploaded once."""
    content = '<img src="https://a/2"><p style="background:url(https://a/1)"><img data-src="https://a/2" src="//a/3">'
    assert pictures(content) == ("https://a/2", "https://a/1", "https://a/3")
    assert replaced(content, {"https://a/2": NEW}).count("NEW") == 2


def test_replacing_keeps_everything_but_the_url() -> None:
    """Without a picture to replace it stays to the byte. Styles, comments, and names of drawings stay as written."""
    content = "<P  CLASS=x>a&nbsp;b<br/><IMG SRC='https://a/1'>"
    assert replaced(content, {}) == replaced(content, {"https://a/2": NEW}) == content
    drawing = (
        '<svg viewBox="0 0 9 9"><g><animateTransform attributeName="transform" repeatCount="2"></animateTransform>'
        '<foreignObject x="0"><section>text</section></foreignObject></g></svg>'
    )
    changed = replaced(drawing + '<img src="https://a/1">', {"https://a/1": NEW})
    for name in ("<animateTransform ", ' viewBox="0 0 9 9"', ' attributeName="transform"', "</foreignObject>"):
        assert name in changed
    style = "color: red; background : #fff url({}) no-repeat 50% / cover /* why */; --x: {{a}}"
    changed = replaced(f'<p style="{style.format("https://a/1")}">', {"https://a/1": "http://mmbiz.qpic.cn/m/N/0"})
    assert style.format("http://mmbiz.qpic.cn/m/N/0") in changed


@given(articles | markup, st.data())
def test_replacing_changes_pictures_and_nothing_that_is_read(content: str, data: st.DataObject) -> None:
    """Text, links and cards are the same; the pictures that were replaced are gone, the others still there."""
    urls = pictures(content)
    chosen = data.draw(st.lists(st.sampled_from(urls), unique=True)) if urls else []
    changed = replaced(content, {url: f"http://mmbiz.qpic.cn/m/{number}/0" for number, url in enumerate(chosen)})
    assert text_of(changed) == text_of(content)
    assert len(pictures(changed)) == len(urls) - len(chosen)
    before, after = ([*Document(one).elements()] for one in (content, changed))
    shown = {"plaintext", "xmp", "pre"}  # text as it is written, which becomes `pre`
    assert [str(one.tag) for one in before if one.tag not in shown] == [
        str(one.tag) for one in after if one.tag not in shown
    ]
    cards = [[dict(one.attrib) for one in found if one.tag == "mp-miniprogram"] for found in (before, after)]
    assert cards[0] == cards[1]


@given(articles)
def test_with_all_pictures_replaced_none_is_foreign_and_none_is_lost(content: str) -> None:
    """What the draft gets holds only WeChat's pictures; what comes back unchanged has lost none."""
    changed = replaced(content, dict.fromkeys(URLS, WECHAT) | dict.fromkeys(pictures(content), WECHAT))
    assert pictures(changed) == ()
    assert lost(changed, changed) == ()


@pytest.mark.parametrize(
    "stored",
    [
        '<img src="https://mmbiz.qpic.cn/mmbiz_png/abc/640?wx_fmt=png&amp;from=appmsg">',
        '<img class="rich_pages" data-src="http://mmbiz.qpic.cn/mmbiz_png/abc/0?from=appmsg" data-w="9">',
        "<p style='background-image: url(\"https://mmbiz.qlogo.cn/mmbiz_jpg/abc/300\")'></p>",
        '<img src="//mmbiz.qpic.cn/mmbiz/abc/0">',
        '<img src="https://mmbiz.qpic.cn/sz_mmbiz_png/abc/640">',
    ],
)
def test_a_picture_that_came_back_in_another_guise_is_not_lost(stored: str) -> None:
    """WeChat changes scheme, size, query and attribute."""
    assert lost(f'<img src="{WECHAT}">', stored) == ()


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "<p>no picture</p>",
        '<img src="http://mmbiz.qpic.cn/mmbiz_png/other/0">',
        '<img src="http://elsewhere.com/mmbiz_png/abc/0">',
        f"<p>{WECHAT}</p>",
        f'<a href="{WECHAT}">x</a>',
    ],
)
def test_a_picture_that_did_not_come_back_is_lost(stored: str) -> None:
    """A mention in the text is no picture. One that is not WeChat's is lost in any case: WeChat does not show it."""
    assert lost(f'<img src="{WECHAT}"><img src="{WECHAT}">', stored) == (WECHAT,)
    foreign = '<img src="https://a.com/1.png">'
    assert lost(foreign, foreign + stored) == ("https://a.com/1.png",)


@pytest.mark.parametrize("url", ["http://[", "https://mmbiz.qpic.cn:x/", "http://evil.com\\@mmbiz.qpic.cn/", ""])
def test_an_unreadable_url_is_nobodys(url: str) -> None:
    """It is listed, so that it becomes a problem and not a missing picture."""
    assert not is_wechats(url) or url.startswith("https://mmbiz.qpic.cn:")
