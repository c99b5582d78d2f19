"""The audience of `qunfa send`, as options say it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from qunfa.cli.errors import WrongUse
from qunfa.cli.request import audience_of
from qunfa.cli.typed.request import AudienceOptions
from qunfa.contract.audience import Audience

DIGITS = "0" * 64


@pytest.mark.parametrize(
    ("options", "audience"),
    [
        ({"to_all": True}, {"kind": "all"}),
        ({"tag": 2}, {"kind": "tag", "tag_id": 2}),
        (
            {"tag": 2, "expect_name": "VIP", "expect_max": 9},
            {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP", "max": 9}},
        ),
        ({"openid_file": "s3://b/a.csv"}, {"kind": "openid_file", "uri": "s3://b/a.csv"}),
        (
            {"openid_file": "https://h/a", "column": "id", "sha256": DIGITS, "drop_bad_lines": True},
            {"kind": "openid_file", "uri": "https://h/a", "column": "id", "sha256": DIGITS, "on_bad_line": "drop"},
        ),
        ({"any_tags": "1,2"}, {"kind": "tags", "any": [1, 2]}),
        (
            {"any_tags": "1", "all_tags": "2, 3", "no_tags": "4"},
            {"kind": "tags", "any": [1], "all": [2, 3], "none": [4]},
        ),
        ({"from_report": "spring"}, {"kind": "report", "key": "spring"}),
        (
            {"from_report": "spring", "state": ["not_submitted", "failed"]},
            {"kind": "report", "key": "spring", "states": ["not_submitted", "failed"]},
        ),
        (
            {"to_all": True, "but": ["tag:7", "s3://b/no.txt"]},
            {
                "kind": "several",
                "of": [{"kind": "all"}],
                "minus": [{"kind": "tag", "tag_id": 7}, {"kind": "openid_file", "uri": "s3://b/no.txt"}],
            },
        ),
        ({}, None),
    ],
)
def test_options_make_an_audience(*, options: dict[str, Any], audience: dict[str, Any] | None) -> None:
    """Each kind of it, which the contract takes as it stands."""
    assert audience_of(AudienceOptions(**options)) == audience
    if audience is not None:
        TypeAdapter(Audience).validate_python(audience)


def test_a_path_is_a_file_of_this_machine(tmp_path: Path) -> None:
    """It becomes a URI, whichever option names it; one that is not here is no audience."""
    file = tmp_path / "who are they.txt"
    file.write_text("o1\no2\n")
    options = AudienceOptions(openid_file=str(file), but=[str(file)])
    assert audience_of(options) == {
        "kind": "several",
        "of": [{"kind": "openid_file", "uri": file.as_uri()}],
        "minus": [{"kind": "openid_file", "uri": file.as_uri()}],
    }
    for one in (AudienceOptions(openid_file=str(tmp_path / "no")), AudienceOptions(to_all=True, but=["tag:x"])):
        with pytest.raises(WrongUse, match="there is no such file here"):
            audience_of(one)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to_all": True, "openid_file": "s3://b/a"}, "--to-all and --openid-file exclude each other"),
        ({"tag": 2, "any_tags": "3"}, "--tag and --any-tags exclude each other"),
        ({"to_all": True, "expect_max": 9}, "give --tag too"),
        ({"to_all": True, "column": "id"}, "--column belongs to --openid-file"),
        ({"openids": "f", "drop_bad_lines": True}, "--drop-bad-lines belongs to --openid-file"),
        ({"no_tags": "3"}, "--no-tags belongs to --any-tags"),
        ({"to_all": True, "state": ["failed"]}, "--state belongs to --from-report"),
        ({"but": ["tag:3"]}, "say the audience too"),
        ({"any_tags": "1,VIP"}, "--any-tags '1,VIP' must be ids of tags"),
        ({"any_tags": "1", "no_tags": "2,"}, "--no-tags '2,' must be ids of tags"),
    ],
)
def test_an_audience_in_contradictions_is_refused(*, options: dict[str, Any], said: str) -> None:
    """Nobody is sent anything by a guess."""
    with pytest.raises(WrongUse, match=said):
        audience_of(AudienceOptions(**options))
