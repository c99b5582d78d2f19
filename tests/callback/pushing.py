"""Accounts with callbacks, a delivery that notes what it gets, and requests as WeChat signs them."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from qunfa.callback import sign
from qunfa.contract.event import JobFinished
from qunfa.settings import Settings

TOKEN = "wxtoken0001"
APPID = "wx0123456789abcdef"
FINISHED = b"""<xml><ToUserName><![CDATA[gh_4d00ed8d6399]]></ToUserName><CreateTime>1481013459</CreateTime>
<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[MASSSENDJOBFINISH]]></Event><MsgID>3147483650</MsgID>
<Status><![CDATA[send success]]></Status><TotalCount>100</TotalCount><FilterCount>98</FilterCount>
<SentCount>97</SentCount><ErrorCount>1</ErrorCount></xml>"""


@dataclass
class Inbox:
    """A delivery that keeps what it is given, or fails as it is told to."""

    got: list[tuple[str, JobFinished]] = field(default_factory=list)
    failure: BaseException | None = None

    async def __call__(self, appid: str, event: JobFinished) -> None:
        if self.failure is not None:
            raise self.failure
        self.got.append((appid, event))


def callback_settings(**callback: Any) -> Settings:
    """Two accounts, of which `demo` has a callback and `silent` has none."""
    account = {"secret": "s3cret", "kind": "service"}
    return Settings.model_validate(
        {
            "accounts": {
                "demo": {**account, "appid": APPID, "callback": {"token": TOKEN, **callback}},
                "silent": {**account, "appid": "wx2"},
            }
        }
    )


def signed(token: str = TOKEN, **more: str) -> dict[str, str]:
    """A query as WeChat signs it, with a nonce of its own."""
    timestamp, nonce = str(int(time.time())), secrets.token_hex(5)
    return {"signature": sign(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce, **more}
