"""A receiver without Temporal."""

from collections.abc import AsyncIterator

import httpx
import pytest

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
