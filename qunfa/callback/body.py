"""Reading a request's body, as far as a push can be long."""

from typing import Final

from starlette.requests import ClientDisconnect, Request

from qunfa.callback.answers import Answer, Refusal

BODY_LIMIT: Final = 256 * 1024
"""A mass send's result is a few KiB, three times that in compat mode; messages for others may be longer."""


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        Refusal: It is longer than `BODY_LIMIT`, or breaks off.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise Refusal(Answer.TOO_LARGE, f"the body is longer than {BODY_LIMIT} bytes")
    except ClientDisconnect:
        raise Refusal(Answer.MALFORMED, "the caller hung up before the end of the body") from None
    return bytes(body)
