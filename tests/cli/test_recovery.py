"""What `qunfa restored` finds in logs, and what it says that a person has to do."""

import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from qunfa.cli.errors import WrongUse
from qunfa.cli.recovery import SHOWN, OpenSend, Recovery, Stands, Trace, next_steps, read_logs, render_recovery
from qunfa.contract.checks import TEST_MSG_ID_MIN
from qunfa.contract.steps import TRIED
from tests.cli.calls import log_line

HELD = "Does this not fit? Retry it while its account is frozen, and give it again"
AT = datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize("problem", ["unknown_outcome", None])
def test_a_send_that_asks_is_a_step_with_its_problem(problem: str | None) -> None:
    """The command stands last: nothing comes behind it that a shell would take for more of it."""
    asks = OpenSend(send="demo/k", stands="asks", phase="needs_operator", problem=problem)
    [step] = next_steps(Recovery(taken=None, accounts=(), sends=(asks,)), finish=None)
    why = problem or "needs_operator"
    assert step == f"{why}: look into WeChat's console, then answer: qunfa status demo/k"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("batch_failed", "Give that, and the batch then asks. Else resume. Its status: qunfa status demo/k"),
        ("winner_not_chosen", "Choose that one, then mark-sent as its batch asks: qunfa status demo/k"),
    ],
)
def test_a_restored_list_is_answered_by_its_batch(problem: str, said: str) -> None:
    """Its own question knows nothing of what was sent since the snapshot: not that batch, and not which message."""
    asks = OpenSend(send="demo/k", stands="asks", phase="needs_operator", problem=problem)
    [step] = next_steps(Recovery(taken=None, accounts=(), sends=(asks,)), finish=None)
    assert step.endswith(said)


@pytest.mark.parametrize(
    ("stands", "problem", "phase", "first"),
    [
        ("asks", "unknown_outcome", "needs_operator", "WeChat took it: qunfa"),
        ("asks", "no_verdict", "needs_operator", "WeChat took it: qunfa"),
        ("asks", "a stranger's", "needs_operator", "WeChat took it: qunfa"),
        ("asks", "send_failed", "needs_operator", f"send_failed. {HELD}: qunfa"),
        ("asks", "account_refused", "needs_operator", f"account_refused. {HELD}: qunfa"),
        ("not due", "account_frozen", "scheduled", "WeChat took it: qunfa"),
        (
            "not due",
            None,
            "paused",
            "Does this not fit? Resume it while its account is frozen, and give it again: qunfa",
        ),
        (
            "not due",
            None,
            "awaiting_approval",
            "Does this not fit? Approve it while its account is frozen, and give it again: qunfa",
        ),
        ("not due", None, "scheduled", "WeChat took demo/k. Once its status offers mark_sent: qunfa"),
        (
            None,
            None,
            None,
            'runs with "on_problem": "wait" and its account is frozen, or it comes up as a batch: qunfa',
        ),
    ],
)
def test_mark_sent_is_a_step_once_it_fits(
    stands: Stands | None, problem: str | None, phase: str | None, first: str
) -> None:
    """Any other send refuses it, and a person would hold what was sent for lost."""
    job = Trace(account="demo", key="k", msg_id=7, at=AT)
    sends = (OpenSend(send="demo/k", stands=stands, phase=phase, problem=problem),) if stands else ()
    [step, *_] = next_steps(Recovery(taken=None, accounts=(), sends=sends, jobs=(job,)), finish=None)
    assert f"{first} mark-sent demo/k --msg-id 7 --reason " in step


def test_what_takes_no_retry_is_not_marked_as_sent() -> None:
    """It was refused before the snapshot; what became of it since stands in the log alone."""
    job = Trace(account="demo", key="k", msg_id=7, at=AT)
    sends = (OpenSend(send="demo/k", stands="asks", phase="needs_operator", problem="content_refused"),)
    [step, *_] = next_steps(Recovery(taken=None, accounts=(), sends=sends, jobs=(job,)), finish=None)
    assert step.startswith("WeChat took demo/k as msg_id 7. It asks content_refused, which takes no retry: abort it.")
    assert "mark-sent" not in step


def test_what_a_restored_send_does_is_told() -> None:
    """A person is asked first."""
    send = OpenSend(send="demo/k", stands="not due", phase="scheduled")
    console = Console(width=200, record=True, file=StringIO())
    console.print(render_recovery(Recovery(taken=None, accounts=(), sends=(send,))))
    assert "asks a person before it goes out" in console.export_text()


def test_what_may_have_been_cancelled_stands_before_the_workers() -> None:
    """Once one runs, a recall deletes something. A stranger's workflow id is no command, and no line of its own."""
    others = ("recall:demo:7", "preview:demo:x;\nreboot", *(f"recall:demo:{number}" for number in range(99)))
    steps = list(next_steps(Recovery(taken=AT, accounts=(), others=others, idle=("qunfa",)), finish="x"))
    commands = [one.partition("goes on with it: ")[2] for one in steps[:2]]
    assert commands[0] == "temporal workflow cancel --workflow-id recall:demo:7"
    assert shlex.split(commands[1])[-1] == "preview:demo:x; reboot"
    assert f"And {len(others) - SHOWN} more: temporal workflow list --query " in steps[SHOWN]
    assert steps[SHOWN + 1].startswith("Start the workers")
    done = list(next_steps(Recovery(taken=None, accounts=(), others=others), finish=None))
    assert done == [], "what runs once all was started again is told to nobody"


def test_a_problem_of_several_lines_is_one_step() -> None:
    """A stranger's search attribute is no command of its own."""
    forged = OpenSend(send="demo/k", stands="asks", problem="x\nqunfa abort demo/k; reboot")
    [step] = next_steps(Recovery(taken=None, accounts=(), sends=(forged,)), finish=None)
    assert step.startswith("x qunfa abort demo/k; reboot: look into")
    assert step.endswith("then answer: qunfa status demo/k")


def test_traces_are_read_from_any_log(tmp_path: Path) -> None:
    """A push, also one handed over, and its try are one job. What is older, a test, forged or no JSON is left."""
    lines = [
        "2026 worker-1 | " + log_line(TRIED, account="demo", key="spring", msg_id=7),
        log_line("push", account="demo", msg_id=7, status="send success"),
        log_line("push", account="demo", msg_id=8, status="err(10001)"),
        log_line("push", account="demo", msg_id=None, status=None),
        log_line("push", account=None, msg_id=9),
        log_line("connected", msg_id=10),
        log_line("report", account="demo", msg_id=12, status="send success", answer="success"),
        log_line("report", account="demo", msg_id=13, status="send success", answer="forged"),
        log_line("push", account="demo", msg_id=TEST_MSG_ID_MIN, status="send success"),
        json.dumps({"event": "push", "timestamp": "2020-01-01T00:00:00Z", "account": "demo", "msg_id": 11}),
        "no JSON {",
        "[" * 100_000 + '{"a":' * 100_000,
    ]
    log = tmp_path / "all.log"
    log.write_text("\n".join(lines), encoding="utf-8")
    found = [(one.account, one.key, one.msg_id, one.status) for one in read_logs([log, log], AT).jobs]
    assert found == [
        ("demo", "spring", 7, "send success"), ("demo", None, 8, "err(10001)"), ("demo", None, 12, "send success"),
    ]  # fmt: skip
    assert recovery_of(log) == ["qunfa mark-sent demo/spring --msg-id 7"]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda line: json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-12-01T00:00:00Z"}),
        lambda line: json.dumps({"MESSAGE": line, "_PID": "7"}),
        lambda line: json.dumps({"labels": {"app": "qunfa"}, "line": json.dumps({"log": line})}),
        lambda line: json.dumps({"event": {"dataset": "x"}, "message": line}),
        lambda line: json.dumps({"_source": {"parsed": json.loads(line)}}),
        lambda line: json.dumps({**json.loads(line), "log": {"original": line}}),
        lambda line: '2026-12-01 {app="qunfa", "pod"="{x}"} {"n": 1} ' + line + " # end",
    ],
    ids=["docker", "journald", "loki", "beats", "parsed", "kept", "labels"],
)
def test_a_line_that_a_collector_has_wrapped_is_read(tmp_path: Path, wrapped: Callable[[str], str]) -> None:
    """A log that is wrapped throughout names its jobs as any other does."""
    log = tmp_path / "worker.log"
    log.write_text(wrapped(_tried("spring", 7, "accepted")) + "\n", encoding="utf-8")
    logs = read_logs([log], AT)
    assert ([(one.key, one.msg_id) for one in logs.jobs], logs.unread) == ([("spring", 7)], 0)


def test_lines_of_jobs_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    """One that is cut off, or lacks its time, may name the job of a send: a person looks into the console."""
    whole = _tried("spring", 7, "accepted")
    timeless = json.dumps({"event": TRIED, "account": "demo", "msg_id": 8})
    cut = json.dumps({"log": whole})[:-9]
    log = tmp_path / "worker.log"
    log.write_text("\n".join([whole, timeless, whole[:-9], cut, "no job {"]), encoding="utf-8")
    logs = read_logs([log], AT)
    assert ([one.msg_id for one in logs.jobs], logs.unread) == ([7], 3)
    recovery = Recovery(taken=None, dry_run=True, accounts=(), unread=logs.unread)
    steps = next_steps(recovery, finish="qunfa restored --done")
    assert next(steps).startswith("3 lines of the logs name a job and cannot be read")


def _loki(*lines: str) -> str:
    values = [["1764550000000000000", line] for line in lines]
    return json.dumps({"data": {"result": [{"stream": {"app": "qunfa"}, "values": values}]}})


@pytest.mark.parametrize(
    "joined",
    [
        lambda *lines: "".join(json.dumps({"log": line}) for line in lines),
        lambda *lines: json.dumps([json.loads(line) for line in lines]),
        lambda *lines: json.dumps({"log": "\n".join(lines), "event": "log"}),
        lambda *lines: json.dumps({"logEvents": [{"timestamp": 1764550000000, "message": line} for line in lines]}),
        lambda *lines: "".join(json.dumps({"event": line, "sourcetype": "qunfa"}) for line in lines),
        lambda *lines: " ".join(json.dumps({"event": json.loads(line), "time": 1764550000}) for line in lines),
        lambda *lines: "".join(json.dumps({"event": "log", "message": line}) for line in lines),
        lambda *lines: "".join(json.dumps(json.loads(line) | {"message": line}) for line in lines),
        lambda *lines: _loki(*(json.dumps({"log": line}) for line in lines)),
        lambda *lines: '{"no' * 15 + "".join(lines),
    ],
    ids=["docker", "array", "one text", "cloudwatch", "hec", "parsed", "event", "kept", "loki", "behind braces"],
)
def test_all_jobs_of_a_line_are_read(tmp_path: Path, joined: Callable[..., str]) -> None:
    """A collector may put many events into a line, in lists and in texts, and name its own `event` beside them."""
    lines = [_tried(f"k{job}", job, "accepted") for job in range(1, 41)]
    log = tmp_path / "all.log"
    log.write_text(joined(*lines), encoding="utf-8")
    logs = read_logs([log], AT)
    assert ([(one.key, one.msg_id) for one in logs.jobs], logs.unread) == ([(f"k{n}", n) for n in range(1, 41)], 0)


@pytest.mark.parametrize(
    "hidden",
    [
        lambda line: log_line("log", message=line),
        lambda line: log_line("connected") + line[:-9],
        lambda line: json.dumps([log_line("connected"), line]),
        lambda line: json.dumps({"event": "push", "message": line}),
        lambda line: log_line("connected") + '{"a":' * 17 + line,
        lambda line: log_line("connected") + '{"a":[' * 9 + line + "]}" * 9,
        lambda line: json.dumps(json.loads(line) | {"timestamp": None}) * 2,
    ],
    ids=["a log of others", "cut", "texts", "their push", "braces", "too deep", "without a time"],
)
def test_a_line_that_hides_a_job_is_counted_once(tmp_path: Path, hidden: Callable[[str], str]) -> None:
    """Whether it has other events or none: a person is told that there is a job more."""
    log = tmp_path / "all.log"
    log.write_text("\n".join([log_line("connected"), hidden(_tried("spring", 7, "accepted"))]), encoding="utf-8")
    assert read_logs([log], AT) == ((), 1)


@pytest.mark.parametrize("sent_on", [str, lambda line: json.dumps({"log": line}), lambda line: line[:-9]])
@pytest.mark.parametrize("name", ["push", "caught up, says x", "caught up, says "])
def test_no_text_of_others_is_an_event(tmp_path: Path, name: str, sent_on: Callable[[str], str]) -> None:
    """A person's name or WeChat's word may be a line of a log. It would tell a send of a job that it never had."""
    forged = _tried("spring", 8, "accepted")
    said = log_line(name + forged if name.endswith(" ") else name, status=forged, asked=[forged], by={"by": forged})
    log = tmp_path / "all.log"
    log.write_text("\n".join([log_line("connected"), sent_on(said)]), encoding="utf-8")
    assert read_logs([log], AT).jobs == ()


@pytest.mark.parametrize("part", ['{"a":', '{"a":{}} ', '{"', '{ "a" ', '{"log":"{\\"a\\":'])
def test_a_line_of_braces_is_read_to_its_end(tmp_path: Path, part: str) -> None:
    """Whatever a worker was given to log: what follows is read in time."""
    log = tmp_path / "all.log"
    log.write_text(part * (2_000_000 // len(part)) + "\n" + _tried("spring", 7, "accepted"), encoding="utf-8")
    assert [one.msg_id for one in read_logs([log], AT).jobs] == [7]


def recovery_of(log: Path) -> list[str]:
    """The commands that tell sends of the jobs of a log."""
    recovery = Recovery(taken=None, accounts=(), jobs=read_logs([log], AT).jobs)
    return [re.findall("(qunfa .+) --reason", step)[0] for step in next_steps(recovery, finish=None)]


def _tried(key: str, msg_id: int, answer: str) -> str:
    return log_line(TRIED, account="demo", key=key, msg_id=msg_id, answer=answer)


def _pushed(msg_id: int, status: str) -> str:
    return log_line("push", account="demo", msg_id=msg_id, status=status, answer="success")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([_tried("a", 7, "accepted"), _tried("b", 7, "duplicate")], ["demo/a --msg-id 7"]),
        ([_tried("b", 7, "duplicate"), _pushed(7, "send success"), _tried("a", 7, "accepted")], ["demo/a --msg-id 7"]),
        ([_tried("b", 7, "duplicate"), _pushed(7, "send success")], ["demo/b --msg-id 7"]),
        ([_tried("b", 7, "duplicate"), _tried("c", 7, "duplicate"), _tried("b", 7, "duplicate")], []),
        ([_tried("a", 7, "accepted"), _pushed(7, "err(30003)"), _tried("a", 8, "accepted"), _pushed(8, "send success")],
         ["demo/a --msg-id 8"]),
        ([_tried("a", 7, "accepted"), _pushed(7, "send success"), _tried("a", 8, "accepted")], ["demo/a --msg-id 7"]),
        ([_tried("a", 8, "accepted"), _tried("a", 7, "accepted"), _pushed(7, "err(30003)")], ["demo/a --msg-id 8"]),
    ],
    ids=range(7),
)  # fmt: skip
def test_a_send_is_told_of_its_own_job_that_was_delivered(tmp_path: Path, lines: list[str], told: list[str]) -> None:
    """WeChat names the job of another send, too, to a submission that it takes for a repetition of that."""
    log = tmp_path / "worker.log"
    log.write_text("\n".join(lines), encoding="utf-8")
    assert recovery_of(log) == [f"qunfa mark-sent {one}" for one in told]


def test_a_log_that_keeps_back_what_is_looked_for_is_refused(tmp_path: Path) -> None:
    """A try is logged at the level info. Without a line of it nobody knows what was submitted."""
    log = tmp_path / "worker.log"
    log.write_text(log_line("a closed run cannot be told of now", level="warning") + "\n", encoding="utf-8")
    with pytest.raises(WrongUse, match="no line of the level info"):
        read_logs([log], AT)
