"""Refusals: the answers `{"errcode":…,"errmsg":…}` of the Official Account API."""

from __future__ import annotations

import secrets
import time

# Texts as the live service words them, where they are known. Clients must not read them.
ERRMSG = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40004: "invalid media type",
    40005: "invalid file type",
    40007: "invalid media_id",
    40008: "invalid message type",
    40009: "invalid image size",
    40010: "invalid voice size",
    40011: "invalid video size",
    40012: "invalid thumb size",
    40013: "invalid appid",
    40014: "invalid access_token",
    40031: "invalid openid list",
    40032: "invalid openid list size",
    40035: "invalid parameter",
    40059: "invalid msg id",
    40060: "invalid article idx",
    40065: "invalid article status",
    40066: "invalid url",
    40125: "invalid appsecret",
    40130: "invalid openid list size, at least two openid",
    40132: "invalid username",
    40152: "invalid tag id",
    40164: "invalid ip, not in whitelist",
    40192: "invalid author",
    40193: "recommend size out of limit",
    40194: "invalid recommend",
    40201: "invalid callback url",
    40202: "invalid check action",
    40203: "invalid check operator",
    40215: "too many images",
    40227: "title is empty",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41005: "media data missing",
    41006: "media_id missing",
    41011: "missing required fields",
    41026: "media_ids missing",
    42001: "access_token expired",
    42010: "masssend fast, retry again",
    43001: "require GET method",
    43002: "require POST method",
    43004: "require subscribe",
    44001: "empty media data",
    44002: "empty post data",
    44003: "empty news data",
    44004: "empty content",
    45001: "media size out of limit",
    45002: "content size out of limit",
    45003: "title size out of limit",
    45004: "description size out of limit",
    45005: "url size out of limit",
    45007: "playtime out of limit",
    45008: "article size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45028: "has no masssend quota",
    45065: "clientmsgid exist",
    45066: "same clientmsgid retry too fast",
    45067: "clientmsgid size out of limit",
    45074: "media count out of limit",
    45083: "the speed out of range",
    45084: "No speed message",
    45113: "card can no longer be sent",
    45159: "invalid tag id",
    45162: "invalid mass message type",
    47001: "data format error",
    47002: "data format error, unicode escapes are not allowed",
    48001: "api unauthorized",
    48004: "api forbidden",
    50002: "user limited",
    76021: "cgi_path not found",
    88000: "without comment privilege",
    89504: "waiting for the administrator's approval",
    89505: "the administrator has been asked to confirm",
}


class Refusal(Exception):
    """A call that WeChat answers with an errcode.

    Args:
        errcode: WeChat's return code.
        errmsg: its text, without the request id; by default the usual one of that code.
        msg_id: the earlier job's id, which 45065 carries.

    Attributes:
        rid: the request id, of three groups of eight hex digits; the first of them is the time.
    """

    def __init__(self, errcode: int, errmsg: str | None = None, *, msg_id: int | None = None) -> None:
        self.errcode = errcode
        self.errmsg = errmsg if errmsg is not None else ERRMSG.get(errcode, "system error")
        self.msg_id = msg_id
        self.rid = f"{int(time.time()):08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
        super().__init__(f"{errcode}: {self.errmsg}")

    def body(self) -> dict[str, object]:
        """The JSON object of the answer, with the request id."""
        answer: dict[str, object] = {"errcode": self.errcode, "errmsg": f"{self.errmsg} rid: {self.rid}"}
        if self.msg_id is not None:
            answer["msg_id"] = self.msg_id
        return answer
