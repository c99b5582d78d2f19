"""What a check tells of a key, a freeze and a quota before a send: by the plan, which no check can lead astray."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from qunfa.account.people import with_forgotten
from qunfa.contract.facts import Ended, Known, Owned
from qunfa.contract.ledger import Restored
from qunfa.contract.limits import Book
from qunfa.contract.prospect import Ahead, KeySeen, Past, RunSeen
from qunfa.rules.memory import union
from qunfa.send import events, prospect, steps
from qunfa.send.prospect import Start
from qunfa.send.steps import End, Step
from tests.batches.driving import FILE
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.arbitrary_facts import known as memories
from tests.send.places import SENDING, accepted, asking, in_doubt, marked, second, silent, straggling, trying

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
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


def test_a_key_that_a_restore_may_have_forgotten_asks() -> None:
    """Nothing is submitted before a person has looked, and the check says so."""
    restored = Restored(by="li", reason="disk lost", taken=NOON - DAY, at=NOON)
    seen = of_key(with_forgotten(restored, Known()))
    assert (seen.state, seen.start, seen.problem) == ("in_doubt", "ask", "unknown_outcome")


def test_a_request_whose_time_is_over_is_told_to_expire() -> None:
    """A start looks the key up, and ends; it does not come so far that it could fail as its key has failed before."""
    known = asking("err(20001)").state.known
    seen = of_key(known, ended=ENDED, at=start(not_after=NOON.isoformat()))
    assert (seen.start, seen.outcome, seen.problem) == ("give_result", "expired", None)


def stopped() -> Known:
    """A person has had it sent again, and another has stopped that in time."""
    alone = in_doubt()
    assert alone.retry(confirm_not_delivered=True) is None
    return alone.state.known


@pytest.mark.parametrize(
    ("known", "problem", "asks"),
    [(stopped, "unknown_outcome", "not_delivered"), (lambda: straggling().state.known, "content_refused", None)],
)
def test_a_past_that_ended_as_unknown_is_in_doubt(known: Callable[[], Known], problem: str, asks: str | None) -> None:
    """What may have been delivered is never told as not delivered."""
    seen = of_key(known(), ended=Ended(outcome="unknown", problem=problem))
    assert (seen.state, seen.start, seen.problem) == ("in_doubt", "ask", asks or problem)
    assert "nothing was delivered" not in seen.said


@pytest.mark.parametrize(
    ("problem", "state"),
    [("originality_forbidden", "in_doubt"), ("unknown_outcome", "ended")],
    ids=["a no", "a later no"],
)
def test_an_end_may_not_have_had_wechats_last_word(problem: str, state: str) -> None:
    """A push said no, and `mass/get` that it is still being sent. A no that came since the end settles it."""
    seen = of_key(asking("err(30002)").state.known, ended=Ended(outcome="unknown", problem=problem))
    assert (seen.state, "nothing was delivered" in seen.said) == (state, state == "ended")


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


def test_what_wechat_has_not_refused_is_not_told_so() -> None:
    """A person has had it sent again, and the run was lost: WeChat has never answered."""
    seen = of_key(stopped())
    assert (seen.state, seen.then) == ("ended", "is sent")
    assert seen.said == f"tried {CLOCK}; a person has not found it in WeChat's console"


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
        (("d",), Ahead(past=Past()), "unknown", "unknown", "begun before; what became of its batches is not known"),
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
            Ahead(past=Past(ended=Ended(outcome="aborted"), touched_at=NOON)),
            "begun",
            "go_on",
            f"begun before; its first batch: ended as aborted, {CLOCK}; nothing was delivered",
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


def cancelled_and_failed() -> Alone:
    """It goes on to its verdict, which is a no."""
    alone = accepted()
    alone.take(events.Cancelled("no"))
    alone.pushed("send fail")
    return alone


def aborted_and_failed() -> Alone:
    """A person was asked about a job without a verdict, and ends the send. A push says no just then."""
    alone = silent()
    assert alone.abort() is None
    alone.pushed("send fail")
    return alone


def refused_again() -> Alone:
    """A person is asked about a refusal of the second submission, and ends the send."""
    alone = second(asking())
    alone.answered("refused", errcode=48001)
    while alone.asks() is None:
        alone.asked()
    assert (alone.asks(), alone.abort()) == ("account_refused", None)
    return alone


@pytest.mark.parametrize("there", [cancelled_and_failed, aborted_and_failed, refused_again])
def test_a_no_that_an_end_has_doubted_is_in_doubt(there: Callable[[], Alone]) -> None:
    """WeChat is still sending, and never says what comes of it."""
    alone = there()
    while isinstance(step := alone.engine.planned(alone.run, alone.now), Step):
        match step.effect:
            case steps.AskWechat(msg_id):
                alone.take(events.WechatSaid(msg_id, SENDING))
            case steps.Poll(msg_id):
                alone.take(events.Polled(msg_id, None))
            case steps.Report(ended):
                alone.take(events.Reported(ended))
            case _:
                alone.asked()
    assert step.outcome == "unknown"
    seen = of_key(alone.state.known, ended=alone.state.told_end)
    assert (seen.state, "nothing was delivered" in seen.said) == ("in_doubt", False)
