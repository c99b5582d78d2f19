"""What can go wrong in one call of the API, split by what the caller can do.

    WechatError
    ├── NotWritten        the request never left: not a try, and safe to do again
    │   ├── NoToken       there was no access token to call with
    │   └── TooLate       the time in which it may be written was over
    ├── MaybeWritten      the request left, or may have, and no usable answer came back
    └── Refused           WeChat answered with an errcode; its class says what that means

For a submission `MaybeWritten` means unknown: only WeChat's own word settles it. Every other call may be done again. At
worst, material is there twice, or one person has seen a preview twice.

No error carries a URL, an access token or a secret, in its text, its fields or its chain. They are raised outside of
`except`: no exception of the HTTP library, which has the request in it, is chained to them.
"""

from collections.abc import Mapping
from typing import Final

from qunfa.rules.codes import CodeClass, ReturnCode

SENDALL: Final = "/cgi-bin/message/mass/sendall"
SEND: Final = "/cgi-bin/message/mass/send"
SUBMISSIONS: Final = frozenset({SENDALL, SEND})
"""The calls that may reach followers, and that nobody repeats without thought."""
_NEXT: Final[Mapping[CodeClass, str]] = {
    CodeClass.DUPLICATE: "Await the result of the msg_id that came with it.",
    CodeClass.UNKNOWN: "",  # differs by endpoint
    CodeClass.CONFIRMING: "Wait for the administrator.",
    CodeClass.TOKEN: "Repeat it with a fresh access token.",
    CodeClass.PACE: "Slow the account down, then repeat it.",
    CodeClass.QUOTA: "Wait for the next day or month.",
    CodeClass.LATER: "Repeat it in some minutes.",
    CodeClass.MEDIA: "Make the material anew.",
    CodeClass.REFUSED: "A person has to change something first.",
}


class WechatError(Exception):
    """One call did not end well. The text says for which account, to which path, and what to do next."""


class NotWritten(WechatError):
    """The request never left; `reason` names the cause by exception class.

    The connection failed (refused, DNS, TLS, connect timeout), the pool had none free, or a token was missing.
    """

    def __init__(self, reason: str, *, account: str, endpoint: str, message: str | None = None) -> None:
        default = f"account {account}: nothing was sent to {endpoint}: {reason}. It is safe to do again."
        super().__init__(message or default)
        self.reason = reason


class NoToken(NotWritten):
    """No access token could be had, so that nothing was sent.

    `refused` is WeChat's answer where it gave one; its `code` is that of a token endpoint (REFUSED: a person must act).
    """

    def __init__(self, reason: str, *, account: str, endpoint: str, refused: "Refused | None" = None) -> None:
        message = f"account {account}: no access token could be had from {endpoint}: {reason}. Nothing was sent."
        super().__init__(reason, account=account, endpoint=endpoint, message=message)
        self.refused = refused


class TooLate(NotWritten):
    """The time in which the call may be written was over right before its first byte."""


class MaybeWritten(WechatError):
    """The request left, or may have, and no usable answer came back.

    It timed out or was reset after the connection stood, or had another HTTP status than 200. Or its answer is no JSON
    object, is too big, has an odd errcode, or lacks what a success has.
    """

    def __init__(self, reason: str, *, account: str, endpoint: str, about: str = "") -> None:
        message = (
            f"{_subject(account, about)}: {endpoint} may have taken the call, but gave no usable answer: {reason}. "
            f"{_repeating(endpoint)}"
        )
        super().__init__(message)
        self.reason = reason


class Refused(WechatError):
    """WeChat answered with `errcode`, which is not 0; `code` says what it means, and that may be "unknown" (-1).

    `errmsg` is WeChat's text, scrubbed and cut; `rid` its request id, for WeChat's support. `msg_id` is the earlier
    job's, which 45065 carries; where it is None on 45065, nothing tells which job that was.
    """

    def __init__(  # noqa: PLR0913  one parameter is one field of the answer
        self,
        code: ReturnCode,
        *,
        account: str,
        endpoint: str,
        errmsg: str,
        rid: str | None,
        msg_id: int | None,
        about: str = "",
    ) -> None:
        message = (
            f"{_subject(account, about)}: {endpoint} answered {code.errcode}: {code.meaning}. "
            f"{_NEXT[code.code_class] or _repeating(endpoint)} WeChat's text: {errmsg!r}"
        )
        super().__init__(message)
        self.code = code
        self.errcode = code.errcode
        self.errmsg = errmsg
        self.rid = rid
        self.msg_id = msg_id


def _subject(account: str, about: str) -> str:
    return f"account {account}, {about}" if about else f"account {account}"


def _repeating(endpoint: str) -> str:
    if endpoint in SUBMISSIONS:
        return "It may have been accepted: repeat it only with the same clientmsgid."
    return "It is no mass send, and may be repeated."
