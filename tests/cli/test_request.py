"""Reading requests from JSON and YAML."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qunfa.cli.errors import WrongUse
from qunfa.cli.reading import read_openids, read_request
from qunfa.cli.request import assemble
from qunfa.cli.typed.request import AudienceOptions
from qunfa.contract import InvalidRequestError


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
