"""docs/messages.md, for those who write a request: what stands there is what the contract and the workers take."""

import json
import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from qunfa.contract.message import Message
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import parse_request
from qunfa.media.fitting import LIMITS, Use

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
EXAMPLES: Final[list[dict[str, Any]]] = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def request(message: dict[str, Any]) -> dict[str, Any]:
    return {"account": "demo", "key": "k", "audience": {"kind": "all"}, "message": message}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one["msgtype"])
def test_every_example_is_a_message(example: dict[str, Any]) -> None:
    """As it stands on the page."""
    assert parse_request(request(example)).message.msgtype == example["msgtype"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one["msgtype"])
def test_no_example_has_a_field_that_nobody_reads(example: dict[str, Any]) -> None:
    """The contract would refuse it."""
    with pytest.raises(InvalidRequestError):
        parse_request(request({**example, "msg": "x"}))


def test_every_type_has_its_example() -> None:
    """And the table names it."""
    union = get_args(Message)[0]
    types = {get_args(one.model_fields["msgtype"].annotation)[0] for one in get_args(union)}
    assert {one["msgtype"] for one in EXAMPLES} == types
    assert all(f"| `{one}` |" in PAGE for one in types)


@pytest.mark.parametrize(
    ("use", "row"),
    [
        (Use.IMAGE, "picture of an `image` message"),
        (Use.PICTURE, "picture in an article"),
        (Use.COVER, "cover (`thumb`) of a draft"),
        (Use.THUMB, 'cover where the account has `news_via = "uploadnews"`'),
        (Use.VOICE, "voice"),
        (Use.VIDEO, "video"),
    ],
)
def test_the_limits_are_those_that_are_checked(use: Use, row: str) -> None:
    """Formats and size of each use."""
    [formats, most] = re.findall(rf"^\| {re.escape(row)} \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)[0]
    limit = LIMITS[use]
    assert formats.lower() == ", ".join(limit.formats)
    assert most.startswith(limit.said.removeprefix("at most "))


def test_the_readme_leads_there() -> None:
    """A newcomer finds the page."""
    assert "(docs/messages.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
