from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from qunfa.contract.facts import Known, Owned
from qunfa.contract.result import Answer, Job
from qunfa.contract.steps import Timing
from qunfa.rules.calendar import next_opening
from qunfa.rules.problems import PROBLEMS, describe
from qunfa.rules.submission import (
    Ask,
    Await,
    Conditions,
    Expire,
    Step,
    Submit,
    explain,
    next_step,
    spacing,
    unsettled,
    write_end,
)
from qunfa.send.doubt import jobs_of
from tests.rules import arbitrary
from tests.rules.arbitrary import CLIENTMSGID, NOON
from tests.rules.sentences import is_well_written
from tests.send.arbitrary_facts import KEY, a_try

NEW = Job(clientmsgid=CLIENTMSGID)
PLAIN = Conditions(timing=Timing())
MINUTE = timedelta(minutes=1)


def refused(errcode: int, **more: object) -> Answer:
    """WeChat's refusal, heard at noon."""
    return Answer.model_validate({"kind": "refused", "at": NOON, "errcode": errcode, **more})


def tried(*answers: Answer) -> Job:
    """The job after these tries."""
    tries = tuple(a_try(number, answer) for number, answer in enumerate(answers, 1))
    [job] = jobs_of(Known(tries=tries), KEY, CLIENTMSGID)
    return job


def step_after(*answers: Answer, conditions: Conditions = PLAIN) -> Step:
    """What comes next at noon after these answers."""
    return next_step(tried(*answers), NOON, conditions)


UNKNOWN = Answer(kind="unknown", at=NOON, detail="timed out")
UNWRITTEN = Answer(kind="not_written", at=NOON, detail="the lease was over")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Answer(kind="accepted", at=NOON, msg_id=7), Await(7)),
        (Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7), Await(7)),
        (refused(48001), Ask("account_refused")),
        (refused(40164), Ask("ip_not_whitelisted")),
        (refused(40035), Ask("request_refused")),
        (refused(40003), Ask("audience_refused")),
        (refused(45166), Ask("content_refused")),
        (refused(40007), Ask("media_refused")),
        (refused(40001, token_endpoint=True), Ask("account_refused")),
        (refused(40164, token_endpoint=True), Ask("ip_not_whitelisted")),
        (Answer(kind="refused", at=NOON, token_endpoint=True, detail="other appid"), Ask("account_changed")),
    ],
)
def test_a_definite_answer_decides_at_once(answer: Answer, wanted: Step) -> None:
    """Accepted waits for the verdict; a refusal that time does not heal asks a person."""
    assert step_after(answer) == wanted
    assert unsettled(tried(answer)) is isinstance(wanted, Await)


@pytest.mark.parametrize("errcode", [42010, 45011, 45061, 9500002, 46007, 45085])
def test_a_busy_wechat_is_asked_again_a_minute_later(errcode: int) -> None:
    """Pace and busy codes are a definite no, repeated with spacing."""
    step = step_after(refused(errcode))
    assert isinstance(step, Submit)
    assert (step.at, f"WeChat answered {errcode}" in step.why) == (NOON + MINUTE, True)
    assert not unsettled(tried(refused(errcode)))


@pytest.mark.parametrize(
    "errcode", [-1, 45066, 44007, 61450, 268487001, 268487002, 268488001, 9001001, 9500001, 45065, 777]
)
def test_a_code_that_may_hide_an_acceptance_is_unknown(errcode: int) -> None:
    """A code that is no definite no, listed or not, leaves the job unknown, and the same id is tried again."""
    job = tried(refused(errcode))
    assert unsettled(job)
    assert job.window_started_at == NOON
    step = next_step(job, NOON, PLAIN)
    assert isinstance(step, Submit)
    assert step.at == NOON + MINUTE


@pytest.mark.parametrize("errcode", [89504, 89505])
def test_no_try_asks_the_administrator_while_he_is_asked(errcode: int) -> None:
    """He has 30 minutes, and a try in them may be another question to him. So it is where a try was unknown before.

    Where no try would be left after that, one is made at the last: only its answer tells what became of the first.
    """
    for answers in ([refused(errcode)], [refused(-1), refused(errcode)]):
        job = tried(*answers)
        assert unsettled(job)
        step = next_step(job, NOON, PLAIN)
        assert isinstance(step, Submit)
        assert step.at == NOON + 35 * MINUTE
        soon_confirmed = replace(PLAIN, timing=Timing(confirmation=2 * MINUTE))
        assert next_step(job, NOON, soon_confirmed) == replace(step, at=NOON + 2 * MINUTE)
        assert next_step(job, NOON + 40 * MINUTE, PLAIN) == Submit(NOON + 40 * MINUTE, step.why)
        for end, soon in ((35, {"not_after": NOON + 35 * MINUTE}), (30, {"send_hours": ("11:30", "12:30")})):
            conditions = replace(PLAIN, **soon)
            step = next_step(job, NOON, conditions)
            assert isinstance(step, Submit)
            assert step.at == NOON + (end - 1) * MINUTE
            later = tried(*answers, refused(errcode).model_copy(update={"at": step.at}))
            assert next_step(later, step.at, conditions) == Ask("unknown_outcome")


@pytest.mark.parametrize("between", [(), (UNKNOWN,), (refused(45028),)])
def test_no_try_asks_the_administrator_a_third_time(between: tuple[Answer, ...]) -> None:
    """A job that he has refused may set its clientmsgid free: then each repeat asks him anew, and his yes delivers it.

    One repeat finds the job, where WeChat keeps it. Where nobody is asked, another one finds what his yes has made.
    """
    twice = (refused(89505), *between, refused(89505))
    assert step_after(*twice) == Ask("unknown_outcome")
    assert step_after(*twice, UNKNOWN) == Ask("unknown_outcome"), "no repeat of a slow one either"
    assert step_after(*twice, Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7)) == Await(7)
    unattended = replace(PLAIN, unattended=True)
    step = step_after(*twice, conditions=unattended)
    assert isinstance(step, Submit)
    assert step.at == NOON + 35 * MINUTE
    assert step_after(*twice, refused(89505), conditions=unattended) == Ask("unknown_outcome")


@pytest.mark.parametrize("errcodes", [(89504, 89504), (89504, 89505), (89505, 89504)])
def test_a_job_that_waits_for_him_is_no_second_question(errcodes: tuple[int, int]) -> None:
    """89504 may speak of the question that was put already."""
    step = step_after(*map(refused, errcodes))
    assert isinstance(step, Submit)
    assert step.at == NOON + 35 * MINUTE


@pytest.mark.parametrize("kind", ["accepted", "duplicate"])
def test_an_acceptance_without_msg_id_is_unknown(kind: str) -> None:
    """What cannot be followed is not an acceptance."""
    assert unsettled(tried(Answer.model_validate({"kind": kind, "at": NOON})))


def test_as_many_workers_as_there_are_may_have_an_old_token() -> None:
    """40001 is tried again at once, then each minute; a sixth one in a row asks a person."""
    once = step_after(refused(40001))
    assert isinstance(once, Submit)
    assert (once.at, "WeChat answered 40001" in once.why) == (NOON, True)
    for number in range(2, 6):
        again = step_after(*[refused(42001)] * number)
        assert isinstance(again, Submit)
        assert again.at == NOON + MINUTE
    assert step_after(*[refused(40001)] * 6) == Ask("account_refused")
    healed = step_after(*[refused(40001)] * 5, refused(45011), refused(40001))
    assert isinstance(healed, Submit)


@pytest.mark.parametrize(
    ("errcode", "opens"),
    [
        (45009, "2026-12-02T00:00:00+08:00"),
        (45028, "2026-12-02T00:00:00+08:00"),
        (45093, "2026-12-02T00:00:00+08:00"),
        (45040, "2027-01-01T00:00:00+08:00"),
    ],
)
def test_a_used_up_quota_waits_for_its_next_window(errcode: int, opens: str) -> None:
    """The day and the month turn at midnight in Shanghai; the jitter spreads those who wait."""
    jitter = timedelta(seconds=17)
    step = step_after(refused(errcode), conditions=Conditions(timing=Timing(), jitter=jitter))
    assert isinstance(step, Submit)
    assert step.at == datetime.fromisoformat(opens) + jitter
    assert f"WeChat answered {errcode}" in step.why
    hours = Conditions(timing=Timing(), jitter=jitter, send_hours=("08:00", "22:00"))
    later = step_after(refused(errcode), conditions=hours)
    assert isinstance(later, Submit)
    assert later.at == datetime.fromisoformat(opens) + timedelta(hours=8) + jitter
    assert step_after(refused(errcode), conditions=Conditions(timing=Timing(), quota="ask")) == Ask("quota_exhausted")


@pytest.mark.parametrize(
    ("errcode", "heard", "again"),
    [
        (45028, "2026-12-02T00:00:00.300+08:00", "2026-12-02T00:01:00.300+08:00"),
        (45028, "2026-12-02T00:09:59+08:00", "2026-12-02T00:10:59+08:00"),
        (45028, "2026-12-02T00:10:00+08:00", "2026-12-03T00:00:17+08:00"),
        (45040, "2027-01-01T00:00:05+08:00", "2027-01-01T00:01:05+08:00"),
        (45040, "2026-12-02T00:00:05+08:00", "2027-01-01T00:00:17+08:00"),
    ],
)
def test_a_quota_refused_just_after_midnight_is_asked_for_again(errcode: int, heard: str, again: str) -> None:
    """WeChat's clock may be behind ours, and the refusal of the day before."""
    conditions, at = Conditions(timing=Timing(), jitter=timedelta(seconds=17)), datetime.fromisoformat(heard)
    step = next_step(tried(refused(errcode, at=at)), at, conditions)
    assert isinstance(step, Submit)
    assert step.at == datetime.fromisoformat(again)


def test_a_longer_wait_for_a_quota_goes_before_newer_ones() -> None:
    """Each midnight it moves forward: else those with less of the jitter would always be first."""
    conditions = Conditions(timing=Timing(), jitter=timedelta(seconds=170))
    first, later = (step_after(*[refused(45028)] * nights, conditions=conditions) for nights in (1, 17))
    assert isinstance(first, Submit)
    assert isinstance(later, Submit)
    assert first.at - later.at == timedelta(seconds=160)


@pytest.mark.parametrize("errcode", [45028, 48001, 40007, 45065, 40164])
def test_after_an_unknown_try_no_refusal_counts(errcode: int) -> None:
    """Whatever WeChat answers afterwards may be the echo of our own accepted try."""
    job = tried(UNKNOWN, refused(errcode))
    assert unsettled(job)
    assert job.window_started_at == NOON
    assert isinstance(next_step(job, NOON, PLAIN), Submit)


def test_nothing_written_is_no_try() -> None:
    """A refused connection is repeated, and leaves nothing open."""
    job = tried(Answer(kind="not_written", at=NOON, detail="DNS"))
    assert not unsettled(job)
    assert isinstance(next_step(job, NOON, PLAIN), Submit)


def test_only_its_lease_was_missing() -> None:
    """A try that came too late for its lease is repeated soon, without growing spacing."""
    step = step_after(*[Answer(kind="not_written", at=NOON, at_once=True)] * 9)
    assert isinstance(step, Submit)
    assert step.at == NOON + PLAIN.timing.ask
    assert is_well_written(step.why)


def test_a_lost_try_is_unknown() -> None:
    """A worker that died may have written."""
    [job] = jobs_of(Known(tries=(a_try(1, lost=True),)), KEY, CLIENTMSGID)
    assert unsettled(job)
    assert job.window_started_at == NOON


def test_a_collision_may_have_been_accepted() -> None:
    """45065 with another job's msg_id asks a person, and names that job. Only a person says that nothing was delivered.

    Batches with ids of their own have got that answer, and WeChat has not told whether they were delivered.
    """
    taken = a_try(1, Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7))
    [job] = jobs_of(Known(tries=(taken,), owned=(Owned(msg_id=7, key="autumn", generation=0),)), KEY, CLIENTMSGID)
    assert next_step(job, NOON, PLAIN) == Ask("clientmsgid_collision")
    assert "7" in describe("clientmsgid_collision", job).sentence
    assert unsettled(job)


@given(arbitrary.jobs(), arbitrary.moments, arbitrary.conditions)
def test_every_job_has_a_next_step(job: Job, now: datetime, conditions: Conditions) -> None:
    """Total: a step for every job, and what it asks is a problem that can be described."""
    step = next_step(job, now, conditions)
    if isinstance(step, Ask):
        assert step.problem in PROBLEMS
        assert describe(step.problem, job).name == step.problem
    if isinstance(step, Expire):
        assert not unsettled(job) or job.verdict is not None


@given(arbitrary.jobs(), arbitrary.moments, arbitrary.conditions)
def test_no_submission_after_its_end_or_outside_the_hours(job: Job, now: datetime, conditions: Conditions) -> None:
    """A try is never in the past, at ``not_after`` or later, after an unknown try's window, or outside the hours."""
    step = next_step(job, now, conditions)
    if not isinstance(step, Submit):
        return
    assert step.at >= now
    assert next_opening(step.at, conditions.send_hours) == step.at
    if conditions.not_after:
        assert step.at < conditions.not_after
    if job.ever_unknown and job.window_started_at:
        assert step.at < job.window_started_at + conditions.timing.window
    end = write_end(job, conditions)
    assert end is None or step.at < end


@given(arbitrary.moments, arbitrary.conditions)
def test_a_first_try_fits_until_the_end_of_writing_alone(now: datetime, conditions: Conditions) -> None:
    """People are told that end: until then it is submitted, within the hours, and from then on it never is."""
    end, at_once = write_end(NEW, conditions), replace(conditions, send_at=None)
    assert isinstance(next_step(NEW, now, at_once), Submit) is (end is None or now < end)


@given(arbitrary.jobs(), arbitrary.moments, arbitrary.conditions)
def test_no_submission_of_what_is_accepted(job: Job, now: datetime, conditions: Conditions) -> None:
    """What has a msg_id, or another job's, is not submitted again."""
    step = next_step(job, now, conditions)
    if job.msg_id is not None or job.collides_with is not None:
        assert isinstance(step, Await | Ask)


@given(arbitrary.jobs(), arbitrary.moments, arbitrary.conditions)
def test_what_may_be_out_neither_expires_nor_fails(job: Job, now: datetime, conditions: Conditions) -> None:
    """After an unknown try a person may be asked about the unknown outcome, and about nothing else."""
    step = next_step(job, now, conditions)
    if job.ever_unknown and job.msg_id is None and job.collides_with is None:
        assert isinstance(step, Submit) or step == Ask("unknown_outcome")


@given(arbitrary.jobs(), arbitrary.moments, arbitrary.conditions, arbitrary.moments)
def test_no_try_is_early_unless_one_may_be_out(
    job: Job, now: datetime, conditions: Conditions, send_at: datetime
) -> None:
    """However many were made: an earlier run of the key may have had another time."""
    in_hand = job.model_copy(update={"msg_id": None, "collides_with": None, "ever_unknown": False})
    step = next_step(in_hand, now, replace(conditions, send_at=send_at, not_after=None))
    assert not isinstance(step, Submit) or step.at >= send_at


@pytest.mark.parametrize(
    ("job", "conditions", "wanted"),
    [
        (NEW, {}, Submit(NOON, "the next try")),
        (NEW, {"send_at": NOON}, Submit(NOON, "the next try")),
        (NEW, {"send_at": NOON + MINUTE}, Submit(NOON + MINUTE, "send_at", "time")),
        (NEW, {"send_at": NOON - MINUTE}, Submit(NOON, "the next try")),
        (NEW, {"send_hours": ("13:00", "14:00")}, Submit(NOON + 60 * MINUTE, "the account's send_hours", "time")),
        (NEW, {"not_after": NOON + MINUTE}, Submit(NOON, "the next try")),
        (NEW, {"not_after": NOON}, Expire()),
        (NEW, {"send_at": NOON + MINUTE, "not_after": NOON + MINUTE}, Expire()),
        (tried(UNWRITTEN), {"send_at": NOON + 60 * MINUTE}, Submit(NOON + 60 * MINUTE, "send_at", "time")),
        (tried(UNKNOWN), {}, Submit(NOON + Timing().repeat, "the next try: timed out")),
        (tried(UNKNOWN), {"not_after": NOON}, Ask("unknown_outcome")),
        (tried(UNKNOWN), {"send_at": NOON + 60 * MINUTE}, Submit(NOON + Timing().repeat, "the next try: timed out")),
    ],
)
def test_a_try_says_when_it_comes_and_why(job: Job, conditions: dict[str, Any], wanted: Step) -> None:
    """People read it; a send whose time is over at the very moment of its try is not tried."""
    assert next_step(job, NOON, replace(PLAIN, **conditions)) == wanted


@pytest.mark.parametrize("answer", [refused(45011), UNWRITTEN, UNKNOWN])
def test_a_last_try_is_made_before_the_end(answer: Answer) -> None:
    """Its usual time would be after it; what comes of the last one is the last word. It is within the hours."""
    soon = replace(PLAIN, not_after=NOON + 25 * MINUTE)
    last = step_after(*[answer] * 7, conditions=soon)
    assert isinstance(last, Submit)
    assert (last.at, last.held) == (NOON + 25 * MINUTE - Timing().repeat, None)
    assert last.why.startswith("the next try: ")
    early = step_after(*[answer] * 7, conditions=replace(soon, send_hours=("08:00", "12:10")))
    assert isinstance(early, Submit)
    assert early.at == NOON + 10 * MINUTE - Timing().repeat
    opens = replace(PLAIN, not_after=NOON.replace(hour=0) + timedelta(hours=25), send_hours=("09:00", "13:00"))
    before_closing = step_after(refused(89504, at=NOON + 50 * MINUTE), conditions=opens)
    assert isinstance(before_closing, Submit), "the hours open again only at the end"
    assert before_closing.at == NOON + 59 * MINUTE
    at_its_end, closed = NOON + Timing().repeat, ("08:00", "12:01")
    for over in (replace(PLAIN, not_after=at_its_end), replace(soon, send_hours=closed)):
        assert step_after(*[answer] * 7, conditions=over) == (Ask("unknown_outcome") if answer is UNKNOWN else Expire())


def test_each_repeat_waits_twice_as_long() -> None:
    """Up to a bound, and never less than the first."""
    timing = Timing(repeat=MINUTE, repeat_max=6 * MINUTE)
    assert [spacing(repeats, timing) / MINUTE for repeats in (0, 1, 2, 3, 4, 99)] == [1, 1, 2, 4, 6, 6]
    assert spacing(5, Timing(repeat=2 * MINUTE, repeat_max=MINUTE)) == 2 * MINUTE
    long = Timing(repeat=MINUTE, repeat_max=timedelta(days=365))
    assert [spacing(repeats, long) / MINUTE for repeats in (16, 17, 18)] == [1 << 15, 1 << 16, 1 << 16]


@pytest.mark.parametrize(
    ("answer", "said", "unsaid"),
    [
        (refused(40001), "WeChat answered 40001, ", "secret"),
        (refused(40001, token_endpoint=True), "secret", "not in"),
        (refused(-1), "busy", "not in"),
        (refused(777), "WeChat answered 777, not in", "busy"),
        (UNKNOWN, "timed out", "WeChat"),
        (UNKNOWN.model_copy(update={"detail": None}), "unknown", "WeChat"),
    ],
)
def test_an_answer_is_explained_by_its_code(answer: Answer, said: str, unsaid: str) -> None:
    """Which means something else where tokens are fetched; without a code by what happened."""
    assert (said in explain(answer), unsaid in explain(answer)) == (True, False)
