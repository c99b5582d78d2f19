from pathlib import Path

import pytest
from PIL import Image

from qunfa.media.facts import inspect
from qunfa.media.kinds import Format, Kind, sniff
from tests.media.recordings import amr, id3, mp3_frames, mp4


@pytest.mark.parametrize("stated", ["png", "jpeg", "gif", "bmp", "webp", "tiff", "avif"])
def test_a_picture_is_known_by_its_content_and_not_by_its_name(tmp_path: Path, stated: str) -> None:
    """Whatever a file is called, its bytes say what it is."""
    path = tmp_path / "misleading.mp3"
    Image.new("RGB", (4, 3), "red").save(path, stated)
    facts = inspect(path)
    assert (facts.format, facts.kind, facts.damage) == (stated, Kind.PICTURE, None)


@pytest.mark.parametrize(
    ("content", "stated"),
    [
        (b"", Format.EMPTY),
        ("不是图片".encode(), Format.TEXT),
        (b"<html><body>404 Not Found</body></html>", Format.TEXT),
        (b"\0\x01\x02\x03", Format.UNKNOWN),
        (mp3_frames(0.2), Format.MP3),
        (id3(b"\0" * 20) + mp3_frames(0.2), Format.MP3),
        (amr(0.2), Format.AMR),
        (b"#!AMR-WB\n\0", Format.AMR_WB),
        (b"\xff\xf1\x50\x80\0\0", Format.AAC),
        (mp4(), Format.MP4),
        (mp4(brand=b"qt  "), Format.QUICKTIME),
        (mp4(brand=b"3gp5"), Format.THREE_GP),
        (mp4(brand=b"M4A "), Format.M4A),
        (mp4(brand=b"heic"), Format.HEIC),
        (b"RIFF\0\0\0\0WAVEfmt ", Format.WAV),
        (b"RIFF\0\0\0\0AVI LIST", Format.AVI),
        (b"RIFF\0\0\0\0????", Format.UNKNOWN),
        (b"OggS\0", Format.OGG),
        (b"fLaC\0", Format.FLAC),
        (b"\x1a\x45\xdf\xa3", Format.MATROSKA),
        (b"%PDF-1.7", Format.PDF),
        (b"PK\x03\x04", Format.ZIP),
        (b"BM is how this begins, and it is text", Format.TEXT),
    ],
)
def test_first_bytes_tell_formats_apart(content: bytes, stated: Format) -> None:
    """Formats that are refused are named too, so that the sentence can say what was given."""
    assert sniff(content[:4096]) is stated


def test_text_that_is_cut_within_a_character_is_still_text() -> None:
    """Only the beginning of a file is looked at, and it may end anywhere."""
    assert sniff(("a" + "中" * 2000).encode()[:4096]) is Format.TEXT


def test_a_file_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    """What is wrong with the disk is not said of the file's content."""
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "gone.png")
