"""What has gone out that nobody asked for, or to somebody who was not meant."""

from collections.abc import Iterable, Iterator

from qunfa.simulator.accounts import openid
from qunfa.simulator.jobs import Job
from tests.chaos import words
from tests.chaos.judge import Violation
from tests.chaos.plan import SendPlan


def judge_strays(account: str, appid: str, jobs: Iterable[Job], sends: Iterable[SendPlan]) -> Iterator[Violation]:
    """The jobs of an account that none of its sends stands for, and those that went to others."""
    wanted = {send.text: send for send in sends if send.account == account}
    for job in jobs:
        send = wanted.get(words.of_content(job.content))
        if send is None:
            yield Violation("wrong", None, f"msg_id {job.msg_id} of account {account} is what nobody has asked to send")
        elif not (_listed(send, job) if send.members else _meant(send.audience, appid, job)):
            yield Violation("wrong", send.key, f"msg_id {job.msg_id} went to {job.audience.label}, which was not asked")


def _listed(send: SendPlan, job: Job) -> bool:
    """Whether a job goes to nobody but who is on the list."""
    return job.audience.label == "openids" and all(number in send.members for number in job.audience.members)


def _meant(asked: dict[str, object], appid: str, job: Job) -> bool:
    """Whether a job goes to whom it was asked for."""
    match asked:
        case {"kind": "tag", "tag_id": tag_id}:
            return job.audience.label == f"tag:{tag_id}"
        case {"kind": "openids", "openids": list(openids)}:
            chosen = {openid(appid, number) for number in job.audience.members}
            return job.audience.label == "openids" and chosen <= {*openids}
        case _:
            return job.audience.to_all
