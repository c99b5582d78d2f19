"""What a request is refused for before anything of it is made or sent."""

from typing import Any, Final

import pytest

from qunfa.contract.request import MassSendRequest, parse_request
from qunfa.rules.terms import terms
from tests.rules.arbitrary import NOON

TEXT: Final = {"msgtype": "text", "content": "你好"}
FILE: Final = {"kind": "openid_file", "uri": "file:/srv/lists/spring.txt"}
SPLIT: Final[dict[str, Any]] = {"split": {"a": 10, "b": 10}, "audience": FILE}
PREVIEW: Final = {"to": [{"openid": "boss"}]}


def request(**more: Any) -> MassSendRequest:
    return parse_request({"account": "demo", "key": "spring", "audience": {"kind": "all"}, "message": TEXT, **more})


def pictures(number: int) -> dict[str, Any]:
    return {"msgtype": "image", "images": [{"media_id": "a"}] * number}


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"message": pictures(3)}, []),
        ({"message": pictures(1), "preview": PREVIEW}, []),
        ({"message": pictures(3), "preview": PREVIEW}, ["message.images: a preview shows one picture"]),
        ({"message_b": pictures(2), "preview": PREVIEW, **SPLIT}, ["message_b: message.images: a preview shows one"]),
    ],
)
def test_a_preview_of_several_pictures_is_refused(more: dict[str, Any], refused: list[str]) -> None:
    """WeChat previews one picture, and a send whose preview fails goes on: nobody would have seen it."""
    found = terms(request(**more), NOON)
    assert [said[: len(begin)] for said, begin in zip(found, refused, strict=True)] == refused
