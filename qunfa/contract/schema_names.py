"""The names in a JSON Schema, of which generators make the names of types.

| in the models | in the schema | since |
|---|---|---|
| ``All``, ``Tag``, … | ``AudienceAll``, ``AudienceTag``, … | a type ``All`` in a caller's program says nothing |
| the choice of an audience, a message, a medium | a definition with a name | each place would get a type of its own |
| pydantic's ``title`` of a field | nothing | generators make a type ``Kind1`` of each |
| pydantic's ``discriminator`` | nothing | it is OpenAPI's, and strict validators refuse it; a choice has a ``const`` |
"""

from typing import Any, Final

RENAMED: Final = {
    "All": "AudienceAll",
    "Tag": "AudienceTag",
    "Openids": "AudienceOpenids",
    "OpenidFile": "AudienceOpenidFile",
}
_DEFINITIONS: Final = "#/$defs/"
_CHOICES: Final = {
    ("AudienceAll", "AudienceTag", "AudienceOpenids", "AudienceOpenidFile"): ("Audience", "Who receives a mass send."),
    ("MediaSource", "MediaUploaded"): ("Media", "Material: where it stands, or WeChat's id of it."),
}
_MESSAGE: Final = ("Message", "What is sent, of one of WeChat's types.")


def named(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with these names."""
    definitions: dict[str, Any] = {}
    shown: dict[str, Any] = _renamed(schema, definitions)
    own = shown.pop("$defs", {})
    for old, new in RENAMED.items():
        if old in own:
            own[new] = {**own.pop(old), "title": new}
    definitions |= own
    return {**shown, "$defs": dict(sorted(definitions.items()))} if definitions else shown


def _renamed(part: Any, definitions: dict[str, Any]) -> Any:
    """A part of a schema with these names; each choice is put among the definitions."""
    if isinstance(part, list):
        return [_renamed(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _renamed(value, definitions) for name, value in part.items() if name != "discriminator"}
    if isinstance(fields := found.get("properties"), dict):
        found["properties"] = {name: _without_title(field) for name, field in fields.items()}
    if isinstance(found.get("$ref"), str):
        found["$ref"] = _reference(RENAMED.get(name := _target(found["$ref"]), name))
    choice = _choice(found)
    if choice is None:
        return found
    name, description = choice
    definitions[name] = {"title": name, "description": description, "oneOf": found.pop("oneOf")}
    return {**found, "$ref": _reference(name)}


def _choice(part: dict[str, Any]) -> tuple[str, str] | None:
    """The name of a choice, and what it is."""
    options = part.get("oneOf")
    if not isinstance(options, list) or not all(isinstance(one, dict) and "$ref" in one for one in options):
        return None
    targets = tuple(_target(one["$ref"]) for one in options)
    if "TextMessage" in targets:
        return _MESSAGE
    return _CHOICES.get(targets)


def _without_title(field: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in field.items() if name != "title"}


def _target(reference: str) -> str:
    return reference.removeprefix(_DEFINITIONS)


def _reference(name: str) -> str:
    return f"{_DEFINITIONS}{name}"
