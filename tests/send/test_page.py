"""The page of a send, as `workflows.pages` writes it of a status."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from qunfa.contract import operators
from qunfa.contract.audience import describe
from qunfa.contract.message import Material
from qunfa.contract.operators import Status, StoryLine
from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import MassSendResult, Problem
from qunfa.rules.problems import PROBLEMS
from tests.send.alone import FACTS, Alone
from tests.workflows.refusals import UPDATES
from workflows.pages import EXAMPLES, example, link_articles, send_page
from workflows.preview import lines_of, warnings_of

AT = datetime(2026, 12, 1, 1, tzinfo=UTC)


def request(**more: Any) -> MassSendRequest:
    """A send of a text to all."""
    message = {"msgtype": "text", "content": "春季特卖"}
    return parse_request({"account": "demo", "key": "spring", "audience": {"kind": "all"}, "message": message, **more})


def status(**more: Any) -> Status:
    """A send that needs an operator."""
    return Status.model_validate({"phase": "needs_operator", "updated_at": AT, **more})


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_shows_its_reason_and_the_json_of_each_answer(name: str) -> None:
    """Every problem: the sentence, what to do, WeChat's words, and for each answer, and no other, what to paste."""
    choice = PROBLEMS[name]
    problem = Problem(name=name, sentence=choice.sentence, todo=choice.todo, errcode=48001, errmsg="no", rid="6b0")
    page = send_page(request(), status(problem=problem, answers=choice.answers))
    for part in (f"#### {name}", "errcode `48001`", "errmsg `no`", "rid `6b0`", "### needs operator"):
        assert part in page
    for answer in EXAMPLES:
        assert (f"Update `{answer}`: `{example(name, answer)}`" in page) is (answer in choice.answers)


@pytest.mark.parametrize("problem", ["", *PROBLEMS])
@pytest.mark.parametrize("answer", EXAMPLES)
def test_what_is_to_be_pasted_is_a_valid_update(answer: str, problem: str) -> None:
    """The JSON that the page shows is one that the update takes, and no update is left out."""
    model: type[BaseModel] = getattr(operators, answer.title().replace("_", ""))
    assert model.model_validate(json.loads(example(problem, answer))).model_dump()["by"] == "your name"
    assert EXAMPLES.keys() == set(UPDATES)


@pytest.mark.parametrize(
    ("name", "batch"), [("unknown_outcome", 3), ("no_verdict", 3), ("batch_failed", 3), ("winner_not_chosen", None)]
)
def test_what_was_looked_for_is_answered_on_its_batchs_page(name: str, batch: int | None) -> None:
    """Another batch may ask by the time an answer to the whole send arrives; all other answers stay on its page."""
    choice = PROBLEMS[name]
    problem = Problem(name=name, sentence=choice.sentence, todo=choice.todo)
    whole = request(audience={"kind": "openid_file", "uri": "file:///lists/who.csv"})
    asks = status(problem=problem, answers=choice.answers, batch=batch)
    of_batch = {"mark_sent", "retry"} if name == "unknown_outcome" else {"mark_sent"}
    for answer in choice.answers:
        typed = f"pdate `{answer}`: `{example(name, answer)}`"
        place = f"On the page of `mass-send:demo:spring.{batch}`, u" if batch and answer in of_batch else "U"
        assert f"- {place}{typed}" in send_page(whole, asks)
        assert f"- U{typed}" in send_page(request(), asks.model_copy(update={"batch": None}))


def test_articles_that_wait_for_approval_can_be_looked_at() -> None:
    """The command stands with what is to be approved, and goes once it is; a draft or a text shows nothing more."""
    article = {"title": "t", "content": "x", "thumb": {"media_id": "T"}}
    articles = request(message={"msgtype": "mpnews", "articles": [article]})
    command = "- look at it first: `qunfa article preview demo/spring`"
    waits = status(phase="awaiting_approval", answers=("approve", "reject"))
    assert command in send_page(articles, waits)
    assert command not in send_page(articles, status(phase="paused", answers=("resume",)))
    listed = {"audience": {"kind": "openid_file", "uri": "file:///lists/who.csv"}, "split": {"a": 10, "b": 10}}
    text = {"msgtype": "text", "content": "hi"}
    news = {"msgtype": "mpnews", "articles": [article]}
    groups = "; ".join(f"qunfa article preview demo/spring --group {name}" for name in "ab")
    assert f"`{groups}`" in send_page(request(**listed, message=news, message_b=news), waits)
    assert f"`{groups.partition('; ')[2]}`" in send_page(request(**listed, message=text, message_b=news), waits)
    draft = request(message={"msgtype": "mpnews", "media_id": "D"})
    assert not any("article preview" in send_page(other, waits) for other in (draft, request()))


@pytest.fixture
def _links() -> Iterator[None]:
    link_articles("https://ops.example.com/see_me")
    yield
    link_articles(None)


@pytest.mark.usefixtures("_links")
def test_an_approval_links_to_its_articles() -> None:
    """Before the command; of a split test to each group's, and of a text or a draft to nothing."""
    news = {"msgtype": "mpnews", "articles": [{"title": "t", "content": "x", "thumb": {"media_id": "T"}}]}
    waits = status(phase="awaiting_approval", answers=("approve", "reject"))
    listed = {"audience": {"kind": "openid_file", "uri": "file:///lists/who.csv"}, "split": {"a": 10, "b": 10}}
    place = "https://ops.example.com/see_me/demo/spring"

    def links(**more: Any) -> list[str]:
        return re.findall(
            r"^- look at it first: \[https\\:.+\]\((.+)\)$", send_page(request(**more), waits), re.MULTILINE
        )

    assert links(**listed, message=news, message_b=news) == [f"{place}?group=a", f"{place}?group=b"]
    assert links(message=news) == [place]
    assert "first: `qunfa article preview demo/spring`" in send_page(request(message=news), waits)
    assert (links(), links(message={"msgtype": "mpnews", "media_id": "D"})) == ([], [])


def test_a_send_that_waits_shows_for_what_and_until_when() -> None:
    """Also where there is no problem: the time, who has asked, approved and paused, and the updates that fit."""
    shown = status(
        phase="paused",
        waiting_for={"reason": "send_at", "until": AT},
        answers=("resume", "reschedule", "abort"),
        approval={"required": True, "by": "wang", "at": AT, "shows": ["text: 春季特卖", "to all followers"]},
        paused_by="li",
        list_paused_by="zhao",
        send_at=AT,
    )
    page = send_page(request(requested_by="crm", not_after="2026-12-01T21:00:00+08:00"), shown)
    for part in (
        "text to **all followers** of **demo**: 春季特卖",
        "**Waiting for** send\\_at, until 2026-12-01 09:00:00+08:00 at the latest",
        "- asked for by crm",
        "- approved by wang, 2026-12-01 09:00:00+08:00",
        "- paused by li",
        "- its list is paused by zhao",
        "- not before 2026-12-01 09:00:00+08:00",
        "- not submitted after 2026-12-01 21:00:00+08:00",
        "- text: 春季特卖\n- to all followers",
        'Update `resume`: `{"by": "your name"}`',
    ):
        assert part in page


def test_every_submission_has_its_row() -> None:
    """Job and generation, msg_id, state, WeChat's word and who heard it, how many received it, the clientmsgid.

    Of a batch nobody says who heard it. One of which nothing was submitted has no id that WeChat knows.
    """
    first = {"index": 0, "generation": 0, "clientmsgid": "abc-00", "state": "unknown"}
    second = {"index": 0, "generation": 1, "clientmsgid": "abc-01", "msg_id": 8, "state": "sent"}
    second |= {"status": "send success", "observed_by": "push", "deduplicated": True}
    counts = {"total": 5000, "filter": 4990, "sent": 4980, "error": 10}
    of_batch = {"index": 1, "generation": 0, "clientmsgid": "abd-00", "msg_id": 9, "state": "failed", "status": "no"}
    none = {"index": 2, "generation": 0, "clientmsgid": "abe-00", "state": "new"}
    jobs = (first, {**second, "counts": counts}, of_batch, none)
    page = send_page(request(), status(jobs=jobs)).partition("#### Jobs")[2]
    lines = [line for line in page.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert rows == [
        ["0", "", "unknown", "", ""],
        ["0, generation 1", "8", "sent, known before", "send success (push)", "4,980 of 5,000"],
        ["1", "9", "failed", "no", ""],
        ["2", "", "new", "", ""],
    ]
    assert "abe-00" not in page
    assert "clientmsgid of job 0: `abc-00`\n- clientmsgid of job 0, generation 1: `abc-01`" in page


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"msgtype": "mpnews", "media_id": "m1"}, "mpnews to **all followers** of **demo**: draft m1"),
        ({"msgtype": "image", "images": [{"media_id": "m1"}]}, "of **demo**: 1 picture\n"),
        ({"msgtype": "mpvideo", "media": {"media_id": "m1"}, "title": "花"}, 'of **demo**: "花"'),
        ({"msgtype": "wxcard", "card_id": "c1"}, "of **demo**: card c1"),
        ({"msgtype": "voice", "media": {"media_id": "m1"}}, "voice to **all followers** of **demo**\n"),
        (
            {"msgtype": "mpnews", "articles": [{"title": "春", "content": "x", "thumb": {"media_id": "m1"}}] * 2},
            'of **demo**: "春", "春"',
        ),
    ],
)
def test_the_page_says_what_would_go_out(message: dict[str, Any], says: str) -> None:
    """The titles, or how many pictures, or what WeChat holds."""
    assert says in send_page(request(message=message), status()) + "\n"


def test_whom_a_report_in_minus_leaves_out_is_said() -> None:
    """Also who is `unknown`. Of whom it goes to, nobody is."""
    report = {"kind": "report", "key": "spring", "states": ["failed"]}
    asked = request(audience={"kind": "several", "of": [report], "minus": [report]})
    said = "those of spring that are failed, without those of spring that are failed or unknown"
    assert describe(asked.audience) == said
    assert said in send_page(asked, status())


def test_text_of_others_is_shown_and_not_rendered() -> None:
    """Neither a link, nor a heading, nor HTML, nor a table's end comes from a reason or a message."""
    hostile = "<img src=x> [go](http://x) | **bold**\n# big `code`"
    page = send_page(
        request(message={"msgtype": "text", "content": hostile}),
        status(
            history=(StoryLine(at=AT, what="abort", by=hostile, reason=hostile),),
            problem=Problem(name="send_failed", sentence=hostile, todo=hostile, errmsg=hostile),
        ),
    )
    outside_code = "".join(page.split("`")[::2])
    for part in ("<img", "[go]", " | **bold", "\n# big"):
        assert part not in outside_code.replace("\\[", "").replace("\\|", "").replace("\\<", "")


def test_a_long_story_shows_its_end_and_says_so() -> None:
    """The page stays short; how much is left out is told."""
    lines = tuple(StoryLine(at=AT, what=f"try {number}") for number in range(40))
    page = send_page(request(), status(history=lines))
    assert "(the newest 15 of 40)" in page
    assert "try 39" in page
    assert "try 24" not in page


@pytest.mark.parametrize(
    ("outcome", "may_have_been", "says"),
    [
        ("sent", True, None),
        ("sent_nobody", True, None),
        ("aborted", False, "Nothing was delivered."),
        ("unknown", True, "**It may have been delivered.**"),
    ],
)
def test_a_send_that_has_ended_says_how(outcome: str, may_have_been: bool, says: str | None) -> None:
    """The outcome stands first, and what may have been delivered is told of every bad end."""
    ended = MassSendResult.model_validate(
        {"outcome": outcome, "may_have_been_delivered": may_have_been, "account": "demo", "key": "spring"}
    )
    page = send_page(request(requested_by="crm"), status(phase="done"), ended)
    assert "- asked for by crm" in page
    assert page.startswith(f"### done: {outcome.replace('_', ' ')}\n")
    assert (says in page) if says else ("delivered" not in page)


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ({"msgtype": "voice", "media": {"media_id": "V-1"}}, ["voice", "media_id V-1"]),
        ({"msgtype": "image", "images": [{"media_id": "P-1"}, {"media_id": "P-2"}], "recommend": "spring"},
         ["image", "description: spring", "media_id P-1", "media_id P-2"]),
        ({"msgtype": "image", "images": [{"uri": "file:/a.png"}]},
         ["image", "message.recommend: there is none, so WeChat adds its own words: 分享图片"]),
        ({"msgtype": "mpvideo", "media": {"media_id": "M-1"}, "title": "t", "description": "half price"},
         ["video: t", "description: half price", "media_id M-1"]),
        ({"msgtype": "mpvideo", "media": {"uri": "file:/a.mp4"}, "title": "t"}, ["video: t"]),
        ({"msgtype": "mpnews", "media_id": "D-1"}, ["mpnews D-1"]),
        ({"msgtype": "mpnews", "articles": [{"title": "t", "content": "<p>c</p>", "thumb": {"media_id": "T-1"}}]},
         ["article: t", "media_id T-1"]),
        ({"msgtype": "mpnews", "articles": [
            {"title": "t", "content": "<p>c</p>", "thumb": {"uri": "file:/c.png"}, "need_open_comment": True},
            {"title": "u", "content": "<p>c</p>", "thumb": {"uri": "file:/c.png"}, "only_fans_can_comment": True}]},
         ["article: t", "readers may comment", "article: u"]),
        ({"msgtype": "image", "images": [{"media_id": "P-1"}], "need_open_comment": True,
          "only_fans_can_comment": True}, ["image", "followers alone may comment", "media_id P-1",
          "message.recommend: there is none, so WeChat adds its own words: 分享图片"]),
        ({"msgtype": "wxcard", "card_id": "c-1"},
         ["wxcard c-1", "message.msgtype: WeChat sends no cards any more (45113)"]),
    ],
)  # fmt: skip
def test_an_approval_shows_the_whole_message(message: dict[str, Any], lines: list[str]) -> None:
    """Also what WeChat has of it already: two sends with other ids would look alike. And what a dry run warns of."""
    request = Alone(message=message).engine.request
    assert [*lines_of(request, None), *warnings_of(request, None, FACTS)] == lines


def test_an_approval_shows_material_in_its_order() -> None:
    """The first picture is the one that the chat shows, whether WeChat holds it or not."""
    found = {"uri": "file:/a.png", "use": "image", "sha256": "a" * 64, "size": 9, "kind": "png"}
    file = f"image (png, 9 bytes, SHA-256 {'a' * 16})"
    first, second = ({"uri": "file:/a.png"}, {"media_id": "P-1"}), ({"media_id": "P-1"}, {"uri": "file:/a.png"})
    for number, images in enumerate((first, second)):
        request = Alone(message={"msgtype": "image", "images": images}).engine.request
        material = Material.model_validate({"sources": [{"place": f"message.images[{number}]", **found}]})
        lines = lines_of(request, material)
        assert lines == (["image", "media_id P-1", file] if number else ["image", file, "media_id P-1"])


def test_an_approval_shows_pictures_beside_their_cover() -> None:
    """Of each article in turn. What has no place in the message is still told."""
    articles = [{"title": "t", "content": "<p>c</p>", "thumb": {"media_id": name}} for name in ("T-1", "T-2")]
    places = ("message.articles[0].content", "message.articles[1].content", "elsewhere")
    sources = [
        {"place": place, "uri": "file:/a.png", "use": "picture", "sha256": str(number) * 64, "size": 9, "kind": "png"}
        for number, place in enumerate(places)
    ]
    request = Alone(message={"msgtype": "mpnews", "articles": articles}).engine.request
    lines = lines_of(request, Material.model_validate({"sources": sources}))
    files = [f"picture (png, 9 bytes, SHA-256 {str(number) * 16})" for number in range(3)]
    assert lines[-5:] == ["media_id T-1", files[0], "media_id T-2", *files[1:]]


@pytest.mark.parametrize(("media_id", "says"), [("D-1", True), (None, False)])
def test_an_approval_tells_what_more_is_allowed(media_id: str | None, *, says: bool) -> None:
    """A picture is another one once it is re-encoded; and an article that is judged a reprint goes out all the same."""
    image = {"msgtype": "image", "images": [{"uri": "file:/a.png"}]}
    message = {"msgtype": "mpnews", "media_id": media_id} if media_id else image
    place, use, sha256 = "message.images[0]", "image", "a" * 64
    sources = [{"place": place, "uri": "file:/a.png", "use": use, "sha256": sha256, "size": 12_000_000, "fit": fit}
               for fit in (True, False)]  # fmt: skip
    material = Material.model_validate({"sources": sources})
    lines = lines_of(Alone(message=message, send_ignore_reprint=True).engine.request, material)
    assert sum(line.endswith("), re-encoded to fit") for line in lines) == 1
    assert ("sent also if WeChat judges it a reprint" in lines) is says
