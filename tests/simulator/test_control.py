"""What the simulator is started from, its clock, its process, and what it tells of itself."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from datetime import date, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qunfa.simulator import Simulator, SimulatorConfig, load_config
from qunfa.simulator.clock import SHANGHAI, rfc3339, shanghai_day, shanghai_month
from tests.looking import PATIENCE
from tests.simulator.api import AES_KEY, NOON, SECRET, Api, Json, Start, account_config, simulator_config
from tests.simulator.inbox import CALLBACK_TOKEN

FILE = """
scale = 60
now = 2026-12-01T09:00:00+08:00

[timing]
delivery = 2

[accounts.demo]
appid = "wx0123456789abcdef"
secret = "nobody-may-read-this"
kind = "subscription"
followers = 1_000_000
limits = {calls_per_day = {mass = 5}}
callback = {url = "http://127.0.0.1:8088/wechat/demo", token = "nor-this", aes_key = "%s"}

[[accounts.demo.tags]]
id = 2
name = "VIP"
count = 50

[[faults]]
endpoint = "sendall"
kind = "timeout_after_accept"

[[pushes]]
status = "err(30003)"
"""
MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(SHANGHAI))  # noqa: DTZ001 - hypothesis wants bounds without a zone
PROCESS = """
from qunfa.simulator import SimulatorConfig, serve
serve(SimulatorConfig(), on_started=lambda url: print(url, flush=True))
"""


def test_a_file_is_read_and_no_secret_is_shown(tmp_path: Path) -> None:
    """What the file says, and defaults for the rest; neither a representation nor a dump has a secret."""
    file = tmp_path / "simulator.toml"
    file.write_text(FILE % AES_KEY, encoding="utf-8")
    config = load_config(file)
    demo = config.accounts["demo"]
    assert (config.scale, config.timing.delivery, config.timing.confirmation) == (60, 2, 1800)
    told = demo.kind, demo.followers, demo.tags[0].count, demo.limits.calls_per_day
    assert told == ("subscription", 1_000_000, 50, {"mass": 5})
    assert (config.faults[0].kind, config.pushes[0].status) == ("timeout_after_accept", "err(30003)")
    shown = repr(config) + str(config.model_dump()) + config.model_dump_json()
    assert not any(secret in shown for secret in ("nobody-may-read-this", "nor-this", AES_KEY))


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    """ValueError for rubbish, and for a fault that cannot strike; OSError for a file that is not there."""
    (tmp_path / "bad.toml").write_text("scale = ", encoding="utf-8")
    with pytest.raises(ValueError, match="Invalid value"):
        load_config(tmp_path / "bad.toml")
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="nowhere"):
        Simulator(SimulatorConfig.model_validate({"faults": [{"kind": "errcode", "endpoint": "nowhere"}]}))


TWICE = {"accounts": {"a": account_config(), "b": account_config()}}


@pytest.mark.parametrize(
    ("where", "changes", "reason"),
    [
        ("sim", {"scale": 0}, "greater than 0"), ("sim", {"now": "2026-12-01T09:00:00"}, "timezone"),
        ("sim", {"colour": "red"}, "not permitted"), ("sim", TWICE, "same appid"),
        ("sim", {"faults": [{"kind": "errcode", "account": "nobody"}]}, "nobody"),
        ("sim", {"faults": [{"kind": "slow_upload"}]}, "needs its seconds"),
        ("sim", {"pushes": [{"drop": True, "account": "nobody"}]}, "nobody"),
        ("sim", {"pushes": [{"delay": float("inf")}]}, "finite"), ("account", {"kind": "personal"}, "kind"),
        ("account", {"followers": 3}, "tag 2 needs 5 followers"),
        ("account", {"tags": [{"id": 1, "name": "x"}] * 2}, "same id"),
        ("account", {"limits": {"calls_per_day": {"sendall": 1}}}, "calls_per_day"),
        ("account", {"wxnames": {"boss": 20}}, "'boss' is of follower 20"),
        *[("callback", {"mode": mode}, f"mode {mode} needs an aes_key") for mode in ("safe", "compat")],
        *[("callback", {"aes_key": key}, "43 letters and digits") for key in (AES_KEY[1:], AES_KEY[:-1] + "=")],
        *[("callback", {"url": url}, "url") for url in ("localhost", "http://[::1]:99999/", "http://127.0.0.1:0/")],
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused(where: str, changes: Json, reason: str) -> None:
    """The error names what is wrong."""
    callback = {"url": "http://127.0.0.1:8088/wechat/demo", "token": CALLBACK_TOKEN} | changes
    account = {"callback": callback} if where == "callback" else changes
    config = changes if where == "sim" else {"accounts": {"a": account_config(**account)}}
    with pytest.raises(ValidationError, match=reason):
        SimulatorConfig.model_validate(config)


@pytest.mark.parametrize(
    ("path", "order", "status", "reason"),
    [
        *(("clock", wrong, 400, "") for wrong in ({}, {"advance": -1}, {"advance": "x"}, {"advance": 1, "set": NOON})),
        ("clock", {"set": "2027-01-01T00:00:00"}, 400, "timezone"),
        ("faults", {"kind": "earthquake"}, 400, "kind"), ("faults", {"kind": "slow"}, 400, "seconds"),
        *(("faults", {"kind": "errcode", "endpoint": each}, 400, each) for each in ("nowhere", "all")),
        ("faults", {"kind": "errcode", "unknown": 1}, 400, "unknown"),
        ("faults", {"kind": "errcode", "account": "nobody"}, 404, "nobody"),
        ("faults", {"kind": "slow_upload", "endpoint": "draft/add", "seconds": 1}, 400, "/cgi-bin/media/"),
        ("faults", {"kind": "picture_lost", "endpoint": "media/upload"}, 400, "/cgi-bin/media/"),
        *(("faults", {"kind": each, "endpoint": "send"}, 400, "/media/") for each in ("reset_in_upload", "dies_early")),
        ("push", {"msg_id": 1}, 400, "account"), ("push", {"account": "nobody", "msg_id": 1}, 404, "nobody"),
        ("push", {"account": "demo", "msg_id": "x"}, 400, "msg_id"), ("verify", {}, 400, "account"),
        ("verify", {"account": "nobody"}, 404, "nobody"), ("verify", {"account": "demo", "url": "ftp://x"}, 400, "url"),
        ("media/expire", {}, 400, "either"), ("media/expire", {"account": "nobody"}, 404, "nobody"),
        ("media/expire", {"media_id": "x"}, 404, "media_id"), ("accounts/demo/confirm", {}, 404, "demo"),
        *((f"ledger{wrong}", None, 404, "") for wrong in ("/followers?openid=x", "?account=nobody")),
        ("ledger?by=nothing", None, 400, "clientmsgid"), ("media?account=nobody", None, 404, "nobody"),
        *((f"content?msg_id={wrong}", None, 404, wrong) for wrong in ("1", "x")),
    ],
)  # fmt: skip
async def test_an_order_that_cannot_be_carried_out_is_refused(
    api: Api, path: str, order: Json | None, status: int, reason: str
) -> None:
    """400 for a wrong one, 404 for what is not there. The answer says why, and nothing is added."""
    assert reason in (await api.sim(path, order, expect=status))["error"]
    assert await api.sim("faults") == {"faults": []}


async def test_the_clock_can_be_advanced_and_set(api: Api) -> None:
    """It starts at `now`, and runs like the real one. Answers are in China's zone whatever zone was given."""
    answer = await api.sim("clock")
    assert (answer["now"][:17], answer["scale"]) == (NOON[:17], 1.0)
    assert (await api.sim("clock", {"advance": 3600}))["now"].startswith("2026-12-15T13:00:")
    answer = await api.sim("clock", {"set": "2027-01-01T00:00:00Z"})
    assert answer["now"].startswith("2027-01-01T08:00:")


@given(MOMENTS)
def test_days_and_months_are_chinas(moment: datetime) -> None:
    """The calendar is that of UTC+8, wherever the machine stands; midnight in China is 16:00 UTC."""
    at, midnight = moment.timestamp(), datetime.fromisoformat("2026-12-31T16:00:00Z").timestamp()
    assert shanghai_day(at) == moment.date() == datetime.fromisoformat(rfc3339(at)).date()
    assert shanghai_month(at) == f"{moment.year:04}-{moment.month:02}"
    assert (shanghai_day(midnight - 1), shanghai_day(midnight)) == (date(2026, 12, 31), date(2027, 1, 1))


async def test_accounts_are_told_without_secrets(api: Api) -> None:
    """What an account is and has used; not its secret and not its callback's token. Other paths are not there."""
    await api.sendall()
    response = await api.http.get("/_sim/accounts")
    assert not any(secret in response.text for secret in (SECRET, CALLBACK_TOKEN))
    [account] = response.json()["accounts"]
    assert account | {"name": "demo", "kind": "service", "followers": 20, "mass_calls_today": 1} == account
    assert (await api.http.get("/cgi-bin/nothing")).status_code == 404
    assert (await api.http.post("/_sim/health")).status_code == 405


async def test_jobs_can_be_looked_up(api: Api) -> None:
    """By account, clientmsgid or msg_id."""
    a, b = [(await api.sent(clientmsgid=name)).msg_id for name in ("a", "b")]
    for query, expected in {
        "": [a, b], "?clientmsgid=b": [b], f"?msg_id={a}": [a], "?account=demo": [a, b], "?account=nobody": [],
    }.items():  # fmt: skip
        assert [job["msg_id"] for job in (await api.sim(f"jobs{query}"))["jobs"]] == expected


async def test_a_reset_begins_anew(start: Start) -> None:
    """Jobs, calls, counters, plans and the clock are as the configuration has them; ids of jobs go on growing."""
    api = await start(sim={"faults": [{"kind": "slow", "seconds": 0, "endpoint": "token"}]})
    before = await api.sendall()
    await api.world.settled()
    await api.sim("faults", method="DELETE", expect=204)
    await api.advance(86400)
    answer = await api.sim("reset", {})
    assert answer["now"].startswith("2026-12-15T12:00:")
    assert [(await api.sim(name))[name] for name in ("jobs", "calls")] == [[], []]
    assert len((await api.sim("faults"))["faults"]) == 1
    assert (await api.sim("ledger"))["accounts"]["demo"]["reached"] == 0
    api.become("demo")
    after = await api.sendall()
    assert all(after[name] > before[name] for name in ("msg_id", "msg_data_id"))


async def test_closing_lets_held_calls_go() -> None:
    """A call that is never answered does not keep the simulator from stopping; then nobody listens any more."""
    sim = {"faults": [{"endpoint": "token", "kind": "timeout_before_accept"}]}
    async with Simulator(simulator_config(sim=sim)) as simulator, httpx.AsyncClient(base_url=simulator.url) as client:
        assert (await client.get("/_sim/health")).json() == {"ok": True}
        call = asyncio.create_task(client.get("/cgi-bin/token"))
        await simulator.world.until(lambda: any(each.fault for each in simulator.world.calls))
        await asyncio.wait_for(simulator.close(), PATIENCE)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await call
        with pytest.raises(httpx.ConnectError):
            await client.get("/_sim/health")


async def test_a_port_in_use_is_an_error() -> None:
    """OSError, not an exit of the process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await Simulator(port=port).start()


async def test_no_token_and_no_secret_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """There is no access log, and nothing else logs what a call carried."""
    caplog.set_level(logging.DEBUG)
    await api.fault("reset_after_accept")
    with pytest.raises(httpx.TransportError):
        await api.sendall()
    await api.world.settled()
    for record in caplog.records:
        assert record.name.startswith(("httpx", "httpcore")) or api.token not in record.getMessage()
        assert not record.name.startswith("uvicorn.access")
        assert record.levelno < logging.ERROR


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_at_a_signal(number: signal.Signals) -> None:
    """`serve` tells its URL, serves, and returns at SIGTERM or SIGINT; it prints nothing itself."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    ) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/_sim/health", trust_env=False).json() == {"ok": True}
        process.send_signal(number)
        assert process.wait() == 0
        assert process.stdout.read() == ""
        watchdog.cancel()
