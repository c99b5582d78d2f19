"""`qunfa article preview`."""

import asyncio
import tempfile
import webbrowser
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import typer

from qunfa.article.page import MARK, WIDTH
from qunfa.cli.article.asked import Asked, asked_for, of_a_file, of_a_send
from qunfa.cli.article.build import ArticlePreview, built, read, render
from qunfa.cli.article.chromium import find, pictures_of
from qunfa.cli.connection import demand_worker, run, task_queue, temporal_client
from qunfa.cli.errors import ExitCode, Refused, WrongUse
from qunfa.cli.output import note, show_result
from qunfa.cli.times import SHANGHAI
from qunfa.cli.typed import request as typed
from qunfa.cli.workers import InvalidError
from qunfa.contract.audience import Version
from qunfa.contract.ids import MassSendId
from qunfa.language import _

_OWN: Final = 1_000
"""In so many characters at the beginning a page says whose it is."""


def article(_asked: typed.Article) -> None:
    """Carry out `qunfa article`: that is done by a command below it."""


def preview(given: typed.ArticlePreview) -> None:
    """Carry out `qunfa article preview`."""
    named = asked_for(given.request, given.account)
    asked = of_a_file(named, given.group) if isinstance(named, str) else named
    file = (given.output or Path(f"{asked.key}-preview.html")).absolute()
    chromium = find() if given.png else None
    _demand_own(file, MARK, png=given.png)
    text, found = run(_previewed(asked, given.group, task_queue(given.queue)))
    pictures = _written(file, text, run(_drawn(file, text, WIDTH, chromium)) if chromium else [])
    found = found.model_copy(update={"page": str(file), "pictures": tuple(map(str, pictures))})
    show_result(found, render, as_json=given.as_json)
    if given.open_it and not webbrowser.open(file.as_uri()):
        note(_("No browser could be opened: open {file} yourself.").format(file=file))
    if found.wrong:
        raise typer.Exit(ExitCode.REFUSED)


async def _previewed(asked: Asked | MassSendId, group: Version, queue: str) -> tuple[str, ArticlePreview]:
    """The page, and what there is to say of it."""
    client = await temporal_client()
    await demand_worker(client, queue, _("It is the workers that read pictures, so nothing was written."))
    found = await of_a_send(client, asked, group) if isinstance(asked, MassSendId) else asked
    try:
        return built(found, await read(client, found, queue), datetime.now(SHANGHAI))
    except InvalidError as error:
        raise Refused(error.said) from None


async def _drawn(file: Path, text: str, width: int, chromium: str) -> list[bytes]:
    """The page as pictures, before any of it stands at its place."""
    with tempfile.TemporaryDirectory(prefix="qunfa-page-") as folder:
        page = Path(folder) / file.name
        await asyncio.to_thread(page.write_text, text, encoding="utf-8")
        return await pictures_of(page, width, chromium)


def _written(file: Path, text: str, drawn: Sequence[bytes]) -> list[Path]:
    """Writes the page and its pictures; where these stand."""
    pictures = [file.with_name(f"{file.stem}{f'-{n}' if n else ''}.png") for n in range(len(drawn))]
    try:
        file.write_text(text, encoding="utf-8")
        for picture, content in zip(pictures, drawn, strict=True):
            picture.write_bytes(content)
    except OSError as error:
        said = _("Cannot write {file}: {why}.").format(file=error.filename or file, why=error.strerror)
        raise WrongUse(said) from None
    return pictures


def _demand_own(file: Path, mark: str, *, png: bool) -> None:
    """See that nothing is written over but what an earlier preview has written.

    Raises:
        WrongUse: Something else stands there.
    """
    picture = file.with_suffix(".png")
    other = picture if png and picture.exists() and not file.exists() else file
    try:
        if not other.exists() or (other is file and mark in file.read_text(encoding="utf-8")[:_OWN]):
            return
    except (OSError, UnicodeDecodeError):
        pass
    taken = _("{file} is there already, and no preview has written it: name another file with --output.")
    raise WrongUse(taken.format(file=other))
