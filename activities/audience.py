"""The look at a tag right before it is sent to."""

from temporalio import activity

from activities.accounts import Accounts
from activities.asking import Question, ask
from activities.configuration import pinned
from activities.heartbeat import heartbeats
from qunfa.contract.steps import AUDIENCE_REFUSED, CHECK_AUDIENCE, AudienceFinding, AudienceStep
from qunfa.settings import Settings


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
        question = Question(step.account.name, "Asking for the tag", AUDIENCE_REFUSED)
        tags = await ask(self._accounts, question, lambda api, token: api.tags(token))
        tag = next((tag for tag in tags if tag.id == step.tag_id), None)
        return (
            AudienceFinding(found=False) if tag is None else AudienceFinding(found=True, name=tag.name, count=tag.count)
        )
