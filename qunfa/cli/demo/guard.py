"""Becomes another program that the kernel ends together with the process that started it.

It is run as a file, not imported: `python guard.py PARENT_PID PROGRAM [ARGUMENT…]`. Only Linux has
such a service. Elsewhere the program outlives a parent that was killed with SIGKILL.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has gone already, so no signal will come
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - that is its purpose


if __name__ == "__main__":
    main()
