"""Object stores that media may be read from: a bucket, or what begins alike in it."""

import re
from dataclasses import dataclass
from typing import Final, Self

from qunfa.media.errors import SourceRefused
from qunfa.media.uris import decoded

_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoreKey:
    """One object: its bucket and the parts of its key."""

    bucket: str
    parts: tuple[str, ...]

    @property
    def key(self) -> str:
        """The key as the store knows it."""
        return "/".join(self.parts)

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read `s3://bucket/key`; %XX in the key is decoded once.

        Raises:
            SourceRefused: it is no such URI, or its key has an empty part, `.` or `..`, which a server could take for
                another key.
        """
        _scheme, _colon, rest = uri.partition(":")
        bucket, _slash, path = rest.removeprefix("//").partition("/")
        if not rest.startswith("//") or not _BUCKET.fullmatch(bucket):
            raise SourceRefused(uri, "it does not name a bucket. Write s3://bucket/key.")
        try:
            key = decoded(uri, path).decode()
        except UnicodeDecodeError:
            key = ""
        parts = tuple(key.split("/"))
        if any(part in {"", ".", ".."} for part in parts) or not key.isprintable():
            raise SourceRefused(
                uri, "its key has an empty part, . or .., or is no readable text. Write s3://bucket/key."
            )
        return cls(bucket, parts)


@dataclass(frozen=True, slots=True)
class StorePrefix:
    """A bucket, or a folder in it, all of which may be read."""

    bucket: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `s3://bucket` or `s3://bucket/folder`, with or without a slash at its end.

        Raises:
            ValueError: it is neither.
        """
        whole = text.rstrip("/")
        try:
            if not whole.startswith("s3://"):
                raise SourceRefused(text, "it does not begin with s3://.")
            if "/" not in whole.removeprefix("s3://"):
                return cls(StoreKey.parse(f"{whole}/any").bucket, ())
            prefix = StoreKey.parse(whole)
        except SourceRefused as refused:
            raise ValueError(
                f"{text!r} is no store such as s3://bucket or s3://bucket/folder: {refused.reason}"
            ) from None
        return cls(prefix.bucket, prefix.parts)

    def holds(self, wanted: StoreKey) -> bool:
        """Whether `wanted` lies in here; whole parts count, so that `a` does not hold `ab`."""
        depth = len(self.parts)
        return wanted.bucket == self.bucket and len(wanted.parts) > depth and wanted.parts[:depth] == self.parts
