"""A receiver without Temporal."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from qunfa.callback import create_app
from tests.callback.pushing import Inbox, callback_settings

DEADLINE = timedelta(milliseconds=200)


@pytest.fixture
def inbox() -> Inbox:
    """Where pushes arrive."""
    return Inbox()


@pytest.fixture
async def http(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a receiver that delivers to `inbox`."""
    app = create_app(callback_settings(), inbox, deadline=DEADLINE)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
        yield client
