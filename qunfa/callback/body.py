"""Reading a request's body, as far as a push can be long."""

from typing import Final

from starlette.types import Receive

from qunfa.callback.answers import Answer, Refusal

BODY_LIMIT: Final = 256 * 1024
"""A mass send's result is a few KiB, three times that in compat mode; messages for others may be longer."""


async def read_body(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        Refusal: It is longer than `BODY_LIMIT`, or breaks off.
    """
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(Answer.MALFORMED, "the caller hung up before the end of the body")
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise Refusal(Answer.TOO_LARGE, f"the body is longer than {BODY_LIMIT} bytes")
        more = message.get("more_body", False)
    return bytes(body)
