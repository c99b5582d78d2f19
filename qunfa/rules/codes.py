"""What each of WeChat's return codes means for a mass send, in one table.

WeChat answers a business error with HTTP 200 and `{"errcode": N, "errmsg": "…"}`. Only `errcode` counts; the text
varies.

| class      | was the submission accepted?            | what its caller does                                          |
|------------|-----------------------------------------|---------------------------------------------------------------|
| DUPLICATE  | yes, earlier: the answer has its msg_id | await that msg_id's result, if it is not another job's        |
| UNKNOWN    | perhaps                                 | the same clientmsgid again; only "accepted" settles it        |
| CONFIRMING | perhaps: the administrator was asked    | as UNKNOWN, when their time is over; seldom after 89505       |
| TOKEN      | no                                      | a fresh access token, and again, a few times                  |
| PACE       | no                                      | slow the whole account down, and again                        |
| QUOTA      | no                                      | wait for the next day or month, or ask a person               |
| LATER      | no                                      | the same again in some minutes                                |
| MEDIA      | no                                      | make the material anew, once, and again                       |
| REFUSED    | no                                      | a person has to change something                              |

A "no" is definite only while no earlier try of the same submission is unknown: after one it may be the echo of a
try that was accepted. A code that the table does not have is UNKNOWN, since nobody can say what it means for a
message that may be out.

Where WeChat leaves room, the table takes the side that cannot send twice or wait unseen: 9500001 ("internal") and
268487001 ("busy") are UNKNOWN, and a temporary block of the account (45102, 45501) is REFUSED, since a person should
know of it before anything is tried again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

DAILY: Final = 45009
"""All calls of the day to an endpoint are used up. There are new ones at midnight in Shanghai."""
_NAMED: Final = re.compile(r"\bip:?\s+([0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f])")

CodeProblem = Literal[
    "account_refused",
    "ip_not_whitelisted",
    "request_refused",
    "audience_refused",
    "content_refused",
    "media_refused",
    "quota_exhausted",
]


class CodeClass(StrEnum):
    """What a return code says about the call that it answers; the module's table has the reactions."""

    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    CONFIRMING = "confirming"
    TOKEN = "token"  # noqa: S105  the name of a class of return codes, not a secret
    PACE = "pace"
    QUOTA = "quota"
    LATER = "later"
    MEDIA = "media"
    REFUSED = "refused"


_OPEN: Final = frozenset({CodeClass.DUPLICATE, CodeClass.UNKNOWN, CodeClass.CONFIRMING})


@dataclass(frozen=True, slots=True)
class ReturnCode:
    """One return code: its class, its meaning in plain English, and the problem it is when a person must look.

    `problem` is set for REFUSED, QUOTA and MEDIA, and None for the other classes.
    """

    errcode: int
    code_class: CodeClass
    meaning: str
    problem: CodeProblem | None

    @property
    def definite_no(self) -> bool:
        """Whether the call was certainly not accepted, provided that no earlier try of it is unknown."""
        return self.code_class not in _OPEN


def return_code(errcode: int) -> ReturnCode:
    """The meaning of a non-zero `errcode` of a business call (anything but the token endpoints)."""
    return _TABLE.get(errcode) or ReturnCode(errcode, CodeClass.UNKNOWN, "not in Qunfa's table", None)


def code_of(errcode: int, *, token_endpoint: bool) -> ReturnCode:
    """The same, or that of a token endpoint."""
    return (token_endpoint_code if token_endpoint else return_code)(errcode)


def is_listed(errcode: int) -> bool:
    return errcode in _TABLE


def token_endpoint_code(errcode: int) -> ReturnCode:
    """The meaning of an `errcode` of `cgi-bin/token` or `cgi-bin/stable_token`: REFUSED or LATER.

    There 40001 means that the secret is wrong. Asking for a token again never does harm, so everything that needs
    no person, and everything unlisted, is LATER.
    """
    if errcode == _INVALID_CREDENTIAL:
        return ReturnCode(
            errcode, CodeClass.REFUSED, "the app secret is wrong, or another account's", "account_refused"
        )
    known = return_code(errcode)
    if known.code_class is CodeClass.REFUSED:
        return known
    return ReturnCode(errcode, CodeClass.LATER, known.meaning, None)


_INVALID_CREDENTIAL: Final = 40001

_WITHOUT_PROBLEM: Final[Mapping[CodeClass, Mapping[int, str]]] = {
    CodeClass.DUPLICATE: {45065: "this clientmsgid was accepted before"},
    CodeClass.UNKNOWN: {
        -1: "the system is busy",
        44007: "this message was submitted before",
        45066: "the same clientmsgid is still being processed",
        61450: "WeChat had a system error",
        9001001: "WeChat had an internal error",
        9500001: "WeChat had an internal error while it worked on the mass send",
        268487001: "WeChat is busy",
        268487002: "WeChat is busy",
        268488001: "WeChat had an internal error while it worked on the submission",
    },
    CodeClass.CONFIRMING: {
        89504: "the mass send is still waiting for the administrator's approval",
        89505: "the administrator has been asked to confirm the mass send",
    },
    CodeClass.TOKEN: {
        _INVALID_CREDENTIAL: "the access token is invalid or not the latest",
        40014: "the access token is malformed",
        42001: "the access token has expired",
    },
    CodeClass.PACE: {
        42010: "mass sends follow each other too fast",
        45011: "too many calls in this minute",
        45061: "the calls are too frequent",
        9500002: "too many mass send tasks are running",
    },
    CodeClass.LATER: {
        40059: "the msg_id is invalid, or too new to be known",
        40065: "the message or article is not in a state that allows this",
        45085: "the speed service had an error",
        46007: "the file is still being transcoded",
        53501: "publishing is too frequent",
    },
}

_WITH_PROBLEM: Final[Mapping[tuple[CodeClass, CodeProblem], Mapping[int, str]]] = {
    (CodeClass.QUOTA, "quota_exhausted"): {
        45009: "the daily API quota is used up",
        45028: "the account has no mass send quota left, or no right to mass send at all",
        45040: "the monthly quota is used up",
        45093: "the account has no quota to send",
        45101: "the upload limit is reached",
        45104: "the quota of this domain is used up",
        48006: "this month's quota resets are used up",
    },
    (CodeClass.MEDIA, "media_refused"): {
        40007: "the media_id is invalid, expired, of the wrong kind, or its draft was already used"
    },
    (CodeClass.REFUSED, "account_refused"): {
        40013: "the appid is invalid",
        40125: "the app secret is invalid",
        40243: "the app secret is frozen",
        41002: "the appid is missing",
        41004: "the app secret is missing",
        42007: "the authorisation was lost when a password was changed",
        45102: "WeChat blocks this API for now",
        45501: "WeChat's supervision blocks the account's requests for now",
        48001: "the account has no right to this API",
        48003: "the mass send agreement has not been accepted in the console",
        48004: "this API is banned for the account; the console says why",
        48008: "the account has no right to this message type",
        48015: "the account has no right to comments",
        50001: "the account has not authorised this API",
        50002: "the account is limited, frozen or cancelled",
        50003: "the user is unexpected, perhaps not in a whitelist",
        50004: "the account is punished and may not use access tokens",
        50007: "the account is frozen",
        61003: "the account has not authorised this third-party platform",
        61007: "the account has not granted this API to the third-party platform",
        61016: "the function category must be confirmed first",
        61017: "the account has not authorised this function",
        61023: "the third-party refresh token is invalid",
        88000: "the account has no right to comments",
    },
    (CodeClass.REFUSED, "ip_not_whitelisted"): {
        40164: "the caller's IP address is not in the account's whitelist",
        45035: "the caller's IP address is not registered",
        61004: "the caller's IP address is not registered with the third-party platform",
        89503: "the administrator must confirm calls from this IP address",
        89506: "the administrator refused this IP address; it is blocked for 24 hours",
        89507: "the administrator refused this IP address; it is blocked for 1 hour",
    },
    (CodeClass.REFUSED, "request_refused"): {
        40002: "the grant_type is wrong",
        40008: "the message type is invalid",
        40033: "the body has characters that are not allowed, such as Unicode escapes",
        40035: "a parameter is wrong",
        40038: "the request has the wrong format",
        40060: "the article_idx is invalid",
        40097: "an argument is wrong",
        40114: "the index is invalid",
        40201: "the callback URL is wrong",
        40202: "the check's action is wrong",
        40203: "the check's operator is wrong",
        41001: "the access token is missing",
        41011: "a required field is missing",
        43001: "this API wants GET",
        43002: "this API wants POST",
        43003: "this API wants HTTPS",
        44002: "the body is empty",
        45000: "the message id has the wrong size",
        45010: "the menu is invalid",
        45052: "the mass message has an invalid type",
        45064: "the menu names a mini program that is not linked",
        45067: "the clientmsgid is too long",
        45083: "the speed is out of range",
        45084: "the speed is missing",
        45103: "this API is no longer supported",
        45113: "cards can no longer be mass sent",
        45162: "the mass message has an invalid type",
        47001: "the body is not JSON that WeChat can read",
        47002: "the body has Unicode escapes instead of UTF-8",
        48009: "this API has expired",
        53600: "the article id is invalid",
        61451: "a parameter is wrong",
        76001: "the rid is wrong",
        76002: "the rid is wrong or has expired",
        76003: "the rid or the API path is wrong, or another account's",
        76004: "the rid is wrong or has expired",
        76021: "the API path does not exist",
        76022: "the API path may not be asked about",
    },
    (CodeClass.REFUSED, "audience_refused"): {
        40003: "an openid is invalid or belongs to another account",
        40031: "the list of openids is invalid",
        40032: "the list of openids has the wrong length",
        40050: "the group id is invalid",
        40130: "the list of openids needs at least two that are valid and different",
        40132: "the WeChat id is wrong",
        40152: "the tag id is invalid",
        41009: "the openid is missing",
        43004: "the receiver does not follow the account",
        43019: "the receiver is in the blacklist",
        44005: "the list is empty",
        45019: "the list has too many openids",
        45157: "the tag name is invalid",
        45158: "the tag name is too long",
        45159: "the tag id is invalid",
        46004: "the user does not exist",
        48002: "the receiver refuses messages",
        49003: "the openid does not belong to this account",
        50005: "the user does not follow the account",
    },
    (CodeClass.REFUSED, "content_refused"): {
        40062: "the title has the wrong size",
        40066: "a URL is invalid",
        40155: "there is a link to another account's home page",
        40192: "the author is invalid",
        40193: "the recommendation is too long",
        40194: "the recommendation has illegal content",
        40204: "the article was already removed, or marked as a rumour",
        40227: "the title is empty",
        41039: "there is a problem with the content_source_url",
        41040: "the requirements for declaring the article original are not met",
        44003: "the article is empty",
        44004: "the text is empty",
        45002: "the content is too long",
        45003: "the title is too long",
        45004: "the description is too long",
        45005: "a link is too long",
        45006: "a picture's URL is too long",
        45008: "there are too many articles, or they are too big",
        45062: "the article has an advertising agreement and must be sent in the console",
        45166: "the content is illegal",
        45168: "the content has a forbidden word",
        53404: "a product card in the draft was refused",
        53405: "a product card in the draft was refused",
        53406: "a product card in the draft was refused",
        53503: "the draft failed WeChat's check; the console says why",
        53504: "the draft failed WeChat's check; the console says why",
        53505: "the draft failed WeChat's check; the console says why",
    },
    (CodeClass.REFUSED, "media_refused"): {
        40004: "the media type is invalid",
        40005: "the file type is invalid",
        40006: "the file has the wrong size",
        40009: "the image is too big",
        40010: "the voice file is too big",
        40011: "the video is too big",
        40012: "the thumb is too big",
        40113: "the file type is not supported",
        40118: "the media_id has the wrong size",
        40121: "the media_id is of the wrong kind",
        40137: "the image format is not supported",
        40215: "there are too many images",
        41005: "the media data is missing",
        41006: "the media_id is missing",
        41026: "the list of images is missing",
        44001: "the media file is empty",
        44006: "the media data is empty",
        45001: "the file is too big",
        45007: "the voice message is too long",
        45020: "there are too many images",
        45068: "the file has the wrong size",
        45074: "the material library is full",
        45161: "the video's media_id must come from the upload API",
        46001: "the media does not exist",
        48010: "this material may not be modified",
        48013: "the video was not uploaded with the current API",
        48014: "the video's review is not in a state that allows sending",
        48021: "the draft was last saved automatically; a person must save it in the console",
        48022: "a video that was uploaded by API may not be mass sent by API",
    },
}


def _table() -> Mapping[int, ReturnCode]:
    rows = [
        ReturnCode(errcode, code_class, meaning, None)
        for code_class, meanings in _WITHOUT_PROBLEM.items()
        for errcode, meaning in meanings.items()
    ]
    rows += [
        ReturnCode(errcode, code_class, meaning, problem)
        for (code_class, problem), meanings in _WITH_PROBLEM.items()
        for errcode, meaning in meanings.items()
    ]
    table = {row.errcode: row for row in rows}
    if len(table) != len(rows):
        raise ValueError("a return code stands in the table twice")
    return MappingProxyType(table)


_TABLE: Final = _table()


def refused_address(errmsg: str | None) -> str | None:
    """``1.2.3.4`` of ``invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist``; ``None`` where none is named."""
    named = _NAMED.search(errmsg) if errmsg else None
    return named[1] if named else None
