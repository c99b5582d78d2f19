"""What can be known of a file without sending it anywhere."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from qunfa.media.containers import mp4_facts
from qunfa.media.decoding import picture_facts
from qunfa.media.durations import amr_length, mp3_length
from qunfa.media.kinds import HEAD_BYTES, Format, Kind, sniff


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a file is.

    `size` is in bytes. `width` and `height` are pixels as stored, before any EXIF orientation, and known for PNG, JPEG,
    GIF and BMP. `duration` is known for MP3, AMR and MP4 where the file says or shows it; for very long recordings it
    is a lower bound, beyond every limit. `animated` is known for GIF and PNG. `damage` says what keeps the file from
    being used, though its first bytes promise the format; None for a sound one, and for formats that nobody decodes.
    """

    format: Format
    size: int
    width: int | None = None
    height: int | None = None
    animated: bool = False
    duration: timedelta | None = None
    damage: str | None = None

    @property
    def kind(self) -> Kind:
        """Picture, sound, video or other."""
        return self.format.kind


def inspect(path: Path) -> MediaFacts:
    """The facts of a file, by its content.

    Pictures are decoded to the end, in bounded memory; sounds are counted frame by frame; of a video the structure is
    read. It never raises for what the file holds.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        found = sniff(file.read(HEAD_BYTES))
        if found is Format.MP3:
            length = mp3_length(file, size)
            return MediaFacts(found, size, duration=length.duration, damage=length.damage)
        if found is Format.AMR:
            length = amr_length(file, size)
            return MediaFacts(found, size, duration=length.duration, damage=length.damage)
        if found is Format.MP4:
            clip = mp4_facts(file, size)
            return MediaFacts(found, size, duration=clip.duration, damage=clip.damage)
        if found in {Format.PNG, Format.JPEG, Format.GIF, Format.BMP}:
            picture = picture_facts(file, found)
            return MediaFacts(
                found, size, picture.width, picture.height, animated=picture.animated, damage=picture.damage
            )
    return MediaFacts(found, size)
