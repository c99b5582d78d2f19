"""The one encoder for what others have written: into terminals, logs and JSON."""

import io
import json
import logging
import re
import unicodedata

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from qunfa.cli.output import note, show, show_json
from qunfa.printable import printable, shown_uri
from qunfa.telemetry import configure_logging
from tests.test_telemetry import Terminal
from tests.words import CORPUS, KEPT, STEERING

pytestmark = pytest.mark.usefixtures("log_set_up")

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_VISIBLE_FORMATS = range(0x600, 0x900)
"""Signs of Arabic and Syriac that are drawn; those beyond U+FFFF are Kaithi's and hieroglyphs'."""


class Said(BaseModel):
    """An answer with a text of others."""

    text: str


@pytest.mark.parametrize("text", CORPUS, ids=ascii)
def test_nothing_steers_or_hides(text: str) -> None:
    """Each such character is written out."""
    assert not set(printable(text)) & STEERING


@pytest.mark.parametrize(
    "uri",
    [
        "https://h/@scope/a.png",
        "https://h/me@b",
        "s3://b/list@2026.csv",
        "file:/lists/me@b.csv",
        "a@2x.png",
        "/p/@a",
        "https://cdn.example:8443/img/logo@2x.png",
        "https://[::1]:80/x@y",
        "file:/a:b@c.png",
    ],
)
def test_an_at_sign_of_a_path_hides_nothing(uri: str) -> None:
    """Only what stands before a host is hidden."""
    assert shown_uri(uri) == uri


@pytest.mark.parametrize("text", KEPT, ids=ascii)
def test_text_stays(text: str) -> None:
    """Wide blanks, emoji that are joined, variants of characters, scripts from right to left."""
    assert printable(text) == text


def test_no_kind_of_character_is_forgotten() -> None:
    """All controls, surrogates, line ends and invisible formats, but joiners and signs that are drawn."""
    for code in range(0x110000):
        character = chr(code)
        kind = unicodedata.category(character)
        if kind in {"Cc", "Cs", "Zl", "Zp"} or (kind == "Cf" and code < 0x10000 and code not in {0x200C, 0x200D}):
            assert printable(character) != character or (kind == "Cf" and code in _VISIBLE_FORMATS and code != 0x61C)


@pytest.mark.parametrize("character", "\u034f\u115f\u1160\u3164\uffa0", ids=ascii)
def test_no_letter_is_blank(character: str) -> None:
    """What makes two names look alike is written out."""
    assert printable(f"a{character}b") == f"a\\u{ord(character):04x}b"


@given(st.text(st.characters(exclude_categories=[])))
def test_json_says_the_same(text: str) -> None:
    """The document is still one, and its texts are what they were."""
    written = printable(json.dumps({"a": text}, ensure_ascii=False))
    assert not set(written) & STEERING
    assert json.loads(written) == {"a": text}


@pytest.mark.parametrize("text", CORPUS, ids=ascii)
def test_every_json_of_a_command_is_encoded(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is what `--json` prints, always."""
    show_json({"text": text})
    out = capsys.readouterr().out
    assert not set(out) & STEERING - {"\n"}
    assert json.loads(out) == {"text": text}


@pytest.mark.parametrize("text", CORPUS, ids=ascii)
def test_every_print_of_a_command_is_encoded(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Prose and tables, also where nobody has thought of it."""
    table = Table()
    table.add_column(text)
    table.add_row(text, Text.assemble((text, "bold"), text))
    show(text, Text(text), table)
    note(text)
    captured = capsys.readouterr()
    assert not set(captured.out + captured.err) & STEERING - {"\n"}


@pytest.mark.parametrize("text", CORPUS, ids=ascii)
def test_every_log_line_is_encoded_as_json(text: str) -> None:
    """Python's records and structlog's events, their values at any depth, and tracebacks; nothing is lost."""
    stream = io.StringIO()
    _log_to(stream)
    _log_everywhere(text)
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    records = [json.loads(line) for line in lines]
    assert len(records) == 4
    assert not set("".join(lines)) & STEERING
    assert records[0]["event"] == f"by {text}"
    assert records[1]["deep"] == {text: [text]}


@pytest.mark.parametrize("text", CORPUS, ids=ascii)
def test_every_log_line_is_encoded_on_a_terminal(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the colours are escape sequences; a record is one line, and the lines of a traceback are set in."""
    monkeypatch.setenv("QUNFA_LOG", "console")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    _log_to(stream)
    _log_everywhere(text)
    shown = _COLOUR.sub("", stream.getvalue())
    assert not set(shown) & STEERING - {"\n"}
    begun = [line for line in shown.split("\n") if line and not line.startswith(" ")]
    assert len(begun) == 4


def _log_to(stream: io.StringIO) -> None:
    """Takes the handlers of pytest away: what they keep of half a surrogate pair cannot be reported."""
    logging.getLogger().handlers.clear()
    configure_logging(stream)


def _log_everywhere(text: str) -> None:
    logging.getLogger("python").warning("by %s", text, extra={"account": text})
    structlog.get_logger("ours").warning("push", value=text, deep={text: [text]})
    structlog.get_logger("ours").warning(text, **{f"key {text}": text})
    try:
        raise RuntimeError(text)
    except RuntimeError:
        logging.getLogger("python").exception("failed")
