"""The media of a message: where they come from."""

from qunfa.media.policy import SourcePolicy
from qunfa.media.sources import Fetched, Sources
from qunfa.media.spool import SourceError, SourceRefused, SourceUnavailable

__all__ = ["Fetched", "SourceError", "SourcePolicy", "SourceRefused", "SourceUnavailable", "Sources"]
