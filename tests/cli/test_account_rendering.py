"""Recalls, speeds and quotas as people see them."""

from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType

from qunfa.cli.account import render_quota, render_speed
from qunfa.cli.recall import render_recall, waiting_line
from qunfa.contract.limits import QuotaResult, SpeedResult
from qunfa.contract.recall import RecallResult, RecallStatus
from tests.cli.test_tables import lines

NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)


def text(rendered: RenderableType) -> str:
    """What stands on a wide screen."""
    return "\n".join(lines(rendered, 300))


def recall_result(**more: Any) -> RecallResult:
    """A recall that worked."""
    fields = {
        "outcome": "recalled",
        "sentence": "Recalled: WeChat says so.",
        "account": "demo",
        "key": "spring",
        "msg_id": 7,
        "msgtype": "mpnews",
        "status": "DELETE",
        "calls": [{"at": NOON, "answer": "ok"}],
        "by": "li",
        "reason": "wrong price",
    }
    return RecallResult.model_validate({**fields, **more})


def test_a_recall_says_what_it_does_not_do() -> None:
    """Cards stay, and other sends of the material lose their pages."""
    shown = text(render_recall(recall_result(article_idx=2)))
    assert shown.startswith("demo/spring, msg_id 7, article 2  recalled\nRecalled: WeChat says so.\n")
    assert "mass/delete  2026-12-01 12:00:00 +08:00  ok" in shown
    assert "stay visible in every chat" in shown
    assert "Every other send of the same material" in shown


def test_a_recall_that_failed_shows_each_answer() -> None:
    """With WeChat's code, and no word of what a recall does."""
    lost = {"at": NOON, "answer": "lost", "detail": "ReadTimeout"}
    refused = {"at": NOON, "answer": "refused", "errcode": 40065, "errmsg": "status", "rid": "1-2"}
    failed = recall_result(outcome="unknown", key=None, msg_id=None, url="https://a/[b]", calls=[lost, refused])
    shown = text(render_recall(failed))
    assert shown.startswith("demo, https://a/[b]  unknown\n")
    assert "no answer came, ReadTimeout" in shown
    assert "refused, errcode 40065, errmsg status, rid 1-2" in shown
    assert "stay visible" not in shown


def test_what_a_recall_waits_for() -> None:
    """In a line, with the time; nothing where it does not wait."""
    status = RecallStatus.model_validate(
        {"phase": "waiting", "waiting_for": {"reason": "WeChat", "until": NOON}, "updated_at": NOON}
    )
    assert waiting_line(status) == "waiting: WeChat; next at 2026-12-01 12:00:00 +08:00"
    assert waiting_line(status, 29) == "waiting: WeChat; next at 2026-12-01 12:00:00 +08:00; 29 more wait behind it"
    assert waiting_line(status.model_copy(update={"waiting_for": None})) is None


def speed_result(speed: int = 3, realspeed: int = 30, **more: Any) -> SpeedResult:
    """The speed of an account."""
    return SpeedResult.model_validate({"account": "demo", "now": {"speed": speed, "realspeed": realspeed}, **more})


def test_the_speed_stands_among_all_there_are() -> None:
    """With WeChat's real rates."""
    first, _, *rows = [line.split() for line in text(render_speed(speed_result())).splitlines()]
    assert first == ["demo", "speed", "3"]
    assert [" ".join(row) for row in rows] == ["0 800,000", "1 600,000", "2 450,000", "→ 3 300,000", "4 100,000"]


def test_a_speed_that_was_set_holds_for_the_whole_account() -> None:
    """It says what it was, and for how long it holds. A rate that contradicts WeChat's table is shown with it."""
    shown = text(render_speed(speed_result(before={"speed": 0, "realspeed": 80})))
    assert shown.startswith("demo  speed 3, was 0\n")
    assert "It holds for every mass send of the account, whoever makes it, until somebody sets it again." in shown
    shown = text(render_speed(speed_result(3, 15)))  # as in WeChat's own sample
    assert "WeChat tells 150,000 followers a minute for it, but 300,000 in its table, below: rely on neither." in shown
    assert "has no such speed" in text(render_speed(speed_result(7, 5)))


def quota_result(**more: Any) -> QuotaResult:
    """The quotas of a service account."""
    to_all = {"name": "sends_to_all", "period": "month", "limit": 4, "used": 1, "left": 3, "renewed_at": NOON}
    calls = [
        {"cgi_path": "/cgi-bin/draft/add", "daily_limit": 1000, "used": 10, "remain": 990},
        {"cgi_path": "/cgi-bin/tags/get", "errcode": 48001, "errmsg": "api unauthorized"},
    ]
    fields = {
        "account": "demo",
        "appid": "wx1",
        "kind": "service",
        "at": NOON,
        "since": NOON,
        "today": {"total": 2, "to_all": 1},
        "month": {"total": 5, "to_all": 1, "others": 1},
        "allowances": [{**to_all, **more}],
        "calls": calls,
    }
    return QuotaResult.model_validate(fields)


def test_what_is_left_comes_first() -> None:
    """Then the sends that were counted, since when, and each call."""
    shown = text(render_quota(quota_result()))
    assert "mass sends to all  3     1     4 a month  2026-12-01 12:00:00 +08:00" in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for line in ("accepted by WeChat 2 5", "of them to all 1 1", "draft/add 990 10 1,000"):
        assert line in lines
    assert "tags/get                      –     –     –      errcode 48001, errmsg api unauthorized" in shown
    assert "Counted here since 2026-12-01 12:00:00 +08:00" in shown


def test_what_is_not_known_is_not_said() -> None:
    """Sends that were made elsewhere may have used it, and so may those before the counting began, if it has."""
    shown = text(render_quota(quota_result(others=2, whole=False)))
    assert "mass sends to all  at most 3  at least 1" in shown
    assert "2 of this month were made elsewhere, and it is not known to whom" in shown
    assert "this month is not counted as a whole" in shown
    shown = text(render_quota(quota_result(failed=1)))
    assert "mass sends to all  at most 3  at least 1" in shown
    assert "1 of this month failed once accepted, and may count all the same" in shown
    shown = text(render_quota(quota_result().model_copy(update={"since": None})))
    assert "Nothing of this account has been sent here yet, so nothing was counted." in shown
