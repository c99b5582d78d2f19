"""What the facts of a key mean, also where words come late or contradict what was believed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.facts import Decided, Ended, Known, Owned, Said, Try
from qunfa.contract.result import Answer, Job, JobFinished, Verdict
from qunfa.contract.steps import JobStatus
from qunfa.rules.codes import CodeClass
from qunfa.rules.course import may_have_been_delivered
from qunfa.rules.memory import union
from qunfa.rules.submission import class_of, definite_no
from qunfa.send import events, steps
from qunfa.send.doubt import (
    confirmable_until,
    jobs_of,
    left_open,
    of_unknown_owner,
    open_wishes,
    opened_again,
    used_before,
    vouched_for,
)
from tests.rules.arbitrary import CODES, NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import FIRST, IDS, KEY, a_try, known, tries
from tests.send.places import (
    FAILED,
    HOUR,
    SENDING,
    accepted,
    asking,
    collided,
    frozen,
    in_doubt,
    second,
    settle_questions,
    silent,
    straggling,
)


def settled(alone: Alone, said: JobStatus = FAILED) -> steps.End:
    """The end, once the ledger has told and was told what it takes, and WeChat has said this."""
    while not isinstance(step := alone.engine.planned(alone.run, alone.now), steps.End):
        if isinstance(step.effect, steps.Report):
            alone.take(events.Reported(step.effect.ended))
        elif isinstance(step.effect, steps.AskWechat):
            alone.take(events.WechatSaid(step.effect.msg_id, said))
        elif isinstance(step.effect, steps.Poll):
            alone.wait(step.effect.until - alone.now)
            alone.take(events.Polled(step.effect.msg_id, None))
        else:
            alone.asked()
    return step


def test_a_push_supersedes_what_was_believed() -> None:
    """A send that waits for a decision about a silence, or about a no, completes when WeChat's yes comes after all."""
    for alone in (silent(), asking("err(30001)")):
        alone.pushed()
        assert (alone.end.outcome, alone.status.jobs[0].observed_by) == ("sent", "push")


def test_mark_sent_of_a_missing_verdict_waits_for_it_again() -> None:
    """The msg_id that WeChat gave is the only one that fits; it is awaited again, and nothing is submitted."""
    alone = silent()
    assert alone.mark_sent(8) == "WeChat accepted this send as msg_id 7, not 8"
    assert alone.mark_sent(7) is None
    alone.asked()
    alone.take(events.WechatSaid(7, SENDING), events.Reported())
    assert (alone.step.phase, [job.msg_id for job in alone.status.jobs]) == ("awaiting_result", [7])
    assert alone.wants() == "polling"
    alone.pushed()
    assert alone.end.outcome == "sent"


def test_a_late_yes_stops_a_submission_whose_lease_is_coming() -> None:
    """Retried after a no; the push that says success comes with the lease: that goes back, and nothing goes out."""
    alone = asking("err(30001)")
    assert alone.retry() is None
    alone.take(events.WechatSaid(7, FAILED), events.Reported())
    assert alone.wants() == "turn"
    alone.sent()
    lease = alone.granted(answer="lease", lease=alone.lease())
    alone.begun.clear()
    alone.take(lease, JobFinished(msg_id=7, status="send success"))
    assert not any(isinstance(effect, steps.Submit) for effect in alone.begun)
    assert settled(alone).outcome == "sent"


@pytest.mark.parametrize("first", [None, "refused", "unknown"])
@pytest.mark.parametrize(("sure", "outcome"), [(False, "unknown"), (True, "aborted")])
def test_a_collision_settles_nothing(first: str | None, sure: bool, outcome: str) -> None:
    """45065 with another job's msg_id says nothing of this one, nor of a try before it. A person may know."""
    alone = collided(first)
    assert "may have accepted this one" in alone.problem.sentence
    assert alone.abort(confirm_not_delivered=sure) is None
    assert settled(alone).outcome == outcome


@pytest.mark.parametrize(("identity", "doubt"), [(FIRST, False), (IDS[1], True)])
def test_a_failed_job_under_the_same_id_tells_all(identity: str, doubt: bool) -> None:
    """It goes on blocking that id, and nothing else was taken under it. Of another id its msg_id tells nothing."""
    again = a_try(2, DUPLICATE, generation=1).model_copy(update={"clientmsgid": identity})
    no = Said(msg_id=7, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    own = Owned(msg_id=7, key=KEY, generation=0, accepted=True)
    jobs = jobs_of(Known(tries=(a_try(1, ACCEPTED), again), said=(no,), owned=(own,)), KEY, FIRST)
    assert jobs[1].collides_with == 7
    assert may_have_been_delivered(jobs) is doubt


@pytest.mark.parametrize("way", ["abort", "cancel", "nobody decides", "on_problem"])
@pytest.mark.parametrize(("said", "outcome"), [("SEND_SUCCESS", "sent"), ("DELETE", "deleted")])
def test_before_nothing_was_delivered_is_said_wechat_is_asked(way: str, said: str, outcome: str) -> None:
    """Whoever or whatever ends the send believes the forged no: `mass/get` knows better."""
    if way == "on_problem":
        alone = accepted(on_problem="fail")
        alone.pushed("err(30001)")
        alone.asked()
    else:
        alone = asking("err(30001)", decision_timeout="PT2H")
    if way == "abort":
        alone.abort()
    elif way == "cancel":
        alone.take(events.Cancelled("no"))
    elif way == "nobody decides":
        alone.wait(2 * HOUR)
    alone.asked()
    assert alone.step.effect == steps.AskWechat(7)
    alone.take(events.WechatSaid(7, JobStatus(status=said)))
    assert settled(alone).outcome == outcome


@pytest.mark.parametrize(
    ("last", "outcome"), [("SEND_FAIL", "aborted"), ("SEND_SUCCESS", "sent"), ("push", "sent"), ("SENDING", "unknown")]
)
def test_an_end_waits_for_wechats_last_word(last: str, outcome: str) -> None:
    """`mass/get` lags behind the push for a while: what it says then counts, and so does another push."""
    alone = asking("err(30001)")
    alone.abort()
    alone.asked()
    alone.take(events.WechatSaid(7, SENDING))
    assert (alone.does(), alone.status.answers) == (steps.Poll, ())
    if last == "push":
        alone.pushed()
    else:
        alone.take(events.Polled(7, last))
    assert settled(alone).outcome == outcome


def test_a_key_failed_by_a_forged_push_can_be_sent_again() -> None:
    """Nobody knew better when it ended; now `mass/get` does."""
    no = Said(msg_id=7, verdict=Verdict(status="err(30001)", observed_by="push"), at=NOON)
    job = own(1, Answer(kind="accepted", at=NOON, msg_id=7)).model_copy(update={"said": (no,)})
    alone = Alone()
    alone.joined(job, ended=Ended(outcome="failed", problem="originality_check_error"))
    alone.asked(job, ended=Ended(outcome="failed", problem="originality_check_error"))
    alone.take(events.WechatSaid(7, JobStatus(status="SEND_SUCCESS")))
    assert (settled(alone).outcome, [row.msg_id for row in alone.status.jobs]) == ("sent", [7])


@pytest.mark.parametrize(("there", "problem"), [(silent, "no_verdict"), (in_doubt, "unknown_outcome")])
def test_what_nobody_decides_in_doubt_ends_as_unknown(there: Callable[..., Alone], problem: str) -> None:
    """Never as failed."""
    alone = there(decision_timeout="PT2H")
    alone.wait(2 * HOUR)
    end = settled(alone)
    assert (end.outcome, end.problem and end.problem.name) == ("unknown", problem)


@pytest.mark.parametrize("there", [in_doubt, collided, straggling, frozen])
def test_what_a_person_has_found_is_awaited_like_any_job(there: Callable[[], Alone]) -> None:
    """Once the ledger has called it nobody else's, and WeChat knows it; it is told to the ledger, and not submitted."""
    alone = there()
    assert "mark_sent" in alone.status.answers
    assert alone.mark_sent(9) is None
    settle_questions(alone)
    if alone.does() is steps.SendWish:
        settle_questions(alone)
    assert alone.step.effect == steps.AskWechat(9)
    alone.take(events.WechatSaid(9, SENDING), events.Reported())
    assert (alone.step.phase, alone.status.jobs[-1].msg_id) == ("awaiting_result", 9)
    alone.pushed(msg_id=9)
    assert alone.end.outcome == "sent"


def test_a_slow_try_that_came_through_is_found_by_the_retry() -> None:
    """45065 with a msg_id that nobody knows: that is the delivery, and there is no other."""
    alone = second(straggling("err(30001)"))
    alone.answered("duplicate", errcode=45065, msg_id=8)
    alone.asked()
    alone.pushed(msg_id=8)
    assert settled(alone).outcome == "sent"
    assert [(row.msg_id, row.deduplicated) for row in alone.status.jobs] == [(7, False), (8, True)]
    assert len({row.clientmsgid for row in alone.status.jobs}) == 1


ACCEPTED = Answer(kind="accepted", at=NOON, msg_id=7)
DUPLICATE = Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7)
SAME = (
    *("ever_unknown", "window_started_at", "unanswered", "vague", "repeats", "token_refusals", "answer"),
    *("msg_id", "deduplicated", "clientmsgid"),
)

told = st.builds(
    Answer,
    kind=st.sampled_from(["refused", "refused", "unknown", "not_written"]),
    at=st.just(NOON),
    errcode=st.none() | st.sampled_from(CODES),
    token_endpoint=st.booleans(),
)


def decision(what: str, number: int = 1, generation: int = 0, hours: int = 0, **more: object) -> Decided:
    """What a person has decided, so many hours after noon."""
    at = NOON + timedelta(hours=hours)
    raw = {"id": f"update-{number}", "what": what, "by": "li", "reason": "looked", "at": at, "generation": generation}
    return Decided.model_validate({**raw, **more})


def after_try(job: Job, number: int, answer: Answer) -> Job:
    """The job after one more try, each of which began at noon: the same rules as of facts, in another form."""
    changes: dict[str, object] = {"answer": answer, "repeats": job.repeats + 1}
    if answer.kind in {"accepted", "duplicate"}:
        changes |= {"msg_id": answer.msg_id, "deduplicated": answer.kind == "duplicate"}
    elif answer.kind != "not_written" and not definite_no(answer):
        changes |= {"ever_unknown": True}
        changes |= {"unanswered": (*job.unanswered, number)} if answer.errcode is None else {"vague": True}
    refused_token = answer.kind == "refused" and class_of(answer) is CodeClass.TOKEN
    changes |= {"token_refusals": job.token_refusals + 1 if refused_token else 0}
    return job.model_copy(update=changes)


@given(answers=st.lists(told, max_size=8), ends=st.none() | st.sampled_from([ACCEPTED, DUPLICATE]))
def test_one_try_after_the_other_is_what_it_was(answers: list[Answer], ends: Answer | None) -> None:
    """What follows from all tries is the job that each answer changed in its turn."""
    job = Job(clientmsgid=FIRST)
    tries = [a_try(number, answer) for number, answer in enumerate([*answers, *([ends] if ends else [])], start=1)]
    for one in tries:
        assert one.answer is not None
        before = job
        job = after_try(job, one.number, one.answer)
        if job.ever_unknown and not before.ever_unknown:
            job = job.model_copy(update={"window_started_at": one.not_before})
    [derived] = jobs_of(Known(tries=tuple(tries)), KEY, FIRST)
    assert {name: getattr(derived, name) for name in SAME} == {name: getattr(job, name) for name in SAME}


@given(known=known)
def test_any_facts_have_a_meaning(known: Known) -> None:
    """Whatever was told: one job a generation, the first one at least, each under one clientmsgid."""
    jobs = jobs_of(known, KEY, FIRST)
    generations = [job.generation for job in jobs]
    assert generations[0] == 0
    assert generations == sorted(set(generations))
    assert all(job.clientmsgid for job in jobs)


@given(known=known, one=tries)
def test_a_later_try_settles_nothing_that_is_unknown(known: Known, one: Try) -> None:
    """Sticky: whatever is heard of another one, each generation stays unknown, and its window does not move on."""
    later = one.model_copy(update={"wish": "another wish"})
    before = jobs_of(known, KEY, FIRST)
    after = {job.generation: job for job in jobs_of(union(known, Known(tries=(later,))), KEY, FIRST)}
    for job in before:
        now = after[job.generation]
        if job.ever_unknown and now.clientmsgid == job.clientmsgid:
            assert now.ever_unknown
            assert now.window_started_at is not None
            assert job.window_started_at is not None
            assert now.window_started_at <= job.window_started_at


@given(known=known)
def test_nothing_unknown_is_taken_for_a_no(known: Known) -> None:
    """Where a try is unknown and nothing settles its generation, something may have been delivered."""
    jobs = jobs_of(known, KEY, FIRST)
    for job in jobs:
        if job.ever_unknown and job.msg_id is None and job.verdict is None and job.collides_with is None:
            assert may_have_been_delivered(jobs)


def test_a_confirmation_covers_what_it_was_taken_on() -> None:
    """A try that becomes known later was not looked for in the console: the generation is in doubt again."""
    first, later = a_try(1, lost=True), a_try(2, lost=True)
    covers = open_wishes(Known(tries=(first,)), KEY, late=False)
    sure = decision("open", covers=covers, opens=IDS[1], confirms=True)
    confirmed = jobs_of(Known(tries=(first,), decided=(sure,)), KEY, FIRST)
    assert confirmed[0].verdict is not None
    assert not may_have_been_delivered(confirmed)
    assert may_have_been_delivered(jobs_of(Known(tries=(first, later), decided=(sure,)), KEY, FIRST))


def test_a_msg_id_of_another_key_is_a_collision() -> None:
    """Only the ledger knows whose it is; until then the job is taken for accepted, and the ledger is asked."""
    facts = Known(tries=(a_try(1, DUPLICATE),))
    assert of_unknown_owner(facts) == {7}
    assert jobs_of(facts, KEY, FIRST)[0].msg_id == 7
    theirs = Known(tries=facts.tries, owned=(Owned(msg_id=7, key="autumn", generation=0),))
    assert of_unknown_owner(theirs) == frozenset()
    assert (jobs_of(theirs, KEY, FIRST)[0].msg_id, jobs_of(theirs, KEY, FIRST)[0].collides_with) == (None, 7)


def test_of_two_jobs_of_one_generation_a_yes_comes_first() -> None:
    """Before one of which nothing is known yet."""
    tries = (a_try(1, ACCEPTED.model_copy(update={"msg_id": 8})), a_try(2, ACCEPTED))
    yes = Said(msg_id=7, verdict=Verdict(status="send success", observed_by="push"), at=NOON)
    assert jobs_of(Known(tries=tries, said=(yes,)), KEY, FIRST)[0].msg_id == 7


def test_of_two_jobs_of_one_generation_the_delivered_one_counts() -> None:
    """A job that failed has set the clientmsgid free, and the next try was taken as well."""
    second = a_try(2, Answer(kind="accepted", at=NOON + timedelta(hours=1), msg_id=8))
    facts = Known(
        tries=(a_try(1, ACCEPTED), second),
        said=(Said(msg_id=7, verdict=Verdict(status="send fail", observed_by="push"), at=NOON),),
    )
    assert jobs_of(facts, KEY, FIRST)[0].msg_id == 8
    assert jobs_of(facts, KEY, FIRST)[0].verdict is None


def test_of_two_marks_the_later_one_counts() -> None:
    """Whatever their ids are."""
    for numbers in ((1, 2), (2, 1)):
        marks = tuple(
            decision("mark_sent", number, hours=hours, msg_id=8 + hours) for hours, number in enumerate(numbers)
        )
        for decided in (marks, marks[::-1]):
            facts = Known(tries=(a_try(1, lost=True),), decided=decided)
            assert jobs_of(facts, KEY, FIRST)[0].msg_id == 9
            no = Said(msg_id=9, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
            assert jobs_of(facts.model_copy(update={"said": (no,)}), KEY, FIRST)[0].msg_id == 9


def test_whoever_is_refused_reads_what_the_key_has_sent() -> None:
    """All msg_ids, or that there is none; nothing where nothing can have been sent."""
    jobs = tuple(Job(clientmsgid=FIRST, msg_id=msg_id, generation=msg_id - 7) for msg_id in (7, 8))
    assert "(msg_id: 7, 8)" in (used_before(Known(), KEY, jobs) or "")
    lost = Job(clientmsgid=FIRST, attempts=1, ever_unknown=True)
    assert "(msg_id: none)" in (used_before(Known(), KEY, (lost,)) or "")
    assert used_before(Known(), KEY, (Job(clientmsgid=FIRST),)) is None


def test_a_45065_of_a_keys_own_job_is_no_doubt() -> None:
    """A retry shares the clientmsgid of a job that failed, and WeChat names that job again."""
    echo = a_try(2, DUPLICATE, generation=1).model_copy(update={"clientmsgid": FIRST})
    ours = (Owned(msg_id=7, key=KEY, generation=0),)
    shared = Known(tries=(a_try(1, ACCEPTED), echo), owned=ours)
    assert open_wishes(shared, KEY, late=True) == ()
    assert not any(job.ever_unknown for job in jobs_of(shared, KEY, FIRST))
    asked = a_try(1, Answer(kind="refused", at=NOON, errcode=89505))
    settled_since = Known(tries=(asked, a_try(2, DUPLICATE)), owned=ours)
    assert confirmable_until(settled_since, KEY, FACTS.timing) is None
    assert confirmable_until(Known(tries=(asked,)), KEY, FACTS.timing) == NOON + FACTS.timing.confirmation


def test_who_stops_a_key_that_goes_out_again_may_have_looked() -> None:
    """What a person has not found is open as long as nobody has looked since."""
    lost = a_try(1, lost=True)
    sure = decision("open", covers=("wish-1",), opens=IDS[1], confirms=True)
    known = Known(tries=(lost,), decided=(sure,))
    jobs = jobs_of(known, KEY, FIRST)
    assert [left_open(known, jobs), opened_again(jobs)] == [jobs[0], jobs[0]]
    for confirms in (False, True):
        stopped = decision("abort", 2, generation=1, confirms=confirms)
        since = Known(tries=(lost,), decided=(sure, stopped))
        assert (left_open(since, jobs_of(since, KEY, FIRST)) is None) is confirms
    ended = jobs_of(Known(tries=(lost,), decided=(decision("abort", covers=("wish-1",), confirms=True),)), KEY, FIRST)
    assert (vouched_for(ended), opened_again(ended)) == (ended[0], None)
