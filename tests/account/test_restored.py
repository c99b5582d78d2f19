from datetime import datetime, timedelta
from unittest.mock import ANY

import pytest

from qunfa.account.budget import trimmed
from qunfa.account.people import caught_up, doubted, freeze, marked, unfreeze, why_not_caught_up
from qunfa.account.show import answer_of
from qunfa.account.state import AccountState, Record
from qunfa.contract.facts import Decided, Known, Owned, Said, Try
from qunfa.contract.fields import EARLIEST, GENERATIONS_MAX, NUMBER_MAX
from qunfa.contract.grants import Granted, Report, Wish
from qunfa.contract.ledger import Frozen
from qunfa.contract.operators import Restore
from qunfa.contract.result import Verdict
from qunfa.contract.steps import LedgerQuestion
from qunfa.rules.course import may_straggle
from qunfa.rules.digest import clientmsgid
from qunfa.rules.memory import union
from qunfa.rules.problems import PROBLEMS, describe
from qunfa.send.doubt import DOUBT, jobs_of
from tests.account.driving import (
    BEGAN,
    EMPTY,
    MINUTE,
    answer,
    asked,
    attempt,
    done,
    kept,
    known,
    leased,
    look,
    turn,
    wish,
)
from tests.rules.arbitrary import NOON
from tests.send.alone import Alone
from tests.send.places import HOUR
from workflows.account_page import account_page

TAKEN = NOON - timedelta(hours=2)
OWN = clientmsgid("default", "wx", "spring", 0)
TOLD = Restore(by="li", reason="the disk died", taken=TAKEN)
_SAYS = "Temporal's database was restored: whether anything was submitted, stopped, moved or recalled after"
LOST = Frozen(by="li", reason="wrong price", at=BEGAN - MINUTE)


def restored(state: AccountState = EMPTY, told: Restore = TOLD) -> AccountState:
    """The account once it was told, and lets its sends ask: only the doubts hold them."""
    return marked(state, told, NOON).changed(frozen=None)


def doubts(known: Known) -> list[Try]:
    """The doubts, each of two tries: the second one may come through late."""
    tries = [one for one in known.tries if one.wish.startswith(DOUBT)]
    late = [(f"{one.wish}:late", one.number + 1) for one in tries[::2]]
    assert [(one.wish, one.number) for one in tries[1::2]] == late
    return tries[::2]


def tried_again(state: AccountState, before: Granted, name: str) -> Wish:
    """The next wish of a run that has heard what the ledger knows."""
    assert state.lease is None
    return wish(name, known=before.known, number=2)


def kept_record() -> Record:
    """The record of a key that has asked, and made no try."""
    return done(EMPTY, look()).records["k"]


def test_a_freeze_from_before_the_restore_outlasts_it() -> None:
    """Its end is for who has frozen the account."""
    state = freeze(EMPTY, "wang", "audit", NOON - MINUTE)
    after = caught_up(marked(state, TOLD, NOON), NOON + MINUTE)
    assert after.frozen == state.frozen
    over = caught_up(marked(EMPTY, TOLD, NOON), NOON + MINUTE)
    assert over.frozen is None
    assert done(over, look(frozen=LOST)).frozen is None, "nor does it come back by a run that was told of one before"


def test_a_freeze_of_the_same_task_outlasts_a_restore() -> None:
    """After a reset, what a person has done and the restore are applied at one time."""
    state = freeze(EMPTY, "wang", "audit", NOON)
    after = caught_up(marked(state, TOLD, NOON), NOON + MINUTE)
    assert after.frozen == state.frozen


def test_a_restore_that_is_told_anew_ends_with_its_freeze() -> None:
    """The time of the snapshot was corrected before anybody had caught up. The freeze of somebody else stays."""
    corrected = TOLD.model_copy(update={"taken": TAKEN + MINUTE, "reason": "the time was wrong"})
    state = marked(marked(EMPTY, TOLD, NOON), corrected, NOON + MINUTE)
    assert state.frozen == Frozen(by="li", reason="the time was wrong", at=NOON + MINUTE, of_restore=True)
    assert caught_up(state, NOON + 2 * MINUTE).frozen is None
    thawed = unfreeze(marked(EMPTY, TOLD, NOON), NOON)
    assert marked(thawed, corrected, NOON + MINUTE).frozen == state.frozen
    theirs = freeze(thawed, "wang", "audit", NOON + MINUTE)
    assert caught_up(marked(theirs, corrected, NOON + MINUTE * 2), NOON + HOUR).frozen == theirs.frozen


@pytest.mark.parametrize("number", [NUMBER_MAX - 1, NUMBER_MAX])
def test_a_doubt_has_a_number_whatever_was_told(number: int) -> None:
    """And the last generation that there is, where a stranger has opened one more."""
    opened = Decided(id="x", what="open", by="eve", reason="y", at=NOON, generation=GENERATIONS_MAX - 1, opens="z")
    before, _ = asked(EMPTY, look(known=known(attempt(answer("not_written"), number), decided=(opened,))))
    found = answer_of(restored(before), LedgerQuestion(key="k"), NOON)[1].known
    assert found is not None
    assert sorted(one.number for one in found.tries) == [number, NUMBER_MAX, NUMBER_MAX]
    assert Known.model_validate_json(found.model_dump_json()) == found
    state, _ = asked(restored(before), wish("w2", number=2))
    assert sorted(one.number for one in state.records["k"].known.tries) == [number, NUMBER_MAX, NUMBER_MAX]


def test_a_snapshot_may_be_as_old_as_a_time_can_be() -> None:
    """A mistaken time is a mistake of a person; no task fails by it."""
    state = restored(told=TOLD.model_copy(update={"taken": EARLIEST}))
    state, [told] = asked(state, wish())
    assert {one.not_before for one in told.known.tries} == {EARLIEST}


def test_a_key_that_may_be_forgotten_gets_a_doubt_and_no_lease() -> None:
    """A person who has looked opens the next generation, which is granted: one doubt is enough."""
    state, [heard] = asked(restored(), wish())
    [doubt] = doubts(heard.known)
    assert (heard.answer, heard.waits, state.lease) == ("known", None, None)
    assert (doubt.generation, doubt.clientmsgid) == (0, turn().clientmsgid)
    assert "2026-12-01 10:00:00+08:00" in str(doubt.answer and doubt.answer.detail)
    state, [again] = asked(state, wish("w0", run="run-2", turn=turn(1)))
    assert (again.answer, again.waits, again.known) == ("known", None, heard.known), "it was opened without the doubt"
    _, lease = leased(state, wish("w2", known=heard.known, number=2, turn=turn(1)))
    assert lease.generation == 1


def test_the_question_after_a_restore_names_no_made_up_try() -> None:
    """The try of a doubt may never have been: only the snapshot has a time."""
    _, [heard] = asked(restored(), wish())
    [job] = jobs_of(heard.known, "k")
    more = describe("unknown_outcome", job).sentence.removeprefix(PROBLEMS["unknown_outcome"].sentence)
    assert more == f" {_SAYS} 2026-12-01 10:00:00+08:00 is forgotten."


def test_whoever_waits_as_the_account_is_told_hears_of_the_doubt() -> None:
    """Also one that knew of an unknown try: a later generation may have been delivered."""
    state = freeze(EMPTY, "li", "x", NOON)
    unknown = attempt(answer("unknown"), number=1)
    state, _ = asked(state, wish(), wish("w2", "k2", known=Known(tries=(unknown,))))
    assert len(state.queue) == 2
    state, said = asked(restored(state))
    assert (len(state.queue), state.lease) == (0, None)
    assert [len(doubts(one.known)) for one in said] == [1, 1]


def test_what_comes_up_once_all_was_started_again_is_new() -> None:
    """But for the keys that the account knew: a send that was planned for later may have been sent before."""
    state, _ = asked(restored(), look("w0", "planned"))
    state = caught_up(state, NOON)
    state, [new] = asked(state, wish("w1", "new"))
    assert new.answer == "lease"
    state, [planned] = asked(state, wish("w2", "planned", number=2))
    assert len(doubts(planned.known)) == 1
    assert kept(state) == state


@pytest.mark.parametrize("told", ["nothing", "by a run", "and dropped", "by a list", "and dropped by a list"])
@pytest.mark.parametrize(("started_at", "is_new"), [(NOON + MINUTE, False), (NOON + 2 * MINUTE, True)])
def test_what_was_started_before_all_had_caught_up_is_doubted(told: str, started_at: datetime, *, is_new: bool) -> None:
    """Whatever the account has known of it meanwhile; a batch is as old as its list."""
    key, later = "list.7" if "list" in told else "k", NOON + timedelta(days=36)
    state = restored()
    if "dropped" in told:
        state, _ = asked(state, look("w0", "list" if "list" in told else "k"))
    state = trimmed(caught_up(state, NOON + MINUTE), later)
    assert state.records == {}
    report = Report(key=key, digest=look().digest, workflow_id=f"mass-send:demo:{key}")
    state = done(state, report, now=later) if "run" in told else state
    assert answer_of(state, LedgerQuestion(key=key, started_at=started_at), later)[1].known == (None if is_new else ANY)
    asks = wish("w2", key, number=2, started_at=started_at, turn=turn(due=later))
    state, [heard] = asked(state, asks, now=later)
    assert (heard.answer, len(doubts(heard.known))) == (("lease", 0) if is_new else ("known", 1))


def test_a_batch_of_a_list_from_before_may_be_forgotten() -> None:
    """Whenever it comes up: the list may have begun it before the restore. That of a later list is new."""
    state, _ = asked(restored(), look("w0", "list"))
    state = caught_up(state, NOON)
    state, [batch] = asked(state, wish("w1", "list.7"))
    assert (batch.answer, len(doubts(batch.known)), state.lease) == ("known", 1, None)
    state, _ = asked(state, look("w2", "later"))
    state, [new] = asked(state, wish("w3", "later.7"))
    assert new.answer == "lease"


def test_a_batch_that_was_never_asked_about_may_be_forgotten() -> None:
    """A list that ends early looks for it. Once all has caught up, nothing is said of a batch of a later list."""
    state, _ = asked(restored(), look("w0", "list"))
    for account in (state, caught_up(state, NOON)):
        _, told = answer_of(account, LedgerQuestion(key="list.7"), NOON)
        assert told.known is not None
        [doubt] = doubts(told.known)
        assert doubt.not_before < NOON - timedelta(days=1), "WeChat remembers it no more"
    state = caught_up(state, NOON)
    assert answer_of(state, LedgerQuestion(key="later.7"), NOON)[1].known is None
    state, [batch] = asked(state, wish("w2", "list.7"))
    assert answer_of(state, LedgerQuestion(key="list.7"), NOON)[1].known == batch.known


def test_what_is_in_doubt_is_what_a_key_has_tried_last() -> None:
    """A person looks for that job in WeChat's console. It is tried no more, and this one may have been delivered."""
    tries = (attempt(answer("refused", errcode=45028)), attempt(answer("refused", errcode=45028), 2, "new", 1))
    state, _ = asked(restored(), look(known=known(*tries)))
    [doubt] = doubts(answer_of(state, LedgerQuestion(key="k"), NOON)[1].known or Known())
    assert (doubt.generation, doubt.clientmsgid) == (1, tries[1].clientmsgid)


def test_a_list_is_known_for_as_long_as_its_batches() -> None:
    """Its own record is touched with theirs, so that it does not go before them."""
    state, _ = asked(EMPTY, look("w0", "list"))
    state, _ = asked(state, wish("w1", "list.1"), now=NOON + MINUTE)
    assert state.records["list"].touched_at == state.records["list.1"].touched_at == NOON + MINUTE
    state = marked(done(state, wish("w2", "list.2"), now=NOON + MINUTE), TOLD, NOON + 2 * MINUTE)
    assert state.records["list"].touched_at == NOON + 2 * MINUTE


def test_which_batches_may_have_been_delivered_is_told() -> None:
    """To who asks for a list with its batches: one that has waited alone is none of them, nor is another list's."""
    tries = known(attempt(answer(), clientmsgid=clientmsgid("default", "wx", "list.2", 0)))
    state, _ = asked(EMPTY, look("w1", "list.2", known=tries), look("w2", "list.1"), look("w3", "later.1"))
    assert answer_of(state, LedgerQuestion(key="list", with_batches=True), NOON)[1].reaching == (2,)
    assert answer_of(state, LedgerQuestion(key="list"), NOON)[1].reaching == ()


def test_a_second_restore_doubts_anew() -> None:
    """From another snapshot: what a person has settled meanwhile is forgotten with the rest."""
    state, [heard] = asked(restored(), wish())
    later = TOLD.model_copy(update={"taken": TAKEN + MINUTE})
    state = restored(caught_up(state, NOON), later)
    assert state.restored is not None
    assert state.restored.ended_at is None
    state, [again] = asked(state, tried_again(state, heard, "w3"))
    assert len(doubts(again.known)) == 2


def test_only_a_restore_can_be_caught_up_with() -> None:
    """The sentence names the account."""
    assert why_not_caught_up(EMPTY) == "the account wx was not told that Temporal's database was restored"
    assert why_not_caught_up(restored()) is None
    assert caught_up(EMPTY, NOON) == EMPTY
    over = caught_up(restored(), NOON)
    assert caught_up(over, NOON + MINUTE) == over


def test_a_doubtful_key_asks_a_person_before_anything_is_repeated() -> None:
    """Its window is over: a repetition could double what a later generation has delivered."""
    record = doubted(restored(), kept_record(), 0, OWN)
    alone = Alone()
    alone.joined(record.known)
    alone.asked()
    assert alone.asks() == "unknown_outcome"
    assert "restored" in str(alone.status.problem and alone.status.problem.errmsg)


def test_a_job_that_a_person_finds_may_not_be_the_only_one() -> None:
    """It has failed, and another try that is forgotten may still be carried out."""
    record = doubted(restored(), kept_record(), 0, OWN)
    covers = tuple(one.wish for one in record.known.tries)
    found = Decided(id="u", what="mark_sent", by="li", reason="found", at=NOON, generation=0, covers=covers, msg_id=7)
    failed = Said(msg_id=7, verdict=Verdict(status="send fail", observed_by="push"), at=NOON)
    own = Owned(msg_id=7, key="k", generation=0, accepted=True)
    after = union(record.known, Known(said=(failed,), decided=(found,), owned=(own,)))
    [job] = jobs_of(after, "k", OWN)
    assert (job.msg_id, may_straggle((job,))) == (7, True)


def test_the_page_of_a_restored_account_says_how_it_ends() -> None:
    """Until it is over."""
    state = marked(EMPTY, TOLD, NOON)
    page = account_page(state, NOON)
    assert "Each key asks a person first, until `qunfa restored --done`" in page
    assert "Restored" not in account_page(caught_up(state, NOON), NOON)


def test_a_restored_account_is_frozen_and_told_once() -> None:
    """Told once more of the same snapshot it stays as it is, also where somebody has unfrozen it since."""
    state = marked(EMPTY, TOLD, NOON)
    assert state.restored is not None
    assert state.frozen is not None
    assert (state.frozen.by, state.frozen.reason, state.restored.taken) == ("li", "the disk died", TAKEN)
    assert marked(state.changed(frozen=None), TOLD, NOON + MINUTE) == state.changed(frozen=None)
    assert kept(state) == state
