"""Pictures that may take much memory or time, decoded in a process of their own.

A progressive JPEG of 10 MB takes 100 MB to be decoded, and several times as much to be re-encoded. One that is made to
harm takes hours. In a process of its own both are bounded, and what harms the decoder harms nothing else: a thread
cannot be ended. The process inherits none of the worker's environment, which may hold secrets.
"""

import asyncio
import contextlib
import errno
import json
import os
import resource
import signal
import sys
from asyncio.subprocess import DEVNULL
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from qunfa.media.facts import DECODED, HEAD_BYTES, Format, MediaFacts, UnreadableError, inspect, opened, sniff
from qunfa.media.fitting import CannotFitError, Fitted, Use, fit
from qunfa.process import run_alone

PIXELS_HERE: Final = 2_100_000
"""A picture with more is decoded elsewhere."""
BYTES_HERE: Final = 500_000
"""A larger file too: some take time with the square of their size, or memory for each part of four bytes."""
SCANS_HERE: Final = 20
"""A JPEG with more too: each scan goes over all pixels, for 12 bytes of the file. Encoders write ten."""
AT_ONCE: Final = 2
"""Processes at a time."""
MEMORY_MAX: Final = 1 << 30
"""Bytes of address space for one picture, beside what the process itself needs."""
SECONDS_MAX: Final = 60
"""Of computing for one picture."""

_SCAN: Final = b"\xff\xda"
"""How a scan of a JPEG begins. Its data never has these two bytes, and another format has them by chance."""
_FORMATS: Final = {str(one): one for one in Format}
_STOPPED: Final = frozenset({-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
"""How it ends where somebody stops it along with its worker. That says nothing of the picture."""


class _FailedError(Exception):
    """The process has ended without an answer; the message says how."""


class Darkroom:
    """Looks at files and re-encodes pictures, a few at a time."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def inspect(self, path: Path) -> MediaFacts:
        """The facts of a file, as `qunfa.media.facts.inspect` gives them.

        Raises:
            OSError: The file cannot be read.
        """
        if not await asyncio.to_thread(_takes_much, path):
            return await asyncio.to_thread(inspect, path)
        try:
            said = await self._elsewhere("inspect", str(path))
        except _FailedError as failed:
            found, size = await asyncio.to_thread(_by_its_head, path)
            return MediaFacts(found, size, damage=str(failed))
        return MediaFacts(**{**said, "format": _FORMATS[said["format"]]})

    async def fit(self, path: Path, use: Use, into: Path) -> Fitted:
        """A picture that WeChat takes, as `qunfa.media.fitting.fit` makes it.

        Raises:
            CannotFitError: It is no picture, damaged, animated, or in a format that cannot be decoded here.
            OSError: A file cannot be read or written.
        """
        try:
            said = await self._elsewhere("fit", str(path), use.value, str(into))
        except _FailedError as failed:
            raise CannotFitError(str(failed)) from None
        if "cannot" in said:
            raise CannotFitError(said["cannot"])
        return Fitted(**{**said, "path": Path(said["path"])})

    async def _elsewhere(self, *what: str) -> dict[str, Any]:
        """What the other process says. It is ended together with whoever waits for it, and a terminal does not stop it.

        Raises:
            OSError: A file cannot be read or written, or the process was stopped, or could not begin.
        """
        async with self._gate:
            code, answer = await run_alone(__name__, *what, stdin=DEVNULL, stderr=DEVNULL, start_new_session=True)
        if code != 0:
            raise _why(code, answer)
        said: dict[str, Any] = json.loads(answer)
        if "errno" in said:
            raise OSError(said["errno"], said["strerror"])
        return said


def _why(code: int, answer: bytes) -> OSError | _FailedError:
    if code in _STOPPED:
        return OSError(errno.ECANCELED, f"the process that decodes it was stopped by signal {-code}")
    if code == 1 and not answer:
        return OSError(errno.ECANCELED, "the process that decodes it could not begin")
    return _FailedError(
        f"could not be decoded: the process that tried ended with {code}, so it is damaged, or takes too much memory "
        "or time"
    )


def _takes_much(path: Path) -> bool:
    """Whether decoding it may take more than some megabytes, or a second.

    How large a GIF becomes, only its last frame tells. A picture without a readable header is soon found to be bad.
    """
    found, size = _by_its_head(path)
    if found not in DECODED:
        return False
    if found is Format.GIF or size > BYTES_HERE or path.read_bytes().count(_SCAN) > SCANS_HERE:
        return True
    try:
        with opened(path, found) as image:
            return image.width * image.height > PIXELS_HERE
    except UnreadableError:
        return False


def _by_its_head(path: Path) -> tuple[Format, int]:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES)), file.seek(0, os.SEEK_END)


def main(arguments: list[str]) -> None:
    """Do one thing, and say as JSON what came of it. An empty line before tells that all was imported."""
    sys.stdout.write("\n")
    sys.stdout.flush()
    _bound()
    said: dict[str, Any]
    try:
        match arguments:
            case ["inspect", path]:
                said = asdict(inspect(Path(path)))
            case ["fit", path, use, into]:
                said = asdict(fit(Path(path), Use(use), Path(into)))
            case _:
                raise SystemExit(2)
    except CannotFitError as cannot:
        said = {"cannot": str(cannot)}
    except OSError as error:
        said = {"errno": error.errno, "strerror": error.strerror}
    sys.stdout.write(json.dumps(said, default=str))


def _bound() -> None:
    """Where a system does not know these limits, the number of pixels is what bounds it."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX))
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY_MAX
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(sys.argv[1:])
