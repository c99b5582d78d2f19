"""Small files of every kind that WeChat takes."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from qunfa.media.facts import MediaFacts, inspect
from tests.media.recordings import amr, mp3_frames, mp4


def picture(form: str = "PNG", size: tuple[int, int] = (40, 30), colour: str = "red") -> bytes:
    """A picture of one colour."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def noise(form: str = "PNG", size: tuple[int, int] = (1000, 1000)) -> bytes:
    """A picture that no format makes small: about 3 bytes a pixel as PNG."""
    file = BytesIO()
    Image.effect_noise(size, 100).convert("RGB").save(file, form)
    return file.getvalue()


def recording(seconds: float = 3) -> bytes:
    """An MP3."""
    return mp3_frames(seconds)


def voice_message(seconds: float = 3) -> bytes:
    """An AMR."""
    return amr(seconds)


def clip() -> bytes:
    """An MP4."""
    return mp4()


def facts_of(folder: Path, content: bytes) -> MediaFacts:
    """The facts of a file with this content."""
    path = folder / "misleading.jpg"
    path.write_bytes(content)
    return inspect(path)
