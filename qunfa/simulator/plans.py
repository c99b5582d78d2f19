"""What people order beforehand: how a job ends and its push comes, and what goes wrong with a call.

`docs/simulator.md` shows each of them by an example.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import count
from types import MappingProxyType
from typing import Annotated, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """What people write: a name that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Order(Strict):
    """What faults and job plans have in common: whom they are for, and how often.

    Attributes:
        account: name of the account; every account if None.
        clientmsgid: shell-style pattern of the clientmsgid; any call or job if None.
        times: how many calls or jobs it is for; for ever if None.
        probability: the chance of a call or job that it fits. One that is not hit does not count.
    """

    account: str | None = None
    clientmsgid: str | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0

    def fits(self, account: str | None, clientmsgid: str | None) -> bool:
        if self.account is not None and self.account != account:
            return False
        return self.clientmsgid is None or fnmatchcase(clientmsgid or "", self.clientmsgid)


class Counts(Strict):
    """The four counts of MASSSENDJOBFINISH. `filter` is the number that is left after filtering."""

    total: int = 0
    filter: int = 0
    sent: int = 0
    error: int = 0


class CopyrightItem(Strict):
    """One article's originality check, in the event's own names."""

    ArticleIdx: int = 1
    UserDeclareState: int = 0
    AuditState: int = 2
    OriginalArticleUrl: str = ""
    OriginalArticleType: int = 1
    CanReprint: int = 1
    NeedReplaceContent: int = 1
    NeedShowReprintSource: int = 1


class JobPlan(Order):
    """The fate of a job and of its push. A job takes the first plan that fits it, when it is accepted.

    Attributes:
        status: the event's Status, any text. Only a success delivers something.
        reprint: the originality check's verdict. "allowed" ends in err(30003), or in a send with CheckState 2 if
            send_ignore_reprint is 1. "forbidden" ends in err(30002).
        check_state: CheckState of the event.
        copyright: the items of CopyrightCheckResult.
        article_urls: the URLs of ArticleUrlResult. If None, each article that was sent has one.
        counts: the event's counts, whatever was delivered.
        job_status: what mass/get says once the job is finished. DELETE is only for one that was sent.
        delivered: whether followers receive it, if that differs from what `status` says.
        before_response: the job is finished and pushed before the HTTP call is answered.
        delay: seconds between the end of the job and the push, scaled.
        drop: no push comes.
        duplicate: so many further pushes of the same event.
        out_of_order: the push waits for that of a later job of the account.
        forged: an extra push comes first. "signature": its signature is wrong. "msg_id": it is signed, and its MsgID is
            unknown. "verdict": it is about this job with a Status that is not true. It comes in the clear and with a
            right `signature`, as an eavesdropper can make it.
    """

    status: str | None = None
    reprint: Literal["allowed", "forbidden"] | None = None
    check_state: int | None = None
    copyright: tuple[CopyrightItem, ...] = ()
    article_urls: tuple[str, ...] | None = None
    counts: Counts | None = None
    job_status: Literal["SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"] | None = None
    delivered: bool | None = None
    before_response: bool = False
    delay: Seconds = 0
    drop: bool = False
    duplicate: Annotated[int, Field(ge=0, le=100)] = 0
    out_of_order: bool = False
    forged: Literal["signature", "msg_id", "verdict"] | None = None


O = TypeVar("O", bound=Order)  # noqa: E741 - one letter, as type variables have


class Plan(Generic[O]):
    """Orders in the sequence they were given, used up as calls or jobs meet them."""

    def __init__(self, orders: Iterable[O] = (), seed: int = 0) -> None:
        self._orders: dict[int, O] = {}
        self._used: Counter[int] = Counter()
        self._ids = count(1)
        self._random = random.Random(seed)  # noqa: S311 - chance in a rehearsal, not cryptography
        for order in orders:
            self.add(order)

    def add(self, order: O) -> int:
        """Append an order and return its id."""
        number = next(self._ids)
        self._orders[number] = order
        return number

    def take(self, fits: Callable[[O], bool]) -> O | None:
        """The first order that fits and has its chance; it is used up by one."""
        for number, order in self._orders.items():
            if fits(order) and (order.probability >= 1 or self._random.random() < order.probability):
                self._used[number] += 1
                if self._used[number] == order.times:
                    self.remove(number)
                return order
        return None

    def remove(self, number: int) -> bool:
        """Forget one order; False if there is none of that id."""
        return self._orders.pop(number, None) is not None

    def clear(self) -> None:
        """Forget every order."""
        self._orders.clear()

    def listing(self) -> list[dict[str, object]]:
        """What is left, as JSON objects with `id` and `left`."""
        return [
            {"id": number, "left": order.times and order.times - self._used[number]}
            | order.model_dump(exclude_defaults=True)
            for number, order in self._orders.items()
        ]


FaultKind = Literal[
    "timeout_before_accept",
    "timeout_after_accept",
    "reset_before_accept",
    "reset_after_accept",
    "http_502",
    "broken_json",
    "errcode",
    "errcode_after_accept",
    "ok_without_msg_id",
    "slow",
    "slow_upload",
    "reset_in_upload",
    "picture_lost",
    "dies_early",
]
Stage = Literal["upload", "before", "articles", "lifetime", "after"]

_STAGES: dict[FaultKind, Stage] = {
    "timeout_before_accept": "before",
    "reset_before_accept": "before",
    "errcode": "before",
    "slow_upload": "upload",
    "reset_in_upload": "upload",
    "picture_lost": "articles",
    "dies_early": "lifetime",
}


class Fault(Order):
    """Something that goes wrong with a call.

    Attributes:
        endpoint: path of the endpoint, or the end of it in whole segments ("sendall", "mass/get"). "*" is every one.
        kind: what goes wrong. The `…_before_accept` kinds and `errcode` come instead of the call. The others strike
            after it was carried out, and are kept for a call that succeeds. `slow_upload` reads an upload over
            `seconds`. `reset_in_upload` breaks the connection when half of it has come. `picture_lost` takes the first
            of WeChat's own pictures out of an article. `dies_early` ends the life of the new media_id after `seconds`
            of the simulator's clock, or at once.
        accept: of `http_502`, `broken_json` and `slow`: whether the call is carried out first.
        errcode: the code that `errcode` and `errcode_after_accept` answer.
        status: the HTTP status of `http_502`.
        seconds: real seconds. `slow` answers so late. The `timeout_…` kinds drop the connection then, or never if None.
    """

    endpoint: str = "*"
    kind: FaultKind
    accept: bool = True
    errcode: int = -1
    status: Annotated[int, Field(ge=300, le=599)] = 502
    seconds: Seconds | None = None

    @model_validator(mode="after")
    def _complete(self) -> Fault:
        if self.kind in {"slow", "slow_upload"} and self.seconds is None:
            raise ValueError("what is slow needs its seconds")
        return self

    @property
    def stage(self) -> Stage:
        """When in the life of a call the fault strikes."""
        if self.kind in _STAGES:
            return _STAGES[self.kind]
        if self.kind in {"http_502", "broken_json", "slow"}:
            return "after" if self.accept else "before"
        return "after"

    def concerns(self, path: str) -> bool:
        return self.endpoint in {"*", path} or path.endswith("/" + self.endpoint.lstrip("/"))


Orders = tuple[Fault | JobPlan, ...]


def _refused(errcode: int) -> Orders:
    return (Fault(endpoint="sendall", kind="errcode", errcode=errcode),)


ORDERS: Final[Mapping[str, Orders]] = MappingProxyType(
    {
        "reprint_needs_decision": (JobPlan(reprint="allowed"),),
        "originality_forbidden": (JobPlan(reprint="forbidden"),),
        "originality_check_error": (JobPlan(status="err(30001)"),),
        "content_refused": (JobPlan(status="err(20001)"),),
        "admin_refused": (JobPlan(status="err(40001)"),),
        "admin_timeout": (JobPlan(status="err(40002)"),),
        "send_failed": (JobPlan(status="send fail"),),
        "account_refused": _refused(48001),
        "ip_not_whitelisted": _refused(40164),
        "audience_refused": _refused(40152),
        "media_refused": _refused(40007),
        "request_refused": _refused(47001),
        "quota_exhausted": _refused(45028),
        "unknown_outcome": (
            Fault(endpoint="sendall", kind="timeout_after_accept", seconds=2),
            Fault(endpoint="sendall", kind="reset_before_accept", times=None),
        ),
    }
)
"""The orders by the name of the problem, for the next send to all. Each is given once the one before it has struck.

`quota_exhausted` needs an account with `quota = "ask"`. `unknown_outcome` comes when the workers' `window` is over.
"""


def kind_of(order: Fault | JobPlan) -> Literal["faults", "pushes"]:
    """Below which path of the control interface it is ordered."""
    return "faults" if isinstance(order, Fault) else "pushes"


def body(order: Fault | JobPlan, account: str | None = None) -> dict[str, object]:
    """An order as its JSON, for one account if one is named."""
    named = {} if account is None else {"account": account}
    return {**order.model_dump(mode="json", exclude_unset=True), **named}
