"""How a test looks for what it waits for: again and again, and not so often that it takes the processor from it."""

import asyncio
from typing import Final

_APART_SECONDS: Final = 0.01


async def look_again() -> None:
    """Between two looks; a test that waits for a condition ends as soon as it is met, whatever time that takes."""
    await asyncio.sleep(_APART_SECONDS)
