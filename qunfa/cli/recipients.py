"""Who sees a preview, as people name them."""

from typing import Final

WXNAME: Final = "wx:"


def recipient(named: str) -> dict[str, str]:
    """An openid, or a WeChat id behind `wx:`, as a request has it."""
    if named.startswith(WXNAME):
        return {"wxname": named.removeprefix(WXNAME)}
    return {"openid": named}


def recipients(openids: list[str] | None, wxnames: list[str] | None = None) -> list[dict[str, str]] | None:
    """All of them; `None` where nobody was named."""
    named = [recipient(one) for one in openids or ()] + [{"wxname": one} for one in wxnames or ()]
    return named or None
