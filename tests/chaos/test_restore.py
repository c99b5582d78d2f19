"""What a restored database has forgotten, its callers have seen; and the judge does not take a doubt for a lie."""

from dataclasses import replace

from qunfa.contract.ledger import LedgerView, Pace
from tests.chaos.evidence import BookSeen, SendSeen
from tests.chaos.judge import judge_book, judge_send
from tests.chaos.restore import runs_of
from tests.chaos.test_judge import NOBODY, NOW, job, kinds, result, run, seen, sent

LAPSE = ((5.0, 30.0),)
IN_DOUBT = run(result("unknown", {"state": "unknown"}), "failed", 3)


def forgotten(send: SendSeen) -> SendSeen:
    """The send, with what happened from second 5 to second 30 forgotten by Temporal."""
    return replace(send, lapses=LAPSE)


def test_a_run_that_is_forgotten_is_as_its_caller_saw_it() -> None:
    """It ended after the snapshot. One from before is still there."""
    before, lost = run(None, number=0, closed_at=4.0), run(None, number=1)
    assert runs_of([before], [before, lost], LAPSE) == (before, lost)


def test_a_delivery_is_of_the_forgotten_run_that_was_under_way() -> None:
    """And not of the run before it, which had been aborted; without a restore, nothing is forgotten."""
    aborted, open_ = run(result("aborted"), "failed", 1), run(None, "running", 2, closed_at=None)
    marked = run(result("sent", sent(7, observed_by="operator", counts=None)), number=4)
    runs = runs_of([marked], [aborted], LAPSE, [aborted, open_])
    assert [one.state for one in runs] == ["failed", "forgotten", "completed"]
    assert kinds(forgotten(seen([job(7, 22)], *runs))) == set()
    assert kinds(forgotten(seen([job(7, 22)], aborted, marked))) == {"wrong"}
    assert kinds(forgotten(seen([job(7, 12)], *runs))) == {"wrong"}
    assert kinds(forgotten(seen([job(7, 22)], *runs[:2]))) == {"open"}
    assert runs_of([marked], [aborted], (), [aborted, open_]) == (marked,)


def test_a_run_that_was_replaced_goes_on_after_the_forgotten_one() -> None:
    """It was terminated for that, which is forgotten as well: what it delivers is its own."""
    replaced = run(result("sent", sent(7)), number=0, closed_at=40.0)
    runs = runs_of([replaced], [], LAPSE, [run(None, "running", 1, closed_at=None)])
    assert [(one.state, one.started_at) for one in runs] == [("forgotten", 10.0), ("completed", 30.0)]
    assert kinds(forgotten(seen([job(7, 35)], *runs))) == set()


def test_a_run_goes_on_after_forgotten_ones_whose_end_was_seen() -> None:
    """The later ones are both gone, also where the second was started for the first."""
    replaced = run(result("sent", sent(7)), number=0, closed_at=40.0)
    first, second = (run(None, "running", number, closed_at=None) for number in (1, 2))
    lost = run(result("sent", sent(7)), number=2)
    for seen_to_end, begun in (([lost], []), ([lost], [first]), ([], [first, second])):
        runs = runs_of([replaced], seen_to_end, LAPSE, begun)
        assert [one.started_at for one in runs] == [10.0, 20.0, 30.0][-1 - len(seen_to_end) - len(begun) :]
        assert kinds(forgotten(seen([job(7, 25)], *runs))) == set()


def test_a_run_that_runs_again_is_two() -> None:
    """The one that its caller saw, and the one that begins with the restore."""
    first = run(result("aborted"), "failed", number=0)
    again = run(result("sent", sent(7)), number=0, closed_at=40.0)
    now = replace(again, started_at=30.0)
    assert runs_of([again], [first], LAPSE) == (first, now)
    assert runs_of([again], [first, first, again], LAPSE) == (first, now)
    assert runs_of([replace(again, closed_at=None)], [first], LAPSE)[-1].closed_at is None
    assert runs_of([first], [first], LAPSE) == (first,)
    assert kinds(forgotten(seen([job(7, 35)], first, now))) == set()


def test_a_send_that_asks_about_what_is_forgotten_is_good() -> None:
    """It was delivered, and its callers know; the next run is in doubt, and the last one was marked as sent."""
    first, marked = run(result("sent", sent(7))), run(result("sent", sent(7)), number=4)
    assert judge_send(forgotten(seen([job(7, 6)], first, IN_DOUBT))) == []
    assert judge_send(forgotten(seen([job(7, 6)], first, IN_DOUBT, marked))) == []
    assert kinds(seen([job(7, 6)], first, IN_DOUBT)) == {"wrong", "lost"}


def test_a_failure_that_is_forgotten_is_not_lost() -> None:
    """Nobody was reached by it, and nobody can know of it. What was delivered has to be in the last result."""
    jobs = [job(6, 6, received=0, clientmsgid="id-1"), job(7, 8)]
    first = run(result("sent", sent(6, state="failed", counts=None), sent(7)))
    marked = run(result("sent", sent(7)), number=4)
    assert judge_send(forgotten(seen(jobs, first, marked))) == []
    assert kinds(forgotten(seen(jobs, run(result("aborted"), "failed", 4)))) >= {"lost"}
    assert kinds(seen(jobs, first, marked)) == {"wrong", "lost"}


def test_a_list_may_end_a_batch_that_a_restore_has_put_in_doubt() -> None:
    """No person answers for it then. A plain send waits for one; and a batch that ended before knows its job."""
    for key, doubted, found in (
        ("l.1", IN_DOUBT, set()),
        ("l", IN_DOUBT, {"lost"}),
        ("l.1", replace(IN_DOUBT, closed_at=29.0), {"lost"}),
    ):
        assert kinds(replace(forgotten(seen([job(7, 4)], doubted)), key=key)) == found


def test_a_push_that_is_forgotten_leaves_no_counts() -> None:
    """Nobody received it, which the push alone had said. `mass/get` says no more than that it is sent."""
    first = run(result("sent_nobody", sent(7, state="sent_nobody", counts=NOBODY)))
    marked = run(result("sent", sent(7, observed_by="poll", counts=None)), number=4)
    send = seen([job(7, 6, received=0, yes=True)], first, marked)
    assert judge_send(forgotten(send)) == []
    assert kinds(send) == {"wrong"}


def test_what_is_sent_again_after_a_restore_is_a_double() -> None:
    """Whatever was forgotten."""
    first, again = run(result("sent", sent(7))), run(result("sent", sent(8)), number=4)
    assert kinds(forgotten(seen([job(7, 6), job(8, 41, clientmsgid="id-1")], first, again))) >= {"double", "wrong"}


def test_a_ledger_need_not_know_what_is_forgotten() -> None:
    """It need not have the job of a key that nobody has started again."""
    view = LedgerView(appid="wx", since=NOW, records=(), lease=None, pace=Pace(), frozen=None, kept=(), book={})
    send = seen([job(7, 6)], run(result("sent", sent(7))))
    assert judge_book(BookSeen("a", view), [forgotten(send)]) == []
    assert [one.kind for one in judge_book(BookSeen("a", view), [send])] == ["open"]
