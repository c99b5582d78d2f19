"""Pictures made for tests: noise does not compress, so it is as large as a picture gets."""

import io
import zlib
from typing import Any

from PIL import Image


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture that hardly compresses, the same every time."""
    state, data = 12345, bytearray()
    while len(data) < width * height * 3:
        state = zlib.crc32(state.to_bytes(8, "big"), state)
        data += state.to_bytes(4, "big")
    picture = Image.frombytes("RGB", (width, height), bytes(data[: width * height * 3]))
    return picture if mode == "RGB" else picture.convert(mode)


def encoded(picture: Image.Image, stated: str, **options: Any) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    picture.save(file, stated, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A part of a PNG file."""
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """A PNG file with these rows, whatever its header says of them."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
