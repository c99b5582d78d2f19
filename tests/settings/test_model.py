from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qunfa.settings import Settings


def _one(section: str, key: str, value: object) -> Any:
    loaded = Settings.model_validate({section: {key: value}})
    return getattr(getattr(loaded, section), key)


def _refuse(section: str, key: str, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        _one(section, key, value)
    return str(caught.value)


HOSTS = ["CDN.example.com", "10.0.0.7", "::1", "cdn.example.com:8443", "10.1.0.0/16"]
URLS = {
    "https://api.weixin.qq.com/": "https://api.weixin.qq.com",
    "https://proxy.example.com/wechat/": "https://proxy.example.com/wechat",
    "http://127.0.0.1:8089": "http://127.0.0.1:8089",
    "http://[::1]:8089/": "http://[::1]:8089",
    "http://localhost:8089": "http://localhost:8089",
    "http://simulator:8089": "http://simulator:8089",
    "http://wechat.prod.internal": "http://wechat.prod.internal",
}
SPANS: dict[Any, float] = {"PT30S": 30, "PT0.25S": 0.25, "PT1H30M": 5400, 30: 30, 0.05: 0.05, "30": 30, "0.5": 0.5}
KEPT: list[tuple[str, str, Any, Any]] = [
    *(("timing", "ask", written, timedelta(seconds=seconds)) for written, seconds in SPANS.items()),
    ("timing", "window", "PT24H", timedelta(hours=24)),
    ("timing", "pace", "PT1H", timedelta(hours=1)),
    *(("wechat", "base_url", written, kept) for written, kept in URLS.items()),
    *(("metrics", "worker", address, address) for address in ("", "127.0.0.1:9464", "0.0.0.0:0", "[::1]:9464")),
    *(("metrics", "receiver", address, address) for address in ("", "127.0.0.1:9465", "[::1]:9465")),
    ("media", "hosts", HOSTS, tuple(host.lower() for host in HOSTS)),
    ("media", "stores", ["s3://bucket", "s3://bucket/a/b/"], ("s3://bucket", "s3://bucket/a/b")),
    *(("receiver", "replay_window", *one) for one in (("PT1M", timedelta(minutes=1)), ("P1D", timedelta(days=1)))),
    ("receiver", "results_per_second", 0.5, 0.5),
]


@pytest.mark.parametrize(("section", "key", "written", "kept"), KEPT)
def test_a_value_is_kept_in_one_form(section: str, key: str, written: object, kept: object) -> None:
    """A duration is ISO 8601, or seconds. No trailing slash is kept. Plain http is for where nobody listens between."""
    assert _one(section, key, written) == kept


def test_proxies_are_networks_or_addresses() -> None:
    """Each is kept as a network."""
    assert [str(one) for one in _one("receiver", "proxies", ["10.0.0.0/8", "fd00::1"])] == ["10.0.0.0/8", "fd00::1/128"]


@given(milliseconds=st.integers(min_value=1, max_value=80_000_000))
def test_seconds_and_digits_agree(milliseconds: int) -> None:
    """A number of the file and the same digits of the environment mean the same time."""
    expected = timedelta(milliseconds=milliseconds)
    assert _one("timing", "window", milliseconds / 1000) == expected
    assert _one("timing", "window", f"{milliseconds / 1000:.3f}") == expected


NO_SPANS = ("", "soon", "-PT1S", "PT0S", 0, -1, True, float("nan"), float("inf"), None)
NO_URLS = (
    *(
        "http://api.weixin.qq.com",
        "http://10.0.0.7:8089",
        "http://evil.internal.example.com",
        "http://example.notinternal",
    ),
    *("ftp://api.weixin.qq.com", "api.weixin.qq.com", "https://user:pw@api.weixin.qq.com", ""),
    *("https://api.weixin.qq.com?a=b", "https://api.weixin.qq.com#a"),
)
NO_ADDRESSES = ("9464", ":9464", "localhost", "localhost:9464", "127.0.0.1:99999", "127.0.0.1:x")
NO_HOSTS = ("https://cdn.example.com", "cdn.example.com:x", "cdn.example.com:0", "cdn/x", "*.example.com", "", "a..b")
NO_BUCKETS = ("bucket", "s3:bucket", "s3://", "s3://b/a?x", "https://bucket", "s3://a//b")
REFUSED: list[tuple[str, str, Any, str]] = [
    *(("timing", "ask", written, "") for written in NO_SPANS),
    ("timing", "window", "PT24H1S", "window must be at most 24 hours"),
    ("timing", "pace", "PT1H1S", "hour"),
    ("timing", "repeat", "PT31M", "repeat must not be longer than repeat_max"),
    *(("wechat", "base_url", written, "") for written in NO_URLS),
    *(("metrics", key, address, "") for address in NO_ADDRESSES for key in ("worker", "receiver")),
    *(("media", "hosts", [host], "") for host in NO_HOSTS),
    *(("media", "stores", [store], "") for store in NO_BUCKETS),
    ("media", "roots", ["media"], "must be an absolute path"),
    *(("receiver", "port", port, "") for port in (-1, 65536, "x")),
    *(("receiver", "replay_window", window, "") for window in ("PT59S", "PT24H1S", 0, "ten minutes")),
    *(("receiver", "results_per_second", rate, "") for rate in (0, -1, "inf", "many")),
    ("receiver", "proxies", ["10.0.0.1/8"], ""),
]


@pytest.mark.parametrize(("section", "key", "written", "said"), REFUSED)
def test_a_value_that_cannot_be_meant_is_refused(section: str, key: str, written: object, said: str) -> None:
    """A repeat after 24 hours would be a second send. Plain http over a network would hand out the access token."""
    refusal = _refuse(section, key, written)
    assert section in refusal
    assert said in refusal
    assert "pw" not in refusal


@pytest.mark.parametrize("given", [{"deployment": "qunfa"}, {"build_id": "1"}, {"deployment": "a b", "build_id": "1"}])
def test_worker_versions_that_are_none(given: dict[str, str]) -> None:
    """A version is a deployment and a build, both or none."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"worker": given})


@pytest.mark.parametrize("section", ["wechat", "receiver", "metrics", "worker", "media", "timing"])
def test_unknown_keys(section: str) -> None:
    """A misspelt key is an error in every section."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings.model_validate({section: {"no_such_key": 1}})


def test_settings_are_frozen() -> None:
    """Nothing changes the configuration of a running process."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().task_queue = "other"  # type: ignore[misc]  # the point of the test
