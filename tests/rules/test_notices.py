from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.batches.plan import batch_failed, forgotten, key_reused, sent_before
from qunfa.contract.notice import NoticeType
from qunfa.contract.result import COMPLETES, Answer, Job, Outcome, Problem
from qunfa.rules.notices import (
    Again,
    Closed,
    Taken,
    notice_problem,
    rarer,
    told_of_close,
    type_of_close,
    type_of_end,
    understood,
    webhook_id,
)
from qunfa.rules.problems import (
    ASK_WECHAT,
    ASKS_NOBODY,
    CORRECT_IT,
    DEAD,
    IN_VAIN,
    IN_VAIN_AS_CANCELLED,
    ITS_LIST_GOES_ON,
    LATER,
    LOOK_AT_ITS_LIST,
    LOOK_FIRST,
    NO_MORE,
    NO_NEW_KEY,
    NO_ROOM,
    PROBLEMS,
    SEND_TO_THE_REST,
    USE_A_NEW_KEY,
    USE_THE_SAME_KEY,
    as_todo,
    describe,
)
from tests.batches.driving import failed, request
from tests.send.alone import Alone
from tests.send.places import BATCH, asking, collided, straggling, trying

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
INVALID_ID = Answer(kind="refused", at=NOW, errcode=DEAD, errmsg="invalid media_id")
PINNED = "msg_8d7c4b817141fb3acacf092c52318fc2bf132cf1"


def by_hand() -> Alone:
    """WeChat does not know the draft of the first try."""
    alone = trying(message={"msgtype": "mpnews", "media_id": "m"})
    alone.answered("refused", errcode=DEAD)
    alone.asked()
    return alone


def remade() -> Problem:
    """WeChat does not know the material of a second generation."""
    return describe("media_refused", Job(generation=1, clientmsgid="c", answer=INVALID_ID))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken(status: int) -> None:
    """Whatever else it says."""
    assert understood(status, "60", NOW) == Taken()


@pytest.mark.parametrize("status", [199, 300, 301, 304, 307, 400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 599])
def test_everything_else_is_tried_again(status: int) -> None:
    """As the retry policy has it."""
    assert understood(status, None, NOW) == Again()


@pytest.mark.parametrize(
    ("tried_for", "wait"), [(0, 1), (1, 1), (2, 2), (4, 4), (1800, 1800), (3600, 3600), (86400, 3600)]
)
def test_a_notice_is_tried_ever_more_rarely(tried_for: int, wait: int) -> None:
    """After one second, two, four … an hour."""
    assert rarer(timedelta(seconds=tried_for)) == timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Tue, 01 Dec 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Tue, 01 Dec 2026 12:05:00 -0000", timedelta(minutes=5)),
        ("Tue, 01 Dec 2026 20:05:00 +0800", timedelta(minutes=5)),
        ("86400", timedelta(hours=1)),
        ("9" * 6000, timedelta(hours=1)),
        ("Fri, 01 Jan 2100 00:00:00 GMT", timedelta(hours=1)),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 30 Nov 2026 12:00:00 GMT", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2100 00:00:00 +99999999999999999999", None),
        ("", None),
    ],
)
def test_retry_after_is_kept_to_within_an_hour(retry_after: str, wait: timedelta | None) -> None:
    """A busy receiver says when; nonsense, and a time that is over, leave it to the policy."""
    assert understood(429, retry_after, NOW) == Again(wait)
    assert understood(503, retry_after, NOW) == Again(wait)
    assert understood(500, retry_after, NOW) == Again()


@given(st.integers(100, 599), st.none() | st.text())
def test_no_answer_of_a_receiver_is_an_error(status: int, retry_after: str | None) -> None:
    """It comes from outside, and one that cannot be read must not keep the notice from being tried again."""
    answer = understood(status, retry_after, NOW)
    if isinstance(answer, Again) and answer.after is not None:
        assert timedelta(0) < answer.after <= timedelta(hours=1)


def test_every_end_is_told_as_one_thing() -> None:
    """What completes is `sent`; `unknown` stays unknown, and is never told as a failure."""
    found = {outcome: type_of_end(outcome) for outcome in get_args(Outcome)}
    assert {outcome for outcome, kind in found.items() if kind == "sent"} == COMPLETES
    assert {outcome for outcome, kind in found.items() if kind == "unknown"} == {"unknown"}
    assert set(found.values()) < set(get_args(NoticeType))


def test_the_id_of_an_event_never_changes_between_versions() -> None:
    """A receiver that has it takes it for the same."""
    assert webhook_id("mass-send:demo:v1.2", "run", "ended sent") == PINNED


OF_NUMBERS = {"batch_failed", "winner_not_chosen", "key_reused"}
ADVICE = (
    *(NO_NEW_KEY, LOOK_FIRST, USE_A_NEW_KEY, USE_THE_SAME_KEY, CORRECT_IT, SEND_TO_THE_REST, ITS_LIST_GOES_ON),
    *(ASK_WECHAT, NO_NEW_KEY + ASKS_NOBODY, USE_THE_SAME_KEY + LATER),
)
IN_VAIN_NOW = [as_todo(why) for why in (IN_VAIN, IN_VAIN_AS_CANCELLED, NO_ROOM, NO_MORE)]


@pytest.mark.parametrize("name", sorted(PROBLEMS.keys() - OF_NUMBERS))
def test_a_problem_is_told_in_our_own_words(name: str) -> None:
    """What was found at a source, or an excerpt of the message, stays inside; WeChat's evidence goes along."""
    problem = Problem(name=name, sentence="of 春 sale at file:/srv/secret.png", todo="look at o-openid", rid="1-2-3")
    inside = notice_problem(problem)
    assert (inside.sentence, inside.todo) == (PROBLEMS[name].sentence, PROBLEMS[name].todo)
    assert (inside.errcode, inside.errmsg, inside.rid) == (None, None, None)
    refused = notice_problem(problem.model_copy(update={"errcode": 40164, "errmsg": "invalid ip 203.0.113.7"}))
    assert (refused.errcode, refused.errmsg, refused.rid) == (40164, "invalid ip 203.0.113.7", "1-2-3")


@pytest.mark.parametrize("name", sorted(PROBLEMS.keys() - OF_NUMBERS))
def test_a_problem_in_doubt_is_not_told_as_if_nothing_was_sent(name: str) -> None:
    """What to do stays what it was."""
    waits = notice_problem(Problem(name=name, sentence="what the send knows", todo="what it advises"), in_doubt=True)
    assert waits.sentence.startswith(PROBLEMS[name].sentence)
    assert "may have" in waits.sentence or name == "no_verdict"
    assert waits.todo == PROBLEMS[name].todo


@pytest.mark.parametrize("advice", IN_VAIN_NOW)
def test_a_notice_advises_no_retry_that_would_be_in_vain(advice: str) -> None:
    """As the status of the send does."""
    assert notice_problem(Problem(name="send_failed", sentence="", todo=advice)).todo == advice


@pytest.mark.parametrize("advice", ADVICE)
def test_a_notice_of_an_end_has_the_advice_of_that_end(advice: str) -> None:
    """Answers would be of no use any more; and a new key where nobody knows sends twice."""
    assert notice_problem(Problem(name="send_failed", sentence="", todo=advice)).todo == advice


@pytest.mark.parametrize(
    ("problem", "warning"),
    [
        (straggling("send fail").problem, "So an end now is unknown."),
        (straggling("send fail").problem, "A retry cannot double it."),
        (by_hand().problem, "sent this one by hand"),
        (asking("err(10001)", audience=BATCH).problem, "those of other batches may have the message"),
        (asking("err(10001)", audience=BATCH).problem, "A new key is for the rest alone"),
        (remade(), "look into WeChat's console before you retry"),
        (collided().problem, "it may have accepted this one all the same"),
    ],
)
def test_a_notice_keeps_each_warning_of_its_problem(problem: Problem, warning: str) -> None:
    """Who answers by the notice alone would send twice without it. WeChat's words are told as evidence."""
    assert any(warning in text for text in (problem.sentence, problem.todo))
    inside = notice_problem(problem)
    assert any(warning in text for text in (inside.sentence, inside.todo))
    assert "invalid media_id" not in inside.sentence


def test_a_notice_names_the_batch_that_has_failed() -> None:
    """By its key and its end, which hold nothing of the message."""
    problem = batch_failed(request(), failed(2), 3)
    inside = notice_problem(problem, in_doubt=True)
    assert inside.sentence.startswith(problem.sentence)
    assert (inside.sentence != problem.sentence, inside.todo) == (True, problem.todo)


@pytest.mark.parametrize(
    "problem",
    [
        key_reused(request(), failed(2)),
        sent_before(request()),
        sent_before(request(), perhaps=True),
        forgotten(request()),
        forgotten(request(), datetime(2027, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_notice_says_what_stands_against_the_key_of_a_list(problem: Problem) -> None:
    """Nothing of the ledger was lost."""
    inside = notice_problem(problem)
    assert (inside.sentence, inside.todo) == (problem.sentence, problem.todo)
    assert "lost" not in inside.sentence


@pytest.mark.parametrize("closed", get_args(Closed))
def test_whatever_closes_is_told_in_our_words(closed: Closed) -> None:
    """Each way has a sentence and a way out; a new key is advised nowhere, and warned of where there is doubt."""
    assert type_of_close(closed) in {"terminated", "refused", "recall_failed"}
    for recall, in_doubt in ((False, False), (False, True), (True, True)):
        problem = told_of_close(closed, recall=recall, in_doubt=in_doubt)
        assert (problem.name, problem.sentence[-1], problem.todo[-1]) == (closed, ".", ".")
        assert (problem.todo == NO_NEW_KEY) is (in_doubt and not recall)


def test_what_can_be_done_about_a_closed_run_depends_on_how_it_closed() -> None:
    """A wrong request is put right, anything else is started again: a send by its key, a recall as it was."""
    found = {
        (closed, recall): told_of_close(closed, recall=recall, in_doubt=False).todo
        for closed in get_args(Closed)
        for recall in (False, True)
    }
    correct = {todo for (closed, _), todo in found.items() if closed == "invalid_request"}
    sends = {todo for (closed, recall), todo in found.items() if closed != "invalid_request" and not recall}
    recalls = {todo for (closed, recall), todo in found.items() if closed != "invalid_request" and recall}
    assert (len(correct), len(sends), len(recalls)) == (1, 1, 1)
    assert len(correct | sends | recalls) == 3
    for closed in get_args(Closed):
        plain, doubtful = (told_of_close(closed, recall=False, in_doubt=doubt) for doubt in (False, True))
        assert doubtful.sentence.startswith(plain.sentence)
        assert doubtful.sentence != plain.sentence
        assert told_of_close(closed, recall=True, in_doubt=True).sentence == plain.sentence


@pytest.mark.parametrize(
    ("audience", "more", "doubt", "otherwise"),
    [
        ({"kind": "all"}, {}, NO_NEW_KEY, "Start the same key again"),
        ({"kind": "all"}, {"on_problem": "fail"}, NO_NEW_KEY + ASKS_NOBODY, "Start the same key again"),
        (BATCH, {}, LOOK_AT_ITS_LIST, "This batch is over."),
    ],
)
def test_a_closed_run_is_told_of_as_an_end_of_its_request(
    audience: dict[str, object], more: dict[str, str], doubt: str, otherwise: str
) -> None:
    """It would ask nobody, or it is a batch, whose key nobody starts."""
    asked = Alone(audience=audience, **more).engine.request
    assert told_of_close("terminated", asked, recall=False, in_doubt=True).todo == doubt
    assert told_of_close("terminated", asked, recall=False, in_doubt=False).todo.startswith(otherwise)
