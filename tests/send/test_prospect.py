"""What a check tells of a key, a freeze and a quota before a send: by the plan, which no check can lead astray."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from qunfa.batches import show
from qunfa.contract.facts import Ended, Known, Owned
from qunfa.contract.ledger import Day, Frozen
from qunfa.contract.limits import Book
from qunfa.contract.prospect import Ahead, FreezeSeen, KeySeen, Past, QuotaSeen, RunSeen
from qunfa.rules.memory import union
from qunfa.send import prospect
from qunfa.send.prospect import Start
from qunfa.send.steps import End, Step
from tests.batches.driving import FILE, planned
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.arbitrary_facts import known as memories
from tests.send.places import accepted, asking, in_doubt, marked, second, trying

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGO = NOON - 50 * DAY
FREEZE = Frozen(by="li", reason="wrong text", at=NOON)
MIDNIGHT = NOON.replace(hour=16)
NEXT_MONTH = datetime.fromisoformat("2027-01-01T00:00:00+08:00")
CLOCK = "2026-12-01 12:00:00+08:00"
WHOLE = "mass-send:demo:spring"


def start(digest: str | None = "d", facts: Any = FACTS, **request: Any) -> Start:
    """A start at noon."""
    return Start(Alone(**request).engine.request, facts, "default", digest, NOON)


def of_key(known: Known | None = None, *, at: Start | None = None, run: RunSeen | None = None, **past: Any) -> KeySeen:
    """What is told of a key with these facts."""
    found = Past(known=known or Known(), digests=past.pop("digests", ("d",) if known else ()), **past)
    return prospect.of_key(at or start(), Ahead(book=Book(), past=found, run=run))


def sent() -> Known:
    """WeChat has delivered it."""
    alone = accepted()
    alone.pushed()
    return alone.state.known


def refused() -> Known:
    """WeChat has refused the try for good."""
    alone = trying()
    alone.answered("refused", errcode=48001)
    return alone.state.known


def unanswered() -> Known:
    """Nobody has heard of the try."""
    alone = trying()
    alone.answered("unknown")
    return alone.state.known


def given_up() -> Known:
    """A person has looked for it, and it is not there."""
    alone = in_doubt()
    assert alone.abort(confirm_not_delivered=True) is None
    return alone.state.known


ENDED = Ended(outcome="failed", problem="content_refused")


@pytest.mark.parametrize(
    ("known", "ended", "state", "would", "said", "then"),
    [
        (Known, None, "new", "send", "new", "is sent"),
        (Known, Ended(outcome="aborted"), "ended", "send", "ended as aborted,; nothing was delivered", "is sent"),
        (
            sent,
            Ended(outcome="sent"),
            "sent",
            "give_result",
            f"sent as msg_id 7, accepted {CLOCK}",
            "ends as sent at once; nothing is submitted",
        ),
        (
            lambda: accepted().state.known,
            None,
            "accepted",
            "await_result",
            f"accepted as msg_id 7, {CLOCK}; no result yet",
            "awaits that result; nothing is submitted",
        ),
        (
            lambda: asking("err(20001)").state.known,
            ENDED,
            "ended",
            "give_result",
            f"ended as failed (content_refused), {CLOCK}; nothing was delivered",
            "ends as failed at once; nothing is submitted",
        ),
        (refused, None, "ended", "send", f"was refused by WeChat, {CLOCK}; nothing was delivered", "is sent"),
        (
            unanswered,
            None,
            "in_doubt",
            "try_again",
            f"in doubt: a try of {CLOCK} may have been accepted",
            "tries the same again; WeChat recognises a repeat",
        ),
        (
            lambda: trying().state.known,
            None,
            "in_doubt",
            "try_again",
            f"in doubt: a try of {CLOCK} may have been accepted",
            "tries the same again; WeChat recognises a repeat",
        ),
    ],
)
def test_each_past_is_told_with_what_a_start_does(
    *, known: Callable[[], Known], ended: Ended | None, state: str, would: str, said: str, then: str
) -> None:
    """In words and in fields; a refusal that ended no send keeps the next one from nothing."""
    seen = of_key(known(), ended=ended)
    assert (seen.state, seen.start, seen.said, seen.then) == (state, would, said, then)


def test_a_past_is_told_in_fields() -> None:
    """Outcome and problem of the end, WeChat's ids, and when it was accepted."""
    known = asking("err(20001)").state.known
    for seen in (of_key(known, ended=ENDED), of_key(known, ended=ENDED, at=start(None))):
        assert (seen.outcome, seen.problem, seen.msg_ids, seen.at) == ("failed", "content_refused", (7,), NOON)
    seen = of_key(given_up(), ended=Ended(outcome="aborted"))
    assert (seen.start, seen.outcome, seen.problem) == ("ask", "aborted", "not_delivered")
    assert seen.then == "asks an operator: not_delivered"


def test_an_end_that_nobody_was_told_of_is_told_in_fields() -> None:
    """A start would end with it at once, as the plan says."""
    seen = of_key(sent())
    assert (seen.start, seen.outcome, seen.problem) == ("give_result", "sent", None)
    seen = of_key(asking("err(20001)").state.known, at=start(on_problem="fail"))
    assert (seen.start, seen.outcome, seen.problem) == ("give_result", "failed", "content_refused")


def test_a_past_has_the_time_of_what_it_tells() -> None:
    """Of an acceptance, also after a later refusal; else of the newest answer. Each msg_id is named."""
    alone = trying()
    alone.wait(HOUR)
    alone.answered("refused", errcode=48001)
    assert of_key(alone.state.known).at == NOON + HOUR
    alone = second(asking())
    alone.wait(HOUR)
    alone.answered("refused", errcode=48001)
    assert of_key(alone.state.known).at == NOON
    twice = second(asking())
    twice.answered("accepted", msg_id=8)
    twice.pushed(msg_id=8)
    assert of_key(twice.state.known).said == f"sent as msg_id 7, 8, accepted {CLOCK}"


def test_a_job_that_is_found_to_be_its_own_is_told() -> None:
    """WeChat has said 45065 with its msg_id, and the ledger whose that is."""
    alone = trying()
    alone.answered("duplicate", errcode=45065)
    known = union(alone.state.known, Known(owned=(Owned(msg_id=7, key="spring", generation=0, accepted=True),)))
    assert (of_key(known).state, of_key(known).msg_ids) == ("accepted", (7,))


def test_an_end_without_a_try_has_the_time_of_its_run() -> None:
    """Else that at which the ledger was told of it."""
    run = RunSeen(running=False, started_at=NOON - 2 * HOUR, closed_at=NOON - HOUR)
    ended: dict[str, Any] = {"ended": Ended(outcome="aborted"), "touched_at": NOON}
    assert of_key(run=run, **ended).at == NOON - HOUR
    seen = of_key(**ended)
    assert (seen.at, seen.said) == (NOON, f"ended as aborted, {CLOCK}; nothing was delivered")


def test_another_content_is_refused_whatever_is_known() -> None:
    """Also while it runs; what became of the other content is told."""
    run = RunSeen(running=True, phase="scheduled", started_at=NOON)
    seen = of_key(sent(), digests=("other",))
    assert (seen.state, seen.start, seen.then) == ("other_content", "be_refused", "is refused; take another key")
    assert seen.said == f"stands for other content: sent as msg_id 7, accepted {CLOCK}"
    assert of_key(digests=("d", "other")).said == "stands for other content"
    assert of_key(digests=("other",), run=run).said == f"stands for other content: runs since {CLOCK}: scheduled"


@pytest.mark.parametrize(
    ("digests", "first", "state", "would", "said"),
    [
        ((), Ahead(past=Past()), "new", "send", "new"),
        (("d",), Ahead(), "unknown", "unknown", "not known: nobody could be asked"),
        (("d",), Ahead(forgotten="silent"), "unknown", "unknown", "not known: silent"),
        (
            ("d",),
            Ahead(past=Past()),
            "unknown",
            "unknown",
            "begun before; what became of its batches is not known",
        ),
        (
            ("d",),
            Ahead(
                past=Past(known=accepted().state.known), run=RunSeen(running=False, closed_at=NOON + DAY, parent=WHOLE)
            ),
            "begun",
            "go_on",
            f"begun before; its first batch: accepted as msg_id 7, {CLOCK}; no result yet",
        ),
        (
            ("d",),
            Ahead(past=Past(known=marked().state.known)),
            "begun",
            "go_on",
            f"begun before; its first batch: accepted as msg_id 9, {CLOCK}; no result yet",
        ),
    ],
)
def test_the_first_batch_tells_whether_a_list_was_begun(
    *, digests: tuple[str, ...], first: Ahead, state: str, would: str, said: str
) -> None:
    """Its own record has no tries; a digest alone tells no more than that it was started."""
    seen = prospect.of_key(start(audience=FILE), Ahead(book=Book(), past=Past(digests=digests)), first)
    assert (seen.state, seen.start, seen.said) == (state, would, said)


@pytest.mark.parametrize(("parent", "digests"), [("mass-send:demo:autumn", ()), (None, ())])
def test_a_send_that_has_a_batchs_key_is_no_batch(parent: str | None, digests: tuple[str, ...]) -> None:
    """A list is new though somebody has used the key of its first batch before."""
    other = Ahead(past=Past(known=accepted().state.known), run=RunSeen(running=False, parent=parent))
    for first in (other, other.model_copy(update={"run": None})):
        seen = prospect.of_key(start(audience=FILE), Ahead(book=Book(), past=Past(digests=digests)), first)
        assert (seen.state, seen.start) == ("new", "send")


@pytest.mark.parametrize(("digest", "said"), [("other", ": begun before; its first batch: accepted"), ("d", None)])
def test_a_plain_send_is_told_of_the_list_that_has_its_key(digest: str, said: str | None) -> None:
    """Another key would reach the same people again. A key that stands for this send is of no list."""
    first = Ahead(past=Past(known=accepted().state.known), run=RunSeen(running=False, parent=WHOLE))
    seen = prospect.of_key(start(), Ahead(book=Book(), past=Past(digests=(digest,))), first)
    assert (said or "new") in seen.said


def test_a_run_under_way_is_followed() -> None:
    """With where it stands, also where nobody knows more of the key."""
    run = RunSeen(running=True, phase="scheduled", started_at=NOON - HOUR)
    said = "runs since 2026-12-01 11:00:00+08:00: scheduled"
    known = of_key(run=run)
    unknown = prospect.of_key(start(), Ahead(book=Book(), forgotten="silent", run=run))
    for seen in (known, unknown):
        assert (seen.state, seen.start, seen.phase, seen.at) == ("running", "follow", "scheduled", NOON - HOUR)
        assert seen.said == said
    assert known.then == "starts nothing; --wait follows the one that runs"
    assert unknown.then == "starts nothing; whether it is the same content is not known"
    assert of_key(run=RunSeen(running=True)).said == "runs"


def test_what_is_not_known_is_not_guessed() -> None:
    """Neither of the key nor of account and quota; without the content nobody can say what a start does."""
    closed = RunSeen(running=False, closed_at=NOON)
    seen = prospect.of_key(start(), Ahead(unbooked="silent", forgotten="silent", run=closed))
    assert (seen.state, seen.start, seen.said, seen.then) == ("unknown", "unknown", "not known: silent", "not known")
    unread = of_key(sent(), at=start(None))
    assert of_key(run=RunSeen(running=True), at=start(None)).start == "unknown"
    assert (unread.state, unread.start, unread.then) == ("sent", "unknown", "not known before its files can be read")
    for ahead, why in (
        (Ahead(unbooked="silent"), "not known: silent"),
        (Ahead(), "not known: nobody could be asked"),
        (Ahead(book=Book()), prospect.NO_LEDGER),
    ):
        freeze, quota = prospect.of_freeze(start(), ahead, seen), prospect.of_quota(start(), ahead, seen)
        for one in (freeze, quota):
            assert (one.state, one.effect, one.said, one.then) == ("unknown", "unknown", why, "not known")


@given(memories)
def test_every_past_has_a_prospect(known: Known) -> None:
    """Whatever is known of a key, the plan comes to something that is for WeChat, a person or the time to do."""
    case, step = prospect.case_of(start(), Past(known=known))
    assert case.state.heard is not None
    assert isinstance(step, End | Step)
    assert of_key(known).start != "unknown"


def book(*, frozen: Frozen | None = None, since: datetime = AGO, today: Day | None = None) -> Book:
    """A book that was begun long ago."""
    return Book(since=since, days={"2026-12-01": today} if today else {}, frozen=frozen)


NEW = KeySeen(state="new", start="send", said="new", then="is sent")


def of_freeze(key: KeySeen = NEW, **request: Any) -> FreezeSeen:
    """Of an account that li has frozen."""
    return prospect.of_freeze(start(**request), Ahead(book=book(frozen=FREEZE)), key)


def test_a_freeze_holds_what_would_be_submitted() -> None:
    """Until its `not_after`, and not what would submit nothing anyway."""
    seen = of_freeze()
    assert (seen.state, seen.frozen, seen.effect, seen.then) == ("frozen", FREEZE, "waits", "waits for an unfreeze")
    assert seen.said == f"frozen by li since {CLOCK}: wrong text"
    end = of_freeze(not_after=(NOON + HOUR).isoformat())
    assert end.then == "waits for an unfreeze, until 2026-12-01 13:00:00+08:00 at the latest"
    assert of_freeze(NEW.model_copy(update={"start": "try_again"})).effect == "waits"
    over = of_freeze(NEW.model_copy(update={"start": "give_result"}))
    assert (over.effect, over.then) == ("none", "nothing: it is not submitted")
    unknown = of_freeze(NEW.model_copy(update={"start": "unknown"}))
    assert (unknown.effect, unknown.then) == ("unknown", "not known")
    free = prospect.of_freeze(start(), Ahead(book=book()), NEW)
    assert (free.state, free.effect, free.said, free.then) == ("free", "none", "not frozen", "nothing")


def of_quota(
    counted: Day, known: Known | None = None, *, kind: str = "service", quota: str = "wait", **more: Any
) -> QuotaSeen:
    """Of an account of this kind that has sent so much today; at noon in Shanghai."""
    facts = FACTS.model_copy(update={"kind": kind, "quota": quota})
    key = more.pop("key", NEW)
    since = more.pop("since", AGO)
    at = start(facts=facts, **more)
    return prospect.of_quota(at, Ahead(book=book(today=counted, since=since), past=Past(known=known or Known())), key)


def test_a_quota_has_the_limits_of_such_a_send() -> None:
    """A send to all of a service account has two, one to a tag the calls alone, a subscription account its day."""
    tag: dict[str, Any] = {"audience": {"kind": "tag", "tag_id": 2}}
    assert [row.name for row in of_quota(Day()).allowances] == ["sends_to_all", "mass_calls"]
    assert [row.name for row in of_quota(Day(), **tag).allowances] == ["mass_calls"]
    assert [row.name for row in of_quota(Day(), kind="subscription", **tag).allowances] == ["sends"]
    seen = of_quota(Day(to_all=1, total=2))
    assert (seen.state, seen.effect, seen.until, seen.then) == ("left", "none", None, "goes at once")
    assert seen.said == "3 of 4 mass sends to all left this month; 98 of 100 calls of sendall and send left this day"


def test_sends_to_all_count_for_each_follower_of_a_list() -> None:
    """WeChat leaves out whoever had four messages in a month; the days before today count as well."""
    listed: dict[str, Any] = {"audience": {"kind": "openid_file", "uri": "file:/srv/all.txt"}}
    seen = of_quota(Day(to_all=2, total=3), **listed)
    had = "2 of the 4 messages that each follower gets this month went to all"
    assert seen.said == f"97 of 100 calls of sendall and send left this day; {had}"
    assert "messages" not in of_quota(Day(total=3), **listed).said
    assert had in show.shown(planned(), None, 2)
    assert had not in show.shown(planned(), None)


def test_a_quota_may_be_smaller_than_the_book_has_it() -> None:
    """Where something was sent elsewhere, or before the counting began: nobody knows to whom."""
    assert of_quota(Day(others=1)).said.startswith("at most 4 of 4 mass sends to all left this month; 100 of")
    assert of_quota(Day(), since=NOON).said.startswith("at most 4 of 4 mass sends to all left this month; at most 100")
    assert of_quota(Day(total=1, others=1), kind="subscription").said == "0 of 1 mass sends left this day"


def test_a_used_up_day_waits_for_midnight() -> None:
    """In Shanghai, a moment after; a month that is used up may be tried each midnight, and comes to its end."""
    seen = of_quota(Day(total=1), kind="subscription")
    assert (seen.state, seen.effect) == ("used_up", "waits")
    assert seen.until is not None
    assert MIDNIGHT <= seen.until < MIDNIGHT + timedelta(minutes=3)
    assert seen.then.startswith("WeChat refuses it; it waits until 2026-12-02 00:0")
    assert seen.then.endswith("+08:00")
    month = of_quota(Day(to_all=4, total=4))
    assert month.until is not None
    assert NEXT_MONTH <= month.until < NEXT_MONTH + timedelta(minutes=3)
    assert month.then.endswith("; it may be tried each midnight")
    both = of_quota(Day(to_all=4, total=100))
    assert both.until == month.until


@pytest.mark.parametrize(
    ("quota", "more", "effect", "then"),
    [
        ("ask", {}, "asks", "WeChat refuses it; an operator is asked (quota_exhausted)"),
        ("ask", {"on_problem": "fail"}, "fails", "WeChat refuses it; it fails as quota_exhausted"),
        (
            "wait",
            {"not_after": (NOON + HOUR).isoformat()},
            "expires",
            "WeChat refuses it; its not_after comes before there is more",
        ),
    ],
)
def test_a_used_up_quota_does_what_the_account_wants(quota: str, more: dict[str, Any], effect: str, then: str) -> None:
    """It waits, asks, fails or expires, by the rules of a real refusal."""
    seen = of_quota(Day(total=1), kind="subscription", quota=quota, **more)
    assert (seen.effect, seen.until, seen.then) == (effect, None, then)


def test_a_quota_is_of_the_time_of_the_send() -> None:
    """Today's is no matter to one that goes tomorrow, or next month."""
    tomorrow = of_quota(Day(total=1), kind="subscription", send_at=(NOON + DAY).isoformat())
    assert (tomorrow.said, tomorrow.effect) == ("1 of 1 mass sends left that day", "none")
    assert tomorrow.then == "goes at its time, 2026-12-02 12:00:00+08:00"
    later = of_quota(Day(to_all=4, total=4), send_at=(NOON + 35 * DAY).isoformat())
    assert later.said.startswith("4 of 4 mass sends to all left that month")


def test_a_quota_is_no_matter_to_what_is_not_submitted() -> None:
    """And of a send in doubt nobody knows: its first try may have used it."""
    over_key = NEW.model_copy(update={"start": "give_result"})
    over = of_quota(Day(total=1), kind="subscription", key=over_key)
    assert (over.state, over.effect, over.then) == ("used_up", "none", "nothing: it is not submitted")
    assert of_quota(Day(total=1), sent(), kind="subscription", key=over_key).effect == "none"
    again = NEW.model_copy(update={"start": "try_again"})
    doubt = of_quota(Day(total=1), unanswered(), kind="subscription", key=again)
    assert (doubt.effect, doubt.then) == ("unknown", "not known: an earlier try may have used it")
    assert of_quota(Day(total=1), trying().state.known, kind="subscription", key=again) == doubt
