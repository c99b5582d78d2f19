"""Names, filters, links and Markdown: pure functions."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from qunfa.cli.errors import WrongUse
from qunfa.cli.list import visibility_query
from qunfa.cli.options import send_id, span
from qunfa.cli.output import clean, short
from qunfa.cli.typed.sends import Filters
from qunfa.contract.ids import MassSendId, mass_send_id
from qunfa.markdown import SUMMARY_BYTES, plain, summary_line
from qunfa.printable import printable
from qunfa.temporal.connection import link
from qunfa.temporal.paused import OPEN
from tests.words import STEERING

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SEND = MassSendId("demo", "spring-sale")


@pytest.mark.parametrize(
    ("text", "account"),
    [("demo/spring-sale", None), ("demo/spring-sale", "demo"), (mass_send_id(*SEND), None), ("spring-sale", "demo")],
)
def test_a_send_has_three_names(text: str, account: str | None) -> None:
    """All lead to the same send: what `send` starts is what `status` reads."""
    assert send_id(text, account) == SEND


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("spring-sale", None),
        ("demo/", None),
        ("demo/a b", None),
        ("account:wx1", None),
        ("demo/k", "other"),
        ("k", "A"),
    ],
)
def test_anything_else_names_no_send(text: str, account: str | None) -> None:
    """It is never guessed."""
    with pytest.raises(WrongUse):
        send_id(text, account)


def test_filters_are_joined() -> None:
    """Each given option is one condition."""
    filters = Filters(account="demo", problem="no_verdict", since="7d", query="A = 1 OR B = 2", batches=True)
    assert visibility_query(filters, NOW) == (
        "WorkflowType IN ('MassSend', 'MassSendInBatches') AND ExecutionStatus != 'ContinuedAsNew' AND "
        "MassSendAccount = 'demo' AND "
        "MassSendProblem = 'no_verdict' AND StartTime >= '2026-11-24T00:00:00+00:00' AND (A = 1 OR B = 2)"
    )


def test_a_phase_is_that_of_a_send_that_runs() -> None:
    """A run that was terminated keeps the phase it had; only `done` is the phase of one that has ended."""
    phases = {phase: visibility_query(Filters(phase=phase), NOW) for phase in ("needs_operator", "done")}
    assert {phase: f"{OPEN} AND MassSendPhase" in query for phase, query in phases.items()} == {
        "needs_operator": True,
        "done": False,
    }


def test_a_value_is_never_a_condition() -> None:
    """Quotes in it are escaped."""
    assert visibility_query(Filters(problem="x' OR '1'='1")).endswith(r"= 'x\' OR \'1\'=\'1'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("35d", timedelta(days=35)),
        ("2w", timedelta(weeks=2)),
        ("PT90M", timedelta(minutes=90)),
        ("35", None),
        ("P", None),
        ("-1d", None),
    ],
)
def test_spans(text: str, expected: timedelta | None) -> None:
    """A number with a unit, or ISO 8601."""
    assert span(text) == expected


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2026-12-01T04:30:59Z", "12:30"),
        ("2026-11-30T16:00:00Z", "00:00"),
        ("2026-11-30T15:59:59Z", "11-30 23:59"),
        ("2025-12-01T04:30:00Z", "2025-12-01 12:30"),
    ],
)
def test_a_time_is_as_short_as_it_can_be(at: str, shown: str) -> None:
    """Shanghai's, with the date where it is another day there, and with the year where it is another year."""
    assert short(datetime.fromisoformat(at), datetime(2026, 12, 1, 15, 59, tzinfo=UTC)) == shown


def test_since_is_a_span_or_a_time() -> None:
    """Anything else is wrong use."""
    assert "'2026-11-01T00:00:00+08:00'" in visibility_query(Filters(since="2026-11-01T00:00:00+08:00"))
    with pytest.raises(WrongUse, match="--since"):
        visibility_query(Filters(since="yesterday"))


def test_a_link_leads_to_the_run() -> None:
    """Ids are one segment of the path each, whatever they hold."""
    assert link("http://ui/", "my ns", "mass-send:demo:k", "run") == (
        "http://ui/namespaces/my%20ns/workflows/mass-send:demo:k/run/history"
    )


@given(st.text(max_size=60))
def test_markdown_shows_a_message_as_it_is(text: str) -> None:
    """No text is markup in Temporal's UI, and none begins a new line."""
    [paragraph, inline, _] = MarkdownIt().parse(f"x{plain(text)}x")
    assert paragraph.type == "paragraph_open"
    shown = "".join(child.content for child in inline.children or [])
    assert {child.type for child in inline.children or []} <= {"text", "text_special"}
    assert shown == f"x{printable(' '.join(text.split()))}x"


@given(st.text())
def test_nothing_steers_the_terminal(text: str) -> None:
    """No control character of a message, a name or WeChat's answer reaches the terminal."""
    assert not set(clean(text)) & STEERING - {"\n"}


def test_a_summary_is_cut_between_characters() -> None:
    """Not within an escape, which would be shown."""
    for length in range(SUMMARY_BYTES - 10, SUMMARY_BYTES + 3):
        cut = summary_line(plain("x" * length + "**"))
        assert len(cut.encode()) <= SUMMARY_BYTES
        assert not re.search(r"\\…$", cut)
