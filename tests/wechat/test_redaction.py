import ast
import json
import logging
import sys
import traceback
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.wechat import LOG_LEVELS, SecretFilter, redact_event, scrub
from qunfa.wechat.redaction import _NAMED, is_clean
from tests.wechat.conftest import SECRET, TOKEN, WeChat

NAMES = ["access_token", "secret", "appsecret", "signature", "msg_signature", "refresh_token", "aes_key"]
NAME = st.sampled_from([*NAMES, *(name.upper() for name in NAMES)])
VALUE = st.text("abcXYZ0189-_.~", min_size=8, max_size=40).map("bMARK".__add__)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.text("abc 你好,.!?/\n", max_size=20)


@given(NAME, VALUE, ANY_TEXT, PLAIN)
def test_a_query(name: str, value: str, encoded: str, rest: str) -> None:
    """Of a URL only the value of the secret goes, however a client encodes it; what stands around it stays."""
    url = f"{rest} https://wechat.example/p?a=1&{name}={value}&b=2 {rest}"
    assert scrub(url) == f"{rest} https://wechat.example/p?a=1&{name}=***&b=2 {rest}"
    assert scrub("?" + urlencode({name: "x" + encoded, "b": "2"})) == f"?{name}=***&b=2"


@given(st.lists(st.sampled_from([*NAMES, *map(str.title, NAMES), "ſecret", "AES_\u212aEY", "a", "=", ":", '"', "中"])))
def test_clean_at_a_glance(parts: list[str]) -> None:
    """What is taken for clean without being looked at closely is clean."""
    text = "".join(parts)
    if is_clean(text):
        assert _NAMED.sub("", text) == text


@given(NAME, VALUE)
def test_a_url_within_a_url(name: str, value: str) -> None:
    """A URL that is a parameter of another one is quoted, once or twice, and its secrets go too."""
    once = quote(f"https://x/?{name}={value}+/&b=2", safe="")
    for url in (f"https://y/?u={once}&c=3", f"https://y/?u={quote(once, safe='')}&c=3"):
        clean = scrub(url)
        assert "MARK" not in clean
        assert clean.endswith("2&c=3")


@given(NAME, ANY_TEXT, VALUE, PLAIN)
def test_secrets_in_json_are_hidden(name: str, value: str, quoted: str, other: str) -> None:
    """A JSON text stays one, without the secret, whatever characters it has. So does one that is quoted in a line."""
    assert json.loads(scrub(json.dumps({name: value, "other": other}))) == {name: "***", "other": other}
    line = json.dumps({"body": json.dumps({name: quoted, "other": other})})
    assert json.loads(json.loads(scrub(line))["body"]) == {name: "***", "other": other}


@given(NAME, ANY_TEXT, st.binary())
def test_python_values(name: str, value: str, binary: bytes) -> None:
    """So is the repr of a dict, of bytes, and of a list of pairs."""
    assert ast.literal_eval(scrub(repr({name: value}))) == {name: "***"}
    assert ast.literal_eval(scrub(repr({name: binary}))) == {name: b"***"}
    assert ast.literal_eval(scrub(repr([(name, value)]))) == [(name, "***")]


@pytest.mark.parametrize(
    "text", ['secret="abc', "{'secret': 'abc", r"{\"secret\": \"abc", "secret=abc", "SECRET : abc"]
)
def test_text_that_was_cut(text: str) -> None:
    """A value whose end is missing goes too."""
    assert "abc" not in scrub(text)


@given(st.text() | st.lists(st.sampled_from([*NAMES, "=", ":", '"', "'", "\\", "&", "x", " "])).map("".join))
def test_scrubbing_twice_changes_nothing(text: str) -> None:
    """A text that was scrubbed is left alone."""
    assert scrub(scrub(text)) == scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "invalid credential, access_token is invalid or not latest rid: 6520a1b2-1c2d3e4f-5a6b7c8d",
        'secret_file = "/run/secrets/demo"',
        "https://wechat.example/cgi-bin/tags/get?next_openid=o1",
    ],
)
def test_other_text_stays(text: str) -> None:
    """Words about secrets are no secrets."""
    assert scrub(text) == text


@given(NAME, VALUE)
def test_an_event(name: str, value: str) -> None:
    """Every value of a structured event is scrubbed, at any depth, and by its name as well."""
    url = httpx.URL(f"https://x/?{name}={value}")
    event = {"event": f"GET {url}", name: value, "n": 5, "url": url, "deep": [{"t": (f"{name}={value}", {name: 1})}]}
    clean = redact_event(None, "info", event)
    assert "MARK" not in repr(clean)
    assert clean["n"] == 5
    assert clean["deep"] == [{"t": (f"{name}=***", {name: "***"})}]


LOGGER = logging.getLogger("httpx")


class Lines(logging.Handler):
    """Keeps what a plain handler would have written."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(SecretFilter())
        self.records: list[logging.LogRecord] = []
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.text += self.format(record)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """What one handler writes of the HTTP library's lines, which tell every URL at INFO."""
    lines = Lines()
    for name, value in {"handlers": [lines], "propagate": False, "level": logging.INFO}.items():
        monkeypatch.setattr(LOGGER, name, value)
    logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]  # noqa: SLF001  as setLevel does
    return lines


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"GET ?access_token={TOKEN}&b=2", ()),
        ("GET %s %d", (f"?access_token={TOKEN}&b=2", 200)),
        ("GET ?access_token=%s&b=2", (TOKEN,)),
        ("GET %s", (httpx.URL(f"https://x/?access_token={TOKEN}&b=2"),)),
        ("GET ?access_token=%(t)s&b=2", ({"t": TOKEN},)),
        ("GET %(u)s", ({"u": f"?access_token={TOKEN}&b=2"},)),
        ("GET %s %s", (f"?access_token={TOKEN}&b=2",)),
        ("GET %d", (f"?access_token={TOKEN}&b=2",)),
    ],
)
def test_a_log_line(message: str, arguments: tuple[Any, ...], lines: Lines) -> None:
    """A secret goes wherever it stands: in the message, in an argument, across both, also where they do not fit."""
    LOGGER.info(message, *arguments)
    assert TOKEN not in lines.text
    assert "access_token=***&b=2" in lines.text


def test_arguments_stay_arguments(lines: Lines) -> None:
    """Formatters of access logs read the arguments, so these stay, each one scrubbed."""
    LOGGER.info('%s - "%s" %d', "127.0.0.1", "GET /wechat/demo?signature=abc&nonce=1", 200)
    assert lines.records[0].args == ("127.0.0.1", "GET /wechat/demo?signature=***&nonce=1", 200)


@pytest.mark.parametrize("said", [f"https://x/?secret={SECRET}&b=2", "refused"])
def test_a_traceback_is_scrubbed_where_it_shows_a_secret(lines: Lines, said: str) -> None:
    """No formatter can render it anew then. An exception that shows nothing is handed on as it is."""
    try:
        raise ConnectionError(said)
    except ConnectionError:
        LOGGER.exception("it broke")
        kept = lines.records[0].exc_info == sys.exc_info()
        told = traceback.format_exc().strip()
    assert "it broke\nTraceback" in lines.text
    assert told.replace(SECRET, "***") in lines.text
    assert kept == (SECRET not in said)
    assert kept or (lines.records[0].exc_info, lines.records[0].exc_text) == (None, None)


def test_what_a_formatter_may_add_is_scrubbed(lines: Lines) -> None:
    """Extra fields and stacks, by name and by text. Structlog hands its event to logging as a dict."""
    LOGGER.info("hi", extra={"secret": SECRET, "url": f"?secret={SECRET}", "n": 5}, stack_info=True)
    assert SECRET not in repr(vars(lines.records[0]))
    assert vars(lines.records[0])["n"] == 5
    LOGGER.info({"event": "hi", "secret": SECRET})
    assert lines.records[1].msg == {"event": "hi", "secret": "***"}


async def test_what_the_http_library_writes(lines: Lines) -> None:
    """Httpx writes every URL at INFO, which the recommended level stops and the filter scrubs."""
    await WeChat({}).http().get(f"https://x/?access_token={TOKEN}")
    assert "access_token=***" in lines.text
    assert TOKEN not in lines.text
    assert LOG_LEVELS == {"httpx": logging.WARNING, "httpcore": logging.WARNING, "temporalio.worker": logging.INFO}
