"""What `qunfa callback check` finds, step by step."""

from typing import Literal

from qunfa.contract.checks import CallbackCheckResult
from qunfa.contract.fields import Stored


class Step(Stored):
    """One step: what was seen, and what to do where it failed. `skipped`: an earlier step has to work first."""

    name: Literal["url", "push", "temporal", "wechat"]
    state: Literal["ok", "failed", "skipped"]
    said: str
    todo: str | None = None


class CallbackReport(Stored):
    """The whole check. `url` is without its query; `wechat` what the workers were told, where they were."""

    account: str
    appid: str
    mode: Literal["plain", "compat", "safe"]
    url: str
    msg_id: int
    ok: bool
    steps: tuple[Step, ...]
    wechat: CallbackCheckResult | None = None
