"""The media of a message: where they come from."""

from qunfa.media.errors import SourceError, SourceRefused, SourceUnavailable
from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Fetched, Sources

__all__ = ["Fetched", "SourceError", "SourcePolicy", "SourceRefused", "SourceUnavailable", "Sources"]
