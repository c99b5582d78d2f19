"""Requests: read from JSON and YAML, and the audience as options say it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from qunfa.cli.errors import WrongUse
from qunfa.cli.request import assemble, audience_of, read_openids, read_request
from qunfa.cli.typed import AudienceOptions
from qunfa.contract import InvalidRequestError
from qunfa.contract.audience import Audience


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-12-01T09:00:00+08:00", "2026-12-01T09:00:00+08:00"),
        ("2026-12-01", "2026-12-01"),
        ("yes", "yes"),
        ("12:30:00", "12:30:00"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("true", True),
        ("7", 7),
        ("0.5", 0.5),
        ("null", None),
    ],
)
def test_yaml_stays_what_was_written(tmp_path: Path, written: str, read: Any) -> None:
    """Only what JSON has as well is more than text."""
    file = tmp_path / "request.yaml"
    file.write_text(f"field: {written}\n")
    assert read_request(str(file)) == {"field": read}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(value=st.dictionaries(st.text(max_size=8), JSON, max_size=3))
def test_what_yaml_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]) -> None:
    """For every value that JSON knows."""
    file = tmp_path_factory.getbasetemp() / "round.yaml"
    file.write_text(yaml.safe_dump(value), encoding="utf-8")
    assert read_request(str(file)) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("twice.json", '{"audience": {"kind": "tag"}, "audience": {"kind": "all"}}'),
        ("deep.yaml", "audience: {kind: tag, kind: all}\n"),
    ],
)
def test_a_field_twice_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    """The last one would win, and reach others than the first."""
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(WrongUse, match="twice"):
        read_request(str(file))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad.json", b"{", "is not valid JSON"),
        ("bad.yaml", b"a: [", "is not valid YAML"),
        ("latin.yaml", b"a: \xe9", "is not UTF-8"),
        ("tag.yaml", b"a: !!python/object:os.system {}", "is not valid YAML"),
        ("bool.yaml", b"a: !!bool maybe", "is not valid YAML"),
        ("int.yaml", b"a: !!int ''", "is not valid YAML"),
        ("time.yaml", b"a: !!timestamp x", "is not valid YAML"),
        ("long.yaml", b"a: " + b"9" * 5_000, "is not valid YAML"),
        ("deep.yaml", b"- " * 5_000 + b"x", "nested too deeply"),
        ("deep.json", b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """With the file's name."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(WrongUse, match=said):
        read_request(str(file))


def test_a_closed_stdin_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has none then, as after `<&-`."""
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(WrongUse, match="Cannot read stdin: it is closed"):
        read_request("-")


def test_a_file_without_openids_is_an_error(tmp_path: Path) -> None:
    """An empty audience is never "all"."""
    file = tmp_path / "openids"
    file.write_text("\n \n")
    with pytest.raises(WrongUse, match="holds no openid"):
        read_openids(str(file))


def test_a_number_for_text_in_yaml_is_explained(tmp_path: Path) -> None:
    """A key of digits is a number to YAML: say that quotes make it text."""
    file = tmp_path / "request.yaml"
    file.write_text("account: demo\nkey: 20261201\naudience: {kind: all}\nmessage: {msgtype: text, content: hi}\n")
    with pytest.raises(InvalidRequestError) as refused:
        assemble(str(file), AudienceOptions(), {}, {})
    assert refused.value.problems == [
        "key: must be text",
        "in YAML, what is text and looks like a number must stand in quotes",
    ]


def test_a_request_that_is_no_object_is_refused(tmp_path: Path) -> None:
    """Whatever options say."""
    file = tmp_path / "request.json"
    file.write_text("[]")
    with pytest.raises(InvalidRequestError, match="one JSON object"):
        assemble(str(file), AudienceOptions(to_all=True), {"key": "k"}, {})


DIGITS = "0" * 64


@pytest.mark.parametrize(
    ("options", "audience"),
    [
        ({"to_all": True}, {"kind": "all"}),
        ({"tag": 2}, {"kind": "tag", "tag_id": 2}),
        ({"tag": 0}, {"kind": "tag", "tag_id": 0}),
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
        ({"to_all": True, "tag": 0}, "--to-all and --tag exclude each other"),
        ({"tag": 2, "expect_max": 9, "but": ["tag:3"]}, "do not go with --but"),
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
