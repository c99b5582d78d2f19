"""A request as a caller has it: as it goes over the wire, and beside that of a send which runs under its key."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from temporalio.converter import AdvancedJSONEncoder

from qunfa.client.handle import InvalidRequest
from qunfa.contract.content import differing
from qunfa.contract.ids import MassSendId, parse_mass_send_id
from qunfa.contract.refusal import InvalidRequestError
from qunfa.contract.request import MassSendRequest, parse_request

MAY_BE_THE_SAME: Final = "it may be the same that is being sent already, and a new key would deliver it twice"
_USE_A_NEW_KEY: Final = (
    "use a new key for this one, but look into WeChat's console before if Temporal's database was restored"
)

INPUT_MAX_BYTES: Final = 2_000_000
"""Of a request as JSON. Temporal refuses 2 MB, and answers 4 MB as it answers a call that may have been taken."""

Request = MassSendRequest | Mapping[str, Any]


class Asked(NamedTuple):
    """A request as it goes over the wire, and whose it is."""

    raw: dict[str, Any]
    send: MassSendId


def differences(asked: Asked, theirs: Any) -> tuple[str, ...] | None:
    """The fields in which a request differs from that of the send which runs under its key.

    Nothing is known of one that cannot be read, unless it is the same: the workers refuse it, or are newer.

    Raises:
        InvalidRequest: the request is wrong, or is of another content, or has it at other URIs.
    """
    if asked.raw == theirs:
        return ()
    key = f'"{asked.send.key}"'
    runs = f"runs under {key}, and goes on"
    try:
        ours = parse_request(asked.raw)
    except InvalidRequestError as error:
        raise InvalidRequest([*error.problems, f"key: a send {runs}; {MAY_BE_THE_SAME}"]) from None
    try:
        running = parse_request(theirs)
    except InvalidRequestError:
        return None
    content = differing(ours, running)
    if content.fields:
        what = "with other URIs in its" if content.in_uris else "of another"
        todo = MAY_BE_THE_SAME if content.in_uris else _USE_A_NEW_KEY
        raise InvalidRequest([f"key: a send {what} {' and '.join(content.fields)} {runs}; {todo}"])
    return tuple(name for name in MassSendRequest.model_fields if getattr(ours, name) != getattr(running, name))


def asked_for(request: Request) -> Asked:
    """The request over the wire: as it is given, so that what is wrong is found where the account's ledger is, too.

    Raises:
        InvalidRequest: its account and key, which name the workflow, are no names; it cannot be JSON; or Temporal takes
            none so long.
    """
    if isinstance(request, MassSendRequest):
        raw: dict[str, Any] = request.model_dump(mode="json", exclude_unset=True)
    else:
        raw = _as_json(request)
    send = parse_mass_send_id(f"mass-send:{raw.get('account')}:{raw.get('key')}")
    size = len(json.dumps(raw, separators=(",", ":")))
    if send is not None and size <= INPUT_MAX_BYTES:
        return Asked(raw, send)
    try:
        parse_request(raw)
    except InvalidRequestError as error:
        raise InvalidRequest(error.problems) from None
    if send is None:
        raise InvalidRequest(["account and key: must be text"])
    most = f"{INPUT_MAX_BYTES:,}"
    raise InvalidRequest([f"the input has {size:,} bytes, and {most} are the most: put openids into a file"])


def _as_json(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request as Temporal's own converter writes it, whatever that of this client takes."""
    try:
        raw: dict[str, Any] = json.loads(json.dumps(dict(request), cls=AdvancedJSONEncoder))
        # An emoji may have come as its two halves: reading them has made one character of them. What is left is cut.
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidRequest(["the input has half a character, as text that was cut inside an emoji"]) from None
    except (TypeError, ValueError) as error:
        raise InvalidRequest([f"the input must be one JSON object: {error}"]) from None
    return raw
