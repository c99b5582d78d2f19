"""What a mass message says: the branch object that belongs to its msgtype."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

from qunfa.simulator.config import Limits
from qunfa.simulator.errors import Refusal

MOST_IMAGES = 20
_BRANCH = {"mpnews": "mpnews", "voice": "voice", "image": "image", "mpvideo": "mpvideo", "video": "mpvideo"}


@dataclass(frozen=True)
class Content:
    """A message that passed the checks of form.

    Attributes:
        msgtype: WeChat's name of its type.
        branch: the branch object.
        media_ids: the material it refers to.
    """

    msgtype: str
    branch: dict[str, object]
    media_ids: tuple[str, ...] = ()

    @property
    def text(self) -> str | None:
        """The text of a text message."""
        text = self.branch.get("content")
        return text if self.msgtype == "text" and isinstance(text, str) else None

    @property
    def digest(self) -> str:
        """The same for the same message, 16 hex digits."""
        canonical = json.dumps([self.msgtype, self.branch], sort_keys=True, ensure_ascii=False)
        return sha256(canonical.encode()).hexdigest()[:16]


def parse_content(body: dict[str, object], limits: Limits, unknown_type: int) -> Content:
    """The message of a send.

    Args:
        body: the request.
        limits: of the account.
        unknown_type: the code of an unknown msgtype: 40008 for sendall, 45162 for send.

    Raises:
        Refusal: `unknown_type`, 44004, 45002 (text), 41006, 41026, 40215 (media), 45113 (cards).
    """
    msgtype = body.get("msgtype")
    if msgtype == "text":
        return _text(body, limits)
    if msgtype == "wxcard":
        raise Refusal(45113)
    if msgtype == "image" and isinstance(body.get("images"), dict):
        return _images(body)
    if not isinstance(msgtype, str) or msgtype not in _BRANCH:
        raise Refusal(unknown_type)
    branch = body.get(_BRANCH[msgtype])
    media_id = branch.get("media_id") if isinstance(branch, dict) else None
    if not isinstance(branch, dict) or not isinstance(media_id, str) or not media_id:
        raise Refusal(41006)
    return Content(_BRANCH[msgtype], branch, (media_id,))


def _text(body: dict[str, object], limits: Limits) -> Content:
    branch = body.get("text")
    text = branch.get("content") if isinstance(branch, dict) else None
    if not isinstance(branch, dict) or not isinstance(text, str) or not text:
        raise Refusal(44004)
    if len(text.encode()) > limits.text_bytes:
        raise Refusal(45002)
    return Content("text", branch)


def _images(body: dict[str, object]) -> Content:
    branch = body["images"]
    media_ids = branch.get("media_ids") if isinstance(branch, dict) else None
    if not isinstance(branch, dict) or not isinstance(media_ids, list) or not media_ids:
        raise Refusal(41026)
    if len(media_ids) > MOST_IMAGES:
        raise Refusal(40215)
    return Content("image", branch, tuple(str(media_id) for media_id in media_ids))
