"""Addresses of pages in Temporal's web UI."""

import os
from typing import Final
from urllib.parse import quote

from temporalio.client import Client

UI_VARIABLE: Final = "QUNFA_TEMPORAL_UI"
"""Environment variable with the address of Temporal's web UI, such as http://localhost:8233."""

_CLOUD: Final = "https://cloud.temporal.io"
_CLOUD_HOSTS: Final = (".tmprl.cloud:7233", ".api.temporal.io:7233")


def workflow_link(client: Client, workflow_id: str, run_id: str | None = None) -> str | None:
    """The page of a workflow (its newest run without `run_id`), or `None` where the UI's address is not known."""
    ui = os.environ.get(UI_VARIABLE) or _cloud(client.service_client.config.target_host)
    return link(ui, client.namespace, workflow_id, run_id) if ui else None


def link(ui: str, namespace: str, workflow_id: str, run_id: str | None = None) -> str:
    """The page of a workflow in the UI at `ui`."""
    page = f"{ui.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows/{quote(workflow_id, safe=':')}"
    return f"{page}/{run_id}/history" if run_id else page


def _cloud(address: str) -> str | None:
    return _CLOUD if address.endswith(_CLOUD_HOSTS) else None
