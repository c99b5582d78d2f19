"""The pages in Temporal's UI, as a worker writes them that speaks Chinese."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any, Final, get_args

import pytest

from qunfa.account.people import marked
from qunfa.contract.ledger import Forgotten, Recalled
from qunfa.contract.notice import NoticeType, NotifyRequest
from qunfa.contract.operators import Phase, Restore
from qunfa.contract.recall import RecallCall, RecallStatus
from qunfa.contract.result import Job, JobStateName, MassSendResult, Observer, Outcome
from qunfa.rules.problems import PROBLEMS, describe, refused_request
from tests.account.driving import EMPTY, asked, leased, wish
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.send.test_page import request, status
from workflows.account_page import account_page
from workflows.pages import EXAMPLES, notify_page, recall_page, send_page
from workflows.recall import Phase as RecallPhase

pytestmark = pytest.mark.usefixtures("chinese")

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
Page = tuple[str, str]
"""A page, and the words of it that stay as they are."""


def english(page: str, *names: str) -> set[str]:
    """The words of a page that are neither in code type, nor names of states beside their translation, nor `names`."""
    outside = "".join(page.split("`")[::2]).replace("\\", "")
    words = re.findall(r"[A-Za-z][A-Za-z_/-]*", re.sub(r"（[a-z_]+）", "", outside))
    return {word for word in words if word not in NAMES} - set(names)


def of_phase(phase: str) -> Page:
    """Its name stands beside it, as queries and search attributes have it."""
    shown = status(
        phase=phase,
        waiting_for={"reason": "WeChat's push on msg_id 7, asking mass/get as well", "until": NOON},
        answers=tuple(EXAMPLES),
        approval={"required": True, "by": "wang", "at": NOON, "shows": ["text: 春", "to all followers"]},
        paused_by="li",
        list_paused_by="li",
        send_at=NOON,
        previews=({"to": "o1", "sent": True}, {"to": "o2", "sent": False, "errmsg": "no answer in time"}),
        history=({"at": NOON, "what": "try 1: accepted as msg_id 7", "by": "li", "reason": "季末"},),
    )
    return send_page(request(requested_by="crm", not_after="2026-12-01T21:00:00+08:00"), shown), "o1 o2 o"


def of_end(outcome: str) -> Page:
    """Something may have been delivered."""
    raw = {"outcome": outcome, "may_have_been_delivered": True, "account": "demo", "key": "spring"}
    return send_page(request(), status(phase="done"), MassSendResult.model_validate(raw)), ""


def of_problem(name: str) -> Page:
    """Its name, WeChat's words and the JSON to paste stay."""
    refused = {"kind": "refused", "at": NOON, "errcode": 48001, "errmsg": "api unauthorized", "rid": "6b0"}
    job = {"clientmsgid": CLIENTMSGID, "answer": refused, "msg_id": 7, "collides_with": 8}
    problem = describe(name, Job.model_validate(job))
    return send_page(request(), status(problem=problem, answers=PROBLEMS[name].answers)), ""


def of_message(message: dict[str, Any]) -> Page:
    """Names and titles stay."""
    return send_page(request(message=message), status()), f"{message['msgtype']} m c"


def of_job(state: str, observer: str) -> Page:
    """WeChat's own word stays beside the state."""
    job = {"index": 0, "generation": 1, "clientmsgid": "abc", "msg_id": 7, "state": state, "deduplicated": True}
    job |= {"status": "SENDING", "observed_by": observer, "counts": {"total": 9, "filter": 9, "sent": 8, "error": 1}}
    return send_page(request(), status(jobs=(job,))), "SENDING"


def of_batches() -> Page:
    """Whom a send in batches goes to, the bar, and when it will be through."""
    part = [{"kind": "tags", "any": [2, 3]}, {"kind": "openid_file", "uri": "file:/srv/list.txt"}]
    several = {"kind": "several", "of": part, "minus": [{"kind": "tags", "any": [4]}]}
    progress = {"jobs": 3, "done": 1, "openids": 23_000, "followers": 9_000, "ends_at": NOON}
    return send_page(
        request(audience=several), status(phase="submitting", progress=progress)
    ), "file /srv/list txt srv/list"


def of_refusal() -> Page:
    """Each reason of a refused request; the names of the fields stay."""
    problem = refused_request(
        [
            "audience: is missing",
            "message.content: must not be empty",
            'the workflow id must be "mass-send:demo:k", not "k": it is what keeps one key to one send',
            "approval.required: must not be false: the account demands approval (always)",
        ]
    )
    fields = "invalid_request audience message content approval required always false mass-send k"
    return send_page(None, status(phase="done", problem=problem)), fields


def of_recall(phase: str, **more: object) -> Page:
    """What is recalled, what it waits for, WeChat's word, and each answer."""
    answers = get_args(RecallCall.model_fields["answer"].annotation)
    raw = {"phase": phase, "msg_id": 7, "article_idx": 2, "by": "li", "reason": "错字", "updated_at": NOON}
    raw |= {"heard": {"at": NOON, "detail": "no answer in time"}}
    raw |= {"waiting_for": {"reason": "WeChat's word on the job", "until": NOON}}
    raw |= {"calls": [{"at": NOON, "answer": one, "detail": "it was cancelled before its call"} for one in answers]}
    return recall_page("demo", RecallStatus.model_validate(raw | more)), ""


def of_account() -> Page:
    """One with a try in flight, one send that waits, and a key that was forgotten."""
    state, _ = leased(EMPTY, wish())
    state, _ = asked(state, wish("w2", key="later", run="run-2"))
    gone = Forgotten(key="old", by="wang", reason="查过", at=NOON)
    return account_page(state.changed(forgotten=(gone,)), NOON), ""


def of_restored() -> Page:
    """Who has frozen it and why, and how the doubts end."""
    restored = marked(EMPTY, Restore(by="li", reason="盘坏了", taken=NOON - timedelta(hours=2)), NOON)
    return account_page(restored, NOON), ""


def of_notice(kind: str) -> Page:
    """What it tells of, and whom it is told to."""
    data = {"account": "demo", "workflow_id": "mass-send:demo:k", "run_id": "r", "may_have_been_delivered": False}
    raw = {"account": "demo", "name": "oncall", "webhook_id": "w1", "workflow_id": "mass-send:demo:k", "run_id": "r"}
    notice = {"type": kind, "timestamp": NOON, "data": data}
    return notify_page(NotifyRequest.model_validate({**raw, "notice": notice})), "oncall"


MESSAGES: tuple[dict[str, Any], ...] = (
    {"msgtype": "mpnews", "media_id": "m1"},
    {"msgtype": "image", "images": [{"media_id": "m1"}, {"media_id": "m2"}]},
    {"msgtype": "mpvideo", "media": {"media_id": "m1"}, "title": "花"},
    {"msgtype": "wxcard", "card_id": "c1"},
    {"msgtype": "voice", "media": {"media_id": "m1"}},
)
PAGES: dict[str, Callable[[], Page]] = {
    **{f"phase {each}": partial(of_phase, each) for each in get_args(Phase)},
    **{f"end {each}": partial(of_end, each) for each in get_args(Outcome)},
    **{f"problem {each}": partial(of_problem, each) for each in PROBLEMS},
    **{f"message {each['msgtype']}": partial(of_message, each) for each in MESSAGES},
    **{f"job {each}": partial(of_job, *each) for each in product(get_args(JobStateName), get_args(Observer))},
    "batches": of_batches,
    "refusal": of_refusal,
    **{f"recall {each}": partial(of_recall, each) for each in get_args(RecallPhase)},
    "recall by URL": partial(of_recall, "done", msg_id=None, url="https://mp.weixin.qq.com/s/x"),
    "account": of_account,
    "restored account": of_restored,
    **{f"notice {each}": partial(of_notice, each) for each in (*get_args(NoticeType), "test")},
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_each_page_is_chinese(page: Callable[[], Page]) -> None:
    """All but names, WeChat's words, what is typed, and words that stand beside their translation."""
    text, names = page()
    assert (text != "", english(text, *names.split())) == (True, set())


def test_the_account_names_an_article_in_chinese() -> None:
    """The one of several that was recalled."""
    state, _ = leased(EMPTY, wish())
    [record] = state.records.values()
    note = Recalled(at=NOON, msg_id=7, article_idx=2, by="li", reason="错字")
    page = account_page(state.changed(records={record.key: record.changed(recalled=(note,))}), NOON)
    assert "第 2 篇文章已撤回" in page


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
