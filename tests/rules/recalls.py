"""Recalls on their way: what is known of a job, and what WeChat says and answers."""

from datetime import datetime, timedelta
from typing import Any

from qunfa.contract.recall import Heard, KnownJob, RecallCall, RecallRequest
from qunfa.contract.result import Verdict
from qunfa.contract.steps import Timing
from qunfa.rules.recall import End, Recall, begin, looked
from tests.rules.arbitrary import NOON
from tests.rules.sentences import is_well_written

MINUTE = timedelta(minutes=1)
TIMING = Timing()
OURS = KnownJob(
    msg_id=7,
    key="k",
    digest="d",
    workflow_id="w",
    msgtype="mpnews",
    articles=2,
    verdict=Verdict(status="send success", observed_by="push"),
)
FAILED = OURS.model_copy(update={"verdict": Verdict(status="err(20001)", observed_by="push")})


def request(**aim: Any) -> RecallRequest:
    """A recall of job 7, unless `aim` says otherwise."""
    return RecallRequest.model_validate({"account": "demo", "by": "li", "reason": "r", **(aim or {"msg_id": 7})})


def recall(known: KnownJob = OURS, **aim: Any) -> Recall:
    """One that has asked nothing."""
    return begin(request(**aim), known, TIMING, NOON)


def says(status: str | None = None, errcode: int | None = None, at: datetime = NOON, **more: Any) -> Heard:
    """What `mass/get` says."""
    return Heard(at=at, status=status, errcode=errcode, **more)


def call(answer: str = "ok", errcode: int | None = None, at: datetime = NOON, **more: Any) -> RecallCall:
    """What `mass/delete` answers."""
    return RecallCall.model_validate({"at": at, "answer": answer, "errcode": errcode, **more})


def ready(known: KnownJob = OURS, **aim: Any) -> Recall:
    """One whose job is sent."""
    return looked(recall(known, **aim), says("SEND_SUCCESS"))


def end(step: object) -> End:
    """The end that the step must be."""
    assert isinstance(step, End)
    assert is_well_written(step.sentence)
    return step
