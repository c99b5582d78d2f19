"""What makes two requests the same content.

| counts | does not count |
|---|---|
| the audience: its kind, the tag, the *set* of openids | the order of openids, what is expected of the tag |
| the message: its type and every word of it | times, approval, preview, the reprint flag, who asked |
"""

import json
from hashlib import sha256
from typing import Any

from qunfa.contract.request import MassSendRequest


def content_digest(request: MassSendRequest) -> str:
    """SHA-256 (64 hex digits) of audience and message; equal for requests that would send the same to the same."""
    audience: dict[str, Any] = request.audience.model_dump(mode="json", exclude={"expect"})
    if "openids" in audience:
        audience["openids"] = sorted(audience["openids"])
    content = {"audience": audience, "message": request.message.model_dump(mode="json")}
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()
