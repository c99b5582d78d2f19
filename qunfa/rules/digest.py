"""What makes two requests the same content, and two submissions the same to WeChat.

| counts | does not count |
|---|---|
| the audience: its kind, the tag, the *sets* of openids, tags, states, parts | their order, what is expected of a tag |
| the message: its type and every word of it | times, approval, preview, the reprint flag, who asked |
| what stands at its sources, by SHA-256 | where the sources are, and the media_ids that WeChat gives for them |
| both messages of a split test, and its shares | which of them a person chooses |
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from qunfa.contract.audience import Batch
from qunfa.contract.content import counted
from qunfa.contract.fields import GENERATIONS_MAX
from qunfa.contract.message import Material
from qunfa.contract.request import MassSendRequest
from qunfa.rules.material import needs_material


def clientmsgid(namespace: str, appid: str, key: str, generation: int) -> str:
    """The id of a key at one generation: the same on every try, whoever computes it.

    | part | from | why |
    |---|---|---|
    | 20 hex digits | SHA-256 of namespace, appid and key | two namespaces or accounts never share one |
    | 4 digits | nothing: they are 0 | a worker of an older version repeats a try under the same id |
    | 2 digits | the generation | a deliberate second submission is not to be taken for a repeat of the first |

    28 ASCII characters: WeChat documents 64 bytes and has refused 34 (45067).

    Raises:
        ValueError: there is no id for a generation beyond 99.
    """
    if not 0 <= generation < GENERATIONS_MAX:
        msg = f"no clientmsgid for generation {generation}"
        raise ValueError(msg)
    identity = f"{namespace}\0{appid}\0{key}"
    return f"{sha256(identity.encode()).hexdigest()[:20]}-0000-{generation:02d}"


def content_digest(request: MassSendRequest, material: Material | None = None) -> str:
    """SHA-256 (64 hex digits) of audience and message; equal for requests that would send the same to the same.

    A message whose sources have to be read has no digest before they were.

    Raises:
        ValueError: the message has sources, and there is no ``material``.
    """
    message = request.message.model_dump(mode="json")
    if needs_material(request.message):
        if material is None:
            raise ValueError("the sources of the message were not read")
        message = _by_content(message, material)
    return _digested({"audience": counted(request.audience), "message": message})


def batch_digest(request: MassSendRequest) -> str | None:
    """The digest of a batch, which has what its whole has found; ``None`` where that lacks the message's sources."""
    material = request.audience.material if isinstance(request.audience, Batch) else None
    return None if needs_material(request.message) and material is None else content_digest(request, material)


def digest_of_all(request: MassSendRequest, digests: Sequence[str]) -> str:
    """The digest of a request by those of its :attr:`~MassSendRequest.versions`."""
    if request.split is None:
        return digests[0]
    return _digested({"split": request.split.model_dump(), "versions": list(digests)})


def digest_at_once(request: MassSendRequest) -> str:
    """The digest of a request by all of its versions; empty where their sources have to be read first."""
    if any(needs_material(version.message) for version in request.versions):
        return ""
    return digest_of_all(request, [content_digest(version) for version in request.versions])


def _digested(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def _by_content(message: dict[str, Any], material: Material) -> dict[str, Any]:
    """The message with each source replaced by its SHA-256, and each article's content by that of what it says."""
    digests = {source.place: source.sha256 for source in material.sources}

    def replaced(value: Any, place: str) -> Any:
        if place in digests:
            return {"sha256": digests[place]}
        if isinstance(value, dict):
            return {name: replaced(one, f"{place}.{name}") for name, one in value.items()}
        return (
            [replaced(one, f"{place}[{number}]") for number, one in enumerate(value)]
            if isinstance(value, list)
            else value
        )

    by_content: dict[str, Any] = replaced(message, "message")
    for article, digest in zip(by_content.get("articles") or (), material.contents, strict=True):
        article["content"] = {"sha256": digest}
    return by_content
