from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from qunfa.settings import Settings, SettingsError, load_settings
from tests.notices.webhook import OTHER, SECRET
from tests.settings.conftest import WriteToml

URL = "https://hooks.example.com/in/a-SECRET-path?key=a-SECRET-key"


def settings(**notice: Any) -> Settings:
    """A configuration with one notice."""
    account = {"appid": "wx1", "secret": "s3cret", "kind": "service"}
    values = {"url": URL, "secret": SECRET, **notice}
    return Settings.model_validate({"accounts": {"demo": {**account, "notices": {"oncall": values}}}})


def refusal(**notice: Any) -> str:
    """What is wrong with it."""
    with pytest.raises(ValidationError) as caught:
        settings(**notice)
    return str(caught.value)


def test_a_notice_is_told_everything_unless_events_are_named() -> None:
    """Nine events; the same one twice is once."""
    [everything] = settings().accounts["demo"].notices.values()
    [some] = settings(events=["sent", "failed", "sent"]).accounts["demo"].notices.values()
    of_sends = ("needs_operator", "awaiting_approval", "sent", "failed", "unknown")
    assert everything.events == (*of_sends, "recalled", "recall_failed", "refused", "terminated")
    assert some.events == ("sent", "failed")
    assert everything.secrets == (SECRET,)


def test_url_and_secrets_from_files(tmp_path: Path) -> None:
    """Each as the other secrets; the old secret signs as well."""
    for name, text in {"url": URL, "new": SECRET, "old": OTHER}.items():
        (tmp_path / name).write_text(f"{text}\n")
    files = {"url_file": tmp_path / "url", "secret_file": tmp_path / "new", "secret_old_file": tmp_path / "old"}
    [notice] = settings(url=None, secret=None, **files).accounts["demo"].notices.values()
    assert notice.url.get_secret_value() == URL
    assert notice.secrets == (SECRET, OTHER)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"secret": None}, "secret"),
        ({"url": None}, "url"),
        ({"secret": "hunter2"}, "must be whsec_ and the base64 of 24 to 64 random bytes; make one with"),
        ({"secret": "whsec_" + "c2hvcnQ="}, "must be whsec_"),
        ({"secret": "whsec_" + "!" * 44}, "must be whsec_"),
        ({"secret": "whsec_" + "A" * 400}, "must be whsec_"),
        ({"secret": SECRET.removeprefix("whsec_")}, "must be whsec_"),
        ({"secret": "whsec_" + "春" * 44}, "must be whsec_"),
        ({"secret_old": SECRET}, "secret_old is the same as secret"),
        ({"events": []}, "must name one of these at least: needs_operator"),
        ({"events": ["opened"]}, "Input should be 'needs_operator'"),
        ({"url": "http://hooks.example.com/"}, "must begin with https://"),
        ({"url": "http://192.168.1.7/"}, "must begin with https://"),
        ({"url": "https://me:pw@hooks.example.com/"}, "must not carry a user name"),
        ({"url": "file:///etc/passwd"}, "URL scheme"),
        ({"url": "a-SECRET-path"}, "valid URL"),
        ({"secret_file": "/run/secrets/demo"}, "secret and secret_file are both set"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_of_it_shown(values: dict[str, Any], sentence: str) -> None:
    """A sentence for each, without the URL and without the secret."""
    said = refusal(**values)
    assert sentence in said
    assert "a-SECRET" not in said
    assert "hunter2" not in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "url", ["http://localhost:9/x", "http://127.0.0.1:9/", "http://notices/in", "http://chat.ops.internal/x"]
)
def test_plain_http_is_for_what_is_near(url: str) -> None:
    """Loopback, a name without a dot, and *.internal."""
    assert settings(url=url).accounts["demo"].notices["oncall"].url.get_secret_value() == url


def test_neither_url_nor_secret_shows_in_a_representation() -> None:
    """A log line or a traceback that holds the settings tells nothing."""
    shown = repr(settings(secret_old=OTHER)) + str(settings().model_dump()) + settings().model_dump_json()
    assert "a-SECRET" not in shown
    assert SECRET not in shown
    assert OTHER not in shown


CONFIG = f"""
[accounts.demo]
appid = "wx1"
secret = "s3cret"
kind = "service"
[accounts.demo.notices.oncall]
url = "{URL}"
"""


@pytest.fixture
def config(write_toml: WriteToml) -> Path:
    """A file that lacks the notice's secret."""
    return write_toml(CONFIG)


def test_every_value_may_come_from_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the notice's name; a list as JSON."""
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__NOTICES__ONCALL__SECRET", SECRET)
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__NOTICES__ONCALL__EVENTS", '["needs_operator", "unknown"]')
    notice = load_settings().accounts["demo"].notices["oncall"]
    assert notice.secrets == (SECRET,)
    assert notice.events == ("needs_operator", "unknown")
    assert notice.url.get_secret_value() == URL


def test_a_process_without_credentials_has_no_webhooks(config: Path) -> None:
    """The receiver tells nobody anything, so it neither needs nor holds their secrets."""
    assert load_settings(credentials=False).accounts["demo"].notices == {}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("", "QUNFA_ACCOUNTS__DEMO__NOTICES__ONCALL__SECRET"),
        ("", "this value is required"),
        (f'secret = "{SECRET}"\nevent = ["sent"]', "did you mean events?"),
        (f'[accounts.demo.notices."On Call"]\nurl = "{URL}"\nsecret = "{SECRET}"', "a notice is named with a-z, 0-9"),
        (f'secret = "{SECRET}"\nevents = ["sent", "opened"]', "accounts.demo.notices.oncall.events.1, in "),
    ],
)
def test_a_mistake_is_explained(config: Path, more: str, sentence: str) -> None:
    """What is meant, and where it stands."""
    config.write_text(CONFIG + more)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert sentence in str(caught.value)
    assert "a-SECRET" not in str(caught.value)
