"""What the demo sends: requests to all followers, of files that it has brought along."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from qunfa.cli.message import message_of
from qunfa.cli.request import Request, assemble
from qunfa.cli.typed.request import AudienceOptions, MessageOptions

_TEXT: Final = "Hello from Qunfa: one message, and nobody gets it twice."


def message(kind: str, media: Path) -> MessageOptions:
    """A text, an article with pictures, a video or a picture; the files are in `media`."""
    match kind:
        case "article":
            return MessageOptions(
                html=str(media / "article.html"), thumb=str(media / "cover.jpg"), title="春天到了", author="Qunfa"
            )
        case "video":
            return MessageOptions(video=str(media / "clip.mp4"), title="郁金香", description="Tulips in the wind")
        case "picture":
            return MessageOptions(image=[str(media / "tulips.png")])
        case _:
            return MessageOptions(text=_TEXT)


def to_all(account: str, key: str, given: MessageOptions, more: Mapping[str, Any] | None = None) -> Request:
    """A request that sends this to every follower of an account; `more` are further fields of it."""
    overrides = {"account": account, "key": key, "message": message_of(given), **(more or {})}
    return assemble(None, AudienceOptions(to_all=True), overrides, defaults={"requested_by": "qunfa demo"})
