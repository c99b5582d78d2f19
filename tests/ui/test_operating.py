"""An operator who has nothing but Temporal's own UI."""

import asyncio
import json
import re
from contextlib import closing
from functools import partial

import pytest
from playwright.async_api import FrameLocator

from qunfa.callback.server import Services
from qunfa.cli.article_server import articles
from qunfa.cli.list import queries
from qunfa.cli.request import details, summary
from qunfa.contract import SEARCH_ATTRIBUTES, mass_send_id, parse_request
from qunfa.temporal.connection import UI_VARIABLE, list_link
from tests.e2e.stage import FOLLOWERS, Scene
from tests.looking import until
from tests.project.guide import VIEWS
from tests.ui.window import Window
from workflows.pages import link_articles

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]

ADDRESS = "127.0.0.1"


async def shown_json(page: FrameLocator, update: str, **filled_in: str) -> str:
    """The JSON that a workflow's page shows for an update, filled in as somebody does it."""
    line = page.locator("li", has_text=re.compile(rf"(Update|更新) {update}[:：]"))
    payload = json.loads(await line.locator("code").last.inner_text())
    return json.dumps(payload | filled_in, ensure_ascii=False)


@pytest.mark.pictures("en")
async def test_an_operator_reads_why_and_answers_in_the_ui(scene: Scene, window: Window) -> None:
    """From the list to the reason, to the dialog with the page's own JSON, to the delivery."""
    await scene.simulate(followers=5000, ip_whitelist=["203.0.113.7"])
    raw = scene.request("spring-sale-2026", message={"msgtype": "text", "content": "春季特卖今天开始"})
    request = parse_request(raw)
    handle = await scene.start_raw(
        raw, mass_send_id(scene.account, request.key), static_summary=summary(request), static_details=details(request)
    )
    await scene.asks(handle, "ip_not_whitelisted")

    await window.list(VIEWS["needs an operator"])
    await window.see(window.page.get_by_role("table"), handle.id)
    await window.picture("list", 420)

    page = await window.open(handle)
    await window.read(
        page, "needs operator", "ip_not_whitelisted", "errcode 40164", f"invalid ip {ADDRESS}", "Waiting for"
    )
    await window.picture("needs-operator", 1200)
    payload = await shown_json(page, "retry", by="li", reason=f"{ADDRESS} is on the whitelist now")

    scene.simulated.config = scene.simulated.config.model_copy(update={"ip_whitelist": (ADDRESS,)})
    await window.fill_in("retry", payload)
    await window.picture("send-an-update", 1000)
    await window.submit("Update successful")

    assert (await scene.result(handle)).outcome == "sent"
    await window.read(page, "done: sent", "ended as sent", "retry of ip_not_whitelisted, by li", "5,000 of 5,000")
    page = await window.open(handle)
    await window.see(window.page.get_by_role("status").first, "Completed")
    await window.read(page, "done: sent")
    await window.picture("sent", 1150)
    assert await scene.everyone_once()


@pytest.mark.pictures("zh")
async def test_an_approver_sees_what_goes_out_and_decides_in_the_ui(scene: Scene, window: Window) -> None:
    """The dialog refuses who has asked for it, with the sentence; then takes another, and everybody gets it once."""
    handle = await scene.start("autumn", approval={"required": True}, requested_by="crm")
    await scene.until(handle, lambda status: status.phase == "awaiting_approval")
    page = await window.open(handle)
    kind = {"en": "text: ", "zh": "文本："}[window.language]
    await window.read(
        page, "awaiting approval", f"{kind}autumn: 你好 of {scene.account}", "to all followers", "asked for by crm"
    )
    await window.picture("awaiting-approval", 1000)
    await window.fill_in("approve", await shown_json(page, "approve", by="crm"))
    await window.submit("somebody else has to approve it")
    assert scene.tries == []
    await window.paste(await shown_json(page, "approve", by="wang"))
    await window.submit("Update successful")
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.everyone_once()


@pytest.mark.pictures("zh")
async def test_an_account_is_frozen_and_unfrozen_in_the_ui(scene: Scene, window: Window) -> None:
    """The account's page names the updates; a send that is due meanwhile waits, and goes out afterwards."""
    await scene.result(await scene.start("first"))
    page = await window.open(scene.ledger_handle)
    await window.read(page, scene.appid + {"en": ": open", "zh": "：正常"}[window.language])
    await window.fill_in("freeze", '{"by": "li", "reason": "wrong price"}')
    await window.submit("Update successful")
    second = await scene.start("second")
    await scene.waits(second, "frozen by li: wrong price")
    await window.read(page, "FROZEN", "wrong price", "nothing tried")
    await window.picture("frozen", 1000)
    await window.fill_in("unfreeze", '{"by": "li"}')
    await window.submit("Update successful")
    assert (await scene.result(second)).outcome == "sent"
    assert await scene.received() == dict.fromkeys(range(FOLLOWERS), 2)


async def test_a_link_of_views_opens_its_list(scene: Scene, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the query filled in; the search attributes can be put beside it as columns, as the command says."""
    monkeypatch.setenv(UI_VARIABLE, window.url)
    handle = await scene.start("summer", approval={"required": True}, requested_by="crm")
    query = queries(scene.account)["waits for approval"]
    await until(partial(scene.client.count_workflows, query), lambda found: found.count == 1)
    await window.page.goto(list_link(scene.client, query) or "")
    await window.see(window.page.get_by_role("table"), handle.id)
    await window.page.get_by_label("Configure Columns").click()
    for name in SEARCH_ATTRIBUTES:
        await window.see(window.page.locator("body"), name)
    await scene.update(handle, "reject")


async def test_an_approval_leads_to_its_articles(scene: Scene, window: Window) -> None:
    """By a link on its page, to what `qunfa article serve` shows: the text, and the picture that is to be sent."""
    with closing(Services()) as services:
        url = services.add(articles(scene.stage.client, scene.queue, {ADDRESS}), ADDRESS, 0)
        serving = asyncio.create_task(services.run())
        link_articles(url)
        try:
            handle = await scene.start(
                message=scene.news("<p>春天</p>"), approval={"required": True}, requested_by="crm"
            )
            await scene.until(handle, lambda status: status.phase == "awaiting_approval")
            page = await window.open(handle)
            async with window.page.context.expect_page() as opening:
                await page.get_by_role("link", name=f"{url}/{scene.account}/spring").click()
            opened = await opening.value
            await window.see(opened.locator("article"), "春天")
            await opened.close()
        finally:
            link_articles(None)
            services.stop()
            await serving
