import time
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.media.durations import mp3_length
from qunfa.media.facts import MediaFacts, inspect
from tests.media.recordings import FRAME_SECONDS, amr, id3, mp3_frame, mp3_frames, xing

APE = b"APETAGEX" + b"\xff" * 200 + b"TAG".ljust(128, b"\0")


def facts_of(tmp_path: Path, content: bytes) -> MediaFacts:
    """The facts of a file with this content."""
    path = tmp_path / "recording"
    path.write_bytes(content)
    return inspect(path)


def seconds(facts: MediaFacts) -> float:
    """What the recording plays."""
    assert facts.duration is not None, facts
    return facts.duration.total_seconds()


@pytest.mark.parametrize(
    "content",
    [
        mp3_frames(61),
        mp3_frames(61, (32, 320, 64, 128)),
        xing(2335) + mp3_frames(61, (32, 320, 64)),
        xing(3) + mp3_frames(61, (32, 128)),
        id3(b"\xff\xfb\x90\x00" * 900) + mp3_frames(61),
        id3(b"") + id3(b"x" * 300) + mp3_frames(61) + APE,
        mp3_frames(30) + b"junk" * 500 + mp3_frames(31),
    ],
    ids=["constant", "variable", "xing", "forged xing", "tag with frames in it", "tags around", "junk within"],
)
def test_an_mp3_plays_as_long_as_its_frames_do(tmp_path: Path, content: bytes) -> None:
    """Every frame counts, and what headers state does not."""
    assert seconds(facts_of(tmp_path, content)) == pytest.approx(61, abs=2 * FRAME_SECONDS)


@given(st.lists(st.sampled_from([32, 64, 128, 320]), min_size=1, max_size=40), st.binary(max_size=200))
def test_an_mp3_of_any_bit_rates_and_tag_is_counted_exactly(rates: list[int], tag: bytes) -> None:
    """The length is the number of frames times what a frame plays."""
    content = id3(tag) + b"".join(map(mp3_frame, rates))
    length = mp3_length(BytesIO(content), len(content)).duration
    assert length is not None
    assert length.total_seconds() == pytest.approx(len(rates) * FRAME_SECONDS, abs=1e-5)


@pytest.mark.parametrize("modes", [(7,), (0,), (0, 7, 8, 3)], ids=["12.2", "4.75", "mixed"])
def test_an_amr_plays_twenty_milliseconds_a_frame(tmp_path: Path, modes: tuple[int, ...]) -> None:
    """Whatever the frames' modes and sizes are."""
    assert seconds(facts_of(tmp_path, amr(61, modes))) == pytest.approx(61)


def test_a_recording_that_was_stopped_within_a_frame_is_sound(tmp_path: Path) -> None:
    """Recorders leave half a frame at the end; it plays nothing."""
    assert seconds(facts_of(tmp_path, amr(10)[:-5])) == pytest.approx(9.98)
    assert seconds(facts_of(tmp_path, mp3_frames(10)[:-5])) == pytest.approx(10, abs=2 * FRAME_SECONDS)


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
    ],
)
def test_what_only_begins_like_a_recording_is_damaged(tmp_path: Path, content: bytes, said: str) -> None:
    """A magic number, a tag or a sync is no recording."""
    damage = facts_of(tmp_path, content).damage
    assert damage is not None
    assert said in damage


@pytest.mark.parametrize(
    "content",
    [
        b"#!AMR\n" + b"\x7c" * 8_000_000,
        b"ID3\x04\0\0\0\0\0\0" + b"\xff" * 8_000_000,
        b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90" * 2_000_000,
        (mp3_frame(32) + b"\xff") * 60_000,
        b"\xff\xf3\x14\xc4" * 2_000_000,
    ],
    ids=["empty frames", "endless sync", "broken frames", "junk after every frame", "tiny frames"],
)
def test_a_hostile_recording_takes_no_time(tmp_path: Path, content: bytes) -> None:
    """Eight megabytes made to be slow are judged in a bounded time."""
    started = time.process_time()
    facts_of(tmp_path, content)
    assert time.process_time() - started < 2
