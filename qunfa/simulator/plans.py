"""Plans: what people order beforehand. A plan decides how a job ends, and when and how its push comes.

`docs/simulator.md` shows each of them, and each fault (`faults.py`), by an example.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from itertools import count
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

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
        """Whether this is for a call or job of that account and clientmsgid."""
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
