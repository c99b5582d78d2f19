"""What stands against a second submission of a job that was said to have failed: ``mass/get`` has to agree.

| ``mass/get`` says | a second submission |
|---|---|
| ``SEND_FAIL`` | may be made |
| 40059, two minutes (twice ``repeat``) after the job was accepted or later: WeChat has no such job | may be made |
| 40059 before that: it may be too new to be known | not yet |
| ``SENDING``; 89504, 89505: the administrator is being asked | would double it |
| ``SEND_SUCCESS``, ``DELETE`` | would double it |
| another refusal, another word | not yet: WeChat has not said |
"""

from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.result import Job
from qunfa.contract.steps import JobStatus
from qunfa.rules.verdict import judge, verdict_of_poll

_NOT_KNOWN: Final = 40059
_ADMINISTRATOR: Final = frozenset({89504, 89505})
_SENDING: Final = "SENDING"
_DOUBLED: Final = "a second submission would double it"


def is_under_way(said: JobStatus) -> bool:
    """Whether WeChat says that the job may still be delivered."""
    return said.status == _SENDING or said.errcode in _ADMINISTRATOR


def objection(said: JobStatus, job: Job, now: datetime, repeat: timedelta) -> str | None:
    """Why a second submission must not be made, as a sentence; ``None`` where nothing stands against it.

    Twice ``repeat`` after a job was accepted WeChat would know it.
    """
    about = f"msg_id {job.msg_id}"
    if is_under_way(said):
        if said.status is None:
            return f"WeChat still asks the administrator about {about} ({said.errcode}); {_DOUBLED}"
        return f"WeChat now says {said.status} of {about}; {_DOUBLED}"
    verdict = verdict_of_poll(said.status) if said.status else None
    judgement = judge(verdict) if verdict else None
    if judgement:
        delivered = f"WeChat now says {said.status} of {about}; {_DOUBLED}"
        return delivered if judgement.delivered else None
    if said.status is None and said.errcode == _NOT_KNOWN:
        if job.accepted_at is None or now - job.accepted_at >= 2 * repeat:
            return None
        return f"WeChat does not know {about} yet ({_NOT_KNOWN}), so nothing was changed; retry in a moment"
    word = said.status or f"{said.errcode} {said.errmsg or ''}".strip()
    return f"WeChat has not said what became of {about} (it answered {word}), so nothing was changed; retry later"
