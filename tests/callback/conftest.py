"""A receiver without Temporal, and a Temporal for those that need one."""

from collections.abc import AsyncIterator

import httpx
import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from qunfa.payloads import data_converter
from tests.callback.pushing import Inbox, receiver
from tests.callback.temporal_server import temporal_binary


@pytest.fixture
def inbox() -> Inbox:
    """Where pushes arrive."""
    return Inbox()


@pytest.fixture
async def http(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a receiver that delivers to `inbox`."""
    async with receiver(inbox) as client:
        yield client


@pytest.fixture(scope="package")
async def client() -> AsyncIterator[Client]:
    """A client of a real Temporal server."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(), dev_server_log_level="error", data_converter=data_converter
    ) as environment:
        yield environment.client
