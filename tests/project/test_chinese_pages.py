"""The pages in Chinese say what the English ones say: the same commands, JSON, names and pictures."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.project.guide import CHINESE_GUIDE, GUIDE, renewed
from tests.project.imports import ROOT
from tests.project.site import links
from tests.project.test_pages import commands, sentences

README: Final = ROOT / "README.md"
CHINESE_README: Final = ROOT / "README.zh-CN.md"
PAIRS: Final = [(README, CHINESE_README), (GUIDE, CHINESE_GUIDE)]
LONGEST: Final = 70
"""Chinese characters from one mark to the next."""
_REASON: Final = re.compile(r'(--reason|--text) "[^"]*"')


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "chinese"), PAIRS, ids=name)
def test_both_languages_name_the_same_commands(page: Path, chinese: Path) -> None:
    """With the same options; a reason or a text may be Chinese."""
    english, translated = ({_REASON.sub(r"\1", one) for one in commands(text_of(one_))} for one_ in (page, chinese))
    assert english == translated


def test_both_readmes_send_to_the_same_audience() -> None:
    """One key stands for one send: who follows both pages is refused another audience under it."""
    english, chinese = (re.findall(r'"audience": {[^}]*}', text_of(page)) for page in (README, CHINESE_README))
    assert english == chinese != []


@pytest.mark.parametrize(("page", "chinese"), PAIRS, ids=name)
def test_both_languages_lead_to_each_other(page: Path, chinese: Path) -> None:
    """On top of the page."""
    assert next(links(text_of(page))) == chinese.name
    assert next(links(text_of(chinese))) == page.name


@pytest.mark.parametrize(("page", "chinese"), PAIRS, ids=name)
def test_both_languages_lead_to_the_same_pages(page: Path, chinese: Path) -> None:
    """And to the same places in other ones; a page or picture in Chinese stands for the English one."""
    english, translated = (
        {re.sub(r"\.zh(-CN)?\b", "", one) for one in links(text_of(one_))} for one_ in (page, chinese)
    )
    assert english == translated


def test_the_chinese_guide_has_the_problems_of_the_rules() -> None:
    """In the words of the catalogue. If not: `make messages`."""
    text = text_of(CHINESE_GUIDE)
    assert renewed(text, chinese=True) == text
    assert "微信判定这条消息为转载" in text


def test_both_guides_have_the_same_code_in_their_tables() -> None:
    """Row by row: phases, updates with their JSON, problems, queries, outcomes and commands."""
    english, chinese = (
        [
            set(re.findall(r"`([^`]+)`", _REASON.sub(r"\1", line)))
            for line in text_of(page).splitlines()
            if line[:1] == "|"
        ]
        for page in (GUIDE, CHINESE_GUIDE)
    )
    assert english == chinese


def test_both_guides_show_the_same_pictures() -> None:
    """In the same order."""
    english, chinese = (re.findall(r"\(pictures/([^)]+)\.png\)", text_of(page)) for page in (GUIDE, CHINESE_GUIDE))
    assert [f"{one}.zh" for one in english] == chinese


@pytest.mark.parametrize("page", [CHINESE_README, CHINESE_GUIDE], ids=name)
def test_no_chinese_sentence_is_long(page: Path) -> None:
    """Each is read once, and understood."""
    assert [one for one in sentences(text_of(page)) if len(re.findall(r"[\u4e00-\u9fff]", one)) > LONGEST] == []


@pytest.mark.parametrize("page", [CHINESE_README, CHINESE_GUIDE], ids=name)
def test_chinese_text_has_chinese_punctuation(page: Path) -> None:
    """No comma, colon or semicolon of another width stands between two Chinese characters."""
    text = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    assert re.findall(r"[\u4e00-\u9fff][,;:?!][\u4e00-\u9fff ]", text) == []
