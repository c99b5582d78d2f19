"""`Bare` and `Naive`: the two sends that Qunfa's is measured beside, as Temporal's sandbox likes them: in a file alone.

`Bare` is the least that a send on Temporal can be: one activity that does nothing, and one signal. `Naive` is what a
first version of a mass send looks like: an activity posts to WeChat, and a receiver signals the run, which it finds in
a dict. Neither keeps any of Qunfa's promises.
"""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel
from temporalio import workflow

QUEUE: Final = "simple"
BARE: Final = "Bare"
NAIVE: Final = "Naive"
FINISHED: Final = "finished"
NOTHING: Final = "nothing"
POST: Final = "post"
_A_MINUTE: Final = timedelta(minutes=1)


class Wanted(BaseModel):
    """What is sent to a tag, and by which account of WeChat's."""

    appid: str
    secret: str
    tag_id: int
    content: str


@workflow.defn(name=BARE)
class Bare:
    """One activity, one signal."""

    def __init__(self) -> None:
        self._finished: str | None = None

    @workflow.run
    async def run(self, wanted: Wanted) -> str:
        await workflow.execute_activity(NOTHING, wanted, start_to_close_timeout=_A_MINUTE)
        await workflow.wait_condition(lambda: self._finished is not None)
        return str(self._finished)

    @workflow.signal(name=FINISHED)
    def finished(self, status: str) -> None:
        self._finished = status


@workflow.defn(name=NAIVE)
class Naive:
    """One call of WeChat's, one push."""

    def __init__(self) -> None:
        self._finished: str | None = None

    @workflow.run
    async def run(self, wanted: Wanted) -> str:
        await workflow.execute_activity(POST, wanted, start_to_close_timeout=_A_MINUTE)
        await workflow.wait_condition(lambda: self._finished is not None)
        return str(self._finished)

    @workflow.signal(name=FINISHED)
    def finished(self, status: str) -> None:
        self._finished = status
