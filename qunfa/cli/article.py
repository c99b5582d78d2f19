"""`qunfa article preview`: the articles of a send in Temporal, with what it has pinned, or of a request in a file.

A picture of the page is made by the Chromium of this machine. It loads nothing, runs no script, and has no network.
"""

import asyncio
import base64
import json
import os
import re
import shutil
import sys
import tempfile
import webbrowser
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from qunfa.article import ArticleError
from qunfa.article.page import MARK, WIDTH
from qunfa.cli import typed
from qunfa.cli.article_page import ArticlePreview, Asked, built, read, render
from qunfa.cli.connection import RPC_TIMEOUT, demand_worker, run, task_queue, with_client
from qunfa.cli.errors import ExitCode, Refused, Unreadable, WrongUse, done_if
from qunfa.cli.options import send_id, short_name
from qunfa.cli.output import SHANGHAI, note, show_result
from qunfa.cli.request import NO_GROUP_B, STDIN, read_request
from qunfa.cli.view import describe_send, request_of
from qunfa.cli.workers import InvalidError
from qunfa.contract import MassSendRequest, parse_request
from qunfa.contract.audience import Version, is_long
from qunfa.contract.checks import SourcesSeen
from qunfa.contract.ids import MassSendId
from qunfa.contract.message import Article, Message, MpnewsMessage
from qunfa.contract.request import parse_preview
from qunfa.language import N_, _, sentences
from qunfa.language.phrases import told

_OWN: Final = 1_000
"""In so many characters at the beginning a page says whose it is."""
_DRAWN: Final = "<!-- Pictures: {} -->"
_MARKED: Final = re.compile(re.escape(MARK) + "(?:" + _DRAWN.format(r"(\d{1,4})") + ")?")
"""How many pictures of it there are, a page says behind its mark. One that does not has none."""


def article(_asked: typed.Article) -> None:
    """Carry out `qunfa article`: that is done by a command below it."""


def preview(given: typed.ArticlePreview) -> ExitCode:
    """Carry out `qunfa article preview`."""
    named = asked_for(given.request, given.account)
    asked = of_a_file(named, given.group) if isinstance(named, str) else named
    group = "-b" if given.group == "b" else ""
    file = (given.output or Path(f"{asked.key}{group}-preview.html")).absolute()
    chromium = find() if given.png else None
    earlier = earlier_pictures(file, png=given.png)
    text, found = with_client(page_of, asked, given.group, task_queue(given.queue))
    pictures = written(file, text, run(_drawn(file, text, chromium)) if chromium else [], earlier)
    found = found.model_copy(update={"page": str(file), "pictures": tuple(map(str, pictures))})
    show_result(found, render, as_json=given.as_json)
    if given.open_it and not webbrowser.open(file.as_uri()):
        note(_("No browser could be opened: open {file} yourself.").format(file=file))
    return done_if(not found.wrong)


async def page_of(
    client: Client, asked: Asked | MassSendId, group: Version, queue: str, *, quietly: bool = False
) -> tuple[str, ArticlePreview]:
    """The page of these articles, as the workers read its pictures now, and what there is to say of it.

    Meanwhile, but `quietly`, stderr shows what is made for it.

    Raises:
        Refused: There is no such send, it has no articles, the account is not configured, or no worker polls ``queue``.
        WrongUse: It has no such group.
    """
    await demand_worker(client, queue, _("It is the workers that read pictures, so there is no page."))
    found = await of_a_send(client, asked, group) if isinstance(asked, MassSendId) else asked
    try:
        return built(found, await read(client, found, queue, quietly=quietly), datetime.now(SHANGHAI))
    except InvalidError as error:
        raise Refused(error.said) from None
    except ArticleError as error:
        raise Refused(_("There is no page, for an article {said}.").format(said=told(str(error)))) from None


async def _drawn(file: Path, text: str, chromium: str) -> list[bytes]:
    """The whole page as PNG, before any of it stands at its place; in several parts where it is very high."""
    try:
        with tempfile.TemporaryDirectory(prefix="qunfa-page-") as folder:
            page = Path(folder) / file.name
            await asyncio.to_thread(page.write_text, text, encoding="utf-8")
            async with asyncio.timeout(WITHIN.total_seconds()), _started(chromium) as browser:
                return await _captured(browser, page)
    except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError) as error:
        said = str(error)[-_SAID_MAX:] or type(error).__name__
        made_none = _("{chromium} made no picture of {page}: {said}")
        raise Refused(made_none.format(chromium=chromium, page=file, said=said)) from None


def written(file: Path, text: str, drawn: Sequence[bytes], earlier: Sequence[Path]) -> list[Path]:
    """Writes the page and its pictures, in the place of an earlier page and its; where the pictures stand."""
    pictures = _pictures(file, len(drawn))
    try:
        for old in earlier:
            old.unlink(missing_ok=True)
        for made in (file, *pictures):
            made.touch()
            made.chmod(0o600)  # nobody else reads it before it is sent
        file.write_text(text.replace(MARK, f"{MARK}{_DRAWN.format(len(drawn))}", 1), encoding="utf-8")
        for picture, content in zip(pictures, drawn, strict=True):
            picture.write_bytes(content)
    except OSError as error:
        said = _("Cannot write {file}: {why}.").format(file=error.filename or file, why=error.strerror)
        raise WrongUse(said) from None
    return pictures


def _pictures(file: Path, number: int) -> list[Path]:
    """Where the first so many pictures of a page stand."""
    return [file.with_name(f"{file.stem}{f'-{n}' if n else ''}.png") for n in range(number)]


def earlier_pictures(file: Path, *, png: bool) -> list[Path]:
    """The pictures of the earlier preview there. Nothing is written over but what that has written."""
    named = re.compile(re.escape(file.stem) + r"(-[1-9]\d*)?\.png")
    beside = [one for one in sorted(file.parent.glob("*.png")) if named.fullmatch(one.name)]
    own: list[Path] = []
    others = [file] if file.exists() else []
    try:
        if others and (marked := _MARKED.search(file.read_text(encoding="utf-8")[:_OWN])):
            own = [one for one in _pictures(file, int(marked[1] or 0)) if one in beside]
            others = []
    except (OSError, UnicodeDecodeError):
        pass
    others += [one for one in beside if png and one not in own]
    if others:
        taken = _("{file} is there already, and no preview has written it: name another file with --output.")
        raise WrongUse(taken.format(file=others[0]))
    return own


_FILES: Final = (".json", ".yaml", ".yml")
_OLD: Final = N_("the workers are older than this command, and do not tell")


def asked_for(text: str, account: str | None) -> MassSendId | str:
    """The send that was named, or the file."""
    if account is None and (text == STDIN or text.lower().endswith(_FILES)):
        return text
    try:
        return send_id(text, account)
    except WrongUse as error:
        if account is None and Path(text).is_file():
            return text
        hint = _("A file's name ends with {endings}, or it is - for stdin.").format(endings=", ".join(_FILES))
        raise WrongUse(sentences(str(error), hint)) from None


def of_a_file(name: str, group: Version = "a") -> Asked:
    """The articles of a request in a file. It needs an account and a message; in a split test, that of this group.

    Raises:
        InvalidRequestError: The request is not valid.
        WrongUse: The file cannot be read, or there is no such group.
        Refused: Its message has no articles.
    """
    raw = read_request(name)
    if isinstance(raw, dict):
        raw = {"key": "article", **({} if "to" in raw else {"audience": {"kind": "all"}}), **raw}
    to_people: Any = isinstance(raw, dict) and "to" in raw and "audience" not in raw
    request = parse_preview(raw) if to_people else parse_request(raw)
    origin = _("the request on stdin") if name == STDIN else _("the request in {name}").format(name=name)
    message = _message_of(request, group) if isinstance(request, MassSendRequest) else request.message
    articles = _articles(message, origin)
    return Asked(
        request.account, request.key, articles, origin, unseen=_("no send has looked at them yet"), of_a_send=False
    )


async def of_a_send(client: Client, send: MassSendId, group: Version = "a") -> Asked:
    """The articles of a send's newest run, with what it has found at its sources; in a split test, of this group."""
    description = await describe_send(client, send)
    request = await request_of(client, description.id, description.run_id)
    if request is None:
        said = _("What {send} asks for cannot be read: look at `qunfa status {send}`.")
        raise Refused(said.format(send=short_name(send)))
    articles = _articles(_message_of(request, group), short_name(send))
    run = client.get_workflow_handle(description.id, run_id=description.run_id)
    origin = _("the send {send}").format(send=short_name(send))
    try:
        asked = [group] if is_long(request.audience) else []
        seen = await run.query("sources", args=asked, result_type=SourcesSeen, rpc_timeout=RPC_TIMEOUT)
    except WorkflowQueryFailedError:
        return Asked(*send, articles, origin, unseen=_(_OLD))
    except ValidationError:
        raise Unreadable from None
    except RPCError as error:
        sentence = _("No worker told what {send} has found: see that one runs (`qunfa worker`).")
        raise Refused(sentence.format(send=short_name(send))) from error
    if not seen.contents:
        return Asked(*send, articles, origin, unseen=_("the send has not looked at its files yet"))
    return Asked(*send, articles, origin, seen)


def _message_of(request: MassSendRequest, group: Version) -> Message:
    if group == "b" and request.split is None:
        raise WrongUse(_(NO_GROUP_B))
    return request.message_for(group, None)


def _articles(message: object, origin: str) -> tuple[Article, ...]:
    if not isinstance(message, MpnewsMessage):
        said = _("There is no article in {origin}: its message is of another type. `qunfa status` shows a send's.")
        raise Refused(said.format(origin=origin))
    if message.articles is None:
        sentence = _(
            "There is no article in {origin}, but the draft {draft}: Qunfa does not know what it says. "
            "Look at it in WeChat's console."
        )
        raise Refused(sentence.format(origin=origin, draft=message.media_id))
    return message.articles


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
    """Where Chromium is."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise Refused(
            _(
                "--png needs Chromium, and there is none on this machine (Debian and Ubuntu: apt-get install chromium)."
                " Leave --png out, and open the page in any browser."
            )
        )
    return found


class _Browser:
    """Speaks the DevTools protocol: JSON objects, each ended by a zero byte."""

    def __init__(self, process: Process, hears: int, reader: asyncio.StreamReader) -> None:
        self._process = process
        self._hears = hears
        self._reader = reader
        self._numbers = count(1)

    async def ask(self, method: str, session: str | None = None, **given: Any) -> dict[str, Any]:
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


async def _captured(browser: _Browser, page: Path) -> list[bytes]:
    target = (await browser.ask("Target.createTarget", url="about:blank"))["targetId"]
    session = (await browser.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
    await browser.ask("Emulation.setScriptExecutionDisabled", session, value=True)
    screen = {"width": WIDTH, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    await browser.ask("Emulation.setDeviceMetricsOverride", session, **screen)
    await browser.ask("Page.enable", session)
    await browser.ask("Page.navigate", session, url=page.as_uri())
    await browser.until("Page.loadEventFired")
    height = int((await browser.ask("Page.getLayoutMetrics", session))["cssContentSize"]["height"])
    parts = []
    for top in range(0, max(height, 1), PART_MAX):
        clip = {"x": 0, "y": top, "width": WIDTH, "height": min(PART_MAX, height - top), "scale": 1}
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
