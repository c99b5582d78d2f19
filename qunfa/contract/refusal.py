"""Inputs that are refused: what is wrong with them, in sentences for the person who wrote them.

| the input | becomes |
|---|---|
| cannot be read at all | :class:`Unreadable`, in its place |
| has too many values to be checked | a sentence that says so |
| is no object of the model | a sentence for each wrong field |
| cannot be carried out as it stands | :class:`InvalidRequestError` |
| is right | the model, by :func:`parsed` |
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

_JSON: Final = "json/plain"
_SHOWN: Final = 80
_HALF: Final = ("hex escape", "unicode code point")
"""What pydantic says of half a surrogate pair, spelt out or as bytes."""

_SAID_BETTER = {
    "extra_forbidden": "is not a field of this object",
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "time_delta_parsing": "must be an ISO 8601 duration such as PT45M, or a number of seconds",
    "timezone_aware": "must have an offset, such as +08:00",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "string_too_short": "must not be empty",
    "string_unicode": "is not valid Unicode text",
}
_ENDS = ("?", "!", ":", "。", "！", "？", "…", "```")
"""Marks that end a sentence as a full stop does."""
_QUNFAS_OWN: Final = ", 'batch'"
"""The kind of audience that nobody but Qunfa may ask for."""
_MANY = 20
_LONG = 300
_LOOKED_AT: Final = 1000
"""Errors of which sentences are made; the others are only counted."""
VALUES_MAX: Final = 50_000
"""Of an input: WeChat's openids, of 28 characters, fill the longest request with 32,000. Many more take pydantic too
long: a workflow task has two seconds, and is given out again for ever where it takes more."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In place of an input that cannot be read. ``why`` ends a sentence, and quotes nothing of the content."""

    why: str

    @property
    def sentence(self) -> str:
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


def sentences(error: ValidationError) -> list[str]:
    """One sentence for each wrong field, beginning with its path (``audience.tag_id: …``)."""
    errors = error.errors(include_url=False)[:_LOOKED_AT]
    found = list(dict.fromkeys(_sentence(one) for one in errors if not _follows(one, errors)))
    rest = len(found) - _MANY + error.error_count() - len(errors)
    return [*found[:_MANY], f"and {rest} more"] if rest > 0 else found


def full_stop(text: str) -> str:
    """A text that ends with one full stop, or with another mark that ends a sentence; an empty one stays so."""
    bare = text.rstrip()
    return bare if not bare or bare.endswith(_ENDS) else f"{bare.rstrip('.')}."


def _follows(one: Any, errors: Iterable[Any]) -> bool:
    """Whether a list is only too short because what it holds is wrong."""
    own = one["loc"]
    return one["type"] == "too_short" and any(other["loc"][: len(own)] == own != other["loc"] for other in errors)


def _sentence(error: Any) -> str:
    if isinstance(error["input"], Unreadable):
        return error["input"].sentence
    kind, context = error["type"], error.get("ctx", {})
    path = _path(error["loc"])
    if kind == "union_tag_not_found":
        path, text = _join([path, context["discriminator"].strip("'")]), "is missing"
    elif kind == "union_tag_invalid":
        path = _join([path, context["discriminator"].strip("'")])
        text = f"must be one of {context['expected_tags'].removesuffix(_QUNFAS_OWN)}, not '{context['tag']}'"
    elif kind == "too_long" and isinstance(error["input"], str):
        text = f"must have at most {context['max_length']:,} characters, not {len(error['input']):,}"
    elif kind in {"too_short", "too_long"}:
        bound = context.get("min_length", context.get("max_length"))
        text = f"must have at {'least' if kind == 'too_short' else 'most'} {bound} items"
    elif kind == "string_pattern_mismatch":
        rule = context["pattern"].removeprefix("^").removesuffix("$")
        text = f"has characters that are not allowed, or a wrong length: {str(error['input'])[:80]!r} is not {rule}"
    else:
        path = path or ("a field's name" if kind == "string_unicode" else "")
        text = _SAID_BETTER.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return _printable(f"{path}: {text}" if path else text)


def _printable(sentence: str) -> str:
    """A sentence that can be shown and stored, whatever its writer's fields were named."""
    shown = sentence.encode(errors="backslashreplace").decode()
    return shown if len(shown) <= _LONG else shown[: _LONG - 1] + "…"


def _path(location: tuple[int | str, ...]) -> str:
    """The field's path as its writer knows it: without the tags that pydantic adds for unions."""
    parts: list[str] = []
    for before, part in zip((None, *location), location, strict=False):
        if isinstance(part, int):
            parts[-1:] = [f"{parts[-1] if parts else ''}[{part}]"]
        elif not _is_tag(before, part):
            parts.append(part)
    return _join(parts)


_TAGS = {
    "audience": {"all", "tag", "openids", "openid_file", "tags", "report", "several", "batch"},
    "message": {"text", "mpnews", "image", "voice", "mpvideo", "wxcard"},
}

_MEDIA_FIELDS = {"thumb", "media"}


def _is_tag(before: int | str | None, part: str) -> bool:
    if isinstance(before, str) and part in _TAGS.get(before, set()):
        return True
    return part in {"uri", "media_id"} and (isinstance(before, int) or before in _MEDIA_FIELDS)


def _join(parts: Iterable[str]) -> str:
    return ".".join(part for part in parts if part)


class InvalidRequestError(Exception):
    """A request that cannot be carried out as it stands; ``problems`` has one sentence per wrong field."""

    def __init__(self, problems: list[str]) -> None:
        sentences = "; ".join(problem.rstrip(".") for problem in problems)
        super().__init__(full_stop(f"The request was refused and nothing was sent: {sentences}"))
        self.problems = problems


def is_whole(model: type[BaseModel], raw: Any) -> bool:
    """Whether ``raw`` has each field that ``model`` needs, be their values readable or not.

    So a worker has written it, perhaps of a newer version. What a person types for it by hand lacks one.
    """
    needed = {name for name, field in model.model_fields.items() if field.is_required()}
    return isinstance(raw, dict) and needed <= raw.keys() and bool(raw.keys() & model.model_fields.keys())


def parsed(model: type[ModelT], raw: Any) -> ModelT:
    """``raw``, a JSON object, as ``model``.

    Raises:
        InvalidRequestError: naming every wrong field.
    """
    if isinstance(raw, Unreadable):
        raise InvalidRequestError([raw.sentence])
    if not isinstance(raw, dict):
        raise InvalidRequestError(["the input must be one JSON object"])
    if _has_too_many_values(raw):
        raise InvalidRequestError([f"the input has more than {VALUES_MAX:,} values: put openids into a file"])
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidRequestError(sentences(error)) from None


def _has_too_many_values(raw: Any) -> bool:
    """Whether lists and objects of the JSON hold more than an input may have; it looks no further than that."""
    count, unread = 0, [raw]
    while unread:
        one = unread.pop()
        values = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        count += len(values)
        if count > VALUES_MAX:
            return True
        unread.extend(values)
    return False
