"""What workers say that are newer than the command."""

import secrets
from importlib import import_module

import pytest
from pydantic import create_model
from temporalio.client import Client

from qunfa.cli.errors import Unreadable
from qunfa.cli.ledger import views_of
from qunfa.contract import ACCOUNT, MASS_SEND, account_id, mass_send_id
from tests.cli.calls import QUEUE, Qunfa
from tests.cli.stub import request

PREVIEW = ("preview", "--account", "demo", "--text", 'answer: {"previews": []}', "--to", "oA")
ARTICLE = {"msgtype": "mpnews", "articles": [{"title": "t", "content": "x", "thumb": {"media_id": "T"}}]}


@pytest.mark.parametrize(
    ("words", "module", "model", "doubt"),
    [
        (("ledger", "APPID"), "ledger", "LedgerView", ""),
        (("restored", "APPID", "--done", "--yes"), "ledger", "LedgerView", ""),
        (("article", "preview", "demo/KEY"), "article", "SourcesSeen", ""),
        (PREVIEW, "preview", "PreviewResult", "Previews may have been shown"),
    ],
    ids=["ledger", "restored", "article", "preview"],
)
async def test_what_newer_workers_say_is_no_crash(
    qunfa: Qunfa,
    client: Client,
    key: str,
    *,
    words: tuple[str, ...],
    module: str,
    model: str,
    doubt: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit 1, and what to do. A question has carried nothing out. Among several accounts, such a one is silent."""
    appid, place = f"wx{secrets.token_hex(8)}", f"qunfa.cli.{module}"
    await client.start_workflow(ACCOUNT, id=account_id(appid), task_queue=QUEUE)
    raw = {**request(key), "message": ARTICLE}
    await client.start_workflow(MASS_SEND, raw, id=mass_send_id("demo", key), task_queue=QUEUE)
    known = getattr(import_module(place), model)
    monkeypatch.setattr(f"{place}.{model}", create_model("Newer", __base__=known, colour=(str, ...)))
    answer = await qunfa(*(word.replace("APPID", appid).replace("KEY", key) for word in words))
    assert answer.exit_code == 1
    assert str(Unreadable()) in answer.output
    assert (doubt in answer.output, "carried out" in answer.output) == (True, False)
    if model == "LedgerView":
        assert await views_of(client, [account_id(appid)]) == {account_id(appid): None}
