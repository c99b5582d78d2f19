"""Where the `temporal` command is, whose development server the demo runs."""

import shutil
import sys
from pathlib import Path

from qunfa.cli.errors import Refused


def temporal_binary() -> Path:
    """The `temporal` beside this Python, or else the one on PATH.

    Raises:
        Refused: There is none.
    """
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.is_file() else shutil.which("temporal")
    if found is None:
        raise Refused(
            "The demo needs the `temporal` command, and finds it neither beside this Python nor on PATH. "
            "Install it (pip install 'qunfa[demo]')."
        )
    return Path(found)
