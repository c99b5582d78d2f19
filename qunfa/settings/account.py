"""What is configured per Official Account."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, IPvAnyNetwork, SecretStr, ValidationInfo, model_validator

from qunfa.settings.notice import NoticeName, NoticeSettings
from qunfa.settings.secrets import with_secret_files
from qunfa.settings.section import Section
from qunfa.settings.values import Hours, Url, check_url

_NAMED_TOKEN_SOURCES = ("stable", "classic")
_APPID = re.compile(r"wx[A-Za-z0-9_-]{1,62}")
_TOKEN = re.compile(r"[!-~]{3,32}")
_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")
_ORIGINAL_ID = re.compile(r"gh_[A-Za-z0-9_-]{1,60}")
_EVENTS_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,512}=*")
_CALLBACK_SECRETS = ("token", "token_old", "aes_key", "aes_key_old", "events_token")
_WORKERS_ONLY = frozenset({"secret", "secret_file", "notices"})
WITHOUT_CREDENTIALS: Final = "without_credentials"
"""Key of the validation context under which AppSecrets and webhooks are passed over."""


def _check_appid(value: str) -> str:
    if not _APPID.fullmatch(value):
        raise ValueError("must be the account's AppID: wx, then letters, digits, _ or -, at most 64 in all")
    return value


def _without_credentials(info: ValidationInfo) -> bool:
    """Whether the process must not hold the accounts' AppSecrets."""
    return bool(info.context and info.context.get(WITHOUT_CREDENTIALS))


def _check_secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be ASCII characters without blanks or line ends, at least one")
    return value


def _check_token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be 3 to 32 characters without blanks, as entered in WeChat's server configuration")
    return value


def _check_aes_key(value: SecretStr) -> SecretStr:
    if not _AES_KEY.fullmatch(value.get_secret_value()):
        raise ValueError("must be the 43 letters and digits of WeChat's EncodingAESKey")
    return value


def _check_original_id(value: str) -> str:
    if not _ORIGINAL_ID.fullmatch(value):
        raise ValueError("must be the account's original id (原始ID): gh_, then letters and digits")
    return value


def _check_events_token(value: SecretStr) -> SecretStr:
    if not _EVENTS_TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be at least 16 letters, digits or any of ._~+/- (a bearer token), best a random one")
    return value


def _check_token_source(value: str) -> str:
    if value in _NAMED_TOKEN_SOURCES:
        return value
    if "://" not in value:
        raise ValueError('must be "stable", "classic" or the https:// URL of a token service')
    return check_url(value)


CallbackToken = Annotated[SecretStr, AfterValidator(_check_token)]
AesKey = Annotated[SecretStr, AfterValidator(_check_aes_key)]


class CallbackSettings(Section):
    """How WeChat's pushes for the account are verified, and where those go that are not a mass send's.

    `mode` is safe where there is an `aes_key`, else plain. `original_id` is whom pushes must be addressed to.
    `token_old` and `aes_key_old` are taken as well as the new ones, until WeChat uses those only. `forward_to` gets
    what is not a mass send's result, with `forward_results` those too. `events_token` opens
    `POST /wechat/<account>/events` for a system that owns the callback URL itself; then `token` may be missing.
    `sources` are the addresses that pushes may come from, in addition to those in `sources_file` (one a line, or
    the answer of WeChat's `getcallbackip`), which is read again when it changes; with neither, any address may push.
    """

    token: CallbackToken | None = None
    token_file: Path | None = None
    token_old: CallbackToken | None = None
    token_old_file: Path | None = None
    aes_key: AesKey | None = None
    aes_key_file: Path | None = None
    aes_key_old: AesKey | None = None
    aes_key_old_file: Path | None = None
    mode: Literal["plain", "compat", "safe"] = "plain"
    original_id: Annotated[str, AfterValidator(_check_original_id)] | None = None
    forward_to: Url | None = None
    forward_results: bool = False
    events_token: Annotated[SecretStr, AfterValidator(_check_events_token)] | None = None
    events_token_file: Path | None = None
    sources: tuple[IPvAnyNetwork, ...] = ()
    sources_file: Path | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """WeChat's Token, and the old one during a rotation; empty where WeChat does not push to us."""
        return _values(self.token, self.token_old)

    @property
    def aes_keys(self) -> tuple[str, ...]:
        """WeChat's EncodingAESKey, and the old one during a rotation."""
        return _values(self.aes_key, self.aes_key_old)

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: object) -> object:
        return _with_mode(with_secret_files(values, _CALLBACK_SECRETS))

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.token is None and self.events_token is None:
            raise ValueError(
                "token is missing: set token or token_file (WeChat's Token), or events_token where another system "
                "gets WeChat's pushes and hands the events over"
            )
        if self.token is None and (self.token_old or self.forward_to or self.mode != "plain"):
            raise ValueError(
                "token is missing: token_old, forward_to and mode concern pushes that WeChat signs with it"
            )
        if self.mode != "plain" and self.aes_key is None:
            raise ValueError(f'mode "{self.mode}" needs aes_key or aes_key_file (WeChat\'s EncodingAESKey)')
        if self.aes_key_old is not None and self.aes_key is None:
            raise ValueError("aes_key_old is set without aes_key: the key that WeChat uses now is aes_key")
        if self.forward_results and self.forward_to is None:
            raise ValueError("forward_results is set without forward_to: say where the results go")
        return self


def _with_mode(values: object) -> object:
    """Whoever has entered a key wants it used."""
    if isinstance(values, dict) and values.get("token") and values.get("aes_key"):
        return {"mode": "safe", **values}
    return values


def _values(*secrets: SecretStr | None) -> tuple[str, ...]:
    return tuple(secret.get_secret_value() for secret in secrets if secret is not None)


class AccountSettings(Section):
    """One Official Account.

    `secret` is None only where `token_source` is a URL, so that the worker never needs it, and where the process was
    configured without credentials. `send_hours` are two
    "HH:MM" of Asia/Shanghai within one day. `notices` are the account's webhooks by name; a process without credentials
    has none.
    """

    appid: Annotated[str, AfterValidator(_check_appid)]
    secret: Annotated[SecretStr, AfterValidator(_check_secret)] | None = None
    secret_file: Path | None = None
    kind: Literal["service", "subscription"]
    token_source: Annotated[str, AfterValidator(_check_token_source)] = "stable"  # noqa: S105 - not a password
    news_via: Literal["draft", "uploadnews"] = "draft"
    image_via: Literal["images", "image"] = "images"
    approval: Literal["never", "all", "always"] = "never"
    quota: Literal["wait", "ask"] = "wait"
    send_hours: Hours = ("00:00", "24:00")
    callback: CallbackSettings | None = None
    notices: dict[NoticeName, NoticeSettings] = Field(default_factory=dict)

    @property
    def token_url(self) -> str | None:
        """The URL of the token service, or None where the tokens come from WeChat."""
        return None if self.token_source in _NAMED_TOKEN_SOURCES else self.token_source

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: object, info: ValidationInfo) -> object:
        if _without_credentials(info) and isinstance(values, dict):
            return {name: value for name, value in values.items() if name not in _WORKERS_ONLY}
        return with_secret_files(values, ("secret",))

    @model_validator(mode="after")
    def _check_secret_for_source(self, info: ValidationInfo) -> Self:
        if self.secret is None and self.token_url is None and not _without_credentials(info):
            raise ValueError("the account has no secret: set secret_file or secret, or a token_source that is a URL")
        return self
