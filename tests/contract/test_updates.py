"""What people may answer to a send, and what they may ask of a recall."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from qunfa.contract.fields import Entire
from qunfa.contract.grants import Report, Wish
from qunfa.contract.ledger import KeptPush, LedgerView, Pace, Record
from qunfa.contract.operators import Abort, Forget, Freeze, MarkSent, Retry, Status, Unfreeze
from qunfa.contract.recall import RecallRequest, article_at
from qunfa.contract.result import ArticleCheck, Job, JobFinished, Verdict
from qunfa.contract.schema import SCHEMAS
from qunfa.contract.steps import SubmitStep
from tests.contract.test_schema import takes

WHO: dict[str, Any] = {"by": "li", "reason": "looked it up"}
NINE = "2026-12-01T09:00:00+08:00"
TURN: dict[str, Any] = {"generation": 0, "clientmsgid": "c", "due": NINE, "pace": 1, "http_timeout": 30}
SEND: dict[str, Any] = {"key": "k", "digest": "d", "workflow_id": "w"}
WISH: dict[str, Any] = {**SEND, "wish": "w1", "run_id": "r"}
TRY: dict[str, Any] = {
    "generation": 0, "number": 1, "wish": "w1", "clientmsgid": "c", "not_before": NINE, "holder": "r",
}  # fmt: skip
ANSWER: dict[str, Any] = {"kind": "refused", "at": NINE}


@pytest.mark.parametrize(
    ("model", "good"),
    [
        (Retry, WHO), (Retry, {**WHO, "confirm_not_delivered": True}), (MarkSent, {**WHO, "msg_id": 3147483650}),
        (Abort, WHO), (Abort, {**WHO, "confirm_not_delivered": True}), (Freeze, WHO), (Unfreeze, {"by": "li"}),
        (Forget, {**WHO, "key": "k"}), (Wish, WISH), (Wish, {**WISH, "turn": TURN}),
        (Report, {**SEND, "known": {"tries": [{**TRY, "answer": ANSWER}]}}),
    ],
)  # fmt: skip
def test_good_messages_fit(model: type[BaseModel], good: dict[str, Any]) -> None:
    """And survive JSON."""
    parsed = model.model_validate(good)
    assert model.model_validate_json(parsed.model_dump_json()) == parsed


def test_what_people_say_leaves_out_its_defaults() -> None:
    """An older worker refuses a field that it does not know, so the field has to be needed."""
    answers = {model for model in SCHEMAS.values() if model.__module__ == Abort.__module__} - {Status}
    assert [model.__name__ for model in answers if not issubclass(model, Entire)] == []
    abort = Abort(by="li", reason="wrong text")
    assert from_json(to_json(abort)) == abort.model_dump() == {"by": "li", "reason": "wrong text"}
    whole = {"by": "li", "reason": "looked", "confirm_not_delivered": True}
    assert Abort.model_validate(whole).model_dump() == whole


ARTICLE = {"title": "t", "content": "<p>c</p>", "thumb": {"media_id": "m"}}
TRIED: dict[str, Any] = {
    **SEND, "account": {"name": "demo", "appid": "wx", "base_url": "https://wechat.example"}, "write_before": NINE,
    "lease": {**TRY, "key": "k", "pace": "PT1S", "valid_until": NINE, "expires_at": NINE},
    "message": {"msgtype": "mpnews", "articles": [ARTICLE]},
}  # fmt: skip


@pytest.mark.parametrize(
    "audience",
    [
        {"kind": "all"}, {"kind": "tag", "tag_id": 2}, {"kind": "listed", "count": 2, "sha256": "d"},
        {"kind": "batch", "key": "k", "plan": "d" * 64, "number": 1, "of": 1, "openids": 2},
    ],
    ids=lambda audience: str(audience["kind"]),
)  # fmt: skip
def test_a_try_leaves_out_its_defaults_at_any_depth(audience: dict[str, Any]) -> None:
    """An older worker carries out what has nothing new in its message or audience; and it needs to know which kind."""
    told = {**TRIED, "audience": audience}
    step = SubmitStep.model_validate(told)
    assert from_json(to_json(step)).keys() == told.keys()
    assert [from_json(to_json(step))[name] for name in ("audience", "message")] == [audience, told["message"]]
    assert SubmitStep.model_validate_json(to_json(step)) == SubmitStep.model_validate(step.model_dump()) == step


@pytest.mark.parametrize(
    ("model", "bad"),
    [
        (Abort, {"by": "li"}), (Abort, {"reason": "x"}), (Abort, {**WHO, "by": " "}), (Abort, {**WHO, "reason": ""}),
        (Abort, {**WHO, "force": True}), (Abort, None), (Retry, {**WHO, "confirm_not_delivered": 1}),
        (Retry, {**WHO, "send_ignore_reprint": "true"}), (MarkSent, WHO), (MarkSent, {**WHO, "msg_id": 0}),
        (MarkSent, {**WHO, "msg_id": "7"}), (MarkSent, {**WHO, "msg_id": True}), (MarkSent, {**WHO, "msg_id": 2**63}),
        (Unfreeze, {}), (Forget, WHO), (Forget, {"by": "li", "key": "k"}), (Forget, {**WHO, "key": "no key"}),
    ],
)  # fmt: skip
def test_a_person_is_taken_at_their_word_only(model: type[BaseModel], bad: dict[str, Any] | None) -> None:
    """Who and why are asked for, flags are flags, and unknown fields are refused."""
    with pytest.raises(ValidationError):
        model.model_validate(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"answer": {**ANSWER, "at": "2026-12-01T09:00:00"}},
        {"answer": {**ANSWER, "at": "9999-12-31T23:59:59Z"}},
        {"answer": {**ANSWER, "at": "0001-01-01T00:00:00Z"}},
        {"answer": {**ANSWER, "kind": "lost"}},
        {"not_before": "2026-12-01T09:00:00"},
        {"lost_at": "9999-12-31T23:59:59Z"},
    ],
)
def test_the_ledger_is_told_no_time_it_cannot_reckon_with(bad: dict[str, Any]) -> None:
    """A time without an offset, or at the edge of the calendar, would stop the account for good."""
    with pytest.raises(ValidationError):
        Report.model_validate({**SEND, "known": {"tries": [{**TRY, **bad}]}})


@pytest.mark.parametrize(
    "bad", [{"pace": -1}, {"pace": "P1000Y"}, {"http_timeout": -1}, {"generation": -1}, {"clientmsgid": ""}]
)
def test_a_lease_has_sane_times(bad: dict[str, Any]) -> None:
    """Likewise."""
    with pytest.raises(ValidationError):
        Wish.model_validate({**WISH, "turn": {**TURN, **bad}})


NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
LONG = "http://mp.weixin.qq.com/s?__biz=MzA%3D%3D&mid=100&idx={}&sn=abc&chksm=1#rd"
SHORT = "http://mp.weixin.qq.com/s/AbC-{}"


def ledger(*urls: str | None, kept: str = "http://mp.weixin.qq.com/s/elsewhere") -> LedgerView:
    """A ledger with a delivered job of so many articles, and a push of a send that was made elsewhere."""
    articles = tuple(ArticleCheck(idx=number, url=url) for number, url in enumerate(urls, start=1))
    verdict = Verdict(status="send success", observed_by="push", articles=articles)
    others = (
        Job(clientmsgid="c", generation=0, msg_id=6, verdict=Verdict(status="err(40001)", observed_by="push")),
        Job(clientmsgid="c", generation=1, msg_id=7, verdict=verdict),
    )
    record = Record(key="k", digest="d", workflow_id="mass-send:demo:k", jobs=others, touched_at=NOON)
    event = JobFinished(msg_id=9, status="send success", articles=(ArticleCheck(idx=1, url=kept),))
    return LedgerView(
        appid="wx",
        since=NOON,
        records=(record,),
        lease=None,
        pace=Pace(),
        frozen=None,
        kept=(KeptPush(event=event, at=NOON),),
        book={},
    )


@pytest.mark.parametrize(
    "url",
    [
        LONG.format(2),
        LONG.format(2).replace("http:", "https:").removesuffix("#rd"),
        LONG.format(2).replace("&", "&amp;"),
        "https://mp.weixin.qq.com/s?sn=abc&idx=2&mid=100&__biz=MzA==&scene=21#wechat_redirect",
    ],
)
def test_an_article_is_known_by_what_names_it(url: str) -> None:
    """However somebody came by its address."""
    found = article_at(ledger(LONG.format(1), LONG.format(2)), url)
    assert found is not None
    assert (found.msg_id, found.article_idx, found.record and found.record.key) == (7, 2, "k")


def test_a_short_address_is_known_by_its_path() -> None:
    """Letter for letter."""
    known = ledger(SHORT.format(1), SHORT.format(2))
    found = article_at(known, SHORT.format(2).replace("http:", "https:") + "?scene=1#rd")
    assert (found and found.article_idx) == 2
    assert article_at(known, SHORT.format(2).lower()) is None


@pytest.mark.parametrize("url", [LONG.format(3), SHORT.format(1), LONG.format(1).replace("sn=abc", "sn=abd")])
def test_another_article_is_not_taken_for_it(url: str) -> None:
    """A wrong one would be recalled."""
    assert article_at(ledger(LONG.format(1), LONG.format(2), None), url) is None


def test_an_article_of_a_send_that_was_made_elsewhere() -> None:
    """Its push tells its msg_id."""
    found = article_at(ledger(SHORT.format(1)), "https://mp.weixin.qq.com/s/elsewhere")
    assert found is not None
    assert (found.msg_id, found.article_idx, found.record) == (9, 1, None)


def test_whatever_a_push_has_held_does_no_harm() -> None:
    """It is not always a URL."""
    assert article_at(ledger("http://[", "", "你好", kept="http://["), SHORT.format(1)) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/s/a", "https://mp.weixin.qq.com.example.com/s/a", "https://mp.weixin.qq.com/mp/profile",
        "ftp://mp.weixin.qq.com/s/a", "https://mp.weixin.qq.com/s/a b", "https://mp.weixin.qq.com/s/a\n", "http://[",
        "",
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_article_is_refused(url: str) -> None:
    """Before WeChat is asked."""
    with pytest.raises(ValidationError):
        RecallRequest(account="demo", url=url, by="li", reason="r")


@pytest.mark.parametrize(
    ("aim", "said"),
    [
        ({}, "must have either msg_id or url"),
        ({"msg_id": 7, "url": SHORT.format(1)}, "must have either msg_id or url"),
        ({"url": SHORT.format(1), "article_idx": 1}, "article_idx goes with msg_id"),
        ({"url": SHORT.format(1), "key": "spring"}, "key goes with msg_id"),
        ({"msg_id": 7, "reason": " "}, "must not be blank"),
    ],
)
def test_a_recall_has_one_aim_and_a_reason(aim: dict[str, Any], said: str) -> None:
    """Another job would be deleted, or nobody would know why."""
    with pytest.raises(ValidationError, match=said):
        RecallRequest.model_validate({"account": "demo", "by": "li", "reason": "r", **aim})


@pytest.mark.parametrize("more", [{"msg_id": 7, "colour": "red"}, {"msg_id": "7"}, {"msg_id": 7, "article_idx": 9}])
def test_the_schema_refuses_what_the_parser_refuses(more: dict[str, Any]) -> None:
    """And takes what it takes."""
    asked = {"account": "demo", "by": "li", "reason": "r"}
    assert takes("RecallMassSend", {**asked, "msg_id": 7, "article_idx": 2})
    assert not takes("RecallMassSend", {**asked, **more})


@pytest.mark.parametrize("facts", ["tries", "said", "owned", "decided"])
def test_of_a_long_list_of_no_facts_one_is_named(facts: str) -> None:
    """A signal has room for forty thousand, and each may lack six fields."""
    with pytest.raises(ValidationError) as caught:
        Wish.model_validate({**WISH, "known": {facts: [{}] * 40_000}})
    assert {error["loc"][:3] for error in caught.value.errors()} == {("known", facts, 0)}
