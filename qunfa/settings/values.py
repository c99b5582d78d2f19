"""The tables of the configuration, the kinds of value in them, and secrets in files."""

import re
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, HttpUrl, SecretStr, TypeAdapter

from qunfa.media.policy import AllowedHost, StorePlace
from qunfa.media.spool import SourceRefused, file_path, scheme_of

MAX_SECRET_BYTES = 4096
_SECONDS = re.compile(r"\d+(\.\d+)?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
"""What pydantic drops from a URL or encodes in it: two lines of a file would become one URL."""
_MAX_PORT = 65535
_HTTP_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)


class Section(BaseModel):
    """One table of the configuration: frozen, without unknown keys, and silent about its values in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _read_secret(name: str, path: Path) -> str:
    """What stands in the file, without the white space around it.

    Only an absolute path is quoted in an error: another one may be the secret itself, put there by mistake.
    """
    file = f"the file of {name}_file" + (f" ({path})" if path.is_absolute() else "")
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_SECRET_BYTES + 1).decode()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8 text") from None
    if len(text) > MAX_SECRET_BYTES:
        raise ValueError(f"{file} is longer than {MAX_SECRET_BYTES} bytes: is it the right file?")
    if not text.strip():
        raise ValueError(f"{file} is empty")
    return text.strip()


def with_secret_files(values: object, names: Iterable[str]) -> object:
    """The table with every `NAME_file` read into `NAME`."""
    if not isinstance(values, dict):
        return values
    resolved = dict(values)
    for name in names:
        path = values.get(f"{name}_file")
        if path is None:
            continue
        if values.get(name) is not None:
            raise ValueError(f"{name} and {name}_file are both set: keep one of them")
        if isinstance(path, str | Path):
            resolved[name] = _read_secret(name, Path(path))
    return resolved


def revealed(*secrets: SecretStr | None) -> tuple[str, ...]:
    """The texts of those that are set: of a secret, and of the old one during a rotation."""
    return tuple(secret.get_secret_value() for secret in secrets if secret is not None)


def _read_seconds(value: object) -> object:
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        return float(value)
    # pydantic reads other texts, too: "00:30" as half an hour, "10:00" as ten hours
    if isinstance(value, bool) or (isinstance(value, str) and not value.startswith(("P", "-P"))):
        raise ValueError('write a duration as ISO 8601 ("PT30S") or as seconds (30)')
    return value


def _at_most_an_hour(value: timedelta) -> timedelta:
    if value > timedelta(hours=1):
        raise ValueError("must be at most an hour (3600)")
    return value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


Duration = Annotated[timedelta, BeforeValidator(_read_seconds), AfterValidator(_positive)]
"""A positive time span: ISO 8601 ("PT30S"), or seconds as a number or as digits ("0.5")."""

UpToAnHour = Annotated[Duration, AfterValidator(_at_most_an_hour)]
"""A `Duration` of at most an hour."""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a text spells, in brackets or not."""
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None


def _is_near(host: str) -> bool:
    """Whether a host is on this machine or in a private network for sure, so that plain http may be used."""
    address = _address(host)
    return address.is_loopback if address else "." not in host or host.endswith((".localhost", ".internal"))


def check_url(value: str) -> str:
    """The URL in its normal form; raises ValueError where it is none, or not one that may be called."""
    if _BLANK.search(value):
        raise ValueError("must not carry white space or control characters: write one URL")
    url = _HTTP_URL.validate_python(value)
    if url.username is not None or url.password is not None:
        raise ValueError("a URL must not carry a user name or a password")
    if url.fragment is not None:
        raise ValueError("a URL must not carry a #fragment")
    if url.scheme == "http" and not _is_near(url.host or ""):
        raise ValueError(
            "must begin with https:// (http:// is for loopback, for names without a dot and for *.internal only)"
        )
    return str(url)


def _check_root_url(value: str) -> str:
    url = check_url(value)
    if urlsplit(url).query:
        raise ValueError("must not carry a query")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(check_url)]
"""An https URL; http only to loopback, to a name without a dot, or to `*.internal`."""

RootUrl = Annotated[str, AfterValidator(_check_root_url)]
"""A `Url` without query, kept without its trailing slash: paths are appended to it."""


def _check_bind_address(value: str) -> str:
    if value == "":
        return value
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
        raise ValueError('must be "address:port", for example "127.0.0.1:9464", or "" to switch it off')
    if _address(host) is None:
        raise ValueError("the part before the port must be an IP address, for example 127.0.0.1")
    return value


BindAddress = Annotated[str, AfterValidator(_check_bind_address)]
"""`IP:port` to listen on, or the empty text for "not at all"."""


def _check_host(value: str) -> str:
    AllowedHost.parse(value)
    return value


Host = Annotated[str, AfterValidator(_check_host)]
"""A host name or an IP address, with or without a port; or a network."""


def _check_store_prefix(value: str) -> str:
    StorePlace.parse_folder(value)
    return value.rstrip("/")


StorePrefix = Annotated[str, AfterValidator(_check_store_prefix)]
"""A bucket of an object store, or a folder in one."""


_FOLDER_OR_BUCKET = 'must name a folder, such as "file:/var/lib/qunfa", or a bucket, such as "s3://bucket/qunfa"'


def _check_store_uri(value: str) -> str:
    whole = value.rstrip("/")
    if whole.startswith("s3://"):
        return _check_store_prefix(whole)
    try:
        if scheme_of(whole) == "file" and not file_path(whole).startswith("//"):
            return whole
    except SourceRefused as refused:
        raise ValueError(f"{_FOLDER_OR_BUCKET}: {refused.reason}") from None
    raise ValueError(_FOLDER_OR_BUCKET)


StoreUri = Annotated[str, AfterValidator(_check_store_uri)]
"""A folder (`file:/folder`), or a bucket of an object store or a folder in one."""


_TWO_TIMES = 'must be two times "HH:MM", for example ["08:00", "22:00"]; the end may be "24:00"'


def _check_pair(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2:  # noqa: PLR2004  a start and an end
        raise ValueError(_TWO_TIMES)
    return value


def _check_hours(value: tuple[str, str]) -> tuple[str, str]:
    start, end = value
    if not (_CLOCK.fullmatch(start) and _CLOCK.fullmatch(end)):
        raise ValueError(_TWO_TIMES)
    if start >= end:
        raise ValueError("the start must be earlier than the end: sending hours do not run over midnight")
    return value


Hours = Annotated[tuple[str, str], BeforeValidator(_check_pair), AfterValidator(_check_hours)]
"""Start and end as "HH:MM" in Asia/Shanghai, start < end within one day; the end may be "24:00"."""
