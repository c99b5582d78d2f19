from datetime import timedelta

from qunfa.account.people import forget, freeze, unfreeze, why_kept
from qunfa.account.records import unsearched
from qunfa.contract.facts import Ended
from qunfa.contract.ledger import Frozen
from qunfa.contract.result import JobFinished
from tests.account.driving import BEGAN, EMPTY, MINUTE, SECOND, answer, asked, attempt, done, leased, look, report, wish
from tests.rules.arbitrary import NOON

LOST = Frozen(by="li", reason="wrong price", at=BEGAN - MINUTE)
DOUBTED = report(attempt(answer("unknown")), ended=Ended(outcome="unknown"))


def test_a_ledger_that_was_lost_adopts_its_freeze() -> None:
    """From the wish of a run that was told of it; nothing is granted; §6.8."""
    state, [granted] = asked(EMPTY, wish(frozen=LOST))
    assert (state.frozen, state.lease) == (LOST, None)
    assert granted.waits is not None
    assert granted.waits.frozen == LOST
    assert asked(EMPTY, look(searched=False, frozen=LOST))[0].frozen == LOST


def test_an_unfreeze_since_then_wins() -> None:
    """A run that has not heard of it yet does not freeze the account again."""
    state = unfreeze(done(EMPTY, look(frozen=LOST)), NOON)
    assert done(state, wish("w2", frozen=LOST)).frozen is None


def test_a_freeze_of_this_ledger_is_not_adopted() -> None:
    """It knows itself whether it is frozen."""
    for at in (BEGAN, BEGAN + SECOND):
        assert done(EMPTY, wish(frozen=LOST.model_copy(update={"at": at}))).frozen is None
    state = freeze(EMPTY, "wang", "audit", NOON)
    assert done(state, wish(frozen=LOST)).frozen == state.frozen


def test_messages_leave_the_switch_alone() -> None:
    """A report of a try that was under way leaves the account frozen."""
    state = freeze(leased(EMPTY, wish())[0], "li", "wrong price", NOON)
    assert done(state, DOUBTED).frozen == state.frozen
    assert unfreeze(EMPTY, NOON) == EMPTY.changed(unfrozen_at=NOON)


def test_a_key_is_forgotten_with_a_line_of_who_and_why() -> None:
    """Then earlier runs are looked for, before it is sent again."""
    state = done(EMPTY, DOUBTED)
    assert why_kept(state, "k") is None
    state = forget(state, "k", "li", "not in the console", NOON + timedelta(days=3))
    assert state.records == {}
    assert [(one.key, one.by, one.reason) for one in state.forgotten] == [("k", "li", "not in the console")]
    assert asked(state, wish(searched=False))[1][0].answer == "search"


def test_what_was_to_be_sent_on_of_a_forgotten_key_goes_with_it() -> None:
    """And nothing else."""
    state = done(EMPTY, *(report(attempt(answer(msg_id=msg_id)), key=f"k{msg_id}") for msg_id in (7, 8)))
    state = done(state, *(JobFinished(msg_id=msg_id, status="err(30001)") for msg_id in (7, 8)))
    assert [one.key for one in forget(state, "k7", "li", "x", NOON).forwards] == ["k8"]


def test_what_waits_or_writes_is_not_forgotten() -> None:
    """Its place or lease would be of nothing."""
    state, _ = leased(EMPTY, wish("w1", "a"), wish("w2", "b"))
    for key in ("a", "b", "unknown"):
        assert why_kept(state, key)
        assert forget(state, key, "li", "x", NOON) == state


def test_lines_of_what_was_forgotten_are_bounded() -> None:
    """By bytes, the newest stay."""
    state = EMPTY
    for number in range(100):
        state = done(state, report(attempt(answer("unknown")), key=f"k{number}"))
        state = forget(state, f"k{number}", "李" * 100, "理由" * 300, NOON)
    assert 0 < len(state.forgotten) < 10
    assert state.forgotten[-1].key == "k99"


def test_a_reset_forgets_no_fact() -> None:
    """But earlier runs may know more."""
    state = done(EMPTY, DOUBTED, look("w1"))
    after = unsearched(state)
    assert after.records["k"].known == state.records["k"].known
    assert (state.records["k"].unsearched, after.records["k"].unsearched) == (False, True)
