"""A command's connection to Temporal."""

from functools import cache

from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig

from qunfa.temporal.connection import connect


async def temporal_client() -> Client:
    """A client of the configured namespace, whose own log stays quiet: it would be written to stdout.

    Raises:
        TemporalUnreachable: Temporal does not answer, or refuses this client.
        TemporalError: Its client configuration cannot be read.
    """
    return await connect(runtime=_runtime())


@cache
def _runtime() -> Runtime:
    return Runtime(telemetry=TelemetryConfig(logging=None))
