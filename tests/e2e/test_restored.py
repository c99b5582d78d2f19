"""A database goes back to what it was: by the guide's procedure nothing that was sent meanwhile is sent again."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from qunfa.contract import MassSendResult
from tests.database import copied, put_back
from tests.e2e.commands import qunfa
from tests.e2e.test_temporal_dies import employed
from tests.faults.company import result_of
from tests.faults.temporal_server import temporal_server

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crashes")]

FORGETS_SECONDS = 20
"""Scaled to 0.1 s: WeChat has forgotten each clientmsgid by the time that the database is back."""
RESULT = {"push_timeout": 1, "poll_interval": 1}


async def test_what_a_restored_database_has_forgotten_is_not_sent_again(tmp_path: Path) -> None:
    """Two sends were delivered since the snapshot: one waited for approval in it, and one was not started yet."""
    file, snapshot = tmp_path / "temporal.db", tmp_path / "snapshot.db"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(temporal_server(file))
        company = await employed(stack, server, tmp_path)
        actor = company.actor()
        scene = actor.scene
        await company.simulate(timing={"duplicate_window": FORGETS_SECONDS})

        async with actor.successor():
            known = await scene.start("known", approval={"required": True}, requested_by="crm", result=RESULT)
            await scene.until(known, lambda status: status.phase == "awaiting_approval")
            await asyncio.to_thread(copied, file, snapshot)
            await scene.update(known, "approve")
            forgotten = await scene.start("forgotten", result=RESULT)
            sent = {one.id: (await result_of(one)).jobs[0].msg_id for one in (known, forgotten)}
        await server.kill()
        put_back(snapshot, file)
        await server.start()

        async with actor.successor():
            assert (await qunfa(scene, "freeze", scene.appid, "--reason", "restored", "--yes")).exit_code == 0
            await scene.start("forgotten", result=RESULT)  # by its caller, who may have no result of it
            await scene.update(known, "approve")
            handles = [scene.client.get_workflow_handle(one, result_type=MassSendResult) for one in sent]
            for handle in handles:
                await scene.waits(handle, "frozen by")
                msg_id = str(sent[handle.id])
                marked = await qunfa(scene, "mark-sent", handle.id, "--msg-id", msg_id, "--reason", "in the console")
                assert marked.exit_code == 0, marked.output
            assert (await qunfa(scene, "unfreeze", scene.appid, "--yes")).exit_code == 0
            for handle in handles:
                [job] = (await result_of(handle)).jobs
                assert (job.state, job.msg_id) == ("sent", sent[handle.id])
        assert len(scene.jobs) == len(sent)
        assert set((await scene.received()).values()) == {len(sent)}
