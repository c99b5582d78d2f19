"""What may stand in the configuration, in which form it is kept, and what is said of all else."""

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from qunfa.settings import AccountSettings, CallbackSettings, NoticeSettings, Settings
from tests.notices.webhook import OTHER, SECRET

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
EVENTS_TOKEN = "a-random-token-of-32-characters"
HOOK = "https://hooks.example.com/in/a-SECRET-path?key=a-SECRET-key"
DEMO = {"appid": "wx1", "secret": "s3cret", "kind": "service"}
SHOWN_NEVER = ("s3cret", "t0ken", AES_KEY, AES_KEY[::-1], EVENTS_TOKEN, "a-SECRET", SECRET, OTHER, "hunter2", "pw@")


def account(**values: Any) -> AccountSettings:
    """An account, but for these values."""
    return Settings.model_validate({"accounts": {"demo": DEMO | values}}).accounts["demo"]


def callback(**values: Any) -> CallbackSettings:
    """A callback, but for these values."""
    found = account(callback={"token": "t0ken"} | values).callback
    assert found is not None
    return found


def notice(**values: Any) -> NoticeSettings:
    """A webhook, but for these values."""
    return account(notices={"oncall": {"url": HOOK, "secret": SECRET} | values}).notices["oncall"]


def section(name: str) -> Any:
    """How a section is made of its values."""
    return lambda **values: getattr(Settings.model_validate({name: values}), name)


MADE = {"account": account, "callback": callback, "notice": notice}
HOSTS = ["CDN.example.com", "10.0.0.7", "::1", "cdn.example.com:8443", "10.1.0.0/16"]
URLS = {
    "https://api.weixin.qq.com/": "https://api.weixin.qq.com",
    "https://proxy.example.com/wechat/": "https://proxy.example.com/wechat",
    "http://127.0.0.1:8089": "http://127.0.0.1:8089", "http://[::1]:8089/": "http://[::1]:8089",
    "http://localhost:8089": "http://localhost:8089", "http://simulator:8089": "http://simulator:8089",
    "http://wechat.prod.internal": "http://wechat.prod.internal",
}  # fmt: skip
SPANS: dict[Any, float] = {"PT30S": 30, "PT0.25S": 0.25, "PT1H30M": 5400, 30: 30, 0.05: 0.05, "30": 30, "0.5": 0.5}
NEAR = ("http://localhost:9/x", "http://127.0.0.1:9/", "http://notices/in", "http://chat.ops.internal/x")
KEPT: list[tuple[str, str, Any, Any]] = [
    *(("timing", "ask", written, timedelta(seconds=seconds)) for written, seconds in SPANS.items()),
    ("timing", "window", "PT23H58M", timedelta(hours=23, minutes=58)),
    ("timing", "confirmation", "PT32M", timedelta(minutes=32)),
    ("timing", "pace", "PT1H", timedelta(hours=1)),
    *(("wechat", "base_url", written, kept) for written, kept in URLS.items()),
    *(("metrics", "worker", address, address) for address in ("", "127.0.0.1:9464", "0.0.0.0:0", "[::1]:9464")),
    *(("metrics", "receiver", address, address) for address in ("", "127.0.0.1:9465", "[::1]:9465")),
    ("media", "hosts", HOSTS, tuple(HOSTS)),
    *(("store", "uri", f"{uri}/", uri) for uri in ("file:/var/lib/qunfa", "file:///srv/a%20b", "s3://bucket/qunfa")),
    ("media", "stores", ["s3://bucket", "s3://bucket/a/b/"], ("s3://bucket", "s3://bucket/a/b")),
    *(("receiver", "replay_window", *one) for one in (("PT1M", timedelta(minutes=1)), ("P1D", timedelta(days=1)))),
    ("receiver", "results_per_second", 0.5, 0.5),
    ("receiver", "proxies", ["10.0.0.0/8", "fd00::1"], "10.0.0.0/8 fd00::1/128"),
    ("callback", "sources", ["203.0.113.0/24", "2001:db8::1"], "203.0.113.0/24 2001:db8::1/128"),
    ("account", "send_hours", ["20:00", "24:00"], ("20:00", "24:00")),
    ("notice", "events", ["sent", "failed", "sent"], ("sent", "failed")),
    *(("notice", "url", url, url) for url in NEAR),
]


@pytest.mark.parametrize(("where", "key", "written", "kept"), KEPT)
def test_a_value_is_kept_in_one_form(where: str, key: str, written: object, kept: object) -> None:
    """A duration is ISO 8601, or seconds. No trailing slash is kept. Plain http is for where nobody listens between."""
    found = getattr(MADE.get(where, section(where))(**{key: written}), key)
    if key in {"proxies", "sources"}:
        found = " ".join(map(str, found))
    assert (found.get_secret_value() if isinstance(found, SecretStr) else found) == kept


@given(milliseconds=st.integers(min_value=1, max_value=80_000_000))
def test_seconds_and_digits_agree(milliseconds: int) -> None:
    """A number of the file and the same digits of the environment mean the same time."""
    for written in (milliseconds / 1000, f"{milliseconds / 1000:.3f}"):
        assert section("timing")(window=written).window == timedelta(milliseconds=milliseconds)


NO_SPANS = ("-PT1S", "PT0S", 0, -1, float("nan"), float("inf"), None)
UNSAID_SPANS = ("", "soon", "00:30", "10:00", "1d", "1 day, 00:00:05", True)
NO_URLS = (
    "http://api.weixin.qq.com", "http://10.0.0.7:8089", "http://evil.internal.example.com", "http://example.notinternal",
    "ftp://api.weixin.qq.com", "api.weixin.qq.com", "https://user:pw@api.weixin.qq.com", "",
    "https://api.weixin.qq.com?a=b", "https://api.weixin.qq.com#a",
)  # fmt: skip
NO_ADDRESSES = ("9464", ":9464", "localhost", "localhost:9464", "127.0.0.1:99999", "127.0.0.1:x")
NO_HOSTS = ("https://cdn.example.com", "cdn.example.com:x", "cdn.example.com:0", "cdn/x", "*.example.com", "", "a..b")
NO_BUCKETS = (
    "bucket", "s3:bucket", "s3://", "s3://b/a?x", "https://bucket", "s3://a//b", "s3://key:hunter2@bucket", "s3://bkt/../a",
    "s3://bucket/100%",
)  # fmt: skip
NO_STORES = {
    "file:/a?b": "it has a ? or a # in it", "file:///a#b": "it has a ? or a # in it", "file:/a%": "it has a % without",
    "file:/a%00": "it has a NUL character", "file:/a\tb": "it has control characters", "file:a": "an absolute path",
    "file://host/a": "it names a host", "file:/": "must name a folder", "file:////a": "must name a folder",
    "/var/lib/qunfa": "must name a folder", "s3://bucket/a?b": "must name a bucket",
}  # fmt: skip
NO_HOURS = (["8:00", "22:00"], ["08:00", "25:00"], ["08:00"], ["22:00", "02:00"], ["08:00", "08:00"])
NO_KEYS = ("hunter2", "whsec_c2hvcnQ=", f"whsec_{'!' * 44}", f"whsec_{'A' * 400}", SECRET[6:], f"whsec_{'春' * 44}")
SECTIONS = ("wechat", "receiver", "metrics", "worker", "media", "timing")
HANDED: dict[str, Any] = {"token": None, "events_token": "x" * 16}
NO_CALLBACKS: list[dict[str, Any]] = [
    {"token": None}, {"token": "ab"}, {"token": "a b c"}, {"mode": "safe"}, {"mode": "raw"}, {"aes_key": "short"},
    {"token_file": "/x"}, {"forward_to": "http://existing.example.com"}, {"forward_results": True},
    {"aes_key_old": AES_KEY}, {"token_old": "a b"}, {"original_id": "brand"}, {"original_id": "gh_"},
    {"events_token": "short"}, {"events_token": "a long one with blanks in it"}, {"sources": ["203.0.113.1/24"]},
    {"sources": ["wechat"]}, HANDED | {"forward_to": "https://existing.example.com"}, HANDED | {"token_old": "t0ken"},
    HANDED | {"mode": "safe", "aes_key": AES_KEY}, {"events_token_old": "x" * 16},
]  # fmt: skip
"""A token is missing, an encrypted mode lacks its key, a forward is no https, an old secret stands alone."""
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    *(("timing", {"ask": written}, "timing.ask") for written in NO_SPANS),
    *(("timing", {"ask": written}, 'write a duration as ISO 8601 ("PT30S") or as seconds') for written in UNSAID_SPANS),
    ("timing", {"window": "PT23H58M1S"}, "window, twice http_timeout and a minute must be at most 24 hours"),
    ("timing", {"http_timeout": "PT30M"}, "window, twice http_timeout and a minute must be at most 24 hours"),
    ("timing", {"confirmation": "PT31M59S"}, "confirmation must be at least 30 minutes, twice http_timeout and a"),
    ("timing", {"confirmation": "PT32M", "http_timeout": 31}, "confirmation must be at least 30 minutes, twice"),
    ("timing", {"pace": "PT1H1S"}, "hour"),
    ("timing", {"pace": 0.999}, "pace must be at least a second"),
    ("timing", {"repeat": "PT59S"}, "repeat must be at least a minute"),
    ("timing", {"repeat": "PT31M"}, "repeat must not be longer than repeat_max"),
    *(("wechat", {"base_url": written}, "wechat.base_url") for written in NO_URLS),
    *(("metrics", {key: address}, "metrics") for address in NO_ADDRESSES for key in ("worker", "receiver")),
    *(("media", {"hosts": [host]}, "media.hosts") for host in NO_HOSTS),
    *(("media", {"stores": [store]}, "media.stores") for store in NO_BUCKETS),
    *(("store", {"uri": uri}, said) for uri, said in NO_STORES.items()),
    ("media", {"roots": ["media"]}, "must be an absolute path"),
    *(("receiver", {"port": port}, "receiver.port") for port in (-1, 65536, "x")),
    *(("receiver", {"replay_window": span}, "replay_window") for span in ("PT59S", "PT24H1S", 0, "ten minutes")),
    *(("receiver", {"results_per_second": rate}, "results_per_second") for rate in (0, -1, "inf", "many")),
    ("receiver", {"proxies": ["10.0.0.1/8"]}, "receiver.proxies"),
    *(("worker", {key: "1"}, "worker") for key in ("deployment", "build_id")),
    ("worker", {"deployment": "a b", "build_id": "1"}, "worker.deployment"),
    *((one, {"no_such_key": 1}, "Extra inputs") for one in SECTIONS),
    ("account", {"secret_file": "/run/secrets/demo"}, "secret and secret_file are both set: keep one of them"),
    ("account", {"secret": None, "secret_file": "/run/nope"}, "(/run/nope) cannot be read: No such file"),
    ("account", {"secret": None, "secret_file": "hunter2"}, "the file of secret_file cannot be read: No such file"),
    ("account", {"secret": None}, "the account has no secret: set secret_file or secret"),
    *(("account", {key: "x"}, f"accounts.demo.{key}") for key in ("kind", "news_via", "approval", "quota")),
    *(("account", {"token_source": source}, "token_source") for source in ("unstable", *NO_URLS[:2], NO_URLS[6])),
    *(("account", {"appid": appid}, "accounts.demo.appid") for appid in ("", "gh_0123", "wx1:2")),
    *(("account", {"send_hours": hours}, "accounts.demo.send_hours") for hours in NO_HOURS),
    *(("callback", values, "accounts.demo.callback") for values in NO_CALLBACKS),
    ("notice", {"secret": None}, "secret"),
    ("notice", {"url": None}, "url"),
    *(("notice", {"secret": key}, "must be whsec_ and the base64 of 24 to 64 random bytes; make") for key in NO_KEYS),
    ("notice", {"secret_old": SECRET}, "secret_old is the same as secret"),
    ("notice", {"events": []}, "must name one of these at least: needs_operator"),
    ("notice", {"events": ["opened"]}, "Input should be 'needs_operator'"),
    *(("notice", {"url": url}, "must begin with https://") for url in ("http://hooks.example.com/", "http://192.168.1.7/")),
    ("notice", {"url": "https://me:pw@hooks.example.com/"}, "must not carry a user name"),
    ("notice", {"url": "file:///etc/passwd"}, "URL scheme"),
    ("notice", {"url": "a-SECRET-path"}, "valid URL"),
    *(("notice", {"url": f"{HOOK}{odd}{HOOK}"}, "must not carry white space") for odd in "\n \t\0\u3000"),
    ("notice", {"secret_file": "/run/secrets/demo"}, "secret and secret_file are both set"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "values", "said"), REFUSED)
def test_a_value_that_cannot_be_meant_is_refused(where: str, values: dict[str, Any], said: str) -> None:
    """A sentence or the field's name tells which one, and nothing secret is shown."""
    with pytest.raises(ValidationError) as caught:
        MADE.get(where, section(where))(**values)
    assert said in str(caught.value)
    assert [secret for secret in SHOWN_NEVER if secret in str(caught.value)] == []


@pytest.mark.parametrize("name", ["Demo", "-demo", "", "a" * 65, "a b", "a:b", "品牌"])
def test_account_names(name: str) -> None:
    """An account's name is part of workflow ids and URLs, so its alphabet is small."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"accounts": {name: DEMO}})


def test_one_appid_under_two_names() -> None:
    """Two names for one appid would be two ledgers for the same followers."""
    with pytest.raises(ValidationError, match="one and two have the same appid wx1"):
        Settings.model_validate({"accounts": {"one": DEMO, "two": DEMO}})


def test_two_accounts_have_no_token_service_url_in_common() -> None:
    """By the token of another account, a send would go to its followers. The URL may hold a key, and is not quoted."""
    url = "https://token.internal/a-SECRET"
    raw = {name: {"appid": f"wx{name}", "kind": "service", "token_source": url} for name in ("one", "two")}
    with pytest.raises(ValidationError, match="one and two have the same URL as token_source") as caught:
        Settings.model_validate({"accounts": raw})
    assert url not in str(caught.value)
    raw["two"]["token_source"] = f"{url}?of=two"
    assert len(Settings.model_validate({"accounts": raw}).accounts) == 2
    assert len(Settings.model_validate({"accounts": {"one": DEMO, "two": DEMO | {"appid": "wx2"}}}).accounts) == 2


@pytest.mark.parametrize(("host", "taken"), [("api2.weixin.qq.com", False), ("simulator.internal", True)])
@pytest.mark.parametrize(
    ("key", "short", "said"),
    [
        ("confirmation", 59, "30 minutes"),
        ("repeat", 59, "must be at least a minute"),
        ("pace", 0.5, "must be at least a second"),
    ],
)
def test_a_time_may_be_short_where_wechat_is_not(host: str, key: str, short: float, said: str, *, taken: bool) -> None:
    """A simulator is as quick as the test: its administrator, a job that it has accepted, and how much it takes."""
    raw = {"wechat": {"base_url": f"https://{host}"}, "timing": {key: short}}
    with nullcontext() if taken else pytest.raises(ValidationError, match=said):
        assert getattr(Settings.model_validate(raw).timing, key) == timedelta(seconds=short)


def test_settings_are_frozen() -> None:
    """Nothing changes the configuration of a running process."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().task_queue = "other"  # type: ignore[misc]  # the point of the test


def test_secrets_are_not_printed() -> None:
    """Neither a representation nor a dump of the settings holds a secret, or where a webhook is."""
    old = {"token_old": "0ld-t0ken", "aes_key_old": AES_KEY[::-1], "events_token_old": f"0ld-{EVENTS_TOKEN}"}
    pushed = {"token": "t0ken", "aes_key": AES_KEY, "events_token": EVENTS_TOKEN, **old}
    loaded = account(callback=pushed, notices={"oncall": {"url": HOOK, "secret": SECRET, "secret_old": OTHER}})
    shown = repr(loaded) + str(loaded) + str(loaded.model_dump()) + loaded.model_dump_json()
    assert [secret for secret in SHOWN_NEVER if secret in shown] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b" \n", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (b"x" * 5000, "is longer than 4096 bytes")],
    ids=["empty", "binary", "huge"],
)
def test_secret_file_that_cannot_hold_one(tmp_path: Path, content: bytes, said: str) -> None:
    """It is refused by its path."""
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ValidationError, match=rf"the file of secret_file \({tmp_path / 'secret'}\) {said}"):
        account(secret=None, secret_file=str(tmp_path / "secret"))


def test_each_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """It is read without its line end. In a rotation the old one stands beside the new one."""

    def file(text: str) -> str:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        path.write_text(f"{text}\n")
        return str(path)

    loaded = account(secret=None, secret_file=file("s3cret"))
    assert (loaded.secret, loaded.secret_file) == (SecretStr("s3cret"), tmp_path / "0")
    keys = {"token_old_file": file("0ld"), "aes_key_file": file(AES_KEY), "aes_key_old_file": file(AES_KEY[::-1])}
    events = {"events_token_file": file(EVENTS_TOKEN), "events_token_old_file": file(EVENTS_TOKEN[::-1])}
    pushed = callback(token=None, token_file=file("t0ken"), **keys, **events)
    assert (pushed.tokens, pushed.aes_keys) == (("t0ken", "0ld"), (AES_KEY, AES_KEY[::-1]))
    assert (pushed.events_tokens, pushed.mode) == ((EVENTS_TOKEN, EVENTS_TOKEN[::-1]), "safe")
    told = notice(url=None, url_file=file(HOOK), secret=None, secret_file=file(SECRET), secret_old_file=file(OTHER))
    assert (told.url.get_secret_value(), told.secrets) == (HOOK, (SECRET, OTHER))


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ({}, "plain"), ({"aes_key": AES_KEY}, "safe"), ({"token": None, "events_token": EVENTS_TOKEN}, "plain"),
        *(({"aes_key": AES_KEY, "mode": mode}, mode) for mode in ("plain", "compat")),
        ({"token": None, "events_token": EVENTS_TOKEN, "aes_key": AES_KEY}, "plain"),
    ],
)  # fmt: skip
def test_mode(values: dict[str, Any], mode: str) -> None:
    """Whoever has entered a key wants it used, unless he says otherwise. Without WeChat's Token there is no mode."""
    assert callback(**values).mode == mode


def test_token_service_needs_no_secret() -> None:
    """Where a token service answers, the worker needs no secret."""
    loaded = account(secret=None, token_source="https://token.internal/demo")
    assert (loaded.secret, loaded.token_url) == (None, "https://token.internal/demo")


def test_a_notice_is_told_everything_unless_events_are_named() -> None:
    """Nine events."""
    of_sends = ("needs_operator", "awaiting_approval", "sent", "failed", "unknown")
    assert notice().events == (*of_sends, "recalled", "recall_failed", "refused", "terminated")
