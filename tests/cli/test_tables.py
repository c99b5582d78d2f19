"""Tables that fit the screen."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from qunfa.cli.ledger import render_ledger
from qunfa.cli.list import SendRow, render_sends
from qunfa.cli.message import RequestView
from qunfa.cli.output import table
from qunfa.cli.recovery import Recovery, render_recovery
from qunfa.cli.status import render_send
from qunfa.cli.view import SendView
from qunfa.cli.watch import render_board, to_do
from qunfa.contract.ledger import LedgerView
from qunfa.contract.operators import Status
from qunfa.rules.problems import PROBLEMS, Choice
from tests.cli.stub import EPOCH, status

KEY = "spring-sale-2026"
REQUEST = RequestView(
    message='Article "春天到了，大家一起来看花吧，千万不要错过"', audience="tag 2 (VIP)", requested_by="crm-service"
)
PHASES = ("awaiting_approval", "needs_operator", "awaiting_result", "paused")


def lines(renderable: RenderableType, width: int) -> list[str]:
    """What a screen of this width shows, where longer lines are not cut."""
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(renderable, crop=False)
    return [line.rstrip() for line in console.export_text().splitlines()]


def row(phase: str, **fields: object) -> SendRow:
    """A send that runs."""
    raw = {"workflow_id": f"mass-send:demo:{KEY}", "run_id": "r", "account": "demo", "key": KEY, "state": "running"}
    return SendRow.model_validate({**raw, "phase": phase, "request": REQUEST, "started_at": EPOCH, **fields})


def view(phase: str, **said: object) -> SendView:
    """The same, as it says itself."""
    raw = {"workflow_id": f"mass-send:demo:{KEY}", "account": "demo", "key": KEY, "state": "running"}
    told = Status.model_validate(status(phase, **said))
    return SendView.model_validate({**raw, "phase": phase, "request": REQUEST, "status": told, "started_at": EPOCH})


def test_a_list_has_one_line_a_send_in_80_columns() -> None:
    """With what goes to whom; key and phase are whole, and what does not fit loses its end.

    A time of another year takes the most room. One of today would leave room for who has asked.
    """
    rows = [row(phase, started_at=EPOCH.replace(year=2025)) for phase in PHASES]
    heading, *shown = lines(render_sends(rows), 80)[: len(PHASES) + 1]
    assert heading.split() == ["send", "state", "what", "to", "started"]
    for phase, line in zip(PHASES, shown, strict=True):
        assert line.split()[:3] == [f"demo/{KEY}", phase, "Article"]
        assert "tag 2" in line
        assert cell_len(line) <= 80


def test_what_needs_somebody_is_named_with_the_command() -> None:
    """What is in doubt first; a send that goes on by itself is not named."""
    doubt = row("done", state="failed", outcome="unknown", key="b")
    rows = [row("needs_operator", problem="no_verdict"), row("submitting", key="a"), doubt]
    assert lines(render_sends(rows), 80)[-2:] == [
        "  unknown: may have been delivered: qunfa status demo/b",
        f"  no_verdict: qunfa status demo/{KEY}",
    ]


@pytest.mark.parametrize(("name", "choice"), sorted(PROBLEMS.items()))
def test_watch_names_each_answer_to_a_problem(name: str, choice: Choice) -> None:
    """Also what goes on: else whoever reads it ends the send."""
    problem = {"name": name, "sentence": choice.sentence, "todo": choice.todo}
    decide = view("needs_operator", problem=problem, answers=list(choice.answers))
    assert to_do(decide) == f"{name}: {', '.join(choice.answers).replace('_', '-')}"


def test_the_board_of_watch_fits_80_columns() -> None:
    """One line a send: how far it is, and what a person has to do or what it waits for."""
    problem = {"name": "no_verdict", "sentence": "WeChat has not said how it ended.", "todo": "Decide."}
    decide = view("needs_operator", problem=problem, answers=["retry", "mark_sent", "pause"], progress={"accepted": 1})
    waits = view("awaiting_result", waiting_for={"reason": "WeChat's push"}, progress={"followers": 1234})
    assert to_do(decide) == "no_verdict: retry, mark-sent"
    _, first, second, command = lines(render_board([decide, waits]), 80)
    for line, words in ((first, ("accepted", "no_verdict: retry")), (second, ("1,234 reached", "WeChat's push"))):
        assert all(word in line for word in (f"demo/{KEY}", *words))
        assert cell_len(line) <= 80
    assert command.startswith("qunfa status SEND")


def test_a_status_fits_80_columns() -> None:
    """Sentences take several lines, and phases, numbers and times one."""
    job = {"index": 0, "generation": 1, "clientmsgid": "c", "msg_id": 3147483650, "state": "sent_nobody"}
    job |= {"status": "send success", "observed_by": "push", "deduplicated": True}
    job |= {"counts": {"total": 100000, "filter": 99999, "sent": 99998, "error": 1}}
    story = {"at": EPOCH, "what": "submitted", "by": "li", "reason": "a reason of many words " * 8}
    shown = lines(render_send(view("submitting", jobs=[job], history=[story])), 80)
    assert max(map(cell_len, shown)) <= 80
    for word in ("sent_nobody", "3147483650", "99998", "submitted"):
        assert any(word in line for line in shown)


def test_a_command_to_paste_is_one_line() -> None:
    """In a status and after a restore, however narrow the screen is; what stands around it keeps its column."""
    problem = {"name": "unknown_outcome", "sentence": "Nobody knows " * 9, "todo": "Look into the console."}
    shown = lines(render_send(view("needs_operator", problem=problem, answers=["retry", "mark_sent"])), 60)
    start = next(line for line in shown if line.startswith("message")).index("Article")
    commands = [line[start:] for line in shown if "qunfa" in line]
    assert f'qunfa retry demo/{KEY} --confirm-not-delivered --reason "WHY"' in commands
    assert max(cell_len(line) for line in shown if "qunfa" not in line) <= 60
    command = f"qunfa status demo/{KEY}  # unknown_outcome"
    said = Recovery(taken=None, accounts=(), next=(f"Look into WeChat's console: {command}", "Wait. " * 20))
    shown = lines(render_recovery(said), 60)
    assert [command in line for line in shown if "qunfa" in line] == [True]
    assert max(cell_len(line) for line in shown if "qunfa" not in line) <= 60


@pytest.mark.parametrize(("key", "columns"), [(KEY, "gen tries msg_id state"), ("long-" * 8, "msg_id state")])
def test_a_ledger_fits_80_columns(key: str, columns: str) -> None:
    """WeChat's word takes several lines; where a key is long, columns go that say least. Key and msg_id are whole."""
    verdict = {"status": "send success", "observed_by": "push", "at": EPOCH}
    job = {"clientmsgid": "c", "attempts": 3, "msg_id": 3147483650, "verdict": verdict}
    record = {"key": key, "digest": "d", "workflow_id": "w", "jobs": [job], "touched_at": EPOCH, "ended_as": "sent"}
    view = {"appid": "wx1", "since": EPOCH, "records": [record], "lease": None, "pace": {}, "frozen": None}
    known = LedgerView.model_validate({**view, "kept": [], "book": {}})
    shown = lines(render_ledger(known), 80)
    assert max(map(cell_len, shown)) <= 80
    heading, first = next((one, other) for one, other in pairwise(shown) if one.startswith("key "))
    assert heading.split()[1 : 1 + len(columns.split())] == columns.split()
    assert (first.split()[0], "3147483650" in first, "send" in first) == (key, True, True)


def test_the_ledger_names_the_articles_that_were_recalled() -> None:
    """Beside how the send has ended."""
    notes = [{"at": EPOCH, "msg_id": 7, "article_idx": one, "by": "li", "reason": "typo"} for one in (3, 1)]
    record = {"key": "k", "digest": "d", "workflow_id": "w", "touched_at": EPOCH, "ended_as": "sent", "recalled": notes}
    view = {"appid": "wx1", "since": EPOCH, "records": [record], "lease": None, "pace": {}, "frozen": None}
    known = LedgerView.model_validate({**view, "kept": [], "book": {}})
    [row] = [line for line in lines(render_ledger(known), 200) if line.startswith("k ")]
    assert "sent, article 1 recalled, article 3 recalled" in row


@given(st.lists(st.tuples(*[st.text("abc 春…", max_size=40)] * 4), max_size=4), st.integers(min_value=1, max_value=120))
def test_what_may_not_break_never_does(rows: list[tuple[str, ...]], width: int) -> None:
    """However narrow the screen is; and what fits is shown as it is."""
    drawn = table(("whole", "wrapped", "cut", "less"), rows, wrapped=("wrapped",), cut={"cut": 8, "less": 6})
    shown = lines(drawn, width)
    for whole, *_ in rows:
        assert any(line.startswith(whole.rstrip()) for line in shown)
    room = sum(max([7, *(cell_len(cells[number]) for cells in rows)]) for number in range(4)) + 6
    if room <= width:
        assert len(shown) == len(rows) + 1


@pytest.mark.parametrize(("width", "columns"), [(30, "a b c"), (20, "a c"), (11, "a"), (5, "a")])
def test_columns_that_are_cut_go_in_the_end(width: int, columns: str) -> None:
    """The last of them first."""
    drawn = table(("a", "b", "c"), [("aaaaa", "b" * 30, "c" * 30)], cut={"c": 10, "b": 10})
    assert lines(drawn, width)[0].split() == columns.split()


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("filler", [" ", "\u00a0", "\u3000", "\u2800", "."])
def test_a_folded_text_begins_no_line_to_approve(width: int, filler: str) -> None:
    """However many blanks stand in it, and wherever its words make a line end."""
    text = "text: 春" + "".join(f"{filler * number} {'x' * (number % 14)} to 5 openids" for number in range(200))
    approval = {"required": True, "shows": [text, "to all followers"]}
    said = Status.model_validate(status("awaiting_approval", approval=approval))
    view = {"workflow_id": "w", "account": "demo", "key": "k", "state": "running", "status": said}
    shown = lines(render_send(SendView.model_validate(view)), width)
    [real] = [line for line in shown if line.endswith("to all followers")]
    begins = real.index("to all followers")
    assert sum(line[begins:].lstrip().startswith("to 5 openids") for line in shown) > 0
    assert not any(line[begins:].startswith("to 5 openids") for line in shown)


def test_the_longest_line_to_approve_is_whole_where_it_fits() -> None:
    """Whoever looks for it finds it in one line."""
    longest = f"image (png, 204,800 bytes, SHA-256 {'0123456789abcdef' * 2})"
    approval = {"required": True, "shows": [longest, "to all followers"]}
    said = Status.model_validate(status("awaiting_approval", approval=approval))
    view = {"workflow_id": "w", "account": "demo", "key": "k", "state": "running", "status": said}
    assert [line for line in lines(render_send(SendView.model_validate(view)), 120) if line.endswith(longest)]
