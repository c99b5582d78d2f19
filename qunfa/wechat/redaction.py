"""Secrets out of the logs: what the HTTP libraries, exceptions and our own events may carry of WeChat's credentials.

WeChat's API wants its access token, and one token endpoint even the app secret, in the query; callbacks bring
signatures there, which can be replayed. So any text that quotes a URL quotes a secret.
"""

import logging
import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

LOG_LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {"httpx": logging.WARNING, "httpcore": logging.WARNING, "temporalio.worker": logging.INFO}
)
"""Levels for loggers of libraries: below them they write the URL of each request, and activities' payloads."""

HIDDEN: Final = "***"

_KEYS: Final = r"access_token|refresh_token|app_?secret|secret|msg_signature|signature|encoding_?aes_?key|aes_?key"
_KEY: Final = re.compile(_KEYS, re.IGNORECASE)
_NAMED: Final = re.compile(
    rf"""
    (?P<name> (?:{_KEYS})
        (?: (?:\\*["'])? \s* [=:] \s*           # a=b, a: b, "a": b, \"a\": b
          | \\*["'] \s* , \s* )                 # ('a', b)
        (?: b (?=["']) )?                       # b'bytes'
    )
    (?: (?P<double> " ) (?: [^"\\] | \\. )* "
      | (?P<single> ' ) (?: [^'\\] | \\. )* '
      | (?P<escaped> \\+["'] ) .*? (?P=escaped)
      | \\* ["']? [^\s"'&,;<>)\]}}\\]+          # bare, or a quote that is never closed
    )
    | (?P<encoded> (?:{_KEYS}) %(?:25)*3[ad] ) (?: (?! %(?:25)*26 ) [^\s"'&] )+     # a URL within a URL
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def scrub(text: str) -> str:
    """`text` with the value of every access token, secret, AES key and signature that it names replaced by `***`."""
    return text if is_clean(text) else _NAMED.sub(_hide, text)


def is_clean(text: str) -> bool:
    """Whether a glance shows that `text` names no secret: it is ASCII, and has none of the words that names end in."""
    lower = text.lower()
    return text.isascii() and not ("token" in lower or "secret" in lower or "signature" in lower or "key" in lower)


def _hide(found: re.Match[str]) -> str:
    quote = found["double"] or found["single"] or found["escaped"] or ""
    return f"{found['name'] or found['encoded']}{quote}{HIDDEN}{quote}"


def _scrub_value(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return scrub(value)
        case Mapping():
            return {key: HIDDEN if _is_secret(key) else _scrub_value(item) for key, item in value.items()}
        case list():
            return [_scrub_value(item) for item in value]
        case tuple():
            return tuple(_scrub_value(item) for item in value)
    shown = str(value)
    clean = scrub(shown)
    return value if clean == shown and scrub(repr(value)) == repr(value) else clean


def _is_secret(key: object) -> bool:
    return isinstance(key, str) and _is_name(key)


@lru_cache(maxsize=1024)  # the keys of events and bodies are the same ones again and again
def _is_name(key: str) -> bool:
    return _KEY.fullmatch(key) is not None


def redact_event(_logger: object, _method_name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that scrubs every value of an event, at any depth.

    It belongs right before the renderer: after the processors that turn an exception into text.
    """
    for key, value in event_dict.items():
        event_dict[key] = HIDDEN if _is_secret(key) else _scrub_value(value)
    return event_dict
