"""What is wrong with a body that cannot be read, and how much of one is looked at."""

from typing import Final

ELEMENTS_MAX: Final = 4096
"""Elements that are looked at: a mass send of 8 articles has about a hundred."""
DEPTH_MAX: Final = 16
"""What stands deeper is left out."""
NAME_MAX: Final = 64


class EventError(Exception):
    """The body is no push that can be read. The message says why and quotes nothing of it."""


class EncryptedError(EventError):
    """The body is encrypted, where what stands in it was expected: it may well be a result."""


class HostileError(EventError):
    """The body holds what no push of WeChat's has, and what hurts others that read it."""
