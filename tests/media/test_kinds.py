"""What a file is, by its bytes; and of recordings and clips, how long they play and whether they are sound."""

import time
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from qunfa.media.facts import Format, Kind, inspect, sniff
from qunfa.media.recordings import mp3_length
from tests.media.recordings import FRAME_SECONDS, amr, box, id3, mp3_frame, mp3_frames, mp4, xing
from tests.media.samples import facts_of

APE = b"APETAGEX" + b"\xff" * 200 + b"TAG".ljust(128, b"\0")
ISOM = box(b"ftyp", b"isom")
EMPTY_TAG = b"ID3\x04\0\0\0\0\0\0"


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
        (("a" + "中" * 2000).encode(), Format.TEXT),  # the 4,096 bytes that are looked at end within a character
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


def test_a_file_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    """What is wrong with the disk is not said of the file's content."""
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "gone.png")


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (mp3_frames(61), 61),
        (mp3_frames(61, (32, 320, 64, 128)), 61),
        (xing(2335) + mp3_frames(61, (32, 320, 64)), 61),
        (xing(3) + mp3_frames(61, (32, 128)), 61),
        (id3(b"\xff\xfb\x90\x00" * 900) + mp3_frames(61), 61),
        (id3(b"") + id3(b"x" * 300) + mp3_frames(61) + APE, 61),
        (mp3_frames(30) + b"junk" * 500 + mp3_frames(31), 61),
        (mp3_frames(10)[:-5], 10),
    ],
    ids=[
        "constant",
        "variable",
        "xing",
        "forged xing",
        "frames in a tag",
        "tags around",
        "junk within",
        "half a frame",
    ],
)
def test_an_mp3_plays_as_long_as_its_frames_do(tmp_path: Path, content: bytes, seconds: float) -> None:
    """Every frame counts, and what headers state does not."""
    found = facts_of(tmp_path, content).duration
    assert found is not None
    assert found.total_seconds() == pytest.approx(seconds, abs=2 * FRAME_SECONDS)


@given(st.lists(st.sampled_from([32, 64, 128, 320]), min_size=1, max_size=40), st.binary(max_size=200))
def test_an_mp3_of_any_bit_rates_and_tag_is_counted_exactly(rates: list[int], tag: bytes) -> None:
    """The length is the number of frames times what a frame plays."""
    content = id3(tag) + b"".join(map(mp3_frame, rates))
    length = mp3_length(BytesIO(content), len(content)).duration
    assert length is not None
    assert length.total_seconds() == pytest.approx(len(rates) * FRAME_SECONDS, abs=1e-5)


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (amr(61, (7,)), 61),
        (amr(61, (0,)), 61),
        (amr(61, (0, 7, 8, 3)), 61),
        (amr(10)[:-5], 9.98),  # recorders leave half a frame at the end, which plays nothing
        (mp4(12.5), 12.5),
    ],
    ids=["12.2", "4.75", "mixed", "half a frame", "clip"],
)
def test_a_sound_file_says_how_long_it_plays(tmp_path: Path, content: bytes, seconds: float) -> None:
    """Twenty milliseconds a frame of AMR, whatever its mode and size. A clip says it by its structure."""
    facts = facts_of(tmp_path, content)
    assert facts.duration is not None
    assert facts.damage is None
    assert facts.duration.total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"#!AMR\n", "no AMR frame"),
        (b"#!AMR\n\x4c\x4c", "stands no AMR frame"),
        (amr(1) + b"PK\x03\x04", "stands no AMR frame"),
        (b"ID3\x04\0\0\0\0\0\x05hello", "no MP3 frame"),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3_frames(1), "no MP3 frame"),
        (b"\xff\xfb" + b"\xff" * 9000, "no MP3 frame"),
        (mp3_frames(5) + b"PK\x03\x04" * 100_000, "bytes that are no MP3"),
        (mp4(handlers=[b"soun"]), "holds no video"),
        (mp4(handlers=[]), "holds no video"),
        (box(b"ftyp", b"isom", bytes(12)), "moov and an mdat"),
        (ISOM + b"this is no MP4 at all, only called so", "is cut off"),
        (ISOM + bytes(3) + b"\x02free" + bytes(30), "stands no part of an MP4"),
        (mp4()[:-10], "is cut off"),
        (mp4()[:200], "is cut off"),
        (ISOM + box(b"free") * 20_000 + mp4(), "more than 10,000 parts"),
        (ISOM + bytes(3) + b"\x01mdat" + b"\xff" * 8, "is cut off"),
    ],
)
def test_what_only_begins_like_sound_or_a_clip_is_damaged(tmp_path: Path, content: bytes, said: str) -> None:
    """A magic number, a tag or a sync is no recording. `ftyp` is a promise: a video track has to follow."""
    assert said in (facts_of(tmp_path, content).damage or "")


@pytest.mark.parametrize(
    "content",
    [
        b"#!AMR\n" + b"\x7c" * 8_000_000,
        EMPTY_TAG + b"\xff" * 8_000_000,
        EMPTY_TAG + b"\xff\xfb\x90" * 2_000_000,
        (mp3_frame(32) + b"\xff") * 60_000,
        b"\xff\xf3\x14\xc4" * 2_000_000,
    ],
    ids=["empty frames", "endless sync", "broken frames", "junk after every frame", "tiny frames"],
)
def test_a_hostile_recording_takes_no_time(tmp_path: Path, content: bytes) -> None:
    """Eight megabytes made to be slow are judged in a bounded time."""
    started = time.thread_time()
    facts_of(tmp_path, content)
    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    ("scale", "units"), [(b"\0\0\0\0", b"\0\0\0\x09"), (b"\0\0\0\x01", b"\xff\xff\xff\xff")], ids=["nothing", "ages"]
)
def test_a_clip_that_states_nonsense_is_no_damaged_one(tmp_path: Path, scale: bytes, units: bytes) -> None:
    """A duration of ages, or in units of nothing, is none. A part of size zero goes to the end, as recorders write."""
    clip = mp4()
    at, last = clip.index(b"mvhd") + 4, clip.index(b"mdat") - 4
    facts = facts_of(tmp_path, clip[: at + 12] + scale + units + clip[at + 20 :])
    assert (facts.damage, facts.duration) == (None, None)
    facts = facts_of(tmp_path, clip[:last] + bytes(4) + clip[last + 4 :])
    assert (facts.damage, facts.duration) == (None, timedelta(seconds=5))


@given(data=st.data())
def test_a_clip_with_any_bytes_changed_is_judged(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever stands in the file, there are facts, and no exception."""
    clip = bytearray(mp4())
    for _ in range(data.draw(st.integers(1, 8))):
        clip[data.draw(st.integers(8, len(clip) - 1))] = data.draw(st.integers(0, 255))
    facts = facts_of(tmp_path_factory.getbasetemp(), bytes(clip))
    assert facts.size == len(clip)
