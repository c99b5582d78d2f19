"""What a send asks its account, and what it makes of the answers: late ones, those of other runs, and none."""

from datetime import timedelta

from qunfa.contract.grants import Granted, Lease, Waits
from qunfa.contract.operators import Pause, Resume
from qunfa.contract.result import Answer
from qunfa.contract.steps import JobStatus
from qunfa.send import events, steps
from tests.rules.arbitrary import NOON
from tests.send.alone import FACTS, own
from tests.send.places import FROZEN, MINUTE, accepted, begun, joined, queued


def granted(lease: Lease) -> events.Heard:
    """A grant of this lease."""
    return events.Heard(Granted(wish=lease.wish, answer="lease", lease=lease))


def test_an_abort_under_a_silent_ledger_may_be_unknown() -> None:
    """The earlier runs were looked for, and one of them had a try that nobody heard of."""
    alone = begun()
    alone.sent(own(lost=True))
    assert alone.abort() is None
    alone.wait(3 * FACTS.timing.ask)
    assert alone.end.outcome == "unknown"


def test_an_abort_ends_a_send_whose_account_stays_silent() -> None:
    """It waits half a minute for the newest wish to be answered, however long the next one is away."""
    alone = begun()
    alone.sent()
    for _ in range(8):
        alone.wait(alone.until - alone.now)
        alone.sent()
    assert alone.abort() is None
    assert alone.step.until == alone.now + 3 * FACTS.timing.ask
    alone.wait(3 * FACTS.timing.ask)
    assert alone.end.outcome == "aborted"


def test_an_abort_under_a_silent_ledger_asks_wechat_of_a_no() -> None:
    """An earlier run had a job accepted; the no on it may be forged, and nobody but WeChat can tell."""
    alone = begun()
    alone.pushed("err(30003)")
    assert alone.abort() is None
    alone.sent(own(answer=Answer(kind="accepted", at=NOON, msg_id=7)))
    alone.wait(3 * FACTS.timing.ask)
    assert alone.does() is steps.AskWechat
    alone.take(events.WechatSaid(7, JobStatus(status="SEND_SUCCESS")))
    assert alone.end.outcome == "unknown"


def test_an_answer_that_comes_late_does_not_bring_the_wait_back() -> None:
    """The account has given the place to another wish, and said so. An older answer to the same wish comes last."""
    alone = queued(FROZEN)
    alone.hear()
    again = alone.step.until
    alone.hear(waits=FROZEN)
    assert alone.step.until == again == alone.now + FACTS.timing.ask


def test_a_grant_of_another_wish_is_not_ours() -> None:
    """A reset run does not act on what the run before it was granted."""
    alone = queued()
    lease = alone.lease().model_copy(update={"wish": "wish-of-another-run"})
    before = alone.state
    alone.take(granted(lease))
    assert alone.state == before


def test_a_lease_that_came_too_late_goes_back() -> None:
    """The send was paused while the lease was on its way: nothing is submitted."""
    alone = queued()
    lease = alone.lease()
    alone.take(events.Updated("u", Pause(by="li")), granted(lease))
    assert alone.does() is steps.Report
    alone.take(events.Reported())
    assert (alone.step.phase, alone.status.jobs[0].state) == ("paused", "new")
    alone.take(events.Updated("v", Resume(by="li")))
    assert (alone.wants(), alone.state.trying) == ("turn", None)


def test_no_turn_outlasts_the_hours_in_which_may_be_sent() -> None:
    """A lease that was granted a moment before they end is over with them."""
    facts = FACTS.model_copy(update={"send_hours": ("08:00", "22:00")})
    alone = joined(facts)
    turn = alone.state.wish and alone.wish.turn
    assert turn
    assert turn.until == NOON + timedelta(hours=10)


def test_a_wish_that_nobody_has_answered_is_searched_for_again() -> None:
    """An account that was lost has forgotten for what content earlier runs stood, and the run does not keep it."""
    alone = begun()
    alone.sent()
    alone.take(events.QueueLost(NOON + timedelta(seconds=1)))
    asked_again = alone.step.effect
    assert isinstance(asked_again, steps.SendWish)
    assert asked_again.search
    alone.asked()
    alone.wait(timedelta(hours=50))
    known = alone.step.effect
    assert isinstance(known, steps.SendWish)
    assert not known.search


def test_a_copy_of_a_lease_that_is_used_is_not_used_again() -> None:
    """An account that was reset says it once more: during the try, and after it."""
    alone = joined()
    alone.sent()
    granted = alone.granted(answer="lease", lease=alone.lease())
    alone.take(events.Heard(granted), events.Heard(granted))
    assert alone.does() is steps.Submit
    alone.take(events.Heard(granted))
    alone.answered("refused", errcode=40001)
    assert alone.state.lease is None
    alone.take(events.Heard(granted))
    assert alone.state.lease is None
    assert alone.does() is not steps.Submit


def test_who_waits_asks_again_once_the_queue_is_lost() -> None:
    """Several workers tell it, each some times: one new wish comes of it, which still tells of the freeze."""
    alone = joined()
    alone.sent()
    alone.hear(waits=FROZEN)
    alone.wait(5 * MINUTE)
    lost = events.QueueLost(alone.now)
    alone.wait(MINUTE)
    before = alone.state.wish
    alone.take(lost, lost)
    assert alone.wants() == "turn"
    assert alone.state.wish != before
    assert alone.state.heard
    assert alone.state.heard.waits == FROZEN
    alone.sent()
    alone.hear(waits=FROZEN)
    before = alone.state.wish
    alone.take(lost)
    assert alone.state.wish == before


def test_an_answer_that_is_heard_late_may_be_of_the_lost_queue() -> None:
    """No worker ran for hours: the account had answered, and was lost, before the send could hear of either."""
    alone = begun()
    alone.sent()
    alone.now += timedelta(hours=6)
    alone.hear(waits=Waits(why="queue", place=3))
    before = alone.wish
    alone.take(events.QueueLost(NOON))
    assert alone.does() is steps.SendWish
    assert alone.wish.wish != before.wish


def test_who_has_tried_tells_the_next_account_of_it() -> None:
    """A push finds nobody there otherwise. It does so once for each loss, however many workers tell it."""
    alone = accepted()
    before, lost = alone.now - MINUTE, alone.now
    alone.take(events.QueueLost(before))
    assert alone.does() is None
    alone.wait(MINUTE)
    for at in (lost, lost + timedelta(seconds=1)):
        alone.take(events.QueueLost(at), events.QueueLost(lost))
        assert alone.step.effect == steps.Report()
        assert alone.step.phase == "awaiting_result"
        alone.reported()
        alone.take(events.QueueLost(at), events.QueueLost(lost))
        assert alone.does() is None


def test_a_wish_that_is_on_its_way_as_the_queue_is_lost_is_sent_again() -> None:
    """It may have gone to the account that is lost, which may have answered it before."""
    alone = begun()
    on_its_way = alone.wish
    assert (on_its_way.turn is not None, on_its_way.sent_at) == (True, None)
    alone.take(events.QueueLost(alone.now))
    assert alone.wish.number == on_its_way.number + 1
    assert alone.does() is steps.SendWish
