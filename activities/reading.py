"""Reading sources: what stands at a URI, as a file on this machine for as long as it is needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from qunfa import article as html
from qunfa.media import SourceRefused, Sources
from qunfa.media.darkroom import Darkroom
from qunfa.media.facts import MediaFacts
from qunfa.media.limits import Use as MediaUse
from qunfa.media.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a source, in a file of its own."""

    path: Path
    size: int
    sha256: str
    name: str


class Reader:
    """Reads sources, those that a policy allows and those that carry their content in themselves (`data:`)."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._darkroom = Darkroom()

    @asynccontextmanager
    async def copy(self, uri: str) -> AsyncIterator[Copy]:
        """The content of the source, until the context ends.

        Raises:
            SourceRefused: it may not be read, or is not there.
            SourceUnavailable: it could not be read for now.
        """
        if html.is_data(uri):
            async with _of_data(uri) as copy:
                yield copy
            return
        async with self._sources.fetch(uri) as found:
            yield Copy(path=found.path, size=found.size, sha256=found.sha256, name=found.name)

    async def facts(self, copy: Copy) -> MediaFacts:
        """What the copy is, by its content.

        Raises:
            OSError: it cannot be looked at here and now.
        """
        return await self._darkroom.inspect(copy.path)

    @asynccontextmanager
    async def fitted(self, copy: Copy, use: MediaUse) -> AsyncIterator[Copy]:
        """The copy, re-encoded so that WeChat takes it.

        Raises:
            CannotFitError: it cannot be made to fit.
            OSError: it cannot be re-encoded here and now.
        """
        with Scratch("fitted") as folder:
            made = await self._darkroom.fit(copy.path, use, folder)
            yield Copy(path=made.path, size=made.size, sha256=made.sha256, name=Path(copy.name).stem)


@asynccontextmanager
async def _of_data(uri: str) -> AsyncIterator[Copy]:
    name = html.name_of(uri)
    try:
        content = html.data_of(uri)
    except html.DataUriError as error:
        broken = str(error)
    else:
        with Scratch("source") as folder:
            path = folder / "source"
            await asyncio.to_thread(path.write_bytes, content)
            yield Copy(path=path, size=len(content), sha256=sha256(content).hexdigest(), name=name)
        return
    raise SourceRefused(name, f"{broken}.")


def unreadable_here(error: OSError) -> str:
    """What to say where this worker's own disk or system is in the way."""
    return f"this worker cannot look at it now ({error.strerror or type(error).__name__}); it is tried again."
