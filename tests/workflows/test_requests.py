"""Bad requests, and good ones started in a way that would break a promise."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.common import RetryPolicy

from tests.workflows.conftest import Desk
from tests.workflows.failures import refusal_of

GOOD_ID = "mass-send:demo:spring"


@pytest.mark.parametrize("raw", [None, [], "text", 3, True, {}, {"account": "demo"}, [{"account": "demo"}]])
async def test_an_input_that_is_no_request_fails_at_once(desk: Desk, raw: Any) -> None:
    """Whatever the input is, the workflow fails as InvalidRequest: it never hangs."""
    assert "nothing was sent" in await refusal_of(await desk.start_raw(raw, GOOD_ID))


async def test_every_wrong_field_is_named(desk: Desk) -> None:
    """All problems in one error."""
    raw = desk.request("a b", audience={"kind": "all", "tag_id": 2}, send_at="tomorrow", color="red")
    message = await refusal_of(await desk.start_raw(raw, GOOD_ID))
    for field in ("key", "audience.tag_id", "send_at", "color"):
        assert f"{field}:" in message


async def test_an_unknown_account_is_named(desk: Desk) -> None:
    """An account that the workers do not know."""
    raw = {**desk.request(), "account": "nobody"}
    message = await refusal_of(await desk.start_raw(raw, "mass-send:nobody:spring"))
    assert 'account: no account "nobody"' in message


async def test_a_wrong_workflow_id_is_refused(desk: Desk) -> None:
    """The id keeps one key to one send."""
    message = await refusal_of(await desk.start_raw(desk.request(), "some-id"))
    assert 'must be "mass-send:demo:spring"' in message


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"retry_policy": RetryPolicy(maximum_attempts=3)}, "retry policy"),
        ({"execution_timeout": timedelta(hours=1)}, "execution timeout"),
        ({"run_timeout": timedelta(hours=1)}, "run timeout"),
    ],
)
async def test_a_start_that_breaks_a_promise_is_refused(desk: Desk, options: dict[str, Any], named: str) -> None:
    """A retry policy or a timeout would repeat a send or cut it off."""
    handle = await desk.start_raw(desk.request(), GOOD_ID, **options)
    assert named in await refusal_of(handle)
    assert desk.wechat.tries == []


async def test_a_second_input_is_refused(desk: Desk) -> None:
    """Only Temporal's own continue-as-new carries a state."""
    handle = await desk.env.client.start_workflow(
        "MassSend", args=[desk.request(), {"facts": {}}], id=GOOD_ID, task_queue=desk.wechat.task_queue
    )
    assert "one input" in await refusal_of(handle)


async def test_a_file_of_openids_is_refused_as_not_supported_yet(desk: Desk) -> None:
    """What this version would not honour is refused, not ignored."""
    handle = await desk.start_raw(desk.request(audience={"kind": "openid_file", "uri": "file:/x"}), GOOD_ID)
    assert "not supported yet" in await refusal_of(handle)
