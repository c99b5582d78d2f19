import ast
import json
import logging
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.wechat.redaction import _NAMED, LOG_LEVELS, is_clean, redact_event, scrub

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
    assert LOG_LEVELS == {"httpx": logging.WARNING, "httpcore": logging.WARNING, "temporalio.worker": logging.INFO}
