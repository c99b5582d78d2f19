"""Whatever happens to a send, in whatever order, the promises hold: random scripts against a model of WeChat.

For many more: register a hypothesis profile with a higher `max_examples` and name it with `--hypothesis-profile`.
"""

import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from hypothesis import HealthCheck, event, given, note, settings
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from qunfa.contract import account_id
from qunfa.contract.steps import AccountFacts, Timing
from qunfa.temporal import register_search_attributes
from tests.workflows.conftest import Desk, binary
from tests.workflows.metronome import METRONOME, Metronome
from tests.workflows.player import Player
from tests.workflows.promises import PlayedRuns, ended, nothing_is_left, replays
from tests.workflows.runs import Runs, StandsStillError
from tests.workflows.scripts import SKIPPING, Script, scripts
from tests.workflows.slow_ledger import SlowLedger
from tests.workflows.truth import TrueWechat
from workflows.account import Account
from workflows.mass_send import MassSend

TIMING = Timing(window=timedelta(hours=2), repeat_max=timedelta(minutes=20))


@contextlib.asynccontextmanager
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary("temporal-test-server"),
        data_converter=pydantic_data_converter,
        identity="tests",
    ) as environment:
        await register_search_attributes(environment.client)
        async with Worker(environment.client, task_queue=METRONOME, workflows=[Metronome]):
            await environment.client.start_workflow(METRONOME, id=METRONOME, task_queue=METRONOME)
            yield environment


@contextlib.asynccontextmanager
async def playing(env: WorkflowEnvironment, script: Script, timing: Timing) -> AsyncIterator[Player]:
    """A player on a fresh account, with a worker of its own."""
    appid = f"wx{uuid.uuid4().hex[:16]}"
    facts = AccountFacts(name=appid, appid=appid, base_url="https://x.test", quota=script.quota, timing=timing)

    async def clock() -> datetime:
        return await env.get_current_time()

    wechat = TrueWechat(
        client=env.client, facts=facts, now=datetime.now, task_queue=f"tests-{appid}", clock=clock,
        memory=timing.window + timedelta(hours=1),
    )
    earlier = PlayedRuns()
    ledger = SlowLedger(env.client, wechat.task_queue, earlier)
    earlier.runs = runs = Runs(Desk(env, wechat, ledger), wechat, script)
    player = Player(runs, script)
    runs.on_end.append(lambda: ended(player))
    ledger.before_claim = lambda step: player.at("claim", step.claim.key)
    ledger.after_reserve = lambda given: player.at("reserve", given[0].reserve.key)
    ledger.before_owner = lambda _step: player.at("owner", None)
    steps = [
        wechat.resolve_account, wechat.submit, wechat.job_status, wechat.await_verdict, wechat.check_audience,
        ledger.claim, ledger.reserve, ledger.tell, ledger.owner_of,
    ]
    worker = Worker(
        env.client,
        task_queue=wechat.task_queue,
        workflows=[MassSend, Account],
        activities=steps,
        interceptors=[runs.in_flight],
    )
    async with worker:
        yield player
        for handle in [*runs.desk.started, env.client.get_workflow_handle(account_id(appid))]:
            with contextlib.suppress(RPCError):
                await env.client.get_workflow_handle(handle.id).terminate("the test is over")


PLAYED: Counter[str] = Counter()


@given(script=scripts(waiting=SKIPPING))
@settings(
    max_examples=settings.default.max_examples // 2,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
async def test_the_promises_hold_in_any_order(script: Script) -> None:
    """Answers, pushes, polls, operators, losses and clock jumps: one delivery, a true result, and nothing left open."""
    async with time_skipping() as server, playing(server, script, TIMING) as player:
        try:
            await player.play()
            await nothing_is_left(player)
            await replays(player)
            PLAYED["to the end"] += 1
        except StandsStillError:
            # The server wedges where an activity is cancelled just as it begins; such a script tells nothing.
            PLAYED["not to the end"] += 1
            assert PLAYED["not to the end"] <= 3 + PLAYED["to the end"] // 10
        finally:
            note("\n".join(player.story))
            for line in player.story:
                event(line.partition(":")[0])
