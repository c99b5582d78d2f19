from contextlib import nullcontext
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.article import ArticleError, decoded, local_pictures, pictures

BASE = Path("/srv/articles/spring")


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("a.png", "file:///srv/articles/spring/a.png"),
        ("./pictures/a b.png", "file:///srv/articles/spring/pictures/a%20b.png"),
        ("pictures/a%20b.png", "file:///srv/articles/spring/pictures/a%20b.png"),
        ("图片.png", "file:///srv/articles/spring/%E5%9B%BE%E7%89%87.png"),
        ("../a.png", "file:///srv/articles/a.png"),
        ("pictures\\a.png", "file:///srv/articles/spring/pictures/a.png"),
        ("/shared/a.png", "file:///shared/a.png"),
        ("a.png?v=3#x", "file:///srv/articles/spring/a.png"),
        ("https://a.com/a.png", "https://a.com/a.png"),
        ("//a.com/a.png", "https://a.com/a.png"),
        ("data:,x", "data:,x"),
    ],
)
def test_a_picture_beside_the_file_gets_an_absolute_uri(url: str, absolute: str) -> None:
    """As a browser would resolve it that has the file open."""
    for content in (f'<img src="{url}">', f"<p style='background:url(\"{url.replace(chr(92), chr(92) * 2)}\")'>"):
        assert pictures(local_pictures(content, BASE)) == (absolute,)


def test_of_a_whole_document_the_body_counts() -> None:
    """Title and head are not part of the article, and neither is the body's own tag."""
    head = '<!DOCTYPE html>\n<html lang="zh"><head><title>T</title><style>p{}</style></head>'
    document = f'{head}<body class="x">\n<p>a</p></body></html>\n'
    assert local_pictures(document, BASE).strip() == "<p>a</p>"
    assert local_pictures("<head><title>T</title></head><header>a</header>", BASE) == "<header>a</header>"
    assert local_pictures("text <b>only</b>", BASE) == "text <b>only</b>"
    assert local_pictures("", BASE) == ""


def test_a_document_may_name_the_server_it_belongs_to() -> None:
    """`<base href>` of a saved page is honoured."""
    document = '<html><head><base href="https://a.com/x/"></head><body><img src="1.png"></body></html>'
    assert pictures(local_pictures(document, BASE)) == ("https://a.com/x/1.png",)


PLAIN = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters='/\\?#%"&<>:')


@given(st.text(PLAIN, min_size=1, max_size=30))
def test_any_file_name_can_be_found_again(name: str) -> None:
    """The URI leads to the file with that name."""
    (url,) = pictures(local_pictures(f'<img src="./{name}">', BASE))
    assert Path(unquote(urlsplit(url).path)) == Path("/srv/articles/spring") / name or name in {".", ".."}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_a_file_is_read_in_the_encoding_it_was_written_in(encoding: str) -> None:
    """China's editors still write some."""
    assert decoded("<p>群发 mass send</p>".encode(encoding)) == "<p>群发 mass send</p>"


@pytest.mark.parametrize("head", ['<meta charset="{}">', "<META http-equiv=x content='text/html; charset={}'>"])
@pytest.mark.parametrize("encoding", ["big5", "shift_jis", "euc-kr", "windows-1252"])
def test_a_file_that_declares_another_encoding_is_refused(head: str, encoding: str) -> None:
    """Read as one of China's, almost any bytes are text; what is UTF-8 all the same is read."""
    for said, written, is_read in ((encoding, "big5", False), (encoding, "utf-8", True), ("gb2312", "gbk", True)):
        page = f"<html><head>{head.format(said)}</head><p>商品八折</p>"
        with nullcontext() if is_read else pytest.raises(ArticleError, match="save it as UTF-8"):
            assert decoded(page.encode(written)) == page


def test_a_file_in_no_known_encoding_is_refused() -> None:
    """Nobody is sent an article full of question marks."""
    with pytest.raises(ArticleError, match="UTF-8"):
        decoded(b"caf\xe9 \xff")
