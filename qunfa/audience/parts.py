"""The parts of an audience, brought to files: a job for the planner."""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from qunfa.audience.jobs import ListFile, PartJob, PlanJob, SplitJob
from qunfa.audience.plans import REPORT, folder_of
from qunfa.audience.store import CHUNK, Store, StoreUnavailable
from qunfa.contract.audience import (
    All,
    AnyAudience,
    Batch,
    OpenidFile,
    Openids,
    Several,
    Tag,
    Tags,
    Unreached,
    describe,
    states_of,
)
from qunfa.contract.audience import Part as AudiencePart
from qunfa.media.sources import Sources
from qunfa.media.spool import SourceRefused
from qunfa.printable import shown_uri


class Page(NamedTuple):
    """Some openids of a list of WeChat's, and after whom it goes on: after nobody where it ends."""

    openids: tuple[str, ...]
    after: str


Pages = Callable[[str], AsyncIterator[Page]]
"""The pages of a list that come after one of its openids; all of them where that is empty."""


class Followers(Protocol):
    """Whom WeChat lists, in pages of openids."""

    def everybody(self, after: str) -> AsyncIterator[Page]:
        """All followers of the account."""

    def tagged(self, tag_id: int, after: str) -> AsyncIterator[Page]:
        """The followers under a tag."""


class Begun:
    """Lists of WeChat's as far as the attempt before has read them: they stand in the store meanwhile.

    `names` are those lists. The first line of each says after whom it goes on, which is nobody where the list is whole,
    and how many bytes follow.

    Raises:
        StoreUnavailable: of all methods: the store cannot be read or written.
    """

    def __init__(self, store: Store, folder: str, names: Iterable[str] = ()) -> None:
        self.store = store
        self._folder = folder
        self.names = tuple(names)

    async def keep(self, name: str, path: Path, after: str) -> None:
        await self.store.put(self._at(name), _with_title(f"{after} {_size(path)}", path))
        self.names = tuple({*self.names, name})

    async def remove(self) -> None:
        """Take them all away again; until then they are there for another attempt."""
        for name in self.names:
            await self.store.remove(self._at(name))

    async def take(self, name: str, path: Path) -> str | None:
        """Bring a list back to `path`: after whom it goes on; None where it is not there whole, or was not begun."""
        if name not in self.names:
            return None
        title, end = b"", b""
        try:
            with path.open("wb") as file:
                async for piece in self.store.stream(self._at(name)):
                    if not end:
                        title, end, piece = piece.partition(b"\n")  # noqa: PLW2901  the rest of the first one
                    file.write(piece)
        except FileNotFoundError:
            return None
        after, _, size = title.decode().partition(" ")
        return after if end and size == str(_size(path)) else None

    def _at(self, name: str) -> str:
        return f"{self._folder}/followers-{name.replace(' ', '-')}.list"


async def _with_title(title: str, path: Path) -> AsyncIterator[bytes]:
    yield f"{title}\n".encode()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            yield block


def _size(path: Path) -> int:
    return path.stat().st_size


def _append(path: Path, openids: Iterable[str]) -> None:
    """Write a page whole, or not at all: behind half an openid the next attempt would make a false one."""
    whole = _size(path)
    try:
        with path.open("a", encoding="ascii", errors="replace", newline="\n") as file:
            file.writelines(f"{openid}\n" for openid in openids)
    except OSError:
        os.truncate(path, whole)
        raise


class NobodyError(Exception):
    """The audience cannot be had: `problems` are sentences that say why."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


class Gathering:
    """Brings the lists of one audience of one account to `folder`, each of them once."""

    def __init__(self, folder: Path, sources: Sources, followers: Followers, account: str, begun: Begun) -> None:
        self._folder = folder
        self._sources = sources
        self._followers = followers
        self._store = begun.store
        self._account = account
        self._begun = begun
        self._read: dict[str, tuple[Path, str]] = {}
        """The lists of WeChat's, and after whom each goes on."""
        self._lists: list[ListFile] = []
        self._numbers: dict[str, int] = {}
        self._problems: list[str] = []

    async def job(self, audience: AnyAudience, reports: Iterable[str] = (), split: SplitJob | None = None) -> PlanJob:
        """Everything that is to be done. `reports` are the paths of those by which it is counted who was reached.

        Raises:
            NobodyError: a part of it cannot be had.
            SourceUnavailable, StoreUnavailable: a part of it cannot be had now.
            OSError: there is no room for it here.
        """
        of, minus = (audience.of, audience.minus) if isinstance(audience, Several) else ((audience,), ())
        parts = [await self._part(part) for part in of] + [await self._part(part, is_left_out=True) for part in minus]
        reached = [
            await self._report(path, ("sent", "accepted", "unknown"), path, may_be_missing=True) for path in reports
        ]
        if self._problems:
            raise NobodyError(self._problems)
        return PlanJob(
            folder=str(self._folder),
            lists=tuple(self._lists),
            parts=tuple(parts),
            of=tuple(range(len(of))),
            minus=tuple(range(len(of), len(parts))),
            reports=tuple(reached),
            split=split,
        )

    async def _part(self, part: AudiencePart | AnyAudience, *, is_left_out: bool = False) -> PartJob:
        what = describe(part, is_left_out=is_left_out)
        match part:
            case Tags():
                any_of, all_of, none_of = [
                    tuple([await self._tag(tag_id) for tag_id in tags]) for tags in (part.any, part.all, part.none)
                ]
                return PartJob(what=what, any=any_of, all=all_of, none=none_of)
            case All():
                number = await self._pages("all", what, self._followers.everybody)
            case Tag(tag_id=tag_id):
                number = await self._tag(tag_id)
            case Openids(openids=openids):
                file = self._new_path()
                file.write_text("".join(f"{openid}\n" for openid in openids), encoding="ascii")
                number = self._add(f"{len(self._lists)} openids", ListFile(called=what, path=str(file)))
            case OpenidFile():
                number = await self._file(part)
            case Unreached(key=key):
                path = f"{folder_of(self._account, key)}/{REPORT}"
                states = states_of(part, is_left_out=is_left_out)
                number = await self._report(path, states, f"the report of {key}")
            case Several() | Batch():
                raise ValueError(f"{part.kind} is no part of an audience")
        return PartJob(what=what, any=(number,))

    async def _tag(self, tag_id: int) -> int:
        return await self._pages(f"tag {tag_id}", f"tag {tag_id}", partial(self._followers.tagged, tag_id))

    async def _pages(self, name: str, called: str, pages: Pages) -> int:
        if name not in self._numbers:
            path = self._new_path()
            begun = await self._begun.take(name, path)
            if begun is None:
                path.write_bytes(b"")
            else:
                self._read[name] = (path, begun)
            if begun != "":
                await self._ask(name, path, pages(begun or ""))
            self._add(name, ListFile(called=called, path=str(path), stays=True, may_be_empty=True))
        return self._numbers[name]

    async def _ask(self, name: str, path: Path, pages: AsyncIterator[Page]) -> None:
        """Write the pages behind what stands there."""
        async for page in pages:
            _append(path, page.openids)
            self._read[name] = (path, page.after)

    async def keep(self) -> None:
        """Put what WeChat has listed so far into the store, for the next attempt.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        for name, (path, after) in self._read.items():
            await self._begun.keep(name, path, after)

    async def _file(self, part: OpenidFile) -> int:
        name = f"file {part.model_dump_json()}"
        if name not in self._numbers:
            path = self._new_path()
            called = f"source {shown_uri(part.uri)}"
            try:
                async with self._sources.fetch(part.uri, tells_end=part.sha256 is None) as copy:
                    if part.sha256 not in {None, copy.sha256}:
                        self._problems.append(
                            f"{called}: its SHA-256 is {copy.sha256}, another one than the request names. "
                            "Check that it is the right file."
                        )
                    copy.path.rename(path)
            except SourceRefused as refused:
                self._problems.append(str(refused))
            drop = part.on_bad_line == "drop"
            self._add(name, ListFile(called=called, path=str(path), column=part.column, drop=drop))
        return self._numbers[name]

    async def _report(self, path: str, states: tuple[str, ...], called: str, *, may_be_missing: bool = False) -> int:
        name = f"{path} {states}"
        if name not in self._numbers:
            copy, is_read = self._new_path(), True
            try:
                with copy.open("wb") as file:
                    async for piece in self._store.stream(path):
                        file.write(piece)
            except FileNotFoundError:
                if not may_be_missing:
                    self._problems.append(f"{called} is not in the store. It is there once that send has ended.")
            except StoreUnavailable:
                if not may_be_missing:
                    raise
                is_read = False
            self._add(name, ListFile(called=called, path=str(copy), states=states, may_be_empty=is_read))
        return self._numbers[name]

    def _new_path(self) -> Path:
        return self._folder / f"source-{len(self._lists)}"

    def _add(self, name: str, found: ListFile) -> int:
        self._numbers[name] = number = len(self._lists)
        self._lists.append(found)
        return number
