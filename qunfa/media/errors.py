"""What can go wrong with a source, split by what the caller can do.

    SourceError
    ├── SourceRefused       it may not be read, or is not there: no repeat helps, a person must change something
    └── SourceUnavailable   it could not be read now: a timeout, a server's or a network's failure; try again later

None of these carries a user name, a password or a query (signed URLs have their signature there), in its text or its
fields; and they are raised outside of `except`, so that no other exception brings one along.
"""

import re
from typing import Final

_SHOWN_MAX: Final = 200
_USERINFO: Final = re.compile(r"^([A-Za-z0-9+.-]*:)?([/\\]*)[^/?#]*@")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]")


def shown(uri: str) -> str:
    """`uri` as it may be printed: without user name, password, query and fragment, and not endless."""
    bare = _QUERY.sub("?***", _USERINFO.sub(r"\1\2***@", uri))
    clean = _UNPRINTABLE.sub(_escape, bare[:_SHOWN_MAX])
    return f"{clean}…" if len(bare) > _SHOWN_MAX else clean


def _escape(found: re.Match[str]) -> str:
    one = found.group()
    return one if one.isprintable() else one.encode("unicode_escape").decode()


class SourceError(Exception):
    """`uri` (as it may be printed) could not be had; `reason` says in whole sentences why, and what to do next."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"source {shown(uri)}: {reason}")
        self.uri = shown(uri)
        self.reason = reason


class SourceRefused(SourceError):
    """The source may not be read, is not there, or is nothing that can be sent: no repeat helps."""


class SourceUnavailable(SourceError):
    """The source could not be read now; a repeat may help."""
