"""The WeChat Official Account API: one method is one HTTP call, a typed answer or one classified error."""

from qunfa.wechat.answers import JobStatus, MsgStatus, Quota, RateLimit, Submitted, Tag
from qunfa.wechat.client import OfficialAccount
from qunfa.wechat.credentials import Credentials, Token
from qunfa.wechat.errors import MaybeWritten, NoToken, NotWritten, Refused, WechatError
from qunfa.wechat.redaction import LOG_LEVELS, SecretFilter, redact_event, scrub
from qunfa.wechat.submission import Content, Filter, SendallBody, SendBody, send_body, sendall_body
from qunfa.wechat.tokens import Tokens
from qunfa.wechat.transport import open_http

__all__ = [
    "LOG_LEVELS",
    "Content",
    "Credentials",
    "Filter",
    "JobStatus",
    "MaybeWritten",
    "MsgStatus",
    "NoToken",
    "NotWritten",
    "OfficialAccount",
    "Quota",
    "RateLimit",
    "Refused",
    "SecretFilter",
    "SendBody",
    "SendallBody",
    "Submitted",
    "Tag",
    "Token",
    "Tokens",
    "WechatError",
    "open_http",
    "redact_event",
    "scrub",
    "send_body",
    "sendall_body",
]
