"""The account that a send has pinned before, read from Temporal's histories: a new configuration redirects no send."""

import json
from functools import partial
from typing import Final

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.attempts import asking, passing
from activities.earlier_runs import VisibleRuns
from activities.run_history import decoded, start_of
from qunfa.contract.fields import Stored
from qunfa.contract.ids import MASS_SEND, MASS_SEND_IN_BATCHES
from qunfa.contract.steps import LEDGER_UNAVAILABLE, RESOLVE_ACCOUNT, AccountFacts, Run
from qunfa.temporal.connection import UnlessGone

_LOCAL: Final = "core_local_activity"
"""The name of the marker of a local activity."""


class CarriedState(Stored):
    """Of what a run hands to the one that continues it."""

    pinned: AccountFacts | None = None


class PinnedBefore:
    """What other runs have pinned.

    Raises:
        ApplicationError: of all methods: `LedgerUnavailable`, retried: it cannot be told now.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._runs = VisibleRuns(client)

    async def of_life(self, first_run_id: str | None) -> AccountFacts | None:
        """What this life of a send, which has this first run, has pinned before a reset; nothing where there was none.

        A key that is started anew has another life.
        """
        info = activity.info()
        own, workflow_id = info.workflow_run_id or "", info.workflow_id or ""
        if info.workflow_type not in {MASS_SEND, MASS_SEND_IN_BATCHES} or first_run_id in {None, own}:
            return None
        with asking(partial(_unread, workflow_id)):
            if not await self._was_reset(workflow_id, own):
                return None
            runs = await self._runs.listed(workflow_id, own)
        for run in runs:
            facts = await self.of_run(Run(workflow_id=workflow_id, run_id=run.run_id), first_run_id)
            if facts is not None:
                return facts
            if run.run_id == first_run_id:
                break
        return None

    async def of_run(self, run: Run, life: str | None = None) -> AccountFacts | None:
        """What a run has pinned; nothing where it is gone, or of another life than this."""
        handle = self._client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
        with asking(partial(_unread, run.workflow_id)), UnlessGone():
            async for event in handle.fetch_history_events():
                start = event.workflow_execution_started_event_attributes
                if event.event_id == 1 and life not in {None, start.first_execution_run_id}:
                    return None
                facts = await self._pinned_in(event)
                if facts is not None:
                    return facts
        return None

    async def _was_reset(self, workflow_id: str, run_id: str) -> bool:
        """Whether a reset has made it, or a run that it continues."""
        with UnlessGone():
            while run_id:
                start = await start_of(self._client.get_workflow_handle(workflow_id, run_id=run_id))
                if start.original_execution_run_id != run_id:
                    return True
                run_id = start.continued_execution_run_id
        return False

    async def _pinned_in(self, event: HistoryEvent) -> AccountFacts | None:
        """Where the event is the answer of `resolve_account`, or a start with what was carried on."""
        converter, marker = self._client.data_converter, event.marker_recorded_event_attributes
        start = event.workflow_execution_started_event_attributes
        if start.continued_execution_run_id and len(start.input.payloads) > 1:
            return (await decoded(converter, start.input.payloads[1], CarriedState)).pinned
        if marker.marker_name != _LOCAL or "result" not in marker.details:
            return None
        told = json.loads(marker.details["data"].payloads[0].data)
        if told["activity_type"] != RESOLVE_ACCOUNT:
            return None
        return await decoded(converter, marker.details["result"].payloads[0], AccountFacts)


def _unread(workflow_id: str, why: str) -> ApplicationError:
    return passing(
        LEDGER_UNAVAILABLE,
        f"{workflow_id}: the account that it had before could not be looked for: {why}. It is looked for again.",
    )
