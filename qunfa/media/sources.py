"""What a request names by URI, brought here."""

import asyncio
import errno
import os
import re
import ssl
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from qunfa.media.policy import SourcePolicy, StorePlace
from qunfa.media.spool import (
    CHUNK,
    Scratch,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    Spool,
    file_name,
    file_path,
    scheme_of,
)
from qunfa.media.web import Resolver, WebSources, resolve

if TYPE_CHECKING:
    from obstore.store import S3Config  # there is none at run time

_READS_AT_ONCE: Final = 8
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_PASSING: Final = os.O_PATH if sys.platform == "linux" else os.O_RDONLY
"""Linux passes through a folder that may be entered but not listed."""
_FOLDER: Final = _PASSING | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_SWAPPED: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENXIO})


class StoreSources:
    """Reads objects of S3, or of a server that speaks its protocol, from listed buckets and folders in them."""

    def __init__(self, policy: SourcePolicy) -> None:
        self._policy = policy
        self._folders = tuple(StorePlace.parse_folder(prefix) for prefix in policy.stores)
        self._stores: dict[str, S3Store] = {}

    async def read_into(self, spool: Spool) -> None:
        """Fetch the object that `spool.uri` names into `spool`.

        Raises:
            SourceRefused: it is not in a listed store, is not there, or the credentials do not reach it.
            SourceUnavailable: the store failed or was not reached.
        """
        wanted = StorePlace.parse(spool.uri)
        if not any(folder.holds(wanted) for folder in self._folders):
            raise SourceRefused(
                spool.uri,
                "nothing may be read from there. If it shall be, list its bucket or folder under stores in [media].",
            )
        failure: SourceError
        try:
            await self._read(wanted, spool)
        except (BaseError, FileNotFoundError, ValueError) as error:
            failure = _store_error(error, spool.uri)
        else:
            return
        raise failure

    async def _read(self, wanted: StorePlace, spool: Spool) -> None:
        found = await obstore.get_async(self._store(wanted.bucket), wanted.key)
        spool.expect(found.meta["size"])
        chunks: AsyncIterator[bytes] = found.stream(min_chunk_size=CHUNK)
        async for chunk in chunks:
            await asyncio.to_thread(spool.write, chunk)

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            self._stores[bucket] = open_bucket(bucket, self._policy)
        return self._stores[bucket]


def open_bucket(bucket: str, policy: SourcePolicy) -> S3Store:
    """A bucket, with the endpoint, the region and the limits of time that `policy` names."""
    config: S3Config = {}
    if policy.s3_endpoint is not None:
        config["endpoint"] = policy.s3_endpoint
    if policy.s3_region is not None:
        config["region"] = policy.s3_region
    return S3Store(
        bucket,
        config=config,
        client_options={
            "allow_http": (policy.s3_endpoint or "").startswith("http://"),
            "connect_timeout": policy.connect_max,
            "read_timeout": policy.silence_max,
            "timeout": policy.time_max,
            "user_agent": "qunfa",
        },
        retry_config={"max_retries": 0, "retry_timeout": policy.time_max},
    )


def error_code(error: BaseException) -> str | None:
    """S3's own code in an error: the only thing of it that may be shown."""
    found = _CODE.search(str(error))
    return found[1] if found else None


def _store_error(error: BaseError | FileNotFoundError | ValueError, uri: str) -> SourceError:
    """The library's text quotes URLs and whole answers; only S3's error code is taken from it."""
    code = error_code(error)
    said = f" ({code})" if code else ""
    match error:
        case FileNotFoundError():
            return SourceRefused(uri, f"there is no such object{said}. Correct the bucket and the key.")
        case PermissionDeniedError() | UnauthenticatedError():
            return SourceRefused(
                uri,
                f"the store refuses the worker's credentials{said}. Check AWS's variables and the right to read it.",
            )
        case GenericError():
            return SourceUnavailable(
                uri,
                f"the store failed, or was not reached{said}. Check its endpoint, region and credentials; try later.",
            )
    return SourceRefused(uri, f"the store does not take this request ({type(error).__name__}). Correct the key.")


class FileSources:
    """Reads regular files below the roots; links are followed as long as they lead to a place below a root.

    Its threads are its own, and end with it. A mount that hangs holds its threads for as long, and they cannot be
    ended: asyncio's own are left for all else, such as the names of hosts.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots
        self._threads = ThreadPoolExecutor(_READS_AT_ONCE, thread_name_prefix="file")

    async def read_into(self, spool: Spool) -> None:
        """Copy the file that `spool.uri` names into `spool`.

        Raises:
            SourceRefused: it is not below a root, is not there, or is no regular file.
            SourceUnavailable: it changed meanwhile, or the disk failed.
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._read, spool)

    def _read(self, spool: Spool) -> None:
        path = file_path(spool.uri)
        failure: SourceError
        try:
            root, parts = self._resolved(spool.uri, path)
            with _opened(spool.uri, root, parts) as file:
                _copy(file, spool)
        except OSError as error:
            failure = _explained(error, spool.uri)
        else:
            return
        raise failure

    def _resolved(self, uri: str, path: str) -> tuple[str, tuple[str, ...]]:
        """The root, and the way from there to the file, without any link at this moment."""
        roots = [Path(os.path.realpath(root)) for root in self._roots]
        outside = SourceRefused(
            uri, "it is not below a folder that media may be read from. If it shall be, list it under roots in [media]."
        )
        # Without `strict`, what is not there still gets its place, so that nobody learns what exists outside the roots.
        if not any(Path(os.path.realpath(path)).is_relative_to(root) for root in roots):
            raise outside
        real = Path(os.path.realpath(path, strict=True))
        for root in roots:
            if real.is_relative_to(root):
                return str(root), real.relative_to(root).parts
        raise outside


@contextmanager
def _opened(uri: str, root: str, parts: tuple[str, ...]) -> Iterator[int]:
    """Opens part by part, each from its open folder and never through a link. A link put in now leads nowhere."""
    if not parts:
        raise SourceRefused(uri, "it is a folder. Name a file.")
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = _open_at(uri, part, _FOLDER, folder)
            os.close(folder)
            folder = inner
        _check_kind(uri, os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode)
        file = _open_at(uri, parts[-1], _FILE, folder)
    finally:
        os.close(folder)
    try:
        yield file
    finally:
        os.close(file)


def _open_at(uri: str, name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno not in _SWAPPED:
            raise
    raise SourceRefused(uri, "it was replaced while it was opened. Let nothing write there while it is sent.")


def _check_kind(uri: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise SourceRefused(uri, "it is a folder. Name a file.")
    if stat.S_ISLNK(mode):
        raise SourceRefused(uri, "it was replaced while it was opened. Let nothing write there while it is sent.")
    if not stat.S_ISREG(mode):
        raise SourceRefused(uri, "it is a device, a pipe or a socket. Name a regular file.")


def _copy(file: int, spool: Spool) -> None:
    before = os.fstat(file)
    _check_kind(spool.uri, before.st_mode)
    spool.expect(before.st_size)
    while chunk := os.read(file, CHUNK):
        spool.write(chunk)
    after = os.fstat(file)
    stable = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not stable or spool.size != after.st_size:
        raise SourceUnavailable(spool.uri, "it changed while it was read. Write it completely, then send it.")


def _explained(error: OSError, uri: str) -> SourceError:
    if error.errno in _MISSING:
        return SourceRefused(uri, "there is no such file. Correct the path, or put it there on every worker.")
    if error.errno in _FORBIDDEN:
        return SourceRefused(uri, "the worker's user may not read it. Give it the right to.")
    if error.errno == errno.ELOOP:
        return SourceRefused(uri, "its links lead in a circle. Correct them.")
    return SourceUnavailable(uri, f"it could not be read: {error.strerror}. Check the disk; it is tried again.")


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
    async def fetch(self, uri: str, *, tells_end: bool = False) -> AsyncIterator[Fetched]:
        """Copy the source to a file of its own, which is there until the context ends.

        `tells_end`: refuse what may be cut off without a word. It is for lists, where nothing else shows it.

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
                spool = Spool(uri, folder / "source", self._policy.size_max, tells_end=tells_end)
                yield await self._fetch(spool)
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
                await self._files.read_into(spool)
            case "http" | "https":
                await self._web.read_into(spool)
            case "s3":
                await self._stores.read_into(spool)
            case _:
                raise SourceRefused(
                    spool.uri, "it begins with none of file:, https:, http:, s3:. Put the file in such a place."
                )
