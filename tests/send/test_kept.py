"""What a run keeps of an event, and what it makes of a wish, where only a small difference shows it."""

from qunfa.contract.facts import Known, Owned
from qunfa.send import events, steps
from qunfa.send.apply import apply
from qunfa.send.doubt import UNNAMED
from qunfa.send.state import Case, OpenWish, SendState
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone
from tests.send.arbitrary_facts import a_try
from tests.send.places import HOUR, MINUTE, accepted, begun, joined, trying, unanswered


def after(alone: Alone, event: events.Event) -> SendState:
    """The state after this event alone."""
    return apply(alone.engine.request, alone.state, event, alone.now)


def test_a_word_may_come_before_the_account_is_pinned() -> None:
    """It is kept, since it may turn out to be about a job of this send."""
    alone = Alone()
    alone.pushed(msg_id=8)
    assert [one.msg_id for one in alone.state.known.said] == [8]


def test_what_is_looked_up_takes_nothing_away() -> None:
    """A word that came before stays known."""
    alone = joined()
    alone.pushed(msg_id=8)
    before = alone.state.known
    assert after(alone, events.LookedUp(Known())).known == before


def test_only_a_try_without_an_id_gets_the_one_of_its_generation() -> None:
    """A generation may share the clientmsgid of the one before, or have one from before a move."""
    alone = joined()
    named, unnamed = (a_try(number, generation=1, lost=True) for number in (1, 2))
    found = Known(tries=(named, unnamed.model_copy(update={"clientmsgid": UNNAMED})))
    ids = [one.clientmsgid for one in after(alone, events.LookedUp(found)).known.tries]
    assert ids == [named.clientmsgid, Case(alone.engine.request, alone.state, alone.now).own_id(1)]


def test_a_wish_that_was_answered_is_not_open_since_then() -> None:
    """How long the account has been silent is counted over the wishes that it has not answered."""
    alone = begun()
    alone.sent()
    alone.now += MINUTE
    wishing = events.Wishing("w", "joining")
    assert (wish_after(alone, wishing).since, alone.wish.since) == (NOON, NOON)
    heard = alone.state.changed(heard=alone.granted())
    alone.run.state = heard
    assert wish_after(alone, wishing).since == alone.now
    alone.run.state = heard.changed(wish=None)
    assert wish_after(alone, wishing).since == alone.now


def wish_after(alone: Alone, event: events.Event) -> OpenWish:
    """The wish that is open after this event alone."""
    wish = after(alone, event).wish
    assert wish is not None
    return wish


def test_a_try_that_the_account_was_not_told_of_is_told() -> None:
    """An operator has completed it by hand."""
    alone = trying()
    alone.answered("unknown", told=False)
    assert alone.does() is steps.Report
    alone = trying()
    alone.answered("unknown")
    assert alone.does() is not steps.Report


def test_a_renewal_is_a_decision_of_nobody() -> None:
    """It opens the next generation under an id of its own, for a reason."""
    alone = unanswered()
    [opened] = after(alone, steps.Renew(1, "c1")).known.decided
    assert (opened.id, opened.what, opened.by, opened.generation, opened.opens, opened.at) == (
        "renewed-1", "open", "", 1, "c1", alone.now,
    )  # fmt: skip


def test_what_becomes_known_calls_for_new_checks() -> None:
    """All but the one in whose answer it was told."""
    alone = accepted()
    alone.wait(HOUR)
    alone.asked()
    assert [one.before for one in alone.state.checks] == ["polling"]
    alone.wait(24 * HOUR)
    alone.take(events.Polled(7, None))
    alone.asked(Known(owned=(Owned(msg_id=8, key="autumn", generation=0),)))
    assert [one.before for one in alone.state.checks] == ["asking"]
