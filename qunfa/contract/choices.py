"""A choice in a schema as validators take it: one error for one wrong field.

For ``oneOf`` and ``anyOf`` a validator names an error of each alternative: whoever has misspelt a tag reads that an
audience is no list of openids, either. Generators of types know no other form, however. So there are two:

| choice | for generators | for validators |
|---|---|---|
| by a word, such as ``kind`` | ``oneOf`` of all | an ``enum`` of the words, and ``if`` and ``then`` for each |
| by a field that one alone has | ``oneOf`` of both | ``if`` that field is there, ``then``, ``else`` |
| something, or null | ``anyOf`` of both | a ``type`` of both, or ``if`` it is null, ``else`` |
| by type, such as a number or a text | ``anyOf`` of both | ``if`` it has the type, ``then``, ``else`` |
"""

from typing import Any

DEFINITIONS = "#/$defs/"
Schema = dict[str, Any]


def for_validators(schema: Schema) -> Schema:
    """The schema with each choice in this form."""
    found: Schema = _judged(schema, schema.get("$defs", {}))
    return found


def target(reference: str) -> str:
    """The name of the definition that is referred to."""
    return reference.removeprefix(DEFINITIONS)


def _judged(part: Any, definitions: Schema) -> Any:
    if isinstance(part, list):
        return [_judged(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _judged(value, definitions) for name, value in part.items()}
    match part:
        case {"oneOf": [{"$ref": _}, {"$ref": _}, *_]}:
            options = found.pop("oneOf")
            return {**found, **_chosen(options, definitions)}
        case {"anyOf": [first, {"type": kind}]} if first.get("type") != kind:
            first, other = found.pop("anyOf")
            return {**found, **_by_type(first, other)}
        case _:
            return found


def _chosen(options: list[Schema], definitions: Schema) -> Schema:
    """The form for definitions, of which a word chooses one, or a field that it alone has."""
    models = [definitions[target(one["$ref"])] for one in options]
    words = [{name: field["const"] for name, field in one["properties"].items() if "const" in field} for one in models]
    if word := next((name for name in words[0] if all(name in one for one in words)), None):
        values = [one[word] for one in words]
        return {
            "type": "object",
            "properties": {word: {"description": "Which of them it is.", "enum": values}},
            "required": [word],
            "allOf": [
                {"if": _has(word, {"const": value}), "then": one} for value, one in zip(values, options, strict=True)
            ],
        }
    first, other = options
    own = next(name for name in models[0]["required"] if name not in models[1]["properties"])
    return {"if": _has(own, {}), "then": first, "else": other}


def _has(field: str, value: Schema) -> Schema:
    return {"type": "object", "properties": {field: value}, "required": [field]}


def _by_type(first: Schema, other: Schema) -> Schema:
    """The form for two types; the second one has no alternatives."""
    if other["type"] != "null":
        return {"if": {"type": other["type"]}, "then": other, "else": first}
    if isinstance(kind := first.get("type"), str) and not {"enum", "const"} & first.keys():
        return {**first, "type": [kind, "null"]}
    return {"if": {"type": "null"}, "else": first}
