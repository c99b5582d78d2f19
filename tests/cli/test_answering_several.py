"""Answers to several sends: by their names, or by a query."""

from typing import Any
from unittest.mock import AsyncMock

import pytest
from pydantic import TypeAdapter
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.answers import Answered
from qunfa.cli.view import describe_send
from qunfa.contract import MASS_SEND, mass_send_id
from qunfa.contract.ids import MassSendId
from tests.cli.calls import DESERTED_QUEUE, Pondering, Qunfa, Scripted, parsed
from tests.cli.stub import request, status
from tests.looking import until

ANSWERS = TypeAdapter(list[Answered])
SHOWS = {"required": True, "shows": ["text: spring", "to all followers"]}


def _mine(key: str) -> str:
    return f"WorkflowId STARTS_WITH 'mass-send:demo:{key}'"


async def _listed(qunfa: Qunfa, key: str, runs: int, state: str = "Running") -> None:
    """Until the list knows so many in this state; it follows a moment later."""
    query = f"{_mine(key)} AND ExecutionStatus = '{state}'"
    await until(lambda: qunfa("list", "--query", query, "--json"), lambda answer: len(parsed(answer)) == runs)


async def test_each_of_several_is_answered_and_listed(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """A send named twice is answered once; what was refused makes it exit 1, and stops none of the others."""
    handles = [
        await scripted(status("awaiting_approval"), more="-a"),
        await scripted(status("submitting"), more="-b"),
        await scripted(queue=DESERTED_QUEUE, more="-c"),
        await scripted(status("awaiting_approval"), more="-d"),
    ]
    names = [f"demo/{key}-{one}" for one in "abcd"]
    answer = await qunfa("approve", *names, f"mass-send:demo:{key}-a", "demo/never-started", "--yes")
    assert answer.exit_code == 1
    lines = answer.stdout.splitlines()
    assert [lines[0], lines[1], lines[3]] == [
        f"{names[0]}  done, now submitting",
        f"{names[1]}  NOT done: approve does not fit now.",
        f"{names[3]}  done, now submitting",
    ]
    assert lines[2].startswith(f"{names[2]}  NOT done: No worker polls")
    assert lines[4].startswith("demo/never-started  NOT done: ")
    assert [len(await handles[one].query("received")) for one in (0, 1, 3)] == [1, 0, 1]


async def test_sends_of_newer_workers_are_answered_all_the_same(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Each is, and counts as done; that this version cannot read its status is said, and is no crash."""
    handles = [await scripted(status("resting"), more=f"-{one}") for one in "ab"]
    for handle in handles:
        await handle.signal("stay", True)
    names = [f"demo/{key}-{one}" for one in "ab"]
    answer = await qunfa("pause", *names, "--yes")
    assert (answer.exit_code, answer.exception) == (0, None)
    assert [line.split(",")[0] for line in answer.stdout.splitlines()] == [f"{name}  done" for name in names]
    assert [len(await one.query("received")) for one in handles] == [1, 1]
    one = await qunfa("pause", names[0])
    assert (one.exit_code, "say what this version does not know. Upgrade Qunfa here" in one.stdout) == (0, True)


async def test_the_answers_are_json_as_well(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """A list, with the send afterwards, or why not; exit 0 where all were carried out."""
    for one in "ab":
        await scripted(status("awaiting_approval"), more=f"-{one}")
    both = (f"demo/{key}-a", f"demo/{key}-b")
    answer = await qunfa("pause", *both, "--yes", "--json")
    answers = ANSWERS.validate_python(parsed(answer))
    assert answer.exit_code == 0
    assert [(one.key, one.answer, one.refusal, one.send and one.send.phase) for one in answers] == [
        (f"{key}-a", "pause", None, "paused"),
        (f"{key}-b", "pause", None, "paused"),
    ]
    told = await qunfa("reject", *both, "--reason", "wrong text", "--yes")
    assert told.stdout.splitlines() == [f"{one}  done, now ending" for one in both]


async def test_a_query_names_what_runs(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """With --yes nobody is asked; one that has ended is not found."""
    handles = [await scripted(status("needs_operator"), more=f"-{one}") for one in "ab"]
    ended = await scripted(more="-c")
    await ended.terminate()
    await _listed(qunfa, key, 1, "Terminated")
    await _listed(qunfa, key, 2)
    answer = await qunfa("retry", "--query", _mine(key), "--reason", "all of them", "--yes", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert {one.key for one in ANSWERS.validate_python(parsed(answer))} == {f"{key}-a", f"{key}-b"}
    assert [(await one.query("received"))[0]["reason"] for one in handles] == ["all of them"] * 2


@pytest.mark.usefixtures("terminal")
async def test_a_query_is_confirmed_by_who_sees_what_it_finds(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Each send with its phase, and what is to be approved; a no answers none, a yes all."""
    handles = [await scripted(status("awaiting_approval", approval=SHOWS), more=f"-{one}") for one in "ab"]
    await _listed(qunfa, key, 2)
    no = await qunfa("approve", "--query", _mine(key), stdin="n\n")
    assert (no.exit_code, "done" in no.stdout) == (1, False)
    shown = [f"demo/{key}-{one}  awaiting_approval\n  text: spring" for one in "ab"]
    for part in (*shown, "approve these 2?"):
        assert part in no.stderr
    assert [await one.query("received") for one in handles] == [[], []]
    yes = await qunfa("approve", "--query", _mine(key), stdin="y\n")
    assert yes.exit_code == 0
    assert [len(await one.query("received")) for one in handles] == [1, 1]


@pytest.mark.usefixtures("terminal")
async def test_a_query_that_finds_one_send_asks_about_it(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Not about `these 1`."""
    await scripted(status("submitting"))
    await _listed(qunfa, key, 1)
    no = await qunfa("abort", "--query", _mine(key), "--reason", "wrong text", stdin="n\n")
    assert (no.exit_code, "abort this one?" in no.stderr) == (1, True)


@pytest.mark.usefixtures("terminal")
async def test_sends_that_are_named_are_confirmed_as_well(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """By who sees how each is, what is to be approved, for whom and when; a no answers none, a yes all there are."""
    asks = status("awaiting_approval", approval=SHOWS, send_at="2099-12-01T01:00:00Z")
    handles = [await scripted(asks, more=f"-{one}") for one in "ab"]
    names = [f"demo/{key}-{one}" for one in "ab"]
    no = await qunfa("approve", *names, "demo/never-started", stdin="n\n")
    assert (no.exit_code, "done" in no.stdout) == (1, False)
    words = "  text: spring\n  to all followers\n  asked by crm\n  send at 2099-12-01 09:00"
    shown = [f"{name}  awaiting_approval\n{words}" for name in names]
    assert all(part in no.stderr for part in (*shown, "holds no mass send demo/never-started", "approve these 2?"))
    assert [await one.query("received") for one in handles] == [[], []]
    yes = await qunfa("pause", *names, stdin="y\n")
    assert (yes.exit_code, "text: spring" in yes.stderr) == (0, False)
    assert [len(await one.query("received")) for one in handles] == [1, 1]


async def test_nothing_is_approved_that_nobody_was_shown(
    qunfa: Qunfa, scripted: Scripted, pondering: Pondering, key: str
) -> None:
    """What is not ready is left out, also once it is ready. What changes before the yes is not done. Exit 1."""
    shown, late, changed, again = [await scripted(status("previewing"), more=f"-{one}") for one in "abcd"]
    for ready in (shown, changed, again):
        await ready.signal("become", status("awaiting_approval", approval=SHOWS))
    names = [f"demo/{key}-{one}" for one in "abcd"]

    async def meanwhile() -> None:
        other = {**SHOWS, "shows": ["text: summer", "to all followers"]}
        await late.signal("become", status("awaiting_approval", approval=SHOWS))
        await changed.signal("become", status("awaiting_approval", approval=other))
        await again.terminate()
        await scripted(status("awaiting_approval", approval=SHOWS), more="-d")

    asked = pondering(meanwhile)
    answer = await qunfa("approve", *names)
    assert (answer.exit_code, asked) == (1, ["approve these 3?"])
    assert f"{names[1]}  previewing\n  what goes out is not known yet, so this is left out" in answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[0] == f"{names[0]}  done, now submitting"
    assert lines[1].startswith(f"{names[1]}  NOT done: You were shown nothing of it")
    for name, line in zip(names[2:], lines[2:], strict=True):
        assert line.startswith(f"{name}  NOT done: {name} has changed meanwhile")
    assert [len(await one.query("received")) for one in (shown, late, changed)] == [1, 0, 0]


@pytest.mark.usefixtures("terminal")
async def test_the_end_of_the_day_changes_nothing_shown(
    qunfa: Qunfa, scripted: Scripted, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time of tomorrow is told with its day, and no more so once it is tomorrow."""
    asks = status("awaiting_approval", approval=SHOWS, send_at="2099-12-01T01:00:00Z")
    handles = [await scripted(asks, more=f"-{one}") for one in "ab"]
    told = iter(["12-01 09:00", "12-01 09:00", "09:00", "09:00"])
    monkeypatch.setattr("qunfa.cli.targets.short", lambda _: next(told))
    answer = await qunfa("approve", *(f"demo/{key}-{one}" for one in "ab"), stdin="y\n")
    assert (answer.exit_code, answer.exception) == (0, None)
    assert [len(await one.query("received")) for one in handles] == [1, 1]


@pytest.mark.parametrize("command", ["retry", "resume"])
async def test_what_asks_something_else_is_not_let_go(
    qunfa: Qunfa, scripted: Scripted, pondering: Pondering, *, key: str, command: str
) -> None:
    """Somebody was faster than the yes: another problem, batch or submission. The rest goes on. Exit 1."""
    same, problem, batch, again = [await scripted(more=f"-{one}") for one in "abcd"]
    failed = {"name": "send_failed", "sentence": "s", "todo": "t"}
    for one in (same, problem, batch, again):
        await one.signal("become", status("needs_operator", problem=failed, batch=4))
    job = {"index": 0, "generation": 1, "clientmsgid": "c", "state": "failed"}
    names = [f"demo/{key}-{one}" for one in "abcd"]

    async def meanwhile() -> None:
        await problem.signal("become", status("needs_operator", problem={**failed, "name": "quota"}, batch=4))
        await batch.signal("become", status("needs_operator", problem=failed, batch=5))
        await again.signal("become", status("needs_operator", problem=failed, batch=4, jobs=[job]))

    asked = pondering(meanwhile)
    answer = await qunfa(command, *names, "--reason", "r")
    assert (answer.exit_code, asked) == (1, [f"{command} these 4?"])
    lines = answer.stdout.splitlines()
    assert lines[0].startswith(f"{names[0]}  done")
    for name, line in zip(names[1:], lines[1:], strict=True):
        assert line.startswith(f"{name}  NOT done: {name} has changed meanwhile")
    assert [len(await one.query("received")) for one in (same, problem, batch, again)] == [1, 0, 0, 0]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("command", ["approve", "retry", "resume"])
async def test_what_cannot_be_read_is_not_let_go(qunfa: Qunfa, scripted: Scripted, *, key: str, command: str) -> None:
    """Nobody is asked. What is told is why: no worker polls, or its status is of a newer version."""
    await scripted(queue=DESERTED_QUEUE, more="-a")
    newer = await scripted(status("resting"), more="-b")
    names = [f"demo/{key}-{one}" for one in "ab"]
    answer = await qunfa(command, *names, "--reason", "r")
    assert (answer.exit_code, "these" in answer.stderr) == (1, False)
    lines = answer.stdout.splitlines()
    assert lines[0].startswith(f"{names[0]}  NOT done: No worker polls the task queue {DESERTED_QUEUE}")
    assert lines[1].startswith(f"{names[1]}  NOT done: ")
    assert "what this version does not know" in lines[1]
    assert await newer.query("received") == []


@pytest.mark.usefixtures("terminal")
async def test_where_nothing_is_shown_nobody_is_asked(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Each is told as not done, with exit 1; with --yes the answer goes to all of them."""
    handles = [await scripted(status("awaiting_approval"), more=f"-{one}") for one in "ab"]
    names = [f"demo/{key}-{one}" for one in "ab"]
    answer = await qunfa("approve", *names)
    assert (answer.exit_code, answer.stdout.count("NOT done"), "these" in answer.stderr) == (1, 2, False)
    assert [await one.query("received") for one in handles] == [[], []]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("when", "said"),
    [(("--now",), "send at now"), (("--send-at", "2099-01-12T09:00:00+08:00"), "send at 2099-01-12 09:00")],
)
async def test_another_time_is_shown_before_it_is_confirmed(
    qunfa: Qunfa, scripted: Scripted, key: str, when: tuple[str, ...], said: str
) -> None:
    """A day may stand where its month belongs."""
    for one in "ab":
        await scripted(status("scheduled"), more=f"-{one}")
    answer = await qunfa("reschedule", f"demo/{key}-a", f"demo/{key}-b", *when, stdin="n\n")
    assert answer.stderr.splitlines()[2] == said


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("named", [False, True])
async def test_no_attribute_forges_a_line_to_be_confirmed(
    qunfa: Qunfa, client: Client, *, key: str, named: bool
) -> None:
    """Whoever starts a workflow writes its attributes. The list keeps them in their lines as well."""
    forged = "\ndemo/other  paused\n  qunfa abort demo/other"
    names = ("Phase", "Problem", "Outcome", "Progress", "MsgType")
    keys = (SearchAttributeKey.for_keyword(f"MassSend{name}") for name in names)
    attributes = TypedSearchAttributes([SearchAttributePair(one, f"needs_operator{forged}") for one in keys])
    sends = [f"demo/{key}-{one}" for one in "ab"]
    for send in sends:
        name = mass_send_id("demo", send.removeprefix("demo/"))
        await client.start_workflow(
            MASS_SEND, request(key), id=name, task_queue=DESERTED_QUEUE, search_attributes=attributes
        )
    await _listed(qunfa, key, 2)
    answer = await qunfa("abort", *(sends if named else ("--query", _mine(key))), "--reason", "r", stdin="n\n")
    [*shown, asked] = answer.stderr.splitlines()
    assert ([line.split("  ")[0] for line in sorted(shown)], asked[:14]) == (sends, "abort these 2?")
    listed = (await qunfa("list", "--query", _mine(key))).stdout.splitlines()
    assert [line for line in listed if line.split()[:1] in (["demo/other"], ["qunfa"])] == []


async def test_a_query_that_finds_nothing_is_refused(qunfa: Qunfa, client: Any) -> None:
    """Nobody takes it for done."""
    answer = await qunfa("abort", "--query", _mine("nothing-is-named-so"), "--reason", "r", "--yes")
    assert (answer.exit_code, answer.stderr.strip()) == (1, "No running send matches, so nothing was done.")


async def test_where_temporal_stops_answering_the_rest_is_not_asked(
    qunfa: Qunfa, scripted: Scripted, *, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done before stays listed, and so is each that was not asked; exit 3."""
    handles = [await scripted(status("scheduled"), more=f"-{one}") for one in "abc"]

    async def describe(client: Client, send: MassSendId) -> WorkflowExecutionDescription:
        if send.key == f"{key}-b":
            raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
        return await describe_send(client, send)

    monkeypatch.setattr("qunfa.cli.answers.describe_send", describe)
    answer = await qunfa("pause", *(f"demo/{key}-{one}" for one in "abc"), "--yes")
    assert answer.exit_code == 3
    assert answer.stdout.splitlines() == [
        f"demo/{key}-a  done, now paused",
        f"demo/{key}-b  NOT done: Temporal did not answer: gone.",
        f"demo/{key}-c  NOT done: Not asked, since Temporal did not answer before.",
    ]
    assert [len(await one.query("received")) for one in handles] == [1, 0, 0]


@pytest.mark.parametrize(("more", "code"), [("", 3), ("-b", 0)])
async def test_an_answer_that_was_taken_is_never_called_undone(
    qunfa: Qunfa, scripted: Scripted, *, key: str, more: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the send cannot be read afterwards."""
    for one in dict.fromkeys(("", more)):
        await scripted(status("scheduled"), more=one)

    gone = RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
    monkeypatch.setattr("qunfa.cli.answers.read_send", AsyncMock(side_effect=gone))
    answer = await qunfa("pause", f"demo/{key}", f"demo/{key}{more}", "--yes" if more else "--json")
    assert answer.exit_code == code
    if more:
        assert answer.stdout.splitlines() == [f"demo/{key}  done", f"demo/{key}{more}  done"]
    else:
        assert answer.stderr.startswith("This was carried out.")


@pytest.mark.parametrize("one", ["two names", "a query"])
async def test_not_delivered_is_said_of_one_send_at_a_time(
    qunfa: Qunfa, scripted: Scripted, *, key: str, one: str
) -> None:
    """Even a query that finds a single send: exit 2 with the reason, and nobody is answered."""
    handle = await scripted(status("needs_operator"))
    whom = ("--query", _mine(key)) if one == "a query" else (f"demo/{key}", f"demo/{key}-2")
    answer = await qunfa("retry", *whom, "--reason", "r", "--confirm-not-delivered", "--yes")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "would reach its followers twice" in " ".join(answer.stderr.split())
    assert await handle.query("received") == []
