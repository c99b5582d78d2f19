"""What `mass/get` must say before a job that was said to have failed is submitted once more."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.result import Job
from qunfa.contract.steps import JobStatus
from qunfa.rules.verdict import judge, verdict_of_poll
from qunfa.send.questions import is_under_way, objection
from tests.rules.sentences import is_well_written

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
JOB = Job(clientmsgid="c", generation=0, msg_id=7, accepted_at=NOON)


def against(said: JobStatus, after: timedelta = timedelta(hours=1)) -> str | None:
    """What stands against it, so long after the job was accepted."""
    return objection(said, JOB, NOON + after, repeat=MINUTE)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (JobStatus(status="SENDING"), "would double it"),
        (JobStatus(status="SENDING"), "WeChat now says SENDING of"),
        (JobStatus(errcode=89504), "WeChat still asks the administrator about msg_id 7 (89504)"),
        (JobStatus(status="DELETE"), "WeChat now says DELETE of"),
        (JobStatus(status="SEND_SUCCESS"), "would double it"),
        (JobStatus(status="DELETE"), "would double it"),
        (JobStatus(errcode=89504), "would double it"),
        (JobStatus(errcode=89505), "would double it"),
        (JobStatus(errcode=45009, errmsg="reach max api daily quota limit"), "it answered 45009 reach max"),
        (JobStatus(errcode=48001), "it answered 48001)"),
        (JobStatus(status="SEND_PAUSED"), "it answered SEND_PAUSED"),
        (JobStatus(), "retry later"),
    ],
)
def test_what_is_no_clear_no_stands_against_a_second_submission(said: JobStatus, words: str) -> None:
    """Whatever it is, the sentence says so, and which job it is."""
    sentence = against(said)
    assert sentence is not None
    assert words in sentence
    assert "msg_id 7" in sentence
    assert is_well_written(sentence.replace("SEND_PAUSED", ""))


@given(
    st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["SENDING", "send success", "err(30001)", "SEND_FAIL"])),
    st.one_of(st.none(), st.integers(-1, 99_999), st.sampled_from([40059, 89504, 89505])),
    st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_only_a_no_lets_it_be_made(status: str | None, errcode: int | None, after: timedelta) -> None:
    """Nothing else that WeChat may say or not say does; what is under way never does."""
    said = JobStatus(status=status, errcode=errcode)
    if against(said, after) is None:
        assert not is_under_way(said)
        verdict = verdict_of_poll(status) if status else None
        judgement = judge(verdict) if verdict else None
        assert (judgement and not judgement.delivered) or (status is None and errcode == 40059 and after >= 2 * MINUTE)
