"""A step as a whole: its phase, what it does, why, and until when; and a turn that is asked for at the right moment."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from qunfa.contract.facts import Known
from qunfa.contract.grants import Ending
from qunfa.contract.message import Made, Material
from qunfa.contract.operators import Pause
from qunfa.contract.result import Answer
from qunfa.rules.material import Ready, next_work
from qunfa.rules.pace import spread
from qunfa.send import events, steps
from qunfa.send.ledger import ending
from qunfa.send.plan import plan
from qunfa.send.state import Case, SendState
from qunfa.send.turns import AHEAD, SPREAD
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone, own
from tests.send.places import (
    FROZEN,
    HOUR,
    MINUTE,
    QUEUE,
    SECOND,
    asking,
    begun,
    found,
    in_doubt,
    joined,
    planned,
    queued,
    trying,
)

TAGGED: dict[str, Any] = {"audience": {"kind": "tag", "tag_id": 2, "expect": {"max": 9}}}
ARTICLE = {"title": "t", "content": "<p>c</p>", "thumb": {"media_id": "thumb"}}
ARTICLES: dict[str, Any] = {"message": {"msgtype": "mpnews", "articles": [ARTICLE]}}


def at(alone: Alone, state: SendState, now: datetime = NOON) -> steps.Step:
    """What comes next in a state."""
    step = plan(alone.engine.request, state, now)
    assert isinstance(step, steps.Step)
    return step


def case(alone: Alone) -> Case:
    """The run as the rules see it."""
    return Case(alone.engine.request, alone.state, alone.now)


def ahead(alone: Alone) -> timedelta:
    """How long before its time it asks for its turn."""
    return AHEAD + spread(case(alone).newest.clientmsgid, SPREAD)


def test_a_send_begins_with_its_account_and_its_material() -> None:
    """Only so long as it may still be sent."""
    alone = Alone(not_after=(NOON + HOUR).isoformat())
    new = alone.state
    assert at(alone, new) == steps.Step("preparing", steps.Pin(), "the account's configuration")
    material = steps.Step("preparing", steps.Inspect(), "a look at the material", NOON + HOUR)
    assert at(alone, new.changed(pinned=FACTS)) == material


def test_a_refused_request_pins_its_account_to_look_its_key_up() -> None:
    """Who reads of it reads, too, what its key has done; by the name of the key."""
    alone = Alone()
    state = alone.state.changed(refused=("x",))
    why = "what the key spring has done before"
    for pinned, effect in ((None, steps.Pin()), (FACTS, steps.LookUp())):
        step = at(alone, state.changed(pinned=pinned))
        assert (step.phase, step.effect, step.why) == ("done", effect, why)
    known = own(1, Answer(kind="accepted", at=NOON, msg_id=7))
    end = plan(alone.engine.request, state.changed(pinned=FACTS, searched=True, known=known), NOON)
    assert isinstance(end, steps.End)
    assert 'an earlier run under "spring" was delivered' in end.refused[1]


def test_a_key_of_other_content_is_named() -> None:
    """In the sentence that refuses it."""
    alone = Alone()
    alone.joined(answer="reused")
    alone.take(events.LookedUp(Known()))
    assert 'key: "spring" stands for other content already' in alone.end.refused[0]


def test_a_turn_is_asked_for_at_once_only_by_a_new_send() -> None:
    """Not by one that a person ends, that may have tried, or that has joined its account before."""
    alone = begun()
    assert alone.wants() == "turn"
    ended = alone.state.changed(wish=None)
    assert at(alone, ended).effect == steps.Wish("turn", alone.turn)
    tried = ended.changed(known=own(1, Answer(kind="refused", at=NOON, errcode=45011)))
    for other in (tried, ended.changed(joined_at=NOON)):
        assert at(alone, other).effect == steps.Wish("joining")
    alone.abort()
    assert at(alone, alone.state.changed(wish=None)).effect == steps.Wish("joining")


@pytest.mark.parametrize(("later", "wanted"), [(timedelta(0), "turn"), (SECOND, "joining")])
def test_a_turn_is_asked_for_as_soon_as_it_is_its_time_to(later: timedelta, wanted: str) -> None:
    """Some minutes before the send is due, and not a second sooner."""
    assert begun(send_at=(NOON + ahead(begun()) + later).isoformat()).wants() == wanted


def test_a_send_that_waits_for_its_time_tells_when_it_goes_on() -> None:
    """Until it is due, as people see it; it asks for its turn before that, and looks again some time after."""
    alone = planned()
    due = NOON + HOUR
    assert alone.step == steps.Step("scheduled", why="send_at", until=due, look_at=due - ahead(alone))
    alone.wait(HOUR - ahead(alone))
    alone.asked(waits=QUEUE)
    step = alone.step
    assert (step.phase, step.why, step.until) == ("scheduled", "send_at", due)
    assert step.look_at == due + spread(case(alone).newest.clientmsgid, SPREAD)
    alone.hear(waits=FROZEN)
    assert (alone.step.until, alone.step.look_at) == (due, due)


def test_mass_get_is_asked_for_a_day_from_when_a_run_joined() -> None:
    """A run that is started again long after the acceptance gives WeChat as long once more."""
    alone = Alone()
    alone.now = NOON + 5 * HOUR
    alone.joined(own(1, Answer(kind="accepted", at=NOON, msg_id=7)))
    alone.asked()
    assert alone.step.effect == steps.Poll(7, NOON + 29 * HOUR)


def test_the_account_is_asked_whose_a_found_job_is() -> None:
    """By its msg_id: another send's job is not this one's."""
    alone = in_doubt()
    assert alone.mark_sent(9) is None
    assert (alone.wants(), alone.wish.whose) == ("question", 9)
    alone = in_doubt()
    found(alone)
    assert case(alone).newest.msg_id == 9


def test_an_end_after_a_job_leaves_a_retry_to_be_told_of() -> None:
    """A pushed no may be forged, and the next generation may have been tried by a run that nobody knows."""
    alone = asking()
    assert ending(case(alone)) is None
    open_ = alone.state.changed(wish=None)
    assert ending(Case(alone.engine.request, open_, NOON)) is None
    alone.abort()
    assert alone.wants() == "ending"
    assert ending(case(alone)) == Ending(generation=1, clientmsgid=case(alone).own_id(1))


def test_material_is_made_again_from_its_time_on() -> None:
    """And what is ready by the account's own way is not made again."""
    alone = trying()
    alone.answered("unknown")
    waits = alone.state.changed(material=Material(), ready=None, make_at=NOON + MINUTE, wish=None)
    assert at(alone, waits, NOON + MINUTE - SECOND).effect is None
    assert isinstance(at(alone, waits, NOON + MINUTE).effect, steps.Make)
    for news_via in ("draft", "uploadnews"):
        alone = joined(FACTS.model_copy(update={"news_via": news_via}), **ARTICLES)
        material = Material(made=Made(media_id="news", made_at=NOON, verified=news_via == "draft"))
        ready = next_work(alone.engine.request.message, material, alone.engine.facts.news_via, NOON)
        assert isinstance(ready, Ready)
        kept = alone.state.changed(material=material, ready=ready.message, wish=None)
        assert at(alone, kept).effect == steps.Wish("turn", queued(**ARTICLES).turn)


def test_a_lease_is_kept_while_the_tag_is_looked_at() -> None:
    """As long as it is good; then it goes back. What was said before it was granted is not heard any more."""
    alone = joined(**TAGGED)
    alone.take(events.TagSeen())
    alone.asked(waits=QUEUE)
    alone.now += 11 * MINUTE
    alone.hear(answer="lease", lease=alone.lease())
    assert alone.does() is steps.LookAtTag
    before = alone.state
    alone.hear(waits=FROZEN)
    assert alone.state == before
    lease = before.lease
    assert lease is not None
    assert isinstance(at(alone, before, lease.valid_until - SECOND).effect, steps.LookAtTag)
    assert at(alone, before, lease.valid_until).effect == steps.GiveBack(lease)


def test_an_answer_from_before_a_try_changes_nothing() -> None:
    """Neither that the send waits, nor the lease of the very try that is under way."""
    alone = trying()
    before = alone.state
    alone.hear(waits=QUEUE)
    assert alone.state == before
    assert before.trying is not None
    alone.hear(answer="lease", lease=before.trying)
    assert alone.state == before


def test_each_freeze_is_told_once() -> None:
    """Heard again it is no news; another one is. What the account knows is kept apart from its answer."""
    alone = queued(FROZEN)
    assert alone.state.story[-1].what == "the account is frozen: it waits"
    other = FROZEN.model_copy(update={"frozen": FROZEN.frozen and FROZEN.frozen.model_copy(update={"by": "zhao"})})
    for waits in (FROZEN, other, other):
        alone.hear(own(1, Answer(kind="refused", at=NOON, errcode=45011)), waits=waits)
    said = [line.by for line in alone.state.story if line.what == "the account is frozen: it waits"]
    assert said == ["wang", "zhao"]
    assert alone.state.heard is not None
    assert alone.state.heard.known == Known()


def test_a_place_that_is_not_wanted_any_more_is_taken_back() -> None:
    """The account is told so, and then nothing more is waited for."""
    alone = queued()
    assert alone.update(Pause(by="li", reason="look")) is None
    assert (alone.does(), alone.wants(), alone.step.phase) == (steps.SendWish, "withdrawing", "paused")
    alone.sent()
    assert alone.does() is None
    assert alone.step.why == "resume: paused by li"
