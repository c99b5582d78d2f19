"""A refused request: it ends once, says so wherever people look, and tells what its key has done before."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError

from qunfa.contract import INVALID_REQUEST, mass_send_id
from qunfa.contract.ids import CHECK_MASS_SEND, NOTIFY, PREVIEW_MASS_SEND, preview_id
from qunfa.contract.steps import LookUpStep
from tests.looking import PATIENCE
from tests.workflows.conftest import Desk
from tests.workflows.failures import cause_of, refusal_of
from tests.workflows.model import loses, says
from tests.workflows.unreadable import UNREADABLE
from workflows.refusal import reasons_in

GOOD_ID: Final = "mass-send:demo:spring"
HOUR: Final = timedelta(hours=1)
TWICE: Final = RetryPolicy(maximum_attempts=2)
PHASE = SearchAttributeKey.for_keyword("MassSendPhase")
PROBLEM = SearchAttributeKey.for_keyword("MassSendProblem")
ACCOUNT = SearchAttributeKey.for_keyword("MassSendAccount")
HALF, _ = UNREADABLE["half an emoji"]

Start = tuple[Callable[[Desk], Any], str, dict[str, Any], tuple[str, ...]]
WRONG: Final[dict[str, Any]] = {"audience": {"kind": "all", "tag_id": 2}, "send_at": "tomorrow", "color": "red"}
ELSE: Final = {"msgtype": "text", "content": "else"}
PICTURES: Final = {"msgtype": "image", "images": [{"media_id": "a"}, {"media_id": "b"}]}
GONE: Final = {"msgtype": "voice", "media": {"uri": "file:/gone.mp3"}}
SHOWN: Final = {"account": "demo", "key": "look", "message": ELSE}
FILE: Final = {"kind": "openid_file", "uri": "file:/x"}
BATCH: Final = {"kind": "batch", "key": "spring", "plan": "a" * 64, "number": 1, "of": 2, "openids": 2}
FAR: Final = "2999-01-01T00:00:00Z"
REFUSED: Final[dict[str, Start]] = {
    "unreadable": (lambda _: HALF, GOOD_ID, {}, ("half a character",)),
    "no request": (lambda _: None, GOOD_ID, {}, ("must be one JSON object",)),
    "a list": (lambda desk: [desk.request()], GOOD_ID, {}, ("must be one JSON object",)),
    "wrong fields": (lambda desk: desk.request(**WRONG), GOOD_ID, {}, ("audience.tag_id:", "send_at:", "color:")),
    "a wrong id": (lambda desk: desk.request(), "some-id", {}, (f'must be "{GOOD_ID}"',)),
    "a retry policy": (lambda desk: desk.request(), GOOD_ID, {"retry_policy": TWICE}, ("retry policy",)),
    "a time out": (lambda desk: desk.request(), GOOD_ID, {"execution_timeout": HOUR}, ("execution timeout",)),
    "a run's time out": (lambda desk: desk.request(), GOOD_ID, {"run_timeout": HOUR}, ("run timeout",)),
    "far ahead": (lambda desk: desk.request(send_at=FAR), GOOD_ID, {}, ("at most 366 days ahead",)),
    "nobody to ask": (lambda desk: desk.request(approval={"required": True}), GOOD_ID, {}, ("requested_by:",)),
    "several pictures to preview": (
        lambda desk: desk.request(message=PICTURES, preview={"to": [{"openid": "boss"}]}),
        GOOD_ID,
        {},
        ("a preview shows one picture, and this message has 2",),
    ),
    "a long key": (
        lambda desk: desk.request("k" * 59, audience=FILE),
        mass_send_id("demo", "k" * 59),
        {},
        ("at most 58 characters",),
    ),
    "a forged batch": (lambda desk: desk.request(audience=BATCH), GOOD_ID, {}, ("starts its batches itself",)),
    "a missing file": (lambda desk: desk.request(message=GONE), GOOD_ID, {}, ("message.media: there is no such file",)),
    "other content": (lambda desk: desk.request(message=ELSE), GOOD_ID, {}, ("stands for other content",)),
}
"""What is refused: its input, how it is started, and what it is told."""


async def page(handle: WorkflowHandle[Any, Any]) -> str:
    metadata = await handle.query("__temporal_workflow_metadata")
    details: str = metadata.current_details
    return details


async def refused(desk: Desk, start: Start) -> tuple[WorkflowHandle[Any, Any], str]:
    """A refused send, and what its failure says."""
    raw, workflow_id, options, parts = start
    desk.material.problems = ("message.media: there is no such file",)
    handle = await desk.start_raw(raw(desk), workflow_id, **options)
    said = await refusal_of(handle)
    assert "nothing was sent" in said
    assert [part for part in parts if part not in said] == []
    return handle, said


@pytest.mark.parametrize("name", ["unreadable", "wrong fields", "a missing file", "other content"])
async def test_a_refusal_under_a_used_key_tells_what_was_delivered(desk: Desk, name: str) -> None:
    """Every wrong field is named; the msg_id stands in the failure, and in the status."""
    sent = await (await desk.start()).result()
    handle, said = await refused(desk, REFUSED[name])
    told = f'key: an earlier run under "spring" was delivered, or may have been (msg_id: {sent.jobs[0].msg_id})'
    assert told in said
    status = await desk.status(handle)
    assert (status.phase, status.answers) == ("done", ())
    assert status.problem is not None
    assert (status.problem.name, status.problem.sentence) == ("invalid_request", said)
    assert [(job.msg_id, job.state, job.observed_by) for job in status.jobs] == [
        (sent.jobs[0].msg_id, "sent", "ledger")
    ]
    assert len(desk.wechat.accepted) == 1


@pytest.mark.history
async def test_a_refused_request_is_shown(desk: Desk) -> None:
    """The page of one under a key whose only try got no answer."""
    desk.wechat.script = [loses, *[says(45028)] * 50]
    first = await desk.start()
    await desk.until(first, lambda _status: bool(desk.wechat.accepted))
    await first.terminate("by mistake")
    handle = await desk.start(color="red")
    assert "or may have been (msg_id: none)" in await refusal_of(handle)
    shown = await page(handle)
    assert shown.startswith("### done: refused")
    for part in ("#### invalid_request", "color: is not a field of this object", "or may have been", "#### Jobs"):
        assert part in shown


@pytest.mark.parametrize("raw", [None, HALF, {"account": "De mo", "key": "k"}, {"account": 3}])
async def test_a_request_without_a_readable_account_is_found(real_desk: Desk, raw: Any) -> None:
    """By its phase."""
    handle = await real_desk.start_raw(raw, "some-id")
    await refusal_of(handle)
    found = (await handle.describe()).typed_search_attributes
    assert [found.get(key) for key in (PHASE, PROBLEM, ACCOUNT)] == ["done", "invalid_request", None]


@pytest.mark.parametrize("more", [{}, {"audience": FILE}], ids=["a send", "a list"])
async def test_a_refusal_without_its_account_denies_no_delivery(real_desk: Desk, more: dict[str, Any]) -> None:
    """No ledger can be asked. An earlier run may have been delivered, while the workers had the account."""
    raw = real_desk.request(account="nobody", **more)
    said = await refusal_of(await real_desk.start_raw(raw, "mass-send:nobody:spring"), follow_runs=True)
    before, _, after = said.partition('; account: no account "nobody" is configured')
    assert before.count('key: whether an earlier run under "spring" was delivered is not known: this worker') == 1
    assert "key" not in after


async def test_a_second_input_is_refused(desk: Desk) -> None:
    """Only Temporal's own continue-as-new carries a state."""
    handle = await desk.env.client.start_workflow(
        "MassSend", args=[desk.request(), {"facts": {}}], id=GOOD_ID, task_queue=desk.wechat.task_queue
    )
    assert "one input" in await refusal_of(handle)


async def test_a_ledger_that_does_not_answer_holds_no_refusal_up(desk: Desk) -> None:
    """It is said that nobody knows, after a minute at most; until then the status says what is waited for."""

    async def silent(_step: LookUpStep) -> None:
        raise ApplicationError("no answer", type="LedgerUnavailable")

    desk.slow.before_look = silent
    handle = await desk.start(color="red")
    status = await desk.until(handle, lambda status: status.waiting_for is not None)
    assert (status.phase, status.waiting_for and status.waiting_for.reason) == (
        "done",
        "what the key spring has done before",
    )
    said = await refusal_of(handle)
    assert 'whether an earlier run under "spring" was delivered is not known' in said
    assert "color: is not a field" in said


@pytest.mark.parametrize(
    ("raw", "workflow_id"),
    [pytest.param("good", GOOD_ID, marks=pytest.mark.history), ("wrong", "some-id"), ("unreadable", GOOD_ID)],
)
async def test_a_cron_schedule_ends_once_with_the_reason(real_desk: Desk, raw: str, workflow_id: str) -> None:
    """Who waits for it hears why, and no further run is started. It is found by its account, also under another id."""
    given = {"good": real_desk.request(), "wrong": real_desk.request(color="red"), "unreadable": HALF}[raw]
    handle = await real_desk.start_raw(given, workflow_id, cron_schedule="@every 1s")
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(handle.result(), PATIENCE)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == (INVALID_REQUEST, True)
    assert "a cron schedule must not be set: a mass send is not repeated" in cause.message
    assert {"wrong": "color: is not a field", "unreadable": "half a character"}.get(raw, "") in cause.message
    last = real_desk.env.client.get_workflow_handle(workflow_id)
    end = (await last.fetch_history()).events[-1].workflow_execution_failed_event_attributes
    assert (end.failure.application_failure_info.type, end.new_execution_run_id) == (INVALID_REQUEST, "")
    found = (await last.describe()).typed_search_attributes
    assert [found.get(key) for key in (PHASE, PROBLEM, ACCOUNT)] == ["done", "invalid_request", "demo"]
    assert real_desk.wechat.tries == []


async def test_a_refusal_stays_one_where_the_account_cannot_be_read(real_desk: Desk) -> None:
    """Only what the key has done before is not known then."""
    real_desk.wechat.misconfigured = True
    said = await refusal_of(await real_desk.start(color="red"))
    assert "color: is not a field" in said
    assert 'whether an earlier run under "spring" was delivered is not known' in said


@pytest.mark.parametrize(
    ("carried", "reasons"),
    [
        (None, []),
        ([], []),
        ({}, []),
        ({"refused": "why"}, []),
        ({"refused": [3]}, []),
        ({"refused": ["why"], "digest": "d"}, []),
        ({"refused": ["why"]}, ["why"]),
        ({"refused": ["why"], "account": "demo", "key": "spring"}, ["why"]),
    ],
)
def test_the_reasons_of_a_refused_run_are_handed_on(carried: Any, reasons: list[str]) -> None:
    """With the account and the key where they are known; nothing else counts as such."""
    assert reasons_in(carried) == reasons


@pytest.mark.parametrize(
    ("kind", "raw", "workflow_id"),
    [
        (PREVIEW_MASS_SEND, {**SHOWN, "to": [{"openid": "boss"}]}, preview_id("demo", "look")),
        (CHECK_MASS_SEND, {**SHOWN, "audience": {"kind": "all"}}, "any-id"),
        (NOTIFY, None, "any-id"),
    ],
)
async def test_no_other_workflow_is_repeated_by_a_cron(real_desk: Desk, kind: str, raw: Any, workflow_id: str) -> None:
    """A preview would go to the same people at each tick. It ends once, as a mass send does, and reaches nobody."""
    handle = await real_desk.env.client.start_workflow(
        kind, raw, id=workflow_id, task_queue=real_desk.wechat.task_queue, cron_schedule="@every 1s"
    )
    cause = await asyncio.wait_for(cause_of(handle, INVALID_REQUEST, follow_runs=True), PATIENCE)
    assert "a cron schedule must not be set" in cause.message
    assert real_desk.material.previews == []
