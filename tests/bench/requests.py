"""Pushes for wrk: results of mass sends, each with a msg_id of its own, signed and, in safe mode, encrypted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode

from qunfa.settings import Settings
from tests.callback.pushing import AES_KEY, FINISHED, callback_settings, sealed, signed

Mode = Literal["plain", "safe"]
FIRST_MSG_ID: Final = 3147483650
PER_SECOND_MAX: Final = 1_000_000
"""Results that an account may get: what is measured is not the limit."""
_PATH: Final = "/wechat/demo"
_MSG_ID: Final = str(FIRST_MSG_ID).encode()


def settings_of(mode: Mode) -> Settings:
    """One account, `demo`, whose callback is in this mode."""
    receiver = {"results_per_second": PER_SECOND_MAX}
    return callback_settings(receiver, mode=mode, aes_key=AES_KEY if mode == "safe" else None)


def requests(mode: Mode, count: int) -> Iterator[tuple[str, bytes]]:
    """Target and body of so many pushes, signed now; no body has a line break."""
    line = FINISHED.replace(b"\n", b"")
    for msg_id in range(FIRST_MSG_ID, FIRST_MSG_ID + count):
        event = line.replace(_MSG_ID, str(msg_id).encode())
        push: dict[str, Any] = sealed(event) if mode == "safe" else {"params": signed(), "content": event}
        yield f"{_PATH}?{urlencode(push['params'])}", push["content"]


def write_requests(path: Path, mode: Mode, count: int) -> None:
    """One request a line, as push.lua reads them."""
    with path.open("wb") as file:
        for target, body in requests(mode, count):
            file.write(target.encode() + b"\t" + body + b"\n")
