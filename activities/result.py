"""The verdict on an accepted job, as `mass/get` tells it: asked once, or until there is one."""

from datetime import timedelta
from typing import Final

from temporalio import activity

from activities.accounts import Accounts
from activities.clock import Clock, SystemClock
from activities.configuration import change_of, pinned
from activities.failures import not_decided, wechat_unavailable
from activities.heartbeat import heartbeats
from qunfa.contract.steps import AWAIT_VERDICT, JOB_STATUS, JobStatus, JobStatusStep
from qunfa.rules.codes import CodeClass
from qunfa.settings import Settings
from qunfa.wechat import MaybeWritten, MsgStatus, NotWritten, Refused

GROWTH: Final = 1.5
_GROWTHS_MAX: Final = 100

_FINAL: Final = frozenset({MsgStatus.SEND_SUCCESS.value, MsgStatus.SEND_FAIL.value, MsgStatus.DELETE.value})
_PASSING: Final = frozenset({CodeClass.UNKNOWN, CodeClass.TOKEN, CodeClass.PACE, CodeClass.LATER})
_NOT_KNOWN_TO_WECHAT: Final = 40059


class Results:
    """What `mass/get` says. It tells no counts and no reasons: those come with the push only."""

    def __init__(self, settings: Settings, accounts: Accounts, clock: Clock | None = None) -> None:
        self._settings = settings
        self._accounts = accounts
        self._clock = clock or SystemClock()

    @activity.defn(name=JOB_STATUS)
    @heartbeats()
    async def job_status(self, step: JobStatusStep) -> JobStatus:
        """What WeChat says of the job now; a lasting refusal, 40059 among them, is an answer too.

        Raises:
            ApplicationError: `AccountChanged`, not retried; `WechatUnavailable`, retried.
        """
        pinned(self._settings, step.account)
        try:
            return await self._ask(step)
        except Refused as refused:
            if refused.code.code_class in _PASSING and refused.errcode != _NOT_KNOWN_TO_WECHAT:
                raise wechat_unavailable(str(refused)) from None
            return _refusal(refused)
        except (NotWritten, MaybeWritten) as error:
            raise wechat_unavailable(str(error)) from None

    @activity.defn(name=AWAIT_VERDICT)
    @heartbeats()
    async def await_verdict(self, step: JobStatusStep) -> JobStatus:
        """The verdict, or a status of None once `until` has come without one.

        Each attempt asks once; Temporal repeats the activity.

        Raises:
            ApplicationError: `NotDecidedYet`, retried after its own delay; its text is the last thing heard.
        """
        heard, sentence = await self._heard(step)
        if heard.status in _FINAL:
            return heard
        attempt, now = activity.info().attempt, self._clock.now()
        if step.until is not None and now >= step.until:
            return heard.model_copy(update={"status": None})
        delay = next_delay(attempt, step.interval, step.interval_max, None if step.until is None else step.until - now)
        about = f"account {step.account.name}: no verdict on msg_id {step.msg_id} yet"
        raise not_decided(f"{about}: {sentence}. WeChat is asked again in {delay}.", delay)

    async def _heard(self, step: JobStatusStep) -> tuple[JobStatus, str]:
        """What `mass/get` said, and the same in words; no status where it could not be asked."""
        if change := change_of(self._settings, step.account):
            return JobStatus(), change
        try:
            status = await self._ask(step)
        except Refused as refused:
            return _refusal(refused), f"WeChat answered {refused.errcode}, {refused.code.meaning}"
        except (NotWritten, MaybeWritten) as error:
            return JobStatus(), f"WeChat could not be asked ({error.reason})"
        return status, f"WeChat says {status.status}"

    async def _ask(self, step: JobStatusStep) -> JobStatus:
        said = await self._accounts.ask(step.account.name, lambda api, token: api.get(token, step.msg_id))
        return JobStatus(status=said.msg_status.value if said.msg_status else said.text)


def next_delay(attempt: int, interval: timedelta, interval_max: timedelta, left: timedelta | None) -> timedelta:
    """How long to wait after the `attempt`-th question (from 1): `interval`, half as much again each time.

    It is never longer than `interval_max` (nor shorter than `interval` because of it), and never longer than what is
    `left`.
    """
    growths = min(max(attempt, 1) - 1, _GROWTHS_MAX)
    longest = max(interval, interval_max)
    delay = min(interval.total_seconds() * GROWTH**growths, longest.total_seconds())
    wanted = timedelta(seconds=delay)
    return wanted if left is None else min(wanted, left)


def _refusal(refused: Refused) -> JobStatus:
    return JobStatus(errcode=refused.errcode, errmsg=refused.errmsg, rid=refused.rid)
