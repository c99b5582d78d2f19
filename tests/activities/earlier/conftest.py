"""A mass send whose earlier runs a test makes."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.activities.past import Fates, Times, worker


@pytest.fixture
async def times(temporal: Client) -> AsyncIterator[Times]:
    fates = Fates()
    async with worker(temporal, "earlier-runs", fates):
        yield Times(temporal, fates, task_queue="earlier-runs")
