"""What a send becomes by one event, row by row of `qunfa.send.apply`; and what it does with a lease in hand."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from qunfa.account.budget import json_size
from qunfa.contract.facts import Ended, Known, Owned, Said
from qunfa.contract.grants import Granted, Lease
from qunfa.contract.message import Made, Material, TextMessage
from qunfa.contract.request import Previewed
from qunfa.contract.result import Answer, ArticleCheck, JobFinished, Verdict
from qunfa.rules.problems import refused_request
from qunfa.send import events, steps
from qunfa.send.apply import STRANGERS_MAX, apply
from qunfa.send.plan import plan
from qunfa.send.state import SendState
from qunfa.send.turns import TAG_FRESH
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.places import APPROVED, BATCH, MINUTE, SECOND, accepted, asking, joined, polled_no, trying, unanswered
from workflows.waiting import BYTES_MAX

PROBLEM = refused_request(["x"])
TEXT = TextMessage(msgtype="text", content="hi")
MATERIAL = Material(made=Made(media_id="m", made_at=NOON))


def after(alone: Alone, event: events.Event) -> SendState:
    """The state after this event alone, as it is stored."""
    state = apply(alone.engine.request, alone.state, event, alone.now)
    return SendState.model_validate_json(state.model_dump_json(warnings="error"))


def told(alone: Alone, event: events.Event) -> list[str]:
    """The lines of the story that this event adds, which have its time."""
    lines = after(alone, event).story[len(alone.state.story) :]
    assert {line.at for line in lines} <= {alone.now}
    return [line.what for line in lines]


@pytest.mark.parametrize(
    ("there", "event", "lines"),
    [
        (joined, events.Kept(MATERIAL), []),
        (joined, events.Made(TEXT), ["the material is ready: WeChat has all of it"]),
        (joined, events.WasPreviewed(Previewed(to="zhao", sent=True)), ["previewed to zhao"]),
        (
            joined,
            events.WasPreviewed(Previewed(to="zhao", sent=True, without=("recommend",))),
            ["previewed to zhao: shown without recommend"],
        ),
        (joined, events.WasPreviewed(Previewed(to="zhao", sent=False, errmsg="no")), ["no preview to zhao: no"]),
        (joined, events.Shown(("to all",)), []),
        (joined, events.TagSeen(), []),
        (joined, events.Obstructed(PROBLEM), []),
        (unanswered, events.Obstructed(PROBLEM), [f"it is tried again later: {PROBLEM.sentence}"]),
        (trying, events.Lost("its worker is gone"), ["try 1: its worker is gone; it may have been accepted"]),
        (joined, events.Lost("late"), []),
        (joined, events.Answered(Answer(kind="accepted", at=NOON, msg_id=7)), []),
        (trying, events.Answered(Answer(kind="accepted", at=NOON, msg_id=7)), ["try 1: accepted as msg_id 7"]),
        (
            trying,
            events.Answered(Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=7)),
            ["try 1: accepted as msg_id 7 (it had accepted it before)"],
        ),
        (
            trying,
            events.Answered(Answer(kind="unknown", at=NOON, detail="reset by peer")),
            ["try 1: reset by peer; it may have been accepted"],
        ),
        (trying, events.Answered(Answer(kind="not_written", at=NOON, detail="no route")), ["try 1: no route"]),
        (accepted, events.Polled(7, None), ["no verdict on msg_id 7 within 1 day, 0:00:00"]),
        (accepted, events.Polled(7, "SEND_SUCCESS"), ["mass/get on msg_id 7: SEND_SUCCESS"]),
        (accepted, JobFinished(msg_id=7, status="sending"), ["WeChat's word on msg_id 7 says nothing: sending"]),
        (accepted, JobFinished(msg_id=7, status="send fail"), ["WeChat's push on msg_id 7: send fail"]),
        (accepted, JobFinished(msg_id=9, status="send fail"), []),
        (joined, steps.Put("x", 0), ["needs an operator: x"]),
        (joined, steps.Rebuild(), ["WeChat no longer knows the material (40007): it is made anew"]),
        (
            joined,
            steps.Renew(1, "other-id"),
            ["WeChat keeps the clientmsgid of the job that failed, so no slow try comes through: a new one is used"],
        ),
        (joined, events.Cancelled("no"), []),
        (
            accepted,
            events.Cancelled("no"),
            ["cancellation noted; the send goes on to its verdict, since it may have been accepted"],
        ),
        (
            unanswered,
            events.Cancelled("no"),
            ["cancellation noted; the send goes on to its verdict, since it may have been accepted"],
        ),
        (
            polled_no,
            events.Cancelled("no"),
            ["cancellation noted; the send goes on to its verdict, since it may have been accepted"],
        ),
        (joined, events.WasReset(), ["this run was reset: the account's ledger is asked what is known"]),
        (joined, events.Finished("aborted"), ["ended as aborted"]),
        (joined, events.TimeCame(), []),
    ],
)
def test_each_event_is_told(there: Callable[[], Alone], event: events.Event, lines: list[str]) -> None:
    """In a line of the story, or in none where its fact is seen elsewhere."""
    assert told(there(), event) == lines


def test_each_event_leaves_its_fact() -> None:
    """What was made, found, shown and seen; the first material cannot be made, so that a person is asked."""
    alone = joined()
    assert after(alone, events.Kept(MATERIAL)).material == MATERIAL
    assert after(alone, events.Inspected("d", MATERIAL)).material == MATERIAL
    alone.run.state = alone.state.changed(unheard=True)
    assert not after(alone, events.Inspected("d")).unheard, "the ledger is asked now"
    assert after(alone, events.Made(TEXT)).ready == TEXT
    assert after(alone, events.Shown(("a", "b"))).shows == ("a", "b")
    assert after(alone, events.Shown(("a", "b"))).shown_at == NOON
    assert after(alone, events.TagSeen()).tag_seen_at == NOON
    assert after(alone, events.Obstructed(PROBLEM)).obstacle == PROBLEM
    assert after(alone, events.Reported(Ended(outcome="sent"))).told_end == Ended(outcome="sent")


@pytest.mark.parametrize("via", [None, "uploadnews"])
def test_a_batch_makes_articles_as_its_whole_found_them(via: Any) -> None:
    """Whatever the account's settings have become since: a cover is another kind of file on the other way."""
    whole = {"appid": "wx-of-whole", "base_url": "https://whole.test"}
    alone = Alone(key="spring.1", audience={**BATCH, **whole, "material": Material(news_via=via)})
    pinned = after(alone, events.Pinned(FACTS)).pinned
    assert pinned == FACTS.model_copy(update={**whole, "news_via": via or "draft"})


def test_material_that_cannot_be_made_again_waits_unanswered() -> None:
    """Only the same message can find out whether the try before was taken; it is ready once it is made."""
    alone = unanswered()
    alone.take(events.Obstructed(PROBLEM))
    assert (alone.state.obstacle, alone.state.make_at) == (None, NOON + FACTS.timing.repeat_max)
    assert after(alone, events.Made(TEXT)).make_at is None


def test_a_try_is_known_from_its_begin() -> None:
    """The run may be gone before its answer."""
    alone = trying()
    [one] = alone.state.known.tries
    assert (one.number, one.answer, one.lost_at) == (1, None, None)
    assert alone.state.lease is None
    [lost] = after(alone, events.Lost("its worker is gone")).known.tries
    assert lost.lost_at == NOON


def test_a_word_of_mass_get_is_reported() -> None:
    """The ledger has not heard it, as it has a push; what is known already need not be told."""
    alone = accepted()
    assert after(alone, events.Polled(7, "SEND_SUCCESS")).untold
    alone.take(events.Polled(7, "SEND_SUCCESS"), events.Reported())
    assert not after(alone, events.Polled(7, "SEND_SUCCESS")).untold
    assert after(alone, events.Polled(7, "SEND_SUCCESS")).checks == ()
    assert after(accepted(), events.Polled(7, None)).vain == {7: NOON}


def test_words_on_the_jobs_of_others_are_bounded() -> None:
    """The newest ones stay, and one's own in any case: one of the others may turn out to be one's own."""
    alone = accepted()
    alone.pushed("send fail")
    article = ArticleCheck(idx=1)
    for msg_id in range(100, 100 + STRANGERS_MAX + 5):
        pushed = JobFinished(msg_id=msg_id, status="send fail", articles=(article,))
        alone.run.state = after(alone, pushed)
    kept = [one.msg_id for one in alone.state.known.said]
    assert all(one.verdict.articles == (article,) for one in alone.state.known.said[1:]), "so few have room"
    assert kept[0] == 7
    assert kept[1:] == list(range(105, 105 + STRANGERS_MAX))


@pytest.mark.parametrize(("letter", "most", "urls"), [("x", 64, ["url"]), ("春", 1, ["url", "original_url"])])
def test_words_on_the_jobs_of_others_fit_into_what_the_account_takes(letter: str, most: int, urls: list[str]) -> None:
    """However many addresses of articles they have, and in whatever script; one's own keep them."""
    article = {"idx": 1, **dict.fromkeys(urls, "https://x.test/" + letter * 490)}
    alone = accepted()
    many: dict[str, Any] = {"status": "send success", "articles": [article] * most}
    alone.run.state = after(alone, JobFinished(msg_id=7, **many))
    for msg_id in range(100, 100 + STRANGERS_MAX):
        alone.run.state = after(alone, JobFinished(msg_id=msg_id, **many))
    assert len(alone.state.known.said[0].verdict.articles) == most
    assert alone.state.known.said[-1].msg_id == 99 + STRANGERS_MAX, "however long the newest word is"
    assert json_size(alone.state.known.model_dump(mode="json")) < BYTES_MAX // 2
    newest = JobFinished(msg_id=200, **{**many, "articles": [article] * 2})
    alone.run.state = after(alone, newest)
    assert len(alone.state.known.said[-1].verdict.articles) == 2, "it may be on the try under way"


@pytest.mark.parametrize(("outcome", "late"), [("expired", True), ("failed", False), ("aborted", False)])
def test_who_did_not_approve_is_told_at_the_end(outcome: Any, late: bool) -> None:
    """Where the send ends by its time."""
    alone = joined(**APPROVED)
    alone.take(events.Shown(("to all",)))
    *before, ended = told(alone, events.Finished(outcome))
    assert ended == f"ended as {outcome}"
    assert [line.startswith("nobody approved until") for line in before] == [True] * late


@pytest.mark.parametrize(("outcome", "late"), [("failed", True), ("expired", True), ("unknown", True), ("sent", False)])
def test_who_did_not_decide_is_told_at_the_end(outcome: Any, late: bool) -> None:
    """Once the time for it is over, to the moment."""
    alone = asking()
    alone.now += timedelta(days=3) - SECOND
    assert told(alone, events.Finished(outcome)) == [f"ended as {outcome}"]
    alone.now += SECOND
    assert [
        line.startswith("nobody decided about send_failed until") for line in told(alone, events.Finished(outcome))
    ] == ([True, False] if late else [False])


def test_material_that_is_dead_is_forgotten() -> None:
    """What it was made of goes with it, and the refusal that told of it counts no more."""
    alone = trying()
    alone.run.state = alone.state.changed(material=MATERIAL, ready=TEXT)
    alone.run.state = after(alone, events.Answered(Answer(kind="refused", at=NOON, errcode=40007)))
    rebuilt = after(alone, steps.Rebuild())
    assert rebuilt.ready is None
    assert rebuilt.material == Material(rebuilt=True)
    [decision] = rebuilt.known.decided
    assert (decision.what, decision.covers) == ("retry", (alone.state.known.tries[0].wish,))


TAGGED = {"audience": {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP"}}}


def next_of(alone: Alone, **state: Any) -> steps.Step:
    """What comes next for it, once this is different."""
    step = plan(alone.engine.request, alone.state.changed(**state), alone.now)
    assert isinstance(step, steps.Step)
    return step


def in_hand(alone: Alone, **changes: Any) -> tuple[Lease, steps.Step]:
    """A lease for its turn, in which this is different, and what comes next."""
    lease = alone.lease().model_copy(update=changes)
    return lease, next_of(alone, heard=alone.granted(answer="lease", lease=lease))


def on_its_way(**request: Any) -> Alone:
    """It waits for its turn, which is due in a minute."""
    alone = joined(send_at=(NOON + MINUTE).isoformat(), **request)
    if request:
        alone.take(events.TagSeen())
    alone.sent()
    return alone


@pytest.mark.parametrize(
    ("changes", "usable"),
    [
        ({"not_before": NOON + MINUTE}, True),
        ({"not_before": NOON + 2 * MINUTE}, True),
        ({"not_before": NOON + MINUTE - SECOND}, False),
        ({"not_before": NOON + MINUTE, "valid_until": NOON}, False),
        ({"not_before": NOON + MINUTE, "valid_until": NOON + SECOND}, True),
        ({"not_before": NOON + MINUTE, "generation": 1}, False),
        ({"not_before": NOON, "generation": 1}, False),
    ],
)
def test_a_lease_is_used_for_what_it_was_granted(changes: dict[str, Any], usable: bool) -> None:
    """While it is valid, for the newest generation, and not before the send is due; else it goes back."""
    lease, step = in_hand(on_its_way(), **changes)
    assert step.effect == (steps.Submit(lease) if usable else steps.GiveBack(lease))


@pytest.mark.parametrize(("generation", "until"), [(0, NOON + 30 * MINUTE), (1, None)])
def test_a_tag_is_looked_at_while_the_lease_lasts(generation: int, until: Any) -> None:
    """Where that lease can be used; else for as long as it may be submitted at all."""
    alone = on_its_way(**TAGGED)
    alone.wait(TAG_FRESH)
    valid = {"not_before": alone.now, "valid_until": NOON + 30 * MINUTE, "generation": generation}
    _, step = in_hand(alone, **valid)
    assert (type(step.effect), step.until) == (steps.LookAtTag, until)


def test_material_is_made_again_as_soon_as_it_can_be() -> None:
    """It could not be made for a while, to the moment."""
    alone = unanswered()
    for wait, effect in ((SECOND, None), (timedelta(0), steps.Make(NOON))):
        step = next_of(alone, material=Material(), make_at=alone.now + wait, wish=None)
        assert (step.phase, step.effect) == ("preparing", effect)


def test_a_lease_goes_back_under_what_is_done_next() -> None:
    """The material is made anew, or the send is over."""
    alone, over = on_its_way(), accepted()
    heard = alone.granted(answer="lease", lease=alone.lease())
    step = next_of(alone, heard=heard, material=Material())
    assert (step.phase, type(step.effect)) == ("preparing", steps.GiveBack)
    over.pushed()
    step = next_of(over, heard=heard)
    assert (step.phase, type(step.effect)) == ("awaiting_result", steps.GiveBack)


def granted_twice(alone: Alone) -> tuple[Granted, Granted]:
    """Two leases for one wish: an account that was reset has granted it again."""
    first, second = (alone.granted(answer="lease", lease=alone.lease()) for _ in range(2))
    return first, second


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_lease_that_comes_during_a_try_goes_back(is_reset: bool) -> None:
    """Its account lends no other one out until it is over. It is told as soon as the try is answered."""
    alone = joined()
    alone.sent()
    first, second = granted_twice(alone)
    alone.take(first)
    alone.take(*([events.WasReset()] if is_reset else []), second)
    assert alone.does() is steps.Submit
    alone.answered("refused", errcode=40001)
    assert [one.answer and one.answer.kind for one in alone.state.known.tries] == ["refused", "unused"]
    alone.asked() if is_reset else alone.reported()
    assert (alone.state.lease, alone.wants()) == (None, None if is_reset else "turn")


def test_of_two_leases_in_hand_the_newer_one_is_used() -> None:
    """Its account knows of no other one. The first is known not to have been used; a copy of it is no other one."""
    alone = joined()
    alone.sent()
    first, second = granted_twice(alone)
    state = apply(alone.engine.request, alone.state, first, NOON)
    assert apply(alone.engine.request, state, first, NOON) == state
    alone.take(first, second)
    assert isinstance(effect := alone.step.effect, steps.Submit)
    assert (effect.lease, alone.state.untold) == (second.lease, False)
    assert [one.answer and one.answer.kind for one in alone.state.known.tries] == ["unused", None]


def test_a_try_that_is_granted_anew_is_not_called_unused() -> None:
    """An account that was lost, and then reset, grants the same try again. Its note would deny the call under way."""
    alone = joined()
    alone.sent()
    lease = alone.lease()
    later = {name: getattr(lease, name) + MINUTE for name in ("not_before", "valid_until", "expires_at")}
    anew = lease.model_copy(update=later)
    alone.take(*(alone.granted(answer="lease", lease=one) for one in (lease, anew)))
    assert isinstance(effect := alone.step.effect, steps.Submit)
    assert effect.lease == anew
    assert [one.answer for one in alone.state.known.tries] == [None]


def test_a_copy_of_a_lease_still_brings_its_facts() -> None:
    """The lease itself is being used, and is not taken once more."""
    alone = joined()
    alone.sent()
    grant = alone.granted(answer="lease", lease=alone.lease())
    alone.take(grant)
    theirs = Owned(msg_id=5, key="autumn", generation=0)
    alone.take(grant.model_copy(update={"known": Known(owned=(theirs,))}))
    assert (alone.state.known.owned, len(alone.state.known.tries)) == ((theirs,), 1)
    assert (alone.does(), alone.state.lease) == (steps.Submit, None)


def test_an_early_push_counts_once_its_job_is_known() -> None:
    """Its line comes after that of the acceptance; a word on the job of another tells nothing."""
    word = Said(msg_id=7, verdict=Verdict(status="send success", observed_by="push"), at=NOON)
    other = Said(msg_id=9, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    alone = trying()
    alone.run.state = alone.state.changed(known=alone.state.known.model_copy(update={"said": (word, other)}))
    assert told(alone, events.Answered(Answer(kind="accepted", at=NOON, msg_id=7))) == [
        "try 1: accepted as msg_id 7",
        "WeChat's push on msg_id 7: send success",
    ]


def test_a_wait_in_vain_tells_that_nobody_could_ask() -> None:
    """Else WeChat would be blamed for what the configuration lacks."""
    alone = accepted()
    alone.take(events.Polled(7, None, "another account has the name now"))
    assert alone.state.story[-1].reason == "another account has the name now"
