"""What an account proves itself with."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from qunfa.wechat.transport import http_url

STABLE: Final = "stable"
CLASSIC: Final = "classic"


class Token(SecretStr):
    """An access token; its text is hidden everywhere but in `get_secret_value()`."""


def _source(source: str) -> str:
    if source in {STABLE, CLASSIC} or http_url(source):
        return source
    raise ValueError(f"a token source is '{STABLE}', '{CLASSIC}', or an http(s) URL")


class Credentials(BaseModel):
    """How the access tokens of one account are had.

    `source` is `stable` (`cgi-bin/stable_token`: every process gets the same token), `classic` (`cgi-bin/token`:
    every fetch makes the tokens of all other processes invalid), or the URL of a token server that answers GET with
    `{"access_token": "…", "expires_in": seconds}`. The first two need the app secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account: Annotated[str, Field(min_length=1)]
    appid: Annotated[str, Field(min_length=1)]
    secret: SecretStr | None = None
    source: Annotated[str, AfterValidator(_source), Field(repr=False)] = STABLE

    @model_validator(mode="after")
    def _has_secret(self) -> "Credentials":
        if self.source in {STABLE, CLASSIC} and not (self.secret and self.secret.get_secret_value()):
            raise ValueError(f"account {self.account}: the token source '{self.source}' needs the app secret")
        return self
