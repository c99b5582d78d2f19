import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from qunfa.config_file import load_language
from qunfa.language import of_environment, of_this_process
from qunfa.settings import SettingsError, check_variables, load_settings, load_task_queue
from tests.notices.webhook import SECRET
from tests.settings.conftest import WriteToml

ACCOUNT = """
[accounts.demo]
appid = "wx0123456789abcdef"
secret = "from-the-file"
kind = "service"
"""
HOOK = 'url = "https://hooks.example.com/a-SECRET-path"'
NOTICE = f"{ACCOUNT}[accounts.demo.notices.oncall]\n{HOOK}\n"


def test_defaults_without_any_configuration() -> None:
    """No file and no variable is a usable configuration without accounts."""
    settings = load_settings()
    assert settings.task_queue == load_task_queue() == "qunfa"
    assert settings.wechat.base_url == "https://api.weixin.qq.com"
    assert (settings.receiver.host, settings.receiver.port) == ("0.0.0.0", 8088)  # noqa: S104 - the default
    assert (settings.metrics.worker, settings.metrics.receiver) == ("127.0.0.1:9464", "127.0.0.1:9465")
    assert (settings.media.roots, settings.media.hosts) == ((), ())
    assert settings.timing.window == timedelta(hours=23)
    assert (settings.timing.repeat, settings.timing.repeat_max) == (timedelta(minutes=1), timedelta(minutes=30))
    assert settings.accounts == {}


def test_file_of_the_working_directory(write_toml: WriteToml) -> None:
    """`qunfa.toml` of the working directory is read without being named."""
    write_toml(ACCOUNT)
    account = load_settings().accounts["demo"]
    assert account.secret is not None
    assert (account.appid, account.secret.get_secret_value()) == ("wx0123456789abcdef", "from-the-file")
    assert (account.approval, account.quota, account.news_via) == ("never", "wait", "draft")
    assert (account.send_hours, account.token_url) == (("00:00", "24:00"), None)


def test_named_file(tmp_path: Path, write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """`QUNFA_CONFIG` names another file, or none where it is empty: the one of the working directory is not read."""
    write_toml("task_queue = 'here'")
    other = tmp_path / "other.toml"
    other.write_text("task_queue = 'there'")
    for name, task_queue in ((str(other), "there"), ("", "qunfa")):
        monkeypatch.setenv("QUNFA_CONFIG", name)
        assert load_settings().task_queue == task_queue


def test_a_file_as_an_editor_of_windows_writes_it(directory: Path) -> None:
    """With a byte order mark, which nobody sees."""
    (directory / "qunfa.toml").write_bytes(b"\xef\xbb\xbftask_queue = 'there'\r\n")
    assert load_settings().task_queue == load_task_queue() == "there"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "Is a directory"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_counts_for_nothing(directory: Path, make: Callable[[Path], None], why: str) -> None:
    """As a container makes it of a file that is missing. A rehearsal would call the real WeChat without it."""
    make(directory / "qunfa.toml")
    with pytest.raises(SettingsError, match=rf"qunfa\.toml: {why}.*\nCorrect it, go to another directory"):
        load_settings()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_entered(directory: Path) -> None:
    """As of root, for who becomes the service's user there. Help and all else that needs no file goes on."""
    directory.chmod(0o700)
    os.seteuid(54321)
    try:
        assert of_this_process() == of_environment(os.environ)
        with pytest.raises(SettingsError, match="Permission denied"):
            load_settings()
    finally:
        os.seteuid(0)


def test_a_pipe_is_no_configuration(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The language is read of it before the settings: these would find nothing in it, or wait for ever."""
    os.mkfifo(directory / "pipe")
    monkeypatch.setenv("QUNFA_CONFIG", "pipe")
    for load in (load_settings, load_task_queue, load_language):
        with pytest.raises(SettingsError, match="the configuration pipe is a pipe"):
            load()


@pytest.mark.parametrize(
    ("content", "variables", "sentence"),
    [
        (b"", {"QUNFA_CONFIG": "/nowhere/qunfa.toml"}, r"/nowhere/qunfa\.toml: No such file"),
        (b"", {"QUNFA_CONFIG": "."}, r"configuration \.: Is a directory"),
        (b"task_queue = 'a'\n[wechat\n", {}, r"qunfa\.toml is not valid TOML: .*line 2"),
        (b"task_queue = '\xff'", {}, "not UTF-8"),
        (b"", {"QUNFA_MEDIA__HOSTS": "cdn.example.com"}, r"media\.hosts, from the environment\n .*written as JSON"),
        (b"", {"QUNFA_TIMING": "PT1H"}, r"timing, from the environment\n .*a table of keys; .*written as JSON"),
        (b"accounts = 5", {}, r"accounts, in qunfa\.toml\n .*a table of keys"),
        (ACCOUNT.encode(), {"QUNFA_ACCOUNTS__DEMO__SEND_HOURS": '["08:00"]'}, r"send_hours, .*\n .*two times"),
        (b"", {"QUNFA_ACOUNTS__DEMO__SECRET": "hunter2"}, r"QUNFA_ACOUNTS__DEMO__SECRET\n .*did you mean ACCOUNTS\?"),
        (ACCOUNT.encode(), {"QUNFA_ACCOUNTS__DEMO__KIND": "shop"}, r"accounts\.demo\.kind, from the environment"),
        (NOTICE.encode(), {}, r"QUNFA_ACCOUNTS__DEMO__NOTICES__ONCALL__SECRET\n    this value is required"),
        (f'{NOTICE}event = ["sent"]'.encode(), {}, r"did you mean events\?"),
        (f'{NOTICE}events = ["sent", "opened"]'.encode(), {}, r"accounts\.demo\.notices\.oncall\.events\.1, in "),
        (f'{ACCOUNT}[accounts.demo.notices."On Call"]\n{HOOK}'.encode(), {}, "a notice is named with a-z, 0-9"),
    ],
    ids=range(14),
)
def test_what_cannot_be_loaded_is_an_error_with_its_place(
    directory: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, variables: dict[str, str], sentence: str
) -> None:
    """It is neither ignored nor an empty configuration."""
    (directory / "qunfa.toml").write_bytes(content)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=sentence) as caught:
        load_settings()
    assert not any(secret in str(caught.value) for secret in ("hunter2", "a-SECRET"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("QUNFA_WECHAT_BASE_URL", "WECHAT__BASE_URL"),
        ("QUNFA_TIMING_WINDOW", "TIMING__WINDOW"),
        ("QUNFA_RECEIVER_PORT", "RECEIVER__PORT"),
        ("QUNFA_TASKQUEUE", "TASK_QUEUE"),
        ("QUNFA_TASK_QUEUE__NAME", "TASK_QUEUE"),
        ("qunfa_task_queue", "TASK_QUEUE"),
        ("QUNFA_CONFIG_FILE", "CONFIG"),
        ("QUNFA_LOGLEVEL", "LOG_LEVEL"),
        ("QUNFA_ACCOUNT__DEMO__SECRET", "ACCOUNTS"),
    ],
)
def test_a_misspelt_variable_is_never_ignored(
    name: str, meant: str, write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal would call the real WeChat. It is told together with all else that is wrong."""
    write_toml("[receiver]\nprot = 80")
    monkeypatch.setenv(name, "hunter2")
    hint = f"  {name}\n    there is no such variable (did you mean {meant}?); remove it or correct its name"
    for load, wrong in ((load_settings, 2), (check_variables, 1)):
        with pytest.raises(SettingsError) as caught:
            load()
        assert hint in str(caught.value)
        assert f"{wrong} thing(s) to correct" in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_the_address_of_the_ui_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in every link, of commands and of notices."""
    monkeypatch.setenv("QUNFA_TEMPORAL_UI", "https://ops:hunter2@temporal.example.com")
    for load in (load_settings, check_variables):
        with pytest.raises(SettingsError, match=r"QUNFA_TEMPORAL_UI\n +carries a user name") as caught:
            load()
        assert "hunter2" not in str(caught.value)


def test_variables_of_kubernetes_and_of_the_page_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes puts them into each container, for a service named qunfa, qunfa-receiver or the like."""
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(QUNFA_[A-Z_]+)`", page.partition("## In the environment alone")[2]))
    assert {"QUNFA_LOG", "QUNFA_TEMPORAL_UI"} < named
    for name in named - {"QUNFA_CONFIG"}:
        monkeypatch.setenv(name, "info")
    for of in ("QUNFA", "QUNFA_RECEIVER"):
        port = {"PORT": "tcp://10.0.0.7:80", "PORT_80_TCP": "tcp://10.0.0.7:80", "PORT_80_TCP_ADDR": "10.0.0.7"}
        for end, value in {"SERVICE_HOST": "10.0.0.7", "SERVICE_PORT": "80", "SERVICE_PORT_HTTP": "80", **port}.items():
            monkeypatch.setenv(f"{of}_{end}", value)
    assert load_settings().receiver.port == 8088
    check_variables()


def test_a_table_may_be_json_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As each list may."""
    monkeypatch.setenv("QUNFA_WECHAT", '{"base_url": "http://simulator:8089"}')
    assert load_settings().wechat.base_url == "http://simulator:8089"


def test_environment_wins_over_file(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces one value of a table and leaves its neighbours alone."""
    write_toml(ACCOUNT)
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SECRET", "from-the-environment")
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SEND_HOURS", '["08:00", "22:00"]')
    account = load_settings().accounts["demo"]
    assert account.secret is not None
    assert account.secret.get_secret_value() == "from-the-environment"
    assert (account.send_hours, account.kind) == (("08:00", "22:00"), "service")


def test_account_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account needs no file; a secret of digits only stays the text it is."""
    values = {"APPID": "wx1", "KIND": "subscription", "SECRET": "00012345", "CALLBACK__TOKEN": "12345"}
    told = {"URL": "https://hooks.example.com/", "SECRET": SECRET, "EVENTS": '["needs_operator", "unknown"]'}
    values |= {f"NOTICES__ONCALL__{name}": value for name, value in told.items()}
    for name, value in values.items():
        monkeypatch.setenv(f"QUNFA_ACCOUNTS__DEMO__{name}", value)
    monkeypatch.setenv("QUNFA_TIMING__REPEAT", "60.05")
    monkeypatch.setenv("QUNFA_METRICS__WORKER", "")
    settings = load_settings()
    account = settings.accounts["demo"]
    assert account.secret is not None
    assert account.secret.get_secret_value() == "00012345"
    assert account.callback is not None
    assert account.callback.tokens == ("12345",)
    assert (settings.timing.repeat, settings.metrics.worker) == (timedelta(milliseconds=60_050), "")
    notice = account.notices["oncall"]
    assert (notice.secrets, notice.events) == ((SECRET,), ("needs_operator", "unknown"))
    assert notice.url.get_secret_value() == told["URL"]


def test_error_names_file_key_and_remedy(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems come at once, each with its key, where it stands, and what to do."""
    monkeypatch.setenv("QUNFA_MEDIA__HOSTS", "cdn.example.com")
    write_toml('[accounts.demo]\nappid = "wx1"\nsecret_fil = "x"\n[timing]\nrepeat = "soon"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert "accounts.demo.kind, not set: in qunfa.toml, or as QUNFA_ACCOUNTS__DEMO__KIND" in message
    assert "accounts.demo.secret_fil, in qunfa.toml" in message
    assert "did you mean secret_file?" in message
    assert "timing.repeat, in qunfa.toml\n    write a duration as ISO 8601" in message
    assert "media.hosts, from the environment\n    write a list" in message


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
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_task_queue_needs_no_usable_account(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's command may not read the worker's secrets. `QUNFA_TASK_QUEUE` wins over the file, for both."""
    write_toml('task_queue = "marketing"\n[accounts.demo]\nappid = "wx1"\nsecret_file = "/not/mine"\n')
    assert load_task_queue() == "marketing"
    write_toml('task_queue = "marketing"')
    monkeypatch.setenv("QUNFA_TASK_QUEUE", "night")
    assert load_task_queue() == load_settings().task_queue == "night"
    monkeypatch.setenv("QUNFA_TASK_QUEUE", "")
    with pytest.raises(SettingsError, match="QUNFA_TASK_QUEUE"):
        load_task_queue()


def test_no_process_needs_the_secrets_of_another(write_toml: WriteToml) -> None:
    """A worker starts where the files of the callback are not there, and a command where none is."""
    file = '[accounts.demo]\nappid = "wx1234"\nkind = "service"\n'
    callback = '[accounts.demo.callback]\ntoken_file = "/nowhere"\n'
    write_toml(f'{file}secret = "hunter2hunter2"\n{callback}')
    account = load_settings("worker").accounts["demo"]
    assert (account.callback, account.secret is not None) == (None, True)
    with pytest.raises(SettingsError, match="/nowhere"):
        load_settings("receiver")
    write_toml(f'{file}secret_file = "/nowhere"\n{callback}')
    assert load_settings("command").accounts["demo"].appid == "wx1234"


def test_a_receiver_reads_no_app_secret(write_toml: WriteToml, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works where the file of the AppSecret is not there, or a webhook's."""
    file = '[accounts.demo]\nappid = "wx1234"\nsecret_file = "/nowhere"\nkind = "service"\n'
    write_toml(f"{file}[accounts.demo.notices.oncall]\n{HOOK}")
    monkeypatch.setenv("QUNFA_ACCOUNTS__DEMO__SECRET", "not-to-be-held")
    account = load_settings("receiver").accounts["demo"]
    assert (account.appid, account.secret, account.secret_file) == ("wx1234", None, None)
    assert account.notices == {}
