import json
from collections.abc import Callable
from typing import Any

import pytest

from qunfa.callback import EventError, parse_event
from qunfa.contract.result import ArticleCheck, Counts, JobFinished


def _json(**more: Any) -> bytes:
    return json.dumps(
        {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 7, "Status": "send success", **more}
    ).encode()


def _parsed(body: bytes) -> JobFinished:
    event = parse_event(body)
    assert event is not None
    return event


CHECK = {"ArticleIdx": 1, "UserDeclareState": 0, "AuditState": 2, "CanReprint": 1, "NeedReplaceContent": "0"}
URL = {"ArticleIdx": "1", "ArticleUrl": "u"}


@pytest.mark.parametrize(
    "of",
    [
        lambda item: {"item": [item]},
        lambda item: {"item": item},
        lambda item: [item],
        lambda item: [{"item": item}],
        lambda item: [{"item": [item]}],
        lambda item: item,
    ],
)
def test_every_way_to_write_a_list_in_json_is_read(of: Callable[[Any], Any]) -> None:
    """WeChat does not say how it writes a list in JSON, so every way is read; one item is a list as well."""
    body = _json(
        MsgID=2**53 + 1,
        CreateTime=1481013459,
        TotalCount=4,
        FilterCount="4",
        SentCount=3,
        ErrorCount=1,
        CopyrightCheckResult={"Count": 1, "ResultList": of(CHECK), "CheckState": 0},
        ArticleUrlResult={"Count": 1, "ResultList": of(URL)},
        Unheard={"a": [1.5, None, True]},
    )

    assert _parsed(body) == JobFinished(
        msg_id=2**53 + 1,
        status="send success",
        counts=Counts(total=4, filter=4, sent=3, error=1),
        check_state=0,
        articles=(
            ArticleCheck(
                idx=1, url="u", user_declare_state=0, audit_state=2, can_reprint=True, need_replace_content=False
            ),
        ),
        create_time=1481013459,
        extra={"Unheard/a": "1.5", "Unheard/a[3]": "1"},
    )


@pytest.mark.parametrize("empty", ["", " \n", None, [], {}, {"item": []}, [None], 0])
def test_empty_blocks_in_json(empty: object) -> None:
    """A block without content is written in many ways."""
    event = _parsed(_json(CopyrightCheckResult={"Count": 0, "ResultList": empty}, ArticleUrlResult=empty))

    assert event.articles == ()


def test_json_of_a_framework() -> None:
    """What a framework has made of the XML is read as well, with or without its outermost element."""
    tree = {"MsgType": "event", "Event": "masssendjobfinish", "MsgID": 7, "Status": "send success", "CheckState": True}

    assert parse_event({"xml": tree}) == parse_event(tree) == parse_event(json.dumps({"xml": tree}))
    assert parse_event({"xml": {"MsgType": "text"}}) is None


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1}{}', b"[" * 100_000, b'{"a":' * 100_000, b'{"a":"\n"}'],
)
def test_malformed_json(body: bytes) -> None:
    """What is no JSON, or nested beyond reason, is the same kind of error."""
    with pytest.raises(EventError):
        parse_event(body)


def test_numbers_that_are_too_long_in_json() -> None:
    """A number of any length is a text that cannot be read, and costs nothing."""
    event = _parsed(_json().replace(b'"MsgID": 7', b'"MsgID": 7, "CreateTime": ' + b"9" * 100_000))

    assert event.create_time is None
    assert len(event.extra["CreateTime"]) == 256


def test_repeated_names_in_json() -> None:
    """The first counts, as in XML."""
    assert _parsed(_json().replace(b'"MsgID": 7', b'"MsgID": 7, "MsgID": 8')).msg_id == 7


def test_half_a_surrogate_pair() -> None:
    """Text that is no Unicode is replaced: no history could keep it."""
    event = _parsed(_json(Status="send success", Odd="\ud83d"))

    assert event.extra == {"Odd": "?"}
    assert JobFinished.model_validate_json(event.model_dump_json()) == event


def test_event_without_extra() -> None:
    """An event that an earlier version has put into a history is read."""
    assert JobFinished.model_validate({"msg_id": 7, "status": "send success"}).extra == {}
