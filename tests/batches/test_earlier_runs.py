"""A key that was started before: what earlier runs had begun is found, told and never begun again."""

from typing import Literal

import pytest

from qunfa.batches import show, steps
from qunfa.batches.rows import looked_up, may_have_news, row_of_closed, settled
from qunfa.contract.batches import BatchRow, BatchSaid, doubted
from qunfa.contract.facts import Known, Said
from qunfa.contract.ledger import Frozen
from qunfa.contract.limits import Book
from qunfa.contract.operators import Abort, MarkSent, Retry
from qunfa.contract.prospect import Ahead, Past
from qunfa.contract.result import Answer, Counts, Outcome, Verdict
from qunfa.rules.problems import ASK_WECHAT, NO_NEW_KEY, PROBLEMS, SEND_TO_THE_REST
from qunfa.send import prospect
from qunfa.send.doubt import DOUBT
from qunfa.send.prospect import Start
from tests.batches.driving import ASKS, FACTS, LI, Drive, asks, failed, planned, request, row, sent
from tests.rules.arbitrary import NOON
from tests.send.arbitrary_facts import a_try
from tests.send.places import accepted, marked

KEY = "spring.7"


def test_an_abort_after_a_retry_does_not_forget_the_batch() -> None:
    """It may have been delivered: nobody may take its openids for not submitted."""
    drive = Drive()
    drive.carry(lambda number: row(number, "unknown"))
    assert drive.answer(Retry(**LI)) is None
    drive.earlier = {1: row(1, "unknown")}
    assert drive.answer(Abort(**LI), "v") is None
    end = drive.ended()
    assert (end.outcome, drive.state.all_rows, drive.begun[1]) == ("unknown", (row(1, "unknown"),), 1)


@pytest.mark.parametrize("is_planned", [True, False])
def test_an_early_end_tells_of_what_an_earlier_run_had_begun(is_planned: bool) -> None:
    """In order, up to the first batch that nobody has begun; also where it is aborted before it has a plan."""
    drive = Drive(request(approval={"required": True}, requested_by="crm"))
    drive.earlier = {1: sent(1), 2: row(2, "unknown")}
    if is_planned:
        drive.go()
    else:
        drive.hear(steps.Pinned(FACTS))
    assert drive.answer(Abort(**LI)) is None
    end = drive.ended()
    assert (end.outcome, [one.number for one in drive.state.all_rows]) == ("partly_sent", [1, 2])
    assert (drive.state.reported, drive.begun.total()) == (2, 0)
    assert show.result(drive.request, drive.state, end, drive.now).may_have_been_delivered


@pytest.mark.parametrize(("is_planned", "doubted"), [(True, [1, 2, 3]), (False, [1])])
def test_an_early_end_under_a_silent_ledger_doubts_all(is_planned: bool, doubted: list[int]) -> None:
    """It alone knows of what Temporal has forgotten. Nobody waits for it once more for each batch."""
    drive = Drive(request(approval={"required": True}, requested_by="crm"))
    drive.silent = True
    if is_planned:
        drive.go()
    else:
        drive.hear(steps.Pinned(FACTS))
    assert drive.answer(Abort(**LI)) is None
    before = drive.hear(asks(1)).state
    assert drive.hear(steps.Unheard(2)).state == before
    end = drive.ended()
    assert (end.outcome, [one.number for one in drive.state.all_rows]) == ("unknown", doubted)
    assert (drive.state.looked, drive.state.reported) == (None, len(doubted))
    assert show.result(drive.request, drive.state, end, drive.now).may_have_been_delivered
    assert sum("has not answered" in line.what for line in drive.state.story) == 1


@pytest.mark.parametrize(("is_planned", "rows"), [(True, [1, 2, 3]), (False, [1, 2])])
def test_an_early_end_doubts_each_batch_of_its_plan(is_planned: bool, rows: list[int]) -> None:
    """After a restore any may be forgotten. Without a plan one stands for all: nobody knows how many there would be."""
    drive = Drive(request(approval={"required": True}, requested_by="crm"))
    drive.earlier = {1: sent(1), **{number: doubted(number) for number in range(2, 50)}}
    if is_planned:
        drive.go()
    else:
        drive.hear(steps.Pinned(FACTS))
    assert drive.answer(Abort(**LI)) is None
    end = drive.ended()
    assert (end.outcome, [one.number for one in drive.state.all_rows]) == ("partly_sent", rows)
    assert show.result(drive.request, drive.state, end, drive.now).may_have_been_delivered


@pytest.mark.parametrize(("wishes", "is_doubted"), [(("w",), False), ((DOUBT, "w"), False), ((DOUBT,), True)])
def test_what_the_ledger_knows_of_a_batch_is_a_doubt(wishes: tuple[str, ...], is_doubted: bool) -> None:
    """Its tries may have been delivered; that a restored database may have forgotten one says less."""
    tries = tuple(a_try(number).model_copy(update={"wish": wish}) for number, wish in enumerate(wishes, 1))
    assert looked_up(7, KEY, Known()) == steps.LookedBack(7)
    found = looked_up(7, KEY, Known(tries=tries)).row
    assert found is not None
    assert (found.outcome, found.is_doubted) == ("unknown", is_doubted)
    accepted = a_try(3, Answer(kind="accepted", at=NOON, msg_id=1007))
    said = Said(msg_id=1007, verdict=Verdict(status="send success", observed_by="push"), at=NOON)
    found = looked_up(7, KEY, Known(tries=(*tries, accepted), said=(said,))).row
    assert found is not None
    assert (found.outcome, found.msg_id, found.is_doubted) == ("sent", 1007, False)


UNCOUNTED = sent(7)
ACCEPTED = row(7, "unknown").model_copy(update={"msg_id": 7, "job": "accepted"})
COUNTED = UNCOUNTED.model_copy(update={"counts": Counts(total=9, filter=9, sent=8, error=1)})


@pytest.mark.parametrize(
    ("ended", "found", "told"),
    [
        (row(7, "unknown"), None, row(7, "unknown")),
        (row(7, "unknown"), row(7, "failed"), row(7, "unknown")),
        (row(7, "unknown"), UNCOUNTED, UNCOUNTED),
        (UNCOUNTED, COUNTED, COUNTED),
        (UNCOUNTED, UNCOUNTED.model_copy(update={"msg_id": 9}), UNCOUNTED),
        (UNCOUNTED, row(7, "unknown"), UNCOUNTED),
        (UNCOUNTED, None, UNCOUNTED),
        (row_of_closed(7, "broken"), ACCEPTED, ACCEPTED.model_copy(update={"problem": "broken"})),
        (ACCEPTED, ACCEPTED.model_copy(update={"msg_id": 9}), ACCEPTED),
    ],
)
def test_news_of_a_batch_is_a_yes_or_its_counts(ended: BatchRow, found: BatchRow | None, told: BatchRow) -> None:
    """Both may come after its end, and a msg_id its run did not tell. Less takes the place of nothing."""
    assert may_have_news(ended)
    assert settled(ended, steps.LookedBack(7, found)) == told
    assert not any(map(may_have_news, (COUNTED, row(7, "failed"), row(7, "aborted"))))


def test_a_batch_that_was_sent_by_hand_is_no_batch_to_come() -> None:
    """A person has marked it as sent, and nothing was tried under its key. A lease that came back is no submission."""
    by_hand = marked().state.known
    told = [(one.outcome, one.state, one.msg_id, one.clientmsgid) for one in (looked_up(7, KEY, by_hand).row,) if one]
    assert told == [("unknown", "accepted", 9, None)], "no try of it has a clientmsgid"
    said = Said(msg_id=9, verdict=Verdict(status="send success", observed_by="push"), at=NOON)
    found = looked_up(7, KEY, by_hand.model_copy(update={"said": (said,)})).row
    assert found is not None
    assert (found.outcome, found.msg_id) == ("sent", 9)
    doubted_too = by_hand.model_copy(update={"said": (said,), "tries": (a_try(1).model_copy(update={"wish": DOUBT}),)})
    assert looked_up(7, KEY, doubted_too).row == found, "a restore takes WeChat's word from nobody"
    for unused in (Known(), Known(tries=(a_try(1, Answer(kind="unused", at=NOON)),))):
        assert looked_up(7, KEY, unused) == steps.LookedBack(7)
        assert [one.state for one in (looked_up(7, KEY, unused, is_known=True).row,) if one] == ["not_submitted"]
        assert looked_up(7, KEY, unused, is_later=True) == steps.LookedBack(7, doubted(7))


def test_a_batch_behind_a_stranger_ends_no_looking_back() -> None:
    """Tries under its key may be the stranger's. Without any it was not submitted, and those after it may have been."""
    assert [one.state for one in (looked_up(7, KEY, Known(tries=(a_try(1),)), is_hidden=True).row,) if one] == [
        "unknown"
    ]
    assert looked_up(7, KEY, Known(), is_known=True) == looked_up(7, KEY, Known(), is_hidden=True)
    drive = Drive(request(not_after=NOON))
    found = looked_up(1, KEY, Known(), is_hidden=True).row
    assert found is not None
    drive.earlier = {1: found, 2: row(2, "unknown")}
    assert drive.ended().outcome == "unknown"
    assert [one.state for one in drive.state.all_rows] == ["not_submitted", "unknown"]


def test_a_list_tells_of_an_earlier_batch_that_asks_a_person() -> None:
    """It waits for that batch, maybe for days. The batch is answered by its own key, and not through the list."""
    drive = Drive(request(not_after=NOON))
    drive.hear(steps.Pinned(FACTS), asks(1))
    step = drive.step
    assert isinstance(step, steps.Step)
    assert (step.phase, step.effect, step.problem) == ("needs_operator", steps.LookBack(1), ASKS)
    said = show.status(drive.request, drive.state, step, drive.now)
    assert (said.batch, said.answers) == (1, ())
    assert said.waiting_for is not None
    assert said.waiting_for.reason == "an operator's answer to send_failed of batch 1: see qunfa status demo/spring.1"
    assert said.history[-1].what == "batch 1, which an earlier run had begun, needs an operator: send_failed"
    for answer in (Abort(**LI), Retry(**LI), MarkSent(**LI, msg_id=7)):
        assert drive.answer(answer) == "this send is ending: look at the status"
    for others in (BatchSaid(number=1), asks(2)):
        awaits = drive.hear(others).step
        assert (awaits.problem, getattr(awaits, "effect", None)) == (None, steps.LookBack(1))
    drive.hear(asks(1), steps.WasReset())
    assert drive.state.looked is None
    drive.hear(asks(1), steps.LookedBack(1, sent(1)))
    assert (drive.state.looked, drive.ended().outcome) == (None, "partly_sent")


def test_a_reset_forgets_what_was_found_by_looking_back() -> None:
    """The run may have begun more since."""
    drive = Drive(request(approval={"required": True}, requested_by="crm"))
    drive.go()
    drive.hear(steps.Cancelled("enough"), steps.LookedBack(1, sent(1)), steps.LookedBack(2))
    assert (drive.state.all_rows, drive.state.fresh) == ((sent(1),), 2)
    drive.hear(steps.Reported(2))
    drive.hear(steps.WasReset())
    assert (drive.state.all_rows, drive.state.fresh, drive.state.reported) == ((), None, None)


def told_of(end: steps.End) -> tuple[str, str]:
    """How it has ended, and what a person is told to do."""
    assert end.problem is not None
    return end.outcome, end.problem.todo


@pytest.mark.parametrize(
    ("earlier", "outcome", "begun"),
    [
        ([sent(1)], "partly_sent", 0),
        ([failed(1), sent(2)], "partly_sent", 0),
        ([sent(1), sent(2), sent(3)], "sent", 0),
        ([], "partly_sent", 0),
        ([failed(1)], "partly_sent", 0),
        ([row(1, "unknown")], "partly_sent", 0),
    ],
)
def test_a_list_that_was_sent_in_part_ends_so_again(earlier: list[BatchRow], outcome: Outcome, begun: int) -> None:
    """Whatever ended it, and whatever of it is still known. One that has not ended goes on."""
    drive = Drive()
    drive.earlier = {one.number: one for one in earlier}
    drive.plan = planned().model_copy(update={"is_sent_in_part": True})
    end = drive.ended()
    assert (end.outcome, drive.begun.total()) == (outcome, begun)
    assert drive.state.reported == len(drive.state.all_rows)
    assert show.result(drive.request, drive.state, end, drive.now).may_have_been_delivered
    goes_on = Drive()
    goes_on.earlier = drive.earlier
    assert (goes_on.ended().outcome, goes_on.begun.total()) == ("sent", 3)


def test_a_list_whose_rest_is_for_another_key_says_so() -> None:
    """Nobody was sent to: it looks what became of its batches, and writes its report anew."""
    drive = Drive()
    drive.plan = planned().model_copy(update={"is_sent_in_part": True})
    drive.earlier = {1: row(1, "aborted")}
    drive.ended()
    drive.hear(steps.Reported(1, "file:/srv/report.csv.gz"))
    end = drive.ended()
    assert (drive.begun.total(), [one.number for one in drive.state.all_rows]) == (0, [1])
    assert told_of(end) == ("failed", SEND_TO_THE_REST)
    assert end.problem is not None
    assert end.problem.sentence == "Nothing more is sent under the key spring. Its report was written anew."


def test_the_store_knows_that_a_list_was_sent_before_it_has_a_plan() -> None:
    """Temporal and the ledger have forgotten its batches; it ends before it is planned again, and tells of them."""
    drive = Drive(request(not_after=NOON))
    drive.plan = planned().model_copy(update={"is_sent_in_part": True})
    end = drive.ended()
    result = show.result(drive.request, drive.state, end, drive.now)
    assert (told_of(end), result.may_have_been_delivered) == (("partly_sent", SEND_TO_THE_REST), True)
    assert end.problem is not None
    assert drive.state.plan is None
    assert "was sent before" in end.problem.sentence
    drive.hear(steps.Reported(0, "file:/srv/report.csv.gz", "all"))
    assert drive.ended() == steps.End("sent")
    drive.hear(steps.Reported(0, "file:/srv/report.csv.gz", "perhaps"))
    end = drive.ended()
    result = show.result(drive.request, drive.state, end, drive.now)
    assert (told_of(end), result.may_have_been_delivered) == (("unknown", NO_NEW_KEY), True)
    assert end.problem is not None
    assert "may have been sent before" in end.problem.sentence
    assert Drive(request(not_after=NOON)).ended().outcome == "expired"


@pytest.mark.parametrize(("told", "outcome"), [("all", "sent"), ("part", "partly_sent")])
def test_a_list_that_was_sent_is_called_so_at_an_early_end(told: Literal["all", "part"], outcome: Outcome) -> None:
    """Its batches are remembered, and the report tells whether they are all."""
    drive = Drive(request(not_after=NOON))
    drive.earlier = {number: sent(number) for number in (1, 2, 3)}
    drive.go()
    drive.hear(steps.Reported(3, "file:/srv/report.csv.gz", told))
    assert drive.ended() == steps.End(outcome)


def test_a_reset_follows_the_batch_that_had_ended_badly() -> None:
    """The run before may have begun it once more. Nothing is begun for that, and a person is asked by what is heard."""
    drive = Drive()
    drive.waits(failed)
    drive.hear(steps.WasReset())
    assert (drive.state.rows, drive.begun) == ((), {1: 1})
    drive.go()
    assert (drive.state.running and drive.state.running.follows, drive.begun) == (True, {1: 1})
    assert drive.hear(steps.Ended(sent(1))).ended().outcome == "sent"
    drive = Drive()
    drive.waits(failed)
    step = drive.hear(steps.WasReset(), steps.Ended(failed(1))).waits()
    assert step.problem is not None
    assert (step.problem.name, drive.state.questions) == ("batch_failed", 2)


def test_a_plan_of_other_batches_writes_no_report() -> None:
    """It would call people not submitted whom the plan before has reached."""
    reused = row(1, "unknown").model_copy(update={"problem": "key_reused"})
    drive = Drive()
    end = drive.ended(lambda _number: reused)
    assert (end.outcome, drive.state.reported, drive.begun.total()) == ("unknown", None, 1)


OTHER_KEY = PROBLEMS["key_reused"].todo


@pytest.mark.parametrize(
    ("sends", "perhaps", "reported", "todo"),
    [(1, False, 2, SEND_TO_THE_REST), (0, False, None, OTHER_KEY), (1, True, None, ASK_WECHAT)],
)
def test_a_report_tells_what_was_sent_before_a_stranger(
    *, sends: int, perhaps: bool, reported: int | None, todo: str
) -> None:
    """A stranger has the key of a later batch. Where it may have sent, this plan does not tell who has got what.

    A new key for all would reach them twice: the report alone leads to those who are left.
    """
    update = {"problem": "key_reused", "may_have_been_delivered": perhaps}
    reused = failed(sends + 1).model_copy(update=update)
    drive = Drive()
    end = drive.ended(lambda number: sent(number) if number <= sends else reused)
    assert (drive.state.reported, end.problem and end.problem.name) == (reported, "key_reused")
    assert told_of(end)[1] == todo


BEGUN = "begun before; its first batch: accepted as msg_id 7, 2026-12-01 12:00:00+08:00; no result yet"


@pytest.mark.parametrize(
    ("first", "digest", "state", "would", "said"),
    [
        (Ahead(past=Past(known=accepted().state.known)), "d", "begun", "go_on", BEGUN),
        (Ahead(past=Past(known=accepted().state.known)), None, "begun", "unknown", BEGUN),
        (
            Ahead(past=Past(known=accepted().state.known)),
            "other",
            "other_content",
            "be_refused",
            f"stands for other content: {BEGUN}",
        ),
        (Ahead(past=Past()), "d", "unknown", "unknown", "begun before; what became of its batches is not known"),
        (Ahead(forgotten="silent"), "d", "unknown", "unknown", "not known: silent"),
        (Ahead(), "d", "unknown", "unknown", "not known: nobody could be asked"),
    ],
    ids=["tried", "unread", "other content", "not tried", "silent", "not asked"],
)
def test_a_check_tells_of_a_list_by_its_first_batch(
    *, first: Ahead, digest: str | None, state: str, would: str, said: str
) -> None:
    """Never that it is new, if the ledger knows its key."""
    at = Start(request(), FACTS, "default", digest, NOON)
    seen = prospect.of_key(at, Ahead(past=Past(digests=("d",))), first)
    assert (seen.state, seen.start, seen.said) == (state, would, said)


def test_a_freeze_holds_the_rest_of_a_list() -> None:
    """What was not sent of it would be submitted."""
    at = Start(request(), FACTS, "default", "d", NOON)
    book = Book(since=NOON, frozen=Frozen(by="li", reason="wrong text", at=NOON))
    begun = prospect.of_key(at, Ahead(past=Past(digests=("d",))), Ahead(past=Past(known=accepted().state.known)))
    assert prospect.of_freeze(at, Ahead(book=book), begun).effect == "waits"
