import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from qunfa.media.facts import inspect
from qunfa.media.fitting import LIMITS, CannotFitError, Fitted, Use, check, fit
from tests.media.recordings import mp4
from tests.media.samples import drawn, encoded, noise, png

WEBP = encoded(drawn(8, 8, "RGBA"), "webp", lossless=True)
HUGE = (16_382 | 16_382 << 14 | 1 << 28).to_bytes(4, "little")
"""In a WebP's header: 268 million pixels."""
ORIENTATION = 0x0112
PICTURE_USES = [Use.IMAGE, Use.THUMB, Use.COVER, Use.PICTURE]


def fitted(tmp_path: Path, content: bytes, use: Use = Use.THUMB) -> Fitted:
    path = tmp_path / "given"
    path.write_bytes(content)
    return fit(path, use, tmp_path)


def marked(width: int, height: int) -> Image.Image:
    """White, with a red mark in the upper left quarter."""
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, width // 3, height // 3), fill="red")
    return picture


def is_red(picture: Image.Image, x: float, y: float) -> bool:
    """Whether the picture is red at this share of its width and height."""
    found = picture.convert("RGB").getpixel((int(picture.width * x), int(picture.height * y)))
    assert isinstance(found, tuple)
    return found[0] > 180 and found[1] < 90


@pytest.mark.parametrize("use", PICTURE_USES)
def test_a_picture_that_fits_is_the_same_file(tmp_path: Path, use: Use) -> None:
    """Byte for byte, with whatever metadata it has: what was approved is what is sent."""
    content = encoded(drawn(60, 40), "jpeg", exif=Image.Exif(), comment=b"hello")
    result = fitted(tmp_path, content, use)
    assert result == Fitted(tmp_path / "given", len(content), hashlib.sha256(content).hexdigest())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(st.integers(1, 330), st.integers(1, 330)),
    mode=st.sampled_from(["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16"]),
    stated=st.sampled_from(["png", "jpeg", "gif", "bmp", "webp", "avif"]),
    orientation=st.integers(1, 8),
    use=st.sampled_from(PICTURE_USES),
)
def test_whatever_is_made_to_fit_fits(
    *, tmp_path: Path, size: tuple[int, int], mode: str, stated: str, orientation: int, use: Use
) -> None:
    """Any picture of any mode and format: the result passes the check, and keeps its shape within a pixel."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.new(mode, size, 40_000) if mode == "I;16" else drawn(*size, mode)
    options = {"exif": exif} if stated in {"png", "jpeg", "webp", "avif"} else {}
    try:
        content = encoded(image, stated, **options)
    except (OSError, ValueError):  # a mode that the format does not have
        content = encoded(image.convert("RGB"), stated, **options)
    result = fitted(tmp_path, content, use)
    assert check(inspect(result.path), use, "x") == []
    assert result.sha256 == hashlib.sha256(result.path.read_bytes()).hexdigest()
    with Image.open(result.path) as made:
        width, height = made.size
        anew = result.path.name != "given"
        upright = size[::-1] if orientation >= 5 and anew and options else size
        scale = max(width / upright[0], height / upright[1])
        assert abs(width - upright[0] * scale) <= 1
        assert abs(height - upright[1] * scale) <= 1
        if anew:
            assert made.getexif().get(ORIENTATION) is None
            assert "icc_profile" not in made.info


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("stated", ["jpeg", "webp"])
def test_a_picture_looks_as_its_exif_orientation_says(tmp_path: Path, orientation: int, stated: str) -> None:
    """A phone's photograph stands upright, with no EXIF left that would turn it again."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(marked(1500, 1200), stated, exif=exif, quality=100)
    result = fitted(tmp_path, content + bytes(70_000 if stated == "jpeg" else 0))
    corner = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[orientation]
    with Image.open(result.path) as made:
        assert (made.width > made.height) == (orientation < 5)
        red = {(x, y) for x in (0, 1) for y in (0, 1) if is_red(made, 0.1 + 0.8 * x, 0.1 + 0.8 * y)}
    assert red == {corner}


def test_quality_goes_down_before_the_size_does(tmp_path: Path) -> None:
    """A picture that is only a little too large keeps its pixels."""
    result = fitted(tmp_path, encoded(drawn(230, 230), "jpeg", quality=100))
    with Image.open(result.path) as made:
        assert made.size == (230, 230)
    result = fitted(tmp_path, encoded(drawn(900, 300), "png"))
    with Image.open(result.path) as made:
        assert made.width / made.height == pytest.approx(3, rel=0.02)
        assert made.width < 900


def test_a_large_photograph_comes_out_within_its_limit_in_pixels(tmp_path: Path) -> None:
    """A JPEG is scaled while it is decoded: a thumb needs no twenty million pixels in memory."""
    content = encoded(marked(5000, 4000), "jpeg")
    result = fitted(tmp_path, content)
    with Image.open(result.path) as made:
        assert made.width * made.height <= LIMITS[Use.THUMB].fit_pixels
        assert made.width / made.height == pytest.approx(1.25, rel=0.01)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_kept_or_white(tmp_path: Path, mode: str) -> None:
    """It is kept where a PNG fits. In a JPEG it is not black, which is what stands in pixels that nobody sees."""
    clear = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    content = encoded(clear.convert(mode), "png", **({"transparency": 0} if mode == "P" else {}))
    result = fitted(tmp_path, content)
    with Image.open(result.path) as made:
        found = made.convert("RGB").getpixel((30, 30))
    assert isinstance(found, tuple)
    assert min(found) > 250
    result = fitted(tmp_path, encoded(clear, "webp", lossless=True), Use.PICTURE)
    with Image.open(result.path) as made:
        assert (made.format, made.mode) == ("PNG", "RGBA")


def test_other_kinds_of_colour_become_rgb(tmp_path: Path) -> None:
    """Sixteen bits of grey are scaled down, not cut off at white. Nor does a telephone show a printer's colours."""
    result = fitted(tmp_path, encoded(Image.new("I;16", (20, 20), 32_896), "png"))
    with Image.open(result.path) as made:
        assert made.getpixel((10, 10)) == pytest.approx(128, abs=2)
    content = encoded(Image.new("CMYK", (300, 300), (0, 255, 255, 0)), "jpeg", quality=100)
    result = fitted(tmp_path, content + bytes(70_000))
    with Image.open(result.path) as made:
        assert made.mode == "RGB"
        assert is_red(made, 0.5, 0.5)


def test_colours_of_another_profile_become_srgb(tmp_path: Path) -> None:
    """The profile is applied, as the same numbers mean another colour, and dropped. A broken one is only dropped."""
    xyz, own = (ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("XYZ", "sRGB"))
    for given_profile in (xyz, b"no profile at all", own):
        content = encoded(marked(90, 90), "webp", lossless=True, icc_profile=given_profile)
        with Image.open(fitted(tmp_path, content).path) as made:
            assert "icc_profile" not in made.info
            assert is_red(made, 0.1, 0.1)
    profile = bytearray(own)
    red, green = profile.index(b"rXYZ", 128), profile.index(b"gXYZ", 128)
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"  # red and green change places
    at = profile.index(b"desc", 128)
    offset = int.from_bytes(profile[at + 4 : at + 8], "big")
    length = int.from_bytes(profile[at + 8 : at + 12], "big")
    text = profile[offset : offset + length]
    profile[offset : offset + length] = text.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")).replace(
        b"sRGB", b"swap"
    )
    content = encoded(Image.new("RGB", (40, 40), (0, 255, 0)), "webp", lossless=True, icc_profile=bytes(profile))
    with Image.open(fitted(tmp_path, content).path) as made:
        assert is_red(made, 0.5, 0.5)


def test_a_picture_in_doubt_fits_within_both_limits(tmp_path: Path) -> None:
    """`check` lets 10 MB pass, and WeChat may take 2 MB only."""
    content = noise()
    result = fitted(tmp_path, content, Use.IMAGE)
    assert check(inspect(tmp_path / "given"), Use.IMAGE, "x") == []
    assert result.size <= LIMITS[Use.IMAGE].fit_bytes < len(content)


@pytest.mark.parametrize("stated", ["gif", "webp", "png", "avif"])
def test_an_animation_is_never_lost_silently(tmp_path: Path, stated: str) -> None:
    """It goes through as it is, or it is refused with the reason."""
    frames = [drawn(40, 40).rotate(angle) for angle in (0, 90, 180)]
    content = encoded(frames[0], stated, save_all=True, append_images=frames[1:])
    with pytest.raises(CannotFitError, match="animated"):
        fitted(tmp_path, content, Use.THUMB)
    if stated == "gif":
        assert fitted(tmp_path, content, Use.IMAGE).path.name == "given"


@pytest.mark.parametrize(
    ("content", "use", "said"),
    [
        (b"", Use.THUMB, "no picture"),
        (b"text", Use.THUMB, "no picture"),
        (mp4(), Use.IMAGE, "no picture"),
        (mp4(handlers=[]), Use.VIDEO, "only pictures"),
        (encoded(drawn(40, 30), "png")[:500], Use.THUMB, "cut off"),
        (encoded(drawn(40, 30), "webp")[:500], Use.THUMB, "is (cut off|damaged)"),
        (encoded(drawn(40, 30), "avif")[:-200], Use.THUMB, "is (cut off|damaged)"),
        (png(30_000, 30_000, b""), Use.THUMB, "pixels"),
        (WEBP[:21] + HUGE + WEBP[25:], Use.THUMB, "pixels"),
        (png(6_000, 6_000, bytes(6_001 * 6_000)), Use.THUMB, "more than 25,000,000 in all"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Use.THUMB, "HEIC picture"),
        (encoded(drawn(40, 30), "tiff"), Use.THUMB, "TIFF picture"),
    ],
)
def test_what_cannot_be_made_to_fit_is_an_error_that_says_why(
    tmp_path: Path, content: bytes, use: Use, said: str
) -> None:
    """Nothing is written, and nothing is guessed."""
    with pytest.raises(CannotFitError, match=said):
        fitted(tmp_path, content, use)
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_picture_with_broken_exif_is_still_a_picture(tmp_path: Path) -> None:
    """Metadata that nobody can read is not a reason to refuse what everybody can see."""
    content = encoded(marked(300, 300), "webp", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0")
    assert check(inspect(fitted(tmp_path, content).path), Use.THUMB, "x") == []


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stated=st.sampled_from(["webp", "avif", "gif", "png", "jpeg"]), data=st.data())
def test_a_picture_with_any_bytes_changed_fits_or_is_refused(tmp_path: Path, stated: str, data: st.DataObject) -> None:
    """No file raises anything else."""
    content = bytearray(encoded(drawn(24, 16), stated))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = fitted(tmp_path, bytes(content))
    except CannotFitError as error:
        assert str(error).startswith(("is ", "has "))  # noqa: PT017 - either is right
    else:
        with Image.open(BytesIO(result.path.read_bytes())) as made:
            made.load()
