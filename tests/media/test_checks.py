from datetime import timedelta
from pathlib import Path

import pytest

from qunfa.media.facts import Format, MediaFacts, inspect
from qunfa.media.fitting import KB, LIMITS, MB, Use, check
from tests.media.recordings import amr, mp3_frames, mp4
from tests.media.samples import drawn, encoded

PLACE = "message.articles[2].thumb"
LONG = (mp3_frames(61), mp3_frames(61, (32, 128)), amr(61))


def facts(stated: Format, size: int = 1000, seconds: float | None = None, **more: object) -> MediaFacts:
    duration = None if seconds is None else timedelta(seconds=seconds)
    return MediaFacts(stated, size, duration=duration, **more)  # type: ignore[arg-type] # fields as a test names them


@pytest.mark.parametrize(
    ("use", "stated", "most"),
    [
        *((Use.IMAGE, stated, 10 * MB) for stated in (Format.PNG, Format.JPEG, Format.GIF)),
        *((Use.VOICE, stated, 2 * MB) for stated in (Format.MP3, Format.AMR)),
        (Use.VIDEO, Format.MP4, 10 * MB),
        (Use.THUMB, Format.JPEG, 64 * KB),
        *((Use.COVER, stated, 10 * MB) for stated in (Format.BMP, Format.PNG)),
        *((Use.PICTURE, stated, MB - 1) for stated in (Format.PNG, Format.JPEG)),
    ],
)
def test_a_file_may_be_as_large_as_wechat_takes_and_no_byte_more(use: Use, stated: Format, most: int) -> None:
    """Each use has its formats and its limit; the sentence names place, size and limit."""
    assert check(facts(stated, most, 10), use, PLACE) == []
    (problem,) = check(facts(stated, most + 1, 10), use, PLACE)
    assert problem.startswith(f"{PLACE}: is ")
    assert f"({most + 1:,} bytes)" in problem
    assert LIMITS[use].said in problem


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize("stated", Format)
def test_a_format_is_taken_exactly_where_the_table_has_it(use: Use, stated: Format) -> None:
    """A format that WeChat refuses is a problem for every use that does not list it."""
    assert (not check(facts(stated, 1000, 10), use, PLACE)) == (stated in LIMITS[use].formats)


def test_what_an_encoder_adds_to_a_minute_does_not_matter() -> None:
    """A minute of sound is some milliseconds longer once it is encoded."""
    assert check(facts(Format.MP3, seconds=60.06), Use.VOICE, PLACE) == []
    assert check(facts(Format.MP3, seconds=60.6), Use.VOICE, PLACE)


def test_all_problems_of_a_file_are_said_together() -> None:
    """Nobody has to come twice."""
    found = check(facts(Format.WEBP, 11 * MB), Use.IMAGE, "message.images[3]")
    assert len(found) == 2
    assert found[0].startswith("message.images[3]: is a WebP picture; WeChat takes only PNG, JPEG or GIF")
    assert found[1].startswith("message.images[3]: is 11.0 MB (11,534,336 bytes); WeChat takes at most 10 MB")
    found = check(facts(Format.MP3, 3 * MB, 90), Use.VOICE, "message.media")
    assert [("2 MB" in found[0]), ("60 s" in found[1])] == [True, True]


def test_the_way_out_is_named_where_there_is_one() -> None:
    """`fit_images` helps with a sound picture, and with nothing else."""
    assert "fit_images" in check(facts(Format.WEBP), Use.PICTURE, PLACE)[0]
    assert "fit_images" in check(facts(Format.JPEG, 65 * KB), Use.THUMB, PLACE)[0]
    too_many_pixels = facts(Format.BMP, width=6_000, height=6_000)
    damaged = facts(Format.WEBP, damage="is cut off")
    for hopeless in (too_many_pixels, facts(Format.GIF, animated=True), damaged, facts(Format.HEIC)):
        assert not any("fit_images" in problem for problem in check(hopeless, Use.PICTURE, PLACE))
    assert "fit_images" not in check(facts(Format.MP4, 11 * MB), Use.VIDEO, PLACE)[0]


@pytest.mark.parametrize(
    ("content", "use", "said"),
    [
        (b"", Use.THUMB, "is empty (0 bytes)"),
        *((voice, Use.VOICE, "plays 61 s; WeChat takes at most 60 s for a voice message") for voice in LONG),
        (b"just text", Use.IMAGE, "is plain text; WeChat takes only PNG, JPEG or GIF"),
        (b"<html>502 Bad Gateway</html>", Use.VIDEO, "is plain text; WeChat takes only MP4"),
        (encoded(drawn(40, 40), "png")[:900], Use.PICTURE, "is cut off"),
        (encoded(drawn(200, 200), "jpeg", quality=100), Use.THUMB, "at most 64 KB"),
        (mp4(size=11 * MB), Use.VIDEO, "is 11.0 MB (11,534,336 bytes); WeChat takes at most 10 MB for a video"),
        (mp4(handlers=[b"soun"]), Use.VIDEO, "holds no video"),
        (mp4(brand=b"qt  "), Use.VIDEO, "is a QuickTime video; WeChat takes only MP4"),
        (mp4(), Use.VOICE, "is an MP4 video; WeChat takes only MP3 or AMR for a voice message"),
        (mp3_frames(1), Use.IMAGE, "is an MP3 recording"),
        (b"ID3\x04\0\0\0\0\0\0nothing to hear", Use.VOICE, "holds no sound"),
        (b"RIFF\0\0\0\0WAVEfmt ", Use.VOICE, "is a WAV recording; WeChat takes only MP3 or AMR"),
        (b"#!AMR-WB\n\0", Use.VOICE, "is an AMR wideband recording"),
    ],
)
def test_bad_files_have_one_clear_sentence_each(tmp_path: Path, content: bytes, use: Use, said: str) -> None:
    """From the bytes on disk to what the person reads."""
    path = tmp_path / "named.jpg"
    path.write_bytes(content)
    (problem,) = check(inspect(path), use, PLACE)
    assert problem.startswith(f"{PLACE}: ")
    assert said in problem
