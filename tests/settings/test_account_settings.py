from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from qunfa.settings import AccountSettings, CallbackSettings, Settings

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
NO_SOURCES = ("unstable", "http://token.example.com/demo", "https://me:pw@token.internal/demo")
NO_HOURS = (["8:00", "22:00"], ["08:00", "25:00"], ["08:00"], ["22:00", "02:00"], ["08:00", "08:00"])
NO_CALLBACKS: list[dict[str, Any]] = [
    {},
    *({"token": token} for token in ("ab", "a b c")),
    *({"token": "t0ken", "mode": mode} for mode in ("safe", "raw")),
    {"token": "t0ken", "aes_key": "short"},
    {"token": "t0ken", "token_file": "/x"},
    {"token": "t0ken", "forward_to": "http://existing.example.com"},
    {"token": "t0ken", "forward_results": True},
    {"token": "t0ken", "aes_key_old": AES_KEY},
    {"token": "t0ken", "token_old": "a b"},
    *({"token": "t0ken", "original_id": one} for one in ("brand", "gh_")),
    *({"token": "t0ken", "events_token": one} for one in ("short", "a long one with blanks in it")),
    *({"token": "t0ken", "sources": [one]} for one in ("203.0.113.1/24", "wechat")),
    {"events_token": "x" * 16, "forward_to": "https://existing.example.com"},
    {"events_token": "x" * 16, "token_old": "t0ken"},
    {"events_token": "x" * 16, "mode": "safe", "aes_key": AES_KEY},
]
"""A token is missing, an encrypted mode lacks its key, a forward is no https, an old secret stands alone."""


def _account(**values: Any) -> dict[str, Any]:
    return {"appid": "wx1", "secret": "s3cret", "kind": "service"} | values


def _settings(**accounts: Any) -> Settings:
    return Settings.model_validate({"accounts": accounts})


def _refusal(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        _settings(demo=_account(**values))
    return str(caught.value)


def _file(folder: Path, content: str | bytes) -> str:
    path = folder / f"secret-{len(list(folder.iterdir()))}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_secret_from_a_file(tmp_path: Path) -> None:
    """A secret file is read when the settings are, without its line end."""
    file = _file(tmp_path, "s3cret\n")
    loaded = AccountSettings.model_validate(_account(secret=None, secret_file=file))
    assert loaded.secret is not None
    assert loaded.secret.get_secret_value() == "s3cret"
    assert loaded.secret_file == Path(file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b" \n", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (b"x" * 5000, "is longer than 4096 bytes")],
    ids=["empty", "binary", "huge"],
)
def test_secret_file_that_cannot_hold_one(tmp_path: Path, content: bytes, sentence: str) -> None:
    """It is refused by its path."""
    file = _file(tmp_path, content)
    assert f"the secret file {file} {sentence}" in _refusal(secret=None, secret_file=file)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"secret_file": "/run/secrets/demo"}, "secret and secret_file are both set: keep one of them"),
        ({"secret": None, "secret_file": "/run/nope"}, "/run/nope: No such file"),
        ({"secret": None}, "the account has no secret: set secret_file or secret"),
        ({"kind": "shop"}, "accounts.demo.kind"),
        ({"news_via": "post"}, "accounts.demo.news_via"),
        ({"approval": "sometimes"}, "accounts.demo.approval"),
        ({"quota": "ignore"}, "accounts.demo.quota"),
        *(({"token_source": source}, "accounts.demo.token_source") for source in NO_SOURCES),
        *(({"appid": appid}, "accounts.demo.appid") for appid in ("", "gh_0123", "wx1:2")),
        *(({"send_hours": hours}, "accounts.demo.send_hours") for hours in NO_HOURS),
        *(({"callback": callback}, "accounts.demo.callback") for callback in NO_CALLBACKS),
    ],
)
def test_an_account_that_cannot_work_is_refused(values: dict[str, Any], sentence: str) -> None:
    """The error names the field. Without a secret no token can be had, and of two nobody could tell which is in use."""
    assert sentence in _refusal(**values)


def test_token_service_needs_no_secret() -> None:
    """Where a token service answers, the worker needs no secret. The end of the day is 24:00."""
    source = "https://token.internal/demo"
    given = _account(secret=None, token_source=source, send_hours=["20:00", "24:00"])
    loaded = _settings(demo=given).accounts["demo"]
    assert (loaded.secret, loaded.token_url, loaded.send_hours) == (None, source, ("20:00", "24:00"))


@pytest.mark.parametrize("name", ["Demo", "-demo", "", "a" * 65, "a b", "a:b", "品牌"])
def test_account_names(name: str) -> None:
    """An account's name is part of workflow ids and URLs, so its alphabet is small."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"accounts": {name: _account()}})


def test_one_appid_under_two_names() -> None:
    """Two names for one appid would be two ledgers for the same followers."""
    with pytest.raises(ValidationError, match="one and two have the same appid wx1"):
        _settings(one=_account(), two=_account())


def test_secrets_are_not_printed() -> None:
    """Neither `repr` nor a JSON dump of the settings holds a secret."""
    events = "a-random-token-of-32-characters"
    old = {"token_old": "0ld-t0ken", "aes_key_old": AES_KEY[::-1]}
    loaded = _settings(demo=_account(callback={"token": "t0ken", "aes_key": AES_KEY, "events_token": events, **old}))
    shown = repr(loaded) + str(loaded) + loaded.model_dump_json()
    assert [secret for secret in ("s3cret", "t0ken", AES_KEY, AES_KEY[::-1], events) if secret in shown] == []


def test_an_account_may_have_two_keys_for_a_rotation(tmp_path: Path) -> None:
    """While token and key are changed, the old ones stand beside the new. Each may stand in a file as well."""
    token, aes_key, old = (_file(tmp_path, one) for one in ("t0ken", AES_KEY + "\n", AES_KEY[::-1]))
    loaded = CallbackSettings.model_validate({"token_file": token, "aes_key_file": aes_key, "mode": "safe"})
    assert (loaded.tokens, loaded.aes_keys) == (("t0ken",), (AES_KEY,))
    loaded = CallbackSettings.model_validate(
        {"token": "t0ken", "token_old": "0ld", "aes_key": AES_KEY, "aes_key_old_file": old}
    )
    assert (loaded.tokens, loaded.aes_keys) == (("t0ken", "0ld"), (AES_KEY, AES_KEY[::-1]))


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ({}, "plain"),
        ({"aes_key": AES_KEY}, "safe"),
        ({"aes_key": AES_KEY, "mode": "plain"}, "plain"),
        ({"aes_key": AES_KEY, "mode": "compat"}, "compat"),
    ],
)
def test_mode(values: dict[str, Any], mode: str, tmp_path: Path) -> None:
    """Whoever has entered a key wants it used, unless he says otherwise."""
    assert CallbackSettings.model_validate({"token": "t0ken", **values}).mode == mode
    in_file = {"aes_key_file": _file(tmp_path, AES_KEY)} if "aes_key" in values else {}
    others = {name: value for name, value in values.items() if name != "aes_key"}
    assert CallbackSettings.model_validate({"token": "t0ken", **others, **in_file}).mode == mode


def test_callback_of_another_system(tmp_path: Path) -> None:
    """Where another system gets WeChat's pushes, its bearer token is enough, and there is no mode."""
    file = _file(tmp_path, "a-random-token-of-32-characters\n")
    loaded = CallbackSettings.model_validate({"events_token_file": file, "aes_key": AES_KEY})
    assert loaded.events_token is not None
    assert loaded.events_token.get_secret_value() == "a-random-token-of-32-characters"
    assert (loaded.tokens, loaded.mode) == ((), "plain")


def test_sources() -> None:
    """Addresses and networks, of both kinds."""
    loaded = CallbackSettings.model_validate({"token": "t0ken", "sources": ["203.0.113.0/24", "2001:db8::1"]})
    assert [str(network) for network in loaded.sources] == ["203.0.113.0/24", "2001:db8::1/128"]
