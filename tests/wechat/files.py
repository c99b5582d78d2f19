"""Files to upload, and what arrives of them."""

import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from qunfa.wechat import UploadFile


@dataclass
class Chunks:
    """A source that gives these chunks, raises `error` then if there is one, and counts how often it was closed."""

    chunks: list[bytes]
    error: BaseException | None = None
    closed: int = 0
    opened: list[AsyncIterator[bytes]] = field(default_factory=list)

    def __call__(self) -> AsyncIterator[bytes]:
        self.opened.append(self._give())  # a reference, so that nothing but the upload closes it
        return self.opened[-1]

    async def _give(self) -> AsyncIterator[bytes]:
        try:
            for chunk in self.chunks:
                yield chunk
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    def file(
        self, filename: str = "cover.jpg", content_type: str = "image/jpeg", size: int | None = None
    ) -> UploadFile:
        whole = sum(len(chunk) for chunk in self.chunks)
        return UploadFile(filename, content_type, whole if size is None else size, self)


@dataclass(frozen=True)
class Part:
    """One field of a form that arrived."""

    name: str
    filename: str | None
    content_type: str
    content: bytes = field(repr=False)


def parts(content_type: str, body: bytes) -> list[Part]:
    """The form, read by the standard library's parser, which has no code in common with what wrote it."""
    head = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert message.is_multipart()
    assert not message.defects
    found = []
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        name = part.get_param("name", header="content-disposition")
        assert isinstance(name, str)
        found.append(Part(name, part.get_filename(), part.get_content_type(), content))
    return found
