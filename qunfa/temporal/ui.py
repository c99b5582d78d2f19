"""The pages of Temporal's web UI."""

import os
from typing import Final
from urllib.parse import quote

from temporalio.client import Client

UI_VARIABLE: Final = "QUNFA_TEMPORAL_UI"
"""Environment variable of commands and workers with the address of Temporal's web UI, as http://localhost:8233."""
_CLOUD: Final = "https://cloud.temporal.io"
_CLOUD_HOSTS: Final = (".tmprl.cloud:7233", ".api.temporal.io:7233")


def workflow_link(client: Client, workflow_id: str, run_id: str | None = None) -> str | None:
    """The page of a workflow (its newest run without `run_id`), or `None` where the UI's address is not known."""
    ui = _ui(client)
    return link(ui, client.namespace, workflow_id, run_id) if ui else None


def list_link(client: Client, query: str) -> str | None:
    """The list of the workflows that a visibility query finds, or `None` where the UI's address is not known."""
    ui = _ui(client)
    return f"{_workflows(ui, client.namespace)}?query={quote(query, safe='')}" if ui else None


def link(ui: str, namespace: str, workflow_id: str, run_id: str | None = None) -> str:
    page = f"{_workflows(ui, namespace)}/{quote(workflow_id, safe=':')}"
    return f"{page}/{run_id}/history" if run_id else page


def _workflows(ui: str, namespace: str) -> str:
    return f"{ui.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows"


def _ui(client: Client) -> str | None:
    in_the_cloud = client.service_client.config.target_host.endswith(_CLOUD_HOSTS)
    return os.environ.get(UI_VARIABLE) or (_CLOUD if in_the_cloud else None)
