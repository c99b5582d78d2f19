"""One preview to one person."""

from temporalio import activity

from activities.accounts import Accounts
from activities.configuration import pinned
from activities.heartbeat import heartbeats
from activities.once import refuse_a_second_time
from activities.writing import preview_of
from qunfa.contract.preview import Previewed
from qunfa.contract.steps import PREVIEW, PreviewStep
from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.wechat import MaybeWritten, NotWritten, PreviewBody, Refused
from qunfa.wechat import Previewed as Shown


class Previews:
    """Previews. They cannot reach anybody but the one who is named."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts

    @activity.defn(name=PREVIEW)
    @heartbeats()
    async def preview(self, step: PreviewStep) -> Previewed:
        """What came of it; WeChat's refusal is an answer too, as is that nothing was heard.

        Raises:
            ApplicationError: `AccountChanged` and `TriedBefore`, not retried.
        """
        refuse_a_second_time(f"account {step.account.name}: the preview to {step.to.name}")
        pinned(self._settings, step.account)
        to = step.to.name
        try:
            shown = await self._shown(step.account.name, preview_of(step))
        except ValueError as error:
            return Previewed(to=to, sent=False, errmsg=str(error))
        except Refused as refused:
            return Previewed(to=to, sent=False, errcode=refused.errcode, errmsg=refused.errmsg, rid=refused.rid)
        except NotWritten as error:
            return Previewed(to=to, sent=False, errmsg=str(error))
        except MaybeWritten as error:
            return Previewed(to=to, sent=False, errmsg=f"it may have been shown, but no answer came ({error.reason})")
        return Previewed(to=to, sent=True, msg_id=shown.msg_id)

    async def _shown(self, account: str, body: PreviewBody) -> Shown:
        """One call, or a second one with a fresh token where WeChat has refused the first one's: that was not shown."""
        try:
            return await self._accounts.ask(account, lambda api, token: api.preview(token, body))
        except Refused as refused:
            if refused.code.code_class is not CodeClass.TOKEN:
                raise
        return await self._accounts.ask(account, lambda api, token: api.preview(token, body))
