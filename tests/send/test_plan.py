"""What comes next for a send, row by row of the table in `qunfa.send.plan`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from qunfa.contract.facts import Ended, Known, Owned, Said
from qunfa.contract.message import ImageMessage, Made, Material, Source, Uploaded
from qunfa.contract.operators import Approve, Retry
from qunfa.contract.result import Answer, Problem, Verdict
from qunfa.contract.steps import JobStatus
from qunfa.rules.material import FRESH, LIFETIME, Ready, next_work
from qunfa.rules.problems import USE_A_NEW_KEY
from qunfa.send import events, steps
from qunfa.send.apply import apply
from qunfa.send.ledger import wish_of
from qunfa.send.plan import plan
from qunfa.send.show import opens
from qunfa.send.state import Case, SendState
from qunfa.send.turns import AHEAD, IN_TURN, SPREAD
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.arbitrary_facts import IDS, known
from tests.send.places import FAILED, HOUR, SECOND, accepted, joined, queued, to_approve, trying, unanswered

MINUTE = timedelta(minutes=1)
DUE = NOON + timedelta(days=7)


@given(facts=known)
def test_every_state_has_a_next_step(facts: Known) -> None:
    """Whatever the ledger has told: a step or an end, and the same again when it is asked again."""
    alone = Alone()
    alone.joined(facts)
    first = alone.engine.planned(alone.run, alone.now)
    assert first == plan(alone.engine.request, SendState.model_validate(alone.state.model_dump()), alone.now)


def test_the_key_again_fails_as_it_failed() -> None:
    """WeChat's no ended it; WeChat is asked whether that still stands."""
    accepted = own(1, Answer(kind="accepted", at=NOON, msg_id=7))
    no = Said(msg_id=7, verdict=Verdict(status="err(30002)", observed_by="push"), at=NOON)
    alone = Alone()
    alone.joined(accepted.model_copy(update={"said": (no,)}), ended=Ended(outcome="failed", problem="x"))
    assert alone.state.story[-1].what == "the account's ledger knows this key: it failed as originality_forbidden"
    alone.asked(ended=Ended(outcome="failed", problem="x"))
    assert alone.step.effect == steps.AskWechat(7)
    alone.take(events.WechatSaid(7, FAILED))
    assert alone.end.outcome == "failed"
    assert "has failed as originality_forbidden before" in alone.failure.sentence
    assert alone.failure.todo == USE_A_NEW_KEY


def test_a_key_of_other_content_is_refused() -> None:
    """Nothing of it was tried in this life; who reads of it also reads what the key has done before."""
    alone = Alone()
    alone.joined(answer="reused")
    assert alone.does() is steps.LookUp
    alone.take(events.LookedUp(own(1, Answer(kind="accepted", at=NOON, msg_id=7))))
    first, second = alone.end.refused
    assert "stands for other content already" in first
    assert "(msg_id: 7)" in second
    assert second in alone.failure.sentence


@pytest.mark.parametrize("kind", ["accepted", "duplicate"])
def test_a_send_under_a_lists_key_is_told_that_the_list_was_sent(kind: Any) -> None:
    """Its record has no tries: the first batch tells. A new key for the same people would reach them twice."""
    alone = Alone()
    alone.joined(answer="reused")
    first = own(1, Answer(kind=kind, at=NOON, msg_id=7))
    owned = (Owned(msg_id=7, key="spring.1", generation=0, accepted=True),)
    alone.take(events.LookedUp(Known(), first_batch=first.model_copy(update={"owned": owned})))
    assert 'an earlier run under "spring.1" was delivered, or may have been (msg_id: 7)' in alone.end.refused[1]


def test_a_late_start_with_other_content_leaves_its_key_alone() -> None:
    """Its own history would have the tries as those of its content, and the key's own content be refused for ever."""
    alone = Alone(not_after=NOON.isoformat())
    alone.wait(HOUR)
    no = Said(msg_id=7, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    alone.take(events.LookedUp(own(1, lost=True).model_copy(update={"said": (no,)})))
    told = wish_of(Case(alone.engine.request, alone.state, alone.now), alone.wish, "mass-send:demo:spring", "run-1")
    assert (told.known, told.searched) == (Known(said=(no,)), False)
    alone.asked(answer="reused")
    assert alone.does() is steps.LookUp
    alone.take(events.LookedUp(own(1, lost=True)))
    first, _ = alone.end.refused
    assert "stands for other content already" in first


def test_an_unknown_try_is_repeated_and_then_asked_about() -> None:
    """The same clientmsgid while WeChat remembers it; after that a person."""
    alone = unanswered()
    alone.wait(MINUTE)
    assert alone.turn.until == NOON + FACTS.timing.window
    alone.wait(FACTS.timing.window)
    alone.asked()
    assert alone.asks() == "unknown_outcome"


def test_before_a_bad_end_the_ledger_and_wechat_are_asked() -> None:
    """A no may be forged: WeChat says yes, and the send is sent."""
    alone = accepted(on_problem="fail")
    alone.pushed("err(30002)")
    alone.asked()
    alone.asked()
    assert alone.step.effect == steps.AskWechat(7)
    alone.take(events.WechatSaid(7, JobStatus(status="SEND_SUCCESS")))
    assert alone.does() is steps.Report
    alone.reported()
    alone.reported("sent")
    assert alone.end.outcome == "sent"


def test_a_polled_no_waits_for_the_push_that_says_why() -> None:
    """For a while; then it is believed."""
    alone = accepted()
    alone.wait(45 * MINUTE)
    alone.asked()
    assert alone.does() is steps.Poll
    alone.take(events.Polled(7, "SEND_FAIL"), events.Reported())
    assert alone.step.until == NOON + 45 * MINUTE + FACTS.timing.push_grace
    alone.wait(FACTS.timing.push_grace)
    alone.asked()
    assert alone.asks() == "send_failed"


def test_no_verdict_in_time_asks_a_person_and_a_retry_polls_again() -> None:
    """A retry of it submits nothing."""
    alone = accepted()
    alone.wait(timedelta(hours=24))
    alone.asked()
    alone.take(events.Polled(7, None))
    alone.asked()
    assert alone.asks() == "no_verdict"
    assert alone.retry() is None
    assert (alone.step.phase, alone.wants()) == ("awaiting_result", "polling")
    alone.asked()
    assert alone.step.effect == steps.Poll(7, NOON + timedelta(hours=48))


def test_a_try_of_an_earlier_run_that_is_still_under_way_is_a_doubt() -> None:
    """The earlier run was terminated a moment ago: an abort ends as unknown, a cancellation goes on to the verdict."""
    alone = Alone()
    alone.abort()
    assert alone.does() is steps.LookUp
    alone.take(events.LookedUp(own(1)))
    assert alone.end.outcome == "unknown"
    alone = Alone()
    alone.take(events.Cancelled("no"))
    assert alone.does() is steps.LookUp
    alone.take(events.LookedUp(own(1)))
    assert alone.does() is steps.SendWish


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("SEND_FAIL", "aborted"), ("SEND_SUCCESS", "unknown"), (None, "aborted"), ("SENDING", "unknown")],
)
def test_a_no_that_an_earlier_run_was_told_may_be_forged(said: str | None, outcome: str) -> None:
    """WeChat is asked, though the content is not looked at any more. ``SENDING`` is its word for a while."""
    no = Said(msg_id=7, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    job = own(1, Answer(kind="accepted", at=NOON, msg_id=7))
    alone = Alone()
    alone.abort()
    alone.take(events.LookedUp(job.model_copy(update={"said": (no,)})))
    assert alone.step.effect == steps.AskWechat(7)
    alone.take(events.WechatSaid(7, JobStatus(status=said) if said else None))
    if said == "SENDING":
        assert alone.does() is steps.Poll
        alone.take(events.Polled(7, None))
    assert alone.end.outcome == outcome


def test_a_refusal_at_once_still_says_what_its_key_has_done() -> None:
    """The account is looked at for that; where it cannot be, the reasons say so."""
    alone = Alone()
    alone.take(events.Refused(("a cron schedule must not be set",)))
    assert (alone.step.phase, alone.does()) == ("done", steps.LookUp)
    alone.take(events.LookedUp(Known(), "its ledger does not answer"))
    assert "is not known: its ledger does not answer" in alone.end.refused[1]


def test_material_in_doubt_is_made_again_at_its_time() -> None:
    """Or once nothing may be written any more, which comes first."""
    alone = unanswered()
    end = NOON + FACTS.timing.window
    for make_at, until in ((NOON + MINUTE, NOON + MINUTE), (end + MINUTE, end)):
        state = alone.state.changed(material=Material(), ready=None, make_at=make_at)
        why = "a later try: something stands against it now"
        step = plan(alone.engine.request, state.changed(wish=None), NOON + MINUTE / 2)
        assert step == steps.Step("preparing", why=why, until=until)


SPENT = Problem(name="quota_exhausted", sentence="Making the draft, WeChat answered 45009.", todo="", errcode=45009)


def test_a_quota_of_calls_is_waited_for_as_that_of_sends() -> None:
    """Whatever `on_problem` says: a call for the material is made again after midnight in Shanghai."""
    alone = joined(on_problem="fail")
    alone.take(events.Obstructed(SPENT))
    alone.asked()
    assert (alone.step.phase, alone.step.held, alone.step.effect) == ("scheduled", "quota_exhausted", None)
    midnight = datetime(2026, 12, 1, 16, tzinfo=UTC)
    assert midnight <= alone.until < midnight + 3 * MINUTE
    assert opens(Case(alone.engine.request, alone.state, alone.now), alone.step) == alone.until
    alone.wait(alone.until - alone.now)
    assert (alone.step.held, alone.does()) == (None, steps.SendWish)
    alone.asked()
    alone.take(events.Obstructed(SPENT))  # by WeChat's clock it is the day before, still
    alone.asked()
    assert alone.until == alone.now + FACTS.timing.repeat


def test_a_quota_of_calls_is_no_reason_to_be_late() -> None:
    """The send expires at its `not_after`."""
    alone = joined(not_after=(NOON + HOUR).isoformat())
    alone.take(events.Obstructed(SPENT))
    alone.asked()
    assert alone.until == NOON + HOUR
    alone.wait(HOUR)
    alone.asked()
    assert alone.step.effect == steps.Report(Ended(outcome="expired"))


def test_an_account_may_ask_about_a_quota_of_calls() -> None:
    """Where it has `quota = "ask"`; and a send in doubt tries the same message again."""
    alone = joined(FACTS.model_copy(update={"quota": "ask"}))
    alone.take(events.Obstructed(SPENT))
    alone.asked()
    assert alone.asks() == "quota_exhausted"
    doubtful = unanswered()
    doubtful.take(events.Obstructed(SPENT))
    assert (doubtful.state.quota_at, doubtful.state.make_at) == (None, NOON + FACTS.timing.repeat_max)


SOURCE = Source(place="message.images[0]", uri="file:/srv/a.png", use="image", sha256="a" * 64, size=1)
UPLOAD = Uploaded(use="image", sha256="a" * 64, media_id="m", made_at=NOON)
MADE = Material(sources=(SOURCE,), uploads=(UPLOAD,))
ARTICLE = {"title": "t", "content": "<p>c</p>", "thumb": {"media_id": "thumb"}}
ARTICLES: dict[str, Any] = {"message": {"msgtype": "mpnews", "articles": [ARTICLE]}}
PICTURE: dict[str, Any] = {"message": {"msgtype": "image", "images": [{"uri": "file:/srv/a.png"}]}}


@pytest.mark.parametrize(
    ("there", "age", "again"),
    [
        (joined, FRESH - IN_TURN - MINUTE, False),
        (joined, FRESH - IN_TURN, True),
        (unanswered, LIFETIME - MINUTE, False),
        (unanswered, LIFETIME, True),
    ],
)
def test_a_file_is_made_again_before_it_dies(there: Callable[..., Alone], age: timedelta, again: bool) -> None:
    """In doubt only then: until it is dead, the same message finds out what may be out."""
    alone = there(**PICTURE)
    alone.run.state = alone.state.changed(wish=None)
    assert isinstance(with_a_file(alone, NOON - age, NOON).effect, steps.Make) is again


@pytest.mark.parametrize("days", [2.5, 2.9])
def test_a_send_is_approved_though_its_file_has_grown_old(days: float) -> None:
    """It is made again once somebody has approved, and goes out."""
    alone = to_approve(**PICTURE)
    ready = next_work(alone.engine.request.message, MADE, "draft", NOON)
    assert isinstance(ready, Ready)
    alone.run.state = alone.state.changed(material=MADE, ready=ready.message)
    alone.wait(timedelta(days=days))
    assert alone.step.phase == "awaiting_approval"
    assert alone.update(Approve(by="li")) is None
    assert (alone.step.phase, alone.does()) == ("preparing", steps.Make)
    anew = MADE.model_copy(update={"uploads": (UPLOAD.model_copy(update={"made_at": alone.now}),)})
    alone.take(events.Kept(anew), events.Made(ImageMessage.model_validate(ready.message.model_dump())))
    alone.tries()


@pytest.mark.parametrize(
    ("moment", "age_when_due", "again"),
    [
        (DUE - AHEAD - SPREAD - MINUTE, FRESH - IN_TURN, False),
        (DUE - AHEAD, FRESH - IN_TURN, True),
        (DUE - AHEAD, FRESH - IN_TURN - MINUTE, False),
    ],
)
def test_what_would_be_old_in_the_turn_is_made_before(moment: datetime, age_when_due: timedelta, again: bool) -> None:
    """And not before the turn is asked for."""
    alone = joined(**PICTURE, send_at=DUE)
    assert isinstance(with_a_file(alone, DUE - age_when_due, moment).effect, steps.Make) is again


@pytest.mark.parametrize(("wait", "again"), [(IN_TURN, False), (IN_TURN + MINUTE, True)])
def test_no_turn_is_given_back_for_what_was_fresh(wait: timedelta, again: bool) -> None:
    """Unless it comes much later than the send was due."""
    alone = joined(**PICTURE, send_at=DUE)
    alone.wait(DUE - AHEAD - alone.now)
    assert alone.wants() == "turn"
    step = with_a_file(alone, DUE + IN_TURN + MINUTE - FRESH, DUE + wait)
    assert (step.phase, step.effect == steps.Wish("withdrawing")) == ("preparing" if again else "submitting", again)


def with_a_file(alone: Alone, made_at: datetime, moment: datetime) -> steps.Step:
    """What comes next at a moment, with a file that was uploaded then."""
    material = MADE.model_copy(update={"uploads": (UPLOAD.model_copy(update={"made_at": made_at}),)})
    ready = next_work(alone.engine.request.message, material, "draft", made_at)
    assert isinstance(ready, Ready)
    step = plan(alone.engine.request, alone.state.changed(material=material, ready=ready.message), moment)
    assert isinstance(step, steps.Step)
    return step


def test_a_lease_whose_try_was_made_is_not_used() -> None:
    """The run before the reset had it, and what that has left is found while the wish is still open."""
    alone = joined()
    alone.sent()
    lease = alone.lease()
    refused = Answer(kind="refused", at=NOON, errcode=45011)
    alone.take(events.WishSent("of the run before", Known(tries=(lease.tried(refused),))))
    alone.run.state = alone.state.changed(wish=alone.state.wish and alone.wish.model_copy(update={"wish": lease.wish}))
    before = alone.state
    alone.take(alone.granted(answer="lease", lease=lease))
    assert alone.state == before


@pytest.mark.parametrize(
    "other",
    [
        {"generation": 1},
        {"clientmsgid": IDS[1]},
        {"pace": 5 * SECOND},
        {"http_timeout": 5 * SECOND},
        {"until": NOON + HOUR},
        {"due": NOON + SECOND},
    ],
)
def test_a_place_is_kept_for_what_it_was_asked_for(other: dict[str, Any]) -> None:
    """A turn for anything else is none of the send's: it asks for its own."""
    alone = queued()
    wish = alone.wish
    assert wish.turn is not None
    alone.run.state = alone.state.changed(
        wish=wish.model_copy(update={"turn": wish.turn.model_copy(update=other)}), searched=True
    )
    assert alone.step.effect == steps.Wish("turn", wish.turn)


def test_dead_material_is_made_anew_before_anything_else() -> None:
    """Once: WeChat no longer knows it."""
    alone = trying(**PICTURE)
    dead = Answer(kind="refused", at=NOON, errcode=40007)
    alone.run.state = apply(alone.engine.request, alone.state, events.Answered(dead), NOON).changed(material=MADE)
    assert plan(alone.engine.request, alone.state, NOON) == steps.Step("preparing", steps.Rebuild())
    alone.take()
    assert (alone.step.phase, alone.does()) == ("preparing", steps.Make)


def test_a_draft_that_somebody_may_have_sent_is_a_question() -> None:
    """It lay in WeChat's console for an hour. A person looks there first; a retry makes another one."""
    alone = trying(**ARTICLES)
    draft = Made(media_id="draft", made_at=NOON - HOUR, verified=True)
    alone.run.state = alone.state.changed(material=Material(made=draft))
    alone.answered("refused", errcode=40007)
    alone.asked()
    assert alone.asks() == "media_refused"
    assert "whether somebody has sent this one by hand" in alone.problem.sentence
    alone.update(Retry(by="li", reason="nobody has"))
    assert (alone.step.phase, alone.does()) == ("preparing", steps.Make)
    assert alone.state.material == Material(rebuilt=True)
