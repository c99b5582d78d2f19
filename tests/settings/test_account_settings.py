from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from qunfa.settings import AccountSettings, CallbackSettings, Settings

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


def _account(**values: Any) -> dict[str, Any]:
    return {"appid": "wx1", "secret": "s3cret", "kind": "service"} | values


def _settings(**accounts: Any) -> Settings:
    return Settings.model_validate({"accounts": accounts})


def _refusal(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        _settings(demo=_account(**values))
    return str(caught.value)


def test_secret_from_a_file(tmp_path: Path) -> None:
    """A secret file is read when the settings are, without its line end."""
    (tmp_path / "demo").write_text("s3cret\n")

    loaded = AccountSettings.model_validate(_account(secret=None, secret_file=str(tmp_path / "demo")))

    assert loaded.secret is not None
    assert loaded.secret.get_secret_value() == "s3cret"
    assert loaded.secret_file == tmp_path / "demo"


def test_secret_and_file_together() -> None:
    """Two sources for one secret are refused: nobody could tell which one is in use."""
    assert "secret and secret_file are both set: keep one of them" in _refusal(secret_file="/run/secrets/demo")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b" \n", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (b"x" * 5000, "longer than 4096 bytes")],
)
def test_secret_file_that_cannot_hold_one(tmp_path: Path, content: bytes, sentence: str) -> None:
    """An empty, binary or huge secret file is refused by its path."""
    path = tmp_path / "demo"
    path.write_bytes(content)

    message = _refusal(secret=None, secret_file=str(path))

    assert f"the secret file {path} {sentence}" in message or f"the secret file {path} is {sentence}" in message


def test_missing_secret_file() -> None:
    """A secret file that is not there is named with the system's reason."""
    assert "/run/nope: No such file" in _refusal(secret=None, secret_file="/run/nope")


def test_account_without_secret() -> None:
    """Without a secret no token can be had from WeChat."""
    assert "the account has no secret: set secret_file or secret" in _refusal(secret=None)


def test_token_service_needs_no_secret() -> None:
    """Where a token service answers, the worker needs no secret."""
    loaded = _settings(demo=_account(secret=None, token_source="https://token.internal/demo")).accounts["demo"]

    assert loaded.secret is None
    assert loaded.token_url == "https://token.internal/demo"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "shop"),
        ("news_via", "post"),
        ("approval", "sometimes"),
        ("quota", "ignore"),
        ("token_source", "unstable"),
        ("token_source", "http://token.example.com/demo"),
        ("token_source", "https://me:pw@token.internal/demo"),
        ("appid", ""),
        ("appid", "gh_0123"),
        ("appid", "wx1:2"),
        ("send_hours", ["8:00", "22:00"]),
        ("send_hours", ["08:00", "25:00"]),
        ("send_hours", ["08:00"]),
        ("send_hours", ["22:00", "02:00"]),
        ("send_hours", ["08:00", "08:00"]),
    ],
)
def test_unknown_values_are_refused(field: str, value: object) -> None:
    """Each choice is closed, and the error names the field."""
    assert f"accounts.demo.{field}" in _refusal(**{field: value})


def test_sending_hours_may_end_at_midnight() -> None:
    """24:00 is the end of the day."""
    assert _settings(demo=_account(send_hours=["20:00", "24:00"])).accounts["demo"].send_hours == ("20:00", "24:00")


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

    for text in (repr(loaded), str(loaded), loaded.model_dump_json()):
        assert "s3cret" not in text
        assert "t0ken" not in text
        assert AES_KEY not in text
        assert AES_KEY[::-1] not in text
        assert events not in text


def test_callback_files(tmp_path: Path) -> None:
    """Token and AES key may stand in files as well."""
    (tmp_path / "token").write_text("t0ken")
    (tmp_path / "aes").write_text(AES_KEY + "\n")

    loaded = CallbackSettings.model_validate(
        {"token_file": str(tmp_path / "token"), "aes_key_file": str(tmp_path / "aes"), "mode": "safe"}
    )

    assert (loaded.tokens, loaded.aes_keys) == (("t0ken",), (AES_KEY,))


def test_an_account_may_have_two_keys_for_a_rotation(tmp_path: Path) -> None:
    """While token and key are changed, the old ones stand beside the new, in files as well."""
    (tmp_path / "old").write_text(AES_KEY[::-1])

    loaded = CallbackSettings.model_validate(
        {"token": "t0ken", "token_old": "0ld", "aes_key": AES_KEY, "aes_key_old_file": str(tmp_path / "old")}
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
    (tmp_path / "aes").write_text(AES_KEY)
    in_file = {"aes_key_file": str(tmp_path / "aes")} if "aes_key" in values else {}
    others = {name: value for name, value in values.items() if name != "aes_key"}
    assert CallbackSettings.model_validate({"token": "t0ken", **others, **in_file}).mode == mode


def test_key_that_nothing_is_encrypted_with() -> None:
    """Where another system gets the pushes, there is no mode."""
    assert CallbackSettings.model_validate({"events_token": "x" * 16, "aes_key": AES_KEY}).mode == "plain"


def test_callback_of_another_system(tmp_path: Path) -> None:
    """Where another system gets WeChat's pushes, its bearer token is enough."""
    (tmp_path / "events").write_text("a-random-token-of-32-characters\n")

    loaded = CallbackSettings.model_validate({"events_token_file": str(tmp_path / "events")})

    assert loaded.events_token is not None
    assert loaded.events_token.get_secret_value() == "a-random-token-of-32-characters"
    assert loaded.tokens == ()


def test_sources() -> None:
    """Addresses and networks, of both kinds."""
    loaded = CallbackSettings.model_validate({"token": "t0ken", "sources": ["203.0.113.0/24", "2001:db8::1"]})

    assert [str(network) for network in loaded.sources] == ["203.0.113.0/24", "2001:db8::1/128"]


@pytest.mark.parametrize(
    "callback",
    [
        {},
        {"token": "ab"},
        {"token": "a b c"},
        {"token": "t0ken", "mode": "safe"},
        {"token": "t0ken", "aes_key": "short"},
        {"token": "t0ken", "mode": "raw"},
        {"token": "t0ken", "token_file": "/x"},
        {"token": "t0ken", "forward_to": "http://existing.example.com"},
        {"token": "t0ken", "forward_results": True},
        {"token": "t0ken", "aes_key_old": AES_KEY},
        {"token": "t0ken", "token_old": "a b"},
        {"token": "t0ken", "original_id": "brand"},
        {"token": "t0ken", "original_id": "gh_"},
        {"token": "t0ken", "events_token": "short"},
        {"token": "t0ken", "events_token": "a long one with blanks in it"},
        {"token": "t0ken", "sources": ["203.0.113.1/24"]},
        {"token": "t0ken", "sources": ["wechat"]},
        {"events_token": "x" * 16, "forward_to": "https://existing.example.com"},
        {"events_token": "x" * 16, "token_old": "t0ken"},
        {"events_token": "x" * 16, "mode": "safe", "aes_key": AES_KEY},
    ],
)
def test_callbacks_that_cannot_work(callback: dict[str, Any]) -> None:
    """A callback needs a token, an encrypted mode its key, a forward https; an old secret and a way need a new one."""
    assert "accounts.demo.callback" in _refusal(callback=callback)
