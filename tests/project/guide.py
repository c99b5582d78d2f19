"""The operators' guide: what of it is written from the rules. `python -m tests.project.guide` brings it up to date."""

import re
from typing import Final

from qunfa.rules.problems import PROBLEMS, RETRY, Choice
from tests.project.imports import ROOT
from workflows.pages import RETRIES

GUIDE: Final = ROOT / "docs" / "operators.md"
_TABLE: Final = re.compile(r"(<!-- problems[^>]*-->\n).*?(<!-- end of problems -->)", re.DOTALL)
_VIEW: Final = re.compile(r"^\| ([^|]+?) \| `(WorkflowType [^`]+)` \|$", re.MULTILINE)
_FLAG: Final = re.compile(r'"(\w+)": true')

VIEWS: Final[dict[str, str]] = dict(_VIEW.findall(GUIDE.read_text(encoding="utf-8")))
"""The visibility query of each view that the guide names."""


def problems_table() -> str:
    """Every problem: what happened, what to do, the answers, and what a retry is."""
    head = "| problem | what happened | what to do | answers | a retry is |\n|---|---|---|---|---|\n"
    return head + "".join(f"{_row(name, choice)}\n" for name, choice in PROBLEMS.items())


def _row(name: str, choice: Choice) -> str:
    answers = ", ".join(_answer(name, answer) for answer in choice.answers)
    again = "a new submission" if choice.new_generation else "no new submission"
    cells = (f"`{name}`", choice.sentence, choice.todo, answers, again if RETRY in choice.answers else "–")
    return "| " + " | ".join(cells) + " |"


def _answer(problem: str, answer: str) -> str:
    flags = _FLAG.findall(RETRIES.get(problem, "")) if answer == RETRY else []
    return " with ".join(f"`{word}`" for word in (answer, *flags))


def renewed(text: str) -> str:
    """The guide's text with today's table in its place."""
    return _TABLE.sub(lambda found: f"{found[1]}{problems_table()}{found[2]}", text)


if __name__ == "__main__":
    GUIDE.write_text(renewed(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
