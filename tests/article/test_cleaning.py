import pytest
from hypothesis import given

from qunfa.article import cleaned, pictures
from tests.article.markup import articles, markup, text_of


@pytest.mark.parametrize(
    ("content", "left", "removed"),
    [
        ("a<script>x</script>b", "ab", "<script>"),
        ("a<SCRIPT SRC=//x></SCRIPT >b", "ab", "<script>"),
        ("a<noscript><img src=x></noscript>b", "ab", "<noscript>"),
        ('a<iframe src="https://evil.com"></iframe>b', "ab", "<iframe>"),
        ("a<object><embed></object>b", "ab", "<object>"),
        ('<meta http-equiv="refresh" content="0"><base href="//x"><link rel="stylesheet" href="y">a', "a", "<meta>"),
        ("<form action=x>a<input><button>b</button></form>", "ab", "<form>"),
        ('<p onclick="x()">a</p>', "<p>a</p>", "onclick of <p>"),
        ("<p ONMOUSEOVER=x>a</p>", "<p>a</p>", "onmouseover of <p>"),
        ('<svg><animate onbegin="x"></animate></svg>', "<svg><animate></animate></svg>", "onbegin of <animate>"),
        ('<a href="javascript:x()">a</a>', "<a>a</a>", "href of <a>"),
        ('<a href=" java\nscript&#58;x()">a</a>', "<a>a</a>", "href of <a>"),
        ('<a href="&#1;javascript:x()">a</a>', "<a>a</a>", "href of <a>"),
        ('<a href="data:text/html,x">a</a>', "<a>a</a>", "href of <a>"),
        ('<img srcset="a 1x" src="https://a/1">', '<img src="https://a/1">', "srcset of <img>"),
        ('<img src="data:,x" data-src="https://a/1">', '<img data-src="https://a/1">', "src of <img>"),
        ('<p style="width:expression(alert(1));color:red">a</p>', '<p style="color:red">a</p>', "style of <p>"),
        ('<p style="background:url(javascript:x);color:red">a</p>', '<p style="color:red">a</p>', "style of <p>"),
        ('<p style="behavior:url(x.htc)">a</p>', '<p style="">a</p>', "style of <p>"),
        (f'<p style="color:red;x:{"(" * 99}">a</p>', '<p style="color:red">a</p>', "style of <p>"),
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
        '<p title="javascript: the good parts" alt="javascript:">a</p><!-- comment --><P CLASS=x>unclosed<br/>',
        '<img src="data:image/png;base64,iVBORw0K">',
    ],
)
def test_what_wechats_editor_makes_survives_to_the_byte(content: str) -> None:
    """Content that needs no cleaning is not touched."""
    assert cleaned(content) == type(cleaned(""))(content, ())


def test_what_was_removed_is_counted() -> None:
    """One line a kind, so that a hundred scripts do not hide one form."""
    result = cleaned("<script></script>" * 3 + "<p onclick=x>a</p><form></form>")
    assert result.removed == ("<script> (3 times)", "onclick of <p>", "<form>")


@pytest.mark.parametrize(
    "content",
    [
        "<scr<script></script>ipt>x</script>",
        "<<script></script>img src=x onerror=1>",
        "&lt;script&gt;<script></script>",
    ],
)
def test_what_is_left_does_not_become_what_was_removed(content: str) -> None:
    """Removing a tag never puts another one together."""
    result = cleaned(content)
    assert cleaned(result.content) == type(result)(result.content, ())
    assert "onerror=1>" not in result.content


@given(articles | markup)
def test_cleaning_twice_is_cleaning_once(content: str) -> None:
    """What is clean stays as it is, to the byte."""
    once = cleaned(content)
    assert cleaned(once.content) == type(once)(once.content, ())


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
