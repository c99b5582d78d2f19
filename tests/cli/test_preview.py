"""`qunfa send --dry-run` and `qunfa preview`, against a scripted `CheckMassSend` and `PreviewMassSend`."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from rich.cells import cell_len
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.preview import preview_line, render_check
from qunfa.contract import mass_send_id
from qunfa.contract.checks import CheckResult
from qunfa.contract.ids import CHECK_MASS_SEND, PREVIEW_MASS_SEND, check_id, preview_id
from qunfa.contract.request import Previewed, PreviewResult, parse_request
from tests.cli.calls import QUEUE, Qunfa, parsed
from tests.cli.stub import given, request
from tests.cli.test_tables import lines

SOURCE = {
    "place": "message.articles[0].thumb",
    "uri": "file:///srv/media/%E5%B0%81.jpg",
    "use": "cover",
    "sha256": "0" * 64,
    "size": 3 * 1024 * 1024,
    "kind": "jpeg",
    "fit": True,
}
FINE: dict[str, Any] = {"audience": "tag 2 (VIP)", "followers": 1234, "problems": []}
NO_FILE = "message.media: source file:///a.mp3: there is no such file."
SENT = {"to": "oA", "sent": True, "msg_id": 34182}
REFUSED = {"to": "WeChat id li", "sent": False, "errcode": 43004, "errmsg": "require subscribe", "rid": "r1"}
TO = ("--to", "oA", "--to-wxname", "li")


REQUEST = parse_request(request("spring"))
OUTLOOK: dict[str, Any] = {"account": "demo", "key": "spring", "msgtype": "text", "audience": "tag 2 (VIP)"}


def outlook(start: str, freeze: str, quota: str, said: str = "said") -> CheckResult:
    """What a check finds of key, freeze and quota."""
    words = {"said": said, "then": f"then {said}"}
    return CheckResult.model_validate(
        {
            **OUTLOOK,
            "past": {"state": "new", "start": start, **words},
            "freeze": {"state": "free", "effect": freeze, **words},
            "quota": {"state": "left", "effect": quota, **words},
        }
    )


def _checks(key: str, said: dict[str, Any] | list[str], kind: str = "answer") -> list[str]:
    text = f"{kind}: {json.dumps(said)}"
    return ["send", "--account", "demo", "--key", key, "--to-all", "--text", text, "--dry-run"]


def _previews(*previews: dict[str, Any]) -> list[str]:
    return ["preview", "--account", "demo", "--text", f"answer: {json.dumps({'previews': previews})}", *TO]


async def test_what_stands_against_nothing_is_exit_0(qunfa: Qunfa, client: Client, key: str) -> None:
    """To how many, in words; no send is started. An older look at other content is ended, not taken for this one."""
    older = await client.start_workflow(CHECK_MASS_SEND, request(key), id=check_id("demo", key), task_queue=QUEUE)
    answer = await qunfa(*_checks(key, FINE))
    assert answer.exit_code == 0
    assert f"demo/{key}  ready" in answer.stdout
    assert "tag 2 (VIP): 1,234 followers, by WeChat's count" in answer.stdout
    assert "nothing was sent, and nothing was uploaded" in answer.stdout
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(mass_send_id("demo", key)).describe()
    run = client.get_workflow_handle(older.id, run_id=older.first_execution_run_id)
    assert (await run.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_each_problem_is_a_line_and_exit_1(qunfa: Qunfa, client: Client, key: str) -> None:
    """With the files that were found, and what was taken out of articles; --json is the result, and nothing else."""
    problems = ["message.articles[0].content: is too long", NO_FILE]
    found = {**FINE, "problems": problems, "sources": [SOURCE], "removed": ["message.articles[0].content: a script"]}
    answer = await qunfa(*_checks(key, found))
    assert answer.exit_code == 1
    assert all(f"- {problem}\n" in answer.stdout for problem in problems)
    assert "a script" in answer.stdout
    [row] = [line for line in answer.stdout.splitlines() if line.startswith("cover")]
    assert all(word in row for word in ("jpeg", "3.0 MB", "is re-encoded to fit", "/srv/media/封.jpg"))
    answer = await qunfa(*_checks(key, {**FINE, "problems": problems[:1]}), "--json")
    result = CheckResult.model_validate(parsed(answer))
    assert (answer.exit_code, result.followers, result.problems) == (1, 1234, (problems[0],))
    assert "workers" not in answer.stderr


def test_a_warning_of_a_dry_run_is_no_problem() -> None:
    """It is shown, and the head and the end of the page point to it."""
    found = CheckResult.model_validate({**OUTLOOK, "warnings": ["WeChat sends no cards any more (45113)"]})
    shown = lines(render_check(REQUEST, found), 80)
    assert shown[0] == "demo/spring  with warnings"
    assert "- WeChat sends no cards any more (45113)" in shown
    assert shown[-2].startswith("A start takes it: mind the warnings.")


def test_a_dry_run_shows_the_times_of_a_send() -> None:
    """As they are understood, in Shanghai."""
    asked = parse_request(request("spring") | {"send_at": "2099-01-12T01:00:00Z", "not_after": "2099-01-12T03:00:00Z"})
    shown = lines(render_check(asked, CheckResult.model_validate(OUTLOOK)), 80)
    assert {"send at    2099-01-12 09:00", "not after  2099-01-12 11:00"} <= set(shown)


@pytest.mark.parametrize(
    ("start", "freeze", "quota", "word"),
    [
        ("send", "none", "none", "ready"),
        ("send", "unknown", "unknown", "ready"),
        ("unknown", "unknown", "unknown", "not known"),
        ("send", "waits", "none", "would wait"),
        ("send", "none", "waits", "would wait"),
        ("send", "waits", "asks", "would ask an operator"),
        ("send", "waits", "fails", "would fail"),
        ("send", "none", "expires", "would expire"),
        ("try_again", "waits", "none", "would be tried again"),
        ("await_result", "none", "none", "would await its result"),
        ("give_result", "none", "none", "would end as before"),
        ("ask", "none", "none", "would ask an operator"),
        ("follow", "none", "none", "runs already"),
    ],
)
def test_a_dry_run_is_headed_by_what_a_start_does(start: str, freeze: str, quota: str, word: str) -> None:
    """Only what would just be sent is ready; none of it is a problem."""
    shown = lines(render_check(REQUEST, outlook(start, freeze, quota)), 80)
    assert shown[0] == f"demo/spring  {word}"
    verdicts = {
        "ready": "Nothing stands against it.",
        "not known": "The request is right. What a start would do is not",
    }
    assert shown[-2].startswith(verdicts.get(word, "The request is right, but"))


def test_a_dry_run_of_what_needs_approval_would_wait() -> None:
    """Its row says who requires that, also where nothing else holds it back."""
    words = {"said": "required by the account (all)", "then": "waits until somebody approves it"}
    found = outlook("send", "none", "none").model_dump() | {"approval": {"required_by": "account", **words}}
    shown = lines(render_check(REQUEST, CheckResult.model_validate(found)), 80)
    assert shown[0] == "demo/spring  would wait"
    (row,) = (line for line in shown if line.startswith("approval"))
    assert row.split(maxsplit=1)[1].split("  ")[0] == words["said"]
    assert row.endswith(words["then"])


@pytest.mark.parametrize(("outcome", "word"), [("expired", "would expire"), ("sent", "would end as before")])
def test_a_dry_run_of_what_is_over_would_expire(outcome: str, word: str) -> None:
    """A new key has no end before, and what failed before would end otherwise now."""
    found = outlook("give_result", "none", "none").model_dump()
    found["past"]["outcome"] = outcome
    assert lines(render_check(REQUEST, CheckResult.model_validate(found)), 80)[0] == f"demo/spring  {word}"


def test_the_table_of_a_dry_run_fits_80_columns() -> None:
    """One row for each of key, freeze and quota, in the words of the workers; a result without them has none."""
    shown = lines(render_check(REQUEST, outlook("give_result", "none", "waits", said="a long sentence " * 6)), 80)
    assert max(map(cell_len, shown)) <= 80
    assert [line.split()[0] for line in shown if line.startswith(("key", "freeze", "quota"))] == [
        "key",
        "freeze",
        "quota",
    ]
    without = CheckResult.model_validate({**OUTLOOK, **FINE})
    assert not any(line.startswith(("key", "freeze", "quota")) for line in lines(render_check(REQUEST, without), 80))


def test_a_dry_run_says_why_nobody_is_counted() -> None:
    """With the reason; all followers are called so once."""
    uncounted = CheckResult.model_validate({**OUTLOOK, "audience": "all followers", "uncounted": "WeChat is busy"})
    assert "all followers; how many is not known: WeChat is busy" in "\n".join(
        lines(render_check(REQUEST, uncounted), 80)
    )
    counted = CheckResult.model_validate({**OUTLOOK, "audience": "all followers", "followers": 23_000})
    assert "all followers: 23,000, by WeChat's count" in "\n".join(lines(render_check(REQUEST, counted), 80))


async def test_a_request_that_workers_refuse_has_its_problems(qunfa: Qunfa, client: Client, key: str) -> None:
    """Such as an account that they do not know."""
    answer = await qunfa(*_checks(key, ["account: nobody knows it"], "refuse"), "--json")
    assert (answer.exit_code, parsed(answer)["problems"]) == (1, ["account: nobody knows it"])


async def test_each_recipient_is_a_row(qunfa: Qunfa, client: Client) -> None:
    """Sent, or WeChat's words, or that nobody knows; exit 1 where one was not sent. And what it did not show."""
    partly = {"to": "oC", "sent": True, "without": ["recommend", "need_open_comment"]}
    lost = {"to": "oB", "sent": False, "perhaps": True, "errmsg": "it may have been shown: there was no answer"}
    answer = await qunfa(*_previews(SENT, REFUSED, lost, partly))
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert answer.exit_code == 1
    assert ["oA", "sent", "34182", "–"] in rows
    told = " ".join(answer.stdout.split())
    assert "WeChat id li NOT sent – errcode 43004, errmsg require subscribe, rid r1" in told
    assert "oB NOT KNOWN – it may have been shown: there was no answer" in told
    assert preview_line(Previewed.model_validate(lost)).startswith("perhaps previewed to oB: it may")
    assert "oC sent – shown without recommend, need_open_comment" in told
    said = "previewed to oC: shown without recommend, need_open_comment"
    assert preview_line(Previewed.model_validate(partly)) == said


async def test_a_preview_can_be_repeated(qunfa: Qunfa, client: Client, key: str) -> None:
    """Each has a key of its own, unless one is given, which may be used again. All sent is exit 0."""
    answers = [await qunfa(*_previews(SENT), "--json") for _ in range(2)]
    results = [PreviewResult.model_validate(parsed(answer)) for answer in answers]
    assert [answer.exit_code for answer in answers] == [0, 0]
    assert [(one.account, [row.to for row in one.previews]) for one in results] == [("demo", ["oA"])] * 2
    assert results[0].key != results[1].key
    for _ in range(2):
        assert parsed(await qunfa(*_previews(SENT), "--key", key, "--fit-images", "--json"))["key"] == key
    sent = await given(client, preview_id("demo", key))
    assert (sent["to"], sent["fit_images"]) == ([{"openid": "oA"}, {"wxname": "li"}], True)


async def test_a_look_without_an_answer_ends_no_preview(
    qunfa: Qunfa, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at again; the result counts."""
    look = AsyncMock(side_effect=RPCError("gone", RPCStatusCode.UNAVAILABLE, b""))
    monkeypatch.setattr("qunfa.cli.workers.pending_work", look)
    answer = await qunfa(*_previews(SENT), "--key", key)
    assert (answer.exit_code, look.await_count > 0, "may have been shown" in answer.stderr) == (0, True, False)


async def test_a_preview_without_an_answer_may_have_been_shown(
    qunfa: Qunfa, client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 3, with where to look: a repetition would show it once more."""
    start = Client.start_workflow

    async def begin(*asked: Any, **more: Any) -> None:
        await start(*asked, **more)
        raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(Client, "start_workflow", begin)
    answer = await qunfa(*_previews(SENT), "--key", key)
    assert answer.exit_code == 3
    assert f"Previews may have been shown, of the 100 a day: the workflow {preview_id('demo', key)}" in answer.stderr


async def test_a_mass_sends_file_can_be_previewed(qunfa: Qunfa, client: Client, key: str, tmp_path: Path) -> None:
    """Its message to those whom it names; its key and its audience have no part in it."""
    said = f"answer: {json.dumps({'previews': [SENT]})}"
    of_send = {"send_at": "2099-12-01T09:00:00+08:00", "fit_images": True, "preview": {"to": [{"openid": "oB"}]}}
    file = tmp_path / "send.json"
    file.write_text(json.dumps({**request(key, said), **of_send}))
    result = parsed(await qunfa("preview", str(file), "--json"))
    assert result["key"] != key
    assert await given(client, preview_id("demo", result["key"])) == {
        "account": "demo",
        "key": result["key"],
        "message": {"msgtype": "text", "content": said},
        "to": [{"openid": "oB"}],
        "fit_images": True,
    }


@pytest.mark.parametrize(("group", "noted"), [("a", True), ("b", False)])
async def test_of_a_split_test_one_group_is_previewed(
    qunfa: Qunfa, client: Client, key: str, tmp_path: Path, group: str, *, noted: bool
) -> None:
    """Group a, unless it is said otherwise; that there is another message is not passed over."""
    texts = {
        one: {"msgtype": "text", "content": f"answer: {json.dumps({'previews': [SENT], 'of': one})}"} for one in "ab"
    }
    file = tmp_path / "split.json"
    file.write_text(
        json.dumps(request(key) | {"message": texts["a"], "message_b": texts["b"], "split": {"a": 9, "b": 9}})
    )
    asked = () if group == "a" else ("--group", group)
    answer = await qunfa("preview", str(file), "--to", "oA", "--json", *asked)
    assert (await given(client, preview_id("demo", parsed(answer)["key"])))["message"] == texts[group]
    assert ("Add --group b to show that of group b." in answer.stderr) is noted


async def test_no_other_message_is_previewed_for_group_b(qunfa: Qunfa, key: str, tmp_path: Path) -> None:
    """Without a split test there is none."""
    file = tmp_path / "send.json"
    file.write_text(json.dumps(request(key)))
    for named in ((str(file),), ("--account", "demo", "--text", "hi")):
        answer = await qunfa("preview", *named, "--to", "oA", "--group", "b")
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert "it has no group b" in answer.stderr


async def test_why_nothing_was_previewed(qunfa: Qunfa, client: Client) -> None:
    """The workflow's sentences, and nothing else."""
    answer = await qunfa("preview", "--account", "demo", "--text", f"refuse: {json.dumps([NO_FILE])}", *TO)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert f"Nothing was previewed: {NO_FILE}" in answer.stderr
    failed = await qunfa("preview", "--account", "demo", "--text", "fail: WeChat refused the material", *TO)
    assert (failed.exit_code, failed.stderr.strip()) == (1, "WeChat refused the material.")


async def test_one_preview_at_a_time_under_a_key(qunfa: Qunfa, client: Client, key: str) -> None:
    """The result of another one is never shown as this one's."""
    raw = {"account": "demo", "key": key, "message": {"msgtype": "text", "content": "hi"}}
    other = await client.start_workflow(PREVIEW_MASS_SEND, raw, id=preview_id("demo", key), task_queue=QUEUE)
    answer = await qunfa(*_previews(SENT), "--key", key)
    assert (answer.exit_code, f"{other.id} runs already" in answer.stderr) == (1, True)
    await other.terminate()
