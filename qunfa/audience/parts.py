"""The parts of an audience, brought to files: a job for the planner."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Protocol

from qunfa.audience.jobs import ListFile, PartJob, PlanJob, SplitJob
from qunfa.audience.plans import REPORT, folder_of
from qunfa.audience.store import Store
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
)
from qunfa.contract.audience import Part as AudiencePart
from qunfa.media import SourceRefused, Sources
from qunfa.media.spool import shown


class Followers(Protocol):
    """Whom WeChat lists, in pages of openids."""

    def everybody(self) -> AsyncIterator[tuple[str, ...]]:
        """All followers of the account."""

    def tagged(self, tag_id: int) -> AsyncIterator[tuple[str, ...]]:
        """The followers under a tag."""


class NobodyError(Exception):
    """The audience cannot be had: `problems` are sentences that say why."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


class Gathering:
    """Brings the lists of one audience of one account to `folder`, each of them once."""

    def __init__(self, folder: Path, sources: Sources, followers: Followers, store: Store, account: str) -> None:
        self._folder = folder
        self._sources = sources
        self._followers = followers
        self._store = store
        self._account = account
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
        parts = [await self._part(part) for part in (*of, *minus)]
        reached = [await self._report(path, ("sent", "accepted", "unknown"), path) for path in reports]
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

    async def _part(self, part: AudiencePart | AnyAudience) -> PartJob:
        what = describe(part)
        match part:
            case Tags():
                any_of, all_of, none_of = [
                    tuple([await self._tag(tag_id) for tag_id in tags]) for tags in (part.any, part.all, part.none)
                ]
                return PartJob(what=what, any=any_of, all=all_of, none=none_of)
            case All():
                number = await self._pages("all", what, self._followers.everybody())
            case Tag(tag_id=tag_id):
                number = await self._tag(tag_id)
            case Openids(openids=openids):
                number = await self._pages(f"{len(self._lists)} openids", what, _one_page(openids))
            case OpenidFile():
                number = await self._file(part)
            case Unreached(key=key, states=states):
                path = f"{folder_of(self._account, key)}/{REPORT}"
                number = await self._report(path, states, f"the report of {key}")
            case Several() | Batch():
                raise ValueError(f"{part.kind} is no part of an audience")
        return PartJob(what=what, any=(number,))

    async def _tag(self, tag_id: int) -> int:
        return await self._pages(f"tag {tag_id}", f"tag {tag_id}", self._followers.tagged(tag_id))

    async def _pages(self, name: str, called: str, pages: AsyncIterator[tuple[str, ...]]) -> int:
        if name not in self._numbers:
            path = self._new_path()
            with path.open("w", encoding="ascii", errors="replace", newline="\n") as file:
                async for page in pages:
                    file.writelines(f"{openid}\n" for openid in page)
            self._add(name, ListFile(called=called, path=str(path)))
        return self._numbers[name]

    async def _file(self, part: OpenidFile) -> int:
        name = f"file {part.model_dump_json()}"
        if name not in self._numbers:
            path = self._new_path()
            called = f"source {shown(part.uri)}"
            try:
                async with self._sources.fetch(part.uri) as copy:
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

    async def _report(self, path: str, states: tuple[str, ...], called: str) -> int:
        name = f"{path} {states}"
        if name not in self._numbers:
            copy = self._new_path()
            try:
                with copy.open("wb") as file:
                    async for piece in self._store.stream(path):
                        file.write(piece)
            except FileNotFoundError:
                if called != path:
                    self._problems.append(f"{called} is not in the store. It is there once that send has ended.")
            self._add(name, ListFile(called=called, path=str(copy), states=states))
        return self._numbers[name]

    def _new_path(self) -> Path:
        return self._folder / f"source-{len(self._lists)}"

    def _add(self, name: str, found: ListFile) -> None:
        self._numbers[name] = len(self._lists)
        self._lists.append(found)


async def _one_page(openids: tuple[str, ...]) -> AsyncIterator[tuple[str, ...]]:
    yield openids
