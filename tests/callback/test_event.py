"""What is read of a push, whatever its form, and what is refused."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.account.budget import json_size
from qunfa.callback.document import EventError, HostileError
from qunfa.callback.event import parse_event
from qunfa.contract.result import ArticleCheck, Counts, JobFinished
from workflows.waiting import BYTES_MAX

DATA = Path(__file__).parent.parent / "data" / "callbacks"
RECORDED = sorted(path.name for path in DATA.glob("*.xml"))
TAGS = st.sampled_from([
    "xml", "MsgType", "Event", "MsgID", "MsgId", "Status", "SentCount", "CopyrightCheckResult", "ResultList", "item",
    "ArticleIdx", "CanReprint", "CheckState", "ArticleUrlResult", "ArticleUrl", "Encrypt", "Unheard",
])  # fmt: skip
CHECKS, URLS = "CopyrightCheckResult", "ArticleUrlResult"
LONG_URL = f"https://mp.weixin.qq.com/{'x' * 3000}"


def _event(content: str = "", *, msg_id: str = "<MsgID>7</MsgID>", status: str = "send success") -> bytes:
    return (
        "<xml><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[MASSSENDJOBFINISH]]></Event>"
        f"{msg_id}<Status><![CDATA[{status}]]></Status>{content}</xml>"
    ).encode()


def _parsed(body: bytes) -> JobFinished:
    event = parse_event(body)
    assert event is not None
    return event


def _items(block: str, *items: str) -> str:
    """A block of articles; `items` are what stands in each."""
    return f"<{block}><ResultList>{''.join(f'<item>{item}</item>' for item in items)}</ResultList></{block}>"


def _reprint(idx: int, url: str | None) -> ArticleCheck:
    return ArticleCheck(
        idx=idx,
        url=url,
        user_declare_state=0,
        audit_state=2,
        original_url=f"Url_{idx}",
        original_article_type=1,
        can_reprint=True,
        need_replace_content=True,
        need_show_reprint_source=True,
    )


def test_recorded_reprint_with_addresses() -> None:
    """Checks and addresses of the same article become one."""
    assert _parsed((DATA / "senparc_err30003_copyright_and_articleurl.xml").read_bytes()) == JobFinished(
        msg_id=1000001625,
        status="err(30003)",
        counts=Counts(),
        check_state=2,
        articles=(_reprint(1, "Url_1"), _reprint(2, "Url_2")),
        create_time=1481013459,
        to_user_name="gh_4d00ed8d6399",
    )


def test_other_recordings_are_read() -> None:
    """An article without an address, events without blocks or with an odd status; a publication is no mass send."""
    one = _parsed((DATA / "wechatpy_err30003_copyright_and_articleurl_single.xml").read_bytes())
    assert one.articles == (_reprint(1, "Url"), _reprint(2, None))
    of_2018 = _parsed((DATA / "wxjava_err30003_copyright.xml").read_bytes())
    assert of_2018.articles == (_reprint(1, None), _reprint(2, None))
    older = _parsed((DATA / "senparc_sendsuccess_nospace.xml").read_bytes())
    assert (older.msg_id, older.status, older.check_state, older.articles) == (1988, "sendsuccess", None, ())
    assert older.counts == Counts(total=100, filter=80, sent=75, error=5)
    assert parse_event((DATA / "wxjava_publishjobfinish.xml").read_bytes()) is None


def test_recorded_attack() -> None:
    """A DOCTYPE is refused, whatever it declares."""
    with pytest.raises(HostileError, match="DOCTYPE"):
        parse_event((DATA / "wxjava_xxe_must_be_rejected.xml").read_bytes())


@pytest.mark.parametrize("tag", ["MsgID", "MsgId"])
@pytest.mark.parametrize("msg_id", [1, 2**31, 2**53 + 1, 2**63 - 1])
def test_a_msg_id_is_spelt_either_way_and_has_64_bits(tag: str, msg_id: int) -> None:
    """With blanks around it, or without."""
    assert _parsed(_event(msg_id=f"<{tag}> {msg_id} </{tag}>")).msg_id == msg_id


@pytest.mark.parametrize(
    ("found", "put"),
    [
        (b"MASSSENDJOBFINISH", b"masssendjobfinish"), (b"MASSSENDJOBFINISH", b"MassSendJobFinish"),
        (b"MASSSENDJOBFINISH", b" MASSSENDJOBFINISH\n"), (b"<MsgType><![CDATA[event]]></MsgType>", b""),
        (b"<xml>", b"\xef\xbb\xbf<xml>"), (b"<xml>", b"\n <xml>"), (b"<xml>", b"<!-- a --><xml>"),
        (b"<xml>", b'<?xml version="1.0" encoding="UTF-8"?><xml>'),
    ],
)  # fmt: skip
def test_a_result_may_be_written_otherwise(found: bytes, put: bytes) -> None:
    """SDKs and proxies change names, kinds and beginnings; taking it for something else would lose it."""
    assert _parsed(_event().replace(found, put)).msg_id == 7


@pytest.mark.parametrize(
    "body",
    [
        "<xml><MsgType>text</MsgType><Content>MASSSENDJOBFINISH</Content><MsgId>7</MsgId></xml>",
        "<xml><MsgType>text</MsgType><Event>MASSSENDJOBFINISH</Event><MsgID>7</MsgID><Status>send fail</Status></xml>",
        "<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>",
        "<xml><MsgType>text</MsgType><Content><![CDATA[<!DOCTYPE html> and &lol;]]></Content></xml>",
        "<xml/>",
    ],
)
def test_other_pushes_are_never_a_finished_job(body: str) -> None:
    """What a follower writes, or another event, is never a finished job."""
    assert parse_event(body.encode()) is None


FEW = "<TotalCount>4</TotalCount><FilterCount>4</FilterCount>"
KEPT = {"TotalCount": "4", "FilterCount": "4"}


@pytest.mark.parametrize(
    ("content", "event"),
    [
        ("", {}),
        (f"<{CHECKS}/>", {}),
        (f"<{CHECKS}> \n </{CHECKS}><{URLS}>\n</{URLS}>", {}),
        (f"<{CHECKS}><Count>0</Count><ResultList></ResultList></{CHECKS}>", {}),
        (f"<{CHECKS}><Count>x</Count><ResultList><item> </item></ResultList></{CHECKS}>", {}),
        (f"<{CHECKS}><CheckState> </CheckState></{CHECKS}>", {}),
        ("<FromUserName>mphelper</FromUserName><Encrypt>abc</Encrypt>", {}),
        (f"{FEW}<SentCount>4</SentCount>", {"extra": {**KEPT, "SentCount": "4"}}),
        (f"{FEW}<SentCount/><ErrorCount>0</ErrorCount>", {"extra": {**KEPT, "ErrorCount": "0"}}),
        (f"{FEW}<SentCount>-4</SentCount><ErrorCount>0</ErrorCount>",
         {"extra": {**KEPT, "SentCount": "-4", "ErrorCount": "0"}}),
        (_items(URLS, "<ArticleIdx>2</ArticleIdx><ArticleUrl>u</ArticleUrl>"),
         {"articles": (ArticleCheck(idx=2, url="u"),)}),
        (_items(CHECKS, "<ArticleIdx>1</ArticleIdx><CanReprint>9</CanReprint><AuditState>x</AuditState>"),
         {"articles": (ArticleCheck(idx=1),),
          "extra": {f"{CHECKS}/ResultList/item/CanReprint": "9", f"{CHECKS}/ResultList/item/AuditState": "x"}}),
        (_items(URLS, *(f"<ArticleIdx>{idx}</ArticleIdx>" for idx in range(1, 65))),
         {"articles": tuple(ArticleCheck(idx=idx) for idx in range(1, 65))}),
        (f"<{CHECKS}><CheckState>99999999999</CheckState></{CHECKS}>",
         {"extra": {f"{CHECKS}/CheckState": "99999999999"}}),
        ("<n:New>1</n:New>", {"extra": {"n:New": "1"}}),
        ("<MsgID>8</MsgID><MsgId>9</MsgId><Status>send fail</Status>",
         {"extra": {"MsgID[2]": "8", "MsgId": "9", "Status[2]": "send fail"}}),
    ],
)  # fmt: skip
def test_a_bad_detail_costs_nothing_but_itself(content: str, event: dict[str, Any]) -> None:
    """What is empty says nothing. A missing count is not a zero. What cannot be read is kept. The first one counts."""
    assert _parsed(_event(content)) == JobFinished(msg_id=7, status="send success", **event)


def test_what_is_unknown_is_kept() -> None:
    """An element that nobody has heard of stays with the event, by its place."""
    block = _items(URLS, "<ArticleIdx>1</ArticleIdx>", "<ArticleIdx>2</ArticleIdx><Mood>calm</Mood>")
    more = f"<Retries>3</Retries><Retries> 4 </Retries>{block}<Deep>a<er>b</er>c</Deep><Blank> </Blank>"
    assert _parsed(_event(more)).extra == {
        "Retries": "3", "Retries[2]": "4", f"{URLS}/ResultList/item[2]/Mood": "calm", "Deep": "ac", "Deep/er": "b",
    }  # fmt: skip


def test_what_is_kept_is_bounded() -> None:
    """However much WeChat would add, or however often, the event stays small enough for a history."""
    more = "".join(f"<{'N' * 90}{n}>{'x' * 900}</{'N' * 90}{n}>" for n in range(100))
    extra = _parsed(_event(f"{more}{'<d>' * 40}deep{'</d>' * 40}")).extra
    assert extra.pop("…") == "94 more"
    assert max(map(len, extra.values())) == 256
    assert sum(len(place.encode()) + len(text.encode()) for place, text in extra.items()) <= 2048
    extra = _parsed(_event("".join(f"<N{n}>x</N{n}>" for n in range(100)))).extra
    assert (len(extra), extra["…"]) == (33, "68 more")
    event = _parsed(_event("<y/>" * 3800 + "<d>" * 200 + "x" + "</d>" * 200))
    assert (event.msg_id, event.extra) == (7, {})
    items = (f"<ArticleIdx>{idx}</ArticleIdx>" for idx in range(1, 500))
    assert [article.idx for article in _parsed(_event(_items(URLS, *items))).articles] == list(range(1, 65))


@pytest.mark.parametrize(
    ("letter", "count", "most"), [("x", 33, 15), ("群", 17, 5), ("\U0001f600", 17, 3), ("\x01", 64, 2)], ids=range(4)
)
def test_an_event_fits_into_the_accounts_inbox(letter: str, count: int, most: int) -> None:
    """WeChat is told `success` for it, so it must not be dropped there. Articles that are too long go, with a note."""
    url = letter * 2048
    for number in (most, most + 1, count):
        items = [{"ArticleIdx": idx, "OriginalArticleUrl": url, "ArticleUrl": url} for idx in range(1, number + 1)]
        blocks = {CHECKS: {"ResultList": items}, URLS: {"ResultList": items}}
        rest = {f"{letter * 60}{n}": letter * 300 for n in range(99)}
        event = _parsed(_json(Status=letter * 300, ToUserName=letter * 256, **blocks, **rest))
        assert (event.msg_id, len(event.articles)) == (7, number if number == most else 0)
        assert event.extra.get("articles") == (None if number == most else f"{number} left out: too long")
        assert json_size(event.model_dump(mode="json")) < BYTES_MAX


def test_a_status_of_any_length_is_one() -> None:
    """An address that is too long for one is left out."""
    block = _items(URLS, f"<ArticleIdx>1</ArticleIdx><ArticleUrl>{LONG_URL}</ArticleUrl>")
    event = _parsed(_event(block, status="err(1) " + "x" * 1000))
    assert len(event.status) == 256
    assert event.articles == (ArticleCheck(idx=1),)
    assert event.extra[f"{URLS}/ResultList/item/ArticleUrl"].startswith("https://mp.weixin.qq.com/xxx")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        *[(_event(msg_id=f"<MsgID>{each}</MsgID>"), "usable MsgID")
          for each in ("", "0", "-7", "7.0", "1e3", str(2**63), "9" * 40, "٧", "x")],
        (_event(status=" "), "Status"),
        *[(body, "not well-formed") for body in (
            b"", b" ", b"success", b"\x00", b"<xml>", b"<xml></xml><xml></xml>", b"<xml>&lol;</xml>", b"<xml>\0</xml>",
            b"<xml><private></words></xml>", b"<xml><a b='1' b='2'/></xml>", b"{", b'{"a":NaN}', b'{"a":Infinity}',
            b'{"a":1}{}', b"[" * 100_000, b'{"a":' * 100_000, b'{"a":"\n"}')],
        *[(body, "") for body in (
            b"\xff\xfe\xff", _event().decode().encode("utf-16"), "<xml>群发</xml>".encode("gbk"),
            b'<?xml version="1.0" encoding="utf-16"?><xml/>', b'<?xml version="1.0" encoding="klingon"?><xml/>',
            b'<?xml version="1.0" encoding="gbk"?>' + _event(),
            b'<?xml version="1.0" encoding="iso-8859-1"?><xml>\xe9</xml>')],
        (b"<x>" * 5000 + b"</x>" * 5000, "256 elements within each other"),
        (b"<x>" + b"<y/>" * 5000 + b"</x>", "more than 4096 elements"),
        (_event("<a/>" * 5000), "more than 4096 elements"),
        *[(start + b"<xml/>", "DOCTYPE") for start in (
            b"<!DOCTYPE xml>", b"<!-- <a> --><!DOCTYPE xml>", b"<?a <b> ?><!DOCTYPE xml [<!ENTITY c 'd'>]>")],
        (b"<xml><ToUserName>gh_1</ToUserName><Encrypt>abc</Encrypt></xml>", 'mode = "safe"'),
    ],
)  # fmt: skip
def test_a_malformed_push_is_refused(body: bytes, reason: str) -> None:
    """Without an id or a status, not well-formed, in another encoding, beyond reason, or encrypted: one kind of error.

    It goes to a log, so nothing of a follower's message is in it.
    """
    with pytest.raises(EventError, match=reason or None) as caught:
        parse_event(body)
    assert not any(word in str(caught.value) for word in ("private", "words"))
    assert reason != "DOCTYPE" or isinstance(caught.value, HostileError)


def test_entities_that_multiply(tmp_path: Path) -> None:
    """A billion laughs are refused before they are laughed. A file that an entity names is not read into the event."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(12))
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    named = f'<!ENTITY l11 SYSTEM "{secret.as_uri()}">'
    for declared, content in ((laughs, "<A>&l11;</A>"), (laughs, '<A b="&l11;"/>'), (named, "<A>&l11;</A>")):
        with pytest.raises(EventError) as caught:
            parse_event(f"<!DOCTYPE xml [{declared}]>".encode() + _event(content))
        assert "hunter2" not in str(caught.value)


TREES = st.recursive(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z")), max_size=20)
    | st.integers(-(2**70), 2**70).map(str),
    lambda inner: st.lists(st.tuples(TAGS, inner), max_size=5).map(
        lambda pairs: "".join(f"<{tag}>{content}</{tag}>" for tag, content in pairs)
    ),
    max_leaves=25,
)


@given(content=TREES)
def test_an_event_keeps_its_id_whatever_stands_around_it(content: str) -> None:
    """And its status; a history keeps all of it."""
    body = _event().replace(b"</xml>", content.encode() + b"</xml>")
    with contextlib.suppress(EventError):
        event = _parsed(body)
        assert (event.msg_id, event.status) == (7, "send success")
        assert JobFinished.model_validate_json(event.model_dump_json()) == event


@given(name=st.sampled_from(RECORDED), junk=st.binary(max_size=300), data=st.data())
def test_no_bytes_fail_in_another_way(name: str, junk: bytes, data: st.DataObject) -> None:
    """Any, or a recording of which a piece is missing, doubled or replaced: an event, None or the one error."""
    body = (DATA / name).read_bytes()
    start, end = sorted((data.draw(st.integers(0, len(body))), data.draw(st.integers(0, len(body)))))
    for piece in (b"", body[start:end] * 2, junk):
        for whole in (body[:start] + piece + body[end:], piece):
            with contextlib.suppress(EventError):
                parse_event(whole)


JSON = {"MsgType": "event", "Event": "MASSSENDJOBFINISH", "MsgID": 7, "Status": "send success"}


def _json(**more: Any) -> bytes:
    return json.dumps(JSON | more).encode()


@pytest.mark.parametrize(
    "of",
    [
        lambda item: {"item": [item]}, lambda item: {"item": item}, lambda item: [item], lambda item: [{"item": item}],
        lambda item: [{"item": [item]}], lambda item: item,
    ],
    ids=range(6),
)  # fmt: skip
def test_every_way_to_write_a_list_in_json_is_read(of: Callable[[Any], Any]) -> None:
    """WeChat does not say how it writes a list in JSON, so every way is read; one item is a list as well."""
    check = {"ArticleIdx": 1, "UserDeclareState": 0, "AuditState": 2, "CanReprint": 1, "NeedReplaceContent": "0"}
    body = _json(
        MsgID=2**53 + 1,
        CreateTime=1481013459,
        TotalCount=4,
        FilterCount="4",
        SentCount=3,
        ErrorCount=1,
        CopyrightCheckResult={"Count": 1, "ResultList": of(check), "CheckState": 0},
        ArticleUrlResult={"Count": 1, "ResultList": of({"ArticleIdx": "1", "ArticleUrl": "u"})},
        Unheard={"a": [1.5, None, True]},
    )
    article = ArticleCheck(
        idx=1, url="u", user_declare_state=0, audit_state=2, can_reprint=True, need_replace_content=False
    )
    assert _parsed(body) == JobFinished(
        msg_id=2**53 + 1,
        status="send success",
        counts=Counts(total=4, filter=4, sent=3, error=1),
        check_state=0,
        articles=(article,),
        create_time=1481013459,
        extra={"Unheard/a": "1.5", "Unheard/a[3]": "1"},
    )


@pytest.mark.parametrize("empty", ["", " \n", None, [], {}, {"item": []}, [None], 0])
def test_empty_blocks_in_json_say_nothing(empty: object) -> None:
    """However they are written."""
    event = _parsed(_json(CopyrightCheckResult={"Count": 0, "ResultList": empty}, ArticleUrlResult=empty))
    assert event.articles == ()


def test_the_tree_of_a_framework_is_read() -> None:
    """What it has made of the XML, with or without its outermost element. An event without `extra` is read, too."""
    tree = {**JSON, "Event": "masssendjobfinish", "CheckState": True}
    assert parse_event({"xml": tree}) == parse_event(tree) == parse_event(json.dumps({"xml": tree}))
    assert parse_event({"xml": {"MsgType": "text"}}) is None
    assert JobFinished.model_validate({"msg_id": 7, "status": "send success"}).extra == {}


def test_odd_texts_in_json_cost_nothing() -> None:
    """A long number is a text. Of two names the first counts. Half a surrogate pair is replaced."""
    odd = b'"MsgID": 7, "MsgID": 8, "CreateTime": ' + b"9" * 100_000
    event = _parsed(_json(Odd="\ud83d").replace(b'"MsgID": 7', odd))
    assert (event.msg_id, event.create_time, event.extra["Odd"]) == (7, None, "?")
    assert len(event.extra["CreateTime"]) == 256
    assert JobFinished.model_validate_json(event.model_dump_json()) == event
