"""The address that WeChat names when it refuses a caller by its IP whitelist."""

import re
from typing import Final

_NAMED: Final = re.compile(r"\bip:?\s+([0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f])")


def refused_address(errmsg: str | None) -> str | None:
    """``1.2.3.4`` of ``invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist``; ``None`` where none is named."""
    named = _NAMED.search(errmsg) if errmsg else None
    return named[1] if named else None
