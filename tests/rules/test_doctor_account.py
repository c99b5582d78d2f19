from datetime import UTC, datetime
from typing import Any

import pytest

from qunfa.contract.checks import CALLS, CheckAccountResult, Clocks, Finding, StoreSeen, TokenSeen
from qunfa.contract.limits import Allowance, CallsLeft
from qunfa.rules.doctor import DONE
from qunfa.rules.doctor_account import (
    Step,
    account_findings,
    callback_found,
    not_answered,
    not_asked,
    not_at_wechat,
    own_workflow_found,
    own_workflow_stuck,
)
from tests.rules.sentences import is_read_well

APPID = "wx0123456789abcdef"
MIDNIGHT = datetime(2026, 12, 1, 16, tzinfo=UTC)
CALL = CallsLeft(cgi_path=CALLS[0], daily_limit=100, used=2, remain=98)
ALLOWED = Allowance(name="sends_to_all", period="month", limit=4, used=1, left=3, renewed_at=MIDNIGHT)
REFUSED_IP: dict[str, Any] = {
    "errcode": 40164,
    "errmsg": "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist",
}


def seen(**more: Any) -> CheckAccountResult:
    """What a worker answers about an account with which all is well, but for `more`."""
    fields = {
        "account": "demo",
        "appid": APPID,
        "kind": "service",
        "token": TokenSeen(source="stable"),
        "clocks": Clocks(ahead_of_temporal=0.01, ahead_of_wechat=0.3),
        "calls": (CALL,),
        "allowances": (ALLOWED,),
        "store": StoreSeen(uri="file:/srv/qunfa"),
    }
    return CheckAccountResult.model_validate({**fields, **more})


def found(result: CheckAccountResult, **configured: object) -> dict[str, Finding]:
    """The findings by name, where this machine has some settings of the account."""
    findings = account_findings(result, configured)
    assert [one for one in findings if not is_whole(one)] == []
    return {finding.name: finding for finding in findings}


def is_whole(finding: Finding) -> bool:
    """Whether it is of the account, can be read, and says what to do where something is wrong."""
    advised = finding.todo is not None or finding.state in {"ok", "skipped"}
    return finding.account == "demo" and is_read_well(finding) and advised


def test_an_operator_without_configuration_compares_nothing() -> None:
    """The workers' word counts; another appid than this machine's is a failure."""
    assert found(seen())["account"].state == found(seen(), appid=APPID)["account"].state == "ok"
    other = found(seen(), appid="wxother")
    assert (other["account"].state, APPID in other["account"].said) == ("failed", True)
    assert not_at_wechat(other.values()) is not None


@pytest.mark.parametrize(
    ("configured", "others"),
    [
        ({"approval": "never", "send_hours": ("08:00", "22:00"), "news_via": "draft"}, "approval, send_hours"),
        ({"approval": "all", "send_hours": ("00:00", "24:00"), "secret": "s3cret"}, None),
        ({}, None),
    ],
)
def test_workers_with_settings_from_before_a_change_are_told(configured: dict[str, Any], others: str | None) -> None:
    """This machine reads its file now, and they have read it at their start. What it leaves out is not compared."""
    terms = {"kind": "service", "approval": "all", "quota": "wait", "news_via": "draft", "image_via": "images"}
    account = found(seen(terms=terms), **configured)["account"]
    assert account.state == ("warning" if others else "ok")
    assert account.said.endswith(f"other settings than this configuration has: {others}") is bool(others)
    assert found(seen(), **configured)["account"].state == "ok", "an older worker does not tell them"


def test_workers_that_do_not_call_the_real_wechat_are_named() -> None:
    """So a rehearsal is told from the real thing; WeChat's own address needs no word."""
    told = found(seen(base_url="http://simulator:8089"))["account"]
    assert (told.state, told.said) == (
        "ok",
        f"the workers have it as the service account {APPID}, and call http://simulator:8089 for WeChat",
    )
    for usual in (None, "https://api.weixin.qq.com"):
        assert "call" not in found(seen(base_url=usual))["account"].said


def test_a_frozen_account() -> None:
    """Who, why, and how it is let go; the rest is looked at all the same."""
    findings = found(seen(frozen={"by": "li", "reason": "wrong text", "at": MIDNIGHT}))
    assert findings["account"].state == "warning"
    assert findings["account"].said.startswith("the workers have it")
    assert "; it is frozen by li since 2026-12-02 00:00:00+08:00: wrong text" in findings["account"].said
    assert (findings["account"].todo or "").endswith("qunfa unfreeze demo")
    assert not_at_wechat(findings.values()) is None


def test_a_freeze_of_a_restore_ends_with_the_restore() -> None:
    """Nobody is told to unfreeze by hand what the end of the restore unfreezes."""
    frozen = {"by": "li", "reason": "disk lost", "at": MIDNIGHT, "of_restore": True}
    account = found(seen(frozen=frozen))["account"]
    assert (account.state, account.todo) == ("warning", DONE)
    assert account.said.endswith("; it is frozen by li since 2026-12-02 00:00:00+08:00: disk lost")


def test_a_freeze_is_told_beside_other_settings() -> None:
    """Both, with what is to be done about each."""
    frozen = {"by": "li", "reason": "wrong text", "at": MIDNIGHT}
    terms = {"kind": "service", "approval": "all", "quota": "wait", "news_via": "draft", "image_via": "images"}
    account = found(seen(terms=terms, frozen=frozen), approval="never")["account"]
    assert account.state == "warning"
    assert "other settings than this configuration has: approval; it is frozen by li since" in account.said
    assert account.todo == (
        "Give all parts the same configuration, and start the workers anew. "
        "Nothing of it is submitted until: qunfa unfreeze demo"
    )


def test_a_wrong_secret_says_what_to_do() -> None:
    """WeChat's own words, and what depends on a token is skipped."""
    token = TokenSeen(
        source="stable", detail="40001, the app secret is wrong", refused="account_refused", errcode=40001, errmsg="no!"
    )
    findings = found(seen(token=token, calls=(), allowances=()))
    assert (findings["token"].state, "40001" in findings["token"].said, "no!" in findings["token"].said) == (
        "failed",
        True,
        True,
    )
    assert "secret" in (findings["token"].todo or "")
    assert (findings["ip_whitelist"].state, findings["quota"].state) == ("skipped", "skipped")
    assert findings["worker_clock"].state == "ok"
    assert not_at_wechat(findings.values()) == "an access token has to be had first"


def test_an_address_off_the_whitelist_says_what_to_do() -> None:
    """Which one to put on it."""
    token = TokenSeen(source="stable", detail="40164, …", refused="ip_not_whitelisted", **REFUSED_IP)
    findings = found(seen(token=token, calls=(), allowances=()))
    assert (findings["token"].state, findings["token"].todo) == ("failed", "See ip_whitelist.")
    whitelist = findings["ip_whitelist"]
    assert (whitelist.state, "address 203.0.113.9" in whitelist.said) == ("failed", True)
    assert (whitelist.todo or "").startswith("Put 203.0.113.9 on the account's IP whitelist")
    unnamed = {**REFUSED_IP, "errmsg": "not in whitelist"}
    later = found(seen(calls=(CallsLeft(cgi_path=CALLS[0], **unnamed),)))["ip_whitelist"]
    assert (later.state, "address: not in whitelist" in later.said) == ("failed", True)
    assert (later.todo or "").startswith("Put the address that WeChat's text names on the account's IP whitelist")


@pytest.mark.parametrize(
    ("source", "detail", "todo"),
    [
        ("stable", "ConnectError", "see that the workers reach WeChat"),
        ("a token service", "HTTP status 500", "which"),
        ("a token service", "account a has been given the same token", "each account with its own token"),
    ],
)
def test_a_token_that_could_not_be_asked_for(source: str, detail: str, todo: str) -> None:
    """It may pass, or be another system's."""
    finding = found(seen(token=TokenSeen(source=source, detail=detail), calls=()))["token"]
    assert (finding.state, detail in finding.said, todo in (finding.todo or "")) == ("failed", True, True)


def test_a_kept_token_says_nothing_of_the_address() -> None:
    """Only a call does."""
    silent = CallsLeft(cgi_path=CALLS[0], errmsg="no answer within 10 s")
    assert found(seen(token=TokenSeen(source="classic"), calls=(silent,)))["ip_whitelist"].state == "skipped"
    assert found(seen(calls=(silent,)))["ip_whitelist"].state == "ok", "one that was had just now does"
    refused = CallsLeft(cgi_path=CALLS[0], errcode=48001, errmsg="unauthorized")
    assert found(seen(calls=(refused,)))["ip_whitelist"].state == "ok", "another refusal is none of the address"
    lost = TokenSeen(source="stable", detail="ConnectError")
    assert found(seen(token=lost, calls=(silent,)))["ip_whitelist"].state == "skipped"
    kept = found(seen(token=TokenSeen(source="classic")))
    assert (kept["ip_whitelist"].state, "still good" in kept["token"].said) == ("ok", True)
    assert "was had" in found(seen())["token"].said


def test_a_limit_that_is_used_up() -> None:
    """Until when; that is no failure, since sends wait."""
    finding = found(seen(allowances=(ALLOWED.model_copy(update={"used": 4, "left": 0}),)))["quota"]
    assert (finding.state, "2026-12-02 00:00:00+08:00" in (finding.todo or "")) == ("warning", True)
    assert finding.said == "used up: 0 of 4 sends to all left this month"


def test_a_count_that_is_not_told() -> None:
    """Why, and what is known otherwise."""
    silent = CallsLeft(cgi_path=CALLS[1], errcode=48001, errmsg="unauthorized")
    finding = found(seen(calls=(CALL, silent)))["quota"]
    assert (finding.state, "3 of 4" in finding.said, f"{CALLS[1]}: 48001 unauthorized" in finding.said) == (
        "warning",
        True,
        True,
    )
    assert "no reason" in found(seen(calls=(CALL, CallsLeft(cgi_path=CALLS[1]))))["quota"].said
    two = (ALLOWED, ALLOWED.model_copy(update={"name": "mass_calls", "period": "day", "limit": 1000, "left": 1000}))
    both = found(seen(allowances=two))["quota"].said
    assert both == "3 of 4 sends to all left this month; 1,000 of 1,000 calls of sendall and send left this day"
    uncounted = found(seen(allowances=(), uncounted="the ledger is away"))["quota"]
    assert (uncounted.state, "the ledger is away" in uncounted.said) == ("warning", True)


def test_sends_made_elsewhere_make_it_less_sure() -> None:
    """At most so many are left."""
    finding = found(seen(allowances=(ALLOWED.model_copy(update={"others": 2}),)))["quota"]
    assert finding.said == "at most 3 of 4 sends to all left this month"


@pytest.mark.parametrize(
    ("clocks", "state", "said"),
    [
        (Clocks(ahead_of_temporal=0.1, ahead_of_wechat=8), "warning", "is 8 s ahead of WeChat's"),
        (Clocks(ahead_of_temporal=-90), "failed", "is 90 s behind Temporal's"),
        (Clocks(ahead_of_temporal=0, detail="no Date"), "ok", "is right by Temporal's; no Date"),
        (Clocks(detail="no answer within 10 s"), "warning", "could not be read: no answer within 10 s"),
    ],
)
def test_the_workers_clock(clocks: Clocks, state: str, said: str) -> None:
    """By it leases are kept."""
    finding = found(seen(clocks=clocks))["worker_clock"]
    assert (finding.state, finding.said) == (state, f"the worker's clock {said}")


def test_an_account_that_nobody_can_answer_for() -> None:
    """One failure, or none where nobody could be asked; everything else says why it was skipped."""
    failed = not_answered("demo", "no such account", "Correct the name.")
    assert [one for one in failed if not is_whole(one)] == []
    assert (failed[0].said, failed[0].todo) == ("no such account", "Correct the name.")
    assert {one.said for one in failed[1:]} == {"a worker has to answer for the account first"}
    asked = not_asked("demo", "Temporal has to answer first")
    assert {(one.account, one.said) for one in asked} == {("demo", "Temporal has to answer first")}
    assert [one.state for one in failed] == ["failed", *["skipped"] * 5]
    assert [one.state for one in not_asked("demo", "Temporal has to answer first")] == ["skipped"] * 6
    assert {one.name for one in failed} == {one.name for one in account_findings(seen(), {})}


def step(name: str, state: str, said: str, todo: str | None = None) -> Step:
    return Step.model_validate({"name": name, "state": state, "said": said, "todo": todo})


URL, PUSH = step("url", "ok", "verified"), step("push", "ok", "answered")
WECHAT = step("wechat", "ok", "WeChat finds the host at 1.2.3.4")


@pytest.mark.parametrize(
    ("steps", "state", "said", "todo"),
    [
        ((URL, PUSH, WECHAT), "ok", "url: verified; push: answered; wechat: WeChat finds", None),
        ((URL, step("push", "failed", "answered 401", "Correct it."), WECHAT), "failed", "push: answered 401", "Corr"),
        ((URL, step("push", "skipped", "left out"), WECHAT), "ok", "push: left out", None),
        ((step("url", "skipped", "no receiver", "--callback-url"), WECHAT), "warning", "url: no receiver", "--callb"),
        ((step("url", "skipped", "a"), step("wechat", "skipped", "b")), "skipped", "url: a; wechat: b", None),
        ((step("url", "failed", "x", "T"), step("wechat", "failed", "y", "U")), "failed", "url: x; wechat: y", "T"),
    ],
)
def test_a_callback(steps: tuple[Step, ...], state: str, said: str, todo: str | None) -> None:
    """The first step that failed says what to do."""
    finding = callback_found("demo", steps)
    assert (finding.state, said in finding.said) == (state, True)
    assert (finding.todo or "").startswith(todo) if todo else finding.todo is None
    assert finding == callback_found("demo", steps, "safe")
    assert finding.account == "demo"


@pytest.mark.parametrize(
    ("store", "state", "said"),
    [
        (StoreSeen(uri="s3://campaigns/qunfa"), "ok", "s3://campaigns/qunfa creates once"),
        (StoreSeen(uri="s3://a/b", detail="it does not list what is there"), "failed", "the store at s3://a/b cannot"),
        (StoreSeen(uri="", detail="no worker has answered"), "failed", "the store cannot be used: no worker"),
        (StoreSeen(), "skipped", "the workers have none"),
        (None, "skipped", "does not look at it"),
    ],
    ids=["fine", "lacking", "silent", "none", "an earlier worker"],
)
def test_the_store_of_the_workers(store: StoreSeen | None, state: str, said: str) -> None:
    """Who sends nothing in batches needs none."""
    finding = found(seen(store=store))["store"]
    assert (finding.state, said in finding.said) == (state, True)
    assert ("[store]" in (finding.todo or "")) is (store == StoreSeen())


@pytest.mark.parametrize(("before", "after"), [("ok", "warning"), ("skipped", "warning"), ("failed", "failed")])
def test_plain_mode(before: str, after: str) -> None:
    """It is warned of, unless there is something worse; what else is to be done is still said."""
    finding = callback_found("demo", [step("url", before, "seen", "Look.")], "plain")
    todo = finding.todo or ""
    assert is_read_well(finding)
    assert (finding.state, todo.startswith("Look.")) == (after, True)
    assert ("mode: plain" in finding.said, "safe mode" in todo) == ((after == "warning",) * 2)


@pytest.mark.parametrize(("causes", "named"), [(("Failure", "Other"), " (Failure, Other)"), ((), "")])
def test_an_account_whose_own_workflow_is_stuck(causes: tuple[str, ...], named: str) -> None:
    """Nothing of it is submitted; what to do is said once, for all workflows."""
    finding = own_workflow_stuck("demo", "account:wx1", causes)
    assert (finding.account, finding.state, finding.todo) == ("demo", "failed", "See workflow_tasks.")
    assert finding.said.startswith(f"the tasks of account:wx1 keep failing{named}: nothing of the account is submitted")


@pytest.mark.parametrize(
    ("on", "served", "state", "said", "todo"),
    [
        (None, True, "ok", ["none yet", "account:wx1"], None),
        ("q", True, "ok", ["account:wx1", "queue q"], None),
        ("q", False, "ok", ["account:wx1", "queue q"], None),
        ("old", True, "warning", ["account:wx1", "queue old", "names q"], "worker on old"),
        ("old", False, "failed", ["account:wx1", "queue old", "names q", "nobody polls old"], "QUNFA_TASK_QUEUE=old"),
    ],
)
def test_an_own_workflow_stays_on_its_queue(
    on: str | None, served: bool, state: str, said: list[str], todo: str | None
) -> None:
    """Another one than this configuration's needs a worker, too."""
    finding = own_workflow_found("demo", "account:wx1", "q", on, served=served)
    assert (finding.name, finding.account, finding.state) == ("own_workflow", "demo", state)
    assert [words for words in said if words not in finding.said] == []
    assert (todo in (finding.todo or "")) if todo else finding.todo is None
    assert served is False or finding == own_workflow_found("demo", "account:wx1", "q", on)
