"""Where room ends, to the byte: what is let in, what is shortened, and what goes."""

from typing import Any

import pytest

from qunfa.account import budget
from qunfa.account.budget import (
    BYTES_MAX,
    fitting,
    has_place,
    is_full,
    is_full_of_doubts,
    json_size,
    may_be_carried,
    may_send_away,
    model_size,
    newest_within,
    next_place,
    row_size,
    staying,
    with_kept,
    with_note,
    with_record,
)
from qunfa.account.people import caught_up, freeze
from qunfa.account.queue import room_at, waits
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Decided, Ended, Known
from qunfa.contract.grants import Ending, Granted, Waits
from qunfa.contract.ledger import KeptPush
from qunfa.contract.result import ArticleCheck, JobFinished
from qunfa.rules.memory import union
from tests.account.driving import (
    DAY,
    EMPTY,
    MINUTE,
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
    turn,
    wish,
    yes,
)
from tests.account.test_restored import TAKEN, doubts, restored
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
    assert not is_full_of_doubts(state)
    bound("_NEW_KEYS", staying(state) - 1)
    assert is_full(state)
    assert is_full_of_doubts(state)
    settled = done(EMPTY, wish("w1", "a"), wish("w2", "b"))
    bound("_NEW_KEYS", settled.records["a"].size)
    assert is_full(settled)
    assert not is_full_of_doubts(settled), "there is room when those that wait have had their turn"


def probing(tries: int) -> tuple[AccountState, Record]:
    """A key with so many tries in doubt waits behind one that has none, while another one has the lease."""
    facts = known(*(attempt(UNKNOWN, n + 1, f"w{n}", not_before=NOON + n * SECOND) for n in range(tries)))
    state = done(EMPTY, report(key="a", known=facts), wish("w-1", "first"), wish("w-2", "new", "run-2"))
    state = done(state, wish("w-3", "a", "run-3", known=facts))
    assert [place.key for place in state.queue] == ["new", "a"]
    return state, state.records["a"]


@pytest.mark.parametrize(("tries", "last"), [(1, None), (5, "a")])
def test_what_stays_takes_leases_from_the_others(bound: Any, tries: int, last: str | None) -> None:
    """First from keys with nothing unsettled, then from all but those whose tries take no more room in short."""
    state, record = probing(tries)
    takes, unsettled = staying(state), staying(state, but="new")
    short = sum(one.short.size for one in state.records.values())
    to_come = short + (record.to_come + state.records["first"].to_come + 8) * 384
    bound("RECORDS_BYTES", takes + 1024)
    for first, leases, found in (
        (unsettled, to_come, "new"),
        (unsettled - 1, to_come, "a"),
        (unsettled, to_come - 1, "a"),
        (0, takes, "a"),
        (0, takes - 1, last),
    ):
        bound("_FIRST_LEASES", first)
        bound("_LEASES", leases)
        place = next_place(state)
        assert (place.key if place else None) == found
        assert waits(state, 1) == Waits(why="queue" if found else "full", place=2)
    bound("RECORDS_BYTES", takes + 1023)
    for first, leases in ((0, takes), (unsettled, to_come)):
        bound("_FIRST_LEASES", first)
        bound("_LEASES", leases)
        assert next_place(state) is None
    assert next_place(EMPTY) is None


def test_a_lease_keeps_room_for_all_tries_that_may_follow(bound: Any) -> None:
    """Eight of a key, if WeChat is busy at first; none more once they are kept, or where a job or an end is known."""
    tries = [attempt(UNKNOWN, n + 1, f"w{n}", not_before=NOON + n * SECOND) for n in range(9)]
    busy = [one.model_copy(update={"answer": answer("unknown", errcode=-1)}) for one in tries]
    accepted = attempt(answer(), 9, "yes", not_before=NOON + MINUTE)
    for facts, more in (
        (tries[:1], 6),
        (tries[:2], 4),
        (tries[:5], 0),
        (tries, 0),
        (busy[:1], 7),
        (busy[:5], 3),
        (busy[:3] + tries[3:8], 0),
        ([*tries[:1], accepted], 0),
        ([accepted], 0),
    ):
        record = done(EMPTY, report(*facts)).records["k"]
        assert (record.to_come, record.unsettled) == (more, True)
        assert record.changed(ended=Ended(outcome="unknown")).to_come == 0
    state = doubtful("a", "b")
    takes = sum(record.short.size + 6 * 384 for record in state.records.values())
    for room, full in ((takes, False), (takes - 1, True)):
        bound("_LEASES", room)
        assert (is_full(state), is_full_of_doubts(state)) == (full, full)


def test_a_record_fits_as_it_is_or_short_or_not(bound: Any) -> None:
    """By itself, and beside what stays of the others; one that may go always fits."""
    state = doubtful("a", "b")
    record = Record(key="c", digest="d", workflow_id="w", touched_at=NOON, known=known(attempt(UNKNOWN)))
    others = staying(state)
    short = record.short
    assert short.size < record.size
    for name, beside in (("RECORDS_BYTES", others), ("RECORD_BYTES", 0)):
        before = getattr(budget, name)
        for room, found in (
            (record.size, record),
            (record.size - 1, short),
            (short.size, short),
            (short.size - 1, None),
        ):
            bound(name, beside + room)
            assert fitting(state, record) == found
        bound(name, before)
    settled = record.changed(known=known(attempt(answer(errmsg=LONG)), said=(yes(),)))
    bound("RECORDS_BYTES", 1)
    assert fitting(state, settled) == settled
    smaller = state.records["a"].short
    assert fitting(state, smaller) == smaller, "what is known already takes no more room"
    assert fitting(state, state.records["a"]) == state.records["a"]
    grown = state.records["a"].changed(known=known(attempt(UNKNOWN, name="w-a"), attempt(UNKNOWN, 2, "more")))
    bound("RECORDS_BYTES", state.records["b"].size + grown.size)
    assert fitting(state, grown) == grown, "it takes the place of what was known of it"
    assert staying(done(state, report(key="sent", known=SENT))) == staying(state), "what is settled can go"


def test_settled_records_shrink_and_go_until_there_is_room(bound: Any) -> None:
    """As few as it takes, the oldest first."""
    state = EMPTY
    for number, key in enumerate("abc"):
        state = done(state, report(key=key, known=SENT), now=NOON + number * SECOND)
    whole = sum(one.size for one in state.records.values())
    bound("RECORDS_BYTES", whole)
    bound("_SQUEEZED", 0)
    assert with_record(state, state.records["c"]) == state
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
    bound("_SQUEEZED", whole - sum(shorter.values()) - state.records["a"].short.size - 1)
    assert [*with_record(state, record).records] == ["c"]


def test_what_stays_is_short_beyond_a_half_of_the_room(bound: Any) -> None:
    """Not before, since people read what goes with that; what has the lease or waits stays as well."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = done(state, *(report(attempt(UNKNOWN, name=f"w-{key}"), key=key) for key in "ab"))
    record = state.records["b"]
    bound("_SHORTENED", 0)
    bound("_NEW_KEYS", staying(state))
    assert with_record(state, record) == state
    bound("_NEW_KEYS", staying(state) - 1)
    after = with_record(state, record)
    assert [after.records[key] == state.records[key].short != state.records[key] for key in "ab"] == [True, True]


def test_the_lease_keeps_its_record_where_its_try_is_forgotten(bound: Any) -> None:
    """As it does for a key with very many tries: nothing else says that it cannot go."""
    state, _ = leased(EMPTY, wish("w0", "first"))
    state = state.changed(records={"first": state.records["first"].changed(known=known())})
    bound("RECORDS_BYTES", 0)
    assert staying(state) == state.records["first"].size
    assert [*with_record(state, state.records["first"]).records] == ["first"]


def test_answers_have_the_room_that_the_queue_leaves(bound: Any) -> None:
    """To the byte; the newest one is left out, and its run asks again. One that has waited has more room."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1", "waits"))
    state = done(state, look("w2", "a"))
    note = state.notes[0]._replace(key="b")
    takes = sum(map(row_size, (*state.queue, *state.notes, note)))
    for name, waited in (("WAITING_BYTES", False), ("TELLING_BYTES", True)):
        for room, keys in ((takes, ["a", "b"]), (takes - 1, ["a"])):
            bound(name, room)
            assert [one.key for one in with_note(state, note, waited=waited).notes] == keys
        bound(name, 9 * takes)


def test_nobody_gets_the_room_of_an_answer_to_be_sent(bound: Any) -> None:
    """Neither a place, nor by sending somebody away: that takes room for an answer, too. To the byte."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1", "waits", turn=turn(due=NOON + 9 * MINUTE)))
    state = done(state, look("w2", "a"))
    takes = sum(map(row_size, (*state.queue, *state.notes)))
    for room, has, may in ((1280, True, True), (1279, True, False), (640, True, False), (639, False, False)):
        bound("WAITING_BYTES", takes + room)
        assert (has_place(state), may_send_away(state)) == (has, may)


def test_the_newest_within_room_are_a_tail() -> None:
    """Each takes a little more than its JSON."""
    models = tuple(ArticleCheck(idx=number) for number in range(10, 15))
    size = model_size(models[0])
    assert size == len(models[0].model_dump_json(exclude_none=True)) + len(",")
    for room, count in ((3 * size, 3), (3 * size - 1, 2), (0, 0), (99 * size, 5)):
        assert newest_within(models, room) == models[len(models) - count :]


def test_a_size_is_what_it_takes_in_the_state() -> None:
    """To the byte, but for what is empty; the more there is in it, the more it takes."""
    state, before = done(EMPTY, wish("w1", "first"), wish("w2", "b", "run-2")), done(EMPTY, wish("w1", "first"))
    record = state.records["b"]
    assert record.size == len(record.model_dump_json(exclude_none=True)) + len('"b":,')
    assert row_size(state.queue[0]) == json_size(state.queue[0]) + len(",")
    grown = len(state.model_dump_json()) - len(before.model_dump_json())
    assert grown <= record.size + row_size(state.queue[0]) + len('"queue":[],')


def test_what_cannot_be_json_is_not_carried_on(bound: Any) -> None:
    """A signal may bring anything."""
    assert json_size(b"\xff") == BYTES_MAX
    assert not may_be_carried([b"\xff"])
    inbox = [("push", {"msg_id": 1})]
    bound("INBOX_BYTES", json_size(inbox))
    assert may_be_carried(inbox)
    bound("INBOX_BYTES", json_size(inbox) - 1)
    assert not may_be_carried(inbox)


def test_who_waits_already_keeps_its_place_in_a_full_ledger(bound: Any) -> None:
    """It takes no more room than before; another known key with nothing unsettled takes some."""
    state = done(EMPTY, report(attempt(answer("refused", errcode=48001)), key="known"))
    state, _ = leased(state, wish("w0", "first"), wish("w1"))
    bound("_NEW_KEYS", 0)
    state, [granted] = asked(state, wish("w2", number=2))
    assert ([place.wish for place in state.queue], granted.waits) == (["w2"], Waits(why="queue", place=1))
    state, [granted] = asked(state, wish("w3", "known"))
    assert ([place.wish for place in state.queue], granted.waits and granted.waits.why) == (["w2"], "full")


def test_a_place_needs_room_for_the_longest_one(bound: Any) -> None:
    """To the byte."""
    state, _ = leased(EMPTY, wish("w0", "first"), wish("w1", "a"))
    for room, places in ((640, 2), (639, 1)):
        bound("QUEUE_BYTES", sum(map(row_size, state.queue)) + room)
        assert len(done(state, wish("w2", "b")).queue) == places


def test_a_turn_that_is_over_is_not_told_to_ask_again(bound: Any) -> None:
    """Also where the queue is full, whatever the second."""
    bound("QUEUE_BYTES", 0)
    for until, told in ((NOON, None), (NOON + SECOND, Waits(why="full", until=room_at(EMPTY, NOON)))):
        _, [granted] = asked(EMPTY, wish(turn=turn(until=until)))
        assert (granted.answer, granted.waits) == ("known", told)


def test_a_new_key_with_too_many_facts_is_told_to_ask_again() -> None:
    """Nothing of it is kept; a freeze is told all the same."""
    words = tuple(
        Decided(id=f"d{number}", what="retry", by="li", reason=LONG, at=NOON, generation=0) for number in range(99)
    )
    state, [granted] = asked(freeze(EMPTY, "li", "x", NOON), wish(known=known(decided=words)))
    assert (granted.answer, state.records, state.queue) == ("known", {}, ())
    assert granted.waits == Waits(why="full", until=room_at(EMPTY, NOON), frozen=state.frozen)


@pytest.mark.parametrize("name", ["_NEW_KEYS", "RECORD_BYTES"])
def test_a_ledger_without_room_tells_an_end_of_its_doubt(bound: Any, name: str) -> None:
    """It can keep neither the key nor what comes to it. Each doubt is told once, and none of a newer key."""
    ending, now = Ending(generation=0, clientmsgid=turn().clientmsgid), NOON + MINUTE
    state = restored(EMPTY if name == "_NEW_KEYS" else done(EMPTY, look("w0")))
    bound(name, -1)
    _, [looks] = asked(state, look("w1"))
    _, [ends] = asked(state, look("w1", ending=ending))
    assert (looks.known, ends.waits and ends.waits.why) == (Known(), "full")
    [doubt] = doubts(ends.known)
    assert (doubt.clientmsgid, doubt.not_before) == (ending.clientmsgid, TAKEN - 2 * DAY)
    _, [again] = asked(state, look("w1", known=ends.known, ending=ending))
    assert union(again.known, ends.known) == ends.known
    state = caught_up(state, NOON) if name == "_NEW_KEYS" else EMPTY
    for started_at in (NOON, now):
        _, [ends] = asked(state, look("w1", ending=ending, started_at=started_at), now=now)
        assert len(doubts(ends.known)) == int(name == "_NEW_KEYS" and started_at == NOON)


def test_a_ledger_without_room_tells_how_a_key_has_ended(bound: Any) -> None:
    """It has no record of the key, and who wishes has found an earlier run that a person has stopped."""
    bound("_NEW_KEYS", -1)
    stopped = Ended(outcome="aborted")
    _, [granted] = asked(EMPTY, wish(ended=stopped))
    assert (granted.ended, granted.waits and granted.waits.why) == (stopped, "full")


@pytest.mark.parametrize("name", ["QUEUE_BYTES", "_NEW_KEYS"])
def test_a_send_that_is_due_takes_the_room_of_a_later_one(bound: Any, name: str) -> None:
    """Of the last in the queue, which is told when to come again. One that is due no sooner than that has to wait."""
    later = [turn(due=NOON + number * MINUTE) for number in range(1, 10)]
    state, _ = asked(EMPTY, *(wish(f"w{n}", f"k{n}", run=f"run-{n}", turn=one) for n, one in enumerate(later)))
    bound(name, sum(map(row_size, state.queue)) if name == "QUEUE_BYTES" else staying(state) - 1)
    state, [granted] = asked(state, wish("w9", "k9", turn=later[-1]))
    assert granted.waits == Waits(why="full", until=NOON + 4 * MINUTE + SECOND)
    state, said = heard(done(state, wish("urgent", "urgent", run="run")))
    assert state.lease is not None
    assert state.lease.key == "urgent"
    told = {one.run_id or "": one.payload.waits for one in said if isinstance(one.payload, Granted)}
    del told["run"]
    assert [place.run_id for place in state.queue] + sorted(told) == [f"run-{n}" for n in range(9)]
    assert all(one is not None and one.why == "full" and one.until is not None for one in told.values())
    assert told
    assert state.queue


@pytest.mark.parametrize("name", ["QUEUE_BYTES", "_NEW_KEYS"])
def test_who_takes_no_more_room_sends_nobody_away(bound: Any, name: str) -> None:
    """In a full account: who waits already keeps its place, and a doubt has its room in the ledger."""
    doubt = report(attempt(UNKNOWN), key="doubt")
    state, _ = asked(EMPTY, doubt, wish("w1", "a"), wish("w2", "later", turn=turn(due=NOON + 9 * MINUTE)))
    state, _ = asked(state, wish("w3", "b"))
    assert [place.key for place in state.queue] == ["b", "later"]
    bound(name, sum(map(row_size, state.queue)) + 639 if name == "QUEUE_BYTES" else staying(state) - 1)
    assert [place.key for place in done(state, wish("w4", "b", number=2)).queue] == ["b", "later"]
    state = done(state, wish("w5", "doubt", known=doubt.known))
    assert [place.key for place in state.queue] == ["b", "doubt", *(["later"] if name == "_NEW_KEYS" else [])]


def test_pushes_lose_articles_before_they_are_lost(bound: Any) -> None:
    """The oldest first, and no more of them than it takes."""
    articles = (ArticleCheck(idx=1, url=LONG),)
    pushes = tuple(
        KeptPush(event=JobFinished(msg_id=100 + number, status="send success", articles=articles), at=NOON)
        for number in range(3)
    )
    takes = sum(one.size for one in pushes)
    each = takes // 3 - pushes[0].without_articles.size
    for room, left in ((takes, [1, 1, 1]), (takes - each, [0, 1, 1]), (takes - each - 1, [0, 0, 1])):
        bound("KEPT_BYTES", room)
        assert [len(one.event.articles) for one in with_kept(EMPTY, pushes).kept] == left
    bare = tuple(one.without_articles for one in pushes)
    bound("KEPT_BYTES", sum(one.size for one in bare))
    assert with_kept(EMPTY, pushes).kept == bare
    bound("KEPT_BYTES", sum(one.size for one in bare) - 1)
    assert with_kept(EMPTY, pushes).kept == bare[1:]
