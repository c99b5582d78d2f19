"""Pictures of articles as people may see them before a send: what is asked of a worker, and what it answers.

``ShowPictures`` reads pictures where the workers' configuration allows it. It changes nothing, and WeChat is not asked.
Its result is history, so it is small: about :data:`ANSWER_BYTES` of pictures. What is left over is asked for again.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from qunfa.contract.fields import AccountName, Model, Stored
from qunfa.contract.message import Digest, MediaSource, Source
from qunfa.contract.steps import Pinned

READ_PICTURES: Final = "read_pictures"
ANSWER_BYTES: Final = 300_000
"""Of pictures in one answer, where the first one is not bigger by itself. Temporal warns of payloads of 512 KiB."""
ASKED_MAX: Final = 900
"""Pictures that are asked for at once: a hundred and a cover in each of eight articles, and some."""


class ShowPicturesRequest(Model):
    """The input of ``ShowPictures``: pictures by their URIs."""

    account: AccountName
    """The account whose workers read them."""
    pictures: Annotated[tuple[MediaSource, ...], Field(min_length=1, max_length=ASKED_MAX)]
    """The pictures."""


class ReadPicturesStep(Stored):
    """Input of ``read_pictures`` → :class:`ShowPicturesResult`."""

    account: Pinned
    uris: tuple[str, ...]


class ShownPicture(Stored):
    """A picture: ``data`` in base64, a file of the format ``kind``. ``problem`` says why there is none.

    ``sha256`` and ``size`` (bytes) are of the source itself. ``smaller``: ``data`` is not the source, but made of it.
    """

    sha256: Digest | None = None
    size: int = 0
    kind: Literal["png", "jpeg", "gif", "bmp"] | None = None
    data: str | None = None
    smaller: bool = False
    problem: str | None = None


class ShowPicturesResult(Stored):
    """The first of the pictures that were asked for, in their order; at least one."""

    pictures: tuple[ShownPicture, ...]


class SourcesSeen(Stored):
    """The answer to the query ``sources`` of ``MassSend``: the files of the message, as they were found.

    ``digest`` is of all that is sent to whom. ``contents`` has one SHA-256 per article, as in ``Inspection``. All is
    empty where nothing was looked at yet.
    """

    digest: Digest | None = None
    sources: tuple[Source, ...] = ()
    contents: tuple[Digest, ...] = ()
