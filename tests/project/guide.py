"""The operators' guides: what is written from the rules. `python -m tests.project.guide` brings them up to date."""

import re
from typing import Final, NamedTuple

from qunfa.language import speak
from qunfa.language.phrases import told
from qunfa.rules.problems import BATCH_FAILED, MARK_SENT, PROBLEMS, RETRY, Choice
from tests.project.imports import ROOT
from workflows.pages import RETRIES

GUIDE: Final = ROOT / "docs" / "operators.md"
CHINESE_GUIDE: Final = ROOT / "docs" / "operators.zh-CN.md"
_TABLE: Final = re.compile(r"(<!-- problems[^>]*-->\n).*?(<!-- end of problems -->)", re.DOTALL)
_VIEW: Final = re.compile(r"^\| ([^|]+?) \| `(WorkflowType [^`]+)` \|$", re.MULTILINE)
_FLAG: Final = re.compile(r'"(\w+)": true')

VIEWS: Final[dict[str, str]] = dict(_VIEW.findall(GUIDE.read_text(encoding="utf-8")))
"""The visibility query of each view that the guide names."""


class _Words(NamedTuple):
    """What the table says in one language: its head, how answers are named, and what a retry does."""

    head: tuple[str, ...]
    takes: str
    comma: str
    second: str
    goes_on: str
    asks: str
    batch: str


_ENGLISH: Final = _Words(
    ("problem", "what happened", "what to do", "answers", "what a retry does"),
    takes="{} with {}",
    comma=", ",
    second="submits it a second time, under a new clientmsgid",
    goes_on="goes on, and submits it",
    asks="asks WeChat again, submits nothing",
    batch="sends this batch again",
)
_CHINESE: Final = _Words(
    ("问题", "发生了什么", "怎么办", "可选处理", "重试会"),
    takes="{}（带 {}）",
    comma="、",
    second="再提交一次（新的 clientmsgid）",
    goes_on="接着提交（此前没有提交成功）",
    asks="只查询，不提交",
    batch="重发这一批",
)


def problems_table(*, chinese: bool = False) -> str:
    """Every problem: what happened, what to do, the answers, and what a retry does."""
    words = _CHINESE if chinese else _ENGLISH
    speak("zh" if chinese else "en")
    try:
        rows = [_row(name, choice, words) for name, choice in PROBLEMS.items()]
    finally:
        speak("en")
    return "".join(f"{line}\n" for line in (_line(words.head), "|---|---|---|---|---|", *rows))


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _row(name: str, choice: Choice, words: _Words) -> str:
    answers = words.comma.join(_answer(name, answer, words.takes) for answer in choice.answers)
    return _line((f"`{name}`", told(choice.sentence), told(choice.todo), answers, _again(name, choice, words)))


def _again(name: str, choice: Choice, words: _Words) -> str:
    """What a retry does. Where a job may be delivered and none is submitted beside it, WeChat is only asked."""
    if RETRY not in choice.answers:
        return "–"
    if name == BATCH_FAILED:
        return words.batch
    if choice.new_generation:
        return words.second
    return words.asks if MARK_SENT in choice.answers else words.goes_on


def _answer(problem: str, answer: str, takes: str) -> str:
    flags = _FLAG.findall(RETRIES.get(problem, "")) if answer == RETRY else []
    return takes.format(f"`{answer}`", f"`{flags[0]}`") if flags else f"`{answer}`"


def renewed(text: str, *, chinese: bool = False) -> str:
    return _TABLE.sub(lambda found: f"{found[1]}{problems_table(chinese=chinese)}{found[2]}", text)


if __name__ == "__main__":
    for guide in (GUIDE, CHINESE_GUIDE):
        text = guide.read_text(encoding="utf-8")
        guide.write_text(renewed(text, chinese=guide is CHINESE_GUIDE), encoding="utf-8")
