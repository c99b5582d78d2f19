import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from qunfa.simulator import Simulator
from tests.looking import PATIENCE
from tests.simulator.api import Start, simulator_config

PROCESS = """
from qunfa.simulator import SimulatorConfig, serve
serve(SimulatorConfig(), on_started=lambda url: print(url, flush=True))
"""


async def test_a_simulator_listens_on_a_free_port_and_stops() -> None:
    """As a context manager it serves under its URL until it is closed."""
    async with Simulator(simulator_config()) as simulator, httpx.AsyncClient() as client:
        url = f"{simulator.url}/_sim/health"
        assert (await client.get(url)).json() == {"ok": True}
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_closing_lets_held_calls_go() -> None:
    """A call that is never answered does not keep the simulator from stopping."""
    sim = {"faults": [{"endpoint": "token", "kind": "timeout_before_accept"}]}
    simulator = Simulator(simulator_config(sim=sim))
    await simulator.start()
    async with httpx.AsyncClient() as client:
        call = asyncio.create_task(client.get(f"{simulator.url}/cgi-bin/token"))
        await simulator.world.until(lambda: [each.fault for each in simulator.world.calls] == ["timeout_before_accept"])
        await asyncio.wait_for(simulator.close(), PATIENCE)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await call


async def test_a_port_in_use_is_an_error() -> None:
    """OSError, not an exit of the process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await Simulator(port=port).start()


async def test_no_token_and_no_secret_is_logged(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """There is no access log, and nothing else logs what a call carried."""
    caplog.set_level(logging.DEBUG)
    api = await start()
    await api.fault("reset_after_accept")
    with pytest.raises(httpx.TransportError):
        await api.sendall()
    await api.world.settled()
    own = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert api.token not in "\n".join(own)
    assert not [record for record in caplog.records if record.name.startswith("uvicorn.access")]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_at_a_signal(number: signal.Signals) -> None:
    """`serve` tells its URL, serves, and returns at SIGTERM or SIGINT; it prints nothing itself."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    ) as process:
        watchdog = threading.Timer(20, process.kill)
        watchdog.start()
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/_sim/health", trust_env=False).json() == {"ok": True}
        process.send_signal(number)
        assert process.wait() == 0
        assert process.stdout.read() == ""
        watchdog.cancel()
