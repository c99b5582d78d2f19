"""What a request names by URI, brought here."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from qunfa.media.files import FileSources
from qunfa.media.policy import SourcePolicy
from qunfa.media.scratch import Scratch
from qunfa.media.spool import SourceRefused, SourceUnavailable, Spool, file_name, scheme_of
from qunfa.media.stores import StoreSources
from qunfa.media.web import Resolver, WebSources, resolve


@dataclass(frozen=True, slots=True)
class Fetched:
    """A copy of a source: `size` bytes in the file `path`, whose SHA-256 is `sha256` (lower-case hexadecimal).

    `name` is the last part of the URI, fit to be a file's name, or "source".
    """

    path: Path
    size: int
    sha256: str
    name: str


class Sources:
    """Fetches what a policy allows: `file:`, `http:`, `https:` and `s3:`.

    One object serves a whole process, any number of fetches at a time. `resolver` and `tls` are the system's where
    not given.
    """

    def __init__(
        self, policy: SourcePolicy, *, resolver: Resolver = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._files = FileSources(policy.roots)
        self._web = WebSources(policy, resolver, tls)
        self._stores = StoreSources(policy)

    @asynccontextmanager
    async def fetch(self, uri: str) -> AsyncIterator[Fetched]:
        """Copy the source to a file of its own, which is there until the context ends.

        Raises:
            SourceRefused: the source may not be read, is not there, is empty or too big: no repeat helps.
            SourceUnavailable: it could not be read now, or not in time.
        """
        try:
            scratch = Scratch("source")
        except OSError as error:
            reason = f"no temporary directory could be made ({error.strerror}). Make room for one; it is tried again."
        else:
            with scratch as folder:
                yield await self._fetch(Spool(uri, folder / "source", self._policy.size_max))
            return
        raise SourceUnavailable(uri, reason)

    async def _fetch(self, spool: Spool) -> Fetched:
        seconds = self._policy.time_max.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                with spool:
                    await self._read_into(spool)
        except TimeoutError:
            late = SourceUnavailable(spool.uri, f"it was not here within {seconds:g} seconds. Try later.")
        else:
            if spool.size == 0:
                raise SourceRefused(spool.uri, "it is empty. Put the file's content there.")
            return Fetched(spool.path, spool.size, spool.sha256, file_name(spool.uri) or "source")
        raise late

    async def _read_into(self, spool: Spool) -> None:
        match scheme_of(spool.uri):
            case "file":
                await asyncio.to_thread(self._files.read_into, spool)
            case "http" | "https":
                await self._web.read_into(spool)
            case "s3":
                await self._stores.read_into(spool)
            case _:
                raise SourceRefused(
                    spool.uri, "it begins with none of file:, https:, http:, s3:. Put the file in such a place."
                )
