from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from qunfa import contract
from qunfa.contract import ids
from qunfa.contract.operators import Status
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import parse_preview, parse_request
from qunfa.contract.schema import SCHEMAS, json_schema
from tests.contract.test_request import BASE

EXAMPLE: dict[str, Any] = {
    "account": "demo", "key": "spring-sale-2026",
    "audience": {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP", "max": 50000}},
    "message": {"msgtype": "text", "content": "…"}, "send_ignore_reprint": False, "on_problem": "wait",
    "decision_timeout": "P3D", "requested_by": "crm", "send_at": "2026-12-01T09:00:00+08:00",
    "not_after": "2026-12-01T21:00:00+08:00", "fit_images": False,
    "result": {"push_timeout": "PT45M", "poll_interval": "PT1M", "give_up_after": "PT24H"},
}  # fmt: skip
REFUSED_BY_BOTH: list[dict[str, Any]] = [
    {"audience": None}, {"audience": {}}, {"audience": {"kind": "all", "tag_id": 2}},
    {"audience": {"kind": "tag", "tag_id": "2"}}, {"message": {"msgtype": "text"}}, {"key": "a b"}, {"key": "k" * 65},
    {"send_ignore_reprint": 2}, {"on_problem": "ignore"}, {"colour": "red"}, {"result": {"poll": 1}},
    {"decision_timeout": False}, {"audience": {"kind": "openids", "openids": ["o1"]}},
    {"audience": {"kind": "openids", "openids": ["o1", "o 2"]}}, {"message": {"msgtype": "text", "content": " \n"}},
    {"message": {"msgtype": "text", "content": "a" * 20_001}}, {"message": {"msgtype": "mpnews", "media_id": "a b"}},
    {"message": {"msgtype": "voice", "media": {"uri": ""}}}, {"requested_by": " "},
]  # fmt: skip
_TAG: dict[str, Any] = {"kind": "tag", "tag_id": 2}
ONE_WRONG_FIELD: list[tuple[str, dict[str, Any]]] = [
    ("/audience/tag_id", {"audience": {"kind": "tag", "tag_id": "2"}}),
    ("/audience/kind", {"audience": {"kind": "everybody"}}),
    ("/audience", {"audience": {"tag_id": 2}}),
    ("/audience", {"audience": None}),
    ("/audience", {"audience": {"kind": "all", "tag_id": 2}}),
    ("/audience/expect", {"audience": {**_TAG, "expect": "VIP"}}),
    ("/audience/expect/max", {"audience": {**_TAG, "expect": {"max": 0}}}),
    ("/audience/openids/1", {"audience": {"kind": "openids", "openids": ["o1", "o 2"]}}),
    ("/audience/on_bad_line", {"audience": {"kind": "openid_file", "uri": "file:a", "on_bad_line": "keep"}}),
    ("/audience/any/0", {"audience": {"kind": "tags", "any": ["2"]}}),
    ("/audience/states/0", {"audience": {"kind": "report", "key": "k", "states": ["sent"]}}),
    ("/audience/of/0/tag_id", {"audience": {"kind": "several", "of": [{"kind": "tag", "tag_id": -1}]}}),
    ("/audience/minus/0/kind", {"audience": {"kind": "several", "of": [_TAG], "minus": [{"kind": "several"}]}}),
    ("/message/msgtype", {"message": {"msgtype": "news"}}),
    ("/message", {"message": {"msgtype": "text"}}),
    ("/message/media/uri", {"message": {"msgtype": "voice", "media": {"uri": ""}}}),
    ("/message/media", {"message": {"msgtype": "voice", "media": "file:a"}}),
    ("/message/media", {"message": {"msgtype": "voice", "media": {}}}),
    ("/message/images/0/media_id", {"message": {"msgtype": "image", "images": [{"media_id": "a b"}]}}),
    ("/send_at", {"send_at": 7}),
    ("/decision_timeout", {"decision_timeout": -1}),
    ("/decision_timeout", {"decision_timeout": True}),
    ("/send_ignore_reprint", {"send_ignore_reprint": 2}),
    ("/message/content", {"message": {"msgtype": "text", "content": "a\u0001b"}}),
    ("/result/push_timeout", {"result": {"push_timeout": 0.5}}),
    ("/result/give_up_after", {"result": {"give_up_after": 10**8}}),
]
"""Where it stands, and what stands there."""
_NEWS: dict[str, Any] = {"msgtype": "mpnews"}
_B: dict[str, Any] = {"msgtype": "text", "content": "b"}
_LIST: dict[str, Any] = {"kind": "openid_file", "uri": "file:/a.txt"}
_SPLIT: dict[str, Any] = {"split": {"a": 10, "b": 10}}
_ARTICLES: list[dict[str, Any]] = [{"title": "t", "content": "c", "thumb": {"media_id": "m"}}]
WRONG_TOGETHER: list[tuple[str, dict[str, Any]]] = [
    ("/message", {"message": _NEWS}),
    ("/message/media_id", {"message": {**_NEWS, "media_id": None}}),
    ("/message/media_id", {"message": {**_NEWS, "media_id": "m", "articles": _ARTICLES}}),
    ("/message/articles", {"message": {**_NEWS, "articles": "x"}}),
    ("/preview/to/0", {"preview": {"to": [{}]}}),
    ("/preview/to/0/wxname", {"preview": {"to": [{"openid": "o", "wxname": "w"}]}}),
    ("/audience", {"audience": {"kind": "tags"}}),
    ("/audience/all", {"audience": {"kind": "tags", "any": [], "all": [], "none": [1]}}),
    ("/audience/of", {"audience": {"kind": "several", "of": [{**_TAG, "expect": {"max": 5}}]}}),
    ("/audience/minus", {"audience": {"kind": "several", "of": [_TAG], "minus": [{**_TAG, "expect": {}}]}}),
    ("", {**_SPLIT, "audience": _LIST}),
    ("/message_b", {"message_b": _B}),
    ("/audience", {**_SPLIT, "message_b": _B}),
]
"""What two fields say of each other: where it is told, and what stands there. Types know nothing of it."""
RIGHT_TOGETHER: list[dict[str, Any]] = [
    {"message": {**_NEWS, "media_id": "m"}},
    {"message": {**_NEWS, "media_id": None, "articles": _ARTICLES}},
    {"preview": {"to": [{"openid": "o", "wxname": None}, {"wxname": "w"}]}},
    {"audience": {"kind": "tags", "any": [1]}},
    {"audience": {"kind": "tags", "any": [], "all": [1]}},
    {"audience": {"kind": "several", "of": [{**_TAG, "expect": None}], "minus": [_TAG]}},
    {**_SPLIT, "message_b": _B, "audience": _LIST},
    {"split": None, "message_b": None},
    {"message": {"msgtype": "text", "content": " \t\na\r\n"}},
    {"result": {"push_timeout": 1, "poll_interval": "PT1M"}, "decision_timeout": 0.5},
]
WRITTEN_AND_READ = [
    "MassSend", "MassSend.result", "MassSend.status", "MassSend.retry", "MassSend.mark_sent", "MassSend.abort",
    "MassSend.approve", "MassSend.reject", "MassSend.pause", "MassSend.resume", "MassSend.reschedule",
    "PreviewMassSend", "PreviewMassSend.result",
]  # fmt: skip
"""What callers write and read of a send."""


def takes(name: str, value: Any) -> bool:
    """Whether the schema accepts the value."""
    return bool(Draft202012Validator(json_schema(name)).is_valid(value))


@pytest.mark.parametrize(
    "audience", [{"kind": "all"}, EXAMPLE["audience"], {"kind": "openids", "openids": ["o1", "o2"]}]
)
def test_the_example_fits(audience: dict[str, Any]) -> None:
    """The schema, and the parser."""
    example = {**EXAMPLE, "audience": audience}
    assert takes("MassSend", example)
    assert parse_request(example).key == "spring-sale-2026"
    assert takes("MassSend", parse_request(example).model_dump(mode="json"))


@pytest.mark.parametrize("more", REFUSED_BY_BOTH)
def test_what_the_parser_refuses_by_its_form_the_schema_refuses(more: dict[str, Any]) -> None:
    """An editor that knows the schema warns before the workflow does."""
    assert takes("MassSend", BASE)
    assert not takes("MassSend", {**BASE, **more})


@pytest.mark.parametrize("more", RIGHT_TOGETHER)
def test_fields_that_fit_together_are_taken(more: dict[str, Any]) -> None:
    """By the schema, in both of its forms, and by the parser."""
    assert parse_request({**EXAMPLE, **more}).key == EXAMPLE["key"]
    for form in (False, True):
        assert (
            list(Draft202012Validator(json_schema("MassSend", for_types=form)).iter_errors({**EXAMPLE, **more})) == []
        )


@pytest.mark.parametrize(("_place", "more"), WRONG_TOGETHER)
def test_fields_that_do_not_fit_together_are_refused(_place: str, more: dict[str, Any]) -> None:
    """By the parser, too."""
    with pytest.raises(InvalidRequestError):
        parse_request({**EXAMPLE, **more})


@pytest.mark.parametrize(("place", "more"), ONE_WRONG_FIELD + WRONG_TOGETHER)
def test_one_wrong_field_is_one_error_at_its_place(place: str, more: dict[str, Any]) -> None:
    """It does not count what else might have stood there."""
    validator = Draft202012Validator(json_schema("MassSend"), format_checker=Draft202012Validator.FORMAT_CHECKER)
    errors = list(validator.iter_errors({**EXAMPLE, **more}))
    assert ["".join(f"/{part}" for part in one.absolute_path) for one in errors] == [place]
    assert errors[0].context == []


@pytest.mark.parametrize("more", [{}, *REFUSED_BY_BOTH, *(more for _place, more in ONE_WRONG_FIELD)])
def test_both_forms_of_a_schema_take_the_same(more: dict[str, Any]) -> None:
    """That for validators, and that of which generators make types."""
    forms = [Draft202012Validator(json_schema("MassSend", for_types=one)) for one in (False, True)]
    assert [one.is_valid({**EXAMPLE, **more}) for one in forms] == [more == {}] * 2


_WHO = {"account": "demo", "by": "li", "reason": "the price is wrong"}
_ARTICLE = "https://mp.weixin.qq.com/s/x"


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("RecallMassSend", {**_WHO, "msg_id": 7}, True),
        ("RecallMassSend", {**_WHO, "msg_id": 7, "url": None, "article_idx": 2}, True),
        ("RecallMassSend", {**_WHO, "url": _ARTICLE, "article_idx": None}, True),
        ("RecallMassSend", _WHO, False),
        ("RecallMassSend", {**_WHO, "msg_id": None}, False),
        ("RecallMassSend", {**_WHO, "msg_id": 7, "url": _ARTICLE}, False),
        ("RecallMassSend", {**_WHO, "url": _ARTICLE, "article_idx": 1}, False),
        ("RecallMassSend", {**_WHO, "msg_id": 7, "key": "spring.2"}, True),
        ("RecallMassSend", {**_WHO, "url": _ARTICLE, "key": "spring"}, False),
        ("AccountSpeed", {"account": "demo"}, True),
        ("AccountSpeed", {"account": "demo", "speed": None}, True),
        ("AccountSpeed", {"account": "demo", "speed": 0, "by": "li"}, True),
        ("AccountSpeed", {"account": "demo", "speed": 0}, False),
        ("AccountSpeed", {"account": "demo", "speed": 0, "by": None}, False),
    ],
)
def test_what_is_asked_of_an_account_fits_its_schema(name: str, value: dict[str, Any], fits: bool) -> None:
    """Where workers take it, and nowhere else."""
    assert takes(name, value) is fits
    try:
        SCHEMAS[name].model_validate(value)
    except ValidationError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(
    ("name", "closed"),
    [
        *((name, False) for name in ("MassSend", "MassSend.retry", "MassSend.abort", "Account.freeze")),
        *((name, False) for name in ("PreviewMassSend", "CheckMassSend", "AccountSpeed", "AccountQuota")),
        *((name, None) for name in ("Account.wants", "MassSend.granted", "Account.told", "Account.push")),
    ],
)
def test_what_callers_write_is_closed(name: str, closed: bool | None) -> None:
    """Qunfa's own parts pass over what is new: in an upgrade, an older worker must not drop what a newer one says."""
    assert json_schema(name).get("additionalProperties") is closed


PREVIEW: dict[str, Any] = {
    "account": "demo",
    "key": "look",
    "message": {"msgtype": "wxcard", "card_id": "c", "card_ext": "{}"},
    "to": [{"openid": "o1"}, {"wxname": "li"}],
}


def test_a_preview_has_recipients_and_no_audience() -> None:
    """The schema says so, as the parser does."""
    assert takes("PreviewMassSend", PREVIEW)
    assert takes("PreviewMassSend", parse_preview(PREVIEW).model_dump(mode="json", exclude_none=True))
    assert not takes("PreviewMassSend", {**PREVIEW, "audience": {"kind": "all"}})
    assert not takes("PreviewMassSend", {**PREVIEW, "to": []})


def test_what_is_read_fits_its_schema() -> None:
    """The schema of an answer describes what is written, defaults included."""
    status = Status.model_validate({"phase": "submitting", "updated_at": "2026-12-01T09:00:00+08:00"})
    assert takes("MassSend.status", status.model_dump(mode="json"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_says_what_it_is(name: str) -> None:
    """Its dialect, a name of its own, and nothing that strict validators do not know."""
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:qunfa:{name}"
    assert schema["title"]
    assert [part for part in parts(schema) if "discriminator" in part] == []
    targets = {part["$ref"].removeprefix("#/$defs/") for part in parts(schema) if isinstance(part.get("$ref"), str)}
    assert targets <= schema.get("$defs", {}).keys()


@pytest.mark.parametrize("name", WRITTEN_AND_READ)
def test_every_field_of_a_schema_has_a_description_and_no_title(name: str) -> None:
    """Whoever writes a request in an editor reads what it means. Generators would make a type of each title."""
    models = [part for part in parts(json_schema(name)) if isinstance(part.get("properties"), dict) and "title" in part]
    assert models
    bare = [
        f"{model['title']}.{field}"
        for model in models
        for field, said in model["properties"].items()
        if "title" in said or not said.get("description")
    ]
    assert bare == []


def test_a_choice_has_a_name_of_its_own() -> None:
    """A generator makes one type of it, by a name that says what it is."""
    schema = json_schema("MassSend", for_types=True)
    definitions = schema["$defs"]
    assert {"Audience", "AudienceAll", "AudienceTag", "AudienceOpenids", "Message", "Media"} <= definitions.keys()
    assert {"All", "Tag", "Openids"}.isdisjoint(definitions)
    assert schema["properties"]["audience"]["allOf"] == [{"$ref": "#/$defs/Audience"}]
    assert definitions["ImageMessage"]["properties"]["images"]["items"] == {"$ref": "#/$defs/Media"}
    assert json_schema("PreviewMassSend")["properties"]["message"]["allOf"] == [{"$ref": "#/$defs/Message"}]


@given(
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True), st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
)
def test_an_id_is_read_back(account: str, key: str) -> None:
    """By its twin."""
    assert ids.parse_mass_send_id(ids.mass_send_id(account, key)) == (account, key)
    assert ids.parse_account_id(ids.account_id(account)) == account
    assert ids.account_of("recall", ids.recall_id(account, 7)) == account
    assert ids.account_of("notices", ids.notices_id(account, "u")) == account


def test_an_id_of_another_form_is_somebody_elses() -> None:
    """Only an id of its form tells an account."""
    sends = "|mass-send|mass-send:demo|mass-send:demo:|mass-send::k|mass-send:demo:a:b|recall:demo:k|mass-send:demo:k\n"
    for other in (*sends.split("|"), "mass-send:Demo:k", "xmass-send:demo:k"):
        assert ids.parse_mass_send_id(other) is None
    for other in ("", "account", "account:", "accounts:wx", "wx"):
        assert ids.parse_account_id(other) is None
    for other in ("recall:brand", "recall:brand:", "recall:B:7", "notices:brand:7"):
        assert ids.account_of("recall", other) is None


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema, and all schemas in it."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(part)


def test_every_named_type_of_the_contract_has_a_hash() -> None:
    """Python 3.11 and 3.12 hash the parts of a union: without one, nothing of Qunfa could be imported there."""
    modules = [import_module(f"{contract.__name__}.{found.name}") for found in iter_modules(contract.__path__)]
    types = {name: one for module in modules for name, one in vars(module).items() if get_origin(one) is Annotated}
    assert {"MediaId", "Key"} <= types.keys()
    assert all(isinstance(hash(one), int) for one in types.values())
