"""Inputs that cannot be read, as any client may send them."""

from collections.abc import Mapping
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue


def payload(data: bytes, encoding: bytes | None = b"json/plain") -> Any:
    return RawValue(Payload(metadata={} if encoding is None else {"encoding": encoding}, data=data))


REQUEST: Final = b'{"account": "demo", "key": "spring", "audience": {"kind": "all"}, "message": %s}'
UNREADABLE: Final[Mapping[str, tuple[Any, str]]] = {
    "half an emoji": (payload(REQUEST % b'{"msgtype": "text", "content": "hi \\ud83d"}'), "it has half a character"),
    "half an emoji as bytes": (payload(b'{"account": "\xed\xa0\xbd"}'), "it has half a character"),
    "5,000 deep": (payload(b"[" * 5000 + b"]" * 5000), "it is nested too deeply"),
    "5,000 objects deep": (payload(b'{"a":' * 5000 + b"1" + b"}" * 5000), "it is nested too deeply"),
    "5,000 digits": (payload(REQUEST % (b"1" * 5000)), "it has a number with too many digits"),
    "bad JSON": (payload(b'{"account": '), "it is not valid JSON"),
    "nothing": (payload(b""), "it is not valid JSON"),
    "no UTF-8": (payload(b"\xff\xfe{}"), "it is not valid JSON"),
    "an unknown encoding": (
        payload(b"\x01\x02", b"binary/encrypted"),
        "the workers do not know the encoding 'binary/encrypted'",
    ),
    "an encoding that is no text": (payload(b"{}", b"\xff\x1b["), r"the workers do not know the encoding '\xff\x1b['"),
    "no encoding": (payload(b"{}", None), "its payload names no encoding"),
    "an unknown protobuf type": (payload(b"{}", b"json/protobuf"), "its payload is not of its encoding"),
    "a null that holds something": (payload(b"x", b"binary/null"), "its payload is not of its encoding"),
}
"""What is sent, and what the sentence must say of it."""
