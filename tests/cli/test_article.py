"""`qunfa article preview`: which request is meant, and what its page says of what it cannot show."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from typer.testing import CliRunner

from qunfa.article import cleaned
from qunfa.article.page import MARK
from qunfa.cli import app
from qunfa.cli.article import asked_for, earlier_pictures, of_a_file, page_of, written
from qunfa.cli.article_page import Album, ArticlePreview, Asked, built
from qunfa.cli.errors import Refused, WrongUse
from qunfa.contract.checks import ShownPicture, SourcesSeen
from qunfa.contract.ids import MassSendId
from qunfa.contract.message import Article, NewsVia, Source
from qunfa.contract.refusal import InvalidRequestError
from tests.cli.calls import QUEUE
from tests.media.samples import picture

URI = "file:///srv/media/a.png"
HELD = "https://mmbiz.qpic.cn/mmbiz_png/x/0"
BYTES = picture()
DIGEST = sha256(BYTES).hexdigest()
FOUND = ShownPicture(sha256=DIGEST, size=len(BYTES), kind="png", data=b64encode(BYTES).decode())
CONTENT = f'<script>x</script><img src="{URI}"><img src="{HELD}">'


def seen(**more: Any) -> SourcesSeen:
    """What a send has pinned of the article below."""
    source = Source(place="message.articles[0].content", uri=URI, use="picture", sha256=DIGEST, size=len(BYTES))
    contents = (cleaned(CONTENT).digest({URI: DIGEST}),)
    return SourcesSeen(digest="d" * 64, sources=(source,), contents=contents).model_copy(update=more)


def told(found: ShownPicture = FOUND, **more: Any) -> tuple[str, ArticlePreview]:
    """The page of one article under a cover that WeChat holds, and what is said of it."""
    article = Article.model_validate({"title": "t", "content": CONTENT, "thumb": {"media_id": "T"}})
    asked = Asked("demo", "k", (article,), "the send demo/k", **{"seen": seen(), **more})
    return built(asked, Album(asked, {URI: found}), datetime(2026, 12, 1, tzinfo=UTC))


def test_what_a_send_has_pinned_is_shown_and_nothing_is_wrong() -> None:
    """With the digest that is approved. What WeChat holds is told, and not fetched."""
    page, said = told()
    [article] = said.articles
    assert (said.wrong, article.removed) == ((), ("<script>",))
    assert [look.state for look in article.pictures] == ["held", "shown", "held"]
    assert f"Digest of all this: {'d' * 16}." in page
    assert b64encode(BYTES).decode() in page
    assert "mmbiz" not in page.partition('<div class="content">')[2].partition("</article>")[0]


@pytest.mark.parametrize(
    ("news_via", "covers"), [("draft", 0), (None, 0), ("uploadnews", 1)], ids=["draft", "not known", "uploadnews"]
)
def test_the_cover_stands_inside_where_wechat_puts_it(news_via: NewsVia | None, covers: int) -> None:
    """A draft has no `show_cover_pic`, and the page says so."""
    article = Article.model_validate({"title": "t", "content": "<p>x</p>", "thumb": {"uri": URI}, "show_cover_pic": 1})
    asked = Asked("demo", "k", (article,), "the send demo/k", seen())
    page, _ = built(asked, Album(asked, {URI: FOUND}, news_via), datetime(2026, 12, 1, tzinfo=UTC))
    inside = page.partition("</h2><article>")[2].partition("</article>")[0]
    assert inside.count("<img") == covers
    assert ("drafts do not know it" in page) == (not covers)


@pytest.mark.parametrize(
    ("news_via", "several", "shown"), [(None, 1, 54), ("draft", 1, 54), ("draft", 2, 0), ("uploadnews", 2, 64)]
)
def test_an_article_without_a_digest_has_its_first_words(news_via: NewsVia | None, several: int, shown: int) -> None:
    """As many as WeChat takes of it: of several in a draft it shows none."""
    article = Article.model_validate({"title": "t", "content": "<p>" + "字" * 99 + "</p>", "thumb": {"uri": URI}})
    asked = Asked("demo", "k", (article,) * several, "the send demo/k", seen())
    page, _ = built(asked, Album(asked, {URI: FOUND}, news_via), datetime(2026, 12, 1, tzinfo=UTC))
    listed = page.partition("In the list of the account's messages")[2]
    assert listed.partition("<small>")[2].partition("</small>")[0] == "字" * shown


def test_what_is_done_to_a_picture_is_told() -> None:
    """That it is bigger than it is shown, and that `fit_images` has it re-encoded."""
    [pinned] = seen().sources
    fitted = seen(sources=(pinned.model_copy(update={"fit": True}),))
    _, said = told(FOUND.model_copy(update={"smaller": True}), seen=fitted)
    assert said.articles[0].pictures[1].said.endswith(f"SHA-256 {DIGEST[:16]}, shown smaller, re-encoded for WeChat.")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"found": FOUND.model_copy(update={"sha256": "0" * 64})}, "is another file now than the send has pinned"),
        ({"found": ShownPicture(problem="It is gone.")}, "could not be read: It is gone."),
        ({"seen": None, "unseen": "the workers are older"}, "as they are now, because the workers are older."),
        ({"seen": seen(contents=("0" * 64,))}, "use the workers' version of qunfa"),
    ],
)
def test_what_is_not_shown_as_it_would_be_sent_is_wrong(changes: dict[str, Any], sentence: str) -> None:
    """On the page in red, and in what the command tells."""
    page, said = told(**changes)
    [wrong] = said.wrong
    assert sentence in wrong
    assert page.count('<p class="wrong">') == 1
    assert (b64encode(BYTES).decode() in page) is ("found" not in changes)


def _of(article: dict[str, Any], **found: ShownPicture) -> tuple[str, ArticlePreview]:
    """The page of one article that a send has pinned, under a cover of WeChat's address."""
    made = Article.model_validate({"title": "t", "content": "<p>x</p>", "thumb": {"uri": HELD}, **article})
    pinned = Source(place="message.articles[0].thumb", uri=HELD, use="cover", sha256=DIGEST, size=len(BYTES))
    asked = Asked("demo", "k", (made,), "o", seen(sources=(pinned,), contents=(cleaned(made.content).digest({}),)))
    return built(asked, Album(asked, {HELD: found.get("cover", FOUND)}), datetime(2026, 12, 1, tzinfo=UTC))


def test_a_cover_at_wechats_address_is_compared_too() -> None:
    """The send reads it there, and uploads it: it is no picture that WeChat leaves where it is."""
    (page, said), (_, changed) = _of({}), _of({}, cover=FOUND.model_copy(update={"sha256": "0" * 64}))
    assert (said.wrong, b64encode(BYTES).decode() in page) == ((), True)
    assert ["is another file now" in one for one in changed.wrong] == [True]


def test_words_of_a_link_turn_no_note_around() -> None:
    """Its address comes first, and is told as it is sent."""
    hidden = f"” leads to https://official.example/ \u202e{'x' * 3000}"
    link = f'<a href="https://evil.example/#/moc.laiciffo//:sptth">官网<span style="display:none">{hidden}</span></a>'
    page, said = _of({"content": link, "content_source_url": "https://evil.example/ ”\u202e"})
    notes = page.partition("About article")[2]
    assert "<li>Link to https://evil.example/#/moc.laiciffo//:sptth: “官网” leads to https" in notes
    assert "<li>Link to https://evil.example/%20%E2%80%9D%E2%80%AE: “阅读原文”</li>" in notes
    assert ("\u202e" in notes, len(notes) < 1000, said.articles[0].removed) == (False, True, ())
    short = _of({"content": '<a href="https://a/">b\u202e</a>'})[0].partition("About article")[2]
    assert "“b\\u202e”" in short


def test_a_look_that_depends_on_the_screen_is_told() -> None:
    """It is not wrong: what is sent is what the page has."""
    (page, said), (other, _) = _of({"content": '<p style="width:100vw">x</p>'}), _of({})
    assert ("depends on the screen" in page, "depends on the screen" in other, said.wrong) == (True, False, ())


async def test_an_article_nested_too_deeply_is_refused(client: Client) -> None:
    """In a sentence, before a worker is asked for its pictures."""
    articles = (Article.model_validate({"title": "t", "content": "<b>" * 300, "thumb": {"media_id": "T"}}),)
    asked = Asked("demo", "k", articles, "o", unseen="x", of_a_send=False)
    with pytest.raises(Refused, match="an article is nested more than 200 elements deep"):
        await page_of(client, asked, "a", QUEUE)


def test_a_request_without_a_send_is_as_it_is_now() -> None:
    """That is said, and is not wrong; what WeChat would refuse of its words is."""
    page, said = told(seen=None, unseen="no send has looked at them yet", of_a_send=False)
    assert said.wrong == ()
    assert "Pictures are as they are now, because no send has looked at them yet." in page


def test_a_file_is_told_from_a_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name; another file where the name is no send's. With --account it is a key, whatever it looks like."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "request").write_text("{}", encoding="utf-8")
    assert [asked_for(name, None) for name in ("-", "demo/a.json", "a.YAML", "request")] == [
        *("-", "demo/a.json", "a.YAML", "request")
    ]
    assert asked_for("demo/sale", None) == asked_for("sale", "demo") == MassSendId("demo", "sale")
    assert asked_for("a.json", "demo") == MassSendId("demo", "a.json")
    with pytest.raises(WrongUse, match=r"names no mass send: .* A file's name ends with \.json"):
        asked_for("nothing", None)


def test_a_file_needs_an_account_and_a_message(tmp_path: Path) -> None:
    """Of a mass send, of a preview, or of neither; what is wrong with it is named."""
    message = {"msgtype": "mpnews", "articles": [{"title": "t", "content": "x", "thumb": {"media_id": "T"}}]}
    file = tmp_path / "a.json"

    def read(**raw: object) -> Asked:
        file.write_text(json.dumps(raw), encoding="utf-8")
        return of_a_file(str(file))

    alone = {"account": "demo", "message": message}
    to = {"to": [{"openid": "oAbC1dEf2gH"}]}
    found = [read(**alone), read(**alone, key="k", audience={"kind": "tag", "tag_id": 2}), read(**alone, key="p", **to)]
    assert [(one.key, one.account, one.articles[0].title, one.of_a_send) for one in found] == [
        (key, "demo", "t", False) for key in ("article", "k", "p")
    ]
    with pytest.raises(InvalidRequestError, match="account"):
        read(message=message)
    with pytest.raises(Refused, match="its message is of another type"):
        read(account="demo", message={"msgtype": "text", "content": "x"})
    with pytest.raises(Refused, match="the draft D: Qunfa does not know what it says"):
        read(account="demo", message={"msgtype": "mpnews", "media_id": "D"})


def test_a_page_replaces_no_file_of_somebody_else(tmp_path: Path) -> None:
    """That is seen before anybody is asked."""
    own = tmp_path / "own.html"
    own.write_text("<p>mine</p>", encoding="utf-8")
    answer = CliRunner().invoke(app, ["article", "preview", "demo/spring", "--output", str(own)])
    assert (answer.exit_code, "no preview has written it" in " ".join(answer.stderr.split())) == (2, True)
    assert own.read_text("utf-8") == "<p>mine</p>"


def _preview(page: Path, *drawn: bytes) -> dict[str, bytes]:
    """Written as the command does it; the pictures beside it then."""
    written(page, f"<!DOCTYPE html>\n{MARK}\nof today", drawn, earlier_pictures(page, png=bool(drawn)))
    return {file.name: file.read_bytes() for file in page.parent.glob("*.png")}


def test_a_preview_leaves_no_picture_of_an_earlier_one(tmp_path: Path) -> None:
    """An approver would take the old content for the new one."""
    page = tmp_path / "k-preview.html"
    _preview(page, b"old 0", b"old 1")
    assert _preview(page, b"new 0") == {"k-preview.png": b"new 0"}
    assert _preview(page) == {}


def test_a_picture_of_somebody_else_stays(tmp_path: Path) -> None:
    """Be there a page already or not: it is neither written over nor removed. A page may tell of no pictures."""
    page, theirs = tmp_path / "k-preview.html", tmp_path / "k-preview-1.png"
    theirs.write_bytes(b"theirs")
    for _ in ("no page yet", "a page"):
        with pytest.raises(WrongUse, match=r"k-preview-1\.png is there already"):
            _preview(page, b"new 0", b"new 1")
        page.write_text(MARK, encoding="utf-8")
        assert _preview(page) == {"k-preview-1.png": b"theirs"}


@pytest.mark.usefixtures("chinese")
def test_a_page_speaks_chinese() -> None:
    """What it says of pictures and comments, and what is wrong; not what stands in the article."""
    page, said = told(found=FOUND.model_copy(update={"sha256": "0" * 64}))
    assert "已不是该群发锁定的文件" in " ".join(said.wrong)
    assert "没有填写摘要。" in page
    assert "Shanghai" not in page


def test_the_articles_of_a_split_test_are_shown_by_group(tmp_path: Path) -> None:
    """Each group has its own; a send without a split test has no group b."""
    each = {name: {"title": name, "content": CONTENT, "thumb": {"media_id": "T"}} for name in ("春", "夏")}
    first, second = [{"msgtype": "mpnews", "articles": [article]} for article in each.values()]
    audience = {"kind": "openid_file", "uri": "file:///lists/all.txt"}
    plain = {"account": "demo", "key": "k", "audience": audience, "message": first}
    file = tmp_path / "request.json"
    file.write_text(json.dumps({**plain, "message_b": second, "split": {"a": 10, "b": 10}}))
    assert [of_a_file(str(file), "a").articles[0].title, of_a_file(str(file), "b").articles[0].title] == ["春", "夏"]
    file.write_text(json.dumps(plain))
    with pytest.raises(WrongUse, match="no group b"):
        of_a_file(str(file), "b")
