"""`qunfa views`."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from temporalio.client import Client

from qunfa.cli.list import Views, queries
from qunfa.contract import SEARCH_ATTRIBUTES
from tests.cli.calls import Qunfa, parsed
from tests.project.guide import VIEWS

UI = {"QUNFA_TEMPORAL_UI": "http://ui.example/"}


async def test_each_view_is_a_link_to_its_list(qunfa: Qunfa, server: Client) -> None:
    """Of this namespace in Temporal's UI, with the query as the page reads it; and which columns to add there."""
    views = Views.model_validate(parsed(await qunfa("views", "--json", **UI)))
    assert views.columns == tuple(SEARCH_ATTRIBUTES)
    for view in views.views:
        page = urlsplit(view.link or "")
        assert (page.netloc, page.path) == ("ui.example", f"/namespaces/{server.namespace}/workflows")
        assert parse_qs(page.query) == {"query": [view.query]}
    shown = (await qunfa("views", **UI)).stdout
    assert all(f"{view.name}\n  {view.link}\n" in shown for view in views.views)
    assert all(name in shown for name in ("Configure Columns", *SEARCH_ATTRIBUTES))


async def test_temporal_takes_every_view(qunfa: Qunfa, client: Client) -> None:
    """Also those of one account; where no UI is known, the queries are shown, and what to set."""
    for query in (*queries().values(), *queries("demo").values()):
        assert (await client.count_workflows(query)).count >= 0
    assert all("MassSendAccount = 'demo'" in query for query in queries("demo").values())
    shown = (await qunfa("views", "--account", "demo")).stdout
    assert all(query in shown for query in queries("demo").values() if "CloseTime" not in query)
    assert "set QUNFA_TEMPORAL_UI" in shown


def test_the_guide_has_the_same_views() -> None:
    """With an example's date, account and msg_id in their places."""
    noon = datetime(2026, 12, 1, 4, tzinfo=UTC)
    assert set(queries(now=noon).items()) <= set(VIEWS.items())
