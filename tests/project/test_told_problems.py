"""A problem in Chinese, with each warning that may stand behind its sentence: whoever decides reads no English."""

from itertools import product

import pytest

from qunfa.batches.plan import winner_not_chosen
from qunfa.batches.state import Case
from qunfa.contract.audience import Batch
from qunfa.contract.batches import BatchRow, PlannedGroup
from qunfa.contract.ledger import Day, SendsCounted
from qunfa.contract.result import Answer, Counts, Job, Problem, Verdict
from qunfa.language.phrases import told
from qunfa.rules.problems import NOT_AGAIN, NOT_DOUBLED, PROBLEMS, SENT_BY_HAND, STRAGGLES, describe, for_audience
from qunfa.rules.submission import RESTORED
from qunfa.rules.verdict import CONTENT_MEANINGS
from tests.batches.driving import Drive, failed, request, sent, split_plan
from tests.project.test_messages import english
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.send.places import BATCH

NEW = Job(clientmsgid=CLIENTMSGID, collides_with=7)
ASKED_BEFORE = "This key has failed as send_failed before, and nothing was submitted now: "
DOUBT = (
    " But WeChat had said that msg_id 7, msg_id 8 failed, and mass/get does not say so yet: it may still be delivered."
)
ONE_BATCH = for_audience(Problem(name="send_failed", sentence="", todo=""), Batch.model_validate(BATCH)).sentence
WARNINGS = (ONE_BATCH, STRAGGLES, STRAGGLES + NOT_DOUBLED, NOT_AGAIN, NOT_AGAIN + ONE_BATCH, SENT_BY_HAND, DOUBT)
COUNTED = SendsCounted(today=Day(total=3, to_all=1), month=Day(total=9, to_all=4, others=2), since=NOON)
LAST_WORDS = (
    Answer(kind="unknown", at=NOON, errcode=-1),
    Answer(kind="unknown", at=NOON, errcode=89504, errmsg="wait"),
    Answer(kind="unknown", at=NOON, detail="the worker that submitted ended, or was too late, without an answer"),
    Answer(
        kind="unknown",
        at=NOON,
        detail=f"{RESTORED} whether anything was submitted, stopped, moved or recalled after {NOON} is forgotten",
    ),
    Answer(kind="refused", at=NOON, errcode=40007, errmsg="invalid"),
)


def jobs_of(name: str) -> list[Job]:
    """What WeChat may have said of the job: its last word, or why it has refused the content."""
    if name == "content_refused":
        statuses = [f"err({code})" for code in (*CONTENT_MEANINGS, 10_999)]
        return [
            NEW.model_copy(update={"msg_id": 5, "verdict": Verdict(status=status, observed_by="push")})
            for status in statuses
        ]
    doubted = NEW.model_copy(update={"ever_unknown": True, "window_started_at": NOON, "msg_id": 5})
    return [NEW, doubted, *(doubted.model_copy(update={"answer": answer}) for answer in LAST_WORDS)]


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_warning_behind_a_problem_is_told_in_chinese(name: str, chinese: None) -> None:
    """Word for word as by itself: no variable of the sentence before takes it, or its full stop."""
    for job in jobs_of(name):
        sentence = describe(name, job, COUNTED).sentence
        alone = told(sentence)
        assert english(alone) == []
        for warning in WARNINGS:
            behind = told(warning.strip())
            assert english(behind) == []
            assert told(sentence + warning).removeprefix(alone).strip() == behind
            assert english(told(ASKED_BEFORE + sentence + warning)) == []


def rows_of(first: int) -> dict[str, tuple[BatchRow, BatchRow]]:
    """How the two batches of a group may have ended, from the number of the first."""
    counted = [
        sent(number).model_copy(update={"counts": Counts(total=9, filter=9, sent=8)}) for number in (first, first + 1)
    ]
    return {
        "nobody": (failed(first), failed(first + 1)),
        "unknown": (sent(first), sent(first + 1)),
        "at least": (counted[0], sent(first + 1)),
        "counted": (counted[0], counted[1]),
    }


@pytest.mark.parametrize(("a", "b"), list(product(rows_of(1), repeat=2)))
def test_each_group_of_a_split_test_is_told_in_chinese(a: str, b: str, chinese: None) -> None:
    """Whoever chooses the winner sees the result of both."""
    drive = Drive(request(split={"a": 8, "b": 12, "rest": "winner"}, message_b={"msgtype": "text", "content": "b"}))
    groups = tuple(PlannedGroup(name=name, openids=20_000, batches=2) for name in ("a", "b", "rest"))
    plan = split_plan().model_copy(update={"batches": 6, "groups": groups})
    state = drive.state.changed(plan=plan, rows=(*rows_of(1)[a], *rows_of(3)[b]))
    shown = told(winner_not_chosen(Case(drive.request, state, NOON)).sentence)
    results = {
        "nobody": "没有人收到消息（send_failed）",
        "unknown": "其中多少人收到尚不清楚",
        "at least": "其中至少 8 人已收到",
        "counted": "其中 16 人已收到",
    }
    for group, result in (("a", results[a]), ("b", results[b])):
        assert f"{group} 组有 20,000 个 openid，{result}。" in shown
    assert english(shown) == []
