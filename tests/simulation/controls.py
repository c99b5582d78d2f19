"""Rules that can be taken out of the product, to see that each is missed, and by which word of the judge's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from qunfa.account import budget, inbox, leases, people, queue, routing
from qunfa.account.budget import next_place
from qunfa.account.state import AccountState, Place
from qunfa.contract.facts import Decided, Known, Try
from qunfa.contract.grants import Granted, Turn, Wish
from qunfa.contract.operators import Phase
from qunfa.contract.result import Answer
from qunfa.rules import memory, pace, submission, verdict
from qunfa.rules.memory import union
from qunfa.rules.verdict import judge
from qunfa.send import answers, apply, doubt, endings, joining, ledger, plan, questions, steps, turns
from qunfa.send.state import Case, SendState
from tests.rules.arbitrary import NOON
from tests.simulation import restores, world
from tests.simulation.list_controls import TAKEN_OUT, missed_by
from tests.simulation.wechat import MEMORY

CONTROLS: Final = TAKEN_OUT
_TWICE: Final = r"is delivered \d+ times"
_DELIVERED: Final = "ends as (failed|aborted|expired), and was delivered"
_COMES: Final = "ends as (failed|aborted|expired), and may still be delivered"


@missed_by(_DELIVERED)
def forget_unknown(patch: pytest.MonkeyPatch) -> None:
    """A refusal settles an unknown try."""
    for place in (memory, doubt):
        patch.setattr(place, "is_unknown", _no)


@missed_by(_TWICE)
def random_clientmsgid(patch: pytest.MonkeyPatch) -> None:
    """WeChat cannot tell a repeat: each try has an id of its own."""
    made: Callable[[Case, datetime], Turn] = turns._turn  # noqa: SLF001  the rule that is taken away

    def turn(case: Case, at: datetime) -> Turn:
        one = made(case, at)
        return one.model_copy(update={"clientmsgid": f"{one.clientmsgid[:24]}-{len(case.state.known.tries):03d}"})

    patch.setattr(turns, "_turn", turn)


@missed_by(_DELIVERED)
def believe_the_run_before(patch: pytest.MonkeyPatch) -> None:
    """A lost try is taken for one that wrote nothing."""
    nothing = Answer(kind="not_written", at=NOON)

    def heard(one: Try) -> Answer | None:
        return one.answer or (nothing if one.lost_at else None)

    patch.setattr(doubt, "heard", heard)
    for place in (memory, doubt):
        patch.setattr(place, "is_unknown", lambda one: one.answer is not None and one.answer.kind == "unknown")


@missed_by("write while .* may")
def two_leases(patch: pytest.MonkeyPatch) -> None:
    """An account grants a lease while another one is out."""

    def following(state: AccountState) -> Place | None:
        return next_place(state) if state.frozen is None else None

    patch.setattr(leases, "_next", following)


@missed_by("is frozen, and grants a lease")
def grant_while_frozen(patch: pytest.MonkeyPatch) -> None:
    """A freeze stops nothing."""

    def following(state: AccountState) -> Place | None:
        return next_place(state) if state.lease is None else None

    patch.setattr(leases, "_next", following)


@missed_by("do not end")
def lease_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A lease of which nothing is heard never ends."""
    for place in (leases, inbox):
        patch.setattr(place, "expired", lambda state, _now: state)


@missed_by(_TWICE, lives="restores")
def earlier_runs_forgotten(patch: pytest.MonkeyPatch) -> None:
    """No run looks for earlier runs of its key, and no account has it look."""
    heard = inbox.wished
    asked = ledger.asked

    def unsearched(case: Case, wanted: steps.Wish, phase: Phase) -> steps.Step:
        step = asked(case, wanted, phase)
        effect = step.effect
        return replace(step, effect=replace(effect, search=False)) if isinstance(effect, steps.SendWish) else step

    patch.setattr(ledger, "asked", unsearched)
    patch.setattr(
        inbox, "wished", lambda state, wish, now: heard(state, wish.model_copy(update={"searched": True}), now)
    )


@missed_by("waits for its turn, and its account does not know of it")
def reset_forgets(patch: pytest.MonkeyPatch) -> None:
    """A run that is reset does not find out that it was."""
    patch.setattr(apply, "_reset", lambda case: case.state)


@missed_by("two leases for one wish")
def grant_twice(patch: pytest.MonkeyPatch) -> None:
    """A wish that is over is not closed: a copy of it is granted, too."""
    for place in (leases, queue):
        patch.setattr(place, "closing", lambda state, _wish: state)
    patch.setattr(leases, "_is_vain", lambda record, one: leases.forbidden(record, one.generation, knew=one.knew))


@missed_by("write too soon after another call")
def without_pace(patch: pytest.MonkeyPatch) -> None:
    """One submission follows the other at once."""
    patch.setattr(pace, "earliest", lambda _pace, now, _configured: now)


@missed_by(_DELIVERED)
def under_way_beats_answered(patch: pytest.MonkeyPatch) -> None:
    """Of two memories of a try, the one that knows less stands."""
    usual: Callable[[Try], tuple[Any, ...]] = memory._try_rank  # noqa: SLF001  the rule that is taken away
    patch.setattr(memory, "_try_rank", lambda one: (-usual(one)[0], *usual(one)[1:]))


@missed_by("is written, and nobody has approved it")
def without_approval(patch: pytest.MonkeyPatch) -> None:
    """Nobody has to approve."""
    patch.setattr(turns, "_approved", _nothing)


@missed_by("is written while it is paused")
def pause_unheard(patch: pytest.MonkeyPatch) -> None:
    """A pause holds nothing back."""
    patch.setattr(turns, "_paused", _nothing)


@missed_by("is written at .*, and wanted")
def before_its_time(patch: pytest.MonkeyPatch) -> None:
    """What is planned for later goes out now."""
    patch.setattr(Case, "send_at", property(lambda _case: None))


@missed_by("is written at .*, not after")
def after_its_time(patch: pytest.MonkeyPatch) -> None:
    """What is not to go out after a time goes out all the same."""
    usual = Case.conditions
    patch.setattr(Case, "conditions", lambda case: replace(usual(case), not_after=None))


@missed_by("is written at .*, out of hours")
def out_of_hours(patch: pytest.MonkeyPatch) -> None:
    """What is due outside the account's ``send_hours`` goes out at once."""
    patch.setattr(submission, "next_opening", lambda at, _hours: at)
    patch.setattr(turns, "closing", lambda _at, _hours: None)


@missed_by("is approved by crm, who has asked for it")
def approve_ones_own(patch: pytest.MonkeyPatch) -> None:
    """Who has asked for a send may approve it."""
    patch.setattr(answers, "is_same_person", lambda _by, _asked_by: False)


@missed_by(_DELIVERED)
def end_unasked(patch: pytest.MonkeyPatch) -> None:
    """A no is told as the end before WeChat was asked about it."""
    patch.setattr(endings, "_last_word", lambda _case, _msg_id: None)


@missed_by(_TWICE)
def retry_unasked(patch: pytest.MonkeyPatch) -> None:
    """A second submission needs no word of WeChat's on the first."""
    for word in ("objection", "_with_yes"):
        patch.setattr(questions, word, lambda *_: None)


@missed_by(_COMES)
def no_stragglers(patch: pytest.MonkeyPatch) -> None:
    """A send ends as failed although a call may still come through."""
    patch.setattr(endings, "may_straggle", lambda _jobs: False)


@missed_by("says .*, and was pushed")
def first_word_stands(patch: pytest.MonkeyPatch) -> None:
    """Of two words of WeChat's the first stands, and not the one that says more."""
    patch.setattr(doubt, "best", lambda told: next(filter(judge, told), None))


@missed_by("is written although it was aborted")
def abort_unheard(patch: pytest.MonkeyPatch) -> None:
    """An abort that was taken ends nothing."""
    rules = tuple(rule for rule in plan._RULES if rule is not plan._stopped)  # noqa: SLF001  the rule that is taken away
    patch.setattr(plan, "_RULES", rules)


@missed_by(_DELIVERED)
def end_in_doubt(patch: pytest.MonkeyPatch) -> None:
    """A send that ends does not say that something may have been delivered."""
    patch.setattr(Case, "in_doubt", property(lambda case: case.state.trying is not None))
    patch.setattr(endings, "bad", lambda _case, otherwise: otherwise)


@missed_by(_COMES)
def forget_silence(patch: pytest.MonkeyPatch) -> None:
    """A try without an answer is not taken for one that may still be on its way."""
    patch.setattr(doubt, "is_silent", _no)


@missed_by(_TWICE)
def window_of_two_days(patch: pytest.MonkeyPatch) -> None:
    """The same again when WeChat has forgotten the first."""
    patch.setitem(world.TIMES, "window", MEMORY * 2)


@missed_by(_TWICE)
def evict_a_doubt(patch: pytest.MonkeyPatch) -> None:
    """What the ledger knows of a key goes after a minute."""
    patch.setattr(budget, "LIFE", timedelta(minutes=1))


@missed_by("does not know the push")
def drop_early_pushes(patch: pytest.MonkeyPatch) -> None:
    """A push that comes before its msg_id is known is lost."""
    patch.setattr(routing, "_kept", lambda state, _event, _now: state)


@missed_by("says .*, and was pushed")
def poll_overrules_push(patch: pytest.MonkeyPatch) -> None:
    """What ``mass/get`` says stands against the push, which says more."""
    patch.setattr(verdict, "_weight", lambda one: (verdict.is_yes(one), one.observed_by == "poll"))


@missed_by(_TWICE, lives="restores")
def restored_untold(patch: pytest.MonkeyPatch) -> None:
    """No account is told that Temporal's database was restored."""
    patch.setattr(restores, "marked", lambda state, *_: state)


@missed_by(_TWICE, lives="restores")
def told_once(patch: pytest.MonkeyPatch) -> None:
    """An account that is lost after a restore is not told of that again."""
    patch.setattr(restores.Restored, "_told_again", lambda *_: None)


@missed_by(_TWICE, lives="restored lists")
def batches_undoubted(patch: pytest.MonkeyPatch) -> None:
    """A batch that comes up after a restore is new, although the list that it is of is not."""
    patch.setattr(people, "key_of_whole", lambda _key: None)
    patch.setattr(Case, "started_at", property(lambda case: case.state.started_at))


@missed_by("is written once more, and had failed before")
def begin_anew(patch: pytest.MonkeyPatch) -> None:
    """A key that had failed is submitted once more when it is started again."""
    joined: Callable[[Case, Granted], SendState] = joining._joined  # noqa: SLF001  the rule that is taken away

    def joining_anew(case: Case, granted: Granted) -> SendState:
        state, newest = joined(case, granted), case.newest
        if not state.again or newest.verdict is None or judge(newest.verdict) is None:
            return state
        generation = newest.generation
        ids, opens = f"anew-{generation}", case.own_id(generation + 1)
        opened = Decided(id=ids, what="open", by="nobody", reason="", at=case.now, generation=generation, opens=opens)
        return state.changed(again=False, known=union(state.known, Known(decided=(opened,))))

    patch.setattr(joining, "_joined", joining_anew)


@missed_by("is frozen, and grants a lease", lives="lists")
def unfrozen_by_a_loss(patch: pytest.MonkeyPatch) -> None:
    """A new ledger hears nothing of a freeze by sends that were told of it."""
    patch.setattr(inbox, "with_freeze_of", lambda state, _frozen: state)


@missed_by(_DELIVERED, lives="restores")
def end_undoubted(patch: pytest.MonkeyPatch) -> None:
    """A send that ends is not doubted, although a restore may have forgotten what it has submitted."""
    patch.setattr(Wish, "job", property(lambda wish: wish.turn))


@missed_by("awaits a verdict on .*, which is another's", lives="lists")
def owner_unasked(patch: pytest.MonkeyPatch) -> None:
    """The job that WeChat names with a 45065 is taken for the send's own."""
    patch.setattr(doubt, "of_unknown_owner", lambda _known: frozenset())
    patch.setattr(plan, "of_unknown_owner", lambda _known: frozenset())


@missed_by(_DELIVERED, lives="lists")
def believe_an_echo(patch: pytest.MonkeyPatch) -> None:
    """A 45065 with the job of another key says that this one was not accepted."""
    patch.setattr(doubt, "unknown_of", lambda _known, _key, tries: [one for one in tries if memory.is_unknown(one)])


@missed_by("ends as sent, and was pushed that nobody was reached")
def nobody_unflagged(patch: pytest.MonkeyPatch) -> None:
    """What WeChat tells of the followers that were reached is not looked at."""
    usual = verdict.verdict_of_push
    for place in (apply, routing):
        patch.setattr(place, "verdict_of_push", lambda event: usual(event).model_copy(update={"counts": None}))


def _no(_one: Try) -> bool:
    return False


def _nothing(_case: Case) -> None:
    return None
