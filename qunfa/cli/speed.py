"""`qunfa speed`: how fast an account's mass sends go."""

from enum import StrEnum
from typing import Annotated

import typer

from qunfa.cli.account_answers import Question, answer_of, unique
from qunfa.cli.console import show, show_json
from qunfa.cli.errors import WrongUse
from qunfa.cli.group import run
from qunfa.cli.options import By, Json, TaskQueue, Yes, confirm, login_name
from qunfa.cli.payload import payload
from qunfa.cli.queue import task_queue
from qunfa.cli.rendering.speed import STAYS_SET, followers, render_speed
from qunfa.contract.ids import ACCOUNT_SPEED, speed_id
from qunfa.contract.limits import REALSPEEDS, SPEED_MAX, SpeedRequest, SpeedResult
from qunfa.markdown import plain


class Action(StrEnum):
    """What to do with the speed."""

    GET = "get"
    SET = "set"


def speed(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name at the workers.")],
    action: Annotated[Action, typer.Argument(metavar="get|set", help="Look at it, or set it.")] = Action.GET,
    level: Annotated[
        int | None,
        typer.Argument(metavar="[0..4]", min=0, max=SPEED_MAX, help="With set: from 0, the fastest, to 4."),
    ] = None,
    *,
    by: By = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it stays in the history.")] = None,
    yes: Yes = False,
    queue: TaskQueue = None,
    as_json: Json = False,
) -> None:
    """Show how fast an account's mass sends go, or set it, which holds for all of them until it is set again.

    0 is 800,000 followers a minute, 1 is 600,000, 2 is 450,000, 3 is 300,000, 4 is 100,000.
    """
    if (action is Action.SET) != (level is not None):
        raise WrongUse("Say `qunfa speed ACCOUNT get`, or `qunfa speed ACCOUNT set 0..4`.")
    who = {} if level is None else {"speed": level, "by": by or login_name(), "reason": reason}
    request = payload(SpeedRequest, account=account, **who)
    if level is not None:
        question = f"Set the speed of {account} to {level}, {followers(REALSPEEDS[level])} a minute?"
        confirm(question, yes=yes, about=[STAYS_SET])
    asked = Question(
        ACCOUNT_SPEED,
        speed_id(account, unique()),
        request.model_dump(mode="json", exclude_none=True),
        f"Speed of **{plain(account)}**" + ("" if level is None else f" set to {level}"),
    )
    result = run(answer_of(asked, SpeedResult, task_queue(queue)))
    if as_json:
        show_json(result)
    else:
        show(render_speed(result))
