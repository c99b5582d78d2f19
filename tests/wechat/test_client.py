import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.contract.audience import All
from qunfa.contract.message import TextMessage
from qunfa.rules.codes import CodeClass
from qunfa.wechat import MaybeWritten, Refused, Submitted, mass_body
from tests.wechat.conftest import ACCEPTED, ACCESS, BODY, TOKEN, WeChat, shows_no_token

RID = "6520a1b2-1c2d3e4f-5a6b7c8d"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda part: st.lists(part, max_size=3)
)
ANSWERS = st.one_of(
    JSON,
    st.dictionaries(st.sampled_from(["errcode", "errmsg", "msg_id", "msg_data_id"]), JSON),
    st.fixed_dictionaries({"msg_id": st.integers(-5, 2**64)}, optional={"errcode": st.integers(-1, 1)}),
)


async def test_a_call_has_its_path_and_the_token() -> None:
    """The token goes into the query and nowhere else; the path is WeChat's."""
    wechat = WeChat(ACCEPTED)
    await wechat.submit()
    (request,) = wechat.requests
    assert str(request.url) == f"https://wechat.example/cgi-bin/message/mass/sendall?access_token={TOKEN}"
    assert request.method == "POST"
    assert TOKEN not in str(request.headers.raw)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
async def test_text_is_raw_utf8_on_the_wire(text: str) -> None:
    r"""Chinese, emoji and everything else is UTF-8 on the wire: WeChat refuses \u escapes."""
    wechat = WeChat(ACCEPTED)
    said = TextMessage.model_construct(msgtype="text", content=text)
    await wechat.account().submit(ACCESS, mass_body(All(kind="all"), said, clientmsgid="c"))
    (request,) = wechat.requests
    assert json.loads(request.content)["text"]["content"] == text
    assert b"\\u" not in request.content.replace(b"\\\\", b"")


@pytest.mark.parametrize(
    ("answer", "submitted"),
    [
        (ACCEPTED, Submitted(msg_id=3147483650, msg_data_id=2247483663)),
        ({"msg_id": 1}, Submitted(msg_id=1)),
        ({"errcode": 0, "msg_id": "9223372036854775807"}, Submitted(msg_id=2**63 - 1)),
        ({"errcode": 0, "msg_id": 34182, "msg_data_id": "206227730"}, Submitted(msg_id=34182, msg_data_id=206227730)),
        ({"errcode": 0, "msg_id": 34182, "msg_data_id": None}, Submitted(msg_id=34182)),
        ({"errcode": 0, "msg_id": 34182, "msg_data_id": 0, "type": "news"}, Submitted(msg_id=34182)),
    ],
)
async def test_accepted(answer: object, submitted: Submitted) -> None:
    """A success has no errcode or 0, and a msg_id of up to 64 bits, as a number or as text."""
    assert await WeChat(answer).submit() == submitted


@pytest.mark.parametrize("header", ["text/plain", "text/html; charset=gbk", "application/json; charset=nonsense"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
async def test_an_answer_is_json_whatever_its_header(header: str, mark: bytes) -> None:
    """WeChat labels JSON as text/plain at times: the body counts, and not its label."""
    wechat = WeChat(mark + json.dumps(ACCEPTED).encode(), headers={"content-type": header})
    assert (await wechat.submit()).msg_id == 3147483650


@pytest.mark.parametrize(
    "answer",
    [
        *({"errcode": 0, "msg_id": msg_id} for msg_id in (0, -1, True, 2**63, None, "x")),
        *({"errcode": errcode, "msg_id": 1} for errcode in ("0", None, False)),
        *({}, {"errcode": 0}),
        *({"errcode": 45028.0}, [], [ACCEPTED], "ok", 0, None, b"", b"ok", b'{"errcode":0', b"\xff\xfe\x00"),
        *(b"[" * 100_000, b'{"msg_id":1,"a":"' + b"x" * (1 << 20) + b'"}'),
    ],
)
async def test_no_usable_answer_is_unknown(answer: object) -> None:
    """An answer that is no JSON object, has an odd errcode, no msg_id or too many bytes settles nothing."""
    with pytest.raises(MaybeWritten, match=r"account demo, clientmsgid c-1: .*sendall.* only with the same clientm"):
        await WeChat(answer).submit()


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 403, 404, 412, 500, 502, 503, 504])
async def test_any_other_status_is_unknown(status: int) -> None:
    """WeChat's own answers have status 200; with another, even a refusal may be a gateway's."""
    wechat = WeChat({"errcode": 45028}, status_code=status, headers={"location": "/elsewhere"})
    with pytest.raises(MaybeWritten, match=f"HTTP status {status}"):
        await wechat.submit()
    assert len(wechat.requests) == 1


async def test_a_refusal_that_quotes_the_token_does_not_show_it() -> None:
    """An errcode has its class, WeChat's text and request id, and a sentence with the job and what to do."""
    quoted = f"invalid {TOKEN} in ?access_token={TOKEN}&x=1 or access_token=other-token"
    account = WeChat({"errcode": 45028, "errmsg": f"has no masssend quota {quoted} rid: {RID}"}).account()
    del quoted
    with pytest.raises(Refused, match=r"account demo, clientmsgid c-1: .*sendall answered 45028: .*Wait") as caught:
        await account.submit(ACCESS, BODY)
    refused = caught.value
    assert (refused.errcode, refused.rid, refused.msg_id) == (45028, RID, None)
    assert refused.code.code_class is CodeClass.QUOTA
    assert refused.errmsg.startswith("has no masssend quota invalid *** in ?access_token=***&x=1")
    assert shows_no_token(refused)
    assert "other-token" not in str(refused)


@pytest.mark.parametrize(("errcode", "msg_id"), [(-1, None), (45066, None), (2**70, None), (45065, 7), (45065, "7")])
async def test_a_refusal_may_be_none(errcode: int, msg_id: object) -> None:
    """An errcode may leave the outcome open, or be known to nobody. 45065 names the job of the clientmsgid."""
    with pytest.raises(Refused) as caught:
        await WeChat({"errcode": errcode, "errmsg": "system error", "msg_id": msg_id}).submit()
    assert not caught.value.code.definite_no
    assert caught.value.msg_id == (int(str(msg_id)) if msg_id else None)
    assert ("repeat it only with the same clientmsgid" in str(caught.value)) == (msg_id is None)


@pytest.mark.parametrize("errmsg", [None, 5, {"a": 1}, "", "\ud800 lone", "长" * 5_000])
async def test_any_errmsg_can_be_told(errmsg: object) -> None:
    """Whatever WeChat's text is, it is text here, not too long, and fit for UTF-8."""
    answer = json.dumps({"errcode": 45028, "errmsg": errmsg}).encode()
    with pytest.raises(Refused) as caught:
        await WeChat(answer).submit()
    assert len(caught.value.errmsg.encode()) <= 1_500
    assert len(str(caught.value).encode()) < 3_000


@given(ANSWERS)
async def test_only_a_msg_id_without_errcode_is_accepted(answer: Any) -> None:
    """Whatever comes back is accepted, refused or unknown, and accepted only with a msg_id and no errcode."""
    wechat = WeChat(json.dumps(answer).encode())
    (outcome,) = await asyncio.gather(wechat.submit(), return_exceptions=True)
    assert len(wechat.requests) == 1
    if isinstance(outcome, Submitted):
        assert answer.get("errcode", 0) == 0
        assert 0 < outcome.msg_id == int(answer["msg_id"]) < 2**63
    elif isinstance(outcome, Refused):
        assert outcome.errcode == answer["errcode"] != 0
    else:
        assert isinstance(outcome, MaybeWritten)
