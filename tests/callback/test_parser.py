import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qunfa.callback import EventError, HostileError, parse_event
from qunfa.contract.result import ArticleCheck, Counts, JobFinished

DATA = Path(__file__).parent.parent / "data" / "callbacks"
RECORDED = sorted(path.name for path in DATA.glob("*.xml"))
TAGS = st.sampled_from([
    "xml", "MsgType", "Event", "MsgID", "MsgId", "Status", "SentCount", "CopyrightCheckResult", "ResultList", "item",
    "ArticleIdx", "CanReprint", "CheckState", "ArticleUrlResult", "ArticleUrl", "Encrypt", "Unheard",
])  # fmt: skip


def _event(content: str = "", *, msg_id: str = "<MsgID>7</MsgID>", status: str = "send success") -> bytes:
    return (
        "<xml><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[MASSSENDJOBFINISH]]></Event>"
        f"{msg_id}<Status><![CDATA[{status}]]></Status>{content}</xml>"
    ).encode()


def _parsed(body: bytes) -> JobFinished:
    event = parse_event(body)
    assert event is not None
    return event


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
    event = _parsed((DATA / "senparc_err30003_copyright_and_articleurl.xml").read_bytes())

    assert event.extra == {}
    assert event == JobFinished(
        msg_id=1000001625,
        status="err(30003)",
        counts=Counts(),
        check_state=2,
        articles=(_reprint(1, "Url_1"), _reprint(2, "Url_2")),
        create_time=1481013459,
        to_user_name="gh_4d00ed8d6399",
    )


def test_recorded_reprint_with_one_address() -> None:
    """An article may be checked and have no address."""
    event = _parsed((DATA / "wechatpy_err30003_copyright_and_articleurl_single.xml").read_bytes())

    assert event.articles == (_reprint(1, "Url"), _reprint(2, None))


def test_recorded_reprint_without_addresses() -> None:
    """Events of 2018 have no block of addresses."""
    event = _parsed((DATA / "wxjava_err30003_copyright.xml").read_bytes())

    assert event.articles == (_reprint(1, None), _reprint(2, None))


def test_recorded_success_without_blocks() -> None:
    """Older events have neither block, and a status without its blank; it is kept as it came."""
    event = _parsed((DATA / "senparc_sendsuccess_nospace.xml").read_bytes())

    assert (event.msg_id, event.status) == (1988, "sendsuccess")
    assert event.counts == Counts(total=100, filter=80, sent=75, error=5)
    assert (event.check_state, event.articles) == (None, ())


def test_recorded_other_event() -> None:
    """A finished publication is not a finished mass send."""
    assert parse_event((DATA / "wxjava_publishjobfinish.xml").read_bytes()) is None


def test_recorded_attack() -> None:
    """A DOCTYPE is refused, whatever it declares."""
    with pytest.raises(EventError, match="DOCTYPE"):
        parse_event((DATA / "wxjava_xxe_must_be_rejected.xml").read_bytes())


def test_article_with_address_only() -> None:
    """A sent article that was not checked has its address all the same."""
    block = (
        "<ArticleUrlResult><ResultList><item><ArticleIdx>2</ArticleIdx><ArticleUrl>u</ArticleUrl></item></ResultList>"
    )

    assert _parsed(_event(block + "</ArticleUrlResult>")).articles == (ArticleCheck(idx=2, url="u"),)


@pytest.mark.parametrize("tag", ["MsgID", "MsgId"])
@pytest.mark.parametrize("msg_id", [1, 2**31, 2**53 + 1, 2**63 - 1])
def test_msg_id(tag: str, msg_id: int) -> None:
    """The id is spelt either way and has 64 bits."""
    assert _parsed(_event(msg_id=f"<{tag}> {msg_id} </{tag}>")).msg_id == msg_id


@pytest.mark.parametrize("msg_id", ["", "0", "-7", "7.0", "1e3", str(2**63), "9" * 40, "٧", "x"])
def test_unusable_msg_id(msg_id: str) -> None:
    """A finished job that belongs to no message cannot be delivered."""
    with pytest.raises(EventError, match="MsgID"):
        parse_event(_event(msg_id=f"<MsgID>{msg_id}</MsgID>"))


def test_missing_status() -> None:
    """A finished job without a status has no verdict."""
    with pytest.raises(EventError, match="Status"):
        parse_event(_event(status=" "))


@pytest.mark.parametrize(
    "name", ["MASSSENDJOBFINISH", "masssendjobfinish", "MassSendJobFinish", " MASSSENDJOBFINISH\n"]
)
def test_event_name_in_any_case(name: str) -> None:
    """SDKs and proxies change the case of the name."""
    assert parse_event(_event().replace(b"MASSSENDJOBFINISH", name.encode())) is not None


def test_event_without_its_kind() -> None:
    """A result that comes without `MsgType` is one all the same: taking it for something else would lose it."""
    assert _parsed(_event().replace(b"<MsgType><![CDATA[event]]></MsgType>", b"")).msg_id == 7


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


@pytest.mark.parametrize(
    "counts",
    [
        "",
        "<TotalCount>4</TotalCount><FilterCount>4</FilterCount><SentCount>4</SentCount>",
        "<TotalCount>4</TotalCount><FilterCount>4</FilterCount><SentCount/><ErrorCount>0</ErrorCount>",
        "<TotalCount>4</TotalCount><FilterCount>4</FilterCount><SentCount>-4</SentCount><ErrorCount>0</ErrorCount>",
    ],
)
def test_incomplete_counts(counts: str) -> None:
    """A count that is missing is not a zero, which would say that nobody was reached."""
    assert _parsed(_event(counts)).counts is None


@pytest.mark.parametrize(
    "block",
    [
        "",
        "<CopyrightCheckResult/>",
        "<CopyrightCheckResult> \n </CopyrightCheckResult><ArticleUrlResult>\n</ArticleUrlResult>",
        "<CopyrightCheckResult><Count>0</Count><ResultList></ResultList></CopyrightCheckResult>",
        "<CopyrightCheckResult><Count>x</Count><ResultList><item> </item></ResultList></CopyrightCheckResult>",
        "<CopyrightCheckResult><CheckState> </CheckState></CopyrightCheckResult>",
        "<FromUserName>mphelper</FromUserName><Encrypt>abc</Encrypt>",
    ],
)
def test_empty_blocks(block: str) -> None:
    """Blocks without content, and what says nothing, cost the event nothing."""
    assert _parsed(_event(block)) == JobFinished(msg_id=7, status="send success")


def test_unreadable_detail_of_an_article() -> None:
    """A flag or state that is unknown here is left out; the article stays."""
    item = "<ArticleIdx>1</ArticleIdx><CanReprint>9</CanReprint><AuditState>eleven</AuditState>"
    block = f"<CopyrightCheckResult><ResultList><item>{item}</item></ResultList></CopyrightCheckResult>"

    assert _parsed(_event(block)).articles == (ArticleCheck(idx=1),)


def test_what_is_unknown_is_kept() -> None:
    """An element that nobody has heard of stays with the event, by its place."""
    items = "<item><ArticleIdx>1</ArticleIdx></item><item><ArticleIdx>2</ArticleIdx><Mood>calm</Mood></item>"
    block = f"<ArticleUrlResult><ResultList>{items}</ResultList></ArticleUrlResult>"

    event = _parsed(
        _event(f"<Retries>3</Retries><Retries> 4 </Retries>{block}<Deep>a<er>b</er>c</Deep><Blank> </Blank>")
    )

    assert event.extra == {
        "Retries": "3",
        "Retries[2]": "4",
        "ArticleUrlResult/ResultList/item[2]/Mood": "calm",
        "Deep": "ac",
        "Deep/er": "b",
    }


def test_what_cannot_be_read_is_kept() -> None:
    """A detail in a form that is not understood is no value, and no loss either."""
    block = "<CopyrightCheckResult><CheckState>99999999999</CheckState></CopyrightCheckResult>"

    event = _parsed(_event(f"<TotalCount>4</TotalCount><SentCount>many</SentCount>{block}"))

    assert (event.counts, event.check_state) == (None, None)
    assert event.extra == {
        "TotalCount": "4", "SentCount": "many", "CopyrightCheckResult/CheckState": "99999999999",
    }  # fmt: skip


def test_what_is_kept_is_bounded() -> None:
    """However much WeChat would add, the event stays small enough for a history."""
    more = "".join(f"<{'N' * 90}{n}>{'x' * 900}</{'N' * 90}{n}>" for n in range(100))

    extra = _parsed(_event(f"{more}{'<d>' * 40}deep{'</d>' * 40}")).extra

    assert extra["…"] == "94 more"
    assert max(map(len, extra.values())) == 256
    del extra["…"]
    assert sum(len(place.encode()) + len(text.encode()) for place, text in extra.items()) <= 2048


def test_many_small_elements_are_bounded() -> None:
    """Nor are there many of them."""
    extra = _parsed(_event("".join(f"<N{n}>x</N{n}>" for n in range(100)))).extra

    assert (len(extra), extra["…"]) == (33, "68 more")


def test_long_texts_are_bounded() -> None:
    """A status of any length is one; an address that is too long for one is left out."""
    url = f"https://mp.weixin.qq.com/{'x' * 3000}"
    item = f"<item><ArticleIdx>1</ArticleIdx><ArticleUrl>{url}</ArticleUrl></item>"
    block = f"<ArticleUrlResult><ResultList>{item}</ResultList></ArticleUrlResult>"

    event = _parsed(_event(block, status="err(1) " + "x" * 1000))

    assert len(event.status) == 256
    assert event.articles == (ArticleCheck(idx=1),)
    assert event.extra["ArticleUrlResult/ResultList/item/ArticleUrl"].startswith("https://mp.weixin.qq.com/xxx")


def test_more_elements_than_any_event_has() -> None:
    """An event of thousands of elements is no mass send's."""
    with pytest.raises(EventError, match="more than 4096 elements"):
        parse_event(_event("<a/>" * 5000))


def test_repeated_elements() -> None:
    """Of an element that stands twice, the first counts; both are visible."""
    event = _parsed(_event("<MsgID>8</MsgID><MsgId>9</MsgId><Status>send fail</Status>"))

    assert (event.msg_id, event.status) == (7, "send success")
    assert event.extra == {"MsgID[2]": "8", "MsgId": "9", "Status[2]": "send fail"}


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\xff",
        _event().decode().encode("utf-16"),
        "<xml>群发</xml>".encode("gbk"),
        b'<?xml version="1.0" encoding="utf-16"?><xml/>',
        b'<?xml version="1.0" encoding="klingon"?><xml/>',
        b'<?xml version="1.0" encoding="gbk"?>' + _event(),
        b'<?xml version="1.0" encoding="iso-8859-1"?><xml>\xe9</xml>',
    ],
)
def test_other_encodings(body: bytes) -> None:
    """WeChat writes UTF-8; what claims to be something else could be read in two ways."""
    with pytest.raises(EventError):
        parse_event(body)


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"\n ", b'<?xml version="1.0" encoding="UTF-8"?>', b"<!-- a -->"])
def test_harmless_beginnings(start: bytes) -> None:
    """What may stand before a document may stand before a push."""
    assert _parsed(start + _event()).msg_id == 7


def test_many_articles() -> None:
    """Articles that no mass send can have are not all carried into the history."""
    items = "".join(f"<item><ArticleIdx>{idx}</ArticleIdx></item>" for idx in range(1, 500))
    block = f"<ArticleUrlResult><ResultList>{items}</ResultList></ArticleUrlResult>"

    assert [article.idx for article in _parsed(_event(block)).articles] == list(range(1, 65))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"success",
        b"\x00",
        b"<xml>",
        b"<xml></xml><xml></xml>",
        b"<xml>&lol;</xml>",
        "<xml>\u0000</xml>".encode(),
        b"<xml><a></xml></a>",
        b"<xml><a b='1' b='2'/></xml>",
    ],
)
def test_a_malformed_push_is_refused(body: bytes) -> None:
    """What is not well-formed is one kind of error."""
    with pytest.raises(EventError, match="not well-formed"):
        parse_event(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<x>" * 5000 + b"</x>" * 5000, "256 elements within each other"),
        (b"<x>" + b"<y/>" * 5000 + b"</x>", "more than 4096 elements"),
    ],
)
def test_beyond_reason(body: bytes, reason: str) -> None:
    """What is deeper or longer than anything of WeChat's is an error too, and named."""
    with pytest.raises(EventError, match=reason):
        parse_event(body)


def test_as_many_elements_as_may_be() -> None:
    """At the bound a result is still read, and what stands deeper than anybody looks is left out."""
    deep = "<d>" * 200 + "x" + "</d>" * 200
    event = _parsed(_event("<y/>" * 3800 + deep))
    assert (event.msg_id, event.extra) == (7, {})


def test_prefix_that_nobody_has_declared() -> None:
    """An element whose namespace is unknown costs no result."""
    assert _parsed(_event("<n:New>1</n:New>")).extra == {"n:New": "1"}


def test_encrypted_is_explained() -> None:
    """An encrypted push is not mistaken for one that does not concern us: its result would be lost."""
    with pytest.raises(EventError, match='mode = "safe"'):
        parse_event(b"<xml><ToUserName>gh_1</ToUserName><Encrypt>abc</Encrypt></xml>")


@pytest.mark.parametrize(
    "start", [b"<!DOCTYPE xml>", b"<!-- <a> --><!DOCTYPE xml>", b"<?a <b> ?><!DOCTYPE xml [<!ENTITY c 'd'>]>"]
)
def test_doctype_behind_something(start: bytes) -> None:
    """A DOCTYPE is found wherever one may stand, and before anything it declares is read where that is possible."""
    with pytest.raises(HostileError, match="DOCTYPE"):
        parse_event(start + b"<xml/>")


def test_external_entity(tmp_path: Path) -> None:
    """A file that an entity names is not read into the event."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    attack = f'<!DOCTYPE xml [<!ENTITY f SYSTEM "{secret.as_uri()}">]>'.encode()

    with pytest.raises(EventError) as caught:
        parse_event(attack + _event(status="send success").replace(b"<![CDATA[send success]]>", b"&f;"))
    assert "hunter2" not in str(caught.value)


def test_entities_that_multiply() -> None:
    """A billion laughs are refused before they are laughed."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(12))

    with pytest.raises(EventError):
        parse_event(f"<!DOCTYPE xml [{laughs}]>".encode() + _event("<A>&l11;</A>"))
    with pytest.raises(EventError):
        parse_event(f"<!DOCTYPE xml [{laughs}]>".encode() + _event('<A b="&l11;"/>'))


def test_error_quotes_nothing() -> None:
    """The error goes to a log, so nothing of a follower's message is in it."""
    with pytest.raises(EventError) as caught:
        parse_event(b"<xml><private-words></other-words></xml>")
    assert "words" not in str(caught.value)


@given(body=st.binary(max_size=300))
@example(body=b"\xef\xbb\xbf<xml/>")
def test_any_bytes(body: bytes) -> None:
    """Nothing but an event, None or the one error comes of any bytes."""
    with contextlib.suppress(EventError):
        parse_event(body)


TREES = st.recursive(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z")), max_size=20)
    | st.integers(-(2**70), 2**70).map(str),
    lambda inner: st.lists(st.tuples(TAGS, inner), max_size=5).map(
        lambda pairs: "".join(f"<{tag}>{content}</{tag}>" for tag, content in pairs)
    ),
    max_leaves=25,
)


@given(content=TREES)
def test_any_tree(content: str) -> None:
    """Whatever stands around it, a finished job that is read keeps its id and status."""
    body = _event().replace(b"</xml>", content.encode() + b"</xml>")
    try:
        event = parse_event(body)
    except EventError:
        return
    assert event is not None
    assert (event.msg_id, event.status) == (7, "send success")
    assert JobFinished.model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize("name", RECORDED)
@given(data=st.data())
def test_mutated_recordings(name: str, data: st.DataObject) -> None:
    """A recorded push with a piece cut out or doubled never fails in another way."""
    body = (DATA / name).read_bytes()
    start, end = sorted((data.draw(st.integers(0, len(body))), data.draw(st.integers(0, len(body)))))
    mutated = body[:start] + body[start:end] * data.draw(st.sampled_from([0, 2])) + body[end:]
    with contextlib.suppress(EventError):
        parse_event(mutated)
