"""What people see of a send and of an account."""

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.console import RenderableType

from qunfa.cli.ledger import OneSwitched, render_ledger, render_switch
from qunfa.cli.message import RequestView, beginning, bytes_words, contents, heading
from qunfa.cli.output import short
from qunfa.cli.status import headline, outcome_sentence, render_send
from qunfa.cli.view import (
    Failure,
    SendView,
    State,
    answer_commands,
    batch_command,
    look_command,
    next_command,
    state_word,
)
from qunfa.cli.watch import progress_line
from qunfa.contract import MassSendResult, Status
from qunfa.contract.ledger import LedgerView
from qunfa.contract.message import Message
from tests.cli.stub import EPOCH, result, status
from tests.cli.test_tables import lines
from tests.commands import every_command

PROBLEM = {
    "name": "quota_exhausted",
    "sentence": "WeChat says that the quota is used up.",
    "todo": "Wait for tomorrow.",
    "errcode": 45028,
    "errmsg": "has no masssend quota [bold]\x1b[31m",
    "rid": "6745-aa",
}
COUNTS = {"total": 9, "filter": 8, "sent": 7, "error": 1}
JOB = {
    "index": 0,
    "generation": 1,
    "clientmsgid": "c",
    "msg_id": 3147483650,
    "state": "sent",
    "status": "send success",
    "counts": {"total": 100, "filter": 98, "sent": 97, "error": 1},
    "observed_by": "push",
    "deduplicated": True,
}
WAITS = {"required": True, "shows": ["text: buy\nto tag 2", "to all followers"]}


def _view(state: State = "running", said: dict[str, Any] | None = None, **fields: Any) -> SendView:
    view = {"workflow_id": "mass-send:demo:k", "account": "demo", "key": "k", "state": state, **fields}
    if said is not None:
        view |= {"status": Status.model_validate(said), "phase": said["phase"]}
    return SendView.model_validate(view)


def _shown(renderable: RenderableType) -> str:
    return "\n".join(lines(renderable, 140))


def test_a_problem_shows_its_evidence_once() -> None:
    """Sentence, what to do, errcode, errmsg as it came (no markup, no control characters), rid, and until when."""
    waiting = {"reason": PROBLEM["sentence"], "until": "2026-12-04T01:00:00Z"}
    shown = _shown(render_send(_view(said=status("needs_operator", problem=PROBLEM, waiting_for=waiting))))
    assert shown.count("quota_exhausted: WeChat says that the quota is used up.") == 1
    assert shown.count(str(PROBLEM["sentence"])) == 1
    assert "Wait for tomorrow." in shown
    assert "errcode 45028, errmsg has no masssend quota [bold]\\u001b[31m, rid 6745-aa" in shown
    assert short(datetime(2026, 12, 4, 1, tzinfo=UTC)) in shown


def test_a_job_is_one_row() -> None:
    """With WeChat's counts, and who saw the verdict."""
    shown = _shown(render_send(_view(said=status("done", jobs=[JOB]))))
    [row] = [line.split() for line in shown.splitlines() if str(JOB["msg_id"]) in line]
    counts = ["100", "98", "97", "1"]
    assert row == ["0", "1", "sent", "3147483650", "send", "success", *counts, "push", "(known", "before)"]


def test_the_story_is_in_order() -> None:
    """Who did what and why, the oldest first; it can be left out."""
    lines = [
        {"at": "2026-12-01T01:00:00Z", "what": "submitted"},
        {"at": "2026-12-01T01:05:00Z", "what": "retry", "by": "li", "reason": "checked"},
    ]
    view = _view(said=status("submitting", history=lines))
    shown = _shown(render_send(view))
    assert shown.index("submitted") < shown.index("retry") < shown.index("checked")
    assert "What happened" not in _shown(render_send(view, brief=True))


@pytest.mark.parametrize(
    ("problem", "answer", "command"),
    [
        ("reprint_needs_decision", "retry", 'qunfa retry demo/k --send-ignore-reprint --reason "WHY"'),
        ("unknown_outcome", "retry", 'qunfa retry demo/k --confirm-not-delivered --reason "WHY"'),
        ("no_verdict", "retry", 'qunfa retry demo/k --reason "WHY"'),
        ("unknown_outcome", "mark_sent", 'qunfa mark-sent demo/k --msg-id MSG_ID --reason "WHY"'),
        ("no_verdict", "abort", 'qunfa abort demo/k --reason "WHY"'),
        ("no_verdict", "approve", "qunfa approve demo/k"),
        ("no_verdict", "reject", 'qunfa reject demo/k --reason "WHY"'),
        ("no_verdict", "pause", "qunfa pause demo/k"),
        ("no_verdict", "resume", "qunfa resume demo/k"),
        ("no_verdict", "reschedule", "qunfa reschedule demo/k --send-at TIME"),
    ],
)
def test_each_answer_is_a_command(problem: str, answer: str, command: str) -> None:
    view = _view(said=status("needs_operator", problem={**PROBLEM, "name": problem}, answers=[answer]))
    assert answer_commands(view) == [command]


def test_an_answer_that_has_no_command_is_an_update() -> None:
    """A newer worker may offer what this command line does not know."""
    view = _view(said=status("paused", answers=["postpone"]))
    [command] = answer_commands(view)
    assert command.startswith("temporal workflow update execute --workflow-id mass-send:demo:k --name postpone")
    assert command.endswith("""--input '{"by": "YOU", "reason": "WHY"}'""")


@pytest.mark.parametrize("answer", ["x; reboot", "retry\nreboot", "$(reboot)", "Retry", "retry\n", "", "a" * 65])
def test_an_answer_that_is_no_name_is_no_command(answer: str) -> None:
    """A worker says it, and a person pastes what is printed. A batch is not told to do it either."""
    said = status("needs_operator", problem=PROBLEM, answers=[answer, "abort"], batch=1)
    whole = _view(said=said).model_copy(update={"in_batches": True})
    assert answer_commands(whole) == ['qunfa abort demo/k --reason "WHY"']
    assert batch_command(whole) == 'qunfa abort demo/k.1 --reason "WHY"'
    none = _view(said={**said, "answers": [answer]}).model_copy(update={"in_batches": True})
    assert (answer_commands(none), batch_command(none)) == ([], None)


def test_every_command_that_is_printed_exists() -> None:
    """With all its options; `WHY`, `MSG_ID` and `TIME` stand for what only the person knows."""
    commands = every_command()
    answers = ["approve", "reject", "pause", "resume", "reschedule", "retry", "mark_sent", "abort"]
    for problem in ("reprint_needs_decision", "unknown_outcome", "no_verdict"):
        view = _view(said=status("needs_operator", problem={**PROBLEM, "name": problem}, answers=answers))
        for line in answer_commands(view):
            _, name, *words = shlex.split(line.replace("MSG_ID", "1").replace("TIME", EPOCH.isoformat()))
            commands[name].make_context(name, words)


def test_what_is_to_be_approved_is_shown() -> None:
    """All of it; a text that breaks its line cannot pass for a line of its own."""
    shown = _shown(render_send(_view(said=status("awaiting_approval", approval=WAITS))))
    [text] = [line for line in shown.splitlines() if "text: buy" in line]
    [forged] = [line for line in shown.splitlines() if "to tag 2" in line]
    [whom] = [line for line in shown.splitlines() if "to all followers" in line]
    assert text.startswith("to approve")
    assert forged.index("to tag 2") > whom.index("to all followers")
    assert "approved by" not in shown


def test_articles_to_be_approved_have_a_command_that_shows_them() -> None:
    """While they wait; and only where Qunfa knows what they say."""
    waits = status("awaiting_approval", approval=WAITS, answers=["approve", "reject"])
    look = "qunfa article preview demo/k"
    asked = RequestView(message='Article "t"', audience="all followers", look_at=look)
    view = _view(said=waits).model_copy(update={"request": asked})
    assert look_command(view) == look
    assert "look at it qunfa article preview demo/k" in " ".join(_shown(render_send(view)).split())
    draft = view.model_copy(update={"request": asked.model_copy(update={"look_at": None})})
    approved = _view(said=status("scheduled", answers=["abort"])).model_copy(update={"request": asked})
    assert [look_command(one) for one in (draft, approved, _view(said=waits))] == [None] * 3


def test_who_approved_and_who_paused_is_shown() -> None:
    """With when, and what was approved; and the time that it was given."""
    approval = {**WAITS, "by": "wang", "at": EPOCH.isoformat()}
    said = status("paused", approval=approval, paused_by="li", list_paused_by="zhao", send_at=EPOCH.isoformat())
    shown = _shown(render_send(_view(said=said)))
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    held = ("paused by li", "list paused by zhao", f"send at {short(EPOCH)}")
    for row in (f"approved by wang, {short(EPOCH)}", *held):
        assert row in rows
    assert "to all followers" in shown


def test_a_closed_send_offers_no_answer() -> None:
    """Even where the last status still names some."""
    assert answer_commands(_view("terminated", status("needs_operator", answers=["retry"]))) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"outcome": "sent", "totals": COUNTS}, "7 of 8 received it, 1 failed"),
        ({"outcome": "sent"}, "Delivered."),
        ({"outcome": "sent_nobody"}, "nobody received it"),
        ({"outcome": "partly_sent"}, "Sent in part: not every job ended well."),
        ({"outcome": "unknown", "may_have_been_delivered": True}, "Nobody knows yet"),
        ({"outcome": "failed", "may_have_been_delivered": True}, "Something may have been delivered."),
        ({"outcome": "aborted"}, "Nothing was delivered."),
    ],
)
def test_an_outcome_says_whether_anybody_got_it(fields: dict[str, Any], sentence: str) -> None:
    """A bad end never leaves that open."""
    outcome = fields.pop("outcome")
    assert sentence in outcome_sentence(MassSendResult.model_validate({**result(outcome, "k"), **fields}))


def test_an_early_count_of_nobody_is_not_told_as_people() -> None:
    """WeChat has said that it was sent, and counts before all is done: "0 of 8 received it" reads as a failure."""
    uncounted = {**result("sent", "k"), "totals": {"total": 9, "filter": 8, "sent": 0, "error": 0}}
    assert outcome_sentence(MassSendResult.model_validate(uncounted)) == "Delivered."


def test_a_send_in_a_word_and_in_a_line() -> None:
    """The phase, then the outcome, else how Temporal closed it; what it waits for and until when; what is wrong."""
    ended = MassSendResult.model_validate(result("sent", "k"))
    assert state_word(_view(said=status("submitting"))) == "submitting"
    assert state_word(_view("completed", result=ended)) == "sent"
    assert state_word(_view("terminated")) == "terminated"
    waiting = _view(said=status("scheduled", waiting_for={"reason": "send_at", "until": "2026-12-01T01:00:00Z"}))
    assert headline(waiting) == f"send_at, until {short(EPOCH)}"
    assert short(EPOCH) in _shown(render_send(waiting))
    refused = _view("failed", failure=Failure(type="InvalidRequest", message="key: is missing"))
    assert headline(refused) == "key: is missing"
    said = status("needs_operator", problem={**PROBLEM, "sentence": "two\nlines"})
    assert progress_line(_view(said=said)) == "needs_operator: two lines"


def test_a_frozen_account_shows_what_is_in_flight() -> None:
    """Freezing stops what comes, not what has left."""
    frozen = {"by": "li", "reason": "a leak", "at": EPOCH}
    lease = {"key": "k", "index": 0, "generation": 0, "attempt": 2}
    lease |= dict.fromkeys(("not_before", "valid_until", "expires_at"), EPOCH)
    answer = {"account": "demo", "appid": "wx1", "frozen": frozen, "in_flight": [lease]}
    shown = _shown(render_switch(OneSwitched.model_validate(answer)))
    assert "wx1  FROZEN" in shown
    assert "by li since 2026-12-01 09:00:00 +08:00: a leak" in shown
    assert "in flight: k, job 0, generation 0, try 2" in shown


@pytest.mark.parametrize(
    ("known", "state"),
    [({"ever_unknown": True}, "unknown"), ({"under_way": True}, "submitting"), ({"repeats": 0}, "refused")],
)
def test_the_ledger_shows_keys_pushes_and_days(known: dict[str, object], state: str) -> None:
    """One table each. A key is where its tries are: also one whose refusal a person has seen."""
    job = {"clientmsgid": "c", "attempts": 3, **known}
    event = {"msg_id": 77, "status": "send success"}
    view = LedgerView.model_validate(
        {
            "appid": "wx1",
            "since": EPOCH,
            "records": [{"key": "k", "digest": "d", "workflow_id": "w", "jobs": [job], "touched_at": EPOCH}],
            "lease": None,
            "pace": {},
            "frozen": None,
            "kept": [{"event": event, "at": datetime(2026, 12, 1, tzinfo=UTC)}],
            "book": {"2026-12-01": {"to_all": 1, "total": 2, "others": 3}},
        }
    )
    lines = [line.split() for line in _shown(render_ledger(view)).splitlines()]
    assert ["k", "0", "3", "–", state, "–", *short(EPOCH).split()] in lines
    assert ["77", "send", "success", "2026-12-01", "08:00:00", "+08:00"] in lines
    assert ["2026-12-01", "2", "1", "3"] in lines


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({}, "qunfa ledger demo --key k"),
        ({"in_batches": True, "jobs": [JOB]}, "qunfa report demo/k"),
        ({"in_batches": True, "planned": 3}, "qunfa report demo/k"),
        ({"in_batches": True}, None),
    ],
    ids=["one send", "batches", "no batch", "no plan"],
)
def test_what_became_of_a_list_its_report_says(fields: dict[str, Any], command: str | None) -> None:
    """The ledger has nothing of the key of the whole. There is a report once there was a plan."""
    ended = result("aborted", "k", jobs=fields.get("jobs", []))
    said = status("done", progress={"jobs": fields.get("planned", 0)})
    view = _view("failed", said, result=ended, in_batches=fields.get("in_batches", False))
    assert next_command(view) == command


def test_previews_are_rows() -> None:
    """Where no answer of WeChat's came, what happened instead."""
    previews = [{"to": "oA", "sent": True, "msg_id": 7}, {"to": "oB", "sent": False, "errmsg": "used up"}]
    shown = _shown(render_send(_view(said=status("submitting", previews=previews))))
    lines = [line.split() for line in shown.splitlines()]
    assert ["oA", "sent", "7", "–"] in lines
    assert ["oB", "NOT", "sent", "–", "used", "up"] in lines


def test_an_upload_has_a_bar_and_its_bytes() -> None:
    """Whatever an activity's failure says, it is one cell without markup."""
    work = [
        {"activity": "upload", "written": 1024, "size": 4096},
        {"activity": "inspect", "attempt": 3, "failure": "[bold]no\x1b[31m"},
    ]
    lines = [line.rstrip() for line in _shown(render_send(_view(said=status("preparing"), work=work))).split("\n")]
    [upload] = [line for line in lines if "upload to WeChat" in line]
    assert upload.endswith("1.0 KB of 4.0 KB")
    assert "━" in upload
    [look] = [line for line in lines if "a look at the material" in line]
    assert look.endswith("attempt 3; the last one failed: [bold]no\\u001b[31m")


ARTICLE = {"title": "春", "content": "<p>x</p>", "thumb": {"media_id": "m"}}
MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"msgtype": "text", "content": "hi"}, "Text"),
        ({"msgtype": "mpnews", "articles": [ARTICLE]}, 'Article "春"'),
        ({"msgtype": "mpnews", "articles": [ARTICLE, {**ARTICLE, "title": "夏"}]}, '2 articles: "春", "夏"'),
        ({"msgtype": "mpnews", "media_id": "d"}, "Draft d"),
        ({"msgtype": "image", "images": [{"media_id": "m"}]}, "1 picture"),
        ({"msgtype": "voice", "media": {"media_id": "m"}}, "Voice"),
        ({"msgtype": "mpvideo", "media": {"media_id": "m"}, "title": "片"}, 'Video "片"'),
        ({"msgtype": "wxcard", "card_id": "c"}, "Card c"),
    ],
)
def test_a_message_in_a_few_words(message: dict[str, Any], words: str) -> None:
    """Its kind, its titles or how many there are."""
    assert heading(MESSAGE.validate_python(message)) == words


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"msgtype": "text", "content": "a  b\nc"}, 'Text "a b c"'),
        ({"msgtype": "text", "content": "x" * 41}, f'Text "{"x" * 39}…"'),
        ({"msgtype": "image", "images": [{"media_id": "m"}], "recommend": "看"}, '1 picture "看"'),
        ({"msgtype": "voice", "media": {"media_id": "m"}}, "Voice"),
        (
            {"msgtype": "mpnews", "articles": [{**ARTICLE, "title": "春" * 60}] * 8},
            '8 articles: "' + "春" * 60 + '", "春春…',
        ),
    ],
)
def test_a_message_is_known_by_its_beginning(message: dict[str, Any], words: str) -> None:
    """In one line: its kind, and the beginning of its words or titles."""
    assert beginning(MESSAGE.validate_python(message)) == words


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ({"msgtype": "text", "content": "x" * 300}, ["x" * 200 + "…"]),
        (
            {"msgtype": "image", "images": [{"media_id": "m"}, {"uri": "s3://b/a%20b.png"}], "recommend": "看"},
            ["recommended with: 看", "picture media_id m, which WeChat holds", "picture s3://b/a b.png"],
        ),
        (
            {"msgtype": "voice", "media": {"uri": "https://example.com/a.mp3?signature=secret"}},
            ["recording https://example.com/a.mp3?***"],
        ),
        (
            {"msgtype": "mpvideo", "media": {"uri": "file:///nowhere/a.mp4"}, "title": "片", "description": "d"},
            ["described as: d", "video /nowhere/a.mp4"],
        ),
        (
            {"msgtype": "mpnews", "articles": [{**ARTICLE, "author": "李", "digest": "d"}]},
            ["abstract: d", 'article "春" by 李: 8 characters, 0 pictures', "cover media_id m, which WeChat holds"],
        ),
        (
            {"msgtype": "mpnews", "articles": [{**ARTICLE, "content": "<div>" * 500}]},
            ['article "春": its content is nested more than 200 elements deep'],
        ),
        ({"msgtype": "wxcard", "card_id": "c"}, []),
    ],
)
def test_what_a_message_is_made_of(message: dict[str, Any], lines: list[str]) -> None:
    """Words and files; a file that is not here has no size, and no secret in a URI is shown."""
    assert list(contents(MESSAGE.validate_python(message))) == lines


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KB"), (2**20, "1.0 MB"), (10 * 2**20, "10.0 MB")],
)
def test_sizes_are_counted_as_wechat_does(size: int, words: str) -> None:
    """1 KB has 1,024 bytes: what is shown as 10.0 MB is at WeChat's limit."""
    assert bytes_words(size) == words


def test_a_reprint_shows_each_article_to_be_decided_about() -> None:
    """The original, whether it may be reprinted, and what of it would be replaced; what is not known is left out."""
    articles = [
        {"idx": 1, "audit_state": 3, "original_url": "https://mp.weixin.qq.com/s?o=1"}
        | dict.fromkeys(("can_reprint", "need_replace_content", "need_show_reprint_source"), True),
        {"idx": 2, "can_reprint": False, "need_replace_content": False},
    ]
    problem = {"name": "reprint_needs_decision", "sentence": "A reprint.", "todo": "Decide.", "articles": articles}
    shown = _shown(render_send(_view(said=status("needs_operator", problem=problem))))
    first, second = [line for line in shown.splitlines() if line.startswith("article")]
    assert "original: https://mp.weixin.qq.com/s?o=1; may be reprinted: yes" in first
    assert "would be replaced: content, the source is shown" in " ".join(shown.split())
    assert second.split(maxsplit=2)[2].strip() == "may be reprinted: no; would be replaced: nothing of the content"
