"""Sends that are played: they hear what their account says, and answer a lease where their script says so."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio import activity, workflow
from temporalio.client import Client

with workflow.unsafe.imports_passed_through():
    from qunfa.contract.grants import Granted, Lease
    from qunfa.contract.result import JobFinished
    from tests.account.driving import answer, report, tried
    from tests.looking import until

SENDER: Final = "Sender"
SUBMIT: Final = "submit"
_SECOND: Final = timedelta(seconds=1)


@workflow.defn(name=SENDER)
class Sender:
    """Runs until it has answered a lease; without a script that says so, until it is told to end."""

    def __init__(self) -> None:
        self._heard: list[Any] = []
        self._pushes: list[Any] = []
        self._over = False

    @workflow.run
    async def run(self, answers: bool) -> None:
        """Answer the first lease, or wait for the end."""
        await workflow.wait_condition(lambda: self._over or (answers and self._lease() is not None))
        if answers and (lease := self._lease()):
            await workflow.execute_local_activity(SUBMIT, lease, start_to_close_timeout=300 * _SECOND)

    @workflow.signal
    def granted(self, raw: Any) -> None:
        """Keep an answer."""
        self._heard.append(raw)

    @workflow.signal
    def job_finished(self, raw: Any) -> None:
        """Keep a push."""
        self._pushes.append(raw)

    @workflow.signal
    def end(self) -> None:
        """Wait no longer."""
        self._over = True

    @workflow.query
    def heard(self) -> list[Any]:
        """All answers, in order."""
        return self._heard

    @workflow.query
    def pushes(self) -> list[Any]:
        """All pushes, in order."""
        return self._pushes

    def _lease(self) -> Lease | None:
        return next((lease for raw in self._heard if (lease := Granted.model_validate(raw).lease)), None)


class Submitting:
    """WeChat takes and sends whatever is submitted; the account is told at once.

    ``written``: when which key's lease began. A local activity may be carried out twice for one lease.
    """

    def __init__(self, client: Client, account: str) -> None:
        self._client, self._account = client, account
        self.written: set[tuple[datetime, str]] = set()

    @activity.defn(name=SUBMIT)
    async def submit(self, lease: Lease) -> None:
        """Wait for the lease to begin, as the true one does, and tell of the answer; and a push comes."""
        await until(_now, lambda now: now >= lease.not_before)
        now = datetime.now(UTC)
        self.written.add((lease.not_before, lease.key))
        msg_id = 1000 + len(self.written)
        said = report(tried(lease, answer(at=now, msg_id=msg_id)), key=lease.key)
        account = self._client.get_workflow_handle(self._account)
        await account.signal("told", said)
        await account.signal("push", JobFinished(msg_id=msg_id, status="send success"))


async def _now() -> datetime:
    return datetime.now(UTC)
