"""What people are told of ends without a result, or that leave somebody in doubt: one next step, and no other."""

import pytest

from qunfa.cli.message import in_words
from qunfa.cli.report import ReportView, Sum, render_report
from qunfa.cli.status import render_send
from qunfa.cli.view import SendView, State, next_command
from qunfa.cli.watch import request_line
from qunfa.contract import Status
from qunfa.contract.operators import FROZEN_BY, Phase
from qunfa.contract.request import parse_request
from qunfa.rules.problems import USE_A_NEW_KEY
from qunfa.states import ReportState
from tests.cli.stub import status
from tests.cli.test_tables import lines

FAILED = {"name": "send_failed", "sentence": "WeChat accepted the message and then failed to send it.", "errcode": None}


@pytest.mark.parametrize(("state", "advised"), [("canceled", False), ("terminated", True)])
@pytest.mark.parametrize("in_batches", [False, True])
def test_a_cancelled_send_has_the_advice_of_its_problem_alone(state: State, *, in_batches: bool, advised: bool) -> None:
    """WeChat had said no before, which stands for its key. Of another that Temporal has closed its ledger is asked."""
    said = Status.model_validate(status("done", problem={**FAILED, "todo": USE_A_NEW_KEY}))
    view = SendView(
        workflow_id="mass-send:demo:k",
        in_batches=in_batches,
        account="demo",
        key="k",
        state=state,
        status=said,
        phase="done",
    )
    shown = " ".join(lines(render_send(view), 10_000))
    assert USE_A_NEW_KEY in shown
    assert ("Cancelled in Temporal; nothing was delivered." in shown) is not advised
    assert ("The same request started again" in shown) is advised


@pytest.mark.parametrize("sent", [True, False])
def test_a_report_says_how_a_batch_in_doubt_gets_it(*, sent: bool) -> None:
    """Once a person has looked, from a file. Where no batch was sent the old key may still send: no new one then."""
    sums = (Sum(state="sent", openids=20_000, batches=2), Sum(state="unknown", openids=10_000, batches=1))
    view = ReportView(account="demo", key="spring", uri="file:/srv/report.csv.gz", sums=sums[not sent :])
    shown = " ".join(lines(render_report(view, goes_on=True), 10_000))
    assert "look into WeChat's console." in shown
    assert ("certainly not there? Send to its people under a new key, from a file" in shown) is sent
    assert ("qunfa report demo/spring --state unknown --output FILE" in shown) is sent
    assert "--from-report" not in shown


def test_a_report_says_which_key_has_which_of_its_states() -> None:
    """Each state goes to one key alone, and a key may have several of them."""
    has: dict[ReportState, str] = {"failed": "late", "unknown": "rest", "not_submitted": "rest"}
    sums = tuple(Sum(state=state, openids=2, batches=1, next_key=key) for state, key in has.items())
    view = ReportView(account="demo", key="spring", uri="file:/srv/report.csv.gz", sums=sums)
    shown = " ".join(lines(render_report(view, goes_on=True), 10_000))
    for states, key in (("failed", "late"), ("unknown, not_submitted", "rest")):
        said = f"{states}: another key reaches these people. Go on by its report:   qunfa report demo/{key}"
        assert said in shown


@pytest.mark.parametrize(
    ("phase", "reason", "command"),
    [
        ("scheduled", f"{FROZEN_BY}li: wrong text", "qunfa ledger demo"),
        ("submitting", f"{FROZEN_BY}li: wrong text", "qunfa ledger demo"),
        ("scheduled", "its time", "qunfa watch demo/k"),
    ],
    ids=["held back", "in doubt", "not frozen"],
)
def test_what_waits_for_a_freeze_is_told_where_to_look(phase: Phase, reason: str, command: str) -> None:
    """An unfreeze submits in-doubt sends again, and the freeze may be a restore's, which has to stay to its end."""
    said = Status.model_validate(status(phase, waiting_for={"reason": reason}))
    view = SendView(workflow_id="mass-send:demo:k", account="demo", key="k", state="running", status=said, phase=phase)
    assert next_command(view) == command


def test_rows_of_several_things_read_as_chinese(chinese: None) -> None:
    """Who approved, and when, is no list of two people; and no blank stands between Chinese words."""
    approval = {"required": True, "by": "boss", "at": "2026-12-01T12:34:00Z"}
    said = Status.model_validate(status("scheduled", approval=approval))
    view = SendView(workflow_id="mass-send:demo:k", account="demo", key="k", state="running", status=said)
    [row] = [line for line in lines(render_send(view), 200) if "批准人" in line]
    assert ("boss，" in row, "、" in row) == (True, False), row
    hello = {"msgtype": "text", "content": "你好"}
    asked = parse_request({"account": "demo", "key": "k", "audience": {"kind": "all"}, "message": hello})
    assert request_line(in_words(asked)).endswith("，发给全部粉丝")
