"""A receiver without Temporal, and a Temporal for those that need one."""

from collections.abc import AsyncIterator

import httpx
import pytest
from temporalio.client import Client

from tests.callback.pushing import Inbox, receiver


@pytest.fixture
def inbox() -> Inbox:
    """Where pushes arrive."""
    return Inbox()


@pytest.fixture
async def http(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a receiver that delivers to `inbox`."""
    async with receiver(inbox) as client:
        yield client


@pytest.fixture
def client(temporal_server: Client) -> Client:
    """A client of a real Temporal server."""
    return temporal_server
