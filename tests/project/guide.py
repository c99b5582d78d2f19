"""The operators' guides: what is written from the rules. `python -m tests.project.guide` brings them up to date."""

import re
from typing import Final

from qunfa.language import speak
from qunfa.language.phrases import told
from qunfa.rules.problems import PROBLEMS, RETRY, Choice
from tests.project.imports import ROOT
from workflows.pages import RETRIES

GUIDE: Final = ROOT / "docs" / "operators.md"
CHINESE_GUIDE: Final = ROOT / "docs" / "operators.zh-CN.md"
_TABLE: Final = re.compile(r"(<!-- problems[^>]*-->\n).*?(<!-- end of problems -->)", re.DOTALL)
_VIEW: Final = re.compile(r"^\| ([^|]+?) \| `(WorkflowType [^`]+)` \|$", re.MULTILINE)
_FLAG: Final = re.compile(r'"(\w+)": true')

VIEWS: Final[dict[str, str]] = dict(_VIEW.findall(GUIDE.read_text(encoding="utf-8")))
"""The visibility query of each view that the guide names."""


_HEAD: Final = ("problem", "what happened", "what to do", "answers", "a retry is")
_CHINESE_HEAD: Final = ("问题", "发生了什么", "怎么办", "可选处理", "重试是")
_AGAIN: Final = ("a new submission", "no new submission", "{} with {}", ", ")
_CHINESE_AGAIN: Final = ("再次提交", "不再提交", "{}（带 {}）", "、")


def problems_table(*, chinese: bool = False) -> str:
    """Every problem: what happened, what to do, the answers, and what a retry is."""
    speak("zh" if chinese else "en")
    try:
        rows = [_row(name, choice, _CHINESE_AGAIN if chinese else _AGAIN) for name, choice in PROBLEMS.items()]
    finally:
        speak("en")
    head = _line(_CHINESE_HEAD if chinese else _HEAD)
    return "".join(f"{line}\n" for line in (head, "|---|---|---|---|---|", *rows))


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _row(name: str, choice: Choice, words: tuple[str, str, str, str]) -> str:
    new, same, takes, comma = words
    answers = comma.join(_answer(name, answer, takes) for answer in choice.answers)
    again = (new if choice.new_generation else same) if RETRY in choice.answers else "–"
    return _line((f"`{name}`", told(choice.sentence), told(choice.todo), answers, again))


def _answer(problem: str, answer: str, takes: str) -> str:
    flags = _FLAG.findall(RETRIES.get(problem, "")) if answer == RETRY else []
    return takes.format(f"`{answer}`", f"`{flags[0]}`") if flags else f"`{answer}`"


def renewed(text: str, *, chinese: bool = False) -> str:
    return _TABLE.sub(lambda found: f"{found[1]}{problems_table(chinese=chinese)}{found[2]}", text)


if __name__ == "__main__":
    for guide in (GUIDE, CHINESE_GUIDE):
        text = guide.read_text(encoding="utf-8")
        guide.write_text(renewed(text, chinese=guide is CHINESE_GUIDE), encoding="utf-8")
