"""`qunfa watch`, as a real process."""

import asyncio
import os
import pty
import signal
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli import watch
from qunfa.cli.list import SendRow
from qunfa.cli.view import SendView, read_send
from qunfa.cli.watch import SILENCES_MAX, follow
from qunfa.contract import MASS_SEND, mass_send_id
from qunfa.contract.ids import MassSendId
from tests.cli.calls import QUEUE, Qunfa, Scripted, Start, said, screen
from tests.cli.stub import request, result, status
from tests.looking import until

OTHERS = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword("MassSendAccount"), "watched")])


async def _other(client: Client, key: str) -> WorkflowHandle[Any, Any]:
    """A scripted send of an account that only these tests have."""
    raw = {**request(key), "account": "watched"}
    handle = await client.start_workflow(
        MASS_SEND, raw, id=mass_send_id("watched", key), task_queue=QUEUE, search_attributes=OTHERS
    )
    await handle.signal("become", status("submitting"))
    return handle


async def test_named_sends_are_watched_to_their_ends(start: Start, scripted: Scripted, key: str) -> None:
    """What goes to whom, then a line for each change, with the send's name; exit 0 once all have ended well."""
    first, second = [await scripted(status("submitting"), more=f"-{one}") for one in "ab"]
    process = await start("watch", f"demo/{key}-a", f"demo/{key}-b")
    await said(process, f"demo/{key}-", 'Text "hi" to all followers, asked for by crm')
    await said(process, f"demo/{key}-", "submitting")
    await first.signal("become", status("awaiting_approval", answers=["approve", "reject", "pause"]))
    await said(process, f"demo/{key}-a", f"to do: approve, reject; see qunfa status demo/{key}-a")
    await first.signal("become", status("awaiting_result"))
    await said(process, f"demo/{key}-a", "awaiting_result")
    for one, handle in (("a", first), ("b", second)):
        await handle.signal("end", {"as": "completed", "result": result("sent", f"{key}-{one}")})
        await said(process, f"demo/{key}-{one}", "sent: Delivered.")
    assert await process.wait() == 0


@pytest.mark.parametrize("silences", [SILENCES_MAX - 1, SILENCES_MAX])
async def test_slow_answers_end_a_watch_only_in_a_row(
    client: Client, scripted: Scripted, key: str, monkeypatch: pytest.MonkeyPatch, silences: int
) -> None:
    """The send goes on meanwhile, and so does whoever follows it: but not for ever."""
    handle, views, slow = await scripted(status("submitting")), list[SendView](), [silences]

    async def read(*asked: Any) -> SendView:
        if views and slow[0]:
            slow[0] -= 1
            raise RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")
        return await read_send(*asked)

    monkeypatch.setattr(watch, "read_send", read)
    following = asyncio.create_task(watch.follow(client, MassSendId("demo", key), views.append))
    await until(lambda: asyncio.sleep(0, len(views)))
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    if silences < SILENCES_MAX:
        assert (await following).state == "completed"
        return
    with pytest.raises(RPCError):
        await following


@pytest.mark.parametrize("silences", [SILENCES_MAX - 1, SILENCES_MAX])
async def test_slow_lists_end_a_watch_only_in_a_row(
    qunfa: Qunfa, client: Client, silences: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As slow answers of one send do; and one that says more than that it is late ends it at once."""
    late = [RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"") for _ in range(silences)]
    errors = iter([*late, RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")])
    looks: list[str] = []

    async def find(client: Client, query: str, limit: int) -> list[SendRow]:
        looks.append(query)
        if len(looks) > 1:
            raise next(errors)
        return []

    monkeypatch.setattr(watch, "find_rows", find)
    monkeypatch.setattr(watch, "_LIST_EVERY", 0.0)
    answer = await qunfa("watch", "--account", "watched")
    said = "gone" if silences < SILENCES_MAX else "Timeout expired"
    assert (answer.exit_code, said in answer.stderr, len(looks)) == (3, True, 1 + SILENCES_MAX)


async def test_a_send_that_is_gone_ends_no_other_watch(
    qunfa: Qunfa, client: Client, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, though the list still has it."""
    handle = await _other(client, key)
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    gone = {"workflow_id": "mass-send:watched:gone", "run_id": "r", "account": "watched", "key": "gone"}
    there = {"workflow_id": handle.id, "run_id": handle.result_run_id, "account": "watched", "key": key}
    rows = [SendRow.model_validate({**one, "state": "running"}) for one in (gone, there)]
    looks, ends = list[str](), list[SendView]()

    async def find(client: Client, query: str, limit: int) -> list[SendRow]:
        looks.append(query)
        if ends and len(looks) > SILENCES_MAX:
            raise RPCError("enough", RPCStatusCode.UNAVAILABLE, b"")
        return rows

    async def to_the_end(*asked: Any) -> SendView:
        ends.append(await follow(*asked))
        return ends[-1]

    monkeypatch.setattr(watch, "find_rows", find)
    monkeypatch.setattr(watch, "follow", to_the_end)
    monkeypatch.setattr(watch, "_LIST_EVERY", 0.01)
    answer = await qunfa("watch", "--account", "watched")
    assert (answer.exit_code, answer.stderr.count("holds no mass send watched/gone")) == (3, 1)
    assert f"watched/{key}  sent: Delivered." in answer.stdout


async def test_each_change_is_a_line_of_json(start: Start, scripted: Scripted, key: str) -> None:
    """For programs, also on a terminal: the send as `status --json` has it, and nothing else."""
    handle = await scripted(status("submitting"))
    master, slave = pty.openpty()
    process = await start("watch", f"demo/{key}", "--json", stderr=slave)
    os.close(slave)
    seen = await said(process, '"submitting"')
    await handle.signal("end", {"as": "completed", "result": result("sent", key)})
    rest, _ = await process.communicate()
    views = [SendView.model_validate_json(line) for line in (seen + rest.decode()).splitlines()]
    assert (views[0].phase, views[-1].ended_well, process.returncode) == ("submitting", True, 0)
    os.close(master)


async def test_a_query_goes_with_no_names(qunfa: Qunfa) -> None:
    """It says which sends are watched."""
    refused = await qunfa("watch", "demo/k", "--query", "MassSendAccount = 'demo'")
    assert (refused.exit_code, "not by both" in refused.stderr) == (2, True)


async def test_a_bad_end_is_exit_one(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """One that nobody knows does not keep the others from being watched."""
    handle = await scripted(status("submitting"))
    await handle.signal("end", {"as": "failed", "result": result("expired", key)})
    answer = await qunfa("watch", "demo/never-started", f"demo/{key}")
    assert answer.exit_code == 1
    assert f"demo/{key}  expired: Expired. Nothing was delivered." in answer.stdout
    assert "holds no mass send demo/never-started" in answer.stderr


async def test_without_names_all_that_run_are_watched_until_ctrl_c(start: Start, client: Client, key: str) -> None:
    """Those that start later, too, and that a query finds; exit 130, no traceback, and the sends go on."""
    await _other(client, f"{key}-c")
    first = await _other(client, f"{key}-a")
    found = f"WorkflowId != 'mass-send:watched:{key}-c'"
    process = await start("watch", "--query", f"MassSendAccount = 'watched' AND {found}")
    seen = await said(process, f"watched/{key}-a", "submitting")
    second = await _other(client, f"{key}-b")
    seen += await said(process, f"watched/{key}-b", "submitting")
    assert f"{key}-c" not in seen
    await first.signal("end", {"as": "completed", "result": result("sent", f"{key}-a")})
    await said(process, f"watched/{key}-a", "sent")
    await second.signal("become", status("awaiting_result"))
    await said(process, f"watched/{key}-b", "awaiting_result")
    process.send_signal(signal.SIGINT)
    rest, notes = await process.communicate()
    assert (process.returncode, rest, b"Traceback" in notes) == (130, b"", False)
    assert (await second.query("status"))["phase"] == "awaiting_result"


async def test_a_terminal_shows_a_table_in_place(start: Start, scripted: Scripted, key: str) -> None:
    """Phase, progress and what is waited for; an end stays on the screen, and Ctrl-C ends it with 130."""
    progress = {"jobs": 1, "accepted": 1, "followers": 1234}
    waiting = {"reason": "WeChat's push"}
    first = await scripted(status("awaiting_result", progress=progress, waiting_for=waiting), more="-a")
    await scripted(status("submitting"), more="-b")
    master, slave = pty.openpty()
    process = await start("watch", f"demo/{key}-a", f"demo/{key}-b", stdout=slave, stderr=slave)
    os.close(slave)
    seen = await screen(master, "WeChat's push")
    assert "1,234 reached" in seen.decode()
    await first.signal("end", {"as": "completed", "result": result("sent", f"{key}-a")})
    seen = await screen(master, "Delivered.", seen)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130
    os.close(master)
    assert b"Traceback" not in seen
