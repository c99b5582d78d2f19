"""What to do about a send that has ended: which key to use, after which look, and who asks."""

from typing import Any, Final

import pytest

from qunfa.contract.request import MassSendRequest
from qunfa.contract.result import Outcome, Problem
from qunfa.rules.advice import has_died, in_doubt, once_over
from qunfa.rules.problems import (
    ASKS_NOBODY,
    CORRECT_IT,
    DEAD,
    ITS_LIST_GOES_ON,
    LATER,
    LOOK_AT_ITS_LIST,
    LOOK_FIRST,
    NO_NEW_KEY,
    PROBLEMS,
    SEND_TO_THE_REST,
    USE_A_NEW_KEY,
    USE_THE_SAME_KEY,
)

OPENIDS: Final = {"kind": "openids", "openids": ["o1", "o2"]}
LONG: Final = {"kind": "openid_file", "uri": "file:/lists/spring.csv"}
BATCH: Final = {"kind": "batch", "key": "spring", "plan": "a" * 64, "number": 2, "of": 3, "openids": 10_000}


def asked(audience: dict[str, Any] | None = None, **more: Any) -> MassSendRequest:
    """A request."""
    said = {"account": "demo", "key": "spring", "message": {"msgtype": "text", "content": "x"}}
    return MassSendRequest.model_validate({**said, "audience": audience or {"kind": "all"}, **more})


def of(name: str, errcode: int | None = None) -> Problem:
    """A problem, as the table has it."""
    return Problem(name=name, sentence=PROBLEMS[name].sentence, todo=PROBLEMS[name].todo, errcode=errcode)


@pytest.mark.parametrize("name", sorted(PROBLEMS.keys() - {"key_reused", "batch_failed"}))
def test_a_new_key_is_advised_where_the_key_stands_for_it(name: str) -> None:
    """Content, files and openids of a request are the same under the same key; a tag, an account, a quota are not."""
    fixed = {"content_refused", "originality_forbidden", "media_refused", "winner_not_chosen"}
    usual = LOOK_FIRST if name == "clientmsgid_collision" else CORRECT_IT if name in fixed else USE_THE_SAME_KEY
    assert once_over(asked(), of(name), "failed", died=False) == usual
    assert once_over(asked(OPENIDS), of(name), "failed", died=False) == (
        CORRECT_IT if name == "audience_refused" else usual
    )
    assert once_over(asked(), of(name), "failed", "wechat", died=False) == USE_A_NEW_KEY


@pytest.mark.parametrize("todo", [LOOK_FIRST, USE_A_NEW_KEY, CORRECT_IT])
def test_two_people_who_use_a_new_key_use_the_same_one(todo: str) -> None:
    """Neither may know of the other. Under one key nobody gets it twice."""
    assert "use a new key" in todo.lower()
    assert "with -2 at its end" in todo


def test_material_that_may_have_died_with_a_delivery_is_looked_for() -> None:
    """A draft that somebody may have sent by hand, in either message of a split test; or what was submitted before."""
    gone, news, card = of("media_refused", DEAD), {"msgtype": "mpnews", "media_id": "m"}, {"msgtype": "wxcard"}
    split = asked(LONG, message={**card, "card_id": "c"}, message_b=news, split={"a": 10, "b": 10})
    assert has_died(split, gone)
    assert has_died(asked(message=news), gone)
    assert not has_died(asked(message=news), gone, drafted=False)
    assert has_died(asked(), gone, again=True, drafted=False)
    assert not has_died(asked(), gone)
    assert not has_died(split, of("media_refused"))
    assert [once_over(asked(), gone, "failed", died=died) for died in (True, False)] == [LOOK_FIRST, CORRECT_IT]


@pytest.mark.parametrize("name", ["source_changed", "content_refused"])
@pytest.mark.parametrize("outcome", ["expired", "aborted"])
def test_what_has_expired_needs_a_later_time(name: str, outcome: Outcome) -> None:
    """Started again as it was, the key would expire at once."""
    assert (LATER in once_over(asked(), of(name), outcome, died=False)) is (outcome == "expired")


@pytest.mark.parametrize(
    ("audience", "more", "asks"),
    [
        (None, {}, True),
        (None, {"on_problem": "fail"}, False),
        (LONG, {}, True),
        (LONG, {"on_problem": "fail"}, False),
        (LONG, {"on_batch_problem": "continue"}, False),
    ],
)
def test_who_is_not_asked_about_a_doubt_is_told_how_to_be(
    audience: dict[str, Any] | None, more: dict[str, Any], asks: bool
) -> None:
    """Each start of the key would end so. The same holds for what a person has not found of a send by itself."""
    request = asked(audience, **more)
    assert in_doubt(request) == NO_NEW_KEY + ("" if asks else ASKS_NOBODY)
    if audience is None:
        found = once_over(request, of("send_failed"), "failed", "person", died=False)
        assert found == USE_THE_SAME_KEY + ("" if asks else ASKS_NOBODY)
    assert in_doubt(None) == NO_NEW_KEY


def test_nobody_starts_the_key_of_a_batch() -> None:
    """Its list says what comes next, whatever the batch has ended with."""
    batch = asked(BATCH, on_problem="fail")
    assert in_doubt(batch) == in_doubt(batch, otherwise=LOOK_FIRST) == LOOK_AT_ITS_LIST
    assert once_over(batch, of("send_failed"), "expired", "wechat", died=False) == ITS_LIST_GOES_ON


def test_the_rest_of_a_list_gets_it_under_a_new_key() -> None:
    """Whatever its last batch has ended with: its report says who is left."""
    assert once_over(asked(LONG), of("batch_failed"), "aborted", died=False) == SEND_TO_THE_REST
    assert once_over(asked(LONG), of("key_reused"), "partly_sent", died=False) == SEND_TO_THE_REST
    assert once_over(asked(LONG), of("content_refused"), "failed", "wechat", died=False) == SEND_TO_THE_REST
    assert once_over(asked(LONG), of("key_reused"), "failed", died=False) == PROBLEMS["key_reused"].todo
