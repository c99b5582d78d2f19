from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.media.facts import MediaFacts, inspect
from tests.media.recordings import box, mp4


def facts_of(tmp_path: Path, content: bytes) -> MediaFacts:
    """The facts of a file with this content."""
    path = tmp_path / "clip"
    path.write_bytes(content)
    return inspect(path)


def test_a_clip_with_a_video_track_is_sound(tmp_path: Path) -> None:
    """Its structure says how long it plays."""
    facts = facts_of(tmp_path, mp4(12.5))
    assert (facts.damage, facts.duration) == (None, timedelta(seconds=12.5))


def test_a_clip_whose_last_part_has_no_stated_size_is_sound(tmp_path: Path) -> None:
    """A size of zero means: to the end of the file. Live recorders write that."""
    clip = mp4()
    at = clip.index(b"mdat") - 4
    assert facts_of(tmp_path, clip[:at] + bytes(4) + clip[at + 4 :]).damage is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (mp4(handlers=[b"soun"]), "holds no video"),
        (mp4(handlers=[]), "holds no video"),
        (box(b"ftyp", b"isom", bytes(12)), "moov and an mdat"),
        (box(b"ftyp", b"isom") + b"this is no MP4 at all, only called so", "is cut off"),
        (box(b"ftyp", b"isom") + bytes(3) + b"\x02free" + bytes(30), "stands no part of an MP4"),
        (mp4()[:-10], "is cut off"),
        (mp4()[:200], "is cut off"),
        (box(b"ftyp", b"isom") + box(b"free") * 20_000 + mp4(), "more than 10,000 parts"),
        (box(b"ftyp", b"isom") + bytes(3) + b"\x01mdat" + b"\xff" * 8, "is cut off"),
    ],
    ids=["sound only", "no track", "only a name", "text", "broken size", "cut", "cut early", "many parts", "huge"],
)
def test_what_only_begins_like_a_clip_is_damaged(tmp_path: Path, content: bytes, said: str) -> None:
    """`ftyp` is a promise; a movie with a video track and data has to follow."""
    damage = facts_of(tmp_path, content).damage
    assert damage is not None
    assert said in damage


def test_a_clip_that_states_nonsense_has_no_duration(tmp_path: Path) -> None:
    """A duration of ages, or in units of nothing, is none; that is no damage."""
    clip = mp4()
    at = clip.index(b"mvhd") + 4
    for scale, units in ((b"\0\0\0\0", b"\0\0\0\x09"), (b"\0\0\0\x01", b"\xff\xff\xff\xff")):
        facts = facts_of(tmp_path, clip[: at + 12] + scale + units + clip[at + 20 :])
        assert (facts.damage, facts.duration) == (None, None)


@given(data=st.data())
def test_a_clip_with_any_bytes_changed_is_judged(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever stands in the file, there are facts, and no exception."""
    clip = bytearray(mp4())
    for _ in range(data.draw(st.integers(1, 8))):
        clip[data.draw(st.integers(8, len(clip) - 1))] = data.draw(st.integers(0, 255))
    facts = facts_of(tmp_path_factory.getbasetemp(), bytes(clip))
    assert facts.size == len(clip)
