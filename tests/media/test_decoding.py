import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from qunfa.media.facts import FRAMES_MAX, PIXELS_MAX
from tests.media.samples import chunk, drawn, encoded, facts_of, picture, png

SMALL = {stated: encoded(drawn(40, 30), stated) for stated in ("png", "jpeg", "gif", "bmp")}


@pytest.mark.parametrize("stated", SMALL)
@pytest.mark.parametrize("behind", [b"", b"PK\x03\x04" * 50], ids=["nothing behind it", "an archive behind it"])
def test_a_sound_picture_has_a_size_and_no_damage(tmp_path: Path, stated: str, behind: bytes) -> None:
    """Width and height are those that were drawn. What stands behind a picture does not matter."""
    facts = facts_of(tmp_path, SMALL[stated] + behind)
    assert (facts.width, facts.height, facts.damage, facts.animated) == (40, 30, None, False)


@pytest.mark.parametrize("stated", SMALL)
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_a_picture_that_is_cut_off_is_damaged(tmp_path: Path, stated: str, kept: float) -> None:
    """The pixels have to be there. Text behind a valid header, as polyglots have it, decodes to nothing."""
    content = SMALL[stated]
    assert facts_of(tmp_path, content[: int(len(content) * kept)]).damage
    assert facts_of(tmp_path, content[:54] + b"<script>alert(1)</script>" * 20).damage


BOMBS = {
    "png": png(200_000, 200_000, b""),
    "gif": encoded(drawn(4, 4), "gif").replace(b"\x04\0\x04\0", b"\xff\xff\xff\xff"),
    "jpeg": encoded(drawn(4, 4), "jpeg").replace(b"\x08\0\x04\0\x04", b"\x08\xff\xdc\xff\xdc"),
    "bmp": encoded(drawn(4, 4), "bmp").replace(b"\x04\0\0\0\x04\0\0\0", b"\xff\xff\0\0\xff\xff\0\0"),
    "what Pillow warns of": png(10_000, 9_000, b""),
    "what Pillow takes": png(8_000, 7_000, b""),
}


def judged(tmp_path: Path, content: bytes) -> tuple[str | None, int]:
    """The damage of a file, and the memory that was needed to find out."""
    tracemalloc.start()
    damage = facts_of(tmp_path, content).damage
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return damage, peak


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_decompression_bomb_is_not_decoded(tmp_path: Path, content: bytes) -> None:
    """Pixels are counted before they are decoded, whatever Pillow would do."""
    damage, peak = judged(tmp_path, content)
    assert f"{PIXELS_MAX:,}" in (damage or "")
    assert peak < 5_000_000


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    kind=st.sampled_from([(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (8, 4), (16, 4), (8, 6), (16, 6)]),
    interlace=st.sampled_from([0, 1]),
    data=st.data(),
)
def test_a_png_is_sound_exactly_when_all_of_its_rows_are_there(
    *,
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    height: int,
    kind: tuple[int, int],
    interlace: int,
    data: st.DataObject,
) -> None:
    """In each depth and colour, interlaced or not: a byte less is too little."""
    bits = kind[0] * {0: 1, 2: 3, 4: 2, 6: 4}[kind[1]]
    adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    passes = adam7 if interlace else [(0, 0, 1, 1)]
    grids = [(range(x, width, dx), range(y, height, dy)) for x, y, dx, dy in passes]
    size = sum(len(rows) * (1 + -(-len(columns) * bits // 8)) for columns, rows in grids if len(columns))
    there = data.draw(st.sampled_from([size, size - 1, size + 5]) if size else st.just(size))
    content = png(width, height, bytes(there), depth=kind[0], colour=kind[1], interlace=interlace)
    facts = facts_of(tmp_path_factory.getbasetemp(), content)
    assert (facts.damage is None) == (there >= size)


@pytest.mark.parametrize(
    "content",
    [
        png(2, 2, b"\0\1\2\x09\3\4"),
        png(2, 2, b"\0\1\2\0\3\4", colour=5),
        png(0, 2, b""),
        png(2, 2, b"\0\1\2\0\3\4").replace(b"IDAT\x78\x9c", b"IDAT\x11\x11"),
        png(2, 2, b"\0\1\2\0\3\4").replace(b"\0\0\0\x02\0\0\0\x02", b"\0\0\0\x02\0\0\0\x01"),
        b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"no header"),
    ],
    ids=["filter", "colour", "no width", "not compressed", "checksum", "no header"],
)
def test_a_png_that_breaks_the_standard_is_damaged(tmp_path: Path, content: bytes) -> None:
    """In its header, its checksums, its compressed data or its rows."""
    assert (facts_of(tmp_path, content).damage or "").startswith("is damaged")


@pytest.mark.parametrize("stated", ["gif", "png"])
def test_an_animation_is_known(tmp_path: Path, stated: str) -> None:
    """Several frames make one; a phone's JPEG with a second picture in it is none."""
    frames = [drawn(20, 20, "P").rotate(angle) for angle in (0, 90, 180)]
    content = encoded(frames[0], stated, save_all=True, append_images=frames[1:])
    assert facts_of(tmp_path, content).animated
    phone = encoded(drawn(20, 20), "mpo", save_all=True, append_images=[drawn(10, 10)])
    assert (facts_of(tmp_path, phone).animated, facts_of(tmp_path, phone).damage) == (False, None)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pixels of each frame of a GIF that is decoded."""
    found, prepare = list[int](), GifImageFile.load_prepare

    def counted(image: GifImageFile) -> None:
        found.append(image.width * image.height)
        prepare(image)

    monkeypatch.setattr(GifImageFile, "load_prepare", counted)
    return found


@pytest.mark.parametrize(("edge", "frames"), [(1, FRAMES_MAX), (1000, 20), (4000, 1)])
def test_an_animation_with_endless_frames_takes_no_time(
    tmp_path: Path, decoded: list[int], edge: int, frames: int
) -> None:
    """A hundred thousand frames are no more work than the bound allows."""
    still = encoded(Image.new("P", (1, 1)), "gif")
    at = still.index(b",")
    screen = still[:6] + edge.to_bytes(2, "little") * 2 + still[10:at]
    started = time.thread_time()
    facts = facts_of(tmp_path, screen + still[at:-1] * 100_000 + b";")
    assert (facts.width, facts.animated, facts.damage) == (edge, True, None)
    assert time.thread_time() - started < 3
    assert decoded == [edge * edge] * frames


def growing(edge: int, times: int = 1) -> bytes:
    """A GIF of one pixel, with a later frame of another size."""
    first, later = (picture("GIF", (size, size)) for size in (1, edge))
    return first[:-1] + later[later.index(b",\0\0\0\0") : -1] * times + b";"


@pytest.mark.parametrize("edge", [1, 300, 3000])
def test_a_frame_that_enlarges_an_animation_is_known(tmp_path: Path, edge: int) -> None:
    """The size is that of all frames together."""
    facts = facts_of(tmp_path, growing(edge))
    assert (facts.width, facts.height, facts.animated, facts.damage) == (edge, edge, True, None)


def test_frames_that_enlarge_an_animation_are_bounded(tmp_path: Path, decoded: list[int]) -> None:
    """As many pixels are decoded as of any other, and none of a frame that is too large."""
    assert facts_of(tmp_path, growing(3000, times=100)).animated
    assert decoded == [1, 9_000_000, 9_000_000]
    huge = growing(3000).replace((3000).to_bytes(2, "little") * 2, (7100).to_bytes(2, "little") * 2)
    facts = facts_of(tmp_path, huge)
    assert (facts.width, (facts.damage or "")[:24]) == (7100, "has 7,100 × 7,100 pixels")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(stated=st.sampled_from(sorted(SMALL)), data=st.data())
def test_a_picture_with_any_bytes_changed_is_judged(
    tmp_path_factory: pytest.TempPathFactory, stated: str, data: st.DataObject
) -> None:
    """Whatever stands in the file, there are facts, and no exception."""
    content = bytearray(SMALL[stated])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert facts_of(tmp_path_factory.getbasetemp(), bytes(content)).size == len(content)
