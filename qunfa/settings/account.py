"""What is configured per Official Account, and per webhook of one."""

import binascii
import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, IPvAnyNetwork, SecretStr, StringConstraints, ValidationInfo, model_validator

from qunfa.contract.ids import ACCOUNT_NAME_PATTERN
from qunfa.contract.notice import NoticeType
from qunfa.settings.values import Hours, Section, Url, check_url, revealed, with_secret_files

WEBHOOK_PREFIX: Final = "whsec_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64
_ALL: Final[tuple[NoticeType, ...]] = get_args(NoticeType)
_WEBHOOK_SECRETS: Final = ("url", "secret", "secret_old")

NoticeName = Annotated[str, StringConstraints(pattern=ACCOUNT_NAME_PATTERN)]
_NAMED_TOKEN_SOURCES = ("stable", "classic")
_CALLBACK_SECRETS = ("token", "token_old", "aes_key", "aes_key_old", "events_token", "events_token_old")
_WORKERS_ONLY = frozenset({"secret", "secret_file", "notices"})
Process = Literal["worker", "receiver", "command"]
"""Who reads the configuration: none is to hold, or to need, the secrets of another."""
READ_BY: Final = "read_by"
"""Key of the validation context: who reads. Without it all is read."""
_NOT_READ: Final[dict[Process, frozenset[str]]] = {
    "worker": frozenset({"callback"}),
    "receiver": _WORKERS_ONLY,
    "command": _WORKERS_ONLY | {"callback"},
}
"""What of an account each of them leaves out."""


def _check_webhook_url(value: SecretStr) -> SecretStr:
    return SecretStr(check_url(value.get_secret_value()))


def _check_webhook_secret(value: SecretStr) -> SecretStr:
    prefix, text = value.get_secret_value()[: len(WEBHOOK_PREFIX)], value.get_secret_value()[len(WEBHOOK_PREFIX) :]
    try:
        key = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if prefix != WEBHOOK_PREFIX or not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise ValueError(
            f"must be {WEBHOOK_PREFIX} and the base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} random bytes; make one "
            f'with: echo "{WEBHOOK_PREFIX}$(openssl rand -base64 32)"'
        )
    return value


def _check_events(value: tuple[NoticeType, ...]) -> tuple[NoticeType, ...]:
    if not value:
        raise ValueError(f"must name one of these at least: {', '.join(_ALL)}")
    return tuple(dict.fromkeys(value))


WebhookSecret = Annotated[SecretStr, AfterValidator(_check_webhook_secret)]


class NoticeSettings(Section):
    """One webhook: where it is, how it is signed, and of which events it is told. It is told of all by default.

    The URL is kept like a secret: with many services, whoever knows it may post there. `secret_old` signs as well,
    until the receiver knows the new one.
    """

    url: Annotated[SecretStr, AfterValidator(_check_webhook_url)]
    url_file: Path | None = None
    secret: WebhookSecret
    secret_file: Path | None = None
    secret_old: WebhookSecret | None = None
    secret_old_file: Path | None = None
    events: Annotated[tuple[NoticeType, ...], AfterValidator(_check_events)] = _ALL

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a notice is signed with: the secret, and the old one during a rotation."""
        return revealed(self.secret, self.secret_old)

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: object) -> object:
        return with_secret_files(values, _WEBHOOK_SECRETS)

    @model_validator(mode="after")
    def _check_rotation(self) -> Self:
        if self.secret_old is not None and self.secret_old.get_secret_value() == self.secret.get_secret_value():
            raise ValueError("secret_old is the same as secret: remove it when the rotation is over")
        return self


def _matching(pattern: str, sentence: str) -> AfterValidator:
    """A check of a whole text, secret or not, whose error quotes nothing of it."""
    whole = re.compile(pattern)

    def check(value: str | SecretStr) -> str | SecretStr:
        if not whole.fullmatch(value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


def _not_read(info: ValidationInfo) -> frozenset[str]:
    """What of an account the process leaves out."""
    process: Process | None = info.context.get(READ_BY) if info.context else None
    return _NOT_READ[process] if process else frozenset()


def _check_token_source(value: str) -> str:
    if value in _NAMED_TOKEN_SOURCES:
        return value
    if "://" not in value:
        raise ValueError('must be "stable", "classic" or the https:// URL of a token service')
    return check_url(value)


APPID_PATTERN: Final = r"wx[A-Za-z0-9_-]{1,62}"
AppId = Annotated[
    str, _matching(APPID_PATTERN, "must be the account's AppID: wx, then letters, digits, _ or -, at most 64 in all")
]
AppSecret = Annotated[
    SecretStr, _matching(r"[!-~]+", "must be ASCII characters without blanks or line ends, at least one")
]
CallbackToken = Annotated[
    SecretStr,
    _matching(r"[!-~]{3,32}", "must be 3 to 32 characters without blanks, as entered in WeChat's server configuration"),
]
AesKey = Annotated[
    SecretStr, _matching(r"[A-Za-z0-9]{43}", "must be the 43 letters and digits of WeChat's EncodingAESKey")
]
OriginalId = Annotated[
    str,
    _matching(r"gh_[A-Za-z0-9_-]{1,60}", "must be the account's original id (原始ID): gh_, then letters and digits"),
]
EventsToken = Annotated[
    SecretStr,
    _matching(
        r"[A-Za-z0-9._~+/-]{16,512}=*",
        "must be at least 16 letters, digits or any of ._~+/- (a bearer token), best a random one",
    ),
]


class CallbackSettings(Section):
    """How WeChat's pushes for the account are verified, and where those go that are not a mass send's.

    `mode` is safe where there is an `aes_key`, else plain. Pushes must be addressed to `original_id`. `token_old` and
    `aes_key_old` are taken beside the new ones, until WeChat uses only those. `forward_to` gets what is not a mass
    send's result, and with `forward_results` the results too. `events_token` opens `POST /wechat/<account>/events` for
    a system that owns the callback URL itself. Then `token` may be missing. `events_token_old` opens it as well.
    Pushes may come from `sources` and from the addresses in `sources_file`: one a line, or the answer of WeChat's
    `getcallbackip`. The file is read again when it changes. With neither, any address may push.
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
    original_id: OriginalId | None = None
    forward_to: Url | None = None
    forward_results: bool = False
    events_token: EventsToken | None = None
    events_token_file: Path | None = None
    events_token_old: EventsToken | None = None
    events_token_old_file: Path | None = None
    sources: tuple[IPvAnyNetwork, ...] = ()
    sources_file: Path | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """WeChat's Token, and the old one during a rotation; empty where WeChat does not push to us."""
        return revealed(self.token, self.token_old)

    @property
    def aes_keys(self) -> tuple[str, ...]:
        """WeChat's EncodingAESKey, and the old one during a rotation."""
        return revealed(self.aes_key, self.aes_key_old)

    @property
    def events_tokens(self) -> tuple[str, ...]:
        """What a system that hands events over shows, and the old one during a rotation."""
        return revealed(self.events_token, self.events_token_old)

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
        if self.events_token_old is not None and self.events_token is None:
            raise ValueError("events_token_old is set without events_token: the new one is events_token")
        if self.forward_results and self.forward_to is None:
            raise ValueError("forward_results is set without forward_to: say where the results go")
        return self


def _with_mode(values: object) -> object:
    """Whoever has entered a key wants it used."""
    if isinstance(values, dict) and values.get("token") and values.get("aes_key"):
        return {"mode": "safe", **values}
    return values


class AccountSettings(Section):
    """One Official Account.

    `secret` may be None where `token_source` is a URL, and in a process that is no worker. `send_hours` are two "HH:MM"
    of Asia/Shanghai within one day. `notices` are the account's webhooks by name; workers alone have them. The receiver
    has `callback`.
    """

    appid: AppId
    secret: AppSecret | None = None
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
        left_out = _not_read(info)
        if isinstance(values, dict):
            values = {name: value for name, value in values.items() if name not in left_out}
        return with_secret_files(values, ("secret",))

    @model_validator(mode="after")
    def _check_secret_for_source(self, info: ValidationInfo) -> Self:
        if self.secret is None and self.token_url is None and "secret" not in _not_read(info):
            raise ValueError("the account has no secret: set secret_file or secret, or a token_source that is a URL")
        return self
