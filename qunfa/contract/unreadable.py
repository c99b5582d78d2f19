"""An input that no worker can read: what stands in its place, and the sentence for who sent it."""

from dataclasses import dataclass
from typing import Final

_JSON: Final = "json/plain"
_SHOWN: Final = 80
_HALF: Final = ("hex escape", "unicode code point")
"""What pydantic says of half a surrogate pair, spelt out or as bytes."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In place of an input that cannot be read. ``why`` ends a sentence, and quotes nothing of the content."""

    why: str

    @property
    def sentence(self) -> str:
        """What is wrong, for who sent it."""
        return f"the input cannot be read: {self.why}"


def of_encoding(encoding: bytes | None) -> Unreadable:
    """A payload whose metadata names no encoding, or one that no worker knows."""
    if encoding is None:
        return Unreadable(f'its payload names no encoding; send JSON, with the encoding "{_JSON}"')
    named = ascii(encoding[:_SHOWN].decode("latin-1"))
    return Unreadable(f'the workers do not know the encoding {named} of its payload; send JSON, as "{_JSON}"')


def of_json(said: str) -> Unreadable:
    """A payload that is no JSON; ``said`` is pydantic's message (``Invalid JSON: … at line 1 column 16``)."""
    detail = said.removeprefix("Invalid JSON: ")
    _, at, place = detail.rpartition(" at line ")
    where = f"{at}{place}"
    if any(word in detail for word in _HALF):
        return Unreadable(f"it has half a character{where}, as text that was cut inside an emoji")
    if detail.startswith("recursion limit"):
        return Unreadable(f"it is nested too deeply{where}")
    if detail.startswith("number out of range"):
        return Unreadable(f"it has a number with too many digits{where}")
    return Unreadable(f"it is not valid JSON: {detail}")


def of_other(encoding: bytes) -> Unreadable:
    """A payload that is not what its encoding, which is known, promises."""
    return Unreadable(f"its payload is not of its encoding, {encoding.decode('latin-1')!a}")
