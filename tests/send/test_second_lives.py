"""A key that is started again: what it takes up, and what it ends with."""

from datetime import timedelta

import pytest

from qunfa.contract.batches import OF_LIST
from qunfa.contract.facts import Decided, Ended, Known, Owned, Said, Try
from qunfa.contract.operators import Abort
from qunfa.contract.result import Answer, Verdict
from qunfa.send import events, steps
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone, own
from tests.send.arbitrary_facts import IDS, a_try
from tests.send.places import BATCH, begun, in_doubt, trying

SENT, FAIL, COLLISION = "send success", "send fail", "clientmsgid_collision"


def tried(number: int, generation: int = 0, msg_id: int | None = None, clientmsgid: str = IDS[1]) -> Try:
    """A try of a generation: accepted as this msg_id, or lost. The first generation has the key's own clientmsgid."""
    answer = None if msg_id is None else Answer(kind="accepted", at=NOON, msg_id=msg_id)
    [one] = own(number, answer, lost=msg_id is None).tries
    return one.model_copy(update={"generation": generation, "clientmsgid": clientmsgid}) if generation else one


def said(msg_id: int, status: str) -> Said:
    """A push."""
    return Said(msg_id=msg_id, verdict=Verdict(status=status, observed_by="push"), at=NOON)


def told(alone: Alone) -> list[str]:
    """The lines of its story that tell of the ledger."""
    return [line.what for line in alone.state.story if "the account's ledger knows this key" in line.what]


@pytest.mark.parametrize("kind", ["unknown", "not_written"])
def test_a_worker_ahead_of_time_puts_off_no_try(kind: str) -> None:
    """Its clock is wrong by hours: the next try is spaced from when the run has heard of the answer."""
    dues = []
    for ahead in (timedelta(0), timedelta(hours=2)):
        alone = trying()
        alone.answered(kind, at=alone.now + ahead)
        assert alone.state.wish is not None
        assert alone.state.wish.turn is not None
        dues.append(alone.state.wish.turn.due)
    assert dues[0] == dues[1] < NOON + timedelta(hours=1)


def test_a_key_that_was_sent_ends_though_a_later_job_failed() -> None:
    """A yes of any generation counts, and more than a no."""
    alone = Alone()
    known = Known(tries=(tried(1, msg_id=7), tried(2, 1, msg_id=8)), said=(said(7, SENT), said(8, FAIL)))
    alone.joined(known, ended=Ended(outcome="sent"))
    assert alone.end.outcome == "sent"
    assert alone.state.again
    assert "it was sent before" in told(alone)[0]


@pytest.mark.parametrize("code", [40003, 45028])
def test_a_no_stands_though_its_retry_was_refused(code: int) -> None:
    """A person had it sent again, and then ended it: a start of the key is no leave to submit it."""
    retry = Decided(id="d", what="open", by="li", reason="r", at=NOON, generation=0, opens=IDS[1])
    refused = a_try(2, Answer(kind="refused", at=NOON, errcode=code), generation=1)
    known = Known(tries=(tried(1, msg_id=7), refused), said=(said(7, FAIL),), decided=(retry,))
    for ended, is_over in ((Ended(outcome="aborted"), True), (None, False)):
        alone = Alone()
        alone.joined(known, ended=ended)
        assert alone.state.again is is_over


@pytest.mark.parametrize("lease", [False, True])
def test_a_batch_that_was_aborted_is_not_sent_by_a_new_list(*, lease: bool) -> None:
    """Who starts the list again says nothing of that batch; a retry does. Any other key begins anew."""
    for audience, is_over in ((BATCH, True), ({**BATCH, "retried": True}, False), ({"kind": "all"}, False)):
        alone = begun(audience=audience)
        alone.sent()
        alone.hear(ended=Ended(outcome="aborted"), lease=alone.lease() if lease else None)
        assert (alone.wants() == "ending") == (is_over and not lease)
        assert (alone.state.stop is not None) == is_over
        assert (alone.state.trying is None) == (is_over or not lease)
        assert str(alone.abort()).startswith("somebody has aborted this send already") == is_over


@pytest.mark.parametrize("by_a_person", [False, True])
def test_a_batch_that_its_list_has_ended_begins_anew(*, by_a_person: bool) -> None:
    """The key of the list does, of which nothing was sent. What a person has said of this batch alone stays said."""
    alone = begun(audience=BATCH)
    alone.joined()
    if by_a_person:
        alone.abort()
    alone.take(events.Updated(f"{OF_LIST}run:3", Abort(by="li", reason="the whole send ends")))
    while alone.does() is steps.SendWish:
        alone.asked()
    alone.reported("aborted")
    told = alone.state.told_end
    assert told == Ended(outcome="aborted", of_list=not by_a_person)
    again = begun(audience=BATCH)
    again.sent()
    again.hear(ended=told)
    assert (again.state.stop is not None) == by_a_person


@pytest.mark.parametrize("identity", ["update", f"{OF_LIST}run:3"])
def test_a_confirmed_abort_is_that_of_who_gave_it(identity: str) -> None:
    """The list's, as it ends, or that of a person who has looked for this batch."""
    alone = in_doubt(audience=BATCH)
    alone.take(events.Updated(identity, Abort(by="li", reason="not there", confirm_not_delivered=True)))
    assert alone.state.stop is not None
    assert alone.state.stop.of_list == (identity != "update")


def test_a_batch_in_doubt_is_settled_though_it_was_aborted() -> None:
    """Its ledger has heard of a lost try since."""
    alone = begun(audience=BATCH)
    alone.sent()
    alone.hear(own(lost=True), ended=Ended(outcome="aborted"))
    assert alone.state.stop is None


def test_a_no_does_not_stand_for_a_retry_in_doubt() -> None:
    """That is settled first: its job may be awaited, or its try repeated under the same clientmsgid."""
    retry = Decided(id="d", what="open", by="li", reason="r", at=NOON, generation=0, opens=IDS[1])
    for later in (tried(2, 1), tried(2, 1, msg_id=8)):
        alone = Alone()
        known = Known(tries=(tried(1, msg_id=7), later), said=(said(7, FAIL),), decided=(retry,))
        alone.joined(known, ended=Ended(outcome="unknown"))
        assert not alone.state.again


def test_tries_that_wrote_nothing_are_not_waited_for() -> None:
    """The pauses between them were of the run before."""
    tries = [own(number, Answer(kind="not_written", at=NOON)).tries[0] for number in range(1, 20)]
    alone = Alone()
    alone.joined(Known(tries=tuple(tries)), ended=Ended(outcome="aborted"))
    assert (alone.turn.due, told(alone)) == (NOON, [])


def test_what_is_settled_or_asked_about_is_not_taken_up() -> None:
    """A job that has failed, and one that WeChat takes for another's: its answers still count."""
    failed = Known(tries=(tried(1, msg_id=7),), said=(said(7, FAIL),))
    collided = own(1, Answer(kind="duplicate", at=NOON, errcode=45065, msg_id=9))
    theirs = Owned(msg_id=9, key="autumn", generation=0)
    for known, problem in ((failed, "send_failed"), (collided.model_copy(update={"owned": (theirs,)}), COLLISION)):
        alone = Alone()
        alone.joined(known)
        alone.asked()
        assert (alone.state.known.decided, alone.asks()) == ((), problem)


def test_what_was_taken_up_is_known_by_its_wish() -> None:
    """A run that was reset hears it again, and may hear of more: that is another decision."""
    refused = own(1, Answer(kind="refused", at=NOON, errcode=48001))
    ids = set()
    for name in ("", "after the reset "):
        alone = Alone()
        alone.engine.name = name
        alone.joined(refused)
        [decision] = alone.state.known.decided
        assert (decision.what, decision.covers) == ("retry", (refused.tries[0].wish,))
        assert (decision.by, decision.reason) == ("", "")
        ids.add(decision.id)
    assert len(ids) == 2
