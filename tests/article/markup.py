"""Arbitrary articles, for properties: what editors write, and what nobody should."""

from typing import Final

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

TOKENS = (
    "<", ">", "/", '"', "'", "=", "&", ";", " ", "\n", "&amp;", "&#1;", "&#xD800;", "&nbsp;", "\0", "中文", "a", "-",
    "<p>", "</p>", "<p", "<section style='", "<img src=", "<IMG DATA-SRC='", "style", "url(", ")", "(", "\\",
    "background:", "<script>", "</script>", " onclick=", "<svg viewBox=1>", "</svg>", "<!--", "-->", "<?", "<![CDATA[",
    "<table>", "<td background=", "<iframe>", "<iframe class=video_iframe>", "</iframe>", "<form>", "</form>", "<o:p>",
    "javascript:", "data:,x", "<textarea>", "<plaintext>", "<body>", "<html>", "<title>", "<a href=", "<style>",
    "\ufffe", "😀", "<mp-miniprogram ", "data-miniprogram-path=", "&copy=", *URLS, WECHAT,
)  # fmt: skip

markup = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)
"""Pieces of HTML in any order."""

ATTACKS: Final = (
    '<iframe class="video_iframe" src="https://evil.example/x"></iframe>',
    '<iframe src="https://evil.example\\@v.qq.com/">',
    "<svg><style><img src=x onerror=hit()></style>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=hit()&gt;'>",
    "<svg></p><style><a id='</style><img src=x onerror=hit()>'>",
    "<style>@import url(//evil.example)</style>",
    "<svg><a><animate attributeName=href values=javascript:hit()></animate><text y=20>a</text></a></svg>",
    "<a href='data:image/svg+xml,<svg onload=hit()>'>a</a>",
    "<svg><use href='data:image/svg+xml,<svg id=a/>#a'>",
    "<svg><desc><script>hit()</script><img src=x onerror=hit()>",
    "<svg><foreignObject><iframe srcdoc='<script>top.hit()'>",
    "<xmp><img src=x onerror=hit()></xmp>",
    "<noscript><p title='</noscript><img src=x onerror=hit()>'>",
    "<plaintext><img src=x onerror=hit()>",
    "<!--><img src=x onerror=hit()>-->",
    "<!--a--!><img src=x onerror=hit()>-->",
    "<?a><img src=x onerror=hit()>?>",
    "<![CDATA[><img src=x onerror=hit()>]]>",
    "<svg><![CDATA[<img src=x onerror=hit()>]]>",
    "<img src=x/onerror=hit()>",
    "<img/src=x/onerror=hit()//",
    "<a title='x'onclick=hit()>",
    '<p "a=b onclick=hit()>',
    "<details open ontoggle=hit()>",
    "<video><source onerror=hit()></video>",
    "<body onload=hit()>",
    "<textarea><img",
    "<select><iframe><select><img src=x onerror=hit()>",
    "<form><input autofocus onfocus=hit()></form>",
    "<title><img",
    "<template><img src=x onerror=hit()></template>",
    "<iframe src='javascript:top.hit()'>",
    "</p><iframe/srcdoc=",
    "<object data='javascript:hit()'>",
    "<embed src='javascript:hit()'>",
    "<listing>&lt;img onerror=hit()>",
    "<frameset",
    "<svg><script>hit()</script>",
    "<svg/onload=hit()>",
    "<svg><set attributeName=onmouseover to=hit()>",
    "<mp-x onclick=hit()>",
    "<p style='x:\\75rl(javascript:hit())'>",
    "<p style='background:image-set(\"//evil.example\" 1x)'>",
    "<annotation-xml>",
    "<svg><title><img src=x onerror=hit()></title>",
    "<base href=//evil.example/>",
    "<isindex formaction=javascript:hit()>",
    "<svg><main><article><div></div></article></main></svg><p style='position:fixed;inset:0'>",
    "<svg><foreignObject><li></foreignObject></svg>",
    "<b style='display:none'><td><u><li></u></td></b>",
)
"""Where parsers do not agree on what is an element, and what would run if it were one. `hit()` tells that it has."""
soup = st.lists(st.sampled_from((*ATTACKS, *TOKENS)), max_size=12).map("".join)
"""Attacks in any order, with pieces of HTML between them."""

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
    body = Document(content).body
    for hidden in list(body.iter("script", "noscript", "iframe", "textarea", "title", "select", "noembed", "noframes")):
        hidden.drop_tree()
    return "".join(map(str, body.itertext()))
