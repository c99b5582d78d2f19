"""A client on a real Temporal, whose worker says what it is told to say."""

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from qunfa.client import Qunfa
from tests.client.answering import QUEUE, Answering


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def qunfa(temporal_server: Client) -> AsyncIterator[Qunfa]:
    """A caller's client, with Temporal's usual converter."""
    client = Client(temporal_server.service_client, namespace=temporal_server.namespace)
    async with Worker(client, task_queue=QUEUE, workflows=[Answering], workflow_runner=UnsandboxedWorkflowRunner()):
        yield Qunfa(client, task_queue=QUEUE)
