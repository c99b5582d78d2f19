"""examples/, as the pages show them."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FILES: Final = {"python": "python/send.py", "ts": "typescript/send.ts", "go": "go/main.go"}
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("language", FILES)
def test_a_program_on_a_page_is_an_example_that_runs(language: str) -> None:
    """What a page shows of starting a send is the text of the file."""
    example = (ROOT / "examples" / FILES[language]).read_text(encoding="utf-8")
    for page in PAGES:
        shown = re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        assert [one for one in shown if "mass-send" in one or "Qunfa(" in one] in ([], [example]), page.name


@pytest.mark.parametrize("file", FILES.values())
def test_an_example_has_no_placeholder_and_no_date(file: str) -> None:
    """It works as it stands, next year as well."""
    text = (ROOT / "examples" / file).read_text(encoding="utf-8")
    assert "…" not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
