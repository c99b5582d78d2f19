"""The pages in Temporal's UI, as a worker writes them that speaks Chinese."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, get_args

import pytest

from qunfa.account.people import marked
from qunfa.account.state import AccountState
from qunfa.contract.ledger import Forgotten
from qunfa.contract.notice import NoticeType, NotifyRequest
from qunfa.contract.operators import Phase, Restore
from qunfa.contract.recall import RecallCall, RecallStatus
from qunfa.contract.result import Job, JobStateName, MassSendResult, Observer, Outcome
from qunfa.language import speak
from qunfa.language.phrases import told
from qunfa.rules.problems import PROBLEMS, describe, refused_request
from tests.account.driving import EMPTY, asked, leased, wish
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.send.test_page import request, status
from workflows.account_page import account_page
from workflows.pages import EXAMPLES, notify_page, send_page
from workflows.recall import Phase as RecallPhase
from workflows.recall_page import recall_page

NAMES: Final = frozenset(
    {
        *("demo", "crm", "li", "wang", "wx", "VIP", "winner", "a", "b", "retry", "abort", "mark_sent"),
        *("text", "mpnews", "openid", "openids", "key", "msg_id", "clientmsgid", "errcode", "errmsg", "rid", "webhook"),
        *("mass/get", "mass/delete", "Qunfa", "IP", "id", "worker", "appid", "URL", "base", "store", "A/B", "token"),
        *("access", "JSON", "Data", "More", "Actions", "Send", "an", "Update", *PROBLEMS),
        *("send_ignore_reprint", "send-ignore-reprint", "confirm_not_delivered", "confirm-not-delivered", "true"),
    }
)
"""What a Chinese page says in letters: names, WeChat's words, what is typed, and the buttons of Temporal's UI."""


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    """All that is written here is written in Chinese."""
    speak("zh")
    yield
    speak("en")


def english(page: str, *names: str) -> set[str]:
    """The words of a page that are neither in code type, nor names of states beside their translation, nor `names`."""
    outside = "".join(page.split("`")[::2]).replace("\\", "")
    words = re.findall(r"[A-Za-z][A-Za-z_/-]*", re.sub(r"（[a-z_]+）", "", outside))
    return {word for word in words if word not in NAMES} - set(names)


def ended(outcome: str) -> MassSendResult:
    """How a send has ended; something may have been delivered."""
    return MassSendResult.model_validate(
        {"outcome": outcome, "may_have_been_delivered": True, "account": "demo", "key": "spring"}
    )


@pytest.mark.parametrize("phase", get_args(Phase))
def test_each_phase_is_chinese_and_keeps_its_name(phase: str) -> None:
    """The name stands beside it, as queries and search attributes have it; so does each outcome."""
    shown = status(
        phase=phase,
        waiting_for={"reason": "WeChat's push on msg_id 7, asking mass/get as well", "until": NOON},
        answers=tuple(EXAMPLES),
        approval={"required": True, "by": "wang", "at": NOON, "shows": ["text: 春", "to all followers"]},
        paused_by="li",
        send_at=NOON,
        previews=({"to": "o1", "sent": True}, {"to": "o2", "sent": False, "errmsg": "no answer in time"}),
        history=({"at": NOON, "what": "try 1: accepted as msg_id 7", "by": "li", "reason": "季末"},),
    )
    page = send_page(request(requested_by="crm", not_after="2026-12-01T21:00:00+08:00"), shown)
    assert page.startswith(f"### {told(phase)}（{phase.replace('_', chr(92) + '_')}）\n")
    assert english(page, "o1", "o2", "o") == set()
    assert "**正在等待**：微信对 msg\\_id 7 的推送，同时用 mass/get 查询，最迟等到 2026-12-01 12:00:00+08:00" in page
    assert "12:00:00+08:00 第 1 次提交：已受理为 msg\\_id 7，操作人 li：季末" in page


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_each_end_is_chinese(outcome: str) -> None:
    """The outcome, and what may have been delivered."""
    page = send_page(request(), status(phase="done"), ended(outcome))
    assert page.startswith("### 已结束（done）：")
    assert english(page) == set()


@pytest.mark.parametrize("name", PROBLEMS)
def test_each_problem_is_chinese_on_the_page(name: str) -> None:
    """Its name, WeChat's words and the JSON to paste stay; all else is translated."""
    refused = {"kind": "refused", "at": NOON, "errcode": 48001, "errmsg": "api unauthorized", "rid": "6b0"}
    problem = describe(
        name, Job.model_validate({"clientmsgid": CLIENTMSGID, "answer": refused, "msg_id": 7, "collides_with": 8})
    )
    page = send_page(request(), status(problem=problem, answers=PROBLEMS[name].answers))
    assert f"#### {name}\n" in page
    assert "**怎么办**：" in page
    assert "errcode `48001`, errmsg `api unauthorized`, rid `6b0`" in page
    assert english(page) == set()


def test_an_approver_reads_chinese_and_the_message_as_it_is() -> None:
    """A text that reads like one of ours is not translated: it goes out so."""
    content = "Nothing was delivered."
    shows = [f"text: {content}", "to 2 openids, digest 0123456789abcdef", "digest of all this: 0123456789abcdef"]
    waits = status(
        phase="awaiting_approval", answers=("approve", "reject"), approval={"required": True, "shows": shows}
    )
    page = send_page(request(message={"msgtype": "text", "content": content}), waits)
    assert f"- 文本：{content}\n" in page
    assert f"的 **全部粉丝**：{content}\n" in page
    assert english(page, "Nothing", "was", "delivered", "abcdef") == set()


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"msgtype": "mpnews", "media_id": "m1"}, "：草稿 m1"),
        ({"msgtype": "image", "images": [{"media_id": "m1"}, {"media_id": "m2"}]}, "：2 张图片"),
        ({"msgtype": "mpvideo", "media": {"media_id": "m1"}, "title": "花"}, "：“花”"),
        ({"msgtype": "wxcard", "card_id": "c1"}, "：卡券 c1"),
        ({"msgtype": "voice", "media": {"media_id": "m1"}}, "的 **全部粉丝**"),
    ],
)
def test_what_goes_out_is_said_in_chinese(message: dict[str, Any], says: str) -> None:
    """Around the names and titles."""
    assert f"{says}\n" in send_page(request(message=message), status()) + "\n"


@pytest.mark.parametrize("state", get_args(JobStateName))
@pytest.mark.parametrize("observer", get_args(Observer))
def test_each_state_of_a_job_is_chinese(state: str, observer: str) -> None:
    """WeChat's own word stays beside it."""
    job = {"index": 0, "generation": 1, "clientmsgid": "abc", "msg_id": 7, "state": state, "deduplicated": True}
    job |= {"status": "SENDING", "observed_by": observer, "counts": {"total": 9, "filter": 9, "sent": 8, "error": 1}}
    page = send_page(request(), status(jobs=(job,)))
    assert english(page, "SENDING") == set()


def test_a_send_in_batches_tells_in_chinese_how_far_it_is() -> None:
    """Whom it goes to, the bar, and when it will be through."""
    part = [{"kind": "tags", "any": [2, 3]}, {"kind": "openid_file", "uri": "file:/srv/list.txt"}]
    several = {"kind": "several", "of": part, "minus": [{"kind": "tags", "any": [4]}]}
    progress = {"jobs": 3, "done": 1, "openids": 23_000, "followers": 9_000, "ends_at": NOON}
    page = send_page(request(audience=several), status(phase="submitting", progress=progress))
    assert "**有标签 2, 3 之一的粉丝，以及 file:/srv/list.txt 里的 openid，除去有标签 4 之一的粉丝**" in page.replace(
        "\\", ""
    )
    assert "1/3 批，23,000 个 openid；9,000 人已收到\n- 预计 2026-12-01 12:00:00+08:00 左右发完" in page
    assert english(page, "file", "/srv/list", "txt", "srv/list") == set()


def test_a_refused_request_says_each_reason_in_chinese() -> None:
    """The names of the fields stay."""
    problem = refused_request(
        [
            "audience: is missing",
            "message.content: must not be empty",
            'the workflow id must be "mass-send:demo:k", not "k": it is what keeps one key to one send',
            "approval.required: must not be false: the account demands approval (always)",
        ]
    )
    page = send_page(None, status(phase="done", problem=problem)).replace("\\", "")
    assert page.startswith("### 已结束（done）：被拒绝（refused）\n")
    for reason in ("audience：缺失；", "message.content：不能为空；", "approval.required：不能是 false"):
        assert reason in page
    fields = "invalid_request audience message content approval required always false mass-send k"
    assert english(page, *fields.split()) == set()


@pytest.mark.parametrize("phase", get_args(RecallPhase))
def test_the_page_of_a_recall_is_chinese(phase: str) -> None:
    """What is recalled, what it waits for, WeChat's word, and each answer."""
    answers = get_args(RecallCall.model_fields["answer"].annotation)
    raw = {"phase": phase, "msg_id": 7, "article_idx": 2, "by": "li", "reason": "错字", "updated_at": NOON}
    raw |= {"heard": {"at": NOON, "detail": "no answer in time"}}
    raw |= {"waiting_for": {"reason": "WeChat's word on the job", "until": NOON}}
    raw |= {"calls": [{"at": NOON, "answer": one, "detail": "it was cancelled before its call"} for one in answers]}
    page = recall_page("demo", RecallStatus.model_validate(raw))
    assert "的 msg_id `7` 的第 2 篇文章" in page
    assert english(page) == set()
    by_url = RecallStatus.model_validate({**raw, "msg_id": None, "url": "https://mp.weixin.qq.com/s/x"})
    assert "`https://mp.weixin.qq.com/s/x` 处的文章" in recall_page("demo", by_url)


def account() -> AccountState:
    """An account with a try in flight, one send that waits, and a key that was forgotten."""
    state, _ = leased(EMPTY, wish())
    state, _ = asked(state, wish("w2", key="later", run="run-2"))
    gone = Forgotten(key="old", by="wang", reason="查过", at=NOON)
    return state.changed(forgotten=(gone,))


def test_the_page_of_an_account_is_chinese() -> None:
    """Its switch, its pace, who waits, its sends, its ledger."""
    page = account_page(account(), NOON)
    for part in (
        "### wx：正常\n",
        "**间隔**：",
        "在途：`k` 的第 1 次提交",
        "**排队**：1 个：`later`",
        "**群发**：今天",
        "**台账**：2 个 key",
        "| `later`\u2003 | \u2003 | 0\u2003 | \u2003 | 未提交",
        "`old`，操作人 **wang**",
    ):
        assert part in page
    assert english(page) == set()


def test_the_page_of_a_restored_account_is_chinese() -> None:
    """Who has frozen it and why, and how the doubts end."""
    page = account_page(marked(EMPTY, Restore(by="li", reason="盘坏了", taken=NOON - timedelta(hours=2)), NOON), NOON)
    for part in (
        "### wx：已冻结\n",
        "由 **li** 于",
        "**已从备份恢复**",
        "`qunfa restored --done`",
        "没有在途的提交",
        "**排队**：无",
    ):
        assert part in page
    assert english(page) == set()


@pytest.mark.parametrize("kind", [*get_args(NoticeType), "test"])
def test_the_page_of_a_notice_is_chinese(kind: str) -> None:
    """What it tells of, and whom it is told to."""
    data = {"account": "demo", "workflow_id": "mass-send:demo:k", "run_id": "r", "may_have_been_delivered": False}
    raw = {"account": "demo", "name": "oncall", "webhook_id": "w1", "workflow_id": "mass-send:demo:k", "run_id": "r"}
    notice = {"type": kind, "timestamp": NOON, "data": data}
    page = notify_page(NotifyRequest.model_validate({**raw, "notice": notice}))
    assert page.startswith("### ")
    assert english(page, "oncall") == set()
