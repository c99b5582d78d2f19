"""The look at a tag right before it is sent to."""

from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.configuration import pinned
from activities.failures import wechat_unavailable
from activities.heartbeat import heartbeats
from qunfa.contract.steps import AUDIENCE_REFUSED, CHECK_AUDIENCE, AudienceFinding, AudienceStep
from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.wechat import MaybeWritten, NoToken, NotWritten, Refused

_FOR_A_PERSON: Final = frozenset({CodeClass.REFUSED, CodeClass.MEDIA, CodeClass.QUOTA})


class AudienceCheck:
    """What `tags/get` says of a tag."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    @activity.defn(name=CHECK_AUDIENCE)
    @heartbeats()
    async def check_audience(self, step: AudienceStep) -> AudienceFinding:
        """The tag's name and how many followers have it; `count` is as of some time ago.

        Raises:
            ApplicationError: `AccountChanged` and `AudienceRefused`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        try:
            tags = await self._accounts.ask(step.account.name, lambda api, token: api.tags(token))
        except NoToken as no_token:
            raise _failure(no_token, no_token.refused, token_endpoint=True) from None
        except Refused as refused:
            raise _failure(refused, refused) from None
        except (NotWritten, MaybeWritten) as error:
            raise wechat_unavailable(str(error)) from None
        tag = next((tag for tag in tags if tag.id == step.tag_id), None)
        return (
            AudienceFinding(found=False) if tag is None else AudienceFinding(found=True, name=tag.name, count=tag.count)
        )


def _failure(error: Exception, refused: Refused | None, *, token_endpoint: bool = False) -> ApplicationError:
    """Not to be retried where a person has to change something first."""
    if refused is None or refused.code.code_class not in _FOR_A_PERSON:
        return wechat_unavailable(str(error))
    evidence = {
        "errcode": refused.errcode,
        "errmsg": refused.errmsg,
        "rid": refused.rid,
        "token_endpoint": token_endpoint,
    }
    return ApplicationError(str(error), evidence, type=AUDIENCE_REFUSED, non_retryable=True)
