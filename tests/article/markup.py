"""Arbitrary articles, for properties: what editors write, and what nobody should."""

from hypothesis import strategies as st

from qunfa.article.document import Document

URLS = (
    "https://cdn.example.com/a.png",
    "https://cdn.example.com/b.jpg?x=1&y=2",
    "//cdn.example.com/c.png",
    "file:///srv/media/d.png",
    "https://cdn.example.com/图 片.png",
)
WECHAT = "http://mmbiz.qpic.cn/mmbiz_png/abc/0?from=appmsg"

_TOKENS = (
    "<", ">", "/", '"', "'", "=", "&", ";", " ", "\n", "&amp;", "&#1;", "&#xD800;", "&nbsp;", "\0", "中文", "a", "-",
    "<p>", "</p>", "<p", "<section style='", "<img src=", "<IMG DATA-SRC='", "style", "url(", ")", "(", "\\",
    "background:", "<script>", "</script>", " onclick=", "<svg viewBox=1>", "</svg>", "<!--", "-->", "<?", "<![CDATA[",
    "<table>", "<td background=", "<iframe>", "<iframe class=video_iframe>", "</iframe>", "<form>", "</form>", "<o:p>",
    "javascript:", "data:,x", "<textarea>", "<plaintext>", "<body>", "<html>", "<title>", "<a href=", "<style>",
    "\ufffe", "😀", "<mp-miniprogram ", "data-miniprogram-path=", "&copy=", *URLS, WECHAT,
)  # fmt: skip

markup = st.lists(st.sampled_from(_TOKENS), max_size=40).map("".join)
"""Pieces of HTML in any order."""

_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
_leaves = st.one_of(
    _text.map(lambda text: text.replace("&", "&amp;").replace("<", "&lt;")),
    st.sampled_from(URLS).map(lambda url: f'<img src="{url.replace("&", "&amp;")}" alt="x">'),
    st.sampled_from(URLS).map(lambda url: f"<img data-src='{url.replace('&', '&amp;')}'>"),
    st.sampled_from(URLS).map(lambda url: f'<p style="color:red;background-image:url(&quot;{url}&quot;)">t</p>'),
    st.just('<a href="https://mp.weixin.qq.com/s?a=1&amp;b=2" onclick="go()">link</a>'),
    st.just('<mp-miniprogram data-miniprogram-appid="wx1" data-miniprogram-path="p?x=1"></mp-miniprogram>'),
    st.just("<script>evil()</script>"),
    st.just("<br>"),
)
articles = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4).map(
        lambda parts: f'<section style="margin:0">{"".join(parts)}</section>'
    ),
    max_leaves=12,
)
"""Well-formed articles."""


def text_of(content: str) -> str:
    """All that a reader reads."""
    body = Document(content).body
    for hidden in list(body.iter("script", "noscript", "iframe", "textarea", "title", "select", "noembed", "noframes")):
        hidden.drop_tree()
    return "".join(map(str, body.itertext()))
