from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from qunfa.settings import SettingsError, load_settings, load_task_queue

WriteToml = Callable[[str], Path]

ACCOUNT = """
[accounts.demo]
appid = "wx0123456789abcdef"
secret = "from-the-file"
kind = "service"
"""


def test_defaults_without_any_configuration() -> None:
    """No file and no variable is a usable configuration without accounts."""
    settings = load_settings()

    assert settings.task_queue == "qunfa"
    assert settings.wechat.base_url == "https://api.weixin.qq.com"
    assert (settings.receiver.host, settings.receiver.port) == ("0.0.0.0", 8088)  # noqa: S104 - the default
    assert settings.metrics.worker == "127.0.0.1:9464"
    assert (settings.media.roots, settings.media.hosts) == ((), ())
    assert settings.timing.window == timedelta(hours=23)
    assert settings.timing.repeat == timedelta(minutes=1)
    assert settings.timing.repeat_max == timedelta(minutes=30)
    assert settings.accounts == {}


def test_file_of_the_working_directory(write_toml: WriteToml) -> None:
    """`qunfa.toml` of the working directory is read without being named."""
    write_toml(ACCOUNT)

    account = load_settings().accounts["demo"]

    assert account.appid == "wx0123456789abcdef"
    assert account.secret is not None
    assert account.secret.get_secret_value() == "from-the-file"
    assert (account.approval, account.quota, account.news_via) == ("never", "wait", "draft")
    assert account.send_hours == ("00:00", "24:00")
    assert account.token_url is None


def test_named_file(tmp_path: Path, write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """`QUNFA_CONFIG` names another file, and the one of the working directory is not read."""
    write_toml("task_queue = 'here'")
    other = tmp_path / "other.toml"
    other.write_text("task_queue = 'there'")
    monkeypatch.setenv("QUNFA_CONFIG", str(other))

    assert load_settings().task_queue == "there"


def test_empty_name_means_no_file(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty `QUNFA_CONFIG` switches the file off."""
    write_toml("task_queue = 'here'")
    monkeypatch.setenv("QUNFA_CONFIG", "")

    assert load_settings().task_queue == "qunfa"


def test_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A named file that is not there is an error, not an empty configuration."""
    monkeypatch.setenv("QUNFA_CONFIG", "/nowhere/qunfa.toml")

    with pytest.raises(SettingsError, match=r"/nowhere/qunfa\.toml: No such file"):
        load_settings()


def test_broken_toml_names_its_line(write_toml: WriteToml) -> None:
    """A file that is no TOML is refused with the line."""
    write_toml("task_queue = 'a'\n[wechat\n")

    with pytest.raises(SettingsError, match=r"qunfa\.toml is not valid TOML: .*line 2"):
        load_settings()


def test_file_that_is_no_text(directory: Path) -> None:
    """A file that is not UTF-8 is refused with a sentence."""
    (directory / "qunfa.toml").write_bytes(b"task_queue = '\xff'")

    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings()


def test_environment_wins_over_file(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces one value of a table and leaves its neighbours alone."""
    write_toml(ACCOUNT)
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SECRET", "from-the-environment")
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SEND_HOURS", '["08:00", "22:00"]')

    account = load_settings().accounts["demo"]

    assert account.secret is not None
    assert account.secret.get_secret_value() == "from-the-environment"
    assert account.send_hours == ("08:00", "22:00")
    assert account.kind == "service"


def test_account_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account needs no file; a secret of digits only stays the text it is."""
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__APPID", "wx1")
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__KIND", "subscription")
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SECRET", "00012345")
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__CALLBACK__TOKEN", "12345")
    monkeypatch.setenv("QUNFA_TIMING__REPEAT", "0.05")
    monkeypatch.setenv("QUNFA_METRICS__WORKER", "")

    settings = load_settings()
    account = settings.accounts["demo"]

    assert account.secret is not None
    assert account.secret.get_secret_value() == "00012345"
    assert account.callback is not None
    assert account.callback.tokens == ("12345",)
    assert settings.timing.repeat == timedelta(milliseconds=50)
    assert settings.metrics.worker == ""


def test_list_that_is_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in the environment is JSON, and the error says so."""
    monkeypatch.setenv("QUNFA_MEDIA__HOSTS", "cdn.example.com")

    with pytest.raises(SettingsError, match="written as JSON"):
        load_settings()


def test_misspelt_section_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of a section that does not exist is refused, not ignored."""
    monkeypatch.setenv("QUNFA_ACOUNTS__DEMO__SECRET", "hunter2")

    with pytest.raises(SettingsError, match=r"QUNFA_ACOUNTS__DEMO__SECRET .*did you mean ACCOUNTS") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_error_names_file_key_and_remedy(write_toml: WriteToml) -> None:
    """All problems come at once, each with its key, where it stands, and what to do."""
    write_toml('[accounts.demo]\nappid = "wx1"\nsecret_fil = "x"\n[timing]\nrepeat = "soon"\n')

    with pytest.raises(SettingsError) as caught:
        load_settings()

    message = str(caught.value)
    assert "accounts.demo.kind, not set: in qunfa.toml, or as QUNFA_ACCOUNTS__DEMO__KIND" in message
    assert "accounts.demo.secret_fil, in qunfa.toml" in message
    assert "did you mean secret_file?" in message
    assert "timing.repeat, in qunfa.toml\n    write a duration as ISO 8601" in message


def test_error_tells_environment_from_file(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value from the environment is blamed on the environment."""
    write_toml(ACCOUNT)
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__KIND", "shop")

    with pytest.raises(SettingsError, match=r"accounts\.demo\.kind, from the environment"):
        load_settings()


@pytest.mark.parametrize("secret", ["very secret", "geheimnis\n", "hunter2 ü"])
def test_no_error_shows_a_secret(secret: str, write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong secret is named by its key and never shown, nor is any other value of the account."""
    write_toml('[accounts.demo]\nappid = "wx1"\nkind = "shop"\n[accounts.demo.callback]\ntoken = "hunter3 hunter3"\n')
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SECRET", secret)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    message = str(caught.value)
    assert "accounts.demo.secret, from the environment" in message
    assert "accounts.demo.callback.token, in qunfa.toml" in message
    assert secret.strip() not in message
    assert "hunter3" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_task_queue_needs_no_usable_account(write_toml: WriteToml) -> None:
    """An operator's command reads the queue even where it may not read the worker's secrets."""
    write_toml('task_queue = "marketing"\n[accounts.demo]\nappid = "wx1"\nsecret_file = "/not/mine"\n')

    assert load_task_queue() == "marketing"


def test_task_queue_of_the_environment(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """`QUNFA_TASK_QUEUE` wins over the file, for workers and for operators."""
    write_toml('task_queue = "marketing"')
    monkeypatch.setenv("QUNFA_TASK_QUEUE", "night")

    assert load_task_queue() == "night"
    assert load_settings().task_queue == "night"


def test_task_queue_defaults() -> None:
    """Without any configuration the queue is `qunfa`."""
    assert load_task_queue() == "qunfa"


def test_task_queue_with_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that cannot be meant is refused by its variable's name."""
    monkeypatch.setenv("QUNFA_TASK_QUEUE", "")

    with pytest.raises(SettingsError, match="QUNFA_TASK_QUEUE"):
        load_task_queue()


def test_without_credentials_no_app_secret_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver and the operators' commands work where the file of the AppSecret is not even there."""
    file = tmp_path / "there.toml"
    file.write_text('[accounts.demo]\nappid = "wx1234"\nsecret_file = "/nowhere"\nkind = "service"\n', encoding="utf-8")
    monkeypatch.setenv("QUNFA_CONFIG", str(file))
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SECRET", "not-to-be-held")
    account = load_settings(credentials=False).accounts["demo"]
    assert (account.appid, account.secret, account.secret_file) == ("wx1234", None, None)
