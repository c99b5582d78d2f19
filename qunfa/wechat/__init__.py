"""The WeChat Official Account API: one method is one HTTP call, a typed answer or one classified error."""

from qunfa.wechat.answers import (
    CallbackCheck,
    CallbackDns,
    CallbackPing,
    Draft,
    DraftedArticle,
    JobStatus,
    Material,
    MsgStatus,
    Previewed,
    Quota,
    RateLimit,
    Speed,
    Submitted,
    Tag,
    Uploaded,
)
from qunfa.wechat.articles import DraftArticle, NewsArticle
from qunfa.wechat.client import OfficialAccount
from qunfa.wechat.clock import ServerTime, server_time
from qunfa.wechat.content import Content
from qunfa.wechat.credentials import Credentials, Token
from qunfa.wechat.errors import MaybeWritten, NoToken, NotWritten, Refused, WechatError, WrongSize
from qunfa.wechat.preview import Openid, PreviewBody, Wxname, preview_body
from qunfa.wechat.redaction import LOG_LEVELS, SecretFilter, redact_event, scrub
from qunfa.wechat.submission import Filter, SendallBody, SendBody, send_body, sendall_body
from qunfa.wechat.tokens import Tokens
from qunfa.wechat.transport import open_http
from qunfa.wechat.upload import MediaKind, Progress, UploadFile

__all__ = [
    "LOG_LEVELS",
    "CallbackCheck",
    "CallbackDns",
    "CallbackPing",
    "Content",
    "Credentials",
    "Draft",
    "DraftArticle",
    "DraftedArticle",
    "Filter",
    "JobStatus",
    "Material",
    "MaybeWritten",
    "MediaKind",
    "MsgStatus",
    "NewsArticle",
    "NoToken",
    "NotWritten",
    "OfficialAccount",
    "Openid",
    "PreviewBody",
    "Previewed",
    "Progress",
    "Quota",
    "RateLimit",
    "Refused",
    "SecretFilter",
    "SendBody",
    "SendallBody",
    "ServerTime",
    "Speed",
    "Submitted",
    "Tag",
    "Token",
    "Tokens",
    "UploadFile",
    "Uploaded",
    "WechatError",
    "WrongSize",
    "Wxname",
    "open_http",
    "preview_body",
    "redact_event",
    "scrub",
    "send_body",
    "sendall_body",
    "server_time",
]
