"""Where Temporal's development server is."""

import shutil
import sys
from pathlib import Path

import pytest


def temporal_binary() -> str:
    """The development server that is installed beside Python, or on the path."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        pytest.skip("temporal is not installed")
    return found
