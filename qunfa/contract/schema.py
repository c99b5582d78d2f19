"""JSON Schema of everything that callers write and read, with names of which generators make types.

| in the models | in the schema | since |
|---|---|---|
| ``All``, ``Tag``, … | ``AudienceAll``, ``AudienceTag``, … | a type ``All`` in a caller's program says nothing |
| the choice of an audience, a message, a medium | a definition with a name | each place would get a type of its own |
| pydantic's ``title`` of a field | nothing | generators make a type ``Kind1`` of each |
| ``$ref`` beside a description | ``allOf`` with the ``$ref`` | generators make a type ``Media1`` of each place |
| what fields say of each other | nothing | generators make no types of conditions, or worse ones |
| pydantic's ``discriminator`` | nothing | it is OpenAPI's, and strict validators refuse it; a choice has a ``const`` |

That is the form for generators. For validators each choice has another one: see :func:`for_validators`.
"""

from typing import Any, Final

from pydantic import BaseModel

from qunfa.contract import checks, operators
from qunfa.contract.fields import RULES, has
from qunfa.contract.grants import Granted, LedgerLost, Report, Wish
from qunfa.contract.ledger import Forgotten, FreezeAnswer, LedgerView, Restored
from qunfa.contract.limits import QuotaRequest, QuotaResult, SpeedRequest, SpeedResult
from qunfa.contract.notice import AccountNoticesRequest, AccountNoticesResult, Notice, NoticeDelivered, NotifyRequest
from qunfa.contract.recall import RecallRequest, RecallResult, RecallStatus
from qunfa.contract.request import MassSendRequest, PreviewRequest, PreviewResult
from qunfa.contract.result import JobFinished, MassSendResult
from qunfa.contract.steps import LedgerAnswer, LedgerQuestion

_RENAMED: Final = {
    "All": "AudienceAll",
    "Tag": "AudienceTag",
    "Openids": "AudienceOpenids",
    "OpenidFile": "AudienceOpenidFile",
    "Tags": "AudienceTags",
    "Unreached": "AudienceReport",
    "Several": "AudienceSeveral",
    "Batch": "AudienceBatch",
}
_PARTS: Final = (
    "AudienceAll",
    "AudienceTag",
    "AudienceOpenids",
    "AudienceOpenidFile",
    "AudienceTags",
    "AudienceReport",
)
_CHOICES: Final = {
    (*_PARTS, "AudienceSeveral", "AudienceBatch"): ("Audience", "Who receives a mass send."),
    _PARTS: ("AudiencePart", "A part of an audience."),
    ("MediaSource", "MediaUploaded"): ("Media", "Material: where it stands, or WeChat's id of it."),
}
_MESSAGE: Final = ("Message", "What is sent, of one of WeChat's types.")

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: dict[str, type[BaseModel]] = {
    "MassSend": MassSendRequest,
    "MassSend.result": MassSendResult,
    "MassSend.status": operators.Status,
    "MassSend.sources": checks.SourcesSeen,
    "MassSend.granted": Granted,
    "MassSend.job_finished": JobFinished,
    "MassSend.ledger_lost": LedgerLost,
    "MassSend.retry": operators.Retry,
    "MassSend.mark_sent": operators.MarkSent,
    "MassSend.abort": operators.Abort,
    "MassSend.approve": operators.Approve,
    "MassSend.reject": operators.Reject,
    "MassSend.pause": operators.Pause,
    "MassSend.resume": operators.Resume,
    "MassSend.reschedule": operators.Reschedule,
    "MassSend.choose": operators.Choose,
    "PreviewMassSend": PreviewRequest,
    "PreviewMassSend.result": PreviewResult,
    "CheckMassSend": MassSendRequest,
    "CheckMassSend.result": checks.CheckResult,
    "CheckCallback": checks.CallbackCheckRequest,
    "CheckCallback.result": checks.CallbackCheckResult,
    "ShowPictures": checks.ShowPicturesRequest,
    "ShowPictures.result": checks.ShowPicturesResult,
    "CheckAccount": checks.CheckAccountRequest,
    "CheckAccount.result": checks.CheckAccountResult,
    "RecallMassSend": RecallRequest,
    "RecallMassSend.result": RecallResult,
    "RecallMassSend.status": RecallStatus,
    "AccountSpeed": SpeedRequest,
    "AccountSpeed.result": SpeedResult,
    "AccountQuota": QuotaRequest,
    "AccountQuota.result": QuotaResult,
    "AccountNotices": AccountNoticesRequest,
    "AccountNotices.result": AccountNoticesResult,
    "Notice": Notice,
    "Notify": NotifyRequest,
    "Notify.result": NoticeDelivered,
    "Account.wants": Wish,
    "Account.told": Report,
    "Account.ask": LedgerQuestion,
    "Account.ask.result": LedgerAnswer,
    "Account.push": JobFinished,
    "Account.freeze": operators.Freeze,
    "Account.freeze.result": FreezeAnswer,
    "Account.unfreeze": operators.Unfreeze,
    "Account.forget": operators.Forget,
    "Account.forget.result": Forgotten,
    "Account.restored": operators.Restore,
    "Account.caught_up": operators.CaughtUp,
    "Account.caught_up.result": Restored,
    "Account.ledger": LedgerView,
    "doctor": checks.Diagnosis,
}
"""Message name → its model: a workflow's input, ``.result``, and its signals, updates and queries.

``Notice`` is the body of a webhook, ``doctor`` what that command prints with ``--json``.
"""
DEFINITIONS = "#/$defs/"
Schema = dict[str, Any]


def json_schema(name: str, *, for_types: bool = False) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one entry of :data:`SCHEMAS`, for validators or for generators of types."""
    read = name in {"Notice", "doctor"} or name.endswith((".result", ".status", ".ledger"))
    found = SCHEMAS[name].model_json_schema(mode="serialization" if read else "validation")
    named = _named(found)
    shown = _without_rules(named) if for_types else for_validators(named)
    return {"$schema": DIALECT, "$id": f"urn:qunfa:{name}", **shown}


def _without_rules(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_rules(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {name: _without_rules(value) for name, value in part.items() if name != RULES}


def _named(schema: dict[str, Any]) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    shown: dict[str, Any] = _renamed(schema, definitions)
    own = shown.pop("$defs", {})
    for old, new in _RENAMED.items():
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
        found["$ref"] = _reference(_RENAMED.get(name := target(found["$ref"]), name))
    if (choice := _choice(found)) is not None:
        name, description = choice
        definitions[name] = {"title": name, "description": description, "oneOf": found.pop("oneOf")}
        found["$ref"] = _reference(name)
    return _beside(found)


def _beside(part: dict[str, Any]) -> dict[str, Any]:
    """A part in which a reference stands beside nothing else."""
    if "$ref" not in part or len(part) == 1:
        return part
    return {"allOf": [{"$ref": part["$ref"]}], **{name: said for name, said in part.items() if name != "$ref"}}


def _choice(part: dict[str, Any]) -> tuple[str, str] | None:
    """The name of a choice, and what it is."""
    options = part.get("oneOf")
    if not isinstance(options, list) or not all(isinstance(one, dict) and "$ref" in one for one in options):
        return None
    targets = tuple(target(one["$ref"]) for one in options)
    if "TextMessage" in targets:
        return _MESSAGE
    return _CHOICES.get(targets)


def _without_title(field: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in field.items() if name != "title"}


def _reference(name: str) -> str:
    return f"{DEFINITIONS}{name}"


def for_validators(schema: Schema) -> Schema:
    """The schema with each choice in this form.

    For ``oneOf`` and ``anyOf`` a validator names an error of each alternative: whoever has misspelt a tag reads that an
    audience is no list of openids, either. Generators of types know no other form, however. So there are two:

    | choice | for generators | for validators |
    |---|---|---|
    | by a word, such as ``kind`` | ``oneOf`` of all | an ``enum`` of the words, and ``if`` and ``then`` for each |
    | by a field that one alone has | ``oneOf`` of both | ``if`` that field is there, ``then``, ``else`` |
    | something, or null | ``anyOf`` of both | a ``type`` of both, or ``if`` it is null, ``else`` |
    | of fields that say something of each other | nothing | ``allOf`` of ``if``, ``then`` and ``else`` |
    | by type, such as a number or a text | ``anyOf`` of both | ``if`` it has the type, ``then``, ``else`` |
    """
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
    found = {"allOf" if name == RULES else name: _judged(value, definitions) for name, value in part.items()}
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
                {"if": has(word, {"const": value}), "then": one} for value, one in zip(values, options, strict=True)
            ],
        }
    first, other = options
    own = next(name for name in models[0]["required"] if name not in models[1]["properties"])
    return {"if": has(own, {}), "then": first, "else": other}


def _by_type(first: Schema, other: Schema) -> Schema:
    """The form for two types; the second one has no alternatives."""
    if other["type"] != "null":
        return {"if": {"type": other["type"]}, "then": other, "else": first}
    if isinstance(kind := first.get("type"), str) and not {"enum", "const"} & first.keys():
        return {**first, "type": [kind, "null"]}
    return {"if": {"type": "null"}, "else": first}
