import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.callback_check import TEST_MSG_ID_MIN, is_test
from qunfa.contract.event import JobFinished
from qunfa.contract.fields import MSG_ID_MAX
from qunfa.contract.job import Answer
from qunfa.contract.ledger import AccountState
from qunfa.rules import ledger
from tests.rules.arbitrary import NOON
from tests.rules.test_ledger import claimed, job_in, leased, told

EMPTY = AccountState(appid="wx", since=NOON)


@given(msg_id=st.integers(TEST_MSG_ID_MIN, MSG_ID_MAX))
def test_a_test_push_leaves_no_trace(msg_id: int) -> None:
    """It is not kept, not counted as somebody else's send, and goes to nobody."""
    assert ledger.push(EMPTY, JobFinished(msg_id=msg_id, status="send success"), NOON) == (EMPTY, ())


@pytest.mark.parametrize("msg_id", [1, 3147483650, 9_999_999_999, 2**53, TEST_MSG_ID_MIN - 1])
def test_every_other_unknown_push_is_kept(msg_id: int) -> None:
    """WeChat's msg_ids are far below those of test pushes."""
    assert not is_test(msg_id)
    state, _ = ledger.push(EMPTY, JobFinished(msg_id=msg_id, status="send success"), NOON)
    assert [kept.event.msg_id for kept in state.kept] == [msg_id]


def test_a_push_of_our_own_job_is_taken_whatever_its_number() -> None:
    """Should WeChat ever give out such a number, nothing is lost."""
    state, _ = leased(claimed())
    state = told(state, Answer(kind="accepted", at=NOON, msg_id=MSG_ID_MAX))
    state, [forward] = ledger.push(state, JobFinished(msg_id=MSG_ID_MAX, status="send success"), NOON)
    verdict = job_in(state).verdict
    assert (forward.event.msg_id, verdict and verdict.status) == (MSG_ID_MAX, "send success")
