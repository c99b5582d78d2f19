"""From the options that say what is sent to a request's message."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.cli.commands import spread
from qunfa.cli.errors import WrongUse
from qunfa.cli.message import message_of
from qunfa.cli.request import recipients
from qunfa.cli.typed import MessageOptions
from qunfa.contract.request import parse_request
from tests.cli.stub import request
from tests.media.samples import clip, picture, recording


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a marketing team has, in the folder where they stand."""
    files = {
        "cover.jpg": picture("JPEG"),
        "a b.png": picture(),
        "images/春.png": picture(colour="green"),
        "clip.mp4": clip(),
        "a.mp3": recording(),
        "article.html": '<html><body><p>春</p><img src="a%20b.png"><img src="images/春.png"></body></html>'.encode(),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _built(**options: Any) -> Any:
    """The message, which a request takes as it is."""
    message: Any = message_of(MessageOptions(**options))
    assert parse_request({**request("k"), "message": message}).message.msgtype == message["msgtype"]
    return message


def test_an_article_with_its_pictures(folder: Path) -> None:
    """The body of the HTML file, its pictures as URIs of files here, the cover, and what options say of it."""
    article = {"title": "春", "author": "李", "digest": "d", "content_source_url": "https://example.com/"}
    message = _built(
        html="article.html", thumb="cover.jpg", title="春", author="李", digest="d", source_url="https://example.com/"
    )
    [built] = message["articles"]
    pictures = [(folder / name).as_uri() for name in ("a b.png", "images/春.png")]
    assert built.pop("content") == f'<p>春</p><img src="{pictures[0]}"><img src="{pictures[1]}">'
    assert built == {**article, "thumb": {"uri": (folder / "cover.jpg").as_uri()}}


def test_pictures_a_video_a_voice_and_a_text(folder: Path) -> None:
    """With what belongs to each, and pictures in their order. Nothing is no message: a file's message stays then."""
    images = [{"uri": (folder / name).as_uri()} for name in ("cover.jpg", "a b.png")]
    pictures = {"msgtype": "image", "images": images, "recommend": "看"}
    assert _built(image=["cover.jpg", "a b.png"], recommend="看") == pictures
    video = {"msgtype": "mpvideo", "media": {"uri": (folder / "clip.mp4").as_uri()}, "title": "t", "description": "d"}
    assert _built(video="clip.mp4", title="t", description="d") == video
    assert _built(voice="a.mp3") == {"msgtype": "voice", "media": {"uri": (folder / "a.mp3").as_uri()}}
    assert _built(text="hi") == {"msgtype": "text", "content": "hi"}
    assert message_of(MessageOptions()) is None


@pytest.mark.parametrize(
    ("named", "media"),
    [
        ("https://example.com/a.mp3?sign=1", {"uri": "https://example.com/a.mp3?sign=1"}),
        ("s3://bucket/a.mp3", {"uri": "s3://bucket/a.mp3"}),
        ("file:///only/there.mp3", {"uri": "file:///only/there.mp3"}),
        ("media_id:abc-_1", {"media_id": "abc-_1"}),
    ],
)
def test_what_is_elsewhere_is_passed_on(named: str, media: dict[str, str]) -> None:
    """A URI goes to the workers as it is, and a media_id to WeChat: neither is looked for here."""
    assert _built(voice=named)["media"] == media


def test_an_article_may_name_pictures_elsewhere(folder: Path) -> None:
    """What has a scheme is left alone, and not looked for here."""
    content = '<img src="https://cdn.example.com/a.png"><img src="file:///only/there.png">'
    Path("elsewhere.html").write_text(content, encoding="utf-8")
    [article] = _built(html="elsewhere.html", thumb="media_id:m", title="t")["articles"]
    assert article["content"] == content


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": "t", "voice": "a.mp3"}, "--text and --voice exclude each other"),
        ({"html": "article.html", "title": "t"}, "--html needs --thumb"),
        ({"html": "article.html"}, "--html needs --title and --thumb"),
        ({"video": "clip.mp4"}, "--video needs --title"),
        ({"title": "t"}, "--title belongs to --html or --video"),
        ({"text": "t", "thumb": "cover.jpg"}, "--thumb belongs to --html"),
        ({"voice": "a.mp3", "recommend": "r"}, "--recommend belongs to --image"),
        ({"voice": "b.mp3"}, "--voice b.mp3: there is no such file here."),
        ({"image": ["cover.jpg", "c.png"]}, "--image c.png: there is no such file here."),
        ({"voice": "images"}, "--voice images: it is no regular file."),
        ({"html": "no.html", "thumb": "cover.jpg", "title": "t"}, "--html no.html: there is no such file here."),
        ({"html": "article.html", "thumb": "no.jpg", "title": "t"}, "--thumb no.jpg: there is no such file here."),
        ({"html": "lacking.html", "thumb": "cover.jpg", "title": "t"}, "gone.png: there is no such file here."),
        ({"html": "odd.html", "thumb": "cover.jpg", "title": "t"}, "--html odd.html: it is in no encoding"),
        ({"voice": "a\0b"}, "there is no such file here"),
    ],
)
def test_wrong_use_names_the_option(folder: Path, options: dict[str, Any], said: str) -> None:
    """Before anything is started."""
    Path("lacking.html").write_text('<img src="gone.png">', encoding="utf-8")
    Path("odd.html").write_bytes(b"\xff\xff\xff")
    with pytest.raises(WrongUse) as refused:
        message_of(MessageOptions(**options))
    assert said in str(refused.value)


def test_people_who_see_a_preview() -> None:
    """By openid, or by WeChat id."""
    assert recipients(["oA", "wx:li"], ["wang"]) == [{"openid": "oA"}, {"wxname": "li"}, {"wxname": "wang"}]
    assert recipients([], None) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--image a b", "--image a --image b"),
        ("f --image a b --yes c", "f --image a --image b --yes c"),
        ("--image a --image b c", "--image a --image b --image c"),
        ("--image=a b", "--image=a b"),
        ("--image a -- b c", "--image a -- b c"),
        ("--tag 1 f", "--tag 1 f"),
        ("--image", "--image"),
    ],
)
def test_pictures_may_stand_in_a_row(typed: str, meant: str) -> None:
    """What follows --image belongs to it, up to the next option."""
    assert spread(typed.split()) == meant.split()


NAMES = st.text(alphabet="ab.é", min_size=1)


@given(names=st.lists(NAMES, min_size=1))
def test_a_row_is_as_good_as_repetition(names: list[str]) -> None:
    """For any number of files."""
    repeated = [word for name in names for word in ("--image", name)]
    assert spread(["--image", *names]) == repeated == spread(repeated)
