import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from qunfa.rules.codes import CodeClass
from qunfa.simulator import Fault, Simulator, SimulatorConfig, openid
from qunfa.wechat import (
    Content,
    Credentials,
    Filter,
    MaybeWritten,
    MsgStatus,
    NoToken,
    OfficialAccount,
    Refused,
    SendallBody,
    Tag,
    Tokens,
    open_http,
    send_body,
    sendall_body,
)
from tests.wechat.conftest import SECRET

APPID = "wx0123456789abcdef"
CONFIG = SimulatorConfig.model_validate(
    {
        "accounts": {
            "demo": {
                "appid": APPID,
                "secret": SECRET,
                "followers": 100,
                "tags": [{"id": 2, "name": "星标组", "count": 5}],
            },
            "closed": {"appid": "wx0000000000000002", "secret": SECRET, "ip_whitelist": ["192.0.2.1"]},
        },
    }
)


def to_tag(clientmsgid: str) -> SendallBody:
    """A text to the followers with tag 2."""
    return sendall_body(Filter.tag(2), Content.text("群发🎉"), clientmsgid=clientmsgid)


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


async def test_a_send_to_a_tag(process: Process) -> None:
    """A job is accepted with a msg_id, by which its state can be asked for until it is delivered."""
    token = await process.tokens.get("demo")
    submitted = await process.demo.sendall(token, to_tag("c-1"))
    assert (await process.demo.get(token, submitted.msg_id)).msg_status is MsgStatus.SENDING
    process.simulator.world.clock.advance(60)
    await process.simulator.world.settled()
    assert (await process.demo.get(token, submitted.msg_id)).msg_status is MsgStatus.SEND_SUCCESS
    [job] = process.simulator.world.jobs
    assert (job.msg_id, job.clientmsgid) == (submitted.msg_id, "c-1")


async def test_a_send_to_openids(process: Process) -> None:
    """So is one to a list of openids, and only these receive it."""
    token = await process.tokens.get("demo")
    openids = [openid(APPID, number) for number in (3, 7)]
    await process.demo.send(token, send_body(openids, Content.text("群发🎉"), clientmsgid="c-1"))
    process.simulator.world.clock.advance(60)
    world = process.simulator.world
    await world.settled()
    assert [number for number, count in enumerate(world.ledger.counts(world.accounts["demo"])) if count] == [3, 7]


async def test_tags_and_quota(process: Process) -> None:
    """Tags come with their followers, an API's quota with what is left of it."""
    token = await process.tokens.get("demo")
    assert Tag(id=2, name="星标组", count=5) in await process.demo.tags(token)
    await process.demo.sendall(token, to_tag("c-1"))
    quota = await process.demo.quota(token, "/cgi-bin/message/mass/sendall")
    assert (quota.used, quota.daily_limit - quota.remain) == (1, 1)


async def test_a_repeated_submission_is_one_job(process: Process) -> None:
    """The same clientmsgid again is first "still being processed", then "accepted before" with the job's msg_id."""
    token = await process.tokens.get("demo")
    submitted = await process.demo.sendall(token, to_tag("c-1"))
    with pytest.raises(Refused) as soon:
        await process.demo.sendall(token, to_tag("c-1"))
    process.simulator.world.clock.advance(61)
    with pytest.raises(Refused) as later:
        await process.demo.sendall(token, to_tag("c-1"))
    assert (soon.value.errcode, soon.value.code.code_class) == (45066, CodeClass.UNKNOWN)
    assert (later.value.code.code_class, later.value.msg_id) == (CodeClass.DUPLICATE, submitted.msg_id)
    assert len(process.simulator.world.jobs) == 1


@pytest.mark.parametrize(
    "kind", ["timeout_after_accept", "reset_after_accept", "http_502", "broken_json", "ok_without_msg_id"]
)
async def test_a_lost_answer_is_unknown_and_found_again(kind: str, simulator: Simulator) -> None:
    """Where the answer is lost the job may exist, as here; the same clientmsgid finds it and makes no second."""
    fault = Fault.model_validate({"endpoint": "sendall", "kind": kind})
    async with open_http(timedelta(seconds=0.5)) as http:
        process = Process(http, simulator)
        token = await process.tokens.get("demo")
        simulator.world.faults.add(fault)
        with pytest.raises(MaybeWritten):
            await process.demo.sendall(token, to_tag("c-1"))
        simulator.world.clock.advance(61)
        with pytest.raises(Refused) as found:
            await process.demo.sendall(token, to_tag("c-1"))
    assert [job.msg_id for job in simulator.world.jobs] == [found.value.msg_id]


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
        await process.demo.sendall(token, to_tag("c-1"))
    assert refused.value.code.code_class is CodeClass.TOKEN
    process.tokens.forget("demo", token)
    await process.demo.sendall(await process.tokens.get("demo"), to_tag("c-1"))
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
