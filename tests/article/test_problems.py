import time

import pytest
from hypothesis import given

from qunfa.article import DataUriError, data_of, name_of, problems, problems_as_sent
from tests.article.markup import articles, markup

PLACE = "message.articles[2].content"


def only(content: str) -> str:
    (problem,) = problems(content, PLACE)
    assert problem.startswith(f"{PLACE}: ")
    return problem.removeprefix(f"{PLACE}: ")


@pytest.mark.parametrize(
    "content",
    [
        "text",
        '<img src="https://a.com/1.png">',
        '<img src="s3://bucket/1.png">',
        '<img src="data:image/png;base64,iVBORw0K">',
        '<mp-miniprogram data-miniprogram-appid="wx"></mp-miniprogram>',
        '<iframe class="video_iframe" vid="v1"></iframe>',
        "<p>" + "中" * 19_992,
    ],
)
def test_good_content_has_no_problems(content: str) -> None:
    """Text, a picture that can be fetched, or a card is enough."""
    assert problems(content, PLACE) == []


@pytest.mark.parametrize("tag", ["video", "audio", "source", "track"])
def test_what_plays_has_an_address_that_phones_reach(tag: str) -> None:
    """Qunfa uploads no video of an article: with a path it would stand there, and show nothing to anybody."""
    for url in ("https://mpvideo.qpic.cn/a.mp4?b=1", "//mpvideo.qpic.cn/a.mp4"):
        assert problems(f'text<{tag} src="{url}"></{tag}>', PLACE) == []
    for url in ("clip.mp4", "/clip.mp4", "file:///srv/media/clip.mp4", "data:video/mp4;base64,AAAA", "https://"):
        said = only(f'text<{tag} src="{url}"></{tag}>')
        assert said == f"its <{tag}> has the address {name_of(url)}, which no phone can read; use an https: URL"
    assert problems(f"text<{tag}></{tag}>", PLACE) == []


def test_content_is_shorter_than_20_000_characters() -> None:
    """Characters count, not bytes."""
    assert problems("中" * 19_999, PLACE) == []
    assert only("中" * 20_000) == "has 20,000 characters; WeChat takes fewer than 20,000"


PICTURES = "".join(f'<img src="file:/m/{number}.png">' for number in range(30))
AS_SENT = f"{PLACE}: cleaned, and with WeChat's longer URLs for its pictures, it "


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("中" * 17_500 + PICTURES, "has 21,370 characters; WeChat takes fewer than 20,000"),
        ("<style>p{}</style>", "has neither text nor a picture"),
    ],
)
def test_content_is_judged_as_it_will_be_sent(content: str, said: str) -> None:
    """WeChat's URLs are longer than those of files, and what is taken out is not there."""
    assert problems(content, PLACE) == []
    assert problems_as_sent(content, PLACE) == [AS_SENT + said]
    assert problems_as_sent("中" * 14_000 + PICTURES + "<script>x()</script>", PLACE) == []


@pytest.mark.parametrize(
    "content",
    [
        "", " \n ", "<p></p>", "<p>&nbsp;</p>", "<!-- only a comment -->", "<img src=''>",
        '<iframe class="video_iframe"></iframe>', '<iframe src="https://evil.example/"></iframe>',
    ],
)  # fmt: skip
def test_content_that_shows_nothing_is_a_problem(content: str) -> None:
    """WeChat would refuse it, and no reader would miss it."""
    assert only(content) == "has neither text nor a picture"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pictures/1.png", "relative URL"),
        ("/1.png", "relative URL"),
        ("?x=1", "relative URL"),
        ("https:///1.png", "relative URL"),
        ("blob:https://a.com/x", "read by nobody else"),
        ("cid:part1", "read by nobody else"),
        ("http://[", "no readable URL"),
        ("data:image/png", "without a comma"),
        ("data:image/png;base64,a", "base64 is broken"),
        ("data:,", "is empty"),
    ],
)
def test_a_picture_that_nobody_can_fetch_is_a_problem(url: str, said: str) -> None:
    """Before anything is uploaded, with what to write instead."""
    assert said in only(f"<p style=\"background:url('{url}')\">text</p>")


def test_all_pictures_with_problems_are_named() -> None:
    """Each once."""
    assert len(problems('<img src="a.png"><img src="b.png"><img src="a.png">', PLACE)) == 2


def test_there_are_at_most_a_hundred_pictures_to_upload() -> None:
    """WeChat's own do not count, and neither does the same one twice."""
    own = "".join(f'<img src="http://mmbiz.qpic.cn/m/{number}/0">' for number in range(150))
    assert problems(own + '<img src="https://a.com/1">' * 150, PLACE) == []
    assert "101 different pictures" in only("".join(f'<img src="https://a.com/{number}">' for number in range(101)))


@pytest.mark.parametrize(("content", "code"), [("a\0b", "U+0000"), ("a\x1bb", "U+001B"), ("a\ud800b", "U+D800")])
def test_characters_that_no_text_has_are_a_problem(content: str, code: str) -> None:
    """They come from a file that was read in the wrong encoding."""
    assert code in only(content)


@pytest.mark.parametrize(
    "bomb",
    [
        "<div>" * 3_999,
        "<div>" * 100_000,
        "x" * 10_000_000,
        "<a" * 9_999,
        "<!--" * 4_999,
        "<p style='" + "(" * 19_000 + "'>",
        "<p style='" + "a:url(b.png);" * 1_500 + "'>x",
        "<p " + "a=b " * 4_900 + ">x",
        "<p " + " ".join(f"a{number}=1" for number in range(2_500)) + ">x",
        "&" * 19_999,
        "<table>" * 2_800,
        "<b><p>" * 3_300,
    ],
    ids=lambda bomb: f"{bomb[:12]} {len(bomb)}",
)
def test_a_bomb_is_judged_in_no_time(bomb: str) -> None:
    """Nesting, length, and whatever makes a parser slow."""
    started = time.thread_time()
    problems(bomb, PLACE)
    problems_as_sent(bomb, PLACE)
    assert time.thread_time() - started < 1


@given(articles | markup)
def test_any_content_is_judged(content: str) -> None:
    """There are problems or none, and no exception."""
    found = problems(content, PLACE) + problems_as_sent(content, PLACE)
    assert all(problem.startswith(f"{PLACE}: ") for problem in found)


def test_a_data_uri_gives_its_bytes() -> None:
    """In base64, with blanks in it, or percent-encoded."""
    assert data_of("data:image/png;base64,aGVs\nbG8=") == b"hello"
    assert data_of("DATA:image/png;charset=x;BASE64,aGVsbG8%3D") == b"hello"
    assert data_of("data:,hel%6co") == b"hello"
    with pytest.raises(DataUriError, match="broken"):
        data_of("data:;base64,aGVsbG8")


def test_a_url_has_a_short_name_without_secrets() -> None:
    """What is logged holds no signature, no password and no megabytes."""
    assert name_of("https://user:pw@a.com/1.png?X-Signature=s#f") == "https://***@a.com/1.png?***"
    assert name_of("https://[a.com/1.png?X-Signature=s") == "https://[a.com/1.png?***"
    assert name_of(r"https:\\u:pw@a.com/1?s") == r"https:\\***@a.com/1?***"
    data = "data:image/png;base64," + "A" * 9000
    assert name_of(data) == name_of(data) != name_of(data + "A")
    assert len(name_of(data)) == 21
    assert len(name_of("https://a.com/" + "x" * 500)) == 120
