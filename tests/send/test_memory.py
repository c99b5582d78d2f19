"""Two memories of a key add up to one, whichever comes first, and what may tell of a delivery is never forgotten."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.facts import Known, Said
from qunfa.contract.result import Answer, Verdict
from qunfa.rules.memory import TRIES_MAX, given_up, is_unknown, union
from qunfa.send.doubt import jobs_of
from tests.rules.arbitrary import NOON
from tests.send.arbitrary_facts import FIRST, KEY, a_try, known

UNKNOWN = Answer(kind="unknown", at=NOON)
REFUSED = Answer(kind="refused", at=NOON, errcode=48001)


@given(one=known, other=known)
def test_it_does_not_matter_which_memory_comes_first(one: Known, other: Known) -> None:
    """The union is commutative."""
    assert union(one, other) == union(other, one)


@given(one=known, other=known)
def test_hearing_it_again_adds_nothing(one: Known, other: Known) -> None:
    """The union is idempotent."""
    both = union(one, other)
    assert union(both, one) == union(both, other) == union(both) == both


@given(one=known, other=known, third=known)
def test_it_does_not_matter_who_meets_whom_first(one: Known, other: Known, third: Known) -> None:
    """The union is associative, as long as nothing has to be forgotten."""
    assert union(union(one, other), third) == union(one, union(other, third))


@given(one=known, other=known)
def test_an_unknown_try_stays_unknown_until_it_is_answered(one: Known, other: Known) -> None:
    """The window of a clientmsgid begins no later when more is known, unless a word of WeChat's settles its try."""
    both = union(one, other)
    for before in one.tries:
        after = next(two for two in both.tries if two.identity == before.identity)
        assert is_unknown(after) or after.answer is not None or not is_unknown(before)


@given(kinds=st.lists(st.sampled_from(["unknown", "refused", "not_written", "unused"]), min_size=60, max_size=120))
def test_many_tries_move_no_window(kinds: list[str]) -> None:
    """However many tries are forgotten, the first unknown one is not, nor how a slow one is to be reckoned with."""
    tries = tuple(
        a_try(number, REFUSED.model_copy(update={"kind": kind, "errcode": None if kind == "unknown" else 48001}))
        for number, kind in enumerate(kinds, start=1)
    )
    kept = union(Known(tries=tries))
    assert len(kept.tries) <= TRIES_MAX
    before, after = jobs_of(Known(tries=tries), KEY, FIRST)[0], jobs_of(kept, KEY, FIRST)[0]
    assert (after.ever_unknown, after.window_started_at) == (before.ever_unknown, before.window_started_at)
    assert min(len(after.unanswered), 3) == min(len(before.unanswered), 3)
    assert after.answer == before.answer


def test_a_yes_stands_whatever_comes_later() -> None:
    """Of one source's words on one job, a yes; else the earlier one."""
    no = Said(msg_id=7, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    yes = no.model_copy(update={"verdict": Verdict(status="send success", observed_by="push")})
    later = yes.model_copy(update={"at": NOON + timedelta(hours=1)})
    assert union(Known(said=(no,)), Known(said=(later,))).said == (later,)
    assert union(Known(said=(later,)), Known(said=(yes,))).said == (yes,)


def test_tries_under_way_are_given_up() -> None:
    """All of them, or those that another run holds; what is answered or lost already stays as it is."""
    mine, lost, answered = a_try(1), a_try(2, lost=True), a_try(3, REFUSED)
    theirs = a_try(4).model_copy(update={"holder": "run-2"})
    facts = Known(tries=(mine, lost, answered, theirs))
    later = NOON + timedelta(days=1)
    gone_mine, gone_theirs = (one.model_copy(update={"lost_at": later}) for one in (mine, theirs))
    assert given_up(facts, later).tries == (gone_mine, lost, answered, gone_theirs)
    assert given_up(facts, later, "run-1").tries == (mine, lost, answered, gone_theirs)
    settled = Known(tries=(lost, answered))
    assert given_up(settled, later) is settled
