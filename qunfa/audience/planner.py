"""Planning in a process of its own, which ends with whoever waits for it.

Ten million openids take all of a processor for half a minute, and memory that a worker would never give back. The
process inherits none of the worker's environment, which may hold secrets.
"""

import errno
import os
import resource
import sys
import threading
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Final

from qunfa.audience.jobs import PlanFound, PlanJob
from qunfa.process import run_alone

_TOO_LITTLE_MEMORY: Final = (
    "The audience could not be planned here: sorting it takes more memory than planning has. It is tried again; split "
    "the audience if that goes on."
)
_OF_THE_DISK: Final = "max_temp_directory_size"
"""What DuckDB names where memory ran out because the disk is full."""


class PlannerError(Exception):
    """The process could not plan here and now: a repeat may help. The message is a whole sentence."""


async def plan(job: PlanJob) -> PlanFound:
    """Carry out a job. Where this is cancelled, the process ends, and the snapshot is not whole.

    Raises:
        PlannerError: there is no room on the disk, too little memory, or the process was killed.
    """
    told = Path(job.folder) / "job.json"
    told.write_text(job.model_dump_json(), encoding="utf-8")
    code, answer = await run_alone(__name__, str(told), stdin=PIPE)  # it ends once nobody holds its stdin any more
    if code != 0:
        raise PlannerError(_why(code, answer))
    return PlanFound.model_validate_json(answer)


def _why(code: int, answer: bytes) -> str:
    said = answer.decode(errors="replace").strip()
    return said or f"The process that planned the audience ended with {code}. If memory is short, give the worker more."


def main(told: str) -> int:
    """Carry out the job in a file, and say on stdout what came of it; or why not, with exit code 1."""
    # A worker plans nothing itself: it starts faster, and is smaller, without DuckDB.
    import duckdb  # noqa: PLC0415 - see above

    from qunfa.audience.snapshots import FILE_MAX, TOO_LARGE, planned  # noqa: PLC0415 - see above

    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX, FILE_MAX))
    job = PlanJob.model_validate_json(Path(told).read_bytes())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        found = planned(job)
    except (duckdb.Error, OSError) as error:
        if os.strerror(errno.EFBIG) not in str(error):
            is_memory = isinstance(error, duckdb.OutOfMemoryException) and _OF_THE_DISK not in str(error)
            sys.stdout.write(_TOO_LITTLE_MEMORY if is_memory else _no_room(error, job))
            return 1
        found = PlanFound(kind="refused", problems=(TOO_LARGE,))
    sys.stdout.write(found.model_dump_json())
    return 0


def _no_room(error: Exception, job: PlanJob) -> str:
    reason = str(error).partition("\n")[0]
    if isinstance(error, OSError):
        reason = f"{Path(error.filename or job.folder).parent}: {error.strerror}"
    return f"The audience could not be planned here: {reason[:300].rstrip('.')}. Make room there; it is tried again."


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
