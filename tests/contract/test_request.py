import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.audience import OpenidFile, Openids, Several, describe
from qunfa.contract.content import differing
from qunfa.contract.refusal import InvalidRequestError, full_stop
from qunfa.contract.request import MassSendRequest, parse_request

TEXT = {"msgtype": "text", "content": "hello"}
BASE: dict[str, Any] = {"account": "demo", "key": "spring-sale-2026", "audience": {"kind": "all"}, "message": TEXT}
FIELDS = set(MassSendRequest.model_fields)
OPENIDS = [f"o{number}" for number in range(10_001)]

NO_TEXTS: tuple[Any, ...] = ("", " \n\u3000", None, 5, ["x"])
NO_TIMES: tuple[Any, ...] = (
    "2026-12-01T09:00:00", "2026-12-01", "tomorrow", "", 1_796_086_800, 1.5, True, "1796086800",
    "2026-13-01T09:00:00+08:00", "2026-12-01T09:00:00+99:00", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00",
    [],
)  # fmt: skip
NO_DURATIONS: tuple[Any, ...] = (
    0, -1, "PT0S", "-P1D", True, None, "soon", [], 1e300, 10**400, float("nan"), float("inf"), "P2Y",
)  # fmt: skip
NO_SECONDS: tuple[Any, ...] = (0.5, "PT0.9S", float("nan"), False, {})
NO_FLAGS: tuple[Any, ...] = ("yes", 2, None, "1", [])


def with_(**more: Any) -> dict[str, Any]:
    """A good request, but for this."""
    return {**BASE, **more}


def without(field: str) -> dict[str, Any]:
    """A good request, but for what is missing."""
    return {name: value for name, value in BASE.items() if name != field}


def openids(*found: Any) -> dict[str, Any]:
    """An audience of these."""
    return {"kind": "openids", "openids": list(found)}


def with_original(url: str) -> dict[str, Any]:
    """An article that says where its original is."""
    article = {"title": "t", "content": "c", "thumb": {"media_id": "T"}, "content_source_url": url}
    return {"msgtype": "mpnews", "articles": [article]}


def with_content(html: str) -> dict[str, Any]:
    """An article of this HTML."""
    article = {"title": "t", "content": html, "thumb": {"media_id": "T"}}
    return {"msgtype": "mpnews", "articles": [article]}


def problems(raw: Any) -> list[str]:
    """Why it is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(raw)
    assert all(sentence in str(caught.value) for sentence in caught.value.problems)
    assert "nothing was sent" in str(caught.value)
    return caught.value.problems


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        *((without(field), field) for field in BASE),
        (with_(audience=None), "audience"),
        (with_(audience={}), "audience.kind"),
        (with_(audience=[]), "audience"),
        (with_(audience="all"), "audience"),
        (with_(audience={"kind": "everybody"}), "audience.kind"),
        (with_(audience={"kind": ""}), "audience.kind"),
        (with_(audience={"kind": "All"}), "audience.kind"),
        (with_(audience={"kind": ["all"]}), "audience.kind"),
        (with_(audience={"tag_id": 2}), "audience.kind"),
        (with_(audience={"kind": "all", "tag_id": 2}), "audience.tag_id"),
        (with_(audience={"kind": "all", "all": True}), "audience.all"),
        (with_(audience={"kind": "tag"}), "audience.tag_id"),
        (with_(audience={"kind": "tag", "tag_id": None}), "audience.tag_id"),
        (with_(audience={"kind": "tag", "tag_id": True}), "audience.tag_id"),
        (with_(audience={"kind": "tag", "tag_id": "2"}), "audience.tag_id"),
        (with_(audience={"kind": "tag", "tag_id": 2.5}), "audience.tag_id"),
        (with_(audience={"kind": "tag", "tag_id": -1}), "audience.tag_id"),
        (with_(audience={"kind": "tag", "tag_id": 2, "openids": ["a", "b"]}), "audience.openids"),
        (with_(audience={"kind": "tag", "tag_id": 2, "expect": {"max": True}}), "audience.expect.max"),
        (with_(audience={"kind": "tag", "tag_id": 2, "expect": {"min": 1}}), "audience.expect.min"),
        (
            with_(audience={"kind": "several", "of": [{"kind": "tag", "tag_id": 2, "expect": {"max": 9}}]}),
            "audience: must hold tags without expect",
        ),
        (with_(audience={"kind": "openids"}), "audience.openids"),
        (with_(audience=openids()), "audience.openids"),
        (with_(audience=openids("o1")), "audience.openids"),
        (with_(audience=openids("o1", "o1", "o1")), "audience.openids"),
        (with_(audience=openids(*OPENIDS)), "audience.openids"),
        (with_(audience={"kind": "openids", "openids": "o1,o2"}), "audience.openids"),
        (with_(audience={"kind": "openids", "openids": {"o1": 1, "o2": 2}}), "audience.openids"),
        *(
            (with_(audience=openids("o1", bad)), "audience.openids[1]")
            for bad in (
                "o2\r", "o2\n", " o2", "o 2", "o2\u200b", "\ufeffo2", "ｏ２", "o2\u00a0", "", "o" * 129, None, 2, "o,2",
            )
        ),
        *(
            (with_(key=bad), "key")
            for bad in ("", " ", "a b", "a/b", "ä", "a\n", "k" * 65, "a:b", 5, None, True, ["k"], "键")
        ),
        *((with_(account=bad), "account") for bad in ("", "Demo", "-demo", "demo:x", "a" * 65, "demo\n", None, 1)),
        (with_(message=None), "message"),
        (with_(message={}), "message.msgtype"),
        (with_(message={"msgtype": "music"}), "message.msgtype"),
        (with_(message={"msgtype": "text"}), "message.content"),
        *((with_(message={**TEXT, "content": bad}), "message.content") for bad in NO_TEXTS),
        (with_(message={**TEXT, "content": "x" * 20_001}), "message.content"),
        (with_(message={**TEXT, "content": "字" * 6_667}), "message.content"),
        (with_(message={**TEXT, "content": "half of a pair: \ud800"}), "message.content"),
        *((with_(message={**TEXT, "content": f"a{bad}b"}), "message.content") for bad in ("\0", "\v", "\x1b", "\b")),
        (
            with_(message={"msgtype": "image", "images": [{"uri": "file:/a.png"}], "recommend": "a\vb"}),
            "message.recommend: holds characters that no text has (U+000B)",
        ),
        (with_(message=with_original("https://a.test/" + "字" * 337)), "message.articles[0].content_source_url"),
        *(
            (with_(audience={"kind": "openid_file", "uri": uri}), "audience.uri: carries a user name")
            for uri in (
                *("https://u:p@h/a", " https://u:p@h/a", "s3://u@h/a", "//u@h", "https://u:p/q@h/a", "https://u:p#q@h/a"),
                *("https://u:p?q@h/a", "https:\\\\u:p@h/a", "s3://AKIA:se/cret@bucket/k"),
            )
        ),
        *(
            (with_(message=with_content(html)), "message.articles[0].content: carries a user name")
            for html in (
                *("<img src='https://u:p@h/a.png'>", '<video poster="x" src = https://u:p@h/a.mp4></video>'),
                *('<p style="background: url( https://u:p@h/a.png )">', "<p style=\"background: URL('https://u:p@h/(1)')\">"),
                *('<p style="background: url(https://u:p@h/a.png">', '<p>url(</p><img src="https://u:p@h/a.png">'),
                *('<p style="background:url(\'https://u:p@h/a.png)">', "<p style='background:url(\"https://u:p@h/a.png)'>"),
            )
        ),
        (with_(message={"msgtype": "image", "images": [{"uri": "https://u:p@h/a"}]}), "message.images[0].uri"),
        (with_(message={**TEXT, "media_id": "m"}), "message.media_id"),
        *((with_(**{field: bad}), field) for field in ("send_at", "not_after") for bad in NO_TIMES),
        (with_(send_at="2026-12-01T09:00:00+08:00", not_after="2026-12-01T01:00:00Z"), "not_after"),
        *((with_(decision_timeout=bad), "decision_timeout") for bad in NO_DURATIONS),
        *((with_(result={"push_timeout": bad}), "result.push_timeout") for bad in NO_SECONDS),
        (with_(result={"poll": 1}), "result.poll"),
        (with_(result=None), "result"),
        *((with_(send_ignore_reprint=bad), "send_ignore_reprint") for bad in NO_FLAGS),
        *((with_(fit_images=bad), "fit_images") for bad in (1, "true", None)),
        (with_(on_problem="ignore"), "on_problem"),
        (with_(requested_by=" "), "requested_by"),
        (with_(requested_by="\ud800"), "requested_by"),
        (with_(approval={"required": 1}), "approval.required"),
        (with_(approval={}), "approval.required"),
        (with_(preview={"to": []}), "preview.to"),
        (with_(preview={"to": [{}]}), "preview.to[0]"),
        (with_(preview={"to": [{"openid": "o1", "wxname": "li"}]}), "preview.to[0]"),
        (with_(colour="red"), "colour"),
        (with_(**{"function-after[x]": 1}), "function-after[x]"),
        (with_(Audience={"kind": "all"}), "Audience"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(raw: dict[str, Any], path: str) -> None:
    """One sentence, which begins with the path of the wrong field."""
    found = problems(raw)
    assert len(found) == 1
    assert re.match(rf"{re.escape(path)}(:| )", found[0]), found


def test_an_audience_is_described_without_a_signature() -> None:
    """A signed URL is as good as a password."""
    signed = OpenidFile(kind="openid_file", uri="https://cdn.example.com/list.csv?X-Amz-Signature=s")
    assert describe(signed) == "the openids in https://cdn.example.com/list.csv?***"


def test_a_sentence_tells_the_rule() -> None:
    """Of a key: which characters, and how many. Nothing but an object is taken apart."""
    for key in ("a b", "k" * 65, "春"):
        [problem] = problems({**BASE, "key": key})
        assert problem.startswith("key: has characters that are not allowed, or a wrong length: ")
        assert problem.endswith(" is not [A-Za-z0-9._-]{1,64}")
    for raw in (None, [], "all", 5, True, [BASE]):
        assert problems(raw) == ["the input must be one JSON object"]
    kinds = "'all', 'tag', 'openids', 'openid_file', 'tags', 'report', 'several'"
    assert problems(with_(audience={"kind": "x"})) == [f"audience.kind: must be one of {kinds}, not 'x'"]
    rule = "must be an ISO 8601 duration such as PT45M, or a number of seconds"
    assert problems(with_(decision_timeout="5 minutes")) == [f"decision_timeout: {rule}"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """So that it is put right in one go."""
    raw = {"key": "a b", "audience": openids("o1", "o2 ", "o3\r"), "message": {"msgtype": "text"}, "send_at": 5, "x": 1}
    paths = {sentence.split(":")[0] for sentence in problems(raw)}
    assert paths == {"account", "key", "audience.openids[1]", "audience.openids[2]", "message.content", "send_at", "x"}


def test_very_many_problems_are_counted() -> None:
    """A failure is a payload too: ten thousand bad openids are twenty sentences and a number."""
    found = problems(with_(audience=openids(*("x\r" * 500 for _ in range(10_000)))))
    assert len(found) == 21
    assert found[-1] == "and 9980 more"
    assert sum(len(sentence) for sentence in found) < 21 * 301


@pytest.mark.parametrize(
    "more",
    [
        {"audience": openids(*[""] * 650_000)},
        {"audience": {"kind": "several", "of": [openids(*[1] * 9_000)] * 20}},
        {"message": {"msgtype": "mpnews", "articles": [{}] * 600_000}},
        {str(number): [] for number in range(60_000)},
        {"x": [[[{"y": [{}] * 60_000}]]]},
    ],
)
def test_what_has_too_many_values_is_refused_unread(more: dict[str, Any]) -> None:
    """Two megabytes would take pydantic five seconds, and a workflow task has two."""
    raw, begun = with_(**more), time.thread_time()
    assert problems(raw) == ["the input has more than 50,000 values: put openids into a file"]
    assert time.thread_time() - begun < 0.3


@pytest.mark.parametrize("unit", ["url(", "url('", 'url("a', "src=", 'src="', "src=' url(", "src ", "url( ("])
def test_html_of_unclosed_urls_is_read_in_no_time(unit: str) -> None:
    """It is looked for pictures in a workflow task. Who looks to the end at each of them takes two seconds."""
    html, begun = (unit * 19_999)[:19_999], time.thread_time()
    one, other = (
        parse_request(with_(message={"msgtype": "mpnews", "articles": with_content(said)["articles"] * 8}))
        for said in (html, html[1:])
    )
    assert differing(one, other).fields == ("message",)
    assert time.thread_time() - begun < 0.4


def test_a_request_of_all_openids_that_fit_is_read() -> None:
    """As many as have room in a megabyte."""
    lists = [openids(*(f"o{part}{number:026}" for number in range(10_000))) for part in range(3)]
    request = parse_request(with_(audience={"kind": "several", "of": lists}))
    assert isinstance(request.audience, Several)
    assert len(request.audience.of) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"audience": openids("o1", "o2", "o1")}, {"audience": openids(*OPENIDS[:10_000])},
        {"audience": {"kind": "tag", "tag_id": 0, "expect": {"name": "VIP", "max": 50_000}}},
        {"message": {**TEXT, "content": "字" * 6_666}}, {"message": {**TEXT, "content": "x" * 20_000}},
        {"key": "k" * 64},
        {"message": with_original("https://a.test/" + "字" * 336 + "a")},
        {"send_ignore_reprint": 1}, {"send_at": "2026-12-01T09:00:00+08:00", "not_after": "2026-12-01T01:00:01Z"},
        {"decision_timeout": 0.5, "result": {"push_timeout": 1, "poll_interval": "PT1S", "give_up_after": "P1D"}},
        {"preview": None, "approval": {"required": False}, "requested_by": "crm", "on_problem": "fail"},
    ],
)  # fmt: skip
def test_the_edges_are_inside(more: dict[str, Any]) -> None:
    """And what is taken survives JSON."""
    request = parse_request(with_(**more))
    assert parse_request(json.loads(json.dumps(request.model_dump(mode="json")))) == request
    assert parse_request(request.model_dump(mode="json", exclude_unset=True)) == request


def test_one_meaning_has_one_form() -> None:
    """Of an openid that stands twice the first one stays. A duration is ISO 8601, or a number of seconds."""
    for said in ("PT45M", 2700):
        request = parse_request(with_(audience=openids("o2", "o1", "o2", "o3"), result={"push_timeout": said}))
        assert request.audience == Openids(kind="openids", openids=("o2", "o1", "o3"))
        assert request.result.push_timeout == timedelta(minutes=45)


names = st.sampled_from(
    sorted(FIELDS | {"kind", "tag_id", "openids", "msgtype", "content", "to", "media", "uri", "max"})
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["all", "tag", "openids", "text", "image", "mpnews", "PT1M", "2026-12-01T09:00:00Z", "demo", "\ud800"]
    )
)
json_values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names | st.text(max_size=6) | st.just("\udfff"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(names | st.text(max_size=6), json_values, max_size=5), st.booleans())
def test_any_json_is_a_request_or_is_refused(found: dict[str, Any], around_a_good_one: bool) -> None:
    """Never another error; every sentence names a field, and can be stored and shown."""
    raw = {**BASE, **found} if around_a_good_one else found
    refused = _refused(raw)
    if refused is None:
        request = parse_request(raw)
        assert parse_request(request.model_dump(mode="json")) == request
        return
    assert refused
    for sentence in refused:
        assert sentence.encode()
        assert len(sentence) <= 300
        assert any(sentence.startswith(name) for name in _shown({*FIELDS, *raw, "a field's name", "and"})), sentence


def _refused(raw: dict[str, Any]) -> list[str] | None:
    try:
        parse_request(raw)
    except InvalidRequestError as error:
        return error.problems
    return None


def _shown(names: set[str]) -> set[str]:
    """As they stand in sentences."""
    return {name.encode(errors="backslashreplace").decode() for name in names}


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        ("it broke", "it broke."),
        ("it broke.. ", "it broke."),
        ("已取消", "已取消."),
        *((text, text) for text in ("已取消。", "停！", "真的？", "so…", "why?", "no!", "its log:", "```", "")),
        ("--appid wx….", "--appid wx…."),
    ],
)
def test_a_sentence_ends_once(said: str, ended: str) -> None:
    """Whatever mark its writer ends it with; nothing stays nothing."""
    assert full_stop(said) == ended


def test_a_refusal_ends_once() -> None:
    """With its last problem's own mark, where that has one."""
    said = "The request was refused and nothing was sent: "
    assert str(InvalidRequestError(["a is wrong.", "b is wrong"])) == f"{said}a is wrong; b is wrong."
    assert str(InvalidRequestError(["已取消。"])) == f"{said}已取消。"
