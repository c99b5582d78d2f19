from itertools import permutations
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from qunfa.callback import sign
from qunfa.callback.signature import is_genuine, read_query, read_signed
from tests.callback.pushing import TOKEN, signed

WORDS = st.text(max_size=20)


@pytest.mark.parametrize(
    ("token", "timestamp", "nonce", "signature"),
    [
        ("AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
        ("AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
        ("wxtoken0001", "1700000000", "987654321", "5543dc8e9df5648421f77e12f99650628eecf5c6"),
        ("a", "b", "c", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ],
)
def test_known_signatures(token: str, timestamp: str, nonce: str, signature: str) -> None:
    """Signatures of real pushes, and of SHA-1's own test vector, are made and recognised."""
    query = {"signature": [signature], "timestamp": [timestamp], "nonce": [nonce]}

    assert sign(token, timestamp, nonce) == signature
    assert is_genuine([token], read_signed(query))


@given(WORDS, WORDS, WORDS)
def test_the_three_texts_are_sorted_first(one: str, two: str, three: str) -> None:
    """The three texts are sorted first."""
    assert len({sign(*order) for order in permutations((one, two, three))}) == 1


@given(token=WORDS, signature=WORDS, timestamp=WORDS, nonce=WORDS)
def test_any_query(token: str, signature: str, timestamp: str, nonce: str) -> None:
    """No text, of whatever characters, breaks the check or passes it."""
    query = {"signature": [signature], "timestamp": [timestamp], "nonce": [nonce]}

    assert not is_genuine([token], read_signed(query))


@given(raw=st.text("ab=&;%+ 1\u00e9", max_size=20).map(lambda text: text.encode("latin-1")))
def test_query(raw: bytes) -> None:
    """A query is read as the standard library reads it, with something encoded in it or without."""
    assert read_query(raw) == parse_qs(raw.decode("latin-1"), keep_blank_values=True)


async def test_an_address_is_verified_by_its_signature(http: httpx.AsyncClient) -> None:
    """The console's check gets its own text back, byte for byte."""
    answer = await http.get("/wechat/demo", params=signed(echostr="7318 & <b>啊"))

    assert answer.status_code == 200
    assert answer.text == "7318 & <b>啊"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("without", ["signature", "timestamp", "nonce", "echostr"])
async def test_url_verification_needs_all_parameters(http: httpx.AsyncClient, without: str) -> None:
    """A check that lacks a parameter is refused."""
    query = signed(echostr="1")
    del query[without]

    assert (await http.get("/wechat/demo", params=query)).status_code == 403


async def test_url_verification_by_a_stranger(http: httpx.AsyncClient) -> None:
    """Who does not know the token gets no echo."""
    answer = await http.get("/wechat/demo", params=signed(token="guess", echostr="echo"))

    assert answer.status_code == 403
    assert "echo" not in answer.text


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
async def test_a_repeated_parameter_is_no_signature(http: httpx.AsyncClient, name: str) -> None:
    """A parameter given twice is ambiguous: whoever signs one of them may not choose the other."""
    query = QueryParams([*signed().items(), (name, "x")])

    assert (await http.post("/wechat/demo", params=str(query), content=b"<xml/>")).status_code == 403


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
async def test_empty_parameter(http: httpx.AsyncClient, name: str) -> None:
    """An empty parameter is a missing one."""
    assert (await http.post("/wechat/demo", params={**signed(), name: ""}, content=b"<xml/>")).status_code == 403


async def test_signature_in_upper_case(http: httpx.AsyncClient) -> None:
    """WeChat writes lower case; nothing else is taken."""
    query = signed()
    query["signature"] = query["signature"].upper()

    assert (await http.post("/wechat/demo", params=query, content=b"<xml/>")).status_code == 403


async def test_unknown_and_silent_accounts_look_alike(http: httpx.AsyncClient) -> None:
    """An account without a callback is not told from one that does not exist, whatever the signature."""
    answers = [
        await http.request(method, f"/wechat/{name}", params=signed(token=token, echostr="1"))
        for method in ("GET", "POST")
        for name in ("silent", "nobody")
        for token in (TOKEN, "guess")
    ]

    assert {(answer.status_code, answer.text) for answer in answers} == {(404, "unknown_account")}
