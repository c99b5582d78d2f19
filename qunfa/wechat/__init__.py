"""The WeChat Official Account API: one method is one HTTP call, a typed answer or one classified error."""

from qunfa.wechat.answers import CallbackCheck, OpenidPage, Quota, Speed, Submitted, Tag
from qunfa.wechat.client import OfficialAccount
from qunfa.wechat.errors import MaybeWritten, NoToken, NotWritten, Refused, TooLate
from qunfa.wechat.exchange import ServerTime, open_http, server_time
from qunfa.wechat.messages import MassBody, PreviewBody, UnmadeError, article_wire, mass_body, preview_body
from qunfa.wechat.tokens import Credentials, Token, Tokens
from qunfa.wechat.upload import UploadFile
