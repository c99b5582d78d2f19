from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree, html

from qunfa.article import ArticleError, Cleaned, cleaned, lost, pictures, problems, replaced
from qunfa.article.cleaning import PROSE, is_allowed, takes
from qunfa.article.document import Document, Size
from qunfa.article.problems import CHARACTERS_MAX
from tests.article.markup import articles, markup, soup, text_of


@pytest.mark.parametrize(
    ("content", "left", "removed"),
    [
        ("a<script>x</script>b", "ab", "<script>"),
        ("a<SCRIPT SRC=//x></SCRIPT >b", "ab", "<script>"),
        ("a<noscript><img src=x></noscript>b", "ab", "<noscript>"),
        ('a<iframe src="https://evil.com"></iframe>b', "ab", "<iframe>"),
        ('<meta http-equiv="refresh" content="0"><base href="//x"><link rel="stylesheet" href="y">a', "a", "<meta>"),
        ("<form action=x>a<input><button>b</button></form>", "ab", "<form>"),
        ('<p onclick="x()">a</p>', "<p>a</p>", "onclick of <p>"),
        ('<svg><animate onbegin="x"></animate></svg>', "<svg><animate></animate></svg>", "onbegin of <animate>"),
        ('<a href="javascript:x()">a</a>', "<a>a</a>", "href of <a>"),
        ('<a href=" java\nscript&#58;x()">a</a>', "<a>a</a>", "href of <a>"),
        ('<a href="data:text/html,x">a</a>', "<a>a</a>", "href of <a>"),
        ('<img srcset="a 1x" src="https://a/1">', '<img src="https://a/1">', "srcset of <img>"),
        ('<img src="data:,x" data-src="https://a/1">', '<img data-src="https://a/1">', "src of <img>"),
        ('<p style="width:expression(alert(1));color:red">a</p>', '<p style="color:red">a</p>', "style of <p>"),
        ('<p style="background:url(javascript:x);color:red">a</p>', '<p style="color:red">a</p>', "style of <p>"),
        ('<p style="behavior:url(x.htc)">a</p>', '<p style="">a</p>', "style of <p>"),
        (f'<p style="color:red;x:{"(" * 99}">a</p>', '<p style="color:red">a</p>', "style of <p>"),
        (f'<p style="width:{"1" * 5000}px">a</p>', '<p style="">a</p>', "style of <p>"),
        ("<p style=\"color:red;@import 'x';margin:0\">a</p>", '<p style="color:red;margin:0">a</p>', "style of <p>"),
        ("<p style=\"color:red;background:image-set('//x' 1x)\">a</p>", '<p style="color:red">a</p>', "style of <p>"),
        ('<p style="color:red;width:url(https://x)">a</p>', '<p style="color:red">a</p>', "style of <p>"),
        ("<style>@import url(//x)</style>a", "a", "<style>"),
        ('<iframe class="video_iframe" src="https://evil.example/x"></iframe>a', "a", "<iframe>"),
        ('<iframe src="https://evil.example\\@v.qq.com/"></iframe>a', "a", "<iframe>"),
        ('<iframe src="https://v.qq.com@evil.example/"></iframe>a', "a", "<iframe>"),
        ('<iframe src="//v.qq.com:8080/"></iframe>a', "a", "<iframe>"),
        ('<iframe src="/\t/evil.example/"></iframe>a', "a", "<iframe>"),
        ('<iframe src="https://v.qq.com/a" data-src="//evil.example/"></iframe>a', "a", "<iframe>"),
        ('<iframe src="javascript:x"></iframe>a', "a", "<iframe>"),
        ('<iframe class="video_iframe" data-mpvid=""></iframe>a', "a", "<iframe>"),
        ('<iframe vid="v1" src="https://evil.example/"></iframe>a', "a", "<iframe>"),
        ('<a href="file:///etc/passwd">a</a>', "<a>a</a>", "href of <a>"),
        ('<a href="https://evil.example\\@qq.com">a</a>', "<a>a</a>", "href of <a>"),
        ('<svg><use href="data:image/svg+xml,x#a"></use></svg>', "<svg><use></use></svg>", "href of <use>"),
        ('<svg><image href="data:image/svg+xml,x"></image></svg>', "<svg><image></image></svg>", "href of <image>"),
        ('<svg><a xlink:href="javascript:x">a</a></svg>', "<svg><a>a</a></svg>", "xlink:href of <a>"),
        (
            '<svg><a><set attributeName="HREF" to="javascript:x"></set></a></svg>',
            '<svg><a><set to="javascript:x"></set></a></svg>',
            "attributename of <set>",
        ),
        ('<svg><rect fill="url(//x#a)"></rect></svg>', "<svg><rect></rect></svg>", "fill of <rect>"),
        ('<svg><rect fill="\\75rl(//x#a)"></rect></svg>', "<svg><rect></rect></svg>", "fill of <rect>"),
        ("<math><mtext><mglyph><img></mglyph></mtext></math>a", "a", "<math>"),
        ("<template><p>b</p></template>a", "a", "<template>"),
        ("<o:p>a<blink>b</blink></o:p>", "ab", "<blink>"),
        ("<p is=x-y slot=z>a</p>", "<p>a</p>", "is of <p>"),
        ("<mp-x onclick=x y=z>a</mp-x>", '<mp-x y="z">a</mp-x>', "onclick of <mp-x>"),
    ],
)
def test_what_runs_is_removed_and_named(content: str, left: str, removed: str) -> None:
    """The rest stays, and the operator sees what went."""
    result = cleaned(content)
    assert result.content == left
    assert removed in result.removed


@pytest.mark.parametrize(
    "content",
    [
        '<iframe class="video_iframe rich_pages" data-vidtype="2" data-src="https://v.qq.com/x?vid=1"></iframe>',
        '<iframe src="https://v.qq.com/txp/iframe/player.html?vid=1"></iframe>',
        '<mp-miniprogram data-miniprogram-appid="wx1" data-miniprogram-path="p?a=1"></mp-miniprogram>',
        '<a class="weapp_text_link" data-miniprogram-appid="wx1" data-miniprogram-path="p" href="">card</a>',
        '<mpvoice name="n" voice_encode_fileid="v"></mpvoice><mpprofile data-id="x"></mpprofile>',
        '<mp-common-profile data-id="1"></mp-common-profile><mp-style-type data-value="3"></mp-style-type>',
        '<section style="margin:0;background:url(https://a/1) no-repeat" data-role="outer">a</section>',
        '<a href="https://mp.weixin.qq.com/s?__biz=a&amp;mid=1" target="_blank">link</a>',
        '<svg viewBox="0 0 1 1"><animate attributeName="x" begin="click" repeatCount="1"></animate></svg>',
        '<p title="javascript: the good parts" alt="javascript:">a</p>',
        '<section data-tools="135editor" powered-by="xiumi.us" label="x" mpa-from-tpl="t"><p leaf="">a</p></section>',
        '<iframe class="video_iframe" data-mpvid="wxv_1"></iframe>',
        '<iframe class="video_iframe" vid="v1"></iframe>',
        '<a class="wx_topic_link" topic-id="t1" data-topic="1" style="color:red">#a</a>',
        '<a href="https://a/1" textvalue="a" linktype="text" imgurl="" imgdata="null" tab="a" hasload="1">a</a>',
        '<img data-imgfileid="1" imgfileid="1" data-src="https://a/1">',
        '<p style="width:-webkit-calc(100% - 2px)">a</p>',
        '<iframe class="vote_iframe" data-src="/mp/newappmsgvote?action=show"></iframe>',
        '<p style="background-image:linear-gradient(90deg,rgba(0,0,0,.5) 0%,#fff 100%);--x:1">a</p>',
        '<p style="background:url(file:///srv/a.png);margin:0 !important;;">a</p>',
        '<svg><g fill="url(#a)" transform="translate(1 2)" wah-hotarea="click"></g><use xlink:href="#b"></use></svg>',
        '<qqmusic musicid="1" albumurl="/a.jpg"></qqmusic><mpvoice src="/cgi-bin/readtemplate?t=x"></mpvoice>',
        '<img src="data:image/png;base64,iVBORw0K">',
    ],
)
def test_what_wechats_editor_makes_survives_to_the_byte(content: str) -> None:
    """Content that needs no cleaning is not touched."""
    assert cleaned(content) == Cleaned(content, (), content)


def test_what_comes_out_is_written_anew() -> None:
    """Browsers read what was judged. What was removed is counted, so that a hundred scripts do not hide one form."""
    content = "<!-- a --><P CLASS=x>unclosed<br/><?php x ?><!-->b"
    assert cleaned(content) == Cleaned('<p class="x">unclosed<br>b</p>', (), content)
    result = cleaned("<script></script>" * 3 + "<p onclick=x>a</p><form></form>")
    assert result.removed == ("<script> (3 times)", "onclick of <p>", "<form>")


@given(articles | markup | soup)
@example("<scr<script></script>ipt>x</script>")
@example("<<script></script>img src=x onerror=1>")
@example("&lt;script&gt;<script></script>")
def test_cleaning_twice_is_cleaning_once(content: str) -> None:
    """What is clean stays as it is, to the byte: removing a tag never puts another one together."""
    once = cleaned(content)
    assert cleaned(once.content) == Cleaned(once.content, (), once.content)
    assert "onerror=1>" not in once.content


@given(articles)
def test_cleaning_changes_no_text_and_loses_no_picture(content: str) -> None:
    """Readers read the same, with the same pictures, links, cards and styles."""
    result = cleaned(content).content
    assert text_of(result) == text_of(content)
    assert len(pictures(result)) == len(pictures(content))
    for kept in ("<section style=", "<mp-miniprogram ", "href=", "data-miniprogram-path=", "color:red"):
        assert result.count(kept) == content.count(kept)
    assert "<script" not in result
    assert "onclick" not in result


class Tokens(HTMLParser):
    """What Python's own parser reads, which knows nothing of lxml."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.others: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    handle_pi = unknown_decl = handle_comment

    def handle_decl(self, decl: str) -> None:
        self.others.append(decl)


@given(articles | markup | soup)
def test_nothing_comes_out_that_is_not_allowed(content: str) -> None:
    """Elements, attributes, addresses and styles: whatever was there, and to whichever parser."""
    tokens = Tokens(cleaned(content).content)
    assert tokens.others == []
    for tag, attributes in tokens.tags:
        assert is_allowed(tag)
        for name, value in attributes:
            assert value is not None
            assert takes(tag, name)
            assert not name.startswith("on")
            assert "javascript:" not in value or name in PROSE or name in {"to", "values"}
            if tag == "iframe" and name in {"src", "data-src"} and value.strip():
                assert urlsplit(value).hostname in {None, "v.qq.com", "mp.weixin.qq.com"}
            if name.endswith("href"):
                assert not value.strip().lower().startswith(("data:", "file:"))


@pytest.mark.parametrize(
    ("bomb", "said"),
    [
        ("<p " + " ".join(f"a{number}=1" for number in range(100_000)) + ">x", "10,000 attributes"),
        ("".join(f"<p a{number}>" for number in range(6_000)) * 2, "7,000 elements"),
        ("<p a b c>" * 6_000, "10,000 attributes"),
        ("<div>" * 300_000, "200 elements deep"),
        ("<b>x</b>" * 200_000, "7,000 elements"),
        ("<p style='color:red;" + "#" * 1_000_000 + "'>x", "100,000 characters in its style attributes"),
        ("x" * 10_000_000, "characters"),
    ],
)
@pytest.mark.parametrize(
    "work",
    [cleaned, pictures, lambda content: replaced(content, {}), lambda content: lost(content, "")],
    ids=["cleaned", "pictures", "replaced", "lost"],
)
def test_what_would_take_long_is_refused(bomb: str, said: str, work: Callable[[str], object]) -> None:
    """By counting, before any tree is made: the limit is named, and no parts of the article go missing."""
    with pytest.raises(ArticleError, match=said):
        work(bomb)


@pytest.mark.parametrize("costly", ["<p>", "<p a>", "<p a b c d e f>", "<p style=a:b>", "<b>x</b>", "<x a=1>y</x>"])
def test_no_limit_refuses_what_wechat_takes(costly: str) -> None:
    """However the 19,999 characters are spent; a hundred times nested paragraphs were closed before."""
    content = costly * (CHARACTERS_MAX // len(costly))
    assert problems(content + "y" * (CHARACTERS_MAX - len(content)), "content") == []
    cleaned(content)


@given(st.lists(st.sampled_from(["<p>", "<b a=1 c>", "</b>", "<br>", "text", "<x style='color:red'>"]), max_size=30))
def test_the_size_is_that_of_the_tree(pieces: list[str]) -> None:
    """What is counted beforehand is what the tree then has."""
    content = "".join(pieces)
    size = Size()
    etree.fromstring(b"<html><body>" + content.encode(), html.HTMLParser(encoding="utf-8", target=size))
    found = list(Document(content).elements())
    assert size.elements - 2 == len(found)
    assert size.attributes == sum(len(element.attrib) for element in found)
