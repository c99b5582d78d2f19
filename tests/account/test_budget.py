"""However much is sent to an account, its state is one small payload, and what may have been delivered is in it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from qunfa.account import budget, routing
from qunfa.account.budget import BYTES_MAX, INBOX_BYTES, is_full, is_full_of_doubts, trimmed, with_record
from qunfa.account.leases import settle
from qunfa.account.people import freeze
from qunfa.account.queue import room_at
from qunfa.account.state import AccountState
from qunfa.contract.facts import Decided, Ended, Owned, Said
from qunfa.contract.ledger import LIFE, KeptPush, Recalled
from qunfa.contract.result import Answer, ArticleCheck, JobFinished, Verdict
from qunfa.send.doubt import jobs_of
from tests.account.driving import (
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
    size,
    tried,
    turn,
    wish,
    yes,
)
from tests.rules.arbitrary import NOON

ROOM = BYTES_MAX - INBOX_BYTES
LONG = "号" * 5000
ARTICLES = tuple(ArticleCheck(idx=n, url="https://mp.weixin.qq.com/s?__biz=" + "x" * 400) for n in range(20))
VAGUE = answer("unknown", errcode=-1, errmsg=LONG, rid=LONG, detail=LONG)
UNKNOWN = answer("unknown", detail=LONG)
DIGEST = "d" * 64
ENDED = Ended(outcome="unknown", problem="unknown_outcome")


def settled(number: int, **more: Any) -> Any:
    """A report of a send that was delivered, with all that WeChat had to say."""
    word = Said(
        msg_id=number,
        verdict=Verdict(status="send success", observed_by="push", articles=ARTICLES),
        at=NOON + number * SECOND,
    )
    one = attempt(answer(msg_id=number, errmsg=LONG), name=f"w{number}")
    return report(key=f"s{number:05}", known={"tries": (one,), "said": (word,)}, **more)


def doubt(number: int, **more: Any) -> Any:
    """A report of a send of which nobody knows whether it was delivered."""
    return report(attempt(UNKNOWN, name=f"w{number}"), key=f"o{number:05}", **more)


def filled(state: AccountState, messages: Any) -> AccountState:
    """The state after many messages, a second after each other."""
    for number, message in enumerate(messages):
        state = done(state, message, now=NOON + number * SECOND)
    return state


def test_settled_sends_are_shortened_and_then_go_the_oldest_first() -> None:
    """What is unsettled stays, however old. Nothing is sent on, since nobody has pushed."""
    state = filled(EMPTY, [*map(doubt, range(60)), *map(settled, range(1, 600))])
    assert state.forwards == ()
    left = [key for key in state.records if key.startswith("s")]
    assert size(state) <= ROOM
    assert sum(key.startswith("o") for key in state.records) == 60
    assert left == [f"s{number:05}" for number in range(600 - len(left), 600)]
    assert len(left) > 100
    assert not any(one.verdict.articles for one in state.records[left[0]].known.said)
    assert any(one.verdict.articles for one in state.records[left[-1]].known.said)


def pushed(state: AccountState, numbers: Sequence[int], now: datetime) -> tuple[AccountState, list[JobFinished]]:
    """The state once so many sends were accepted, and then pushed; and these pushes."""
    tries = {number: attempt(answer(msg_id=number), name=f"w{number}") for number in numbers}
    state = done(state, *(report(one, key=f"p{number}") for number, one in tries.items()), now=now)
    pushes = [JobFinished(msg_id=number, status="err(30003)", articles=ARTICLES) for number in numbers]
    return done(state, *pushes, now=now), pushes


@pytest.mark.parametrize("together", [1, 60])
def test_a_full_ledger_sends_pushes_on_with_articles(together: int) -> None:
    """One after the other, and those of an outage at once. No more records go for that."""
    state = filled(EMPTY, map(settled, range(1, 300)))
    for number in range(1000, 1060, together):
        now = NOON + number * SECOND
        state, pushes = pushed(state, range(number, number + together), now)
        state, said = heard(state, now)
        assert [one.payload for one in said] == pushes
    assert size(state) <= BYTES_MAX + together * 16 * 1024
    state = trimmed(state, NOON + 2000 * SECOND)
    assert size(state) <= ROOM
    assert len(state.records) > 200


def test_a_push_that_waits_is_whole_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte, until it was sent on or is carried on. It is gone where there is no room for it in short."""
    accepted = report(attempt(answer()))
    push = JobFinished(msg_id=7, status="send success", articles=(ArticleCheck(idx=1, url="x" * 400),))
    state = done(EMPTY, accepted, push)
    record = state.records["k"]
    monkeypatch.setattr(budget, "RECORDS_BYTES", record.size - 1)
    monkeypatch.setattr(budget, "_SQUEEZED", record.short.size)
    for room, left in ((record.size, record), (record.size - 1, record.short)):
        monkeypatch.setattr(budget, "_UNSAID", room)
        assert with_record(state, record).records == {"k": left}
    monkeypatch.setattr(budget, "_UNSAID", record.size)
    carried = trimmed(state, NOON)
    assert (carried.records, carried.forwards) == ({"k": record.short}, state.forwards)
    heard_of, _ = heard(state)
    assert with_record(heard_of, record).records == {"k": record.short}
    monkeypatch.setattr(budget, "_SQUEEZED", record.short.size - 1)
    assert with_record(state, record) == state.changed(records={}, forwards=())
    gone = done(EMPTY, accepted, push)
    assert (gone.records, gone.forwards, [one.event for one in gone.kept]) == ({}, (), [push])


def test_pushes_that_wait_are_carried_on_within_the_room() -> None:
    """However many are still to be sent on; no doubt goes for them."""
    state = filled(EMPTY, [*map(doubt, range(60)), *map(settled, range(1, 300))])
    now = NOON + 1000 * SECOND
    for first in range(1000, 1300, 50):
        state, _ = pushed(state, range(first, first + 50), now)
    assert len(state.forwards) > 100
    assert size(state) <= ROOM + 1024 * 1024
    state = trimmed(state, now)
    assert size(state) <= ROOM
    assert sum(key.startswith("o") for key in state.records) == 60
    forwards = [one.msg_id for one in state.forwards]
    state, said = heard(state, now)
    assert [one.payload.msg_id for one in said if isinstance(one.payload, JobFinished)] == forwards


@pytest.mark.parametrize(("ended", "left"), [(ENDED, set[str]()), (None, {"o00000"})])
def test_what_nobody_waits_for_any_more_goes_after_35_days(ended: Ended | None, left: set[str]) -> None:
    """Settled records, and doubts whose send has ended: else 532 of these would fill the ledger for ever."""
    state = done(EMPTY, doubt(0, ended=ended), settled(1), JobFinished(msg_id=99, status="send success"))
    young = trimmed(state, NOON + LIFE - SECOND)
    assert (set(young.records), len(young.kept)) == ({"o00000", "s00001"}, 1)
    old = trimmed(state, NOON + LIFE)
    assert (set(old.records), old.kept) == (left, ())


def test_a_ledger_full_of_doubts_takes_no_new_key_and_says_so() -> None:
    """But goes on with those it knows; there is room again when they have ended and are old."""
    state = filled(EMPTY, (doubt(number, ended=ENDED) for number in range(900)))
    assert 150 < len(state.records) < 900
    assert size(state) <= ROOM
    later = NOON + 900 * SECOND
    state, [granted] = asked(state, wish("new", "new"), now=later)
    assert granted.waits is not None
    assert (granted.waits.why, granted.waits.until) == ("full", later + 10 * MINUTE)
    assert "new" not in state.records
    doubts = state.records["o00001"].known
    assert leased(state, wish("w2", "o00001", known=doubts), now=later)[1].number == 2
    state = trimmed(state, later + LIFE)
    assert asked(state, wish("newer", "new"), now=later + LIFE)[1][0].answer == "lease"


def echoed(number: int, **more: Any) -> Any:
    """A report of a send that WeChat took for another key's."""
    one = attempt(answer("duplicate", errcode=45065, msg_id=7), name=f"w{number}")
    named = Owned(msg_id=7, key="other", generation=0, accepted=True)
    return report(key=f"e{number:05}", known=known(one, owned=(named,)), **more)


def test_echoes_of_other_keys_leave_room_for_new_ones() -> None:
    """Nothing comes of them once their sends have ended, and closed runs tell of them. They go as settled ones do."""
    state = filled(EMPTY, (echoed(number, ended=ENDED) for number in range(600)))
    later = NOON + 600 * SECOND
    assert size(state) <= ROOM
    assert all(record.unsettled for record in state.records.values())
    assert not is_full(state)
    assert not is_full_of_doubts(state)
    assert "e00000" not in state.records
    assert asked(state, wish("w0", "e00000", searched=False), now=later)[1][0].answer == "search"
    assert asked(state, wish("new", "new"), now=later)[1][0].answer == "lease"
    assert done(EMPTY, echoed(0)).records["e00000"].stays, "a person is asked, and may have found its job"
    both = known(*(one for told in (echoed(0), doubt(1)) for one in told.known.tries), owned=echoed(0).known.owned)
    assert done(EMPTY, report(key="k", known=both, ended=ENDED)).records["k"].stays, "a slow one may still come"


def probed(state: AccountState, keys: list[str], said: Answer, now: datetime) -> tuple[AccountState, datetime]:
    """The state once all of these have asked for their turn, and who can has had it; all tries get this answer."""
    for key in keys:
        record = state.records.get(key)
        facts = record.known if record else known()
        state = done(state, wish(str(uuid4()), key, str(uuid4()), digest=DIGEST, known=facts, turn=turn(due=now)))
        state, _ = heard(state)
    while state.queue or state.lease:
        now += 2 * SECOND
        state, _ = heard(settle(state, now), now)
        if state.lease is None:
            break
        one = tried(state.lease, said.model_copy(update={"at": now}))
        state = done(state, report(one, key=state.lease.key, digest=DIGEST), now=now)
    return state, now


@pytest.mark.parametrize(
    "sends", [85, pytest.param(40, marks=pytest.mark.long), pytest.param(260, marks=pytest.mark.long)]
)
def test_doubts_that_are_probed_all_day_are_always_granted(sends: int) -> None:
    """No answers to sends that are due at once, first with a word of WeChat's, then without: what settles them goes on.

    The first tries of each stay, from which its window runs.
    """
    state, now, begun = EMPTY, NOON, dict[str, datetime]()
    keys = [f"campaign-{number:05}" for number in range(sends)]
    for round_ in range(10):
        state, now = probed(state, keys, VAGUE if round_ < 3 else UNKNOWN, now)
        assert not any(state.records[place.key].unsettled for place in state.queue)
        doubts = {key: one for key, one in state.records.items() if one.unsettled}
        for key, record in doubts.items():
            began = record.jobs[0].window_started_at
            assert began is not None
            assert begun.setdefault(key, began) == began
        assert set(begun) == set(doubts)
        assert size(state) <= ROOM
    assert len(begun) > 25


@pytest.mark.long
def test_a_queue_that_is_full_says_when_to_ask_again() -> None:
    """Nobody that waits is sent away for it, and no record goes."""
    state = freeze(EMPTY, "li", "x", NOON)
    for number in range(600):
        state = done(state, wish(f"{number:036}", f"k{number}", run=f"{number:036}"))
        state, _ = heard(state)
    assert 250 < len(state.queue) < 600
    assert all(place.key in state.records for place in state.queue)
    _, [granted] = asked(state, wish("new", "new"))
    assert granted.waits is not None
    assert granted.waits.why == "full"
    assert granted.waits.until is not None
    assert NOON + MINUTE < granted.waits.until <= NOON + 10 * MINUTE
    assert size(state) <= ROOM


@pytest.mark.long
def test_answers_to_a_flood_are_bounded() -> None:
    """Who gets none asks again."""
    state = EMPTY
    for number in range(1000):
        state = done(state, wish(f"{number:036}", f"k{number}", run=f"{number:036}", searched=False))
    assert 100 < len(state.notes) < 900
    assert size(state) <= ROOM


@pytest.mark.long
def test_giants_are_cut() -> None:
    """Texts of a hundred thousand characters, hundreds of tries, decisions and words."""
    giant = "\x01" * 100_000
    tries = tuple(attempt(answer("unknown", errmsg=giant), n + 1, f"w{n}") for n in range(500))
    decided = tuple(
        Decided(id=f"u{n}", what="retry", by=giant, reason=giant, at=NOON, generation=0, covers=("old",) * 500)
        for n in range(300)
    )
    recalled = Recalled(at=NOON, msg_id=7, by=giant, reason=giant)
    state = EMPTY
    for key in map(str, range(40)):
        said = tuple(yes(n + 1, f"err({n})") for n in range(500))
        state = done(
            state,
            report(key=key, known=known(*tries), ended=Ended(outcome="failed", problem=giant)),
            report(key=key, known=known(said=said), recalled=recalled),
            look(f"w{key}", f"b{key}", known=known(decided=decided), digests=("d",) * 500),
            JobFinished(msg_id=int(key) + 1, status="send success" + " " * 9999, articles=ARTICLES * 50),
        )
    state = freeze(state, giant, giant, NOON)
    assert size(state) <= ROOM


def test_what_is_shortened_means_the_same() -> None:
    """Only evidence for people goes, and tries that no rule counts."""
    said = answer("unknown", errcode=-1, errmsg="system busy")
    tries = tuple(attempt(said, n + 1, f"w{n}", not_before=NOON + n * SECOND) for n in range(20))
    accepted = attempt(answer(msg_id=9), 30, "yes", not_before=NOON + MINUTE)
    state = done(EMPTY, report(known=known(*tries, accepted, said=(yes(9, "err(30001)"),))))
    record = state.records["k"]
    before, after = jobs_of(record.known, "k", "c")[0], jobs_of(record.short.known, "k", "c")[0]
    same = ("ever_unknown", "window_started_at", "vague", "msg_id", "accepted_at", "collides_with")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert record.short.size < record.size / 3


def test_a_full_ledger_refuses_facts_rather_than_losing_any() -> None:
    """Whoever brings them has them."""
    state = filled(EMPTY, (doubt(number) for number in range(400)))
    many = tuple(attempt(answer(msg_id=n + 1), n + 2, f"x{n}", generation=n) for n in range(30))
    for key in list(state.records):
        before = state.records[key].known
        state = done(state, report(*many, key=key))
        assert {one.identity for one in before.tries} <= {one.identity for one in state.records[key].known.tries}
    assert size(state) <= ROOM


def test_a_push_without_room_for_its_record_waits_for_its_send() -> None:
    """It settles the record, which goes at once. A send that tells what it has done has it, once there is room."""
    mine = report(attempt(answer(msg_id=77)), key="mine")
    state = filled(done(EMPTY, mine), (doubt(number) for number in range(400)))
    many = tuple(attempt(answer(msg_id=1000 + n), n + 2, f"x{n}", generation=n) for n in range(30))
    for key in [key for key in state.records if key != "mine"]:
        state = done(state, report(*many, key=key))
    state, said = heard(done(state, JobFinished(msg_id=77, status="send success", articles=ARTICLES)))
    assert ("mine" in state.records, said, [push.event.msg_id for push in state.kept]) == (False, [], [77])
    state, said = heard(done(state.changed(records={}), mine))
    assert [(one.kind, one.key) for one in said] == [("push", "mine")]
    assert (state.kept, state.records["mine"].unsettled) == ((), False)


@pytest.mark.parametrize(
    ("waiting", "pace", "wait"),
    [(0, 1, 10), (19, 1, 10), (20, 1, 10), (22, 1, 11), (4, 60, 120), (20, 60, 600), (30, 60, 600)],
)
def test_who_is_told_to_ask_again_comes_when_half_have_had_their_turn(waiting: int, pace: int, wait: int) -> None:
    """Between ten seconds and ten minutes later."""
    state = freeze(EMPTY, "li", "x", NOON)
    state = done(state, *(wish(f"w{n}", f"k{n}", turn=turn(pace=pace * SECOND)) for n in range(waiting)))
    assert room_at(state, NOON) == NOON + wait * SECOND


def test_a_long_push_of_nobody_loses_its_articles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its own bound."""
    push = JobFinished(msg_id=99, status="send success", articles=(ArticleCheck(idx=1, url="x" * 400),))
    size = KeptPush(event=push, at=NOON).size
    for room, left in ((size, 1), (size - 1, 0)):
        monkeypatch.setattr(routing, "ONE_KEPT_BYTES", room)
        assert [len(one.event.articles) for one in done(EMPTY, push).kept] == [left]
