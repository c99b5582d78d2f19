"""What comes of WeChat's jobs in a world: its pushes, those of others, and what people do in its console."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from random import Random
from typing import Final

from qunfa.contract.result import JobFinished
from tests.simulation.accounts import Account
from tests.simulation.judge import Judge
from tests.simulation.sends import Send
from tests.simulation.wechat import NEGATIVE, Job, pushed

_STRANGER: Final = 9_000_000
OVERTAKES: Final = 0.8
"""How often a job that is decided at once is pushed before the answer to its call."""

Ways = list[Callable[[], object]]


class Pushes:
    """Of a world, whose ``story`` is told."""

    now: datetime
    story: list[str]
    random: Random
    judge: Judge
    accounts: list[Account]
    sends: list[Send]

    def tell(self, what: str) -> None:
        self.story.append(f"{self.now:%d %H:%M:%S} {what}")

    def _push(self) -> Ways:
        jobs = [(one, job) for one in self.accounts for job in one.wechat.jobs]
        return [partial(self._pushed, *one) for one in jobs if one[1].pushes and self.now >= one[1].decided_at]

    def _pushed_early(self, account: Account) -> None:
        """A push overtakes the answer to the call that has made its job."""
        for job in account.wechat.jobs[-1:]:
            if job.at == self.now >= job.decided_at and job.pushes and self.random.random() < OVERTAKES:
                self._pushed(account, job)

    def _pushed(self, account: Account, job: Job) -> None:
        job.pushes -= 1
        account.inbox.append(job.push())

    def _forge(self) -> Ways:
        """Somebody pushes a no about a job of ours that is delivered, while its send goes on."""
        knows = [one for one in self.accounts if not (one.wechat.mute and one.wechat.denies)]
        going = {send.key for send in self.sends if send.run}
        asked = [(one, job) for one in knows for job in one.wechat.jobs if job.key in going and job.delivered]
        return [partial(self._forged, *one) for one in asked]

    def _stranger(self) -> Ways:
        """A stranger pushes about a job of nobody's."""
        return [partial(self._strange, one) for one in self.accounts]

    def _strange(self, account: Account) -> None:
        msg_id = _STRANGER + self.random.randrange(5)
        account.inbox.append(pushed(msg_id, self.random.choice(["send success", "send fail", "nonsense"])))

    def _forged(self, account: Account, job: Job) -> None:
        self.judge.forges(job.key, job.msg_id, may_be_asked=not account.wechat.mute)
        self.tell(f"a forged no on {job.msg_id}")
        account.inbox.append(pushed(job.msg_id, self.random.choice(NEGATIVE)))

    def _delete(self) -> Ways:
        """Somebody deletes in WeChat's console what was sent."""
        jobs = [job for account in self.accounts for job in account.wechat.jobs]
        return [partial(self._deleted, one) for one in jobs if one.delivered and self.now >= one.decided_at]

    def _deleted(self, job: Job) -> None:
        self.tell(f"{job.msg_id} is deleted")
        job.is_deleted = True

    def hears(self, account: Account, push: JobFinished) -> None:
        """An account takes a push in: from here on its result must not be lost."""
        for job in account.wechat.jobs:
            if job.msg_id == push.msg_id and job.status == push.status:
                self.judge.hears(job.key, job.msg_id, push.status)
