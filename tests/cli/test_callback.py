"""`qunfa callback check`, against a real receiver, a real `Account` and a scripted `CheckCallback`."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowExecutionDescription
from typer.testing import Result

from qunfa.cli.callback import CallbackReport, has_arrived
from qunfa.cli.ledger import current_run, describe_account
from qunfa.contract import ACCOUNT, account_id
from qunfa.contract.checks import TEST_MSG_ID_MIN, is_test
from qunfa.contract.ids import CHECK_CALLBACK
from qunfa.contract.ledger import LedgerView
from qunfa.contract.result import JobFinished
from qunfa.settings import Settings
from tests.cli.calls import DESERTED_QUEUE, QUEUE, UNREACHABLE, Qunfa, having, parsed
from tests.cli.stub import CALLBACKS
from tests.e2e.staging import receiving
from tests.looking import PATIENCE, until

TOKEN = "callbackTOKEN0123456789"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OTHER_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
ADDRESS = {"ip": "203.0.113.7", "operator": "UNICOM"}
SEEN = {"dns": [ADDRESS], "ping": [{**ADDRESS, "loss": "0%", "time": "23.079ms"}]}
OK = {"url": "ok", "push": "ok", "temporal": "ok", "wechat": "ok"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The receiver's log does not get among what a command prints."""
    with capture_logs():
        yield


@dataclass(frozen=True)
class Shop:
    """An account that no other test uses, and what this machine's configuration says of its callback."""

    name: str
    appid: str

    def environment(self, mode: str = "plain", **callback: str) -> dict[str, str]:
        """The configuration, without an AppSecret."""
        of = f"QUNFA_ACCOUNTS__{self.name.upper()}__CALLBACK__"
        values = {"TOKEN": TOKEN, "MODE": mode, "AES_KEY": AES_KEY, **callback}
        return having({self.name: self.appid}) | {f"{of}{name}": value for name, value in values.items()}

    def settings(self, mode: str = "plain", **callback: Any) -> Settings:
        """The receiver's configuration."""
        account = {
            "appid": self.appid,
            "secret": "s",
            "kind": "service",
            "callback": {"token": TOKEN, "aes_key": AES_KEY, "mode": mode, **callback},
        }
        return Settings.model_validate(
            {"task_queue": QUEUE, "metrics": {"receiver": ""}, "accounts": {self.name: account}}
        )


@pytest.fixture
def shop() -> Iterator[Shop]:
    """The account; WeChat sees its callback's host."""
    name = f"s{secrets.token_hex(6)}"
    shop = Shop(name, f"wx{secrets.token_hex(8)}")
    CALLBACKS[name] = {"appid": shop.appid, "view": SEEN}
    yield shop
    CALLBACKS.pop(name, None)


@pytest.fixture
async def url(client: Client, shop: Shop) -> AsyncIterator[str]:
    """The address of a receiver with the account's callback in plain mode."""
    async with receiving(shop.settings(), client) as url:
        yield url


@asynccontextmanager
async def serving(answer: bytes, *, ends: bool = True) -> AsyncIterator[str]:
    """A web server that is not the receiver."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length: " in head:
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
        writer.write(answer)
        await writer.drain()
        if not ends:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


Check = Callable[..., Awaitable[Result]]


@pytest.fixture
def check(qunfa: Qunfa, shop: Shop) -> Check:
    """Run the check of the account's callback at a receiver's address."""

    async def run(at: str, *args: str, mode: str = "plain", **callback: str) -> Result:
        given = ("callback", "check", shop.name, "--url", f"{at}/wechat/{shop.name}", *args)
        return await qunfa(*given, **shop.environment(mode, **callback))

    return run


def states(result: Result) -> dict[str, str]:
    """The state of each step of a check with `--json`."""
    return {step.name: step.state for step in CallbackReport.model_validate(parsed(result)).steps}


def todo(result: Result, name: str) -> str:
    """What to do about a step of a check with `--json`."""
    [step] = [step for step in CallbackReport.model_validate(parsed(result)).steps if step.name == name]
    assert step.state == "failed"
    return f"{step.said} → {step.todo}"


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
async def test_a_callback_that_works_is_four_times_ok(client: Client, shop: Shop, check: Check, mode: str) -> None:
    """URL, push in the account's mode, Temporal, WeChat; exit 0, and what WeChat sees."""
    async with receiving(shop.settings(mode), client) as url:
        result = await check(url, mode=mode)
    assert result.exit_code == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == f"{shop.name}  {mode} mode  {url}/wechat/{shop.name}"
    assert [line.split()[:2] for line in lines[1:5]] == [["ok", name] for name in OK]
    assert f"in the history of {account_id(shop.appid)}" in lines[3]
    assert "ping  203.0.113.7  0% lost  23.079ms  from UNICOM" in lines
    assert lines[-1] == "WeChat's pushes get through to Temporal."


async def test_a_test_push_leaves_nothing_behind(client: Client, shop: Shop, check: Check) -> None:
    """The account's workflow has had it, and neither keeps it nor counts it. --json has every step, and no secret."""
    async with receiving(shop.settings("safe"), client) as url:
        results = [await check(url, "--json", mode="safe") for _ in range(2)]
    first, second = [CallbackReport.model_validate(parsed(result)) for result in results]
    assert [states(result) for result in results] == [OK, OK]
    assert (first.ok, first.mode, first.appid) == (True, "safe", shop.appid)
    assert first.wechat is not None
    assert first.wechat.view is not None
    assert [ping.time for ping in first.wechat.view.ping] == ["23.079ms"]
    assert (first.msg_id != second.msg_id, is_test(first.msg_id)) == (True, True)
    assert [secret for secret in (TOKEN, AES_KEY) if secret in results[0].output] == []
    handle = client.get_workflow_handle(account_id(shop.appid))
    view: LedgerView = await handle.query("ledger", result_type=LedgerView)
    assert (view.kept, view.book, view.records) == ((), {}, ())


async def test_an_older_push_is_never_taken_for_this_one(client: Client, shop: Shop, check: Check) -> None:
    """A receiver with another Temporal is found out, also when an earlier check had got through."""
    elsewhere = Client(client.service_client, namespace="default", data_converter=client.data_converter)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qunfa.cli.callback.PATIENCE", timedelta(seconds=0.5))
        async with receiving(shop.settings(), elsewhere) as wrong:
            assert states(await check(wrong, "--json")) == {**OK, "temporal": "failed"}
            async with receiving(shop.settings(), client) as url:
                patch.setattr("qunfa.cli.callback.PATIENCE", timedelta(seconds=PATIENCE))
                assert states(await check(url, "--json")) == OK
            patch.setattr("qunfa.cli.callback.PATIENCE", timedelta(seconds=0.5))
            result = await check(wrong, "--json")
    assert (result.exit_code, states(result)) == (1, {**OK, "temporal": "failed"})
    assert f"another Temporal than this command ({client.service_client.config.target_host}" in todo(result, "temporal")


@pytest.mark.long
async def test_a_push_is_found_in_a_run_that_has_been_continued(client: Client, shop: Shop) -> None:
    """The account's workflow may begin a new run just before the push, or right after it."""
    handle = await client.start_workflow(ACCOUNT, id=account_id(shop.appid), task_queue=QUEUE)
    since = await current_run(client, shop.appid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workflows.account.MESSAGES_PER_RUN", 1)
        for number in range(3):
            run = (await handle.describe()).run_id
            await handle.signal("push", JobFinished(msg_id=TEST_MSG_ID_MIN + number, status="s"))
            await until(handle.describe, _of_another(run))
        now = await current_run(client, shop.appid)
        assert await has_arrived(client, shop.appid, TEST_MSG_ID_MIN, since)
        assert await has_arrived(client, shop.appid, TEST_MSG_ID_MIN + 2, since)
        patch.setattr("qunfa.cli.callback.PATIENCE", timedelta(seconds=0.5))
        assert not await has_arrived(client, shop.appid, TEST_MSG_ID_MIN, now)
        assert not await has_arrived(client, shop.appid, TEST_MSG_ID_MIN + 9, since)


async def test_a_push_is_found_that_begins_the_account_again(client: Client, shop: Shop) -> None:
    """Somebody has terminated its workflow: no run before the push leads to that which has it."""
    first = await client.start_workflow(ACCOUNT, id=account_id(shop.appid), task_queue=QUEUE)
    await first.terminate()
    since = await current_run(client, shop.appid)
    push = JobFinished(msg_id=TEST_MSG_ID_MIN, status="s")
    await client.start_workflow(ACCOUNT, id=first.id, task_queue=QUEUE, start_signal="push", start_signal_args=[push])
    assert await has_arrived(client, shop.appid, TEST_MSG_ID_MIN, since)


def _of_another(run: str) -> Callable[[WorkflowExecutionDescription], bool]:
    return lambda now: now.run_id != run


DIFFER = "token, aes_key, mode, appid or original_id"
BEHIND = {"forward_to": "http://127.0.0.1:1/", "forward_results": True}


@pytest.mark.parametrize(
    ("configured", "seen"),
    [
        ({"token": "another0123"}, ("plain", {"url", "push"}, DIFFER)),
        ({"mode": "safe"}, ("plain", {"push"}, DIFFER)),
        ({"mode": "safe", "aes_key": OTHER_KEY}, ("safe", {"push"}, DIFFER)),
        ({"mode": "plain"}, ("safe", {"push"}, "most likely its mode is plain")),
        ({"sources": ["192.0.2.0/24"]}, ("plain", {"url", "push"}, "sources")),
        (BEHIND, ("plain", {"push"}, "look at its log")),
    ],
    ids=["token", "mode", "key", "plain receiver", "sources", "the system behind"],
)
async def test_what_the_receiver_refuses_is_explained(
    client: Client, shop: Shop, check: Check, configured: dict[str, Any], seen: tuple[str, set[str], str]
) -> None:
    """Each of its words says what differs; Temporal is not looked at before the push is answered.

    In a rotation the new token counts: a receiver that has only the old one is found out.
    """
    mode, failed, word = seen
    async with receiving(shop.settings(**configured), client) as url:
        result = await check(url, "--json", mode=mode, TOKEN_OLD="another0123")
    expected = {**OK, **dict.fromkeys(failed, "failed"), "temporal": "skipped"}
    assert (result.exit_code, states(result)) == (1, expected)
    assert word in todo(result, "push")


async def test_another_server_at_the_url(client: Client, shop: Shop, check: Check) -> None:
    """Something that the receiver never says, a receiver with an older configuration, or nobody."""
    async with serving(b"HTTP/1.1 404 X\r\nContent-Length: 9\r\nConnection: close\r\n\r\nNot Found") as url:
        result = await check(url, "--json")
    assert states(result) == {"url": "failed", "push": "failed", "temporal": "skipped", "wechat": "ok"}
    assert "answered 404 'Not Found'" in todo(result, "url")
    assert "Something else answers" in todo(result, "push")
    async with receiving(Shop("other", "wxother0123456789").settings(), client) as url:
        result = await check(url, "--json")
    assert "has no token for this account" in todo(result, "url")
    result = await check("http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "no answer (ConnectError" in result.stdout
    assert "Start the receiver (`qunfa callback`)" in result.stdout
    assert "signature" not in result.output


async def test_a_system_that_gets_results_as_well_answers_the_push(client: Client, shop: Shop, check: Check) -> None:
    """What it says is WeChat's answer; the push has come to Temporal before."""
    async with (
        serving(b"HTTP/1.1 200 X\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<xml>") as behind,
        receiving(shop.settings(forward_to=behind, forward_results=True), client) as url,
    ):
        result = await check(url, "--json", FORWARD_TO=behind, FORWARD_RESULTS="true")
    assert states(result) == OK
    assert "the system behind forward_to" in result.stdout


async def test_an_answer_without_end_is_given_up(client: Client, shop: Shop, check: Check) -> None:
    """After the time that WeChat would wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qunfa.cli.callback.DEADLINE", timedelta(seconds=0.3))
        async with serving(b"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\nsuccess", ends=False) as url:
            result = await check(url, "--json")
    assert "no answer within 0.3 s" in todo(result, "push")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"problem": "WeChat answered 40201", "errcode": 40201}, ["WeChat answered 40201", "服务器配置"]),
        ({"problem": "WeChat did not answer"}, ["WeChat did not answer", "Repeat this in some minutes"]),
        ({"view": {"dns": [], "ping": []}}, ["finds no address", "Correct the host"]),
        ({"appid": "wxanother", "view": SEEN}, ["the workers have wxanother", "the same configuration"]),
        (["account: nobody knows it"], ["the workers refuse: account: nobody knows it"]),
    ],
    ids=["refused", "silent", "no address", "another appid", "unknown there"],
)
async def test_what_wechat_does_not_see_is_explained(
    url: str, shop: Shop, check: Check, said: Any, words: list[str]
) -> None:
    """The other steps are not hurt by it."""
    CALLBACKS[shop.name] = {"appid": shop.appid, **said} if isinstance(said, dict) else said
    result = await check(url, "--json")
    assert (result.exit_code, states(result)) == (1, {**OK, "wechat": "failed"})
    assert all(word in todo(result, "wechat") for word in words)


async def test_the_receiver_of_this_machine_is_checked_without_a_url(url: str, qunfa: Qunfa, shop: Shop) -> None:
    """Where it listens stands in the configuration. A host that answers no ping is a hint, and nothing is wrong."""
    CALLBACKS[shop.name] = {"appid": shop.appid, "view": {**SEEN, "ping": [{**ADDRESS, "loss": "100%"}]}}
    port = url.rpartition(":")[2]
    result = await qunfa("callback", "check", shop.name, **shop.environment(), QUNFA_RECEIVER__PORT=port)
    assert result.exit_code == 0
    assert f"http://127.0.0.1:{port}/wechat/{shop.name}" in result.stdout
    assert "→ 203.0.113.7 does not answer WeChat's ping" in result.stdout


async def test_without_a_worker_that_answers_wechat_cannot_be_asked(
    url: str, client: Client, shop: Shop, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a worker has the credentials. Nothing is left running."""
    result = await check(url, "--json", "--task-queue", DESERTED_QUEUE)
    assert (result.exit_code, states(result)) == (1, {**OK, "wechat": "failed"})
    assert f"no worker polls the task queue {DESERTED_QUEUE}" in todo(result, "wechat")
    del CALLBACKS[shop.name]
    monkeypatch.setattr("qunfa.cli.temporal_checks.WECHAT_WITHIN", timedelta(seconds=1))
    result = await check(url, "--json")
    assert "no worker answered within 1 s" in todo(result, "wechat")
    running = f"WorkflowType = '{CHECK_CALLBACK}' AND ExecutionStatus = 'Running'"

    async def left() -> list[str]:
        return [one.id async for one in client.list_workflows(running) if shop.name in one.id]

    await until(left, lambda ids: not ids)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("check",), "ACCOUNT"),
        (("check", "nobody"), "has no account nobody"),
        (("check", "bare"), "has no token"),
        (("check", "shop", "--url", "your.host/wechat/shop"), "whole URL"),
        (("check", "shop", "--url", "https://li:x@your.host/wechat/shop"), "whole URL"),
        (("check", "shop", "--url", "http://[::1/wechat"), "is no URL"),
        (("check", "shop"), "receiver.port is 0"),
        (("--port", "1", "check", "shop"), "leave them out"),
    ],
)
async def test_wrong_use_of_a_callback_check_is_exit_2(qunfa: Qunfa, args: tuple[str, ...], word: str) -> None:
    """Before anything is asked of anybody."""
    environment = {**Shop("shop", "wxshop").environment(), **having({"bare": "wxbare"}), "QUNFA_RECEIVER__PORT": "0"}
    result = await qunfa("callback", *args, **environment, **UNREACHABLE)
    assert result.exit_code == 2, result.output
    assert word in result.stderr


async def test_a_push_needs_a_temporal_to_look_at(url: str, client: Client, shop: Shop, qunfa: Qunfa) -> None:
    """Exit 3, and nothing is pushed."""
    given = {**shop.environment(), **UNREACHABLE}
    result = await qunfa("callback", "check", shop.name, "--url", f"{url}/wechat/{shop.name}", **given)
    assert (result.exit_code, result.stdout) == (3, "")
    assert await describe_account(client, shop.appid) is None
