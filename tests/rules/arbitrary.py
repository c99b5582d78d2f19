"""Arbitrary parts of a mass send, for properties: every answer, verdict, push, job and condition there can be."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from qunfa.contract.result import NOT_DELIVERED, Answer, Counts, Job, JobFinished, Verdict
from qunfa.contract.steps import Timing
from qunfa.rules.submission import Conditions
from qunfa.rules.verdict import judge

NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
"""Noon in Shanghai."""
CLIENTMSGID = "0123456789abcdef0123-0000-00"

CODES: tuple[int, ...] = (
    -1,
    45066,
    44007,
    61450,
    268488001,
    9500001,
    89504,
    89505,
    45065,
    40001,
    42001,
    42010,
    45011,
    45009,
    45028,
    45040,
)
CODES += (45093, 40007, 48001, 40164, 40003, 45166, 40035, 46007, 12345, 0)
STATUSES: tuple[str, ...] = (
    "send success",
    "sendsuccess",
    "SEND_SUCCESS",
    "send fail",
    "SEND_FAIL",
    "DELETE",
    "SENDING",
    "err(30001)",
)
STATUSES += ("err(30002)", "err(30003)", "err(40001)", "err(40002)", "err(10001)", "err(20431)", "", "etwas anderes")

moments = st.integers(0, 3 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds))
msg_ids = st.integers(1, 6)
errcodes = st.sampled_from(CODES) | st.integers(-(2**31), 2**31)
counts = st.builds(
    Counts, total=st.integers(0, 9), filter=st.integers(0, 3), sent=st.integers(0, 3), error=st.integers(0, 3)
)
statuses = st.sampled_from(STATUSES)


def answers(at: st.SearchStrategy[datetime] = moments) -> st.SearchStrategy[Answer]:
    """Answers of every kind, also such as no client of ours would give."""
    return st.builds(
        Answer,
        kind=st.sampled_from(["accepted", "duplicate", "refused", "unknown", "not_written"]),
        at=at,
        errcode=st.none() | errcodes,
        msg_id=st.none() | msg_ids,
        detail=st.none() | st.just("reset by peer"),
        token_endpoint=st.booleans(),
        at_once=st.booleans(),
        told=st.booleans(),
    )


verdicts = st.builds(
    Verdict,
    status=statuses | st.just(NOT_DELIVERED),
    observed_by=st.sampled_from(["push", "poll", "operator", "ledger"]),
    counts=st.none() | counts,
    check_state=st.none() | st.integers(0, 3),
)
events = st.builds(JobFinished, msg_id=msg_ids, status=statuses, counts=st.none() | counts)


def jobs(generation: int = 0) -> st.SearchStrategy[Job]:
    """Jobs of every shape."""
    return st.builds(
        Job,
        generation=st.just(generation),
        clientmsgid=st.just(f"{CLIENTMSGID[:-2]}{generation:02d}"),
        attempts=st.integers(0, 5),
        under_way=st.booleans(),
        ever_unknown=st.booleans(),
        window_started_at=st.none() | moments,
        unanswered=st.sets(st.integers(1, 5)).map(lambda attempts: tuple(sorted(attempts))),
        vague=st.booleans(),
        repeats=st.integers(0, 40),
        token_refusals=st.integers(0, 3),
        confirming=st.integers(0, 2),
        answer=st.none() | answers(),
        msg_id=st.none() | msg_ids,
        accepted_at=st.none() | moments,
        deduplicated=st.booleans(),
        collides_with=st.none() | msg_ids,
        gave_up=st.booleans(),
        verdict=st.none() | verdicts,
    ).map(_coherent)


def _fits(job: Job) -> bool:
    """An operator's no is on a job without msg_id, WeChat's word on one with it."""
    by_operator = job.verdict is not None and job.verdict.status == NOT_DELIVERED
    return job.verdict is not None and judge(job.verdict) is not None and by_operator == (job.msg_id is None)


def _coherent(job: Job) -> Job:
    """Without what no job can have at once."""
    changes = {
        "unanswered": job.unanswered if job.ever_unknown else (),
        "vague": job.vague and job.ever_unknown,
        "confirming": job.confirming if job.ever_unknown else 0,
        "deduplicated": job.deduplicated and job.msg_id is not None,
        "collides_with": job.collides_with if job.msg_id is None else None,
        "verdict": job.verdict if _fits(job) else None,
    }
    return job.model_copy(update=changes)


generations = st.integers(1, 3).flatmap(lambda number: st.tuples(*(jobs(generation) for generation in range(number))))

_clock = st.integers(0, 24 * 60).map(lambda minutes: f"{minutes // 60:02d}:{minutes % 60:02d}")
send_hours = st.tuples(_clock, _clock).filter(lambda hours: hours[0] < hours[1])
timings = st.builds(
    Timing,
    window=st.sampled_from([timedelta(minutes=10), timedelta(hours=23)]),
    repeat=st.sampled_from([timedelta(milliseconds=10), timedelta(seconds=60)]),
    repeat_max=st.sampled_from([timedelta(milliseconds=1), timedelta(minutes=30)]),
)
conditions = st.builds(
    Conditions,
    timing=timings,
    quota=st.sampled_from(["wait", "ask"]),
    send_hours=st.none() | send_hours,
    send_at=st.none() | moments,
    not_after=st.none() | moments,
    jitter=st.integers(0, 179).map(lambda seconds: timedelta(seconds=seconds)),
)
