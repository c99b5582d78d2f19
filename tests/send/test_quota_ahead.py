"""What a freeze and the quota would do to a send, before it is started."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from qunfa.batches import show
from qunfa.contract.facts import Known
from qunfa.contract.ledger import Day, Frozen
from qunfa.contract.limits import Book
from qunfa.contract.prospect import Ahead, FreezeSeen, KeySeen, Past, QuotaSeen, StartWould
from qunfa.send import prospect
from qunfa.send.steps import Step
from tests.batches.driving import planned
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS
from tests.send.places import trying
from tests.send.test_prospect import CLOCK, sent, start, unanswered

AGO = NOON - timedelta(days=50)
FREEZE = Frozen(by="li", reason="wrong text", at=NOON)
MIDNIGHT = NOON.replace(hour=16)
NEXT_MONTH = datetime.fromisoformat("2027-01-01T00:00:00+08:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


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


APPROVED: dict[str, Any] = {"approval": {"required": True}, "requested_by": "li"}


@pytest.mark.parametrize(
    ("policy", "request_", "required_by", "said"),
    [
        ("never", {}, None, None),
        ("never", APPROVED, "request", "required by the request"),
        ("all", {}, "account", "required by the account (all)"),
        ("always", APPROVED, "account", "required by the account (always)"),
    ],
)
def test_a_start_that_awaits_approval_is_told_so(
    policy: str, request_: dict[str, Any], required_by: str | None, said: str | None
) -> None:
    """As the plan has it: whether the key is new or in doubt, and not where nothing is submitted anyway."""
    at = start(facts=FACTS.model_copy(update={"approval": policy}), **request_)
    for known in (Known(), unanswered()):
        seen = prospect.of_key(at, Ahead(book=book(), past=Past(known=known, digests=("d",))))
        _, step = prospect.case_of(at, Past(known=known))
        found = prospect.of_approval(at, seen)
        assert (found and found.required_by, found and found.said) == (required_by, said)
        assert (found is not None) == (isinstance(step, Step) and step.phase == "awaiting_approval")
    then = prospect.of_quota(at, Ahead(book=book()), NEW).then
    assert then == ("goes once it is approved" if required_by else "goes at once")
    assert prospect.of_approval(at, NEW.model_copy(update={"start": "give_result"})) is None


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
    seen = of_quota(Day(to_all=3, failed_to_all=1, total=3), **listed)
    had = "2 of the 4 messages that each follower gets this month went to all"
    assert seen.said == f"97 of 100 calls of sendall and send left this day; {had}"
    assert "messages" not in of_quota(Day(total=3), **listed).said
    assert "messages" not in of_quota(Day(to_all=2), kind="subscription", **listed).said
    assert had in show.shown(planned(), Day(to_all=3, failed_to_all=1))
    assert had not in show.shown(planned())


@pytest.mark.parametrize(
    ("to_all", "kind", "would", "uri", "warned"),
    [
        (4, "service", "send", "file:/srv/all.txt", True),
        (10, "service", "go_on", "file:/srv/all.txt", True),
        (3, "service", "send", "file:/srv/all.txt", False),
        (4, "subscription", "send", "file:/srv/all.txt", False),
        (4, "service", "give_result", "file:/srv/all.txt", False),
        (4, "service", "send", None, False),
    ],
)
def test_a_list_that_may_reach_nobody_is_warned_of(
    *, to_all: int, kind: str, would: StartWould, uri: str | None, warned: bool
) -> None:
    """A follower of a service account gets four messages a month. What is not submitted needs no warning."""
    audience = {"kind": "openid_file", "uri": uri} if uri else {"kind": "tag", "tag_id": 2}
    at = start(facts=FACTS.model_copy(update={"kind": kind}), audience=audience)
    ahead, key = Ahead(book=book(today=Day(to_all=to_all, total=to_all))), NEW.model_copy(update={"start": would})
    assert bool(prospect.left_out(at, ahead, key, NOON)) is warned
    assert prospect.left_out(at, ahead, key, NEXT_MONTH) == prospect.left_out(at, Ahead(), key, NOON) == []
    if warned:
        assert "all 4 messages that each follower gets" in prospect.of_quota(at, ahead, key).said


def test_a_quota_may_be_smaller_than_the_book_has_it() -> None:
    """Where something was sent elsewhere, or before the counting began: nobody knows to whom. Or where one failed."""
    assert of_quota(Day(others=1)).said.startswith("at most 4 of 4 mass sends to all left this month; 100 of")
    assert of_quota(Day(), since=NOON).said.startswith("at most 4 of 4 mass sends to all left this month; at most 100")
    failed = of_quota(Day(total=1, failed=1), kind="subscription")
    assert failed.said == "at most 1 of 1 mass sends left this day"
    assert of_quota(Day(total=1, others=1), kind="subscription").said == "0 of 1 mass sends left this day"


def test_a_used_up_day_waits_for_midnight() -> None:
    """In Shanghai, a moment after; a month that is used up may be tried each midnight, and comes to its end."""
    seen = of_quota(Day(total=1), kind="subscription")
    assert (seen.state, seen.effect) == ("used_up", "waits")
    assert seen.until is not None
    assert MIDNIGHT <= seen.until < MIDNIGHT + timedelta(minutes=3)
    assert seen.then.startswith("WeChat refuses it; it waits until 2026-12-02 00:0")
    assert seen.then.endswith("+08:00")
    assert of_quota(Day(total=1, failed=1), kind="subscription").effect == "none"
    month = of_quota(Day(to_all=4, total=4))
    assert month.until is not None
    assert NEXT_MONTH <= month.until < NEXT_MONTH + timedelta(minutes=3)
    assert month.then.endswith("; it may be tried each midnight")
    both = of_quota(Day(to_all=4, total=100))
    assert both.until == month.until


@pytest.mark.parametrize("minutes", [0, 5, 10, 24 * 60 - 1])
def test_a_day_that_is_used_up_early_waits_for_the_next(minutes: int) -> None:
    """Tries just after midnight may still be refused for the day before: the book knows that it is this one."""
    day = datetime.fromisoformat("2026-12-01T00:00:00+08:00")
    facts = FACTS.model_copy(update={"kind": "subscription"})
    ahead = Ahead(book=book(today=Day(total=1)), past=Past(known=Known()))
    seen = prospect.of_quota(start(facts=facts)._replace(now=day + timedelta(minutes=minutes)), ahead, NEW)
    assert seen.until is not None
    assert MIDNIGHT <= seen.until < MIDNIGHT + timedelta(minutes=3)


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
