"""What a person reads of a problem: of which job, with whose words, and what to do next."""

from collections.abc import Mapping

import pytest

from qunfa.contract.facts import Ended
from qunfa.contract.grants import LedgerLost
from qunfa.contract.message import Made, Material
from qunfa.contract.result import Problem
from qunfa.rules.problems import (
    ASKS_NOBODY,
    CORRECT_IT,
    DEAD,
    LATER,
    LOOK_AT_ITS_LIST,
    LOOK_FIRST,
    NO_NEW_KEY,
    PROBLEMS,
    STRAGGLES,
    USE_THE_SAME_KEY,
)
from qunfa.send import events, steps
from qunfa.send.state import Case
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, Alone
from tests.send.places import (
    BATCH,
    FAILED,
    HOUR,
    MINUTE,
    SENDING,
    asking,
    in_doubt,
    joined,
    refused,
    second,
    straggling,
    trying,
)
from tests.send.test_contradictions import settled
from tests.send.test_held_back import forgotten
from tests.send.test_steps import ARTICLES

BY_HAND = "sent this one by hand"
OBSTACLE = Problem(name="source_changed", sentence="The file poster.png has changed.", todo="Put it back.")
NEWS = {"msgtype": "mpnews", "media_id": "m"}


def test_an_obstacle_is_told_in_its_own_words() -> None:
    """It names the file. So it does while the account is told something first."""
    alone = joined()
    alone.take(events.Obstructed(OBSTACLE))
    while alone.does() is steps.SendWish:
        alone.asked()
    assert alone.problem == OBSTACLE
    alone = refused()
    assert alone.retry() is None
    alone.take(events.Reported(), events.Obstructed(OBSTACLE))
    while alone.does() is steps.SendWish:
        alone.asked()
    alone.take(LedgerLost(at=alone.now))
    assert (alone.does(), alone.problem) == (steps.Report, OBSTACLE)


def test_an_obstacle_speaks_for_no_other_problem() -> None:
    """A doubt is asked about before it, in the words of the doubt."""
    alone = joined()
    alone.take(events.Obstructed(OBSTACLE))
    case = Case(alone.engine.request, alone.state, alone.now)
    assert (case.obstacle("source_changed"), case.obstacle("unknown_outcome")) == (OBSTACLE, None)


def test_a_key_that_failed_before_tells_of_the_job_that_failed() -> None:
    """Also where a retry was decided on and not submitted: its generation has nothing to tell."""
    before = asking()
    assert before.retry() is None
    before.take(events.WechatSaid(7, FAILED))
    assert len(before.status.jobs) == 2
    alone = Alone()
    alone.joined(before.state.known, ended=Ended(outcome="failed", problem="send_failed"))
    while alone.does() is steps.SendWish:
        alone.asked()
    if alone.does() is steps.AskWechat:
        alone.take(events.WechatSaid(7, FAILED))
    assert (alone.failure.name, alone.failure.errmsg) == ("send_failed", "send fail")


@pytest.mark.parametrize(
    ("message", "errcode", "by_hand"),
    [(NEWS, DEAD, True), (NEWS, 40004, False), ({}, DEAD, False), (NEWS, 48001, False)],
)
def test_a_draft_that_is_gone_may_have_been_sent_by_hand(message: dict[str, str], errcode: int, by_hand: bool) -> None:
    """Only then: no other refusal says so, and no other message dies of it."""
    alone = trying(**({"message": message} if message else {}))
    alone.answered("refused", errcode=errcode)
    alone.asked()
    assert (BY_HAND in alone.problem.sentence) is by_hand
    alone.abort()
    alone.asked()
    alone.reported("aborted")
    assert (alone.failure.todo == LOOK_FIRST) is by_hand


@pytest.mark.parametrize(
    ("via", "made", "by_hand"), [("draft", True, True), ("draft", False, False), ("uploadnews", True, False)]
)
def test_what_never_lay_in_a_draft_box_was_not_sent_by_hand(via: str, made: bool, by_hand: bool) -> None:
    """A cover's id is dead, or is none that a draft takes: no draft was made. Other news lie in no console."""
    alone = joined(**ARTICLES)
    there = Made(media_id="made", made_at=NOON) if made else None
    pinned = FACTS.model_copy(update={"news_via": via})
    alone.run.state = alone.state.changed(pinned=pinned, material=Material(made=there, rebuilt=True))
    alone.take(events.Obstructed(Problem(name="media_refused", sentence="No.", todo="Retry.", errcode=DEAD)))
    alone.asked()
    assert alone.asks() == "media_refused"
    assert (BY_HAND in alone.problem.sentence) is by_hand
    alone.abort()
    alone.asked()
    alone.reported("aborted")
    assert alone.failure.todo == (LOOK_FIRST if by_hand else CORRECT_IT)


def test_material_that_is_gone_may_have_died_with_a_delivery() -> None:
    """A person has found none of the first submission, and the second is refused: the end says to look once more."""
    alone = in_doubt()
    assert alone.retry(confirm_not_delivered=True) is None
    alone.reported()
    alone.tries()
    alone.answered("refused", errcode=DEAD)
    alone.asked()
    alone.abort(confirm_not_delivered=True)
    alone.reported()
    alone.asked()
    alone.reported("aborted")
    assert (alone.failure.name, alone.failure.todo) == ("media_refused", LOOK_FIRST)


def test_a_word_on_a_strange_job_may_be_on_ours() -> None:
    """The account is asked once more before a person goes on: it knows whose jobs there are."""
    alone = refused()
    alone.pushed(msg_id=99)
    assert (alone.does(), alone.wants(), alone.asks()) == (steps.SendWish, "asking", "account_refused")
    alone = asking()
    alone.pushed("send success", msg_id=7)
    assert alone.wants() != "asking"


@pytest.mark.parametrize(("audience", "todo"), [({"kind": "all"}, LOOK_FIRST), (BATCH, LOOK_AT_ITS_LIST)])
def test_a_key_that_failed_in_doubt_advises_no_new_key(audience: dict[str, object], todo: str) -> None:
    """A slow try of the run before may still come through: look first. For a batch nobody uses a new key at all."""
    alone = Alone(on_problem="fail", audience=audience)
    alone.joined(straggling().state.known, ended=Ended(outcome="unknown", problem="content_refused"))
    while alone.does() is steps.SendWish:
        alone.asked()
    if alone.does() is steps.AskWechat:
        alone.take(events.WechatSaid(7, FAILED))
    assert (alone.end.outcome, alone.failure.todo) == ("unknown", todo)
    assert PROBLEMS["content_refused"].todo != LOOK_FIRST


@pytest.mark.parametrize("confirmed", [False, True], ids=["in doubt", "not found"])
def test_who_starts_a_key_that_asks_nobody_is_told_how_to_be_asked(*, confirmed: bool) -> None:
    """Started again as it was, it would end so each time."""
    before = in_doubt()
    if confirmed:
        assert before.abort(confirm_not_delivered=True) is None
    alone = Alone(on_problem="fail")
    alone.now = before.now
    alone.joined(before.state.known, ended=Ended(outcome="aborted" if confirmed else "unknown"))
    end = settled(alone)
    assert end.problem is not None
    assert (end.outcome, end.problem.todo.endswith(ASKS_NOBODY)) == ("failed" if confirmed else "unknown", True)
    assert end.problem.todo.startswith(NO_NEW_KEY) is not confirmed


def test_a_key_with_a_job_that_was_not_found_says_how_to_be_asked() -> None:
    """WeChat has said no to its next job. As it was, each start would end at once."""
    before = in_doubt()
    assert before.retry(confirm_not_delivered=True) is None
    before.reported()
    before.tries()
    before.answered()
    before.pushed("send fail")
    alone = Alone(on_problem="fail")
    alone.now = before.now
    alone.joined(before.state.known, ended=Ended(outcome="failed", problem="send_failed"))
    while alone.does() is steps.SendWish:
        alone.asked()
    alone.take(events.WechatSaid(7, FAILED))
    alone.reported("failed")
    assert (alone.failure.name, alone.failure.todo) == ("send_failed", USE_THE_SAME_KEY + ASKS_NOBODY)


@pytest.mark.parametrize(("audience", "todo"), [({"kind": "all"}, NO_NEW_KEY), (BATCH, LOOK_AT_ITS_LIST)])
def test_a_doubt_that_nobody_was_asked_about_is_a_problem(audience: dict[str, object], todo: str) -> None:
    """A restored database may have forgotten its first try, and it is ended behind a freeze."""
    alone = forgotten(audience=audience)
    assert alone.abort() is None
    end = settled(alone)
    assert end.problem is not None
    assert (end.outcome, end.problem.name, end.problem.todo) == ("unknown", "unknown_outcome", todo)


def test_an_end_beside_a_slow_try_says_that_it_may_come() -> None:
    """Nobody was asked, since it is cancelled: WeChat's no is not told alone."""
    alone = joined()
    for answer in ("unknown", "accepted"):
        alone.tries()
        alone.answered(answer)
        alone.wait(MINUTE)
    alone.take(events.Cancelled("no"))
    alone.pushed("err(10001)")
    end = settled(alone)
    assert end.problem is not None
    assert (end.outcome, STRAGGLES in end.problem.sentence) == ("unknown", True)


def test_an_end_in_doubt_tells_of_the_job_that_may_not_have_failed() -> None:
    """The evidence is that job's, and not that of a later try that WeChat has refused for its quota."""
    alone = second(asking("err(30001)"))
    alone.answered("refused", errcode=45028, errmsg="no quota")
    assert alone.abort() is None
    while alone.does() is not steps.Poll:
        alone.take(events.WechatSaid(7, SENDING)) if alone.does() is steps.AskWechat else alone.asked()
    alone.take(events.Polled(7, None))
    end = settled(alone)
    assert end.problem is not None
    assert (end.outcome, end.problem.name, end.problem.errcode) == ("unknown", "originality_check_error", 30001)


def test_what_was_asked_until_its_time_was_over_needs_a_later_one() -> None:
    """The same request would expire at once."""
    alone = joined(not_after=(NOON + HOUR).isoformat())
    alone.take(events.Obstructed(OBSTACLE))
    alone.asked()
    assert alone.asks() == "source_changed"
    alone.wait(HOUR)
    end = settled(alone)
    assert end.problem is not None
    assert (end.outcome, end.problem.todo) == ("expired", USE_THE_SAME_KEY + LATER)


def asked_for(audience: Mapping[str, object], word: str = "err(10001)") -> Problem:
    """What a person reads where WeChat refuses the audience, or says no to the job."""
    if word:
        return asking(word, audience=audience).problem
    alone = trying(audience=audience)
    alone.answered("refused", errcode=40003)
    alone.asked()
    return alone.problem


def test_a_batch_never_advises_to_send_all_anew() -> None:
    """Those of the batches before it would get the message twice. What the table says stays before it."""
    table = PROBLEMS["content_refused"]
    alone, batch = asked_for({"kind": "all"}), asked_for(BATCH)
    assert alone.todo == table.todo
    assert batch.todo.startswith(f"{table.todo} Aborted by its own key")
    assert "A new key is for the rest alone" in batch.todo
    assert (
        batch.sentence == f"{alone.sentence} This is one batch of a list: those of other batches may have the message."
    )
    assert asked_for(BATCH, "send fail").todo == PROBLEMS["send_failed"].todo
    ending = asking("err(10001)", audience=BATCH)
    assert ending.abort() is None
    assert (ending.wants(), ending.problem) == ("ending", batch)


def test_openids_that_wechat_refuses_are_not_corrected_there() -> None:
    """They stand in the request, and a retry sends to the same. Those of a tag can be corrected."""
    openids = {"kind": "openids", "openids": ["o1", "o2"]}
    listed = "The openids stand in the request. Abort, and send to corrected ones under a new key."
    assert asked_for(openids, "").todo == listed
    assert asked_for(BATCH, "").todo.startswith(f"{listed} Aborted by its own key")
    assert asked_for({"kind": "tag", "tag_id": 2}, "").todo == PROBLEMS["audience_refused"].todo
