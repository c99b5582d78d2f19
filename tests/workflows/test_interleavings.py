"""Whatever happens to a send, in whatever order, the promises hold: random scripts against a model of WeChat.

A usual run plays the same ones each time; `--hypothesis-profile=thorough` plays many more, and others each time.
"""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.earlier_runs import VisibleRuns
from qunfa.contract import account_id
from qunfa.contract.steps import AccountFacts, Timing
from tests.temporal import time_skipping_server
from tests.workflows.conftest import ENDS_WITHIN
from tests.workflows.player import Player
from tests.workflows.promises import PlayedRuns, ended, nothing_is_left, replays
from tests.workflows.runs import Runs, StandsStillError
from tests.workflows.scripts import KNOWN, Script, scripts
from tests.workflows.slow_ledger import SlowLedger
from tests.workflows.truth import TrueWechat
from worker import EndingWorker
from workflows.account import Account
from workflows.mass_send import MassSend

pytestmark = pytest.mark.long

SKIPPED = Timing(window=timedelta(hours=2), repeat_max=timedelta(minutes=20))
SCALED = Timing(
    window=timedelta(seconds=3),
    repeat=timedelta(milliseconds=100),
    repeat_max=timedelta(milliseconds=300),
    pace=timedelta(milliseconds=20),
    ask=timedelta(milliseconds=100),
    http_timeout=timedelta(seconds=1),
    push_grace=timedelta(milliseconds=200),
)
PLAYED: Counter[str] = Counter()
FEWER: Final = 6
"""One of so many of the usual examples is played here: each takes seconds."""
TOGETHER = 4
"""Scripts on the real server at the same time: more of them keep a crowded machine from ending any."""


@contextlib.asynccontextmanager
async def playing(env: WorkflowEnvironment, script: Script, timing: Timing, memory: timedelta) -> AsyncIterator[Player]:
    """A player on a fresh account, with a worker of its own."""
    appid = f"wx{uuid.uuid4().hex[:16]}"
    wechat = TrueWechat(
        client=env.client,
        facts=AccountFacts(name=appid, appid=appid, base_url="https://x.test", quota=script.quota, timing=timing),
        now=datetime.now,
        clock=env.get_current_time,
        task_queue=f"tests-{appid}",
        memory=memory,
        frees=script.frees,
        asked_again=timedelta(minutes=10) if env.supports_time_skipping else timedelta(milliseconds=200),
    )
    runs = Runs(env, wechat, script)
    earlier = PlayedRuns(runs) if env.supports_time_skipping else VisibleRuns(env.client)
    ledger = SlowLedger(env.client, wechat.task_queue, earlier)
    player = Player(runs, script)
    runs.on_end.append(lambda: ended(player))
    ledger.before_wish = lambda step: player.at("wish", step.wish.key)
    ledger.after_wish = lambda step: player.at("wished", step.wish.key)
    activities: list[Callable[..., Any]] = [
        *(wechat.resolve_account, wechat.submit, wechat.job_status, wechat.await_verdict, wechat.check_audience),
        *(ledger.wish, ledger.look_up, ledger.tell),
    ]
    worker = EndingWorker(
        env.client,
        ends_within=ENDS_WITHIN,
        task_queue=wechat.task_queue,
        workflows=[MassSend, Account],
        activities=activities,
        interceptors=[runs.in_flight],
    )
    async with worker:
        yield player
        for workflow_id in [*runs.ids, account_id(appid)]:
            with contextlib.suppress(RPCError):
                await env.client.get_workflow_handle(workflow_id).terminate("the test is over")


async def play(env: WorkflowEnvironment, script: Script, timing: Timing, memory: timedelta) -> list[str]:
    """Play it, look whether the promises hold, and tell what happened; a failure tells it, too."""
    async with playing(env, script, timing, memory) as player:
        try:
            await player.play()
            await nothing_is_left(player)
            await replays(player)
        except BaseException as error:
            error.add_note("\n".join(player.story))
            raise
        return player.story


def known(test: Callable[..., Any]) -> Callable[..., Any]:
    """The test, with the scripts that are always played."""
    for script in KNOWN:
        test = example(script=script)(test)
    return test


@pytest.mark.timeout(900)  # two dozen lives, each of some seconds where nothing else runs
@known
@given(script=scripts(skipping=True))
@settings(
    max_examples=settings().max_examples // FEWER,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
async def test_the_promises_hold_in_any_order(script: Script) -> None:
    """Answers, pushes, polls, operators, losses and clock jumps: one delivery, a true result, and nothing left open.

    `tests/simulation` plays such lives in milliseconds. These show that workflows do as the core says.
    """
    async with time_skipping_server() as server:
        try:
            for line in await play(server, script, SKIPPED, SKIPPED.window + timedelta(hours=1)):
                event(line.partition(":")[0])
            PLAYED["to the end"] += 1
        except StandsStillError:
            # The server wedges where an activity is cancelled just as it begins; such a script tells nothing.
            PLAYED["not to the end"] += 1
            assert PLAYED["not to the end"] <= 3 + PLAYED["to the end"] // 10


@pytest.mark.timeout(900)
@given(together=st.lists(scripts(skipping=False), min_size=TOGETHER, max_size=TOGETHER))
@settings(
    max_examples=max(1, settings().max_examples // 18),
    deadline=None,
    print_blob=True,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
async def test_the_promises_hold_through_resets(real_env: WorkflowEnvironment, together: list[Script]) -> None:
    """On the real server runs are reset to any point of their history, also while an activity is under way."""
    memory = SCALED.window + timedelta(seconds=2)
    await asyncio.gather(*(play(real_env, script, SCALED, memory) for script in together))
