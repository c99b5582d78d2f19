import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from qunfa.rules.codes import CodeClass, refused_address
from qunfa.wechat import Credentials, NoToken, NotWritten, Token, Tokens
from tests.wechat.conftest import SECRET, TOKEN, everything_about

DEMO = Credentials(account="demo", appid="wx0001", secret=SecretStr(SECRET))
CLASSIC = Credentials(account="demo", appid="wx0001", secret=SecretStr(SECRET), source="classic")
SERVED = Credentials(account="demo", appid="wx0001", source="https://token.internal/demo?key=k1")
OTHER = Credentials(account="other", appid="wx0002", secret=SecretStr(SECRET))
SOURCES = pytest.mark.parametrize("credentials", [DEMO, CLASSIC, SERVED], ids=["stable", "classic", "token server"])


class TokenServer:
    """Gives out `t1`, `t2`, … once its gate is open, or what `answers` says first, or `held` for its path."""

    def __init__(self, *answers: Any, expires_in: int = 7200, accounts: Sequence[Credentials] = (DEMO,)) -> None:
        self.answers = list(answers)
        self.held: dict[str, Any] = {}
        self.expires_in = expires_in
        self.requests: list[httpx.Request] = []
        self.arrived = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = 1000.0
        http = httpx.AsyncClient(transport=httpx.MockTransport(self))
        self.tokens = Tokens(http, "https://wechat.example", accounts, clock=lambda: self.now)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.arrived.set()
        await self.gate.wait()
        given = self.held.get(request.url.path, {"access_token": f"t{len(self.requests)}"})
        answer = self.answers.pop(0) if self.answers else given
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return httpx.Response(200, content=answer)
        return httpx.Response(200, json={"expires_in": self.expires_in, **answer})

    async def token(self, account: str = "demo") -> str:
        return (await self.tokens.get(account)).get_secret_value()


async def test_fifty_calls_share_one_fetch() -> None:
    """However many want a token at once, one is fetched for each account. One without credentials is a mistake."""
    server = TokenServer(accounts=[DEMO, OTHER])
    assert len(set(await asyncio.gather(*(server.token() for _ in range(50)), server.token("other")))) == 2
    assert len(server.requests) == 2
    assert {json.loads(request.content)["appid"] for request in server.requests} == {"wx0001", "wx0002"}
    with pytest.raises(KeyError, match="nobody"):
        await server.token("nobody")


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_cancelled_caller_does_not_stop_the_fetch(cancelled: int) -> None:
    """The fetch goes on for those who still wait, whoever of them began it."""
    server = TokenServer()
    server.gate.clear()
    waiting = [asyncio.create_task(server.token()) for _ in range(3)]
    await server.arrived.wait()
    waiting[cancelled].cancel()
    await asyncio.wait([waiting[cancelled]])
    server.gate.set()
    got = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in got] == [n == cancelled for n in range(3)]
    assert len(server.requests) == 1


async def test_a_failed_fetch_fails_for_those_who_wait_for_it() -> None:
    """The failure belongs to the fetch: the next call fetches again."""
    server = TokenServer(httpx.ConnectError("no"))
    got = await asyncio.gather(*(server.token() for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in got] == [NoToken] * 5
    assert len({id(one) for one in got}) == 5
    assert len(server.requests) == 1
    assert await server.token() == "t2"


@pytest.mark.parametrize(("expires_in", "fresh_for"), [(7200, 7000), (6900, 6700), (300, 150), (100, 50), (1, 0.5)])
async def test_a_token_is_fetched_anew_before_it_ends(expires_in: int, fresh_for: float) -> None:
    """A token is renewed 200 seconds before its end: by then `stable_token` has the next one ready."""
    server = TokenServer(expires_in=expires_in)
    await server.token()
    server.now += fresh_for - 0.1
    assert await server.token() == "t1"
    server.now += 0.2
    assert await server.token() == "t2"


async def test_the_life_of_a_token_starts_when_it_is_asked_for() -> None:
    """A slow answer does not make a token live longer."""
    server = TokenServer()
    server.gate.clear()
    first = asyncio.create_task(server.token())
    await server.arrived.wait()
    server.now += 7001
    server.gate.set()
    await first
    assert await server.token() == "t2"


async def test_a_newer_token_is_not_forgotten() -> None:
    """A refused token is replaced. The fresh one survives the complaints of other calls about the old one."""
    server = TokenServer()
    old = await server.tokens.get("demo")
    server.tokens.forget("demo", old)
    await server.token()
    server.tokens.forget("demo", old)
    server.tokens.forget("other", old)
    assert await server.token() == "t2"
    assert len(server.requests) == 2


ASKED = {"grant_type": "client_credential", "appid": "wx0001", "secret": SECRET}


@pytest.mark.parametrize(
    ("credentials", "call", "query", "body"),
    [
        (DEMO, "POST https://wechat.example/cgi-bin/stable_token", {}, {**ASKED, "force_refresh": False}),
        (CLASSIC, "GET https://wechat.example/cgi-bin/token", ASKED, None),
        (SERVED, "GET https://token.internal/demo", {"key": "k1"}, None),
    ],
)
async def test_each_source_is_asked_in_its_way(credentials: Credentials, call: str, query: Any, body: Any) -> None:
    """`stable_token` is never forced: that would break every other process. A token server is told no secret."""
    server = TokenServer(accounts=[credentials])
    assert await server.token() == "t1"
    (request,) = server.requests
    assert f"{request.method} {request.url.copy_with(query=None)}" == call
    assert (dict(request.url.params), json.loads(request.content or b"null")) == (query, body)


ODD: dict[str, Any] = {
    "not reached": httpx.ConnectError("no"),
    "no answer": httpx.ReadTimeout("no"),
    "no token": {"access_token": None},
    "an empty token": {"access_token": ""},
    "a token without a life": {"access_token": TOKEN, "expires_in": 0},
    "a token that has ended": {"access_token": TOKEN, "expires_in": -1},
    "a token of more seconds than a float holds": {"access_token": TOKEN, "expires_in": 10**400},
    "a token of more than a year": {"access_token": TOKEN, "expires_in": str(366 * 86400 + 1)},
    "an odd errcode": {"errcode": "x"},
    "a web page": b"<html>login</html>",
    "refused": {"errcode": 40125, "errmsg": f"invalid appsecret {SECRET}, secret={SECRET}"},
    "a wrong secret": {"errcode": 40001, "errmsg": "invalid credential"},
}


@SOURCES
@pytest.mark.parametrize("odd", ODD)
async def test_without_a_token_nothing_was_written(credentials: Credentials, odd: str) -> None:
    """A refusal is a person's matter. No text, field, chain or frame shows secret, token, or the token server's key."""
    answer = ODD[odd]
    if isinstance(answer, dict) and credentials is SERVED:
        answer = {**answer, "errmsg": f"no grant for {SERVED.source}"}
    tokens = TokenServer(answer, accounts=[credentials]).tokens
    del answer
    with pytest.raises(NotWritten, match=r"account demo: no access token could be had.*Nothing was sent") as caught:
        await tokens.get("demo")
    assert isinstance(caught.value, NoToken)
    assert ("the token server token.internal" in str(caught.value)) == (credentials is SERVED)
    refused = caught.value.refused
    assert (refused and refused.code.code_class) == (
        CodeClass.REFUSED if odd in {"refused", "a wrong secret"} else None
    )
    shown = everything_about(caught.value) + (everything_about(refused) if refused else "")
    assert [secret for secret in (SECRET, TOKEN, "key=k1") if secret in shown] == []
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


SHARED = {"access_token": TOKEN}
BOTH = [replace(SERVED, account=name, source=f"https://token.internal/{name}") for name in ("demo", "other")]


async def shared(server: TokenServer, account: str) -> None:
    by = "other" if account == "demo" else "demo"
    said = f"account {account}: .* from the token server token.internal: account {by} has been given the same token"
    with pytest.raises(NoToken, match=said) as caught:
        await server.token(account)
    assert (caught.value.refused, TOKEN in everything_about(caught.value)) == (None, False)


def one_for_both() -> TokenServer:
    """Its service gives one token for two accounts, until a test puts it right."""
    server = TokenServer(accounts=BOTH)
    server.held = {"/demo": SHARED, "/other": SHARED}
    return server


@pytest.mark.parametrize(("asks", "idle"), [("demo", "other"), ("other", "demo")])
async def test_no_two_accounts_go_by_the_same_token(asks: str, idle: str) -> None:
    """A service has mixed them up, and nobody knows which of them would send to the followers of the other.

    Once it is put right, each has its own, also where the other asks for nothing.
    """
    server = one_for_both()
    assert await server.token() == TOKEN
    for account in ("other", "demo", "other", "other"):
        await shared(server, account)
    server.held["/demo"] = {"access_token": "of demo"}
    own = {"demo": "of demo", "other": TOKEN}
    for _ in range(2):
        assert (await server.token(asks), await server.token(idle)) == (own[asks], own[idle])
    assert len(server.requests) == 1 + 1 + 3 * 2 + 3 + 1


@pytest.mark.parametrize("later", [0, 6999, 7001, 3 * 7200])
async def test_a_mix_up_is_over_only_once_it_is_put_right(later: float) -> None:
    """The token that both are given ends, or is renewed: it is still that of one of them."""
    server = one_for_both()
    await server.token()
    await shared(server, "other")
    server.now += later
    await shared(server, "other")
    server.held = {path: {"access_token": "the next one"} for path in server.held}
    for account in ("other", "demo"):
        await shared(server, account)


async def test_a_token_renewed_between_two_answers_is_shared() -> None:
    """Each account seems to have its own then, until the first one is asked once more."""
    renewed = {"access_token": "the next one"}
    server = TokenServer(SHARED, SHARED, SHARED, renewed, renewed, accounts=BOTH)
    await server.token()
    for _ in range(2):
        await shared(server, "other")


@pytest.mark.parametrize("told", [(), ({"access_token": "of demo"}, SHARED)], ids=["before", "after"])
async def test_a_mix_up_stays_while_one_account_gets_no_token(told: Sequence[Any]) -> None:
    """Nobody can tell yet whether it is put right."""
    server = TokenServer(SHARED, SHARED, *told, httpx.ConnectError("no"), accounts=BOTH)
    await server.token()
    for _ in range(2):
        await shared(server, "other")


async def test_a_mix_up_of_three_accounts_holds_each_of_them() -> None:
    """Two of them are put right: they go on, as does the third, whose token it is."""
    third = replace(SERVED, account="third", source="https://token.internal/third")
    server = TokenServer(accounts=[*BOTH, third])
    server.held = dict.fromkeys(("/demo", "/other", "/third"), SHARED)
    await server.token()
    await shared(server, "other")
    with pytest.raises(NoToken, match="has been given the same token"):
        await server.token("third")
    server.held["/demo"] = {"access_token": "of demo"}
    for account in ("other", "third"):
        with pytest.raises(NoToken, match="has been given the same token"):
            await server.token(account)
    server.held["/other"] = {"access_token": "of other"}
    got = [await server.token(account) for account in ("demo", "other", "third")]
    assert got == ["of demo", "of other", TOKEN]


async def test_a_renewal_by_a_shared_token_leaves_none_to_either() -> None:
    """So both ask again, and each is given its own as soon as that is put right."""
    server = TokenServer({"access_token": "t1"}, SHARED, SHARED, accounts=BOTH)
    assert (await server.token(), await server.token("other")) == ("t1", TOKEN)
    with pytest.raises(NoToken, match="other has been given the same"):
        await server.tokens.renew("demo")
    assert (await server.token(), await server.token("other")) == ("t5", "t7")


async def test_a_token_service_names_the_address_that_is_refused() -> None:
    """A person puts it on the whitelist. Its other words may quote its URL."""
    said = f"invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9 for {SERVED.source} rid: 6b06-91de"
    tokens = TokenServer({"errcode": 40164, "errmsg": said}, accounts=[SERVED]).tokens
    with pytest.raises(NoToken) as caught:
        await tokens.get("demo")
    refused = caught.value.refused
    assert refused is not None
    assert (refused_address(refused.errmsg), refused.rid) == ("203.0.113.9", "6b06-91de")
    assert "key=k1" not in refused.errmsg


def test_tokens_and_credentials_hide_themselves() -> None:
    """Neither shows what it holds when it is printed."""
    shown = f"{Token(TOKEN)} {Token(TOKEN)!r} {DEMO} {DEMO!r} {SERVED!r}"
    assert [secret for secret in (SECRET, TOKEN, "key=k1") if secret in shown] == []


@pytest.mark.parametrize(
    ("credentials", "fetches"), [(DEMO, 2), (SERVED, 2), (CLASSIC, 1)], ids=["stable", "served", "classic"]
)
async def test_a_token_is_renewed_where_that_harms_nobody(credentials: Credentials, fetches: int) -> None:
    """Past the cache, so that it is seen whether one can be had now; a classic one would make all others invalid."""
    server = TokenServer(accounts=[credentials])
    await server.token()
    renewed = await server.tokens.renew("demo")
    assert len(server.requests) == fetches
    assert await server.tokens.get("demo") == renewed
    assert len(server.requests) == fetches


async def test_a_renewal_that_is_refused_leaves_the_token_that_is_there() -> None:
    """It is still good."""
    server = TokenServer({"access_token": "t1"}, {"errcode": 40164, "errmsg": "invalid ip 1.2.3.4"})
    first = await server.token()
    with pytest.raises(NoToken):
        await server.tokens.renew("demo")
    assert await server.token() == first
