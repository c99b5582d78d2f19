from qunfa.account.leases import due, settle
from qunfa.account.outbox import OUTSTANDING_MAX, delivered, not_found, outgoing
from qunfa.account.people import freeze, unfreeze
from tests.account.driving import (
    EMPTY,
    SECOND,
    answer,
    asked,
    attempt,
    done,
    heard,
    known,
    leased,
    look,
    report,
    tried,
    wish,
)
from tests.rules.arbitrary import NOON


def test_a_grant_goes_to_the_run_that_wished() -> None:
    """By workflow id and run id; §6.13."""
    [said] = outgoing(done(EMPTY, wish()), NOON)
    assert (said.workflow_id, said.run_id, said.signal) == ("mass-send:demo:k", "run-1", "granted")


def test_what_is_not_confirmed_was_not_sent() -> None:
    """It is said again, and carried on; what was delivered is not; §6.14."""
    state = done(EMPTY, wish("w0", "first"), wish(), look("w2", "other"), wish("w3", "new", searched=False))
    said = outgoing(state, NOON)
    assert [one.kind for one in said] == ["lease", "place", "note", "note"]
    assert outgoing(state, NOON) == said
    carried = type(state).model_validate_json(state.model_dump_json())
    assert outgoing(carried, NOON) == said
    for one in said:
        state = delivered(delivered(state, one), one)
    assert outgoing(state, NOON) == ()


def test_an_answer_that_was_under_way_does_not_confirm_a_later_one() -> None:
    """A run is told its lease, although an answer without one was delivered meanwhile."""
    state, lease = leased(EMPTY, wish("w0", "first"))
    state = done(state, wish())
    [before] = outgoing(state, NOON)
    state = done(state, report(tried(lease, answer("refused", errcode=48001)), key="first"))
    state = delivered(state, before)
    assert [one.kind for one in outgoing(state, NOON)] == ["lease"]


def test_at_most_twenty_are_outstanding() -> None:
    """Grants first, then first answers; a notice of the switch goes in slices; §6.14."""
    state, _ = leased(EMPTY, wish("w", "first"), *(wish(f"w{n}", f"k{n}") for n in range(230)))
    state = unfreeze(freeze(state, "li", "x", NOON), NOON)
    sizes = []
    while said := outgoing(state, NOON):
        sizes.append(len(said))
        for one in said:
            state = delivered(state, one)
    assert sizes == [OUTSTANDING_MAX] * 11 + [10]


def test_places_are_never_told_as_they_change() -> None:
    """A hundred sends before it are a hundred signals fewer; §6.14."""
    state, lease = leased(EMPTY, *(wish(f"w{n}", f"k{n}") for n in range(5)))
    state, said = heard(done(state, report(tried(lease, answer("refused", errcode=48001)), key="k0")))
    assert [(one.kind, one.key) for one in said] == [("lease", "k1")]


def test_the_lease_of_a_run_that_is_gone_comes_back_unused() -> None:
    """Nothing was written, so nothing is unknown, and the next one loses no time; §6.13."""
    state = done(EMPTY, wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    state, _ = heard(state, gone=["run-a"])
    [one] = state.records["a"].known.tries
    assert one.answer is not None
    assert one.answer.kind == "unused"
    assert not state.records["a"].unsettled
    assert state.lease is not None
    assert (state.lease.key, state.lease.not_before) == ("b", NOON)


def test_the_place_of_a_run_that_is_gone_goes() -> None:
    """Also where it is only told that the account was frozen. Another run of the key keeps its own."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    state, _ = heard(freeze(state, "li", "x", NOON), gone=["run-a"])
    assert [place.key for place in state.queue] == ["b"]
    [said] = [one for one in outgoing(unfreeze(state, NOON), NOON) if one.key == "b"]
    state = done(state, wish("w3", "b", run="run-c"))
    assert [place.run_id for place in not_found(state, said, NOON).queue] == ["run-c"]


def test_the_run_that_continued_wishes_anew() -> None:
    """Its first wish is closed with the lease that did not reach it; the new one gets a lease; §6.13."""
    state, _ = heard(done(EMPTY, wish()), gone=["run-1"])
    assert asked(state, wish()) == (state, [])
    state, [granted] = asked(state, wish("w2", run="run-2", known=known(*state.records["k"].known.tries)))
    assert granted.lease is not None
    assert (granted.lease.number, granted.lease.holder) == (2, "run-2")


def test_a_lease_that_ran_out_is_not_given_back_by_a_late_not_found() -> None:
    """Whoever has the next one keeps it."""
    state = done(EMPTY, wish("w1", "a", run="run-a"), wish("w2", "b", run="run-b"))
    said = outgoing(state, NOON)[0]
    later = (due(state) or NOON) + SECOND
    state = settle(state, later)
    assert state.lease is not None
    after = not_found(state, said, later)
    assert after.lease == state.lease


def test_a_crowd_of_answers_does_not_fill_a_task() -> None:
    """The signals of one task stay far below what a task may hold."""
    state = EMPTY
    for number in range(20):
        tries = (attempt(answer("unknown"), n + 1, f"{number}-{n}") for n in range(40))
        state = done(state, look(f"w{number}", f"k{number}", known=known(*tries)))
    assert sum(len(one.model_dump_json()) for one in outgoing(state, NOON)) < 2 * 1024 * 1024
