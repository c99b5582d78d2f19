"""A database goes back to what it was: by `qunfa restored` nothing that was sent meanwhile is sent again."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from qunfa.contract import MassSendResult
from tests.cli.calls import parsed
from tests.database import copied, put_back
from tests.e2e.commands import qunfa
from tests.e2e.test_temporal_dies import employed
from tests.faults.company import EXPECTING, result_of
from tests.faults.nursery import Nursery
from tests.faults.temporal_server import temporal_server
from tests.looking import until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

FORGETS_SECONDS = 20
"""Scaled to 0.1 s: WeChat has forgotten each clientmsgid by the time that the database is back."""
RESULT = {"push_timeout": 1, "poll_interval": 1}


async def test_what_a_restored_database_has_forgotten_is_not_sent_again(nursery: Nursery, tmp_path: Path) -> None:
    """Two sends were delivered since the snapshot: one waited for approval in it, and one was not started yet.

    WeChat refuses now to tell of the first one's tag: it asks about the doubt before that, and so can be marked.
    A third one waited, was rejected since, and runs again: it asks, too. What is started after all that is new.
    """
    file, snapshot = tmp_path / "temporal.db", tmp_path / "snapshot.db"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(temporal_server(file))
        company = await employed(stack, server, nursery, tmp_path)
        actor = company.actor()
        scene = actor.scene
        await company.simulate(timing={"duplicate_window": FORGETS_SECONDS})

        async with actor.successor():
            known, stopped = [
                await scene.start(key, approval={"required": True}, requested_by="crm", result=RESULT, **to_tag)
                for key, to_tag in (("known", EXPECTING), ("stopped", {}))
            ]
            for one in (known, stopped):
                await scene.until(one, lambda status: "approve" in status.answers)
            taken = datetime.now(UTC).isoformat()
            await asyncio.to_thread(copied, file, snapshot)
            await scene.update(known, "approve")
            await scene.update(stopped, "reject")
            forgotten = await scene.start("forgotten", result=RESULT)
            sent = {one.id: (await result_of(one)).jobs[0].msg_id for one in (known, forgotten)}
        await server.kill()
        put_back(snapshot, file)
        await server.start()
        restored = ("restored", scene.appid, "--taken", taken, "--reason", "disk lost", "--yes", "--json")
        told = await qunfa(scene, *restored)
        assert (told.exit_code, len(parsed(told)["idle"])) == (0, 1), told.output

        async def standing() -> set[str]:
            return {one["stands"] for one in parsed(await qunfa(scene, *restored))["sends"]}

        scene.fault("errcode", endpoint="tags/get", errcode=48001)
        async with actor.successor():
            await scene.start("forgotten", result=RESULT)  # by its caller, who may have no result of it
            for one in (known, stopped):
                await scene.update(one, "approve")
            handles = {name: scene.client.get_workflow_handle(name, result_type=MassSendResult) for name in sent}
            for name, handle in handles.items():
                await scene.asks(handle, "unknown_outcome")
                msg_id = str(sent[name])
                marked = await qunfa(scene, "mark-sent", name, "--msg-id", msg_id, "--reason", "in the console")
                assert marked.exit_code == 0, marked.output
            await scene.asks(stopped, "unknown_outcome")
            await until(standing, {"asks", "accepted"}.issuperset)
            assert (await qunfa(scene, "restored", scene.appid, "--done", "--yes")).exit_code == 0
            for name, handle in handles.items():
                [job] = (await result_of(handle)).jobs
                assert (job.state, job.msg_id) == ("sent", sent[name])
            assert len(scene.jobs) == len(sent)
            why = ("--confirm-not-delivered", "--reason", "was rejected", "--yes")
            aborted = await qunfa(scene, "abort", stopped.id, *why)
            assert aborted.exit_code == 0, aborted.output
            assert (await result_of(await scene.start("new", result=RESULT))).outcome == "sent"
        assert len(scene.jobs) == len(sent) + 1
        assert set((await scene.received()).values()) == {len(sent), len(sent) + 1}, "who has the tag has got one more"
