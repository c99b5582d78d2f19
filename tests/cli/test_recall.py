"""Recalls of sends that are several jobs: all of them, or none, and each is told."""

import re
import signal
from typing import Any
from unittest.mock import AsyncMock

import pytest
from pydantic import TypeAdapter
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair
from temporalio.service import RPCError, RPCStatusCode

from qunfa.cli.recall import How, OneRecall, recall_one
from qunfa.cli.targets import Aim
from qunfa.contract.ids import MASS_SEND, RECALL_MASS_SEND, mass_send_id, recall_id
from qunfa.contract.recall import RecallResult
from tests.cli.calls import QUEUE, InBatches, Qunfa, Scripted, Start, parsed, until_listed
from tests.cli.stub import RECALLS, completed, request, result, status
from tests.looking import until
from tests.temporal import is_there

WHY = ("--reason", "wrong price")
RECALLED = TypeAdapter(list[OneRecall])
TEXT = SearchAttributePair(SearchAttributeKey.for_keyword("MassSendMsgType"), "text")
BATCHES = 25
"""More than a status has."""


@pytest.fixture
def msg_ids() -> list[int]:
    """Of jobs that no other test has; each is recalled as soon as somebody asks."""
    first = 4_000_000_000 + BATCHES * len(RECALLS)
    found = [first + number for number in range(BATCHES)]
    RECALLS.update(dict.fromkeys(found, "recalled"))
    return found


def _job(index: int, msg_id: int) -> dict[str, Any]:
    return {"index": index, "generation": 0, "clientmsgid": "c", "msg_id": msg_id, "state": "sent"}


async def _sent(in_batches: InBatches, key: str, msg_ids: list[int]) -> WorkflowHandle[Any, Any]:
    """A send in batches that has ended, with a job for each."""
    jobs = [_job(number, msg_id) for number, msg_id in enumerate(msg_ids)]
    handle = await in_batches(status("done", jobs=jobs[-20:]))
    await completed(handle, "sent", key, jobs=jobs)
    return handle


async def _refused(scripted: Scripted, said: str, jobs: list[dict[str, Any]]) -> None:
    """A run of the key with a text that was refused, and shows these jobs."""
    handle = await scripted(status("done", jobs=jobs), attributes=[TEXT])
    await handle.signal("end", {"as": "refused", "said": said})
    with pytest.raises(WorkflowFailureError):
        await handle.result()


async def _is_begun(client: Client, msg_id: int) -> bool:
    return await is_there(client, recall_id("demo", msg_id))


async def test_all_batches_of_a_list_are_recalled(
    qunfa: Qunfa, in_batches: InBatches, *, key: str, msg_ids: list[int]
) -> None:
    """Also those that its status has no room for."""
    await _sent(in_batches, key, msg_ids)
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")
    recalls = RECALLED.validate_python(parsed(answer))
    assert (answer.exit_code, [one.msg_id for one in recalls]) == (0, msg_ids)
    assert {one.result and one.result.outcome for one in recalls} == {"recalled"}
    assert [one.result and one.result.key for one in recalls] == [f"{key}.{number + 1}" for number in range(BATCHES)]


async def test_the_only_batch_to_recall_stands_in_a_list(
    qunfa: Qunfa, in_batches: InBatches, *, key: str, msg_ids: list[int]
) -> None:
    """A program that reads it need not know how many batches there were."""
    await _sent(in_batches, key, msg_ids[:1])
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")
    [one] = RECALLED.validate_python(parsed(answer))
    assert (answer.exit_code, one.msg_id, one.result and one.result.outcome) == (0, msg_ids[0], "recalled")


@pytest.mark.parametrize(("phase", "runs"), [("submitting", True), ("paused", True), ("submitting", False)])
async def test_a_list_without_its_result_is_not_recalled_in_part(
    qunfa: Qunfa, client: Client, in_batches: InBatches, *, key: str, phase: str, runs: bool, msg_ids: list[int]
) -> None:
    """Its newest batches are not all of it: nothing is begun, and the sentence says what can be done."""
    handle = await in_batches(status(phase, jobs=[_job(number, one) for number, one in enumerate(msg_ids[-20:], 5)]))
    if not runs:
        await handle.terminate()
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "so nothing was recalled" in answer.stderr
    assert f"by its own key, such as demo/{key}.1" in answer.stderr
    assert (f'qunfa abort demo/{key} --reason "WHY"' in answer.stderr) == runs
    assert ("once its batch under way has ended" in answer.stderr) == runs
    assert not await _is_begun(client, msg_ids[-1])


@pytest.mark.parametrize(("by_temporal", "says_so"), [(True, True), (True, False), (False, True)])
async def test_a_refused_start_hides_no_list_from_its_recall(
    qunfa: Qunfa,
    client: Client,
    scripted: Scripted,
    in_batches: InBatches,
    *,
    key: str,
    by_temporal: bool,
    says_so: bool,
    msg_ids: list[int],
) -> None:
    """A run that was refused before it became the list knows the first batch at most: nothing is recalled."""
    jobs = [_job(number, msg_id) for number, msg_id in enumerate(msg_ids)]
    handle = await in_batches(status("done", jobs=jobs[-20:]), *(["batch"] if by_temporal else []))
    await completed(handle, "sent", key, jobs=jobs)
    said = f'key: an earlier run under "{key}.1" was delivered' if says_so else "colour: is not known"
    await _refused(scripted, said, jobs[:1] if says_so else [])
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert f"by its own key, such as demo/{key}.1" in answer.stderr
    assert not await _is_begun(client, msg_ids[0])


async def test_a_refused_start_of_a_plain_send_hides_nothing(
    qunfa: Qunfa, scripted: Scripted, key: str, msg_ids: list[int]
) -> None:
    """What it knows of its key is recalled, whatever type of message it was to send itself."""
    await _refused(scripted, f'key: an earlier run under "{key}" was delivered', [_job(0, msg_ids[0])])
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")
    assert (answer.exit_code, parsed(answer)["msg_id"], parsed(answer)["key"]) == (0, msg_ids[0], key)


@pytest.mark.parametrize("outcome", ["aborted", "unknown", None])
async def test_a_send_without_a_job_has_nothing_to_recall(
    qunfa: Qunfa, scripted: Scripted, *, key: str, outcome: str | None
) -> None:
    """As far as is known: a run that was terminated, or ends in doubt, may not have heard what an earlier one sent."""
    handle = await scripted(status("scheduled", jobs=[{**_job(0, 0), "msg_id": None, "state": "new"}]))
    if outcome is None:
        await handle.terminate()
    else:
        await handle.signal("end", {"as": "failed", "result": result(outcome, key)})
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes")
    known = outcome == "aborted"
    assert (answer.exit_code, f"demo/{key} has nothing to recall: " in answer.stderr) == (1, known)
    where = f"`qunfa ledger demo --key {key}` shows its msg_id, or else WeChat's console does"
    assert (where in answer.stderr) is not known


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("sent", [2, 0])
async def test_a_batch_without_a_msg_id_is_named_by_its_list(
    qunfa: Qunfa, in_batches: InBatches, *, key: str, msg_ids: list[int], sent: int
) -> None:
    """It may have been delivered: its recall is left to its own key. The others are recalled, if any; exit 1."""
    lost = {**_job(2, 0), "msg_id": None, "state": "unknown"}
    not_sent = {**_job(3, 0), "msg_id": None, "state": "new"}
    jobs = [*(_job(number, msg_ids[number]) for number in range(sent)), lost, not_sent]
    handle = await in_batches(status("done", jobs=jobs))
    await completed(handle, "partly_sent", key, jobs=jobs)
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")
    recalls = RECALLED.validate_python(parsed(answer))
    assert (answer.exit_code, [one.msg_id for one in recalls]) == (1, [*msg_ids[:sent], None])
    refusal = "It may have been delivered, and its msg_id is not known here. Recall it by its own key, demo/{key}.3."
    assert [one.refusal for one in recalls] == [*([None] * sent), refusal.format(key=key)]
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes")
    assert f"demo/{key}.3: its msg_id is not known  NOT done: It may have been delivered" in answer.stdout
    asked = await qunfa("recall", f"demo/{key}", *WHY, stdin="n\n")
    assert (asked.exit_code, "Recall these" in asked.stderr) == (1, sent > 0)
    assert ("NOT done" in asked.stdout) is not (sent > 0)


async def test_a_recall_that_is_refused_stops_no_other(
    qunfa: Qunfa, client: Client, in_batches: InBatches, *, key: str, msg_ids: list[int]
) -> None:
    """What became of each is told, whether it is under way already, was ended, or did not work; exit 1."""
    wanted = msg_ids[:4]
    del RECALLS[wanted[0]]
    RECALLS.update({wanted[1]: "ended", wanted[2]: "not_recalled"})
    raw = {"account": "demo", "msg_id": wanted[0], "by": "wang", "reason": "wrong price"}
    await client.start_workflow(RECALL_MASS_SEND, raw, id=recall_id("demo", wanted[0]), task_queue=QUEUE)
    await _sent(in_batches, key, wanted)
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes")
    lines = [line for line in answer.stdout.splitlines() if line.startswith("demo")]
    under_way = f"A recall is under way already, by wang: wrong price. See the workflow recall:demo:{wanted[0]}."
    ended = "The recall was ended: It is not needed. What it had done stands in its history."
    assert answer.exit_code == 1
    assert lines == [
        f"demo/{key}: msg_id {wanted[0]}, sent  NOT done: {under_way}",
        f"demo/{key}: msg_id {wanted[1]}, sent  NOT KNOWN: {ended}",
        f"demo/{key}.3, msg_id {wanted[2]}  NOT recalled",
        f"demo/{key}.4, msg_id {wanted[3]}  recalled",
    ]
    again = RECALLED.validate_python(parsed(await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")))
    assert [(one.refusal is None, one.perhaps, one.result and one.result.outcome) for one in again] == [
        (False, False, None),
        (False, True, None),
        (True, False, "not_recalled"),
        (True, False, "recalled"),
    ]


async def test_newer_workers_stop_no_recall(
    qunfa: Qunfa, client: Client, in_batches: InBatches, *, key: str, msg_ids: list[int]
) -> None:
    """A status or a result that this version cannot read is said, and the others are recalled; exit 1."""
    RECALLS.update({msg_ids[0]: "strange", msg_ids[1]: "put_off"})
    raw = {"account": "demo", "msg_id": msg_ids[0], "by": "wang", "reason": "wrong price"}
    await client.start_workflow(RECALL_MASS_SEND, raw, id=recall_id("demo", msg_ids[0]), task_queue=QUEUE)
    await _sent(in_batches, key, msg_ids[:3])
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes")
    under_way, unread, recalled = [line for line in answer.stdout.splitlines() if line.startswith("demo")]
    assert (answer.exit_code, recalled) == (1, f"demo/{key}.3, msg_id {msg_ids[2]}  recalled")
    assert "NOT done: A recall is under way already" in under_way
    assert "NOT KNOWN: The workers say what this version does not know. Upgrade Qunfa here" in unread
    assert unread.endswith("What was asked may have been carried out.")


async def test_ctrl_c_says_which_recalls_were_not_begun(
    start: Start, client: Client, in_batches: InBatches, *, key: str, msg_ids: list[int]
) -> None:
    """Exit 130. What was recalled before is told, and the one under way goes on."""
    wanted = msg_ids[:3]
    del RECALLS[wanted[1]]
    await _sent(in_batches, key, wanted)
    process = await start("recall", f"demo/{key}", *WHY, "--yes")
    await until(lambda: _is_begun(client, wanted[1]))
    process.send_signal(signal.SIGINT)
    stdout, notes = await process.communicate()
    lines = [line for line in stdout.decode().splitlines() if line.startswith("demo")]
    assert process.returncode == 130
    # It may be interrupted before it has heard from Temporal that the recall has begun.
    assert re.search("The recall (goes on without this command|may have been started)", notes.decode())
    assert lines == [
        f"demo/{key}.1, msg_id {wanted[0]}  recalled",
        f"demo/{key}: msg_id {wanted[1]}, sent  NOT KNOWN: Interrupted, and it may still be carried out.",
        f"demo/{key}: msg_id {wanted[2]}, sent  NOT done: Not begun, since this was interrupted before.",
    ]
    described = await client.get_workflow_handle(recall_id("demo", wanted[1])).describe()
    assert (described.status, await _is_begun(client, wanted[2])) == (WorkflowExecutionStatus.RUNNING, False)


async def test_a_msg_id_that_one_send_has_is_of_that_send(
    qunfa: Qunfa, client: Client, scripted: Scripted, *, key: str, msg_ids: list[int]
) -> None:
    """Its key goes along, for the workers to compare. Of two sends nobody knows which is meant: exit 2."""
    named = [SearchAttributePair(SearchAttributeKey.for_keyword_list("MassSendMsgId"), [str(msg_ids[0])])]
    for more in ("", ".x"):
        await until_listed(client, (await scripted(more=more, attributes=named)).id)
        answer = await qunfa("recall", str(msg_ids[0]), *WHY, "--yes", "--json")
        if not more:
            assert (answer.exit_code, parsed(answer)["key"]) == (0, key)
    said = f"msg_id {msg_ids[0]} is known of the sends demo/{key}, demo/{key}.x: say which of them."
    assert (answer.exit_code, said in answer.stderr) == (2, True)


@pytest.mark.usefixtures("terminal")
async def test_the_recall_of_a_text_is_refused_before_it_asks(
    qunfa: Qunfa, client: Client, scripted: Scripted, *, key: str, msg_ids: list[int]
) -> None:
    """Nobody says yes to what WeChat cannot do: by its key or its msg_id, exit 1, and nothing is begun."""
    attributes: list[SearchAttributePair[Any]] = [
        SearchAttributePair(SearchAttributeKey.for_keyword_list("MassSendMsgId"), [str(msg_ids[0])]),
        TEXT,
    ]
    handle = await scripted(status("done", jobs=[_job(0, msg_ids[0])]), attributes=attributes)
    await until_listed(client, handle.id)
    for named, what in ((f"demo/{key}", f"demo/{key}"), (str(msg_ids[0]), f"msg_id {msg_ids[0]}")):
        answer = await qunfa("recall", named, *WHY, stdin="y\n")
        said = f"{what} is a message of type text: only articles and videos can be recalled.\n"
        assert (answer.exit_code, answer.stdout, answer.stderr) == (1, "", said)
    assert not await _is_begun(client, msg_ids[0])


@pytest.mark.parametrize("is_key", [True, False])
async def test_a_key_that_is_a_number_is_no_msg_id(
    qunfa: Qunfa, client: Client, *, msg_ids: list[int], is_key: bool
) -> None:
    """A recall of another job is not begun by it: exit 2, with what to type instead."""
    number = msg_ids[0]
    if is_key:
        workflow_id = mass_send_id("demo", str(number))
        await client.start_workflow(MASS_SEND, request(str(number)), id=workflow_id, task_queue=QUEUE)
    answer = await qunfa("recall", str(number), "--account", "demo", *WHY, "--yes")
    said = f"{number} is a key of demo, too: say demo/{number} for that send; leave --account out for the msg_id."
    assert (answer.exit_code, said in answer.stderr) == ((2, True) if is_key else (0, False))
    assert await _is_begun(client, number) == (not is_key)


async def test_a_recall_may_have_begun_without_an_answer(
    qunfa: Qunfa, in_batches: InBatches, *, key: str, msg_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of its workflow is named: exit 3."""
    await _sent(in_batches, key, msg_ids[:1])

    gone = RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
    monkeypatch.setattr(Client, "start_workflow", AsyncMock(side_effect=gone))
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes")
    assert answer.exit_code == 3
    assert f"The recall may have been started: the workflow {recall_id('demo', msg_ids[0])}" in answer.stderr


async def test_no_recall_is_begun_once_temporal_is_silent(
    qunfa: Qunfa, in_batches: InBatches, *, key: str, msg_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recalled before is told all the same; exit 3."""
    wanted = msg_ids[:3]
    await _sent(in_batches, key, wanted)

    async def silent(client: Client, aim: Aim, how: How) -> RecallResult:
        if aim.msg_id == wanted[1]:
            raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
        return await recall_one(client, aim, how)

    monkeypatch.setattr("qunfa.cli.recall.recall_one", silent)
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")
    recalls = RECALLED.validate_python(parsed(answer))
    assert (answer.exit_code, [one.refusal for one in recalls]) == (
        3,
        [None, "Temporal did not answer: gone.", "Not begun, since Temporal did not answer before."],
    )
    assert [one.perhaps for one in recalls] == [False, True, False]


async def test_no_recall_is_begun_once_the_days_calls_are_used(
    qunfa: Qunfa, client: Client, in_batches: InBatches, *, key: str, msg_ids: list[int]
) -> None:
    """WeChat takes ten a day of one account. Each that is left is named, with when there are new ones; exit 1."""
    wanted = msg_ids[:4]
    RECALLS[wanted[1]] = "spent"
    await _sent(in_batches, key, wanted)
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")
    recalls = RECALLED.validate_python(parsed(answer))
    assert (answer.exit_code, [one.result and one.result.outcome for one in recalls]) == (
        1,
        ["recalled", "not_recalled", None, None],
    )
    said = "Not begun, since WeChat takes ten recalls a day. There are new ones from "
    assert [(one.refusal or "").startswith(said) for one in recalls] == [False, False, True, True]
    assert [one.perhaps for one in recalls] == [False] * 4
    assert not await _is_begun(client, wanted[2])


async def test_a_batch_without_a_verdict_is_recalled_last(
    qunfa: Qunfa, in_batches: InBatches, *, key: str, msg_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, a day perhaps; meanwhile nothing waits that could be recalled at once."""
    unnamed = {**_job(1, 0), "msg_id": None, "state": "unknown"}
    jobs = [{**_job(0, msg_ids[0]), "state": "accepted"}, unnamed, _job(2, msg_ids[2]), _job(3, msg_ids[3])]
    handle = await in_batches(status("done", jobs=jobs))
    await completed(handle, "partly_sent", key, jobs=jobs)
    begun = list[tuple[int | None, int]]()

    async def watched(client: Client, aim: Aim, how: How) -> RecallResult:
        begun.append((aim.msg_id, aim.behind))
        return await recall_one(client, aim, how)

    monkeypatch.setattr("qunfa.cli.recall.recall_one", watched)
    answer = await qunfa("recall", f"demo/{key}", *WHY, "--yes", "--json")
    recalls = RECALLED.validate_python(parsed(answer))
    assert (answer.exit_code, begun) == (1, [(msg_ids[2], 2), (msg_ids[3], 1), (msg_ids[0], 0)])
    assert [one.msg_id for one in recalls] == [msg_ids[2], msg_ids[3], None, msg_ids[0]]
