"""Where room ends, to the byte: what is let in, what is shortened, and what goes."""

from typing import Any

import pytest

from qunfa.account import budget
from qunfa.account.budget import (
    fitting,
    has_lease,
    is_full,
    model_size,
    newest_within,
    next_place,
    row_size,
    staying,
    with_kept,
    with_notes,
    with_record,
)
from qunfa.account.state import AccountState, Record
from qunfa.contract.ledger import KeptPush
from qunfa.contract.result import ArticleCheck, JobFinished
from tests.account.driving import EMPTY, SECOND, answer, asked, attempt, done, known, look, report, wish, yes
from tests.rules.arbitrary import NOON

LONG = "x" * 400
UNKNOWN = answer("unknown", detail=LONG)
SENT = {"tries": (attempt(answer(errmsg=LONG)),), "said": (yes(),)}


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Another bound, in bytes."""
    return lambda name, value: monkeypatch.setattr(budget, name, value)


def doubtful(*keys: str) -> AccountState:
    """These keys may have been delivered."""
    return done(EMPTY, *(report(attempt(UNKNOWN, name=f"w-{key}"), key=key) for key in keys))


def test_a_ledger_is_full_beyond_its_bound(bound: Any) -> None:
    """What stays counts, and it may take all of the bound."""
    state = doubtful("a", "b")
    bound("_NEW_KEYS", staying(state))
    assert not is_full(state)
    bound("_NEW_KEYS", staying(state) - 1)
    assert is_full(state)


def test_what_stays_takes_leases_from_the_others(bound: Any) -> None:
    """First from keys with nothing unsettled, then from all; what is asked says so."""
    probes = wish("w3", "a", "run-3", known=known(attempt(UNKNOWN, name="w-a")))
    state = done(doubtful("a"), wish("w1", "first"), wish("w2", "new", "run-2"), probes)
    assert [place.key for place in state.queue] == ["new", "a"]
    takes = staying(state)
    for first, all_, found in ((takes, takes, "new"), (takes - 1, takes, "a"), (takes - 1, takes - 1, None)):
        bound("_FIRST_LEASES", first)
        bound("_LEASES", all_)
        place = next_place(state)
        assert (place.key if place else None, has_lease(state)) == (found, found is not None)
    assert next_place(EMPTY) is None


def test_a_record_fits_as_it_is_or_short_or_not(bound: Any) -> None:
    """Beside what stays of the others; one that may go always fits."""
    state = doubtful("a", "b")
    record = Record(key="c", digest="d", workflow_id="w", touched_at=NOON, known=known(attempt(UNKNOWN)))
    others = staying(state)
    assert record.short.size < record.size
    for room, found in (
        (others + record.size, record),
        (others + record.size - 1, record.short),
        (others + record.short.size, record.short),
        (others + record.short.size - 1, None),
    ):
        bound("RECORDS_BYTES", room)
        assert fitting(state, record) == found
    settled = record.changed(known=known(attempt(answer(errmsg=LONG)), said=(yes(),)))
    bound("RECORDS_BYTES", 1)
    assert fitting(state, settled) == settled
    smaller = state.records["a"].short
    assert fitting(state, smaller) == smaller, "what is known already takes no more room"


def test_settled_records_shrink_and_go_until_there_is_room(bound: Any) -> None:
    """As few as it takes, the oldest first."""
    state = EMPTY
    for number, key in enumerate("abc"):
        state = done(state, report(key=key, known=SENT), now=NOON + number * SECOND)
    whole = sum(one.size for one in state.records.values())
    shorter = {key: one.size - one.short.size for key, one in state.records.items()}
    record = state.records["c"]
    bound("RECORDS_BYTES", whole - 1)
    bound("_SQUEEZED", whole - shorter["a"])
    after = with_record(state, record)
    assert [after.records[key].size < state.records[key].size for key in "abc"] == [True, False, False]
    bound("_SQUEEZED", whole - sum(shorter.values()))
    assert [*with_record(state, record).records] == ["a", "b", "c"]
    bound("_SQUEEZED", whole - sum(shorter.values()) - 1)
    assert [*with_record(state, record).records] == ["b", "c"]


def test_answers_have_the_room_that_the_queue_leaves(bound: Any) -> None:
    """The oldest go first."""
    state = done(EMPTY, wish("w1", "first"), wish("w2", "waits", "run-2"), look("w3", "a", "r3"), look("w4", "b", "r4"))
    queue, notes = [*map(row_size, state.queue)], [*map(row_size, state.notes)]
    assert (len(queue), len(notes)) == (1, 2)
    bound("WAITING_BYTES", sum(queue) + sum(notes))
    assert with_notes(state, state.notes).notes == state.notes
    bound("WAITING_BYTES", sum(queue) + sum(notes) - 1)
    assert with_notes(state, state.notes).notes == state.notes[1:]


def test_pushes_lose_articles_before_they_are_lost(bound: Any) -> None:
    """The oldest first, and no more of them than it takes."""
    articles = (ArticleCheck(idx=1, url=LONG),)
    pushes = tuple(
        KeptPush(event=JobFinished(msg_id=100 + number, status="send success", articles=articles), at=NOON)
        for number in range(3)
    )
    takes = sum(one.size for one in pushes)
    for room, left in ((takes, [1, 1, 1]), (takes - 1, [0, 1, 1])):
        bound("KEPT_BYTES", room)
        assert [len(one.event.articles) for one in with_kept(EMPTY, pushes).kept] == left
    bare = tuple(one.without_articles for one in pushes)
    bound("KEPT_BYTES", sum(one.size for one in bare))
    assert with_kept(EMPTY, pushes).kept == bare
    bound("KEPT_BYTES", sum(one.size for one in bare) - 1)
    assert with_kept(EMPTY, pushes).kept == bare[1:]


def test_the_newest_within_room_are_a_tail() -> None:
    """Each takes a little more than its JSON."""
    models = tuple(ArticleCheck(idx=number) for number in range(10, 15))
    size = model_size(models[0])
    assert size > len(models[0].model_dump_json(exclude_none=True))
    for room, count in ((3 * size, 3), (3 * size - 1, 2), (0, 0), (99 * size, 5)):
        assert newest_within(models, room) == models[len(models) - count :]


def test_a_full_ledger_is_asked_again_in_time(bound: Any) -> None:
    """Also where a key that is known wants a place."""
    state = done(doubtful("a"), report(attempt(answer("refused", errcode=48001)), key="old"))
    bound("_NEW_KEYS", 0)
    for name, asking in (("w1", wish("w1", "new")), ("w2", wish("w2", "old"))):
        _, [granted] = asked(state, asking)
        assert (granted.wish, granted.answer) == (name, "known")
        assert granted.waits is not None
        assert granted.waits.until is not None
        assert (granted.waits.why, granted.waits.until > NOON) == ("full", True)
