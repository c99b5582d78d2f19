"""A picture of a page, by the Chromium of this machine. It loads nothing, runs no script, and has no network."""

import asyncio
import base64
import json
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from qunfa.cli.errors import Refused
from qunfa.language import _

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WITHIN: Final = timedelta(seconds=60)
PART_MAX: Final = 8_000
"""CSS pixels of one picture's height: browsers draw no higher ones."""
_ANSWER_MAX: Final = 256 * 1024 * 1024
_SAID_MAX: Final = 300
_FLAGS: Final = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
)
"""Whatever asks for a name or an address gets none; behind the proxy's port nobody listens."""
_AT_3_AND_4: Final = """
import fcntl, os, sys
ours = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
os.dup2(ours[0], 3)
os.dup2(ours[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium hears on file descriptor 3, and speaks on 4."""


def find() -> str:
    """Where Chromium is.

    Raises:
        Refused: It is not on this machine.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise Refused(
            _(
                "--png needs Chromium, and there is none on this machine (Debian and Ubuntu: apt-get install chromium)."
                " Leave --png out, and open the page in any browser."
            )
        )
    return found


async def pictures_of(page: Path, width: int, chromium: str) -> list[bytes]:
    """The whole page (an absolute path) as PNG, so many CSS pixels wide; in several parts where it is very high.

    Raises:
        Refused: Chromium does not work.
    """
    try:
        async with asyncio.timeout(WITHIN.total_seconds()), _started(chromium) as browser:
            return await _drawn(browser, page, width)
    except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError) as error:
        said = str(error)[-_SAID_MAX:] or type(error).__name__
        made_none = _("{chromium} made no picture of {page}: {said}")
        raise Refused(made_none.format(chromium=chromium, page=page, said=said)) from None


class _Browser:
    """Speaks the DevTools protocol: JSON objects, each ended by a zero byte."""

    def __init__(self, process: Process, hears: int, reader: asyncio.StreamReader) -> None:
        self._process = process
        self._hears = hears
        self._reader = reader
        self._numbers = count(1)

    async def ask(self, method: str, session: str | None = None, **given: Any) -> dict[str, Any]:
        """The result of a method."""
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": given, **({"sessionId": session} if session else {})}
        await asyncio.to_thread(os.write, self._hears, json.dumps(asked).encode() + b"\0")
        while (said := await self._heard()).get("id") != number:
            pass
        if "result" not in said:
            raise OSError(f"{method}: {said.get('error')}")
        result: dict[str, Any] = said["result"]
        return result

    async def until(self, method: str) -> None:
        """Until the browser tells this."""
        while (await self._heard()).get("method") != method:
            pass

    async def _heard(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads((await self._reader.readuntil(b"\0"))[:-1])
        except asyncio.IncompleteReadError:
            told = await self._process.stderr.read() if self._process.stderr else b""
            raise OSError(told.decode(errors="replace").strip() or _("it ended at once")) from None
        return said


async def _drawn(browser: _Browser, page: Path, width: int) -> list[bytes]:
    target = (await browser.ask("Target.createTarget", url="about:blank"))["targetId"]
    session = (await browser.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    await browser.ask("Emulation.setScriptExecutionDisabled", session, value=True)
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    await browser.ask("Emulation.setDeviceMetricsOverride", session, **screen)
    await browser.ask("Page.enable", session)
    await browser.ask("Page.navigate", session, url=page.as_uri())
    await browser.until("Page.loadEventFired")
    height = int((await browser.ask("Page.getLayoutMetrics", session))["cssContentSize"]["height"])
    parts = []
    for top in range(0, max(height, 1), PART_MAX):
        clip = {"x": 0, "y": top, "width": width, "height": min(PART_MAX, height - top), "scale": 1}
        shot = await browser.ask("Page.captureScreenshot", session, format="png", captureBeyondViewport=True, clip=clip)
        parts.append(base64.b64decode(shot["data"]))
    return parts


@asynccontextmanager
async def _started(chromium: str) -> AsyncIterator[_Browser]:
    """A browser with a profile of its own; neither outlives the block."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root it does not start otherwise
    with tempfile.TemporaryDirectory(prefix="qunfa-chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _AT_3_AND_4, str(theirs_in), str(theirs_out)),
            *(chromium, *_FLAGS, *as_root, f"--user-data-dir={profile}"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            pass_fds=(theirs_in, theirs_out),
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        reader = asyncio.StreamReader(limit=_ANSWER_MAX)
        pipe = os.fdopen(ours_in, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            yield _Browser(process, ours_out, reader)
        finally:
            os.close(ours_out)
            transport.close()
            if process.returncode is None:
                os.killpg(process.pid, 9)
            await process.wait()
