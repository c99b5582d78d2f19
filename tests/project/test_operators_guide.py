import json
import re
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from qunfa.contract.operators import (
    Abort,
    Approve,
    Choose,
    Freeze,
    MarkSent,
    Pause,
    Phase,
    Reject,
    Reschedule,
    Resume,
    Retry,
    Unfreeze,
)
from qunfa.contract.result import MassSendResult
from tests.project.guide import CHINESE_GUIDE, GUIDE, renewed
from tests.project.imports import ROOT
from workflows.pages import EXAMPLES, RETRIES

TEXT = GUIDE.read_text(encoding="utf-8")
MODELS: dict[str, type[BaseModel]] = {
    "approve": Approve,
    "reject": Reject,
    "retry": Retry,
    "mark_sent": MarkSent,
    "abort": Abort,
    "pause": Pause,
    "resume": Resume,
    "reschedule": Reschedule,
    "choose": Choose,
}
PICTURE_BYTES = 200_000


def rows(heading: str) -> Iterator[list[str]]:
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, heading
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_problems_are_those_of_the_rules() -> None:
    """Every problem with what happened, what to do, and its answers. If not: `python -m tests.project.guide`."""
    assert renewed(TEXT) == TEXT
    assert "`reprint_needs_decision`" in TEXT


def test_every_phase_is_explained() -> None:
    """Each that a send can be in, in the order of its life, and the updates that it names exist."""
    table = list(rows("Phases"))
    assert sorted(row[0].strip("`") for row in table) == sorted(get_args(Phase))
    named = {word for row in table for word in re.findall(r"`(\w+)`", row[2])}
    assert named <= EXAMPLES.keys()


def test_every_update_has_the_json_that_the_page_shows() -> None:
    """What is pasted is what the send's page shows, and what the update takes."""
    table = [(row[0].strip("`"), row[1].strip("`")) for row in rows("Answer it")]
    assert {name for name, _ in table} == MODELS.keys()
    assert {payload for _, payload in table} == {*EXAMPLES.values(), *RETRIES.values()}
    for name, payload in table:
        assert MODELS[name].model_validate(json.loads(payload)).model_dump()["by"] == "your name"


def test_what_freezes_an_account_is_a_valid_update() -> None:
    """The JSON of `freeze` and `unfreeze`."""
    section = TEXT.partition("\n## Stop everything\n")[2]
    given = dict(re.findall(r"`(freeze|unfreeze)` with\s+`([^`]+)`", section))
    assert given.keys() == {"freeze", "unfreeze"}
    assert Freeze.model_validate(json.loads(given["freeze"])).by == "your name"
    assert Unfreeze.model_validate(json.loads(given["unfreeze"])).by == "your name"


def test_every_outcome_is_explained() -> None:
    """All that a send can end as."""
    named = {word for row in rows("What ends how") for word in re.findall(r"`(\w+)`", row[0])}
    outcomes = set(get_args(MassSendResult.model_fields["outcome"].annotation))
    assert named == outcomes


def test_the_pictures_are_there_small_and_used() -> None:
    """Every picture that is shown exists, is no burden to the repository, and none lies about."""
    texts = TEXT + CHINESE_GUIDE.read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(pictures/([\w-]+(?:\.zh)?\.png)\)", texts))
    kept = {file.name: file.stat().st_size for file in (ROOT / "docs" / "pictures").iterdir()}
    assert shown == kept.keys()
    assert {name: size for name, size in kept.items() if size > PICTURE_BYTES} == {}
