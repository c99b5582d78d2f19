import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from pydantic import SecretStr

from qunfa.rules.codes import CodeClass
from qunfa.simulator import Simulator, SimulatorConfig
from qunfa.wechat import Content, Credentials, Filter, NoToken, OfficialAccount, Refused, Tokens, sendall_body
from tests.wechat.conftest import SECRET

APPID = "wx0123456789abcdef"
CONFIG = SimulatorConfig.model_validate(
    {
        "accounts": {
            "demo": {"appid": APPID, "secret": SECRET, "followers": 100, "tags": [{"id": 2, "name": "A", "count": 5}]},
            "closed": {"appid": "wx0000000000000002", "secret": SECRET, "ip_whitelist": ["192.0.2.1"]},
        },
    }
)
BODY = sendall_body(Filter.tag(2), Content.text("群发🎉"), clientmsgid="c-1")


@dataclass
class Process:
    """What a worker process has: a client, its tokens and its accounts; its clock is the simulator's."""

    http: httpx.AsyncClient
    simulator: Simulator
    source: str = "stable"
    tokens: Tokens = field(init=False)
    demo: OfficialAccount = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = Tokens(self.http, self.simulator.url, [self.credentials("demo", APPID)], clock=self.clock)
        self.demo = OfficialAccount(self.http, self.simulator.url, "demo", APPID)

    def credentials(self, account: str, appid: str, secret: str = SECRET) -> Credentials:
        return Credentials(account=account, appid=appid, secret=SecretStr(secret), source=self.source)

    def clock(self) -> float:
        return self.simulator.world.clock.now()


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Simulator]:
    """One simulator for all tests of this module."""
    async with Simulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture
async def simulator(running: Simulator) -> Simulator:
    """The simulator as new."""
    await running.reset()
    return running


@pytest.fixture
async def process(simulator: Simulator, http: httpx.AsyncClient) -> Process:
    """A process with stable tokens."""
    return Process(http, simulator)


async def test_an_expired_token_is_replaced_in_time(process: Process) -> None:
    """Hour after hour the token in hand is good, and it changes before it ends."""
    seen = set()
    for _ in range(24):
        token = await process.tokens.get("demo")
        await process.demo.tags(token)
        seen.add(token)
        process.simulator.world.clock.advance(550)
    assert len(seen) == 2


async def test_two_processes_share_stable_tokens(process: Process) -> None:
    """Stable tokens are the same for every process, so that none breaks another's."""
    other = Process(process.http, process.simulator)
    token, others = await asyncio.gather(process.tokens.get("demo"), other.tokens.get("demo"))
    assert token == others


async def test_the_war_of_classic_tokens(simulator: Simulator, http: httpx.AsyncClient) -> None:
    """A token that another process has made invalid is refused; forgotten and fetched anew, the call goes through."""
    process, other = (Process(http, simulator, source="classic") for _ in range(2))
    token = await process.tokens.get("demo")
    await other.tokens.get("demo")
    simulator.world.clock.advance(301)
    with pytest.raises(Refused) as refused:
        await process.demo.sendall(token, BODY)
    assert refused.value.code.code_class is CodeClass.TOKEN
    process.tokens.forget("demo", token)
    await process.demo.sendall(await process.tokens.get("demo"), BODY)
    assert len(simulator.world.jobs) == 1


@pytest.mark.parametrize(
    ("account", "appid", "secret", "problem"),
    [
        ("demo", APPID, "x" * 32, "account_refused"),
        ("demo", "wx9999999999999999", SECRET, "account_refused"),
        ("closed", "wx0000000000000002", SECRET, "ip_not_whitelisted"),
    ],
    ids=["wrong secret", "wrong appid", "unknown address"],
)
@pytest.mark.parametrize("source", ["stable", "classic"])
async def test_no_token(source: str, process: Process, *, account: str, appid: str, secret: str, problem: str) -> None:
    """Where WeChat gives no token the error names the problem that a person can solve."""
    process.source = source
    tokens = Tokens(process.http, process.simulator.url, [process.credentials(account, appid, secret)])
    with pytest.raises(NoToken) as caught:
        await tokens.get(account)
    assert caught.value.refused is not None
    assert caught.value.refused.code.problem == problem
