"""What Qunfa's send is measured beside, as Temporal's sandbox likes it: in a file alone.

`bare` is the least that a send on Temporal can be: one activity that does nothing, and one signal. `naive` is what a
first version of a mass send looks like: an activity posts to WeChat, and a receiver signals the run, which it finds in
a dict. Neither keeps any of Qunfa's promises.
"""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel
from temporalio import workflow

QUEUE: Final = "simple"
SIMPLE: Final = "Simple"
FINISHED: Final = "finished"
NOTHING: Final = "nothing"
POST: Final = "post"
_A_MINUTE: Final = timedelta(minutes=1)


class Wanted(BaseModel):
    """What is sent to a tag, by which account of WeChat's, and by which activity."""

    activity: str
    appid: str
    secret: str
    tag_id: int
    content: str


@workflow.defn(name=SIMPLE)
class Simple:
    """One activity, one signal."""

    def __init__(self) -> None:
        self._finished: str | None = None

    @workflow.run
    async def run(self, wanted: Wanted) -> str:
        await workflow.execute_activity(wanted.activity, wanted, start_to_close_timeout=_A_MINUTE)
        await workflow.wait_condition(lambda: self._finished is not None)
        return str(self._finished)

    @workflow.signal(name=FINISHED)
    def finished(self, status: str) -> None:
        self._finished = status
