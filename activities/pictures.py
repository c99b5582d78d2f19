"""Pictures of articles for people to look at. They are read where sources are, and nowhere else."""

import asyncio
import time
from base64 import b64encode
from pathlib import Path
from typing import Final

from temporalio import activity

from activities.accounts import Accounts
from activities.attempts import heartbeats
from activities.sources import Reader
from qunfa.contract.pictures import ANSWER_BYTES, READ_PICTURES, ReadPicturesStep, ShownPicture, ShowPicturesResult
from qunfa.media import Fetched, SourceRefused, SourceUnavailable
from qunfa.media.facts import HEAD_BYTES, Kind, sniff
from qunfa.media.fitting import CannotFitError
from qunfa.media.limits import Use, check

_SECONDS: Final = 30
"""After so long an answer holds what it has; the rest is asked for again."""


class Pictures:
    """Reads pictures, and makes big ones smaller. It changes nothing."""

    def __init__(self, accounts: Accounts, reader: Reader) -> None:
        self._accounts = accounts
        self._reader = reader

    @activity.defn(name=READ_PICTURES)
    @heartbeats()
    async def read_pictures(self, step: ReadPicturesStep) -> ShowPicturesResult:
        """As many of the pictures as one answer holds; one that cannot be shown says why.

        Raises:
            ApplicationError: `AccountChanged`, not retried.
        """
        self._accounts.pinned(step.account)
        found: list[ShownPicture] = []
        room, until = ANSWER_BYTES, time.monotonic() + _SECONDS
        for uri in step.uris:
            if found and time.monotonic() > until:
                break
            shown = await self._read(uri)
            room -= len(shown.data or "")
            if found and room < 0:
                break
            found.append(shown)
        return ShowPicturesResult(pictures=tuple(found))

    async def _read(self, uri: str) -> ShownPicture:
        try:
            async with self._reader.copy(uri) as copy:
                return await self._shown(copy)
        except (SourceRefused, SourceUnavailable) as error:
            return ShownPicture(problem=str(error))
        except OSError as error:
            why = error.strerror or type(error).__name__
            return ShownPicture(problem=f"the worker cannot look at it now ({why}).")

    async def _shown(self, copy: Fetched) -> ShownPicture:
        known = ShownPicture(sha256=copy.sha256, size=copy.size)
        facts = await self._reader.facts(copy)
        if facts.kind is not Kind.PICTURE:
            return known.model_copy(update={"problem": "It is no picture."})
        if not check(facts, Use.SHOWN, ""):
            return known.model_copy(update=await asyncio.to_thread(_told, copy.path))
        try:
            async with self._reader.fitted(copy, Use.SHOWN) as smaller:
                return known.model_copy(update={**await asyncio.to_thread(_told, smaller.path), "smaller": True})
        except CannotFitError as cannot:
            return known.model_copy(update={"problem": f"It cannot be made small enough to be shown: {cannot}."})


def _told(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    return {"kind": sniff(content[:HEAD_BYTES]).value, "data": b64encode(content).decode()}
