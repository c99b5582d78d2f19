"""Cases in which a rule that looks a little simpler would deliver twice, or forget: each keeps one condition alive."""

from dataclasses import replace
from datetime import timedelta

from qunfa.contract.job import Answer
from qunfa.contract.ledger import Claim
from qunfa.rules import leases, ledger
from qunfa.rules.course import course, merge, taken_over
from qunfa.rules.stragglers import may_straggle
from qunfa.rules.submission import Ask, Submit, after_try, next_step, unsettled
from tests.rules.arbitrary import NOON
from tests.rules.test_course import ACCEPTED, CONFIRMED, FAILED, NEW, PLAIN, UNKNOWN
from tests.rules.test_ledger import ACCEPTED as YES_OF_7
from tests.rules.test_ledger import PUSH, SECOND, claimed, job_in, leased, refused, reserve, told
from tests.rules.test_submission import tried

COLLISION = NEW.model_copy(update={"attempts": 1, "collides_with": 7})
BLOCKED = COLLISION.model_copy(update={"generation": 1})


def test_another_lost_lease_does_not_move_the_window() -> None:
    """WeChat remembers the clientmsgid from the first unknown try on, and no longer."""
    state, lease = leased(claimed(found=(UNKNOWN,)), 2, NOON + timedelta(hours=22), ever_unknown=True)
    state = leases.expire(state, lease.expires_at + SECOND)
    assert job_in(state).window_started_at == NOON


def test_an_expired_lease_is_a_try_without_an_answer() -> None:
    """It may come through later, like any other."""
    state, lease = leased(claimed())
    assert job_in(leases.expire(state, lease.expires_at + SECOND)).unanswered == (1,)


def test_what_was_confirmed_as_not_delivered_is_not_leased_to_who_knows_of_the_doubt() -> None:
    """A person has settled that generation: nothing more is tried under it."""
    assert reserve(claimed(found=(CONFIRMED,)), 9, ever_unknown=True)[1].kind == "record"


def test_a_lease_of_one_generation_is_not_the_next_ones() -> None:
    """Its try is on its way."""
    state, _ = leased(claimed())
    assert reserve(state, 1, generation=1)[1].kind == "wait"


def test_a_late_note_does_not_give_back_a_later_lease() -> None:
    """The answer of try 1 comes once more while try 2 is on its way: nobody else may write."""
    state = told(leased(claimed())[0], refused())
    state, lease = leased(state, 2, NOON + 5 * SECOND)
    state = told(state, refused())
    assert state.lease == lease
    assert reserve(claimed(state, "other"), key="other", now=NOON + 6 * SECOND)[1].kind == "wait"


def test_no_new_clientmsgid_while_the_job_that_blocks_it_is_undecided() -> None:
    """Only a job that has failed is out of the way."""
    assert course((ACCEPTED, BLOCKED), NOON, PLAIN) == Ask("clientmsgid_collision")


def test_a_lease_of_an_unnamed_run_is_not_an_unnamed_claimers_own() -> None:
    """Workers of 0.1.0 name no run: the try of one is a doubt to the other."""
    state, _ = leased(claimed())
    _, answer = ledger.claim(state, Claim(key="k", digest="d", workflow_id="w"), NOON + SECOND)
    assert answer.record is not None
    assert unsettled(answer.record.jobs[-1])


def test_a_key_whose_msg_id_was_anothers_forgets_its_verdict_too() -> None:
    """Else it would count as sent."""
    state, _ = leased(claimed(claimed(), "other"))
    late = NOON + timedelta(minutes=5)
    state, _ = leased(state, key="other", now=late)
    duplicate = Answer(kind="duplicate", at=late, errcode=45065, msg_id=7)
    state, _ = ledger.push(told(state, duplicate, key="other", now=late), PUSH, late)
    assert job_in(state, "other").verdict is not None
    state = told(state, YES_OF_7, now=late)
    assert (job_in(state, "other").msg_id, job_in(state, "other").verdict) == (None, None)


def test_an_unknown_job_keeps_its_spacing_when_it_is_taken_over() -> None:
    """A later run goes on where the earlier one was."""
    job = UNKNOWN.model_copy(update={"answer": Answer(kind="unknown", at=NOON, errcode=-1), "repeats": 3})
    assert taken_over((job,)) == (job,)


def test_what_is_unknown_is_probed_before_send_at() -> None:
    """It may be out already, and WeChat remembers it for a day."""
    step = next_step(UNKNOWN, NOON, replace(PLAIN, send_at=NOON + timedelta(days=3)))
    assert isinstance(step, Submit)
    assert step.at == NOON


def test_an_older_memory_of_a_collision_does_not_undo_mark_sent() -> None:
    """A person has found the msg_id since."""
    assert merge((ACCEPTED,), (COLLISION,))[0].msg_id == 7


def test_a_refusal_before_anything_was_written_leaves_no_doubt() -> None:
    """The workers' configuration names another account."""
    assert not tried(Answer(kind="refused", at=NOON, token_endpoint=True, detail="another appid")).ever_unknown


def test_a_clientmsgid_that_wechat_keeps_lets_nothing_through() -> None:
    """45065 with the job that failed: a slow try under that id is refused as well."""
    failed = FAILED.model_copy(update={"attempts": 2, "unanswered": (1,), "ever_unknown": True})
    assert may_straggle((failed,))
    assert not may_straggle((failed, BLOCKED.model_copy(update={"ever_unknown": True})))


def test_nothing_comes_through_late_where_nothing_has_failed() -> None:
    """What a person has confirmed is no job that set its clientmsgid free."""
    assert not may_straggle((CONFIRMED.model_copy(update={"unanswered": (1,)}),))


def test_a_late_no_answers_its_own_try() -> None:
    """And leaves no other one without an answer."""
    job = UNKNOWN.model_copy(update={"unanswered": (1,), "attempts": 2})
    assert after_try(job, 1, refused(), NOON).unanswered == ()
