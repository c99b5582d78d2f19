"""What the facts of a key mean: the same as when each answer was added to the job by itself, and more."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.facts import Decided, Known, Owned, Try
from qunfa.contract.result import Answer, Job
from qunfa.rules.codes import CodeClass
from qunfa.rules.course import may_have_been_delivered
from qunfa.rules.memory import union
from qunfa.rules.submission import class_of, definite_no
from qunfa.send.doubt import jobs_of, of_unknown_owner, open_wishes
from tests.rules.arbitrary import CODES, NOON
from tests.send.arbitrary_facts import FIRST, IDS, KEY, a_try, known, tries

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
    assert not confirmed[0].overruled
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
