"""What is configured per webhook of an account."""

import binascii
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Final, Self, get_args

from pydantic import AfterValidator, SecretStr, StringConstraints, model_validator

from qunfa.contract.ids import ACCOUNT_NAME_PATTERN
from qunfa.contract.notice import NoticeType
from qunfa.settings.secrets import with_secret_files
from qunfa.settings.section import Section
from qunfa.settings.values import check_url

PREFIX: Final = "whsec_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64
_ALL: Final[tuple[NoticeType, ...]] = get_args(NoticeType)
_SECRETS: Final = ("url", "secret", "secret_old")

NoticeName = Annotated[str, StringConstraints(pattern=ACCOUNT_NAME_PATTERN)]


def _check_url(value: SecretStr) -> SecretStr:
    return SecretStr(check_url(value.get_secret_value()))


def _check_secret(value: SecretStr) -> SecretStr:
    prefix, text = value.get_secret_value()[: len(PREFIX)], value.get_secret_value()[len(PREFIX) :]
    try:
        key = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if prefix != PREFIX or not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise ValueError(
            f"must be {PREFIX} and the base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} random bytes; make one with: "
            f'echo "{PREFIX}$(openssl rand -base64 32)"'
        )
    return value


def _check_events(value: tuple[NoticeType, ...]) -> tuple[NoticeType, ...]:
    if not value:
        raise ValueError(f"must name one of these at least: {', '.join(_ALL)}")
    return tuple(dict.fromkeys(value))


WebhookSecret = Annotated[SecretStr, AfterValidator(_check_secret)]


class NoticeSettings(Section):
    """One webhook: where it is, how it is signed, and of which events it is told (of all, unless they are named).

    The URL is kept like a secret, since with many services whoever knows it may post there. `secret_old` signs as well,
    until the receiver knows the new one.
    """

    url: Annotated[SecretStr, AfterValidator(_check_url)]
    url_file: Path | None = None
    secret: WebhookSecret
    secret_file: Path | None = None
    secret_old: WebhookSecret | None = None
    secret_old_file: Path | None = None
    events: Annotated[tuple[NoticeType, ...], AfterValidator(_check_events)] = _ALL

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a notice is signed with: the secret, and the old one during a rotation."""
        both = (self.secret, self.secret_old)
        return tuple(one.get_secret_value() for one in both if one is not None)

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: object) -> object:
        return with_secret_files(values, _SECRETS)

    @model_validator(mode="after")
    def _check_rotation(self) -> Self:
        if self.secret_old is not None and self.secret_old.get_secret_value() == self.secret.get_secret_value():
            raise ValueError("secret_old is the same as secret: remove it when the rotation is over")
        return self
