import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.account.outbox import outgoing
from qunfa.account.routing import FORWARDS_MAX
from qunfa.account.state import AccountState
from qunfa.contract.checks import TEST_MSG_ID_MIN
from qunfa.contract.facts import Owned
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.contract.result import ArticleCheck, Counts, JobFinished
from tests.account.driving import (
    EMPTY,
    MINUTE,
    SECOND,
    answer,
    asked,
    attempt,
    done,
    heard,
    leased,
    look,
    report,
    size,
    tried,
    wish,
)
from tests.rules import arbitrary
from tests.rules.arbitrary import NOON

PUSH = JobFinished(msg_id=7, status="send success", counts=Counts(total=3, filter=3, sent=3))
ACCEPTED = done(EMPTY, report(attempt(answer())))


def words(state: AccountState, key: str = "k") -> list[str]:
    """What WeChat has said of the key's jobs."""
    return [one.verdict.status for one in state.records[key].known.said]


def test_a_push_before_and_after_the_answer_are_the_same() -> None:
    """Whichever comes first, the word is noted, goes on once, and the book counts one send."""
    accepted = report(attempt(answer()))
    early, late = done(EMPTY, PUSH, accepted), done(EMPTY, accepted, PUSH)
    for state in (early, late):
        [said] = [one for one in outgoing(state, NOON) if one.kind == "push"]
        assert (said.workflow_id, said.run_id, said.payload) == ("mass-send:demo:k", None, PUSH)
        assert [(day.total, day.others) for day in state.book.values()] == [(1, 0)]
    assert early.records == late.records
    assert early.kept == late.kept == ()


@given(st.lists(arbitrary.events, max_size=6), arbitrary.events)
def test_the_same_push_twice_changes_nothing(before: list[JobFinished], event: JobFinished) -> None:
    """WeChat repeats what was not answered in time."""
    once = done(done(EMPTY, report(attempt(answer(msg_id=3)))), *before, event)
    assert done(once, event, now=NOON + SECOND) == once


def test_the_newest_push_goes_on() -> None:
    """A yes after a no is news; the same word, or another no, is not."""
    state = done(ACCEPTED, PUSH.model_copy(update={"status": "err(30003)"}), PUSH)
    assert words(state) == ["send success"]
    assert [one.payload for one in outgoing(state, NOON)] == [PUSH]
    state, _ = heard(state)
    assert done(state, PUSH, PUSH.model_copy(update={"status": "err(30003)"}), now=NOON + MINUTE) == state


@pytest.mark.parametrize("status", ["SENDING", "", "etwas anderes"])
def test_what_no_rule_understands_is_dropped(status: str) -> None:
    """It is neither noted nor kept, and goes to nobody."""
    event = PUSH.model_copy(update={"status": status})
    assert done(ACCEPTED, event) == ACCEPTED
    assert done(EMPTY, event) == EMPTY


@given(msg_id=st.integers(TEST_MSG_ID_MIN, MSG_ID_MAX))
def test_a_test_push_leaves_no_trace(msg_id: int) -> None:
    """It is about no send of anybody's."""
    assert done(EMPTY, JobFinished(msg_id=msg_id, status="send success")) == EMPTY


def test_a_push_of_our_own_job_is_taken_whatever_its_number() -> None:
    """Should WeChat ever give out such a number, nothing is lost."""
    state = done(EMPTY, report(attempt(answer(msg_id=MSG_ID_MAX))), PUSH.model_copy(update={"msg_id": MSG_ID_MAX}))
    assert words(state) == ["send success"]


def test_a_flood_of_pushes_evicts_nothing_but_pushes() -> None:
    """The newest 200 of nobody's, in room of their own; articles go where they are long."""
    articles = tuple(ArticleCheck(idx=n, url="u" * 2000) for n in range(100))
    state, _ = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    before = state
    for msg_id in range(1000, 1400):
        state = done(state, PUSH.model_copy(update={"msg_id": msg_id, "articles": articles, "extra": {"x": "y" * 999}}))
    assert (state.records, state.queue, state.lease) == (before.records, before.queue, before.lease)
    assert 50 < len(state.kept) <= 200
    assert state.kept[-1].event.msg_id == 1399
    assert size(state) - size(before) < 25 * 1024


def test_forwards_that_wait_are_bounded() -> None:
    """A push that is dropped is found by the send's own question to WeChat."""
    state = EMPTY
    for number in range(FORWARDS_MAX + 50):
        msg_id = 1000 + number
        state = done(state, report(attempt(answer(msg_id=msg_id)), key=f"k{number}"))
        state = done(state, PUSH.model_copy(update={"msg_id": msg_id}))
    assert len(state.forwards) == FORWARDS_MAX


def test_a_45065_with_the_msg_id_of_another_key_is_a_collision() -> None:
    """The union of this key's facts would say "accepted" otherwise; §6.7."""
    state = done(ACCEPTED, report(attempt(answer("duplicate", msg_id=7)), key="other"))
    state, [granted] = asked(state, look("w2", "other"))
    assert granted.known.owned == (Owned(msg_id=7, key="k", generation=0, accepted=True),)
    assert (state.records["other"].jobs[0].msg_id, state.records["other"].jobs[0].collides_with) == (None, 7)
    assert [day.total for day in state.book.values()] == [1]


def test_a_push_of_a_corrected_job_goes_to_its_owner() -> None:
    """Not to the key that only seemed to have it."""
    state = done(EMPTY, report(attempt(answer("duplicate", msg_id=7)), key="a"), report(attempt(answer()), key="b"))
    state, _ = heard(state)
    assert [one.key for one in outgoing(done(state, PUSH), NOON)] == ["b"]


def test_a_verdict_settles_the_send_that_ended() -> None:
    """Also where its workflow is over, and nobody can be told."""
    state, lease = leased(EMPTY, wish())
    state = done(state, report(tried(lease, answer())))
    assert state.records["k"].unsettled
    state, said = heard(done(state, PUSH))
    assert [one.kind for one in said] == ["push"]
    assert not state.records["k"].unsettled
