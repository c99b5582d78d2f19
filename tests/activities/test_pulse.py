"""The worker's pulse: a file and systemd tell those who restart it that it goes on."""

import asyncio
import errno
import os
import socket
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities import Pulse
from activities.pulse import again_and_again
from tests.looking import PATIENCE

LONG_AGO = 1.0


class Server:
    """Temporal's server, as far as a pulse asks it."""

    is_up = True

    async def describe_namespace(self, _request: Any, **_options: Any) -> None:
        if not self.is_up:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")


async def test_a_file_gets_old_while_temporal_is_away(tmp_path: Path) -> None:
    """It is made with the first beat, and touched with each one that Temporal answers."""
    server, file = Server(), tmp_path / "alive"
    pulse = Pulse(cast("Client", SimpleNamespace(workflow_service=server, namespace="default")), file)
    await pulse.beat()
    os.utime(file, (LONG_AGO, LONG_AGO))
    server.is_up = False
    await pulse.beat()
    assert file.stat().st_mtime == LONG_AGO
    server.is_up = True
    await pulse.beat()
    assert file.stat().st_mtime > LONG_AGO


@pytest.mark.parametrize("name", ["notify", "@qunfa-test-{pid}"], ids=["a path", "an abstract name"])
async def test_systemd_is_told_that_the_worker_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also while Temporal is away: its watchdog kills at once, and a try may be under way."""
    address = name.format(pid=os.getpid()) if name.startswith("@") else str(tmp_path / name)
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        systemd.setblocking(False)
        await Pulse(cast("Client", None), None).beat()
        assert systemd.recv(100) == b"WATCHDOG=1"


async def test_a_systemd_that_hears_nothing_stops_no_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is full: the beat is left out."""
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        systemd.bind(address)
        other.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                other.sendto(b"READY=1", address)
        beat = Pulse(cast("Client", None), None).beat
        await asyncio.wait_for(asyncio.to_thread(lambda: asyncio.run(beat())), PATIENCE)


async def test_a_worker_without_a_free_socket_beats_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many files may be open for a while."""

    def no_socket(*_: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setattr("activities.pulse.socket", SimpleNamespace(socket=no_socket, AF_UNIX=1, SOCK_DGRAM=2))
    await Pulse(cast("Client", None), None).beat()


async def test_a_file_that_cannot_be_written_ends_no_pulse(tmp_path: Path) -> None:
    """It is said in the log, and the check of the file finds it missing."""
    client = cast("Client", SimpleNamespace(workflow_service=Server(), namespace="default"))
    pulse = Pulse(client, tmp_path / "missing" / "alive")
    await pulse.beat()
    async with again_and_again(pulse.beat, timedelta(hours=1), "pulse") as look:
        assert not look.done()
