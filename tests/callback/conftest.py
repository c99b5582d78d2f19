"""A receiver without Temporal, and an account of a test's own where there is one."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from tests.callback.pushing import Inbox, receiver


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def http(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    async with receiver(inbox) as client:
        yield client


@pytest.fixture
def appid() -> str:
    """An account, and a task queue, that no other test has."""
    return f"wx{uuid4().hex[:16]}"
