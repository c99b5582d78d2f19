"""A browser's window on Temporal's UI, and what an operator does in it."""

import asyncio
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import FloatRect, FrameLocator, Locator, Page, expect
from temporalio.client import WorkflowHandle

from qunfa.config_file import Language
from tests.looking import PATIENCE

PATIENCE_MILLISECONDS = PATIENCE * 1000
LOOK_MILLISECONDS = 1_500.0
LOOK_GROWTH = 1.5
WIDTH, HEIGHT = 1440, 1200
COLOURS = 128
"""Enough for a picture in a document, at a third of the bytes."""
IN_CHINESE = {
    "needs operator": "待人工处理",
    "Waiting for": "正在等待",
    "done: sent": "已结束（done）：已发送（sent）",
    "ended as sent": "已结束：已发送",
    "retry of ip_not_whitelisted, by li": "针对 ip_not_whitelisted 重试，操作人 li",
    "5,000 of 5,000": "5,000 人中的 5,000 人",
    "awaiting approval": "待审批",
    "to all followers": "发给全部粉丝",
    "asked for by crm": "发起人 crm",
    "FROZEN": "已冻结",
    "nothing tried": "未提交",
}
"""What the pages say; everything else that is looked for stands there in both languages."""


@dataclass
class Window:
    """One window. `folder` is where pictures go, if anywhere; those of Chinese pages by a name of their own."""

    page: Page
    url: str
    language: Language
    folder: Path | None

    async def open(self, handle: WorkflowHandle[Any, Any]) -> FrameLocator:
        """Go to a workflow's *User Metadata*; the page that the workflow keeps there."""
        await self.page.goto(f"{self.url}/namespaces/default/workflows/{handle.id}")
        await self.page.get_by_role("tab", name="User Metadata").click()
        return self.page.frame_locator("iframe[title=output]").last

    async def read(self, page: FrameLocator, *texts: str) -> None:
        """Wait until a workflow's page says all this in its language.

        It is as of one moment, and `R` brings it up to date. Each look takes longer, so that a slow page is there once.
        """
        async with asyncio.timeout(PATIENCE_MILLISECONDS / 1000):
            for text in texts:
                said = IN_CHINESE.get(text, text) if self.language == "zh" else text
                look = LOOK_MILLISECONDS
                while not await self._says(page, said, look):
                    await self.page.keyboard.press("r")
                    look *= LOOK_GROWTH

    async def _says(self, page: FrameLocator, text: str, within: float) -> bool:
        try:
            await expect(page.locator("main")).to_contain_text(text, timeout=within)
        except AssertionError:
            return False
        return True

    async def list(self, query: str) -> None:
        """Go to the list of workflows, and paste the query there."""
        await self.page.goto(f"{self.url}/namespaces/default/workflows")
        await self.page.get_by_test_id("toggle-manual-query").click()
        await self.page.get_by_role("searchbox", name="Enter a query").fill(query)
        await self.page.get_by_role("button", name="Search").click()

    async def see(self, where: Locator, text: str | re.Pattern[str]) -> None:
        """Wait until the text is there."""
        await expect(where).to_contain_text(text, timeout=PATIENCE_MILLISECONDS)

    async def fill_in(self, update: str, payload: str) -> None:
        """Open *Send an Update*, choose the update and paste the JSON."""
        await self.page.get_by_role("button", name="More Actions").click()
        await self.page.get_by_role("menuitem", name="Send an Update").click()
        await self.page.get_by_role("button", name="Select an Update").click()
        await self.page.get_by_role("option", name=re.compile(rf"^{update} ")).click()
        await self.paste(payload)

    async def paste(self, payload: str) -> None:
        """Put this JSON into the open dialog, in place of what is there."""
        await self.page.get_by_role("textbox", name="Data").click()
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.insert_text(payload)
        # The dialog lays the JSON out anew as soon as the field is left, and the button moves away under the mouse.
        await self.submit_button.focus()
        await self.see(self.page.get_by_role("textbox", name="Data"), re.compile(r"^\{\s*\"by\""))

    @property
    def submit_button(self) -> Locator:
        return self.page.get_by_role("button", name="Submit")

    async def submit(self, answer: str) -> None:
        """Send the update, and wait for the UI's word on it."""
        await self.submit_button.click()
        await self.see(self.page.locator("body"), answer)

    async def picture(self, name: str, height: int) -> None:
        """Keep a picture of the window's upper part, where pictures are wanted."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        clip: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": height}
        drawn = await self.page.screenshot(clip=clip, animations="disabled", caret="hide")
        with Image.open(BytesIO(drawn)) as picture:
            ending = ".zh.png" if self.language == "zh" else ".png"
            picture.quantize(COLOURS).save(self.folder / f"{name}{ending}", optimize=True)
