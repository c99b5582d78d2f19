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


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("PT30S", timedelta(seconds=30)),
        ("PT0.25S", timedelta(milliseconds=250)),
        ("PT1H30M", timedelta(minutes=90)),
        (30, timedelta(seconds=30)),
        (0.05, timedelta(milliseconds=50)),
        ("30", timedelta(seconds=30)),
        ("0.5", timedelta(milliseconds=500)),
    ],
)
def test_durations(written: object, span: timedelta) -> None:
    """A duration is ISO 8601, or seconds as a number or as digits."""
    assert _one("timing", "ask", written) == span


@pytest.mark.parametrize("written", ["", "soon", "-PT1S", "PT0S", 0, -1, True, float("nan"), float("inf"), None])
def test_durations_that_are_none(written: object) -> None:
    """What is no positive span of time is refused."""
    _refuse("timing", "ask", written)


@given(milliseconds=st.integers(min_value=1, max_value=80_000_000))
def test_seconds_and_digits_agree(milliseconds: int) -> None:
    """A number of the file and the same digits of the environment mean the same time."""
    expected = timedelta(milliseconds=milliseconds)

    assert _one("timing", "window", milliseconds / 1000) == expected
    assert _one("timing", "window", f"{milliseconds / 1000:.3f}") == expected


def test_window_ends_before_wechat_forgets() -> None:
    """A repeat after 24 hours would be a second send."""
    assert _one("timing", "window", "PT24H") == timedelta(hours=24)
    assert "window must be at most 24 hours" in _refuse("timing", "window", "PT24H1S")


def test_repeat_grows() -> None:
    """The first spacing cannot be longer than the last."""
    assert "repeat must not be longer than repeat_max" in _refuse("timing", "repeat", "PT31M")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://api.weixin.qq.com/", "https://api.weixin.qq.com"),
        ("https://proxy.example.com/wechat/", "https://proxy.example.com/wechat"),
        ("http://127.0.0.1:8089", "http://127.0.0.1:8089"),
        ("http://[::1]:8089/", "http://[::1]:8089"),
        ("http://localhost:8089", "http://localhost:8089"),
        ("http://simulator:8089", "http://simulator:8089"),
        ("http://wechat.prod.internal", "http://wechat.prod.internal"),
    ],
)
def test_base_urls(written: str, kept: str) -> None:
    """The API is called by https, or by http where nobody listens in between; no trailing slash is kept."""
    assert _one("wechat", "base_url", written) == kept


@pytest.mark.parametrize(
    "written",
    [
        "http://api.weixin.qq.com",
        "http://10.0.0.7:8089",
        "http://evil.internal.example.com",
        "http://example.notinternal",
        "ftp://api.weixin.qq.com",
        "api.weixin.qq.com",
        "https://user:pw@api.weixin.qq.com",
        "https://api.weixin.qq.com?a=b",
        "https://api.weixin.qq.com#a",
        "",
    ],
)
def test_base_urls_that_are_refused(written: str) -> None:
    """Plain http over a network would hand out the access token."""
    assert "pw" not in _refuse("wechat", "base_url", written)


@pytest.mark.parametrize("address", ["", "127.0.0.1:9464", "0.0.0.0:0", "[::1]:9464"])
def test_metrics_address(address: str) -> None:
    """The metrics endpoint is an IP address and a port, or nothing."""
    assert _one("metrics", "worker", address) == address


@pytest.mark.parametrize("address", ["9464", ":9464", "localhost", "localhost:9464", "127.0.0.1:99999", "127.0.0.1:x"])
def test_metrics_address_that_is_none(address: str) -> None:
    """A half address is refused."""
    _refuse("metrics", "worker", address)


@pytest.mark.parametrize("uri", ["file:/var/lib/qunfa", "file:///var/lib/qunfa", "s3://bucket/prefix", "s3://bucket"])
def test_store(uri: str) -> None:
    """The store is an absolute directory or a bucket."""
    assert _one("store", "uri", uri) == uri


@pytest.mark.parametrize(
    "uri", ["", "/var/lib", "file:var", "file://host/var", "s3:bucket", "s3://k:s@bucket", "http://x", "file:/a?b=c"]
)
def test_store_that_is_none(uri: str) -> None:
    """Anything else, or credentials in the URI, is refused."""
    _refuse("store", "uri", uri)


def test_media_hosts() -> None:
    """Hosts are compared in lower case; addresses and networks may be listed, and a port."""
    hosts = ["CDN.example.com", "10.0.0.7", "::1", "cdn.example.com:8443", "10.1.0.0/16"]
    assert _one("media", "hosts", hosts) == tuple(host.lower() for host in hosts)


@pytest.mark.parametrize(
    "host", ["https://cdn.example.com", "cdn.example.com:x", "cdn.example.com:0", "cdn/x", "*.example.com", "", "a..b"]
)
def test_media_hosts_that_are_none(host: str) -> None:
    """A URL or a pattern is not a host."""
    _refuse("media", "hosts", [host])


def test_media_stores() -> None:
    """A bucket, or a folder in one."""
    assert _one("media", "stores", ["s3://bucket", "s3://bucket/a/b/"]) == ("s3://bucket", "s3://bucket/a/b")


@pytest.mark.parametrize("store", ["bucket", "s3:bucket", "s3://", "s3://b/a?x", "https://bucket", "s3://a//b"])
def test_media_stores_that_are_none(store: str) -> None:
    """Anything else is refused."""
    _refuse("media", "stores", [store])


def test_media_roots_are_absolute() -> None:
    """A relative root would depend on where the worker was started."""
    assert "must be an absolute path" in _refuse("media", "roots", ["media"])


@pytest.mark.parametrize("port", [-1, 65536, "x"])
def test_receiver_port(port: object) -> None:
    """A port is 0 to 65535."""
    _refuse("receiver", "port", port)


@pytest.mark.parametrize(("window", "seconds"), [("PT1M", 60), (600, 600), ("P1D", 86400)])
def test_replay_window(window: object, seconds: int) -> None:
    """Between a minute, in which WeChat repeats, and a day."""
    assert _one("receiver", "replay_window", window).total_seconds() == seconds


@pytest.mark.parametrize("window", ["PT59S", "PT24H1S", 0, "ten minutes"])
def test_replay_windows_that_are_none(window: object) -> None:
    """A shorter one would refuse WeChat's own repetitions, a longer one takes everybody's."""
    _refuse("receiver", "replay_window", window)


@pytest.mark.parametrize("rate", [0, -1, "inf", "many"])
def test_rates_that_are_none(rate: object) -> None:
    """An account may get some results, and not any number."""
    assert _one("receiver", "results_per_second", 0.5) == 0.5
    _refuse("receiver", "results_per_second", rate)


def test_proxies_are_networks_or_addresses() -> None:
    """Networks, or single addresses."""
    assert [str(one) for one in _one("receiver", "proxies", ["10.0.0.0/8", "fd00::1"])] == ["10.0.0.0/8", "fd00::1/128"]
    _refuse("receiver", "proxies", ["10.0.0.1/8"])


@pytest.mark.parametrize("address", ["", "127.0.0.1:9465", "[::1]:9465"])
def test_receiver_metrics(address: str) -> None:
    """Nowhere at all, or at an address that is not the one for WeChat."""
    assert Settings().metrics.receiver == "127.0.0.1:9465"
    assert _one("metrics", "receiver", address) == address
    _refuse("metrics", "receiver", "9465")


@pytest.mark.parametrize("given", [{"deployment": "qunfa"}, {"build_id": "1"}, {"deployment": "a b", "build_id": "1"}])
def test_worker_versions_that_are_none(given: dict[str, str]) -> None:
    """A version is a deployment and a build, both or none."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"worker": given})


@pytest.mark.parametrize("section", ["wechat", "receiver", "metrics", "worker", "media", "store", "timing"])
def test_unknown_keys(section: str) -> None:
    """A misspelt key is an error in every section."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings.model_validate({section: {"no_such_key": 1}})


def test_settings_are_frozen() -> None:
    """Nothing changes the configuration of a running process."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().task_queue = "other"  # type: ignore[misc]  # the point of the test
