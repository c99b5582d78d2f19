"""The messages of the demo, from the options that a person would type."""

import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

from qunfa.cli.demo.folder import ACCOUNT
from qunfa.cli.message_options import MessageOptions, message_of
from qunfa.cli.rendering.words import SHANGHAI
from qunfa.cli.request_options import AudienceOptions, Request, assemble

_TEXT: Final = "Hello from Qunfa: one message, and nobody gets it twice."


def campaign(media: Path) -> list[Request]:
    """A text, an article with pictures, and a video, to all followers; the files are in `media`."""
    began = f"demo-{datetime.now(SHANGHAI):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    messages = {
        "text": MessageOptions(text=_TEXT),
        "article": MessageOptions(
            html=str(media / "article.html"), thumb=str(media / "cover.jpg"), title="春天到了", author="Qunfa"
        ),
        "video": MessageOptions(video=str(media / "clip.mp4"), title="郁金香", description="Tulips in the wind"),
    }
    return [_request(f"{began}-{name}", given) for name, given in messages.items()]


def _request(key: str, given: MessageOptions) -> Request:
    overrides = {"account": ACCOUNT, "key": key, "message": message_of(given)}
    return assemble(None, AudienceOptions(to_all=True), overrides, defaults={"requested_by": "qunfa demo"})
