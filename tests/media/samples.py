"""Small files of every kind that WeChat takes, and pictures drawn for tests."""

import io
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from qunfa.media.facts import MediaFacts, inspect
from tests.media.recordings import amr, mp3_frames, mp4


def picture(form: str = "PNG", size: tuple[int, int] = (40, 30), colour: str = "red") -> bytes:
    return encoded(Image.new("RGB", size, colour), form)


def noise(form: str = "PNG", size: tuple[int, int] = (1000, 1000)) -> bytes:
    """A picture that no format makes small: 3 bytes a pixel as PNG."""
    options = {"compress_level": 0} if form == "PNG" else {}
    return encoded(Image.effect_noise(size, 100).convert("RGB"), form, **options)


recording, voice_message, clip = mp3_frames, amr, mp4


def facts_of(folder: Path, content: bytes) -> MediaFacts:
    path = folder / "misleading.jpg"
    path.write_bytes(content)
    return inspect(path)


def drawn(width: int, height: int, mode: str = "RGB") -> Image.Image:
    state, data = 12345, bytearray()
    while len(data) < width * height * 3:
        state = zlib.crc32(state.to_bytes(8, "big"), state)
        data += state.to_bytes(4, "big")
    picture = Image.frombytes("RGB", (width, height), bytes(data[: width * height * 3]))
    return picture if mode == "RGB" else picture.convert(mode)


def encoded(picture: Image.Image, stated: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, stated, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """A PNG file with these rows, whatever its header says of them."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
