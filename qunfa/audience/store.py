"""The store of plans and reports: a folder, or a bucket.

What is in it appears whole, or not at all. Errors quote no answer of a server: it may hold what nobody shall read.
"""

import asyncio
import errno
import os
import re
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Final, NamedTuple

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from qunfa.media.policy import SourcePolicy, StorePlace
from qunfa.media.sources import error_code, open_bucket
from qunfa.media.spool import SourceRefused, file_path, scheme_of

CHUNK: Final = 5 << 20
"""Bytes of one part of an upload, and of what is read at a time."""
_PARTS_AT_ONCE: Final = 2
_SECONDS: Final = 60.0
"""For a call that is small: a mount that hangs answers no more."""
_SILENCE_MAX: Final = timedelta(minutes=2)
"""A bucket says nothing while a part goes up to it: these and `CHUNK` let a line have 1 Mbit/s."""
_TIME_MAX: Final = timedelta(minutes=30)
"""For one request, such as the download of a long report."""
_TURNS_MAX: Final = 60
"""So many times `_SECONDS` pass at most until a folder that hangs is tried once more."""
_TRIALS: Final = "trials"
_OFF_MAX: Final = 2.0
"""Seconds. Further behind, a report looks older than the run that has written it: buckets tell whole seconds."""
_TRIAL: Final = b"a file of `qunfa doctor`, which removes it again"
_OS_ERROR: Final = re.compile(r"\(os error (\d{1,4})\)")
_OS_SAYS: Final = {
    errno.ENOSPC: "there is no room left",
    errno.EDQUOT: "its quota is used up",
    errno.EROFS: "it is read-only",
    errno.EACCES: "the worker's user may not use it",
    errno.EPERM: "the worker's user may not use it",
    errno.ENODEV: "the folder above it is not there: make that, or mount the share",
    errno.ENOTDIR: "a part of its path is no folder",
}


class StoreUnavailable(Exception):
    """The store could not be used now. The message says in whole sentences why, and what to do next.

    `reason` says it in a clause.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason or message
        super().__init__(message)


class Found(NamedTuple):
    """Something in the store, and when it was put there."""

    path: str
    at: datetime


class Store:
    """What stands below one folder or bucket, by paths such as ``audiences/demo/spring/plan.json``.

    `uri` is ``file:/folder`` or ``s3://bucket/folder``; `policy` says how a bucket is reached. Its limits of time are
    those of sources: what stands here is longer.

    Raises:
        ValueError: the URI is neither.
        StoreUnavailable: of all methods: it cannot be read or written.
    """

    def __init__(self, uri: str, policy: SourcePolicy) -> None:
        self.uri = uri.rstrip("/")
        self._policy = replace(policy, silence_max=_SILENCE_MAX, time_max=_TIME_MAX)
        self._opened: LocalStore | S3Store | None = None
        try:
            scheme = scheme_of(uri)
            self._folder = Path(file_path(uri)) if scheme == "file" else Path()
            self._making = _Making(self._folder)
            self._place = StorePlace.parse_folder(uri) if scheme == "s3" else None
        except SourceRefused as refused:
            raise ValueError(f"[store] uri: {refused.reason}") from None
        except ValueError as error:
            raise ValueError(f"[store] uri: {error}") from None
        if scheme not in {"file", "s3"}:
            raise ValueError('[store] uri: must begin with "file:/" or "s3://"')

    def uri_of(self, path: str) -> str:
        """Where `path` is, as a person or another program would name it."""
        return f"{self.uri}/{path}"

    async def create(self, path: str, content: bytes) -> bool:
        """Put `content` there, unless something is there already: then False, and nothing is changed."""
        async with self._explained("written", path, _SECONDS):
            try:
                await obstore.put_async(await self._store(), self._at(path), content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def put(self, path: str, content: Path | AsyncIterator[bytes]) -> None:
        """Put a file or a stream there, instead of what was there. A stream that fails leaves all as it was."""
        async with self._explained("written", path):
            await obstore.put_async(
                await self._store(), self._at(path), content, chunk_size=CHUNK, max_concurrency=_PARTS_AT_ONCE
            )

    async def get(self, path: str) -> bytes | None:
        async with self._explained("read", path, _SECONDS):
            try:
                found = await obstore.get_async(await self._store(), self._at(path))
                return bytes(await found.bytes_async())
            except FileNotFoundError:
                return None

    async def get_range(self, path: str, offset: int, length: int) -> bytes | None:
        """So many bytes from `offset` on, or fewer where it ends before; None where there is nothing."""
        async with self._explained("read", path, _SECONDS):
            store = await self._store()
            with suppress(FileNotFoundError):
                try:
                    return bytes(await obstore.get_range_async(store, self._at(path), start=offset, length=length))
                except BaseError:
                    if (await obstore.head_async(store, self._at(path)))["size"] > offset:
                        raise
                    return b""
        return None

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """All that is there, in pieces.

        Raises:
            FileNotFoundError: there is nothing.
        """
        async with self._explained("read", path):
            found = await obstore.get_async(await self._store(), self._at(path))
            async for piece in found.stream(min_chunk_size=CHUNK):
                yield bytes(piece)

    async def found(self, folder: str) -> list[Found]:
        """All that stands below `folder`."""
        depth = len(self._at("").rstrip("/")) + 1 if self._at("") else 0
        found = list[Found]()
        async with self._explained("read", folder), asyncio.timeout(_SECONDS) as limit:
            async for some in obstore.list(await self._store(), self._at(folder)):
                found += [Found(meta["path"][depth:], meta["last_modified"]) for meta in some]
                limit.reschedule(asyncio.get_running_loop().time() + _SECONDS)
        return found

    async def remove(self, path: str) -> None:
        """Take away what is there, if anything is."""
        async with self._explained("written", path, _SECONDS):
            try:
                await obstore.delete_async(await self._store(), self._at(path))
            except FileNotFoundError:
                return

    async def shortcoming(self) -> str | None:
        """What it lacks that plans need, by a small file that is removed again; None where all is well."""
        path, before = f"{_TRIALS}/{uuid.uuid4().hex}", datetime.now(UTC)
        try:
            if not await self.create(path, _TRIAL) or await self.create(path, _TRIAL[:1]):
                return "it does not create an object only where there is none"
            if await self.get_range(path, 2, 3) != _TRIAL[2:5]:
                return "it does not read a part of an object"
            put_at = next((one.at for one in await self.found(_TRIALS) if one.path == path), None)
            if put_at is None:
                return "it does not list what is there"
            if (behind := (before - put_at).total_seconds()) > _OFF_MAX:
                return f"its clock is {behind:,.0f} seconds behind the worker's"
            if (ahead := (put_at - datetime.now(UTC)).total_seconds()) > _OFF_MAX:
                return f"its clock is {ahead:,.0f} seconds ahead of the worker's"
        finally:
            await self.remove(path)
        return None if await self.get(path) is None else "it does not remove what it is told to"

    def _at(self, path: str) -> str:
        return "/".join((*self._place.parts, path)) if self._place is not None else path

    async def _store(self) -> LocalStore | S3Store:
        if self._opened is None:
            if self._place is not None:
                self._opened = open_bucket(self._place.bucket, self._policy)
            else:
                await self._making.made()
                self._opened = LocalStore(prefix=self._folder)
        return self._opened

    @asynccontextmanager
    async def _explained(self, done: str, path: str, within: float | None = None) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(within):
                yield
        except FileNotFoundError as error:  # of a write, its bucket is missing: that is no answer to whoever reads
            if done == "read":
                raise
            reason = self._reason(error)
        except TimeoutError:
            reason = "it did not answer in time"
        except (BaseError, NotImplementedError, OSError, ValueError) as error:
            reason = self._reason(error)
        else:
            return
        said = f"cannot be {done}: {reason}"
        raise StoreUnavailable(f"[store] {self.uri_of(path)} {said}. Mend that.", f"it {said}")

    def _reason(self, error: BaseError | NotImplementedError | OSError | ValueError) -> str:
        if isinstance(error, NotSupportedError | NotImplementedError):
            return "it lacks what is needed here: to create an object only where there is none"
        if isinstance(error, InvalidPathError):
            return "below it is a file whose name is no UTF-8, or has signs that do not print"
        if self._place is None:
            number = _OS_ERROR.search(str(error))
            known = getattr(error, "errno", None) or (int(number[1]) if number else None)
            return _OS_SAYS.get(known or 0, f"the disk failed ({errno.errorcode.get(known or 0, 'no cause given')})")
        code = error_code(error)
        said = f" ({code})" if code else ""
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return f"it refuses the worker's credentials{said}"
        return f"it failed, or was not reached{said}: check its endpoint, region, credentials and this machine's clock"


class _Making:
    """Makes a folder. All who ask meanwhile wait for one thread, however little patience each of them has.

    obstore would hold up the whole process for as long as a mount hangs. A call to one that is gone may never return:
    then another thread tries it, each time after twice as long, so that there are never many.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls: list[Future[None]] = []
        self._began = 0.0

    async def made(self) -> None:
        """Wait until it is made.

        Raises:
            OSError, ValueError: it cannot be made.
            TimeoutError: it was not made in time, or hangs and is not tried once more yet.
        """
        await asyncio.wait_for(asyncio.wrap_future(self._call()), _SECONDS)

    def _call(self) -> Future[None]:
        """The newest call while it is young, or a new one."""
        if self._calls and not self._calls[-1].done():
            age = monotonic() - self._began
            if age < _SECONDS:
                return self._calls[-1]
            if age < _SECONDS * min(2 ** (len(self._calls) - 1), _TURNS_MAX):
                raise TimeoutError
        hang = [call for call in self._calls if not call.done()]
        self._calls, self._began = [*hang, _in_a_thread(self._folder)], monotonic()
        return self._calls[-1]


def _in_a_thread(folder: Path) -> Future[None]:
    """A folder that is made. No process waits for the thread at its exit: a call to a mount that is gone has no end."""
    made = Future[None]()
    made.set_running_or_notify_cancel()  # so that one who is cancelled leaves it to the others

    def make() -> None:
        try:
            folder.mkdir(exist_ok=True)  # with its parents, a share that is not mounted would pass for an empty store
        except FileNotFoundError:  # it would read as an answer
            made.set_exception(OSError(errno.ENODEV, os.strerror(errno.ENODEV)))
        except (OSError, ValueError) as error:
            made.set_exception(error)
        else:
            made.set_result(None)

    Thread(target=make, name="store", daemon=True).start()
    return made
