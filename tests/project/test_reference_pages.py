"""docs/requests.md, docs/settings.md and docs/reliability.md name all that there is, and nothing else."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel

from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.contract.result import COMPLETES, MassSendResult
from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.settings.account import AccountSettings, CallbackSettings, NoticeSettings
from tests.project.imports import ROOT
from tests.rules.test_codes import EXPECTED

_TABLE_OF_A_PAGE: Final = re.compile(r"^\|[^\n]*\|\n\|[-|]+\|\n((?:\|[^\n]*\n)+)", re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def first_column(text: str, number: int = 1) -> list[str]:
    """The first cell of each row of the first table, or the one of another `number`."""
    found = _TABLE_OF_A_PAGE.search(text)
    assert found
    return [row.split("|")[number] for row in found[1].splitlines()]


def names(text: str) -> list[str]:
    """What the first column of the first table names as code."""
    return [name for cell in first_column(text) for name in re.findall(r"`([^`]+)`", cell)]


def below(text: str, heading: str) -> str:
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, heading
    return rest


def settings(model: type[BaseModel]) -> Iterator[str]:
    """The settings of all sections but the accounts, as a table of the page names them."""
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from (f"{name}.{inner}" for inner in section.model_fields)
        elif name != "accounts":
            yield name


def test_every_field_of_a_request_is_explained() -> None:
    """In the table of them."""
    assert sorted(names(below(page("requests.md"), "## Write the request"))) == sorted(MassSendRequest.model_fields)


def test_the_example_of_a_request_is_one() -> None:
    """It can be sent as it stands."""
    example: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", page("requests.md"), re.DOTALL)[0])
    assert parse_request(example).key == "spring-sale-2026"


def test_every_outcome_of_a_request_is_explained() -> None:
    """Those with which the workflow completes in a table, the others in the sentence below it."""
    text = below(page("requests.md"), "## Read the result")
    assert set(names(text)) == COMPLETES
    failing = set(get_args(MassSendResult.model_fields["outcome"].annotation)) - COMPLETES
    [sentence] = re.findall(r"It \*\*fails\*\*[^\n]*with the other outcomes: ([^\n]*?)\. ", text)
    assert set(re.findall(r"`(\w+)`", sentence)) == failing


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("## Everything but accounts", sorted(settings(Settings))),
        ("## `[accounts.NAME]`", sorted(AccountSettings.model_fields)),
        ("## `[accounts.NAME.callback]`", sorted(CallbackSettings.model_fields)),
        ("## `[accounts.NAME.notices.WEBHOOK]`", sorted(NoticeSettings.model_fields)),
    ],
)
def test_every_setting_is_explained(heading: str, expected: list[str]) -> None:
    """In the table of its section."""
    assert sorted(names(below(page("settings.md"), heading))) == expected


@pytest.mark.parametrize(
    ("heading", "model", "needed"),
    [
        ("## Everything but accounts", Settings, {}),
        ("## `[accounts.NAME]`", AccountSettings, {"appid": "wx1", "secret": "s", "kind": "service"}),
    ],
)
def test_every_default_of_the_page_is_the_one_in_use(
    heading: str, model: type[BaseModel], needed: dict[str, Any]
) -> None:
    """Whoever writes it into the file changes nothing."""
    text, usual = below(page("settings.md"), heading), model.model_validate(needed)
    for named, default in zip(first_column(text), first_column(text, 2), strict=True):
        values = re.findall(r"`([^`]+)`", default) if default.strip().endswith("`") else []
        for key, value in zip(re.findall(r"`([^`]+)`", named), values, strict=bool(values)):
            *section, field = key.split(".")
            given: dict[str, Any] = {field: json.loads(value)}
            assert model.model_validate({**needed, **({section[0]: given} if section else given)}) == usual, key


@pytest.mark.parametrize(
    "code_class", [CodeClass.UNKNOWN, CodeClass.TOKEN, CodeClass.PACE, CodeClass.QUOTA, CodeClass.CONFIRMING]
)
def test_every_code_after_which_more_is_tried_is_told(code_class: CodeClass) -> None:
    """In one row of the page on reliability: WeChat's codes after which nobody asks a person at once."""
    cells = first_column(below(page("reliability.md"), "### To a submission"))
    told = [{int(code.replace("−", "-")) for code in re.findall(r"−?\b\d+", cell)} for cell in cells]
    assert any(EXPECTED[code_class] == codes - {0, 200} for codes in told)  # a bare 0, and the status 200 of HTTP
